/* SPDX-License-Identifier: MIT */
#include "crypto/bls_fp.h"

#if BLS_HAVE_X86
#include <cpuid.h>
#endif

typedef unsigned __int128 u128;

const struct bls_fp bls_fp_modulus = {{0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624,
                                       0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a}};
#define P (bls_fp_modulus.w)
#define NEGATIVE_INVERSE 0x89f3fffcfffcfffd /* -1/p mod 2^64 */

/* 2^384, 2^768, 2^1152 mod p */
const struct bls_fp bls_fp_one = {{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba,
                                   0x77ce585370525745, 0x5c071a97a256ec6d, 0x15f65ec3fa80e493}};
static const struct bls_fp radix2 = {{0xf4df1f341c341746, 0x0a76e6a609d104f1, 0x8de5476c4c95b6d5,
                                      0x67eb88a9939d83c0, 0x9a793e85b519952d, 0x11988fe592cae3aa}};

/* words: r = a - p when that is not negative, for a below 2p with an optional carry word. */
static void subtract_once(uint64_t r[6], const uint64_t a[6]) {
    uint64_t t[6], borrow = 0;
    for (int i = 0; i < 6; i++) {
        u128 d = (u128)a[i] - P[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - borrow;
    for (int i = 0; i < 6; i++)
        r[i] = (a[i] & keep) | (t[i] & ~keep);
}

void bls_fp_add_lazy_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    u128 t = 0;
    for (int i = 0; i < 6; i++) {
        t += (u128)a->w[i] + b->w[i];
        ret->w[i] = (uint64_t)t;
        t >>= 64;
    }
}

void bls_fp_add_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    struct bls_fp t;
    bls_fp_add_lazy_plain(&t, a, b);
    subtract_once(ret->w, t.w);
}

/* a - b over n words; returns the borrow. */
static uint64_t subtract_words(uint64_t *ret, const uint64_t *a, const uint64_t *b, int n) {
    uint64_t borrow = 0;
    for (int i = 0; i < n; i++) {
        u128 d = (u128)a[i] - b[i] - borrow;
        ret[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return borrow;
}

static void add_modulus_masked(uint64_t r[6], uint64_t mask) {
    u128 t = 0;
    for (int i = 0; i < 6; i++) {
        t += (u128)r[i] + (P[i] & mask);
        r[i] = (uint64_t)t;
        t >>= 64;
    }
}

void bls_fp_sub_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    uint64_t borrow = subtract_words(ret->w, a->w, b->w, 6);
    add_modulus_masked(ret->w, 0 - borrow);
}

void bls_wide_sub_plain(struct bls_wide *ret, const struct bls_wide *a, const struct bls_wide *b) {
    uint64_t borrow = subtract_words(ret->w, a->w, b->w, 12);
    add_modulus_masked(ret->w + 6, 0 - borrow);
}

void bls_fp_neg(struct bls_fp *ret, const struct bls_fp *a) {
    static const struct bls_fp zero;
    bls_fp_sub(ret, &zero, a);
}

void bls_fp_half(struct bls_fp *ret, const struct bls_fp *a) {
    struct bls_fp t = *a;
    add_modulus_masked(t.w, 0 - (t.w[0] & 1));
    for (int i = 0; i < 5; i++)
        ret->w[i] = t.w[i] >> 1 | t.w[i + 1] << 63;
    ret->w[5] = t.w[5] >> 1;
}

void bls_fp_mul_wide_plain(struct bls_wide *ret, const struct bls_fp *a, const struct bls_fp *b) {
    uint64_t t[12] = {0};
    for (int i = 0; i < 6; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 6; j++) {
            u128 v = (u128)a->w[j] * b->w[i] + t[i + j] + carry;
            t[i + j] = (uint64_t)v;
            carry = (uint64_t)(v >> 64);
        }
        t[i + 6] = carry;
    }
    memcpy(ret->w, t, sizeof t);
}

void bls_fp_redc_plain(struct bls_fp *ret, const struct bls_wide *a) {
    uint64_t t[12], top = 0;
    memcpy(t, a->w, sizeof t);
    for (int i = 0; i < 6; i++) {
        uint64_t m = t[i] * NEGATIVE_INVERSE, carry = 0;
        for (int j = 0; j < 6; j++) {
            u128 v = (u128)m * P[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)v;
            carry = (uint64_t)(v >> 64);
        }
        u128 v = (u128)t[i + 6] + carry + top;
        t[i + 6] = (uint64_t)v;
        top = (uint64_t)(v >> 64);
    }
    subtract_once(ret->w, t + 6); // a < p * 2^384 leaves less than 2p, so top is 0 here
}

void bls_fp_mul_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    struct bls_wide t;
    bls_fp_mul_wide_plain(&t, a, b);
    bls_fp_redc_plain(ret, &t);
}

void bls_fp_sqr_plain(struct bls_fp *ret, const struct bls_fp *a) {
    bls_fp_mul_plain(ret, a, a);
}

#if BLS_HAVE_X86
bool bls_fp_use_adx;

[[gnu::constructor]] static void choose_path(void) {
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) bls_fp_use_adx = b & bit_BMI2 && b & bit_ADX;
}
#else
void bls_fp_mul(struct bls_fp *, const struct bls_fp *, const struct bls_fp *)
    __attribute__((alias("bls_fp_mul_plain")));
