/* RIPEMD-160 and BLAKE2b's F.
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/blake2b.h"
#include "crypto/blake2b_impl.h"
#include "crypto/ripemd160.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <openssl/evp.h>

TEST(ripemd160_equals_the_peer_at_every_length) {
    uint8_t m[300], expected[20];
    uint64_t seed = 1;
    fill_random(m, sizeof m, &seed);
    if (EVP_Digest(m, 0, expected, NULL, EVP_ripemd160(), NULL) != 1) {
        SKIP("this libcrypto has no RIPEMD-160");
    }
    for (size_t n = 0; n <= sizeof m; n++) {
        struct address got = ripemd160(bytes_make(m, n), NULL);
        CHECK(EVP_Digest(m, n, expected, NULL, EVP_ripemd160(), NULL) == 1);
        CHECK_BYTES(BYTES_OF(got), bytes_make(expected, sizeof expected));
    }
}

TEST(ripemd160_known_answers) {
    uint8_t expected[20];
    struct address got = ripemd160(BYTES_LIT("abc"), NULL);
    CHECK_BYTES(BYTES_OF(got), from_hex(expected, "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"));
    got = ripemd160(BYTES_LIT(""), NULL);
    CHECK_BYTES(BYTES_OF(got), from_hex(expected, "9c1185a5c5e9fc54612808977ee8f548b2258d31"));
}

// BLAKE2b-512 without a key, built on F.
static void blake2b_512(uint8_t ret[64], struct bytes in) {
    uint64_t h[8] = {0x6a09e667f3bcc908 ^ 0x01010040,
                     0xbb67ae8584caa73b,
                     0x3c6ef372fe94f82b,
                     0xa54ff53a5f1d36f1,
                     0x510e527fade682d1,
                     0x9b05688c2b3e6c1f,
                     0x1f83d9abfb41bd6b,
                     0x5be0cd19137e2179};
    uint64_t t[2] = {0, 0}, m[16];
    do {
        size_t n = in.n < 128 ? in.n : 128;
        uint8_t block[128] = {0};
        if (n > 0) memcpy(block, in.p, n);
        memcpy(m, block, sizeof m);
        in.p += n;
        in.n -= n;
        t[0] += n;
        blake2b_compress(h, m, t, in.n == 0, 12, NULL);
    } while (in.n > 0);
    memcpy(ret, h, 64);
}

TEST(blake2b_equals_the_peer_at_every_length) {
    uint8_t m[400], got[64], expected[64];
    uint64_t seed = 2;
    fill_random(m, sizeof m, &seed);
    for (size_t n = 0; n <= sizeof m; n++) {
        blake2b_512(got, bytes_make(m, n));
        CHECK(EVP_Digest(m, n, expected, NULL, EVP_blake2b512(), NULL) == 1);
        CHECK_BYTES(bytes_make(got, 64), bytes_make(expected, 64));
    }
}

// F word for word from RFC 7693, with tables.
static void slow_compress(uint64_t h[8], const uint64_t m[16], const uint64_t t[2], bool final,
                          uint32_t rounds) {
    static const uint8_t order[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                          {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                          {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                          {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                          {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                          {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                          {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                          {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                          {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                          {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
    static const uint8_t column[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14},
                                         {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12},
                                         {2, 7, 8, 13},  {3, 4, 9, 14}};
    static const unsigned turns[4] = {32, 24, 16, 63};
    uint64_t v[16] = {[8] = 0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                      0xa54ff53a5f1d36f1,       0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                      0x1f83d9abfb41bd6b,       0x5be0cd19137e2179};
    memcpy(v, h, 64);
    v[12] ^= t[0];
    v[13] ^= t[1];
    if (final) v[14] = ~v[14];
    for (uint32_t r = 0; r < rounds; r++) {
        for (int g = 0; g < 8; g++) {
            const uint8_t *c = column[g];
            for (int half = 0; half < 2; half++) {
                uint64_t *a = &v[c[0]], *b = &v[c[1]], *cc = &v[c[2]], *d = &v[c[3]];
                *a += *b + m[order[r % 10][2 * g + half]];
                uint64_t x = *d ^ *a;
                *d = x >> turns[2 * half] | x << (64 - turns[2 * half]);
                *cc += *d;
                x = *b ^ *cc;
                *b = x >> turns[2 * half + 1] | x << (64 - turns[2 * half + 1]);
            }
        }
    }
    for (int i = 0; i < 8; i++) {
        h[i] ^= v[i] ^ v[8 + i];
    }
}

TEST(blake2b_equals_the_definition_at_any_rounds) {
    uint64_t seed = 3;
    for (uint32_t rounds = 0; rounds < 60; rounds++) {
        uint64_t h[8], m[16], t[2], expected[8];
        fill_random((uint8_t *)h, sizeof h, &seed);
        fill_random((uint8_t *)m, sizeof m, &seed);
        fill_random((uint8_t *)t, sizeof t, &seed);
        memcpy(expected, h, sizeof h);
        bool final = rounds % 3 == 0;
        slow_compress(expected, m, t, final, rounds);
        blake2b_compress(h, m, t, final, rounds, NULL);
        CHECK_BYTES(bytes_make(h, 64), bytes_make(expected, 64));
    }
}

TEST(blake2b_rounds_in_lanes_equal_the_plain_ones) {
#if defined(__x86_64__)
    if (!cpu_has(CPU_AVX2)) SKIP("this processor has no AVX2");
    uint64_t seed = 4;
    for (uint32_t rounds = 0; rounds < 60; rounds++) {
        uint64_t v[16], m[16], expected[16];
        fill_random((uint8_t *)v, sizeof v, &seed);
        fill_random((uint8_t *)m, sizeof m, &seed);
        memcpy(expected, v, sizeof v);
        blake2b_rounds_avx2(v, m, rounds);
        blake2b_rounds_plain(expected, m, rounds);
        CHECK_BYTES(bytes_make(v, sizeof v), bytes_make(expected, sizeof expected));
    }
#else
    SKIP("lanes are x86-64's");
#endif
}

TEST(blake2b_long_runs_equal_their_parts) {
    // Beyond the number of rounds that are done between two looks at `stop`.
    uint64_t seed = 5, h[8], m[16], t[2] = {1, 2}, expected[8];
    fill_random((uint8_t *)h, sizeof h, &seed);
    fill_random((uint8_t *)m, sizeof m, &seed);
    for (uint32_t rounds = 9998; rounds < 30005; rounds += 10001) {
        memcpy(expected, h, sizeof h);
        slow_compress(expected, m, t, true, rounds);
        blake2b_compress(h, m, t, true, rounds, NULL);
        CHECK_BYTES(bytes_make(h, 64), bytes_make(expected, 64));
    }
}

TEST_MAIN()
