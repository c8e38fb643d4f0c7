/* The HTTP server over real sockets: routes, bodies, limits, slow peers, hostile framing, drain.
 * SPDX-License-Identifier: MIT */
#include "net/raw_testing.h"
#include "net/server_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct server *server;
    struct metrics *metrics;
    struct socket_address address;
    struct exchange *held;     /* answered later */
    unsigned gone, drained;    /* events seen */
    size_t streamed, pause_at; /* pause_at: the handler pauses when it has so many bytes */
    bool stream_ended, drain_done;
    struct server_record last;
};

static void raw_connect(struct raw *r, struct world *w) {
    raw_open(r, w->loop, &w->address);
}
static unsigned count_of(struct raw *r, const char *text) {
    unsigned n = 0;
    buf_append_byte(&r->heard, 0);
    for (const char *p = (const char *)r->heard.p; (p = strstr(p, text)) != NULL; p++)
        n++;
    r->heard.n--;
    return n;
}
static bool heard(struct raw *r, const char *text) {
    return count_of(r, text) > 0;
}
static void quiet(struct world *w, unsigned turns) {
    for (unsigned i = 0; i < turns; i++)
        CHECK(loop_turn(w->loop, NS_PER_MS, NULL) == 0);
}

/* ---- handlers ---- */

static void echo(struct exchange *x, void *context) {
    (void)context;
    exchange_respond_text(x, 200, "application/json", exchange_body(x));
}
static void greet(struct exchange *x, void *context) {
    (void)context;
    struct bytes name = exchange_param(x, "name"), word = exchange_query_get(x, "word");
    char text[200];
    int n = snprintf(text, sizeof text, "%.*s %.*s", (int)word.n, (const char *)word.p, (int)name.n,
                     (const char *)name.p);
    exchange_respond(x, 200, bytes_make(text, (size_t)n));
}
static void fixed(struct exchange *x, void *context) {
    exchange_respond(x, 200, bytes_from_str(context));
}
static void hold(struct exchange *x, void *context) {
    struct world *w = context;
    exchange_hold(x);
    w->held = x;
}
static void whoami(struct exchange *x, void *context) {
    (void)context;
    char text[SOCKET_TEXT_MAX];
    size_t n = socket_address_host(text, exchange_client(x));
    exchange_respond(x, 200, bytes_make(text, n));
}
static void stream_body(struct exchange *x, void *context, struct bytes in, bool end) {
    struct world *w = context;
    w->streamed += in.n;
    w->stream_ended |= end;
    if (w->pause_at && w->streamed >= w->pause_at && !end) exchange_pause(x);
    if (end) exchange_respond(x, 200, BYTES_LIT("done"));
}
static void stream_gone(struct exchange *x, void *context) {
    (void)x;
    ((struct world *)context)->gone++;
}
static void stream_drained(struct exchange *x, void *context) {
    (void)x;
    ((struct world *)context)->drained++;
}
static const struct exchange_events stream_events = {stream_body, stream_drained, stream_gone};
static void stream(struct exchange *x, void *context) {
    struct world *w = context;
    exchange_set_events(x, &stream_events, w);
    exchange_hold(x);
    w->held = x;
}
static void chunks(struct exchange *x, void *context) {
    (void)context;
    exchange_begin(x, 200, -1);
    CHECK(exchange_write(x, BYTES_LIT("one ")) == 0);
    CHECK(exchange_write(x, BYTES_LIT("two")) == 0);
    exchange_end(x);
}

static void on_record(void *context, const struct server_record *r) {
    ((struct world *)context)->last = *r;
}

