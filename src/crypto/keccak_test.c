/* SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <stdlib.h>

static struct hash hash_of(const char *hex) {
    struct hash h;
    (void)from_hex(h.b, hex);
    return h;
}

// A second sponge, word for word from the definition, with loops and tables instead of code.
static void slow_permute(uint64_t a[25]) {
    static const unsigned turn[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                      27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
    static const unsigned place[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                       15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
    uint8_t lfsr = 1;
    for (int round = 0; round < 24; round++) {
        uint64_t c[5];
        for (int x = 0; x < 5; x++) {
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        }
        for (int i = 0; i < 25; i++) {
            uint64_t r = c[(i + 1) % 5];
            a[i] ^= c[(i + 4) % 5] ^ (r << 1 | r >> 63);
        }
        uint64_t carried = a[1];
        for (int i = 0; i < 24; i++) {
            uint64_t next = a[place[i]];
            a[place[i]] = carried << turn[i] | carried >> (64 - turn[i]);
            carried = next;
        }
        for (int y = 0; y < 25; y += 5) {
            uint64_t row[5];
            memcpy(row, a + y, sizeof row);
            for (int x = 0; x < 5; x++) {
                a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
            }
        }
        for (int bit = 0; bit < 7; bit++) { // the round constant from its shift register
            if (lfsr & 1) a[0] ^= (uint64_t)1 << ((1 << bit) - 1);
            lfsr = (uint8_t)(lfsr << 1 ^ (lfsr >> 7) * 0x71);
        }
    }
}

static struct hash slow_keccak(struct bytes in) {
    uint64_t a[25] = {0};
    uint8_t block[KECCAK_RATE];
    for (;;) {
        size_t n = in.n < KECCAK_RATE ? in.n : KECCAK_RATE;
        memset(block, 0, sizeof block);
        if (n > 0) memcpy(block, in.p, n);
        if (n < KECCAK_RATE) {
            block[n] ^= 0x01;
            block[KECCAK_RATE - 1] ^= 0x80;
        }
        for (size_t i = 0; i < KECCAK_RATE; i++) {
            a[i / 8] ^= (uint64_t)block[i] << (8 * (i % 8));
        }
        slow_permute(a);
        if (n < KECCAK_RATE) break;
        in.p += n;
        in.n -= n;
    }
    struct hash h;
    for (size_t i = 0; i < 32; i++) {
        h.b[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
    }
    return h;
}

TEST(keccak_known_answers) {
    struct hash h = keccak256((struct bytes){NULL, 0});
    struct hash empty = hash_of("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    CHECK_BYTES(BYTES_OF(h), BYTES_OF(empty));
    h = keccak256(BYTES_LIT("\x80"));
    struct hash trie = hash_of("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    CHECK_BYTES(BYTES_OF(h), BYTES_OF(trie));
    h = keccak256(BYTES_LIT("abc"));
    struct hash abc = hash_of("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    CHECK_BYTES(BYTES_OF(h), BYTES_OF(abc));
}

TEST(keccak_equals_the_definition_at_every_length) {
    uint8_t m[600];
    uint64_t seed = 1;
    fill_random(m, sizeof m, &seed);
    for (size_t n = 0; n <= sizeof m; n++) {
        struct hash got = keccak256(bytes_make(m, n)), expected = slow_keccak(bytes_make(m, n));
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
}

TEST(keccak_pieces_equal_the_whole) {
    uint8_t m[1000];
    uint64_t seed = 3;
    fill_random(m, sizeof m, &seed);
    for (int round = 0; round < 300; round++) {
        size_t n = next_random(&seed) % (sizeof m + 1);
        struct keccak k;
        keccak_init(&k);
        for (size_t at = 0; at < n;) {
            size_t piece = next_random(&seed) % 280;
            if (piece > n - at) piece = n - at;
            keccak_update(&k, bytes_make(m + at, piece));
            at += piece;
        }
        struct hash got = keccak_final(&k), expected = keccak256(bytes_make(m, n));
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
}

static void check_path(enum keccak_path path) {
    if (!keccak_path_usable(path)) SKIP("this processor cannot run %s", keccak_path_name(path));
    enum { MOST = 40 };
    static uint8_t m[4096];
    uint64_t seed = 5;
    fill_random(m, sizeof m, &seed);
    for (int round = 0; round < 2000; round++) {
        struct keccak_job jobs[MOST];
        struct hash ret[MOST];
        size_t count = next_random(&seed) % (MOST + 1);
        size_t longest = round % 3 == 0 ? 40 : round % 3 == 1 ? 600 : 2000;
        for (size_t i = 0; i < count; i++) {
            size_t n = next_random(&seed) % longest;
            jobs[i] = (struct keccak_job){bytes_make(m + next_random(&seed) % 2000, n), &ret[i]};
        }
        keccak256_scatter_by(path, jobs, count);
        for (size_t i = 0; i < count; i++) {
            struct hash expected = keccak256(jobs[i].in);
            CHECK_BYTES(BYTES_OF(ret[i]), BYTES_OF(expected));
        }
    }
}

TEST(keccak_plain_batch_equals_single) {
    check_path(KECCAK_PLAIN);
}
TEST(keccak_avx2_lanes_equal_single) {
    check_path(KECCAK_AVX2X4);
}
TEST(keccak_avx512_lanes_equal_single) {
    check_path(KECCAK_AVX512X8);
}

TEST(keccak_batch_reads_only_its_messages) {
    // Messages that end at the end of their allocation: the address sanitizer watches.
    enum { COUNT = 24 };
    uint64_t seed = 7;
    struct bytes in[COUNT];
    struct hash ret[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *p = malloc(100 + 17 * i);
        CHECK(p != NULL);
        fill_random(p, 100 + 17 * i, &seed);
        in[i] = bytes_make(p, 100 + 17 * i);
    }
    keccak256_batch(ret, in, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        struct hash expected = slow_keccak(in[i]);
        CHECK_BYTES(BYTES_OF(ret[i]), BYTES_OF(expected));
        free((void *)(uintptr_t)in[i].p);
    }
}

TEST(keccak_counts_permutations) {
    CHECK_U64(keccak_permutations(0), 1);
    CHECK_U64(keccak_permutations(135), 1);
    CHECK_U64(keccak_permutations(136), 2);
    CHECK_U64(keccak_permutations(532), 4);
}

TEST(keccak_paths_have_names) {
    CHECK_STR(keccak_path_name(KECCAK_PLAIN), "plain");
    CHECK_STR(keccak_path_name(KECCAK_AVX2X4), "avx2x4");
    CHECK_STR(keccak_path_name(KECCAK_AVX512X8), "avx512x8");
    CHECK(keccak_path_usable(keccak_path_best()));
    CHECK(keccak_path_usable(KECCAK_PLAIN));
}

TEST(keccak_padded_agrees_with_single_hashes) {
    enum { COUNT = 21 };
    static uint8_t message[COUNT][5 * KECCAK_RATE];
    const uint8_t *messages[COUNT];
    struct hash expected[COUNT], got[COUNT];
    uint8_t *rets[COUNT];
    static const enum keccak_path paths[] = {KECCAK_PLAIN, KECCAK_AVX2X4, KECCAK_AVX512X8};
    for (unsigned blocks = 1; blocks <= 4; blocks++) {
        for (size_t i = 0; i < COUNT; i++) {
            // From the shortest to the longest message of that many blocks.
            size_t n = (blocks - 1) * KECCAK_RATE + i * (KECCAK_RATE - 1) / (COUNT - 1);
            for (size_t k = 0; k < n; k++) {
                message[i][k] = (uint8_t)(i * 31 + k * 7 + blocks);
            }
            expected[i] = keccak256(bytes_make(message[i], n));
            keccak_pad(message[i], n);
            messages[i] = message[i];
            rets[i] = got[i].b;
        }
        for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
            if (!keccak_path_usable(paths[p])) continue;
            for (size_t count = 0; count <= COUNT; count++) {
                memset(got, 0, sizeof got);
                keccak256_padded_by(paths[p], messages, rets, count, blocks);
                CHECK(memcmp(got, expected, count * sizeof got[0]) == 0);
                // Lines to ask for change nothing, wherever they point.
                const void *line[COUNT * KECCAK_SOON];
                for (size_t i = 0; i < COUNT * KECCAK_SOON; i++) {
                    line[i] = i % 2 ? (const void *)message[i % COUNT] : NULL;
                }
                memset(got, 0, sizeof got);
                keccak256_padded_soon(
                    paths[p], messages, rets, count, blocks,
                    (struct keccak_soon){line, count * (count % 3 ? KECCAK_SOON : 5)});
                CHECK(memcmp(got, expected, count * sizeof got[0]) == 0);
            }
        }
    }
}

TEST_MAIN()
