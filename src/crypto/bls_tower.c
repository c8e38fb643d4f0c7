/* SPDX-License-Identifier: MIT */
#include "crypto/bls_tower.h"

#include "crypto/bls_cyclotomic.h"
#include "crypto/bls_pairing_ifma.h"
#include "crypto/bls_tower_constants.h"

#define FP_ONE                                                                                     \
    {                                                                                              \
        {                                                                                          \
            0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,        \
                0x5c071a97a256ec6d, 0x15f65ec3fa80e493                                             \
        }                                                                                          \
    }
const struct bls_fp2 bls_fp2_one = {.c0 = FP_ONE};
const struct bls_fp12 bls_fp12_one = {.c0.c0.c0 = FP_ONE};

/* Fp2: products are summed before they are reduced, so that three multiplications need two
 * reductions. */

void bls_fp2_mul(struct bls_fp2 *ret, const struct bls_fp2 *a, const struct bls_fp2 *b) {
    struct bls_wide low, high, cross;
    struct bls_fp s, t;
    bls_fp_add_lazy(&s, &a->c0, &a->c1);
    bls_fp_add_lazy(&t, &b->c0, &b->c1);
    bls_fp_mul_wide(&cross, &s, &t);
    bls_fp_mul_wide(&low, &a->c0, &b->c0);
    bls_fp_mul_wide(&high, &a->c1, &b->c1);
    bls_wide_sub(&cross, &cross, &low);
    bls_wide_sub(&cross, &cross, &high);
    bls_wide_sub(&low, &low, &high);
    bls_fp_redc(&ret->c0, &low);
    bls_fp_redc(&ret->c1, &cross);
}

void bls_fp2_sqr(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp sum, difference, twice;
    bls_fp_add(&sum, &a->c0, &a->c1);
    bls_fp_sub(&difference, &a->c0, &a->c1);
    bls_fp_double(&twice, &a->c0);
    bls_fp_mul(&ret->c1, &twice, &a->c1);
    bls_fp_mul(&ret->c0, &sum, &difference);
}

void bls_fp2_mul_fp(struct bls_fp2 *ret, const struct bls_fp2 *a, const struct bls_fp *b) {
    struct bls_fp t = *b;
    bls_fp_mul(&ret->c0, &a->c0, &t);
    bls_fp_mul(&ret->c1, &a->c1, &t);
}

void bls_fp2_mul_xi(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp t;
    bls_fp_sub(&t, &a->c0, &a->c1);
    bls_fp_add(&ret->c1, &a->c0, &a->c1);
    ret->c0 = t;
}

void bls_fp2_norm(struct bls_fp *ret, const struct bls_fp2 *a) {
    struct bls_fp t;
    bls_fp_sqr(&t, &a->c1);
    bls_fp_sqr(ret, &a->c0);
    bls_fp_add(ret, ret, &t);
}

void bls_fp2_inv(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp t;
    bls_fp2_norm(&t, a);
    bls_fp_inv(&t, &t);
    bls_fp_mul(&ret->c0, &a->c0, &t);
    bls_fp_mul(&ret->c1, &a->c1, &t);
    bls_fp_neg(&ret->c1, &ret->c1);
}

/* With n a root of the norm and d = (c0 + n)/2, one of d and d' = (c0 - n)/2 is a square, since
 * d d' = -(c1/2)^2 and -1 is none. s = d^((p-3)/4) gives s^2 d = 1 or -1: in the first case the
 * root is d s + (c1 s/2) u, in the second c1 s/2 - d s u. */
