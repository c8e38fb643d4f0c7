/* Doublings of points in AVX-512 IFMA lanes: the long runs of them in subgroup checks and
 * cofactors. The formulas are dbl-2009-l, as in bls_group_template.h.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_group_ifma.h"
#include "crypto/bls_ifma.h"

/* A point of G2 alone: elements of Fp2 as neighbours (re, im), x y z in the lanes 0 to 5. */

#define EVEN 0x55
#define THIRD 0x30 /* the lanes of the third element, and so on */
#define SECOND 0x0c
#define FOURTH 0xc0

static inline __m512i swap_neighbours(__m512i a) {
    return _mm512_permutex_epi64(a, 0xb1);
}

/* Four squares: ((re + im)(re - im), 2 re im). a carried, below 32p. */
static void square_pairs(struct lanes *ret, const struct lanes *a) {
    struct lanes x, y;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i other = swap_neighbours(a->l[i]);
        x.l[i] = _mm512_add_epi64(other, _mm512_mask_blend_epi64(EVEN, other, a->l[i]));
        __m512i difference = _mm512_sub_epi64(each(modulus_32[i]), other);
        y.l[i] = _mm512_mask_add_epi64(a->l[i], EVEN, a->l[i], difference);
    }
    carry(&x);
    carry(&y);
    multiply(ret, &x, &y);
}

/* Four products. a and b carried, below 32p. */
static void multiply_pairs(struct lanes *ret, const struct lanes *a, const struct lanes *b) {
    struct lanes re, im, turned;
    struct columns t;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        re.l[i] = _mm512_permutex_epi64(a->l[i], 0xa0);
        im.l[i] = _mm512_permutex_epi64(a->l[i], 0xf5);
        im.l[i] = _mm512_mask_sub_epi64(im.l[i], EVEN, each(modulus_32[i]), im.l[i]);
        turned.l[i] = swap_neighbours(b->l[i]);
    }
    carry(&im);
    columns_clear(&t);
    add_product(&t, &re, b);
    add_product(&t, &im, &turned);
    reduce(ret, &t);
}

/* Each element of the result is the one of a that `which` names (two bits for each). */
#define ELEMENTS(a, which) _mm512_shuffle_i64x2(a, a, which)
#define WHICH(e0, e1, e2, e3) ((e0) | (e1) << 2 | (e2) << 4 | (e3) << 6)

/* v = (x, y, z), carried, below 26p before and after. */
static void double_one(struct lanes *v) {
    struct lanes s, q, r, e, k;
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i y = ELEMENTS(v->l[i], WHICH(0, 0, 0, 1)), z = ELEMENTS(v->l[i], WHICH(0, 0, 0, 2));
        s.l[i] = _mm512_mask_add_epi64(v->l[i], FOURTH, y, z);
    }
    carry(&s);
    square_pairs(&q, &s); // a = x^2, b = y^2, z^2, (y + z)^2
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i x = ELEMENTS(v->l[i], WHICH(0, 0, 0, 0)), p = ELEMENTS(q.l[i], WHICH(1, 1, 0, 0));
        e.l[i] = _mm512_add_epi64(q.l[i], _mm512_add_epi64(q.l[i], q.l[i])); // e = 3 a
        p = _mm512_mask_add_epi64(p, SECOND, p, x);
        s.l[i] = _mm512_mask_add_epi64(p, THIRD, p, _mm512_add_epi64(p, p));
    }
    carry(&e);
    carry(&s);
    square_pairs(&r, &s); // c = b^2, (x + b)^2, f = e^2
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i g = ELEMENTS(r.l[i], WHICH(1, 1, 1, 1)), f = ELEMENTS(r.l[i], WHICH(2, 2, 2, 2));
        __m512i d = _mm512_sub_epi64(_mm512_sub_epi64(g, q.l[i]), r.l[i]);
        d = _mm512_add_epi64(d, d);                               // -4p .. 2p
        __m512i x3 = _mm512_sub_epi64(f, _mm512_add_epi64(d, d)); // -4p .. 9p
        k.l[i] = _mm512_add_epi64(_mm512_sub_epi64(d, x3), each(modulus_16[i]));
        __m512i square = ELEMENTS(q.l[i], WHICH(0, 0, 3, 0)),
                b = ELEMENTS(q.l[i], WHICH(0, 0, 1, 0));
        __m512i z3 = _mm512_sub_epi64(_mm512_sub_epi64(square, b), q.l[i]); // 2 y z
        s.l[i] = _mm512_mask_mov_epi64(x3, THIRD, z3);
    }
    // the lanes that hold no element of k may be negative: nobody looks at their products
    carry(&k);
    multiply_pairs(&e, &e, &k);
