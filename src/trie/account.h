/* An account as it stands in the state trie.
 * Wire form: rlp([nonce, balance, storageRoot, codeHash]). Source: yellow paper, section 4.1.
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_ACCOUNT_H
#define TRIE_ACCOUNT_H

#include "base/buf.h"
#include "base/u256.h"

#define ACCOUNT_RLP_MAX 110 /* bytes of the longest encoding */

struct account {
    uint64_t nonce;
    struct u256 balance; /* wei */
    struct hash storage_root;
    struct hash code_hash;
};

extern const struct hash TRIE_EMPTY_ROOT;    /* keccak256 of the empty string's RLP */
extern const struct hash ACCOUNT_EMPTY_CODE; /* keccak256 of no bytes */

/* account_is_empty: no nonce, balance or code (EIP-161); such accounts are not kept. Storage is
 * not looked at, as in the EIP. */
bool account_is_empty(const struct account *a);

/* account_write writes the RLP and gives its length; account_encode appends it. */
size_t account_write(uint8_t ret[ACCOUNT_RLP_MAX], const struct account *a);
void account_encode(struct buf *out, const struct account *a);

/* account_decode reads exactly one account. errors ERR_SYNTAX, ERR_RANGE; *ret untouched. */
[[gnu::warn_unused_result]] int account_decode(struct account *ret, struct bytes in,
                                               struct error *why);

#endif
