/* SPDX-License-Identifier: MIT */
#include "base/queue.h"

#include <stdint.h>
#include <stdlib.h>

int queue_init(struct queue *q, size_t capacity, struct error *why) {
    size_t size = 2;
    while (size < capacity && size < SIZE_MAX / 4) {
        size *= 2;
    }
    q->cells = calloc(size, sizeof *q->cells);
    if (!q->cells) return error_set(why, ERR_NO_MEMORY, "no memory for a queue of %zu", size);
    for (size_t i = 0; i < size; i++) {
        atomic_init(&q->cells[i].turn, i);
    }
    q->mask = size - 1;
    atomic_init(&q->push_at, 0);
    atomic_init(&q->pop_at, 0);
    return 0;
}

void queue_free(struct queue *q) {
    free(q->cells);
    q->cells = NULL;
}

/* A cell's turn says who may use it: equal to the position when it is free for the push of this
 * round, position + 1 when it is filled, and a round later for the next push. */
bool queue_push(struct queue *q, void *item) {
    size_t at = atomic_load_explicit(&q->push_at, memory_order_relaxed);
    for (;;) {
        struct queue_cell *c = &q->cells[at & q->mask];
        size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
        if (turn == at) {
            if (atomic_compare_exchange_weak_explicit(&q->push_at, &at, at + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                c->item = item;
                atomic_store_explicit(&c->turn, at + 1, memory_order_release);
                return true;
            }
        } else if ((ptrdiff_t)(turn - at) < 0) {
            return false;
        } else {
            at = atomic_load_explicit(&q->push_at, memory_order_relaxed);
        }
    }
}

void *queue_pop(struct queue *q) {
    size_t at = atomic_load_explicit(&q->pop_at, memory_order_relaxed);
    for (;;) {
        struct queue_cell *c = &q->cells[at & q->mask];
        size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
        if (turn == at + 1) {
            if (atomic_compare_exchange_weak_explicit(&q->pop_at, &at, at + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                void *item = c->item;
                atomic_store_explicit(&c->turn, at + q->mask + 1, memory_order_release);
                return item;
            }
        } else if ((ptrdiff_t)(turn - (at + 1)) < 0) {
            return NULL;
        } else {
            at = atomic_load_explicit(&q->pop_at, memory_order_relaxed);
        }
    }
}

size_t queue_count(struct queue *q) {
    size_t pop = atomic_load_explicit(&q->pop_at, memory_order_relaxed);
    size_t push = atomic_load_explicit(&q->push_at, memory_order_relaxed);
    return push > pop ? push - pop : 0;
}
