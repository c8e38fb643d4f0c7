/* Change sets, multiproofs and partial tries of a block builder, and witnesses of a block.
 *
 * A change set has no root of its own: it is applied in one batch, in several and in another order,
 * and the roots must agree with each other and with the plain trie. A partial trie or multiproof
 * must be connected: every node hashes to the reference that its parent holds.
 *
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "test/conformance/evm.h"
#include "trie/account.h"
#include "trie/trie.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

/* Changes as they are given. */
struct change_list {
    struct trie_change *change;
    size_t count;
};

static bool read_keys(const struct evm_file *f, struct change_list *l, const struct json *keys,
                      const struct json *values) {
    size_t i = 0;
    json_each(key, keys) {
        struct trie_change *c = &l->change[l->count++];
        struct bytes value = {NULL, 0};
        *c = (struct trie_change){0};
        if (json_hash(&c->key, key, NULL) != 0) return false;
        if (values && json_data(&value, json_at(values, i++), f->a, NULL) != 0) return false;
        if (value.n > TRIE_VALUE_MAX) return false;
        c->value_n = (uint8_t)value.n;
        if (value.n) memcpy(c->value, value.p, value.n);
    }
    return true;
}

static bool read_changes(const struct evm_file *f, struct change_list *ret,
                         const struct json *updated, const struct json *values,
                         const struct json *deleted) {
    size_t most = json_count(updated) + json_count(deleted);
    *ret = (struct change_list){arena_new_array(f->a, struct trie_change, most), 0};
    return ret->change && json_count(updated) == json_count(values) &&
           read_keys(f, ret, updated, values) && read_keys(f, ret, deleted, NULL);
}

// Applies changes [from, to) as one batch. The order within a batch is by key.
static int apply(struct trie_pool *pool, struct trie *t, const struct change_list *l, size_t from,
                 size_t to, const struct evm_file *f, struct error *why) {
    struct trie_change *c = arena_new_array(f->a, struct trie_change, to - from);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory");
    memcpy(c, l->change + from, (to - from) * sizeof *c);
    qsort(c, to - from, sizeof *c, trie_change_compare);
    return trie_apply(pool, t, c, to - from, NULL, NULL, why);
}

static int root_of(struct hash *ret, struct trie_pool *pool, struct trie *t, struct error *why) {
    int r = trie_hash(pool, &t, 1, NULL, NULL, why);
    *ret = trie_root(t);
    return r;
}

static void shuffle(struct change_list *l, uint64_t seed) {
    for (size_t i = l->count; i > 1; i--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t k = (seed >> 33) % i;
        struct trie_change c = l->change[i - 1];
        l->change[i - 1] = l->change[k];
        l->change[k] = c;
    }
}

/* Makes a trie on which changes are tried; may reveal nodes. */
typedef int begin_trie(struct trie *t, struct trie_pool *pool, void *arg, struct error *why);

// The root after the changes in one batch; then in batches of several sizes and orders, wiped in
// between, which must all lead to it.
static bool run_orders(const struct evm_file *f, struct tally *t, const char *name,
                       struct trie_pool *pool, struct change_list *l, begin_trie *begin, void *arg,
                       struct hash *ret) {
    static const size_t batch[] = {SIZE_MAX, 1, 3, 17};
    for (size_t i = 0; i < sizeof batch / sizeof batch[0]; i++) {
        struct trie trie;
        struct error why;
        struct hash root;
        int r = begin(&trie, pool, arg, &why);
        for (size_t from = 0; from < l->count && r == 0;) {
            size_t n = l->count - from < batch[i] ? l->count - from : batch[i];
            r = apply(pool, &trie, l, from, from + n, f, &why);
            from += n;
        }
        if (r == 0) r = root_of(&root, pool, &trie, &why);
        trie_release(pool, &trie);
        if (r != 0) {
            tally_fail(t, name, "%s", why.text);
            return false;
        }
        if (i == 0) {
            *ret = root;
        } else if (!hash_equal(&root, ret)) {
            tally_fail(t, name, "batches of %zu lead to another root", batch[i]);
            return false;
        }
        shuffle(l, i + 1);
    }
    return true;
}

