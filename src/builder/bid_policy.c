/* SPDX-License-Identifier: MIT */
#include "builder/bid_policy.h"

#define MILLION 1000000u

int bid_policy_find(struct bytes name) {
    static const char *const names[] = {"true-value", "fraction", "competition"};
    for (int i = 0; i < 3; i++) {
        if (bytes_equal_str(name, names[i])) return i;
    }
    return -1;
}

static struct u256 least(struct u256 a, struct u256 b) {
    return u256_compare(a, b) < 0 ? a : b;
}

static struct u256 most(struct u256 a, struct u256 b) {
    return u256_compare(a, b) > 0 ? a : b;
}

static struct u256 less(struct u256 a, struct u256 b) {
    return u256_compare(a, b) > 0 ? u256_sub(a, b) : U256_ZERO;
}

static struct u256 share_of(struct u256 value, uint32_t millionths) {
    struct u256 share;
    u256_div_mod(&share, NULL, u256_mul(value, u256_from_u64(millionths)), u256_from_u64(MILLION));
    return share;
}

// What is offered of the candidate's own worth.
static struct u256 offer(const struct bid_policy *p, const struct bid_situation *s) {
    switch (p->kind) {
    case BID_TRUE_VALUE:
        break;
    case BID_FRACTION:
        return share_of(s->value, p->fraction_millionths);
    case BID_COMPETITION: {
        struct u256 floor = share_of(s->value, p->fraction_millionths);
        if (!s->has_best) return floor;
        return least(s->value, most(floor, u256_add(s->best, p->increment)));
    }
    }
    return s->value;
}

// Own funds that may still go into this block.
static struct u256 budget(const struct bid_policy *p, const struct bid_situation *s) {
    struct u256 day = less(p->subsidy_day_max, s->spent_day);
    struct u256 wallet = less(s->wallet, p->wallet_floor);
    return least(least(p->subsidy_slot_max, day), wallet);
}

struct bid_decision bid_decide(const struct bid_policy *p, const struct bid_situation *s) {
    struct bid_decision d = {.payout = offer(p, s)};
    struct u256 beat = s->has_best ? u256_add(s->best, p->increment) : U256_ONE;
    struct u256 wanted = p->subsidy, lacks = less(beat, d.payout), may = budget(p, s);
    if (p->kind == BID_COMPETITION && s->has_best) wanted = least(wanted, lacks);
    if (s->must_win) wanted = most(wanted, lacks);
    struct u256 own = s->can_lose ? u256_add(s->deficit, wanted) : wanted;
    if (u256_compare(own, may) > 0) {
        d.reason = "subsidy limit";
        own = may;
    }
    if (s->can_lose && u256_compare(own, s->deficit) <= 0) {
        d.reason = "earns less than its payout costs";
        return d;
    }
    struct u256 added = s->can_lose ? u256_sub(own, s->deficit) : own;
    d.payout = u256_add(d.payout, added);
    d.own = own;
    d.bid = !u256_is_zero(d.payout);
    if (!d.bid) d.reason = "worth nothing";
    return d;
}
