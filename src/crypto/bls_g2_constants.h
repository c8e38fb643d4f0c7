/* Constants of the BLS12-381 group G2; x = -0xd201000000010000. Included by bls_g2.c only.
 * All in Montgomery form; the comments give the formulas.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_G2_CONSTANTS_H
#define CRYPTO_BLS_G2_CONSTANTS_H

#include "crypto/bls_tower.h"

/* psi(X, Y) = (psi_x conj X, psi_y conj Y) = [x](X, Y) on G2: xi^(-(p-1)/3) */
static const struct bls_fp2 g2_psi_x = {
    {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
      0x0000000000000000, 0x0000000000000000}},
    {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c, 0xa20d1b8c7e881024,
      0x14e4f04fe2db9068, 0x14e56d3f1564853a}}};

/* xi^(-(p-1)/2) */
static const struct bls_fp2 g2_psi_y = {
    {{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
      0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
    {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
      0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}};

/* psi^2(X, Y) = (psi2_x X, -Y) */
static const struct bls_fp g2_psi2_x = {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95,
                                         0x8eb60ebe01bacb9e, 0x03f97d6e83d050d2,
                                         0x18f0206554638741}};

#endif