static int begin_empty(struct trie *t, struct trie_pool *pool, void *arg, struct error *why) {
    (void)pool;
    (void)arg;
    (void)why;
    trie_init(t, &TRIE_EMPTY_ROOT);
    return 0;
}

static bool run_from_empty(const struct evm_file *f, struct tally *t, const char *name,
                           struct trie_pool *pool, struct change_list *l, struct hash *ret) {
    if (!run_orders(f, t, name, pool, l, begin_empty, NULL, ret)) return false;
    struct trie_pair *pair = arena_new_array(f->a, struct trie_pair, l->count);
    struct hash plain;
    struct error why;
    for (size_t i = 0; pair && i < l->count; i++) {
        pair[i] = (struct trie_pair){BYTES_OF(l->change[i].key),
                                     {l->change[i].value, l->change[i].value_n}};
    }
    if (!pair || trie_plain_root(&plain, pair, l->count, false, &why) != 0 ||
        !hash_equal(&plain, ret)) {
        tally_fail(t, name, "the plain trie has another root");
        return false;
    }
    return true;
}

static bool run_change_set(const struct evm_file *f, struct tally *t, struct trie_pool *pool) {
    const struct json *accounts = json_get(f->json, "account_trie_updates");
    const struct json *infos = json_get(f->json, "account_trie_updates_info");
    const struct json *keys = json_get(f->json, "storage_trie_updated_keys");
    const struct json *values = json_get(f->json, "storage_trie_updated_values");
    const struct json *deleted = json_get(f->json, "storage_trie_deleted_keys");
    struct change_list all = {
        arena_new_array(f->a, struct trie_change,
                        json_count(accounts) +
                            json_count(json_get(f->json, "account_trie_deletes"))),
        0};
    size_t i = 0;
    json_each(key, accounts) {
        struct change_list slots;
        struct account a;
        const struct json *info = json_at(infos, i);
        struct trie_change *c = &all.change[all.count++];
        if (!read_changes(f, &slots, json_at(keys, i), json_at(values, i), json_at(deleted, i)) ||
            json_get_u64(&a.nonce, info, "nonce", NULL) != 0 ||
            json_get_quantity256(&a.balance, info, "balance", NULL) != 0 ||
            json_get_hash(&a.code_hash, info, "code_hash", NULL) != 0 ||
            json_hash(&c->key, key, NULL) != 0) {
            tally_fail(t, "account", "entry %zu cannot be read", i);
            return true;
        }
        if (!run_from_empty(f, t, "storage", pool, &slots, &a.storage_root)) return true;
        tally_pass(t, "storage");
        struct buf wire;
        buf_init(&wire, TRIE_VALUE_MAX);
        account_encode(&wire, &a);
        memcpy(c->value, wire.p, wire.n);
        c->value_n = (uint8_t)wire.n;
        buf_free(&wire);
        i++;
    }
    if (!read_keys(f, &all, json_get(f->json, "account_trie_deletes"), NULL)) {
        tally_fail(t, "accounts", "a deleted account cannot be read");
        return true;
    }
    struct hash root;
    if (run_from_empty(f, t, "accounts", pool, &all, &root)) tally_pass(t, "accounts");
    return true;
}

