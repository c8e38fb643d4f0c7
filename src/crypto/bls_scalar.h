/* Scalars of BLS12-381: splitting for the curves' endomorphisms. Internal to the crypto library.
 * Constant time except _public. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_SCALAR_H
#define CRYPTO_BLS_SCALAR_H

#include "base/error.h"
#include "base/u256.h"

/* bls_scalar_reduce: k mod r. bls_scalar_load_be: 32 big-endian bytes, false (in *ret anything)
 * when they are r or above. */
void bls_scalar_reduce(struct u256 *ret, struct u256 k);
bool bls_scalar_load_be(struct u256 *ret, const uint8_t in[32]);

/* bls_scalar_reduce_wide: n <= 64 big-endian bytes mod r. */
void bls_scalar_reduce_wide(struct u256 *ret, const uint8_t *in, size_t n);

/* bls_scalar_from_hkdf: hkdf_mod_r of EIP-2333, which is KeyGen of the BLS signature draft: a
 * number from 1 to r - 1 from secret key material. errors: ERR_RANGE (info above 256 bytes),
 * ERR_INTERNAL, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int bls_scalar_from_hkdf(struct u256 *ret, struct bytes ikm,
                                                     struct bytes info, struct error *why);

/* k = ret[0] + ret[1] x^2, both below 2^128, words least significant first. k below r. */
void bls_scalar_split2(uint64_t ret[2][2], const struct u256 *k);

/* k = sum of ret[i] |x|^i, all below 2^64. k below r. */
void bls_scalar_split4(uint64_t ret[4][1], const struct u256 *k);

/* The same for a public k, in a small part of the time. */
void bls_scalar_split2_public(uint64_t ret[2][2], const struct u256 *k);
void bls_scalar_split4_public(uint64_t ret[4][1], const struct u256 *k);

#endif
