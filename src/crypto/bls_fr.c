/* SPDX-License-Identifier: MIT */
#include "crypto/bls_fr.h"

#include "crypto/bls_fp.h"
#include "crypto/bls_fr_ifma.h"
#include "crypto/bls_scalar.h"

typedef unsigned __int128 u128;

static const uint64_t order[4] = {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805,
                                  0x73eda753299d7d48};
#define NEGATIVE_INVERSE 0xfffffffeffffffff /* -1/r mod 2^64 */

/* 2^256 and 2^512 mod r; 7, which generates the multiplicative group, in Montgomery form */
const struct bls_fr bls_fr_one = {
    {0x00000001fffffffe, 0x5884b7fa00034802, 0x998c4fefecbc4ff5, 0x1824b159acc5056f}};
static const struct bls_fr radix2 = {
    {0xc999e990f3f29c6d, 0x2b6cedcb87925c23, 0x05d314967254398f, 0x0748d9d99f59ff11}};
static const struct bls_fr generator = {
    {0x0000000efffffff1, 0x17e363d300189c0f, 0xff9c57876f8457b0, 0x351332208fc5a8c4}};

/* r = a - order when that is not negative; a below 2 r. */
static void subtract_once(struct bls_fr *ret, const uint64_t a[4]) {
    uint64_t t[4], borrow = 0;
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a[i] - order[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - borrow;
    for (int i = 0; i < 4; i++)
        ret->w[i] = (a[i] & keep) | (t[i] & ~keep);
}

void bls_fr_add(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b) {
    uint64_t t[4];
    u128 v = 0;
    for (int i = 0; i < 4; i++) {
        v += (u128)a->w[i] + b->w[i];
        t[i] = (uint64_t)v;
        v >>= 64;
    }
    subtract_once(ret, t);
}

void bls_fr_sub(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b) {
    uint64_t borrow = 0, t[4];
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a->w[i] - b->w[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    u128 v = 0;
    for (int i = 0; i < 4; i++) {
        v += (u128)t[i] + (order[i] & (0 - borrow));
        ret->w[i] = (uint64_t)v;
        v >>= 64;
    }
}

/* Rows of product and reduction in turn. r has a spare top bit, so five words hold every sum. */
void bls_fr_mul_plain(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b) {
    uint64_t t[5] = {0};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        u128 v = (u128)a->w[0] * b->w[i] + t[0];
        uint64_t carry = (uint64_t)(v >> 64), m = (uint64_t)v * NEGATIVE_INVERSE;
        u128 f = (u128)m * order[0] + (uint64_t)v;
        uint64_t fold = (uint64_t)(f >> 64);
#pragma GCC unroll 3
        for (int j = 1; j < 4; j++) {
            v = (u128)a->w[j] * b->w[i] + t[j] + carry;
            carry = (uint64_t)(v >> 64);
            f = (u128)m * order[j] + (uint64_t)v + fold;
            fold = (uint64_t)(f >> 64);
            t[j - 1] = (uint64_t)f;
        }
        t[3] = carry + fold;
    }
    subtract_once(ret, t);
}

#if !defined(__x86_64__)
void bls_fr_mul(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b)
    __attribute__((alias("bls_fr_mul_plain")));
#endif

void bls_fr_pow(struct bls_fr *ret, const struct bls_fr *a, uint64_t e) {
    struct bls_fr r = bls_fr_one, base = *a;
    for (; e; e >>= 1) {
        if (e & 1) bls_fr_mul(&r, &r, &base);
        bls_fr_mul(&base, &base, &base);
    }
    *ret = r;
}

/* a^e for a fixed exponent, words least significant first. */
static void pow_fixed(struct bls_fr *ret, const struct bls_fr *a, const uint64_t e[4]) {
    struct bls_fr r = bls_fr_one, base = *a;
    for (int i = 255; i >= 0; i--) {
        bls_fr_mul(&r, &r, &r);
        if (e[i / 64] >> (i % 64) & 1) bls_fr_mul(&r, &r, &base);
    }
    *ret = r;
}

void bls_fr_inv(struct bls_fr *ret, const struct bls_fr *a) {
    static const uint64_t order_minus_2[4] = {0xfffffffeffffffff, 0x53bda402fffe5bfe,
                                              0x3339d80809a1d805, 0x73eda753299d7d48};
    pow_fixed(ret, a, order_minus_2);
}

void bls_fr_inv_many(struct bls_fr *ret, const struct bls_fr *a, size_t n, struct bls_fr *scratch) {
    struct bls_fr product = bls_fr_one, t;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = product;
        bls_fr_mul(&product, &product, &a[i]);
    }
    bls_fr_inv(&product, &product);
    for (size_t i = n; i-- > 0;) {
        bls_fr_mul(&t, &product, &scratch[i]);
        bls_fr_mul(&product, &product, &a[i]);
        ret[i] = t;
    }
}

void bls_fr_from_u256(struct bls_fr *ret, const struct u256 *a) {
    struct bls_fr t = {{a->w[0], a->w[1], a->w[2], a->w[3]}};
    bls_fr_mul(ret, &t, &radix2);
}

