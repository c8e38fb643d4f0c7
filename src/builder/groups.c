/* SPDX-License-Identifier: MIT */
#include "builder/groups.h"

#include <stdlib.h>

/* A node of the union: an order that was added. */
struct member {
    const struct job_entry *entry;
    struct member *parent;
    struct group *group; // of a root
};

/* Who reads and who writes one piece of state. Readers alone do not conflict, nor do those that
 * only add; with one reader and one writer all are one group. */
struct place {
    uint8_t key[52]; // address, slot
    struct member *reader, *writer;
    struct waiting {
        struct member *who;
        struct waiting *next;
    } * readers, *writers; // until they are joined
    bool joined;
};

struct groups {
    struct arena memory;
    struct map places;
    struct member **members; // by index of entry, NULL for none
    size_t room, count;
    struct group *first;
    struct address coinbase;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for conflict groups");
}

int groups_new(struct groups **ret, struct error *why) {
    struct groups *g = calloc(1, sizeof *g);
    if (!g) return no_memory(why);
    arena_init(&g->memory, 0);
    map_init(&g->places, 0);
    *ret = g;
    return 0;
}

static void free_groups(struct groups *g) {
    for (struct group *one = g->first; one; one = one->next) {
        free(one->orders);
        free(one->best);
    }
    g->first = NULL;
}

void groups_free(struct groups *g) {
    if (!g) return;
    free_groups(g);
    free(g->members);
    map_free(&g->places);
    arena_free(&g->memory);
    free(g);
}

void groups_reset(struct groups *g, const struct address *coinbase) {
    free_groups(g);
    if (g->room) memset(g->members, 0, g->room * sizeof *g->members);
    g->count = 0;
    g->coinbase = *coinbase;
    map_clear(&g->places);
    arena_reset(&g->memory);
}

static struct member *root_of(struct member *m) {
    while (m->parent != m) {
        m->parent = m->parent->parent;
        m = m->parent;
    }
    return m;
}

static int group_add(struct group *g, const struct job_entry *e) {
    if (g->count == g->room) {
        size_t room = g->room ? 2 * g->room : 4;
        const struct job_entry **p = realloc(g->orders, room * sizeof *p);
        if (!p) return ERR_NO_MEMORY;
        g->orders = p;
        g->room = room;
    }
    size_t at = g->count++;
    while (at > 0 && g->orders[at - 1]->index > e->index) {
        g->orders[at] = g->orders[at - 1];
        at--;
    }
    g->orders[at] = e;
    g->changed = true;
    return 0;
}

static void unlink_group(struct groups *g, struct group *one) {
    struct group **at = &g->first;
    while (*at != one) {
        at = &(*at)->next;
    }
    *at = one->next;
    free(one->orders);
    free(one->best);
    *one = (struct group){0};
}

static int join(struct groups *g, struct member *a, struct member *b) {
    a = root_of(a);
    b = root_of(b);
    if (a == b) return 0;
    if (a->group->count < b->group->count) {
        struct member *swap = a;
        a = b;
        b = swap;
    }
    for (size_t i = 0; i < b->group->count; i++) {
        if (group_add(a->group, b->group->orders[i]) != 0) return ERR_NO_MEMORY;
    }
    unlink_group(g, b->group);
    b->group = NULL;
    b->parent = a;
    return 0;
}

static int wait_in(struct groups *g, struct waiting **list, struct member *m) {
    struct waiting *w = arena_new(&g->memory, struct waiting);
    if (!w) return ERR_NO_MEMORY;
    *w = (struct waiting){m, *list};
    *list = w;
    return 0;
}

static int join_all(struct groups *g, struct member *m, const struct waiting *list) {
    int r = 0;
    for (; r == 0 && list; list = list->next) {
        r = join(g, m, list->who);
    }
    return r;
}

