/* The pairing's arithmetic in Fp12 in AVX-512 IFMA lanes: the counterpart of the plain path in
 * bls_pairing.c, which chooses between them.
 *
 * An element of Fp12 is a polynomial in w over Fp2 with w^6 = xi; lane k holds the coefficient of
 * w^k, real and imaginary parts in registers of their own. Lanes 6 and 7 are idle: what they hold
 * is bounded as the others and never looked at.
 *
 * A product by a term a_k w^k is a product of each lane with a_k after the lanes have moved k
 * places up, where those that pass w^5 come back times xi. So a factor is laid out twice in memory,
 * first times xi: any such move is a load at an offset.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_pairing_ifma.h"
#include "crypto/bls_ifma.h"
#include "crypto/bls_pairing.h"

#define COEFFICIENTS 6
#define EVEN 0x55
#define ODD 0xaa

/* A factor for products in Fp12: real part, imaginary part and their sum of xi a_0 .. xi a_5,
 * a_0 .. a_5, one row for each limb. All carried. */
enum part { RE, IM, SUM, PARTS };
struct factor {
    _Alignas(64) uint64_t part[PARTS][LIMBS][16];
};

/* a is carried and below 32p. */
static void factor_make(struct factor *ret, const struct lanes2 *a) {
    struct lanes xi[PARTS];
    subtract(&xi[RE], &a->re, &a->im);
    raise_by(&xi[RE], modulus_32);
    add(&xi[IM], &a->re, &a->im); // also the sum for a itself
    add(&xi[SUM], &a->re, &a->re);
    raise_by(&xi[SUM], modulus_32);
    for (int part = RE; part < PARTS; part++)
        carry(&xi[part]);
    const struct lanes *own[PARTS] = {&a->re, &a->im, &xi[IM]};
    for (int part = RE; part < PARTS; part++) {
        for (int i = 0; i < LIMBS; i++) {
            uint64_t *row = ret->part[part][i];
            _mm512_store_si512(row, xi[part].l[i]);
            _mm512_storeu_si512(row + COEFFICIENTS, own[part]->l[i]); // over the idle lanes
        }
    }
}

/* One term of a product: limb i of its coefficient is at value[i * stride]; `power` of w. */
struct term {
    const uint64_t *value;
    int power;
};

/* ret = the sum of n terms times one part of f. pairs: a term has two coefficients, one after the
 * other, for even and odd lanes. */
[[gnu::always_inline]] static inline void sum_terms(struct columns *ret, const struct term *term,
                                                    int n, int stride, bool pairs,
                                                    const uint64_t f[LIMBS][16]) {
    struct columns t;
    columns_clear(&t);
    for (int k = 0; k < n; k++) {
        struct lanes x;
#pragma GCC unroll 8
        for (int j = 0; j < LIMBS; j++) {
            const __m128i *v = (const __m128i *)(term[k].value + j * stride);
            x.l[j] = pairs ? _mm512_broadcast_i64x2(_mm_loadu_si128(v))
                           : _mm512_broadcastq_epi64(_mm_loadl_epi64(v));
        }
        const uint64_t *at = f[0] + COEFFICIENTS - term[k].power;
#pragma GCC unroll 8
        for (int i = 0; i < LIMBS; i++) {
            __m512i y = _mm512_loadu_si512(at + i * 16);
#pragma GCC unroll 8
            for (int j = 0; j < LIMBS; j++) {
                t.c[i + j] = _mm512_madd52lo_epu64(t.c[i + j], x.l[j], y);
                t.c[i + j + 1] = _mm512_madd52hi_epu64(t.c[i + j + 1], x.l[j], y);
            }
        }
    }
    *ret = t;
}

/* Makes a reduced product (from nearly 0 to p) a factor again: below 6p. */
static inline void finish(struct lanes2 *a) {
    raise_by(&a->re, modulus_4);
    raise_by(&a->im, modulus_4);
    carry(&a->re);
    carry(&a->im);
}

