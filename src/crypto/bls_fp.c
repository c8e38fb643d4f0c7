/* SPDX-License-Identifier: MIT */
#include "crypto/bls_fp.h"

#include "crypto/bls_group_ifma.h"

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
bool bls_fp_use_adx, bls_use_ifma;

[[gnu::constructor]] static void choose_path(void) {
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) bls_fp_use_adx = b & bit_BMI2 && b & bit_ADX;
    __builtin_cpu_init();
    bls_use_ifma = __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
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

/* Inversion: the binary greatest common divisor in constant time, 31 steps at a time on 64-bit
 * approximations of the two numbers (Pornin, eprint 2020/972, algorithm 2).
 *
 * a = y u and b = y v (up to the powers of two that are put right at the end) shrink to 0 and 1;
 * the 31 steps are collected in factors below 2^31 in size and applied to all four. */

#define STEPS 31
#define ROUNDS 25 /* at least (2 * 381 - 1) / 31 */

struct factors {
    int64_t f0, g0, f1, g1; /* a' = a f0 + b g0, b' = a f1 + b g1, both over 2^31 */
};

/* The top 33 bits of a and of b, both cut at the same place, above their low 31 bits. */
static void approximate(uint64_t *ret_a, uint64_t *ret_b, const uint64_t a[6],
                        const uint64_t b[6]) {
    uint64_t ah = a[1], al = a[0], bh = b[1], bl = b[0], found = 0;
    for (int i = 5; i >= 2; i--) { // the highest word in which one of them is not zero
        uint64_t any = a[i] | b[i], take = ~found & (0 - ((any | (0 - any)) >> 63));
        ah ^= take & (ah ^ a[i]);
        al ^= take & (al ^ a[i - 1]);
        bh ^= take & (bh ^ b[i]);
        bl ^= take & (bl ^ b[i - 1]);
        found |= take;
    }
    uint64_t any = ah | bh;
    unsigned shift = (unsigned)__builtin_clzll(any | 1);
    uint64_t is_short = 0 - (uint64_t)(any == 0); // both fit the low word: no cut
    uint64_t at = (uint64_t)((((u128)ah << 64 | al) << shift) >> 64);
    uint64_t bt = (uint64_t)((((u128)bh << 64 | bl) << shift) >> 64);
    const uint64_t low = ((uint64_t)1 << STEPS) - 1;
    at = (at & ~low) | (a[0] & low);
    bt = (bt & ~low) | (b[0] & low);
    *ret_a = (at & ~is_short) | (a[0] & is_short);
    *ret_b = (bt & ~is_short) | (b[0] & is_short);
}

/* A pair of factors stands in one word, f + g 2^32; both are within -2^31 + 1 .. 2^31. */
static void unpack(int64_t *ret_f, int64_t *ret_g, uint64_t fg) {
    const int64_t bias = 0x7fffffff;
    fg += (uint64_t)bias << 32 | (uint64_t)bias;
    *ret_f = (int64_t)(fg & 0xffffffff) - bias;
    *ret_g = (int64_t)(fg >> 32) - bias;
}

static struct factors collect(uint64_t a, uint64_t b) {
    uint64_t fg0 = 1, fg1 = (uint64_t)1 << 32;
    for (int i = 0; i < STEPS; i++) {
        uint64_t odd = 0 - (a & 1), swap = odd & (0 - (uint64_t)(a < b));
        uint64_t d = swap & (a ^ b);
        a ^= d;
        b ^= d;
        d = swap & (fg0 ^ fg1);
        fg0 ^= d;
        fg1 ^= d;
        a = (a - (odd & b)) >> 1;
        fg0 -= odd & fg1;
        fg1 += fg1;
    }
    struct factors t;
    unpack(&t.f0, &t.g0, fg0);
    unpack(&t.f1, &t.g1, fg1);
    return t;
}

/* r = a f + b g as seven words in two's complement. A negative factor takes the complement of its
 * number: -|f| a = |f| (2^384 - 1 - a) + |f| - |f| 2^384. */
static void combine(uint64_t r[7], const uint64_t a[6], const uint64_t b[6], int64_t f, int64_t g) {
    uint64_t fs = 0 - ((uint64_t)f >> 63), gs = 0 - ((uint64_t)g >> 63);
    uint64_t fa = ((uint64_t)f ^ fs) - fs, ga = ((uint64_t)g ^ gs) - gs;
    uint64_t correction = (fs & fa) + (gs & ga);
    u128 sum = correction;
    for (int i = 0; i < 6; i++) {
        sum += (u128)(a[i] ^ fs) * fa + (u128)(b[i] ^ gs) * ga;
        r[i] = (uint64_t)sum;
        sum >>= 64;
    }
    r[6] = (uint64_t)sum - correction;
}

