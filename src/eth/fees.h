/* Prices that follow from the parent block: base fee, blob base fee, gas limit.
 * Source: EIP-1559, EIP-4844, EIP-7918; OP Stack: specs, exec-engine.md (other constants).
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_FEES_H
#define ETH_FEES_H

#include "eth/fork.h"

#define BASE_FEE_ELASTICITY 2u
#define BASE_FEE_DENOMINATOR 8u
#define BASE_FEE_INITIAL 1000000000u /* wei, of the first London block */
#define GAS_LIMIT_MIN 5000u
#define GAS_LIMIT_BOUND 1024u /* a gas limit moves by less than a 1024th of its parent's */

/* base_fee_next gives the base fee of the block after one with these numbers.
 * elasticity, denominator  BASE_FEE_* on Ethereum; both above 0. */
struct u256 base_fee_next(uint64_t gas_limit, uint64_t gas_used, struct u256 base_fee,
                          uint64_t elasticity, uint64_t denominator);

/* blob_base_fee gives wei a blob gas; U256_MAX where the exact value, or what it is computed
 * through, does not fit 256 bits (an excess of more than some 130 update fractions). */
struct u256 blob_base_fee(uint64_t excess_blob_gas, uint64_t update_fraction);

/* excess_blob_gas_next gives the excess of a block from its parent's numbers (0 for a parent before
 * Cancun).
 * params   of the child block.
 * reserve  the child block is of Osaka or later, where blobs have a reserve price (EIP-7918). */
uint64_t excess_blob_gas_next(uint64_t parent_excess, uint64_t parent_blob_gas_used,
                              struct u256 parent_base_fee, const struct blob_params *params,
                              bool reserve);

/* gas_limit_next gives the limit closest to `wanted` that may follow a parent's. */
uint64_t gas_limit_next(uint64_t parent, uint64_t wanted);

/* gas_limit_may_follow: the limit obeys the bounds. */
bool gas_limit_may_follow(uint64_t parent, uint64_t limit);

#endif