static void multiply12(struct lanes2 *ret, const struct factor *a, const struct factor *b) {
    struct columns t[PARTS];
    for (int part = RE; part < PARTS; part++) {
        struct term term[COEFFICIENTS];
        for (int k = 0; k < COEFFICIENTS; k++) {
            term[k] = (struct term){&a->part[part][0][COEFFICIENTS + k], k};
        }
        sum_terms(&t[part], term, COEFFICIENTS, 16, false, b->part[part]);
    }
    reduce_karatsuba(ret, &t[RE], &t[IM], &t[SUM]);
    finish(ret);
}

static inline __m512i swap_neighbours(__m512i a) {
    return _mm512_permutex_epi64(a, 0xb1);
}

/* Times w, but for the xi on lane 0. */
static inline void times_w(struct lanes *ret, const struct lanes *a) {
    const __m512i from = _mm512_setr_epi64(5, 0, 1, 2, 3, 4, 6, 7);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++)
        ret->l[i] = _mm512_permutexvar_epi64(from, a->l[i]);
}

/* Over Fp6 = Fp2[v], v = w^2, the even lanes are a0 and the odd ones a1 of a0 + a1 w. Both products
 * of the square, (a0 + a1)(a0 + v a1) in the even lanes and a0 a1 in the odd ones, are made at
 * once: a0^2 + v a1^2 = first - (1 + v) second. a and ret: carried, below 8.01p. */
static void square12(struct lanes2 *a) {
    struct lanes2 x, y, turn;
    struct factor fx, fy;
    times_w(&turn.re, &a->re);
    times_w(&turn.im, &a->im);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i other = swap_neighbours(a->re.l[i]);
        x.re.l[i] = _mm512_mask_add_epi64(other, EVEN, other, a->re.l[i]);
        other = swap_neighbours(a->im.l[i]);
        x.im.l[i] = _mm512_mask_add_epi64(other, EVEN, other, a->im.l[i]);
        __m512i re = turn.re.l[i], im = turn.im.l[i];
        turn.re.l[i] = _mm512_mask_sub_epi64(re, 1, re, im);
        turn.im.l[i] = _mm512_mask_add_epi64(im, 1, im, re);
        y.re.l[i] = _mm512_mask_add_epi64(a->re.l[i], EVEN, a->re.l[i], turn.re.l[i]);
        y.re.l[i] = _mm512_mask_add_epi64(y.re.l[i], 1, y.re.l[i], each(modulus_16[i]));
        y.im.l[i] = _mm512_mask_add_epi64(a->im.l[i], EVEN, a->im.l[i], turn.im.l[i]);
    }
    carry(&x.re);
    carry(&x.im);
    carry(&y.re);
    carry(&y.im);
    factor_make(&fx, &x);
    factor_make(&fy, &y);
    struct columns t[PARTS];
    for (int part = RE; part < PARTS; part++) {
        struct term term[COEFFICIENTS / 2];
        for (int k = 0; k < COEFFICIENTS / 2; k++) {
            term[k] = (struct term){&fx.part[part][0][COEFFICIENTS + 2 * k], 2 * k};
        }
        sum_terms(&t[part], term, COEFFICIENTS / 2, 16, true, fy.part[part]);
    }
    reduce_karatsuba(a, &t[RE], &t[IM], &t[SUM]);
    times_w(&turn.re, &a->re);
    times_w(&turn.im, &a->im);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i re = turn.re.l[i], im = turn.im.l[i], v;
        turn.re.l[i] = _mm512_mask_sub_epi64(re, 1, re, im);
        turn.im.l[i] = _mm512_mask_add_epi64(im, 1, im, re);
        v = a->re.l[i];
        v = _mm512_mask_sub_epi64(_mm512_add_epi64(v, v), EVEN, v, swap_neighbours(v));
        a->re.l[i] = _mm512_mask_sub_epi64(v, EVEN, v, turn.re.l[i]);
        v = a->im.l[i];
        v = _mm512_mask_sub_epi64(_mm512_add_epi64(v, v), EVEN, v, swap_neighbours(v));
        a->im.l[i] = _mm512_mask_sub_epi64(v, EVEN, v, turn.im.l[i]); // -3p .. 2p
    }
    finish(a);
}

