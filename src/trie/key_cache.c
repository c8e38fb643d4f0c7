/* SPDX-License-Identifier: MIT */
#include "trie/key_cache.h"

#include "crypto/keccak.h"

#include <stdlib.h>

struct place {
    uint8_t key[32];
    uint8_t key_n; // 0: free
    struct hash hash;
};

struct key_cache {
    size_t mask;
    struct place place[];
};

int key_cache_create(struct key_cache **ret, size_t places, struct error *why) {
    size_t n = 1;
    while (n < places) {
        n *= 2;
    }
    struct key_cache *c = calloc(1, sizeof *c + n * sizeof c->place[0]);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for a key cache");
    c->mask = n - 1;
    *ret = c;
    return 0;
}

void key_cache_free(struct key_cache *c) {
    free(c);
}

static struct place *place_of(struct key_cache *c, struct bytes key) {
    // Slots are small numbers or hashes, addresses are hashes: the last 16 bytes tell them apart.
    uint64_t a = load_le64(key.p + key.n - 8), b = load_le64(key.p + key.n - 16);
    uint64_t h = (a ^ (b << 32 | b >> 32) ^ key.n) * 0x9e3779b97f4a7c15u;
    return &c->place[(h >> 32) & c->mask];
}

size_t key_cache_hash(struct key_cache *c, struct key_cache_job *jobs, size_t count) {
    size_t misses = 0;
    for (size_t i = 0; i < count; i++) {
        const struct place *p = place_of(c, jobs[i].key);
        if (p->key_n == jobs[i].key.n && memcmp(p->key, jobs[i].key.p, p->key_n) == 0) {
            *jobs[i].ret = p->hash;
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
        struct place *p = place_of(c, jobs[i].key);
        memcpy(p->key, jobs[i].key.p, jobs[i].key.n);
        p->key_n = (uint8_t)jobs[i].key.n;
        p->hash = *jobs[i].ret;
    }
    return misses;
}
