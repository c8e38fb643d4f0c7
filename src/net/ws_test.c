/* WebSocket endpoints against each other and against raw bytes. SPDX-License-Identifier: MIT */
#include "net/raw_testing.h"
#include "net/ws.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct socket_address address;
    struct route route;
    struct ws *served; /* the server's end; NULL after its end */
    struct ws_options options;
    unsigned refused, server_code;
};

struct end {
    struct ws *ws;
    bool open, closed, drained;
    unsigned code, messages;
    size_t bytes;
    bool text;
    char last[64];
    struct error why;
};

static void s_message(struct ws *w, void *context, bool text, struct bytes data) {
    (void)context;
    int r = ws_send(w, text, data);
    CHECK(r == 0 || r == ERR_AGAIN);
}
static void s_closed(struct ws *w, void *context, unsigned code, const struct error *why) {
    struct world *x = context;
    (void)w, (void)why;
    x->served = NULL;
    x->server_code = code;
}
static const struct ws_events server_events = {NULL, s_message, NULL, s_closed};

static void on_request(struct exchange *x, void *context) {
    struct world *w = context;
    struct error why = {0};
    if (ws_accept(&w->served, x, &w->options, &server_events, w, &why) < 0) w->refused++;
}

static void c_open(struct ws *w, void *context) {
    (void)w;
    ((struct end *)context)->open = true;
}
static void c_message(struct ws *w, void *context, bool text, struct bytes data) {
    struct end *e = context;
    (void)w;
    e->messages++;
    e->bytes += data.n;
    e->text = text;
    snprintf(e->last, sizeof e->last, "%.*s", (int)(data.n < 60 ? data.n : 60),
             (const char *)data.p);
}
static void c_drained(struct ws *w, void *context) {
    (void)w;
    ((struct end *)context)->drained = true;
}
static void c_closed(struct ws *w, void *context, unsigned code, const struct error *why) {
    struct end *e = context;
    (void)w;
    e->closed = true;
    e->code = code;
    e->why = *why;
}
static const struct ws_events client_events = {c_open, c_message, c_drained, c_closed};