/* The square of an element of the cyclotomic subgroup, as bls_fp12_sqr_cyclotomic: the lanes k and
 * k + 3 are the pairs. Carried, below 8.01p before and after. */
static void square_cyclotomic(struct lanes2 *a) {
    const __m512i across = _mm512_setr_epi64(3, 4, 5, 0, 1, 2, 6, 7);
    const __m512i gather = _mm512_setr_epi64(0, 8 + 2, 1, 8 + 0, 2, 8 + 1, 6, 7);
    const __mmask8 upper = 0x38; // lanes 3 to 5
    struct lanes sum, difference, twice, x, y, q;
    struct lanes2 s;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i re = a->re.l[i], im = a->im.l[i];
        sum.l[i] = _mm512_add_epi64(re, im);
        difference.l[i] = _mm512_add_epi64(_mm512_sub_epi64(re, im), each(modulus_16[i]));
        twice.l[i] = _mm512_add_epi64(re, re);
        re = _mm512_add_epi64(re, _mm512_permutexvar_epi64(across, re));
        im = _mm512_add_epi64(im, _mm512_permutexvar_epi64(across, im));
        // of each pair's sum: (re + im)(re - im) in the lower lanes, 2 re im in the upper ones
        x.l[i] = _mm512_mask_add_epi64(_mm512_add_epi64(re, im), upper, re, re);
        y.l[i] = _mm512_add_epi64(_mm512_sub_epi64(re, im), each(modulus_32[i]));
        y.l[i] = _mm512_mask_mov_epi64(y.l[i], upper, im);
    }
    carry(&sum);
    carry(&difference);
    carry(&twice);
    carry(&x);
    carry(&y);
    multiply(&s.re, &sum, &difference);
    multiply(&s.im, &twice, &a->im);
    multiply(&q, &x, &y);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i re = s.re.l[i], im = s.im.l[i];
        __m512i far_re = _mm512_permutexvar_epi64(across, re);
        __m512i far_im = _mm512_permutexvar_epi64(across, im);
        __m512i both_re = _mm512_add_epi64(re, far_re), both_im = _mm512_add_epi64(im, far_im);
        __m512i r0_re = _mm512_sub_epi64(both_re, far_im);
        __m512i r0_im = _mm512_add_epi64(both_im, far_re);
        __m512i r1_re = _mm512_sub_epi64(q.l[i], both_re);
        __m512i r1_im = _mm512_sub_epi64(_mm512_permutexvar_epi64(across, q.l[i]), both_im);
        __m512i xi_re = _mm512_mask_sub_epi64(r1_re, 4, r1_re, r1_im);
        __m512i xi_im = _mm512_mask_add_epi64(r1_im, 4, r1_im, r1_re);
        re = _mm512_permutex2var_epi64(r0_re, gather, xi_re);
        im = _mm512_permutex2var_epi64(r0_im, gather, xi_im); // -4p .. 3p
        __m512i two_re = _mm512_add_epi64(a->re.l[i], a->re.l[i]);
        __m512i two_im = _mm512_add_epi64(a->im.l[i], a->im.l[i]);
        re = _mm512_add_epi64(_mm512_add_epi64(re, re), _mm512_add_epi64(re, each(modulus_32[i])));
        im = _mm512_add_epi64(_mm512_add_epi64(im, im), _mm512_add_epi64(im, each(modulus_32[i])));
        a->re.l[i] = _mm512_mask_sub_epi64(_mm512_add_epi64(re, two_re), EVEN, re, two_re);
        a->im.l[i] = _mm512_mask_sub_epi64(_mm512_add_epi64(im, two_im), EVEN, im, two_im);
    }
    settle(&a->re);
    settle(&a->im);
}

/* a0 - a1 w. Below 8.01p before and after. */
static void conjugate12(struct lanes2 *a) {
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i m = each(modulus_16[i]);
        a->re.l[i] = _mm512_mask_sub_epi64(_mm512_add_epi64(m, a->re.l[i]), ODD, m, a->re.l[i]);
        a->im.l[i] = _mm512_mask_sub_epi64(_mm512_add_epi64(m, a->im.l[i]), ODD, m, a->im.l[i]);
    }
    settle(&a->re);
    settle(&a->im);
}

