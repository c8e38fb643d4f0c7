/* SPDX-License-Identifier: MIT */
#include "net/http2_testing.h"

struct pair {
    struct side client, server;
};

static void pair_open(struct pair *p, const struct http2_settings *client,
                      const struct http2_settings *server) {
    side_open(&p->client, false, client);
    side_open(&p->server, true, server);
    talk(&p->client, &p->server);
}

static void pair_close(struct pair *p) {
    side_close(&p->client);
    side_close(&p->server);
}

static struct http2_stream *ask(struct pair *p, const struct http_request *r, bool end) {
    struct http2_stream *s;
    struct error why;
    CHECK_OK(http2_request(&s, p->client.h, r, end, NULL, &why), &why);
    return s;
}

TEST(a_request_and_its_response) {
    struct pair p;
    struct error why;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/a?b=c");
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request GET /a?b=c a.example 0;end 0;");
    struct http_response a = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 5};
    CHECK_OK(http_fields_put(&a.fields, http2_stream_arena(p.server.stream),
                             HTTP_FIELD_CONTENT_TYPE, text("text/plain"), &why),
             &why);
    CHECK_OK(http2_respond(p.server.h, p.server.stream, &a, false, &why), &why);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("he"), false), 0);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("llo"), true), 0);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 200 1;end 0;closed 0;");
    CHECK_LOG(&p.server, "request GET /a?b=c a.example 0;end 0;closed 0;");
    CHECK_BYTES(buf_view(&p.client.data), text("hello"));
    CHECK_U64(http2_stream_count(p.client.h), 0);
    CHECK_U64(http2_stream_count(p.server.h), 0);
    pair_close(&p);
}

TEST(output_is_coalesced) {
    struct pair p;
    struct error why;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/");
    for (int i = 0; i < 50; i++) {
        ask(&p, &r, true);
    }
    CHECK_OK(http2_output(p.client.h, &p.client.out, 65536, &why), &why);
    CHECK(!http2_wants_output(p.client.h));
    p.server.answer = true;
    CHECK_OK(http2_feed(p.server.h, buf_view(&p.client.out), 0, &why), &why);
    buf_clear(&p.client.out);
    CHECK_OK(http2_output(p.server.h, &p.server.out, 65536, &why), &why);
    CHECK(!http2_wants_output(p.server.h));
    CHECK_U64(p.server.closed, 50);
    /* Fifty heads of a status and a length, indexed: a few bytes each. */
    CHECK(p.server.out.n < 50 * 20);
    CHECK_OK(http2_feed(p.client.h, buf_view(&p.server.out), 0, &why), &why);
    CHECK_U64(p.client.closed, 50);
    pair_close(&p);
}

TEST(messages_survive_any_pieces) {
    static const size_t pieces[] = {1, 2, 7, 100};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct pair p;
        pair_open(&p, NULL, NULL);
        p.server.echo = true;
        struct http_request r = request_of(HTTP_POST, "/");
        r.body = HTTP_BODY_STREAM;
        struct http2_stream *s = ask(&p, &r, false);
        CHECK_ERR(http2_write(p.client.h, s, text("some body"), true), 0);
        for (int k = 0; k < 10; k++) {
            CHECK_ERR(move(&p.client, &p.server, pieces[i]), 0);
            CHECK_ERR(move(&p.server, &p.client, pieces[i]), 0);
        }
        CHECK_LOG(&p.server, "request POST / a.example 2;end 0;closed 0;");
        CHECK_LOG(&p.client, "response 200 2;end 0;closed 0;");
        CHECK_BYTES(buf_view(&p.client.data), text("some body"));
        pair_close(&p);
    }
}

