/* SPDX-License-Identifier: MIT */
#include "builder/block_list.h"

#include "base/hex.h"
#include "json/json.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Sorted, so that a look-up is a binary search. */
struct block_list {
    atomic_uint holders;
    size_t count;
    struct address items[];
};

static int compare(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct address));
}

static int take(struct block_list *l, size_t room, struct bytes text, struct error *why) {
    if (l->count == room) return error_set(why, ERR_LIMIT, "more than %zu addresses", room);
    int r = hex_decode_address(&l->items[l->count], text, why);
    if (r != 0) return error_wrap(why, "address %zu", l->count);
    l->count++;
    return 0;
}

static int take_json(struct block_list *l, size_t room, struct bytes text, struct error *why) {
    struct arena a;
    const struct json *doc;
    arena_init(&a, 0);
    int r = json_parse(&doc, text, &a, NULL, why);
    if (r == 0) r = json_expect(doc, JSON_ARRAY, why);
    if (r == 0) {
        json_each(item, doc) {
            if (r == 0) r = take(l, room, json_text(item), why);
        }
    }
    arena_free(&a);
    return r;
}

static int take_lines(struct block_list *l, size_t room, struct bytes text, struct error *why) {
    int r = 0;
    for (size_t at = 0; r == 0 && at < text.n;) {
        size_t end = at;
        while (end < text.n && !isspace(text.p[end]) && text.p[end] != '#') {
            end++;
        }
        if (end > at) r = take(l, room, bytes_slice(text, at, end - at), why);
        bool comment = end < text.n && text.p[end] == '#';
        while (comment && end < text.n && text.p[end] != '\n') {
            end++;
        }
        at = end + 1;
    }
    return r;
}

int block_list_parse(struct block_list **ret, struct bytes text, struct error *why) {
    size_t room = text.n / 40 + 1; // an address has 42 characters
    if (room > BLOCK_LIST_MAX) room = BLOCK_LIST_MAX;
    struct block_list *l = malloc(sizeof *l + room * sizeof *l->items);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for a block list");
    atomic_init(&l->holders, 1);
    l->count = 0;
    size_t at = 0;
    while (at < text.n && isspace(text.p[at])) {
        at++;
    }
    bool json = at < text.n && text.p[at] == '[';
    int r = json ? take_json(l, room, text, why) : take_lines(l, room, text, why);
    if (r != 0) {
        free(l);
        return error_wrap(why, "block list");
    }
    qsort(l->items, l->count, sizeof *l->items, compare);
    *ret = l;
    return 0;
}

struct block_list *block_list_retain(struct block_list *l) {
    if (l) atomic_fetch_add(&l->holders, 1);
    return l;
}

void block_list_release(struct block_list *l) {
    if (l && atomic_fetch_sub(&l->holders, 1) == 1) free(l);
}

bool block_list_has(const struct block_list *l, const struct address *a) {
    if (!l || l->count == 0) return false;
    return bsearch(a, l->items, l->count, sizeof *l->items, compare) != NULL;
}

size_t block_list_count(const struct block_list *l) {
    return l ? l->count : 0;
}
