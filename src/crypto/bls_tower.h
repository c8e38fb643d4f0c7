/* The fields over the BLS12-381 base field: Fp2 = Fp[u]/(u^2 + 1), Fp6 = Fp2[v]/(v^3 - xi) with
 * xi = 1 + u, Fp12 = Fp6[w]/(w^2 - v).
 *
 * Internal to the crypto library. Results may be the operands themselves. Constant time except
 * comparisons and what says "public". Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_TOWER_H
#define CRYPTO_BLS_TOWER_H

#include "crypto/bls_fp.h"

struct bls_fp2 {
    struct bls_fp c0, c1; /* c0 + c1 u */
};
struct bls_fp6 {
    struct bls_fp2 c0, c1, c2; /* c0 + c1 v + c2 v^2 */
};
struct bls_fp12 {
    struct bls_fp6 c0, c1; /* c0 + c1 w */
};

extern const struct bls_fp2 bls_fp2_one;
extern const struct bls_fp12 bls_fp12_one;

static inline void bls_fp2_add(struct bls_fp2 *ret, const struct bls_fp2 *a,
                               const struct bls_fp2 *b) {
    bls_fp_add(&ret->c0, &a->c0, &b->c0);
    bls_fp_add(&ret->c1, &a->c1, &b->c1);
}
static inline void bls_fp2_sub(struct bls_fp2 *ret, const struct bls_fp2 *a,
                               const struct bls_fp2 *b) {
    bls_fp_sub(&ret->c0, &a->c0, &b->c0);
    bls_fp_sub(&ret->c1, &a->c1, &b->c1);
}
static inline void bls_fp2_double(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    bls_fp2_add(ret, a, a);
}
static inline void bls_fp2_neg(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    bls_fp_neg(&ret->c0, &a->c0);
    bls_fp_neg(&ret->c1, &a->c1);
}
static inline void bls_fp2_half(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    bls_fp_half(&ret->c0, &a->c0);
    bls_fp_half(&ret->c1, &a->c1);
}
static inline void bls_fp2_conjugate(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    ret->c0 = a->c0;
    bls_fp_neg(&ret->c1, &a->c1);
}
static inline bool bls_fp2_is_zero(const struct bls_fp2 *a) {
    return bls_fp_is_zero(&a->c0) && bls_fp_is_zero(&a->c1);
}
static inline bool bls_fp2_equal(const struct bls_fp2 *a, const struct bls_fp2 *b) {
    return bls_fp_equal(&a->c0, &b->c0) && bls_fp_equal(&a->c1, &b->c1);
}
static inline void bls_fp2_select(struct bls_fp2 *ret, const struct bls_fp2 *a, uint64_t mask) {
    bls_fp_select(&ret->c0, &a->c0, mask);
    bls_fp_select(&ret->c1, &a->c1, mask);
}

void bls_fp2_mul(struct bls_fp2 *ret, const struct bls_fp2 *a, const struct bls_fp2 *b);
void bls_fp2_sqr(struct bls_fp2 *ret, const struct bls_fp2 *a);
/* bls_fp2_mul_fp: by an element of Fp. bls_fp2_mul_xi: by 1 + u. */
void bls_fp2_mul_fp(struct bls_fp2 *ret, const struct bls_fp2 *a, const struct bls_fp *b);
void bls_fp2_mul_xi(struct bls_fp2 *ret, const struct bls_fp2 *a);
void bls_fp2_inv(struct bls_fp2 *ret, const struct bls_fp2 *a);

/* bls_fp2_sqrt: false (and *ret unspecified) when a is no square. Public.
 * bls_fp2_sqrt_norm is the same for a caller that has a root of the norm c0^2 + c1^2 already. */
bool bls_fp2_sqrt(struct bls_fp2 *ret, const struct bls_fp2 *a);
void bls_fp2_sqrt_norm(struct bls_fp2 *ret, const struct bls_fp2 *a,
                       const struct bls_fp *norm_root);
void bls_fp2_norm(struct bls_fp *ret, const struct bls_fp2 *a);

/* bls_fp2_sgn0: RFC 9380 section 4.1. bls_fp2_is_large: above its negative, c1 deciding first. */
bool bls_fp2_sgn0(const struct bls_fp2 *a);
bool bls_fp2_is_large(const struct bls_fp2 *a);

void bls_fp6_mul(struct bls_fp6 *ret, const struct bls_fp6 *a, const struct bls_fp6 *b);
void bls_fp6_sqr(struct bls_fp6 *ret, const struct bls_fp6 *a);
void bls_fp6_inv(struct bls_fp6 *ret, const struct bls_fp6 *a);

void bls_fp12_mul(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b);
/* The path without lanes by name, for tests. */
void bls_fp12_mul_plain(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b);
void bls_fp12_sqr(struct bls_fp12 *ret, const struct bls_fp12 *a);
void bls_fp12_inv(struct bls_fp12 *ret, const struct bls_fp12 *a);
/* bls_fp12_conjugate: c0 - c1 w, the inverse in the cyclotomic subgroup. */
void bls_fp12_conjugate(struct bls_fp12 *ret, const struct bls_fp12 *a);
bool bls_fp12_equal(const struct bls_fp12 *a, const struct bls_fp12 *b);
bool bls_fp12_is_one(const struct bls_fp12 *a);

/* bls_fp12_mul_line multiplies by a line l0 + l1 v + l4 v w, as the Miller loop makes them.
 * bls_fp12_mul_line_monic is the same with l4 = 1. */
void bls_fp12_mul_line(struct bls_fp12 *f, const struct bls_fp2 *l0, const struct bls_fp2 *l1,
                       const struct bls_fp2 *l4);
void bls_fp12_mul_line_monic(struct bls_fp12 *f, const struct bls_fp2 *l0,
                             const struct bls_fp2 *l1);

/* bls_fp12_frobenius: a^p; _squared: a^(p^2). */
void bls_fp12_frobenius(struct bls_fp12 *ret, const struct bls_fp12 *a);
void bls_fp12_frobenius_squared(struct bls_fp12 *ret, const struct bls_fp12 *a);

/* bls_fp12_sqr_cyclotomic: a^2 for a in the cyclotomic subgroup, that is a^(p^4-p^2+1) = 1
 * (Granger and Scott, eprint 2009/565). */
void bls_fp12_sqr_cyclotomic(struct bls_fp12 *ret, const struct bls_fp12 *a);

#endif