TEST(large_bodies_stream_both_ways) {
    struct pair p;
    pair_open(&p, NULL, NULL);
    p.server.echo = true;
    struct http_request r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_LENGTH;
    r.content_length = 8u << 20;
    struct http2_stream *s = ask(&p, &r, false);
    static uint8_t block[1u << 16];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)(i * 7 >> 3);
    }
    for (unsigned i = 0; i < 128; i++) {
        int e = http2_write(p.client.h, s, bytes_make(block, sizeof block), i == 127);
        CHECK(e == 0 || e == ERR_AGAIN);
        if (e == ERR_AGAIN) talk(&p.client, &p.server);
    }
    talk(&p.client, &p.server);
    CHECK_U64(p.server.body, 8u << 20);
    CHECK_U64(p.client.body, 8u << 20);
    CHECK(memcmp(p.client.data.p, block, sizeof block) == 0);
    CHECK(memcmp(p.client.data.p + p.client.data.n - sizeof block, block, sizeof block) == 0);
    CHECK_U64(p.client.code, 0);
    CHECK_U64(p.client.closed, 1);
    pair_close(&p);
}

TEST(what_is_not_consumed_stops_the_sender) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.stream_window = 10000;
    o.send_queue_bytes = 4000;
    struct pair p;
    pair_open(&p, &o, &o);
    p.server.hold = true;
    struct http_request r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_STREAM;
    struct http2_stream *s = ask(&p, &r, false);
    static uint8_t block[8000];
    CHECK_ERR(http2_write(p.client.h, s, bytes_make(block, 8000), false), ERR_AGAIN);
    talk(&p.client, &p.server);
    CHECK_U64(p.client.writable, 1);
    CHECK_ERR(http2_write(p.client.h, s, bytes_make(block, 8000), false), ERR_AGAIN);
    talk(&p.client, &p.server);
    CHECK_U64(p.server.body, 10000);
    CHECK_U64(http2_queued(s), 6000);
    CHECK_U64(p.client.writable, 1);
    http2_consume(p.server.h, p.server.stream, 1000000); // never more than was received
    talk(&p.client, &p.server);
    CHECK_U64(p.server.body, 16000);
    CHECK_U64(http2_queued(s), 0);
    CHECK_U64(p.client.writable, 2);
    pair_close(&p);
}

TEST(a_stream_that_is_not_consumed_leaves_room_for_others) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.stream_window = 50000;
    o.connection_window = 100000;
    struct pair p;
    pair_open(&p, NULL, &o);
    p.server.hold = true;
    struct http_request r = request_of(HTTP_POST, "/held");
    r.body = HTTP_BODY_STREAM;
    static uint8_t block[60000];
    /* Streams that end unconsumed give the connection its window back. */
    for (unsigned i = 0; i < 10; i++) {
        struct http2_stream *s = ask(&p, &r, false);
        (void)!http2_write(p.client.h, s, bytes_make(block, sizeof block), false);
        talk(&p.client, &p.server);
        CHECK_U64(p.server.body, 50000);
        p.server.body = 0;
        http2_reset(p.client.h, s, HTTP2_CANCEL);
        talk(&p.client, &p.server);
        CHECK_U64(p.server.code, HTTP2_CANCEL);
    }
    pair_close(&p);
}

TEST(trailers_and_interim_responses) {
    struct pair p;
    struct error why;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_STREAM;
    struct http2_stream *s = ask(&p, &r, false);
    struct arena a;
    struct http_fields t = {0}, bad = {0};
    arena_init(&a, 0);
    CHECK_OK(http_fields_add(&t, &a, text("grpc-status"), text("0"), &why), &why);
    CHECK_OK(http_fields_put(&bad, &a, HTTP_FIELD_CONTENT_LENGTH, text("0"), &why), &why);
    CHECK_ERR(http2_write(p.client.h, s, text("x"), false), 0);
    CHECK_ERR(http2_write_trailers(p.client.h, s, &bad, &why), ERR_INVALID);
    CHECK_OK(http2_write_trailers(p.client.h, s, &t, &why), &why);
    CHECK_ERR(http2_write(p.client.h, s, text("x"), false), ERR_INVALID);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request POST / a.example 2;end 1;");
    struct http_response w = {.status = 103}, ok = {.status = 200, .body = HTTP_BODY_STREAM};
    CHECK_ERR(http2_respond(p.server.h, p.server.stream, &w, true, &why), ERR_INVALID);
    CHECK_OK(http2_respond(p.server.h, p.server.stream, &w, false, &why), &why);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("y"), false), ERR_INVALID);
    CHECK_OK(http2_respond(p.server.h, p.server.stream, &ok, false, &why), &why);
    CHECK_ERR(http2_respond(p.server.h, p.server.stream, &ok, false, &why), ERR_INVALID);
    CHECK_OK(http2_write_trailers(p.server.h, p.server.stream, &t, &why), &why);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 103 0;response 200 2;end 1;closed 0;");
    arena_free(&a);
    pair_close(&p);
}

