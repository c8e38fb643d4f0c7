/* Client and proxy over real sockets: kept connections, streams, failures, smuggling, tunnels.
 * SPDX-License-Identifier: MIT */
#include "net/proxy.h"
#include "net/raw_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BIG_BYTES (3u << 20)

/* A client asks `front`, a proxy, which asks `back`. */
struct world {
    struct loop *loop;
    struct server *back, *front;
    struct client *origin, *client;
    struct proxy *proxy;
    struct tls *tls, *client_tls;
    struct test_identity id;
    struct exchange *held;
    struct server_record last;
    unsigned back_requests;
    char back_seen[2000];
};

struct call {
    struct client_call *k;
    unsigned status;
    bool ended, failed, drained, upgraded;
    struct buf body;
    struct error why;
    char type[64];
    struct conn *tunnel;
    size_t got, pause_at; /* pause_at: paused when it has so many bytes */
    bool count_only;
};

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct call *c = context;
    (void)k;
    c->status = r->status;
    struct bytes type = http_get(&r->fields, HTTP_FIELD_CONTENT_TYPE);
    snprintf(c->type, sizeof c->type, "%.*s", (int)type.n, (const char *)type.p);
}
static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct call *c = context;
    c->got += in.n;
    if (!c->count_only) buf_append(&c->body, in);
    if (c->pause_at && c->got >= c->pause_at) call_pause(k);
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
static void on_drained(struct client_call *k, void *context) {
    (void)k;
    ((struct call *)context)->drained = true;
}

static void t_open(struct conn *c) {
    (void)c;
}
static void t_readable(struct conn *c) {
    struct call *k = c->owner;
    uint8_t text[256];
    ssize_t n;
    while ((n = conn_read(c, text, sizeof text)) > 0) {
        buf_append(&k->body, bytes_make(text, (size_t)n));
    }
}
static void t_closed(struct conn *c, const struct error *why) {
    struct call *k = c->owner;
    k->tunnel = NULL;
    client_drop((struct client *)k->k, c, why);
}
static const struct conn_events t_events = {t_open, t_readable, NULL, t_closed};

static void on_upgraded(struct client_call *k, void *context, const struct http_response *r,
                        struct conn *conn, struct bytes rest) {
    struct call *c = context;
    (void)k;
    c->status = r->status;
    c->upgraded = true;
    c->tunnel = conn;
    buf_append(&c->body, rest);
    conn_rebind(conn, &t_events, c);
}

static const struct client_events call_events = {on_response, on_body,    on_end,
                                                 on_failed,   on_drained, on_upgraded};

/* ---- the origin's handlers ---- */

static void note(struct exchange *x, struct world *w) {
    const struct http_request *r = exchange_request(x);
    size_t n = 0;
    w->back_requests++;
    for (unsigned i = 0; i < r->fields.count && n < sizeof w->back_seen - 200; i++) {
        const struct http_field *f = &r->fields.item[i];
        n += (size_t)snprintf(w->back_seen + n, sizeof w->back_seen - n, "%.*s: %.*s\n",
                              (int)f->name.n, (const char *)f->name.p, (int)f->value.n,
                              (const char *)f->value.p);
    }
}
static void back_echo(struct exchange *x, void *context) {
    note(x, context);
    CHECK(exchange_add_header(x, "X-Origin", BYTES_LIT("yes")) == 0);
    exchange_respond_text(x, 200, "application/x-echo", exchange_body(x));
}
static void back_hold(struct exchange *x, void *context) {
    struct world *w = context;
    note(x, w);
    exchange_hold(x);
    w->held = x;
}
static void back_big(struct exchange *x, void *context) {
    long_answer(x, BIG_BYTES, context);
}
static void count_body(struct exchange *x, void *context, struct bytes in, bool end) {
    struct world *w = context;
    static size_t total;
    (void)w;
    total += in.n;
    if (!end) return;
    char text[32];
    int n = snprintf(text, sizeof text, "%zu", total);
    total = 0;
    exchange_respond(x, 200, bytes_make(text, (size_t)n));
}
static const struct exchange_events count_events = {count_body, NULL, NULL};
static void back_count(struct exchange *x, void *context) {
    exchange_set_events(x, &count_events, context);
}
static void back_cut(struct exchange *x, void *context) {
    (void)context;
    exchange_begin(x, 200, 100);
    CHECK(exchange_write(x, BYTES_LIT("half")) >= 0);
    exchange_abort(x);
}
static void back_chunks(struct exchange *x, void *context) {
    (void)context;
    exchange_begin(x, 200, -1);
    CHECK(exchange_write(x, BYTES_LIT("a")) == 0 && exchange_write(x, BYTES_LIT("b")) == 0);
    exchange_end(x);
}

