/* The scalar field in AVX-512 IFMA lanes. Internal to bls_fr.c; call only where bls_use_ifma
 * (bls_fp.h) says so. All work on eights: those that return a count leave the rest to the caller.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_FR_IFMA_H
#define CRYPTO_BLS_FR_IFMA_H

#include "crypto/bls_fr.h"

#define BLS_FR_LANES 8
#define BLS_FR_FFT_IFMA_MAX 32768 /* rounds that the bounds allow */

/* As bls_fr_load_be_many and bls_fr_store_be_many, over the first eights: load stops before eight
 * of which one is not below the order. */
size_t bls_fr_load_be_many_ifma(struct bls_fr *ret, const uint8_t *in, size_t n);
size_t bls_fr_store_be_many_ifma(uint8_t *ret, const struct bls_fr *in, size_t n);

/* As bls_fr_fractions, but eight sums of every eighth term. Returns the number of terms taken. */
size_t bls_fr_fractions_ifma(struct bls_fr ret_n[BLS_FR_LANES], struct bls_fr ret_d[BLS_FR_LANES],
                             const struct bls_fr *a, const struct bls_fr *w, size_t n,
                             const struct bls_fr *z);

/* As bls_fr_fft; false, and nothing done, for a length out of 16 .. BLS_FR_FFT_IFMA_MAX or without
 * memory. */
bool bls_fr_fft_ifma(struct bls_fr *a, size_t n, const struct bls_fr *roots, size_t m,
                     bool inverse);

#endif
