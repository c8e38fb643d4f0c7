/* SPDX-License-Identifier: MIT */
#include "attest/verify_cache.h"

#include <stdlib.h>

bool verify_cache_init(struct verify_cache *c, size_t capacity, void (*release)(void *value)) {
    *c = (struct verify_cache){.capacity = capacity, .release = release};
    c->slots = calloc(capacity ? capacity : 1, sizeof *c->slots);
    return c->slots != NULL;
}

void verify_cache_free(struct verify_cache *c) {
    for (size_t i = 0; c->slots && i < c->capacity; i++) {
        if (c->slots[i].used) c->release(c->slots[i].value);
    }
    free(c->slots);
    *c = (struct verify_cache){0};
}

void *verify_cache_get(struct verify_cache *c, const uint8_t key[32]) {
    for (size_t i = 0; i < c->capacity; i++) {
        struct verify_cache_slot *s = &c->slots[i];
        if (s->used && memcmp(s->key, key, 32) == 0) {
            s->used = ++c->clock;
            c->hits++;
            return s->value;
        }
    }
    c->misses++;
    return NULL;
}

void verify_cache_put(struct verify_cache *c, const uint8_t key[32], void *value) {
    struct verify_cache_slot *oldest = &c->slots[0];
    for (size_t i = 0; i < c->capacity; i++) {
        struct verify_cache_slot *s = &c->slots[i];
        if (s->used && memcmp(s->key, key, 32) == 0) {
            oldest = s;
            break;
        }
        if (s->used < oldest->used) oldest = s;
    }
    if (oldest->used) c->release(oldest->value);
    memcpy(oldest->key, key, 32);
    oldest->value = value;
    oldest->used = ++c->clock;
}
