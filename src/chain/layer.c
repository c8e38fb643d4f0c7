/* SPDX-License-Identifier: MIT */
#include "chain/layer.h"

#include "crypto/keccak.h"

#include <stdlib.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a block's changes");
}

/* Life. */

struct layer *layer_new(const struct state_seed *seed) {
    struct layer *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    atomic_init(&l->holders, 1);
    arena_init(&l->memory, 0);
    l->seed = *seed;
    return l;
}

struct layer *layer_retain(struct layer *l) {
    (void)atomic_fetch_add_explicit(&l->holders, 1, memory_order_relaxed);
    return l;
}

void layer_release(struct layer *l) {
    if (!l || atomic_fetch_sub_explicit(&l->holders, 1, memory_order_acq_rel) != 1) return;
    free(l->nodes);
    arena_free(&l->memory);
    free(l);
}

/* Tables. */

static uint32_t mask_for(size_t count) {
    uint32_t size = 8;
    while (size < 2 * count) {
        size *= 2;
    }
    return size - 1;
}

static uint64_t place(uint32_t hash, size_t index) {
    return (uint64_t)hash << 32 | (index + 1);
}

static void put(uint64_t *at, uint32_t mask, uint32_t hash, size_t index) {
    uint32_t i = hash & mask;
    while (at[i]) {
        i = (i + 1) & mask;
    }
    at[i] = place(hash, index);
}

static uint32_t node_hash(const struct layer *l, const struct hash *owner,
                          const struct trie_path *path) {
    uint64_t x = path->depth ^ (owner ? load_le64(owner->b) : 0);
    for (unsigned i = 0; i < 4; i++) {
        x = state_mix(x ^ load_le64(path->key + (size_t)8 * i), l->seed.k[i] | 1);
    }
    return (uint32_t)x;
}

const struct layer_account *layer_account_find(const struct layer *l, const struct address *address,
                                               uint32_t hash) {
    if (!l->account_count) return NULL;
    uint64_t at;
    for (uint32_t i = hash & l->account_mask; (at = l->account_at[i]) != 0;
         i = (i + 1) & l->account_mask) {
        if (at >> 32 != hash) continue;
        const struct layer_account *a = &l->accounts[(uint32_t)at - 1];
        if (address_equal(&a->address, address)) return a;
    }
    return NULL;
}

const struct layer_slot *layer_slot_find(const struct layer *l, const struct address *address,
                                         const struct u256 *key, uint32_t hash) {
    if (!l->slot_count) return NULL;
    uint64_t at;
    for (uint32_t i = hash & l->slot_mask; (at = l->slot_at[i]) != 0; i = (i + 1) & l->slot_mask) {
        if (at >> 32 != hash) continue;
        const struct layer_slot *s = &l->slots[(uint32_t)at - 1];
        if (u256_equal(s->key, *key) && address_equal(&s->address, address)) return s;
    }
    return NULL;
}

const struct layer_node *layer_node_find(const struct layer *l, const struct hash *owner,
                                         const struct trie_path *path) {
    if (!l->node_count) return NULL;
    uint64_t at;
    uint32_t hash = node_hash(l, owner, path), i = hash & l->node_mask;
    for (; (at = l->node_at[i]) != 0; i = (i + 1) & l->node_mask) {
        if (at >> 32 != hash) continue;
        const struct layer_node *n = &l->nodes[(uint32_t)at - 1];
        if (n->path.depth == path->depth && memcmp(n->path.key, path->key, 32) == 0 &&
            n->owned == (owner != NULL) && (!owner || hash_equal(&n->owner, owner))) {
            return n;
        }
    }
    return NULL;
}

const struct layer_code *layer_code_find(const struct layer *l, const struct hash *hash) {
    for (size_t i = 0; i < l->code_count; i++) {
        if (hash_equal(&l->codes[i].hash, hash)) return &l->codes[i];
    }
    return NULL;
}

/* Filling. */

static int copy_flat(struct layer *l, const struct state_changes *changes, struct error *why) {
    struct arena *a = &l->memory;
    for (size_t i = 0; i < changes->count; i++) {
        l->slot_count += changes->accounts[i].slot_count;
    }
    l->account_count = changes->count;
    l->account_mask = mask_for(l->account_count);
    l->slot_mask = mask_for(l->slot_count);
    l->accounts = arena_new_array(a, struct layer_account, l->account_count);
    l->slots = arena_new_array(a, struct layer_slot, l->slot_count);
    l->account_at = arena_new_array(a, uint64_t, (size_t)l->account_mask + 1);
    l->slot_at = arena_new_array(a, uint64_t, (size_t)l->slot_mask + 1);
    struct state_account_change *copies =
        arena_new_array(a, struct state_account_change, l->account_count);
    bool good = l->accounts && l->slots && l->account_at && l->slot_at && copies;
    size_t at = 0;
    for (size_t i = 0; good && i < l->account_count; i++) {
        const struct state_account_change *c = &changes->accounts[i];
        uint32_t hash = state_hash_address(&l->seed, &c->address);
        size_t bytes = c->slot_count * sizeof *c->slots;
        struct bytes slots = arena_copy(a, bytes_make(c->slots, bytes));
        copies[i] = *c;
        copies[i].slots = (const void *)slots.p;
        good = bytes == 0 || slots.p;
        l->accounts[i] = (struct layer_account){
            .address = c->address,
            .exists = !c->removed,
            .cleared = c->removed || c->storage_cleared,
            .fields = {c->balance, c->nonce, c->code_hash, !c->removed},
            .storage_root = TRIE_EMPTY_ROOT,
            .change = &copies[i],
        };
        l->any_cleared |= l->accounts[i].cleared;
        put(l->account_at, l->account_mask, hash, i);
        for (size_t k = 0; k < c->slot_count; k++, at++) {
            l->slots[at] =
                (struct layer_slot){c->address, u256_load_be(c->slots[k].key.b), c->slots[k].value};
            put(l->slot_at, l->slot_mask, layer_slot_hash(&l->seed, hash, &l->slots[at].key), at);
        }
    }
    return good ? 0 : no_memory(why);
}

