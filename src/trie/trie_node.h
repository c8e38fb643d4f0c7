/* Nodes of sparse tries as they lie in memory. Internal to src/trie.
 *
 * A handle is a kind in the two highest bits and an index; 0 is "no node". A leaf holds its whole
 * key and an extension the key's nibbles up to its end, so that a node that moves up or down when
 * the trie changes shape does not change itself: where its path begins is known from the walk.
 *
 * A parent holds its children's references. Bit i of `dirty` says that child i is known and its
 * reference out of date; a node is dirty only if every node above it is.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_TRIE_NODE_H
#define TRIE_TRIE_NODE_H

#include "crypto/keccak.h"
#include "trie/trie.h"

#include <pthread.h>

#define TRIE_BRANCH_BLOCKS 4 /* of Keccak's rate, for TRIE_NODE_MAX bytes */

enum trie_kind { TRIE_NONE, TRIE_LEAF, TRIE_EXTENSION, TRIE_BRANCH };

#define TRIE_LINE 64 /* bytes of a cache line; nodes begin at one */
#define TRIE_WHOLE_LINES(type) ((sizeof(type) + TRIE_LINE - 1) / TRIE_LINE * TRIE_LINE)

/* A slot's leaf, whose value is short, takes one line. */
struct trie_leaf {
    uint8_t key[32];
    uint8_t value_n;
    bool unsaved; /* changed since trie_store_changes */
    uint8_t value[TRIE_VALUE_MAX];
};
#define TRIE_VALUE_NEAR (TRIE_LINE - offsetof(struct trie_leaf, value))

/* trie_value_copy copies a value of n bytes between places of TRIE_VALUE_MAX bytes. */
static inline void trie_value_copy(uint8_t *to, const uint8_t *from, size_t n) {
    // A few moves of known lengths, that read and write no other line than they must.
    memcpy(to, from, 16);
    memcpy(to + TRIE_VALUE_NEAR - 16, from + TRIE_VALUE_NEAR - 16, 16);
    if (n > TRIE_VALUE_NEAR) {
        memcpy(to + TRIE_VALUE_NEAR, from + TRIE_VALUE_NEAR, TRIE_VALUE_MAX - TRIE_VALUE_NEAR);
    }
}

struct trie_extension {
    uint8_t key[32]; /* nibbles from `end` on are of no meaning */
    uint8_t end;     /* depth of the child, a branch */
    bool unsaved;
    bool dirty;
    uint32_t child; /* 0: known by reference only */
    struct trie_ref ref;
};

/* A branch keeps its children's hashes where they stand in the RLP of a branch with 16 of them,
 * with Keccak's padding behind: such a branch, as nearly all near the root are, is hashed as it
 * lies. References shorter than 32 bytes take the first bytes of a place. What is hashed lies
 * before `child`. */
struct trie_branch {
    uint8_t rlp[TRIE_BRANCH_BLOCKS * 136];
    uint8_t ref_n[16]; /* as trie_ref.n */
    uint16_t dirty;
    bool unsaved;
    _Alignas(TRIE_LINE) uint32_t child[16]; /* a line: all that a walk down looks at */
};

/* trie_branch_init makes a branch without children. */
void trie_branch_init(struct trie_branch *b);

static inline uint8_t *trie_branch_ref(struct trie_branch *b, unsigned i) {
    return b->rlp + 4 + 33 * i;
}

/* A path that a node has left. */
struct trie_gone {
    struct trie_path path;
    uint32_t next;
};

#define TRIE_INDEX_BITS 30
#define TRIE_SLOT_BITS 15 /* of an index: the place within its slab */
#define TRIE_SLABS_MOST (1u << (TRIE_INDEX_BITS - TRIE_SLOT_BITS))

/* Nodes of one size, in slabs that never move: a small one, then such that fill huge pages, for the
 * nodes of a block lie all over them. Index 0 is never given out. */
struct trie_slabs {
    uint8_t *slab[TRIE_SLABS_MOST]; /* in place, so that readers need no lock while it grows */
    size_t count;
    size_t node_bytes;
    uint32_t next;  /* first index never used */
    uint32_t *free; /* indices to use again */
    size_t free_n, free_capacity;
};

enum { TRIE_SLABS_GONE = 0 }; /* kinds 1..3 have their own number */

/* One node to encode and hash, and where its parent wants the reference. */
struct trie_job {
    void *node;
    uint8_t *ret;
    int16_t ret_n_at; /* from ret: where its length goes */
    bool is_hash;     /* that is 32 already: its line need not come for a node of that many bytes */
    uint8_t kind;
    uint8_t lines; /* of memory that encoding it reads */
};

