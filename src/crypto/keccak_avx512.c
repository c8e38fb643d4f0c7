/* Eight Keccak states in 512-bit registers: a rotate and a ternary gate are one instruction each.
 * Compiled with -mavx512f; called only where the processor has it.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "crypto/keccak_impl.h"

#include <immintrin.h>

#define KECCAK_WORD __m512i
#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define KECCAK_XOR5(a, b, c, d, e) XOR3(XOR3(a, b, c), d, e)
#define KECCAK_ROL(a, n) ((n) == 0 ? (a) : _mm512_rol_epi64(a, n))
#define KECCAK_CHI(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xd2)
#define KECCAK_XOR(a, b) _mm512_xor_si512(a, b)
#define KECCAK_IOTA(a, rc) _mm512_xor_si512(a, _mm512_set1_epi64((long long)(rc)))
#include "crypto/keccak_round.h"

/* Turns eight words of each of eight messages into eight words of all lanes, XORed into a. */
[[gnu::always_inline]] static inline void take_in_eight(__m512i *a, const uint8_t *const *blocks,
                                                        size_t at) {
    __m512i m[8], t[8];
    for (int i = 0; i < 8; i++) {
        m[i] = _mm512_loadu_si512(blocks[i] + at);
    }
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm512_unpacklo_epi64(m[2 * i], m[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi64(m[2 * i], m[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) { // i: even or odd words
        __m512i low0 = _mm512_shuffle_i64x2(t[i], t[2 + i], 0x88);
        __m512i high0 = _mm512_shuffle_i64x2(t[i], t[2 + i], 0xdd);
        __m512i low1 = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0x88);
        __m512i high1 = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0xdd);
        a[i] = _mm512_xor_si512(a[i], _mm512_shuffle_i64x2(low0, low1, 0x88));
        a[4 + i] = _mm512_xor_si512(a[4 + i], _mm512_shuffle_i64x2(low0, low1, 0xdd));
        a[2 + i] = _mm512_xor_si512(a[2 + i], _mm512_shuffle_i64x2(high0, high1, 0x88));
        a[6 + i] = _mm512_xor_si512(a[6 + i], _mm512_shuffle_i64x2(high0, high1, 0xdd));
    }
}

// One block of each lane, taken in and permuted.
[[gnu::always_inline]] static inline void take_in_block(__m512i a[25],
                                                        const uint8_t *const *blocks) {
    take_in_eight(a, blocks, 0);
    take_in_eight(a + 8, blocks, 64);
    uint64_t w[8];
    for (int i = 0; i < 8; i++) {
        w[i] = load_le64(blocks[i] + 128);
    }
    a[16] = _mm512_xor_si512(a[16], _mm512_loadu_si512(w));
    keccak_rounds(a);
}

void keccak_absorb_avx512x8(uint64_t *state, const uint8_t *const *blocks) {
    __m512i a[25];
    for (int i = 0; i < 25; i++) {
        a[i] = _mm512_load_si512(state + 8 * (size_t)i);
    }
    take_in_block(a, blocks);
    for (int i = 0; i < 25; i++) {
        _mm512_store_si512(state + 8 * (size_t)i, a[i]);
    }
}

void keccak_whole_avx512x8(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks) {
    __m512i a[25];
    for (int i = 0; i < 25; i++) {
        a[i] = _mm512_setzero_si512();
    }
    const uint8_t *at[8];
    for (int i = 0; i < 8; i++) {
        at[i] = messages[i];
    }
    for (unsigned b = 0; b < blocks; b++) {
        take_in_block(a, at);
        for (int i = 0; i < 8; i++) {
            at[i] += KECCAK_RATE;
        }
    }
    uint64_t words[4][8];
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(words[i], a[i]);
    }
    for (int i = 0; i < 8; i++) {
        for (int w = 0; w < 4; w++) {
            store_le64(rets[i] + 8 * w, words[w][i]);
        }
    }
}
