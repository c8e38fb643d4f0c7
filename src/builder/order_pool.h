/* The order pool: what may still go into a block, and news of it for the running jobs.
 *
 * Never validates: it keeps orders by their block range, drops those whose time has passed, and
 * holds to the rules of replacement: of one key only the highest nonce lives, a cancellation ends
 * everything up to its nonce. Memory is bounded; when it is full, the oldest public transactions
 * go first, and then a part of the others: those that failed, that wait, that pay least, and of
 * those that nobody has tried yet any. Orders whose last block is far ahead have a part of it. One
 * thread (the loop's). Source: flashbots/rbuilder, live_builder/order_input.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_ORDER_POOL_H
#define BUILDER_ORDER_POOL_H

#include "builder/build_order.h"

#define POOL_OPEN_BLOCKS 25u               /* how long an order without a block may wait */
#define POOL_CANCEL_KEEP_NS 60000000000ull /* cancellations are remembered for */
#define POOL_RECENT_MAX 10000u             /* ids of past orders, against repeats */
#define POOL_KEYS_MAX 400000u              /* replacement keys that are remembered */
#define POOL_FAR_PART 4u /* of the pool: orders more than POOL_OPEN_BLOCKS ahead */

struct order_pool;

/* Why an order leaves the pool. pool_removal_name gives a stable snake_case name. */
enum pool_removal {
    POOL_REPLACED,   /* a newer one of its key came */
    POOL_CANCELLED,  /* a cancellation of its key */
    POOL_EVICTED,    /* the pool was full */
    POOL_EXPIRED,    /* its blocks have passed */
    POOL_AGED,       /* a public transaction that waited too long */
    POOL_NONCE_USED, /* it can never be valid again */
};
const char *pool_removal_name(enum pool_removal reason);

/* What is known of an order's worth for the block that is built; the least first to go. */
enum pool_worth {
    POOL_WORTH_NONE,    /* it failed */
    POOL_WORTH_WAITS,   /* for a nonce */
    POOL_WORTH_PAYS,    /* ret_price wei a gas */
    POOL_WORTH_UNKNOWN, /* not tried yet, or for another block */
    POOL_WORTH_BEST,    /* the pool's own: it is among those that pay most */
};
#define POOL_BEST_KEPT 6000u /* that pay most go last; half of a small pool */
#define POOL_EVICT_PART 16u  /* of the pool goes at a time: all have to be looked at */

struct order_pool_options {
    size_t orders_max;       /* 0: 100,000 */
    size_t bytes_max;        /* 0: 1 GiB */
    uint64_t public_age_ns;  /* public transactions live; 0: 60 s */
    bool ignore_cancellable; /* orders with a replacement key are refused */
    bool ignore_blobs;
    /* News, in order; during the call that causes them. NULL: none. */
    void (*added)(void *context, const struct build_order *o);
    void (*removed)(void *context, const struct build_order *o, enum pool_removal reason);
    /* Asked of all when the pool is full; NULL: new orders are refused then. */
    enum pool_worth (*worth)(void *context, const struct build_order *o, struct u256 *ret_price);
    void *context;
};

[[gnu::warn_unused_result]] int order_pool_new(struct order_pool **ret,
                                               const struct order_pool_options *options,
                                               struct error *why);
void order_pool_free(struct order_pool *p);

/* order_pool_add takes an order in (and holds it). now_ns  monotonic.
 * errors  ERR_CONFLICT (it is there, or was a moment ago), ERR_STALE (its blocks have passed; a
 *         newer one of its key is known, or it was cancelled), ERR_LIMIT (full),
 *         ERR_UNSUPPORTED (of a kind that is ignored), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int order_pool_add(struct order_pool *p, const struct build_order *o,
                                               uint64_t now_ns, struct error *why);

/* order_pool_cancel ends an order and what comes with a nonce up to the key's. True when something
 * was taken out. */
bool order_pool_cancel(struct order_pool *p, const struct build_cancel *c, uint64_t now_ns);

/* order_pool_head tells a new head: what can only be in blocks up to it is dropped, and what has
 * waited too long. */
void order_pool_head(struct order_pool *p, uint64_t number, uint64_t now_ns);

/* order_pool_drop takes one out (its nonce has been used). */
void order_pool_drop(struct order_pool *p, const struct build_order *o);

/* order_pool_has: the order is still in. */
bool order_pool_has(const struct order_pool *p, const struct build_order *o);

/* order_pool_each visits what may go into a block. */
void order_pool_each(const struct order_pool *p, uint64_t block,
                     void (*each)(void *arg, const struct build_order *o), void *arg);

struct order_pool_counts {
    size_t txs, bundles, bytes, keys;
    uint64_t refused, evicted;
};
struct order_pool_counts order_pool_counts_now(const struct order_pool *p);

#endif
