/* Changes that keep the shape of their trie, of many tries side by side.
 *
 * Most changes of a block put another value where one is. Nothing has to be mended for such a
 * change: its way down is walked and noted, with those of all others, one step of each at a time,
 * and on the way back bits are set and nodes listed up to the first that is listed already.
 *
 * SPDX-License-Identifier: MIT */
#include "trie/trie_node.h"

#include <stdlib.h>

#define WALK 128 /* ways walked side by side; their lines fit the nearer caches */

/* Ways that are walked side by side, and the lines of those that are known. */
struct walkers {
    struct trie_way *way[WALK];
    const struct hash *key[WALK];
    size_t n;
    const void *line[WALK * (TRIE_WAY_STEPS + 1)];
    size_t lines;
};

// What is looked at on the way down, and what is marked on the way back.
static void ask(const struct trie_pool *pool, uint32_t node) {
    trie_node_prefetch(pool, node);
    if (trie_kind(node) == TRIE_BRANCH) __builtin_prefetch(&trie_branch_at(pool, node)->dirty, 1);
}

static void step(const struct trie_pool *pool, struct trie_way *w, const struct hash *key) {
    unsigned depth = w->depth[w->steps], end = depth + 1;
    uint32_t node = w->node[w->steps], next = 0;
    if (trie_kind(node) == TRIE_BRANCH) {
        next = trie_branch_at(pool, node)->child[trie_nibble(key->b, depth)];
    } else {
        const struct trie_extension *e = trie_extension_at(pool, node);
        end = e->end;
        if (trie_shared(key->b, e->key, depth, end) == end) next = e->child;
    }
    if (!next) {
        w->node[w->steps] = 0;
        return;
    }
    ask(pool, next);
    w->steps++;
    if (trie_kind(next) == TRIE_LEAF) {
        w->leaf = next;
    } else if (w->steps < TRIE_WAY_STEPS) {
        w->node[w->steps] = next;
        w->depth[w->steps] = (uint8_t)end;
    }
}

static bool on_its_way(const struct trie_way *w) {
    return !w->leaf && w->steps < TRIE_WAY_STEPS && w->node[w->steps];
}

// Walks all ways to their ends.
static void walk(const struct trie_pool *pool, struct walkers *all) {
    uint8_t left[WALK];
    size_t count = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (on_its_way(all->way[i])) left[count++] = (uint8_t)i;
    }
    while (count) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            struct trie_way *w = all->way[left[i]];
            step(pool, w, all->key[left[i]]);
            if (on_its_way(w)) left[kept++] = left[i];
        }
        count = kept;
    }
}

// A known way is asked for, another begins at the root.
static void begin(const struct trie_pool *pool, struct trie_way *w, const struct trie *t,
                  struct walkers *all) {
    if (w->leaf && !t->dirty) {
        all->line[all->lines++] = trie_leaf_at(pool, w->leaf);
        for (unsigned i = w->steps; i-- > 0;) {
            if (trie_kind(w->node[i]) == TRIE_BRANCH) {
                all->line[all->lines++] = &trie_branch_at(pool, w->node[i])->dirty;
            }
        }
        return;
    }
    w->steps = w->depth[0] = 0;
    w->leaf = 0;
    w->node[0] = 0;
    if (!t->root || t->dirty) return; // what is changed must be listed
    ask(pool, t->root);
    if (trie_kind(t->root) == TRIE_LEAF) {
        w->leaf = t->root;
    } else {
        w->node[0] = t->root;
    }
}

// The way to change k; own: places for a batch that has none.
static struct trie_way *way_of(const struct trie_batch *b, struct trie_way *own, size_t k) {
    return b->ways ? b->ways[k] : &own[k];
}