struct echo_end {
    struct server *server;
};
static void e_readable(struct conn *c) {
    uint8_t text[256];
    ssize_t n;
    while ((n = conn_read(c, text, sizeof text)) > 0) {
        CHECK(conn_write(c, bytes_make(text, (size_t)n)) == 0);
    }
    if (n == 0) conn_pause(c), conn_finish(c);
}
static void e_closed(struct conn *c, const struct error *why) {
    struct echo_end *e = c->owner;
    (void)why;
    server_drop(e->server, c);
    free(e);
}
static const struct conn_events e_events = {t_open, e_readable, NULL, e_closed};
static void back_upgrade(struct exchange *x, void *context) {
    struct conn *c;
    struct buf rest = {0};
    struct error why = {0};
    struct echo_end *e = calloc(1, sizeof *e);
    note(x, context);
    e->server = exchange_server(x);
    CHECK_OK(exchange_upgrade(x, &c, &e_events, e, "echo", &rest, &why), &why);
    CHECK(conn_write(c, BYTES_LIT("welcome ")) == 0);
    if (rest.n) CHECK(conn_write(c, buf_view(&rest)) == 0);
    buf_free(&rest);
}

static void on_record(void *context, const struct server_record *r) {
    ((struct world *)context)->last = *r;
}

static const char *other_wish; /* what add_header makes of a wish to upgrade; NULL: leaves it */

static int add_header(struct exchange *x, struct http_request *r, struct arena *a, void *context) {
    (void)x, (void)context;
    http_fields_remove(&r->fields, BYTES_LIT("x-secret"));
    if (other_wish) {
        http_fields_remove(&r->fields, BYTES_LIT("upgrade"));
        r->upgrade = *other_wish != 0;
        struct bytes wish = bytes_from_str(other_wish);
        if (wish.n) CHECK(http_fields_add(&r->fields, a, BYTES_LIT("upgrade"), wish, NULL) == 0);
    }
    return http_fields_set(&r->fields, a, BYTES_LIT("x-verdict"), BYTES_LIT("good"), NULL);
}