static int add_storage_roots(struct layer *l, const struct state_root *root, struct error *why) {
    struct keccak_job *jobs = arena_new_array(&l->memory, struct keccak_job, l->account_count);
    struct hash *keys = arena_new_array(&l->memory, struct hash, l->account_count);
    if (!jobs || !keys) return no_memory(why);
    for (size_t i = 0; i < l->account_count; i++) {
        jobs[i] = (struct keccak_job){BYTES_OF(l->accounts[i].address), &keys[i]};
    }
    keccak256_scatter(jobs, l->account_count);
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->account_count; i++) {
        struct layer_account *a = &l->accounts[i];
        if (a->exists) r = state_root_storage(root, &keys[i], &a->storage_root, why);
    }
    return r;
}

static int add_codes(struct layer *l, const struct state_changes *changes,
                     struct evm_code_cache *codes, struct error *why) {
    l->codes = arena_new_array(&l->memory, struct layer_code, changes->code_count);
    if (!l->codes) return no_memory(why);
    for (size_t i = 0; i < changes->code_count; i++) {
        const struct evm_code *code = evm_code_find(codes, &changes->codes[i]);
        if (!code) return error_set(why, ERR_INTERNAL, "new code is not in the code cache");
        if (layer_code_find(l, &code->hash)) continue;
        struct layer_code *to = &l->codes[l->code_count];
        *to = (struct layer_code){code->hash,
                                  arena_copy(&l->memory, bytes_make(code->bytes, code->size))};
        if (!to->bytes.p) return no_memory(why);
        l->code_count++;
    }
    return 0;
}

static int add_node(void *arg, const struct hash *owner, const struct trie_path *path,
                    struct bytes node, struct error *why) {
    struct layer *l = arg;
    if (!path) return 0; // an emptied storage: layer_store clears it by the account
    if (l->node_count == l->node_room) {
        size_t room = l->node_room ? 2 * l->node_room : 256;
        struct layer_node *p = realloc(l->nodes, room * sizeof *p);
        if (!p) return no_memory(why);
        l->nodes = p;
        l->node_room = room;
    }
    struct layer_node *n = &l->nodes[l->node_count];
    *n = (struct layer_node){
        .owned = owner != NULL, .path = *path, .rlp = arena_copy(&l->memory, node)};
    if (owner) n->owner = *owner;
    if (node.n && !n->rlp.p) return no_memory(why);
    l->node_count++;
    return 0;
}

static bool same_place(const struct layer_node *a, const struct layer_node *b) {
    return a->owned == b->owned && a->path.depth == b->path.depth &&
           memcmp(a->path.key, b->path.key, 32) == 0 && hash_equal(&a->owner, &b->owner);
}

// Of several writes to one place the last counts.
static int index_nodes(struct layer *l, struct error *why) {
    l->node_mask = mask_for(l->node_count);
    l->node_at = arena_new_array(&l->memory, uint64_t, (size_t)l->node_mask + 1);
    if (!l->node_at) return no_memory(why);
    for (size_t k = 0; k < l->node_count; k++) {
        const struct layer_node *n = &l->nodes[k];
        uint32_t hash = node_hash(l, n->owned ? &n->owner : NULL, &n->path);
        uint32_t i = hash & l->node_mask;
        while (l->node_at[i] && !same_place(&l->nodes[(uint32_t)l->node_at[i] - 1], n)) {
            i = (i + 1) & l->node_mask;
        }
        l->node_at[i] = place(hash, k);
    }
    return 0;
}

int layer_fill(struct layer *l, const struct state_changes *changes, struct state_root *root,
               struct evm_code_cache *codes, struct error *why) {
    const struct state_store_sink sink = {add_node, l};
    int r = copy_flat(l, changes, why);
    if (r == 0) r = add_storage_roots(l, root, why);
    if (r == 0) r = add_codes(l, changes, codes, why);
    if (r == 0) r = state_root_store(root, &sink, why);
    return r == 0 ? index_nodes(l, why) : r;
}

/* To the store. */

static int store_account(const struct layer_account *a, struct trie_store *s, struct error *why) {
    struct hash key = keccak256(BYTES_OF(a->address));
    struct account account = {a->fields.nonce, a->fields.balance, a->storage_root,
                              a->fields.code_hash};
    const struct state_account_change *c = a->change;
    int r = a->cleared ? trie_store_clear(s, &key, why) : 0;
    if (r == 0) r = trie_store_put_account(s, &key, a->exists ? &account : NULL, why);
    for (size_t i = 0; r == 0 && i < c->slot_count; i++) {
        struct hash slot = keccak256(BYTES_OF(c->slots[i].key));
        r = trie_store_put_slot(s, &key, &slot, c->slots[i].value, why);
    }
    return r;
}

int layer_store(const struct layer *l, struct trie_store *s, struct error *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->account_count; i++) {
        r = store_account(&l->accounts[i], s, why);
    }
    for (size_t i = 0; r == 0 && i < l->node_count; i++) {
        const struct layer_node *n = &l->nodes[i];
        r = trie_store_put_node(s, n->owned ? &n->owner : NULL, &n->path, n->rlp, why);
    }
    for (size_t i = 0; r == 0 && i < l->code_count; i++) {
        const struct layer_code *c = &l->codes[i];
        r = trie_store_put(s, TRIE_STORE_CODES, BYTES_OF(c->hash), c->bytes, why);
    }
    return r;
}
