/* SPDX-License-Identifier: MIT */
#include "trie/key_cache.h"

#include "crypto/keccak.h"

#include <stdlib.h>

/* A cache line. */
struct place {
    _Alignas(64) uint8_t key[32];
    struct hash hash;
};

struct key_cache {
    size_t mask;
    struct place *place;
    uint8_t *key_n; /* by place; 0: free */
};

#define AHEAD 16 /* places are all over the table: asked for so many keys early */
#define WAYS 2   /* places that one key may have, side by side */

int key_cache_create(struct key_cache **ret, size_t places, struct error *why) {
    size_t n = WAYS;
    while (n < places) {
        n *= 2;
    }
    struct key_cache *c = calloc(1, sizeof *c);
    if (c) c->place = aligned_alloc(64, n * sizeof c->place[0]);
    if (c) c->key_n = calloc(n, 1);
    if (!c || !c->place || !c->key_n) {
        key_cache_free(c);
        return error_set(why, ERR_NO_MEMORY, "no memory for a key cache");
    }
    c->mask = (n - 1) & ~(size_t)(WAYS - 1);
    *ret = c;
    return 0;
}

void key_cache_free(struct key_cache *c) {
    if (!c) return;
    free(c->place);
    free(c->key_n);
    free(c);
}

// The first of the places of a key.
static size_t place_of(const struct key_cache *c, struct bytes key) {
    // Slots are small numbers or hashes, addresses are hashes: the last 16 bytes tell them apart.
    uint64_t a = load_le64(key.p + key.n - 8), b = load_le64(key.p + key.n - 16);
    // Small slot numbers have all their bits at the top of `a`: they must reach the bottom first.
    uint64_t h = a ^ (b << 32 | b >> 32) ^ key.n;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return (h >> 32) & c->mask;
}

static bool key_equal(const uint8_t *place, struct bytes key) {
    // Nearly all keys are slots: a comparison of known length is a few instructions.
    return key.n == 32 ? memcmp(place, key.p, 32) == 0 : memcmp(place, key.p, key.n) == 0;
}

static const struct hash *find(const struct key_cache *c, struct bytes key) {
    size_t at = place_of(c, key);
    for (size_t i = at; i < at + WAYS; i++) {
        if (c->key_n[i] == key.n && key_equal(c->place[i].key, key)) return &c->place[i].hash;
    }
    return NULL;
}

// The newest key of a set stands first, the oldest goes.
static void put(struct key_cache *c, struct bytes key, const struct hash *hash) {
    size_t at = place_of(c, key);
    for (size_t i = at + WAYS - 1; i > at; i--) {
        c->place[i] = c->place[i - 1];
        c->key_n[i] = c->key_n[i - 1];
    }
    memcpy(c->place[at].key, key.p, key.n);
    c->key_n[at] = (uint8_t)key.n;
    c->place[at].hash = *hash;
}

size_t key_cache_hash(struct key_cache *c, struct key_cache_job *jobs, size_t count) {
    size_t misses = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            size_t ahead = place_of(c, jobs[i + AHEAD].key);
            __builtin_prefetch(&c->key_n[ahead]);
            for (size_t way = 0; way < WAYS; way++) {
                __builtin_prefetch(&c->place[ahead + way]);
            }
        }
        const struct hash *known = find(c, jobs[i].key);
        if (known) {
            *jobs[i].ret = *known;
        } else {
            struct key_cache_job job = jobs[i];
            jobs[i] = jobs[misses];
            jobs[misses++] = job;
        }
    }
    for (size_t from = 0; from < misses; from += 64) {
        struct keccak_job hash[64];
        size_t n = misses - from < 64 ? misses - from : 64;
        for (size_t i = 0; i < n; i++) {
            hash[i] = (struct keccak_job){jobs[from + i].key, jobs[from + i].ret};
        }
        keccak256_scatter(hash, n);
    }
    for (size_t i = 0; i < misses; i++) {
        put(c, jobs[i].key, jobs[i].ret);
    }
    return misses;
}
