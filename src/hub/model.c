/* Builders: loading, indexes and peer lists.
 * SPDX-License-Identifier: MIT */
#include "hub/model.h"

#include "base/hex.h"
#include "crypto/sha256.h"
#include "hub/model_internal.h"
#include "json/write.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model *m, const struct model_rules *rules) {
    *m = (struct model){.compat = rules->compat, .lists_all = !rules->required};
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
    b->secret_old = false;
    if (!document.p) {
        b->secret_turn++;
        return;
    }
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
    free(b->shadow_of);
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
        shared_text_drop(n->list);
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
    if (m->secret_turn <= b->secret_turn) m->secret_turn = b->secret_turn + 1;
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
    b->secret_turn = m->secret_turn;
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

struct model_rows {
    struct bytes name; /* as model_read was asked */
    bool builders, allow_list;
    struct arena arena;
    struct map drafts; /* by name */
    struct model_allowed allowed;
};

static int take_builder(void *context, const struct store_builder *row, struct error *why) {
    struct model_rows *l = context;
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
    b->shadow_of = copy(row->shadow_of);
    b->active = row->active;
    b->has_config = row->has_config;
    b->hidden = row->hidden;
    int r = b->name && b->ip && b->network && b->dns_name && b->shadow_of ? 0 : no_memory(why);
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
    struct model_rows *l = context;
    struct draft *d = map_get(&l->drafts, row->builder);
    if (!d) return 0; // came between the two queries: its own notification follows
    return peer_add(&d->members, &l->arena, row, why);
}

static int read_builders(struct model_rows *l, const struct model_rules *rules, struct store *s,
                         struct error *why) {
    size_t at = 0;
    void *value;
    struct bytes key;
    int r = store_builders(s, l->name, take_builder, l, why);
    if (r == 0) r = store_credentials(s, l->name, false, take_credential, l, why);
    while (r == 0 && map_next(&l->drafts, &at, &key, &value)) {
        struct draft *d = value;
        r = peer_write(d->builder, d->members, rules, why);
    }
    return r;
}

