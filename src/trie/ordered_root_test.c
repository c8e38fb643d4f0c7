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

TEST(ordered_root_has_limits) {
    struct hash root;
    struct error why;
    struct arena small;
    arena_init(&small, 1000);
    CHECK_ERR(trie_ordered_root(&root, values, ORDERED_ROOT_MAX + 1, &small, &why), ERR_LIMIT);
    CHECK_ERR(trie_ordered_root(&root, values, 100, &small, &why), ERR_NO_MEMORY);
    arena_free(&small);
}

TEST_MAIN()
