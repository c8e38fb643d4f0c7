/* Eight elements of Fp side by side in AVX-512 registers.
 *
 * An element has eight limbs and Montgomery form for 2^416 (ifma_lanes.h). With 35 spare bits
 * nothing needs reduction between products: sums and differences are taken limb by limb and carried
 * when they become factors. Bounds are written as multiples of p.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_IFMA_H
#define CRYPTO_BLS_IFMA_H

#define LIMBS 8
#include "crypto/bls_fp.h"
#include "crypto/ifma_lanes.h"

#define NEGATIVE_INVERSE 0x3fffcfffcfffd /* -1/p mod 2^52 */

/* An element of Fp2 in each lane. */
struct lanes2 {
    struct lanes re, im;
};

static const uint64_t modulus[LIMBS] = {0xeffffffffaaab, 0xfeb153ffffb9f, 0x6b0f6241eabff,
                                        0x12bf6730d2a0f, 0x764774b84f385, 0x1ba7b6434bacd,
                                        0x1ea397fe69a4b, 0x000000001a011};
static const uint64_t enter[LIMBS] = {
    0x7fde37dba9366, 0x4e27525bc342b, 0x1f5b1e9778489, 0xb872b2b91b9dc, 0xb206f497dfcaf,
    0x4137cc89a9b0b, 0xd9d20d7e39959, 0x000000000411c}; /* 2^448: from 2^384 to 2^416 */
static const uint64_t leave[LIMBS] = {0x900000002fffd, 0x0bc40c0002760, 0x3c758baebf400,
                                      0x57455f4898575, 0xd77ce58537052, 0x071a97a256ec6,
                                      0xec3fa80e4935c, 0x0000000015f65}; /* 2^384: back */
static const uint64_t modulus_4[LIMBS] = {0xbfffffffeaaac, 0xfac54ffffee7f, 0xac3d8907aafff,
                                          0x4afd9cc34a83d, 0xd91dd2e13ce14, 0x6e9ed90d2eb35,
                                          0x7a8e5ff9a692c, 0x0000000068044};
static const uint64_t modulus_16[LIMBS] = {0xffffffffaaab0, 0xeb153ffffb9fe, 0xb0f6241eabfff,
                                           0x2bf6730d2a0f6, 0x64774b84f3851, 0xba7b6434bacd7,
                                           0xea397fe69a4b1, 0x00000001a0111};
static const uint64_t modulus_32[LIMBS] = {0xffffffff55560, 0xd62a7ffff73fd, 0x61ec483d57fff,
                                           0x57ece61a541ed, 0xc8ee9709e70a2, 0x74f6c869759ae,
                                           0xd472ffcd34963, 0x0000000340223};
static const uint64_t modulus_128[LIMBS] = {0xfffffffd55580, 0x58a9ffffdcff7, 0x87b120f55ffff,
                                            0x5fb39869507b5, 0x23ba5c279c289, 0xd3db21a5d66bb,
                                            0x51cbff34d258d, 0x0000000d0088f};
/* 8 p times 0..7, limb by limb, for a lookup by lane */
static const uint64_t multiples[LIMBS][8] = {
    {0x0000000000000, 0x7fffffffd5558, 0xffffffffaaab0, 0x7fffffff80008, 0xffffffff55560,
     0x7fffffff2aab8, 0xffffffff00010, 0x7ffffffed5568},
    {0x0000000000000, 0xf58a9ffffdcff, 0xeb153ffffb9fe, 0xe09fdffff96fe, 0xd62a7ffff73fd,
     0xcbb51ffff50fd, 0xc13fbffff2dfc, 0xb6ca5ffff0afc},
    {0x0000000000000, 0x587b120f55fff, 0xb0f6241eabfff, 0x0971362e01fff, 0x61ec483d57fff,
     0xba675a4cadfff, 0x12e26c5c03fff, 0x6b5d7e6b59fff},
    {0x0000000000000, 0x95fb39869507b, 0x2bf6730d2a0f6, 0xc1f1ac93bf172, 0x57ece61a541ed,
     0xede81fa0e9268, 0x83e359277e2e4, 0x19de92ae1335f},
    {0x0000000000000, 0xb23ba5c279c28, 0x64774b84f3851, 0x16b2f1476d479, 0xc8ee9709e70a2,
     0x7b2a3ccc60cca, 0x2d65e28eda8f3, 0xdfa188515451c},
    {0x0000000000000, 0xdd3db21a5d66b, 0xba7b6434bacd7, 0x97b9164f18343, 0x74f6c869759ae,
     0x52347a83d301a, 0x2f722c9e30686, 0x0cafdeb88dcf1},
    {0x0000000000000, 0xf51cbff34d258, 0xea397fe69a4b1, 0xdf563fd9e770a, 0xd472ffcd34963,
     0xc98fbfc081bbc, 0xbeac7fb3cee15, 0xb3c93fa71c06e},
    {0x0000000000000, 0x00000000d0088, 0x00000001a0111, 0x000000027019a, 0x0000000340223,
     0x00000004102ac, 0x00000004e0335, 0x00000005b03be},
};
#define EIGHTH 0x13b06ba5e /* 2^416 / 8p */

