/* The scalar field eight elements at a time in AVX-512 IFMA lanes: transforms, fractions and bytes
 * of whole blobs. The plain counterparts and the contracts are in bls_fr.c and bls_fr.h.
 *
 * An element has five limbs (ifma_lanes.h). Products are Montgomery products for 2^260; the other
 * side knows the form for 2^256. A product by a factor in the form for 2^260 leaves the other
 * factor's form as it is, and the form for 2^260 is that for 2^256 moved up four bits, so that
 * nothing needs to be converted. 2^260 is 35 times the order r: bounds are written in r, and a
 * product of a and b is below r (1 + a b / 35).
 *
 * SPDX-License-Identifier: MIT */
#define LIMBS 5
#include "crypto/bls_fr_ifma.h"
#include "crypto/bls_fr.h"
#include "crypto/ifma_lanes.h"

#include <stdlib.h>

#define NEGATIVE_INVERSE 0xffffeffffffff /* -1/r mod 2^52 */
#define LANES 8
#define WORDS 4 /* of a struct bls_fr */

static const uint64_t order[LIMBS] = {0xfffff00000001, 0x02fffe5bfefff, 0x9a1d80553bda4,
                                      0x7d483339d8080, 0x073eda753299d};
static const uint64_t order_2[LIMBS] = {0xffffe00000002, 0x05fffcb7fdfff, 0x343b00aa77b48,
                                        0xfa906673b0101, 0x0e7db4ea6533a};
static const uint64_t order_16[LIMBS] = {0xffff000000010, 0x2fffe5bfeffff, 0xa1d80553bda40,
                                         0xd483339d80809, 0x73eda753299d7};
static const uint64_t one[LIMBS] = {0x00022ffffffdd, 0x9700396c23000, 0xedf77458d1293,
                                    0xdf20ff1776e6a, 0x026821fa14f77}; /* 2^260 */
static const uint64_t to_256[LIMBS] = {0x00001fffffffe, 0xfa00034802000, 0xcbc4ff55884b7,
                                       0x056f998c4fefe,
                                       0x01824b159acc5}; /* 2^256: from the form for 2^260 */
static const uint64_t from_plain[LIMBS] = {0xe99103f29c6cf, 0xb57927663d999, 0xba1c0ed631138,
                                           0x73c829f7715f1,
                                           0x0009ff646cc02}; /* 2^516: to the form for 2^256 */
static const uint64_t to_plain[LIMBS] = {16};

/* t / 2^260 mod r, carried. */
static inline void reduce(struct lanes *ret, struct columns *t) {
    columns_reduce(ret, t, order, NEGATIVE_INVERSE);
    carry(ret);
}

static inline void multiply(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
    struct columns t;
    columns_clear(&t);
    add_product(&t, a, b);
    reduce(ret, &t);
}

/* a + b, and a - b + a multiple of r that makes it positive. */
static inline void add(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = _mm512_add_epi64(a->l[i], b->l[i]);
    carry(ret);
}
static inline void subtract(struct lanes *ret, const struct lanes *a, const struct lanes *b,
                            const uint64_t multiple[LIMBS]) {
    for (int i = 0; i < LIMBS; i++) {
        __m512i d = _mm512_sub_epi64(a->l[i], b->l[i]);
        ret->l[i] = _mm512_add_epi64(d, each(multiple[i]));
    }
    carry(ret);
}

/* a - r where that is not negative; tells the lanes where it was. a below 2r comes out reduced. */
static inline __mmask8 subtract_once(struct lanes *a) {
    static const uint64_t nothing[LIMBS] = {0};
    struct lanes r, t;
    constant(&r, order);
    subtract(&t, a, &r, nothing);
    __mmask8 below = _mm512_movepi64_mask(t.l[LIMBS - 1]);
    for (int i = 0; i < LIMBS; i++)
        a->l[i] = _mm512_mask_mov_epi64(t.l[i], below, a->l[i]);
    return below;
}

/* Words to limbs: the number itself, or moved up by four bits. */
static inline void split(struct lanes *ret, const __m512i w[WORDS], unsigned up) {
    ret->l[0] = up ? _mm512_slli_epi64(w[0], up) : w[0];
#pragma GCC unroll 3
    for (unsigned i = 1; i < LIMBS - 1; i++) {
        unsigned bit = i * LIMB_BITS - up, word = bit / 64;
        // never within one word: limb i takes from two
        ret->l[i] = _mm512_or_si512(_mm512_srli_epi64(w[word], bit % 64),
                                    _mm512_slli_epi64(w[word + 1], 64 - bit % 64));
    }
    ret->l[LIMBS - 1] = _mm512_srli_epi64(w[WORDS - 1], (LIMBS - 1) * LIMB_BITS - up - 192);
    for (int i = 0; i < LIMBS - 1; i++)
        ret->l[i] = _mm512_and_si512(ret->l[i], each(LIMB_MASK));
}

