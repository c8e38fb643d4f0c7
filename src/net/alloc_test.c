/* The protocol engines while memory runs out: an error, no crash, nothing lost. nghttp2 takes its
 * own memory itself; what is ours around it is counted. SPDX-License-Identifier: MIT */
#include "net/coding.h"
#include "net/http1.h"
#include "net/http2.h"
#include "net/jsonrpc.h"
#include "net/sse.h"
#include "net/url.h"
#include "net/websocket.h"
#include "test/harness/alloc.h"

#include <string.h>

/* ---- HTTP/1.1 ---- */

static const char requests[] =
    "POST /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nX-One: 1\r\nX-Two: 2\r\n"
    "Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n3\r\n, w\r\n0\r\n"
    "X-Trailer: yes\r\n\r\n"
    "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n";
static const char responses[] =
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    "Server: x\r\nSet-Cookie: a=b\r\n\r\nhello";

// All messages of a text, in pieces of `piece` bytes so that heads are put together.
static int read_messages(const char *text, bool response, size_t piece, struct error *why) {
    struct http1_parser p;
    struct arena a;
    struct http1_event ev;
    struct bytes all = bytes_from_str(text);
    unsigned ended = 0;
    int r = 0;
    arena_init(&a, 1u << 20);
    if (response) {
        http1_response_init(&p, &a, NULL, HTTP_GET);
    } else {
        http1_request_init(&p, &a, NULL);
    }
    for (size_t at = 0; r == 0 && at < all.n; at += piece) {
        struct bytes in = bytes_slice(all, at, piece);
        while ((r = http1_next(&ev, &p, &in, why)) == 0 && ev.type != HTTP1_MORE) {
            if (ev.type != HTTP1_END) continue;
            ended++;
            if (response) break;
            arena_reset(&a);
            http1_next_message(&p, &a, HTTP_GET);
        }
    }
    if (r == 0) CHECK_U64(ended, response ? 1 : 2);
    http1_parser_free(&p);
    arena_free(&a);
    return r;
}

static int read_http1(void *arg, struct error *why) {
    size_t piece = *(size_t *)arg;
    int r = read_messages(requests, false, piece, why);
    return r == 0 ? read_messages(responses, true, piece, why) : r;
}

static int write_http1(void *arg, struct error *why) {
    struct buf out;
    struct arena a;
    struct http_request q = {
        .method = HTTP_GET, .path = BYTES_LIT("/path"), .authority = BYTES_LIT("a.example")};
    struct http_response s = {.status = 200, .body = HTTP_BODY_STREAM};
    (void)arg;
    arena_init(&a, 0);
    buf_init(&out, 0);
    int r = 0;
    for (int i = 0; r == 0 && i < 40; i++) {
        r = http_fields_add(&q.fields, &a, BYTES_LIT("x-field"), BYTES_LIT("value"), why);
        if (r == 0) r = http_fields_add(&s.fields, &a, BYTES_LIT("server"), BYTES_LIT("x"), why);
    }
    if (r == 0) r = http1_write_request(&out, &q, why);
    if (r == 0) r = http1_write_response(&out, &s, HTTP_GET, why);
    if (r == 0) http1_write_chunk(&out, BYTES_LIT("hello"));
    if (r == 0) r = http1_write_last_chunk(&out, NULL, why);
    if (r == 0) r = buf_check(&out, why);
    buf_free(&out);
    arena_free(&a);
    return r;
}

TEST(http1_survives_every_failed_allocation) {
    size_t piece[] = {1, 7, 4096};
    for (size_t i = 0; i < 3; i++)
        CHECK(alloc_fail_each(read_http1, &piece[i]) > 0);
    CHECK(alloc_fail_each(write_http1, NULL) > 3);
}

/* ---- HTTP/2: two engines that talk ---- */

struct talk {
    unsigned ended;
};

static void on_request(struct http2 *h, struct http2_stream *s, const struct http_request *r) {
    struct http_response a = {.status = 200, .body = HTTP_BODY_STREAM};
    (void)r;
    if (http2_respond(h, s, &a, false, NULL) == 0) {
        (void)!http2_write(h, s, BYTES_LIT("an answer"), true);
    } else {
        http2_reset(h, s, 2);
    }
}
static void on_response(struct http2 *h, struct http2_stream *s, const struct http_response *r) {
    (void)h, (void)s, (void)r;
}
static void on_data(struct http2 *h, struct http2_stream *s, struct bytes data) {
    http2_consume(h, s, data.n);
}
static void on_end(struct http2 *h, struct http2_stream *s, const struct http_fields *trailers) {
    (void)s, (void)trailers;
    ((struct talk *)http2_owner(h))->ended++;
}
static void on_writable(struct http2 *h, struct http2_stream *s) {
    (void)h, (void)s;
}
static void on_closed(struct http2 *h, struct http2_stream *s, uint32_t code) {
    (void)h, (void)s, (void)code;
}
static void on_goaway(struct http2 *h, uint32_t code) {
    (void)h, (void)code;
}
static const struct http2_events events = {on_request,  on_response, on_data,  on_end,
                                           on_writable, on_closed,   on_goaway};

