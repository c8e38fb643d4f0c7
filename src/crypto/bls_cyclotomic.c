/* Powers in the cyclotomic subgroup of Fp12, with compressed squarings.
 *
 * As Fp4[w]/(w^3 - s), s^2 = xi, an element is A + B w + C w^2, and the squares' B and C depend on
 * B and C alone: a chain of squarings carries only those four elements of Fp2 and leaves A for
 * the end (Karabina, eprint 2010/542; the formulas as in Aranha et al., eprint 2010/526).
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_cyclotomic.h"

#include "crypto/bls_pairing_ifma.h"

/* The coefficients of w, w^4, w^2 and w^5: what a chain of squarings needs of an element. */
struct compressed {
    struct bls_fp2 b0, b1, c0, c1;
};

static void compressed_sqr(struct compressed *a, unsigned times) {
    while (times-- > 0) {
        struct bls_fp2 b0, b1, c0, c1;
        bls_fp4_sqr(&b0, &b1, &a->b0, &a->b1);
        bls_fp4_sqr(&c0, &c1, &a->c0, &a->c1);
        bls_fp2_mul_xi(&c1, &c1);
        bls_three_minus_two(&a->c0, &b0, &a->c0);
        bls_three_plus_two(&a->c1, &b1, &a->c1);
        bls_three_plus_two(&a->b0, &c1, &a->b0);
        bls_three_minus_two(&a->b1, &c0, &a->b1);
    }
}

static void three_times(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp2 t;
    bls_fp2_double(&t, a);
    bls_fp2_add(ret, &t, a);
}

/* A = a0 + a1 s of the whole element: a1 = n / d with
 * n / d = (xi c1^2 + 3 c0^2 - 2 b1) / (4 b0), or 2 c0 c1 / b1 where b0 = 0. */
static void missing_fraction(struct bls_fp2 *n, struct bls_fp2 *d, const struct compressed *g) {
    struct bls_fp2 t;
    if (bls_fp2_is_zero(&g->b0)) {
        bls_fp2_mul(&t, &g->c0, &g->c1);
        bls_fp2_double(n, &t);
        *d = g->b1;
        // B = 0 happens for the element 1 only, whose A is 1
        if (bls_fp2_is_zero(d)) *d = bls_fp2_one;
        return;
    }
    bls_fp2_sqr(&t, &g->c0);
    three_times(n, &t);
    bls_fp2_sub(n, n, &g->b1);
    bls_fp2_sub(n, n, &g->b1);
    bls_fp2_sqr(&t, &g->c1);
    bls_fp2_mul_xi(&t, &t);
    bls_fp2_add(n, n, &t);
    bls_fp2_double(d, &g->b0);
    bls_fp2_double(d, d);
}

/* a0 = xi (2 a1^2 + b0 c1 - 3 b1 c0) + 1 */
static void expand(struct bls_fp12 *ret, const struct compressed *g, const struct bls_fp2 *a1) {
    struct bls_fp2 s, t;
    bls_fp2_mul(&s, &g->b1, &g->c0);
    three_times(&s, &s);
    bls_fp2_mul(&t, &g->b0, &g->c1);
    bls_fp2_sub(&s, &t, &s);
    bls_fp2_sqr(&t, a1);
    bls_fp2_double(&t, &t);
    bls_fp2_add(&s, &s, &t);
    bls_fp2_mul_xi(&s, &s);
    bls_fp_add(&s.c0, &s.c0, &bls_fp_one);
    *ret = (struct bls_fp12){{s, g->c0, g->b1}, {g->b0, *a1, g->c1}};
}

/* The set bits of |x|, lowest first. */
static const unsigned bits[] = {16, 48, 57, 60, 62, 63};
#define BITS (sizeof bits / sizeof bits[0])

void bls_fp12_pow_x_plain(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct compressed power[BITS], g = {a->c1.c0, a->c0.c2, a->c0.c1, a->c1.c2};
    struct bls_fp2 n[BITS], d[BITS], before[BITS], product = bls_fp2_one, t;
    struct bls_fp12 r, factor;
    unsigned at = 0;
    for (size_t i = 0; i < BITS; i++) {
        compressed_sqr(&g, bits[i] - at);
        at = bits[i];
        power[i] = g;
        missing_fraction(&n[i], &d[i], &g);
        before[i] = product;
        bls_fp2_mul(&product, &product, &d[i]);
    }
    bls_fp2_inv(&product, &product);
    for (size_t i = BITS; i-- > 0;) {
        bls_fp2_mul(&t, &product, &before[i]);
        bls_fp2_mul(&product, &product, &d[i]);
        bls_fp2_mul(&t, &t, &n[i]);
        expand(i == BITS - 1 ? &r : &factor, &power[i], &t);
        if (i != BITS - 1) bls_fp12_mul(&r, &r, &factor);
    }
    bls_fp12_conjugate(ret, &r); // x is negative
}

void bls_fp12_pow_x(struct bls_fp12 *ret, const struct bls_fp12 *a) {
#if BLS_HAVE_X86
    if (bls_use_ifma) {
        bls_fp12_pow_x_ifma(ret, a);
        return;
    }
#endif
    bls_fp12_pow_x_plain(ret, a);
}
