/* States after blocks: layers over the store. SPDX-License-Identifier: MIT */
#include "chain/head_internal.h"
#include "chain/op_fees.h"
#include "crypto/keccak.h"

#include <stdlib.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a view of the state");
}

/* Life. */

int head_view_make(struct head *h, struct head_view **ret, struct head_node *node,
                   struct error *why) {
    size_t n = 0;
    for (const struct head_node *at = node; at; at = at->parent) {
        n++;
    }
    struct head_view *v = calloc(1, sizeof *v);
    if (v) v->layers = calloc(n, sizeof *v->layers);
    if (!v || !v->layers) {
        free(v);
        return no_memory(why);
    }
    for (struct head_node *at = node; at; at = at->parent) {
        v->layers[v->layer_count++] = layer_retain(at->layer);
    }
    v->h = h;
    v->node = node;
    (void)head_block_retain(&node->block);
    (void)pthread_mutex_init(&v->code_lock, NULL);
    arena_init(&v->codes, 0);
    *ret = v;
    return 0;
}

int head_view_open(struct head *h, struct head_view **ret, const struct hash *block,
                   struct error *why) {
    (void)pthread_rwlock_rdlock(&h->lock);
    struct head_node *node = head_find(h, block);
    int r = node ? head_view_make(h, ret, node, why) : ERR_NOT_FOUND;
    (void)pthread_rwlock_unlock(&h->lock);
    if (node) return r;
    uint64_t number;
    r = head_store_number(h, &number, block, why);
    if (r != 0) return r == ERR_NOT_FOUND ? error_set(why, r, "unknown block") : r;
    return error_set(why, ERR_STALE,
                     "the state of block %llu is not kept: only those of the last %u blocks are",
                     (unsigned long long)number, h->depth);
}

void head_view_close(struct head_view *v) {
    if (!v) return;
    for (size_t i = 0; i < v->layer_count; i++) {
        layer_release(v->layers[i]);
    }
    free(v->layers);
    head_node_release(v->node);
    (void)pthread_mutex_destroy(&v->code_lock);
    arena_free(&v->codes);
    free(v);
}

const struct head_block *head_view_block(const struct head_view *v) {
    return &v->node->block;
}

// What was read from the store counts only while the store is not past this view's branch.
static int still_good(const struct head_view *v, int r, struct error *why) {
    bool stale = atomic_load_explicit(&v->layers[0]->stale, memory_order_acquire);
    if (!stale && r != 0 && r != ERR_NOT_FOUND && r != ERR_NO_MEMORY)
        return head_store_damaged(why);
    if (!stale) return r;
    return error_set(why, ERR_STALE, "the state of block %llu is not kept any more",
                     (unsigned long long)v->node->block.block.header.number);
}

/* Accounts, slots, code. */

static struct remote_at remote_at(const struct head_view *v) {
    return (struct remote_at){v->node->block.hash, v->node->block.block.header.state_root};
}

// Below the layers. errors  ERR_NOT_FOUND (there is none).
static int base_account(struct head_view *v, struct account *ret, const struct address *address,
                        struct error *why) {
    if (v->h->remote) {
        const struct remote_at at = remote_at(v);
        bool exists;
        int r = remote_state_account(v->h->remote, &at, address, ret, &exists, why);
        return r == 0 && !exists ? ERR_NOT_FOUND : r;
    }
    struct hash key = keccak256(BYTES_OF(*address));
    int r = trie_store_account(v->h->store, &key, ret, why);
    int good = still_good(v, r == ERR_NOT_FOUND ? 0 : r, why);
    return good ? good : r;
}

// The account's storage root; the empty one where it does not exist.
static int storage_root_of(struct head_view *v, struct hash *ret, const struct address *address,
                           struct error *why) {
    uint32_t hash = state_hash_address(&v->h->seed, address);
    *ret = TRIE_EMPTY_ROOT;
    for (size_t i = 0; i < v->layer_count; i++) {
        const struct layer_account *a = layer_account_find(v->layers[i], address, hash);
        if (!a) continue;
        if (a->exists) *ret = a->storage_root;
        return 0;
    }
    struct account a;
    int r = base_account(v, &a, address, why);
    if (r == 0) *ret = a.storage_root;
    return r == ERR_NOT_FOUND ? 0 : r;
}

int head_passer_root(struct hash *ret, const struct state_root *s, struct head_view *v,
                     struct error *why) {
    struct hash key = keccak256(BYTES_OF(OP_MESSAGE_PASSER));
    if (state_root_storage(s, &key, ret, NULL) == 0) return 0;
    return storage_root_of(v, ret, &OP_MESSAGE_PASSER, why);
}

int head_view_account(struct head_view *v, struct state_base_account *ret,
                      const struct address *address, struct error *why) {
    uint32_t hash = state_hash_address(&v->h->seed, address);
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    for (size_t i = 0; i < v->layer_count; i++) {
        const struct layer_account *a = layer_account_find(v->layers[i], address, hash);
        if (!a) continue;
        if (a->exists) {
            *ret =
                (struct state_base_account){a->fields.balance, a->fields.nonce, a->fields.code_hash,
                                            true, !hash_equal(&a->storage_root, &TRIE_EMPTY_ROOT)};
        }
        return 0;
    }
    struct account a;
    int r = base_account(v, &a, address, why);
    if (r == 0) {
        *ret = (struct state_base_account){a.balance, a.nonce, a.code_hash, true,
                                           !hash_equal(&a.storage_root, &TRIE_EMPTY_ROOT)};
    }
    return r == ERR_NOT_FOUND ? 0 : r;
}

