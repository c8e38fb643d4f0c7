/* The end of a server, and the change of its certificate, while it works: open HTTP/2 streams
 * finish, new ones are refused, and no connection is lost. SPDX-License-Identifier: MIT */
#include "net/client.h"
#include "net/http2_testing.h"
#include "net/raw_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CALLS 6
#define BIG_BYTES (2u << 20)

struct world {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct socket_address address;
    struct tls *tls, *client_tls;
    struct test_identity id[2];
    struct exchange *held[CALLS];
    unsigned held_count;
    unsigned sessions; /* TLS sessions that were begun at the server */
    unsigned tries;    /* and by the client */
    size_t taken;      /* bytes of a streamed body */
    bool done;
};

struct call {
    struct client_call *k;
    unsigned status;
    bool ended, failed;
    size_t got;
    struct error why;
};

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct call *)context)->status = r->status;
}
static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    ((struct call *)context)->got += in.n;
}
static void on_end(struct client_call *k, void *context) {
    (void)k;
    ((struct call *)context)->ended = true;
}
static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct call *c = context;
    (void)k;
    c->failed = true;
    c->why = *why;
}
static const struct client_events call_events = {on_response, on_body, on_end,
                                                 on_failed,   NULL,    NULL};

/* ---- handlers ---- */

static void *count_session(void *context) {
    ((struct world *)context)->sessions++;
    return NULL;
}
static void *count_try(void *context) {
    ((struct world *)context)->tries++;
    return NULL;
}
static void hold(struct exchange *x, void *context) {
    struct world *w = context;
    CHECK(w->held_count < CALLS);
    exchange_hold(x);
    w->held[w->held_count++] = x;
}
static void greet(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT("hello"));
}
static void big(struct exchange *x, void *context) {
    long_answer(x, BIG_BYTES, context);
}
static void take(struct exchange *x, void *context, struct bytes in, bool end) {
    ((struct world *)context)->taken += in.n;
    if (end) exchange_respond(x, 200, BYTES_LIT("taken"));
}
static const struct exchange_events take_events = {take, NULL, NULL};
static void upload(struct exchange *x, void *context) {
    exchange_set_events(x, &take_events, context);
}

/* ---- the world ---- */

static struct route routes[4];

static void world_open_limited(struct world *w, bool secure, bool http2,
                               const struct server_limits *limits) {
    struct error why = {0};
    static const char *const both[] = {"h2", "http/1.1", NULL}, *const one[] = {"http/1.1", NULL};
    char text[SOCKET_TEXT_MAX], url[SOCKET_TEXT_MAX + 16];
    memset(w, 0, sizeof *w);
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    routes[0] = (struct route){"GET", "/", greet, w, 0, 0};
    routes[1] = (struct route){"GET", "/hold", hold, w, 0, 0};
    routes[2] = (struct route){"GET", "/big", big, w, 0, 0};
    routes[3] = (struct route){"POST", "/upload", upload, w, UINT64_MAX, ROUTE_STREAM};
    for (int i = 0; i < 2; i++)
        test_identity_make(&w->id[i], "127.0.0.1");
    if (secure) {
        struct hash pins[2] = {w->id[0].fingerprint, w->id[1].fingerprint};
        w->tls = test_tls(&(struct tls_options){
            .role = TLS_SERVER, .identity = test_identity_of(&w->id[0]), .alpn = both});
        w->client_tls = test_tls(&(struct tls_options){.role = TLS_CLIENT,
                                                       .trust = TLS_TRUST_PINS,
                                                       .pins = pins,
                                                       .pin_count = 2,
                                                       .alpn = http2 ? both : one});
    }
    struct server_options o = {.routes = routes, .route_count = 4, .limits = *limits};
    struct server_listener ln = {
        .tls = w->tls, .http2 = http2, .session_user = count_session, .admit_context = w};
    CHECK_OK(server_new(&w->server, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &w->address, &ln, &why), &why);
    (void)socket_address_text(text, &w->address);
    (void)snprintf(url, sizeof url, "%s://%s", secure ? "https" : "http", text);
    struct client_options co = {.url = url,
                                .tls = w->client_tls,
                                .connections = http2 ? 1 : 8,
                                .session_user = count_try,
                                .context = w,
                                .protocol = secure  ? CLIENT_AUTO
                                            : http2 ? CLIENT_HTTP2
                                                    : CLIENT_HTTP1};
    CHECK_OK(client_new(&w->client, w->loop, &co, &why), &why);
}

static void world_open(struct world *w, bool secure, bool http2) {
    world_open_limited(w, secure, http2, &(struct server_limits){0});
}

