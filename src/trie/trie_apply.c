/* Batches of changes: one visit to each node on the way, shapes mended on the way back.
 *
 * Every function here takes the node that stands at a depth and gives the node that stands there
 * afterwards (0: none); its caller puts that into the parent and marks the reference out of date.
 *
 * SPDX-License-Identifier: MIT */
#include "trie/trie_node.h"

#define AHEAD_MOST 128 /* ways walked ahead of the changes; their nodes fit the nearer caches */

struct apply {
    struct trie_pool *pool;
    struct trie *trie;
    const struct trie_source *source;
    const struct trie_missing_sink *sink;
    int failed; /* first failure that ends the work */
    bool missing;
    struct error *why;
};

/* The outcome at one place. */
struct place {
    uint32_t node;
    bool changed;
};

int trie_change_compare(const void *a, const void *b) {
    const struct trie_change *x = a, *y = b;
    return memcmp(x->key.b, y->key.b, 32);
}

static void fail_memory(struct apply *a) {
    if (!a->failed) a->failed = error_set(a->why, ERR_NO_MEMORY, "no memory for trie nodes");
}

static uint32_t node_new(struct apply *a, enum trie_kind kind) {
    uint32_t node = trie_node_new(a->pool, kind);
    if (!node) fail_memory(a);
    return node;
}

static void gone(struct apply *a, const uint8_t key[32], unsigned depth) {
    if (!trie_gone_add(a->pool, a->trie, key, depth)) fail_memory(a);
}

// Makes the node known that stands at a place by reference only; 0 when it cannot be had now.
static uint32_t resolve(struct apply *a, const uint8_t key[32], unsigned depth, uint8_t ref_n,
                        const uint8_t *ref) {
    struct trie_missing missing;
    uint32_t node = 0;
    int r = trie_resolve(&node, a->pool, key, depth, ref_n, ref, a->source, &missing, a->why);
    if (r == ERR_NOT_FOUND) {
        a->missing = true;
        if (a->sink) a->sink->add(a->sink->arg, &missing);
    } else if (r != 0 && !a->failed) {
        a->failed = r;
    }
    return node;
}

// Leaves only the changes that share key's nibbles up to `part`: one run, for they are sorted. The
// others remove what is not there.
static void narrow(const uint8_t key[32], unsigned depth, unsigned part, struct trie_change **c,
                   size_t *n) {
    while (*n && trie_shared((*c)->key.b, key, depth, part) < part) {
        trie_change_remember((*c)++, NULL, 0);
        --*n;
    }
    while (*n && trie_shared((*c)[*n - 1].key.b, key, depth, part) < part) {
        trie_change_remember(&(*c)[--*n], NULL, 0);
    }
}

static uint32_t leaf_new(struct apply *a, const struct trie_change *c) {
    uint32_t node = node_new(a, TRIE_LEAF);
    if (!node) return 0;
    struct trie_leaf *l = trie_leaf_at(a->pool, node);
    memcpy(l->key, c->key.b, 32);
    l->unsaved = true;
    l->value_n = c->value_n;
    trie_value_copy(l->value, c->value, c->value_n);
    return node;
}

static uint32_t extension_new(struct apply *a, const uint8_t key[32], unsigned end,
                              uint32_t child) {
    uint32_t node = node_new(a, TRIE_EXTENSION);
    if (!node) return 0;
    struct trie_extension *e = trie_extension_at(a->pool, node);
    *e = (struct trie_extension){
        .end = (uint8_t)end, .unsaved = true, .dirty = true, .child = child};
    memcpy(e->key, key, 32);
    return node;
}

// The node that stands at `depth` when `child` stands at `end`, deeper on the path of key.
static uint32_t lift(struct apply *a, const uint8_t key[32], unsigned depth, unsigned end,
                     uint32_t child) {
    if (!child || depth == end) return child;
    if (trie_kind(child) == TRIE_BRANCH) return extension_new(a, key, end, child);
    gone(a, key, end); // leaves and extensions move up as they are
    return child;
}

static struct place apply_node(struct apply *a, uint32_t node, unsigned depth,
                               struct trie_change *c, size_t n);

