/* What a path-keyed store must change to follow a trie.
 * SPDX-License-Identifier: MIT */
#include "trie/trie_node.h"

struct walk {
    struct trie_pool *pool;
    const struct trie_store_sink *sink;
    struct error *why;
    uint8_t key[32];
};

// Nodes shorter than 32 bytes stand in their parent, so a store holds nothing at their path.
static int put(const struct walk *w, uint32_t node, unsigned depth, uint8_t ref_n) {
    uint8_t encoding[TRIE_NODE_MAX];
    size_t n = 0;
    if (ref_n == 32) n = trie_node_encode(encoding, w->pool, node, depth);
    struct trie_path path = trie_path_of(w->key, depth);
    return w->sink->put(w->sink->arg, &path, bytes_make(encoding, n), w->why);
}

static int walk_node(struct walk *w, uint32_t node, unsigned depth, uint8_t ref_n) {
    int r = 0;
    switch (trie_kind(node)) {
    case TRIE_LEAF: {
        struct trie_leaf *l = trie_leaf_at(w->pool, node);
        if (!l->unsaved) return 0;
        r = put(w, node, depth, ref_n);
        if (r == 0) l->unsaved = false;
        return r;
    }
    case TRIE_EXTENSION: {
        struct trie_extension *e = trie_extension_at(w->pool, node);
        if (!e->unsaved) return 0;
        for (unsigned i = depth; i < e->end; i++) {
            trie_nibble_set(w->key, i, trie_nibble(e->key, i));
        }
        if (e->child) r = walk_node(w, e->child, e->end, e->ref.n);
        if (r == 0) r = put(w, node, depth, ref_n);
        if (r == 0) e->unsaved = false;
        return r;
    }
    case TRIE_BRANCH: {
        struct trie_branch *b = trie_branch_at(w->pool, node);
        if (!b->unsaved) return 0;
        for (unsigned i = 0; i < 16 && r == 0; i++) {
            if (!b->child[i]) continue;
            trie_nibble_set(w->key, depth, i);
            r = walk_node(w, b->child[i], depth + 1, b->ref_n[i]);
        }
        if (r == 0) r = put(w, node, depth, ref_n);
        if (r == 0) b->unsaved = false;
        return r;
    }
    case TRIE_NONE:
        break;
    }
    return 0;
}

int trie_store_changes(struct trie_pool *pool, struct trie *t, const struct trie_store_sink *sink,
                       struct error *why) {
    if (t->dirty) return error_set(why, ERR_INTERNAL, "a trie with open changes cannot be stored");
    struct trie_slabs *s = &pool->slabs[TRIE_SLABS_GONE];
    for (uint32_t i = t->gone; i;) {
        const struct trie_gone *g = trie_slabs_at(s, i, sizeof *g);
        int r = sink->put(sink->arg, &g->path, (struct bytes){NULL, 0}, why);
        if (r != 0) return r;
        i = g->next;
    }
    trie_gone_free(pool, t);
    struct walk w = {.pool = pool, .sink = sink, .why = why};
    return t->root ? walk_node(&w, t->root, 0, 32) : 0;
}
