/* The parts of the pairing that have a path in AVX-512 IFMA lanes. Internal to the crypto library.
 * Call them only where bls_use_ifma (bls_fp.h) says so. Public data only. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_PAIRING_IFMA_H
#define CRYPTO_BLS_PAIRING_IFMA_H

#include "crypto/bls_pairing.h"

/* As bls_fp12_mul, bls_fp12_sqr and bls_fp12_pow_x. */
void bls_fp12_mul_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a, const struct bls_fp12 *b);
void bls_fp12_sqr_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a);
void bls_fp12_pow_x_ifma(struct bls_fp12 *ret, const struct bls_fp12 *a);

/* bls_miller_loop_ifma: 1 to BLS_PAIRS_AT_ONCE pairs, none with infinity.
 * bls_miller_loop_lines_ifma: the same with prepared lines and x/y, 1/y of the other points. */
void bls_miller_loop_ifma(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                          const struct bls_g2_affine *q, size_t n);
void bls_miller_loop_lines_ifma(struct bls_fp12 *ret, const struct bls_fp *x_over_y,
                                const struct bls_fp *y_inverse, const struct bls_lines *const *q,
                                size_t n);

#endif