void bls_fp_sqr(struct bls_fp *, const struct bls_fp *) __attribute__((alias("bls_fp_sqr_plain")));
void bls_fp_mul_wide(struct bls_wide *, const struct bls_fp *, const struct bls_fp *)
    __attribute__((alias("bls_fp_mul_wide_plain")));
void bls_fp_redc(struct bls_fp *, const struct bls_wide *)
    __attribute__((alias("bls_fp_redc_plain")));
#endif

/* a^e for a fixed public exponent, four bits at a time. e: words, least significant first. */
static void pow_fixed(struct bls_fp *ret, const struct bls_fp *a, const uint64_t e[6]) {
    struct bls_fp table[16];
    table[0] = bls_fp_one;
    table[1] = *a;
    for (int i = 2; i < 16; i++)
        bls_fp_mul(&table[i], &table[i - 1], a);
    int at = 95; // nibbles; the highest ones of our exponents are 0x1a.. or 0x06..
    while (at > 0 && (e[at / 16] >> (at % 16 * 4) & 15) == 0)
        at--;
    struct bls_fp r = table[e[at / 16] >> (at % 16 * 4) & 15];
    while (at-- > 0) {
        for (int i = 0; i < 4; i++)
            bls_fp_sqr(&r, &r);
        unsigned digit = (unsigned)(e[at / 16] >> (at % 16 * 4) & 15);
        if (digit) bls_fp_mul(&r, &r, &table[digit]);
    }
    *ret = r;
}

void bls_fp_inv(struct bls_fp *ret, const struct bls_fp *a) {
    static const uint64_t p_minus_2[6] = {0xb9feffffffffaaa9, 0x1eabfffeb153ffff,
                                          0x6730d2a0f6b0f624, 0x64774b84f38512bf,
                                          0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a};
    pow_fixed(ret, a, p_minus_2);
}

void bls_fp_pow_sqrt(struct bls_fp *ret, const struct bls_fp *a) {
    static const uint64_t e[6] = {0xee7fbfffffffeaaa, 0x07aaffffac54ffff, 0xd9cc34a83dac3d89,
                                  0xd91dd2e13ce144af, 0x92c6e9ed90d2eb35, 0x0680447a8e5ff9a6};
    pow_fixed(ret, a, e);
}

bool bls_fp_sqrt(struct bls_fp *ret, const struct bls_fp *a) {
    struct bls_fp r, check;
    bls_fp_pow_sqrt(&r, a);
    bls_fp_mul(&r, &r, a);
    bls_fp_sqr(&check, &r);
    bool ok = bls_fp_equal(&check, a);
    *ret = r;
    return ok;
}

void bls_fp_canonical(uint64_t ret[6], const struct bls_fp *a) {
    struct bls_wide t = {{a->w[0], a->w[1], a->w[2], a->w[3], a->w[4], a->w[5]}};
    struct bls_fp r;
    bls_fp_redc(&r, &t);
    memcpy(ret, r.w, sizeof r.w);
}

bool bls_fp_load_be(struct bls_fp *ret, const uint8_t in[48]) {
    struct bls_fp t;
    uint64_t unused[6];
    for (int i = 0; i < 6; i++)
        t.w[5 - i] = load_be64(in + 8 * i);
    if (subtract_words(unused, t.w, P, 6) == 0) return false;
    bls_fp_mul(ret, &t, &radix2);
    return true;
}

void bls_fp_store_be(uint8_t ret[48], const struct bls_fp *a) {
    uint64_t t[6];
    bls_fp_canonical(t, a);
    for (int i = 0; i < 6; i++)
        store_be64(ret + 8 * i, t[5 - i]);
}

void bls_fp_reduce_be64(struct bls_fp *ret, const uint8_t in[64]) {
    // in = high * 2^256 + low, both 256 bits: reduced one by one, joined in Montgomery form
    static const struct bls_fp two_256 = {{0, 0, 0, 0, 1, 0}};
    struct bls_fp high = {
        {load_be64(in + 24), load_be64(in + 16), load_be64(in + 8), load_be64(in), 0, 0}};
    struct bls_fp low = {
        {load_be64(in + 56), load_be64(in + 48), load_be64(in + 40), load_be64(in + 32), 0, 0}};
    struct bls_fp shift;
    bls_fp_mul(&shift, &two_256, &radix2);
    bls_fp_mul(&high, &high, &radix2);
    bls_fp_mul(&high, &high, &shift);
    bls_fp_mul(&low, &low, &radix2);
    bls_fp_add(ret, &high, &low);
}

bool bls_fp_is_odd(const struct bls_fp *a) {
    uint64_t t[6];
    bls_fp_canonical(t, a);
    return t[0] & 1;
}

bool bls_fp_is_large(const struct bls_fp *a) {
    static const uint64_t half_plus_1[6] = {0xdcff7fffffffd556, 0x0f55ffff58a9ffff,
                                            0xb39869507b587b12, 0xb23ba5c279c2895f,
                                            0x258dd3db21a5d66b, 0x0d0088f51cbff34d};
    uint64_t t[6], unused[6];
    bls_fp_canonical(t, a);
    return subtract_words(unused, t, half_plus_1, 6) == 0;
}

/* The binary extended Euclidean algorithm, a word's worth of steps at a time would be faster; the
 * callers are few (one inversion a point set), and shifting is cheap. */
void bls_fp_inv_public(struct bls_fp *ret, const struct bls_fp *a) {
    bls_fp_inv(ret, a);
}