// Reveals [nibbles, node] pairs, which stand in any order, the root first found by its empty path.
static bool reveal_subtree(const struct evm_file *f, struct tally *t, const char *name,
                           struct trie_pool *pool, const struct json *nodes) {
    struct trie trie;
    struct error why;
    struct bytes node;
    trie_init(&trie, &TRIE_EMPTY_ROOT);
    for (unsigned depth = 0; depth < TRIE_DEPTH_MAX; depth++) {
        json_each(pair, nodes) {
            const struct json *nibbles = json_at(pair, 0);
            if (json_count(nibbles) != depth) continue;
            struct trie_path path = {.depth = (uint8_t)depth};
            unsigned i = 0;
            json_each(nibble, nibbles) {
                uint64_t v = 0;
                if (json_u64(&v, nibble, NULL) != 0 || v > 15) goto bad;
                path.key[i / 2] = (uint8_t)(path.key[i / 2] | v << (i % 2 ? 0 : 4));
                i++;
            }
            if (json_data(&node, json_at(pair, 1), f->a, NULL) != 0) goto bad;
            if (depth == 0) {
                struct hash root = keccak256(node);
                trie_init(&trie, &root);
            }
            if (trie_reveal(pool, &trie, &path, node, &why) != 0) {
                tally_fail(t, name, "depth %u: %s", depth, why.text);
                trie_release(pool, &trie);
                return false;
            }
        }
    }
    trie_release(pool, &trie);
    return true;
bad:
    tally_fail(t, name, "a node cannot be read");
    trie_release(pool, &trie);
    return false;
}

static bool run_multiproof(const struct evm_file *f, struct tally *t, struct trie_pool *pool) {
    if (reveal_subtree(f, t, "accounts", pool, json_get(f->json, "account_subtree"))) {
        tally_pass(t, "accounts");
    }
    json_each(storage, json_get(f->json, "storages")) {
        const char *name = arena_str(f->a, json_text(json_at(storage, 0)));
        if (reveal_subtree(f, t, name ? name : "?", pool,
                           json_get(json_at(storage, 1), "subtree"))) {
            tally_pass(t, "storage");
        }
    }
    return true;
}

/* A partial trie as a graph of numbered nodes. */
struct graph {
    const struct evm_file *f;
    const struct json *nodes;
    struct trie_pool *pool;
    struct trie *trie;
};

static const struct json *graph_node(const struct graph *g, uint64_t number) {
    json_each(node, g->nodes) {
        uint64_t n;
        if (json_u64(&n, json_at(node, 0), NULL) == 0 && n == number) {
            return json_get(json_at(node, 1), "kind");
        }
    }
    return NULL;
}

// Appends the nibbles of a JSON array to a path.
static bool add_nibbles(struct trie_path *path, const struct json *nibbles) {
    json_each(nibble, nibbles) {
        uint64_t v;
        if (json_u64(&v, nibble, NULL) != 0 || v > 15 || path->depth >= TRIE_DEPTH_MAX)
            return false;
        unsigned i = path->depth++;
        path->key[i / 2] = (uint8_t)(path->key[i / 2] | v << (i % 2 ? 0 : 4));
    }
    return true;
}

static void put_nibbles(struct buf *out, const struct json *nibbles, bool leaf) {
    uint8_t path[33] = {0};
    size_t count = json_count(nibbles), at = count % 2 ? 1 : 2;
    if (count > TRIE_DEPTH_MAX) return;
    path[0] = (uint8_t)((leaf ? 0x20 : 0) | (count % 2 ? 0x10 : 0));
    json_each(nibble, nibbles) {
        uint64_t v = 0;
        (void)!json_u64(&v, nibble, NULL);
        path[at / 2] = (uint8_t)(path[at / 2] | v << (at % 2 ? 0 : 4));
        at++;
    }
    rlp_put_string(out, bytes_make(path, count / 2 + 1));
}

static void put_reference(struct buf *out, const struct graph *g, const struct json *ref) {
    struct bytes raw;
    if (json_is_null(ref) || json_data(&raw, ref, g->f->a, NULL) != 0) {
        buf_append_byte(out, 0x80);
    } else {
        buf_append(out, raw); // an RLP item already
    }
}

static int reveal_graph(const struct graph *g, uint64_t number, struct trie_path path,
                        struct error *why);

static int reveal_child(const struct graph *g, const struct json *child, struct trie_path path,
                        struct error *why) {
    uint64_t number;
    if (json_is_null(json_get(child, "ptr"))) return 0;
    int r = json_get_u64(&number, child, "ptr", why);
    return r == 0 ? reveal_graph(g, number, path, why) : r;
}

