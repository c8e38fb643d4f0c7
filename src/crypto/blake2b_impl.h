/* BLAKE2b's inner parts, shared by its files only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLAKE2B_IMPL_H
#define CRYPTO_BLAKE2B_IMPL_H

#include <stdint.h>

/* blake2b_rounds_*: the first `rounds` rounds on the working state v; round i takes the words of m
 * in the order of schedule i mod 10. */
typedef void blake2b_rounds(uint64_t v[16], const uint64_t m[16], uint32_t rounds);
void blake2b_rounds_plain(uint64_t v[16], const uint64_t m[16], uint32_t rounds);

#if defined(__x86_64__)
/* A row of four words in each register: needs CPU_AVX2. */
void blake2b_rounds_avx2(uint64_t v[16], const uint64_t m[16], uint32_t rounds);
#endif

/* The ten schedules (RFC 7693 section 2.7) written out, so that no index is read from memory: each
 * is handed to ROUND. */
#define BLAKE2B_TEN_ROUNDS(ROUND)                                                                  \
    do {                                                                                           \
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                               \
        ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                               \
        ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);                               \
        ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);                               \
        ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);                               \
        ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);                               \
        ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);                               \
        ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);                               \
        ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);                               \
        ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);                               \
    } while (0)

#endif
