/* SPDX-License-Identifier: MIT */
#include "eth/refund.h"

static struct u256 least(struct u256 a, struct u256 b) {
    return u256_compare(a, b) < 0 ? a : b;
}

static int sum_of(struct u256 *ret, const struct u256 *v, size_t count, struct error *why) {
    *ret = u256_from_u64(0);
    for (size_t i = 0; i < count; i++) {
        if (u256_add_carry(ret, *ret, v[i])) {
            return error_set(why, ERR_RANGE, "the contributions pass 256 bits");
        }
    }
    return 0;
}

int refund_split(struct u256 *ret, struct u256 value, const struct u256 *weights, size_t count,
                 struct error *why) {
    struct u256 sum, product;
    int r = sum_of(&sum, weights, count, why);
    for (size_t i = 0; i < count && r == 0; i++) {
        ret[i] = u256_from_u64(0);
        if (u256_is_zero(sum)) continue;
        if (u256_mul_overflow(&product, value, weights[i])) {
            return error_set(why, ERR_RANGE, "a share passes 256 bits");
        }
        u256_div_mod(&ret[i], NULL, product, sum);
    }
    return r;
}

void refund_reduce_pair(struct u256 *a, struct u256 *b, struct u256 excess) {
    struct u256 *low = u256_compare(*a, *b) <= 0 ? a : b, *high = low == a ? b : a;
    const struct u256 zero = u256_from_u64(0);
    struct u256 gap = u256_sub(*high, *low), from_low = zero;
    // First the higher comes down to the lower, then both go down together.
    if (u256_compare(excess, gap) > 0) {
        from_low = u256_shift_right(u256_sub(excess, gap), 1);
    }
    if (u256_compare(from_low, *low) > 0) from_low = *low;
    struct u256 from_high = u256_sub(excess, from_low);
    if (u256_compare(from_high, *high) > 0) {
        // The rounded half may leave one unit too many to the higher.
        from_low = least(*low, u256_add(from_low, u256_sub(from_high, *high)));
        from_high = *high;
    }
    *low = u256_sub(*low, from_low);
    *high = u256_sub(*high, from_high);
}

struct workspace {
    struct u256 *paid; /* by identity: the sum of its orders */
    struct u256 *marginal;
    struct u256 *share;
};

static int contributions(struct workspace *w, const struct refund_identity *identities,
                         size_t count, struct error *why) {
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct refund_identity *id = &identities[i];
        r = sum_of(&w->paid[i], id->orders, id->order_count, why);
        w->marginal[i] = least(w->paid[i], id->block_value_delta);
    }
    return r;
}

static int reduce_pairs(struct workspace *w, const struct refund_pair *pairs, size_t pair_count,
                        size_t count, struct error *why) {
    for (size_t i = 0; i < pair_count; i++) {
        const struct refund_pair *p = &pairs[i];
        struct u256 paid, given;
        if (p->first >= count || p->second >= count || p->first == p->second) {
            return error_set(why, ERR_RANGE, "pair %zu names no two identities", i);
        }
        if (u256_add_carry(&paid, w->paid[p->first], w->paid[p->second]) ||
            u256_add_carry(&given, w->share[p->first], w->share[p->second])) {
            return error_set(why, ERR_RANGE, "the contributions pass 256 bits");
        }
        struct u256 cap = least(paid, p->joint_delta);
        if (u256_compare(given, cap) <= 0) continue;
        refund_reduce_pair(&w->share[p->first], &w->share[p->second], u256_sub(given, cap));
    }
    return 0;
}

int refund_compute(struct refund_identity *identities, size_t count,
                   const struct refund_pair *pairs, size_t pair_count, struct u256 profit,
                   struct arena *a, struct error *why) {
    struct workspace w = {arena_new_array(a, struct u256, count),
                          arena_new_array(a, struct u256, count),
                          arena_new_array(a, struct u256, count)};
    struct u256 sum;
    if (!w.paid || !w.marginal || !w.share) {
        return error_set(why, ERR_NO_MEMORY, "no memory for refunds");
    }
    int r = contributions(&w, identities, count, why);
    if (r == 0) r = sum_of(&sum, w.marginal, count, why);
    if (r == 0) r = refund_split(w.share, least(profit, sum), w.marginal, count, why);
    if (r == 0) r = reduce_pairs(&w, pairs, pair_count, count, why);
    for (size_t i = 0; i < count && r == 0; i++) {
        struct refund_identity *id = &identities[i];
        id->refund = w.share[i];
        id->order_refunds = arena_new_array(a, struct u256, id->order_count);
        if (!id->order_refunds) return error_set(why, ERR_NO_MEMORY, "no memory for refunds");
        r = refund_split(id->order_refunds, id->refund, id->orders, id->order_count, why);
    }
    return r;
}
