/* Map: hash table from byte strings to pointers, keyed against flooding.
 *
 * Keys are views that the caller keeps alive while they are inside (usually a field of the value);
 * values are the caller's. Open addressing, linear probing, deletion without tombstones. Two
 * words and a view a slot, at most three quarters full. Any fixed-size value is a key through
 * BYTES_OF. One thread at a time.
 *
 * A table that is full gives way to one of twice the size, to which each put and each remove takes
 * a few entries along: none of them pays for all.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/error.h"
#include "base/siphash.h"

struct map_slot {
    struct bytes key;
    void *value; /* NULL: free */
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t capacity; /* power of two */
    size_t n;        /* entries, in both tables */
    size_t limit;    /* most entries, 0: none */
    struct siphash_key seed;
    struct map_slot *old; /* the table before, while entries are left in it; NULL: none */
    size_t old_capacity;
    size_t old_at; /* none is left before it */
};

/* map_init: allocates nothing; the seed is random. limit: most entries, 0 none. */
void map_init(struct map *m, size_t limit);
void map_free(struct map *m);
void map_clear(struct map *m);

/* map_get gives the value or NULL. */
void *map_get(const struct map *m, struct bytes key);

/* map_put adds an entry or replaces the value (and key view) of an old one.
 * value     not NULL. ret_old  gets the replaced value or NULL; may be NULL.
 * errors    ERR_LIMIT, ERR_NO_MEMORY; the map is unchanged then. */
[[gnu::warn_unused_result]] int map_put(struct map *m, struct bytes key, void *value,
                                        void **ret_old, struct error *why);

/* map_remove gives the removed value or NULL. */
void *map_remove(struct map *m, struct bytes key);

/* map_next walks all entries in no order: start with *at = 0; false at the end. The map must not
 * change meanwhile. */
bool map_next(const struct map *m, size_t *at, struct bytes *ret_key, void **ret_value);

#endif
