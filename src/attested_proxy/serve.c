/* `server` and `client`: requests, reload, end. SPDX-License-Identifier: MIT */
#include "attested_proxy/app.h"
#include "attested_proxy/headers.h"

#include <signal.h>

/* ---- requests and responses ---- */

static int tell_client(struct exchange *x, struct http_fields *f, struct arena *a) {
    char host[SOCKET_TEXT_MAX];
    size_t n = socket_address_host(host, exchange_client(x));
    struct bytes text = bytes_make(host, n);
    int r = http_fields_add(f, a, BYTES_LIT("x-forwarded-for"), text, NULL);
    return r == 0 ? http_fields_add(f, a, BYTES_LIT("x-real-ip"), text, NULL) : r;
}

static void too_large(struct exchange *x) {
    exchange_respond_text(x, 431, "text/plain; charset=utf-8", BYTES_LIT("fields too large\n"));
}

// Server: the service behind learns who asks and what it proved, from nobody but us.
static int server_request(struct exchange *x, struct http_request *r, struct arena *arena,
                          void *context) {
    struct app *a = context;
    const struct attested_peer *peer = attested_peer(exchange_session(x));
    headers_clean(&r->fields, true);
    headers_limit_upgrade(r);
    // A judged peer that is no longer good gets no further answer, whatever is in flight.
    if (!peer || peer->ended || (a->settings.policy && !peer->attested)) {
        exchange_respond_text(x, 403, "text/plain; charset=utf-8",
                              BYTES_LIT("the session is no longer attested\n"));
        return ERR_UNTRUSTED;
    }
    int code = tell_client(x, &r->fields, arena);
    if (code == 0) code = headers_tell(&r->fields, arena, peer, NULL);
    if (code < 0) too_large(x);
    return code;
}

static int server_response(struct exchange *x, SSL *origin, struct http_response *r,
                           struct arena *arena, void *context, struct error *why) {
    (void)x, (void)origin, (void)arena, (void)context, (void)why;
    headers_clean(&r->fields, false);
    return 0;
}

// Client: the local program cannot speak for anybody's attestation either.
static int client_request(struct exchange *x, struct http_request *r, struct arena *arena,
                          void *context) {
    (void)x, (void)arena, (void)context;
    headers_clean(&r->fields, false);
    return 0;
}

static int client_response(struct exchange *x, SSL *origin, struct http_response *r,
                           struct arena *arena, void *context, struct error *why) {
    struct app *a = context;
    const struct attested_peer *peer = attested_peer(origin);
    (void)x;
    headers_clean(&r->fields, false);
    if (!peer || peer->ended || (a->settings.policy && !peer->attested)) {
        return error_set(why, ERR_UNTRUSTED, "the server is no longer attested");
    }
    return headers_tell(&r->fields, arena, peer, why);
}

/* ---- connections ---- */

static void settled(void *context, struct conn *c, const struct error *why) {
    struct app *a = context;
    if (a->settings.verb == PROXY_SERVER) {
        if (why)
            server_drop(a->server, c);
        else
            server_adopt(a->server, c);
    } else if (why) {
        client_drop(a->origin, c, why);
    } else {
        client_adopt(a->origin, c);
    }
}

static void admit(struct server *s, struct conn *c, void *context) {
    (void)s;
    attested_admit(context, c);
}

static int listen_here(struct app *a, struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    struct socket_address bound;
    struct server_listener ln = {0};
    int r = socket_address_parse(&ln.address, bytes_from_str(v->listen_addr), 0, why);
    if (a->settings.verb == PROXY_SERVER) {
        ln.tls = a->tls;
        ln.session_user = attested_session_user;
        ln.session_done = attested_session_done;
        ln.admit_context = a->attested;
        if (attested_needs_admit(a->attested)) ln.admit = admit;
    } else {
        ln.http2_detect = true;
    }
    if (r == 0) r = server_listen(a->server, &bound, &ln, why);
    if (r < 0) return r;
    (void)socket_address_text(a->address, &bound);
    log_info(a->log, "listening", F_STR("address", a->address), F_STR("target", a->target),
             F_STR("protocol", v->form == ATTESTED_CERTIFICATE ? "atls" : "ratls"),
             F_STR("own_type", attestation_type_name(a->settings.own_type)),
             F_BOOL("judges_peers", a->settings.policy != NULL));
    return 0;
}

