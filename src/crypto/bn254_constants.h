/* Numbers of bn254. All follow from the curve's parameter u = 4965661367192848881:
 * p = 36u^4+36u^3+24u^2+6u+1, r = 36u^4+36u^3+18u^2+6u+1. Field elements are in Montgomery form
 * (times 2^256 mod p), words least significant first. The test derives them again.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_CONSTANTS_H
#define CRYPTO_BN254_CONSTANTS_H

#include "base/u256.h"
#include "crypto/bn254.h"

/* The prime p; -p^-1 mod 2^64; 1, 1/2 and the curve's b = 3; 2^512 and 2^768 mod p. */
static const struct bn254_fp bn254_p = {
    {0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029}};
#define BN254_P_INVERSE 0x87d20782e4866389u
static const struct bn254_fp bn254_one = {
    {0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}};
static const struct bn254_fp bn254_half = {
    {0x87bee7d24f060572, 0xd0fd2add2f1c6ae5, 0x8f5f7492fcfd4f44, 0x1f37631a3d9cbfac}};
static const struct bn254_fp bn254_b = {
    {0x7a17caa950ad28d7, 0x1f6ac17ae15521b9, 0x334bea4e696bd284, 0x2a1f6744ce179d8e}};
static const struct bn254_fp bn254_r2 = {
    {0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f}};
static const struct bn254_fp bn254_r3 = {
    {0xb1cd6dafda1530df, 0x62f210e6a7283db6, 0xef7f0b0c0ada0afb, 0x20fd6e902d592544}};

/* The twist y^2 = x^3 + 3/xi with xi = 9 + i; three times its b; xi^(k (p-1)/6) for k = 0..5. */
static const struct bn254_fp2 bn254_twist_b = {
    {{0x3bf938e377b802a8, 0x020b1b273633535d, 0x26b7edf049755260, 0x2514c6324384a86d}},
    {{0x38e7ecccd1dcff67, 0x65f0b37d93ce0d3e, 0xd749d0dd22ac00aa, 0x0141b9ce4a688d4d}}};
static const struct bn254_fp2 bn254_twist_3b = {
    {{0x3baa927cb62e0d6a, 0xd71e7c52d1b664fd, 0x03873e63d95d4664, 0x0e75b5b1082ab8f4}},
    {{0xaab7c6667596fe35, 0x31d21a78bb6a27ba, 0x85dd7297680401ff, 0x03c52d6adf39a7e9}}};
static const struct bn254_fp2 bn254_gamma[6] = {
    {{{0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}},
     {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000}}},
    {{{0xaf9ba69633144907, 0xca6b1d7387afb78a, 0x11bded5ef08a2087, 0x02f34d751a1f3a7c}},
     {{0xa222ae234c492d72, 0xd00f02a4565de15b, 0xdc2ff3a253dfc926, 0x10a75716b3899551}}},
    {{{0xb5773b104563ab30, 0x347f91c8a9aa6454, 0x7a007127242e0991, 0x1956bcd8118214ec}},
     {{0x6e849f1ea0aa4757, 0xaa1c7b6d89f89141, 0xb6e713cdfae0ca3a, 0x26694fbb4e82ebc3}}},
    {{{0xe4bbdd0c2936b629, 0xbb30f162e133bacb, 0x31a9d1b6f9645366, 0x253570bea500f8dd}},
     {{0xa1d77ce45ffe77c7, 0x07affd117826d1db, 0x6d16bd27bb7edc6b, 0x2c87200285defecc}}},
    {{{0x7361d77f843abe92, 0xa5bb2bd3273411fb, 0x9c941f314b3e2399, 0x15df9cddbb9fd3ec}},
     {{0x5dddfd154bd8c949, 0x62cb29a5a4445b60, 0x37bc870a0c7dd2b9, 0x24830a9d3171f0fd}}},
    {{{0xc970692f41690fe7, 0xe240342127694b0b, 0x32bee66b83c459e8, 0x12aabced0ab08841}},
     {{0x0d485d2340aebfa9, 0x05193418ab2fcc57, 0xd3b0a40b8a4910f5, 0x2f21ebb535d2925a}}},
};

/* The loops: digits of 6u+2 and of u in non-adjacent form, below the leading one. */
static const int8_t bn254_loop[65] = {0,  -1, 0, 1,  0, 0,  0,  -1, 0, -1, 0, 0,  0,  -1, 0, 1, 0,
                                      -1, 0,  0, -1, 0, 0,  0,  0,  0, 1,  0, 0,  -1, 0,  1, 0, 0,
                                      -1, 0,  0, 0,  0, -1, 0,  1,  0, 0,  0, -1, 0,  -1, 0, 0, 1,
                                      0,  0,  0, -1, 0, 0,  -1, 0,  1, 0,  1, 0,  0,  0};
static const int8_t bn254_u_digits[62] = {0, 0, 0, 1, 0, 1,  0, 0,  -1, 0,  1, 0, 1, 0, -1, 0,
                                          0, 1, 0, 1, 0, -1, 0, -1, 0,  -1, 0, 1, 0, 0, 0,  1,
                                          0, 0, 1, 0, 1, 0,  1, 0,  -1, 0,  1, 0, 0, 1, 0,  0,
                                          0, 0, 1, 0, 1, 0,  0, 0,  0,  -1, 0, 0, 0, 1};

/* G1's order r. (beta x, y) = lambda (x, y) with beta^3 = 1; a scalar k is split by the lattice
 * {(a, b): a + b lambda = 0 mod r} with the short vectors v1, v2 (words modulo 2^256, two's
 * complement): q_i = (k g_i) >> 256, (k1, k2) = (k, 0) - q1 v1 - q2 v2, each below 2^128. */
static const struct u256 bn254_order = {
    {0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029}};
static const struct bn254_fp bn254_beta = {
    {0x3350c88e13e80b9c, 0x7dce557cdb5e56b9, 0x6001b4b8b615564a, 0x2682e617020217e0}};
static const struct u256 bn254_split_g1 = {
    {0x5398fd0300ff6565, 0x4ccef014a773d2d2, 0x0000000000000002, 0x0000000000000000}};
static const struct u256 bn254_split_g2 = {
    {0xd91d232ec7e0b3d7, 0x0000000000000002, 0x0000000000000000, 0x0000000000000000}};
static const struct u256 bn254_split_v11 = {
    {0x8211bbeb7d4f1128, 0x6f4d8248eeb859fc, 0x0000000000000000, 0x0000000000000000}};
static const struct u256 bn254_split_v12 = {
    {0x762cda976b2dec1d, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff}};
static const struct u256 bn254_split_v21 = {
    {0x89d3256894d213e3, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000}};
static const struct u256 bn254_split_v22 = {
    {0x0be4e1541221250b, 0x6f4d8248eeb859fd, 0x0000000000000000, 0x0000000000000000}};

#endif