// A subtree of new leaves; changes that remove find nothing here.
static uint32_t build(struct apply *a, unsigned depth, struct trie_change *c, size_t n) {
    struct trie_change *first = NULL, *last = NULL;
    for (size_t i = 0; i < n; i++) {
        trie_change_remember(&c[i], NULL, 0);
        if (!c[i].value_n) continue;
        if (!first) first = &c[i];
        last = &c[i];
    }
    if (!first) return 0;
    if (first == last) return leaf_new(a, first);
    unsigned end = trie_shared(first->key.b, last->key.b, depth, TRIE_DEPTH_MAX);
    uint32_t node = node_new(a, TRIE_BRANCH);
    if (!node) return 0;
    struct trie_branch *b = trie_branch_at(a->pool, node);
    trie_branch_init(b);
    b->unsaved = true;
    size_t count = (size_t)(last - first) + 1;
    for (size_t i = 0; i < count;) {
        if (!first[i].value_n) {
            i++;
            continue;
        }
        unsigned nibble = trie_nibble(first[i].key.b, end);
        size_t from = i;
        while (i < count && (!first[i].value_n || trie_nibble(first[i].key.b, end) == nibble)) {
            i++;
        }
        b->child[nibble] = build(a, end + 1, first + from, i - from);
        b->dirty = (uint16_t)(b->dirty | 1u << nibble);
    }
    return end > depth ? extension_new(a, first->key.b, end, node) : node;
}

// A branch at `depth` whose only child is the given node, to be filled with more.
static uint32_t branch_over(struct apply *a, const uint8_t key[32], unsigned depth, uint32_t child,
                            const struct trie_ref *ref) {
    uint32_t node = node_new(a, TRIE_BRANCH);
    if (!node) return 0;
    struct trie_branch *b = trie_branch_at(a->pool, node);
    trie_branch_init(b);
    unsigned nibble = trie_nibble(key, depth);
    b->unsaved = true;
    b->child[nibble] = child;
    if (ref) {
        b->ref_n[nibble] = ref->n;
        memcpy(trie_branch_ref(b, nibble), ref->b, 32);
    } else {
        b->dirty = (uint16_t)(1u << nibble);
    }
    return node;
}

static struct place apply_leaf(struct apply *a, uint32_t node, unsigned depth,
                               struct trie_change *c, size_t n) {
    struct trie_leaf *l = trie_leaf_at(a->pool, node);
    // Where the first key that stays beside this leaf parts from it.
    unsigned part = TRIE_DEPTH_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!c[i].value_n) continue;
        unsigned shared = trie_shared(c[i].key.b, l->key, depth, TRIE_DEPTH_MAX);
        if (shared < part) part = shared;
    }
    if (part < TRIE_DEPTH_MAX) {
        uint8_t key[32];
        memcpy(key, l->key, 32);
        uint32_t branch = branch_over(a, key, part, node, NULL);
        if (!branch) return (struct place){node, false};
        narrow(key, depth, part, &c, &n);
        struct place p = apply_node(a, branch, part, c, n);
        return (struct place){lift(a, key, depth, part, p.node), true};
    }
    struct place p = {node, false};
    for (size_t i = 0; i < n; i++) {
        if (memcmp(c[i].key.b, l->key, 32) != 0) {
            trie_change_remember(&c[i], NULL, 0);
            continue;
        }
        trie_change_remember(&c[i], l->value, l->value_n);
        if (c[i].value_n == l->value_n && memcmp(c[i].value, l->value, l->value_n) == 0) continue;
        p.changed = true;
        if (c[i].value_n) {
            l->value_n = c[i].value_n;
            trie_value_copy(l->value, c[i].value, c[i].value_n);
        } else {
            p.node = 0;
        }
    }
    if (!p.node) trie_node_free(a->pool, node);
    return p;
}

