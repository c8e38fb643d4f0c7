/* The listeners beside those of orders: certificate, metrics and traces, the builder's statistics.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/address.h"
#include "orderflow/app.h"

#define STATS_BYTES_MAX (4u << 20)

int app_listen(struct app *a, struct server *s, const char *name,
               const struct server_listener *listener, const char *address,
               struct socket_address *ret, struct error *why) {
    struct server_listener ln = *listener;
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    int r = socket_address_parse(&ln.address, bytes_from_str(address), 0, why);
    if (r == 0) r = server_listen(s, &bound, &ln, why);
    if (r != 0) return error_wrap(why, "%s listener", name);
    if (ret) *ret = bound;
    (void)socket_address_text(text, &bound);
    log_info(a->log, "listening", F_STR("listener", name), F_STR("address", text),
             F_BOOL("tls", ln.tls != NULL));
    return 0;
}

/* ---- certificate ---- */

static void give_certificate(struct exchange *x, void *context) {
    const struct app *a = context;
    exchange_respond_text(x, 200, "application/octet-stream", buf_view(&a->cert_pem));
}

/* ---- traces ---- */

static void give_trace(struct exchange *x, void *context) {
    struct app *a = context;
    struct buf out;
    struct hash h;
    struct bytes text = exchange_param(x, "hash");
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    if (text.n != 64 || hex_decode(h.b, text, NULL) != 0) {
        exchange_respond_text(x, 400, "text/plain; charset=utf-8",
                              BYTES_LIT("a hash has 64 hexadecimal digits\n"));
        return;
    }
    buf_init(&out, 1u << 20);
    bool found = trace_write(a->trace, &out, &h, a->values->name);
    exchange_respond_text(x, found ? 200 : 404, "application/json", buf_view(&out));
    buf_free(&out);
}

/* ---- what the builder tells of senders ---- */

struct worth {
    uint64_t simulated, included;
    double percent;
};

/* What is left out or null is 0. */
static int read_count(uint64_t *ret, const struct json *v, const char *key, struct error *why) {
    return json_is_null(json_get(v, key)) ? 0 : json_get_u64(ret, v, key, why);
}

static int read_worth(struct worth *ret, const struct json *v, struct error *why) {
    static const char percent[] = "max_block_contribution_pct";
    *ret = (struct worth){.percent = 0};
    int r = json_expect(v, JSON_OBJECT, why);
    if (r == 0) r = read_count(&ret->simulated, v, "passed_tob_simulation_total", why);
    if (r == 0) r = read_count(&ret->included, v, "included_in_the_block_total", why);
    if (r != 0 || json_is_null(json_get(v, percent))) return r;
    r = json_get_double(&ret->percent, v, percent, why);
    if (r == 0 && ret->percent < 0) return error_set(why, ERR_RANGE, "%s is below 0", percent);
    return r;
}

/* Reads what is told of all senders, and counts it (count) or only looks whether it can be read.
 * Senders of other kinds have no address to be found by. */
static int take_worth(struct app *a, const struct json *doc, bool count, struct error *why) {
    int r = json_expect(doc, JSON_OBJECT, why);
    if (r != 0) return r;
    json_members(key, value, doc) {
        struct address signer;
        struct worth w;
        if (address_from_text(&signer, json_text(key), NULL) != 0) continue;
        r = read_worth(&w, value, why);
        if (r != 0) return error_wrap(why, "%.42s", (const char *)json_text(key).p);
        if (!count) continue;
        gate_count_worth(a->gate, &signer, w.simulated, w.included, w.percent,
                         loop_now_ns(a->loop));
    }
    return 0;
}

static void take_stats(struct exchange *x, void *context) {
    struct arena arena;
    const struct json *doc;
    struct error why = {.text = ""};
    arena_init(&arena, 8 * STATS_BYTES_MAX);
    int r = json_parse(&doc, exchange_body(x), &arena, NULL, &why);
    if (r == 0) r = take_worth(context, doc, false, &why);
    if (r == 0) r = take_worth(context, doc, true, &why);
    arena_free(&arena);
    if (r == 0)
        exchange_respond(x, 200, BYTES_LIT(""));
    else
        exchange_respond_text(x, 400, "text/plain; charset=utf-8", bytes_from_str(why.text));
}

static void healthy(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT(""));
}

/* ---- opening ---- */

static int open_side(struct app *a, struct server **ret, const char *name, const char *address,
                     const struct route *routes, size_t count, struct error *why) {
    const struct server_listener ln = {.tls = NULL};
    if (!address || !*address) return 0;
    const struct server_options o = {.routes = routes,
                                     .route_count = count,
                                     .limits = {.connections = 256, .body_bytes = STATS_BYTES_MAX},
                                     .log = a->log,
                                     .name = name};
    int r = server_new(ret, a->loop, &o, why);
    return r == 0 ? app_listen(a, *ret, name, &ln, address, NULL, why) : r;
}

int side_doors_open(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    size_t n = 0;
    a->cert_route = (struct route){"GET", "/", give_certificate, a, 0, ROUTE_PREFIX};
    a->stats_routes[0] = (struct route){"POST", "/", take_stats, a, STATS_BYTES_MAX, 0};
    a->stats_routes[1] = (struct route){"GET", "/health", healthy, a, 0, 0};
    for (; n < SERVICE_ROUTES; n++) {
        a->metrics_routes[n] = service_routes(a->service)[n];
    }
    a->metrics_routes[n++] = (struct route){"GET", "/trace/{hash}", give_trace, a, 0, 0};
    int r = open_side(a, &a->cert_server, "certificate", v->cert_addr, &a->cert_route, 1, why);
    if (r == 0) {
        r = open_side(a, &a->metrics_server, "metrics", v->metrics_addr, a->metrics_routes, n, why);
    }
    if (r == 0) r = open_side(a, &a->stats_server, "stats", v->stats_addr, a->stats_routes, 2, why);
    return r;
}
