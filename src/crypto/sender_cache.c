/* SPDX-License-Identifier: MIT */
#include "crypto/sender_cache.h"

#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>

#define WAYS 8
#define SHARDS 64
#define ENTRIES_MAX ((size_t)1 << 28)

struct entry {
    struct hash digest;
    uint8_t r[32], s[32];
    struct address sender;
    uint8_t y_parity, used; /* used: an entry is here */
    uint8_t spare[2];
    uint64_t last_use; /* the shard's clock at the last use */
};

_Static_assert(sizeof(struct entry) == 128, "two cache lines an entry");

struct shard {
    pthread_mutex_t lock; /* guards the rest and the shard's sets */
    uint64_t clock;
    struct sender_cache_stats stats;
} __attribute__((aligned(64)));

struct sender_cache {
    struct shard shard[SHARDS];
    struct entry *entries;
    size_t sets; /* a power of two, at least SHARDS */
    uint64_t secret[4];
};

int sender_cache_new(struct sender_cache **ret, size_t entries, struct error *why) {
    if (entries > ENTRIES_MAX) return error_set(why, ERR_LIMIT, "sender cache of %zu", entries);
    size_t sets = SHARDS;
    while (sets * WAYS < entries) {
        sets *= 2;
    }
    struct sender_cache *cache = aligned_alloc(64, sizeof *cache);
    if (!cache) return error_set(why, ERR_NO_MEMORY, "no memory for the sender cache");
    memset(cache, 0, sizeof *cache);
    cache->sets = sets;
    cache->entries = calloc(sets * WAYS, sizeof *cache->entries);
    if (!cache->entries) {
        free(cache);
        return error_set(why, ERR_NO_MEMORY, "no memory for the sender cache");
    }
    random_bytes(cache->secret, sizeof cache->secret);
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_init(&cache->shard[i].lock, NULL);
    }
    *ret = cache;
    return 0;
}

void sender_cache_free(struct sender_cache *cache) {
    if (!cache) return;
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_destroy(&cache->shard[i].lock);
    }
    free(cache->entries);
    free(cache);
}

static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 t = (unsigned __int128)a * b;
    return (uint64_t)t ^ (uint64_t)(t >> 64);
}

/* Digests are hash values already; the secret keeps the place unknown outside. */
static size_t set_of(const struct sender_cache *cache, const struct hash *digest,
                     const struct ecdsa_signature *signature) {
    uint64_t a =
        fold(load_le64(digest->b) ^ cache->secret[0], load_le64(digest->b + 8) ^ cache->secret[1]);
    uint64_t b = fold(load_le64(signature->r) ^ cache->secret[2],
                      load_le64(signature->s) ^ cache->secret[3]);
    return (size_t)fold(a ^ cache->secret[1], b ^ cache->secret[2]) & (cache->sets - 1);
}

static bool matches(const struct entry *e, const struct hash *digest,
                    const struct ecdsa_signature *signature) {
    return e->used && hash_equal(&e->digest, digest) && memcmp(e->r, signature->r, 32) == 0 &&
           memcmp(e->s, signature->s, 32) == 0 && e->y_parity == signature->y_parity;
}

static struct entry *find(struct entry *set, const struct hash *digest,
                          const struct ecdsa_signature *signature) {
    for (size_t i = 0; i < WAYS; i++) {
        if (matches(&set[i], digest, signature)) return &set[i];
    }
    return NULL;
}

bool sender_cache_get(struct sender_cache *cache, struct address *ret, const struct hash *digest,
                      const struct ecdsa_signature *signature) {
    size_t set = set_of(cache, digest, signature);
    struct shard *shard = &cache->shard[set % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    struct entry *e = find(cache->entries + set * WAYS, digest, signature);
    if (e) {
        *ret = e->sender;
        e->last_use = ++shard->clock;
        shard->stats.hits++;
    } else {
        shard->stats.misses++;
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return e != NULL;
}

// The place for a new entry of a set: the same key if another thread was quicker, a free place, or
// the one used least recently.
static struct entry *place_for(struct entry *set, const struct hash *digest,
                               const struct ecdsa_signature *signature) {
    struct entry *oldest = find(set, digest, signature);
    if (oldest) return oldest;
    oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].used) return &set[i];
        if (set[i].last_use < oldest->last_use) oldest = &set[i];
    }
    return oldest;
}

void sender_cache_put(struct sender_cache *cache, const struct address *sender,
                      const struct hash *digest, const struct ecdsa_signature *signature) {
    size_t set = set_of(cache, digest, signature);
    struct shard *shard = &cache->shard[set % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    struct entry *e = place_for(cache->entries + set * WAYS, digest, signature);
    if (e->used && !matches(e, digest, signature)) shard->stats.evictions++;
    e->digest = *digest;
    memcpy(e->r, signature->r, sizeof e->r);
    memcpy(e->s, signature->s, sizeof e->s);
    e->y_parity = signature->y_parity;
    e->sender = *sender;
    if (!e->used) shard->stats.entries++;
    e->used = 1;
    e->last_use = ++shard->clock;
    (void)pthread_mutex_unlock(&shard->lock);
}

int sender_cache_recover(struct sender_cache *cache, struct address *ret, const struct hash *digest,
                         const struct ecdsa_signature *signature, struct error *why) {
    if (sender_cache_get(cache, ret, digest, signature)) return 0;
    struct address sender;
    int r = ecdsa_recover_address(&sender, digest, signature, why);
    if (r != 0) return r;
    sender_cache_put(cache, &sender, digest, signature);
    *ret = sender;
    return 0;
}

struct sender_cache_stats sender_cache_stats(struct sender_cache *cache) {
    struct sender_cache_stats sum = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shard[i];
        (void)pthread_mutex_lock(&shard->lock);
        sum.hits += shard->stats.hits;
        sum.misses += shard->stats.misses;
        sum.evictions += shard->stats.evictions;
        sum.entries += shard->stats.entries;
        (void)pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}
