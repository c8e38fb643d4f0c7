/* Eight Keccak states in 512-bit registers: taking messages in and hashes out. The permutation is
 * in keccak_avx512_x86_64.S. Compiled with -mavx512f -mavx512bw; called only where the processor
 * has it. SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "crypto/keccak_impl.h"

#include <immintrin.h>

/* 64 bytes of a block from byte `at`, padding included. Nothing is copied: bytes outside of the
 * message are masked, and masked bytes cannot fault. */
static inline __m512i load_chunk(const struct keccak_block *b, size_t at) {
    size_t n = b->n > at ? b->n - at : 0; // bytes of the message here, 64 or more: all
    __mmask64 inside = n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1;
    __mmask64 pad = b->n >= at && n < 64 ? (__mmask64)1 << n : 0;
    // As a number: the place may lie behind a short message, where nothing is read.
    __m512i bytes = _mm512_maskz_loadu_epi8(inside, (const void *)((uintptr_t)b->p + at));
    return _mm512_mask_blend_epi8(pad, bytes, _mm512_set1_epi8(0x01));
}

// The last eight bytes of a block.
static inline uint64_t load_end(const struct keccak_block *b) {
    if (b->n == KECCAK_RATE) return load_le64(b->p + 128);
    uint64_t last = (uint64_t)1 << 63;
    if (b->n < 128) return last;
    for (size_t i = 128; i < b->n; i++) {
        last |= (uint64_t)b->p[i] << (8 * (i - 128));
    }
    return last ^ (uint64_t)1 << (8 * (b->n - 128));
}

// A word of all lanes into its place of the state, which is nothing yet when the state is fresh.
[[gnu::always_inline]] static inline void take_in(__m512i *a, __m512i word, bool fresh) {
    *a = fresh ? word : _mm512_xor_si512(*a, word);
}

/* Turns eight words of each of eight messages into eight words of all lanes, taken into a. */
[[gnu::always_inline]] static inline void take_in_eight(__m512i *a, const __m512i m[8],
                                                        bool fresh) {
    __m512i t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm512_unpacklo_epi64(m[2 * i], m[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi64(m[2 * i], m[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) { // i: even or odd words
        __m512i low0 = _mm512_shuffle_i64x2(t[i], t[2 + i], 0x88);
        __m512i high0 = _mm512_shuffle_i64x2(t[i], t[2 + i], 0xdd);
        __m512i low1 = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0x88);
        __m512i high1 = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0xdd);
        take_in(&a[i], _mm512_shuffle_i64x2(low0, low1, 0x88), fresh);
        take_in(&a[4 + i], _mm512_shuffle_i64x2(low0, low1, 0xdd), fresh);
        take_in(&a[2 + i], _mm512_shuffle_i64x2(high0, high1, 0x88), fresh);
        take_in(&a[6 + i], _mm512_shuffle_i64x2(high0, high1, 0xdd), fresh);
    }
}

// For permutations during which nothing is to come: a line that is near.
#define NEAR keccak_round_constants
static const void *const nothing_soon[KECCAK_LINES] = {[0 ... KECCAK_LINES - 1] = NEAR};

// The next lines, so many for each round; `room` holds them where they are too few.
static const void *const *next_lines(struct keccak_soon *soon, const void *room[KECCAK_LINES]) {
    const void *const *line = soon->line;
    if (soon->n >= KECCAK_LINES) {
        soon->line += KECCAK_LINES;
        soon->n -= KECCAK_LINES;
        return line;
    }
    if (soon->n == 0) return nothing_soon;
    const __m512i near = _mm512_set1_epi64((long long)(uintptr_t)NEAR);
    for (size_t i = 0; i < KECCAK_LINES; i += 8) {
        size_t n = soon->n > i ? soon->n - i : 0; // lines here, 8 or more: all
        __mmask8 inside = (__mmask8)(n >= 8 ? 0xffu : (1u << n) - 1);
        _mm512_storeu_si512(room + i, _mm512_mask_loadu_epi64(near, inside, line + i));
    }
    soon->n = 0;
    return room;
}

// A whole block of each lane, taken in and permuted.
[[gnu::always_inline]] static inline void take_in_block(__m512i a[25], const uint8_t *const *blocks,
                                                        bool fresh, const void *const *line) {
    __m512i m[8];
    uint64_t w[8];
    for (size_t half = 0; half < 2; half++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            m[i] = _mm512_loadu_si512(blocks[i] + 64 * half);
        }
        take_in_eight(a + 8 * half, m, fresh);
    }
    for (int i = 0; i < 8; i++) {
        w[i] = load_le64(blocks[i] + 128);
    }
    take_in(&a[16], _mm512_loadu_si512(w), fresh);
    __m512i zero = _mm512_setzero_si512();
    __asm__("" : "+v"(zero)); // or compilers take a string instruction, which begins slowly
    for (int i = 17; i < 25 && fresh; i++) {
        a[i] = zero;
    }
    keccak_permute_avx512x8((uint64_t *)(void *)a, line);
}

