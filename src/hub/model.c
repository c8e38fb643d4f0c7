/* Builders: loading, indexes and peer lists.
 * SPDX-License-Identifier: MIT */
#include "hub/model.h"

#include "base/hex.h"
#include "hub/model_internal.h"
#include "json/write.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model *m, bool compat, const char *const *required) {
    *m = (struct model){.compat = compat, .required = required};
    map_init(&m->by_name, 0);
    map_init(&m->by_address, 0);
    map_init(&m->networks, 0);
    arena_init(&m->measurement_memory, 0);
    buf_init(&m->published, 0);
    buf_append_str(&m->published, "[]");
}

void model_set_secret(struct model_builder *b, struct bytes document) {
    if (b->secret) bytes_wipe(b->secret, b->secret_bytes);
    free(b->secret);
    b->secret = NULL;
    b->secret_bytes = 0;
    if (!document.p) return;
    b->secret = malloc(document.n + 1);
    if (!b->secret) return; // read again the next time
    memcpy(b->secret, document.p, document.n);
    b->secret_bytes = document.n;
}

void model_builder_free(struct model_builder *b) {
    if (!b) return;
    model_set_secret(b, (struct bytes){NULL, 0});
    free(b->name);
    free(b->ip);
    free(b->network);
    free(b->dns_name);
    free(b->peer);
    free(b);
}

static void forget_builders(struct model *m) {
    for (size_t i = 0; i < m->count; i++) {
        model_builder_free(m->sorted[i]);
    }
    m->count = 0;
    map_clear(&m->by_name);
    map_clear(&m->by_address);
}

void model_free(struct model *m) {
    size_t at = 0;
    void *value;
    struct bytes key;
    forget_builders(m);
    while (map_next(&m->networks, &at, &key, &value)) {
        struct model_network *n = value;
        buf_free(&n->list);
        free(n->name);
        free(n);
    }
    map_free(&m->by_name);
    map_free(&m->by_address);
    map_free(&m->networks);
    free(m->sorted);
    arena_free(&m->measurement_memory);
    buf_free(&m->published);
}

bool model_ip(uint8_t ret[16], struct bytes text) {
    char s[46];
    if (text.n == 0 || text.n >= sizeof s || memchr(text.p, 0, text.n)) return false;
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    memset(ret, 0, 10);
    ret[10] = ret[11] = 0xff;
    return inet_pton(AF_INET, s, ret + 12) == 1 || inet_pton(AF_INET6, s, ret) == 1;
}

void model_ip_text(char ret[46], const uint8_t address[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(address, mapped, sizeof mapped) == 0;
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, ret, 46);
}

// Indexes

static struct bytes address_key(const struct model_builder *b) {
    return bytes_make(b->address, sizeof b->address);
}

static int index_address(struct model *m, struct model_builder *b, struct error *why) {
    struct model_builder *other = map_get(&m->by_address, address_key(b));
    if (!b->active || (other && strcmp(other->name, b->name) < 0)) return 0;
    return map_put(&m->by_address, address_key(b), b, NULL, why);
}

// Another active builder on the address takes the place of the one that leaves.
static int unindex_address(struct model *m, struct model_builder *b, struct error *why) {
    if (map_get(&m->by_address, address_key(b)) != b) return 0;
    (void)map_remove(&m->by_address, address_key(b));
    for (size_t i = 0; i < m->count; i++) {
        struct model_builder *o = m->sorted[i];
        if (o == b || !o->active || memcmp(o->address, b->address, 16) != 0) continue;
        return map_put(&m->by_address, address_key(o), o, NULL, why);
    }
    return 0;
}

