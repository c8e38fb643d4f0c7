/* What one block changed in the state: a layer over the layers of its ancestors and the store.
 *
 * Holds flat accounts and slots by address and number for execution, changed trie nodes by owner
 * and path for roots and proofs, and new code. Made once, then constant; counted, so that a reader
 * keeps it while the chain goes on. Any thread may read. `stale` is set before the store below
 * moves to a block that is no ancestor of this one: what was then read from the store is void.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_LAYER_H
#define CHAIN_LAYER_H

#include "chain/state_changes.h"
#include "trie/store.h"

#include <stdatomic.h>

struct layer_account {
    struct address address;
    bool exists;
    bool cleared; /* slots that are not in this layer are zero */
    struct state_fields fields;
    struct hash storage_root;
    const struct state_account_change *change;
};

struct layer_slot {
    struct address address;
    struct u256 key, value;
};

struct layer_node {
    struct hash owner; /* of the account trie: zero */
    bool owned;
    struct trie_path path;
    struct bytes rlp; /* n = 0: nothing stands there any more */
};

struct layer_code {
    struct hash hash;
    struct bytes bytes;
};

struct layer {
    atomic_uint holders;
    atomic_bool stale;
    struct arena memory;
    struct state_seed seed; /* of the tables */
    struct layer_account *accounts;
    struct layer_slot *slots;
    struct layer_node *nodes;
    struct layer_code *codes;
    size_t account_count, slot_count, node_count, node_room, code_count;
    bool any_cleared;
    /* Open addressing over the arrays; sizes are powers of two. A place holds the hash, so that the
     * many layers that say nothing are passed over without looking at their entries, and 1 + the
     * index; 0 for none. */
    uint64_t *account_at, *slot_at, *node_at;
    uint32_t account_mask, slot_mask, node_mask;
};

/* layer_new makes an empty layer with one holder; NULL without memory. layer_release gives up one
 * holder; NULL is allowed. seed  of all layers that are asked with the same hashes; copied. */
struct layer *layer_new(const struct state_seed *seed);
struct layer *layer_retain(struct layer *l);
void layer_release(struct layer *l);

/* layer_fill takes over a block's changes: once, before the layer is shared.
 * changes  copied.   root   has the changes as its last candidate, advanced to; made with `stored`.
 * codes    the cache that has the code of changed accounts.
 * errors   ERR_NO_MEMORY, ERR_INTERNAL (code that no one knows). */
[[gnu::warn_unused_result]] int layer_fill(struct layer *l, const struct state_changes *changes,
                                           struct state_root *root, struct evm_code_cache *codes,
                                           struct error *why);

/* Look-ups: NULL where the layer says nothing. hash is state_hash_address of the address, with the
 * layers' seed. */
const struct layer_account *layer_account_find(const struct layer *l, const struct address *address,
                                               uint32_t hash);
const struct layer_slot *layer_slot_find(const struct layer *l, const struct address *address,
                                         const struct u256 *key, uint32_t hash);
const struct layer_node *layer_node_find(const struct layer *l, const struct hash *owner,
                                         const struct trie_path *path);
const struct layer_code *layer_code_find(const struct layer *l, const struct hash *hash);

/* layer_slot_hash gives the hash that layer_slot_find takes. */
static inline uint32_t layer_slot_hash(const struct state_seed *seed, uint32_t address_hash,
                                       const struct u256 *key) {
    return address_hash * 0x9e3779b1u ^ state_hash_key(seed, key);
}

/* layer_store collects the layer's changes in the store, for its next commit. errors  those of the
 * store. */
[[gnu::warn_unused_result]] int layer_store(const struct layer *l, struct trie_store *s,
                                            struct error *why);

#endif
