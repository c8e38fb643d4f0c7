/* The store in memory: a hash table for each table, and lists of what belongs to an owner.
 * SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "trie/store_backend.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct entry *next, **link; /* of the owner's list */
    uint32_t key_n, value_n;
    uint8_t key[STORE_KEY_MAX];
    uint8_t value[];
};

struct owner {
    struct hash key;
    struct entry *first;
};

struct memory {
    struct trie_store store;
    pthread_rwlock_t lock; /* of all below */
    struct map tables[STORE_TABLES];
    struct map owners[STORE_TABLES]; /* of STORE_SLOTS and STORE_STORAGE_NODES */
    bool torn;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a store");
}

static struct bytes key_of(const struct entry *e) {
    return bytes_make(e->key, e->key_n);
}

static bool is_owned(enum store_table table) {
    return table == STORE_SLOTS || table == STORE_STORAGE_NODES;
}

static void unlink_entry(struct entry *e) {
    if (!e->link) return;
    *e->link = e->next;
    if (e->next) e->next->link = e->link;
}

static void erase(struct memory *m, enum store_table table, struct entry *e) {
    (void)map_remove(&m->tables[table], key_of(e));
    unlink_entry(e);
    free(e);
}

static void erase_all(struct memory *m, const struct store_write *w) {
    struct owner *o = map_get(&m->owners[w->table], w->key);
    while (o && o->first) {
        erase(m, w->table, o->first);
    }
}

static int link_entry(struct memory *m, enum store_table table, struct entry *e,
                      struct error *why) {
    struct bytes key = bytes_make(e->key, 32);
    struct owner *o = map_get(&m->owners[table], key);
    if (!o) {
        o = calloc(1, sizeof *o);
        if (!o) return no_memory(why);
        memcpy(o->key.b, key.p, 32);
        int r = map_put(&m->owners[table], BYTES_OF(o->key), o, NULL, why);
        if (r != 0) {
            free(o);
            return r;
        }
    }
    e->next = o->first;
    e->link = &o->first;
    if (e->next) e->next->link = &e->next;
    o->first = e;
    return 0;
}

static int insert(struct memory *m, const struct store_write *w, struct error *why) {
    struct entry *e = malloc(sizeof *e + w->value.n);
    if (!e) return no_memory(why);
    *e = (struct entry){.key_n = (uint32_t)w->key.n, .value_n = (uint32_t)w->value.n};
    memcpy(e->key, w->key.p, w->key.n);
    memcpy(e->value, w->value.p, w->value.n);
    int r = map_put(&m->tables[w->table], key_of(e), e, NULL, why);
    if (r != 0) {
        free(e);
        return r;
    }
    return is_owned(w->table) ? link_entry(m, w->table, e, why) : 0;
}

static int commit(struct trie_store *s, struct bytes batch, struct error *why) {
    struct memory *m = (struct memory *)s;
    struct store_write w;
    int r = 0;
    (void)pthread_rwlock_wrlock(&m->lock);
    while (r == 0 && !m->torn && store_batch_next(&batch, &w)) {
        if (w.all) {
            erase_all(m, &w);
            continue;
        }
        struct entry *old = map_get(&m->tables[w.table], w.key);
        if (old) erase(m, w.table, old);
        if (w.value.n) r = insert(m, &w, why);
    }
    if (r != 0) m->torn = true;
    if (r == 0 && m->torn) r = no_memory(why);
    (void)pthread_rwlock_unlock(&m->lock);
    return r;
}

static int get(struct trie_store *s, enum store_table table, struct bytes key, struct buf *ret,
               struct error *why) {
    struct memory *m = (struct memory *)s;
    (void)pthread_rwlock_rdlock(&m->lock);
    const struct entry *e = map_get(&m->tables[table], key);
    bool torn = m->torn;
    if (e) buf_append(ret, bytes_make(e->value, e->value_n));
    (void)pthread_rwlock_unlock(&m->lock);
    if (torn) return no_memory(why);
    return e ? buf_check(ret, why) : error_set(why, ERR_NOT_FOUND, "nothing is stored there");
}

static int visit(const struct entry *e, const struct store_visitor *visitor, struct error *why) {
    return visitor->visit(visitor->arg, key_of(e), bytes_make(e->value, e->value_n), why);
}

static int each(struct trie_store *s, enum store_table table, struct bytes prefix,
                const struct store_visitor *visitor, struct error *why) {
    struct memory *m = (struct memory *)s;
    struct bytes key;
    void *value;
    int r = 0;
    (void)pthread_rwlock_rdlock(&m->lock);
    if (is_owned(table) && prefix.n == 32) {
        const struct owner *o = map_get(&m->owners[table], prefix);
        for (const struct entry *e = o ? o->first : NULL; e && r == 0; e = e->next) {
            r = visit(e, visitor, why);
        }
    } else {
        for (size_t at = 0; r == 0 && map_next(&m->tables[table], &at, &key, &value);) {
            if (bytes_starts_with(key, prefix)) r = visit(value, visitor, why);
        }
    }
    (void)pthread_rwlock_unlock(&m->lock);
    return r;
}

static void free_values(struct map *map) {
    void *value;
    struct bytes key;
    for (size_t at = 0; map_next(map, &at, &key, &value);) {
        free(value);
    }
    map_free(map);
}

static void close_memory(struct trie_store *s) {
    struct memory *m = (struct memory *)s;
    for (int i = 0; i < STORE_TABLES; i++) {
        free_values(&m->tables[i]);
        free_values(&m->owners[i]);
    }
    (void)pthread_rwlock_destroy(&m->lock);
    free(m);
}

int trie_store_open_memory(struct trie_store **ret, struct error *why) {
    static const struct store_backend backend = {get, each, commit, close_memory};
    struct memory *m = calloc(1, sizeof *m);
    if (!m) return no_memory(why);
    store_init(&m->store, &backend);
    (void)pthread_rwlock_init(&m->lock, NULL);
    for (int i = 0; i < STORE_TABLES; i++) {
        map_init(&m->tables[i], 0);
        map_init(&m->owners[i], 0);
    }
    *ret = &m->store;
    return 0;
}
