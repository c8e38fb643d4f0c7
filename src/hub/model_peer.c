/* A builder as its peers see it.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "hub/model_internal.h"
#include "json/write.h"

#include <stdlib.h>
#include <string.h>

int peer_add(struct peer_member **list, struct arena *a, const struct store_credential *c,
             struct error *why) {
    struct peer_member *member = arena_new(a, struct peer_member);
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    if (c->tls_cert.n) json_add_text(&w, "tls_cert", c->tls_cert);
    if (c->address.n) json_add_data(&w, "ecdsa_pubkey_address", c->address);
    if (c->region.n) json_add_text(&w, "region", c->region);
    json_end(&w);
    int r = buf_check(&out, why);
    if (r == 0 && member) {
        *member = (struct peer_member){arena_copy(a, c->service), arena_copy(a, buf_view(&out)),
                                       c->address.n > 0, c->tls_cert.n > 0, *list};
    }
    if (r == 0 && (!member || !member->json.p)) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for a credential");
    }
    if (r == 0) *list = member;
    buf_free(&out);
    return r;
}

int model_peer_bytes(size_t *ret, struct bytes peer, const struct store_credential *c,
                     struct arena *a, struct error *why) {
    static const struct json_limits limits = {16u << 20, 8, 1u << 17, true};
    struct peer_member *added = NULL;
    const struct json *doc;
    int r = peer_add(&added, a, c, why);
    if (r != 0) return r;
    *ret = peer.n + added->key.n + added->json.n;
    if (json_parse(&doc, peer, a, &limits, NULL) != 0) return 0; // too long to be taken apart
    json_members(key, value, doc) {
        if (bytes_equal(json_text(key), c->service)) *ret -= json_raw(value).n + c->service.n;
    }
    return 0;
}

static const struct peer_member *find(const struct peer_member *list, const char *service) {
    for (; list; list = list->next) {
        if (bytes_equal_str(list->key, service)) return list;
    }
    return NULL;
}

// The certificate may stand at "instance" or, as older nodes do, at "orderflow_proxy".
static bool has_service(const struct peer_member *list, const char *service) {
    const struct peer_member *m = find(list, service);
    if (strcmp(service, "orderflow_proxy") == 0) return m && m->has_address;
    if (strcmp(service, "instance") != 0) return m != NULL;
    if (m && m->has_certificate) return true;
    m = find(list, "orderflow_proxy");
    return m && m->has_certificate;
}

static struct peer_member own_member(struct buf *text, const char *key, const char *value) {
    size_t begin = text->n;
    json_append_string(text, bytes_from_str(value), JSON_GO_HTML);
    return (struct peer_member){.key = bytes_from_str(key),
                                .json = {NULL, begin}, // an offset until the text stands still
                                .has_address = false};
}

static int compare(const void *left, const void *right) {
    const struct peer_member *const *a = left, *const *b = right;
    return bytes_compare((*a)->key, (*b)->key);
}

// Members in the order of their names. In compat mode a service may take the place of an own
// member, as in the deployed hub.
static void write_members(struct buf *out, struct peer_member *own, struct peer_member *list,
                          bool compat, const struct peer_member **sorted) {
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!compat || !find(list, (const char *)own[i].key.p)) sorted[n++] = &own[i];
    }
    for (struct peer_member *m = list; m; m = m->next) {
        bool reserved = false;
        for (size_t i = 0; i < 3 && !compat; i++) {
            if (bytes_equal(own[i].key, m->key)) reserved = true;
        }
        if (!reserved) sorted[n++] = m;
    }
    qsort(sorted, n, sizeof *sorted, compare);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_append_byte(out, ',');
        json_append_string(out, sorted[i]->key, JSON_GO_HTML);
        buf_append_byte(out, ':');
        buf_append(out, sorted[i]->json);
    }
    buf_append_byte(out, '}');
}

int peer_write(struct model_builder *b, struct peer_member *list, const struct model_rules *rules,
               struct error *why) {
    struct buf out, text;
    size_t count = 3;
    buf_init(&out, 0);
    buf_init(&text, 0);
    for (const struct peer_member *p = list; p; p = p->next) {
        count++;
    }
    const struct peer_member **sorted = calloc(count, sizeof *sorted);
    struct peer_member own[3] = {own_member(&text, "dns_name", b->dns_name),
                                 own_member(&text, "ip", b->ip),
                                 own_member(&text, "name", b->name)};
    int r =
        sorted ? buf_check(&text, why) : error_set(why, ERR_NO_MEMORY, "no memory for a builder");
    if (r == 0) {
        for (size_t i = 0; i < 3; i++) {
            size_t end = i < 2 ? own[i + 1].json.n : text.n;
            own[i].json.p = text.p + own[i].json.n;
            own[i].json.n = end - own[i].json.n;
        }
        write_members(&out, own, list, rules->compat, sorted);
        r = buf_check(&out, why);
    }
    b->complete = true;
    for (size_t i = 0; rules->required && rules->required[i]; i++) {
        if (!has_service(list, rules->required[i])) b->complete = false;
    }
    if (r == 0) {
        b->peer = malloc(out.n);
        b->peer_bytes = out.n;
        if (b->peer) memcpy(b->peer, out.p, out.n);
        if (!b->peer) r = error_set(why, ERR_NO_MEMORY, "no memory for a builder");
    }
    free(sorted);
    buf_free(&text);
    buf_free(&out);
    return r;
}