/* Where the words of the coefficients of w^0 .. w^5 begin in a struct bls_fp12. */
static inline __m512i coefficient_words(void) {
    return _mm512_setr_epi64(0, 36, 12, 48, 24, 60, 0, 0);
}

static void load12(struct lanes2 *ret, const struct bls_fp12 *a) {
    const uint64_t *words = a->c0.c0.c0.w;
    load_words(&ret->re, words, coefficient_words());
    load_words(&ret->im, words + 6, coefficient_words());
    enter_form(&ret->re);
    enter_form(&ret->im);
}

static void store12(struct bls_fp12 *ret, const struct lanes2 *a) {
    uint64_t *words = ret->c0.c0.c0.w;
    store_words(words, coefficient_words(), (1 << COEFFICIENTS) - 1, &a->re);
    store_words(words + 6, coefficient_words(), (1 << COEFFICIENTS) - 1, &a->im);
    finish_words(&ret->c0.c0.c0, 2 * COEFFICIENTS);
}

void bls_fp12_mul_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b) {
    struct lanes2 x, y;
    struct factor fx, fy;
    load12(&x, a);
    load12(&y, b);
    factor_make(&fx, &x);
    factor_make(&fy, &y);
    multiply12(&x, &fx, &fy);
    store12(ret, &x);
}

void bls_fp12_sqr_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct lanes2 x;
    load12(&x, a);
    square12(&x);
    store12(ret, &x);
}

void bls_fp12_pow_x_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct lanes2 x;
    struct factor base, f;
    load12(&x, a);
    factor_make(&base, &x);
    for (int i = 62; i >= 0; i--) {
        square_cyclotomic(&x);
        if (!(BLS_X_ABS >> i & 1)) continue;
        factor_make(&f, &x);
        multiply12(&x, &f, &base);
    }
    conjugate12(&x); // x is negative
    store12(ret, &x);
}

/* Lines. */

/* Ends the product by a line: from nearly 0 to 42p before, below 8.01p after. */
static inline void settle_line(struct lanes2 *a) {
    raise_by(&a->re, modulus_4);
    raise_by(&a->im, modulus_4);
    settle(&a->re);
    settle(&a->im);
}

/* Two lines of a prepared point, times x/y and 1/y of the other one: lanes (slope, constant) of the
 * first and of the second. */
struct two_lines {
    _Alignas(64) uint64_t own[LIMBS][8], sum[LIMBS][8]; /* sum: re + im in both lanes */
};

static void two_lines_make(struct two_lines *ret, const struct bls_fp2 *slope,
                           const struct lanes *scale) {
    struct lanes t, sum;
    load_words(&t, slope->c0.w, _mm512_setr_epi64(0, 6, 12, 18, 24, 30, 36, 42));
    multiply(&t, &t, scale);
    carry(&t);
    for (int i = 0; i < LIMBS; i++)
        sum.l[i] = _mm512_add_epi64(t.l[i], swap_neighbours(t.l[i]));
    carry(&sum);
    for (int i = 0; i < LIMBS; i++) {
        _mm512_store_si512(ret->own[i], t.l[i]);
        _mm512_store_si512(ret->sum[i], sum.l[i]);
    }
}

/* f (constant + slope w^2 + w^3) */
static void multiply_prepared(struct lanes2 *a, const struct two_lines *lines, int second) {
    const uint64_t *own = lines->own[0] + 4 * second, *sum = lines->sum[0] + 4 * second;
    const struct term re[2] = {{own + 2, 0}, {own, 2}};
    const struct term im[2] = {{own + 3, 0}, {own + 1, 2}};
    const struct term both[2] = {{sum + 2, 0}, {sum, 2}};
    struct columns t[PARTS];
    struct factor f;
    factor_make(&f, a);
    sum_terms(&t[RE], re, 2, 8, false, f.part[RE]);
    sum_terms(&t[IM], im, 2, 8, false, f.part[IM]);
    sum_terms(&t[SUM], both, 2, 8, false, f.part[SUM]);
    reduce_karatsuba(a, &t[RE], &t[IM], &t[SUM]);
    for (int i = 0; i < LIMBS; i++) {
        __m512i re3 = _mm512_loadu_si512(&f.part[RE][i][COEFFICIENTS - 3]);
        __m512i im3 = _mm512_loadu_si512(&f.part[IM][i][COEFFICIENTS - 3]);
        a->re.l[i] = _mm512_add_epi64(a->re.l[i], re3);
        a->im.l[i] = _mm512_add_epi64(a->im.l[i], im3);
    }
    settle_line(a);
}

