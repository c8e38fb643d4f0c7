/* What hostile peers send, frame by frame. SPDX-License-Identifier: MIT */
#include "net/http2_testing.h"

static void server_open(struct side *x, struct buf *b) {
    side_open(x, true, NULL);
    buf_init(b, 0);
    put_preface(b);
    CHECK_ERR(feed(x, b), 0);
    CHECK_U64(sent_code(x, 7), UINT32_MAX);
}

static void server_close(struct side *x, struct buf *b) {
    side_close(x);
    buf_free(b);
}

/* Feeds `one` frame at a time until the server has enough; how many it took. */
static unsigned flood(void (*one)(struct buf *b, unsigned i), uint64_t gap_ns, unsigned tries) {
    struct side x;
    struct buf b;
    unsigned i;
    int r = 0;
    server_open(&x, &b);
    for (i = 0; i < tries && r == 0; i++) {
        one(&b, i);
        x.now_ns += gap_ns;
        r = feed(&x, &b);
        if (r == 0) (void)sent_code(&x, 7); // acknowledgements go out
    }
    if (r < 0) {
        CHECK_ERR(r, ERR_LIMIT);
        CHECK_ERR(http2_failure(x.h), ERR_LIMIT);
        put_get(&b, 99999, 5);
        CHECK_ERR(feed(&x, &b), ERR_CLOSED);
        CHECK_U64(sent_code(&x, 7), HTTP2_ENHANCE_YOUR_CALM);
        CHECK(http2_is_done(x.h));
    }
    server_close(&x, &b);
    return i;
}

static void rapid_reset(struct buf *b, unsigned i) {
    put_get(b, 2 * i + 1, 5);
    put_frame(b, 3, 0, 2 * i + 1, BYTES_LIT("\0\0\0\x08"));
}

static void ping(struct buf *b, unsigned i) {
    (void)i;
    put_frame(b, 6, 0, 0, BYTES_LIT("12345678"));
}

static void pong(struct buf *b, unsigned i) {
    (void)i;
    put_frame(b, 6, 1, 0, BYTES_LIT("12345678"));
}

static void settings(struct buf *b, unsigned i) {
    (void)i;
    put_frame(b, 4, 0, 0, BYTES_LIT("\0\x03\0\0\0\x64"));
}

static void priority(struct buf *b, unsigned i) {
    (void)i;
    put_frame(b, 2, 0, 1, BYTES_LIT("\0\0\0\0\x10"));
}

static void empty_data(struct buf *b, unsigned i) {
    if (i == 0) put_get(b, 1, 4);
    put_frame(b, 0, 0, 1, text(""));
}

static void window(struct buf *b, unsigned i) {
    if (i == 0) put_get(b, 1, 4);
    put_frame(b, 8, 0, 1, BYTES_LIT("\0\0\0\1"));
}

/* The server is made to reset its own stream (by a window that overflows). */
static void made_you_reset(struct buf *b, unsigned i) {
    put_get(b, 2 * i + 1, 4);
    put_frame(b, 8, 0, 2 * i + 1, BYTES_LIT("\x7f\xff\xff\xff"));
}

static void malformed(struct buf *b, unsigned i) {
    put_frame(b, 1, 5, 2 * i + 1, BYTES_LIT("\x82\x84")); // no scheme, no authority
}

TEST(floods_end_in_goaway) {
    static const struct {
        const char *name;
        void (*one)(struct buf *b, unsigned i);
    } floods[] = {
        {"rapid reset", rapid_reset},
        {"ping", ping},
        {"pong", pong},
        {"settings", settings},
        {"priority", priority},
        {"empty data", empty_data},
        {"window update", window},
        {"made you reset", made_you_reset},
        {"malformed heads", malformed},
    };
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        unsigned fast = flood(floods[i].one, 0, 5000);
        if (fast < 450 || fast > 1100) FAIL("%s: ended after %u", floods[i].name, fast);
        /* Whoever keeps below the refill goes on for ever. */
        unsigned slow = flood(floods[i].one, 20100000, 3000);
        if (slow != 3000) FAIL("%s: slow ones ended after %u", floods[i].name, slow);
    }
}

