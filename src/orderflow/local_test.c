/* SPDX-License-Identifier: MIT */
#include "orderflow/local.h"

#include "base/file.h"
#include "eth/order_feed.h"
#include "net/server.h"
#include "net/testing.h"
#include "orderflow/testing.h"

#include <stdio.h>
#include <unistd.h>

/* A loop, the way to the builder, and a builder of either kind. */
struct world {
    struct loop *loop;
    struct local *local;
    unsigned settled, stale, refused;
    bool replaced; /* nothing is in force */
    /* JSON-RPC */
    char url[80];
    struct server *server;
    struct route route;
    int status;
    unsigned calls;
    char last[256];
    bool holds; /* it keeps two requests, and answers them at once */
    struct exchange *held[2];
    size_t held_count;
    size_t notes_at_call, notes_at_settled; /* in the file, at the last of them */
    /* feed */
    int listener, fd;
    char path[64];
    struct buf in;
    uint64_t session, orders[64];
    struct given *given;
    size_t order_count;
};

static struct error why;

static bool in_force(void *context, const struct flow_order *o) {
    (void)o;
    return !((struct world *)context)->replaced;
}

static void given_path(char ret[80]) {
    (void)snprintf(ret, 80, "/tmp/local-test-%d.given", (int)getpid());
}

static size_t count_notes(void) {
    char path[80];
    struct buf all;
    struct given_record record;
    size_t n = 0;
    given_path(path);
    buf_init(&all, 0);
    if (file_read(&all, path, NULL) == 0) {
        for (size_t at = 0; at < all.n; at += GIVEN_RECORD) {
            n += given_read_record(&record, bytes_slice(buf_view(&all), at, GIVEN_RECORD));
        }
    }
    buf_free(&all);
    return n;
}

static void settled(void *context, struct flow_order *o, int code) {
    struct world *w = context;
    (void)o;
    if (w->holds) w->notes_at_settled = count_notes();
    w->settled += code == 0;
    w->stale += code == ERR_STALE || code == ERR_CONFLICT;
    w->refused += code != 0 && code != ERR_STALE && code != ERR_CONFLICT;
}

static void open_local(struct world *w, const char *url) {
    const struct local_options o = {.loop = w->loop,
                                    .url = url,
                                    .generation = ORDER_SECOND,
                                    .connections = 2,
                                    .orders_max = 8,
                                    .in_force = in_force,
                                    .settled = settled,
                                    .context = w};
    CHECK_OK(local_new(&w->local, &o, &why), &why);
}

static struct flow_order *order(unsigned n) {
    char param[100];
    (void)snprintf(param, sizeof param, "{\"txs\":[\"0x%04x\"]}", n);
    return test_order("eth_sendBundle", param, 0, UINT64_MAX);
}

static int give(struct world *w, struct flow_order *o) {
    int r = local_order(w->local, o, &why);
    flow_order_release(o);
    return r;
}

/* ---- JSON-RPC ---- */

static void answer(struct exchange *x, void *context) {
    struct world *w = context;
    struct bytes body = exchange_body(x);
    w->calls++;
    (void)snprintf(w->last, sizeof w->last, "%.*s", (int)body.n, (const char *)body.p);
    if (!w->holds || w->held_count == 2) {
        w->notes_at_call = count_notes();
        exchange_respond(x, w->status, BYTES_LIT("{}"));
        return;
    }
    exchange_hold(x);
    w->held[w->held_count++] = x;
    for (size_t i = 0; w->held_count == 2 && i < 2; i++) {
        exchange_respond(w->held[i], w->status, BYTES_LIT("{}"));
        exchange_release(w->held[i]);
    }
}

static void open_builder(struct world *w, const char *address) {
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    struct server_listener ln = {.tls = NULL};
    w->route = (struct route){"POST", "/rpc", answer, w, 1u << 20, 0};
    w->status = 200;
    const struct server_options o = {.routes = &w->route, .route_count = 1};
    CHECK_OK(server_new(&w->server, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, bytes_from_str(address), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &bound, &ln, &why), &why);
    (void)socket_address_text(text, &bound);
    (void)snprintf(w->url, sizeof w->url, "http://%s/rpc", text);
}

static void open_rpc(struct world *w) {
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    open_builder(w, "127.0.0.1:0");
    open_local(w, w->url);
}

static void close_rpc(struct world *w) {
    local_free(w->local);
    server_free(w->server);
    loop_free(w->loop);
}