TEST(lengths_are_kept) {
    struct pair p;
    struct error why;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_HEAD, "/");
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    struct http_response a = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 4};
    CHECK_OK(http2_respond(p.server.h, p.server.stream, &a, true, &why), &why);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 200 0;end 0;closed 0;");
    r = request_of(HTTP_GET, "/");
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    CHECK_ERR(http2_respond(p.server.h, p.server.stream, &a, true, &why), ERR_INVALID);
    CHECK_OK(http2_respond(p.server.h, p.server.stream, &a, false, &why), &why);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("12345"), false), ERR_INVALID);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("123"), true), ERR_INVALID);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("1234"), true), 0);
    talk(&p.client, &p.server);
    CHECK_BYTES(buf_view(&p.client.data), text("1234"));
    pair_close(&p);
}

TEST(an_early_answer_ends_the_request) {
    struct pair p;
    pair_open(&p, NULL, NULL);
    p.server.answer = true;
    struct http_request r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_STREAM;
    ask(&p, &r, false);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request POST / a.example 2;closed 0;");
    CHECK_LOG(&p.client, "response 200 1;end 0;");
    // What still comes is dropped, and its window given back.
    CHECK_ERR(http2_write(p.client.h, p.client.stream, text("more"), false), 0);
    talk(&p.client, &p.server);
    http2_sweep(p.server.h, HTTP2_EARLY_NS - 1);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 200 1;end 0;");
    http2_sweep(p.server.h, HTTP2_EARLY_NS);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request POST / a.example 2;closed 0;");
    CHECK_LOG(&p.client, "response 200 1;end 0;closed 0;");
    CHECK_U64(http2_stream_count(p.server.h), 0);
    pair_close(&p);
}

TEST(limits_of_messages_are_answered) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.limits.target_bytes = 20;
    o.limits.fields = 3;
    o.limits.head_bytes = 300;
    o.limits.body_bytes = 10;
    struct pair p;
    struct error why;
    struct arena a;
    pair_open(&p, NULL, &o);
    arena_init(&a, 0);
    struct http_request r = request_of(HTTP_GET, "/123456789012345678901234567890");
    ask(&p, &r, true);
    r = request_of(HTTP_GET, "/");
    for (int i = 0; i < 4; i++) {
        CHECK_OK(http_fields_add(&r.fields, &a, text("a"), text("b"), &why), &why);
    }
    ask(&p, &r, true);
    r.fields.count = 0;
    static char longer[300];
    memset(longer, 'a', sizeof longer - 1);
    CHECK_OK(http_fields_add(&r.fields, &a, text("a"), text(longer), &why), &why);
    ask(&p, &r, true);
    r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_LENGTH;
    r.content_length = 11;
    ask(&p, &r, false);
    r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_STREAM;
    CHECK_OK(http_fields_add(&r.fields, &a, text("expect"), text("x"), &why), &why);
    ask(&p, &r, false);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 414 1;end 0;closed 0;response 431 1;end 0;closed 0;"
                         "response 431 1;end 0;closed 0;response 413 1;end 0;"
                         "response 417 1;end 0;");
    CHECK_LOG(&p.server, "");
    http2_sweep(p.server.h, HTTP2_EARLY_NS);
    talk(&p.client, &p.server);
    r = request_of(HTTP_POST, "/");
    r.body = HTTP_BODY_STREAM;
    struct http2_stream *s = ask(&p, &r, false);
    CHECK_ERR(http2_write(p.client.h, s, text("12345678901"), false), 0);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request POST / a.example 2;closed 8;");
    CHECK_U64(p.client.code, HTTP2_CANCEL);
    arena_free(&a);
    pair_close(&p);
}

