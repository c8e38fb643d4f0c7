/* Heads of HTTP/2: what nghttp2 has decoded into http_request and http_response, and the way back.
 * nghttp2 checks the order and presence of pseudo header fields, forbidden fields, characters and
 * Content-Length against the data; here are the limits and what concerns several fields.
 * SPDX-License-Identifier: MIT */
#include "net/http2_internal.h"
#include "net/http_table.h"

#include <stdio.h>

#define INTERIM_MAX 16 /* 1xx responses before the final one */

/* ---- in ---- */

void http2_head_begin(struct http2_stream *s, bool server) {
    s->section_size = 0;
    if (!s->head_done && !server) memset(&s->response, 0, sizeof s->response);
}

static void refuse(struct http2_stream *s, unsigned status) {
    if (!s->refused) s->refused = status;
}

static struct bytes keep(struct http2_stream *s, struct bytes in) {
    struct bytes copy = arena_copy(&s->arena, in);
    if (!copy.p && in.n) refuse(s, 431);
    return copy;
}

static void take_pseudo(struct http2 *h, struct http2_stream *s, struct bytes name,
                        struct bytes value) {
    if (!h->server) {
        for (size_t i = 0; i < value.n && i < 3; i++) {
            s->response.status = s->response.status * 10 + (unsigned)(value.p[i] - '0');
        }
        return;
    }
    struct http_request *r = &s->request;
    if (bytes_equal(name, BYTES_LIT(":method"))) {
        r->method = http_method_of(value);
        const char *known = http_method_name(r->method);
        r->method_text = known ? bytes_from_str(known) : keep(s, value);
    } else if (bytes_equal(name, BYTES_LIT(":path"))) {
        if (value.n > h->settings.limits.target_bytes) refuse(s, 414);
        r->path = keep(s, value);
    } else if (bytes_equal(name, BYTES_LIT(":authority"))) {
        r->authority = keep(s, value);
    } else if (bytes_equal(name, BYTES_LIT(":scheme"))) {
        r->scheme = keep(s, value);
    } else if (bytes_equal(name, BYTES_LIT(":protocol"))) {
        r->protocol = keep(s, value);
    }
}

void http2_head_field(struct http2 *h, struct http2_stream *s, struct bytes name,
                      struct bytes value, bool never_indexed) {
    const struct http_limits *limits = &h->settings.limits;
    bool trailer = s->head_done;
    s->section_size += name.n + value.n + 4; // as a line of HTTP/1 would count
    if (s->section_size > (trailer ? limits->trailer_bytes : limits->head_bytes)) refuse(s, 431);
    if (s->refused) return;
    if (name.n && name.p[0] == ':') {
        take_pseudo(h, s, name, value);
        return;
    }
    struct http_fields *f = trailer     ? &s->trailers
                            : h->server ? &s->request.fields
                                        : &s->response.fields;
    unsigned id = http_field_id_of(name);
    struct http_field field = {.id = (uint8_t)id,
                               .secret = never_indexed || http_field_is_secret(id)};
    if (f->count >= (trailer ? limits->trailers : limits->fields)) refuse(s, 431);
    field.name = id ? http_field_name((enum http_field_id)id) : keep(s, name);
    field.value = keep(s, value);
    if (!s->refused && http_fields_push(f, &s->arena, &field, NULL) < 0) refuse(s, 431);
}

/* HTTP/2 may send a cookie in pieces; everybody else expects one field (RFC 9113, 8.2.3). */
static void join_cookies(struct http2_stream *s, struct http_fields *f) {
    size_t n = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != HTTP_FIELD_COOKIE) continue;
        count++;
        n += f->item[i].value.n + 2;
    }
    if (count < 2) return;
    uint8_t *text = arena_alloc_raw(&s->arena, n);
    if (!text) {
        refuse(s, 431);
        return;
    }
    uint8_t *p = text;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != HTTP_FIELD_COOKIE) continue;
        struct bytes v = f->item[i].value;
        if (v.n) memcpy(p, v.p, v.n);
        p += v.n;
        *p++ = ';';
        *p++ = ' ';
    }
    http_fields_remove(f, http_field_name(HTTP_FIELD_COOKIE));
    if (http_fields_put(f, &s->arena, HTTP_FIELD_COOKIE, bytes_make(text, n - 2), NULL) < 0) {
        refuse(s, 431);
    }
}

/* Several Host fields, or another one than :authority, are how requests get to a place that was
 * not meant (RFC 9113, 8.3.1). */
