/* SPDX-License-Identifier: MIT */
#include "evm/wide.h"

struct u256 wide_div(struct u256 a, struct u256 b) {
    struct u256 q;
    u256_div_mod(&q, NULL, a, b);
    return q;
}

struct u256 wide_mod(struct u256 a, struct u256 b) {
    struct u256 r;
    u256_div_mod(NULL, &r, a, b);
    return r;
}

struct u256 wide_sdiv(struct u256 a, struct u256 b) {
    bool negative = wide_is_negative(a) != wide_is_negative(b);
    if (wide_is_negative(a)) a = wide_negate(a);
    if (wide_is_negative(b)) b = wide_negate(b);
    struct u256 q = wide_div(a, b);
    return negative ? wide_negate(q) : q;
}

struct u256 wide_smod(struct u256 a, struct u256 b) {
    bool negative = wide_is_negative(a);
    if (negative) a = wide_negate(a);
    if (wide_is_negative(b)) b = wide_negate(b);
    struct u256 r = wide_mod(a, b);
    return negative ? wide_negate(r) : r;
}

struct u256 wide_exp(struct u256 base, struct u256 exponent) {
    // A power of two is a shift.
    unsigned bits = u256_bit_length(exponent);
    if (u256_equal(base, u256_from_u64(2))) {
        return wide_shl(U256_ONE, wide_shift_count(exponent));
    }
    struct u256 r = U256_ONE;
    for (unsigned i = bits; i-- > 0;) {
        r = wide_mul(r, r);
        if ((exponent.w[i / 64] >> (i % 64)) & 1) r = wide_mul(r, base);
    }
    return r;
}
