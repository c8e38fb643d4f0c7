/* Chains of cyclotomic squarings in AVX-512 IFMA lanes. Compiled with those instructions on; called
 * only where bls_cyclotomic.c has seen them.
 *
 * Eight field elements stand side by side, one a 64-bit lane, in eight limbs of 52 bits and
 * Montgomery form for 2^416. With 35 spare bits nothing needs reduction between products: sums
 * and differences are taken limb by limb, carried when they become factors. Bounds are written as
 * multiples of p.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_cyclotomic.h"

#include <immintrin.h>

#define LIMBS 8
#define LIMB_BITS 52
#define LIMB_MASK (((uint64_t)1 << LIMB_BITS) - 1)
#define NEGATIVE_INVERSE 0x3fffcfffcfffd /* -1/p mod 2^52 */

struct lanes {
    __m512i l[LIMBS];
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
static const uint64_t modulus_16[LIMBS] = {0xffffffffaaab0, 0xeb153ffffb9fe, 0xb0f6241eabfff,
                                           0x2bf6730d2a0f6, 0x64774b84f3851, 0xba7b6434bacd7,
                                           0xea397fe69a4b1, 0x00000001a0111};
static const uint64_t modulus_32[LIMBS] = {0xffffffff55560, 0xd62a7ffff73fd, 0x61ec483d57fff,
                                           0x57ece61a541ed, 0xc8ee9709e70a2, 0x74f6c869759ae,
                                           0xd472ffcd34963, 0x0000000340223};
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

static inline __m512i each(uint64_t v) {
    return _mm512_set1_epi64((long long)v);
}

/* Brings limbs (signed, below 2^62) to 52 bits; the value is not negative. */
static inline void carry(struct lanes *a) {
    for (int i = 0; i < LIMBS - 1; i++) {
        a->l[i + 1] = _mm512_add_epi64(a->l[i + 1], _mm512_srai_epi64(a->l[i], LIMB_BITS));
        a->l[i] = _mm512_and_si512(a->l[i], each(LIMB_MASK));
    }
}

/* a b / 2^416 mod p: below p + a b / 2^416, limbs up to 2^58. a, b carried. */
static inline void multiply(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
    __m512i t[LIMBS + 1];
    for (int j = 0; j <= LIMBS; j++)
        t[j] = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++) {
            t[j] = _mm512_madd52lo_epu64(t[j], a->l[j], b->l[i]);
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], a->l[j], b->l[i]);
        }
        __m512i m = _mm512_madd52lo_epu64(_mm512_setzero_si512(), t[0], each(NEGATIVE_INVERSE));
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++) {
            t[j] = _mm512_madd52lo_epu64(t[j], m, each(modulus[j]));
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], m, each(modulus[j]));
        }
        __m512i up = _mm512_srli_epi64(t[0], LIMB_BITS);
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++)
            t[j] = t[j + 1];
        t[0] = _mm512_add_epi64(t[0], up);
        t[LIMBS] = _mm512_setzero_si512();
    }
    for (int j = 0; j < LIMBS; j++)
        ret->l[j] = t[j];
}

/* Exchanges the two lanes of each element of Fp2; the two elements of each pair. */
static inline __m512i swap_lanes(__m512i a) {
    return _mm512_permutex_epi64(a, 0xb1);
}
static inline __m512i swap_elements(__m512i a) {
    return _mm512_permutex_epi64(a, 0x4e);
}

#define EVEN 0x55
#define ODD 0xaa

/* Four squares in Fp2, lanes (re, im): ((re + im)(re - im), 2 re im). a carried, below 16p. */
static inline void square_fp2(struct lanes *ret, const struct lanes *a) {
    struct lanes x, y;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i other = swap_lanes(a->l[i]);
        x.l[i] = _mm512_add_epi64(other, _mm512_mask_blend_epi64(ODD, a->l[i], other));
        y.l[i] = _mm512_mask_add_epi64(a->l[i], EVEN, a->l[i],
                                       _mm512_sub_epi64(each(modulus_16[i]), other));
    }
    carry(&x);
    carry(&y);
    multiply(ret, &x, &y);
}