/* ret = |a f + b g| / 2^31 for numbers that divide so; all ones when the sum was negative. */
static uint64_t shrink(uint64_t ret[6], const uint64_t a[6], const uint64_t b[6], int64_t f,
                       int64_t g) {
    uint64_t t[7];
    combine(t, a, b, f, g);
    uint64_t sign = 0 - (t[6] >> 63), carry = sign & 1;
    for (int i = 0; i < 6; i++) {
        uint64_t v = t[i] >> STEPS | t[i + 1] << (64 - STEPS);
        u128 n = (u128)(v ^ sign) + carry;
        ret[i] = (uint64_t)n;
        carry = (uint64_t)(n >> 64);
    }
    return sign;
}

/* ret = (u f + v g) / 2^64 mod p, for u and v below p. */
static void follow(uint64_t ret[6], const uint64_t u[6], const uint64_t v[6], int64_t f,
                   int64_t g) {
    uint64_t t[7], r[6];
    combine(t, u, v, f, g);
    uint64_t m = t[0] * NEGATIVE_INVERSE, sign;
    u128 c = (u128)m * P[0] + t[0];
    for (int i = 1; i < 6; i++) {
        c = (c >> 64) + (u128)m * P[i] + t[i];
        r[i - 1] = (uint64_t)c;
    }
    c = (c >> 64) + t[6]; // t[6] is signed: its sign comes back below
    r[5] = (uint64_t)c;
    sign = 0 - (r[5] >> 63); // |u f + v g| < 2^32 p: the result is in (-p, 2p)
    add_modulus_masked(r, sign);
    subtract_once(ret, r);
}

void bls_fp_inv(struct bls_fp *ret, const struct bls_fp *y) {
    /* 2^(3 * 384 + 25 * 33): undoes the rounds' powers of two and restores Montgomery form */
    static const struct bls_fp correction = {{0xc75b87eae4c078ae, 0x5a053a5001d63318,
                                              0x7afc9aa5647bc96a, 0x523ec3bd5b17b648,
                                              0x5f8a543218152dc6, 0x03d6ad095ef691c4}};
    uint64_t a[6], b[6], u[6] = {1}, v[6] = {0}, na[6], nu[6];
    memcpy(a, y->w, sizeof a);
    memcpy(b, P, sizeof b);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t xa, xb;
        approximate(&xa, &xb, a, b);
        struct factors t = collect(xa, xb);
        uint64_t s = shrink(na, a, b, t.f0, t.g0);
        t.f0 = (int64_t)(((uint64_t)t.f0 ^ s) - s);
        t.g0 = (int64_t)(((uint64_t)t.g0 ^ s) - s);
        s = shrink(b, a, b, t.f1, t.g1);
        t.f1 = (int64_t)(((uint64_t)t.f1 ^ s) - s);
        t.g1 = (int64_t)(((uint64_t)t.g1 ^ s) - s);
        memcpy(a, na, sizeof a);
        follow(nu, u, v, t.f0, t.g0);
        follow(v, u, v, t.f1, t.g1);
        memcpy(u, nu, sizeof u);
    }
    struct bls_fp r;
    memcpy(r.w, v, sizeof v);
    bls_fp_mul(ret, &r, &correction); // y = 0 leaves b = p and v = 0
}

static const uint64_t sqrt_exponent[6] = {0xee7fbfffffffeaaa, 0x07aaffffac54ffff,
                                          0xd9cc34a83dac3d89, 0xd91dd2e13ce144af,
                                          0x92c6e9ed90d2eb35, 0x0680447a8e5ff9a6};

void bls_fp_pow_sqrt(struct bls_fp *ret, const struct bls_fp *a) {
    pow_fixed(ret, a, sqrt_exponent);
}

void bls_fp_pow_sqrt_many(struct bls_fp *a, size_t n) {
#if BLS_HAVE_X86
    // eight powers in lanes cost as much as two alone
    while (bls_use_ifma && n > 2) {
        struct bls_fp eight[8] = {{{0}}};
        size_t count = n < 8 ? n : 8;
        memcpy(eight, a, count * sizeof *a);
        bls_fp_pow_eight_ifma(eight, sqrt_exponent);
        memcpy(a, eight, count * sizeof *a);
        a += count;
        n -= count;
    }
#endif
    for (size_t i = 0; i < n; i++)
        bls_fp_pow_sqrt(&a[i], &a[i]);
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