static struct server *listen_on(struct world *w, const struct route *routes, size_t n,
                                struct tls *tls, char url[64], bool http2) {
    struct error why = {0};
    struct server *s;
    struct socket_address a;
    struct server_options o = {.routes = routes,
                               .route_count = n,
                               .record = on_record,
                               .record_context = w,
                               .limits = {.body_bytes = 64u << 20}};
    struct server_listener ln = {.tls = tls, .http2 = http2};
    char text[SOCKET_TEXT_MAX];
    CHECK_OK(server_new(&s, w->loop, &o, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(s, &a, &ln, &why), &why);
    socket_address_text(text, &a);
    snprintf(url, 64, "%s://%.50s", tls ? "https" : "http", text);
    return s;
}

static struct route back_routes[8], front_routes[1];

static void world_open(struct world *w, bool secure, enum client_protocol front_protocol) {
    struct error why = {0};
    char back_url[64], front_url[64];
    static const char *const alpn[] = {"h2", "http/1.1", NULL}, *const one[] = {"http/1.1", NULL};
    memset(w, 0, sizeof *w);
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    size_t n = 0;
    back_routes[n++] = (struct route){"*", "/echo", back_echo, w, 0, 0};
    back_routes[n++] = (struct route){"*", "/hold", back_hold, w, 0, 0};
    back_routes[n++] = (struct route){"GET", "/big", back_big, w, 0, 0};
    back_routes[n++] = (struct route){"POST", "/count", back_count, w, UINT64_MAX, ROUTE_STREAM};
    back_routes[n++] = (struct route){"GET", "/cut", back_cut, w, 0, 0};
    back_routes[n++] = (struct route){"GET", "/chunks", back_chunks, w, 0, 0};
    back_routes[n++] = (struct route){"GET", "/upgrade", back_upgrade, w, 0, 0};
    w->back = listen_on(w, back_routes, n, NULL, back_url, false);
    struct client_options co = {.url = back_url, .response_ns = 300 * NS_PER_MS};
    CHECK_OK(client_new(&w->origin, w->loop, &co, &why), &why);
    struct proxy_options po = {
        .origin = w->origin, .request = add_header, .forwarded_for = true, .forwarded_more = true};
    CHECK_OK(proxy_new(&w->proxy, &po, &why), &why);
    front_routes[0] =
        (struct route){"*", "/", proxy_handle, w->proxy, UINT64_MAX, ROUTE_STREAM | ROUTE_PREFIX};
    if (secure) {
        test_identity_make(&w->id, "127.0.0.1");
        w->tls = test_tls(&(struct tls_options){
            .role = TLS_SERVER, .identity = test_identity_of(&w->id), .alpn = alpn});
        w->client_tls =
            test_tls(&(struct tls_options){.role = TLS_CLIENT,
                                           .trust = TLS_TRUST_PINS,
                                           .pins = &w->id.fingerprint,
                                           .pin_count = 1,
                                           .alpn = front_protocol == CLIENT_HTTP1 ? one : alpn});
    }
    bool http2 = front_protocol == CLIENT_HTTP2;
    w->front = listen_on(w, front_routes, 1, w->tls, front_url, http2);
    co = (struct client_options){.url = front_url,
                                 .tls = w->client_tls,
                                 .protocol = secure ? CLIENT_AUTO : front_protocol,
                                 .connections = 4};
    CHECK_OK(client_new(&w->client, w->loop, &co, &why), &why);
}

static void world_close(struct world *w) {
    client_free(w->client);
    server_free(w->front);
    server_free(w->back);
    client_free(w->origin);
    proxy_free(w->proxy);
    tls_free(w->tls);
    tls_free(w->client_tls);
    if (w->id.cert.p) test_identity_free(&w->id);
    loop_free(w->loop);
}

static void begin(struct world *w, struct call *c, enum http_method m, const char *path,
                  struct bytes body, bool more) {
    struct error why = {0};
    struct http_request r = {.method = m, .path = bytes_from_str(path)};
    memset(c, 0, sizeof *c);
    if (more) r.body = HTTP_BODY_STREAM;
    CHECK_OK(client_start(&c->k, w->client, &r, body, more, &call_events, c, &why), &why);
}
static void finish(struct world *w, struct call *c) {
    TURN_UNTIL(w->loop, c->ended || c->failed);
}
static void go(struct world *w, struct call *c, enum http_method m, const char *path,
               const char *body) {
    begin(w, c, m, path, bytes_from_str(body), false);
    finish(w, c);
    CHECK_STR(c->why.text, "");
}

/* The same promises for every pair of protocols. */
static void each_protocol(void (*test)(struct world *w)) {
    static const struct {
        bool secure;
        enum client_protocol protocol;
    } kinds[] = {
        {false, CLIENT_HTTP1}, {false, CLIENT_HTTP2}, {true, CLIENT_HTTP1}, {true, CLIENT_AUTO}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct world w;
        world_open(&w, kinds[i].secure, kinds[i].protocol);
        test(&w);
        world_close(&w);
    }
}

static void check_echo(struct world *w) {
    for (int i = 0; i < 5; i++) {
        struct call c;
        go(w, &c, HTTP_POST, "/echo", "hello");
        CHECK_U64(c.status, 200);
        CHECK_BYTES(buf_view(&c.body), BYTES_LIT("hello"));
        CHECK_STR(c.type, "application/x-echo");
        buf_free(&c.body);
    }
    CHECK_U64(server_connections(w->front), 1); // one connection serves all
    CHECK_U64(server_connections(w->back), 1);
    CHECK(strstr(w->back_seen, "x-verdict: good") &&
          strstr(w->back_seen, "x-forwarded-for: 127.0.0.1"));
    CHECK(strstr(w->back_seen, "x-forwarded-proto: ") && !strstr(w->back_seen, "connection:"));
}
TEST(requests_pass_and_connections_are_kept) {
    each_protocol(check_echo);
}

static void check_parallel(struct world *w) {
    struct call c[40];
    for (int i = 0; i < 40; i++)
        begin(w, &c[i], HTTP_POST, "/echo", bytes_make(&c[i], 16), false);
    for (int i = 0; i < 40; i++) {
        finish(w, &c[i]);
        CHECK_U64(c[i].status, 200);
        CHECK_U64(c[i].body.n, 16);
        buf_free(&c[i].body);
    }
    CHECK(server_connections(w->front) <= 4);
}
TEST(many_calls_share_few_connections) {
    each_protocol(check_parallel);
}

static void check_big(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_GET, "/big", BYTES_LIT(""), false);
    c.count_only = true;
    TURN_UNTIL(w->loop, c.got > 0);
    call_pause(c.k);
    for (int i = 0; i < 100; i++)
        CHECK(loop_turn(w->loop, NS_PER_MS, NULL) == 0);
    size_t before = c.got;
    CHECK(before < BIG_BYTES);
    for (int i = 0; i < 20; i++)
        CHECK(loop_turn(w->loop, NS_PER_MS, NULL) == 0);
    CHECK_U64(c.got, before); // a slow reader stops the flow
    call_resume(c.k);
    finish(w, &c);
    CHECK_U64(c.got, BIG_BYTES);
}
static void check_pause_at_the_end(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_POST, "/count", BYTES_LIT("abc"), false);
    c.pause_at = 1;
    TURN_UNTIL(w->loop, c.got == 1 || c.failed);
    for (int i = 0; i < 5; i++)
        CHECK(loop_turn(w->loop, NS_PER_MS, NULL) == 0);
    if (!c.ended) call_resume(c.k);
    finish(w, &c);
    CHECK_STR(c.why.text, "");
    CHECK_BYTES(buf_view(&c.body), BYTES_LIT("3"));
    buf_free(&c.body);
}
TEST(a_pause_at_an_answers_last_byte_keeps_its_end) {
    each_protocol(check_pause_at_the_end);
}

