/* States and tries as JSON gives them: for genesis files, tests and the command line.
 *
 * Three forms are told apart by what they hold:
 *   a genesis          {"alloc": {address: account, ...}, ...}
 *   a map of accounts  {address: {"balance", "nonce", "code", "storage": {slot: value}}, ...}
 *   key/value pairs    {key: value, ...} or [[key, value], ...], in which a value of null takes the
 *                      key away again. Text that begins with 0x is hex, other text stands for
 *                      itself. {"in": ...} around them is seen through, as trie tests have it.
 * All accounts of the first two stand in the state, empty ones too, as in geth's genesis.
 * Any thread. Source: go-ethereum, core/genesis.go; ethereum/tests, TrieTests.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_STATE_FILE_H
#define TRIE_STATE_FILE_H

#include "trie/state_root.h"
#include "trie/trie_plain.h"
#include "json/json.h"

struct state_file {
    bool is_state; /* accounts are filled, else pairs */
    const struct state_account_change *accounts;
    size_t account_count;
    const struct trie_pair *pairs;
    size_t pair_count;
};

/* state_file_decode reads one of the three forms; its parts stand in the arena.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int state_file_decode(struct state_file *ret, const struct json *in,
                                                  struct arena *a, struct error *why);

/* state_file_open makes a state of the accounts and gives its root; for proofs. The caller frees
 * it. errors  ERR_INVALID (not a state), ERR_CONFLICT (an account is there twice), ERR_NO_MEMORY.
 */
[[gnu::warn_unused_result]] int state_file_open(struct state_root **ret, struct hash *ret_root,
                                                const struct state_file *file, struct error *why);

/* state_file_root gives the root of either kind. secure: pairs' keys are hashed first. */
[[gnu::warn_unused_result]] int state_file_root(struct hash *ret, const struct state_file *file,
                                                bool secure, struct error *why);

#endif
