/* SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/sha256.h"
#include "crypto/sha256_impl.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <openssl/evp.h>

static struct hash peer_sha256(struct bytes in) {
    struct hash h;
    CHECK(EVP_Digest(in.p, in.n, h.b, NULL, EVP_sha256(), NULL) == 1);
    return h;
}

TEST(sha256_known_answers) {
    uint8_t expected[32];
    struct hash h = sha256(bytes_make(NULL, 0));
    CHECK_BYTES(
        BYTES_OF(h),
        from_hex(expected, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    h = sha256(BYTES_LIT("abc"));
    CHECK_BYTES(
        BYTES_OF(h),
        from_hex(expected, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST(sha256_equals_the_peer_at_every_length) {
    uint8_t m[300];
    uint64_t seed = 1;
    fill_random(m, sizeof m, &seed);
    for (size_t n = 0; n <= sizeof m; n++) {
        struct hash got = sha256(bytes_make(m, n)), expected = peer_sha256(bytes_make(m, n));
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
}

TEST(sha256_plain_code_equals_the_instructions) {
#if defined(__x86_64__)
    if (!cpu_has(CPU_SHA_NI)) SKIP("this processor has no SHA instructions");
    uint8_t m[64 * 5];
    uint64_t seed = 2;
    for (size_t round = 0; round < 200; round++) {
        fill_random(m, sizeof m, &seed);
        uint32_t a[8], b[8];
        fill_random((uint8_t *)a, sizeof a, &seed);
        memcpy(b, a, sizeof b);
        sha256_compress_plain(a, m, round % 6);
        sha256_compress_ni(b, m, round % 6);
        CHECK_BYTES(bytes_make(b, sizeof b), bytes_make(a, sizeof a));
    }
#else
    SKIP("no other code than the plain one");
#endif
}

TEST(sha256_pieces_equal_the_whole) {
    uint8_t m[500];
    uint64_t seed = 3;
    fill_random(m, sizeof m, &seed);
    for (int round = 0; round < 300; round++) {
        size_t n = next_random(&seed) % (sizeof m + 1);
        struct sha256 s;
        sha256_init(&s);
        for (size_t at = 0; at < n;) {
            size_t piece = next_random(&seed) % 140;
            if (piece > n - at) piece = n - at;
            sha256_update(&s, bytes_make(m + at, piece));
            at += piece;
        }
        struct hash got = sha256_final(&s), expected = sha256(bytes_make(m, n));
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
}

TEST(sha256_pairs_equal_single_hashes_and_may_overwrite) {
    struct hash level[64], expected[32];
    uint64_t seed = 4;
    for (size_t count = 0; count <= 32; count++) {
        fill_random(level[0].b, sizeof level, &seed);
        for (size_t i = 0; i < count; i++) {
            expected[i] = peer_sha256(bytes_make(&level[2 * i], 64));
        }
        sha256_pairs(level, level, count);
        CHECK_BYTES(bytes_make(level, 32 * count), bytes_make(expected, 32 * count));
    }
}

TEST_MAIN()
