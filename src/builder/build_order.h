/* Orders as the builder works with them: transactions, bundles and share bundles, decoded, judged
 * by the rules of the formats, and immutable from then on.
 *
 * An order has all its transactions in one list, depth first; how they hang together is a tree of
 * groups over that list. A transaction and a bundle are one group.
 * Ownership: an order owns all it points to and is reference counted, so that the pool may drop it
 * while a job still works with it. Any thread.
 * Source: flashbots/rbuilder, rbuilder-primitives (serialize).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BUILD_ORDER_H
#define BUILDER_BUILD_ORDER_H

#include "crypto/sender_cache.h"
#include "eth/order_feed.h"
#include "eth/order_id.h"
#include "eth/tx_sidecar.h"
#include "json/write.h"

#define BUILD_TXS_MAX 256u        /* transactions of one order */
#define BUILD_AUTHORITIES_MAX 16u /* of a transaction: those whose signer is looked for */
#define BUILD_SHARE_DEPTH 5u      /* share bundles within share bundles */

enum build_kind {
    BUILD_TX,
    BUILD_BUNDLE,
    BUILD_SHARE,
};

enum build_source {
    BUILD_FROM_RPC,     /* the JSON-RPC port */
    BUILD_FROM_FEED,    /* the orderflow program */
    BUILD_FROM_MEMPOOL, /* the node's pool: public */
    BUILD_FROM_FILE,    /* a backtest */
};

/* Who signed an authorization, and the nonce that it uses up where it is valid (EIP-7702). */
struct build_authority {
    struct address address;
    uint64_t nonce;
};

struct build_tx {
    struct tx tx;
    struct tx_sidecar sidecar;
    struct address sender;
    bool optional;                             /* the order can do without it: see build_item */
    bool may_revert;                           /* it may fail on chain and stay */
    const struct build_authority *authorities; /* of the first BUILD_AUTHORITIES_MAX */
    size_t authority_count;
};

/* One step of a group: a transaction, or a group within. */
struct build_item {
    uint32_t tx; /* index in the order's list; when group is NULL */
    const struct build_group *group;
    bool may_revert; /* it may fail on chain and stays */
    bool may_drop;   /* it is left out where it would fail or is not valid */
};

struct build_group {
    const struct build_item *items;
    size_t count;
    const struct share_refund *refunds; /* share bundles; body_index is below count */
    size_t refund_count;
    const struct share_refund_config *refund_configs;
    size_t refund_config_count;
};

/* What a bundle pays back of what one of its transactions pays. */
struct build_refund {
    uint8_t percent; /* 0: nothing; at most 99 */
    bool delayed;    /* recorded and paid later */
    uint32_t tx;     /* index of the transaction */
    struct address recipient;
};

#define BUILD_NONCE_NONE UINT64_MAX

/* The first nonces of a sender in an order. */
struct build_nonce {
    struct address sender;
    uint64_t nonce; /* of all its transactions, and authorizations that use one up before */
    uint64_t
        needed; /* of those that the order cannot do without; BUILD_NONCE_NONE: there is none */
};

struct build_order {
    enum build_kind kind;
    enum build_source source;
    enum feed_priority priority;
    bool from_peer;
    bool has_signer, has_refund_identity, has_key;
    struct hash id;                        /* of a bundle: its uuid, zeros after it */
    struct hash bundle_hash;               /* as the sender named it, or of the transactions */
    uint64_t first_block, last_block;      /* 0: any */
    uint64_t min_timestamp, max_timestamp; /* seconds; max UINT64_MAX: none */
    uint64_t received_ns;
    struct address signer, refund_identity;
    struct order_replacement key; /* has_key */
    const struct build_tx *txs;
    size_t tx_count;
    const struct build_nonce *nonces;
    size_t nonce_count;
    bool optional; /* it can do without each of its transactions, though not without all */
    struct build_group root;
    struct build_refund refund;
    size_t bytes; /* memory it takes */
};

/* A cancellation: everything under the key up to and with the nonce. */
struct build_cancel {
    struct order_replacement key;
    uint64_t block; /* 0: every block */
};

/* What one request comes to. */
enum build_request_kind {
    BUILD_REQUEST_ORDER,
    BUILD_REQUEST_CANCEL,
    BUILD_REQUEST_SUBSIDY,
};
struct build_request {
    enum build_request_kind kind;
    struct build_order *order; /* the caller's: build_order_release */
    struct build_cancel cancel;
    uint64_t subsidy_block;
};

struct build_context {
    uint64_t chain_id;
    enum build_source source;
    struct sender_cache *senders; /* NULL: none */
};

/* build_request_of judges an order of the feed and decodes its transactions.
 * o       borrowed during the call.
 * errors  ERR_INVALID, ERR_RANGE, ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT (BUILD_TXS_MAX,
 *         BUILD_SHARE_DEPTH), ERR_NO_MEMORY; the text names the field.
 * cost    a Keccak a transaction, and a recovery where the sender is not given. */
[[gnu::warn_unused_result]] int build_request_of(struct build_request *ret,
                                                 const struct feed_order *o,
                                                 const struct build_context *c, struct error *why);

/* build_order_of_tx makes an order of one public transaction, in network form.
 * errors  as build_request_of. */
[[gnu::warn_unused_result]] int build_order_of_tx(struct build_order **ret, struct bytes raw,
                                                  const struct address *sender,
                                                  const struct build_context *c, struct error *why);

/* build_order_retain counts one more holder and gives the order back; build_order_release gives
 * one up (NULL is allowed). */
const struct build_order *build_order_retain(const struct build_order *o);
void build_order_release(const struct build_order *o);

/* Whether the proofs of an order's blobs are right: found once, remembered with the order. */
enum build_blobs {
    BUILD_BLOBS_UNKNOWN,
    BUILD_BLOBS_GOOD, /* or there are none */
    BUILD_BLOBS_BAD,
};
enum build_blobs build_order_blobs(const struct build_order *o);
void build_order_set_blobs(const struct build_order *o, enum build_blobs b);

/* build_order_reach tells how an order stands to the present nonces of its senders (now, in the
 * order of its nonces). *at  in: where to begin, 0; out: the one that decides. To look for more
 * that it waits for, begin after that. */
enum build_reach {
    BUILD_REACHED, /* it can be tried */
    BUILD_AHEAD,   /* it waits for a nonce of the sender at *at */
    BUILD_PASSED,  /* what it needs has been used */
};
enum build_reach build_order_reach(const struct build_order *o, const uint64_t *now, size_t *at);

/* build_order_identity gives who is credited in the accounts of refunds: the refund identity, else
 * the signer, else the first transaction's sender. */
struct address build_order_identity(const struct build_order *o);

/* build_order_is_public: it came from the public pool and holds nothing else. */
static inline bool build_order_is_public(const struct build_order *o) {
    return o->source == BUILD_FROM_MEMPOOL;
}

/* build_order_name writes "tx:0x..", "bundle:uuid", "share:0x..", as logs and tables name it. */
#define BUILD_ORDER_NAME_MAX 80
void build_order_name(char ret[BUILD_ORDER_NAME_MAX], const struct build_order *o);

#endif
