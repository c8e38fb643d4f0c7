/* Four Keccak states in 256-bit registers. Compiled with -mavx2; called only where the processor
 * has it.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "crypto/keccak_impl.h"

#include <immintrin.h>

// Rotations by whole bytes are one shuffle.
static inline __m256i rol_bytes(__m256i a, int n) {
    const __m256i by8 = _mm256_set_epi64x(0x0e0d0c0b0a09080f, 0x0605040302010007,
                                          0x0e0d0c0b0a09080f, 0x0605040302010007);
    const __m256i by56 = _mm256_set_epi64x(0x080f0e0d0c0b0a09, 0x0007060504030201,
                                           0x080f0e0d0c0b0a09, 0x0007060504030201);
    return _mm256_shuffle_epi8(a, n == 8 ? by8 : by56);
}

#define KECCAK_WORD __m256i
#define KECCAK_XOR5(a, b, c, d, e)                                                                 \
    _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)), e)
#define KECCAK_ROL(a, n)                                                                           \
    ((n) == 8 || (n) == 56                                                                         \
         ? rol_bytes(a, n)                                                                         \
         : _mm256_or_si256(_mm256_slli_epi64(a, n), _mm256_srli_epi64(a, 64 - (n))))
#define KECCAK_CHI(a, b, c) _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
#define KECCAK_XOR(a, b) _mm256_xor_si256(a, b)
#define KECCAK_IOTA(a, rc) _mm256_xor_si256(a, _mm256_set1_epi64x((long long)(rc)))
#include "crypto/keccak_round.h"

// Message words into state words; the first block finds an empty state.
[[gnu::always_inline]] static inline void put(__m256i *a, __m256i m, const bool first) {
    *a = first ? m : _mm256_xor_si256(*a, m);
}

/* Turns four words of each of four messages into four words of all lanes, taken in by a. */
[[gnu::always_inline]] static inline void take_in_four(__m256i *a, const uint8_t *const *blocks,
                                                       size_t at, const bool first) {
    __m256i m[4];
    for (int i = 0; i < 4; i++) {
        m[i] = _mm256_loadu_si256((const __m256i *)(const void *)(blocks[i] + at));
    }
    __m256i even0 = _mm256_unpacklo_epi64(m[0], m[1]), odd0 = _mm256_unpackhi_epi64(m[0], m[1]);
    __m256i even1 = _mm256_unpacklo_epi64(m[2], m[3]), odd1 = _mm256_unpackhi_epi64(m[2], m[3]);
    put(&a[0], _mm256_permute2x128_si256(even0, even1, 0x20), first);
    put(&a[1], _mm256_permute2x128_si256(odd0, odd1, 0x20), first);
    put(&a[2], _mm256_permute2x128_si256(even0, even1, 0x31), first);
    put(&a[3], _mm256_permute2x128_si256(odd0, odd1, 0x31), first);
}

// One block of each lane, taken in.
[[gnu::always_inline]] static inline void take_in_block(__m256i a[25], const uint8_t *const *blocks,
                                                        const bool first) {
    take_in_four(a, blocks, 0, first);
    take_in_four(a + 4, blocks, 32, first);
    take_in_four(a + 8, blocks, 64, first);
    take_in_four(a + 12, blocks, 96, first);
    put(&a[16],
        _mm256_set_epi64x(
            (long long)load_le64(blocks[3] + 128), (long long)load_le64(blocks[2] + 128),
            (long long)load_le64(blocks[1] + 128), (long long)load_le64(blocks[0] + 128)),
        first);
    if (first) { // a loop here would become a slow `rep stos`
        a[17] = a[18] = a[19] = a[20] = a[21] = a[22] = a[23] = a[24] = _mm256_setzero_si256();
    }
}

// A block as KECCAK_RATE bytes: those of the message, or its end with the padding, in `room`.
static const uint8_t *padded(uint8_t room[KECCAK_RATE], const struct keccak_block *b) {
    if (b->n == KECCAK_RATE) return b->p;
    memset(room, 0, KECCAK_RATE);
    if (b->n > 0) memcpy(room, b->p, b->n);
    room[b->n] ^= 0x01;
    room[KECCAK_RATE - 1] ^= 0x80;
    return room;
}

void keccak_absorb_avx2x4(uint64_t *state, const struct keccak_block *in, unsigned fresh) {
    const __m256i bits = _mm256_set_epi64x(8, 4, 2, 1);
    const __m256i keep = _mm256_cmpeq_epi64(
        _mm256_and_si256(_mm256_set1_epi64x((long long)fresh), bits), _mm256_setzero_si256());
    uint8_t room[4][KECCAK_RATE];
    const uint8_t *blocks[4];
    for (int i = 0; i < 4; i++) {
        blocks[i] = padded(room[i], &in[i]);
    }
    __m256i a[25];
    for (int i = 0; i < 25; i++) {
        a[i] = _mm256_and_si256(
            keep, _mm256_load_si256((const __m256i *)(const void *)(state + 4 * (size_t)i)));
    }
    take_in_block(a, blocks, false);
    keccak_rounds(a);
    for (int i = 0; i < 25; i++) {
        _mm256_store_si256((__m256i *)(void *)(state + 4 * (size_t)i), a[i]);
    }
}

void keccak_whole_avx2x4(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks,
                         struct keccak_soon soon) {
    __m256i a[25];
    const uint8_t *at[4] = {messages[0], messages[1], messages[2], messages[3]};
    take_in_block(a, at, true);
    for (unsigned b = 0;;) {
        keccak_ask(&soon, b, blocks);
        keccak_rounds(a);
        if (++b == blocks) break;
        for (int i = 0; i < 4; i++) {
            at[i] += KECCAK_RATE;
        }
        take_in_block(a, at, false);
    }
    uint64_t words[4][4];
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(void *)words[i], a[i]);
    }
    for (int i = 0; i < 4; i++) {
        for (int w = 0; w < 4; w++) {
            store_le64(rets[i] + 8 * w, words[w][i]);
        }
    }
}
