/* A small cache of things that were verified: SHA-256 key to an owned value, least recently used
 * goes first. Values must depend on nothing but what the key was hashed from. One thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_VERIFY_CACHE_H
#define ATTEST_VERIFY_CACHE_H

#include "base/bytes.h"

struct verify_cache_slot {
    uint8_t key[32];
    uint64_t used; /* 0: empty */
    void *value;
};

struct verify_cache {
    struct verify_cache_slot *slots;
    size_t capacity;
    uint64_t clock;
    uint64_t hits, misses;
    void (*release)(void *value);
};

/* verify_cache_init makes a cache of at most `capacity` values; false without memory. */
bool verify_cache_init(struct verify_cache *c, size_t capacity, void (*release)(void *value));
void verify_cache_free(struct verify_cache *c);

/* verify_cache_get gives the value or NULL; it stays the cache's and lives until the next put. */
void *verify_cache_get(struct verify_cache *c, const uint8_t key[32]);

/* verify_cache_put hands a value over, releasing the one it replaces. */
void verify_cache_put(struct verify_cache *c, const uint8_t key[32], void *value);

#endif
