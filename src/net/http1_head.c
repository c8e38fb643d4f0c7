/* SPDX-License-Identifier: MIT */
#include "net/http1_head.h"

#include "net/http_table.h"

struct cursor {
    uint8_t *p, *end; /* the section always ends with CR LF CR LF, or CR LF for empty trailers */
};

/* One "name: value" line. Whatever is no name up to the colon is refused, and with it folded
 * lines and space before the colon. */
static int parse_field(struct http_field *ret, struct cursor *c, struct error *why) {
    uint8_t *name = c->p;
    for (uint8_t low; (low = http_token_lower[*c->p]) != 0; c->p++) {
        *c->p = low;
    }
    if (c->p == name || *c->p != ':') return error_set(why, ERR_SYNTAX, "invalid field name");
    ret->name = (struct bytes){name, (size_t)(c->p - name)};
    c->p++;
    size_t n = http_value_span(c->p, (size_t)(c->end - c->p));
    ret->value = bytes_trim((struct bytes){c->p, n});
    c->p += n;
    if (c->end - c->p < 4 || c->p[0] != '\r' || c->p[1] != '\n') {
        return error_set(why, ERR_SYNTAX, "invalid field value");
    }
    c->p += 2;
    ret->id = (uint8_t)http_field_id_of(ret->name);
    ret->secret = http_field_is_secret(ret->id);
    return 0;
}

static int parse_fields(struct http_fields *ret, struct cursor *c, struct arena *a, unsigned limit,
                        struct error *why) {
    while (c->p[0] != '\r') {
        struct http_field field;
        int r = parse_field(&field, c, why);
        if (r < 0) return r;
        if (ret->count >= limit) return error_set(why, ERR_LIMIT, "too many header fields");
        r = http_fields_push(ret, a, &field, why);
        if (r < 0) return r;
    }
    /* Only the last line is empty; a CR here without LF is a line that begins with CR. */
    if (c->end - c->p != 2) return error_set(why, ERR_SYNTAX, "a line begins with CR");
    return 0;
}

static int parse_version(enum http_version *ret, struct cursor *c, unsigned *refused,
                         struct error *why) {
    if (c->end - c->p < 8 || memcmp(c->p, "HTTP/", 5) != 0 || c->p[5] < '0' || c->p[5] > '9' ||
        c->p[6] != '.' || c->p[7] < '0' || c->p[7] > '9') {
        return error_set(why, ERR_SYNTAX, "no HTTP version");
    }
    if (c->p[5] != '1' || c->p[7] > '1') {
        *refused = 505;
        return error_set(why, ERR_UNSUPPORTED, "HTTP version %c.%c", c->p[5], c->p[7]);
    }
    *ret = c->p[7] == '1' ? HTTP_1_1 : HTTP_1_0;
    c->p += 8;
    return 0;
}

/* scheme "://" authority [ path ], of the two schemes that HTTP/1 carries. */
static int parse_absolute(struct http_request *r, struct bytes target, struct error *why) {
    size_t scheme = 0;
    while (scheme < target.n && target.p[scheme] != ':') {
        scheme++;
    }
    r->scheme = bytes_slice(target, 0, scheme);
    struct bytes rest = bytes_slice(target, scheme, target.n);
    if (!bytes_starts_with(rest, BYTES_LIT("://")) ||
        !(http_equal_nocase(r->scheme, "http") || http_equal_nocase(r->scheme, "https"))) {
        return error_set(why, ERR_SYNTAX, "invalid request target");
    }
    r->scheme = r->scheme.n == 4 ? BYTES_LIT("http") : BYTES_LIT("https");
    rest = bytes_slice(rest, 3, rest.n);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
        n++;
    }
    r->authority = bytes_slice(rest, 0, n);
    r->path = bytes_slice(rest, n, rest.n);
    if (r->path.n == 0) r->path = r->method == HTTP_OPTIONS ? BYTES_LIT("*") : BYTES_LIT("/");
    if (!http_is_authority(r->authority) || r->path.p[0] == '?') {
        return error_set(why, ERR_SYNTAX, "invalid request target");
    }
    return 0;
}