TEST(large_answers_flow_at_the_readers_pace) {
    each_protocol(check_big);
}

static void check_upload(struct world *w) {
    static uint8_t block[20000];
    struct call c;
    size_t sent = 0;
    begin(w, &c, HTTP_POST, "/count", BYTES_LIT(""), true);
    while (sent < BIG_BYTES) {
        int r = call_write(c.k, bytes_make(block, sizeof block));
        sent += sizeof block;
        CHECK(r == 0 || r == ERR_AGAIN);
        if (r == ERR_AGAIN) {
            TURN_UNTIL(w->loop, c.drained || c.ended || c.failed);
            c.drained = false;
        }
    }
    call_finish(c.k);
    finish(w, &c);
    CHECK_STR(c.why.text, "");
    char text[32];
    snprintf(text, sizeof text, "%zu", sent);
    CHECK_BYTES(buf_view(&c.body), bytes_from_str(text));
    buf_free(&c.body);
}
TEST(large_requests_stream) {
    each_protocol(check_upload);
}

static void check_cut(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_GET, "/cut", BYTES_LIT(""), false);
    finish(w, &c);
    CHECK(c.failed || c.status == 502); // broken off visibly, never a short answer that looks whole
    buf_free(&c.body);
    go(w, &c, HTTP_GET, "/chunks", "");
    CHECK_BYTES(buf_view(&c.body), BYTES_LIT("ab"));
    buf_free(&c.body);
    go(w, &c, HTTP_HEAD, "/chunks", "");
    CHECK_U64(c.status, 200);
    CHECK_U64(c.got, 0);
}
TEST(a_cut_answer_is_never_taken_for_whole) {
    each_protocol(check_cut);
}