TEST(rpc_delivers_and_tries_again) {
    struct world w = {.status = 200};
    open_rpc(&w);
    CHECK_OK(give(&w, order(1)), &why);
    TURN_UNTIL(w.loop, w.settled == 1);
    CHECK(strstr(w.last, "\"bundleHash\"") != NULL);
    CHECK(local_stats(w.local).connected && local_idle(w.local));
    w.status = 503;
    CHECK_OK(give(&w, order(2)), &why);
    CHECK_OK(give(&w, order(3)), &why);
    TURN_UNTIL(w.loop, w.calls >= 4);
    CHECK_U64(w.settled, 1);
    CHECK(!local_stats(w.local).connected);
    w.status = 200;
    TURN_UNTIL(w.loop, w.settled == 3);
    CHECK(local_stats(w.local).retried >= 2);
    w.status = 400; // what the builder refuses is not sent again
    CHECK_OK(give(&w, order(4)), &why);
    TURN_UNTIL(w.loop, w.refused == 1);
    close_rpc(&w);
}

/* The process ends without a word and begins again, with what it noted. */
static void restart_rpc(struct world *w) {
    char path[80];
    local_free(w->local);
    given_close(w->given);
    given_path(path);
    CHECK_OK(given_open(&w->given, path, 1, &why), &why);
    open_local(w, w->url);
    local_set_given(w->local, w->given);
    w->settled = w->stale = w->calls = 0;
}

TEST(rpc_repeats_only_what_was_not_answered_while_the_builder_lives) {
    struct world w = {.status = 200};
    char address[80];
    open_rpc(&w);
    restart_rpc(&w);
    for (unsigned n = 1; n <= 3; n++) {
        CHECK_OK(give(&w, order(n)), &why);
    }
    TURN_UNTIL(w.loop, w.settled == 3);
    w.status = 503;
    CHECK_OK(give(&w, order(4)), &why);
    TURN_UNTIL(w.loop, w.calls >= 4);
    w.status = 200;
    restart_rpc(&w);
    for (unsigned n = 1; n <= 5; n++) {
        CHECK_OK(give(&w, order(n)), &why);
    }
    TURN_UNTIL(w.loop, w.settled == 2 && w.stale == 3);
    CHECK_U64(w.calls, 2);
    CHECK_U64(local_stats(w.local).known, 3);
    // The builder too: it gets all again.
    (void)snprintf(address, sizeof address, "%.*s", (int)(strlen(w.url) - 11), w.url + 7);
    server_free(w.server);
    open_builder(&w, address);
    restart_rpc(&w);
    for (unsigned n = 1; n <= 5; n++) {
        CHECK_OK(give(&w, order(n)), &why);
    }
    TURN_UNTIL(w.loop, w.settled == 5);
    CHECK_U64(w.calls, 5);
    // And what is answered now is known of the one that listens now.
    restart_rpc(&w);
    CHECK_OK(give(&w, order(5)), &why);
    TURN_UNTIL(w.loop, w.stale == 1);
    CHECK_U64(w.calls, 0);
    // A builder that is away at the start cannot be told from one that was started again.
    server_free(w.server);
    restart_rpc(&w);
    open_builder(&w, address);
    CHECK_OK(give(&w, order(5)), &why);
    TURN_UNTIL(w.loop, w.settled == 1);
    close_rpc(&w);
    given_close(w.given);
    given_path(address);
    CHECK(unlink(address) == 0);
}

TEST(rpc_notes_all_answers_of_a_turn_at_once_and_before_the_next_order_leaves) {
    struct world w = {.status = 200};
    char path[80];
    open_rpc(&w);
    restart_rpc(&w);
    w.holds = true;
    for (unsigned n = 1; n <= 3; n++) {
        CHECK_OK(give(&w, order(n)), &why); // two connections: the third order waits
    }
    TURN_UNTIL(w.loop, w.settled == 2);
    CHECK_U64(w.notes_at_settled, 0);
    CHECK_U64(count_notes(), 2);
    TURN_UNTIL(w.loop, w.settled == 3);
    CHECK_U64(w.notes_at_call, 2);
    close_rpc(&w); // which writes what is left
    CHECK_U64(count_notes(), 3);
    given_close(w.given);
    given_path(path);
    CHECK(unlink(path) == 0);
}

TEST(rpc_leaves_out_what_was_replaced_and_is_bounded) {
    struct world w = {.status = 200};
    open_rpc(&w);
    unsigned taken = 0;
    for (unsigned n = 0; n < 20; n++) {
        taken += give(&w, order(n)) == 0;
    }
    CHECK_U64(taken, 8);
    CHECK(local_is_full(w.local));
    w.replaced = true;
    TURN_UNTIL(w.loop, local_idle(w.local));
    CHECK_U64(w.calls, 0);
    CHECK_U64(w.stale, 8);
    CHECK_U64(local_stats(w.local).superseded, 8);
    close_rpc(&w);
}

TEST(rpc_needs_a_url) {
    struct loop *l;
    struct local *local;
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    const struct local_options o = {.loop = l, .url = "builder"};
    CHECK(local_new(&local, &o, &why) < 0);
    loop_free(l);
}

/* ---- feed ---- */

