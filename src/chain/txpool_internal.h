/* The pool's inside. SPDX-License-Identifier: MIT */
#ifndef CHAIN_TXPOOL_INTERNAL_H
#define CHAIN_TXPOOL_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "chain/txpool.h"

#include <pthread.h>

struct kzg;

#define TXPOOL_LIMBO 256 /* blob transactions remembered after their block, for reorgs */

/* A node and the heap that it is in; NULL: in none. */
struct pool_place {
    struct heap_node node;
    struct heap *heap;
};

/* One sender. Its transactions are sorted by nonce; the first `pending` follow the account's nonce
 * without a gap and can all be paid together. */
struct pool_account {
    struct address address;
    struct pool_tx **txs;
    size_t count, room, pending;
    bool known; /* nonce, balance and delegated are of the current head */
    uint64_t nonce;
    struct u256 balance, left;           /* left: without what the pending ones may cost */
    bool delegated;                      /* has a code delegation */
    bool has_code;                       /* any other code: cannot send */
    struct pool_place last, last_queued; /* in txpool.cheapest */
    struct pool_account *next_empty;     /* of those that a new head left nothing of */
};

/* Senders by what their last transaction pays, the least first; who makes room is found there.
 * [local]: whether the last transaction is; queued: only those of whom something is queued. */
struct pool_cheapest {
    struct heap all[2], queued[2];
};

/* Counts of authorizations in the pool that name an address (EIP-7702). */
struct pool_authority {
    struct address address;
    size_t count;
};

/* A place of a blob. */
struct pool_blob {
    struct hash versioned;
    struct pool_tx *tx;
    size_t index;
};

struct pool_subscriber {
    int id;
    void (*pending)(void *context, struct pool_tx *t);
    void *context;
};

struct txpool {
    struct txpool_options options;
    const struct clock *clock;
    struct kzg *kzg;
    pthread_mutex_t lock; /* of everything below it up to the journal */
    struct txpool_head head;
    bool has_head;
    struct map by_hash;   /* hash -> struct pool_tx, which the map holds */
    struct map by_sender; /* address -> struct pool_account */
    struct pool_cheapest cheapest;
    struct map authorities; /* address -> struct pool_authority */
    struct map blobs;       /* versioned hash -> struct pool_blob */
    size_t pending, queued;
    uint64_t bytes, next_sequence;
    struct pool_tx *limbo[TXPOOL_LIMBO];
    size_t limbo_next;
    _Atomic uint64_t version;
    pthread_mutex_t journal_lock;
    int journal_fd;
    size_t journal_lines; /* in the file */
    size_t journal_bytes; /* in the file, of what was written since it was opened */
    bool journal_read;    /* it may be written anew */
    pthread_rwlock_t subscriber_lock;
    struct pool_subscriber subscribers[TXPOOL_SUBSCRIBERS_MAX];
    size_t subscriber_count;
    int next_subscriber;
    struct metric *metric_pending, *metric_queued, *metric_added, *metric_refused, *metric_evicted;
};

/* Those that became pending, to be told once the lock is off. */
struct pool_news {
    struct pool_tx **items; /* held */
    size_t count, room;
};
void pool_news_tell(struct txpool *p, struct pool_news *news); /* and frees it */

/* txpool_check.c: without the lock. pool_tx_new decodes and finds the sender. */
[[gnu::warn_unused_result]] int pool_tx_new(struct pool_tx **ret, struct txpool *p,
                                            struct bytes network, bool local, struct error *why);
/* What the head's fork, chain and limits say, and the blobs' proofs. */
[[gnu::warn_unused_result]] int pool_check_static(struct txpool *p, const struct pool_tx *t,
                                                  const struct txpool_head *head,
                                                  struct error *why);
/* With the lock: what the sender's account and its other transactions say. *ret_old is the
 * transaction that this one replaces, or NULL. */
[[gnu::warn_unused_result]] int pool_check_account(struct txpool *p, const struct pool_account *a,
                                                   const struct pool_tx *t,
                                                   struct pool_tx **ret_old, struct error *why);

/* txpool_journal.c */
[[gnu::warn_unused_result]] int pool_journal_append(struct txpool *p, const struct pool_tx *t,
                                                    struct error *why);
[[gnu::warn_unused_result]] int pool_journal_rewrite(struct txpool *p, struct error *why);

/* txpool.c, with the lock. */
struct pool_account *pool_account_find(const struct txpool *p, const struct address *address);
size_t pool_account_place(const struct pool_account *a, uint64_t nonce); /* first >= nonce */
size_t pool_authority_count(const struct txpool *p, const struct address *address);
/* pool_tip: what a transaction pays a gas above the base fee. */
struct u256 pool_tip(const struct pool_tx *t, struct u256 base_fee);

#endif
