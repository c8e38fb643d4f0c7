/* Bodies that nobody wants, or that never end, on a server's HTTP/1.1 connections.
 * SPDX-License-Identifier: MIT */
#include "net/server.h"
#include "net/testing.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct server *server;
    struct socket_address address;
    struct exchange *held;
    int fd; /* the client, non-blocking */
    struct buf heard;
    bool closed;
};

static void drop(struct exchange *x, void *context, struct bytes in, bool end) {
    (void)x, (void)context, (void)in, (void)end;
}
static const struct exchange_events drop_events = {drop, NULL, NULL};

static void refuse(struct exchange *x, void *context) {
    exchange_set_events(x, &drop_events, context);
    exchange_pause(x);
    exchange_respond(x, 401, BYTES_LIT("refused"));
}
static void refuse_later(struct exchange *x, void *context) {
    struct world *w = context;
    exchange_set_events(x, &drop_events, context);
    exchange_pause(x);
    exchange_hold(x);
    w->held = x;
}
static void greet(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT("hello"));
}

// Takes all of its memory, and has an answer still.
static void greedy(struct exchange *x, void *context) {
    (void)context;
    while (arena_alloc_raw(exchange_arena(x), 64)) {
    }
    exchange_respond_text(x, 413, "text/plain", BYTES_LIT("too much"));
}

static struct route routes[4];

static void world_open(struct world *w, const struct server_limits *limits) {
    struct error why = {0};
    *w = (struct world){.fd = -1};
    buf_init(&w->heard, 0);
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    routes[0] = (struct route){"POST", "/refuse", refuse, w, UINT64_MAX, ROUTE_STREAM};
    routes[1] = (struct route){"POST", "/later", refuse_later, w, UINT64_MAX, ROUTE_STREAM};
    routes[2] = (struct route){"GET", "/", greet, w, 0, 0};
    routes[3] = (struct route){"GET", "/greedy", greedy, NULL, 0, 0};
    struct server_options o = {.routes = routes, .route_count = 4, .limits = *limits};
    struct server_listener ln = {0};
    CHECK_OK(server_new(&w->server, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &w->address, &ln, &why), &why);
}

static void connect_client(struct world *w) {
    if (w->fd >= 0) CHECK(close(w->fd) == 0);
    buf_clear(&w->heard);
    w->closed = false;
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(w->fd >= 0 && connect(w->fd, &w->address.any, w->address.n) == 0);
}

static void world_close(struct world *w) {
    CHECK(close(w->fd) == 0);
    server_free(w->server);
    loop_free(w->loop);
    buf_free(&w->heard);
}

static void say(struct world *w, const char *text) {
    ssize_t n = send(w->fd, text, strlen(text), MSG_NOSIGNAL);
    CHECK(n == (ssize_t)strlen(text) || errno == EPIPE || errno == ECONNRESET);
}

// Reads what there is; true when `text` has come.
static bool heard(struct world *w, const char *text) {
    char in[4096];
    ssize_t n = recv(w->fd, in, sizeof in, MSG_DONTWAIT);
    if (n > 0) buf_append(&w->heard, bytes_make(in, (size_t)n));
    w->closed = w->closed || n == 0 || (n < 0 && errno != EAGAIN);
    return w->heard.n && memmem(w->heard.p, w->heard.n, text, strlen(text));
}

