/* Txpool: transactions that wait for a block.
 *
 * Per sender a run of nonces: those that follow the account's nonce without a gap and can be paid
 * are pending, the others queued. A transaction is judged once at its entry (fork, signature, fees,
 * blobs with their proofs) and again against each new head (nonce, balance).
 *
 * Rules: a replacement pays at least PRICE_BUMP more of every price (blobs: twice as much);
 * limits per sender and in all, where the cheapest remote ones leave first; an account with a code
 * delegation, or one that an authorization in the pool names, has at most one pending transaction
 * that is not its owner's next (EIP-7702); blob transactions need their sidecar (EIP-4844, 7594).
 * Local transactions are kept in a journal file and survive a restart.
 *
 * Used by the node and by builders. Not here: bundles, ordering beyond price, networking.
 * Ownership: entries are immutable and reference counted. Threads: any; a lock guards the tables
 * and is not held while signatures and proofs are checked or subscribers are called.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_TXPOOL_H
#define CHAIN_TXPOOL_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "eth/fork.h"
#include "eth/tx_sidecar.h"
#include "evm/state.h"

#define TXPOOL_BUMP_PERCENT 10u          /* a replacement's prices rise by at least this */
#define TXPOOL_BLOB_BUMP_PERCENT 100u    /* of blob transactions */
#define TXPOOL_TX_BYTES_MAX (128u << 10) /* of an envelope */
#define TXPOOL_BLOB_BYTES_MAX (2u << 20) /* of the network form of a blob transaction */
#define TXPOOL_SUBSCRIBERS_MAX 16

struct txpool;

/* One transaction; immutable. */
struct pool_tx {
    struct tx tx;              /* in `memory` */
    struct tx_sidecar sidecar; /* blobs; present == false for all other types */
    struct bytes network;      /* as eth_sendRawTransaction takes it */
    struct address sender;
    const struct address *authorities; /* that authorizations are of (EIP-7702) */
    size_t authority_count;
    uint64_t sequence;  /* order of arrival */
    uint64_t arrived_s; /* wall clock, seconds */
    bool local;
    /* internal */
    bool told; /* to subscribers; under the pool's lock */
    struct arena memory;
    _Atomic unsigned references;
};
struct pool_tx *pool_tx_hold(struct pool_tx *t);
void pool_tx_release(struct pool_tx *t); /* NULL is allowed */

struct txpool_limits {
    uint64_t pending;            /* 0: 8192 */
    uint64_t queued;             /* 0: 2048 */
    uint64_t pending_per_sender; /* 0: 256 */
    uint64_t queued_per_sender;  /* 0: 64 */
    uint64_t blobs_per_sender;   /* 0: 16 transactions */
    uint64_t bytes;              /* 0: 256 MiB */
    uint64_t queued_s;           /* remote queued ones older than this leave; 0: 3 hours */
    struct u256 price_min;       /* wei a gas, of the priority fee; local ones are exempt */
};

struct txpool_options {
    const struct chain_config *config; /* outlives the pool */
    struct txpool_limits limits;
    const char *journal;       /* file; NULL: none */
    const struct clock *clock; /* NULL: the system's */
    struct log *log;
    struct metrics *metrics;
    struct sender_cache *senders; /* NULL: none */
};

/* txpool_open makes an empty pool. It takes nothing before the first txpool_set_head; then
 * txpool_load_journal brings back what was there.
 * errors  ERR_NO_MEMORY, ERR_IO. */
[[gnu::warn_unused_result]] int txpool_open(struct txpool **ret, const struct txpool_options *o,
                                            struct error *why);
void txpool_close(struct txpool *p);

/* The head that transactions are judged against. */
struct txpool_head {
    struct state_reader reader; /* stays valid until the next set_head has returned; only one
                                   thread uses it at a time */
    uint64_t number, timestamp; /* of the next block: number and a time that it may have */
    uint64_t gas_limit;
    struct u256 base_fee;      /* of the next block */
    struct u256 blob_base_fee; /* of the next block; 0 before Cancun */
    enum fork fork;            /* of the next block */
};

/* txpool_set_head moves the pool: included transactions leave, those of removed blocks come back,
 * the others are judged anew.
 * back   envelopes of blocks that are canonical no more (without sidecars; blob transactions come
 *        back when the pool still remembers their sidecar). */
[[gnu::warn_unused_result]] int txpool_set_head(struct txpool *p, const struct txpool_head *head,
                                                const struct tx *const *back, size_t back_count,
                                                struct error *why);

/* txpool_load_journal puts back what the journal holds and writes it anew. */
[[gnu::warn_unused_result]] int txpool_load_journal(struct txpool *p, struct error *why);

/* txpool_add takes a transaction in network form.
 * local    its sender is this node's user: journalled, exempt from eviction by price.
 * errors   ERR_SYNTAX, ERR_UNSUPPORTED (type), ERR_INVALID (whatever makes it wrong), ERR_CONFLICT
 *          ("already known"), ERR_RANGE ("nonce too low", prices), ERR_LIMIT (full). The texts are
 *          those that users know: "nonce too low", "replacement transaction underpriced",
 *          "insufficient funds for gas * price + value", "already known", "txpool is full", ...
 * thread   any; may take some ms for blobs. */
[[gnu::warn_unused_result]] int txpool_add(struct txpool *p, struct bytes network, bool local,
                                           struct hash *ret_hash, struct error *why);

/* txpool_get finds by hash; NULL when it is not there. Release it. */
struct pool_tx *txpool_get(struct txpool *p, const struct hash *hash);
/* txpool_blob finds the sidecar that has a versioned hash; *ret_index its place in it. */
struct pool_tx *txpool_blob(struct txpool *p, const struct hash *versioned, size_t *ret_index);
/* txpool_remove takes one out, with those of its sender that follow it falling back to queued. */
bool txpool_remove(struct txpool *p, const struct hash *hash);

/* A list, in an order that blocks may take: of each sender by nonce, else by price. Free it. */
struct txpool_list {
    struct pool_tx **items;
    size_t count;
};
void txpool_list_free(struct txpool_list *l);
/* txpool_pending: what may go into the next block, best effective priority fee first.
 * base_fee  of that block. */
[[gnu::warn_unused_result]] int txpool_pending(struct txpool *p, struct u256 base_fee,
                                               struct txpool_list *ret, struct error *why);
/* txpool_content: everything; *ret_pending of them are pending, they come first; each part sorted
 * by sender and nonce. sender  NULL: all. */
[[gnu::warn_unused_result]] int txpool_content(struct txpool *p, const struct address *sender,
                                               struct txpool_list *ret, size_t *ret_pending,
                                               struct error *why);
void txpool_count(struct txpool *p, size_t *ret_pending, size_t *ret_queued);
/* txpool_nonce: the nonce that a sender's next transaction should have. */
[[gnu::warn_unused_result]] int txpool_nonce(struct txpool *p, const struct address *sender,
                                             uint64_t *ret, struct error *why);

/* txpool_subscribe: called once for each transaction that became pending, on the thread that made
 * it so, without the pool's lock; it must be quick and may hold the entry. Returns an id > 0.
 * errors  ERR_LIMIT. After txpool_unsubscribe has returned no call comes any more. */
[[gnu::warn_unused_result]] int txpool_subscribe(struct txpool *p,
                                                 void (*pending)(void *context, struct pool_tx *t),
                                                 void *context, struct error *why);
void txpool_unsubscribe(struct txpool *p, int id);

/* txpool_version rises with every change: payload building asks it whether to begin anew. */
uint64_t txpool_version(struct txpool *p);

#endif