static bool check_authority(struct http_request *r) {
    for (const struct http_field *f = http_find(&r->fields, "host", 0); f;
         f = http_find(&r->fields, "host", (unsigned)(f - r->fields.item) + 1)) {
        if (r->authority.n && !http_equal_bytes_nocase(r->authority, f->value)) return false;
        r->authority = f->value;
    }
    return http_is_authority(r->authority);
}

static bool check_path(const struct http_request *r) {
    if (r->method == HTTP_CONNECT && r->protocol.n == 0) return r->path.n == 0;
    if (r->path.n == 0 || http_target_span(r->path.p, r->path.n) != r->path.n ||
        memchr(r->path.p, '#', r->path.n)) {
        return false;
    }
    return r->path.p[0] == '/' || (r->method == HTTP_OPTIONS && bytes_equal_str(r->path, "*"));
}

static bool take_length(struct http2_stream *s, enum http_body *body, uint64_t *length,
                        const struct http_fields *f, bool end_stream,
                        const struct http_limits *limits) {
    *body = end_stream ? HTTP_BODY_NONE : HTTP_BODY_STREAM;
    if (!http_has(f, HTTP_FIELD_CONTENT_LENGTH)) return true;
    if (http_parse_length(length, f, NULL) < 0) return false;
    *body = HTTP_BODY_LENGTH;
    if (*length > limits->body_bytes) refuse(s, 413);
    return true;
}

static uint32_t end_request(struct http2 *h, struct http2_stream *s, bool end_stream) {
    struct http_request *r = &s->request;
    r->version = HTTP_2;
    r->keep_alive = true;
    s->asked = r->method;
    if (s->refused) return 0;
    if (!check_authority(r) || !check_path(r) ||
        !take_length(s, &r->body, &r->content_length, &r->fields, end_stream,
                     &h->settings.limits)) {
        return HTTP2_PROTOCOL_ERROR;
    }
    join_cookies(s, &r->fields);
    if (r->method == HTTP_CONNECT) {
        r->body = HTTP_BODY_TUNNEL;
    } else if (http_has(&r->fields, HTTP_FIELD_EXPECT)) {
        if (!http_equal_nocase(http_get(&r->fields, HTTP_FIELD_EXPECT), "100-continue")) {
            refuse(s, 417);
        }
        r->expect_continue = !end_stream;
    }
    return 0;
}

static uint32_t end_response(struct http2 *h, struct http2_stream *s, bool end_stream) {
    struct http_response *r = &s->response;
    r->version = HTTP_2;
    r->keep_alive = true;
    if (s->refused) return HTTP2_CANCEL;
    if (r->status < 100 || r->status == 101 || r->status > 599) return HTTP2_PROTOCOL_ERROR;
    if (r->status < 200) return ++s->interim > INTERIM_MAX ? HTTP2_ENHANCE_YOUR_CALM : 0;
    if (s->asked == HTTP_CONNECT && r->status < 300) {
        r->body = HTTP_BODY_TUNNEL;
        s->tunnel = true;
        return 0;
    }
    if (!http_response_has_body(s->asked, r->status)) return 0;
    if (!take_length(s, &r->body, &r->content_length, &r->fields, end_stream,
                     &h->settings.limits)) {
        return HTTP2_PROTOCOL_ERROR;
    }
    return s->refused ? HTTP2_CANCEL : 0;
}

uint32_t http2_head_end(struct http2 *h, struct http2_stream *s, bool end_stream) {
    if (!s->head_done) {
        if (h->server) return end_request(h, s, end_stream);
        return end_response(h, s, end_stream);
    }
    if (s->refused) return HTTP2_CANCEL;
    for (unsigned i = 0; i < s->trailers.count; i++) {
        if (!http_field_may_trail(s->trailers.item[i].id)) return HTTP2_PROTOCOL_ERROR;
    }
    return 0;
}

/* ---- out ---- */

static void put(struct http2_nv *nv, struct bytes name, struct bytes value, bool secret) {
    nghttp2_nv *item = &nv->item[nv->n++];
    item->name = (uint8_t *)(uintptr_t)name.p; // nghttp2 copies both
    item->namelen = name.n;
    item->value = (uint8_t *)(uintptr_t)value.p;
    item->valuelen = value.n;
    item->flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
}

static void put_length(struct http2_nv *nv, uint64_t length) {
    int n = snprintf(nv->number, sizeof nv->number, "%llu", (unsigned long long)length);
    put(nv, BYTES_LIT("content-length"), bytes_make(nv->number, (size_t)n), false);
}