int head_view_slot(struct head_view *v, struct u256 *ret, const struct address *address,
                   const struct u256 *key, struct error *why) {
    uint32_t account_hash = state_hash_address(&v->h->seed, address);
    uint32_t hash = layer_slot_hash(&v->h->seed, account_hash, key);
    *ret = U256_ZERO;
    for (size_t i = 0; i < v->layer_count; i++) {
        const struct layer *l = v->layers[i];
        const struct layer_slot *slot = layer_slot_find(l, address, key, hash);
        if (slot) {
            *ret = slot->value;
            return 0;
        }
        if (!l->any_cleared) continue;
        const struct layer_account *a = layer_account_find(l, address, account_hash);
        if (a && a->cleared) return 0;
    }
    if (v->h->remote) {
        const struct remote_at at = remote_at(v);
        struct hash root;
        int r = storage_root_of(v, &root, address, why);
        if (r != 0) return r;
        return remote_state_slot(v->h->remote, &at, address, &root, key, ret, why);
    }
    struct hash owner = keccak256(BYTES_OF(*address)), number, place;
    u256_store_be(number.b, *key);
    place = keccak256(BYTES_OF(number));
    int r = trie_store_slot(v->h->store, &owner, &place, ret, why);
    return still_good(v, r == ERR_NOT_FOUND ? 0 : r, why);
}

static int code_of_hash(struct head_view *v, struct bytes *ret, const struct hash *hash,
                        struct error *why) {
    for (size_t i = 0; i < v->layer_count; i++) {
        const struct layer_code *code = layer_code_find(v->layers[i], hash);
        if (!code) continue;
        *ret = code->bytes;
        return 0;
    }
    struct buf code;
    buf_init(&code, 0);
    const struct remote_at at = remote_at(v);
    int r = v->h->remote
                ? remote_state_code(v->h->remote, &at, hash, &code, why)
                : trie_store_get(v->h->store, TRIE_STORE_CODES, BYTES_OF(*hash), &code, why);
    if (r == 0) {
        (void)pthread_mutex_lock(&v->code_lock);
        *ret = arena_copy(&v->codes, buf_view(&code));
        (void)pthread_mutex_unlock(&v->code_lock);
        if (!ret->p) r = no_memory(why);
    }
    buf_free(&code);
    return r == ERR_NOT_FOUND ? error_set(why, ERR_IO, "code of an account is not in the store")
                              : r;
}

int head_view_code(struct head_view *v, struct bytes *ret, const struct address *address,
                   struct error *why) {
    struct state_base_account a;
    *ret = (struct bytes){0};
    int r = head_view_account(v, &a, address, why);
    if (r != 0 || hash_equal(&a.code_hash, &STATE_EMPTY_CODE_HASH)) return r;
    return code_of_hash(v, ret, &a.code_hash, why);
}

static int read_account(void *ctx, struct state_base_account *ret, const struct address *address,
                        struct error *why) {
    return head_view_account(ctx, ret, address, why);
}
static int read_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *why) {
    return head_view_slot(ctx, ret, address, key, why);
}
static int read_code(void *ctx, struct bytes *ret, const struct hash *code_hash,
                     struct error *why) {
    return code_of_hash(ctx, ret, code_hash, why);
}

struct state_reader head_view_reader(struct head_view *v) {
    return (struct state_reader){v, read_account, read_slot, read_code};
}

int head_view_block_hash(void *view, struct hash *ret, uint64_t number, struct error *why) {
    const struct head_view *v = view;
    const struct head_node *n = v->node;
    if (number < n->hashes_from || number > n->block.block.header.number) {
        return error_set(why, ERR_NOT_FOUND, "the hash of block %llu is not known here",
                         (unsigned long long)number);
    }
    *ret = n->hashes[number % HEAD_BLOCK_HASHES];
    return 0;
}

/* Nodes and proofs. */

static int get_node(void *arg, const struct hash *owner, const struct trie_path *path,
                    const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    struct head_view_nodes *s = arg;
    struct head_view *v = s->view;
    for (size_t i = 0; i < v->layer_count; i++) {
        const struct layer_node *n = layer_node_find(v->layers[i], owner, path);
        if (!n) continue;
        *ret = n->rlp;
        return n->rlp.n ? 0 : error_set(why, ERR_NOT_FOUND, "no node stands there");
    }
    size_t n;
    int r;
    if (v->h->remote) {
        const struct remote_at at = remote_at(v);
        struct hash hash;
        if (ref->n != 32) return error_set(why, ERR_NOT_FOUND, "a node that has no hash");
        memcpy(hash.b, ref->b, 32);
        r = remote_state_node(v->h->remote, &at, owner, path, &hash, s->node, &n, why);
    } else {
        r = still_good(v, trie_store_node(v->h->store, owner, path, s->node, &n, why), why);
    }
    if (r == 0) *ret = bytes_make(s->node, n);
    return r;
}

struct state_node_source head_view_source(struct head_view_nodes *s, struct head_view *v) {
    s->view = v;
    return (struct state_node_source){.get = get_node, .arg = s};
}

int head_view_prove(struct head_view *v, struct account_proof *ret, const struct address *address,
                    const struct hash *slots, size_t slot_count, struct arena *a,
                    struct error *why) {
    struct head_view_nodes nodes;
    struct state_root *root = NULL;
    const struct state_root_options options = {.source = head_view_source(&nodes, v)};
    int r = state_root_create(&root, &v->node->block.block.header.state_root, &options, why);
    if (r == 0) r = account_proof_make(ret, root, address, slots, slot_count, a, why);
    state_root_free(root);
    return r;
}
