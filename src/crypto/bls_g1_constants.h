/* Constants of the BLS12-381 group G1; x = -0xd201000000010000. Included by bls_g1.c only.
 * All in Montgomery form; the comments give the formulas.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_G1_CONSTANTS_H
#define CRYPTO_BLS_G1_CONSTANTS_H

#include "crypto/bls_fp.h"

/* the cube root of 1 with (beta X, Y) = -[x^2](X, Y) on G1 */
static const struct bls_fp g1_beta = {{0x30f1361b798a64e8, 0xf3b8ddab7ece5a2a, 0x16a8ca3ac61577f7,
                                       0xc26a2ff874fd029b, 0x3636b76660701c6e, 0x051ba4ab241b6160}};

#endif