void bls_fp2_sqrt_norm(struct bls_fp2 *ret, const struct bls_fp2 *a,
                       const struct bls_fp *norm_root) {
    struct bls_fp d, s, ds, check, half;
    if (bls_fp_is_zero(&a->c1)) {
        bool square = bls_fp_sqrt(&s, &a->c0);
        *ret = (struct bls_fp2){0};
        *(square ? &ret->c0 : &ret->c1) = s; // a root of -c0 times u
        return;
    }
    bls_fp_add(&d, &a->c0, norm_root);
    bls_fp_half(&d, &d);
    bls_fp_pow_sqrt(&s, &d);
    bls_fp_mul(&ds, &d, &s);
    bls_fp_mul(&check, &ds, &s);
    bls_fp_half(&half, &a->c1);
    bls_fp_mul(&half, &half, &s);
    if (bls_fp_equal(&check, &bls_fp_one)) {
        ret->c0 = ds;
        ret->c1 = half;
    } else {
        ret->c0 = half;
        bls_fp_neg(&ret->c1, &ds);
    }
}

bool bls_fp2_sqrt(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp n;
    bls_fp2_norm(&n, a);
    if (!bls_fp_sqrt(&n, &n)) return false; // a is a square exactly when its norm is
    bls_fp2_sqrt_norm(ret, a, &n);
    return true;
}

bool bls_fp2_sgn0(const struct bls_fp2 *a) {
    bool odd0 = bls_fp_is_odd(&a->c0), odd1 = bls_fp_is_odd(&a->c1);
    return odd0 || (bls_fp_is_zero(&a->c0) && odd1);
}

bool bls_fp2_is_large(const struct bls_fp2 *a) {
    bool zero = bls_fp_is_zero(&a->c1);
    bool large0 = bls_fp_is_large(&a->c0), large1 = bls_fp_is_large(&a->c1);
    return large1 | (zero & large0); // no branch: a signature on its way out passes here
}

static void fp6_add(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp6 *b) {
    bls_fp2_add(&ret->c0, &a->c0, &b->c0);
    bls_fp2_add(&ret->c1, &a->c1, &b->c1);
    bls_fp2_add(&ret->c2, &a->c2, &b->c2);
}

static void fp6_sub(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp6 *b) {
    bls_fp2_sub(&ret->c0, &a->c0, &b->c0);
    bls_fp2_sub(&ret->c1, &a->c1, &b->c1);
    bls_fp2_sub(&ret->c2, &a->c2, &b->c2);
}

static void fp6_neg(struct bls_fp6 *ret, const struct bls_fp6 *a) {
    bls_fp2_neg(&ret->c0, &a->c0);
    bls_fp2_neg(&ret->c1, &a->c1);
    bls_fp2_neg(&ret->c2, &a->c2);
}

static void fp6_mul_v(struct bls_fp6 *ret, const struct bls_fp6 *a) {
    struct bls_fp2 t = a->c2;
    ret->c2 = a->c1;
    ret->c1 = a->c0;
    bls_fp2_mul_xi(&ret->c0, &t);
}

/* (a + b)(c + d) - e - f */
static void cross_product(struct bls_fp2 *ret, const struct bls_fp2 *a, const struct bls_fp2 *b,
                          const struct bls_fp2 *c, const struct bls_fp2 *d, const struct bls_fp2 *e,
                          const struct bls_fp2 *f) {
    struct bls_fp2 s, t;
    bls_fp2_add(&s, a, b);
    bls_fp2_add(&t, c, d);
    bls_fp2_mul(&s, &s, &t);
    bls_fp2_sub(&s, &s, e);
    bls_fp2_sub(ret, &s, f);
}

void bls_fp6_mul(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp6 *b) {
    struct bls_fp2 v0, v1, v2, r0, r1, r2, t;
    bls_fp2_mul(&v0, &a->c0, &b->c0);
    bls_fp2_mul(&v1, &a->c1, &b->c1);
    bls_fp2_mul(&v2, &a->c2, &b->c2);
    cross_product(&r0, &a->c1, &a->c2, &b->c1, &b->c2, &v1, &v2);
    cross_product(&r1, &a->c0, &a->c1, &b->c0, &b->c1, &v0, &v1);
    cross_product(&r2, &a->c0, &a->c2, &b->c0, &b->c2, &v0, &v2);
    bls_fp2_mul_xi(&r0, &r0);
    bls_fp2_add(&ret->c0, &r0, &v0);
    bls_fp2_mul_xi(&t, &v2);
    bls_fp2_add(&ret->c1, &r1, &t);
    bls_fp2_add(&ret->c2, &r2, &v1);
}

