/* SPDX-License-Identifier: MIT */
#include "net/service.h"
#include "base/signals.h"

#include <signal.h>
#include <stdlib.h>

#define DRAIN_NS_DEFAULT (30 * NS_PER_S)

struct service {
    struct loop *loop;
    struct service_options options;
    struct route routes[SERVICE_ROUTES];
    struct server *servers[SERVICE_SERVERS_MAX];
    unsigned server_count, draining_count;
    bool stopping, ended;
    struct loop_timer watchdog, lame;
    uint64_t watchdog_ns;
};

/* ---- the three endpoints ---- */

static void answer_text(struct exchange *x, int status, const char *text) {
    exchange_respond_text(x, status, "text/plain; charset=utf-8", bytes_from_str(text));
}

static void on_livez(struct exchange *x, void *context) {
    (void)context;
    answer_text(x, 200, "ok\n");
}

static void on_readyz(struct exchange *x, void *context) {
    struct service *v = context;
    struct error why = {0};
    if (v->stopping) {
        answer_text(x, 503, "draining\n");
    } else if (v->options.ready && v->options.ready(v->options.context, &why) < 0) {
        (void)exchange_add_header(x, "Retry-After", BYTES_LIT("5"));
        answer_text(x, 503, why.text[0] ? why.text : "not ready");
    } else {
        answer_text(x, 200, "ok\n");
    }
}

static void on_metrics(struct exchange *x, void *context) {
    struct service *v = context;
    struct buf out;
    if (!v->options.metrics) {
        answer_text(x, 404, "no metrics\n");
        return;
    }
    buf_init(&out, 0);
    metrics_write(v->options.metrics, &out);
    if (buf_check(&out, NULL) < 0)
        answer_text(x, 503, "no memory\n");
    else
        exchange_respond_text(x, 200, METRICS_CONTENT_TYPE, buf_view(&out));
    buf_free(&out);
}

const struct route *service_routes(const struct service *v) {
    return v->routes;
}

/* ---- the end ---- */

static void end(struct service *v) {
    v->ended = true;
    loop_stop(v->loop);
}

static void on_drained(void *context) {
    struct service *v = context;
    if (--v->draining_count == 0) end(v);
}

static void drain(struct service *v) {
    uint64_t deadline = v->options.drain_ns ? v->options.drain_ns : DRAIN_NS_DEFAULT;
    if (v->server_count == 0) {
        end(v);
        return;
    }
    v->draining_count = v->server_count;
    for (unsigned i = 0; i < v->server_count; i++) {
        server_drain(v->servers[i], deadline, on_drained, v);
    }
}

static void on_lame(struct loop_timer *t) {
    drain((struct service *)((char *)t - offsetof(struct service, lame)));
}

void service_stop(struct service *v) {
    if (v->stopping) {
        end(v); // asked twice: at once
        return;
    }
    v->stopping = true;
    log_info(v->options.log, "service_stopping", F_STR("name", v->options.name));
    (void)notify_send("STOPPING=1", NULL);
    if (v->options.stopping) v->options.stopping(v->options.context);
    uint64_t at = loop_now_ns(v->loop) + v->options.lame_ns;
    if (!v->options.lame_ns || loop_timer_set(v->loop, &v->lame, at, NULL) < 0) drain(v);
}

void service_reload(struct service *v) {
    struct error why = {0};
    if (!v->options.reload || v->stopping) return;
    (void)notify_reloading(NULL);
    if (v->options.reload(v->options.context, &why) < 0) {
        log_error(v->options.log, "service_reload_refused", F_ERR(&why));
    } else {
        log_info(v->options.log, "service_reloaded", F_STR("name", v->options.name));
    }
    (void)notify_send("READY=1", NULL);
}

static void on_signal(void *arg, int signo) {
    if (signo == SIGHUP)
        service_reload(arg);
    else
        service_stop(arg);
}

static void on_watchdog(struct loop_timer *t) {
    struct service *v = (struct service *)((char *)t - offsetof(struct service, watchdog));
    (void)notify_send("WATCHDOG=1", NULL);
    uint64_t at = loop_now_ns(v->loop) + v->watchdog_ns;
    if (loop_timer_set(v->loop, t, at, NULL) < 0) log_error(v->options.log, "watchdog_lost");
}

/* ---- life ---- */

int service_new(struct service **ret, struct loop *l, const struct service_options *options,
                struct error *why) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct service *v = calloc(1, sizeof *v);
    if (!v) return error_set(why, ERR_NO_MEMORY, "no memory for a service");
    v->loop = l;
    v->options = *options;
    v->routes[0] = (struct route){"GET", "/livez", on_livez, v, 0, ROUTE_QUIET};
    v->routes[1] = (struct route){"GET", "/readyz", on_readyz, v, 0, ROUTE_QUIET};
    v->routes[2] = (struct route){"GET", "/metrics", on_metrics, v, 0, ROUTE_QUIET};
    v->watchdog.fire = on_watchdog;
    v->lame.fire = on_lame;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof signals / sizeof signals[0]; i++) {
        r = loop_signal(l, signals[i], on_signal, v, why);
    }
    if (r < 0) {
        free(v);
        return r;
    }
    *ret = v;
    return 0;
}

void service_free(struct service *v) {
    if (!v) return;
    loop_timer_clear(v->loop, &v->watchdog);
    loop_timer_clear(v->loop, &v->lame);
    free(v);
}

int service_add_server(struct service *v, struct server *s, struct error *why) {
    if (v->server_count == SERVICE_SERVERS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d servers", SERVICE_SERVERS_MAX);
    }
    v->servers[v->server_count++] = s;
    return 0;
}

int service_run(struct service *v, struct error *why) {
    v->watchdog_ns = notify_watchdog_ns();
    if (v->watchdog_ns) {
        uint64_t at = loop_now_ns(v->loop) + v->watchdog_ns;
        int r = loop_timer_set(v->loop, &v->watchdog, at, why);
        if (r < 0) return r;
    }
    (void)notify_send("READY=1", NULL);
    log_info(v->options.log, "service_ready", F_STR("name", v->options.name));
    int r = 0;
    while (r == 0 && !v->ended)
        r = loop_run(v->loop, why);
    return r;
}