TEST(continuations_are_few) {
    struct side x;
    struct buf b;
    server_open(&x, &b);
    put_frame(&b, 1, 0, 1, BYTES_LIT("\x82"));
    int r = 0;
    unsigned n = 0;
    for (; r == 0 && n < 100; n++) {
        put_frame(&b, 9, 0, 1, BYTES_LIT("\x84"));
        r = feed(&x, &b);
    }
    CHECK_ERR(r, ERR_LIMIT);
    CHECK(n < 20);
    CHECK_U64(sent_code(&x, 7), HTTP2_ENHANCE_YOUR_CALM);
    server_close(&x, &b);
}

TEST(a_bomb_of_indexed_fields_is_refused_once) {
    struct side x;
    struct buf b, head;
    server_open(&x, &b);
    buf_init(&head, 0);
    buf_append(&head, BYTES_LIT("\x82\x84\x87\x01\x01x"));
    /* One large field into the table, then a reference to it a byte: 16 MiB in 8 KiB. */
    buf_append(&head, BYTES_LIT("\x40\x01"
                                "a\x7f\x81\x0f"));
    buf_append_fill(&head, 'x', 2048);
    buf_append_fill(&head, 0xbe, 8000);
    put_frame(&b, 1, 5, 1, buf_view(&head));
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_U64(x.requests, 0);
    CHECK_U64(sent_code(&x, 7), UINT32_MAX);
    put_get(&b, 3, 5);
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_U64(x.requests, 1);
    buf_free(&head);
    server_close(&x, &b);
}

TEST(more_streams_than_allowed_end_the_connection) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    struct side x;
    struct buf b;
    o.streams = 3;
    side_open(&x, true, &o);
    buf_init(&b, 0);
    (void)sent_code(&x, 7);
    put_preface(&b);
    put_frame(&b, 4, 1, 0, text("")); // from now on the limit holds
    for (uint32_t i = 0; i < 4; i++) {
        put_get(&b, 2 * i + 1, 4);
    }
    (void)feed(&x, &b);
    CHECK_U64(x.requests, 3);
    CHECK_U64(sent_code(&x, 7), HTTP2_PROTOCOL_ERROR);
    server_close(&x, &b);
}

/* Builds a head of literals: name, value, ..., NULL. */
static void put_head(struct buf *b, const char *const *fields, uint8_t flags) {
    struct buf head;
    buf_init(&head, 0);
    for (size_t i = 0; fields[i]; i += 2) {
        put_literal(&head, fields[i], fields[i + 1]);
    }
    put_frame(b, 1, flags, 1, buf_view(&head));
    buf_free(&head);
}

#define GET ":method", "GET", ":scheme", "https", ":path", "/"