void keccak_absorb_avx512x8(uint64_t *state, const struct keccak_block *blocks, unsigned fresh) {
    __m512i *a = (__m512i *)(void *)state, m[8];
    uint64_t w[8];
    if (fresh) {
        const __mmask8 keep = (__mmask8)~fresh;
        for (int i = 0; i < 25; i++) {
            a[i] = _mm512_maskz_mov_epi64(keep, a[i]);
        }
    }
    for (size_t half = 0; half < 2; half++) {
        for (int i = 0; i < 8; i++) {
            m[i] = load_chunk(&blocks[i], 64 * half);
        }
        take_in_eight(a + 8 * half, m, false);
    }
    for (int i = 0; i < 8; i++) {
        w[i] = load_end(&blocks[i]);
    }
    a[16] = _mm512_xor_si512(a[16], _mm512_loadu_si512(w));
    keccak_permute_avx512x8(state, nothing_soon);
}

// The first four words of each lane to its place.
[[gnu::always_inline]] static inline void give_hashes(uint8_t *const *rets, const __m512i a[4]) {
    // Words 0 and 1, or 2 and 3, of lanes 0, 2, 4, 6 and of lanes 1, 3, 5, 7.
    __m512i even01 = _mm512_unpacklo_epi64(a[0], a[1]), odd01 = _mm512_unpackhi_epi64(a[0], a[1]);
    __m512i even23 = _mm512_unpacklo_epi64(a[2], a[3]), odd23 = _mm512_unpackhi_epi64(a[2], a[3]);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512i two[4] = {// whole hashes: of lanes 0 and 2, 1 and 3, 4 and 6, 5 and 7
                      _mm512_permutex2var_epi64(even01, low, even23),
                      _mm512_permutex2var_epi64(odd01, low, odd23),
                      _mm512_permutex2var_epi64(even01, high, even23),
                      _mm512_permutex2var_epi64(odd01, high, odd23)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        int lane = 4 * (i / 2) + i % 2;
        _mm256_storeu_si256((void *)rets[lane], _mm512_castsi512_si256(two[i]));
        _mm256_storeu_si256((void *)rets[lane + 2], _mm512_extracti64x4_epi64(two[i], 1));
    }
}

void keccak_whole_avx512x8(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks,
                           struct keccak_soon soon) {
    __m512i a[25];
    const uint8_t *at[8];
    const void *room[KECCAK_LINES];
    memcpy(at, messages, sizeof at);
    take_in_block(a, at, true, next_lines(&soon, room));
    for (unsigned b = 1; b < blocks; b++) {
        for (int i = 0; i < 8; i++) {
            at[i] += KECCAK_RATE;
        }
        take_in_block(a, at, false, next_lines(&soon, room));
    }
    keccak_ask(&soon, 0, 1);
    give_hashes(rets, a);
}