TEST(cookies_are_joined_and_secrets_kept_out_of_tables) {
    struct pair p;
    struct error why;
    struct arena a;
    arena_init(&a, 0);
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/");
    CHECK_OK(http_fields_add(&r.fields, &a, text("cookie"), text("a=1"), &why), &why);
    CHECK_OK(http_fields_add(&r.fields, &a, text("cookie"), text("b=2"), &why), &why);
    CHECK_OK(http_fields_add(&r.fields, &a, text("authorization"), text("Bearer z"), &why), &why);
    CHECK_OK(http_fields_add(&r.fields, &a, text("connection"), text("x"), &why), &why);
    CHECK_OK(http_fields_add(&r.fields, &a, text("te"), text("trailers"), &why), &why);
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request GET / a.example 0;end 0;");
    arena_free(&a);
    pair_close(&p);
}

TEST(requests_that_cannot_be_written_are_refused) {
    struct pair p;
    struct error why;
    struct http2_stream *s;
    pair_open(&p, NULL, NULL);
    struct http_request good = request_of(HTTP_GET, "/"), r = good;
    r.path = text("no slash");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.path = text("*");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.authority = text("a b");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.scheme = text("");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.method = HTTP_METHOD_OTHER;
    r.method_text = text("A B");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.protocol = text("websocket");
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    r = good;
    r.body = HTTP_BODY_LENGTH;
    r.content_length = 1;
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    struct http_field f = {text("A"), text("b"), 0, false};
    r = good;
    r.fields = (struct http_fields){.item = &f, .count = 1, .capacity = 1};
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    f = (struct http_field){text("a"), text("b\r\nc: d"), 0, false};
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_INVALID);
    CHECK_ERR(http2_request(&s, p.server.h, &good, true, NULL, &why), ERR_CLOSED);
    CHECK_U64(http2_stream_count(p.client.h), 0);
    pair_close(&p);
}

TEST(tunnels_and_extended_connect) {
    struct pair p;
    struct error why;
    struct http2_stream *s;
    pair_open(&p, NULL, NULL);
    p.server.echo = true;
    struct http_request r = request_of(HTTP_CONNECT, "/chat");
    r.protocol = text("websocket");
    s = ask(&p, &r, false);
    CHECK_ERR(http2_write(p.client.h, s, text("frames"), false), 0);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.server, "request CONNECT /chat a.example 4;");
    CHECK_LOG(&p.client, "response 200 4;");
    CHECK_BYTES(buf_view(&p.client.data), text("frames"));
    r = request_of(HTTP_CONNECT, "");
    r.authority = text("b.example:443");
    s = ask(&p, &r, false);
    CHECK_ERR(http2_write(p.client.h, s, text("+"), true), 0);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 200 4;response 200 4;end 0;closed 0;");
    pair_close(&p);
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.extended_connect = false;
    pair_open(&p, NULL, &o);
    r = request_of(HTTP_CONNECT, "/chat");
    r.protocol = text("websocket");
    CHECK_ERR(http2_request(&s, p.client.h, &r, false, NULL, &why), ERR_UNSUPPORTED);
    pair_close(&p);
}

TEST(a_client_keeps_to_the_number_of_streams) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.streams = 2;
    struct pair p;
    struct error why;
    struct http2_stream *s, *second;
    pair_open(&p, NULL, &o);
    struct http_request r = request_of(HTTP_GET, "/");
    ask(&p, &r, true);
    CHECK(http2_can_request(p.client.h));
    second = ask(&p, &r, true);
    CHECK(!http2_can_request(p.client.h));
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_BUSY);
    http2_reset(p.client.h, second, HTTP2_CANCEL); // before it was sent at all
    http2_reset(p.client.h, second, HTTP2_CANCEL);
    talk(&p.client, &p.server);
    CHECK_U64(p.client.closed, 1);
    CHECK_U64(p.client.code, HTTP2_CANCEL);
    CHECK_U64(p.server.requests, 1);
    CHECK(http2_can_request(p.client.h));
    pair_close(&p);
}

