/* key_sort against the C library's sort: keys that are spread, few, equal, and chosen to fall into
 * one bucket.
 * SPDX-License-Identifier: MIT */
#include "trie/key_sort.h"

#include "test/harness/test.h"

#include <stdlib.h>

struct item {
    struct hash key;
    uint32_t number;
};

static int compare(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    int order = memcmp(x->key.b, y->key.b, 32);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static uint64_t state = 7;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// same: bits that all keys share; values: how many different bytes may follow.
static void check_sort(size_t count, unsigned same, unsigned values) {
    static struct item item[3000], expected[3000], got[3000];
    for (size_t i = 0; i < count; i++) {
        item[i].number = (uint32_t)i;
        for (unsigned k = 0; k < 32; k++) {
            item[i].key.b[k] = (uint8_t)(k < same ? 0xa5 : next() % values);
        }
    }
    struct arena scratch;
    arena_init(&scratch, 0);
    CHECK(key_sort(got, item, count, sizeof item[0], &scratch));
    arena_free(&scratch);
    memcpy(expected, item, count * sizeof item[0]);
    qsort(expected, count, sizeof expected[0], compare);
    CHECK(memcmp(got, expected, count * sizeof got[0]) == 0);
}

TEST(key_sort_agrees_with_the_library) {
    for (size_t count = 0; count < 80; count++) {
        check_sort(count, 0, 256);
    }
    check_sort(1000, 0, 256);
    check_sort(3000, 0, 256);
}

TEST(key_sort_of_chosen_keys) {
    check_sort(200, 3, 256);   // one bucket
    check_sort(1000, 12, 256); // the first eight bytes are the same
    check_sort(1000, 0, 2);    // few different ones
    check_sort(300, 32, 256);  // all equal
    check_sort(12, 32, 256);
    check_sort(50, 31, 3);
}

TEST_MAIN()
