/* Priority of an order, and the spam score of who sent it.
 *
 * A score is kept from counters of four-second buckets over a minute: requests, refused requests,
 * and what the builder tells of the orders' worth. Low is good.
 * Source: BuilderNet/FlowProxy.
 * Differs: blob transactions are seen in network form too; the `uuid` alias counts as replacement;
 * a bucket without requests has no request term (the original takes log10(0) there).
 * Pure; any thread; a tracker is its owner's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PRIORITY_H
#define ORDERFLOW_PRIORITY_H

#include "orderflow/order_request.h"

enum order_priority {
    ORDER_HIGH,
    ORDER_MEDIUM,
    ORDER_LOW,
};

const char *order_priority_name(enum order_priority p);
/* order_priority_parse gives the priority of a name, case-insensitive; -1 for others. */
int order_priority_parse(struct bytes name);

#define ORDER_SCORE_SPAM 3.0 /* from here on orders are low */

struct score_bucket {
    uint64_t requests, invalid;
    uint64_t simulated_top; /* orders that passed simulation at the top of a block */
    uint64_t included;      /* orders that came into a block */
    double contribution;    /* best share of a block's value, percent */
};

/* score_of_bucket gives one bucket's score; score_mean that of a span: the mean, 0 without any. */
double score_of_bucket(const struct score_bucket *b);
double score_mean(const struct score_bucket *buckets, size_t count);

#define SCORE_BUCKETS_MAX 60u

struct score_settings {
    uint32_t bucket_s;   /* 4 */
    uint32_t lookback_s; /* 60 */
};
#define SCORE_SETTINGS_DEFAULT ((struct score_settings){4, 60})

/* One sender's counters. A zeroed one is ready for use. */
struct score_tracker {
    struct score_bucket bucket[SCORE_BUCKETS_MAX];
    uint64_t number[SCORE_BUCKETS_MAX]; /* of the bucket: time / bucket_s, plus 1; 0: unused */
};

/* score_at gives the bucket of a time (seconds, never far back), to count in. */
struct score_bucket *score_at(struct score_tracker *t, const struct score_settings *s,
                              uint64_t now_s);
/* score_now gives the mean of the buckets of the last lookback. */
double score_now(const struct score_tracker *t, const struct score_settings *s, uint64_t now_s);
/* score_is_idle: nothing was counted in the last lookback. */
bool score_is_idle(const struct score_tracker *t, const struct score_settings *s, uint64_t now_s);

/* order_priority_of ranks an accepted order of a sender with this score. cost  a hash of each
 * transaction of a bundle that lists reverting hashes. */
enum order_priority order_priority_of(const struct order *o, double score);

#endif
