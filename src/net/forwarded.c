/* SPDX-License-Identifier: MIT */
#include "net/forwarded.h"

#define HOPS_MAX 64 /* elements looked at; more are a loop or an attack */

/* ---- Forwarded ---- */

/* The value at the front, a token or a quoted string; takes it off. */
static int take_value(struct bytes *ret, struct bytes *rest, struct arena *a, struct error *why) {
    size_t n = 0;
    if (rest->n == 0 || rest->p[0] != '"') {
        /* Brackets and colons stand unquoted in what some proxies send; nothing else fits there. */
        while (n < rest->n && rest->p[n] != ';' && rest->p[n] != ',' && rest->p[n] != ' ' &&
               rest->p[n] != '"') {
            n++;
        }
        *ret = bytes_slice(*rest, 0, n);
        *rest = bytes_slice(*rest, n, rest->n);
        return n ? 0 : error_set(why, ERR_SYNTAX, "a parameter of Forwarded is empty");
    }
    uint8_t *out = arena_alloc_raw(a, rest->n);
    if (!out) return error_set(why, ERR_LIMIT, "no memory for Forwarded");
    size_t i = 1;
    for (; i < rest->n && rest->p[i] != '"'; i++) {
        if (rest->p[i] == '\\' && ++i == rest->n) break;
        out[n++] = rest->p[i];
    }
    if (i >= rest->n) return error_set(why, ERR_SYNTAX, "a quote of Forwarded is not closed");
    *ret = (struct bytes){out, n};
    *rest = bytes_slice(*rest, i + 1, rest->n);
    return 0;
}

static struct bytes *slot_of(struct forwarded_hop *hop, struct bytes name) {
    if (http_equal_nocase(name, "for")) return &hop->node_for;
    if (http_equal_nocase(name, "by")) return &hop->by;
    if (http_equal_nocase(name, "host")) return &hop->host;
    if (http_equal_nocase(name, "proto")) return &hop->proto;
    return NULL;
}

static int take_pair(struct forwarded_hop *hop, struct bytes *rest, struct arena *a,
                     struct error *why) {
    const uint8_t *equal = memchr(rest->p, '=', rest->n);
    struct bytes name = bytes_slice(*rest, 0, equal ? (size_t)(equal - rest->p) : 0), value;
    if (!http_is_token(name)) return error_set(why, ERR_SYNTAX, "wrong parameter in Forwarded");
    *rest = bytes_slice(*rest, name.n + 1, rest->n);
    int r = take_value(&value, rest, a, why);
    if (r < 0) return r;
    struct bytes *slot = slot_of(hop, name);
    if (!slot) return 0;
    if (slot->p) return error_set(why, ERR_SYNTAX, "a parameter of Forwarded comes twice");
    *slot = value;
    return 0;
}

int forwarded_next(struct forwarded_hop *ret, struct bytes *rest, struct arena *a,
                   struct error *why) {
    struct forwarded_hop hop = {.by = {NULL, 0}};
    bool found = false;
    for (;;) {
        *rest = bytes_trim(*rest);
        if (rest->n == 0) break;
        uint8_t c = rest->p[0];
        if (c == ',' || c == ';') {
            *rest = bytes_slice(*rest, 1, rest->n);
            if (c == ',' && found) break;
            continue;
        }
        int r = take_pair(&hop, rest, a, why);
        if (r < 0) return r;
        found = true;
        *rest = bytes_trim(*rest);
        if (rest->n && rest->p[0] != ',' && rest->p[0] != ';') {
            return error_set(why, ERR_SYNTAX, "Forwarded has something after a value");
        }
    }
    *ret = hop;
    return found;
}

/* ---- the client ---- */

/* "1.2.3.4", "1.2.3.4:5", "2001:db8::1" (X-Forwarded-For), "[2001:db8::1]:5". */
static bool parse_node(struct socket_address *ret, struct bytes text) {
    char bracketed[64];
    if (text.n == 0 || text.n >= sizeof bracketed - 2) return false;
    const uint8_t *first = memchr(text.p, ':', text.n);
    if (first && text.p[0] != '[' && memrchr(text.p, ':', text.n) != first) {
        bracketed[0] = '[';
        memcpy(bracketed + 1, text.p, text.n);
        bracketed[text.n + 1] = ']';
        text = bytes_make(bracketed, text.n + 2);
    }
    bool colon_first = text.p[0] == ':' || bytes_starts_with(text, BYTES_LIT("unix"));
    return !colon_first && socket_address_parse(ret, text, 1, NULL) == 0;
}

static bool is_trusted(const struct socket_address *a, const struct socket_block *trusted,
                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (socket_block_has(&trusted[i], a)) return true;
    }
    return false;
}

struct nodes {
    struct bytes item[HOPS_MAX]; /* the last ones, oldest first */
    size_t count;
};

static void add_node(struct nodes *n, struct bytes text) {
    if (n->count == HOPS_MAX) memmove(n->item, n->item + 1, --n->count * sizeof n->item[0]);
    n->item[n->count++] = text;
}

static void read_nodes(struct nodes *n, const struct http_fields *f, struct arena *a) {
    bool standard = http_has(f, HTTP_FIELD_FORWARDED);
    unsigned id = standard ? HTTP_FIELD_FORWARDED : HTTP_FIELD_X_FORWARDED_FOR;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != id) continue;
        struct bytes rest = f->item[i].value, node;
        if (!standard) {
            while (http_list_next(&node, &rest)) {
                add_node(n, node);
            }
            continue;
        }
        struct forwarded_hop hop;
        int r;
        while ((r = forwarded_next(&hop, &rest, a, NULL)) > 0) {
            add_node(n, hop.node_for);
        }
        if (r < 0) add_node(n, (struct bytes){NULL, 0}); // nothing before it can be believed
    }
}

void forwarded_client(struct socket_address *ret, const struct socket_address *peer,
                      const struct http_fields *f, const struct socket_block *trusted,
                      size_t trusted_count) {
    struct nodes nodes = {.count = 0};
    struct arena a;
    *ret = *peer;
    if (!is_trusted(peer, trusted, trusted_count)) return;
    arena_init(&a, 64u << 10);
    read_nodes(&nodes, f, &a);
    while (nodes.count && is_trusted(ret, trusted, trusted_count)) {
        struct socket_address before;
        if (!parse_node(&before, nodes.item[--nodes.count])) break;
        *ret = before;
    }
    arena_free(&a);
}

/* ---- writing ---- */

static void append_quoted(struct buf *out, const char *name, struct bytes value) {
    buf_append_str(out, name);
    if (http_is_token(value)) {
        buf_append(out, value);
        return;
    }
    buf_append_byte(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\') buf_append_byte(out, '\\');
        buf_append_byte(out, value.p[i]);
    }
    buf_append_byte(out, '"');
}

int forwarded_append(struct buf *out, const struct socket_address *peer, struct bytes host,
                     struct bytes proto, struct error *why) {
    char text[SOCKET_TEXT_MAX];
    bool local = peer->n == 0 || peer->any.sa_family == AF_UNIX;
    struct bytes node = BYTES_LIT("unknown");
    if (!local) node = bytes_make(text, socket_address_text(text, peer));
    if (!http_is_field_value(host) || !http_is_field_value(proto)) {
        return error_set(why, ERR_INVALID, "a host or scheme that no field can hold");
    }
    append_quoted(out, "for=", node);
    if (host.n) append_quoted(out, ";host=", host);
    if (proto.n) append_quoted(out, ";proto=", proto);
    return buf_check(out, why);
}