static struct place apply_extension(struct apply *a, uint32_t node, unsigned depth,
                                    struct trie_change *c, size_t n) {
    struct trie_extension *e = trie_extension_at(a->pool, node);
    uint8_t key[32];
    memcpy(key, e->key, 32);
    unsigned part = e->end;
    for (size_t i = 0; i < n; i++) {
        if (!c[i].value_n) continue;
        unsigned shared = trie_shared(c[i].key.b, key, depth, e->end);
        if (shared < part) part = shared;
    }
    if (part < e->end) {
        // A key parts from this path: a branch there, with the rest of the path below.
        struct trie_ref ref = e->ref;
        bool direct = part + 1 == e->end;
        uint32_t below = direct ? e->child : node;
        uint32_t branch = branch_over(a, key, part, below, direct && !e->dirty ? &ref : NULL);
        if (!branch) return (struct place){node, false};
        if (direct) trie_node_free(a->pool, node);
        narrow(key, depth, part, &c, &n);
        struct place p = apply_node(a, branch, part, c, n);
        return (struct place){lift(a, key, depth, part, p.node), true};
    }
    narrow(key, depth, e->end, &c, &n);
    if (n == 0) return (struct place){node, false};
    if (!e->child) {
        e->child = resolve(a, key, e->end, e->ref.n, e->ref.b);
        if (!e->child) return (struct place){node, false};
    }
    struct place p = apply_node(a, e->child, e->end, c, n);
    e->child = p.node;
    e->dirty |= p.changed;
    if (p.node && trie_kind(p.node) == TRIE_BRANCH) return (struct place){node, p.changed};
    unsigned end = e->end;
    trie_node_free(a->pool, node);
    if (!p.node) gone(a, key, end);
    return (struct place){lift(a, key, depth, end, p.node), true};
}

// What is left of a branch: itself, or its only child moved up, or nothing.
static struct place settle_branch(struct apply *a, uint32_t node, unsigned depth,
                                  const uint8_t prefix[32], bool changed) {
    struct trie_branch *b = trie_branch_at(a->pool, node);
    unsigned count = 0, only = 0;
    for (unsigned i = 0; i < 16 && count < 2; i++) {
        if (!b->child[i] && !b->ref_n[i]) continue;
        count++;
        only = i;
    }
    if (count >= 2) return (struct place){node, changed};
    if (count == 0) {
        trie_node_free(a->pool, node);
        return (struct place){0, true};
    }
    uint8_t key[32];
    memcpy(key, prefix, 32);
    trie_nibble_set(key, depth, only);
    if (!b->child[only]) {
        // Its kind decides the new shape, and only the node itself tells that.
        b->child[only] = resolve(a, key, depth + 1, b->ref_n[only], trie_branch_ref(b, only));
        if (!b->child[only]) return (struct place){node, changed};
    }
    uint32_t child = b->child[only];
    bool ref_known = !(b->dirty >> only & 1);
    struct trie_ref ref = {.n = b->ref_n[only]};
    memcpy(ref.b, trie_branch_ref(b, only), 32);
    uint32_t lifted = lift(a, key, depth, depth + 1, child);
    if (!lifted) return (struct place){node, changed};
    if (lifted != child && ref_known) { // a branch below keeps its reference
        struct trie_extension *e = trie_extension_at(a->pool, lifted);
        e->ref = ref;
        e->dirty = false;
    }
    trie_node_free(a->pool, node);
    return (struct place){lifted, true};
}

// Splits sorted changes by their nibble at `depth`; start[g] is where group g begins. The children
// that they lead to are asked for from memory at once: they lie far apart.
static unsigned group_by_nibble(const struct trie_pool *pool, const struct trie_branch *b,
                                unsigned depth, const struct trie_change *c, size_t n,
                                size_t start[17]) {
    unsigned groups = 0, last = 16;
    for (size_t i = 0; i < n; i++) {
        unsigned nibble = trie_nibble(c[i].key.b, depth);
        if (nibble == last) continue;
        last = nibble;
        start[groups++] = i;
        if (b->child[nibble]) trie_node_prefetch(pool, b->child[nibble]);
    }
    start[groups] = n;
    return groups;
}

/* A key on its way down. */
struct walker {
    uint32_t node;
    uint8_t depth; /* of node */
    const struct hash *key;
};

