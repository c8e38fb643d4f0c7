/* The serialiser of HTTP/1. Framing is derived from the head's `body`, never from its fields, so
 * that the two cannot disagree. SPDX-License-Identifier: MIT */
#include "net/http1.h"
#include "net/http_table.h"

static void put_u64(struct buf *out, uint64_t v) {
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_append(out, bytes_make(digits + at, sizeof digits - at));
}

static void put_line(struct buf *out, const char *name, struct bytes value) {
    buf_append_str(out, name);
    buf_append(out, BYTES_LIT(": "));
    buf_append(out, value);
    buf_append(out, BYTES_LIT("\r\n"));
}

static int put_field(struct buf *out, const struct http_field *f, struct error *why) {
    bool named = f->id != HTTP_FIELD_OTHER || http_is_token(f->name);
    if (!named || http_value_span(f->value.p, f->value.n) != f->value.n) {
        return error_set(why, ERR_INVALID, "invalid header field");
    }
    uint8_t *p = buf_reserve(out, f->name.n + f->value.n + 4);
    if (!p) return 0;
    memcpy(p, f->name.p, f->name.n);
    p += f->name.n;
    *p++ = ':';
    *p++ = ' ';
    if (f->value.n) memcpy(p, f->value.p, f->value.n);
    p += f->value.n;
    *p++ = '\r';
    *p++ = '\n';
    buf_commit(out, f->name.n + f->value.n + 4);
    return 0;
}

static int put_fields(struct buf *out, const struct http_fields *f, bool request, bool length,
                      struct error *why) {
    for (unsigned i = 0; i < f->count; i++) {
        unsigned id = f->item[i].id;
        if (id == HTTP_FIELD_TRANSFER_ENCODING || id == HTTP_FIELD_CONNECTION ||
            id == HTTP_FIELD_KEEP_ALIVE || (id == HTTP_FIELD_HOST && request) ||
            (id == HTTP_FIELD_CONTENT_LENGTH && !length)) {
            continue;
        }
        int r = put_field(out, &f->item[i], why);
        if (r < 0) return r;
    }
    return 0;
}

static void put_framing(struct buf *out, enum http_body body, uint64_t length) {
    if (body == HTTP_BODY_LENGTH) {
        buf_append(out, BYTES_LIT("content-length: "));
        put_u64(out, length);
        buf_append(out, BYTES_LIT("\r\n"));
    } else if (body == HTTP_BODY_STREAM) {
        buf_append(out, BYTES_LIT("transfer-encoding: chunked\r\n"));
    }
}

static void put_connection(struct buf *out, enum http_version version, bool keep_alive,
                           bool upgrade) {
    if (upgrade) {
        buf_append(out, BYTES_LIT("connection: upgrade\r\n"));
    } else if (!keep_alive) {
        buf_append(out, BYTES_LIT("connection: close\r\n"));
    } else if (version == HTTP_1_0) {
        buf_append(out, BYTES_LIT("connection: keep-alive\r\n"));
    }
}

/* Undoes a head that failed half-way. */
static int finish(struct buf *out, size_t before, int r, struct error *why) {
    if (r == 0) r = buf_check(out, why);
    if (r < 0) out->n = before;
    return r;
}

int http1_write_request(struct buf *out, const struct http_request *r, struct error *why) {
    size_t before = out->n;
    bool connect = r->method == HTTP_CONNECT;
    const char *name = http_method_name(r->method);
    struct bytes method = name ? bytes_from_str(name) : r->method_text;
    struct bytes target = connect ? r->authority : r->path;
    if (!http_is_token(method) || target.n == 0 ||
        http_target_span(target.p, target.n) != target.n || !http_is_authority(r->authority) ||
        r->body == HTTP_BODY_CLOSE) {
        return error_set(why, ERR_INVALID, "the request cannot be written");
    }
    if (r->version == HTTP_1_0 && r->body == HTTP_BODY_STREAM) {
        return error_set(why, ERR_INVALID, "HTTP/1.0 has no chunks");
    }
    buf_append(out, method);
    buf_append_byte(out, ' ');
    buf_append(out, target);
    buf_append_str(out, r->version == HTTP_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    put_line(out, "host", r->authority);
    int e = put_fields(out, &r->fields, true, false, why);
    put_framing(out, r->body, r->content_length);
    put_connection(out, r->version, r->keep_alive, r->upgrade);
    buf_append(out, BYTES_LIT("\r\n"));
    return finish(out, before, e, why);
}

int http1_write_response(struct buf *out, const struct http_response *r, enum http_method asked,
                         struct error *why) {
    size_t before = out->n;
    bool interim = r->status < 200;
    struct bytes reason = r->reason.n ? r->reason : bytes_from_str(http_status_text(r->status));
    bool body = http_response_has_body(asked, r->status);
    if (r->status < 100 || r->status > 599 || http_value_span(reason.p, reason.n) != reason.n ||
        (body && r->body == HTTP_BODY_STREAM && r->version == HTTP_1_0)) {
        return error_set(why, ERR_INVALID, "the response cannot be written");
    }
    buf_append(out, BYTES_LIT("HTTP/1.1 "));
    put_u64(out, r->status);
    buf_append_byte(out, ' ');
    buf_append(out, reason);
    buf_append(out, BYTES_LIT("\r\n"));
    bool tells_length = !body && (asked == HTTP_HEAD || r->status == 304);
    /* Without a body nothing frames it; HEAD and 304 may tell what GET would have had. */
    int e = put_fields(out, &r->fields, false, tells_length && r->body != HTTP_BODY_LENGTH, why);
    if (body)
        put_framing(out, r->body == HTTP_BODY_NONE ? HTTP_BODY_LENGTH : r->body,
                    r->body == HTTP_BODY_NONE ? 0 : r->content_length);
    if (tells_length && r->body == HTTP_BODY_LENGTH) {
        put_framing(out, HTTP_BODY_LENGTH, r->content_length);
    }
    bool closes = !r->keep_alive || (body && r->body == HTTP_BODY_CLOSE);
    if (!interim || r->upgrade) put_connection(out, r->version, !closes, r->upgrade);
    buf_append(out, BYTES_LIT("\r\n"));
    return finish(out, before, e, why);
}

void http1_write_continue(struct buf *out) {
    buf_append(out, BYTES_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
}

void http1_write_chunk(struct buf *out, struct bytes data) {
    if (data.n == 0) return;
    char size[16];
    size_t at = sizeof size;
    for (size_t v = data.n; v; v >>= 4) {
        size[--at] = "0123456789abcdef"[v & 15];
    }
    buf_append(out, bytes_make(size + at, sizeof size - at));
    buf_append(out, BYTES_LIT("\r\n"));
    buf_append(out, data);
    buf_append(out, BYTES_LIT("\r\n"));
}

int http1_write_last_chunk(struct buf *out, const struct http_fields *trailers, struct error *why) {
    size_t before = out->n;
    buf_append(out, BYTES_LIT("0\r\n"));
    int r = trailers ? put_fields(out, trailers, true, false, why) : 0;
    buf_append(out, BYTES_LIT("\r\n"));
    return finish(out, before, r, why);
}