/* x/y twice, 1/y twice, and again, in Montgomery form for 2^448: times a line's words in the form
 * for 2^384 that makes the form for 2^416. */
static void scale_make(struct lanes *ret, const struct bls_fp *x_over_y,
                       const struct bls_fp *y_inverse) {
    struct bls_fp both[2] = {*x_over_y, *y_inverse};
    load_words(ret, both[0].w, _mm512_setr_epi64(0, 0, 6, 6, 0, 0, 6, 6));
    enter_form(ret);
    enter_form(ret);
}

void bls_miller_loop_lines_ifma(struct bls_fp12 *ret, const struct bls_fp *x_over_y,
                                const struct bls_fp *y_inverse, const struct bls_lines *const *q,
                                size_t n) {
    struct two_lines lines[BLS_PAIRS_AT_ONCE];
    struct lanes scale[BLS_PAIRS_AT_ONCE];
    struct lanes2 f;
    size_t at = 0;
    for (size_t j = 0; j < n; j++)
        scale_make(&scale[j], &x_over_y[j], &y_inverse[j]);
    load12(&f, &bls_fp12_one);
    for (int i = 62; i >= 0; i--) {
        if (i != 62) square12(&f);
        for (int add = 0; add <= (int)(BLS_X_ABS >> i & 1); add++, at++) {
            for (size_t j = 0; j < n; j++) {
                if (at % 2 == 0) two_lines_make(&lines[j], &q[j]->line[at].slope, &scale[j]);
                multiply_prepared(&f, &lines[j], at % 2);
            }
        }
    }
    conjugate12(&f); // x is negative
    store12(ret, &f);
}

/* Eight pairs walk at once, a lane each; the formulas are those of bls_pairing.c, but scaled by 4
 * where those halve. */

#define WALKERS 8

struct walk {
    struct lanes2 x, y, z, qx, qy;
    struct lanes minus_px, py;
};

/* The lines of all eight: l0 + l1 w^2 + l4 w^3. */
enum { L0, L1, L4, LINE_TERMS };
struct eight_lines {
    _Alignas(64) uint64_t part[PARTS][LINE_TERMS][LIMBS][WALKERS];
};

/* Makes sums and differences factors: 128p more is above all that is subtracted here. */
static inline void ready(struct lanes2 *a) {
    raise_by(&a->re, modulus_128);
    raise_by(&a->im, modulus_128);
    carry(&a->re);
    carry(&a->im);
}

/* Products of what is ready, from 0 to little more than p, not carried. */
static void multiply2(struct lanes2 *ret, const struct lanes2 *a, const struct lanes2 *b) {
    struct columns re, im, sum;
    struct lanes sa, sb;
    add(&sa, &a->re, &a->im);
    add(&sb, &b->re, &b->im);
    carry(&sa);
    carry(&sb);
    columns_clear(&re);
    columns_clear(&im);
    columns_clear(&sum);
    add_product(&re, &a->re, &b->re);
    add_product(&im, &a->im, &b->im);
    add_product(&sum, &sa, &sb);
    reduce_karatsuba(ret, &re, &im, &sum);
}

static void square2(struct lanes2 *ret, const struct lanes2 *a) {
    struct lanes sum, difference, twice;
    add(&sum, &a->re, &a->im);
    subtract(&difference, &a->re, &a->im);
    raise_by(&difference, modulus_128);
    add(&twice, &a->re, &a->re);
    carry(&sum);
    carry(&difference);
    carry(&twice);
    multiply(&ret->im, &twice, &a->im);
    multiply(&ret->re, &sum, &difference);
}