void bls_fr_to_u256(struct u256 *ret, const struct bls_fr *a) {
    static const struct bls_fr plain_one = {{1, 0, 0, 0}};
    struct bls_fr t;
    bls_fr_mul(&t, a, &plain_one);
    memcpy(ret->w, t.w, sizeof ret->w);
}

void bls_fr_from_u64(struct bls_fr *ret, uint64_t a) {
    bls_fr_from_u256(ret, &(struct u256){{a, 0, 0, 0}});
}

bool bls_fr_load_be(struct bls_fr *ret, const uint8_t in[32]) {
    struct u256 t;
    bool below = bls_scalar_load_be(&t, in);
    bls_fr_from_u256(ret, &t);
    return below;
}

void bls_fr_store_be(uint8_t ret[32], const struct bls_fr *a) {
    struct u256 t;
    bls_fr_to_u256(&t, a);
    u256_store_be(ret, t);
}

size_t bls_fr_load_be_many(struct bls_fr *ret, const uint8_t *in, size_t n) {
    size_t i = 0;
#if BLS_HAVE_X86
    if (bls_use_ifma) i = bls_fr_load_be_many_ifma(ret, in, n);
#endif
    while (i < n && bls_fr_load_be(&ret[i], in + i * 32))
        i++;
    return i;
}

void bls_fr_store_be_many(uint8_t *ret, const struct bls_fr *in, size_t n) {
    size_t i = 0;
#if BLS_HAVE_X86
    if (bls_use_ifma) i = bls_fr_store_be_many_ifma(ret, in, n);
#endif
    for (; i < n; i++)
        bls_fr_store_be(ret + i * 32, &in[i]);
}

/* n / d += more_n / more_d, as n more_d + more_n d over d more_d. */
static void add_fraction(struct bls_fr *n, struct bls_fr *d, const struct bls_fr *more_n,
                         const struct bls_fr *more_d) {
    struct bls_fr t;
    bls_fr_mul(&t, more_n, d);
    bls_fr_mul(n, n, more_d);
    bls_fr_add(n, n, &t);
    bls_fr_mul(d, d, more_d);
}

void bls_fr_fractions(struct bls_fr *ret_n, struct bls_fr *ret_d, const struct bls_fr *a,
                      const struct bls_fr *w, size_t n, const struct bls_fr *z) {
    struct bls_fr sum_n = {{0}}, sum_d = bls_fr_one, more_n, more_d;
    size_t i = 0;
#if BLS_HAVE_X86
    if (bls_use_ifma) {
        struct bls_fr part_n[BLS_FR_LANES], part_d[BLS_FR_LANES];
        i = bls_fr_fractions_ifma(part_n, part_d, a, w, n, z);
        for (int j = 0; j < BLS_FR_LANES; j++)
            add_fraction(&sum_n, &sum_d, &part_n[j], &part_d[j]);
    }
#endif
    for (; i < n; i++) {
        bls_fr_mul(&more_n, &a[i], &w[i]);
        bls_fr_sub(&more_d, z, &w[i]);
        add_fraction(&sum_n, &sum_d, &more_n, &more_d);
    }
    *ret_n = sum_n;
    *ret_d = sum_d;
}

void bls_fr_root(struct bls_fr *ret, uint64_t n) {
    // 7^((r-1)/2^32), squared down to order n
    static const uint64_t odd_part[4] = {0xfffe5bfeffffffff, 0x09a1d80553bda402, 0x299d7d483339d808,
                                         0x0000000073eda753};
    struct bls_fr r;
    pow_fixed(&r, &generator, odd_part);
    for (uint64_t size = (uint64_t)1 << 32; size > n; size /= 2)
        bls_fr_mul(&r, &r, &r);
    *ret = r;
}

static size_t reverse_bits(size_t i, size_t n) {
    size_t r = 0;
    for (size_t bit = 1; bit < n; bit *= 2, i /= 2)
        r = r * 2 + (i & 1);
    return r;
}

void bls_fr_fft(struct bls_fr *a, size_t n, const struct bls_fr *roots, size_t m, bool inverse) {
#if BLS_HAVE_X86
    if (bls_use_ifma && bls_fr_fft_ifma(a, n, roots, m, inverse)) return;
#endif
    for (size_t i = 0; i < n; i++) {
        size_t j = reverse_bits(i, n);
        if (i < j) {
            struct bls_fr t = a[i];
            a[i] = a[j];
            a[j] = t;
        }
    }
    for (size_t half = 1; half < n; half *= 2) {
        size_t stride = m / (2 * half);
        for (size_t start = 0; start < n; start += 2 * half) {
            for (size_t i = 0; i < half; i++) {
                const struct bls_fr *root = &roots[inverse && i ? m - i * stride : i * stride];
                struct bls_fr *x = &a[start + i], *y = x + half, t;
                bls_fr_mul(&t, y, root);
                bls_fr_sub(y, x, &t);
                bls_fr_add(x, x, &t);
            }
        }
    }
    if (!inverse) return;
    struct bls_fr scale;
    bls_fr_from_u64(&scale, n);
    bls_fr_inv(&scale, &scale);
    for (size_t i = 0; i < n; i++)
        bls_fr_mul(&a[i], &a[i], &scale);
}