static int parse_target(struct http_request *r, struct bytes target, struct error *why) {
    if (memchr(target.p, '#', target.n)) {
        return error_set(why, ERR_SYNTAX, "a fragment in the request target");
    }
    if (r->method == HTTP_CONNECT) {
        r->authority = target;
        bool port = target.p[0] != '[' ? memchr(target.p, ':', target.n) != NULL
                                       : target.p[target.n - 1] != ']';
        if (port && http_is_authority(target)) return 0;
        return error_set(why, ERR_SYNTAX, "CONNECT needs host:port");
    }
    r->path = target;
    if (target.p[0] == '/') return 0;
    if (r->method == HTTP_OPTIONS && bytes_equal_str(target, "*")) return 0;
    return parse_absolute(r, target, why);
}

static int parse_request_line(struct http_request *r, struct cursor *c, size_t target_bytes,
                              unsigned *refused, struct error *why) {
    uint8_t *method = c->p;
    while (http_token_lower[*c->p]) {
        c->p++;
    }
    r->method_text = (struct bytes){method, (size_t)(c->p - method)};
    r->method = http_method_of(r->method_text);
    if (c->p == method || *c->p++ != ' ') return error_set(why, ERR_SYNTAX, "invalid method");
    struct bytes target = {c->p, http_target_span(c->p, (size_t)(c->end - c->p))};
    c->p += target.n;
    if (target.n == 0 || *c->p++ != ' ') {
        return error_set(why, ERR_SYNTAX, "invalid request target");
    }
    if (target.n > target_bytes) {
        *refused = 414;
        return error_set(why, ERR_LIMIT, "the request target is too long");
    }
    int e = parse_version(&r->version, c, refused, why);
    if (e < 0) return e;
    if (c->p[0] != '\r' || c->p[1] != '\n') {
        return error_set(why, ERR_SYNTAX, "invalid request line");
    }
    c->p += 2;
    return parse_target(r, target, why);
}

/* Exactly one Host in HTTP/1.1, and the same as in an absolute target. */
static int check_host(struct http_request *r, struct error *why) {
    unsigned count = 0;
    for (unsigned i = 0; i < r->fields.count; i++) {
        count += r->fields.item[i].id == HTTP_FIELD_HOST;
    }
    if (count > 1) return error_set(why, ERR_INVALID, "several Host fields");
    if (count == 0) {
        if (r->version == HTTP_1_0) return 0;
        return error_set(why, ERR_INVALID, "no Host field");
    }
    struct bytes host = http_get(&r->fields, HTTP_FIELD_HOST);
    if (!http_is_authority(host)) return error_set(why, ERR_SYNTAX, "invalid Host");
    if (r->authority.n && !http_equal_bytes_nocase(host, r->authority)) {
        return error_set(why, ERR_INVALID, "Host and the request target differ");
    }
    if (!r->authority.n) r->authority = host;
    return 0;
}

/* What is wrong with a Transfer-Encoding that is not just "chunked": another coding is one that we
 * do not know (501); chunked twice, or not as the last one, is no framing at all (400). */
static int refuse_coding(const struct http_fields *f, unsigned *refused, struct error *why) {
    unsigned chunked = 0, others = 0;
    bool last = false;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != HTTP_FIELD_TRANSFER_ENCODING) continue;
        struct bytes rest = f->item[i].value, coding;
        while (http_list_next(&coding, &rest)) {
            last = http_equal_nocase(coding, "chunked");
            chunked += last;
            others += !last;
        }
    }
    if (others && (chunked == 0 || (chunked == 1 && last))) {
        *refused = 501;
        return error_set(why, ERR_UNSUPPORTED, "Transfer-Encoding other than chunked");
    }
    *refused = 400;
    return error_set(why, ERR_INVALID, "invalid Transfer-Encoding");
}

