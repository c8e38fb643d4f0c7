/* References of changed nodes, computed level by level across tries.
 *
 * A node can be hashed when its children are. All changed nodes at one depth, of all tries, are
 * therefore one batch; batches run from the deepest level up, and each fills Keccak's lanes.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "trie/team.h"
#include "trie/trie_node.h"

#include <stdatomic.h>
#include <stdlib.h>

/* One node to encode and hash, and where its parent wants the reference. */
struct trie_job {
    uint32_t node;
    uint8_t *ret_n;
    uint8_t *ret;
};

#define BATCH 128 /* nodes encoded at once: their RLP stays in the second-level cache */
#define ROOM (TRIE_BRANCH_BLOCKS * KECCAK_RATE)

static int push(struct trie_pool *pool, unsigned depth, uint32_t node, uint8_t *ret_n,
                uint8_t *ret) {
    struct trie_job_list *l = &pool->level[depth];
    if (l->count == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 64;
        struct trie_job *p = realloc(l->job, more * sizeof *p);
        if (!p) return ERR_NO_MEMORY;
        l->job = p;
        l->capacity = more;
    }
    l->job[l->count++] = (struct trie_job){node, ret_n, ret};
    return 0;
}

// Lists the changed nodes below one that is listed.
static int collect(struct trie_pool *pool, uint32_t node, unsigned depth) {
    int r = 0;
    if (trie_kind(node) == TRIE_BRANCH) {
        struct trie_branch *b = trie_branch_at(pool, node);
        for (unsigned dirty = b->dirty; dirty; dirty &= dirty - 1) {
            trie_node_prefetch(pool, b->child[__builtin_ctz(dirty)]);
        }
        for (unsigned dirty = b->dirty; dirty && r == 0; dirty &= dirty - 1) {
            unsigned i = (unsigned)__builtin_ctz(dirty);
            r = push(pool, depth + 1, b->child[i], &b->ref_n[i], trie_branch_ref(b, i));
            if (r == 0 && trie_kind(b->child[i]) != TRIE_LEAF) {
                r = collect(pool, b->child[i], depth + 1);
            }
        }
    } else if (trie_kind(node) == TRIE_EXTENSION) {
        struct trie_extension *e = trie_extension_at(pool, node);
        if (!e->dirty) return 0;
        r = push(pool, e->end, e->child, &e->ref.n, e->ref.b);
        if (r == 0) r = collect(pool, e->child, e->end);
    }
    return r;
}

struct level {
    struct trie_pool *pool;
    const struct trie_job *job;
    unsigned depth;
    bool root; /* even short nodes are hashed */
    _Atomic uint64_t permutations;
};

// Everything below is hashed: this node is clean, and differs from what a store holds.
static void settle(const struct trie_pool *pool, uint32_t node) {
    switch (trie_kind(node)) {
    case TRIE_LEAF:
        trie_leaf_at(pool, node)->unsaved = true;
        break;
    case TRIE_EXTENSION:
        trie_extension_at(pool, node)->unsaved = true;
        trie_extension_at(pool, node)->dirty = false;
        break;
    case TRIE_BRANCH:
        trie_branch_at(pool, node)->unsaved = true;
        trie_branch_at(pool, node)->dirty = 0;
        break;
    case TRIE_NONE:
        break;
    }
}

// Nodes lie anywhere in memory, a branch over ten cache lines: asked for early, they come while
// others are encoded.
static void prefetch(const struct trie_pool *pool, uint32_t node) {
    const uint8_t *p = trie_node_at(pool, node);
    size_t size = pool->slabs[trie_kind(node)].node_bytes;
    for (size_t i = 0; i < size; i += 64) {
        __builtin_prefetch(p + i, 1);
    }
}

#define AHEAD 6

