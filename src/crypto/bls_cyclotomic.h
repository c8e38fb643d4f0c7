/* Squarings and powers in the cyclotomic subgroup of Fp12, for the final exponentiation.
 *
 * Internal to the crypto library. Public data only. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_CYCLOTOMIC_H
#define CRYPTO_BLS_CYCLOTOMIC_H

#include "crypto/bls_tower.h"

/* The coefficients of w, w^4, w^2 and w^5: what a chain of squarings needs of an element. */
struct bls_compressed {
    struct bls_fp2 b0, b1, c0, c1;
};

/* bls_compressed_sqr squares `times` times, in AVX-512 IFMA lanes where the processor has them; the
 * others are the two paths, for tests. */
void bls_compressed_sqr(struct bls_compressed *a, unsigned times);
void bls_compressed_sqr_plain(struct bls_compressed *a, unsigned times);
#if defined(__x86_64__)
void bls_compressed_sqr_ifma(struct bls_compressed *a, unsigned times);
bool bls_has_ifma(void);
#endif

/* bls_fp12_pow_x: a^x for the curve's x (negative), a in the cyclotomic subgroup. */
void bls_fp12_pow_x(struct bls_fp12 *ret, const struct bls_fp12 *a);

/* Parts shared with bls_tower.c: (a + b s)^2 = r0 + r1 s with s^2 = xi; 3 square -+ 2 a. */
void bls_fp4_sqr(struct bls_fp2 *r0, struct bls_fp2 *r1, const struct bls_fp2 *a,
                 const struct bls_fp2 *b);
void bls_three_minus_two(struct bls_fp2 *ret, const struct bls_fp2 *square,
                         const struct bls_fp2 *a);
void bls_three_plus_two(struct bls_fp2 *ret, const struct bls_fp2 *square, const struct bls_fp2 *a);

#endif