// Asks memory for the known nodes on the ways to many keys, all ways side by side: what is then
// visited one after the other is there. Uses up the walkers.
static void walk_ahead(const struct trie_pool *pool, struct walker *w, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (w[i].node) trie_node_prefetch(pool, w[i].node);
    }
    while (count) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            struct walker next = {.key = w[i].key};
            if (trie_kind(w[i].node) == TRIE_BRANCH) {
                const struct trie_branch *b = trie_branch_at(pool, w[i].node);
                next.node = b->child[trie_nibble(w[i].key->b, w[i].depth)];
                next.depth = (uint8_t)(w[i].depth + 1);
            } else if (trie_kind(w[i].node) == TRIE_EXTENSION) {
                const struct trie_extension *e = trie_extension_at(pool, w[i].node);
                next.node = e->child;
                next.depth = e->end;
            }
            if (!next.node) continue;
            trie_node_prefetch(pool, next.node);
            w[kept++] = next;
        }
        count = kept;
    }
}

// The same for one group of a batch that is too large for all of it.
static void walk_group_ahead(const struct trie_pool *pool, uint32_t node, unsigned depth,
                             const struct trie_change *c, size_t n) {
    struct walker w[AHEAD_MOST];
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct walker){node, (uint8_t)depth, &c[i].key};
    }
    walk_ahead(pool, w, n);
}

static struct place apply_branch(struct apply *a, uint32_t node, unsigned depth,
                                 struct trie_change *c, size_t n) {
    struct trie_branch *b = trie_branch_at(a->pool, node);
    bool changed = b->dirty != 0, fewer = false;
    size_t start[17];
    unsigned groups = group_by_nibble(a->pool, b, depth, c, n, start);
    for (unsigned g = 0; g < groups && !a->failed; g++) {
        size_t from = start[g], i = start[g + 1];
        unsigned nibble = trie_nibble(c[from].key.b, depth);
        uint32_t child = b->child[nibble];
        if (!child && b->ref_n[nibble]) {
            child =
                resolve(a, c[from].key.b, depth + 1, b->ref_n[nibble], trie_branch_ref(b, nibble));
            if (!child) continue;
            b->child[nibble] = child;
        }
        if (n > AHEAD_MOST && i - from <= AHEAD_MOST) {
            walk_group_ahead(a->pool, child, depth + 1, c + from, i - from);
        }
        struct place p = apply_node(a, child, depth + 1, c + from, i - from);
        fewer |= !p.node;
        if (!p.changed) continue;
        changed = true;
        b->child[nibble] = p.node;
        if (p.node) {
            b->dirty = (uint16_t)(b->dirty | 1u << nibble);
        } else {
            b->dirty = (uint16_t)(b->dirty & ~(1u << nibble));
            b->ref_n[nibble] = 0;
            gone(a, c[from].key.b, depth + 1);
        }
    }
    // Only where something is missing, since now or since a try before, few can be left.
    if (a->failed || !fewer) return (struct place){node, changed};
    return settle_branch(a, node, depth, c[0].key.b, changed);
}

static struct place apply_node(struct apply *a, uint32_t node, unsigned depth,
                               struct trie_change *c, size_t n) {
    switch (trie_kind(node)) {
    case TRIE_LEAF:
        return apply_leaf(a, node, depth, c, n);
    case TRIE_EXTENSION:
        return apply_extension(a, node, depth, c, n);
    case TRIE_BRANCH:
        return apply_branch(a, node, depth, c, n);
    case TRIE_NONE:
        break;
    }
    uint32_t built = build(a, depth, c, n);
    return (struct place){built, built != 0};
}

int trie_apply(struct trie_pool *pool, struct trie *t, struct trie_change *changes, size_t count,
               const struct trie_source *source, const struct trie_missing_sink *sink,
               struct error *why) {
    if (count == 0) return 0;
    struct apply a = {.pool = pool, .trie = t, .source = source, .sink = sink, .why = why};
    if (!t->root && t->ref.n) {
        t->root = resolve(&a, changes[0].key.b, 0, t->ref.n, t->ref.b);
        if (!t->root) return a.failed ? a.failed : ERR_NOT_FOUND;
    }
    struct place p = apply_node(&a, t->root, 0, changes, count);
    if (p.changed) {
        t->root = p.node;
        t->dirty = true;
        if (!p.node) {
            t->ref.n = 0;
            t->dirty = false;
            gone(&a, changes[0].key.b, 0);
        }
    }
    if (a.failed) return a.failed;
    return a.missing ? ERR_NOT_FOUND : 0;
}