/* Carries a value from 0 to 64p and takes the multiple of 8p away that its top tells: below 8.01p.
 * Two limbs tell the top well enough, for the rest is below a millionth of p. */
static inline void settle(struct lanes *a) {
    __m512i top = _mm512_add_epi64(a->l[LIMBS - 1], _mm512_srai_epi64(a->l[LIMBS - 2], LIMB_BITS));
    __m512i times = _mm512_madd52hi_epu64(_mm512_setzero_si512(), top, each(EIGHTH));
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i m = _mm512_permutexvar_epi64(times, _mm512_loadu_si512(multiples[i]));
        a->l[i] = _mm512_sub_epi64(a->l[i], m);
    }
    carry(a);
}

static inline void add(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = _mm512_add_epi64(a->l[i], b->l[i]);
}

static inline void subtract(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = _mm512_sub_epi64(a->l[i], b->l[i]);
}

/* a + a multiple of p, which makes a difference positive. */
static inline void raise_by(struct lanes *a, const uint64_t multiple[LIMBS]) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++)
        a->l[i] = _mm512_add_epi64(a->l[i], each(multiple[i]));
}

static inline void columns_subtract(struct columns *ret, const struct columns *a,
                                    const struct columns *b) {
#pragma GCC unroll 16
    for (int i = 0; i < COLUMNS; i++)
        ret->c[i] = _mm512_sub_epi64(a->c[i], b->c[i]);
}

/* t / 2^416 mod p, from t/2^416 to t/2^416 + p and not carried. Columns may be negative. */
static inline void reduce(struct lanes *ret, struct columns *t) {
    columns_reduce(ret, t, modulus, NEGATIVE_INVERSE);
}

/* a b / 2^416 mod p: below p + a b / 2^416, not carried. */
static inline void multiply(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
    struct columns t;
    columns_clear(&t);
    add_product(&t, a, b);
    reduce(ret, &t);
}

/* The eight elements at base + 8 index: their words, cut into limbs. */
static inline void load_words(struct lanes *ret, const uint64_t *base, __m512i index) {
    __m512i w[6];
    for (int i = 0; i < 6; i++)
        w[i] = _mm512_i64gather_epi64(index, base + i, 8);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        int word = i * LIMB_BITS / 64, bit = i * LIMB_BITS % 64;
        __m512i v = _mm512_srli_epi64(w[word], (unsigned)bit);
        if (bit > 64 - LIMB_BITS && word < 5) {
            v = _mm512_or_si512(v, _mm512_slli_epi64(w[word + 1], (unsigned)(64 - bit)));
        }
        ret->l[i] = _mm512_and_si512(v, each(LIMB_MASK));
    }
}

static inline void enter_form(struct lanes *a) {
    struct lanes c;
    constant(&c, enter);
    multiply(a, a, &c);
    carry(a);
}

/* Words (below p and a little) of a carried value, back in Montgomery form for 2^384. */
static inline void store_words(uint64_t *base, __m512i index, __mmask8 mask,
                               const struct lanes *a) {
    struct lanes t, c;
    constant(&c, leave);
    multiply(&t, a, &c);
    carry(&t);
#pragma GCC unroll 6
    for (int w = 0; w < 6; w++) {
        int i = w * 64 / LIMB_BITS, bit = w * 64 % LIMB_BITS;
        __m512i v = _mm512_or_si512(_mm512_srli_epi64(t.l[i], (unsigned)bit),
                                    _mm512_slli_epi64(t.l[i + 1], (unsigned)(LIMB_BITS - bit)));
        if (2 * LIMB_BITS - bit < 64) {
            v = _mm512_or_si512(v, _mm512_slli_epi64(t.l[i + 2], (unsigned)(2 * LIMB_BITS - bit)));
        }
        _mm512_mask_i64scatter_epi64(base + w, mask, index, v, 8);
    }
}

/* Takes p away where store_words left p or a little more. */
static inline void finish_words(struct bls_fp *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        bls_fp_add(&a[i], &a[i], &(struct bls_fp){{0}});
}

/* (a.re b.re - a.im b.im, a.re b.im + a.im b.re), not carried; sums of re and im are given. */
static inline void reduce_karatsuba(struct lanes2 *ret, struct columns *re,
                                    const struct columns *im, struct columns *sum) {
    columns_subtract(sum, sum, re);
    columns_subtract(sum, sum, im);
    columns_subtract(re, re, im);
    reduce(&ret->re, re);
    reduce(&ret->im, sum);
}

#endif