/* Padded messages by their length in blocks, and where their hashes go. */
struct batch {
    _Alignas(64) uint8_t encoding[BATCH][ROOM];
    const uint8_t *message[TRIE_BRANCH_BLOCKS][BATCH];
    uint8_t *ret[TRIE_BRANCH_BLOCKS][BATCH];
    size_t count[TRIE_BRANCH_BLOCKS];
};

static void add_message(struct batch *b, const uint8_t *message, size_t blocks,
                        const struct trie_job *job) {
    size_t i = b->count[blocks - 1]++;
    b->message[blocks - 1][i] = message;
    b->ret[blocks - 1][i] = job->ret;
    *job->ret_n = 32;
}

static void add_job(struct batch *b, const struct level *l, const struct trie_job *job,
                    uint8_t *room) {
    if (trie_kind(job->node) == TRIE_BRANCH) {
        const struct trie_branch *branch = trie_branch_at(l->pool, job->node);
        if (trie_branch_full(branch)) {
            add_message(b, branch->rlp, TRIE_BRANCH_BLOCKS, job);
            return;
        }
    }
    size_t size = trie_node_encode(room, l->pool, job->node, l->depth);
    if (size < 32 && !l->root) {
        *job->ret_n = (uint8_t)size;
        memcpy(job->ret, room, size);
        return;
    }
    keccak_pad(room, size);
    add_message(b, room, keccak_permutations(size), job);
}

static void hash_range(void *arg, unsigned member, size_t from, size_t to) {
    (void)member;
    struct level *l = arg;
    struct batch b;
    uint64_t permutations = 0;
    for (; from < to; from += BATCH) {
        size_t n = to - from < BATCH ? to - from : BATCH;
        const struct trie_job *job = &l->job[from];
        memset(b.count, 0, sizeof b.count);
        for (size_t i = 0; i < n; i++) {
            if (from + i + AHEAD < to) prefetch(l->pool, job[i + AHEAD].node);
            add_job(&b, l, &job[i], b.encoding[i]);
            settle(l->pool, job[i].node);
        }
        for (unsigned blocks = 1; blocks <= TRIE_BRANCH_BLOCKS; blocks++) {
            size_t count = b.count[blocks - 1];
            keccak256_padded_by(l->pool->path, b.message[blocks - 1], b.ret[blocks - 1], count,
                                blocks);
            permutations += count * blocks;
        }
    }
    atomic_fetch_add_explicit(&l->permutations, permutations, memory_order_relaxed);
}

static void hash_level(struct trie_pool *pool, unsigned depth, bool root, struct trie_team *team,
                       struct trie_stats *stats) {
    struct trie_job_list *list = &pool->level[depth];
    if (list->count == 0) return;
    struct level l = {.pool = pool, .job = list->job, .depth = depth, .root = root};
    trie_team_run(team, list->count, BATCH, hash_range, &l);
    if (stats) {
        stats->nodes_hashed += list->count;
        stats->permutations += l.permutations;
    }
    list->count = 0;
}

int trie_hash(struct trie_pool *pool, struct trie *const *tries, size_t count,
              struct trie_team *team, struct trie_stats *stats, struct error *why) {
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (tries[i]->dirty && tries[i]->root) r = collect(pool, tries[i]->root, 0);
    }
    for (unsigned depth = TRIE_DEPTH_MAX; depth > 0 && r == 0; depth--) {
        hash_level(pool, depth, false, team, stats);
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        struct trie *t = tries[i];
        if (t->dirty && t->root) r = push(pool, 0, t->root, &t->ref.n, t->ref.b);
    }
    if (r == 0) {
        hash_level(pool, 0, true, team, stats);
        for (size_t i = 0; i < count; i++) {
            tries[i]->dirty = false;
        }
        return 0;
    }
    for (unsigned depth = 0; depth <= TRIE_DEPTH_MAX; depth++) {
        pool->level[depth].count = 0;
    }
    return error_set(why, ERR_NO_MEMORY, "no memory to hash a trie");
}
