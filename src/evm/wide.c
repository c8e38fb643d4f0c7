/* SPDX-License-Identifier: MIT */
#include "evm/wide.h"

// The shift that a power of two stands for; -1 for other numbers.
static inline int log2_of(const struct u256 *v) {
    int at = -1;
    for (int i = 0; i < 4; i++) {
        if (v->w[i] == 0) continue;
        if (at >= 0 || (v->w[i] & (v->w[i] - 1)) != 0) return -1;
        at = 64 * i + __builtin_ctzll(v->w[i]);
    }
    return at;
}

void wide_div(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    if (u256_fits_u64(*a) && u256_fits_u64(*b)) {
        *ret = u256_from_u64(b->w[0] ? a->w[0] / b->w[0] : 0);
        return;
    }
    int shift = log2_of(b);
    if (shift >= 0) {
        *ret = wide_shr(*a, (uint64_t)shift);
    } else {
        u256_div_mod(ret, NULL, *a, *b);
    }
}

void wide_mod(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    if (u256_fits_u64(*a) && u256_fits_u64(*b)) {
        *ret = u256_from_u64(b->w[0] ? a->w[0] % b->w[0] : 0);
    } else if (log2_of(b) >= 0) {
        *ret = wide_and(*a, u256_sub(*b, U256_ONE));
    } else {
        u256_div_mod(NULL, ret, *a, *b);
    }
}

void wide_sdiv(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    bool negative = wide_is_negative(*a) != wide_is_negative(*b);
    struct u256 x = wide_is_negative(*a) ? wide_negate(*a) : *a;
    struct u256 y = wide_is_negative(*b) ? wide_negate(*b) : *b;
    wide_div(ret, &x, &y);
    if (negative) *ret = wide_negate(*ret);
}

void wide_smod(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    bool negative = wide_is_negative(*a);
    struct u256 x = negative ? wide_negate(*a) : *a;
    struct u256 y = wide_is_negative(*b) ? wide_negate(*b) : *b;
    wide_mod(ret, &x, &y);
    if (negative) *ret = wide_negate(*ret);
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

typedef unsigned __int128 u128;

// p[0..limit-1] = the low words of a[0..n-1] * b[0..m-1]. Unrolled: the counts are constants.
[[gnu::always_inline]] static inline void multiply(uint64_t *p, const uint64_t *a, unsigned n,
                                                   const uint64_t *b, unsigned m, unsigned limit) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < n; i++) {
        uint64_t carry = 0;
#pragma GCC unroll 8
        for (unsigned j = 0; j < m; j++) {
            if (i + j >= limit) continue;
            u128 t = (u128)a[i] * b[j] + carry + (i ? p[i + j] : 0);
            p[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        if (i + m < limit) p[i + m] = carry;
    }
}

// floor(2^512 / m) for 2^192 < m: the word above 2^256 by division, the rest bit by bit.
static void find_reciprocal(struct wide_modulus *r) {
    struct u256 rest, q;
    u256_div_mod(&q, &rest, U256_MAX, r->m);
    struct u256 one_more = u256_add(rest, U256_ONE);
    if (u256_equal(one_more, r->m)) {
        one_more = U256_ZERO;
        q = u256_add(q, U256_ONE);
    }
    rest = one_more; // 2^256 = q m + rest
    r->reciprocal[4] = q.w[0];
    for (unsigned word = 4; word-- > 0;) {
        uint64_t digit = 0;
        for (unsigned bit = 0; bit < 64; bit++) {
            bool carry = u256_add_carry(&rest, rest, rest);
            struct u256 less;
            bool borrow = u256_sub_borrow(&less, rest, r->m);
            digit <<= 1;
            if (carry || !borrow) {
                rest = less;
                digit |= 1;
            }
        }
        r->reciprocal[word] = digit;
    }
}

// Barrett's reduction (Handbook of Applied Cryptography 14.42) with 64-bit digits.
static struct u256 reduce(const struct wide_modulus *r, const uint64_t x[8]) {
    uint64_t high[10], low[5], rest[5];
    multiply(high, x + 3, 5, r->reciprocal, 5, 10);
    multiply(low, high + 5, 5, r->m.w, 4, 5);
    uint64_t borrow = 0;
    for (unsigned i = 0; i < 5; i++) {
        u128 t = (u128)x[i] - low[i] - borrow;
        rest[i] = (uint64_t)t;
        borrow = (uint64_t)(t >> 64) & 1;
    }
    for (;;) { // at most twice
        struct u256 v = {{rest[0], rest[1], rest[2], rest[3]}}, less;
        bool below = u256_sub_borrow(&less, v, r->m);
        if (rest[4] == 0 && below) return v;
        rest[4] -= below;
        memcpy(rest, less.w, sizeof less.w);
    }
}

// a * b mod 2^256 - 1: 2^256 counts as 1, so the upper half is added to the lower. Contracts use it
// to get the upper half of a product.
static struct u256 multiply_ones(const uint64_t x[8]) {
    struct u256 low = {{x[0], x[1], x[2], x[3]}}, high = {{x[4], x[5], x[6], x[7]}}, sum;
    if (u256_add_carry(&sum, low, high)) sum = u256_add(sum, U256_ONE);
    return u256_equal(sum, U256_MAX) ? U256_ZERO : sum;
}

void wide_mulmod(struct wide_modulus *modulus, struct u256 *m, const struct u256 *a,
                 const struct u256 *b) {
    uint64_t x[8];
    if (u256_equal(*m, U256_MAX)) {
        multiply(x, a->w, 4, b->w, 4, 8);
        *m = multiply_ones(x);
        return;
    }
    if (modulus->times < WIDE_RECIPROCAL_AFTER || !u256_equal(modulus->m, *m)) {
        bool again = u256_equal(modulus->m, *m);
        // Only large ones pay, and 2^192 itself would need a sixth word.
        bool large = m->w[3] != 0 && (m->w[3] != 1 || (m->w[0] | m->w[1] | m->w[2]) != 0);
        modulus->m = *m;
        modulus->times = again && large ? modulus->times + 1 : 0;
        if (modulus->times < WIDE_RECIPROCAL_AFTER) {
            *m = u256_mul_mod(*a, *b, *m);
            return;
        }
        find_reciprocal(modulus);
    }
    multiply(x, a->w, 4, b->w, 4, 8);
    *m = reduce(modulus, x);
}