TEST(goaway_drains) {
    struct pair p;
    struct error why;
    struct http2_stream *s;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/");
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    struct http2_stream *open = p.server.stream;
    ask(&p, &r, true); // on its way when the server begins to end
    http2_goaway(p.server.h);
    CHECK_ERR(move(&p.server, &p.client, 1000), 0);
    CHECK(p.client.went);
    CHECK_U64(p.client.goaway, 0);
    CHECK_ERR(http2_request(&s, p.client.h, &r, true, NULL, &why), ERR_CLOSED);
    http2_goaway(p.server.h);
    talk(&p.client, &p.server);
    CHECK(!http2_is_done(p.server.h));
    CHECK(!http2_is_done(p.client.h));
    struct http_response a = {.status = 200};
    CHECK_OK(http2_respond(p.server.h, open, &a, true, &why), &why);
    talk(&p.client, &p.server);
    CHECK_U64(p.client.closed, 2); // one answered, one refused for another connection
    CHECK_U64(p.client.responses, 1);
    CHECK(http2_is_done(p.server.h));
    CHECK(http2_is_done(p.client.h));
    CHECK_U64(http2_failure(p.server.h), 0);
    pair_close(&p);
}

TEST(a_client_ends_gracefully) {
    struct pair p;
    pair_open(&p, NULL, NULL);
    p.server.answer = true;
    struct http_request r = request_of(HTTP_GET, "/");
    ask(&p, &r, true);
    http2_goaway(p.client.h);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "response 200 1;end 0;closed 0;");
    CHECK(p.server.went);
    CHECK(http2_is_done(p.client.h));
    pair_close(&p);
}

TEST(closing_tells_every_owner) {
    struct pair p;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/");
    ask(&p, &r, true);
    ask(&p, &r, true);
    talk(&p.client, &p.server);
    http2_reset(p.server.h, p.server.stream, HTTP2_INTERNAL_ERROR);
    CHECK_ERR(http2_write(p.server.h, p.server.stream, text("x"), false), ERR_CLOSED);
    struct http_response a = {.status = 200};
    CHECK_ERR(http2_respond(p.server.h, p.server.stream, &a, true, NULL), ERR_CLOSED);
    talk(&p.client, &p.server);
    CHECK_LOG(&p.client, "closed 2;");
    http2_free(p.client.h);
    CHECK_LOG(&p.client, "closed 2;closed 8;");
    p.client.h = NULL;
    http2_ping(p.server.h);
    pair_close(&p);
    http2_free(NULL);
}

TEST(pings_are_answered) {
    struct pair p;
    pair_open(&p, NULL, NULL);
    http2_ping(p.client.h);
    http2_ping(p.client.h);
    talk(&p.client, &p.server);
    CHECK_U64(http2_pongs(p.client.h), 2);
    CHECK_U64(http2_pongs(p.server.h), 0);
    pair_close(&p);
}

TEST(streams_take_turns) {
    struct pair p;
    struct error why;
    pair_open(&p, NULL, NULL);
    struct http_request r = request_of(HTTP_GET, "/");
    static uint8_t block[200000];
    struct http2_stream *stream[2];
    for (int i = 0; i < 2; i++) {
        ask(&p, &r, true);
        talk(&p.client, &p.server);
        stream[i] = p.server.stream;
    }
    for (int i = 0; i < 2; i++) {
        struct http_response a = {.status = 200, .body = HTTP_BODY_STREAM};
        CHECK_OK(http2_respond(p.server.h, stream[i], &a, false, &why), &why);
        CHECK_ERR(http2_write(p.server.h, stream[i], bytes_make(block, sizeof block), true), 0);
    }
    CHECK_OK(http2_output(p.server.h, &p.server.out, 100000, &why), &why);
    CHECK(p.server.out.n >= 100000 && p.server.out.n < 120000);
    size_t of[2] = {0};
    for (struct bytes in = buf_view(&p.server.out); in.n >= 9;) {
        size_t n = (size_t)in.p[0] << 16 | load_be16(in.p + 1);
        if (in.p[3] == 0) of[load_be32(in.p + 5) / 2] += n;
        in = bytes_slice(in, 9 + n, in.n);
    }
    CHECK(of[0] > 30000 && of[1] > 30000);
    pair_close(&p);
}

TEST_MAIN()
