/* The optimal ate pairing on BLS12-381.
 *
 * Internal to the crypto library. A product of pairings shares its squarings and its final
 * exponentiation. Lines of a G2 point that is used often can be made once (struct bls_lines).
 * Public data only. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_PAIRING_H
#define CRYPTO_BLS_PAIRING_H

#include "crypto/bls_group.h"

#define BLS_LINES 68 /* 63 doublings and 5 additions */

/* The lines of a G2 point in affine form: y - slope x + constant, on the twist. */
struct bls_lines {
    struct {
        struct bls_fp2 slope, constant; /* l4 = 1, l1 = -slope x / y, l0 = constant / y */
    } line[BLS_LINES];
    bool infinity;
};

/* bls_lines_make prepares q, of the subgroup. */
void bls_lines_make(struct bls_lines *ret, const struct bls_g2_affine *q);

/* bls_miller_loop: the product of the loops of (p[i], q[i]); pairs with infinity count as 1.
 * Allocates nothing for up to BLS_PAIRS_AT_ONCE pairs; more go in groups of that size. */
#define BLS_PAIRS_AT_ONCE 16
void bls_miller_loop(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                     const struct bls_g2_affine *q, size_t n);

/* bls_miller_loop_lines: the same with prepared lines, n <= BLS_PAIRS_AT_ONCE. */
void bls_miller_loop_lines(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                           const struct bls_lines *const *q, size_t n);

/* bls_final_exponentiation: to the power 3 (p^12 - 1) / r; the 3 changes no comparison with 1 and
 * keeps the map bilinear. */
void bls_final_exponentiation(struct bls_fp12 *ret, const struct bls_fp12 *f);

/* bls_pairing_is_one: the product of e(p[i], q[i]) is 1. Points of the subgroups. */
bool bls_pairing_is_one(const struct bls_g1_affine *p, const struct bls_g2_affine *q, size_t n);

#endif