/* The nodes from the root to the leaf of a key. */
#define TRIE_WAY_STEPS 10 /* longer ones are left to trie_apply */
struct trie_way {
    uint32_t leaf; /* 0: the way does not lead to one */
    uint32_t node[TRIE_WAY_STEPS];
    uint8_t depth[TRIE_WAY_STEPS];
    uint8_t steps; /* nodes above the leaf */
};

/* FULL as trie_branch_full says when the node is listed. */
enum trie_class { TRIE_CLASS_LEAF, TRIE_CLASS_OTHER, TRIE_CLASS_FULL, TRIE_CLASSES };

struct trie_work {
    struct trie_job_list {
        struct trie_job *job;
        size_t count, capacity;
    } level[TRIE_DEPTH_MAX + 1][TRIE_CLASSES]; /* by depth */
    struct trie_stats done;                    /* by trie_hash_leaves */
    struct trie_way *way;                      /* scratch of trie_overwrite */
    size_t way_capacity;
};

struct trie_pool {
    struct trie_slabs slabs[4];
    size_t limit_bytes;
    size_t bytes;
    bool shared; /* nodes are made and freed under the lock */
    pthread_mutex_t lock;
    enum keccak_path path;
    struct trie_work work; /* scratch of trie_hash */
};

static inline enum trie_kind trie_kind(uint32_t node) {
    return (enum trie_kind)(node >> TRIE_INDEX_BITS);
}

static inline void *trie_slabs_at(const struct trie_slabs *s, uint32_t index, size_t node_bytes) {
    size_t slot = index & ((1u << TRIE_SLOT_BITS) - 1);
    return s->slab[index >> TRIE_SLOT_BITS] + slot * node_bytes;
}

// Where a node of a known kind is: the kind's size is no number to be loaded and multiplied by.
static inline void *trie_node_of(const struct trie_pool *pool, uint32_t node, enum trie_kind kind,
                                 size_t node_bytes) {
    return trie_slabs_at(&pool->slabs[kind], node & ((1u << TRIE_INDEX_BITS) - 1), node_bytes);
}
static inline struct trie_leaf *trie_leaf_at(const struct trie_pool *pool, uint32_t node) {
    return trie_node_of(pool, node, TRIE_LEAF, TRIE_WHOLE_LINES(struct trie_leaf));
}
static inline struct trie_extension *trie_extension_at(const struct trie_pool *pool,
                                                       uint32_t node) {
    return trie_node_of(pool, node, TRIE_EXTENSION, TRIE_WHOLE_LINES(struct trie_extension));
}
static inline struct trie_branch *trie_branch_at(const struct trie_pool *pool, uint32_t node) {
    return trie_node_of(pool, node, TRIE_BRANCH, TRIE_WHOLE_LINES(struct trie_branch));
}

/* trie_node_prefetch asks for the line of a node that walks look at: a branch's children, or what
 * another node begins with. */
static inline void trie_node_prefetch(const struct trie_pool *pool, uint32_t node) {
    const void *p = trie_kind(node) == TRIE_BRANCH ? trie_branch_at(pool, node)->child
                    : trie_kind(node) == TRIE_LEAF ? (const void *)trie_leaf_at(pool, node)
                                                   : trie_extension_at(pool, node);
    __builtin_prefetch(p, 1);
}

/* trie_change_remember notes what stood at a key before, if it is not known yet. */
static inline void trie_change_remember(struct trie_change *c, const uint8_t *old, uint8_t old_n) {
    if (c->old_known) return;
    c->old_known = true;
    c->old_n = old_n;
    if (old_n) trie_value_copy(c->old, old, old_n);
}

/* trie_hash_leaves hashes what is listed of leaves, which wait for nothing, in full lanes, and asks
 * for all lines of `soon` meanwhile. A few stay listed. */
void trie_hash_leaves(const struct trie_pool *pool, struct trie_work *work,
                      struct keccak_soon soon);

/* trie_work_clear frees what a list holds. */
void trie_work_clear(struct trie_work *work);

/* trie_node_new gives a node of a kind, with garbage in it; 0 when the limit or memory is reached.
 */
uint32_t trie_node_new(struct trie_pool *pool, enum trie_kind kind);
void trie_node_free(struct trie_pool *pool, uint32_t node);

/* trie_subtree_free frees a node and all known nodes below it. */
void trie_subtree_free(struct trie_pool *pool, uint32_t node);

/* Notes that nothing stands at the first `depth` nibbles of key any more. False: no memory. */
bool trie_gone_add(struct trie_pool *pool, struct trie *t, const uint8_t key[32], unsigned depth);

/* Forgets all such notes. */
void trie_gone_free(struct trie_pool *pool, struct trie *t);

static inline unsigned trie_nibble(const uint8_t key[32], unsigned i) {
    return i % 2 ? key[i / 2] & 15u : key[i / 2] >> 4;
}

