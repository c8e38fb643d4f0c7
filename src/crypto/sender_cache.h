/* Sender cache: who signed what was recovered a moment ago, so that a transaction that is met again
 * (as an order, in each candidate block, in the final block) costs a look-up and not a recovery.
 *
 * Bounded: a table of sets of 8 entries; a full set loses the entry that was used least recently.
 * The key is the whole of what is recovered from, the digest and the signature, so a hit cannot be
 * wrong and failures are never kept. The place in the table depends on a secret of the cache, so
 * nobody outside can crowd one set. Sharded: 64 locks, each for its part of the table. Any thread.
 *
 * Memory is 128 bytes an entry, allocated once.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_SENDER_CACHE_H
#define CRYPTO_SENDER_CACHE_H

#include "crypto/ecdsa.h"

struct sender_cache;

struct sender_cache_stats {
    uint64_t hits, misses, evictions, entries;
};

/* sender_cache_new makes a cache of at least `entries` places (rounded up to a power of two, at
 * least 512). errors: ERR_NO_MEMORY, ERR_LIMIT (more than 2^28). */
[[gnu::warn_unused_result]] int sender_cache_new(struct sender_cache **ret, size_t entries,
                                                 struct error *why);
void sender_cache_free(struct sender_cache *cache);

/* sender_cache_recover gives the address that signed, from the cache or by ecdsa_recover_address,
 * whose errors it returns. The lock is not held during a recovery. A hit costs about 50 ns. */
[[gnu::warn_unused_result]] int sender_cache_recover(struct sender_cache *cache,
                                                     struct address *ret, const struct hash *digest,
                                                     const struct ecdsa_signature *signature,
                                                     struct error *why);

/* sender_cache_get only looks; false when it is not there. sender_cache_put keeps what the caller
 * recovered. With these two `digest` may be any hash that stands for what was signed (that of a
 * whole transaction), so that a hit costs no other. */
bool sender_cache_get(struct sender_cache *cache, struct address *ret, const struct hash *digest,
                      const struct ecdsa_signature *signature);
void sender_cache_put(struct sender_cache *cache, const struct address *sender,
                      const struct hash *digest, const struct ecdsa_signature *signature);

/* sender_cache_stats sums the counters of all shards. */
struct sender_cache_stats sender_cache_stats(struct sender_cache *cache);

#endif
