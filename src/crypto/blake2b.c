/* SPDX-License-Identifier: MIT */
#include "crypto/blake2b.h"
#include "base/cpu.h"
#include "crypto/blake2b_impl.h"

static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static inline uint64_t turn(uint64_t v, unsigned n) {
    return v >> n | v << (64 - n);
}

#define MIX(a, b, c, d, x, y)                                                                      \
    do {                                                                                           \
        v[a] += v[b] + m[x];                                                                       \
        v[d] = turn(v[d] ^ v[a], 32);                                                              \
        v[c] += v[d];                                                                              \
        v[b] = turn(v[b] ^ v[c], 24);                                                              \
        v[a] += v[b] + m[y];                                                                       \
        v[d] = turn(v[d] ^ v[a], 16);                                                              \
        v[c] += v[d];                                                                              \
        v[b] = turn(v[b] ^ v[c], 63);                                                              \
    } while (0)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                \
    do {                                                                                           \
        MIX(0, 4, 8, 12, s0, s1);                                                                  \
        MIX(1, 5, 9, 13, s2, s3);                                                                  \
        MIX(2, 6, 10, 14, s4, s5);                                                                 \
        MIX(3, 7, 11, 15, s6, s7);                                                                 \
        MIX(0, 5, 10, 15, s8, s9);                                                                 \
        MIX(1, 6, 11, 12, s10, s11);                                                               \
        MIX(2, 7, 8, 13, s12, s13);                                                                \
        MIX(3, 4, 9, 14, s14, s15);                                                                \
        if (--rounds == 0) return;                                                                 \
    } while (0)

void blake2b_rounds_plain(uint64_t v[16], const uint64_t m[16], uint32_t rounds) {
    while (rounds != 0) {
        BLAKE2B_TEN_ROUNDS(ROUND);
    }
}

static blake2b_rounds *rounds_here(void) {
#if defined(__x86_64__)
    if (cpu_has(CPU_AVX2)) return blake2b_rounds_avx2;
#endif
    return blake2b_rounds_plain;
}

#define ROUNDS_AT_ONCE 10000u // a multiple of the ten schedules

void blake2b_compress(uint64_t h[8], const uint64_t m[16], const uint64_t t[2], bool final,
                      uint32_t rounds, const atomic_bool *stop) {
    blake2b_rounds *run = rounds_here();
    uint64_t v[16];
    for (size_t i = 0; i < 8; i++) {
        v[i] = h[i];
        v[8 + i] = initial[i];
    }
    v[12] ^= t[0];
    v[13] ^= t[1];
    if (final) v[14] = ~v[14];
    for (; rounds > ROUNDS_AT_ONCE && !stop_asked(stop); rounds -= ROUNDS_AT_ONCE) {
        run(v, m, ROUNDS_AT_ONCE);
    }
    run(v, m, rounds < ROUNDS_AT_ONCE ? rounds : ROUNDS_AT_ONCE);
    for (size_t i = 0; i < 8; i++) {
        h[i] ^= v[i] ^ v[8 + i];
    }
}
