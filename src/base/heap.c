/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include <stdbool.h>
#include <stdlib.h>

void heap_init(struct heap *h) {
    *h = (struct heap){0};
}

void heap_free(struct heap *h) {
    for (size_t i = 0; i < h->n; i++) {
        h->nodes[i]->position = 0;
    }
    free(h->nodes);
    heap_init(h);
}

static void place(struct heap *h, size_t at, struct heap_node *node) {
    h->nodes[at] = node;
    node->position = at + 1;
}

static void sift_up(struct heap *h, size_t at, struct heap_node *node) {
    while (at > 0) {
        size_t parent = (at - 1) / 4;
        if (h->nodes[parent]->key <= node->key) break;
        place(h, at, h->nodes[parent]);
        at = parent;
    }
    place(h, at, node);
}

static void sift_down(struct heap *h, size_t at, struct heap_node *node) {
    for (;;) {
        size_t first = 4 * at + 1;
        if (first >= h->n) break;
        size_t end = first + 4 < h->n ? first + 4 : h->n;
        size_t least = first;
        for (size_t i = first + 1; i < end; i++) {
            if (h->nodes[i]->key < h->nodes[least]->key) least = i;
        }
        if (h->nodes[least]->key >= node->key) break;
        place(h, at, h->nodes[least]);
        at = least;
    }
    place(h, at, node);
}

int heap_add(struct heap *h, struct heap_node *node, uint64_t key, struct error *why) {
    if (node->position) return error_set(why, ERR_CONFLICT, "node is in a heap already");
    if (h->n == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 16;
        struct heap_node **nodes = realloc(h->nodes, capacity * sizeof *nodes);
        if (!nodes) return error_set(why, ERR_NO_MEMORY, "no memory for a heap");
        h->nodes = nodes;
        h->capacity = capacity;
    }
    node->key = key;
    sift_up(h, h->n++, node);
    return 0;
}

void heap_move(struct heap *h, struct heap_node *node, uint64_t key) {
    if (!node->position) return;
    bool up = key < node->key;
    node->key = key;
    if (up) {
        sift_up(h, node->position - 1, node);
    } else {
        sift_down(h, node->position - 1, node);
    }
}

void heap_remove(struct heap *h, struct heap_node *node) {
    if (!node->position) return;
    size_t at = node->position - 1;
    struct heap_node *last = h->nodes[--h->n];
    node->position = 0;
    if (last == node) return;
    place(h, at, last);
    if (last->key < node->key) {
        sift_up(h, at, last);
    } else {
        sift_down(h, at, last);
    }
}
