/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/random.h"

#include <stdlib.h>

void map_init(struct map *m, size_t limit) {
    *m = (struct map){.limit = limit};
    random_bytes(&m->seed, sizeof m->seed);
}

static void drop_old(struct map *m) {
    free(m->old);
    m->old = NULL;
    m->old_capacity = m->old_at = 0;
}

void map_free(struct map *m) {
    drop_old(m);
    free(m->slots);
    m->slots = NULL;
    m->capacity = m->n = 0;
}

void map_clear(struct map *m) {
    drop_old(m);
    if (m->slots) memset(m->slots, 0, m->capacity * sizeof *m->slots);
    m->n = 0;
}

static bool is_key(const struct map_slot *s, struct bytes key, uint64_t hash) {
    return s->hash == hash && bytes_equal(s->key, key);
}

// The slot of the key, or the free slot where it belongs.
static struct map_slot *find(const struct map *m, struct bytes key, uint64_t hash) {
    size_t mask = m->capacity - 1;
    size_t i = (size_t)hash & mask;
    while (m->slots[i].value && !is_key(&m->slots[i], key, hash)) {
        i = (i + 1) & mask;
    }
    return &m->slots[i];
}

// What is gone from the old table leaves this value, so that entries behind it are still found.
static const char gone_mark;
#define GONE ((void *)(uintptr_t)&gone_mark)

static void leave(struct map_slot *s) {
    *s = (struct map_slot){.value = GONE};
}

// The slot of the key in the old table, or NULL.
static struct map_slot *find_old(const struct map *m, struct bytes key, uint64_t hash) {
    if (!m->old) return NULL;
    size_t mask = m->old_capacity - 1;
    for (size_t i = (size_t)hash & mask; m->old[i].value; i = (i + 1) & mask) {
        if (m->old[i].value != GONE && is_key(&m->old[i], key, hash)) return &m->old[i];
    }
    return NULL;
}

// The value of a key in the old table, which leaves it; or NULL.
static void *take_old(struct map *m, struct bytes key, uint64_t hash) {
    struct map_slot *s = find_old(m, key, hash);
    void *value = s ? s->value : NULL;
    if (s) leave(s);
    return value;
}

// Takes what stands in the next slots of the old table along.
static void move_on(struct map *m, size_t slots) {
    for (; slots > 0 && m->old_at < m->old_capacity; slots--) {
        struct map_slot *s = &m->old[m->old_at++];
        if (!s->value || s->value == GONE) continue;
        *find(m, s->key, s->hash) = *s;
        leave(s);
    }
    if (m->old && m->old_at == m->old_capacity) drop_old(m);
}

// A table of C slots holds 3/4 C entries, the next one fills after 3/4 C more puts: two slots a put
// would do.
#define SLOTS_AT_ONCE 8u
#define MOVED_AT_ONCE 512u // slots of a table that goes along as a whole

static int grow(struct map *m, struct error *why) {
    size_t capacity = m->capacity ? 2 * m->capacity : 16;
    struct map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) return error_set(why, ERR_NO_MEMORY, "no memory for a map of %zu", capacity);
    move_on(m, m->old_capacity); // nothing, unless memory was wanting
    m->old = m->slots;
    m->old_capacity = m->capacity;
    m->slots = slots;
    m->capacity = capacity;
    move_on(m, m->old_capacity <= MOVED_AT_ONCE ? m->old_capacity : SLOTS_AT_ONCE);
    return 0;
}

void *map_get(const struct map *m, struct bytes key) {
    if (!m->n) return NULL;
    uint64_t hash = siphash13(&m->seed, key);
    void *value = find(m, key, hash)->value;
    if (value || !m->old) return value;
    const struct map_slot *s = find_old(m, key, hash);
    return s ? s->value : NULL;
}

int map_put(struct map *m, struct bytes key, void *value, void **ret_old, struct error *why) {
    uint64_t hash = siphash13(&m->seed, key);
    move_on(m, SLOTS_AT_ONCE);
    struct map_slot *s = NULL;
    void *old = NULL;
    if (m->capacity > 0) {
        s = find(m, key, hash);
        old = s->value ? s->value : take_old(m, key, hash);
    }
    if (!old) {
        if (m->limit && m->n >= m->limit) {
            return error_set(why, ERR_LIMIT, "more than %zu entries", m->limit);
        }
        if (m->capacity == 0 || 4 * (m->n + 1) > 3 * m->capacity) {
            int r = grow(m, why);
            if (r) return r;
            s = find(m, key, hash);
        }
        m->n++;
    }
    *s = (struct map_slot){key, value, hash};
    if (ret_old) *ret_old = old;
    return 0;
}

// Entries behind the gap that could not stand at their own place move up.
static void close_gap(struct map *m, size_t gap) {
    size_t mask = m->capacity - 1;
    for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_slot){0};
}

void *map_remove(struct map *m, struct bytes key) {
    if (!m->n) return NULL;
    uint64_t hash = siphash13(&m->seed, key);
    move_on(m, SLOTS_AT_ONCE);
    struct map_slot *s = find(m, key, hash);
    void *value = s->value;
    if (value)
        close_gap(m, (size_t)(s - m->slots));
    else
        value = take_old(m, key, hash);
    m->n -= value != NULL;
    return value;
}

static bool give(const struct map_slot *s, struct bytes *ret_key, void **ret_value) {
    if (!s->value || s->value == GONE) return false;
    *ret_key = s->key;
    *ret_value = s->value;
    return true;
}

// Both tables, one after the other.
bool map_next(const struct map *m, size_t *at, struct bytes *ret_key, void **ret_value) {
    while (*at < m->capacity + m->old_capacity) {
        size_t i = (*at)++;
        const struct map_slot *s = i < m->capacity ? &m->slots[i] : &m->old[i - m->capacity];
        if (give(s, ret_key, ret_value)) return true;
    }
    return false;
}