// Where a name is or would be in the sorted list.
static size_t position_of(const struct model *m, struct bytes name) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_compare(bytes_from_str(m->sorted[middle]->name), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void stale_network(struct model *m, const char *name) {
    struct model_network *n = map_get(&m->networks, bytes_from_str(name));
    if (!n) return;
    n->fresh = false;
    n->version++;
}

static int take_out(struct model *m, struct model_builder *b, struct error *why) {
    int r = unindex_address(m, b, why);
    size_t at = position_of(m, bytes_from_str(b->name));
    memmove(&m->sorted[at], &m->sorted[at + 1], (m->count - at - 1) * sizeof *m->sorted);
    m->count--;
    (void)map_remove(&m->by_name, bytes_from_str(b->name));
    stale_network(m, b->network);
    return r;
}

static int put_in(struct model *m, struct model_builder *b, struct error *why) {
    if (m->count == m->capacity) {
        size_t more = m->capacity ? 2 * m->capacity : 64;
        struct model_builder **sorted = realloc(m->sorted, more * sizeof *sorted);
        if (!sorted) return error_set(why, ERR_NO_MEMORY, "no memory for builders");
        m->sorted = sorted;
        m->capacity = more;
    }
    int r = map_put(&m->by_name, bytes_from_str(b->name), b, NULL, why);
    if (r != 0) return r;
    size_t at = position_of(m, bytes_from_str(b->name));
    memmove(&m->sorted[at + 1], &m->sorted[at], (m->count - at) * sizeof *m->sorted);
    m->sorted[at] = b;
    m->count++;
    stale_network(m, b->network);
    return index_address(m, b, why);
}

// Loading

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a builder");
}

static char *copy(struct bytes b) {
    char *s = malloc(b.n + 1);
    if (!s) return NULL;
    if (b.n) memcpy(s, b.p, b.n);
    s[b.n] = '\0';
    return s;
}

// A builder on its way in, with what its services say so far.
struct draft {
    struct model_builder *builder;
    struct arena *arena;
    struct peer_member *members;
};

struct loading {
    struct arena arena;
    struct map drafts; /* by name */
};

static int take_builder(void *context, const struct store_builder *row, struct error *why) {
    struct loading *l = context;
    struct draft *d = arena_new(&l->arena, struct draft);
    struct model_builder *b = calloc(1, sizeof *b);
    if (!d || !b) {
        free(b);
        return no_memory(why);
    }
    *d = (struct draft){b, &l->arena, NULL};
    b->name = copy(row->name);
    b->ip = copy(row->ip);
    b->network = copy(row->network);
    b->dns_name = copy(row->dns_name);
    b->active = row->active;
    b->has_config = row->has_config;
    b->hidden = row->hidden;
    int r = b->name && b->ip && b->network && b->dns_name ? 0 : no_memory(why);
    if (r == 0 && !model_ip(b->address, row->ip)) {
        r = error_set(why, ERR_INVALID, "builder %s has the address '%s'", b->name, b->ip);
    }
    if (r == 0) {
        char text[46];
        model_ip_text(text, b->address);
        free(b->ip);
        b->ip = copy(bytes_from_str(text));
        if (!b->ip) r = no_memory(why);
    }
    if (r == 0) r = map_put(&l->drafts, bytes_from_str(b->name), d, NULL, why);
    if (r != 0) model_builder_free(b);
    return r;
}

static int take_credential(void *context, const struct store_credential *row, struct error *why) {
    struct loading *l = context;
    struct draft *d = map_get(&l->drafts, row->builder);
    if (!d) return 0; // came between the two queries: its own notification follows
    return peer_add(&d->members, &l->arena, row, why);
}

static int load(struct loading *l, struct model *m, struct store *s, struct bytes name,
                struct error *why) {
    size_t at = 0;
    void *value;
    struct bytes key;
    arena_init(&l->arena, 0);
    map_init(&l->drafts, 0);
    int r = store_builders(s, name, take_builder, l, why);
    if (r == 0) r = store_credentials(s, name, false, take_credential, l, why);
    while (r == 0 && map_next(&l->drafts, &at, &key, &value)) {
        struct draft *d = value;
        r = peer_write(d->builder, d->members, m, why);
    }
    return r;
}

// Frees what `load` made; builders that the model took are no longer in the map.
static void loaded(struct loading *l) {
    size_t at = 0;
    void *value;
    struct bytes key;
    while (map_next(&l->drafts, &at, &key, &value)) {
        struct draft *d = value;
        model_builder_free(d->builder);
    }
    map_free(&l->drafts);
    arena_free(&l->arena);
}

// What the old struct knew goes on in the new one.
static void inherit(struct model_builder *b, struct model_builder *old) {
    b->secret = old->secret;
    b->secret_bytes = old->secret_bytes;
    old->secret = NULL;
    atomic_store(&b->seen_ns, atomic_load(&old->seen_ns));
}

