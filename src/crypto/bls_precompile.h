/* The BLS12-381 precompiled contracts of EIP-2537 as functions on their encoded bytes; gas and the
 * calling convention belong to the interpreter.
 *
 * A field element is 64 bytes, big-endian, the first 16 zero and the value below p; an Fp2 element
 * is c0, c1; a G1 point is x, y (128 bytes), a G2 point x, y (256 bytes), infinity all zero. A
 * scalar is 32 bytes, big-endian, any value. Additions take any point of the curve; the sums of
 * products and the pairing need points of the subgroup.
 *
 * Each function: in is borrowed for the call; ret gets the output, whose size stands beside it,
 * and is left alone on error. Errors: ERR_SYNTAX (length, padding, coordinate not below p),
 * ERR_INVALID (not on the curve, not in the subgroup), ERR_NO_MEMORY (the two sums),
 * ERR_CANCELLED (stop, looked at between points and windows of a sum: every 4 ms or sooner). Any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_PRECOMPILE_H
#define CRYPTO_BLS_PRECOMPILE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/stop.h"

#define BLS_G1_ENCODED 128
#define BLS_G2_ENCODED 256

/* 0x0b: two G1 points. 0x0d: two G2 points. */
[[gnu::warn_unused_result]] int bls_precompile_g1_add(uint8_t ret[BLS_G1_ENCODED], struct bytes in,
                                                      struct error *why);
[[gnu::warn_unused_result]] int bls_precompile_g2_add(uint8_t ret[BLS_G2_ENCODED], struct bytes in,
                                                      struct error *why);

/* 0x0c: k >= 1 times (G1 point, scalar), 160 bytes each. 0x0e: (G2 point, scalar), 288 each. */
[[gnu::warn_unused_result]] int bls_precompile_g1_msm(uint8_t ret[BLS_G1_ENCODED], struct bytes in,
                                                      const atomic_bool *stop, struct error *why);
[[gnu::warn_unused_result]] int bls_precompile_g2_msm(uint8_t ret[BLS_G2_ENCODED], struct bytes in,
                                                      const atomic_bool *stop, struct error *why);

/* 0x0f: k >= 1 times (G1 point, G2 point), 384 bytes each; ret: 32 bytes, 1 when the product of
 * the pairings is 1, else 0. */
[[gnu::warn_unused_result]] int bls_precompile_pairing_check(uint8_t ret[32], struct bytes in,
                                                             const atomic_bool *stop,
                                                             struct error *why);

/* 0x10: one field element to G1. 0x11: one Fp2 element to G2. */
[[gnu::warn_unused_result]] int bls_precompile_map_fp_to_g1(uint8_t ret[BLS_G1_ENCODED],
                                                            struct bytes in, struct error *why);
[[gnu::warn_unused_result]] int bls_precompile_map_fp2_to_g2(uint8_t ret[BLS_G2_ENCODED],
                                                             struct bytes in, struct error *why);

#endif