// Walks the ways of all batches, so many at a time. While the lines of known ones come, leaves are
// hashed that were listed before.
static void walk_all(const struct trie_pool *pool, const struct trie_batch *batches, size_t count,
                     struct trie_way *own, struct trie_work *work) {
    struct walkers all;
    all.n = all.lines = 0;
    for (size_t i = 0; i < count; own += batches[i++].count) {
        for (size_t k = 0; k < batches[i].count; k++) {
            struct trie_way *w = way_of(&batches[i], own, k);
            if (!batches[i].ways) w->leaf = 0;
            begin(pool, w, batches[i].trie, &all);
            all.way[all.n] = w;
            all.key[all.n++] = &batches[i].changes[k].key;
            if (all.n < WALK) continue;
            trie_hash_leaves(pool, work, (struct keccak_soon){all.line, all.lines});
            walk(pool, &all);
            all.n = all.lines = 0;
        }
    }
    trie_hash_leaves(pool, work, (struct keccak_soon){all.line, all.lines});
    walk(pool, &all);
}

// Sets the bits above a leaf and lists it and what is above, as far as that is not done.
static bool mark(const struct trie_pool *pool, struct trie *t, const struct trie_way *w,
                 const struct hash *key, struct trie_work *work) {
    uint32_t child = w->leaf;
    for (unsigned i = w->steps; i-- > 0; child = w->node[i]) {
        bool listed = false;
        if (trie_kind(w->node[i]) == TRIE_BRANCH) {
            struct trie_branch *b = trie_branch_at(pool, w->node[i]);
            unsigned nibble = trie_nibble(key->b, w->depth[i]), bit = 1u << nibble;
            if (b->dirty & bit) return true;
            listed = b->dirty;
            b->dirty = (uint16_t)(b->dirty | bit);
            if (!trie_work_add(work, pool, w->depth[i] + 1u, child, &b->ref_n[nibble],
                               trie_branch_ref(b, nibble))) {
                return false;
            }
        } else {
            struct trie_extension *e = trie_extension_at(pool, w->node[i]);
            if (e->dirty) return true;
            e->dirty = true;
            if (!trie_work_add(work, pool, e->end, child, &e->ref.n, e->ref.b)) return false;
        }
        if (listed) return true;
    }
    return trie_work_add(work, pool, 0, child, &t->ref.n, t->ref.b);
}

static bool fits(const struct trie_pool *pool, const struct trie_batch *b, struct trie_way *own) {
    for (size_t i = 0; i < b->count; i++) {
        uint32_t leaf = way_of(b, own, i)->leaf;
        if (!leaf || !b->changes[i].value_n) return false;
        const uint8_t *key = trie_leaf_at(pool, leaf)->key;
        if (trie_shared(key, b->changes[i].key.b, 0, TRIE_DEPTH_MAX) < TRIE_DEPTH_MAX) return false;
    }
    return true;
}

static bool overwrite(const struct trie_pool *pool, const struct trie_batch *b,
                      struct trie_way *own, struct trie_work *work) {
    for (size_t i = 0; i < b->count; i++) {
        struct trie_change *c = &b->changes[i];
        const struct trie_way *w = way_of(b, own, i);
        struct trie_leaf *l = trie_leaf_at(pool, w->leaf);
        trie_change_remember(c, l->value, l->value_n);
        if (c->value_n == l->value_n && memcmp(c->value, l->value, c->value_n) == 0) continue;
        l->value_n = c->value_n;
        trie_value_copy(l->value, c->value, c->value_n);
        if (!mark(pool, b->trie, w, &c->key, work)) return false;
    }
    return true;
}

// Places for so many ways.
static bool make_room(struct trie_work *work, size_t ways) {
    if (ways < work->way_capacity) return true;
    size_t more = 2 * ways + 1;
    free(work->way);
    work->way_capacity = 0;
    work->way = calloc(more, sizeof *work->way);
    if (!work->way) return false;
    work->way_capacity = more;
    return true;
}

int trie_overwrite(const struct trie_pool *pool, struct trie_batch *batches, size_t count,
                   struct trie_work *work, struct error *why) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += batches[i].count;
    }
    bool ok = make_room(work, n);
    struct trie_way *own = work->way;
    if (ok) walk_all(pool, batches, count, own, work);
    for (size_t i = 0; i < count && ok; own += batches[i++].count) {
        batches[i].done = fits(pool, &batches[i], own);
        if (batches[i].done) ok = overwrite(pool, &batches[i], own, work);
    }
    return ok ? 0 : error_set(why, ERR_NO_MEMORY, "no memory to change tries");
}
