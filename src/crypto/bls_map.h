/* Hashing to the BLS12-381 groups: RFC 9380, suites BLS12381G1_XMD:SHA-256_SSWU_RO_ and
 * BLS12381G2_XMD:SHA-256_SSWU_RO_. Public data only. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_MAP_H
#define CRYPTO_BLS_MAP_H

#include "crypto/bls_group.h"

/* bls_expand_message_xmd: RFC 9380 section 5.3.1 with SHA-256.
 * n    bytes wanted, at most 255 * 32.   dst  the domain separation tag; longer than 255 bytes is
 * hashed first (section 5.3.3). */
void bls_expand_message_xmd(uint8_t *ret, size_t n, struct bytes message, struct bytes dst);

/* bls_g1_map, bls_g2_map: map_to_curve and clear_cofactor, the maps of EIP-2537. */
void bls_g1_map(struct bls_g1 *ret, const struct bls_fp *u);
void bls_g2_map(struct bls_g2 *ret, const struct bls_fp2 *u);

/* bls_g1_hash, bls_g2_hash: hash_to_curve. */
void bls_g1_hash(struct bls_g1_affine *ret, struct bytes message, struct bytes dst);
void bls_g2_hash(struct bls_g2_affine *ret, struct bytes message, struct bytes dst);

#endif