static inline void join(__m512i w[WORDS], const struct lanes *a) {
#pragma GCC unroll 4
    for (unsigned i = 0; i < WORDS; i++) {
        unsigned limb = i * 64 / LIMB_BITS, bit = i * 64 % LIMB_BITS;
        w[i] = _mm512_or_si512(_mm512_srli_epi64(a->l[limb], bit),
                               _mm512_slli_epi64(a->l[limb + 1], LIMB_BITS - bit));
    }
}

/* Eight elements, index in elements from base. */
static inline void load(struct lanes *ret, const struct bls_fr *base, __m512i index, unsigned up) {
    __m512i w[WORDS], at = _mm512_slli_epi64(index, 2);
    for (int i = 0; i < WORDS; i++)
        w[i] = _mm512_i64gather_epi64(at, base->w + i, 8);
    split(ret, w, up);
}

static inline __m512i count_up(void) {
    return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
}

/* a below 2r. */
static inline void store_reduced(struct bls_fr *ret, struct lanes *a) {
    __m512i w[WORDS], at = _mm512_slli_epi64(count_up(), 2);
    subtract_once(a);
    join(w, a);
    for (int i = 0; i < WORDS; i++)
        _mm512_i64scatter_epi64(ret->w + i, at, w[i], 8);
}

