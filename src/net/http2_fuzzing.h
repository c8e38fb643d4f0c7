/* Both HTTP/2 fuzz targets: an owner that answers, writes, resets and holds back as the stream's
 * number says; what came does not depend on the pieces. SPDX-License-Identifier: MIT */
#ifndef NET_HTTP2_FUZZING_H
#define NET_HTTP2_FUZZING_H

#include "net/fuzzing.h"
#include "net/http2.h"

struct http2_peer {
    struct buf log;
    size_t open; /* streams announced and not closed */
    size_t body;
    bool went; /* the peer sent GOAWAY */
};

static inline void http2_fuzz_request(struct http2 *h, struct http2_stream *s,
                                      const struct http_request *r) {
    struct http2_peer *x = http2_owner(h);
    struct http_response a = {.status = 200, .body = HTTP_BODY_STREAM};
    x->open++;
    MUST(http_is_token(r->method_text) && http_is_authority(r->authority));
    MUST(r->method == HTTP_CONNECT || r->path.n > 0);
    buf_append(&x->log, r->method_text);
    buf_append(&x->log, r->path);
    buf_printf(&x->log, " %u\n", r->fields.count);
    switch (http2_stream_id(s) / 2 % 4) {
    case 0:
        MUST(http2_respond(h, s, &a, false, NULL) == 0);
        break;
    case 1:
        (void)!http2_respond(h, s, &a, true, NULL);
        break;
    case 2:
        http2_reset(h, s, HTTP2_CANCEL);
        break;
    default:
        break;
    }
}

static inline void http2_fuzz_response(struct http2 *h, struct http2_stream *s,
                                       const struct http_response *r) {
    struct http2_peer *x = http2_owner(h);
    MUST(r->status >= 100 && r->status <= 599 && r->status != 101);
    buf_printf(&x->log, "%u: %u %u\n", http2_stream_id(s), r->status, r->fields.count);
}

static inline void http2_fuzz_data(struct http2 *h, struct http2_stream *s, struct bytes data) {
    struct http2_peer *x = http2_owner(h);
    x->body += data.n;
    if (http2_stream_id(s) % 3) http2_consume(h, s, data.n);
    (void)!http2_write(h, s, data, false);
}

static inline void http2_fuzz_end(struct http2 *h, struct http2_stream *s,
                                  const struct http_fields *trailers) {
    struct http2_peer *x = http2_owner(h);
    buf_printf(&x->log, "%u: end %u\n", http2_stream_id(s), trailers ? trailers->count : 0);
    (void)!http2_write(h, s, bytes_make("x", 1), true);
}

static inline void http2_fuzz_closed(struct http2 *h, struct http2_stream *s, uint32_t code) {
    struct http2_peer *x = http2_owner(h);
    (void)s, (void)code;
    MUST(x->open > 0);
    x->open--;
}

static inline void http2_fuzz_goaway(struct http2 *h, uint32_t code) {
    struct http2_peer *x = http2_owner(h);
    (void)code;
    x->went = true;
}

static const struct http2_events http2_fuzz_events = {.request = http2_fuzz_request,
                                                      .response = http2_fuzz_response,
                                                      .data = http2_fuzz_data,
                                                      .end = http2_fuzz_end,
                                                      .closed = http2_fuzz_closed,
                                                      .goaway = http2_fuzz_goaway};

static inline void http2_take_output(struct http2 *h) {
    struct buf out;
    buf_init(&out, 0);
    for (int i = 0; i < 1000 && http2_wants_output(h); i++) {
        size_t before = out.n;
        MUST(http2_output(h, &out, 4096, NULL) == 0);
        if (out.n == before) break;
    }
    buf_free(&out);
}

/* Feeds `in` in pieces of that size; output is taken at the end, so that pieces cannot matter. */
static inline void http2_fuzz_run(struct http2_peer *ret, bool server, struct bytes in,
                                  size_t piece) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    struct http2_peer x = {.open = 0};
    struct http2 *h;
    o.limits.head_bytes = 1000;
    o.limits.fields = 20;
    o.limits.body_bytes = 1000;
    o.flood_burst = 100;
    buf_init(&x.log, 0);
    MUST(http2_new(&h, server, &o, &http2_fuzz_events, &x, NULL) == 0);
    for (int i = 0; i < 3 && !server; i++) {
        struct http_request r = {.method = i == 1 ? HTTP_HEAD : HTTP_POST,
                                 .scheme = BYTES_LIT("https"),
                                 .authority = BYTES_LIT("a"),
                                 .path = BYTES_LIT("/"),
                                 .body = HTTP_BODY_STREAM};
        struct http2_stream *s;
        MUST(http2_request(&s, h, &r, i == 1, NULL, NULL) == 0);
        x.open++;
    }
    http2_take_output(h);
    int r = 0;
    for (size_t at = 0; at < in.n && r == 0; at += piece) {
        struct bytes part = bytes_slice(in, at, piece);
        uint8_t *copy = fuzz_copy(part);
        r = http2_feed(h, bytes_make(copy, part.n), at, NULL);
        free(copy);
    }
    http2_take_output(h);
    MUST(http2_stream_count(h) >= x.open);
    http2_free(h);
    MUST(x.open == 0);
    *ret = x;
}

static inline void http2_compare(bool server, struct bytes in) {
    struct http2_peer whole, pieces;
    http2_fuzz_run(&whole, server, in, in.n + 1);
    http2_fuzz_run(&pieces, server, in, 5);
    /* After GOAWAY on a quiet connection nghttp2 reads on to the end of the piece and no further.
     */
    if (!whole.went) MUST(bytes_equal(buf_view(&whole.log), buf_view(&pieces.log)));
    buf_free(&whole.log);
    buf_free(&pieces.log);
}

#endif
