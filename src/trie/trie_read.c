/* Walking sparse tries: revealing nodes, reading values, making proofs.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "trie/account.h"
#include "trie/trie_node.h"

void trie_init(struct trie *t, const struct hash *root) {
    *t = (struct trie){0};
    if (hash_equal(root, &TRIE_EMPTY_ROOT)) return;
    t->ref.n = 32;
    memcpy(t->ref.b, root->b, 32);
}

struct hash trie_root(const struct trie *t) {
    struct hash h;
    if (t->ref.n == 0) return TRIE_EMPTY_ROOT;
    memcpy(h.b, t->ref.b, 32);
    return h;
}

// Decodes a node after checking it against its reference.
static int decode_checked(uint32_t *ret, struct trie_pool *pool, const uint8_t key[32],
                          unsigned depth, const uint8_t *ref, struct bytes node, bool trusted,
                          struct error *why) {
    if (!trusted) {
        struct hash h = keccak256(node);
        if (memcmp(h.b, ref, 32) != 0) {
            return error_set(why, ERR_INVALID, "trie node at depth %u does not match its hash",
                             depth);
        }
    }
    return trie_node_decode(ret, pool, key, depth, node, why);
}

int trie_resolve(uint32_t *ret, struct trie_pool *pool, const uint8_t key[32], unsigned depth,
                 uint8_t ref_n, const uint8_t *ref, const struct trie_source *source,
                 struct trie_missing *missing, struct error *why) {
    if (ref_n < 32) return trie_node_decode(ret, pool, key, depth, bytes_make(ref, ref_n), why);
    struct trie_missing place = {.path = trie_path_of(key, depth), .ref.n = 32};
    memcpy(place.ref.b, ref, 32);
    if (source) {
        struct bytes node;
        int r = source->get(source->arg, &place.path, &place.ref, &node, why);
        if (r == 0) {
            return decode_checked(ret, pool, key, depth, ref, node, source->trusted, why);
        }
        if (r != ERR_NOT_FOUND) return r;
    }
    if (missing) *missing = place;
    return error_set(why, ERR_NOT_FOUND, "a trie node at depth %u is not known", depth);
}

/* Where the reference of a node stands: in its parent, or in the trie for the root. */
struct place {
    uint32_t *node;
    uint8_t *ref_n;
    uint8_t *ref;
    bool dirty;
};

static struct place place_of_root(struct trie *t) {
    return (struct place){&t->root, &t->ref.n, t->ref.b, t->dirty};
}

// The place of the child towards key, below the known node at p, and the child's depth. False:
// key's path does not go on there.
static bool place_below(struct place *p, const struct trie_pool *pool, const uint8_t key[32],
                        unsigned *depth) {
    switch (trie_kind(*p->node)) {
    case TRIE_BRANCH: {
        if (*depth >= TRIE_DEPTH_MAX) return false;
        struct trie_branch *b = trie_branch_at(pool, *p->node);
        unsigned i = trie_nibble(key, (*depth)++);
        *p = (struct place){&b->child[i], &b->ref_n[i], trie_branch_ref(b, i), b->dirty >> i & 1};
        return true;
    }
    case TRIE_EXTENSION: {
        struct trie_extension *e = trie_extension_at(pool, *p->node);
        if (trie_shared(e->key, key, *depth, e->end) < e->end) return false;
        *depth = e->end;
        *p = (struct place){&e->child, &e->ref.n, e->ref.b, e->dirty};
        return true;
    }
    case TRIE_LEAF:
    case TRIE_NONE:
        break;
    }
    return false;
}

int trie_reveal(struct trie_pool *pool, struct trie *t, const struct trie_path *path,
                struct bytes node, struct error *why) {
    struct place p = place_of_root(t);
    unsigned depth = 0;
    while (depth < path->depth) {
        if (!*p.node && *p.ref_n && *p.ref_n < 32) {
            int r = trie_resolve(p.node, pool, path->key, depth, *p.ref_n, p.ref, NULL, NULL, why);
            if (r != 0) return r;
        }
        if (!place_below(&p, pool, path->key, &depth) || depth > path->depth) {
            return error_set(why, ERR_NOT_FOUND, "no known trie node leads to depth %u",
                             path->depth);
        }
    }
    if (*p.node) return 0;
    if (*p.ref_n == 0) {
        return error_set(why, ERR_NOT_FOUND, "nothing stands at that path of depth %u", depth);
    }
    if (*p.ref_n < 32) {
        return trie_resolve(p.node, pool, path->key, depth, *p.ref_n, p.ref, NULL, NULL, why);
    }
    return decode_checked(p.node, pool, path->key, depth, p.ref, node, false, why);
}

int trie_get(struct trie_pool *pool, struct trie *t, const struct hash *key,
             const struct trie_source *source, struct bytes *ret, struct trie_missing *ret_missing,
             struct error *why) {
    struct place p = place_of_root(t);
    unsigned depth = 0;
    do {
        if (!*p.node) {
            if (*p.ref_n == 0) break;
            int r = trie_resolve(p.node, pool, key->b, depth, *p.ref_n, p.ref, source, ret_missing,
                                 why);
            if (r != 0) return r;
        }
        if (trie_kind(*p.node) == TRIE_LEAF) {
            const struct trie_leaf *l = trie_leaf_at(pool, *p.node);
            bool same = memcmp(l->key, key->b, 32) == 0;
            *ret = same ? bytes_make(l->value, l->value_n) : (struct bytes){NULL, 0};
            return 0;
        }
    } while (place_below(&p, pool, key->b, &depth));
    *ret = (struct bytes){NULL, 0};
    return 0;
}

int trie_prove(struct trie_pool *pool, struct trie *t, const struct hash *key,
               const struct trie_source *source, void (*each)(void *arg, struct bytes node),
               void *arg, struct error *why) {
    struct place p = place_of_root(t);
    unsigned depth = 0;
    if (t->ref.n == 0 && !t->root) return 0;
    do {
        if (p.dirty) return error_set(why, ERR_INTERNAL, "a proof from a trie with open changes");
        if (!*p.node) {
            if (*p.ref_n == 0) return 0; // proven absent
            int r = trie_resolve(p.node, pool, key->b, depth, *p.ref_n, p.ref, source, NULL, why);
            if (r != 0) return r;
        }
        if (*p.ref_n == 32) {
            uint8_t node[TRIE_NODE_MAX];
            each(arg, bytes_make(node, trie_node_encode(node, pool, *p.node, depth)));
        }
    } while (place_below(&p, pool, key->b, &depth));
    return 0;
}
