/* Trie nodes of proofs, by their hash: what a state that lies elsewhere is read from.
 *
 * A node counts for every state that has it, so what the last block did not change stays known for
 * the next. Nothing goes in that was not hashed here; what comes out is what its hash says, whoever
 * gave it. Bounded: what was not asked for lately goes first. Any thread.
 *
 * Source: EIP-1186. SPDX-License-Identifier: MIT */
#ifndef TRIE_PROOF_CACHE_H
#define TRIE_PROOF_CACHE_H

#include "trie/proof.h"
#include "trie/trie.h"

struct proof_cache;

/* proof_cache_new: limit_bytes  most memory of nodes, at least 1 MiB.  errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int proof_cache_new(struct proof_cache **ret, size_t limit_bytes,
                                                struct error *why);
void proof_cache_free(struct proof_cache *c); /* NULL is allowed */

/* proof_cache_add takes one node in. One that is longer than TRIE_NODE_MAX is passed over: no
 * reference can lead to it. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int proof_cache_add(struct proof_cache *c, struct bytes node,
                                                struct error *why);

/* proof_cache_add_proof takes all nodes of a proof in that account_proof_check has passed. */
[[gnu::warn_unused_result]] int
proof_cache_add_proof(struct proof_cache *c, const struct account_proof *p, struct error *why);

/* proof_cache_node copies a node. False: it is not known. */
bool proof_cache_node(struct proof_cache *c, const struct hash *ref, uint8_t ret[TRIE_NODE_MAX],
                      size_t *ret_n);

/* proof_cache_find looks a key up in the trie of a root.
 * ret_n   0: shown to be absent.
 * errors  ERR_NOT_FOUND (a node on the way is not known), those of proof_walk. */
[[gnu::warn_unused_result]] int proof_cache_find(struct proof_cache *c, uint8_t ret[TRIE_VALUE_MAX],
                                                 size_t *ret_n, const struct hash *root,
                                                 const struct hash *key, struct error *why);

/* proof_cache_account and proof_cache_slot: the same with keys hashed and values decoded. What does
 * not exist is zero; ret_exists may be NULL. slot  its number. */
[[gnu::warn_unused_result]] int proof_cache_account(struct proof_cache *c, struct account *ret,
                                                    bool *ret_exists, const struct hash *root,
                                                    const struct address *address,
                                                    struct error *why);
[[gnu::warn_unused_result]] int proof_cache_slot(struct proof_cache *c, struct u256 *ret,
                                                 const struct hash *storage_root,
                                                 const struct hash *slot, struct error *why);

/* proof_cache_bytes gives the memory that nodes occupy, about. */
size_t proof_cache_bytes(struct proof_cache *c);

#endif