static void world_open_with(struct world *w, struct server_options *o, struct server_listener *ln) {
    struct error why = {0};
    memset(w, 0, sizeof *w);
    struct route *routes = calloc(13, sizeof *routes);
    size_t n = 0;
    routes[n++] = (struct route){"POST", "/echo", echo, NULL, 0, 0};
    routes[n++] = (struct route){"POST", "/small", echo, NULL, 10, 0};
    routes[n++] = (struct route){"GET", "/greet/{name}", greet, NULL, 0, 0};
    routes[n++] =
        (struct route){"GET", "/greet/nobody", fixed, (void *)(uintptr_t) "silence", 0, 0};
    routes[n++] =
        (struct route){"PUT,DELETE", "/greet/{name}", fixed, (void *)(uintptr_t) "changed", 0, 0};
    routes[n++] =
        (struct route){"*", "/files/", fixed, (void *)(uintptr_t) "a file", 0, ROUTE_PREFIX};
    routes[n++] = (struct route){"GET,POST", "/hold", hold, w, 0, 0};
    routes[n++] = (struct route){"POST", "/stream", stream, w, UINT64_MAX, ROUTE_STREAM};
    routes[n++] = (struct route){"POST", "/stream/small", stream, w, 10, ROUTE_STREAM};
    routes[n++] = (struct route){"GET", "/chunks", chunks, NULL, 0, 0};
    routes[n++] = (struct route){"GET", "/whoami", whoami, NULL, 0, 0};
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    CHECK_OK(metrics_new(&w->metrics, NULL, &why), &why);
    o->routes = routes;
    o->route_count = n;
    o->metrics = w->metrics;
    o->record = on_record;
    o->record_context = w;
    CHECK_OK(server_new(&w->server, w->loop, o, &why), &why);
    if (!ln->address.n) {
        CHECK_OK(socket_address_parse(&ln->address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    }
    CHECK_OK(server_listen(w->server, &w->address, ln, &why), &why);
}
static void world_open(struct world *w, struct server_options *o) {
    struct server_listener ln = {0};
    world_open_with(w, o, &ln);
}
static void world_close(struct world *w, struct server_options *o) {
    server_free(w->server);
    metrics_free(w->metrics);
    loop_free(w->loop);
    free((void *)(uintptr_t)o->routes);
}

/* Says a request, waits for the answer's end (closed, or `until` heard). */
static void ask(struct world *w, struct raw *r, const char *request, const char *until) {
    raw_connect(r, w);
    raw_say(r, request);
    if (until && !until[0]) return;
    TURN_UNTIL(w->loop, r->closed || (until && heard(r, until)));
}

TEST(routes_methods_and_parameters) {
    static const struct {
        const char *request, *expected, *also;
    } cases[] = {
        {"GET /greet/bob?word=hello%20dear HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK",
         "hello dear bob"},
        {"GET /greet/b%6Fb?a=1&word=x+y HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "x y bob"},
        {"GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "silence"},
        {"DELETE /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "changed"},
        {"POST /greet/bob HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "405 ",
         "llow: GET, HEAD, PUT, DELETE"},
        {"GET /greet/ HTTP/1.1\r\nHost: a\r\n\r\n", "404 ", "not found"},
        {"GET /greet/a/b HTTP/1.1\r\nHost: a\r\n\r\n", "404 ", "not found"},
        {"PROPFIND /files/x/y HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "a file"},
        {"GET /filesx HTTP/1.1\r\nHost: a\r\n\r\n", "404 ", "not found"},
        {"GET /greet/%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400 ", "malformed"},
        {"GET /greet/%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400 ", "malformed"},
        {"GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "0\r\n\r\n"},
        {"GET /chunks HTTP/1.0\r\n\r\n", "200 OK", "one two"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 ", "not found"},
    };
    struct world w;
    struct server_options o = {0};
    world_open(&w, &o);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw r;
        ask(&w, &r, cases[i].request, cases[i].also);
        if (!heard(&r, cases[i].expected) || !heard(&r, cases[i].also)) {
            FAIL("case %zu: %.*s", i, (int)r.heard.n, (const char *)r.heard.p);
        }
        raw_free(&r);
    }
    world_close(&w, &o);
}

TEST(head_has_length_and_no_body) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r, "HEAD /greet/nobody HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK(heard(&r, "200 OK") && heard(&r, "ontent-") && !heard(&r, "silence"));
    raw_free(&r);
    world_close(&w, &o);
}

TEST(pipelined_requests_are_answered_in_order) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    raw_connect(&r, &w);
    for (int i = 0; i < 500; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n<%05d>", i);
        raw_say(&r, text);
    }
    TURN_UNTIL(w.loop, heard(&r, "<00499>"));
    CHECK_U64(count_of(&r, "200 OK"), 500);
    buf_append_byte(&r.heard, 0);
    const char *p = (const char *)r.heard.p;
    for (int i = 0; i < 500; i++) {
        char text[16];
        snprintf(text, sizeof text, "<%05d>", i);
        p = strstr(p, text);
        CHECK(p != NULL);
    }
    raw_free(&r);
    world_close(&w, &o);
}

TEST(a_flood_behind_an_open_request_waits_in_the_kernel) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", "");
    TURN_UNTIL(w.loop, w.held);
    static char block[65536];
    memset(block, 'x', sizeof block);
    int r2 = 0;
    size_t sent = 0;
    for (int i = 0; i < 2000 && r2 == 0; i++) {
        r2 = conn_write(&r.conn, bytes_make(block, sizeof block));
        sent += sizeof block;
        quiet(&w, 1);
    }
    CHECK_ERR(r2, ERR_AGAIN);
    CHECK(sent < 64u << 20);
    exchange_respond(w.held, 200, BYTES_LIT("late"));
    exchange_release(w.held);
    TURN_UNTIL(w.loop, r.closed); // what follows is no HTTP
    raw_free(&r);
    world_close(&w, &o);
}

TEST(hostile_framing_is_refused_and_the_connection_ends) {
    static const char *const cases[] = {
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n"),
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "GET /echo HTTP/1.1\nHost: a\n\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /echo HTTP/1.1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls to a plain port\r\n\r\n",
    };
    struct world w;
    struct server_options o = {0};
    world_open(&w, &o);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw r;
        ask(&w, &r, cases[i], NULL);
        CHECK(r.closed);
        if (!heard(&r, "HTTP/1.1 4") && !heard(&r, "HTTP/1.1 50")) {
            FAIL("case %zu: %.*s", i, (int)r.heard.n, (const char *)r.heard.p);
        }
        CHECK_U64(count_of(&r, "HTTP/1.1 "), 1);
        raw_free(&r);
    }
    CHECK_U64(metric_value(server_refused(w.server, "malformed")), sizeof cases / sizeof cases[0]);
    world_close(&w, &o);
}

TEST(sizes_have_limits) {
    struct world w;
    struct server_options o = {.limits = {.body_bytes = 1000, .header_bytes = 2000}};
    struct raw r;
    world_open(&w, &o);
    char text[4096];
    int n = snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + n, 'y', 3000);
    text[n + 3000] = 0;
    ask(&w, &r, text, NULL);
    CHECK(heard(&r, "431 "));
    raw_free(&r);
    ask(&w, &r, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901", "413 ");
    CHECK(heard(&r, "413 "));
    raw_free(&r);
    ask(&w, &r, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "413 ");
    CHECK(heard(&r, "413 "));
    raw_free(&r);
    // Chunked: the limit holds without an announcement.
    ask(&w, &r,
        "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n"
        "8\r\n12345678\r\n",
        NULL);
    CHECK(heard(&r, "413 ") && r.closed);
    raw_free(&r);
    // An announced body that is too large and waits for 100 is refused before it is sent.
    ask(&w, &r,
        "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n",
        NULL);
    CHECK(heard(&r, "413 ") && !heard(&r, "100 Continue") && r.closed);
    raw_free(&r);
    ask(&w, &r,
        "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "100 Continue");
    raw_say(&r, "ok");
    TURN_UNTIL(w.loop, heard(&r, "200 OK"));
    raw_free(&r);
    world_close(&w, &o);
}

TEST(a_refused_request_with_a_short_body_keeps_the_connection) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r,
        "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /greet/nobody "
        "HTTP/1.1\r\nHost: a\r\n\r\n",
        "silence");
    CHECK(heard(&r, "404 ") && heard(&r, "200 OK"));
    raw_free(&r);
    world_close(&w, &o);
}

TEST(slow_peers_are_cut_off) {
    static const char *const cases[] = {
        "", "GET /echo HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n"};
    struct world w;
    struct server_options o = {.limits = {.header_ns = 40 * NS_PER_MS,
                                          .body_ns = 40 * NS_PER_MS,
                                          .idle_ns = 40 * NS_PER_MS,
                                          .write_ns = 40 * NS_PER_MS}};
    world_open(&w, &o);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw r;
        ask(&w, &r, cases[i], NULL);
        CHECK(r.closed);
        raw_free(&r);
    }
    // A header that drips never renews its time.
    struct raw r;
    raw_connect(&r, &w);
    uint64_t end = loop_now_ns(w.loop) + NS_PER_S;
    const char *drip = "GET /echo HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (size_t i = 0; !r.closed && drip[i]; i++) {
        CHECK(loop_now_ns(w.loop) < end);
        raw_say(&r, (char[]){drip[i], 0});
        quiet(&w, 5);
    }
    CHECK(r.closed);
    raw_free(&r);
    CHECK_U64(server_connections(w.server), 0);
    world_close(&w, &o);
}