static inline void add2(struct lanes2 *ret, const struct lanes2 *a, const struct lanes2 *b) {
    add(&ret->re, &a->re, &b->re);
    add(&ret->im, &a->im, &b->im);
}

static inline void subtract2(struct lanes2 *ret, const struct lanes2 *a, const struct lanes2 *b) {
    subtract(&ret->re, &a->re, &b->re);
    subtract(&ret->im, &a->im, &b->im);
}

static inline void times2(struct lanes2 *a, int n) {
    struct lanes2 t = *a;
    for (int i = 1; i < n; i++)
        add2(a, a, &t);
}

static void line_set(struct eight_lines *ret, int term, const struct lanes2 *a) {
    struct lanes sum;
    add(&sum, &a->re, &a->im);
    carry(&sum);
    for (int i = 0; i < LIMBS; i++) {
        _mm512_store_si512(ret->part[RE][term][i], a->re.l[i]);
        _mm512_store_si512(ret->part[IM][term][i], a->im.l[i]);
        _mm512_store_si512(ret->part[SUM][term][i], sum.l[i]);
    }
}

static void line_set_scaled(struct eight_lines *ret, int term, const struct lanes2 *a,
                            const struct lanes *scale) {
    struct lanes2 t;
    multiply(&t.re, &a->re, scale);
    multiply(&t.im, &a->im, scale);
    carry(&t.re);
    carry(&t.im);
    line_set(ret, term, &t);
}

static void double_points(struct walk *w, struct eight_lines *line) {
    struct lanes2 xy, b, c, xx, yz, e, f, g, l0;
    multiply2(&xy, &w->x, &w->y);
    multiply2(&yz, &w->y, &w->z);
    square2(&b, &w->y);
    square2(&c, &w->z);
    square2(&xx, &w->x);
    subtract(&e.re, &c.re, &c.im);
    add(&e.im, &c.re, &c.im);
    times2(&e, 12); // 3 b' Z^2 = 12 xi Z^2
    f = e;
    times2(&f, 3);
    subtract2(&l0, &b, &e);
    subtract2(&g, &b, &f);
    add2(&f, &b, &f);
    times2(&xy, 2);
    times2(&yz, 2);
    times2(&xx, 3);
    ready(&xy);
    ready(&yz);
    ready(&xx);
    ready(&b);
    ready(&e);
    ready(&f);
    ready(&g);
    ready(&l0);
    line_set(line, L0, &l0);
    line_set_scaled(line, L1, &xx, &w->minus_px);
    line_set_scaled(line, L4, &yz, &w->py);
    multiply2(&w->x, &xy, &g);
    square2(&w->y, &f);
    square2(&e, &e);
    times2(&e, 12);
    subtract2(&w->y, &w->y, &e);
    multiply2(&w->z, &b, &yz);
    times2(&w->z, 4);
    ready(&w->x);
    ready(&w->y);
    ready(&w->z);
}

static void add_points(struct walk *w, struct eight_lines *line) {
    struct lanes2 theta, lambda, c, d, e, f, g, h;
    multiply2(&theta, &w->qy, &w->z);
    subtract2(&theta, &w->y, &theta);
    multiply2(&lambda, &w->qx, &w->z);
    subtract2(&lambda, &w->x, &lambda);
    ready(&theta);
    ready(&lambda);
    multiply2(&f, &theta, &w->qx);
    multiply2(&g, &lambda, &w->qy);
    subtract2(&f, &f, &g);
    ready(&f);
    line_set(line, L0, &f);
    line_set_scaled(line, L1, &theta, &w->minus_px);
    line_set_scaled(line, L4, &lambda, &w->py);
    square2(&c, &theta);
    square2(&d, &lambda);
    ready(&c);
    ready(&d);
    multiply2(&e, &lambda, &d);
    multiply2(&f, &w->z, &c);
    multiply2(&g, &w->x, &d);
    add2(&h, &e, &f);
    subtract2(&h, &h, &g);
    subtract2(&h, &h, &g);
    subtract2(&g, &g, &h);
    ready(&e);
    ready(&g);
    ready(&h);
    multiply2(&w->x, &lambda, &h);
    multiply2(&g, &theta, &g);
    multiply2(&f, &e, &w->y);
    subtract2(&w->y, &g, &f);
    multiply2(&w->z, &w->z, &e);
    ready(&w->x);
    ready(&w->y);
    ready(&w->z);
}

