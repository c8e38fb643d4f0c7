/* A slow model of BLS12-381 for tests and fuzzing: GMP numbers, schoolbook formulas, nothing shared
 * with the library but byte encodings.
 *
 * One field for everything: Fp12 = Fp[w]/(w^12 - 2 w^6 + 2), as plain polynomials in w, where
 * u = w^6 - 1. One curve: y^2 = x^3 + 4 over it, affine. G1 points are themselves; a point (x, y)
 * of the twist stands as (x/w^2, y/w^3).
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_MODEL_H
#define CRYPTO_BLS_MODEL_H

#include "crypto/bls_group.h"

#include <gmp.h>

struct bls_model12 {
    mpz_t c[12];
};
struct bls_model_point {
    struct bls_model12 x, y;
    bool infinity;
};

extern mpz_t bls_model_p, bls_model_r;
void bls_model_start(void); /* before everything else */

void bls_model12_init(struct bls_model12 *a);
void bls_model12_clear(struct bls_model12 *a);
void bls_model12_add(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b);
void bls_model12_sub(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b);
void bls_model12_mul(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b);
void bls_model12_inv(struct bls_model12 *ret, const struct bls_model12 *a); /* a not 0 */
void bls_model12_pow(struct bls_model12 *ret, const struct bls_model12 *a, const mpz_t e);
bool bls_model12_equal(const struct bls_model12 *a, const struct bls_model12 *b);

/* From the library's elements, through their bytes. */
void bls_model_from_fp(mpz_t ret, const struct bls_fp *a);
void bls_model12_from_fp2(struct bls_model12 *ret, const struct bls_fp2 *a);
void bls_model12_from_fp12(struct bls_model12 *ret, const struct bls_fp12 *a);

void bls_model_point_init(struct bls_model_point *a);
void bls_model_point_clear(struct bls_model_point *a);
void bls_model_point_from_g1(struct bls_model_point *ret, const struct bls_g1_affine *a);
void bls_model_point_from_g2(struct bls_model_point *ret, const struct bls_g2_affine *a);
void bls_model_point_add(struct bls_model_point *ret, const struct bls_model_point *a,
                         const struct bls_model_point *b);
void bls_model_point_mul(struct bls_model_point *ret, const struct bls_model_point *a,
                         const mpz_t k);
bool bls_model_point_equal(const struct bls_model_point *a, const struct bls_model_point *b);
bool bls_model_point_on_curve(const struct bls_model_point *a);

/* The ate pairing f_{|x|,Q}(P)^((p^12-1)/r), lines as the books draw them. */
void bls_model_pairing(struct bls_model12 *ret, const struct bls_model_point *p,
                       const struct bls_model_point *q);

#endif
