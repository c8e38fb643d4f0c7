/* SPDX-License-Identifier: MIT */
#include "net/url.h"

#include "net/http.h"
#include "net/http_table.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum url_scheme scheme;
    bool tls;
    unsigned port;
} schemes[] = {
    {"http", URL_HTTP, false, 80}, {"https", URL_HTTPS, true, 443}, {"ws", URL_WS, false, 80},
    {"wss", URL_WSS, true, 443},   {"unix", URL_UNIX, false, 0},
};

static int take_scheme(struct url *u, struct bytes *rest, struct error *why) {
    const uint8_t *colon = rest->n ? memchr(rest->p, ':', rest->n) : NULL;
    if (!colon) return error_set(why, ERR_SYNTAX, "the URL has no scheme");
    struct bytes name = {rest->p, (size_t)(colon - rest->p)};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!http_equal_nocase(name, schemes[i].name)) continue;
        u->scheme = schemes[i].scheme;
        u->tls = schemes[i].tls;
        u->port = schemes[i].port;
        *rest = bytes_slice(*rest, name.n + 1, rest->n);
        return 0;
    }
    return error_set(why, ERR_UNSUPPORTED, "the URL's scheme is not http, https, ws, wss or unix");
}

static int parse_local(struct url *u, struct bytes rest, struct error *why) {
    if (bytes_starts_with(rest, BYTES_LIT("///"))) rest = bytes_slice(rest, 2, rest.n);
    bool good = rest.n > 1 && (rest.p[0] == '/' || rest.p[0] == '@') &&
                !(rest.p[0] == '/' && rest.p[1] == '/');
    if (!good) return error_set(why, ERR_SYNTAX, "unix: needs a path or @name");
    u->local = rest;
    u->target = u->path = BYTES_LIT("/");
    return 0;
}

static int parse_authority(struct url *u, struct bytes authority, struct error *why) {
    const uint8_t *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;
    if (at) {
        u->userinfo = bytes_slice(authority, 0, (size_t)(at - authority.p));
        authority = bytes_slice(authority, u->userinfo.n + 1, authority.n);
    }
    if (!http_is_authority(authority)) {
        return error_set(why, ERR_SYNTAX, "the URL has no right host[:port]");
    }
    u->authority = authority;
    u->ipv6 = authority.p[0] == '[';
    const uint8_t *end = memchr(authority.p, u->ipv6 ? ']' : ':', authority.n);
    size_t n = end ? (size_t)(end - authority.p) : authority.n;
    u->host = u->ipv6 ? bytes_slice(authority, 1, n - 1) : bytes_slice(authority, 0, n);
    struct bytes port = bytes_slice(authority, n + (u->ipv6 ? 2 : 1), authority.n);
    if (port.n == 0) return 0;
    u->port = 0;
    for (size_t i = 0; i < port.n; i++) {
        u->port = u->port * 10 + (unsigned)(port.p[i] - '0');
    }
    if (u->port == 0) return error_set(why, ERR_RANGE, "the URL's port is 0");
    return 0;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%41" at the front stands for; -1 when it is no such thing. */
static int escape_at(struct bytes text) {
    if (text.n < 3) return -1;
    int high = hex_digit(text.p[1]), low = hex_digit(text.p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static int check_text(struct bytes text, struct error *why) {
    if (text.n > URL_BYTES_MAX) return error_set(why, ERR_LIMIT, "the URL is too long");
    size_t n = http_target_span(text.p, text.n);
    if (n < text.n) return error_set_at(why, ERR_SYNTAX, n, "the URL holds a wrong character");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '#') return error_set_at(why, ERR_SYNTAX, i, "the URL has a fragment");
        if (text.p[i] == '%' && escape_at(bytes_slice(text, i, 3)) < 0) {
            return error_set_at(why, ERR_SYNTAX, i, "the URL has a wrong percent sign");
        }
    }
    return 0;
}

int url_origin(char *ret, size_t room, const struct url *u, struct error *why) {
    bool local = u->scheme == URL_UNIX;
    struct bytes rest = local ? u->local : u->authority;
    int n = snprintf(ret, room, "%s%.*s",
                     local    ? "unix:"
                     : u->tls ? "https://"
                              : "http://",
                     (int)rest.n, (const char *)rest.p);
    if (n < 0 || (size_t)n >= room) return error_set(why, ERR_LIMIT, "the URL is too long");
    return 0;
}

void url_split(struct bytes *ret_path, struct bytes *ret_query, struct bytes target) {
    const uint8_t *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    size_t n = mark ? (size_t)(mark - target.p) : target.n;
    *ret_path = bytes_slice(target, 0, n);
    *ret_query = bytes_slice(target, n + 1, target.n);
}

int url_parse(struct url *ret, struct bytes text, struct error *why) {
    struct url u = {.scheme = URL_HTTP};
    struct bytes rest = text;
    int r = check_text(text, why);
    if (r == 0) r = take_scheme(&u, &rest, why);
    if (r < 0) return r;
    if (u.scheme == URL_UNIX) {
        r = parse_local(&u, rest, why);
    } else if (!bytes_starts_with(rest, BYTES_LIT("//"))) {
        r = error_set(why, ERR_SYNTAX, "the URL has no \"//\" after its scheme");
    } else {
        rest = bytes_slice(rest, 2, rest.n);
        size_t n = 0;
        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
            n++;
        }
        r = parse_authority(&u, bytes_slice(rest, 0, n), why);
        u.target = bytes_slice(rest, n, rest.n);
        if (u.target.n == 0) u.target = BYTES_LIT("/");
        if (r == 0 && u.target.p[0] == '?') {
            r = error_set(why, ERR_SYNTAX, "the URL has a query without a path");
        }
        url_split(&u.path, &u.query, u.target);
    }
    if (r == 0) *ret = u;
    return r;
}