/* One squaring of (b0, b1, c0, c1); v carried, below 8.01p, before and after. */
static inline void square(struct lanes *v) {
    struct lanes sum, s, q;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        sum.l[i] = _mm512_add_epi64(v->l[i], swap_elements(v->l[i]));
    }
    carry(&sum);
    square_fp2(&s, v);    // b0^2, b1^2, c0^2, c1^2
    square_fp2(&q, &sum); // (b0 + b1)^2 twice, (c0 + c1)^2 twice
    // of the next two: xi r1 of c, r0 of c, r0 of b, r1 of b
    const __m512i gather = _mm512_setr_epi64(8 + 4, 8 + 5, 4, 5, 0, 1, 8 + 0, 8 + 1);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i pair = swap_elements(s.l[i]), turned = swap_lanes(pair);
        __m512i r1 = _mm512_sub_epi64(q.l[i], _mm512_add_epi64(s.l[i], pair));
        __m512i r0 = _mm512_add_epi64(s.l[i], pair); // + xi of the second square
        r0 = _mm512_mask_sub_epi64(r0, EVEN, r0, turned);
        r0 = _mm512_mask_add_epi64(r0, ODD, r0, turned);
        __m512i t = _mm512_permutex2var_epi64(r0, gather, r1), other = swap_lanes(t);
        t = _mm512_mask_sub_epi64(t, 0x01, t, other);
        t = _mm512_mask_add_epi64(t, 0x02, t, other); // -12.2p .. 9.1p over three
        __m512i three = _mm512_add_epi64(_mm512_add_epi64(t, t), t);
        __m512i two = _mm512_add_epi64(v->l[i], v->l[i]);
        three = _mm512_add_epi64(three, each(modulus_32[i]));
        three = _mm512_mask_add_epi64(three, 0xc3, three, two);
        v->l[i] = _mm512_mask_sub_epi64(three, 0x3c, three, two); // 3p .. 58p
    }
    carry(v);
    // less the multiple of 8p that the top limb tells
    __m512i times = _mm512_madd52hi_epu64(_mm512_setzero_si512(), v->l[LIMBS - 1], each(EIGHTH));
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i m = _mm512_permutexvar_epi64(times, _mm512_loadu_si512(multiples[i]));
        v->l[i] = _mm512_sub_epi64(v->l[i], m);
    }
    carry(v);
}

static void constant(struct lanes *ret, const uint64_t limbs[LIMBS]) {
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = each(limbs[i]);
}

static void load(struct lanes *ret, const struct bls_fp in[8]) {
    uint64_t limb[LIMBS][8];
    for (int k = 0; k < 8; k++) {
        for (int i = 0; i < LIMBS; i++) {
            int word = i * LIMB_BITS / 64, bit = i * LIMB_BITS % 64;
            uint64_t v = in[k].w[word] >> bit;
            if (bit > 64 - LIMB_BITS && word < 5) v |= in[k].w[word + 1] << (64 - bit);
            limb[i][k] = v & LIMB_MASK;
        }
    }
    struct lanes t, c;
    for (int i = 0; i < LIMBS; i++)
        t.l[i] = _mm512_loadu_si512(limb[i]);
    constant(&c, enter);
    multiply(ret, &t, &c);
    carry(ret);
}

static void store(struct bls_fp ret[8], const struct lanes *in) {
    uint64_t limb[LIMBS][8];
    struct lanes t, c;
    constant(&c, leave);
    multiply(&t, in, &c);
    carry(&t);
    for (int i = 0; i < LIMBS; i++)
        _mm512_storeu_si512(limb[i], t.l[i]);
    for (int k = 0; k < 8; k++) {
        struct bls_fp r;
        for (int w = 0; w < 6; w++) {
            int i = w * 64 / LIMB_BITS, bit = w * 64 % LIMB_BITS;
            r.w[w] = limb[i][k] >> bit | limb[i + 1][k] << (LIMB_BITS - bit);
            if (2 * LIMB_BITS - bit < 64) r.w[w] |= limb[i + 2][k] << (2 * LIMB_BITS - bit);
        }
        // below p and a little: the addition takes p away where it is too much
        bls_fp_add(&ret[k], &r, &(struct bls_fp){{0}});
    }
}

void bls_compressed_sqr_ifma(struct bls_compressed *a, unsigned times) {
    struct bls_fp flat[8];
    struct lanes v;
    memcpy(flat, a, sizeof flat);
    load(&v, flat);
    while (times-- > 0)
        square(&v);
    store(flat, &v);
    memcpy(a, flat, sizeof flat);
}
