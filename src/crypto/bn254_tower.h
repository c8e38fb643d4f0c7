/* The extensions of bn254's field; inner part of bn254_core.c.
 *
 * Fp2 = Fp[i]/(i^2+1), Fp6 = Fp2[v]/(v^3-xi) with xi = 9+i, Fp12 = Fp6[w]/(w^2-v).
 * Results may be the same memory as arguments everywhere.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_TOWER_H
#define CRYPTO_BN254_TOWER_H

#include "crypto/bn254_field.h"

typedef struct bn254_fp2 fp2;
struct fp6 {
    fp2 c0, c1, c2;
};
struct fp12 {
    struct fp6 c0, c1;
};

static inline bool fp2_is_zero(const fp2 *a) {
    return fp_is_zero(&a->c0) && fp_is_zero(&a->c1);
}
static inline bool fp2_equal(const fp2 *a, const fp2 *b) {
    return fp_equal(&a->c0, &b->c0) && fp_equal(&a->c1, &b->c1);
}
static inline void fp2_add(fp2 *ret, const fp2 *a, const fp2 *b) {
    fp_add(&ret->c0, &a->c0, &b->c0);
    fp_add(&ret->c1, &a->c1, &b->c1);
}
static inline void fp2_sub(fp2 *ret, const fp2 *a, const fp2 *b) {
    fp_sub(&ret->c0, &a->c0, &b->c0);
    fp_sub(&ret->c1, &a->c1, &b->c1);
}
static inline void fp2_double(fp2 *ret, const fp2 *a) {
    fp2_add(ret, a, a);
}
static inline void fp2_neg(fp2 *ret, const fp2 *a) {
    fp_neg(&ret->c0, &a->c0);
    fp_neg(&ret->c1, &a->c1);
}
static inline void fp2_conjugate(fp2 *ret, const fp2 *a) {
    ret->c0 = a->c0;
    fp_neg(&ret->c1, &a->c1);
}

static void fp2_mul(fp2 *ret, const fp2 *a, const fp2 *b) {
    struct bn254_fp minus_b1, c0;
    fp_neg_loose(&minus_b1, &b->c1);
    fp_mul_sum(&c0, &a->c0, &b->c0, &a->c1, &minus_b1);
    fp_mul_sum(&ret->c1, &a->c0, &b->c1, &a->c1, &b->c0);
    ret->c0 = c0;
}

static void fp2_sqr(fp2 *ret, const fp2 *a) {
    struct bn254_fp sum, difference, twice;
    fp_add_loose(&sum, &a->c0, &a->c1);
    fp_sub(&difference, &a->c0, &a->c1);
    fp_add_loose(&twice, &a->c0, &a->c0);
    fp_mul(&ret->c1, &twice, &a->c1);
    fp_mul(&ret->c0, &sum, &difference);
}

static inline void fp2_mul_fp(fp2 *ret, const fp2 *a, const struct bn254_fp *b) {
    fp_mul(&ret->c0, &a->c0, b);
    fp_mul(&ret->c1, &a->c1, b);
}

// Times xi = 9 + i.
static inline void fp2_mul_xi(fp2 *ret, const fp2 *a) {
    fp2 t;
    fp2_double(&t, a);
    fp2_double(&t, &t);
    fp2_double(&t, &t);
    fp2_add(&t, &t, a);
    struct bn254_fp a0 = a->c0;
    fp_sub(&ret->c0, &t.c0, &a->c1);
    fp_add(&ret->c1, &t.c1, &a0);
}

static void fp2_inverse(fp2 *ret, const fp2 *a) {
    struct bn254_fp norm;
    fp_mul_sum(&norm, &a->c0, &a->c0, &a->c1, &a->c1);
    fp_inverse(&norm, &norm);
    fp2 conjugate;
    fp2_conjugate(&conjugate, a);
    fp2_mul_fp(ret, &conjugate, &norm);
}

static inline void fp6_add(struct fp6 *ret, const struct fp6 *a, const struct fp6 *b) {
    fp2_add(&ret->c0, &a->c0, &b->c0);
    fp2_add(&ret->c1, &a->c1, &b->c1);
    fp2_add(&ret->c2, &a->c2, &b->c2);
}
static inline void fp6_sub(struct fp6 *ret, const struct fp6 *a, const struct fp6 *b) {
    fp2_sub(&ret->c0, &a->c0, &b->c0);
    fp2_sub(&ret->c1, &a->c1, &b->c1);
    fp2_sub(&ret->c2, &a->c2, &b->c2);
}
static inline void fp6_neg(struct fp6 *ret, const struct fp6 *a) {
    fp2_neg(&ret->c0, &a->c0);
    fp2_neg(&ret->c1, &a->c1);
    fp2_neg(&ret->c2, &a->c2);
}
// Times v.
static inline void fp6_mul_v(struct fp6 *ret, const struct fp6 *a) {
    fp2 t;
    fp2_mul_xi(&t, &a->c2);
    ret->c2 = a->c1;
    ret->c1 = a->c0;
    ret->c0 = t;
}

// (x0 + x1)(y0 + y1) - minus0 - minus1: the middle term of a product by Karatsuba.
static void cross(fp2 *ret, const fp2 *x0, const fp2 *x1, const fp2 *y0, const fp2 *y1,
                  const fp2 *minus0, const fp2 *minus1) {
    fp2 x, y;
    fp2_add(&x, x0, x1);
    fp2_add(&y, y0, y1);
    fp2_mul(&x, &x, &y);
    fp2_sub(&x, &x, minus0);
    fp2_sub(ret, &x, minus1);
}

static void fp6_mul(struct fp6 *ret, const struct fp6 *a, const struct fp6 *b) {
    fp2 v0, v1, v2, c0, c1, c2;
    fp2_mul(&v0, &a->c0, &b->c0);
    fp2_mul(&v1, &a->c1, &b->c1);
    fp2_mul(&v2, &a->c2, &b->c2);
    cross(&c0, &a->c1, &a->c2, &b->c1, &b->c2, &v1, &v2);
    cross(&c1, &a->c0, &a->c1, &b->c0, &b->c1, &v0, &v1);
    cross(&c2, &a->c0, &a->c2, &b->c0, &b->c2, &v0, &v2);
    fp2_mul_xi(&c0, &c0);
    fp2_add(&ret->c0, &c0, &v0);
    fp2_mul_xi(&v2, &v2);
    fp2_add(&ret->c1, &c1, &v2);
    fp2_add(&ret->c2, &c2, &v1);
}

// Times b0 + b1 v.
static void fp6_mul_01(struct fp6 *ret, const struct fp6 *a, const fp2 *b0, const fp2 *b1) {
    fp2 v0, v1, c0, c1, c2;
    fp2_mul(&v0, &a->c0, b0);
    fp2_mul(&v1, &a->c1, b1);
    cross(&c1, &a->c0, &a->c1, b0, b1, &v0, &v1);
    fp2_mul(&c0, &a->c2, b1);
    fp2_mul_xi(&c0, &c0);
    fp2_mul(&c2, &a->c2, b0);
    fp2_add(&ret->c0, &c0, &v0);
    ret->c1 = c1;
    fp2_add(&ret->c2, &c2, &v1);
}

static void fp6_inverse(struct fp6 *ret, const struct fp6 *a) {
    fp2 t0, t1, t2, n, x;
    fp2_sqr(&t0, &a->c0); // t0 = a0^2 - xi a1 a2
    fp2_mul(&x, &a->c1, &a->c2);
    fp2_mul_xi(&x, &x);
    fp2_sub(&t0, &t0, &x);
    fp2_sqr(&t1, &a->c2); // t1 = xi a2^2 - a0 a1
    fp2_mul_xi(&t1, &t1);
    fp2_mul(&x, &a->c0, &a->c1);
    fp2_sub(&t1, &t1, &x);
    fp2_sqr(&t2, &a->c1); // t2 = a1^2 - a0 a2
    fp2_mul(&x, &a->c0, &a->c2);
    fp2_sub(&t2, &t2, &x);
    fp2_mul(&n, &a->c2, &t1); // norm = a0 t0 + xi (a2 t1 + a1 t2)
    fp2_mul(&x, &a->c1, &t2);
    fp2_add(&n, &n, &x);
    fp2_mul_xi(&n, &n);
    fp2_mul(&x, &a->c0, &t0);
    fp2_add(&n, &n, &x);
    fp2_inverse(&n, &n);
    fp2_mul(&ret->c0, &t0, &n);
    fp2_mul(&ret->c1, &t1, &n);
    fp2_mul(&ret->c2, &t2, &n);
}

static void fp12_mul(struct fp12 *ret, const struct fp12 *a, const struct fp12 *b) {
    struct fp6 v0, v1, x, y;
    fp6_mul(&v0, &a->c0, &b->c0);
    fp6_mul(&v1, &a->c1, &b->c1);
    fp6_add(&x, &a->c0, &a->c1);
    fp6_add(&y, &b->c0, &b->c1);
    fp6_mul(&x, &x, &y);
    fp6_sub(&x, &x, &v0);
    fp6_sub(&ret->c1, &x, &v1);
    fp6_mul_v(&v1, &v1);
    fp6_add(&ret->c0, &v0, &v1);
}

static void fp12_sqr(struct fp12 *ret, const struct fp12 *a) {
    struct fp6 product, x, y;
    fp6_mul(&product, &a->c0, &a->c1);
    fp6_add(&x, &a->c0, &a->c1);
    fp6_mul_v(&y, &a->c1);
    fp6_add(&y, &y, &a->c0);
    fp6_mul(&x, &x, &y);
    fp6_sub(&x, &x, &product);
    fp6_mul_v(&y, &product);
    fp6_sub(&ret->c0, &x, &y);
    fp6_add(&ret->c1, &product, &product);
}

// Times c0 + (c3 + c4 v) w: the shape of a line.
static void fp12_mul_line(struct fp12 *ret, const struct fp12 *a, const fp2 *c0, const fp2 *c3,
                          const fp2 *c4) {
    struct fp6 v0, v1, x;
    fp2 sum;
    fp2_mul(&v0.c0, &a->c0.c0, c0);
    fp2_mul(&v0.c1, &a->c0.c1, c0);
    fp2_mul(&v0.c2, &a->c0.c2, c0);
    fp6_mul_01(&v1, &a->c1, c3, c4);
    fp2_add(&sum, c0, c3);
    fp6_add(&x, &a->c0, &a->c1);
    fp6_mul_01(&x, &x, &sum, c4);
    fp6_sub(&x, &x, &v0);
    fp6_sub(&ret->c1, &x, &v1);
    fp6_mul_v(&v1, &v1);
    fp6_add(&ret->c0, &v0, &v1);
}

// The p^6-power; the inverse for elements of norm one.
static inline void fp12_conjugate(struct fp12 *ret, const struct fp12 *a) {
    ret->c0 = a->c0;
    fp6_neg(&ret->c1, &a->c1);
}

static void fp12_inverse(struct fp12 *ret, const struct fp12 *a) {
    struct fp6 x, y;
    fp6_mul(&x, &a->c0, &a->c0);
    fp6_mul(&y, &a->c1, &a->c1);
    fp6_mul_v(&y, &y);
    fp6_sub(&x, &x, &y);
    fp6_inverse(&x, &x);
    fp6_mul(&ret->c0, &a->c0, &x);
    fp6_mul(&y, &a->c1, &x);
    fp6_neg(&ret->c1, &y);
}

// The p-power: conjugates of the coefficients of w^k, times xi^(k (p-1)/6).
static void fp12_frobenius(struct fp12 *ret, const struct fp12 *a) {
    fp2 *to[6] = {&ret->c0.c0, &ret->c1.c0, &ret->c0.c1, &ret->c1.c1, &ret->c0.c2, &ret->c1.c2};
    const fp2 *from[6] = {&a->c0.c0, &a->c1.c0, &a->c0.c1, &a->c1.c1, &a->c0.c2, &a->c1.c2};
    for (int k = 0; k < 6; k++) {
        fp2_conjugate(to[k], from[k]);
        if (k > 0) fp2_mul(to[k], to[k], &bn254_gamma[k]);
    }
}

// (a + b s)^2 in Fp4 = Fp2[s]/(s^2 - xi).
static void fp4_sqr(fp2 *ret_a, fp2 *ret_b, const fp2 *a, const fp2 *b) {
    fp2 aa, bb, sum;
    fp2_sqr(&aa, a);
    fp2_sqr(&bb, b);
    fp2_add(&sum, a, b);
    fp2_sqr(&sum, &sum);
    fp2_sub(&sum, &sum, &aa);
    fp2_sub(ret_b, &sum, &bb);
    fp2_mul_xi(&bb, &bb);
    fp2_add(ret_a, &aa, &bb);
}

// 3 t - 2 z and 3 t + 2 z.
static inline void triple_minus(fp2 *z, const fp2 *t) {
    fp2 d;
    fp2_sub(&d, t, z);
    fp2_double(&d, &d);
    fp2_add(z, &d, t);
}
static inline void triple_plus(fp2 *z, const fp2 *t) {
    fp2 d;
    fp2_add(&d, t, z);
    fp2_double(&d, &d);
    fp2_add(z, &d, t);
}

/* The square of an element of the cyclotomic subgroup (order p^4 - p^2 + 1): Granger and Scott,
 * "Faster squaring in the cyclotomic subgroup of sixth degree extensions" (2010). */
static void fp12_sqr_cyclotomic(struct fp12 *ret, const struct fp12 *a) {
    fp2 t0, t1, t2, t3, t4, t5;
    fp4_sqr(&t0, &t1, &a->c0.c0, &a->c1.c1);
    fp4_sqr(&t2, &t3, &a->c1.c0, &a->c0.c2);
    fp4_sqr(&t4, &t5, &a->c0.c1, &a->c1.c2);
    fp2_mul_xi(&t5, &t5);
    if (ret != a) *ret = *a;
    triple_minus(&ret->c0.c0, &t0);
    triple_plus(&ret->c1.c1, &t1);
    triple_minus(&ret->c0.c1, &t2);
    triple_plus(&ret->c1.c2, &t3);
    triple_minus(&ret->c0.c2, &t4);
    triple_plus(&ret->c1.c0, &t5);
}

static inline bool fp12_is_one(const struct fp12 *a) {
    struct fp12 one = {0};
    one.c0.c0.c0 = bn254_one;
    return memcmp(a, &one, sizeof one) == 0;
}

#endif