static int move(struct http2 *from, struct http2 *to, struct error *why) {
    struct buf out;
    buf_init(&out, 0);
    int r = http2_output(from, &out, 65536, why);
    if (r == 0 && out.n) r = http2_feed(to, buf_view(&out), 0, why);
    buf_free(&out);
    return r;
}

static int talk(void *arg, struct error *why) {
    struct talk client = {0}, server = {0};
    struct http2 *c = NULL, *s = NULL;
    struct http2_stream *stream;
    struct http_request q = {.method = HTTP_POST,
                             .scheme = BYTES_LIT("https"),
                             .authority = BYTES_LIT("a.example"),
                             .path = BYTES_LIT("/"),
                             .body = HTTP_BODY_STREAM};
    (void)arg;
    int r = http2_new(&c, false, NULL, &events, &client, why);
    if (r == 0) r = http2_new(&s, true, NULL, &events, &server, why);
    if (r == 0) r = http2_request(&stream, c, &q, false, NULL, why);
    if (r == 0 && http2_write(c, stream, BYTES_LIT("a body"), true) == ERR_NO_MEMORY) {
        r = error_set(why, ERR_NO_MEMORY, "write");
    }
    for (int i = 0; r == 0 && i < 20 && client.ended == 0; i++) {
        r = move(c, s, why);
        if (r == 0) r = move(s, c, why);
    }
    http2_free(c);
    http2_free(s);
    return r;
}

TEST(http2_survives_every_failed_allocation) {
    CHECK(alloc_fail_each(talk, NULL) > 5);
}

/* ---- the others ---- */

static int serve_jsonrpc(void *arg, struct error *why) {
    static const char batch[] =
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":[\"\\u00e9\",2]},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"b\"},7]";
    struct arena a;
    struct buf out;
    (void)arg;
    arena_init(&a, 0);
    buf_init(&out, 0);
    int r = jsonrpc_serve(&out, NULL, 0, NULL, bytes_from_str(batch), &a, NULL, why);
    buf_free(&out);
    arena_free(&a);
    return r;
}

static int read_websocket(void *arg, struct error *why) {
    struct websocket server, client;
    struct websocket_event ev;
    struct buf wire;
    (void)arg;
    websocket_init(&client, false, 1u << 20);
    websocket_init(&server, true, 1u << 20);
    buf_init(&wire, 0);
    websocket_write_part(&client, &wire, true, true, false, BYTES_LIT("one "));
    websocket_write_ping(&client, &wire, BYTES_LIT("ping"));
    websocket_write_part(&client, &wire, true, false, true, BYTES_LIT("two"));
    websocket_write_close(&client, &wire, WEBSOCKET_NORMAL, BYTES_LIT("end"));
    int r = buf_check(&wire, why);
    uint8_t *p = wire.p;
    size_t n = r == 0 ? wire.n : 0;
    while (r == 0 && (r = websocket_next(&ev, &server, &p, &n, why)) == 0) {
        if (ev.type == WEBSOCKET_TEXT) CHECK_BYTES(ev.data, BYTES_LIT("one two"));
        if (ev.type == WEBSOCKET_CLOSE || ev.type == WEBSOCKET_MORE) break;
    }
    websocket_free(&client);
    websocket_free(&server);
    buf_free(&wire);
    return r;
}

static int read_events(void *arg, struct error *why) {
    struct sse_reader reader;
    struct sse_event ev;
    struct bytes in = BYTES_LIT("id: 1\nevent: head\ndata: a\ndata: b\n\ndata: c\n\n");
    unsigned count = 0;
    int r;
    (void)arg;
    sse_reader_init(&reader, 1u << 20);
    while ((r = sse_next(&ev, &reader, &in, why)) == 1)
        count++;
    if (r == 0) CHECK_U64(count, 2);
    sse_reader_free(&reader);
    return r;
}

static int read_query(void *arg, struct error *why) {
    struct arena a;
    struct bytes value;
    struct url u;
    (void)arg;
    arena_init(&a, 0);
    int r = url_parse(&u, BYTES_LIT("https://user@a.example:8443/p?x=%20y"), why);
    if (r == 0) r = url_query_get(&value, u.query, "x", &a, why);
    if (r == 0) CHECK_BYTES(value, BYTES_LIT(" y"));
    arena_free(&a);
    return r;
}

static int read_coding(void *arg, struct error *why) {
    // "hello" as a raw gzip member.
    static const uint8_t zipped[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    0,
                                     3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                     0xa6, 0x10, 0x36, 0x05, 0,    0,    0};
    struct buf out;
    (void)arg;
    buf_init(&out, 0);
    int r = coding_decode(&out, bytes_make(zipped, sizeof zipped), CODING_GZIP, 1000, why);
    if (r == 0) CHECK_BYTES(buf_view(&out), BYTES_LIT("hello"));
    buf_free(&out);
    return r;
}

TEST(messages_survive_every_failed_allocation) {
    CHECK(alloc_fail_each(serve_jsonrpc, NULL) > 1);
    CHECK(alloc_fail_each(read_websocket, NULL) > 1);
    CHECK(alloc_fail_each(read_events, NULL) > 1);
    CHECK(alloc_fail_each(read_query, NULL) > 0);
    CHECK(alloc_fail_each(read_coding, NULL) > 0);
}

TEST_MAIN()
