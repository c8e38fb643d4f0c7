/* Sorting what is named by a Keccak-256 hash: such keys are spread evenly, so most are in place
 * after being dealt out by their first bits. Keys that are not, as an attacker may find some, only
 * cost what any sorting costs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_KEY_SORT_H
#define TRIE_KEY_SORT_H

#include "base/arena.h"
#include "base/bytes.h"

/* key_compare is memcmp of two keys without a call. */
static inline int key_compare(const struct hash *a, const struct hash *b) {
    for (size_t i = 0; i < sizeof a->b; i += 8) {
        uint64_t x = load_be64(a->b + i), y = load_be64(b->b + i);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

/* key_sort writes items of `size` bytes, each beginning with its 32-byte key, sorted to `to`, which
 * does not overlap `from`. Equal keys stay in their order. False: no memory. */
[[gnu::warn_unused_result]] bool key_sort(void *to, const void *from, size_t count, size_t size,
                                          struct arena *scratch);

#endif
