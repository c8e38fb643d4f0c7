/* The KZG setup in memory. Internal to kzg*.c.
 *
 * The file kzg_setup.bin holds the points of the Ethereum mainnet ceremony (tau is nobody's):
 *
 *     offset            what                                        bytes
 *     0                 [tau^i]_2, i = 0..64, compressed            65 * 96
 *     6240              [tau^i]_1, i = 0..4095, compressed          4096 * 48
 *     202848            [l_i(tau)]_1, i = 0..4095, compressed       4096 * 48
 *
 * where l_i is the Lagrange polynomial of the i-th power of the 4096th root of unity. Public keys
 * to the numbers, checked by kzg_test.c: powers against pairings, l_i against the powers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KZG_SETUP_H
#define CRYPTO_KZG_SETUP_H

#include "crypto/bls_fr.h"
#include "crypto/bls_pairing.h"
#include "crypto/kzg.h"

#define KZG_SIZE 4096     /* scalars of a blob */
#define KZG_EXTENDED 8192 /* of the extended blob */
#define KZG_CELL_SIZE 64  /* of a cell */

struct kzg {
    enum kzg_use use;
    struct bls_lines g2, tau_g2, tau64_g2; /* [1]_2, [tau]_2, [tau^64]_2 */
    struct bls_fr roots[KZG_EXTENDED];     /* powers of the 8192nd root of unity */
    struct bls_fr domain[KZG_SIZE];        /* 4096th roots, in the blob's order */
    struct bls_fr size_inverse;            /* 1/4096 */
    struct bls_g1_affine *powers;          /* [tau^i]_1: 64 of them, all 4096 for KZG_CELL_PROOFS */
    struct bls_g1_affine *lagrange;        /* in the blob's order; NULL before KZG_PROVE */
    struct bls_g1_affine *cell_table;      /* [128][64], see kzg_cells.c; NULL unless CELL_PROOFS */
};

/* kzg_reverse_bits of i below n, a power of two. */
size_t kzg_reverse_bits(size_t i, size_t n);

/* kzg_read_g1: a commitment or proof: a point of G1 or infinity. ERR_SYNTAX. */
[[gnu::warn_unused_result]] int kzg_read_g1(struct bls_g1_affine *ret, const struct bytes48 *in,
                                            const char *what, struct error *why);

/* kzg_read_g1_many: n of them. */
[[gnu::warn_unused_result]] int kzg_read_g1_many(struct bls_g1_affine *ret,
                                                 const struct bytes48 *in, size_t n,
                                                 const char *what, struct error *why);

/* kzg_read_scalars: n scalars of 32 bytes. ERR_RANGE. */
[[gnu::warn_unused_result]] int kzg_read_scalars(struct bls_fr *ret, const uint8_t *in, size_t n,
                                                 struct error *why);

/* kzg_check_pairs: e(a, [1]_2) = e(b, q), ERR_INVALID when not. */
[[gnu::warn_unused_result]] int kzg_check_pairs(const struct kzg *k, const struct bls_g1 *a,
                                                const struct bls_g1 *b, const struct bls_lines *q,
                                                struct error *why);

/* kzg_cell_table_make fills k->cell_table from all powers. */
[[gnu::warn_unused_result]] int kzg_cell_table_make(struct kzg *k, struct error *why);

#endif
