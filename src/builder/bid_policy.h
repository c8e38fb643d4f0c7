/* Bidding policy: how much of a candidate's worth is offered to the proposer.
 *
 *   true-value   all of it
 *   fraction     a share of it
 *   competition  as little as beats the best bid of others, at least a share, at most all
 *
 * A subsidy is added on top from the builder's own funds, within a limit for a slot and one for a
 * day; for blocks that must be won it may grow to beat the best bid. The wallet's floor is never
 * gone below. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BID_POLICY_H
#define BUILDER_BID_POLICY_H

#include "base/error.h"
#include "base/u256.h"

enum bid_policy_kind {
    BID_TRUE_VALUE,
    BID_FRACTION,
    BID_COMPETITION,
};

struct bid_policy {
    enum bid_policy_kind kind;
    uint32_t fraction_millionths; /* FRACTION, and the least of COMPETITION */
    struct u256 increment;        /* wei above the best bid of others */
    struct u256 subsidy;          /* wei, every slot */
    struct u256 subsidy_slot_max; /* wei of own funds, a slot */
    struct u256 subsidy_day_max;  /* and in 24 hours */
    struct u256 wallet_floor;     /* wei that stay in the builder's account */
};

/* What is known when a candidate stands. All in wei. */
struct bid_situation {
    bool can_lose;         /* the payout's gas is more than the candidate earns: value is 0 then */
    struct u256 deficit;   /* by how much, when can_lose */
    struct u256 value;     /* true value: earnings less the payout's gas */
    bool has_best;         /* a bid of others is known */
    struct u256 best;      /* the highest of them */
    bool must_win;         /* the operator asked for this block */
    struct u256 wallet;    /* of the builder's account before the block */
    struct u256 spent_day; /* own funds of the last 24 hours */
};

struct bid_decision {
    bool bid;           /* false: not worth a bid */
    struct u256 payout; /* to the proposer */
    struct u256 own;    /* of it (and of its gas) from the builder's funds */
    const char *reason; /* why not, or what bounded it; a literal */
};

/* bid_decide decides about a candidate. Never bids 0: relays pass over that. */
struct bid_decision bid_decide(const struct bid_policy *p, const struct bid_situation *s);

/* bid_policy_find gives the kind of a name ("true-value", ...), -1 for others. */
int bid_policy_find(struct bytes name);

#endif
