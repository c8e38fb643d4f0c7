/* Refunds of a block by the flat tax rule: what each identity paid, what the block would be worth
 * without it, and what it gets back of the builder's profit.
 *
 * The block is built again by an algorithm: once with all orders, once without each identity that
 * landed, once without each pair of them whose orders touch the same state. The rule itself stands
 * in eth/refund.h. Public transactions get nothing.
 * One thread, with a fill of the block's job. Source: BuilderNet documentation, "Refunds";
 * buildernet.org/docs/refunds.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_REFUNDS_H
#define BUILDER_REFUNDS_H

#include "builder/algorithm.h"
#include "eth/refund.h"

#define REFUND_IDENTITIES_MAX 512u /* without whom the block is built: those that paid most */
#define REFUND_PAIRS_MAX 512u      /* and without both: first among those that paid most */

struct refund_order {
    const struct job_entry *entry;
    struct u256 paid; /* what it brought the coinbase where it stands */
    struct u256 refund;
    struct u256 delayed; /* owed to the order's recipient besides, whatever the rule says */
};

struct refund_party {
    struct address identity;
    struct u256 paid, delta, refund; /* delta: what the block is worth less without it */
    struct refund_order *orders;
    size_t order_count;
    bool tried; /* else the delta is taken for none: of too many, one that paid little */
};

struct refund_joint {
    size_t first, second; /* parties */
    struct u256 delta;
};

struct refund_report {
    struct u256 value;            /* of the block, by the landed sequence */
    struct u256 profit;           /* what may be given back */
    struct refund_party *parties; /* by address */
    size_t party_count;
    struct refund_joint *joints;
    size_t joint_count;
    size_t pairs_tried; /* together; at most REFUND_PAIRS_MAX */
};

/* refunds_compute does all of it.
 * landed   the orders of the block, as they stand in it.
 * plan     all orders that there were.
 * kept     wei of the value that did not go to the proposer (nor for its payment).
 * ret      lives in `a`.
 * errors   those of the fill, ERR_RANGE, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int refunds_compute(struct refund_report *ret, struct algorithm *alg,
                                                struct block_fill *f, const struct sequence *landed,
                                                const struct plan *plan, struct u256 kept,
                                                struct arena *a, struct error *why);

#endif
