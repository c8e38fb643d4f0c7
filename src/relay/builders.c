/* SPDX-License-Identifier: MIT */
#include "relay/builders.h"

#include <stdlib.h>
#include <string.h>

void builders_init(struct builders *b) {
    map_init(&b->by_key, BUILDERS_MAX);
}

void builders_free(struct builders *b) {
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&b->by_key, &at, &key, &value)) {
        free(value);
    }
    map_free(&b->by_key);
}

struct builder *builders_find(const struct builders *b, const struct bytes48 *pubkey) {
    return map_get(&b->by_key, BYTES_OF(*pubkey));
}

struct builder *builders_get(struct builders *b, const struct bytes48 *pubkey) {
    struct builder *e = builders_find(b, pubkey);
    if (e) return e;
    e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->pubkey = *pubkey;
    if (map_put(&b->by_key, BYTES_OF(e->pubkey), e, NULL, NULL) != 0) {
        free(e);
        return NULL;
    }
    return e;
}

static void demote(struct builder *e, void (*each)(void *, struct builder *), void *context) {
    if (!e->status.optimistic) return;
    e->status.optimistic = false;
    each(context, e);
}

void builders_demote(struct builders *b, struct builder *who,
                     void (*each)(void *, struct builder *), void *context) {
    demote(who, each, context);
    if (!who->status.id[0]) return;
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&b->by_key, &at, &key, &value)) {
        struct builder *e = value;
        if (strcmp(e->status.id, who->status.id) == 0) demote(e, each, context);
    }
}