/* Transfer-Encoding must be one "chunked" and stand alone; everything else is how requests are
 * smuggled. Returns 1 when the body is chunked, 0 when there is no such field. */
static int parse_coding(const struct http_fields *f, enum http_version version, unsigned *refused,
                        struct error *why) {
    if (!http_has(f, HTTP_FIELD_TRANSFER_ENCODING)) return 0;
    if (version == HTTP_1_0) return error_set(why, ERR_INVALID, "Transfer-Encoding in HTTP/1.0");
    if (http_has(f, HTTP_FIELD_CONTENT_LENGTH)) {
        return error_set(why, ERR_INVALID, "Content-Length and Transfer-Encoding");
    }
    unsigned lines = 0;
    for (unsigned i = 0; i < f->count; i++) {
        lines += f->item[i].id == HTTP_FIELD_TRANSFER_ENCODING;
    }
    if (lines == 1 && http_equal_nocase(http_get(f, HTTP_FIELD_TRANSFER_ENCODING), "chunked")) {
        return 1;
    }
    return refuse_coding(f, refused, why);
}

static int parse_framing(enum http_body *body, uint64_t *length, const struct http_fields *f,
                         enum http_version version, const struct http_limits *limits,
                         unsigned *refused, struct error *why) {
    int r = parse_coding(f, version, refused, why);
    if (r < 0) return r;
    if (r > 0) {
        *body = HTTP_BODY_STREAM;
        return 0;
    }
    if (!http_has(f, HTTP_FIELD_CONTENT_LENGTH)) return 0;
    r = http_parse_length(length, f, why);
    if (r < 0) return r;
    *body = HTTP_BODY_LENGTH;
    if (*length > limits->body_bytes) {
        *refused = 413;
        return error_set(why, ERR_LIMIT, "the body is too large");
    }
    return 0;
}

static bool goes_on(const struct http_fields *f, enum http_version version) {
    if (http_has_token(f, HTTP_FIELD_CONNECTION, "close")) return false;
    return version == HTTP_1_1 || http_has_token(f, HTTP_FIELD_CONNECTION, "keep-alive");
}

static bool upgrades(const struct http_fields *f, enum http_version version) {
    return version == HTTP_1_1 && http_has(f, HTTP_FIELD_UPGRADE) &&
           http_has_token(f, HTTP_FIELD_CONNECTION, "upgrade");
}

static int parse_expect(struct http_request *r, unsigned *refused, struct error *why) {
    if (!http_has(&r->fields, HTTP_FIELD_EXPECT) || r->version == HTTP_1_0) return 0;
    if (!http_equal_nocase(http_get(&r->fields, HTTP_FIELD_EXPECT), "100-continue")) {
        *refused = 417;
        return error_set(why, ERR_UNSUPPORTED, "an unknown expectation");
    }
    r->expect_continue =
        r->body == HTTP_BODY_STREAM || (r->body == HTTP_BODY_LENGTH && r->content_length > 0);
    return 0;
}

int http1_parse_request(struct http_request *ret, uint8_t *head, size_t n, struct arena *a,
                        const struct http_limits *limits, unsigned *refused, struct error *why) {
    struct cursor c = {head, head + n};
    int r = parse_request_line(ret, &c, limits->target_bytes, refused, why);
    if (r < 0) return r;
    r = parse_fields(&ret->fields, &c, a, limits->fields, why);
    if (r == ERR_LIMIT) *refused = 431;
    if (r < 0) return r;
    r = check_host(ret, why);
    if (r < 0) return r;
    r = parse_framing(&ret->body, &ret->content_length, &ret->fields, ret->version, limits, refused,
                      why);
    if (r < 0) return r;
    if (ret->method == HTTP_CONNECT) {
        if (ret->body != HTTP_BODY_NONE) return error_set(why, ERR_INVALID, "CONNECT with a body");
        ret->body = HTTP_BODY_TUNNEL;
    }
    ret->keep_alive = goes_on(&ret->fields, ret->version);
    ret->upgrade = upgrades(&ret->fields, ret->version);
    return parse_expect(ret, refused, why);
}

