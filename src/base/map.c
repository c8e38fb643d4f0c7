/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/random.h"

#include <stdlib.h>

void map_init(struct map *m, size_t limit) {
    *m = (struct map){.limit = limit};
    random_bytes(&m->seed, sizeof m->seed);
}

void map_free(struct map *m) {
    free(m->slots);
    m->slots = NULL;
    m->capacity = m->n = 0;
}

void map_clear(struct map *m) {
    if (m->slots) memset(m->slots, 0, m->capacity * sizeof *m->slots);
    m->n = 0;
}

// The slot of the key, or the free slot where it belongs.
static struct map_slot *find(const struct map *m, struct bytes key, uint64_t hash) {
    size_t mask = m->capacity - 1;
    size_t i = (size_t)hash & mask;
    while (m->slots[i].value && (m->slots[i].hash != hash || !bytes_equal(m->slots[i].key, key))) {
        i = (i + 1) & mask;
    }
    return &m->slots[i];
}

static int grow(struct map *m, struct error *why) {
    struct map old = *m;
    size_t capacity = old.capacity ? 2 * old.capacity : 16;
    struct map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) return error_set(why, ERR_NO_MEMORY, "no memory for a map of %zu", capacity);
    m->slots = slots;
    m->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].value) *find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    }
    free(old.slots);
    return 0;
}

void *map_get(const struct map *m, struct bytes key) {
    return m->n ? find(m, key, siphash13(&m->seed, key))->value : NULL;
}

int map_put(struct map *m, struct bytes key, void *value, void **ret_old, struct error *why) {
    uint64_t hash = siphash13(&m->seed, key);
    struct map_slot *s = m->n ? find(m, key, hash) : NULL;
    void *old = s ? s->value : NULL;
    if (!old) {
        if (m->limit && m->n >= m->limit) {
            return error_set(why, ERR_LIMIT, "more than %zu entries", m->limit);
        }
        if (4 * (m->n + 1) > 3 * m->capacity) {
            int r = grow(m, why);
            if (r) return r;
        }
        s = find(m, key, hash);
        m->n++;
    }
    *s = (struct map_slot){key, value, hash};
    if (ret_old) *ret_old = old;
    return 0;
}

void *map_remove(struct map *m, struct bytes key) {
    if (!m->n) return NULL;
    struct map_slot *s = find(m, key, siphash13(&m->seed, key));
    void *value = s->value;
    if (!value) return NULL;
    // Entries behind the gap that could not stand at their own place move up.
    size_t mask = m->capacity - 1;
    size_t gap = (size_t)(s - m->slots);
    for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_slot){0};
    m->n--;
    return value;
}

bool map_next(const struct map *m, size_t *at, struct bytes *ret_key, void **ret_value) {
    while (*at < m->capacity) {
        const struct map_slot *s = &m->slots[(*at)++];
        if (!s->value) continue;
        *ret_key = s->key;
        *ret_value = s->value;
        return true;
    }
    return false;
}
