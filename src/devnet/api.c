/* The control address: state, events, commands. Loopback only, and only for this machine's own
 * programs and pages: a request whose Host is another name, or that another site's page sends, is
 * refused. SPDX-License-Identifier: MIT */
#include "devnet/shadow.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64

void api_refuse(struct exchange *x, int status, const char *text) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_bool(&w, "ok", false);
    json_add_str(&w, "error", text);
    json_end(&w);
    exchange_respond_text(x, status, "application/json", buf_view(&out));
    buf_free(&out);
}

static bool is_own(const struct net *n, struct bytes authority) {
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    char text[32];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(text, sizeof text, "%s:%u", names[i], n->page_port);
        if (bytes_equal_str(authority, text)) return true;
    }
    return false;
}

// Guards against pages of other sites (their Origin) and names that lead here (their Host).
static bool admitted(struct exchange *x, const struct net *n) {
    struct bytes origin = exchange_header(x, "origin");
    bool ok = is_own(n, exchange_request(x)->authority);
    if (ok && origin.p) {
        ok = bytes_starts_with(origin, BYTES_LIT("http://")) &&
             is_own(n, bytes_slice(origin, 7, origin.n));
    }
    if (!ok) api_refuse(x, 403, "not from this address");
    return ok;
}

static void show_state(struct exchange *x, void *context) {
    struct net *n = context;
    struct buf out;
    if (!admitted(x, n)) return;
    buf_init(&out, 64u << 20);
    describe_state(n, &out);
    (void)exchange_add_header(x, "cache-control", BYTES_LIT("no-store"));
    if (buf_check(&out, NULL) < 0) {
        api_refuse(x, 500, "the state is too large");
    } else {
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
    }
    buf_free(&out);
}

static void show_events(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) events_stream(x, n->events);
}

static void show_order(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) order_trace(n, x);
}

static void show_bids(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) look_bids(n, x);
}

static void show_build(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) look_build(n, x);
}

static void take_order(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) send_order(n, x);
}

static void show_page(struct exchange *x, void *context) {
    struct net *n = context;
    if (admitted(x, n)) page_show(x);
}

// {"words": ["fault", "add", "hub<->node-1", "cut"]}
static int read_words(const char *ret[WORDS_MAX], size_t *ret_count, struct exchange *x,
                      struct error *why) {
    const struct json *doc, *list;
    struct arena *a = exchange_arena(x);
    int r = json_parse(&doc, exchange_body(x), a, NULL, why);
    if (r < 0) return r;
    list = json_get(doc, "words");
    if (!list) return error_set(why, ERR_SYNTAX, "words: missing");
    r = json_expect(list, JSON_ARRAY, why);
    if (r == 0 && json_count(list) > WORDS_MAX) r = error_set(why, ERR_LIMIT, "too many words");
    size_t n = 0;
    json_each(item, r == 0 ? list : NULL) {
        struct bytes word;
        r = json_string(&word, item, why);
        if (r == 0 && memchr(word.p, 0, word.n)) r = error_set(why, ERR_SYNTAX, "a NUL");
        ret[n] = r == 0 ? arena_str(a, word) : NULL;
        if (r < 0 || !ret[n]) return r < 0 ? r : error_set(why, ERR_NO_MEMORY, "no memory");
        n++;
    }
    *ret_count = n;
    return r;
}

static void run_command(struct exchange *x, void *context) {
    struct net *n = context;
    const char *words[WORDS_MAX];
    struct config_list list = {.items = words};
    struct error why = {0};
    struct buf text, out;
    struct json_writer w;
    if (!admitted(x, n)) return;
    buf_init(&text, 1u << 20);
    int r = read_words(words, &list.count, x, &why);
    if (r == 0) r = devnet_command(n, &list, &text, &why);
    if (r < 0) {
        api_refuse(x, error_class_of(r)->http_status, why.text);
    } else {
        buf_init(&out, 0);
        json_writer_init(&w, &out, 0);
        json_begin_object(&w, NULL);
        json_add_bool(&w, "ok", true);
        json_add_text(&w, "text", buf_view(&text));
        json_end(&w);
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
        buf_free(&out);
    }
    buf_free(&text);
}

int api_open(struct net *n, struct error *why) {
    const struct route own[] = {
        {"GET", "/api/state", show_state, n, 0, ROUTE_QUIET},
        {"GET", "/api/events", show_events, n, 0, ROUTE_QUIET},
        {"GET", "/api/order/{hash}", show_order, n, 0, ROUTE_QUIET},
        {"GET", "/api/bids/{slot}", show_bids, n, 0, ROUTE_QUIET},
        {"GET", "/api/build/{hash}", show_build, n, 0, ROUTE_QUIET},
        {"POST", "/api/command", run_command, n, 64u << 10, 0},
        {"POST", "/api/send", take_order, n, 64u << 10, 0},
        {"GET", "/relay/v1/builder/validators", shadow_duties, n, 0, ROUTE_QUIET},
        {"POST", "/relay/v1/builder/blocks", shadow_bid, n, SHADOW_BID_BYTES_MAX, ROUTE_QUIET},
        {"GET", "/", show_page, n, 0, ROUTE_QUIET},
        {"GET", "/page/{file}", show_page, n, 0, ROUTE_QUIET},
    };
    const size_t own_count = sizeof own / sizeof own[0];
    struct route *routes = arena_new_array(&n->arena, struct route, own_count + SERVICE_ROUTES);
    char text[32];
    struct server_listener listener = {.http2 = false};
    if (!routes) return error_set(why, ERR_NO_MEMORY, "no memory for routes");
    memcpy(routes, own, sizeof own);
    memcpy(routes + own_count, service_routes(n->service), SERVICE_ROUTES * sizeof *routes);
    const struct server_options o = {.routes = routes,
                                     .route_count = own_count + SERVICE_ROUTES,
                                     .log = n->log,
                                     .metrics = n->metrics,
                                     .name = "devnet"};
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", n->page_port);
    int r = server_new(&n->server, n->loop, &o, why);
    if (r == 0) r = socket_address_parse(&listener.address, bytes_from_str(text), 0, why);
    if (r == 0) r = server_listen(n->server, NULL, &listener, why);
    return r == 0 ? service_add_server(n->service, n->server, why) : r;
}