TEST(an_answer_that_waits_at_the_first_tick_is_not_a_slow_readers) {
    struct world w;
    struct server_options o = {.limits = {.header_ns = 80 * NS_PER_MS}}; // ticks come often
    struct raw r;
    world_open(&w, &o);
    raw_connect(&r, &w);
    raw_say(&r, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    exchange_respond(w.held, 200, BYTES_LIT("kept")); // goes out at the end of the next turn
    exchange_release(w.held);
    CHECK(usleep(100000) == 0);
    TURN_UNTIL(w.loop, r.closed || heard(&r, "kept"));
    CHECK(heard(&r, "kept"));
    raw_free(&r);
    world_close(&w, &o);
}

TEST(a_reader_that_stops_does_not_grow_memory_and_is_cut_off) {
    struct world w;
    struct server_options o = {.limits = {.write_ns = 100 * NS_PER_MS}};
    struct raw r;
    world_open(&w, &o);
    raw_connect(&r, &w);
    raw_say(&r, "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    conn_pause(&r.conn);
    exchange_begin(w.held, 200, -1);
    static char block[32768];
    size_t written = 0;
    int code = 0;
    while (code == 0) {
        code = exchange_write(w.held, bytes_make(block, sizeof block));
        written += sizeof block;
        quiet(&w, 1);
        CHECK(written < 64u << 20);
    }
    CHECK_ERR(code, ERR_AGAIN);
    TURN_UNTIL(w.loop, w.gone == 1);
    CHECK_ERR(exchange_write(w.held, BYTES_LIT("x")), ERR_CLOSED);
    exchange_release(w.held);
    CHECK_U64(server_exchanges(w.server), 0);
    raw_free(&r);
    world_close(&w, &o);
}

// Else its memory, its files and its call to an origin would stay for good.
TEST(a_handler_hears_when_the_server_refuses_the_body_that_it_reads) {
    static const struct {
        const char *path, *body, *status;
    } cases[] = {{"/stream", "3\r\nabc\r\nZZ\r\n", "HTTP/1.1 400"},
                 {"/stream", "3\r\nabc\r\n0\r\n x: y\r\n\r\n", "HTTP/1.1 400"},
                 {"/stream/small", "b\r\nabcdefghijk\r\n0\r\n\r\n", "HTTP/1.1 413"}};
    struct world w;
    struct server_options o = {0};
    world_open(&w, &o);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct raw r;
        char text[200];
        w.held = NULL;
        (void)snprintf(text, sizeof text,
                       "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                       cases[i].path, cases[i].body);
        raw_connect(&r, &w);
        raw_say(&r, text);
        TURN_UNTIL(w.loop, heard(&r, cases[i].status));
        CHECK_U64(w.gone, i + 1);
        exchange_respond(w.held, 200, BYTES_LIT("late")); // does nothing
        exchange_release(w.held);
        TURN_UNTIL(w.loop, r.closed);
        CHECK(!heard(&r, "late"));
        CHECK_U64(w.gone, i + 1);
        CHECK_U64(server_exchanges(w.server), 0);
        raw_free(&r);
    }
    world_close(&w, &o);
}

TEST(streamed_bodies_flow_pause_and_end) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    raw_connect(&r, &w);
    raw_say(&r,
            "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    TURN_UNTIL(w.loop, w.streamed == 3);
    exchange_pause(w.held);
    raw_say(&r, "4\r\ndefg\r\n");
    quiet(&w, 20);
    CHECK_U64(w.streamed, 3);
    exchange_resume(w.held);
    TURN_UNTIL(w.loop, w.streamed == 7);
    raw_say(&r, "0\r\n\r\nGET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, heard(&r, "silence"));
    CHECK(w.stream_ended && heard(&r, "done"));
    exchange_release(w.held);
    raw_free(&r);
    world_close(&w, &o);
}

TEST(an_answer_may_come_late_or_never) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", "");
    TURN_UNTIL(w.loop, w.held);
    quiet(&w, 5);
    exchange_respond(w.held, 202, BYTES_LIT("later"));
    exchange_release(w.held);
    TURN_UNTIL(w.loop, heard(&r, "later"));
    // The connection goes on after an answer that came from outside of reading.
    raw_say(&r, "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, heard(&r, "silence"));
    w.held = NULL;
    raw_say(&r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    raw_free(&r);
    TURN_UNTIL(w.loop, server_connections(w.server) == 0 ||
                           (exchange_respond(w.held, 200, BYTES_LIT("x")), 0));
    exchange_respond(w.held, 200, BYTES_LIT("to nobody"));
    exchange_release(w.held);
    CHECK_U64(server_exchanges(w.server), 0);
    world_close(&w, &o);
}

TEST(clients_have_limits_of_their_own) {
    struct world w;
    struct server_options o = {.limits = {.connections_per_client = 3, .requests_per_second = 5}};
    struct raw r[5];
    world_open(&w, &o);
    for (int i = 0; i < 5; i++)
        raw_connect(&r[i], &w);
    TURN_UNTIL(w.loop, r[3].closed && r[4].closed);
    CHECK(!r[0].closed && !r[2].closed);
    for (int i = 0; i < 12; i++)
        raw_say(&r[0], "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, count_of(&r[0], "HTTP/1.1 ") == 12);
    CHECK_U64(count_of(&r[0], "429 "), 2);
    CHECK(heard(&r[0], "etry-"));
    for (int i = 0; i < 5; i++)
        raw_free(&r[i]);
    world_close(&w, &o);
}

TEST(the_longest_idle_connection_gives_way) {
    struct world w;
    struct server_options o = {.limits = {.connections = 3}};
    struct raw r[4];
    world_open(&w, &o);
    for (int i = 0; i < 3; i++) {
        ask(&w, &r[i], "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "silence");
    }
    raw_say(&r[0], "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, count_of(&r[0], "silence") == 2);
    ask(&w, &r[3], "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "silence");
    TURN_UNTIL(w.loop, r[1].closed);
    CHECK(!r[0].closed && !r[2].closed && !r[3].closed);
    for (int i = 0; i < 4; i++)
        raw_free(&r[i]);
    world_close(&w, &o);
}

static void on_done(void *context) {
    ((struct world *)context)->drain_done = true;
}

TEST(drain_lets_requests_finish_and_closes_the_idle) {
    struct world w;
    struct server_options o = {0};
    struct raw idle, working;
    world_open(&w, &o);
    ask(&w, &idle, "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "silence");
    ask(&w, &working, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", "");
    TURN_UNTIL(w.loop, w.held);
    server_drain(w.server, 5 * NS_PER_S, on_done, &w);
    TURN_UNTIL(w.loop, idle.closed);
    quiet(&w, 10);
    CHECK(!w.drain_done && !working.closed);
    exchange_respond(w.held, 200, BYTES_LIT("at last"));
    exchange_release(w.held);
    TURN_UNTIL(w.loop, w.drain_done && working.closed);
    CHECK(heard(&working, "at last") && heard(&working, "close"));
    raw_free(&idle);
    raw_free(&working);
    world_close(&w, &o);
}

TEST(a_pause_at_a_bodys_last_byte_keeps_its_end) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    w.pause_at = 4;
    raw_connect(&r, &w);
    raw_say(&r, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    TURN_UNTIL(w.loop, w.streamed == 4);
    quiet(&w, 3);
    if (!w.stream_ended) exchange_resume(w.held);
    TURN_UNTIL(w.loop, w.stream_ended && heard(&r, "done"));
    exchange_release(w.held);
    raw_free(&r);
    world_close(&w, &o);
}

TEST(drain_ends_at_its_deadline) {
    struct world w;
    struct server_options o = {.limits = {.idle_ns = 40 * NS_PER_MS}};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", "");
    TURN_UNTIL(w.loop, w.held);
    server_drain(w.server, 50 * NS_PER_MS, on_done, &w);
    TURN_UNTIL(w.loop, w.drain_done && r.closed);
    exchange_release(w.held);
    raw_free(&r);
    world_close(&w, &o);
}

TEST(forwarded_addresses_are_believed_from_trusted_proxies_only) {
    static const struct {
        const char *trusted, *header, *expected;
    } cases[] = {
        {NULL, "X-Forwarded-For: 9.9.9.9\r\n", "127.0.0.1"},
        {"10.0.0.0/8", "X-Forwarded-For: 9.9.9.9\r\n", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 9.9.9.9\r\n", "9.9.9.9"},
        {"127.0.0.1", "X-Forwarded-For: 1.1.1.1, 9.9.9.9\r\n", "9.9.9.9"},
        {"127.0.0.1", "X-Forwarded-For: 1.1.1.1, 9.9.9.9, 127.0.0.1\r\n", "9.9.9.9"},
        {"127.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 8.8.8.8\r\n", "8.8.8.8"},
        {"127.0.0.1", "X-Forwarded-For: nonsense\r\n", "127.0.0.1"},
        {"127.0.0.1", "", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        struct socket_block block;
        struct server_options o = {0};
        if (cases[i].trusted) {
            CHECK_ERR(socket_block_parse(&block, bytes_from_str(cases[i].trusted), NULL), 0);
            o.trusted = &block;
            o.trusted_count = 1;
        }
        world_open(&w, &o);
        char text[300], expected[64];
        snprintf(text, sizeof text,
                 "GET /whoami HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n", cases[i].header);
        snprintf(expected, sizeof expected, "\r\n\r\n%s", cases[i].expected);
        struct raw r;
        ask(&w, &r, text, NULL);
        if (!heard(&r, expected)) FAIL("case %zu: %.*s", i, (int)r.heard.n, (char *)r.heard.p);
        raw_free(&r);
        world_close(&w, &o);
    }
}

// Binds a second listener that wants PROXY headers, and sends the world's connections there.
static void expect_headers(struct world *w) {
    struct server_listener ln = {.proxy_protocol = true};
    CHECK_ERR(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, NULL), 0);
    CHECK_ERR(server_listen(w->server, &w->address, &ln, NULL), 0);
}

#define WHOAMI "GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

TEST(a_proxy_header_names_the_client) {
    static const char *const cases[][3] = {
        // first write, second write, who
        {"PROXY TCP4 9.9.9.9 127.0.0.1 1234 80\r\n" WHOAMI, NULL, "\r\n\r\n9.9.9.9"},
        {"PROXY TCP4 9.9.9.9 127.", "0.0.1 1234 80\r\n" WHOAMI, "\r\n\r\n9.9.9.9"},
        {"PROXY TCP6 2001:db8::1 ::1 1234 80\r\n", WHOAMI, "\r\n\r\n2001:db8::1"},
        {"PROXY UNKNOWN\r\n" WHOAMI, NULL, "\r\n\r\n127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        struct server_options o = {0};
        struct raw r;
        world_open(&w, &o);
        expect_headers(&w);
        raw_connect(&r, &w);
        raw_say(&r, cases[i][0]);
        if (cases[i][1]) {
            quiet(&w, 5);
            CHECK(!r.closed);
            raw_say(&r, cases[i][1]);
        }
        TURN_UNTIL(w.loop, r.closed);
        if (!heard(&r, cases[i][2])) FAIL("case %zu: %.*s", i, (int)r.heard.n, (char *)r.heard.p);
        raw_free(&r);
        world_close(&w, &o);
    }
}

TEST(connections_without_their_proxy_header_are_closed) {
    struct world w;
    struct server_options o = {.limits = {.header_ns = 40 * NS_PER_MS}};
    struct raw bare, late, half;
    world_open(&w, &o);
    expect_headers(&w);
    raw_connect(&bare, &w);
    raw_say(&bare, WHOAMI);
    raw_connect(&late, &w);
    raw_connect(&half, &w);
    raw_say(&half, "PROXY TCP4 9.9");
    conn_finish(&half.conn);
    TURN_UNTIL(w.loop, bare.closed && late.closed && half.closed);
    CHECK_U64(bare.heard.n + late.heard.n + half.heard.n, 0);
    CHECK_U64(server_connections(w.server), 0);
    raw_free(&bare);
    raw_free(&late);
    raw_free(&half);
    world_close(&w, &o);
}

TEST(a_plain_listener_can_tell_the_versions_apart) {
    struct world w;
    struct server_options o = {0};
    struct server_listener ln = {.http2_detect = true};
    struct raw r;
    world_open_with(&w, &o, &ln);
    ask(&w, &r, "GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n", "silence");
    CHECK(heard(&r, "HTTP/1.1 200 OK"));
    raw_free(&r);
    ask(&w, &r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "");
    TURN_UNTIL(w.loop, r.closed || r.heard.n >= 9);
    CHECK(r.heard.n >= 9 && r.heard.p[3] == 4); // a SETTINGS frame
    raw_free(&r);
    ask(&w, &r, "PROPFIND /files/x HTTP/1.1\r\nHost: a\r\n\r\n", "a file");
    raw_free(&r);
    ask(&w, &r, "PRI", ""); // a beginning of either: read as HTTP/1
    raw_say(&r, "VATE /files/x HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, r.closed || heard(&r, "a file"));
    CHECK(heard(&r, "a file"));
    raw_free(&r);
    world_close(&w, &o);
}

TEST(unix_listeners_serve) {
    struct world w;
    struct server_options o = {0};
    struct server_listener ln = {0};
    char text[80];
    snprintf(text, sizeof text, "unix:/tmp/bn-server-%d.sock", (int)getpid());
    CHECK_ERR(socket_address_parse(&ln.address, bytes_from_str(text), 0, NULL), 0);
    world_open_with(&w, &o, &ln);
    struct raw r;
    ask(&w, &r, "GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n", "unix");
    raw_free(&r);
    world_close(&w, &o);
    CHECK(access(text + 5, F_OK) < 0);
}

TEST(running_out_of_descriptors_is_survived) {
    struct world w;
    struct server_options o = {.limits = {.idle_ns = 5 * NS_PER_S, .header_ns = 200 * NS_PER_MS}};
    static struct raw r[12]; // both ends are of this process: connect first, accept afterwards
    struct rlimit old, low;
    world_open(&w, &o);
    memset(r, 0, sizeof r);
    for (int i = 0; i < 12; i++) {
        CHECK_ERR(conn_connect(&r[i].conn, w.loop, &w.address, NULL, &raw_events, &r[i], NULL), 0);
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    int probe = open("/dev/null", O_RDONLY);
    close(probe);
    low = old;
    low.rlim_cur = (rlim_t)probe + 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    for (int i = 0; i < 30; i++) {
        if (loop_turn(w.loop, NS_PER_MS, NULL) < 0) break;
    }
    unsigned served = server_connections(w.server);
    for (int i = 0; i < 11; i++)
        raw_free(&r[i]);
    int said = conn_write(&r[11].conn, BYTES_LIT("GET /greet/nobody HTTP/1.1\r\nHost: a\r\n\r\n"));
    uint64_t end = loop_now_ns(w.loop) + 5 * NS_PER_S;
    while (!heard(&r[11], "silence") && loop_now_ns(w.loop) < end) {
        if (loop_turn(w.loop, 20 * NS_PER_MS, NULL) < 0) break;
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    CHECK(said == 0 && served == 3 && heard(&r[11], "silence"));
    CHECK(metric_value(server_refused(w.server, "descriptors")) > 0);
    raw_free(&r[11]);
    world_close(&w, &o);
}

TEST(requests_are_recorded_and_counted) {
    struct world w;
    struct server_options o = {0};
    struct raw r;
    world_open(&w, &o);
    ask(&w, &r, "GET /greet/ann HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK_U64(w.last.status, 200);
    CHECK(w.last.complete);
    struct buf text;
    buf_init(&text, 0);
    metrics_write(w.metrics, &text);
    buf_append_byte(&text, 0);
    CHECK(strstr((char *)text.p,
                 "http_requests_total{server=\"http\",route=\"/greet/{name}\",code=\"200\"} 1"));
    buf_free(&text);
    raw_free(&r);
    world_close(&w, &o);
}

TEST(bad_route_tables_are_refused) {
    struct error why;
    struct loop *l;
    struct server *s;
    CHECK_ERR(loop_new(&l, NULL, NULL), 0);
    struct route twice[] = {{"GET", "/a", echo, NULL, 0, 0}, {"GET", "/a", echo, NULL, 0, 0}};
    struct route relative[] = {{"GET", "a", echo, NULL, 0, 0}};
    struct server_options o = {.routes = twice, .route_count = 2};
    CHECK_ERR(server_new(&s, l, &o, &why), ERR_CONFLICT);
    o = (struct server_options){.routes = relative, .route_count = 1};
    CHECK_ERR(server_new(&s, l, &o, &why), ERR_SYNTAX);
    loop_free(l);
}

TEST_MAIN()