static void open_feed(struct world *w) {
    char url[80];
    struct socket_address a;
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    (void)snprintf(w->path, sizeof w->path, "unix:/tmp/feed-test-%d", (int)getpid());
    CHECK_OK(socket_address_parse(&a, bytes_from_str(w->path), 0, &why), &why);
    CHECK_OK(socket_listen(&w->listener, &a, &(struct socket_listen_options){0}, &why), &why);
    w->fd = -1;
    buf_init(&w->in, 0);
    (void)snprintf(url, sizeof url, "feed:%s", w->path + 5);
    open_local(w, url);
}

static void close_feed(struct world *w) {
    local_free(w->local);
    loop_free(w->loop);
    if (w->fd >= 0) (void)close(w->fd);
    (void)close(w->listener);
    (void)unlink(w->path + 5);
    buf_free(&w->in);
}

static void say(struct world *w, void (*put)(struct buf *out, uint64_t n), uint64_t n) {
    struct buf out;
    buf_init(&out, 0);
    put(&out, n);
    CHECK(write(w->fd, out.p, out.n) == (ssize_t)out.n);
    buf_free(&out);
}

/* The builder's side: reads what there is. */
static void listen_on(struct world *w) {
    struct feed_frame f;
    uint8_t some[65536];
    if (w->fd < 0) w->fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK);
    if (w->fd < 0) return;
    ssize_t n = read(w->fd, some, sizeof some);
    if (n > 0) buf_append(&w->in, bytes_make(some, (size_t)n));
    while (feed_frame_parse(&f, buf_view(&w->in), NULL) == 0) {
        if (f.kind == FEED_HELLO) w->session = f.session;
        if (f.kind == FEED_ORDER && w->order_count < 64) w->orders[w->order_count++] = f.sequence;
        buf_drop_front(&w->in, f.bytes);
    }
}

static void welcome(struct world *w, uint64_t held) {
    struct buf out;
    buf_init(&out, 0);
    feed_put_welcome(&out, w->session, held);
    CHECK(write(w->fd, out.p, out.n) == (ssize_t)out.n);
    buf_free(&out);
}

static void hang_up(struct world *w) {
    (void)close(w->fd);
    w->fd = -1;
    buf_clear(&w->in);
    w->order_count = 0;
    w->session = 0;
}

TEST(feed_goes_on_where_it_was) {
    struct world w = {.fd = -1};
    open_feed(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    uint64_t session = w.session;
    CHECK_OK(give(&w, order(1)), &why);
    CHECK_OK(give(&w, order(2)), &why);
    CHECK(!local_stats(w.local).connected);
    welcome(&w, 0);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 2));
    CHECK(w.orders[0] == 1 && w.orders[1] == 2);
    say(&w, feed_put_acknowledge, 1);
    TURN_UNTIL(w.loop, w.settled == 1);
    CHECK_U64(local_stats(w.local).in_flight, 1);
    hang_up(&w); // the second was never acknowledged
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    CHECK_U64(w.session, session);
    welcome(&w, 1);
    CHECK_OK(give(&w, order(3)), &why);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 2));
    CHECK(w.orders[0] == 2 && w.orders[1] == 3);
    say(&w, feed_put_acknowledge, 3);
    TURN_UNTIL(w.loop, w.settled == 3);
    CHECK(local_idle(w.local));
    close_feed(&w);
}

/* A builder that restarted knows nothing of the session: another one begins. */
static void welcome_as_new(struct world *w) {
    TURN_UNTIL(w->loop, (listen_on(w), w->session != 0));
    uint64_t before = w->session;
    welcome(w, 0);
    w->session = 0;
    TURN_UNTIL(w->loop, !local_stats(w->local).connected);
    for (uint64_t until = loop_now_ns(w->loop) + NS_PER_S; w->session == 0;) {
        uint8_t one;
        if (recv(w->fd, &one, 1, MSG_PEEK) == 0) hang_up(w);
        CHECK_OK(loop_turn(w->loop, NS_PER_MS, &why), &why);
        CHECK(loop_now_ns(w->loop) < until);
        listen_on(w);
    }
    CHECK(w->session != before);
    welcome(w, 0);
}

TEST(feed_tells_a_restarted_builder_all_that_may_land) {
    struct world w = {.fd = -1};
    open_feed(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 0);
    for (unsigned n = 1; n <= 3; n++) {
        CHECK_OK(give(&w, order(n)), &why);
    }
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
    say(&w, feed_put_acknowledge, 3);
    TURN_UNTIL(w.loop, w.settled == 3);
    for (unsigned restart = 1; restart <= 3; restart++) {
        hang_up(&w);
        welcome_as_new(&w);
        TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
        CHECK(w.orders[0] == 3 * restart + 1 && w.orders[2] == 3 * restart + 3);
        CHECK_U64(local_stats(w.local).retried, 3 * restart);
        CHECK_U64(local_stats(w.local).waiting, 0);
        say(&w, feed_put_acknowledge, 3 * restart + 3);
        TURN_UNTIL(w.loop, local_idle(w.local));
        CHECK_U64(w.settled, 3); // counted once
        CHECK_U64(local_stats(w.local).delivered, 3);
    }
    close_feed(&w);
}