static int parse_status_line(struct http_response *r, struct cursor *c, struct error *why) {
    unsigned refused;
    int e = parse_version(&r->version, c, &refused, why);
    if (e < 0) return e;
    if (c->end - c->p < 6 || c->p[0] != ' ') return error_set(why, ERR_SYNTAX, "no status");
    for (unsigned i = 1; i <= 3; i++) {
        if (c->p[i] < '0' || c->p[i] > '9') return error_set(why, ERR_SYNTAX, "invalid status");
        r->status = r->status * 10 + (unsigned)(c->p[i] - '0');
    }
    if (r->status < 100 || r->status > 599) return error_set(why, ERR_SYNTAX, "invalid status");
    c->p += 4;
    /* Servers that leave the reason out often leave out its space too; nothing else fits there. */
    if (c->p[0] == ' ') {
        c->p++;
        size_t n = http_value_span(c->p, (size_t)(c->end - c->p));
        r->reason = bytes_trim((struct bytes){c->p, n});
        c->p += n;
    }
    if (c->end - c->p < 4 || c->p[0] != '\r' || c->p[1] != '\n') {
        return error_set(why, ERR_SYNTAX, "invalid status line");
    }
    c->p += 2;
    return 0;
}

/* 1xx and 204 have no body, and must not say that they had one (RFC 9110, 8.6; RFC 9112, 6.1): who
 * reads the fields would take the next response for it. A length of 0 at 204 is harmless and
 * common. */
static int check_bodiless(const struct http_response *r, struct error *why) {
    uint64_t length = 0;
    if (r->status >= 200 && r->status != 204) return 0;
    bool bad = http_has(&r->fields, HTTP_FIELD_TRANSFER_ENCODING);
    if (!bad && http_has(&r->fields, HTTP_FIELD_CONTENT_LENGTH)) {
        bad = r->status != 204 || http_parse_length(&length, &r->fields, NULL) < 0 || length > 0;
    }
    if (!bad) return 0;
    return error_set(why, ERR_INVALID, "a response without a body tells its length");
}

int http1_parse_response(struct http_response *ret, uint8_t *head, size_t n, struct arena *a,
                         const struct http_limits *limits, enum http_method asked,
                         struct error *why) {
    struct cursor c = {head, head + n};
    unsigned refused;
    int r = parse_status_line(ret, &c, why);
    if (r < 0) return r;
    r = parse_fields(&ret->fields, &c, a, limits->fields, why);
    if (r < 0) return r;
    ret->keep_alive = goes_on(&ret->fields, ret->version);
    ret->upgrade = upgrades(&ret->fields, ret->version);
    r = check_bodiless(ret, why);
    if (r < 0) return r;
    if (ret->status == 101 || (asked == HTTP_CONNECT && ret->status / 100 == 2)) {
        ret->body = HTTP_BODY_TUNNEL;
        return 0;
    }
    if (!http_response_has_body(asked, ret->status)) return 0;
    r = parse_framing(&ret->body, &ret->content_length, &ret->fields, ret->version, limits,
                      &refused, why);
    if (r < 0) return r;
    if (ret->body == HTTP_BODY_NONE) {
        ret->body = HTTP_BODY_CLOSE;
        ret->keep_alive = false;
    }
    return 0;
}

int http1_parse_trailers(struct http_fields *ret, uint8_t *section, size_t n, struct arena *a,
                         unsigned fields, struct error *why) {
    struct cursor c = {section, section + n};
    int r = parse_fields(ret, &c, a, fields, why);
    if (r < 0) return r;
    for (unsigned i = 0; i < ret->count; i++) {
        if (!http_field_may_trail(ret->item[i].id)) {
            return error_set(why, ERR_INVALID, "a field that may not be a trailer");
        }
    }
    return 0;
}
