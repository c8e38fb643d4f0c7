/* State roots of candidate blocks on one parent state.
 *
 * A builder asks for hundreds of roots on the same parent, each of a change set that differs little
 * from the one before. state_root keeps the tries of the last candidate and applies only the
 * difference: what is new is written, what is no longer changed goes back to the parent's value.
 * Storage tries first, all together; then the account trie; hashing in SIMD lanes across them.
 *
 *     parent root ─▶ state_root_create ─▶ state_root_compute (candidate) ... (candidate)
 *                                           └▶ state_root_advance: a candidate becomes the parent
 *
 * Nodes come from a source (a store, a cache of proofs, a witness) as they are needed. Addresses
 * and slots are hashed here, repeated ones from a cache. Thread: one at a time; the work of one
 * call is spread over the team. Source: yellow paper, section 4.1 and appendix D; EIP-161,
 * EIP-6780. docs/state-root.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_STATE_ROOT_H
#define TRIE_STATE_ROOT_H

#include "base/u256.h"
#include "trie/account.h"
#include "trie/team.h"
#include "trie/trie.h"

/* Nodes of all tries of a state. owner: keccak256 of the account's address for its storage trie,
 * NULL for the account trie. Otherwise as struct trie_source; any member of the team never calls
 * it. */
struct state_node_source {
    int (*get)(void *arg, const struct hash *owner, const struct trie_path *path,
               const struct trie_ref *ref, struct bytes *ret, struct error *why);
    void *arg;
    bool trusted;
};

/* state_node_of_none is the `get` of the empty state, which has no nodes to ask for.
 * errors  ERR_NOT_FOUND, always. */
[[gnu::warn_unused_result]] int state_node_of_none(void *arg, const struct hash *owner,
                                                   const struct trie_path *path,
                                                   const struct trie_ref *ref, struct bytes *ret,
                                                   struct error *why);

/* Receives nodes that the source does not have, some of them twice. */
struct state_missing_sink {
    void (*add)(void *arg, const struct hash *owner, const struct trie_missing *missing);
    void *arg;
};

struct state_slot_change {
    struct hash key;   /* slot number, big-endian */
    struct u256 value; /* after the block; zero removes */
};

/* An account as it is after the block, with the slots that may differ from the parent's. */
struct state_account_change {
    struct address address;
    bool removed;         /* it does not exist any more */
    bool storage_cleared; /* its storage was wiped in this block; the slots count from nothing */
    uint64_t nonce;
    struct u256 balance; /* wei */
    struct hash code_hash;
    const struct state_slot_change *slots; /* any order, no key twice */
    size_t slot_count;
};

struct state_root;

struct state_root_options {
    struct state_node_source source;
    size_t limit_bytes;  /* most memory for nodes, 0 none */
    bool stored;         /* state_root_store will be called: what it needs is noted */
    unsigned hash_lanes; /* 0: as many as the processor has; 1, 4 or 8 to compare them */
};

/* state_root_create: a parent known by its root. The source outlives the result.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int state_root_create(struct state_root **ret,
                                                  const struct hash *parent_root,
                                                  const struct state_root_options *options,
                                                  struct error *why);
void state_root_free(struct state_root *s);

/* state_root_compute gives the root after a candidate's changes (any order, no address twice).
 * team     may be NULL.   sink   may be NULL.   stats  added to; may be NULL.
 * errors   ERR_NOT_FOUND: the sink has what is missing; make it available at the source and call
 *          again. ERR_CONFLICT: an address or slot is there twice. ERR_NO_MEMORY, those of the
 *          source. After an error the next call works from the parent again. */
[[gnu::warn_unused_result]] int state_root_compute(struct state_root *s, struct hash *ret,
                                                   const struct state_account_change *changes,
                                                   size_t count, struct trie_team *team,
                                                   const struct state_missing_sink *sink,
                                                   struct trie_stats *stats, struct error *why);

/* state_root_advance makes the last computed candidate the parent. Known nodes stay known. */
void state_root_advance(struct state_root *s);

/* state_root_forget drops all known nodes and candidates; the source must have those of the parent,
 * so after state_root_advance store first. */
void state_root_forget(struct state_root *s);

/* state_root_parent gives the parent's root. */
struct hash state_root_parent(const struct state_root *s);

/* state_root_storage gives the storage root of an account that the last candidate changed.
 * key     keccak256 of its address.   errors  ERR_NOT_FOUND (no candidate changed it). */
[[gnu::warn_unused_result]] int state_root_storage(const struct state_root *s,
                                                   const struct hash *key, struct hash *ret,
                                                   struct error *why);

/* Differences for a path-keyed store, see trie_store_changes. owner as above; an owner whose whole
 * storage went (or began anew) is given with path NULL first: everything of it is to be removed. */
struct state_store_sink {
    int (*put)(void *arg, const struct hash *owner, const struct trie_path *path, struct bytes node,
               struct error *why);
    void *arg;
};

/* state_root_store gives what changed in all tries since the parent was last stored; call it after
 * state_root_advance. errors  those of the sink, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int
state_root_store(struct state_root *s, const struct state_store_sink *sink, struct error *why);

/* state_root_prove gives the proof nodes of an account and one of its slots in the state of the
 * last computed candidate (the parent before the first one), root first (EIP-1186). slot     NULL:
 * only the account.   account, value  filled; account->storage_root is the candidate's. errors
 * ERR_NOT_FOUND (missing node), those of the source. */
struct state_proof_sink {
    void (*account_node)(void *arg, struct bytes node);
    void (*storage_node)(void *arg, struct bytes node);
    void *arg;
};
[[gnu::warn_unused_result]] int
state_root_prove(struct state_root *s, const struct address *address, const struct hash *slot,
                 bool *ret_exists, struct account *ret_account, struct u256 *ret_value,
                 const struct state_proof_sink *sink, struct error *why);

/* state_root_bytes gives the memory that nodes occupy. */
size_t state_root_bytes(const struct state_root *s);

#endif
