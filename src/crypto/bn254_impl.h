/* The two builds of bn254_core.c as tables of functions; for bn254.c and the tests only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_IMPL_H
#define CRYPTO_BN254_IMPL_H

#include "crypto/bn254.h"

struct bn254_core {
    bool (*g1_load)(struct bn254_g1 *ret, const uint8_t in[64]); /* false: not on the curve */
    bool (*g2_load)(struct bn254_g2 *ret, const uint8_t in[128], bool *ret_on_curve);
    void (*g1_store)(uint8_t ret[64], const struct bn254_g1 *p);
    void (*g2_store)(uint8_t ret[128], const struct bn254_g2 *p);
    void (*g1_add)(struct bn254_g1 *ret, const struct bn254_g1 *a, const struct bn254_g1 *b);
    void (*g1_mul)(struct bn254_g1 *ret, const struct bn254_g1 *p, const uint8_t scalar[32]);
    bool (*pairing_check)(const struct bn254_g1 *p, const struct bn254_g2 *q, size_t count,
                          const atomic_bool *stop);
    /* For the tests: the reduced pairing as 12 numbers, coefficient k = a_k + b_k i of w^k. */
    void (*pairing)(uint8_t ret[12][32], const struct bn254_g1 *p, const struct bn254_g2 *q);
    /* For the benchmark: so many multiplications and sums of two products, eight at a time that do
     * not wait for each other. */
    void (*field_work)(struct bn254_fp x[8], size_t products, size_t sums);
};

/* bn254_core: the build that this processor uses. */
const struct bn254_core *bn254_core(void);

extern const struct bn254_core bn254_core_plain;
#if defined(__x86_64__)
extern const struct bn254_core bn254_core_adx;
#endif

#endif
