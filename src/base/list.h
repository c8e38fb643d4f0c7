/* List: doubly linked, intrusive: the links live in the elements, nothing is allocated.
 *
 *     struct peer { struct list_node link; ... };
 *     list_push_back(&peers, &p->link);
 *     list_each (node, &peers) { struct peer *p = LIST_ENTRY(node, struct peer, link); ... }
 *
 * An element is in at most one list for each of its links. The elements' owner owns them.
 * One thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next; /* NULL when in no list */
    struct list_node *previous;
};

struct list {
    struct list_node head; /* a ring: head.next is the first, head.previous the last */
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l) {
    l->head.next = l->head.previous = &l->head;
}
static inline bool list_is_empty(const struct list *l) {
    return l->head.next == &l->head;
}
static inline void list_insert_after(struct list_node *at, struct list_node *node) {
    node->previous = at;
    node->next = at->next;
    at->next->previous = node;
    at->next = node;
}
static inline void list_push_front(struct list *l, struct list_node *node) {
    list_insert_after(&l->head, node);
}
static inline void list_push_back(struct list *l, struct list_node *node) {
    list_insert_after(l->head.previous, node);
}
/* list_remove takes a node out of its list; nothing happens when it is in none. */
static inline void list_remove(struct list_node *node) {
    if (!node->next) return;
    node->next->previous = node->previous;
    node->previous->next = node->next;
    node->next = node->previous = NULL;
}
static inline struct list_node *list_first(const struct list *l) {
    return list_is_empty(l) ? NULL : l->head.next;
}
static inline struct list_node *list_last(const struct list *l) {
    return list_is_empty(l) ? NULL : l->head.previous;
}
static inline struct list_node *list_pop_front(struct list *l) {
    struct list_node *node = list_first(l);
    if (!node) return NULL;
    l->head.next = node->next;
    node->next->previous = &l->head;
    node->next = node->previous = NULL;
    return node;
}

#define list_each(node, list)                                                                      \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)
/* list_each_safe allows to remove `node` inside. */
#define list_each_safe(node, list)                                                                 \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next;                    \
         node != &(list)->head; node = node##_next, node##_next = node->next)

#endif
