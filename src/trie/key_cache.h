/* Keccak-256 of addresses and slot numbers, remembered: the same few thousand keys come again with
 * every candidate. Two places a key: what comes third at a
 * place takes the older one's.
 * Thread: one at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_KEY_CACHE_H
#define TRIE_KEY_CACHE_H

#include "base/bytes.h"
#include "base/error.h"

struct key_cache;

/* key_cache_create: places is rounded up to a power of two; 65 bytes each. errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int key_cache_create(struct key_cache **ret, size_t places,
                                                 struct error *why);
void key_cache_free(struct key_cache *c);

/* One key to hash: 20 or 32 bytes. */
struct key_cache_job {
    struct bytes key;
    struct hash *ret;
};

/* key_cache_hash fills the hashes of all jobs; what is not remembered is hashed in one batch. Gives
 * the count of those. The jobs' order may change. */
size_t key_cache_hash(struct key_cache *c, struct key_cache_job *jobs, size_t count);

#endif
