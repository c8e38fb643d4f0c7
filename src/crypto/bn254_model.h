/* A slow model of bn254 in GMP numbers, written from the definitions and sharing nothing with
 * bn254_core.c: affine groups over Fp12 = Fp[w]/(w^12 - 18 w^6 + 82), Miller's algorithm with
 * generic lines, the final power as one exponentiation. For tests and fuzzing.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_MODEL_H
#define CRYPTO_BN254_MODEL_H

#include "base/bytes.h"

#include <gmp.h>

/* An element of Fp12: the coefficients of 1, w, .. w^11. */
struct bn254_model_fp12 {
    mpz_t c[12];
};

/* An affine point over Fp12; G1 has its coordinates in c[0], G2 is carried from the twist. */
struct bn254_model_point {
    struct bn254_model_fp12 x, y;
    bool infinity;
};

struct bn254_model {
    mpz_t u, p, r;
};

void bn254_model_init(struct bn254_model *m);
void bn254_model_clear(struct bn254_model *m);
void bn254_model_point_init(struct bn254_model_point *a);
void bn254_model_point_clear(struct bn254_model_point *a);

/* From and to the wire forms of bn254.h; load does not check anything. */
void bn254_model_load_g1(const struct bn254_model *m, struct bn254_model_point *ret,
                         const uint8_t in[64]);
void bn254_model_load_g2(const struct bn254_model *m, struct bn254_model_point *ret,
                         const uint8_t in[128]);
void bn254_model_store_g1(uint8_t ret[64], const struct bn254_model_point *a);
void bn254_model_store_g2(const struct bn254_model *m, uint8_t ret[128],
                          const struct bn254_model_point *a);

/* Group law, and multiplication by a non-negative number. */
void bn254_model_add(const struct bn254_model *m, struct bn254_model_point *ret,
                     const struct bn254_model_point *a, const struct bn254_model_point *b);
void bn254_model_mul(const struct bn254_model *m, struct bn254_model_point *ret,
                     const struct bn254_model_point *a, const mpz_t k);

/* Whether y^2 = x^3 + 3 (G1, or G2 after it was carried over). */
bool bn254_model_on_curve(const struct bn254_model *m, const struct bn254_model_point *a);

/* The optimal ate pairing raised to (p^12-1)/r times `extra`, as bn254_core's test function gives
 * it: coefficient k of w^k in Fp2 = Fp[i] is a + b i. */
void bn254_model_pairing(const struct bn254_model *m, uint8_t ret[12][32],
                         const struct bn254_model_point *p, const struct bn254_model_point *q,
                         const mpz_t extra);

#endif