#pragma GCC unroll 8
    for (int i = 0; i < LIMBS; i++) {
        __m512i y3 = _mm512_sub_epi64(e.l[i], _mm512_slli_epi64(r.l[i], 3)); // -8p .. p
        y3 = ELEMENTS(y3, WHICH(0, 0, 0, 0));
        v->l[i] = _mm512_mask_mov_epi64(s.l[i], SECOND, y3);
    }
    raise_by(v, modulus_16);
    carry(v);
}

void bls_g2_double_ifma(struct bls_g2 *a, unsigned times) {
    const __m512i words = _mm512_setr_epi64(0, 6, 12, 18, 24, 30, 0, 6);
    struct lanes v;
    load_words(&v, a->x.c0.w, words);
    enter_form(&v);
    while (times-- > 0)
        double_one(&v);
    store_words(a->x.c0.w, words, 0x3f, &v);
    finish_words(&a->x.c0, 6);
}

/* Eight points of G1, a lane each. */

struct eight_points {
    struct lanes x, y, z;
};

static void square(struct lanes *ret, const struct lanes *a) {
    multiply(ret, a, a);
}

/* Coordinates carried and below 26p, before and after. */
static void double_eight(struct eight_points *p) {
    struct lanes a, b, c, d, e, f, g;
    square(&a, &p->x);
    square(&b, &p->y);
    carry(&b);
    square(&c, &b);
    multiply(&p->z, &p->y, &p->z);
    add(&p->z, &p->z, &p->z);
    carry(&p->z);
    add(&g, &p->x, &b);
    carry(&g);
    square(&g, &g);
    add(&e, &a, &a);
    add(&e, &e, &a);
    carry(&e);
    square(&f, &e);
    subtract(&d, &g, &a);
    subtract(&d, &d, &c);
    add(&d, &d, &d); // -4p .. 2p
    subtract(&p->x, &f, &d);
    subtract(&p->x, &p->x, &d); // -4p .. 9p
    subtract(&d, &d, &p->x);
    raise_by(&d, modulus_16);
    raise_by(&p->x, modulus_16);
    carry(&d);
    carry(&p->x);
    multiply(&p->y, &e, &d);
    for (int i = 0; i < 8; i++)
        subtract(&p->y, &p->y, &c);
    raise_by(&p->y, modulus_16);
    carry(&p->y);
}

void bls_g1_double_eight_ifma(struct bls_g1 a[8], unsigned times) {
    const __m512i words = _mm512_setr_epi64(0, 18, 36, 54, 72, 90, 108, 126);
    struct eight_points p;
    struct lanes *all[] = {&p.x, &p.y, &p.z};
    for (int i = 0; i < 3; i++) {
        load_words(all[i], a->x.w + 6 * i, words);
        enter_form(all[i]);
    }
    while (times-- > 0)
        double_eight(&p);
    for (int i = 0; i < 3; i++)
        store_words(a->x.w + 6 * i, words, 0xff, all[i]);
    finish_words(&a->x, 24);
}

/* Eight powers to one exponent, four bits at a time, as bls_fp_pow_sqrt. */
void bls_fp_pow_eight_ifma(struct bls_fp a[8], const uint64_t e[6]) {
    const __m512i words = _mm512_setr_epi64(0, 6, 12, 18, 24, 30, 36, 42);
    struct lanes table[16], r;
    load_words(&table[1], a->w, words);
    enter_form(&table[1]);
    for (int i = 2; i < 16; i++) {
        multiply(&table[i], &table[i - 1], &table[1]);
        carry(&table[i]);
    }
    int at = 95;
    while ((e[at / 16] >> (at % 16 * 4) & 15) == 0)
        at--;
    r = table[e[at / 16] >> (at % 16 * 4) & 15];
    while (at-- > 0) {
        for (int i = 0; i < 4; i++) {
            square(&r, &r);
            carry(&r);
        }
        unsigned digit = (unsigned)(e[at / 16] >> (at % 16 * 4) & 15);
        if (digit == 0) continue;
        multiply(&r, &r, &table[digit]);
        carry(&r);
    }
    store_words(a->w, words, 0xff, &r);
    finish_words(a, 8);
}
