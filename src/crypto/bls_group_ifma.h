/* Runs of doublings and of squarings in AVX-512 IFMA lanes. Internal to the crypto library. Call
 * them only where bls_use_ifma (bls_fp.h) says so. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_GROUP_IFMA_H
#define CRYPTO_BLS_GROUP_IFMA_H

#include "crypto/bls_group.h"

/* a = 2^times a, in place: one point of G2, eight points of G1. */
void bls_g2_double_ifma(struct bls_g2 *a, unsigned times);
void bls_g1_double_eight_ifma(struct bls_g1 a[8], unsigned times);

/* a_i = a_i^e for eight elements and a public e > 0, words least significant first. */
void bls_fp_pow_eight_ifma(struct bls_fp a[8], const uint64_t e[6]);

#endif
