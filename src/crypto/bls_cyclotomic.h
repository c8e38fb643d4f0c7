/* Squarings and powers in the cyclotomic subgroup of Fp12, for the final exponentiation.
 *
 * Internal to the crypto library. Public data only. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_CYCLOTOMIC_H
#define CRYPTO_BLS_CYCLOTOMIC_H

#include "crypto/bls_tower.h"

/* bls_fp12_pow_x: a^x for the curve's x (negative), a in the cyclotomic subgroup.
 * The other is its plain path by name, for tests. */
void bls_fp12_pow_x(struct bls_fp12 *ret, const struct bls_fp12 *a);
void bls_fp12_pow_x_plain(struct bls_fp12 *ret, const struct bls_fp12 *a);

/* Parts shared with bls_tower.c: (a + b s)^2 = r0 + r1 s with s^2 = xi; 3 square -+ 2 a. */
void bls_fp4_sqr(struct bls_fp2 *r0, struct bls_fp2 *r1, const struct bls_fp2 *a,
                 const struct bls_fp2 *b);
void bls_three_minus_two(struct bls_fp2 *ret, const struct bls_fp2 *square,
                         const struct bls_fp2 *a);
void bls_three_plus_two(struct bls_fp2 *ret, const struct bls_fp2 *square, const struct bls_fp2 *a);

#endif