int model_read(struct model_rows **ret, const struct model_rules *rules, struct store *s,
               struct bytes name, struct error *why) {
    struct model_rows *l = calloc(1, sizeof *l);
    *ret = NULL;
    if (!l) return no_memory(why);
    arena_init(&l->arena, 0);
    map_init(&l->drafts, 0);
    l->name = name.n ? arena_copy(&l->arena, name) : name;
    l->builders = !name.p || name.n;
    int r = l->builders ? read_builders(l, rules, s, why) : 0;
    if (r == 0 && (!name.p || name.n == 0)) {
        r = allowed_read(&l->allowed, rules, s, why);
        l->allow_list = r == 0;
    }
    if (r != 0) {
        model_rows_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

// Builders that the model took are no longer in the map.
void model_rows_free(struct model_rows *l) {
    size_t at = 0;
    void *value;
    struct bytes key;
    if (!l) return;
    while (map_next(&l->drafts, &at, &key, &value)) {
        struct draft *d = value;
        model_builder_free(d->builder);
    }
    map_free(&l->drafts);
    arena_free(&l->arena);
    if (l->allow_list) allowed_free(&l->allowed);
    free(l);
}

// What the old struct knew goes on in the new one.
static void inherit(struct model_builder *b, struct model_builder *old) {
    b->secret = old->secret;
    b->secret_bytes = old->secret_bytes;
    b->secret_old = old->secret_old;
    b->secret_turn = old->secret_turn;
    old->secret = NULL;
    atomic_store(&b->seen_ns, atomic_load(&old->seen_ns));
}

static bool same_peer(const struct model_builder *a, const struct model_builder *b) {
    return a->active == b->active && a->hidden == b->hidden && a->complete == b->complete &&
           a->peer_bytes == b->peer_bytes && memcmp(a->peer, b->peer, a->peer_bytes) == 0 &&
           strcmp(a->network, b->network) == 0;
}

static bool same(const struct model_builder *a, const struct model_builder *b) {
    return same_peer(a, b) && a->has_config == b->has_config &&
           memcmp(a->address, b->address, sizeof a->address) == 0 &&
           strcmp(a->dns_name, b->dns_name) == 0 && strcmp(a->shadow_of, b->shadow_of) == 0;
}

// A known builder whose rows say something else.
static int swap(struct model *m, struct model_builder *old, struct model_builder *b,
                struct error *why) {
    int r = unindex_address(m, old, why);
    size_t at = position_of(m, bytes_from_str(b->name));
    if (!same_peer(old, b)) {
        stale_network(m, old->network);
        stale_network(m, b->network);
    }
    inherit(b, old);
    m->sorted[at] = b;
    (void)map_remove(&m->by_name, bytes_from_str(old->name));
    model_builder_free(old);
    int put = map_put(&m->by_name, bytes_from_str(b->name), b, NULL, r == 0 ? why : NULL);
    if (r == 0) r = put;
    return r == 0 ? index_address(m, b, why) : r;
}

static int take_one(struct model *m, struct model_rows *l, struct bytes name, struct error *why) {
    struct draft *d = map_get(&l->drafts, name);
    struct model_builder *b = d ? d->builder : NULL;
    struct model_builder *old = map_get(&m->by_name, name);
    if (!b && !old) return 0;
    if (b && old && same(b, old)) return 0;
    if (b) (void)map_remove(&l->drafts, name);
    if (b && old) return swap(m, old, b, why);
    if (!b) {
        int r = take_out(m, old, why);
        model_builder_free(old);
        return r;
    }
    int r = put_in(m, b, why);
    if (r != 0 && map_get(&m->by_name, name) != b) model_builder_free(b);
    return r;
}

static int take_builders(struct model *m, struct model_rows *l, struct error *why) {
    size_t at = 0, n = 0;
    void *value;
    struct bytes key, *names;
    int r = 0;
    // Builders that are gone from the store first, from the back.
    for (size_t i = m->count; r == 0 && i-- > 0;) {
        struct bytes name = bytes_from_str(m->sorted[i]->name);
        if (!map_get(&l->drafts, name)) r = take_one(m, l, name, why);
    }
    names = arena_new_array(&l->arena, struct bytes, l->drafts.n + 1);
    if (!names) return no_memory(why);
    while (map_next(&l->drafts, &at, &key, &value)) // the map changes below
        names[n++] = key;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = take_one(m, l, names[i], why);
    return r;
}

static void take_allowed(struct model *m, struct model_rows *l) {
    arena_free(&m->measurement_memory);
    buf_free(&m->published);
    m->measurement_memory = l->allowed.memory;
    m->measurements = l->allowed.items;
    m->measurement_count = l->allowed.count;
    m->published = l->allowed.published;
    l->allow_list = false;
}

int model_take(struct model *m, const struct model_rules *rules, struct model_rows *l,
               struct error *why) {
    m->lists_all = !rules->required;
    if (l->allow_list) take_allowed(m, l);
    if (!l->builders) return 0;
    return l->name.n ? take_one(m, l, l->name, why) : take_builders(m, l, why);
}

struct model_builder *model_builder(const struct model *m, struct bytes name) {
    return map_get(&m->by_name, name);
}

bool model_has_config(const struct model *m, const struct model_builder *b) {
    if (!b->shadow_of[0]) return b->has_config;
    const struct model_builder *source = model_builder(m, bytes_from_str(b->shadow_of));
    return source && source->has_config;
}

const char *model_shadowed(const struct model *m, struct bytes name) {
    for (size_t i = 0; i < m->count; i++) {
        if (bytes_equal_str(name, m->sorted[i]->shadow_of)) return m->sorted[i]->name;
    }
    return NULL;
}

void model_age_secrets(struct model *m, struct bytes name) {
    for (size_t i = 0; i < m->count; i++) {
        struct model_builder *b = m->sorted[i];
        if (!name.p || bytes_equal_str(name, b->name) || bytes_equal_str(name, b->shadow_of)) {
            b->secret_old = true;
            b->secret_turn++;
        }
    }
}

struct model_builder *model_builder_at(const struct model *m, const uint8_t address[16]) {
    return map_get(&m->by_address, bytes_make(address, 16));
}

// Peer lists

static bool is_listed(const struct model *m, const struct model_builder *b) {
    return b->active && !b->hidden && (b->complete || m->compat || m->lists_all);
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

static void write_tag(char ret[MODEL_TAG_BYTES + 1], struct bytes text) {
    struct hash h = sha256(text);
    ret[0] = ret[MODEL_TAG_BYTES - 1] = '"';
    hex_encode(ret + 1, bytes_make(h.b, (MODEL_TAG_BYTES - 2) / 2));
    ret[MODEL_TAG_BYTES] = '\0';
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
    }
    struct buf text;
    buf_init(&text, 0);
    shared_text_drop(n->list);
    write_list(m, network, NULL, &text);
    write_tag(n->tag, buf_view(&text));
    n->list = shared_text_new(&text);
    n->fresh = n->list != NULL;
}

struct shared_text *model_peers(const struct model *m, struct bytes network,
                                const struct model_builder *self, struct buf *own,
                                struct bytes *ret_tag) {
    const struct model_network *n = map_get(&m->networks, network);
    if (n && n->fresh && (!self || is_listed(m, self))) {
        *ret_tag = bytes_from_str(n->tag);
        return shared_text_hold(n->list);
    }
    write_list(m, network, self, own);
    return NULL;
}