static void world_close(struct world *w) {
    for (unsigned i = 0; i < w->held_count; i++)
        exchange_release(w->held[i]);
    client_free(w->client);
    server_free(w->server);
    tls_free(w->tls);
    tls_free(w->client_tls);
    for (int i = 0; i < 2; i++)
        test_identity_free(&w->id[i]);
    loop_free(w->loop);
}

static void begin(struct world *w, struct call *c, enum http_method m, const char *path,
                  bool more) {
    struct error why = {0};
    struct http_request r = {.method = m, .path = bytes_from_str(path)};
    memset(c, 0, sizeof *c);
    if (more) r.body = HTTP_BODY_STREAM;
    CHECK_OK(client_start(&c->k, w->client, &r, (struct bytes){0}, more, &call_events, c, &why),
             &why);
}

static void quiet(struct world *w, unsigned turns) {
    for (unsigned i = 0; i < turns; i++)
        CHECK(loop_turn(w->loop, NS_PER_MS, NULL) == 0);
}

static void on_done(void *context) {
    ((struct world *)context)->done = true;
}

/* ---- drain ---- */

static void check_streams_finish(bool secure) {
    struct world w;
    struct call held[CALLS], down, up, late;
    world_open(&w, secure, true);
    for (int i = 0; i < CALLS; i++)
        begin(&w, &held[i], HTTP_GET, "/hold", false);
    begin(&w, &down, HTTP_GET, "/big", false);
    begin(&w, &up, HTTP_POST, "/upload", true);
    CHECK(call_write(up.k, BYTES_LIT("first ")) == 0);
    TURN_UNTIL(w.loop, w.held_count == CALLS && down.got > 0 && w.taken == 6);
    CHECK_U64(server_connections(w.server), 1); // streams of one connection

    server_drain(w.server, 20 * NS_PER_S, on_done, &w);
    TURN_UNTIL(w.loop, down.ended || down.failed);
    CHECK(down.status == 200 && down.got == BIG_BYTES);
    quiet(&w, 20);
    CHECK(!w.done && server_is_draining(w.server));
    // What comes now finds no server: the old connection takes no new stream, the port is closed.
    begin(&w, &late, HTTP_GET, "/", false);
    TURN_UNTIL(w.loop, late.failed || late.ended);
    CHECK(late.failed);

    CHECK(call_write(up.k, BYTES_LIT("second")) == 0);
    call_finish(up.k);
    TURN_UNTIL(w.loop, up.ended || up.failed);
    CHECK(up.status == 200 && w.taken == 12);
    for (int i = 0; i < CALLS; i++) {
        CHECK(!w.done && !held[i].failed);
        exchange_respond(w.held[i], 200, BYTES_LIT("at last"));
        TURN_UNTIL(w.loop, held[i].ended || held[i].failed);
        CHECK(held[i].ended && held[i].status == 200 && held[i].got == 7);
    }
    TURN_UNTIL(w.loop, w.done);
    CHECK_U64(server_connections(w.server), 0);
    world_close(&w);
}

TEST(open_http2_streams_finish_while_a_server_drains) {
    check_streams_finish(false);
    check_streams_finish(true);
}

TEST(streams_that_do_not_end_are_cut_at_the_deadline) {
    struct world w;
    struct call held;
    world_open(&w, false, true);
    begin(&w, &held, HTTP_GET, "/hold", false);
    TURN_UNTIL(w.loop, w.held_count == 1);
    server_drain(w.server, 50 * NS_PER_MS, on_done, &w);
    TURN_UNTIL(w.loop, w.done && held.failed);
    CHECK_U64(server_connections(w.server), 0);
    world_close(&w);
}

// A client that is an engine on a bare connection, to see the frames.
struct seen {
    struct conn conn;
    struct side side;
    bool closed;
};
static void seen_open(struct conn *c) {
    (void)c;
}
static void seen_readable(struct conn *c) {
    struct seen *s = c->owner;
    struct error why;
    uint8_t *p = loop_scratch(c->loop);
    ssize_t n;
    while ((n = conn_read(c, p, 4096)) > 0)
        CHECK_OK(http2_feed(s->side.h, bytes_make(p, (size_t)n), 0, &why), &why);
    if (n == ERR_AGAIN) return;
    s->closed = true;
    conn_close(c);
}
static void seen_closed(struct conn *c, const struct error *why) {
    (void)why;
    ((struct seen *)c->owner)->closed = true;
    conn_close(c);
}
static const struct conn_events seen_events = {seen_open, seen_readable, NULL, seen_closed};

static void seen_say(struct seen *s) {
    struct error why;
    while (http2_wants_output(s->side.h)) {
        size_t before = s->side.out.n;
        CHECK_OK(http2_output(s->side.h, &s->side.out, 65536, &why), &why);
        if (s->side.out.n == before) break;
    }
    if (s->side.out.n) CHECK(conn_write(&s->conn, buf_view(&s->side.out)) == 0);
    buf_clear(&s->side.out);
}

