/* Whether a header may follow its parent, as far as headers alone can tell.
 *
 * Source: Yellow Paper 4.4.4 and the EIPs of each field; EIP-2, 100, 649, 1234, 2384, 3554, 4345,
 * 5133 for difficulty. Seals of proof of work are not checked: such blocks are history.
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_HEADER_CHECK_H
#define CHAIN_HEADER_CHECK_H

#include "eth/block.h"
#include "eth/fork.h"

#define EXTRA_DATA_MAX 32 /* bytes of a header */

/* chain_fork_of gives the fork of a header (its difficulty tells whether it is merged). */
enum fork chain_fork_of(const struct chain_config *c, const struct header *h);

/* header_check judges a header against its parent.
 * parent_total_difficulty  up to and with the parent; counts only around the merge.
 * errors  ERR_INVALID with the rule that is broken. */
[[gnu::warn_unused_result]] int header_check(const struct chain_config *c, const struct header *h,
                                             const struct header *parent,
                                             const struct u256 *parent_total_difficulty,
                                             struct error *why);

/* header_base_fee and header_excess_blob_gas give what the block after `parent` must have: the base
 * fee from London on, the excess from Cancun on (0 where no blob parameters are known for its
 * time, and on rollups). errors  ERR_INVALID (a rollup's parent has no parameters; header_base_fee,
 * which takes the parent's next second, then gives the parent's own). header_gas_limit gives the
 * limit closest to `wanted` that it may have. */
[[gnu::warn_unused_result]] int header_base_fee_at(const struct chain_config *c,
                                                   const struct header *parent, uint64_t timestamp,
                                                   struct u256 *ret, struct error *why);
struct u256 header_base_fee(const struct chain_config *c, const struct header *parent);
uint64_t header_excess_blob_gas(const struct chain_config *c, enum fork fork, uint64_t timestamp,
                                const struct header *parent);
uint64_t header_gas_limit(const struct chain_config *c, enum fork fork, const struct header *parent,
                          uint64_t wanted);

/* header_form_of gives the fields that headers of a fork have. */
enum header_form header_form_of(enum fork fork);

/* header_difficulty gives the difficulty that a block of proof of work must have. */
struct u256 header_difficulty(enum fork fork, uint64_t timestamp, const struct header *parent);

#endif
