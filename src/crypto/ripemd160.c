/* SPDX-License-Identifier: MIT */
#include "crypto/ripemd160.h"

// Word of the message and rotation of each step, left line and right line.
static const uint8_t word_left[80] = {0, 1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
                                      7, 4,  13, 1,  10, 6,  15, 3,  12, 0, 9,  5,  2,  14, 11, 8,
                                      3, 10, 14, 4,  9,  15, 8,  1,  2,  7, 0,  6,  13, 11, 5,  12,
                                      1, 9,  11, 10, 0,  8,  12, 4,  13, 3, 7,  15, 14, 5,  6,  2,
                                      4, 0,  5,  9,  7,  12, 2,  10, 14, 1, 3,  8,  11, 6,  15, 13};
static const uint8_t word_right[80] = {
    5,  14, 7,  0,  9,  2,  11, 4,  13, 6, 15, 8, 1,  10, 3,  12, 6, 11, 3, 7,
    0,  13, 5,  10, 14, 15, 8,  12, 4,  9, 1,  2, 15, 5,  1,  3,  7, 14, 6, 9,
    11, 8,  12, 2,  10, 0,  4,  13, 8,  6, 4,  1, 3,  11, 15, 0,  5, 12, 2, 13,
    9,  7,  10, 14, 12, 15, 10, 4,  1,  5, 8,  7, 6,  2,  13, 14, 0, 3,  9, 11};
static const uint8_t turn_left[80] = {
    11, 14, 15, 12, 5, 8,  7,  9,  11, 13, 14, 15, 6,  7,  9,  8,  7,  6,  8,  13,
    11, 9,  7,  15, 7, 12, 15, 9,  11, 7,  13, 12, 11, 13, 6,  7,  14, 9,  13, 15,
    14, 8,  13, 6,  5, 12, 7,  5,  11, 12, 14, 15, 14, 15, 9,  8,  9,  14, 5,  6,
    8,  6,  5,  12, 9, 15, 5,  11, 6,  8,  13, 12, 5,  12, 13, 14, 11, 8,  5,  6};
static const uint8_t turn_right[80] = {
    8,  9,  9,  11, 13, 15, 15, 5, 7,  7,  8,  11, 14, 14, 12, 6,  9,  13, 15, 7,
    12, 8,  9,  11, 7,  7,  12, 7, 6,  15, 13, 11, 9,  7,  15, 11, 8,  6,  6,  14,
    12, 13, 5,  14, 13, 13, 7,  5, 15, 5,  8,  11, 14, 14, 6,  14, 6,  9,  12, 9,
    12, 5,  15, 8,  8,  5,  12, 9, 12, 5,  14, 6,  8,  13, 6,  5,  15, 13, 11, 11};

[[gnu::always_inline]] static inline uint32_t mix(int round, uint32_t x, uint32_t y, uint32_t z) {
    switch (round) {
    case 0:
        return x ^ y ^ z;
    case 1:
        return (x & y) | (~x & z);
    case 2:
        return (x | ~y) ^ z;
    case 3:
        return (x & z) | (y & ~z);
    default:
        return x ^ (y | ~z);
    }
}

// Sixteen steps of one line; f selects the function, k is the round's constant.
[[gnu::always_inline]] static inline void line(uint32_t v[5], const uint32_t w[16], int f,
                                               uint32_t k, const uint8_t *words,
                                               const uint8_t *turns) {
    for (size_t i = 0; i < 16; i++) {
        uint32_t t = v[0] + mix(f, v[1], v[2], v[3]) + w[words[i]] + k;
        t = (t << turns[i] | t >> (32 - turns[i])) + v[4];
        v[0] = v[4];
        v[4] = v[3];
        v[3] = v[2] << 10 | v[2] >> 22;
        v[2] = v[1];
        v[1] = t;
    }
}

static void compress(uint32_t state[5], const uint8_t *block) {
    static const uint32_t left_k[5] = {0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e};
    static const uint32_t right_k[5] = {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0};
    uint32_t w[16], left[5], right[5];
    for (size_t i = 0; i < 16; i++) {
        w[i] = load_le32(block + 4 * i);
    }
    memcpy(left, state, sizeof left);
    memcpy(right, state, sizeof right);
#pragma GCC unroll 5
    for (int round = 0; round < 5; round++) {
        line(left, w, round, left_k[round], word_left + 16 * round, turn_left + 16 * round);
        line(right, w, 4 - round, right_k[round], word_right + 16 * round, turn_right + 16 * round);
    }
    uint32_t t = state[1] + left[2] + right[3];
    state[1] = state[2] + left[3] + right[4];
    state[2] = state[3] + left[4] + right[0];
    state[3] = state[4] + left[0] + right[1];
    state[4] = state[0] + left[1] + right[2];
    state[0] = t;
}

struct address ripemd160(struct bytes in, const atomic_bool *stop) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint64_t bits = 8 * (uint64_t)in.n;
    for (; in.n >= 64; in.p += 64, in.n -= 64) {
        if (in.n % 65536 < 64 && stop_asked(stop)) break; // every 0.2 ms
        compress(state, in.p);
    }
    in.n %= 64;
    uint8_t block[128] = {0};
    if (in.n > 0) memcpy(block, in.p, in.n);
    block[in.n] = 0x80;
    size_t end = in.n < 56 ? 64 : 128;
    store_le64(block + end - 8, bits);
    for (size_t at = 0; at < end; at += 64) {
        compress(state, block + at);
    }
    struct address ret;
    for (size_t i = 0; i < 5; i++) {
        store_le32(ret.b + 4 * i, state[i]);
    }
    return ret;
}
