/* Committing one order to a fill, all or nothing: the semantics of each kind. Internal to fill.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_COMMIT_H
#define BUILDER_COMMIT_H

#include "builder/fill.h"

/* commit_order runs an order after what stands in the fill. When ret->status is not COMMIT_DONE
 * the caller takes back what was done. errors  those of the reader, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int commit_order(struct block_fill *f, const struct job_order *o,
                                             struct commit_result *ret, struct error *why);

/* The fill's transactions, for commit.c. fill_run_tx runs one of an order; fill_run_payout one of
 * the builder's. `status` tells whether it stands in the block; then *ret_result is its outcome
 * and *ret_gain what the coinbase gained, modulo 2^256. */
[[gnu::warn_unused_result]] int fill_run_tx(struct block_fill *f, const struct job_order *o,
                                            uint32_t tx, enum commit_status *status,
                                            struct transact_result *ret_result,
                                            struct u256 *ret_gain, struct error *why);
[[gnu::warn_unused_result]] int fill_run_payout(struct block_fill *f, const struct job_order *o,
                                                const struct address *to, struct u256 value,
                                                uint64_t gas, uint64_t reserved_gas, bool *ret_paid,
                                                struct error *why);

/* Going back to a point of the fill. */
struct fill_mark fill_mark_now(const struct block_fill *f);
void fill_rewind(struct block_fill *f, const struct fill_mark *mark);

/* A difference modulo 2^256, read as signed. */
static inline bool wei_is_loss(struct u256 d) {
    return d.w[3] >> 63;
}
static inline struct u256 wei_gain(struct u256 d) {
    return wei_is_loss(d) ? U256_ZERO : d;
}

#endif
