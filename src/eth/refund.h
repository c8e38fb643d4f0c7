/* Refund: the flat tax rule that shares a block's profit among those who made it.
 *
 * Each identity's marginal contribution is the lesser of what it paid and what the block is worth
 * less without it; the profit (at most the sum of the contributions) is split in proportion. A
 * pair of identities whose joint contribution is smaller than what the two were given loses the
 * excess, so that nobody gains by splitting up. All in wei, divisions round down. Simulating
 * blocks is not done here.
 *
 * Source: BuilderNet documentation, "flat tax rule", and its published reference computation.
 * Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef ETH_REFUND_H
#define ETH_REFUND_H

#include "base/arena.h"
#include "base/error.h"
#include "base/u256.h"

struct refund_identity {
    struct u256 block_value_delta; /* what the block is worth less without it; 0 for a loss */
    const struct u256 *orders;     /* what each of its orders paid */
    size_t order_count;
    /* Results. */
    struct u256 refund;
    struct u256 *order_refunds; /* order_count of them, in the arena */
};

/* Two identities (indexes) and what the block is worth less without both. Pairs without a joint
 * contribution (not positive) are left out by the caller. */
struct refund_pair {
    size_t first, second;
    struct u256 joint_delta;
};

/* refund_split shares `value` by weight, rounded down; zeros when all weights are zero.
 * errors  ERR_RANGE: the sum of the weights, or value times a weight, passes 256 bits. */
[[gnu::warn_unused_result]] int refund_split(struct u256 *ret, struct u256 value,
                                             const struct u256 *weights, size_t count,
                                             struct error *why);

/* refund_reduce_pair takes `excess` from the two, so that they come as near to each other as
 * possible (the least squared change from the balanced point); both 0 when it is all. */
void refund_reduce_pair(struct u256 *a, struct u256 *b, struct u256 excess);

/* refund_compute fills the results. The pairs are taken in the order given.
 * errors  ERR_RANGE (sums past 256 bits, a pair's index), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int refund_compute(struct refund_identity *identities, size_t count,
                                               const struct refund_pair *pairs, size_t pair_count,
                                               struct u256 profit, struct arena *a,
                                               struct error *why);

#endif