TEST(a_drain_is_told_by_goaway_before_the_streams_end) {
    struct world w;
    struct seen s = {.closed = false};
    struct error why = {0};
    struct http2_stream *stream;
    world_open(&w, false, true);
    side_open(&s.side, false, NULL);
    CHECK_OK(conn_connect(&s.conn, w.loop, &w.address, NULL, &seen_events, &s, &why), &why);
    TURN_UNTIL(w.loop, conn_is_open(&s.conn));
    struct http_request r = request_of(HTTP_GET, "/hold");
    r.scheme = BYTES_LIT("http");
    CHECK_OK(http2_request(&stream, s.side.h, &r, true, NULL, &why), &why);
    seen_say(&s);
    TURN_UNTIL(w.loop, w.held_count == 1);
    CHECK(!s.side.went);
    server_drain(w.server, 20 * NS_PER_S, on_done, &w);
    TURN_UNTIL(w.loop, s.side.went);
    CHECK(s.side.goaway == 0 && !s.closed && s.side.closed == 0); // NO_ERROR, and the stream lives
    exchange_respond(w.held[0], 200, BYTES_LIT("at last"));
    TURN_UNTIL(w.loop, s.side.ends == 1);
    CHECK_BYTES(buf_view(&s.side.data), BYTES_LIT("at last"));
    TURN_UNTIL(w.loop, s.closed && w.done);
    conn_close(&s.conn);
    side_close(&s.side);
    world_close(&w);
}

// A call waits for the one connection that works; meanwhile the closed port is not tried in a
// circle.
TEST(a_refused_port_is_left_alone_for_a_while) {
    struct world w;
    struct call first, second;
    world_open(&w, true, false);
    begin(&w, &first, HTTP_GET, "/hold", false);
    TURN_UNTIL(w.loop, w.held_count == 1);
    CHECK_U64(w.tries, 1);
    server_drain(w.server, 20 * NS_PER_S, on_done, &w);
    begin(&w, &second, HTTP_GET, "/", false);
    uint64_t end = clock_monotonic_ns(&clock_system) + 500 * NS_PER_MS;
    while (clock_monotonic_ns(&clock_system) < end)
        CHECK(loop_turn(w.loop, 10 * NS_PER_MS, NULL) == 0);
    CHECK(w.tries >= 2 && w.tries <= 10);
    CHECK(!second.failed && !first.ended);
    exchange_respond(w.held[0], 200, BYTES_LIT("at last"));
    TURN_UNTIL(w.loop, first.ended && second.failed);
    CHECK(first.got == 7 && second.why.code == ERR_IO);
    world_close(&w);
}

/* ---- answers that are given, and not yet written ---- */

enum cause { BY_DRAIN, BY_RETIRING, BY_EVICTION };

// An answer is written at the turn's end; whatever ends its connection before that waits for it.
static void check_answer_goes_first(enum cause cause, bool secure) {
    struct world w;
    struct call held;
    struct error why = {0};
    int fd = -1;
    world_open_limited(&w, secure, false, &(struct server_limits){.connections = 1});
    begin(&w, &held, HTTP_GET, "/hold", false);
    TURN_UNTIL(w.loop, w.held_count == 1);
    struct conn *conn = secure ? conn_of_session(exchange_session(w.held[0])) : NULL;
    exchange_respond(w.held[0], 200, BYTES_LIT("at last"));
    switch (cause) {
    case BY_DRAIN:
        server_drain(w.server, 20 * NS_PER_S, on_done, &w);
        break;
    case BY_RETIRING:
        server_retire(w.server, conn);
        break;
    case BY_EVICTION:
        CHECK_OK(socket_connect(&fd, &w.address, &why), &why); // accepted in the next turn
        break;
    }
    TURN_UNTIL(w.loop, held.ended || held.failed);
    CHECK_STR(held.why.text, "");
    CHECK(held.status == 200 && held.got == 7);
    if (fd >= 0)
        close(fd);
    else
        TURN_UNTIL(w.loop, server_connections(w.server) == 0);
    world_close(&w);
}

TEST(an_answer_is_written_before_its_connection_ends) {
    check_answer_goes_first(BY_DRAIN, false);
    check_answer_goes_first(BY_DRAIN, true);
    check_answer_goes_first(BY_RETIRING, true);
    check_answer_goes_first(BY_EVICTION, false);
}

