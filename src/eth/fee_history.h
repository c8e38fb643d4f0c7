/* What recent blocks paid: the numbers of eth_feeHistory, eth_gasPrice, eth_maxPriorityFeePerGas.
 *
 * Pure arithmetic over what the caller gathers from blocks. Source: ethereum/execution-apis
 * (eth_feeHistory: rewards are percentiles of the effective priority fee, weighted by gas used).
 * Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_FEE_HISTORY_H
#define ETH_FEE_HISTORY_H

#include "base/error.h"
#include "base/u256.h"

#define FEE_HISTORY_BLOCKS_MAX 1024u
#define FEE_HISTORY_PERCENTILES_MAX 100u

/* A transaction's part: what it gave the block's producer for a gas, and how much gas. */
struct fee_sample {
    struct u256 tip; /* wei a gas above the base fee */
    uint64_t gas_used;
};

/* fee_samples_sort orders by tip, rising; equal ones keep their order. */
void fee_samples_sort(struct fee_sample *samples, size_t count);

/* fee_percentiles gives the tip at each percentile of the block's gas; samples sorted; zeros for
 * an empty block.
 * percentiles  0..100, rising.   ret  percentile_count values. */
void fee_percentiles(struct u256 *ret, const struct fee_sample *samples, size_t count,
                     uint64_t block_gas_used, const double *percentiles, size_t percentile_count);

/* fee_percentiles_check: at most FEE_HISTORY_PERCENTILES_MAX, each 0..100, none below the one
 * before. errors  ERR_INVALID, ERR_LIMIT. */
[[gnu::warn_unused_result]] int fee_percentiles_check(const double *percentiles, size_t count,
                                                      struct error *why);

/* fee_suggest_tip: the 60th percentile of the cheapest tips of recent blocks, at most `most`.
 * tips  of any order; sorted here. Empty gives `otherwise`. */
struct u256 fee_suggest_tip(struct u256 *tips, size_t count, struct u256 otherwise,
                            struct u256 most);

#endif
