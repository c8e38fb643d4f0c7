/* A server whose connections are all taken by clients that never finish a request: who comes with a
 * whole one gets in. SPDX-License-Identifier: MIT */
#include "net/raw_testing.h"

#define PLACES 4u

struct world {
    struct loop *loop;
    struct server *server;
    struct socket_address address;
    struct exchange *held; /* answered later */
    unsigned gone;
    struct route routes[5];
};

static void greet(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT("hello"));
}

static void hold(struct exchange *x, void *context) {
    exchange_hold(x);
    ((struct world *)context)->held = x;
}

static void ignore_body(struct exchange *x, void *context, struct bytes in, bool end) {
    (void)x, (void)context, (void)in, (void)end;
}

static void count_gone(struct exchange *x, void *context) {
    (void)x;
    ((struct world *)context)->gone++;
}

static const struct exchange_events events = {.body = ignore_body, .gone = count_gone};

static void gather(struct exchange *x, void *context) {
    exchange_set_events(x, &events, context);
}

static void answer_early(struct exchange *x, void *context) {
    exchange_set_events(x, &events, context);
    exchange_begin(x, 200, -1);
    CHECK_ERR(exchange_write(x, BYTES_LIT("so far")), 0);
}

static void tell_much(struct exchange *x, void *context) {
    long_answer(x, 16 << 20, context);
}

static void open_world_for(struct world *w, unsigned per_client, bool proxy_protocol) {
    struct error why;
    struct server_listener ln = {.http2_detect = true, .proxy_protocol = proxy_protocol};
    *w = (struct world){.routes = {{"GET", "/", greet, NULL, 0, 0},
                                   {"GET", "/hold", hold, w, 0, 0},
                                   {"POST", "/", gather, w, 1000, ROUTE_STREAM},
                                   {"POST", "/early", answer_early, w, 1000, ROUTE_STREAM},
                                   {"GET", "/much", tell_much, w, 0, 0}}};
    const struct server_options o = {
        .routes = w->routes,
        .route_count = 5,
        .limits = {.connections = PLACES, .connections_per_client = per_client}};
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    CHECK_OK(server_new(&w->server, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &w->address, &ln, &why), &why);
}

static void open_world(struct world *w) {
    open_world_for(w, 0, false);
}

static void close_world(struct world *w) {
    server_free(w->server);
    loop_free(w->loop);
}

/* Three turns bring it from one end to the other: it is written, seen and read. */
static void say(struct world *w, struct raw *r, const char *text) {
    if (*text) raw_say(r, text);
    for (int i = 0; i < 3; i++) {
        struct error why;
        CHECK_OK(loop_turn(w->loop, 0, &why), &why);
    }
}

/* text  what it says at once; may be empty. */
static void come(struct world *w, struct raw *r, const char *text) {
    raw_open(r, w->loop, &w->address);
    say(w, r, text);
}

static bool heard(const struct raw *r, const char *text) {
    return r->heard.n > 0 && memmem(r->heard.p, r->heard.n, text, strlen(text)) != NULL;
}

