/* SPDX-License-Identifier: MIT */
#include "hub_client/peers.h"

#include "json/json.h"

#include <stdlib.h>

static int copy(struct bytes *ret, struct arena *a, struct bytes in, struct error *why) {
    *ret = arena_copy(a, in);
    if (in.n && !ret->p) return error_set(why, ERR_LIMIT, "the list of builders is too large");
    return 0;
}

// A member that is absent or null reads as empty text.
static int text(struct bytes *ret, const struct json *object, const char *key, struct arena *a,
                struct error *why) {
    const struct json *v = json_get(object, key);
    struct bytes in = {NULL, 0};
    if (!json_is_null(v)) {
        int r = json_string(&in, v, why);
        if (r < 0) return r;
    }
    return copy(ret, a, in, why);
}

static int read_credential(struct hub_credential *ret, const struct json *key,
                           const struct json *value, struct arena *a, struct error *why) {
    *ret = (struct hub_credential){.has_address = false};
    int r = copy(&ret->service, a, json_text(key), why);
    if (r == 0) r = text(&ret->tls_cert, value, "tls_cert", a, why);
    if (r == 0) r = text(&ret->region, value, "region", a, why);
    const struct json *address = json_get(value, "ecdsa_pubkey_address");
    if (r == 0 && !json_is_null(address)) {
        r = json_address(&ret->address, address, why);
        ret->has_address = r == 0;
    }
    return r;
}

static int by_service(const void *left, const void *right) {
    const struct hub_credential *a = left, *b = right;
    return bytes_compare(a->service, b->service);
}

static int by_name(const void *left, const void *right) {
    const struct hub_peer *a = left, *b = right;
    return bytes_compare(a->name, b->name);
}

// A credential that cannot be read is left out; the builder's other services stay usable.
static int read_credentials(struct hub_peer *ret, const struct json *v, struct arena *a,
                            struct error *why) {
    struct hub_credential *list = arena_new_array(a, struct hub_credential, HUB_SERVICES_MAX);
    if (!list) return error_set(why, ERR_LIMIT, "the list of builders is too large");
    size_t n = 0;
    json_members(key, value, v) {
        if (json_type_of(value) != JSON_OBJECT || n == HUB_SERVICES_MAX) continue;
        if (json_text(key).n > HUB_NAME_BYTES_MAX) continue;
        int r = read_credential(&list[n], key, value, a, why);
        if (r == ERR_LIMIT) return r;
        if (r == 0) n++;
    }
    qsort(list, n, sizeof *list, by_service);
    ret->credentials = list;
    ret->credential_count = n;
    return 0;
}

// errors  ERR_LIMIT ends the whole list, anything else leaves this builder out.
static int read_peer(struct hub_peer *ret, const struct json *v, struct arena *a,
                     struct error *why) {
    *ret = (struct hub_peer){.credential_count = 0};
    int r = json_expect(v, JSON_OBJECT, why);
    if (r == 0) r = text(&ret->name, v, "name", a, why);
    if (r == 0 && (ret->name.n == 0 || ret->name.n > HUB_NAME_BYTES_MAX)) {
        r = json_error(why, ERR_RANGE, v, "a builder needs a name of 1 to %d bytes",
                       HUB_NAME_BYTES_MAX);
    }
    if (r == 0) r = text(&ret->ip, v, "ip", a, why);
    if (r == 0) r = text(&ret->dns_name, v, "dns_name", a, why);
    if (r == 0) r = read_credentials(ret, v, a, why);
    return r;
}

