/* SPDX-License-Identifier: MIT */
#include "trie/proof_cache.h"

#include "base/map.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS 16u
#define LIMIT_LEAST ((size_t)1 << 20)
#define NODE_OVERHEAD 96u // of the map and the allocator, about

struct node {
    struct hash hash;
    uint16_t n;
    uint8_t rlp[];
};

/* Two generations: nodes come into the young one, also when they are found in the old one. When the
 * young one is half of what is allowed, the old one goes. */
struct shard {
    pthread_mutex_t lock;
    struct map young, old;
    size_t young_bytes, old_bytes;
};

struct proof_cache {
    size_t half; // bytes of one generation of one shard
    struct shard shard[SHARDS];
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for trie nodes");
}

/* Life. */

int proof_cache_new(struct proof_cache **ret, size_t limit_bytes, struct error *why) {
    struct proof_cache *c = calloc(1, sizeof *c);
    if (!c) return no_memory(why);
    c->half = (limit_bytes > LIMIT_LEAST ? limit_bytes : LIMIT_LEAST) / SHARDS / 2;
    for (unsigned i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_init(&c->shard[i].lock, NULL);
        map_init(&c->shard[i].young, 0);
        map_init(&c->shard[i].old, 0);
    }
    *ret = c;
    return 0;
}

static void drop_all(struct map *m) {
    struct bytes key;
    void *value;
    for (size_t at = 0; map_next(m, &at, &key, &value);) {
        free(value);
    }
    map_free(m);
}

void proof_cache_free(struct proof_cache *c) {
    if (!c) return;
    for (unsigned i = 0; i < SHARDS; i++) {
        drop_all(&c->shard[i].young);
        drop_all(&c->shard[i].old);
        (void)pthread_mutex_destroy(&c->shard[i].lock);
    }
    free(c);
}

/* Nodes. */

static struct shard *shard_of(struct proof_cache *c, const struct hash *hash) {
    return &c->shard[hash->b[0] % SHARDS];
}

static size_t bytes_of(const struct node *n) {
    return sizeof *n + n->n + NODE_OVERHEAD;
}

// The shard is locked.
static int put_young(struct proof_cache *c, struct shard *s, struct node *n, struct error *why) {
    if (s->young_bytes >= c->half) {
        drop_all(&s->old);
        s->old = s->young;
        s->old_bytes = s->young_bytes;
        map_init(&s->young, 0);
        s->young_bytes = 0;
    }
    int r = map_put(&s->young, BYTES_OF(n->hash), n, NULL, why);
    if (r == 0) s->young_bytes += bytes_of(n);
    return r;
}

static struct node *find(struct proof_cache *c, struct shard *s, const struct hash *ref) {
    struct node *n = map_get(&s->young, BYTES_OF(*ref));
    if (n) return n;
    n = map_remove(&s->old, BYTES_OF(*ref));
    if (!n) return NULL;
    s->old_bytes -= bytes_of(n);
    if (put_young(c, s, n, NULL) == 0) return n;
    free(n);
    return NULL;
}

int proof_cache_add(struct proof_cache *c, struct bytes node, struct error *why) {
    if (node.n == 0 || node.n > TRIE_NODE_MAX) return 0;
    struct hash hash = keccak256(node);
    struct shard *s = shard_of(c, &hash);
    int r = 0;
    (void)pthread_mutex_lock(&s->lock);
    if (!find(c, s, &hash)) {
        struct node *n = malloc(sizeof *n + node.n);
        if (n) {
            n->hash = hash;
            n->n = (uint16_t)node.n;
            memcpy(n->rlp, node.p, node.n);
            r = put_young(c, s, n, why);
            if (r != 0) free(n);
        } else {
            r = no_memory(why);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

static int add_nodes(struct proof_cache *c, const struct proof *p, struct error *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->count; i++) {
        r = proof_cache_add(c, p->nodes[i], why);
    }
    return r;
}

int proof_cache_add_proof(struct proof_cache *c, const struct account_proof *p, struct error *why) {
    int r = add_nodes(c, &p->proof, why);
    for (size_t i = 0; r == 0 && i < p->slot_count; i++) {
        r = add_nodes(c, &p->slots[i].proof, why);
    }
    return r;
}

bool proof_cache_node(struct proof_cache *c, const struct hash *ref, uint8_t ret[TRIE_NODE_MAX],
                      size_t *ret_n) {
    struct shard *s = shard_of(c, ref);
    (void)pthread_mutex_lock(&s->lock);
    const struct node *n = find(c, s, ref);
    if (n) {
        memcpy(ret, n->rlp, n->n);
        *ret_n = n->n;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return n != NULL;
}

size_t proof_cache_bytes(struct proof_cache *c) {
    size_t sum = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_lock(&c->shard[i].lock);
        sum += c->shard[i].young_bytes + c->shard[i].old_bytes;
        (void)pthread_mutex_unlock(&c->shard[i].lock);
    }
    return sum;
}

/* Look-ups. */

struct finding {
    struct proof_cache *c;
    uint8_t node[TRIE_NODE_MAX];
};

static int get(void *arg, struct bytes *ret, const struct hash *ref, unsigned depth,
               struct error *why) {
    struct finding *f = arg;
    size_t n;
    if (!proof_cache_node(f->c, ref, f->node, &n)) {
        return error_set(why, ERR_NOT_FOUND, "the trie node at depth %u is not known", depth);
    }
    *ret = bytes_make(f->node, n);
    return 0;
}

int proof_cache_find(struct proof_cache *c, uint8_t ret[TRIE_VALUE_MAX], size_t *ret_n,
                     const struct hash *root, const struct hash *key, struct error *why) {
    struct finding f = {.c = c};
    const struct proof_source source = {get, &f};
    struct bytes value;
    int r = proof_walk(&value, root, key, &source, why);
    if (r != 0) return r;
    if (value.n > TRIE_VALUE_MAX) return error_set(why, ERR_LIMIT, "a value of %zu bytes", value.n);
    if (value.n) memcpy(ret, value.p, value.n);
    *ret_n = value.n;
    return 0;
}

int proof_cache_account(struct proof_cache *c, struct account *ret, bool *ret_exists,
                        const struct hash *root, const struct address *address, struct error *why) {
    uint8_t value[TRIE_VALUE_MAX];
    size_t n;
    struct hash key = keccak256(BYTES_OF(*address));
    int r = proof_cache_find(c, value, &n, root, &key, why);
    if (r != 0) return r;
    *ret = (struct account){.storage_root = TRIE_EMPTY_ROOT, .code_hash = ACCOUNT_EMPTY_CODE};
    if (ret_exists) *ret_exists = n != 0;
    return n ? account_decode(ret, bytes_make(value, n), why) : 0;
}

int proof_cache_slot(struct proof_cache *c, struct u256 *ret, const struct hash *storage_root,
                     const struct hash *slot, struct error *why) {
    uint8_t value[TRIE_VALUE_MAX];
    size_t n;
    struct hash key = keccak256(BYTES_OF(*slot));
    int r = proof_cache_find(c, value, &n, storage_root, &key, why);
    *ret = U256_ZERO;
    if (r != 0 || n == 0) return r;
    struct rlp_source source;
    struct rlp_reader reader = rlp_open(&source, bytes_make(value, n), why);
    struct u256 got = rlp_u256(&reader, "slot value");
    r = rlp_finish(&reader, "slot value");
    if (r == 0) *ret = got;
    return r;
}
