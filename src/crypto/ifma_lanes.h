/* Numbers eight at a time in AVX-512 registers, multiplied with the IFMA instructions: what the
 * fields have in common. A template: LIMBS is defined by whoever includes it.
 *
 * Internal to the files that are compiled with those instructions on; their functions are called
 * only where bls_use_ifma (bls_fp.h) says so.
 *
 * A number has a 64-bit lane, LIMBS limbs of 52 bits, and Montgomery form for 2^(52 LIMBS).
 * "Carried": limbs below 2^52, not negative; only such numbers are multiplied.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_IFMA_LANES_H
#define CRYPTO_IFMA_LANES_H

#include <immintrin.h>
#include <stdint.h>

#define COLUMNS (2 * LIMBS)
#define LIMB_BITS 52
#define LIMB_MASK (((uint64_t)1 << LIMB_BITS) - 1)

struct lanes {
    __m512i l[LIMBS];
};

/* A sum of products before its reduction, a column for each power of 2^52. */
struct columns {
    __m512i c[COLUMNS];
};

static inline __m512i each(uint64_t v) {
    return _mm512_set1_epi64((long long)v);
}

static inline void constant(struct lanes *ret, const uint64_t limbs[LIMBS]) {
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = each(limbs[i]);
}

/* Brings limbs (signed, below 2^62) to 52 bits; the number is not negative. */
static inline void carry(struct lanes *a) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS - 1; i++) {
        a->l[i + 1] = _mm512_add_epi64(a->l[i + 1], _mm512_srai_epi64(a->l[i], LIMB_BITS));
        a->l[i] = _mm512_and_si512(a->l[i], each(LIMB_MASK));
    }
}

static inline void columns_clear(struct columns *t) {
    for (int i = 0; i < COLUMNS; i++)
        t->c[i] = _mm512_setzero_si512();
}

/* t += a b, a and b carried. Up to 256 products fit their columns. */
static inline void add_product(struct columns *t, const struct lanes *a, const struct lanes *b) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++) {
            t->c[i + j] = _mm512_madd52lo_epu64(t->c[i + j], a->l[j], b->l[i]);
            t->c[i + j + 1] = _mm512_madd52hi_epu64(t->c[i + j + 1], a->l[j], b->l[i]);
        }
    }
}

/* t / 2^(52 LIMBS) mod m, from that quotient to m more, and not carried. Columns may be negative;
 * negative_inverse is -1/m mod 2^52. */
static inline void columns_reduce(struct lanes *ret, struct columns *t, const uint64_t m[LIMBS],
                                  uint64_t negative_inverse) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i times =
            _mm512_madd52lo_epu64(_mm512_setzero_si512(), t->c[i], each(negative_inverse));
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++) {
            t->c[i + j] = _mm512_madd52lo_epu64(t->c[i + j], times, each(m[j]));
            t->c[i + j + 1] = _mm512_madd52hi_epu64(t->c[i + j + 1], times, each(m[j]));
        }
        t->c[i + 1] = _mm512_add_epi64(t->c[i + 1], _mm512_srai_epi64(t->c[i], LIMB_BITS));
    }
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = t->c[LIMBS + i];
}

#endif