static void check_cancel(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_GET, "/hold", BYTES_LIT(""), false);
    TURN_UNTIL(w->loop, w->held);
    call_cancel(c.k);
    TURN_UNTIL(w->loop, client_calls(w->origin) == 0);
    exchange_respond(w->held, 200, BYTES_LIT("nobody"));
    exchange_release(w->held);
    w->held = NULL;
    go(w, &c, HTTP_POST, "/echo", "after");
    CHECK_BYTES(buf_view(&c.body), BYTES_LIT("after"));
    buf_free(&c.body);
}
TEST(a_cancelled_call_is_cancelled_at_the_origin) {
    each_protocol(check_cancel);
}

static void check_timeout(struct world *w) {
    struct call c;
    begin(w, &c, HTTP_GET, "/hold", BYTES_LIT(""), false);
    finish(w, &c);
    CHECK_U64(c.status, 504);
    buf_free(&c.body);
    exchange_release(w->held);
    w->held = NULL;
}
TEST(a_silent_origin_is_504) {
    each_protocol(check_timeout);
}

TEST(a_dead_origin_is_502_and_comes_back) {
    struct world w;
    struct error why = {0};
    struct call c;
    world_open(&w, false, CLIENT_HTTP1);
    go(&w, &c, HTTP_GET, "/echo", "");
    buf_free(&c.body);
    server_free(w.back);
    go(&w, &c, HTTP_GET, "/echo", "");
    CHECK_U64(c.status, 502);
    buf_free(&c.body);
    char url[64];
    w.back = listen_on(&w, back_routes, 7, NULL, url, false);
    struct client *other;
    struct client_options co = {.url = url};
    CHECK_OK(client_new(&other, w.loop, &co, &why), &why);
    client_free(other);
    world_close(&w);
}

TEST(a_stale_connection_is_replaced_without_a_word) {
    struct world w;
    struct call c;
    world_open(&w, false, CLIENT_HTTP1);
    go(&w, &c, HTTP_GET, "/echo", "");
    buf_free(&c.body);
    // The origin ends the kept connection just as the next request is on its way.
    server_close_all(w.back);
    go(&w, &c, HTTP_GET, "/echo", "");
    CHECK_U64(c.status, 200);
    buf_free(&c.body);
    world_close(&w);
}

/* ---- what a smuggler tries ---- */

static void raw_ask(struct world *w, struct raw *r, const char *text) {
    struct error why = {0};
    struct socket_address a;
    struct bytes at = client_authority(w->client);
    CHECK_OK(socket_address_parse(&a, at, 0, &why), &why);
    raw_open(r, w->loop, &a);
    raw_say(r, text);
}

TEST(smuggled_requests_do_not_reach_the_origin) {
    static const char *const cases[] = {
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /echo HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0b"
        "chunked\r\n\r\n0\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        struct raw r;
        world_open(&w, false, CLIENT_HTTP1);
        raw_ask(&w, &r, cases[i]);
        TURN_UNTIL(w.loop, r.closed);
        CHECK_U64(w.back_requests, 0);
        buf_free(&r.heard);
        world_close(&w);
    }
}

TEST(hop_by_hop_fields_stay_on_their_hop) {
    struct world w;
    struct raw r;
    world_open(&w, false, CLIENT_HTTP1);
    raw_ask(&w, &r,
            "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: "
            "trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-Stay: 1\r\nX-Secret: 2\r\n"
            "X-Forwarded-For: 1.2.3.4\r\n\r\n");
    TURN_UNTIL(w.loop, r.closed);
    CHECK(strstr(w.back_seen, "x-stay: 1") &&
          strstr(w.back_seen, "x-forwarded-for: 1.2.3.4, 127.0.0.1"));
    CHECK(!strstr(w.back_seen, "x-hop") && !strstr(w.back_seen, "te:") &&
          !strstr(w.back_seen, "keep-alive") && !strstr(w.back_seen, "proxy-connection") &&
          !strstr(w.back_seen, "x-secret"));
    buf_append_byte(&r.heard, 0);
    CHECK(strstr((char *)r.heard.p, "200 OK") != NULL);
    buf_free(&r.heard);
    world_close(&w);
}