static void world_open(struct world *w, const struct ws_options *o) {
    struct error why = {0};
    struct server_listener ln = {0};
    char url[64], text[SOCKET_TEXT_MAX];
    memset(w, 0, sizeof *w);
    if (o) w->options = *o;
    w->route = (struct route){"GET", "/ws", on_request, w, 0, 0};
    struct server_options so = {.routes = &w->route, .route_count = 1};
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    CHECK_OK(server_new(&w->server, w->loop, &so, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(w->server, &w->address, &ln, &why), &why);
    socket_address_text(text, &w->address);
    snprintf(url, sizeof url, "http://%.50s", text);
    struct client_options co = {.url = url};
    CHECK_OK(client_new(&w->client, w->loop, &co, &why), &why);
}
static void world_close(struct world *w) {
    server_free(w->server);
    client_free(w->client);
    loop_free(w->loop);
}
static void connect_end(struct world *w, struct end *e, const char *path,
                        const struct ws_options *o) {
    struct error why = {0};
    memset(e, 0, sizeof *e);
    CHECK_OK(ws_connect(&e->ws, w->client, bytes_from_str(path), NULL, o, &client_events, e, &why),
             &why);
    TURN_UNTIL(w->loop, e->open || e->closed);
}

TEST(messages_come_back_and_the_end_is_orderly) {
    struct world w;
    struct end e;
    world_open(&w, NULL);
    connect_end(&w, &e, "/ws", NULL);
    CHECK(e.open);
    CHECK(ws_send(e.ws, true, BYTES_LIT("hello")) == 0);
    TURN_UNTIL(w.loop, e.messages == 1);
    CHECK(e.text);
    CHECK_STR(e.last, "hello");
    CHECK(ws_send(e.ws, false, BYTES_LIT("bytes")) == 0);
    TURN_UNTIL(w.loop, e.messages == 2);
    CHECK(!e.text);
    ws_close(e.ws, 1000, BYTES_LIT("bye"));
    TURN_UNTIL(w.loop, e.closed && !w.served);
    CHECK_U64(e.code, 1000);
    CHECK_U64(w.server_code, 1000);
    CHECK_U64(server_connections(w.server), 0);
    world_close(&w);
}

TEST(large_messages_and_many_at_once) {
    struct world w;
    struct end e;
    static uint8_t block[300000];
    world_open(&w, NULL);
    connect_end(&w, &e, "/ws", NULL);
    size_t sent = 0;
    for (int i = 0; i < 20; i++) {
        int r = ws_send(e.ws, false, bytes_make(block, sizeof block));
        sent += sizeof block;
        if (r == ERR_AGAIN) {
            TURN_UNTIL(w.loop, e.drained);
            e.drained = false;
        }
    }
    TURN_UNTIL(w.loop, e.bytes == sent);
    ws_drop(e.ws);
    TURN_UNTIL(w.loop, !w.served);
    CHECK_U64(w.server_code, 1006);
    world_close(&w);
}

TEST(a_message_above_the_limit_is_1009) {
    struct world w;
    struct end e;
    static uint8_t block[2000];
    struct ws_options o = {.message_bytes_max = 1000};
    world_open(&w, &o);
    connect_end(&w, &e, "/ws", NULL);
    CHECK(ws_send(e.ws, false, bytes_make(block, sizeof block)) == 0);
    TURN_UNTIL(w.loop, e.closed);
    CHECK_U64(e.code, 1009);
    world_close(&w);
}

TEST(a_paused_reader_gets_everything_later) {
    struct world w;
    struct end e;
    world_open(&w, NULL);
    connect_end(&w, &e, "/ws", NULL);
    CHECK(ws_send(e.ws, true, BYTES_LIT("one")) == 0);
    TURN_UNTIL(w.loop, e.messages == 1);
    ws_pause(e.ws);
    for (int i = 0; i < 5; i++)
        CHECK(ws_send(e.ws, true, BYTES_LIT("more")) == 0);
    for (int i = 0; i < 20; i++)
        CHECK(loop_turn(w.loop, NS_PER_MS, NULL) == 0);
    CHECK_U64(e.messages, 1);
    ws_resume(e.ws);
    TURN_UNTIL(w.loop, e.messages == 6);
    ws_drop(e.ws);
    world_close(&w);
}

TEST(silence_is_pinged_and_death_is_noticed) {
    struct world w;
    struct end e;
    struct ws_options o = {.ping_ns = 20 * NS_PER_MS, .pong_ns = 50 * NS_PER_MS};
    world_open(&w, NULL);
    connect_end(&w, &e, "/ws", &o);
    for (int i = 0; i < 30; i++)
        CHECK(loop_turn(w.loop, 10 * NS_PER_MS, NULL) == 0);
    CHECK(!e.closed); // the server answers pings by itself
    ws_pause(w.served);
    TURN_UNTIL(w.loop, e.closed);
    CHECK_U64(e.code, 1006);
    CHECK_ERR((int)e.why.code, ERR_TIMEOUT);
    world_close(&w);
}

TEST(pings_of_who_does_not_read_pile_up_no_answers) {
    static const char handshake[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    enum { FRAME = 131, FRAMES = 128000 };
    static uint8_t pings[FRAME * FRAMES];
    static const char last[] = "the very last one";
    struct world w;
    struct raw r;
    size_t most = 0;
    world_open(&w, NULL);
    raw_open(&r, w.loop, &w.address);
    raw_say(&r, handshake);
    TURN_UNTIL(w.loop, w.served);
    conn_pause(&r.conn);
    for (size_t i = 0; i < FRAMES; i++) {
        pings[i * FRAME] = 0x89;
        pings[i * FRAME + 1] = 0x80 | 125; // and a mask of zeros
    }
    memcpy(pings + sizeof pings - sizeof last, last, sizeof last);
    CHECK_ERR(conn_write(&r.conn, bytes_make(pings, sizeof pings)), ERR_AGAIN);
    for (int turns = 0; turns < 100 || conn_pending(&r.conn) > 0; turns++) {
        CHECK(loop_turn(w.loop, 0, NULL) == 0);
        if (ws_pending(w.served) > most) most = ws_pending(w.served);
    }
    CHECK(most <= CONN_HIGH_BYTES + LOOP_SCRATCH_BYTES);
    conn_resume(&r.conn);
    TURN_UNTIL(w.loop, r.heard.n && memmem(r.heard.p, r.heard.n, last, sizeof last));
    raw_free(&r);
    TURN_UNTIL(w.loop, !w.served);
    world_close(&w);
}

TEST(what_is_no_websocket_is_refused) {
    struct world w;
    struct end e;
    world_open(&w, NULL);
    connect_end(&w, &e, "/other", NULL);
    CHECK(e.closed && !e.open);
    CHECK_ERR((int)e.why.code, ERR_INVALID);
    world_close(&w);
}

TEST(server_and_client_take_their_endpoints_along) {
    struct world w;
    struct end e;
    world_open(&w, NULL);
    connect_end(&w, &e, "/ws", NULL);
    client_free(w.client);
    CHECK(e.closed);
    struct client_options co = {.url = "http://127.0.0.1:1"};
    CHECK_ERR(client_new(&w.client, w.loop, &co, NULL), 0);
    world_close(&w);
    CHECK(w.served == NULL);
}

TEST_MAIN()
