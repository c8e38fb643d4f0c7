/* Memory of trie nodes: slabs by kind, handles, freeing.
 * SPDX-License-Identifier: MIT */
#include "trie/trie_node.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static const size_t node_bytes[4] = {
    [TRIE_SLABS_GONE] = sizeof(struct trie_gone),
    [TRIE_LEAF] = TRIE_WHOLE_LINES(struct trie_leaf),
    [TRIE_EXTENSION] = TRIE_WHOLE_LINES(struct trie_extension),
    [TRIE_BRANCH] = TRIE_WHOLE_LINES(struct trie_branch),
};

int trie_pool_create(struct trie_pool **ret, size_t limit_bytes, struct error *why) {
    struct trie_pool *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a trie pool");
    pthread_mutex_init(&p->lock, NULL);
    for (int i = 0; i < 4; i++) {
        p->slabs[i].node_bytes = node_bytes[i];
        p->slabs[i].next = 1;
    }
    p->limit_bytes = limit_bytes;
    p->path = keccak_path_best();
    *ret = p;
    return 0;
}

void trie_pool_set_lanes(struct trie_pool *pool, unsigned lanes) {
    enum keccak_path path = lanes == 8   ? KECCAK_AVX512X8
                            : lanes == 4 ? KECCAK_AVX2X4
                                         : KECCAK_PLAIN;
    if (keccak_path_usable(path)) pool->path = path;
}

void trie_pool_free(struct trie_pool *pool) {
    if (!pool) return;
    for (int i = 0; i < 4; i++) {
        for (size_t k = 0; k < pool->slabs[i].count; k++) {
            free(pool->slabs[i].slab[k]);
        }
        free(pool->slabs[i].free);
    }
    pthread_mutex_destroy(&pool->lock);
    trie_work_clear(&pool->work);
    free(pool);
}

void trie_pool_reset(struct trie_pool *pool) {
    for (int i = 0; i < 4; i++) {
        pool->slabs[i].next = 1;
        pool->slabs[i].free_n = 0;
    }
}

size_t trie_pool_bytes(const struct trie_pool *pool) {
    return pool->bytes;
}

static bool grow_array(void **array, size_t *capacity, size_t element) {
    size_t more = *capacity ? 2 * *capacity : 64;
    void *p = realloc(*array, more * element);
    if (!p) return false;
    *array = p;
    *capacity = more;
    return true;
}

#define SLAB_FIRST ((size_t)64 << 10)
#define SLAB_BYTES ((size_t)2 << 20)

static size_t slab_bytes(size_t number) {
    return number ? SLAB_BYTES : SLAB_FIRST;
}

static bool slab_add(struct trie_pool *pool, struct trie_slabs *s) {
    size_t size = slab_bytes(s->count);
    if (pool->limit_bytes && pool->bytes + size > pool->limit_bytes) return false;
    if (s->count == TRIE_SLABS_MOST) return false;
    uint8_t *slab = aligned_alloc(size, size);
    if (!slab) return false;
    if (size == SLAB_BYTES) (void)madvise(slab, size, MADV_HUGEPAGE);
    s->slab[s->count++] = slab;
    pool->bytes += size;
    return true;
}

static uint32_t index_new(struct trie_pool *pool, struct trie_slabs *s) {
    if (s->free_n) return s->free[--s->free_n];
    uint32_t number = s->next >> TRIE_SLOT_BITS, slot = s->next & ((1u << TRIE_SLOT_BITS) - 1);
    if ((slot + 1) * s->node_bytes > slab_bytes(number)) { // this slab is full
        s->next = ++number << TRIE_SLOT_BITS;
        if (s->next >> TRIE_INDEX_BITS) return 0;
    }
    if (number >= s->count && !slab_add(pool, s)) return 0;
    return s->next++;
}

static void index_free(struct trie_slabs *s, uint32_t index) {
    if (s->free_n == s->free_capacity) {
        void *p = s->free;
        // Without memory for the note the node is lost until the pool is reset: no harm else.
        if (!grow_array(&p, &s->free_capacity, sizeof *s->free)) return;
        s->free = p;
    }
    s->free[s->free_n++] = index;
}

void trie_pool_share(struct trie_pool *pool, bool shared) {
    pool->shared = shared;
}

static void lock(struct trie_pool *pool) {
    if (pool->shared) pthread_mutex_lock(&pool->lock);
}

static void unlock(struct trie_pool *pool) {
    if (pool->shared) pthread_mutex_unlock(&pool->lock);
}

uint32_t trie_node_new(struct trie_pool *pool, enum trie_kind kind) {
    lock(pool);
    uint32_t index = index_new(pool, &pool->slabs[kind]);
    unlock(pool);
    return index ? (uint32_t)kind << TRIE_INDEX_BITS | index : 0;
}

void trie_node_free(struct trie_pool *pool, uint32_t node) {
    lock(pool);
    index_free(&pool->slabs[trie_kind(node)], node & ((1u << TRIE_INDEX_BITS) - 1));
    unlock(pool);
}

void trie_subtree_free(struct trie_pool *pool, uint32_t node) {
    if (!node) return;
    if (trie_kind(node) == TRIE_EXTENSION) {
        trie_subtree_free(pool, trie_extension_at(pool, node)->child);
    } else if (trie_kind(node) == TRIE_BRANCH) {
        const struct trie_branch *b = trie_branch_at(pool, node);
        for (int i = 0; i < 16; i++) {
            trie_subtree_free(pool, b->child[i]);
        }
    }
    trie_node_free(pool, node);
}

void trie_gone_free(struct trie_pool *pool, struct trie *t) {
    struct trie_slabs *s = &pool->slabs[TRIE_SLABS_GONE];
    lock(pool);
    while (t->gone) {
        uint32_t index = t->gone;
        t->gone =
            ((const struct trie_gone *)trie_slabs_at(s, index, sizeof(struct trie_gone)))->next;
        index_free(s, index);
    }
    unlock(pool);
}

void trie_release(struct trie_pool *pool, struct trie *t) {
    trie_subtree_free(pool, t->root);
    trie_gone_free(pool, t);
    *t = (struct trie){.stored = t->stored};
}

bool trie_gone_add(struct trie_pool *pool, struct trie *t, const uint8_t key[32], unsigned depth) {
    if (!t->stored) return true;
    struct trie_slabs *s = &pool->slabs[TRIE_SLABS_GONE];
    lock(pool);
    uint32_t index = index_new(pool, s);
    unlock(pool);
    if (!index) return false;
    struct trie_gone *g = trie_slabs_at(s, index, sizeof *g);
    g->path = trie_path_of(key, depth);
    g->next = t->gone;
    t->gone = index;
    return true;
}

struct trie_path trie_path_of(const uint8_t key[32], unsigned depth) {
    struct trie_path p = {.depth = (uint8_t)depth};
    memcpy(p.key, key, (depth + 1) / 2);
    if (depth % 2) p.key[depth / 2] &= 0xf0;
    return p;
}