static inline void trie_nibble_set(uint8_t key[32], unsigned i, unsigned nibble) {
    key[i / 2] = (uint8_t)(i % 2 ? (key[i / 2] & 0xf0) | nibble : (key[i / 2] & 15) | nibble << 4);
}

/* trie_shared gives the count of leading nibbles that two keys share, from `from` (known to be
 * shared) up to `to`. */
static inline unsigned trie_shared(const uint8_t a[32], const uint8_t b[32], unsigned from,
                                   unsigned to) {
    for (unsigned i = from / 16; i < 4; i++) {
        uint64_t differ = load_be64(a + 8 * i) ^ load_be64(b + 8 * i);
        if (!differ) continue;
        unsigned shared = 16 * i + (unsigned)__builtin_clzll(differ) / 4;
        return shared < to ? shared : to;
    }
    return to;
}

/* trie_path_of gives a path as the interface shows it. */
struct trie_path trie_path_of(const uint8_t key[32], unsigned depth);

/* trie_node_decode makes a known node of RLP. key: the path to it, `depth` nibbles.
 * errors  ERR_SYNTAX, ERR_LIMIT (value too long), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_node_decode(uint32_t *ret, struct trie_pool *pool,
                                                 const uint8_t key[32], unsigned depth,
                                                 struct bytes rlp, struct error *why);

/* trie_branch_full: all 16 children are there, by hash, so that b->rlp is its padded encoding. */
static inline bool trie_branch_full(const struct trie_branch *b) {
    uint64_t n[2];
    memcpy(n, b->ref_n, sizeof n);
    return n[0] == 0x2020202020202020u && n[1] == 0x2020202020202020u;
}

/* trie_job_room makes room for more jobs in a full list. False: no memory. */
bool trie_job_room(struct trie_job_list *l);

#define TRIE_BRANCH_LINES (offsetof(struct trie_branch, child) / TRIE_LINE)
#define TRIE_LINES_OF(bytes) ((uint8_t)(((bytes) + TRIE_LINE - 1) / TRIE_LINE))

// Nodes of one class come one after the other, so that the processor can foresee what is done.
static inline enum trie_class trie_job_open(struct trie_job *job, const struct trie_pool *pool,
                                            uint32_t node) {
    job->kind = (uint8_t)trie_kind(node);
    if (trie_kind(node) == TRIE_BRANCH) {
        struct trie_branch *b = trie_branch_at(pool, node);
        job->node = b;
        job->lines = TRIE_BRANCH_LINES;
        return trie_branch_full(b) ? TRIE_CLASS_FULL : TRIE_CLASS_OTHER;
    }
    if (trie_kind(node) == TRIE_LEAF) {
        struct trie_leaf *l = trie_leaf_at(pool, node);
        job->node = l;
        job->lines = TRIE_LINES_OF(offsetof(struct trie_leaf, value) + l->value_n);
        return TRIE_CLASS_LEAF;
    }
    job->node = trie_extension_at(pool, node);
    job->lines = TRIE_LINES_OF(sizeof(struct trie_extension));
    return TRIE_CLASS_OTHER;
}

/* trie_work_add lists a node that stands at a depth. False: no memory. */
static inline bool trie_work_add(struct trie_work *work, const struct trie_pool *pool,
                                 unsigned depth, uint32_t node, uint8_t *ret_n, uint8_t *ret) {
    struct trie_job job;
    struct trie_job_list *l = &work->level[depth][trie_job_open(&job, pool, node)];
    if (l->count == l->capacity && !trie_job_room(l)) return false;
    job.ret = ret;
    job.ret_n_at = (int16_t)(ret_n - ret); // both lie in one node
    job.is_hash = *ret_n == 32;
    l->job[l->count++] = job;
    return true;
}

/* trie_node_encode writes the RLP of a node that stands at `depth`; its children's references must
 * be up to date. out has room for TRIE_NODE_MAX bytes. Gives the length. The others do it for
 * one kind. */
size_t trie_node_encode(uint8_t *out, const struct trie_pool *pool, uint32_t node, unsigned depth);
size_t trie_leaf_encode(uint8_t *out, const struct trie_leaf *l, unsigned depth);
size_t trie_extension_encode(uint8_t *out, const struct trie_extension *e, unsigned depth);
size_t trie_branch_encode(uint8_t *out, const struct trie_branch *b);

/* trie_resolve makes the node at a path known, from its own reference if it is short, else from the
 * source.
 * errors  ERR_NOT_FOUND: *missing (if not NULL) is filled. Those of trie_node_decode, of the
 * source; ERR_INVALID when the source gave another node. */
[[gnu::warn_unused_result]] int trie_resolve(uint32_t *ret, struct trie_pool *pool,
                                             const uint8_t key[32], unsigned depth, uint8_t ref_n,
                                             const uint8_t *ref, const struct trie_source *source,
                                             struct trie_missing *missing, struct error *why);

#endif