// Its head had promised to keep the connection.
TEST(a_connection_ends_with_the_answer_that_was_begun_before) {
    for (int retire = 0; retire < 2; retire++) {
        struct world w;
        struct call held;
        world_open(&w, true, false);
        begin(&w, &held, HTTP_GET, "/hold", false);
        TURN_UNTIL(w.loop, w.held_count == 1);
        exchange_begin(w.held[0], 200, 7);
        TURN_UNTIL(w.loop, held.status == 200);
        if (retire)
            server_retire(w.server, conn_of_session(exchange_session(w.held[0])));
        else
            server_drain(w.server, 20 * NS_PER_S, on_done, &w);
        quiet(&w, 5);
        CHECK_U64(server_connections(w.server), 1);
        CHECK(exchange_write(w.held[0], BYTES_LIT("at last")) == 0);
        exchange_end(w.held[0]);
        TURN_UNTIL(w.loop, held.ended || held.failed);
        CHECK(!held.failed && held.got == 7);
        TURN_UNTIL(w.loop, server_connections(w.server) == 0);
        world_close(&w);
    }
}

// Adds what there is to *got; true at the end.
static bool read_all(int fd, size_t *got) {
    static uint8_t block[1 << 16];
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        *got += (size_t)n;
    return n == 0 || (errno != EAGAIN && errno != EINPROGRESS);
}

TEST(a_connection_is_not_idle_while_its_answer_is_read_slowly) {
    enum { ANSWER_BYTES = 32 << 20 };
    static const uint8_t answer[ANSWER_BYTES];
    static const char request[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world w;
    struct error why = {0};
    int fd;
    world_open_limited(&w, false, false, &(struct server_limits){.idle_ns = 20 * NS_PER_MS});
    CHECK_OK(socket_connect(&fd, &w.address, &why), &why);
    CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1);
    TURN_UNTIL(w.loop, w.held_count == 1);
    exchange_respond(w.held[0], 200, bytes_make(answer, sizeof answer));
    uint64_t end = clock_monotonic_ns(&clock_system) + 200 * NS_PER_MS;
    while (clock_monotonic_ns(&clock_system) < end)
        CHECK(loop_turn(w.loop, NS_PER_MS, NULL) == 0);
    CHECK_U64(server_connections(w.server), 1);
    size_t got = 0;
    TURN_UNTIL(w.loop, read_all(fd, &got)); // closed when it has been idle
    CHECK(got > ANSWER_BYTES);
    close(fd);
    world_close(&w);
}

/* ---- certificates ---- */

// Fingerprint of the certificate that a new connection is shown: 0 or 1, which identity it is.
static int shown(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_GET, "/hold", false);
    unsigned before = w->held_count;
    TURN_UNTIL(w->loop, w->held_count > before || c.failed);
    CHECK(!c.failed);
    struct hash print;
    certificate_fingerprint(&print, SSL_get0_peer_certificate(call_session(c.k)));
    exchange_respond(w->held[before], 200, BYTES_LIT("x"));
    TURN_UNTIL(w->loop, c.ended);
    exchange_release(w->held[before]);
    w->held_count = before;
    return memcmp(&print, &w->id[1].fingerprint, sizeof print) == 0;
}

static void check_reload(bool http2) {
    enum { KEPT = 4, ROUNDS = 40 };
    struct world w;
    struct error why = {0};
    struct call calls[KEPT];
    unsigned answered = 0, renewed = 0, sessions = 0;
    static const char *const both[] = {"h2", "http/1.1", NULL};
    world_open(&w, true, http2);
    CHECK_I64(shown(&w), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < KEPT; i++)
            begin(&w, &calls[i], HTTP_GET, i == 0 ? "/big" : "/", false);
        if (round % 4 == 1) { // while the calls are under way
            struct tls_options o = {.role = TLS_SERVER,
                                    .identity = test_identity_of(&w.id[++renewed % 2]),
                                    .alpn = both};
            CHECK_OK(tls_reload(w.tls, &o, &why), &why);
        }
        for (int i = 0; i < KEPT; i++) {
            TURN_UNTIL(w.loop, calls[i].ended || calls[i].failed);
            CHECK_STR(calls[i].why.text, "");
            CHECK(calls[i].status == 200 && calls[i].got == (i == 0 ? BIG_BYTES : 5));
            answered++;
        }
        // The connections of the first round carry the others too.
        if (round % 4 == 0) sessions = w.sessions;
        CHECK_U64(w.sessions, sessions);
        if (round % 4 == 3) { // a new connection is shown the new certificate
            client_close_idle(w.client);
            TURN_UNTIL(w.loop, server_connections(w.server) == 0);
            CHECK_I64(shown(&w), renewed % 2);
        }
    }
    CHECK_U64(answered, KEPT * ROUNDS);
    CHECK_U64(renewed, ROUNDS / 4);
    world_close(&w);
}

TEST(certificates_change_under_load_without_a_lost_connection) {
    check_reload(false);
    check_reload(true);
}

TEST_MAIN()
