/* Against the plain trie. SPDX-License-Identifier: MIT */
#include "trie/ordered_root.h"

#include "base/random.h"
#include "test/harness/test.h"
#include "trie/account.h"
#include "trie/trie_plain.h"

#define MOST 70000
#define LONGEST 700

static uint8_t content[LONGEST];
static struct bytes values[MOST];
static struct arena scratch;

static void compare(size_t count) {
    struct hash fast, plain;
    struct error why;
    CHECK_OK(trie_ordered_root(&fast, values, count, &scratch, &why), &why);
    CHECK_OK(trie_plain_ordered_root(&plain, values, count, &why), &why);
    CHECK_BYTES(BYTES_OF(fast), BYTES_OF(plain));
}

static void fill(struct random_fast *dice, uint64_t longest) {
    for (size_t i = 0; i < MOST; i++) {
        size_t n = 1 + random_fast_below(dice, longest);
        values[i] = bytes_make(content + random_fast_below(dice, LONGEST - n + 1), n);
    }
}

TEST(ordered_root_is_that_of_the_plain_trie) {
    struct random_fast dice;
    random_fast_seed(&dice, 1);
    for (size_t i = 0; i < LONGEST; i++) {
        content[i] = (uint8_t)random_fast_u64(&dice);
    }
    arena_init(&scratch, 0);
    static const uint64_t longest[] = {1, 3, 20, 40, LONGEST}; // nodes within their parents too
    for (size_t k = 0; k < sizeof longest / sizeof *longest; k++) {
        fill(&dice, longest[k]);
        for (size_t count = 0; count < 400; count++) {
            compare(count);
        }
        compare(4096);
        compare(65536);
        compare(65537);
        compare(MOST);
    }
    CHECK_U64(scratch.used_bytes, 0); // it gives back what it took
    arena_free(&scratch);
}

// Lists that lose, gain and move values, with what was known of each value before.
TEST(ordered_root_with_known_leaves_is_the_same) {
    static struct hash leaves[1500];
    struct random_fast dice;
    random_fast_seed(&dice, 2);
    arena_init(&scratch, 0);
    static const uint64_t longest[] = {3, 40, LONGEST};
    for (size_t k = 0; k < sizeof longest / sizeof *longest; k++) {
        fill(&dice, longest[k]);
        memset(leaves, 0, sizeof leaves);
        size_t known = 0, count = 1 + random_fast_below(&dice, 1400);
        for (size_t round = 0; round < 60; round++) {
            struct hash fast, plain;
            struct error why;
            CHECK_OK(trie_ordered_root_known(&fast, values, count, leaves, &scratch, &why), &why);
            CHECK_OK(trie_plain_ordered_root(&plain, values, count, &why), &why);
            CHECK_BYTES(BYTES_OF(fast), BYTES_OF(plain));
            for (size_t i = 0; i < count; i++) {
                known += !hash_is_zero(&leaves[i]);
            }
            size_t at = random_fast_below(&dice, count), n = count - at;
            if (count < 1400 && random_fast_below(&dice, 2)) { // one more
                memmove(&values[at + 1], &values[at], n * sizeof *values);
                memmove(&leaves[at + 1], &leaves[at], n * sizeof *leaves);
                values[at] = bytes_make(content, 1 + random_fast_below(&dice, longest[k]));
                leaves[at] = (struct hash){{0}};
                count++;
            } else if (count > 1) { // one less
                memmove(&values[at], &values[at + 1], (n - 1) * sizeof *values);
                memmove(&leaves[at], &leaves[at + 1], (n - 1) * sizeof *leaves);
                count--;
            }
        }
        CHECK(known > 0 || longest[k] == 3);
    }
    arena_free(&scratch);
}

TEST(ordered_root_has_limits) {
    struct hash root;
    struct error why;
    struct arena small;
    arena_init(&small, 1000);
    CHECK_ERR(trie_ordered_root(&root, values, ORDERED_ROOT_MAX + 1, &small, &why), ERR_LIMIT);
    CHECK_ERR(trie_ordered_root(&root, values, 100, &small, &why), ERR_NO_MEMORY);
    arena_free(&small);
    arena_init(&small, (size_t)420 * MOST); // as the header says
    CHECK_OK(trie_ordered_root(&root, values, MOST, &small, &why), &why);
    arena_free(&small);
}

TEST_MAIN()
