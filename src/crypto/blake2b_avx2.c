/* BLAKE2b's rounds with a row of the working state in each register: four mixings go on at once.
 *
 * Between columns and diagonals the rows are turned against each other. The second row is what a
 * round finishes last, so it stays and the three others move, while it is waited for.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/blake2b_impl.h"

#include <immintrin.h>

#define WORDS(i, j, k, l)                                                                          \
    _mm256_setr_epi64x((long long)m[i], (long long)m[j], (long long)m[k], (long long)m[l])

// x and y: the words for the first and second half of a mixing.
#define MIX(x, y)                                                                                  \
    do {                                                                                           \
        a = _mm256_add_epi64(_mm256_add_epi64(a, x), b);                                           \
        d = _mm256_shuffle_epi32(_mm256_xor_si256(d, a), 0xb1); /* 32 bits to the right */         \
        c = _mm256_add_epi64(c, d);                                                                \
        b = _mm256_shuffle_epi8(_mm256_xor_si256(b, c), by_24);                                    \
        a = _mm256_add_epi64(_mm256_add_epi64(a, y), b);                                           \
        d = _mm256_shuffle_epi8(_mm256_xor_si256(d, a), by_16);                                    \
        c = _mm256_add_epi64(c, d);                                                                \
        b = _mm256_xor_si256(b, c);                                                                \
        b = _mm256_xor_si256(_mm256_add_epi64(b, b), _mm256_srli_epi64(b, 63));                    \
    } while (0)

#define UP _MM_SHUFFLE(2, 1, 0, 3) /* each word one place on */
#define DOWN _MM_SHUFFLE(0, 3, 2, 1)
#define OVER _MM_SHUFFLE(1, 0, 3, 2)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                \
    do {                                                                                           \
        MIX(WORDS(s0, s2, s4, s6), WORDS(s1, s3, s5, s7));                                         \
        a = _mm256_permute4x64_epi64(a, UP);                                                       \
        d = _mm256_permute4x64_epi64(d, OVER);                                                     \
        c = _mm256_permute4x64_epi64(c, DOWN);                                                     \
        MIX(WORDS(s14, s8, s10, s12), WORDS(s15, s9, s11, s13));                                   \
        a = _mm256_permute4x64_epi64(a, DOWN);                                                     \
        d = _mm256_permute4x64_epi64(d, OVER);                                                     \
        c = _mm256_permute4x64_epi64(c, UP);                                                       \
        if (--rounds == 0) goto done;                                                              \
    } while (0)

void blake2b_rounds_avx2(uint64_t v[16], const uint64_t m[16], uint32_t rounds) {
    if (rounds == 0) return;
    __m256i *row = (__m256i *)(void *)v;
    __m256i a = _mm256_loadu_si256(row), b = _mm256_loadu_si256(row + 1);
    __m256i c = _mm256_loadu_si256(row + 2), d = _mm256_loadu_si256(row + 3);
    const __m256i by_24 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
    const __m256i by_16 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
    for (;;) {
        BLAKE2B_TEN_ROUNDS(ROUND);
    }
done:
    _mm256_storeu_si256(row, a);
    _mm256_storeu_si256(row + 1, b);
    _mm256_storeu_si256(row + 2, c);
    _mm256_storeu_si256(row + 3, d);
}