static inline __m512i swap_bytes(__m512i a) {
    const __m512i order_of_bytes =
        _mm512_broadcast_i32x4(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
    return _mm512_shuffle_epi8(a, order_of_bytes);
}

size_t bls_fr_load_be_many_ifma(struct bls_fr *ret, const uint8_t *in, size_t n) {
    struct lanes a, factor;
    size_t i = 0;
    constant(&factor, from_plain);
    for (; i + LANES <= n; i += LANES) {
        __m512i w[WORDS], at = _mm512_slli_epi64(count_up(), 2);
        for (int j = 0; j < WORDS; j++) {
            const uint8_t *word = in + 32 * i + 8 * (WORDS - 1 - j);
            w[j] = swap_bytes(_mm512_i64gather_epi64(at, word, 8));
        }
        split(&a, w, 0);
        struct lanes t = a;
        if (subtract_once(&t) != 0xff) break;
        multiply(&a, &a, &factor);
        store_reduced(ret + i, &a);
    }
    return i;
}

size_t bls_fr_store_be_many_ifma(uint8_t *ret, const struct bls_fr *in, size_t n) {
    struct lanes a, factor;
    size_t i = 0;
    constant(&factor, to_plain);
    for (; i + LANES <= n; i += LANES) {
        __m512i w[WORDS], at = _mm512_slli_epi64(count_up(), 2);
        load(&a, in + i, count_up(), 0);
        multiply(&a, &a, &factor);
        subtract_once(&a);
        join(w, &a);
        for (int j = 0; j < WORDS; j++) {
            uint8_t *word = ret + 32 * i + 8 * (WORDS - 1 - j);
            _mm512_i64scatter_epi64(word, at, swap_bytes(w[j]), 8);
        }
    }
    return i;
}

size_t bls_fr_fractions_ifma(struct bls_fr ret_n[LANES], struct bls_fr ret_d[LANES],
                             const struct bls_fr *a, const struct bls_fr *w, size_t n,
                             const struct bls_fr *z) {
    struct lanes sum_n, sum_d, zs, value, point, more_n, more_d, factor;
    size_t i = 0;
    load(&zs, z, _mm512_setzero_si512(), 4);
    constant(&factor, one);
    multiply(&zs, &zs, &factor);
    subtract_once(&zs);
    constant(&sum_n, (const uint64_t[LIMBS]){0});
    sum_d = factor;
    for (; i + LANES <= n; i += LANES) {
        struct columns t;
        load(&value, a + i, count_up(), 0);
        load(&point, w + i, count_up(), 4);       // below 16r
        multiply(&more_n, &value, &point);        // 1.5r
        subtract(&more_d, &zs, &point, order_16); // 17r
        columns_clear(&t);
        add_product(&t, &more_n, &sum_d);
        add_product(&t, &sum_n, &more_d);
        reduce(&sum_n, &t);                // 2.1r
        multiply(&sum_d, &sum_d, &more_d); // 2r
    }
    multiply(&sum_n, &sum_n, &factor);
    store_reduced(ret_n, &sum_n);
    constant(&factor, to_256);
    multiply(&sum_d, &sum_d, &factor);
    store_reduced(ret_d, &sum_d);
    return i;
}

/* Eight elements in memory. */
struct block {
    _Alignas(64) uint64_t limb[LIMBS][LANES];
};

static inline void block_load(struct lanes *ret, const struct block *b) {
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = _mm512_load_si512(b->limb[i]);
}
static inline void block_store(struct block *ret, const struct lanes *a) {
    for (int i = 0; i < LIMBS; i++)
        _mm512_store_si512(ret->limb[i], a->l[i]);
}

/* The roots to the powers `power`, lane by lane, below r. */
static inline void load_roots(struct lanes *ret, const struct bls_fr *roots, size_t m,
                              __m512i power, bool inverse) {
    struct lanes unit;
    if (inverse) {
        __mmask8 not_zero = _mm512_test_epi64_mask(power, power);
        power = _mm512_mask_sub_epi64(power, not_zero, each(m), power);
    }
    load(ret, roots, power, 4);
    constant(&unit, one);
    multiply(ret, ret, &unit);
    subtract_once(ret);
}

/* x + y root and x - y root: 2r more than x. y below 32r. */
static inline void butterfly(struct lanes *x, struct lanes *y, const struct lanes *root) {
    struct lanes t;
    multiply(&t, y, root);
    subtract(y, x, &t, order_2);
    add(x, x, &t);
}

/* The first three rounds, whose pairs stand in one block. */
static void rounds_within(struct block *b, size_t blocks, const struct bls_fr *roots, size_t m,
                          bool inverse) {
    struct lanes root[3], x, y;
    __m512i lane = count_up(), first[3], second[3];
    __mmask8 upper[3] = {0xaa, 0xcc, 0xf0};
    for (unsigned round = 0; round < 3; round++) {
        __m512i half = each((uint64_t)1 << round);
        first[round] = _mm512_andnot_si512(half, lane);
        second[round] = _mm512_or_si512(half, lane);
        __m512i at = _mm512_and_si512(lane, _mm512_sub_epi64(half, each(1)));
        __m512i power = _mm512_mullo_epi64(at, each(m >> (round + 1)));
        load_roots(&root[round], roots, m, power, inverse);
    }
    for (size_t i = 0; i < blocks; i++) {
        struct lanes a;
        block_load(&a, &b[i]);
        for (unsigned round = 0; round < 3; round++) {
            for (int j = 0; j < LIMBS; j++) {
                x.l[j] = _mm512_permutexvar_epi64(first[round], a.l[j]);
                y.l[j] = _mm512_permutexvar_epi64(second[round], a.l[j]);
            }
            butterfly(&x, &y, &root[round]);
            for (int j = 0; j < LIMBS; j++)
                a.l[j] = _mm512_mask_mov_epi64(x.l[j], upper[round], y.l[j]);
        }
        block_store(&b[i], &a);
    }
}

/* Counts upwards with the bits of a number below n in the opposite order. */
static size_t next_reversed(size_t r, size_t n) {
    size_t bit = n / 2;
    for (; r & bit; bit /= 2)
        r ^= bit;
    return r | bit;
}

bool bls_fr_fft_ifma(struct bls_fr *a, size_t n, const struct bls_fr *roots, size_t m,
                     bool inverse) {
    size_t blocks = n / LANES;
    if (n < 2 * LANES || n > BLS_FR_FFT_IFMA_MAX) return false;
    struct block *b = aligned_alloc(64, blocks * sizeof *b);
    if (!b) return false;
    struct lanes x, y, root, scale;
    const __m512i reversed_lane = _mm512_setr_epi64(0, 4, 2, 6, 1, 5, 3, 7);
    __m512i spread = _mm512_mullo_epi64(reversed_lane, each(blocks));
    for (size_t i = 0, from = 0; i < blocks; i++, from = next_reversed(from, blocks)) {
        load(&x, a, _mm512_add_epi64(spread, each(from)), 0);
        block_store(&b[i], &x);
    }
    rounds_within(b, blocks, roots, m, inverse);
    for (size_t half = LANES; half < n; half *= 2) { // each round adds 2r: 27r after thirteen
        for (size_t i = 0; i < half / LANES; i++) {
            __m512i at = _mm512_add_epi64(count_up(), each(i * LANES));
            load_roots(&root, roots, m, _mm512_mullo_epi64(at, each(m / (2 * half))), inverse);
            for (size_t j = i; j < blocks; j += 2 * half / LANES) {
                block_load(&x, &b[j]);
                block_load(&y, &b[j + half / LANES]);
                butterfly(&x, &y, &root);
                block_store(&b[j], &x);
                block_store(&b[j + half / LANES], &y);
            }
        }
    }
    constant(&scale, one);
    if (inverse) {
        struct bls_fr t;
        bls_fr_from_u64(&t, n);
        bls_fr_inv(&t, &t);
        load(&scale, &t, _mm512_setzero_si512(), 4);
        struct lanes unit;
        constant(&unit, one);
        multiply(&scale, &scale, &unit);
        subtract_once(&scale);
    }
    for (size_t i = 0; i < blocks; i++) {
        block_load(&x, &b[i]);
        multiply(&x, &x, &scale);
        store_reduced(a + i * LANES, &x);
    }
    free(b);
    return true;
}