/* Chung and Hasan's SQR2: three squarings and two products. */
void bls_fp6_sqr(struct bls_fp6 *ret, const struct bls_fp6 *a) {
    struct bls_fp2 s0, s1, s2, s3, s4, t;
    bls_fp2_sqr(&s0, &a->c0);
    bls_fp2_mul(&s1, &a->c0, &a->c1);
    bls_fp2_double(&s1, &s1);
    bls_fp2_sub(&s2, &a->c0, &a->c1);
    bls_fp2_add(&s2, &s2, &a->c2);
    bls_fp2_sqr(&s2, &s2);
    bls_fp2_mul(&s3, &a->c1, &a->c2);
    bls_fp2_double(&s3, &s3);
    bls_fp2_sqr(&s4, &a->c2);
    bls_fp2_mul_xi(&t, &s3);
    bls_fp2_add(&ret->c0, &t, &s0);
    bls_fp2_mul_xi(&t, &s4);
    bls_fp2_add(&ret->c1, &t, &s1);
    bls_fp2_add(&t, &s1, &s2);
    bls_fp2_add(&t, &t, &s3);
    bls_fp2_sub(&t, &t, &s0);
    bls_fp2_sub(&ret->c2, &t, &s4);
}

void bls_fp6_inv(struct bls_fp6 *ret, const struct bls_fp6 *a) {
    struct bls_fp2 c0, c1, c2, t, s;
    bls_fp2_mul(&t, &a->c1, &a->c2);
    bls_fp2_mul_xi(&t, &t);
    bls_fp2_sqr(&c0, &a->c0);
    bls_fp2_sub(&c0, &c0, &t);
    bls_fp2_sqr(&c1, &a->c2);
    bls_fp2_mul_xi(&c1, &c1);
    bls_fp2_mul(&t, &a->c0, &a->c1);
    bls_fp2_sub(&c1, &c1, &t);
    bls_fp2_sqr(&c2, &a->c1);
    bls_fp2_mul(&t, &a->c0, &a->c2);
    bls_fp2_sub(&c2, &c2, &t);
    bls_fp2_mul(&t, &a->c2, &c1);
    bls_fp2_mul(&s, &a->c1, &c2);
    bls_fp2_add(&t, &t, &s);
    bls_fp2_mul_xi(&t, &t);
    bls_fp2_mul(&s, &a->c0, &c0);
    bls_fp2_add(&t, &t, &s);
    bls_fp2_inv(&t, &t);
    bls_fp2_mul(&ret->c0, &c0, &t);
    bls_fp2_mul(&ret->c1, &c1, &t);
    bls_fp2_mul(&ret->c2, &c2, &t);
}

void bls_fp12_mul_plain(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b) {
    struct bls_fp6 v0, v1, s, t;
    bls_fp6_mul(&v0, &a->c0, &b->c0);
    bls_fp6_mul(&v1, &a->c1, &b->c1);
    fp6_add(&s, &a->c0, &a->c1);
    fp6_add(&t, &b->c0, &b->c1);
    bls_fp6_mul(&s, &s, &t);
    fp6_sub(&s, &s, &v0);
    fp6_sub(&ret->c1, &s, &v1);
    fp6_mul_v(&t, &v1);
    fp6_add(&ret->c0, &v0, &t);
}

void bls_fp12_mul(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b) {
#if BLS_HAVE_X86
    if (bls_use_ifma) {
        bls_fp12_mul_ifma(ret, a, b);
        return;
    }
#endif
    bls_fp12_mul_plain(ret, a, b);
}

void bls_fp12_sqr(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct bls_fp6 s, t, product;
    fp6_add(&s, &a->c0, &a->c1);
    fp6_mul_v(&t, &a->c1);
    fp6_add(&t, &t, &a->c0);
    bls_fp6_mul(&product, &a->c0, &a->c1);
    bls_fp6_mul(&s, &s, &t); // c0^2 + v c1^2 + (1 + v) c0 c1
    fp6_sub(&s, &s, &product);
    fp6_mul_v(&t, &product);
    fp6_sub(&ret->c0, &s, &t);
    fp6_add(&ret->c1, &product, &product);
}