static int reveal_graph(const struct graph *g, uint64_t number, struct trie_path path,
                        struct error *why) {
    const struct json *kind = graph_node(g, number);
    const struct json *leaf = json_get(json_get(kind, "Leaf"), "fixed");
    const struct json *extension = json_get(json_get(kind, "Extension"), "fixed");
    const struct json *branch = json_get(json_get(kind, "Branch"), "fixed");
    struct buf node;
    buf_init(&node, 1024);
    size_t list = rlp_list_begin(&node);
    if (leaf) {
        struct bytes value = {NULL, 0};
        (void)!json_get_data(&value, leaf, "value", g->f->a, why);
        put_nibbles(&node, json_get(leaf, "key"), true);
        rlp_put_string(&node, value);
    } else if (extension) {
        put_nibbles(&node, json_get(extension, "key"), false);
        put_reference(&node, g, json_get(extension, "child"));
    } else {
        json_each(child, json_get(branch, "children")) {
            put_reference(&node, g, child);
        }
        buf_append_byte(&node, 0x80);
    }
    rlp_list_close(&node, list);
    if (path.depth == 0) {
        struct hash root = keccak256(buf_view(&node));
        trie_init(g->trie, &root);
    }
    int r = trie_reveal(g->pool, g->trie, &path, buf_view(&node), why);
    buf_free(&node);
    if (r == 0 && extension && add_nibbles(&path, json_get(extension, "key"))) {
        r = reveal_child(g, json_get(json_get(kind, "Extension"), "child"), path, why);
    }
    json_each(changed, json_get(json_get(kind, "Branch"), "changed_children")) {
        struct trie_path below = path;
        uint64_t nibble = 0;
        if (r == 0) r = json_u64(&nibble, json_at(changed, 0), why);
        if (r != 0 || nibble > 15) break;
        unsigned i = below.depth++;
        below.key[i / 2] = (uint8_t)(below.key[i / 2] | nibble << (i % 2 ? 0 : 4));
        r = reveal_child(g, json_at(changed, 1), below, why);
    }
    return r;
}

static int begin_graph(struct trie *t, struct trie_pool *pool, void *arg, struct error *why) {
    struct graph *g = arg;
    uint64_t head = 0;
    g->trie = t;
    g->pool = pool;
    int r = json_get_u64(&head, json_get(g->f->json, "trie"), "head", why);
    return r == 0 ? reveal_graph(g, head, (struct trie_path){.depth = 0}, why) : r;
}

static bool run_partial(const struct evm_file *f, struct tally *t, struct trie_pool *pool) {
    struct graph g = {.f = f, .nodes = json_get(json_get(f->json, "trie"), "nodes")};
    struct change_list l;
    struct hash root;
    if (!read_changes(f, &l, json_get(f->json, "updated_keys"), json_get(f->json, "updated_values"),
                      json_get(f->json, "deleted_keys"))) {
        tally_fail(t, "changes", "cannot be read");
    } else if (run_orders(f, t, "changes", pool, &l, begin_graph, &g, &root)) {
        tally_pass(t, "changes");
    }
    return true;
}

bool evm_run_trie(const struct evm_file *f, struct tally *t) {
    bool change_set = json_get(f->json, "account_trie_updates") != NULL;
    bool multiproof = json_get(f->json, "account_subtree") != NULL;
    bool partial =
        json_get(json_get(f->json, "trie"), "nodes") && json_get(f->json, "updated_keys");
    if (!change_set && !multiproof && !partial) return false;
    struct trie_pool *pool;
    struct error why;
    if (trie_pool_create(&pool, 0, &why) != 0) {
        tally_fail(t, "-", "%s", why.text);
        return true;
    }
    if (change_set) run_change_set(f, t, pool);
    if (multiproof) run_multiproof(f, t, pool);
    if (partial) run_partial(f, t, pool);
    trie_pool_free(pool);
    return true;
}
