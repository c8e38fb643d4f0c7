/* Queue: bounded, many producers, many consumers, lock-free; pointers in order of arrival.
 *
 * Never blocks: a full queue refuses (the producer decides what happens then), an empty one gives
 * NULL. What a pointer leads to, written before push, is seen after pop.
 * Source: Vyukov, bounded MPMC queue. Thread: any; init and free alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_cell {
    _Atomic size_t turn;
    void *item;
};

struct queue {
    struct queue_cell *cells;
    size_t mask;
    _Alignas(64) _Atomic size_t push_at; /* apart, so that producers and consumers share no line */
    _Alignas(64) _Atomic size_t pop_at;
};

/* queue_init: capacity is rounded up to a power of two, at least 2. errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int queue_init(struct queue *q, size_t capacity, struct error *why);
void queue_free(struct queue *q);

/* queue_push: false when full. item is not NULL. queue_pop: NULL when empty. */
[[gnu::warn_unused_result]] bool queue_push(struct queue *q, void *item);
void *queue_pop(struct queue *q);

/* queue_count: how many are inside, roughly while others work. For metrics. */
size_t queue_count(struct queue *q);

#endif