void bls_fp12_inv(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct bls_fp6 s, t;
    bls_fp6_sqr(&s, &a->c0);
    bls_fp6_sqr(&t, &a->c1);
    fp6_mul_v(&t, &t);
    fp6_sub(&s, &s, &t);
    bls_fp6_inv(&s, &s);
    bls_fp6_mul(&ret->c0, &a->c0, &s);
    bls_fp6_mul(&ret->c1, &a->c1, &s);
    fp6_neg(&ret->c1, &ret->c1);
}

void bls_fp12_conjugate(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    ret->c0 = a->c0;
    fp6_neg(&ret->c1, &a->c1);
}

static bool fp6_equal(const struct bls_fp6 *a, const struct bls_fp6 *b) {
    return bls_fp2_equal(&a->c0, &b->c0) && bls_fp2_equal(&a->c1, &b->c1) &&
           bls_fp2_equal(&a->c2, &b->c2);
}

bool bls_fp12_equal(const struct bls_fp12 *a, const struct bls_fp12 *b) {
    return fp6_equal(&a->c0, &b->c0) && fp6_equal(&a->c1, &b->c1);
}

bool bls_fp12_is_one(const struct bls_fp12 *a) {
    return bls_fp12_equal(a, &bls_fp12_one);
}

/* a (b0 + b1 v), five products. */
static void fp6_mul_01(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp2 *b0,
                       const struct bls_fp2 *b1) {
    struct bls_fp2 v0, v1, r0, r1, r2, s;
    bls_fp2_mul(&v0, &a->c0, b0);
    bls_fp2_mul(&v1, &a->c1, b1);
    cross_product(&r1, &a->c0, &a->c1, b0, b1, &v0, &v1);
    bls_fp2_mul(&r0, &a->c2, b1);
    bls_fp2_mul_xi(&r0, &r0);
    bls_fp2_mul(&r2, &a->c2, b0);
    bls_fp2_add(&s, &r2, &v1);
    bls_fp2_add(&ret->c0, &r0, &v0);
    ret->c1 = r1;
    ret->c2 = s;
}

/* a b1 v */
static void fp6_mul_1(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp2 *b1) {
    struct bls_fp2 t;
    bls_fp2_mul(&t, &a->c2, b1);
    bls_fp2_mul(&ret->c2, &a->c1, b1);
    bls_fp2_mul(&ret->c1, &a->c0, b1);
    bls_fp2_mul_xi(&ret->c0, &t);
}

/* f = f0 + f1 w, given v0 = f0 (l0 + l1 v), v1 = f1 l4 v and the middle coefficient l1 + l4. */
static void line_finish(struct bls_fp12 *f, const struct bls_fp6 *v0, const struct bls_fp6 *v1,
                        const struct bls_fp2 *l0, const struct bls_fp2 *l14) {
    struct bls_fp6 s;
    fp6_add(&s, &f->c0, &f->c1);
    fp6_mul_01(&s, &s, l0, l14);
    fp6_sub(&s, &s, v0);
    fp6_sub(&f->c1, &s, v1);
    fp6_mul_v(&s, v1);
    fp6_add(&f->c0, v0, &s);
}

void bls_fp12_mul_line(struct bls_fp12 *f, const struct bls_fp2 *l0, const struct bls_fp2 *l1,
                       const struct bls_fp2 *l4) {
    struct bls_fp6 v0, v1;
    struct bls_fp2 l14;
    fp6_mul_01(&v0, &f->c0, l0, l1);
    fp6_mul_1(&v1, &f->c1, l4);
    bls_fp2_add(&l14, l1, l4);
    line_finish(f, &v0, &v1, l0, &l14);
}

