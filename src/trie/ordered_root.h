/* Roots of lists: transactions, receipts, withdrawals; keys are rlp(index).
 *
 * What trie_plain_ordered_root gives, for the hot path: the shape of the trie follows from the
 * count alone, and nodes of one height are hashed together in SIMD lanes.
 * Source: yellow paper, section 4.3 and appendix D. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_ORDERED_ROOT_H
#define TRIE_ORDERED_ROOT_H

#include "base/arena.h"
#include "base/error.h"

#define ORDERED_ROOT_MAX (1u << 24) /* values */

/* trie_ordered_root gives the root of a list of values, none empty.
 * scratch  gets what is needed meanwhile: some 420 bytes for each value.
 * errors   ERR_LIMIT (ORDERED_ROOT_MAX), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_ordered_root(struct hash *ret, const struct bytes *values,
                                                  size_t count, struct arena *scratch,
                                                  struct error *why);

/* trie_ordered_root_known is the same for lists that come again with small differences. A leaf
 * whose path is spent, as that of nearly every value of a long list, is the same node wherever it
 * stands. leaves  of each value the hash of that node, zero where it is not known; filled in where
 * it was needed. NULL: trie_ordered_root. The caller vouches for what it gives. */
[[gnu::warn_unused_result]] int trie_ordered_root_known(struct hash *ret,
                                                        const struct bytes *values, size_t count,
                                                        struct hash *leaves, struct arena *scratch,
                                                        struct error *why);

#endif