static int read_list(struct hub_peers *ret, const struct json *doc, struct arena *a,
                     struct error *why) {
    int r = json_expect(doc, JSON_ARRAY, why);
    if (r < 0) return r;
    if (json_count(doc) > HUB_PEERS_MAX) {
        return error_set(why, ERR_LIMIT, "%zu builders, at most %d are taken", json_count(doc),
                         HUB_PEERS_MAX);
    }
    struct hub_peer *list = arena_new_array(a, struct hub_peer, json_count(doc));
    if (!list) return error_set(why, ERR_LIMIT, "the list of builders is too large");
    struct hub_peers found = {.peers = list};
    json_each(item, doc) {
        struct error ignored;
        struct arena_mark mark = arena_mark(a);
        r = read_peer(&list[found.count], item, a, &ignored);
        if (r == ERR_LIMIT) {
            if (why) *why = ignored;
            return r;
        }
        if (r == 0) found.count++;
        if (r < 0) {
            if (found.left_out++ == 0) found.reason = ignored;
            arena_rewind(a, mark);
        }
    }
    qsort(list, found.count, sizeof *list, by_name);
    *ret = found;
    return 0;
}

int hub_peers_parse(struct hub_peers *ret, struct bytes in, struct arena *a, struct error *why) {
    const struct json_limits limits = {HUB_LIST_BYTES_MAX, 16, 1u << 20, true};
    struct arena scratch;
    const struct json *doc;
    arena_init(&scratch, 256u << 20);
    int r = json_parse(&doc, in, &scratch, &limits, why);
    if (r == 0) r = read_list(ret, doc, a, why);
    arena_free(&scratch);
    return r;
}

static bool credential_equal(const struct hub_credential *a, const struct hub_credential *b) {
    return bytes_equal(a->service, b->service) && bytes_equal(a->tls_cert, b->tls_cert) &&
           bytes_equal(a->region, b->region) && a->has_address == b->has_address &&
           (!a->has_address || address_equal(&a->address, &b->address));
}

bool hub_peer_equal(const struct hub_peer *a, const struct hub_peer *b) {
    if (!bytes_equal(a->name, b->name) || !bytes_equal(a->ip, b->ip) ||
        !bytes_equal(a->dns_name, b->dns_name) || a->credential_count != b->credential_count) {
        return false;
    }
    for (size_t i = 0; i < a->credential_count; i++) {
        if (!credential_equal(&a->credentials[i], &b->credentials[i])) return false;
    }
    return true;
}

bool hub_peers_equal(const struct hub_peers *a, const struct hub_peers *b) {
    if (a->count != b->count || a->left_out != b->left_out) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!hub_peer_equal(&a->peers[i], &b->peers[i])) return false;
    }
    return true;
}

const struct hub_peer *hub_peers_find(const struct hub_peers *list, struct bytes name) {
    struct hub_peer key = {.name = name};
    if (list->count == 0) return NULL;
    return bsearch(&key, list->peers, list->count, sizeof key, by_name);
}

const struct hub_credential *hub_peer_credential(const struct hub_peer *p, const char *service) {
    for (size_t i = 0; i < p->credential_count; i++) {
        if (bytes_equal_str(p->credentials[i].service, service)) return &p->credentials[i];
    }
    return NULL;
}

struct bytes hub_peer_certificate(const struct hub_peer *p) {
    static const char *const services[] = {HUB_SERVICE_INSTANCE, HUB_SERVICE_ORDERFLOW};
    for (size_t i = 0; i < 2; i++) {
        const struct hub_credential *c = hub_peer_credential(p, services[i]);
        if (c && c->tls_cert.n) return c->tls_cert;
    }
    return (struct bytes){NULL, 0};
}

struct bytes hub_peer_host(const struct hub_peer *p) {
    const uint8_t *comma = p->dns_name.n ? memchr(p->dns_name.p, ',', p->dns_name.n) : NULL;
    struct bytes first = p->dns_name;
    if (comma) first.n = (size_t)(comma - first.p);
    while (first.n && (first.p[first.n - 1] == ' ' || first.p[first.n - 1] == '\t')) {
        first.n--;
    }
    return first.n ? first : p->ip;
}

int hub_builder_name(char ret[HUB_NAME_BYTES_MAX + 1], struct bytes instance_name,
                     struct error *why) {
    if (instance_name.n > HUB_NAME_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "an instance name has at most %d bytes",
                         HUB_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < instance_name.n; i++) {
        char c = (char)instance_name.p[i];
        ret[i] = c == '-' ? '_' : c;
    }
    ret[instance_name.n] = '\0';
    return 0;
}
