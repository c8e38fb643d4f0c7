/* Heap: intrusive 4-ary minimum heap by a 64-bit key, for timers and priorities.
 *
 * Elements hold a `struct heap_node`; the heap owns only an array of pointers. Any element can be
 * removed or moved in O(log n) through its node. Equal keys come out in no fixed order. One thread
 * at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    size_t position; /* index + 1; 0: in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t n;
    size_t capacity;
};

void heap_init(struct heap *h);
/* heap_free frees the array; nodes that are still inside are forgotten. */
void heap_free(struct heap *h);

/* heap_add puts a node in under a key. errors ERR_NO_MEMORY, ERR_CONFLICT (in a heap already). */
[[gnu::warn_unused_result]] int heap_add(struct heap *h, struct heap_node *node, uint64_t key,
                                         struct error *why);
/* heap_move changes the key of a node that is inside. */
void heap_move(struct heap *h, struct heap_node *node, uint64_t key);
/* heap_remove takes a node out; nothing happens when it is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* heap_first: a node with the least key; NULL when empty. */
static inline struct heap_node *heap_first(const struct heap *h) {
    return h->n ? h->nodes[0] : NULL;
}

#endif
