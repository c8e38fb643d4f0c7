/* Merkle-Patricia roots, written for clarity: the whole trie is built from its content each time.
 *
 * This is the reference that the incremental trie is tested against, and good enough for roots
 * that are wanted once (a genesis, a block's transactions). Not for the hot path.
 * Source: yellow paper, appendix D; structure rules in docs/state-root.md.
 * Allocates for the time of a call. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_TRIE_PLAIN_H
#define TRIE_TRIE_PLAIN_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/u256.h"

#include <stdbool.h>

#define TRIE_PLAIN_KEY_MAX 256 /* bytes of a key */

struct trie_pair {
    struct bytes key;
    struct bytes value; /* empty: the key is absent */
};

/* trie_plain_root gives the root of a set of pairs, given in any order. Of several pairs with one
 * key the last counts, so that a list of updates and deletions can be given as it is.
 * secure  keys are replaced by their Keccak-256, as in the state and storage tries.
 * errors  ERR_LIMIT (a key is too long), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_plain_root(struct hash *ret, const struct trie_pair *pairs,
                                                size_t count, bool secure, struct error *why);

/* trie_plain_ordered_root gives the root of a list whose keys are rlp(index): transactions,
 * receipts, withdrawals. values  the envelopes, none empty. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_plain_ordered_root(struct hash *ret,
                                                        const struct bytes *values, size_t count,
                                                        struct error *why);

struct trie_plain_slot {
    struct hash key;   /* slot number, big-endian */
    struct u256 value; /* zero: absent */
};

struct trie_plain_account {
    struct address address;
    uint64_t nonce;
    struct u256 balance;   /* wei */
    struct hash code_hash; /* ACCOUNT_EMPTY_CODE for none */
    const struct trie_plain_slot *slots;
    size_t slot_count;
};

/* trie_plain_storage_root gives the root of one account's storage. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_plain_storage_root(struct hash *ret,
                                                        const struct trie_plain_slot *slots,
                                                        size_t count, struct error *why);

/* trie_plain_state_root gives the state root of accounts in any order; every given account stands
 * in the trie, empty ones too (the caller decides by its fork). errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_plain_state_root(struct hash *ret,
                                                      const struct trie_plain_account *accounts,
                                                      size_t count, struct error *why);

#endif