static void multiply_line(struct lanes2 *a, const struct eight_lines *line, size_t walker) {
    struct columns t[PARTS];
    struct factor f;
    factor_make(&f, a);
    for (int part = RE; part < PARTS; part++) {
        const struct term term[LINE_TERMS] = {{&line->part[part][L0][0][walker], 0},
                                              {&line->part[part][L1][0][walker], 2},
                                              {&line->part[part][L4][0][walker], 3}};
        sum_terms(&t[part], term, LINE_TERMS, WALKERS, false, f.part[part]);
    }
    reduce_karatsuba(a, &t[RE], &t[IM], &t[SUM]);
    finish(a);
}

static void multiply_lines(struct lanes2 *f, const struct eight_lines *line, size_t n) {
    for (size_t j = 0; j < n; j++)
        multiply_line(f, &line[j / WALKERS], j % WALKERS);
}

/* n <= 8 pairs; the lanes that are left walk with the first one. */
static void walk_start(struct walk *w, const struct bls_g1_affine *p, const struct bls_g2_affine *q,
                       size_t n) {
    uint64_t at_p[WALKERS] = {0}, at_q[WALKERS] = {0};
    for (size_t j = 0; j < n; j++) {
        at_p[j] = j * sizeof *p / 8;
        at_q[j] = j * sizeof *q / 8;
    }
    __m512i from_p = _mm512_loadu_si512(at_p), from_q = _mm512_loadu_si512(at_q);
    load_words(&w->minus_px, p->x.w, from_p);
    load_words(&w->py, p->y.w, from_p);
    load_words(&w->qx.re, q->x.c0.w, from_q);
    load_words(&w->qx.im, q->x.c1.w, from_q);
    load_words(&w->qy.re, q->y.c0.w, from_q);
    load_words(&w->qy.im, q->y.c1.w, from_q);
    load_words(&w->z.re, bls_fp2_one.c0.w, _mm512_setzero_si512());
    load_words(&w->z.im, bls_fp2_one.c1.w, _mm512_setzero_si512());
    struct lanes *all[] = {&w->minus_px, &w->py,    &w->qx.re, &w->qx.im,
                           &w->qy.re,    &w->qy.im, &w->z.re};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        enter_form(all[i]);
    w->x = w->qx;
    w->y = w->qy;
    struct lanes px = w->minus_px;
    constant(&w->minus_px, modulus_4);
    subtract(&w->minus_px, &w->minus_px, &px);
    carry(&w->minus_px);
}

void bls_miller_loop_ifma(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                          const struct bls_g2_affine *q, size_t n) {
    struct walk walk[BLS_PAIRS_AT_ONCE / WALKERS];
    struct eight_lines line[BLS_PAIRS_AT_ONCE / WALKERS];
    struct lanes2 f;
    size_t groups = (n + WALKERS - 1) / WALKERS;
    for (size_t g = 0; g < groups; g++) {
        size_t at = g * WALKERS;
        walk_start(&walk[g], p + at, q + at, n - at < WALKERS ? n - at : WALKERS);
    }
    load12(&f, &bls_fp12_one);
    for (int i = 62; i >= 0; i--) {
        if (i != 62) square12(&f);
        for (size_t g = 0; g < groups; g++)
            double_points(&walk[g], &line[g]);
        multiply_lines(&f, line, n);
        if (!(BLS_X_ABS >> i & 1)) continue;
        for (size_t g = 0; g < groups; g++)
            add_points(&walk[g], &line[g]);
        multiply_lines(&f, line, n);
    }
    conjugate12(&f); // x is negative
    store12(ret, &f);
}
