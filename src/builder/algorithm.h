/* Algorithms: which orders go into the block, and in which order.
 *
 *   greedy   takes the best by a value, then the next, as they turn out in place
 *   merge    finds groups of orders that touch the same state, the best sequence of each group
 *            alone, and puts the groups together
 *   exact    all sequences of a few orders: the optimum
 *   anneal   goes on from any candidate as long as there is time, and keeps the best
 *
 * All work on a fill and leave their candidate there. They are deterministic: the same plan and the
 * same seed give the same block, whatever the machine does beside (only an end by `stop` or budget
 * depends on time).
 *
 * Threads: an algorithm belongs to one thread with its fill; plans are read only.
 * Source: flashbots/rbuilder, building/builders.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_ALGORITHM_H
#define BUILDER_ALGORITHM_H

#include "base/random.h"
#include "builder/job.h"

enum algorithm_kind {
    ALGORITHM_MAX_PROFIT,
    ALGORITHM_GAS_PRICE,
    ALGORITHM_TYPE_MAX_PROFIT,   /* bundles before public transactions */
    ALGORITHM_LENGTH_MAX_PROFIT, /* orders of three and more transactions first */
    ALGORITHM_LENGTH_GAS_PRICE,
    ALGORITHM_MERGE,
    ALGORITHM_KIND_COUNT,
};

/* algorithm_name gives "max-profit", "mev-gas-price", "type-max-profit", "length-three-max-profit",
 * "length-three-mev-gas-price", "parallel"; algorithm_find reads these and the short names of
 * deployed configurations ("mp-ordering", "mgp-ordering"), -1 for others. */
const char *algorithm_name(enum algorithm_kind k);
int algorithm_find(struct bytes name);

#define ALGORITHM_EXACT_MAX 6u /* orders of a group that are tried in every sequence */

struct algorithm_settings {
    enum algorithm_kind kind;
    unsigned retries;  /* of an order that pays less in place than alone */
    bool safe_sorting; /* never a worse refund before a better one for the same transaction */
    uint64_t seed;
    unsigned exact_max; /* 0: ALGORITHM_EXACT_MAX; at most 8 */
};

#define ALGORITHM_RETRIES_DEFAULT 1u

/* A list of orders as they are to be tried. */
struct sequence {
    const struct job_entry **at;
    size_t count, room;
};
void sequence_free(struct sequence *s);
[[gnu::warn_unused_result]] int sequence_add(struct sequence *s, const struct job_entry *e,
                                             struct error *why);
[[gnu::warn_unused_result]] int sequence_copy(struct sequence *to, const struct sequence *from,
                                              struct error *why);

/* sequence_order_nonces puts the orders of each sender (of their first nonce) in the order of their
 * nonces, on the places that they have. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int sequence_order_nonces(struct sequence *s, struct error *why);

/* sequence_run tries orders one after another from the block's beginning on; one whose nonce is
 * too high waits until a later one brings it. The candidate stands in the fill.
 * stop    may be NULL; set: ERR_CANCELLED.   errors  those of the fill. */
[[gnu::warn_unused_result]] int sequence_run(struct block_fill *f, const struct sequence *s,
                                             const atomic_bool *stop, struct error *why);

/* sequence_of_fill gives the orders that stand in the candidate. */
[[gnu::warn_unused_result]] int sequence_of_fill(struct sequence *ret, const struct block_fill *f,
                                                 struct error *why);

struct algorithm;
[[gnu::warn_unused_result]] int
algorithm_new(struct algorithm **ret, const struct algorithm_settings *settings, struct error *why);
void algorithm_free(struct algorithm *a);

/* algorithm_reset forgets what was learnt of a job; before the first plan of another. */
void algorithm_reset(struct algorithm *a);

/* algorithm_run makes a candidate of the plan in the fill.
 * errors  those of the fill, ERR_NO_MEMORY, ERR_CANCELLED (stop; the fill holds a valid part). */
[[gnu::warn_unused_result]] int algorithm_run(struct algorithm *a, struct block_fill *f,
                                              const struct plan *plan, const atomic_bool *stop,
                                              struct error *why);

/* algorithm_extend puts a few new orders into the candidate that stands in the fill, before those
 * that pay least, without another look at the rest: the first answer to news, at a fraction of a
 * run's cost. *ret_done: false when too much is new or something is gone; then nothing was done.
 * errors  as algorithm_run. */
[[gnu::warn_unused_result]] int algorithm_extend(struct algorithm *a, struct block_fill *f,
                                                 const struct plan *plan, bool *ret_done,
                                                 struct error *why);
#define ALGORITHM_EXTEND_MAX 4u /* new orders */

/* algorithm_refine tries to better the last candidate of algorithm_run with the same plan, at most
 * `tries` sequences. Afterwards the fill holds the best one known.
 * errors  as algorithm_run. */
[[gnu::warn_unused_result]] int algorithm_refine(struct algorithm *a, struct block_fill *f,
                                                 const struct plan *plan, unsigned tries,
                                                 const atomic_bool *stop, struct error *why);

/* exact_run tries every sequence of every selection of the orders: count at most 8. For groups,
 * and as the optimum that tests and benchmarks compare with. ret gets the best sequence. */
[[gnu::warn_unused_result]] int exact_run(struct sequence *ret, struct u256 *ret_profit,
                                          struct block_fill *f,
                                          const struct job_entry *const *orders, size_t count,
                                          const atomic_bool *stop, struct error *why);

/* Parts, for algorithm.c. */
struct greedy;
[[gnu::warn_unused_result]] int greedy_new(struct greedy **ret, struct error *why);
void greedy_free(struct greedy *g);
[[gnu::warn_unused_result]] int greedy_run(struct greedy *g, enum algorithm_kind kind,
                                           unsigned retries, struct block_fill *f,
                                           const struct plan *plan, const atomic_bool *stop,
                                           struct error *why);

struct merge;
[[gnu::warn_unused_result]] int
merge_new(struct merge **ret, const struct algorithm_settings *settings, struct error *why);
void merge_free(struct merge *m);
void merge_reset(struct merge *m);
[[gnu::warn_unused_result]] int merge_run(struct merge *m, struct block_fill *f,
                                          const struct plan *plan, const atomic_bool *stop,
                                          struct error *why);

/* refunds_in_order: whether a sequence keeps the rule of safe sorting. */
bool refunds_in_order(const struct sequence *s);

static inline bool algorithm_stopped(const atomic_bool *stop) {
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

#endif