static int start_server(struct app *a, struct route *route, struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    bool server = a->settings.verb == PROXY_SERVER;
    *route =
        (struct route){"*", "/", proxy_handle, a->proxy, UINT64_MAX, ROUTE_STREAM | ROUTE_PREFIX};
    const struct server_options o = {
        .routes = route,
        .route_count = 1,
        .limits = {.connections = (unsigned)v->connections,
                   .connections_per_client = server ? (unsigned)v->connections_per_peer : 0,
                   .requests_per_second = (unsigned)v->requests_per_second,
                   .header_ns = v->handshake_ns,
                   .body_ns = v->response_ns,
                   .write_ns = v->response_ns,
                   .idle_ns = v->idle_ns},
        .log = a->log,
        .metrics = a->metrics,
        .name = server ? "attested" : "local",
    };
    int r = server_new(&a->server, a->loop, &o, why);
    if (r == 0) r = service_add_server(a->service, a->server, why);
    return r == 0 ? listen_here(a, why) : r;
}

static int start_health(struct app *a, struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    struct server_listener ln = {0};
    if (!v->health_addr || !*v->health_addr) return 0;
    const struct server_options o = {.routes = service_routes(a->service),
                                     .route_count = SERVICE_ROUTES,
                                     .limits = {.connections = 64},
                                     .log = a->log,
                                     .name = "health"};
    int r = server_new(&a->health, a->loop, &o, why);
    if (r == 0) r = socket_address_parse(&ln.address, bytes_from_str(v->health_addr), 0, why);
    return r == 0 ? server_listen(a->health, NULL, &ln, why) : r;
}

static struct client *choose_origin(struct exchange *x, void *context) {
    struct app *a = context;
    return exchange_request(x)->upgrade && a->upgrades ? a->upgrades : a->origin;
}

static int start_proxy(struct app *a, struct error *why) {
    bool server = a->settings.verb == PROXY_SERVER;
    const struct proxy_options o = {.choose = choose_origin,
                                    .log = a->log,
                                    .request = server ? server_request : client_request,
                                    .response = server ? server_response : client_response,
                                    .context = a};
    return proxy_new(&a->proxy, &o, why);
}

/* ---- reload ---- */

// All or nothing: the new judge and certificate are made before the old ones go.
static int reload(void *context, struct error *why) {
    struct app *a = context;
    struct proxy_settings fresh;
    struct judge *judge = NULL;
    struct buf changes;
    buf_init(&changes, 64u << 10);
    int r = proxy_settings_reload(&fresh, &a->settings, &changes, why);
    if (r < 0) {
        buf_free(&changes);
        return r;
    }
    if ((fresh.policy != NULL) != (a->settings.policy != NULL)) {
        r = error_set(why, ERR_INVALID, "whether peers are judged cannot change while running");
    }
    if (r == 0 && fresh.by_name != a->settings.by_name) {
        r = error_set(why, ERR_INVALID, "what certificates are for cannot change while running");
    }
    if (r == 0 && fresh.policy) {
        r = attested_setup_judge(&judge, &a->setup, &fresh.values.attested, fresh.policy, why);
    }
    if (r == 0) r = app_tls_make(a, &fresh, why);
    if (r == 0) {
        if (judge) attested_set_judge(a->attested, judge);
        proxy_settings_free(&a->settings);
        proxy_settings_move(&a->settings, &fresh);
        common_log_set(a->log, &a->settings.values.log);
        log_info(a->log, "configuration_reloaded", F_BYTES("changes", buf_view(&changes)));
    } else {
        judge_free(judge);
        proxy_settings_free(&fresh);
    }
    buf_free(&changes);
    return r;
}

/* ---- run ---- */

static int run(struct app *a, struct error *why) {
    struct route route;
    const struct service_options service = {.name = "attested-proxy",
                                            .drain_ns = a->settings.values.drain_ns,
                                            .reload = reload,
                                            .context = a};
    int r = app_open(a, &service, settled, why);
    if (r == 0) r = app_client(a, NULL, why);
    if (r == 0) r = start_proxy(a, why);
    if (r == 0) r = start_server(a, &route, why);
    if (r == 0) r = start_health(a, why);
    if (r == 0) r = service_run(a->service, why);
    if (r < 0) log_error(a->log, "failed", F_ERR(why));
    app_close(a);
    return r;
}

int attested_proxy_serve(struct proxy_settings *settings) {
    struct app a = {0};
    struct error why = {0};
    proxy_settings_move(&a.settings, settings);
    if (common_log_open(&a.log, &settings->values.log, "attested-proxy", &why) < 0) return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    return run(&a, &why) < 0 ? error_class_of(why.code)->exit_status : 0;
}