TEST(malformed_heads_are_refused) {
    static const char *const heads[][16] = {
        {":method", "GET", ":scheme", "https", ":path", "/"},                   // no authority
        {":method", "GET", ":scheme", "https", ":authority", "a"},              // no path
        {":method", "GET", ":path", "/", ":authority", "a"},                    // no scheme
        {":scheme", "https", ":path", "/", ":authority", "a"},                  // no method
        {":method", "GET", ":scheme", "https", ":path", "", ":authority", "a"}, // empty path
        {":method", "GET", ":scheme", "https", ":path", "*", ":authority", "a"},
        {":method", "GET", ":scheme", "https", ":path", "/#f", ":authority", "a"},
        {":method", "GET", ":scheme", "https", ":path", "/ b", ":authority", "a"},
        {":method", "GET", ":scheme", "https", ":path", "b", ":authority", "a"},
        {":method", "G T", ":scheme", "https", ":path", "/", ":authority", "a"},
        {GET, ":authority", "a@b"},
        {GET, ":authority", "a", ":authority", "a"},
        {GET, ":authority", "a", ":status", "200"},
        {GET, ":authority", "a", ":unknown", "200"},
        {GET, "x", "y", ":authority", "a"}, // pseudo fields come first
        {GET, ":authority", "a", "Upper", "case"},
        {GET, ":authority", "a", "connection", "close"},
        {GET, ":authority", "a", "keep-alive", "1"},
        {GET, ":authority", "a", "proxy-connection", "close"},
        {GET, ":authority", "a", "transfer-encoding", "chunked"},
        {GET, ":authority", "a", "upgrade", "h2c"},
        {GET, ":authority", "a", "te", "gzip"},
        {GET, ":authority", "a", "host", "b"},
        {GET, ":authority", "a", "x", " y"},
        {GET, ":authority", "a", "x", "y\rz"},
        {GET, ":authority", "a", "x", "y\nz"},
        {GET, ":authority", "a", "x y", "z"},
        {GET, ":authority", "a", "", "z"},
        {GET, ":authority", "a", "content-length", "5"}, // and no data comes
        {GET, ":authority", "a", "content-length", "x"},
        {GET, ":authority", "a", "content-length", "0", "content-length", "1"},
        {":method", "CONNECT", ":authority", "a", ":path", "/"},
        {GET, ":authority", "a", ":protocol", "websocket"},
        {GET, "host", "a", "host", "b"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct side x;
        struct buf b;
        server_open(&x, &b);
        put_head(&b, heads[i], 5);
        int r = feed(&x, &b);
        if (r != 0) FAIL("head %zu: %s", i, error_name(r));
        if (x.requests) FAIL("head %zu was let through", i);
        if (sent_code(&x, 3) != HTTP2_PROTOCOL_ERROR) FAIL("head %zu: no reset", i);
        server_close(&x, &b);
    }
}

TEST(heads_at_the_edge_are_taken) {
    static const char *const heads[][12] = {
        {GET, ":authority", "a"},
        {GET, "host", "a:80"},
        {GET, ":authority", "a", "host", "A"},
        {GET, ":authority", "a", "te", "trailers"},
        {GET, ":authority", "a", "x", ""},
        {GET, ":authority", "a", "content-length", "0"},
        {GET, ":authority", "[::1]:8080"},
        {":method", "OPTIONS", ":scheme", "https", ":path", "*", ":authority", "a"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct side x;
        struct buf b;
        server_open(&x, &b);
        put_head(&b, heads[i], 5);
        CHECK_ERR(feed(&x, &b), 0);
        if (!x.requests || !x.ends) FAIL("head %zu was refused", i);
        server_close(&x, &b);
    }
}

TEST(broken_framing_ends_the_connection) {
    static const struct {
        uint8_t type, flags;
        uint32_t id;
        struct bytes payload;
    } frames[] = {
        {0, 0, 0, BYTES_LIT("data on the connection")},
        {0, 0, 1, BYTES_LIT("data on an idle stream")},
        {1, 5, 2, BYTES_LIT("\x82\x84\x87\x01\x01x")}, // even id
        {1, 5, 1, BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff")},
        {3, 0, 1, BYTES_LIT("\0\0\0\0")}, // idle stream
        {3, 0, 1, BYTES_LIT("\0\0\0")},
        {4, 0, 0, BYTES_LIT("12345")},
        {4, 1, 0, BYTES_LIT("123456")},
        {4, 0, 0, BYTES_LIT("\0\2\0\0\0\2")},         // ENABLE_PUSH of 2
        {4, 0, 0, BYTES_LIT("\0\4\x80\0\0\0")},       // window above 2^31-1
        {5, 4, 1, BYTES_LIT("\0\0\0\2\x82\x84\x87")}, // push from a client
        {6, 0, 0, BYTES_LIT("1234567")},
        {6, 0, 1, BYTES_LIT("12345678")},
        {8, 0, 0, BYTES_LIT("\0\0\0\0")},
        {8, 0, 0, BYTES_LIT("\x7f\xff\xff\xff")},
        {9, 4, 1, BYTES_LIT("\x82")}, // CONTINUATION of nothing
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct side x;
        struct buf b;
        server_open(&x, &b);
        put_frame(&b, frames[i].type, frames[i].flags, frames[i].id, frames[i].payload);
        (void)feed(&x, &b);
        uint32_t code = sent_code(&x, 7);
        if (code == UINT32_MAX || code == 0) FAIL("frame %zu: no GOAWAY", i);
        if (!http2_is_done(x.h)) FAIL("frame %zu: not done", i);
        CHECK(http2_failure(x.h) < 0);
        server_close(&x, &b);
    }
}

TEST(a_peer_that_does_not_speak_http2_is_refused) {
    struct side x;
    struct buf b;
    side_open(&x, true, NULL);
    buf_init(&b, 0);
    buf_append_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_ERR(feed(&x, &b), ERR_INVALID);
    CHECK_U64(sent_code(&x, 7), HTTP2_PROTOCOL_ERROR);
    CHECK(http2_is_done(x.h));
    server_close(&x, &b);
    side_open(&x, false, NULL);
    (void)sent_code(&x, 7);
    buf_append_str(&b, "HTTP/1.1 400 Bad Request\r\n\r\n");
    (void)feed(&x, &b);
    CHECK(sent_code(&x, 7) != UINT32_MAX);
    CHECK(http2_is_done(x.h));
    server_close(&x, &b);
}

/* A client with one request sent; `b` is what the server says then. */
static void client_open(struct side *x, struct buf *b) {
    struct error why;
    struct http_request r = request_of(HTTP_GET, "/");
    struct http2_stream *s;
    side_open(x, false, NULL);
    buf_init(b, 0);
    CHECK_OK(http2_request(&s, x->h, &r, true, NULL, &why), &why);
    (void)sent_code(x, 7);
    put_frame(b, 4, 0, 0, text(""));
}

TEST(a_client_refuses_bad_responses) {
    static const char *const heads[][10] = {
        {"x", "y"},
        {":status", "20"},
        {":status", "099"},
        {":status", "101"},
        {":status", "600"},
        {":status", "200", ":status", "200"},
        {":status", "200", ":path", "/"},
        {":status", "200", "connection", "close"},
        {":status", "200", "content-length", "1"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct side x;
        struct buf b;
        client_open(&x, &b);
        put_head(&b, heads[i], 5);
        CHECK_ERR(feed(&x, &b), 0);
        if (x.ends) FAIL("response %zu was let through", i);
        if (sent_code(&x, 3) == UINT32_MAX) FAIL("response %zu: no reset", i);
        CHECK_U64(x.closed, 1);
        CHECK(x.code != 0);
        side_close(&x);
        buf_free(&b);
    }
}

TEST(a_cut_response_is_not_complete) {
    struct side x;
    struct buf b;
    client_open(&x, &b);
    put_head(&b, (const char *const[]){":status", "200", NULL}, 4);
    put_frame(&b, 0, 0, 1, text("half"));
    put_frame(&b, 3, 0, 1, BYTES_LIT("\0\0\0\0")); // RST_STREAM (NO_ERROR)
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_LOG(&x, "response 200 2;closed 8;");
    side_close(&x);
    buf_free(&b);
}

TEST(endless_interim_responses_end) {
    struct side x;
    struct buf b;
    client_open(&x, &b);
    for (int i = 0; i < 50; i++) {
        put_head(&b, (const char *const[]){":status", "103", NULL}, 4);
    }
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_U64(x.responses, 16);
    CHECK_U64(sent_code(&x, 3), HTTP2_ENHANCE_YOUR_CALM);
    side_close(&x);
    buf_free(&b);
}

TEST(a_push_is_refused) {
    struct side x;
    struct buf b;
    client_open(&x, &b);
    put_frame(&b, 4, 1, 0, text(""));
    put_frame(&b, 5, 4, 1, BYTES_LIT("\0\0\0\2\x82\x84\x87\x01\x01x"));
    (void)feed(&x, &b);
    CHECK_U64(sent_code(&x, 7), HTTP2_PROTOCOL_ERROR);
    side_close(&x);
    buf_free(&b);
}

TEST(trailers_are_bounded) {
    struct side x;
    struct buf b;
    server_open(&x, &b);
    put_get(&b, 1, 4);
    struct buf head;
    buf_init(&head, 0);
    for (int i = 0; i < 17; i++) {
        put_literal(&head, "a", "b");
    }
    put_frame(&b, 1, 5, 1, buf_view(&head));
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_U64(x.ends, 0);
    CHECK_U64(sent_code(&x, 3), HTTP2_CANCEL);
    CHECK_U64(x.closed, 1);
    buf_clear(&head);
    put_literal(&head, "authorization", "b");
    put_get(&b, 3, 4);
    put_frame(&b, 1, 5, 3, buf_view(&head));
    CHECK_ERR(feed(&x, &b), 0);
    CHECK_U64(x.ends, 0);
    CHECK_U64(sent_code(&x, 3), HTTP2_PROTOCOL_ERROR);
    buf_free(&head);
    server_close(&x, &b);
}

TEST_MAIN()
