/* Helpers of the HTTP/2 tests: two engines that talk through memory, and one engine against frames
 * made by hand. Not for programs. SPDX-License-Identifier: MIT */
#ifndef NET_HTTP2_TESTING_H
#define NET_HTTP2_TESTING_H

#include "net/http2.h"
#include "test/harness/test.h"

/* What happened on one side, as text: "request GET /a x 0;data 5;end 0;closed 0;". */
struct side {
    struct http2 *h;
    struct buf log;
    struct buf data;
    struct buf out;
    struct http2_stream *stream; /* the last one that came */
    unsigned requests, responses, ends, closed, writable;
    uint32_t code, goaway;
    size_t body;
    bool hold;   /* do not consume */
    bool echo;   /* server: answer 200 and send the body back */
    bool answer; /* server: answer 200 without a body */
    bool went;   /* goaway came */
    uint64_t now_ns;
};

static inline struct bytes text(const char *s) {
    return bytes_from_str(s);
}

static inline void side_request(struct http2 *h, struct http2_stream *s,
                                const struct http_request *r) {
    struct side *x = http2_owner(h);
    x->stream = s;
    x->requests++;
    buf_printf(&x->log, "request %.*s %.*s %.*s %d;", (int)r->method_text.n, r->method_text.p,
               (int)r->path.n, (const char *)r->path.p, (int)r->authority.n,
               (const char *)r->authority.p, (int)r->body);
    if (!x->echo && !x->answer) return;
    struct http_response a = {.status = 200, .body = x->echo ? HTTP_BODY_STREAM : HTTP_BODY_NONE};
    CHECK_ERR(http2_respond(h, s, &a, !x->echo, NULL), 0);
}

static inline void side_response(struct http2 *h, struct http2_stream *s,
                                 const struct http_response *r) {
    struct side *x = http2_owner(h);
    x->stream = s;
    x->responses++;
    buf_printf(&x->log, "response %u %d;", r->status, (int)r->body);
}

static inline void side_data(struct http2 *h, struct http2_stream *s, struct bytes data) {
    struct side *x = http2_owner(h);
    x->body += data.n;
    buf_append(&x->data, data);
    if (!x->hold) http2_consume(h, s, data.n);
    if (x->echo) (void)!http2_write(h, s, data, false);
}

static inline void side_end(struct http2 *h, struct http2_stream *s,
                            const struct http_fields *trailers) {
    struct side *x = http2_owner(h);
    x->ends++;
    buf_printf(&x->log, "end %u;", trailers ? trailers->count : 0);
    if (x->echo) CHECK_ERR(http2_write(h, s, text(""), true), 0);
}

static inline void side_writable(struct http2 *h, struct http2_stream *s) {
    struct side *x = http2_owner(h);
    (void)s;
    x->writable++;
}

static inline void side_closed(struct http2 *h, struct http2_stream *s, uint32_t code) {
    struct side *x = http2_owner(h);
    x->closed++;
    x->code = code;
    if (x->stream == s) x->stream = NULL;
    buf_printf(&x->log, "closed %u;", code);
}

static inline void side_goaway(struct http2 *h, uint32_t code) {
    struct side *x = http2_owner(h);
    x->went = true;
    x->goaway = code;
}

static const struct http2_events side_events = {side_request,  side_response, side_data,  side_end,
                                                side_writable, side_closed,   side_goaway};

static inline void side_open(struct side *x, bool server, const struct http2_settings *settings) {
    struct error why;
    memset(x, 0, sizeof *x);
    buf_init(&x->log, 0);
    buf_init(&x->data, 0);
    buf_init(&x->out, 0);
    CHECK_OK(http2_new(&x->h, server, settings, &side_events, x, &why), &why);
}

static inline void side_close(struct side *x) {
    http2_free(x->h);
    buf_free(&x->log);
    buf_free(&x->data);
    buf_free(&x->out);
}

/* Moves what one side has to the other, `piece` bytes at a time; 0 or the receiver's error. */
static inline int move(struct side *from, struct side *to, size_t piece) {
    struct error why;
    while (http2_wants_output(from->h)) {
        size_t before = from->out.n;
        CHECK_OK(http2_output(from->h, &from->out, 65536, &why), &why);
        if (from->out.n == before) break;
    }
    for (size_t at = 0; at < from->out.n; at += piece) {
        int r = http2_feed(to->h, bytes_slice(buf_view(&from->out), at, piece), to->now_ns, &why);
        if (r < 0) {
            buf_clear(&from->out);
            return r;
        }
    }
    buf_clear(&from->out);
    return 0;
}

/* Lets the two talk until both are silent. */
static inline void talk(struct side *a, struct side *b) {
    for (int i = 0; i < 1000 && (http2_wants_output(a->h) || http2_wants_output(b->h)); i++) {
        CHECK_ERR(move(a, b, SIZE_MAX / 2), 0);
        CHECK_ERR(move(b, a, SIZE_MAX / 2), 0);
    }
}

#define CHECK_LOG(side, expected) CHECK_BYTES(buf_view(&(side)->log), text(expected))

static inline struct http_request request_of(enum http_method method, const char *path) {
    return (struct http_request){.method = method,
                                 .scheme = text("https"),
                                 .authority = text("a.example"),
                                 .path = text(path)};
}

/* ---- frames by hand ---- */

static inline void put_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t id,
                             struct bytes payload) {
    buf_append_byte(b, (uint8_t)(payload.n >> 16));
    buf_append_be16(b, (uint16_t)payload.n);
    buf_append_byte(b, type);
    buf_append_byte(b, flags);
    buf_append_be32(b, id);
    buf_append(b, payload);
}

/* A literal field without indexing, name and value below 127 bytes. */
static inline void put_literal(struct buf *b, const char *name, const char *value) {
    buf_append_byte(b, 0);
    buf_append_byte(b, (uint8_t)strlen(name));
    buf_append_str(b, name);
    buf_append_byte(b, (uint8_t)strlen(value));
    buf_append_str(b, value);
}

static inline void put_preface(struct buf *b) {
    buf_append_str(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(b, 4, 0, 0, text(""));
}

/* HEADERS of "GET /" from the static table; flags: 4 END_HEADERS, 1 END_STREAM. */
static inline void put_get(struct buf *b, uint32_t id, uint8_t flags) {
    put_frame(b, 1, flags, id, BYTES_LIT("\x82\x84\x87\x01\x01x"));
}

static inline int feed(struct side *x, struct buf *b) {
    struct error why;
    int r = http2_feed(x->h, buf_view(b), x->now_ns, &why);
    buf_clear(b);
    return r;
}

/* Takes all output and finds the last frame of a type in it; its error code or 0xffffffff. */
static inline uint32_t sent_code(struct side *x, uint8_t type) {
    struct error why;
    uint32_t code = UINT32_MAX;
    while (http2_wants_output(x->h)) {
        size_t before = x->out.n;
        CHECK_OK(http2_output(x->h, &x->out, SIZE_MAX, &why), &why);
        if (x->out.n == before) break;
    }
    struct bytes in = buf_view(&x->out);
    while (in.n >= 9) {
        size_t n = (size_t)in.p[0] << 16 | load_be16(in.p + 1);
        if (in.p[3] == type) code = load_be32(in.p + 9 + (type == 7 ? 4 : 0));
        in = bytes_slice(in, 9 + n, in.n);
    }
    buf_clear(&x->out);
    return code;
}

#endif