TEST(who_never_finishes_a_request_gives_way_the_longest_first) {
    static const char *const never[] = {
        "", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
    struct world w;
    struct raw r[PLACES], more[PLACES], honest;
    open_world(&w);
    for (unsigned i = 0; i < PLACES; i++) {
        come(&w, &r[i], never[i]);
        TURN_UNTIL(w.loop, server_connections(w.server) == i + 1);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        come(&w, &honest, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        TURN_UNTIL(w.loop, heard(&honest, "hello") && r[i].closed);
        for (unsigned k = i + 1; k < PLACES; k++) {
            CHECK(!r[k].closed);
        }
        raw_free(&honest);
        come(&w, &more[i], "GET /");
        TURN_UNTIL(w.loop, server_connections(w.server) == PLACES);
    }
    CHECK_U64(w.gone, 1); // the handler of the body hears of it
    for (unsigned i = 0; i < PLACES; i++) {
        raw_free(&r[i]);
        raw_free(&more[i]);
    }
    close_world(&w);
}

TEST(who_waits_for_an_answer_keeps_his_place) {
    struct world w;
    struct raw asked, r[PLACES + 2], honest;
    open_world(&w);
    come(&w, &asked, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    for (unsigned i = 0; i < PLACES; i++) {
        come(&w, &r[i], "GET /");
        TURN_UNTIL(w.loop, server_connections(w.server) == (i < 3 ? i + 2 : PLACES));
    }
    TURN_UNTIL(w.loop, r[0].closed);
    come(&w, &honest, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(w.loop, heard(&honest, "hello") && r[1].closed);
    CHECK(!asked.closed && !r[2].closed && !r[3].closed);
    exchange_respond(w.held, 200, BYTES_LIT("at last"));
    exchange_release(w.held);
    TURN_UNTIL(w.loop, heard(&asked, "at last"));
    // Nor is he the first to go who has just begun to ask again.
    say(&w, &asked, "GET / HTTP/1.1\r\n");
    come(&w, &r[PLACES], "GET /"); // instead of the honest one, who is idle
    TURN_UNTIL(w.loop, honest.closed);
    come(&w, &r[PLACES + 1], "GET /");
    TURN_UNTIL(w.loop, r[2].closed);
    raw_say(&asked, "Host: a\r\n\r\n");
    TURN_UNTIL(w.loop, heard(&asked, "hello"));
    raw_free(&asked);
    raw_free(&honest);
    for (unsigned i = 0; i < PLACES + 2; i++) {
        raw_free(&r[i]);
    }
    close_world(&w);
}

// An answer that is on its way is whole before its connection goes, whatever is still to come in.
TEST(who_is_being_answered_keeps_his_place) {
    struct world w;
    struct raw early, behind, r[PLACES + 1];
    open_world(&w);
    come(&w, &early, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    TURN_UNTIL(w.loop, heard(&early, "so far"));
    raw_open(&behind, w.loop, &w.address);
    conn_pause(&behind.conn);
    say(&w, &behind, "GET /much HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    for (unsigned i = 0; i < PLACES + 1; i++) {
        come(&w, &r[i], "GET /");
        TURN_UNTIL(w.loop, server_connections(w.server) == (i < 2 ? i + 3 : PLACES));
    }
    TURN_UNTIL(w.loop, r[0].closed && r[1].closed && r[2].closed);
    CHECK(!early.closed && !r[3].closed && !r[4].closed && w.gone == 0);
    conn_resume(&behind.conn);
    TURN_UNTIL(w.loop, behind.closed || behind.heard.n > 16 << 20);
    CHECK(behind.heard.n > 16 << 20);
    raw_free(&early);
    raw_free(&behind);
    for (unsigned i = 0; i < PLACES + 1; i++) {
        raw_free(&r[i]);
    }
    close_world(&w);
}

TEST(who_has_all_the_places_that_he_may_have_takes_none_from_others) {
    static const char *const hello[] = {
        "PROXY TCP4 10.0.0.1 10.0.0.9 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PROXY TCP4 10.0.0.2 10.0.0.9 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"};
    struct world w;
    struct raw r[PLACES], more;
    open_world_for(&w, PLACES / 2, true);
    for (unsigned i = 0; i < PLACES; i++) {
        come(&w, &r[i], hello[i / 2]);
        TURN_UNTIL(w.loop, heard(&r[i], "hello"));
    }
    come(&w, &more, hello[1]);
    TURN_UNTIL(w.loop, more.closed);
    for (unsigned i = 0; i < PLACES; i++) {
        CHECK(!r[i].closed);
        raw_free(&r[i]);
    }
    CHECK_U64(server_connections(w.server), PLACES);
    raw_free(&more);
    close_world(&w);
}

TEST_MAIN()