static bool is_lower_name(struct bytes name) {
    for (size_t i = 0; i < name.n; i++) {
        if (!name.p[i] || http_token_lower[name.p[i]] != name.p[i]) return false;
    }
    return name.n > 0;
}

/* Fields of a connection have no place in HTTP/2 (RFC 9113, 8.2.2): they end here, as in a proxy.
 * `te: trailers` is the one that may stay. Proxy authentication is not of the connection alone. */
static bool is_left_out(const struct http_field *f, bool request, bool length) {
    switch (f->id) {
    case HTTP_FIELD_CONNECTION:
    case HTTP_FIELD_HTTP2_SETTINGS:
    case HTTP_FIELD_KEEP_ALIVE:
    case HTTP_FIELD_PROXY_CONNECTION:
    case HTTP_FIELD_TRANSFER_ENCODING:
    case HTTP_FIELD_UPGRADE:
        return true;
    case HTTP_FIELD_TE:
        return !request || !http_equal_nocase(f->value, "trailers");
    case HTTP_FIELD_HOST:
        return request;
    case HTTP_FIELD_CONTENT_LENGTH:
        return !length;
    default:
        return false;
    }
}

static int put_fields(struct http2_nv *nv, const struct http_fields *f, bool request, bool length,
                      struct error *why) {
    for (unsigned i = 0; i < f->count; i++) {
        const struct http_field *field = &f->item[i];
        if (is_left_out(field, request, length)) continue;
        if (!is_lower_name(field->name) || !http_is_field_value(field->value)) {
            return error_set(why, ERR_INVALID, "invalid header field");
        }
        put(nv, field->name, field->value, field->secret);
    }
    return 0;
}

int http2_nv_request(struct http2_nv *ret, const struct http_request *r, struct error *why) {
    const char *known = http_method_name(r->method);
    struct bytes method = known ? bytes_from_str(known) : r->method_text;
    bool connect = r->method == HTTP_CONNECT, plain = connect && r->protocol.n == 0;
    ret->n = 0;
    if (!http_is_token(method) || !http_is_authority(r->authority) || !check_path(r) ||
        r->body == HTTP_BODY_CLOSE || (r->protocol.n && !connect) ||
        (!plain && !http_is_token(r->scheme)) || (r->protocol.n && !http_is_token(r->protocol))) {
        return error_set(why, ERR_INVALID, "the request cannot be written");
    }
    put(ret, BYTES_LIT(":method"), method, false);
    if (!plain) put(ret, BYTES_LIT(":scheme"), r->scheme, false);
    put(ret, BYTES_LIT(":authority"), r->authority, false);
    if (!plain) put(ret, BYTES_LIT(":path"), r->path, false);
    if (r->protocol.n) put(ret, BYTES_LIT(":protocol"), r->protocol, false);
    if (r->body == HTTP_BODY_LENGTH && !connect) put_length(ret, r->content_length);
    return put_fields(ret, &r->fields, true, false, why);
}

int http2_nv_response(struct http2_nv *ret, const struct http_response *r, enum http_method asked,
                      struct error *why) {
    ret->n = 0;
    if (r->status < 100 || r->status > 599 || r->status == 101) {
        return error_set(why, ERR_INVALID, "the response cannot be written");
    }
    (void)snprintf(ret->status, sizeof ret->status, "%u", r->status);
    put(ret, BYTES_LIT(":status"), bytes_make(ret->status, 3), false);
    bool body = http_response_has_body(asked, r->status);
    /* Without a body nothing has a length; HEAD and 304 may tell what GET would have had. */
    bool tells = r->status >= 200 && !body && (asked == HTTP_HEAD || r->status == 304);
    if ((body || tells) && r->body == HTTP_BODY_LENGTH) put_length(ret, r->content_length);
    if (body && r->body == HTTP_BODY_NONE) put_length(ret, 0);
    return put_fields(ret, &r->fields, false, tells && r->body != HTTP_BODY_LENGTH, why);
}

int http2_nv_trailers(struct http2_nv *ret, const struct http_fields *f, struct error *why) {
    ret->n = 0;
    for (unsigned i = 0; i < f->count; i++) {
        if (!http_field_may_trail(f->item[i].id)) {
            return error_set(why, ERR_INVALID, "a field that may not be a trailer");
        }
    }
    return put_fields(ret, f, true, false, why);
}