/* The process ends without a word and begins again, with what it noted. */
static void restart(struct world *w) {
    char path[80], url[80];
    hang_up(w);
    if (w->local) local_free(w->local);
    given_close(w->given);
    (void)snprintf(path, sizeof path, "%s.given", w->path + 5);
    (void)snprintf(url, sizeof url, "feed:%s", w->path + 5);
    CHECK_OK(given_open(&w->given, path, 1, &why), &why);
    open_local(w, url);
    local_set_given(w->local, w->given);
    w->settled = w->stale = 0;
}

static void end_restarts(struct world *w) {
    char path[80];
    (void)snprintf(path, sizeof path, "%s.given", w->path + 5);
    close_feed(w);
    given_close(w->given);
    CHECK(unlink(path) == 0);
}

static void give_all(struct world *w, unsigned from, unsigned to) {
    for (unsigned n = from; n <= to; n++) {
        CHECK_OK(give(w, order(n)), &why);
    }
}

TEST(feed_repeats_nothing_after_the_process_was_killed) {
    struct world w = {.fd = -1};
    open_feed(&w);
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    uint64_t session = w.session;
    welcome(&w, 0);
    give_all(&w, 1, 5);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 5));
    say(&w, feed_put_acknowledge, 2); // it took 3 as well: the word comes too late
    restart(&w);
    give_all(&w, 1, 3); // of the journal, in any order
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    CHECK_U64(w.session, session);
    welcome(&w, 3);
    give_all(&w, 4, 6); // 4 and 5 were on their way and did not come
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
    CHECK(w.orders[0] == 6 && w.orders[2] == 8);
    CHECK_U64(local_stats(w.local).known, 3);
    CHECK_U64(w.stale, 3); // peers are told that they are safe
    say(&w, feed_put_acknowledge, 8);
    TURN_UNTIL(w.loop, w.settled == 3);
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 8);
    give_all(&w, 1, 7);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 1));
    CHECK(w.orders[0] == 9);
    CHECK_U64(local_stats(w.local).known, 6);
    end_restarts(&w);
}

TEST(feed_gives_a_new_builder_all_though_another_had_it) {
    struct world w = {.fd = -1};
    open_feed(&w);
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 0);
    give_all(&w, 1, 3);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
    restart(&w); // and the builder too
    welcome_as_new(&w);
    give_all(&w, 1, 3);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
    CHECK_U64(local_stats(w.local).known, 0);
    say(&w, feed_put_acknowledge, w.orders[2]);
    TURN_UNTIL(w.loop, local_idle(w.local));
    uint64_t held = w.orders[2];
    restart(&w); // alone
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, held);
    give_all(&w, 1, 3);
    TURN_UNTIL(w.loop, local_stats(w.local).known == 3);
    hang_up(&w); // now the builder alone: it lacks what it got from the lives before
    welcome_as_new(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 3));
    CHECK_U64(w.settled, 0);
    // And a kill before all of it is given again does not make it known.
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, held + 1);
    give_all(&w, 1, 3);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 2));
    CHECK_U64(local_stats(w.local).known, 1);
    end_restarts(&w);
}

TEST(feed_uses_no_number_twice_when_notes_are_missing) {
    struct world w = {.fd = -1};
    open_feed(&w);
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 0);
    give_all(&w, 1, 1);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 1));
    restart(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 40); // the disk was full
    give_all(&w, 1, 2);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 1));
    CHECK(w.orders[0] == 41);
    end_restarts(&w);
}

static void refuse_second(struct buf *out, uint64_t n) {
    feed_put_refuse(out, n, ERR_INVALID, "no");
    feed_put_acknowledge(out, n);
}

TEST(feed_counts_refusals_and_drops_bad_frames) {
    struct world w = {.fd = -1};
    open_feed(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    welcome(&w, 0);
    CHECK_OK(give(&w, order(1)), &why);
    TURN_UNTIL(w.loop, (listen_on(&w), w.order_count == 1));
    say(&w, refuse_second, 1);
    TURN_UNTIL(w.loop, w.refused == 1);
    CHECK_U64(local_stats(w.local).in_flight, 0);
    say(&w, feed_put_hello, 5); // not the builder's to send
    TURN_UNTIL(w.loop, !local_stats(w.local).connected);
    hang_up(&w);
    TURN_UNTIL(w.loop, (listen_on(&w), w.session != 0));
    close_feed(&w);
}

TEST_MAIN()
