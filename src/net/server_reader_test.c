/* Clients that ask and do not read: what the server keeps for them has an end in size and in time.
 * SPDX-License-Identifier: MIT */
#include "net/raw_testing.h"

#define ANSWER_BYTES (100u << 10)
#define BOUND (1u << 20)

struct world {
    struct loop *loop;
    struct clock_fake clock;
    struct server *server;
    struct socket_address address;
    unsigned asked, gone;
    bool room_asked, room;
    struct route routes[3];
};

static uint8_t zeros[ANSWER_BYTES * 3];

static void answer(struct exchange *x, void *context) {
    ((struct world *)context)->asked++;
    exchange_respond(x, 200, bytes_make(zeros, ANSWER_BYTES));
}

static void ask_for_room(struct exchange *x, void *context) {
    struct world *w = context;
    w->room_asked = true;
    w->room = exchange_room(x, BOUND);
}
static void count_gone(struct exchange *x, void *context) {
    (void)x;
    ((struct world *)context)->gone++;
}
static const struct exchange_events events = {NULL, ask_for_room, count_gone};

static void begin(struct exchange *x, void *context) {
    CHECK(exchange_room(x, sizeof zeros));
    exchange_set_events(x, &events, context);
    exchange_begin(x, 200, -1);
    CHECK_ERR(exchange_write(x, bytes_make(zeros, sizeof zeros)), ERR_AGAIN);
}

static void open_world(struct world *w, struct server_limits limits) {
    struct error why;
    struct server_listener ln = {.http2_detect = true};
    *w = (struct world){
        .routes = {{"GET", "/", answer, w, 0, 0}, {"GET", "/index.html", begin, w, 0, 0}}};
    const struct server_options o = {.routes = w->routes, .route_count = 2, .limits = limits};
    clock_fake_init(&w->clock, NS_PER_S);
    CHECK_OK(loop_new(&w->loop, &(struct loop_options){.clock = &w->clock.clock}, &why), &why);
    CHECK_OK(server_new(&w->server, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &w->address, &ln, &why), &why);
}

static void close_world(struct world *w) {
    server_free(w->server);
    loop_free(w->loop);
}

static void turns(struct world *w, int count) {
    for (int i = 0; i < count; i++) {
        CHECK(loop_turn(w->loop, 0, NULL) == 0);
    }
}

static void ticks(struct world *w, int count) {
    for (int i = 0; i < count; i++) {
        clock_fake_advance(&w->clock, NS_PER_S);
        turns(w, 3);
    }
}

TEST(who_pipelines_and_does_not_read_is_not_read_either) {
    enum { REQUESTS = 600 };
    struct world w;
    struct raw r;
    open_world(&w, (struct server_limits){0});
    raw_open(&r, w.loop, &w.address);
    conn_pause(&r.conn);
    for (int i = 0; i < REQUESTS; i++) {
        raw_say(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    TURN_UNTIL(w.loop, w.asked > 0);
    turns(&w, 100);
    CHECK(w.asked < REQUESTS / 2); // what the kernel takes is a few megabytes
    conn_resume(&r.conn);
    TURN_UNTIL(w.loop, r.heard.n > (size_t)REQUESTS * ANSWER_BYTES && w.asked == REQUESTS);
    raw_free(&r);
    close_world(&w);
}

/* ---- HTTP/2 by hand ---- */

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
#define SETTINGS_NO_WINDOW "\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0"
#define GET(stream, path)                                                                          \
    "\0\0\x06\x01\x05\0\0\0" stream "\x82\x86" path "\x41\x01"                                     \
    "a"
#define ONE_MORE(stream) "\0\0\x04\x08\0\0\0\0" stream "\0\0\0\x01"
#define MANY_MORE(stream) "\0\0\x04\x08\0\0\0\0" stream "\0\x04\0\0"

#define SAY(r, text) CHECK(conn_write(&(r)->conn, BYTES_LIT(text)) == 0)

static bool heard_reset(const struct raw *r) {
    static const char reset[] = "\0\0\x04\x03\0\0\0\0\x01";
    return r->heard.n && memmem(r->heard.p, r->heard.n, reset, sizeof reset - 1);
}

TEST(a_stream_whose_window_stays_shut_ends) {
    struct world w;
    struct raw r;
    open_world(&w, (struct server_limits){.write_ns = 5 * NS_PER_S});
    raw_open(&r, w.loop, &w.address);
    SAY(&r, PREFACE SETTINGS_NO_WINDOW GET("\x01", "\x84") GET("\x03", "\x84"));
    TURN_UNTIL(w.loop, w.asked == 2);
    for (int i = 0; i < 4; i++) {
        ticks(&w, 1);
        SAY(&r, ONE_MORE("\x03")); // slow, but it reads
    }
    CHECK_U64(server_exchanges(w.server), 2);
    for (int i = 0; i < 4; i++) {
        ticks(&w, 1);
        SAY(&r, ONE_MORE("\x03"));
    }
    TURN_UNTIL(w.loop, server_exchanges(w.server) == 1 && heard_reset(&r));
    CHECK_U64(server_connections(w.server), 1);
    raw_free(&r);
    close_world(&w);
}

TEST(a_hoarder_may_be_the_one_who_asks_for_room) {
    struct world w;
    struct raw r;
    open_world(&w, (struct server_limits){.held_bytes = BOUND});
    raw_open(&r, w.loop, &w.address);
    SAY(&r, PREFACE SETTINGS GET("\x01", "\x85"));
    TURN_UNTIL(w.loop, server_exchanges(w.server) == 1);
    ticks(&w, 4); // by now it has had its time
    SAY(&r, MANY_MORE("\0") MANY_MORE("\x01"));
    TURN_UNTIL(w.loop, w.room_asked);
    TURN_UNTIL(w.loop, r.closed && server_connections(w.server) == 0);
    CHECK_U64(w.gone, 1);
    raw_free(&r);
    close_world(&w);
}

TEST_MAIN()