int url_decode(struct bytes *ret, struct bytes text, unsigned flags, struct arena *a,
               struct error *why) {
    bool plus = flags & URL_PLUS;
    size_t clean = 0;
    while (clean < text.n && text.p[clean] != '%' && !(plus && text.p[clean] == '+')) {
        clean++;
    }
    if (clean == text.n) {
        *ret = text;
        return 0;
    }
    uint8_t *out = arena_alloc_raw(a, text.n);
    if (!out) return error_set(why, ERR_LIMIT, "no memory for decoded text");
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int c = text.p[i];
        if (c == '%') {
            c = escape_at(bytes_slice(text, i, 3));
            if (c < 0 || (c == 0 && flags & URL_NO_NUL)) {
                return error_set_at(why, ERR_SYNTAX, i, "wrong percent-encoding");
            }
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = (uint8_t)c;
    }
    *ret = (struct bytes){out, n};
    return 0;
}

static bool is_unreserved(uint8_t c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_append_encoded(struct buf *out, struct bytes text) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (is_unreserved(c)) {
            buf_append_byte(out, c);
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            buf_append(out, bytes_make(escape, 3));
        }
    }
}

bool url_query_next(struct bytes *ret_name, struct bytes *ret_value, struct bytes *rest) {
    while (rest->n) {
        const uint8_t *end = memchr(rest->p, '&', rest->n);
        struct bytes part = bytes_slice(*rest, 0, end ? (size_t)(end - rest->p) : rest->n);
        *rest = bytes_slice(*rest, part.n + 1, rest->n);
        if (part.n == 0) continue;
        const uint8_t *equal = memchr(part.p, '=', part.n);
        size_t n = equal ? (size_t)(equal - part.p) : part.n;
        *ret_name = bytes_slice(part, 0, n);
        *ret_value = bytes_slice(part, n + 1, part.n);
        return true;
    }
    return false;
}

int url_query_get(struct bytes *ret, struct bytes query, const char *name, struct arena *a,
                  struct error *why) {
    struct bytes key, value;
    while (url_query_next(&key, &value, &query)) {
        int r = url_decode(&key, key, URL_PLUS, a, why);
        if (r < 0) return r;
        if (bytes_equal_str(key, name)) return url_decode(ret, value, URL_PLUS, a, why);
    }
    return error_set(why, ERR_NOT_FOUND, "no parameter \"%s\"", name);
}