TEST(a_connection_goes_on_after_a_paused_body_was_refused) {
    static const char *const requests[] = {
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"};
    static const char again[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct world w;
    world_open(&w, &(struct server_limits){0});
    for (size_t i = 0; i < 2; i++) {
        connect_client(&w);
        say(&w, requests[i]);
        TURN_UNTIL(w.loop, heard(&w, "refused"));
        say(&w, again);
        TURN_UNTIL(w.loop, heard(&w, "hello"));
    }
    // Also when the refusal comes from outside of reading.
    connect_client(&w);
    say(&w, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    CHECK(exchange_is_open(w.held));
    exchange_respond(w.held, 401, BYTES_LIT("refused"));
    say(&w, "body");
    say(&w, again);
    TURN_UNTIL(w.loop, heard(&w, "hello"));
    CHECK(heard(&w, "refused") && !exchange_is_open(w.held));
    exchange_release(w.held);
    world_close(&w);
}

TEST(who_comes_back_later_sees_that_the_client_left) {
    struct world w;
    world_open(&w, &(struct server_limits){0});
    connect_client(&w);
    say(&w, "POST /later HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    exchange_resume(w.held);
    connect_client(&w); // closes the other
    TURN_UNTIL(w.loop, !exchange_is_open(w.held));
    exchange_release(w.held);
    world_close(&w);
}

TEST(a_body_that_drips_ends_with_the_time_of_the_whole) {
    struct world w;
    world_open(
        &w, &(struct server_limits){.body_ns = 200 * NS_PER_MS, .whole_body_ns = 300 * NS_PER_MS});
    connect_client(&w);
    say(&w, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    TURN_UNTIL(w.loop, w.held);
    exchange_resume(w.held);
    uint64_t end = loop_now_ns(w.loop) + 5 * NS_PER_S;
    while (!w.closed) {
        struct error why;
        CHECK(loop_now_ns(w.loop) < end);
        say(&w, "a");
        CHECK_OK(loop_turn(w.loop, 5 * NS_PER_MS, &why), &why);
        (void)heard(&w, "");
    }
    CHECK(!exchange_is_open(w.held));
    exchange_release(w.held);
    world_close(&w);
}

TEST(who_used_up_the_memory_of_a_request_can_answer_still) {
    struct world w;
    world_open(&w, &(struct server_limits){0});
    connect_client(&w);
    for (int i = 0; i < 3; i++) {
        buf_clear(&w.heard);
        say(&w, "GET /greedy HTTP/1.1\r\nHost: a\r\n\r\n");
        TURN_UNTIL(w.loop, heard(&w, "too much"));
        CHECK(heard(&w, "413 ") && heard(&w, "text/plain"));
    }
    world_close(&w);
}

/* Many clients of a server with a bound, on a clock that goes by hand. */

#define CROWD 4
#define BOUND (1u << 20)

struct crowd {
    struct loop *loop;
    struct clock_fake clock;
    struct server *server;
    struct socket_address address;
    int fd[CROWD];
    struct buf heard[CROWD];
    bool closed[CROWD];
    struct exchange *asked; // of the last request
    unsigned bodies;
};

static void keep_asked(struct exchange *x, void *context) {
    struct crowd *c = context;
    c->bodies++;
    c->asked = x;
    exchange_hold(x);
}

static void crowd_open(struct crowd *c) {
    struct error why = {0};
    static struct route route;
    *c = (struct crowd){0};
    clock_fake_init(&c->clock, NS_PER_S);
    CHECK_OK(loop_new(&c->loop, &(struct loop_options){.clock = &c->clock.clock}, &why), &why);
    route = (struct route){"POST", "/", keep_asked, c, 0, 0};
    struct server_options o = {
        .routes = &route, .route_count = 1, .limits = {.held_bytes = BOUND, .body_bytes = BOUND}};
    struct server_listener ln = {0};
    CHECK_OK(server_new(&c->server, c->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(c->server, &c->address, &ln, &why), &why);
    for (int i = 0; i < CROWD; i++) {
        buf_init(&c->heard[i], 0);
        c->fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int small = 4096; // so that unread answers stay with the server
        CHECK(setsockopt(c->fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
        (void)connect(c->fd[i], &c->address.any, c->address.n);
        TURN_UNTIL(c->loop, server_connections(c->server) == (unsigned)i + 1);
    }
}

static void crowd_close(struct crowd *c) {
    for (int i = 0; i < CROWD; i++) {
        CHECK(close(c->fd[i]) == 0);
        buf_free(&c->heard[i]);
    }
    server_free(c->server);
    loop_free(c->loop);
}

static void crowd_say(struct crowd *c, int i, const char *head, size_t zeros) {
    static const uint8_t none[4096];
    size_t n = strlen(head), at = 0;
    struct error why = {0};
    while (at < n + zeros) {
        const void *p = at < n ? (const void *)(head + at) : none;
        size_t most = at < n ? n - at : n + zeros - at < sizeof none ? n + zeros - at : sizeof none;
        ssize_t sent = send(c->fd[i], p, most, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return; // refused in the middle
        if (sent > 0) at += (size_t)sent;
        CHECK_OK(loop_turn(c->loop, 0, &why), &why);
    }
}

static bool crowd_heard(struct crowd *c, int i, const char *text) {
    char in[4096];
    ssize_t n = recv(c->fd[i], in, sizeof in, MSG_DONTWAIT);
    if (n > 0) buf_append(&c->heard[i], bytes_make(in, (size_t)n));
    c->closed[i] = c->closed[i] || n == 0 || (n < 0 && errno != EAGAIN);
    return c->heard[i].n && memmem(c->heard[i].p, c->heard[i].n, text, strlen(text));
}

static void crowd_ticks(struct crowd *c, int count) {
    struct error why = {0};
    for (int i = 0; i < count; i++) {
        clock_fake_advance(&c->clock, NS_PER_S);
        CHECK_OK(loop_turn(c->loop, 0, &why), &why);
    }
}

TEST(bodies_on_their_way_have_a_bound_over_all_connections) {
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n";
    struct crowd c;
    crowd_open(&c);
    crowd_say(&c, 0, head, 500000);
    crowd_say(&c, 1, head, 700000); // too much for now
    TURN_UNTIL(c.loop, crowd_heard(&c, 1, "503 "));
    CHECK(!crowd_heard(&c, 0, "") && !c.closed[0] && c.bodies == 0);
    crowd_ticks(&c, 4);             // by now the first one has had its time
    crowd_say(&c, 2, head, 700000); // and gives way
    TURN_UNTIL(c.loop, c.bodies == 1);
    TURN_UNTIL(c.loop, (crowd_heard(&c, 0, ""), c.closed[0]));
    exchange_respond(c.asked, 200, BYTES_LIT("taken"));
    exchange_release(c.asked);
    TURN_UNTIL(c.loop, crowd_heard(&c, 2, "taken"));
    crowd_say(&c, 3, head, 700000); // what is answered is not counted any more
    TURN_UNTIL(c.loop, c.bodies == 2);
    exchange_release(c.asked);
    crowd_close(&c);
}

TEST(answers_that_nobody_reads_have_a_bound_over_all_connections) {
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    static uint8_t answer[BOUND * 16]; // the kernel takes some of it
    struct crowd c;
    crowd_open(&c);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 2) crowd_ticks(&c, 4); // by now the reader has had its time
        crowd_say(&c, (int)i, head, 0);
        TURN_UNTIL(c.loop, c.bodies == i + 1);
        CHECK(exchange_room(c.asked, BOUND / 2) == (i != 1));
        if (i == 0) exchange_respond(c.asked, 200, bytes_make(answer, sizeof answer));
        CHECK(!server_room(c.server, NULL, BOUND + 1)); // and nobody is closed for what never fits
        CHECK_U64(server_connections(c.server), i == 2 ? CROWD - 1 : CROWD);
        exchange_release(c.asked);
    }
    crowd_close(&c);
}

TEST_MAIN()