static int touch(struct groups *g, struct member *m, const struct address *address,
                 const struct u256 *slot, bool reads, bool writes) {
    uint8_t key[52] = {0};
    memcpy(key, address->b, 20);
    if (slot) {
        u256_store_be(key + 20, *slot);
    } else {
        memset(key + 20, 0xff, 32); // the account itself
    }
    struct place *p = map_get(&g->places, bytes_make(key, sizeof key));
    if (!p) {
        p = arena_new(&g->memory, struct place);
        if (!p) return ERR_NO_MEMORY;
        memcpy(p->key, key, sizeof key);
        if (map_put(&g->places, bytes_make(p->key, sizeof key), p, NULL, NULL) != 0) {
            return ERR_NO_MEMORY;
        }
    }
    if (p->joined) return join(g, m, p->writer);
    int r = 0;
    if (reads) {
        p->reader = m;
        r = wait_in(g, &p->readers, m);
    }
    if (r == 0 && writes) {
        p->writer = m;
        r = wait_in(g, &p->writers, m);
    }
    if (r != 0 || !p->reader || !p->writer ||
        (p->reader == p->writer && !p->readers->next && !p->writers->next)) {
        return r;
    }
    p->joined = true;
    r = join_all(g, p->writer, p->readers);
    return r == 0 ? join_all(g, p->writer, p->writers) : r;
}

static int touch_effects(struct groups *g, struct member *m, const struct effects *e) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < e->account_count; i++) {
        const struct effects_account *a = &e->accounts[i];
        if (address_equal(&a->address, &g->coinbase)) continue;
        if (a->reads || a->written) {
            r = touch(g, m, &a->address, NULL, a->reads != 0, a->written);
        }
    }
    for (size_t i = 0; r == 0 && i < e->slot_count; i++) {
        const struct effects_slot *s = &e->slots[i];
        r = touch(g, m, &e->accounts[s->account].address, &s->key, true, s->written);
    }
    return r;
}

bool groups_has(const struct groups *g, const struct job_entry *e) {
    return e->index < g->room && g->members[e->index];
}

size_t groups_size(struct groups *g, const struct job_entry *e) {
    return groups_has(g, e) ? root_of(g->members[e->index])->group->count : 0;
}

bool groups_same(struct groups *g, const struct job_entry *a, const struct job_entry *b) {
    if (!groups_has(g, a) || !groups_has(g, b)) return false;
    return root_of(g->members[a->index]) == root_of(g->members[b->index]);
}

size_t groups_order_count(const struct groups *g) {
    return g->count;
}

static struct member *member_new(struct groups *g, const struct job_entry *e) {
    if (e->index >= g->room) {
        size_t room = g->room ? g->room : 1024;
        while (room <= e->index) {
            room *= 2;
        }
        struct member **p = realloc(g->members, room * sizeof(struct member *));
        if (!p) return NULL;
        memset(p + g->room, 0, (room - g->room) * sizeof(struct member *));
        g->members = p;
        g->room = room;
    }
    struct member *m = arena_new(&g->memory, struct member);
    struct group *one = arena_new(&g->memory, struct group);
    if (!m || !one || group_add(one, e) != 0) return NULL;
    one->next = g->first;
    g->first = one;
    *m = (struct member){e, m, one};
    g->members[e->index] = m;
    g->count++;
    return m;
}

int groups_add(struct groups *g, const struct job_entry *e, struct error *why) {
    struct member *m = member_new(g, e);
    int r = m ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; r == 0 && i < e->job.order->tx_count; i++) {
        const struct job_tx *t = e->job.txs[i];
        // The sender's account: nonces and fees are read and written by every transaction.
        r = touch(g, m, &t->t->sender, NULL, true, true);
        const struct known_effects *k =
            atomic_load_explicit(&t->shared->known, memory_order_acquire);
        for (; r == 0 && k; k = k->next) {
            r = touch_effects(g, m, &k->effects);
        }
    }
    return r == 0 ? 0 : no_memory(why);
}

struct group *groups_first(const struct groups *g) {
    return g->first;
}