static void check_tunnel(bool secure) {
    struct world w;
    struct call c = {0};
    struct error why = {0};
    world_open(&w, secure, CLIENT_HTTP1);
    struct http_request r = {.method = HTTP_GET, .path = BYTES_LIT("/upgrade"), .upgrade = true};
    struct arena a;
    arena_init(&a, 0);
    CHECK_OK(http_fields_add(&r.fields, &a, BYTES_LIT("upgrade"), BYTES_LIT("echo"), &why), &why);
    CHECK_OK(client_start(&c.k, w.client, &r, BYTES_LIT(""), false, &call_events, &c, &why), &why);
    TURN_UNTIL(w.loop, c.upgraded || c.failed || c.ended);
    CHECK(c.upgraded && c.status == 101);
    c.k = (struct client_call *)w.client;
    TURN_UNTIL(w.loop, c.body.n >= 8);
    CHECK(conn_write(c.tunnel, BYTES_LIT("through")) == 0);
    TURN_UNTIL(w.loop, c.body.n == 15);
    CHECK_BYTES(buf_view(&c.body), BYTES_LIT("welcome through"));
    CHECK_U64(server_connections(w.front), 1);
    conn_finish(c.tunnel);
    TURN_UNTIL(w.loop, server_connections(w.front) == 0 && server_connections(w.back) == 0);
    arena_free(&a);
    buf_free(&c.body);
    world_close(&w);
}
TEST(upgrades_become_tunnels) {
    check_tunnel(false);
    check_tunnel(true);
}

/* An origin that switches to "echo" whatever the proxy's owner let through. */
static void check_unasked(const char *wish) {
    struct world w;
    struct call c = {0};
    struct error why = {0};
    struct http_request r = {.method = HTTP_GET, .path = BYTES_LIT("/upgrade"), .upgrade = true};
    struct arena a;
    world_open(&w, false, CLIENT_HTTP1);
    arena_init(&a, 0);
    other_wish = wish;
    CHECK_OK(http_fields_add(&r.fields, &a, BYTES_LIT("upgrade"), BYTES_LIT("echo"), &why), &why);
    CHECK_OK(client_start(&c.k, w.client, &r, BYTES_LIT(""), false, &call_events, &c, &why), &why);
    TURN_UNTIL(w.loop, c.upgraded || c.failed || c.ended);
    CHECK(c.ended && !c.upgraded);
    CHECK_U64(c.status, 502);
    CHECK_U64(w.back_requests, 1);
    TURN_UNTIL(w.loop, server_connections(w.back) == 0);
    other_wish = NULL;
    arena_free(&a);
    buf_free(&c.body);
    world_close(&w);
}
TEST(an_origin_switches_only_to_what_it_was_asked_for) {
    check_unasked("");
    check_unasked("websocket");
}

TEST(client_options_are_checked) {
    static const struct {
        const char *url;
        int code;
    } cases[] = {{"http://127.0.0.1:1", 0},
                 {"http://[::1]:8", 0},
                 {"unix:/run/x", 0},
                 {"ftp://127.0.0.1", ERR_SYNTAX},
                 {"http://127.0.0.1/x", ERR_SYNTAX},
                 {"http://127.0.0.1:0", ERR_SYNTAX},
                 {"http://127.0.0.1:99999", ERR_SYNTAX},
                 {"http://", ERR_SYNTAX},
                 {"http://a@b", ERR_SYNTAX},
                 {"https://127.0.0.1", ERR_INVALID},
                 {"http://name.example", ERR_INVALID}};
    struct loop *l;
    CHECK_ERR(loop_new(&l, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c;
        struct client_options o = {.url = cases[i].url};
        CHECK_ERR(client_new(&c, l, &o, NULL), cases[i].code);
        if (!cases[i].code) client_free(c);
    }
    loop_free(l);
}

TEST_MAIN()