static int replace(struct model *m, struct loading *l, struct bytes name, struct error *why) {
    struct draft *d = map_remove(&l->drafts, name);
    struct model_builder *b = d ? d->builder : NULL;
    struct model_builder *old = map_get(&m->by_name, name);
    int r = old ? take_out(m, old, why) : 0;
    if (b && old) inherit(b, old);
    model_builder_free(old);
    if (b && r == 0) {
        r = put_in(m, b, why);
    } else {
        model_builder_free(b);
    }
    return r;
}

int model_load_builder(struct model *m, struct store *s, struct bytes name, struct error *why) {
    struct loading l;
    int r = load(&l, m, s, name, why);
    if (r == 0) r = replace(m, &l, name, why);
    loaded(&l);
    return r;
}

int model_load_builders(struct model *m, struct store *s, struct error *why) {
    struct loading l;
    int r = load(&l, m, s, (struct bytes){NULL, 0}, why);
    // Builders that are gone from the store first, from the back.
    for (size_t i = m->count; r == 0 && i-- > 0;) {
        struct bytes name = bytes_from_str(m->sorted[i]->name);
        if (!map_get(&l.drafts, name)) r = replace(m, &l, name, why);
    }
    size_t at = 0;
    void *value;
    struct bytes key;
    while (r == 0 && map_next(&l.drafts, &at, &key, &value)) {
        struct draft *d = value;
        struct model_builder *b = d->builder;
        struct model_builder *old = map_get(&m->by_name, bytes_from_str(b->name));
        if (old) {
            r = take_out(m, old, why);
            inherit(b, old);
            model_builder_free(old);
        }
        d->builder = NULL;
        if (r == 0) r = put_in(m, b, why);
    }
    loaded(&l);
    return r;
}

struct model_builder *model_builder(const struct model *m, struct bytes name) {
    return map_get(&m->by_name, name);
}

struct model_builder *model_builder_at(const struct model *m, const uint8_t address[16]) {
    return map_get(&m->by_address, bytes_make(address, 16));
}

// Peer lists

static bool is_listed(const struct model *m, const struct model_builder *b) {
    return b->active && !b->hidden && (b->complete || m->compat || !m->required);
}

static void write_list(const struct model *m, struct bytes network,
                       const struct model_builder *self, struct buf *out) {
    bool first = true;
    buf_append_byte(out, '[');
    for (size_t i = 0; i < m->count; i++) {
        const struct model_builder *b = m->sorted[i];
        if (!bytes_equal_str(network, b->network)) continue;
        if (b != self && !is_listed(m, b)) continue;
        if (!first) buf_append_byte(out, ',');
        first = false;
        buf_append(out, bytes_make(b->peer, b->peer_bytes));
    }
    buf_append_byte(out, ']');
}

bool model_peers_fresh(const struct model *m, struct bytes network) {
    const struct model_network *n = map_get(&m->networks, network);
    return n && n->fresh;
}

void model_peers_build(struct model *m, struct bytes network) {
    struct model_network *n = map_get(&m->networks, network);
    struct error why;
    if (!n) {
        bool exists = false;
        for (size_t i = 0; i < m->count && !exists; i++) {
            exists = bytes_equal_str(network, m->sorted[i]->network);
        }
        if (!exists) return; // made-up names take no memory
        n = calloc(1, sizeof *n);
        if (!n) return;
        n->name = copy(network);
        if (!n->name || map_put(&m->networks, bytes_from_str(n->name), n, NULL, &why) != 0) {
            free(n->name);
            free(n);
            return;
        }
        buf_init(&n->list, 0);
    }
    buf_clear(&n->list);
    write_list(m, network, NULL, &n->list);
    n->fresh = n->list.failed == 0;
}

struct bytes model_peers(const struct model *m, struct bytes network,
                         const struct model_builder *self, struct buf *scratch) {
    const struct model_network *n = map_get(&m->networks, network);
    if (n && n->fresh && (!self || is_listed(m, self))) return buf_view(&n->list);
    write_list(m, network, self, scratch);
    return buf_view(scratch);
}
