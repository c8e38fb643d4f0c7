/* Arithmetic of the oracle: by definition, one bit at a time. SPDX-License-Identifier: MIT */
#ifndef EVM_ORACLE_MATH_H
#define EVM_ORACLE_MATH_H

#include "base/u256.h"

static inline bool oracle_bit(struct u256 a, unsigned i) {
    return a.w[i / 64] >> i % 64 & 1;
}

static inline struct u256 oracle_set_bit(struct u256 a, unsigned i) {
    a.w[i / 64] |= 1ull << i % 64;
    return a;
}

static inline bool oracle_negative(struct u256 a) {
    return oracle_bit(a, 255);
}

static inline struct u256 oracle_negate(struct u256 a) {
    return u256_sub(U256_ZERO, a);
}

static inline struct u256 oracle_mul(struct u256 a, struct u256 b) {
    struct u256 sum = U256_ZERO;
    for (unsigned i = 256; i-- > 0;) {
        sum = u256_add(sum, sum);
        if (oracle_bit(b, i)) sum = u256_add(sum, a);
    }
    return sum;
}

// (a + b) mod m of values below m, where the sum may pass 2^256.
static inline struct u256 oracle_add_below(struct u256 a, struct u256 b, struct u256 m) {
    struct u256 sum;
    bool carry = u256_add_carry(&sum, a, b);
    return carry || u256_compare(sum, m) >= 0 ? u256_sub(sum, m) : sum;
}

static inline void oracle_div_mod(struct u256 *quotient, struct u256 *rest, struct u256 a,
                                  struct u256 b) {
    *quotient = *rest = U256_ZERO;
    if (u256_is_zero(b)) return;
    for (unsigned i = 256; i-- > 0;) {
        bool carry = u256_add_carry(rest, *rest, *rest);
        if (oracle_bit(a, i)) *rest = u256_add(*rest, U256_ONE);
        if (!carry && u256_compare(*rest, b) < 0) continue;
        *rest = u256_sub(*rest, b);
        *quotient = oracle_set_bit(*quotient, i);
    }
}

static inline struct u256 oracle_div(struct u256 a, struct u256 b) {
    struct u256 quotient, rest;
    oracle_div_mod(&quotient, &rest, a, b);
    return quotient;
}

static inline struct u256 oracle_mod(struct u256 a, struct u256 b) {
    struct u256 quotient, rest;
    oracle_div_mod(&quotient, &rest, a, b);
    return rest;
}

static inline struct u256 oracle_magnitude(struct u256 a) {
    return oracle_negative(a) ? oracle_negate(a) : a;
}

static inline struct u256 oracle_sdiv(struct u256 a, struct u256 b) {
    struct u256 q = oracle_div(oracle_magnitude(a), oracle_magnitude(b));
    return oracle_negative(a) != oracle_negative(b) ? oracle_negate(q) : q;
}

static inline struct u256 oracle_smod(struct u256 a, struct u256 b) {
    struct u256 rest = oracle_mod(oracle_magnitude(a), oracle_magnitude(b));
    return oracle_negative(a) ? oracle_negate(rest) : rest;
}

static inline struct u256 oracle_addmod(struct u256 a, struct u256 b, struct u256 m) {
    if (u256_is_zero(m)) return U256_ZERO;
    return oracle_add_below(oracle_mod(a, m), oracle_mod(b, m), m);
}

static inline struct u256 oracle_mulmod(struct u256 a, struct u256 b, struct u256 m) {
    struct u256 sum = U256_ZERO;
    if (u256_is_zero(m)) return sum;
    a = oracle_mod(a, m);
    for (unsigned i = 256; i-- > 0;) {
        sum = oracle_add_below(sum, sum, m);
        if (oracle_bit(b, i)) sum = oracle_add_below(sum, a, m);
    }
    return sum;
}

static inline struct u256 oracle_exp(struct u256 base, struct u256 exponent) {
    struct u256 power = U256_ONE;
    for (unsigned i = 256; i-- > 0;) {
        power = oracle_mul(power, power);
        if (oracle_bit(exponent, i)) power = oracle_mul(power, base);
    }
    return power;
}

static inline struct u256 oracle_sign_extend(struct u256 bytes, struct u256 a) {
    if (!u256_fits_u64(bytes) || bytes.w[0] > 30) return a;
    unsigned sign = (unsigned)bytes.w[0] * 8 + 7;
    bool negative = oracle_bit(a, sign);
    for (unsigned i = sign + 1; i < 256; i++) {
        a.w[i / 64] &= ~(1ull << i % 64);
        if (negative) a = oracle_set_bit(a, i);
    }
    return a;
}

// Bit i of the result is bit i + by of a; what lies outside is `fill`.
static inline struct u256 oracle_shift(struct u256 a, long by, bool fill) {
    struct u256 r = U256_ZERO;
    for (long i = 0; i < 256; i++) {
        long from = i + by;
        bool bit = from >= 256 ? fill : from >= 0 && oracle_bit(a, (unsigned)from);
        if (bit) r = oracle_set_bit(r, (unsigned)i);
    }
    return r;
}

static inline long oracle_shift_count(struct u256 a) {
    return u256_fits_u64(a) && a.w[0] < 256 ? (long)a.w[0] : 256;
}

static inline bool oracle_signed_less(struct u256 a, struct u256 b) {
    if (oracle_negative(a) != oracle_negative(b)) return oracle_negative(a);
    return u256_compare(a, b) < 0;
}

static inline unsigned oracle_leading_zeros(struct u256 a) {
    unsigned n = 0;
    while (n < 256 && !oracle_bit(a, 255 - n)) {
        n++;
    }
    return n;
}

#endif
