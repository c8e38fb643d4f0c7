/* SPDX-License-Identifier: MIT */
#include "eth/fees.h"

#define BLOB_BASE_COST 8192u /* gas of execution that a blob shall at least cost (EIP-7918) */

/* a * b / c in 256 bits; the callers' numbers leave room for the product. */
static struct u256 scaled(struct u256 a, uint64_t b, uint64_t c) {
    struct u256 q;
    u256_div_mod(&q, NULL, u256_mul(a, u256_from_u64(b)), u256_from_u64(c));
    return q;
}

struct u256 base_fee_next(uint64_t gas_limit, uint64_t gas_used, struct u256 base_fee,
                          uint64_t elasticity, uint64_t denominator) {
    uint64_t target = gas_limit / elasticity;
    if (gas_used == target || target == 0) return base_fee;
    uint64_t off = gas_used > target ? gas_used - target : target - gas_used;
    struct u256 change = scaled(scaled(base_fee, off, target), 1, denominator);
    if (gas_used < target) return u256_sub(base_fee, change);
    return u256_add(base_fee, u256_is_zero(change) ? U256_ONE : change);
}

struct u256 blob_base_fee(uint64_t excess_blob_gas, uint64_t update_fraction) {
    // The Taylor series of e^(excess/fraction) in integers, as EIP-4844 writes it down.
    struct u256 numerator = u256_from_u64(excess_blob_gas), sum = U256_ZERO;
    struct u256 term = u256_from_u64(BLOB_BASE_FEE_MIN * update_fraction);
    for (uint64_t i = 1; !u256_is_zero(term); i++) {
        if (u256_add_carry(&sum, sum, term)) return U256_MAX;
        if (u256_mul_overflow(&term, term, numerator)) return U256_MAX;
        struct u256 divisor = u256_mul(u256_from_u64(update_fraction), u256_from_u64(i));
        u256_div_mod(&term, NULL, term, divisor);
    }
    u256_div_mod(&sum, NULL, sum, u256_from_u64(update_fraction));
    return sum;
}

uint64_t excess_blob_gas_next(uint64_t parent_excess, uint64_t parent_blob_gas_used,
                              struct u256 parent_base_fee, const struct blob_params *params,
                              bool reserve) {
    uint64_t target = (uint64_t)params->target * GAS_PER_BLOB, total;
    if (__builtin_add_overflow(parent_excess, parent_blob_gas_used, &total)) total = UINT64_MAX;
    if (total < target) return 0;
    if (reserve && params->max > 0) {
        struct u256 floor, price;
        struct u256 fee = blob_base_fee(parent_excess, params->update_fraction);
        bool over_floor = u256_mul_overflow(&floor, parent_base_fee, u256_from_u64(BLOB_BASE_COST));
        bool over_price = u256_mul_overflow(&price, fee, u256_from_u64(GAS_PER_BLOB));
        if (!over_price && (over_floor || u256_compare(floor, price) > 0)) {
            uint64_t part = (uint64_t)((unsigned __int128)parent_blob_gas_used *
                                       (params->max - params->target) / params->max);
            return __builtin_add_overflow(parent_excess, part, &total) ? UINT64_MAX : total;
        }
    }
    return total - target;
}

uint64_t gas_limit_next(uint64_t parent, uint64_t wanted) {
    uint64_t step = parent / GAS_LIMIT_BOUND;
    step = step > 0 ? step - 1 : 0;
    if (wanted < GAS_LIMIT_MIN) wanted = GAS_LIMIT_MIN;
    if (wanted > parent) return wanted - parent > step ? parent + step : wanted;
    return parent - wanted > step ? parent - step : wanted;
}

bool gas_limit_may_follow(uint64_t parent, uint64_t limit) {
    uint64_t off = limit > parent ? limit - parent : parent - limit;
    return off < parent / GAS_LIMIT_BOUND && limit >= GAS_LIMIT_MIN;
}