void bls_fp12_mul_line_monic(struct bls_fp12 *f, const struct bls_fp2 *l0,
                             const struct bls_fp2 *l1) {
    struct bls_fp6 v0, v1;
    struct bls_fp2 l14 = *l1;
    fp6_mul_01(&v0, &f->c0, l0, l1);
    fp6_mul_v(&v1, &f->c1);
    bls_fp_add(&l14.c0, &l1->c0, &bls_fp_one);
    line_finish(f, &v0, &v1, l0, &l14);
}

/* The coefficients of w^0 .. w^5 in their order. */
#define AS_POWERS(f)                                                                               \
    { &(f)->c0.c0, &(f)->c1.c0, &(f)->c0.c1, &(f)->c1.c1, &(f)->c0.c2, &(f)->c1.c2 }

void bls_fp12_frobenius(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    const struct bls_fp2 *in[6] = AS_POWERS(a);
    struct bls_fp2 *out[6] = AS_POWERS(ret);
    for (int i = 0; i < 6; i++) {
        bls_fp2_conjugate(out[i], in[i]);
        if (i) bls_fp2_mul(out[i], out[i], &frobenius_fp12[i]);
    }
}

void bls_fp12_frobenius_squared(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    const struct bls_fp2 *in[6] = AS_POWERS(a);
    struct bls_fp2 *out[6] = AS_POWERS(ret);
    *out[0] = *in[0];
    for (int i = 1; i < 6; i++)
        bls_fp2_mul_fp(out[i], in[i], &frobenius_fp12_squared[i]);
}

/* (a + b s)^2 with s^2 = xi, as r0 + r1 s: three squarings in Fp2. */
void bls_fp4_sqr(struct bls_fp2 *r0, struct bls_fp2 *r1, const struct bls_fp2 *a,
                 const struct bls_fp2 *b) {
    struct bls_fp2 s, t, sum;
    bls_fp2_sqr(&s, a);
    bls_fp2_sqr(&t, b);
    bls_fp2_add(&sum, a, b);
    bls_fp2_mul_xi(r0, &t);
    bls_fp2_add(r0, r0, &s);
    bls_fp2_sqr(&sum, &sum);
    bls_fp2_sub(&sum, &sum, &s);
    bls_fp2_sub(r1, &sum, &t);
}

/* ret = 3 square - 2 a, or 3 square + 2 a. */
void bls_three_minus_two(struct bls_fp2 *ret, const struct bls_fp2 *square,
                         const struct bls_fp2 *a) {
    struct bls_fp2 t;
    bls_fp2_sub(&t, square, a);
    bls_fp2_double(&t, &t);
    bls_fp2_add(ret, &t, square);
}
void bls_three_plus_two(struct bls_fp2 *ret, const struct bls_fp2 *square,
                        const struct bls_fp2 *a) {
    struct bls_fp2 t;
    bls_fp2_add(&t, square, a);
    bls_fp2_double(&t, &t);
    bls_fp2_add(ret, &t, square);
}

/* As Fp4[v] with s = v w: the three pairs (w^0, w^3), (w^1, w^4), (w^2, w^5) are squared. */
void bls_fp12_sqr_cyclotomic(struct bls_fp12 *ret, const struct bls_fp12 *a) {
    struct bls_fp2 a0, a1, b0, b1, c0, c1;
    bls_fp4_sqr(&a0, &a1, &a->c0.c0, &a->c1.c1);
    bls_fp4_sqr(&b0, &b1, &a->c1.c0, &a->c0.c2);
    bls_fp4_sqr(&c0, &c1, &a->c0.c1, &a->c1.c2);
    bls_fp2_mul_xi(&c1, &c1);
    bls_three_minus_two(&ret->c0.c0, &a0, &a->c0.c0);
    bls_three_plus_two(&ret->c1.c1, &a1, &a->c1.c1);
    bls_three_minus_two(&ret->c0.c1, &b0, &a->c0.c1);
    bls_three_plus_two(&ret->c1.c2, &b1, &a->c1.c2);
    bls_three_plus_two(&ret->c1.c0, &c1, &a->c1.c0);
    bls_three_minus_two(&ret->c0.c2, &c0, &a->c0.c2);
}
