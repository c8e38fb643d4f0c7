/* The hub's listeners over the pure request function: quick answers on the loop, the others on
 * workers.
 * SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "base/pool.h"
#include "base/signals.h"
#include "hub/hub.h"
#include "hub/program.h"
#include "net/loop.h"
#include "net/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LISTENERS 3
#define END_NS (30 * NS_PER_S)
#define FLUSH_NS (200 * NS_PER_MS)
#define PRUNE_NS (3600 * NS_PER_S)
#define QUEUE_MAX 4096
#define PROXIES_MAX 64
#define LISTEN_MS 1000

struct service;

struct door {
    struct service *service;
    enum hub_listener listener;
    struct route route;
    struct server *server;
};

/* A recurring task on a worker. */
struct chore {
    struct service *service;
    struct loop_timer timer;
    struct pool_task task;
    uint64_t every_ns;
    int (*work)(struct service *s, struct error *why);
    const char *failed; /* event name */
    bool running;
};
enum { CHORE_FLUSH, CHORE_REFRESH, CHORE_PRUNE, CHORES };

struct service {
    const struct hub_values *values;
    struct hub *hub;
    struct log *log;
    struct metrics *metrics;
    struct loop *loop;
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd mailbox_watch;
    struct door doors[LISTENERS];
    struct server *metrics_server;
    struct route metrics_route;
    struct socket_block proxies[PROXIES_MAX];
    size_t proxy_count;
    struct list held; /* struct held: drain requests that are kept open */
    struct chore chores[CHORES];
    pthread_t listener_thread;
    bool listener_runs;
    int cancel_fd;
    atomic_bool stopping;
    unsigned draining;
    int exit_status;
};

struct held {
    struct list_node node;
    struct loop_timer timer;
    struct exchange *exchange;
    struct service *service;
};

/* One request on a worker; everything it reads is the exchange's, which is held. */
struct job {
    struct pool_task task;
    struct door *door;
    struct exchange *exchange;
    struct hub_request request;
    struct hub_response response;
};

static bool is_trusted(const struct service *s, const struct exchange *x) {
    if (s->values->compat) return true;
    for (size_t i = 0; i < s->proxy_count; i++) {
        if (socket_block_has(&s->proxies[i], exchange_peer(x))) return true;
    }
    return false;
}

static void respond(struct exchange *x, const struct hub_response *res) {
    for (size_t i = 0; i < res->header_count; i++) {
        (void)exchange_add_header(x, res->headers[i].name, res->headers[i].value);
    }
    if (res->content_type) {
        (void)exchange_add_header(x, "Content-Type", bytes_from_str(res->content_type));
    }
    exchange_respond(x, res->status, buf_view(&res->body));
}

// Requests that may wait

static void job_run(void *context) {
    struct job *j = context;
    (void)hub_answer(j->door->service->hub, &j->request, &j->response, true);
}

static void job_done(void *context) {
    struct job *j = context;
    respond(j->exchange, &j->response);
    exchange_release(j->exchange);
    hub_response_free(&j->response);
    free(j);
}

// The client may go away meanwhile, and with it the request's memory: the job has its own copy.
static bool copy_request(struct hub_request *req, struct arena *a) {
    struct http_fields *f = arena_new(a, struct http_fields);
    if (!f) return false;
    *f = *req->fields;
    f->item = arena_new_array(a, struct http_field, f->count + 1u);
    if (!f->item) return false;
    for (unsigned i = 0; i < f->count; i++) {
        f->item[i] = req->fields->item[i];
        f->item[i].name = arena_copy(a, f->item[i].name);
        f->item[i].value = arena_copy(a, f->item[i].value);
    }
    req->fields = f;
    req->method = arena_copy(a, req->method);
    req->target = arena_copy(a, req->target);
    req->body = arena_copy(a, req->body);
    return true;
}

static void submit(struct door *d, struct exchange *x, const struct hub_request *req) {
    struct job *j = calloc(1, sizeof *j);
    bool taken = false;
    if (j) {
        hub_response_init(&j->response);
        j->response.arena.limit_bytes = 8u << 20;
        j->door = d;
        j->exchange = x;
        j->request = *req;
        j->task = (struct pool_task){
            .run = job_run, .done = job_done, .context = j, .home = &d->service->mailbox};
        if (copy_request(&j->request, &j->response.arena)) {
            exchange_hold(x);
            taken = pool_submit(d->service->pool, &j->task);
            if (!taken) exchange_release(x);
        }
    }
    if (taken) return;
    if (j) hub_response_free(&j->response);
    free(j);
    (void)exchange_add_header(x, "Retry-After", BYTES_LIT("1"));
    exchange_respond(x, 503, (struct bytes){NULL, 0});
}

// Drain

static void let_go(struct held *h) {
    loop_timer_clear(h->service->loop, &h->timer);
    list_remove(&h->node);
    exchange_respond(h->exchange, 200, (struct bytes){NULL, 0});
    exchange_release(h->exchange);
    free(h);
}

static void held_long_enough(struct loop_timer *t) {
    let_go(LIST_ENTRY(t, struct held, timer));
}

static void hold(struct service *s, struct exchange *x) {
    struct held *h = calloc(1, sizeof *h);
    struct error why;
    if (!h) {
        exchange_respond(x, 200, (struct bytes){NULL, 0});
        return;
    }
    h->service = s;
    h->exchange = x;
    h->timer.fire = held_long_enough;
    exchange_hold(x);
    list_push_back(&s->held, &h->node);
    if (loop_timer_set(s->loop, &h->timer, loop_now_ns(s->loop) + s->values->drain_ns, &why) != 0) {
        let_go(h);
    }
}

static void serve(struct exchange *x, void *context) {
    struct door *d = context;
    struct service *s = d->service;
    const struct http_request *r = exchange_request(x);
    const struct hub_request req = {.listener = d->listener,
                                    .method = r->method_text,
                                    .target = r->path,
                                    .fields = &r->fields,
                                    .body = exchange_body(x),
                                    .trusted = is_trusted(s, x)};
    bool was_ready = hub_is_ready(s->hub);
    struct hub_response res;
    hub_response_init(&res);
    if (!hub_answer(s->hub, &req, &res, false)) {
        submit(d, x, &req);
    } else if (was_ready && !hub_is_ready(s->hub) && strcmp(res.route, "/drain") == 0) {
        hold(s, x);
    } else {
        respond(x, &res);
    }
    hub_response_free(&res);
}

static void serve_metrics(struct exchange *x, void *context) {
    struct service *s = context;
    struct buf out;
    buf_init(&out, 0);
    metrics_write(s->metrics, &out);
    exchange_respond_text(x, 200, METRICS_CONTENT_TYPE, buf_view(&out));
    buf_free(&out);
}

// Chores

static int flush(struct service *s, struct error *why) {
    return hub_flush_events(s->hub, why);
}

static int refresh(struct service *s, struct error *why) {
    return hub_reload(s->hub, (struct bytes){NULL, 0}, why);
}

static int prune(struct service *s, struct error *why) {
    uint64_t now = clock_wall_ns(&clock_system), keep = s->values->keep_events_ns;
    return keep && keep < now ? hub_prune(s->hub, now - keep, why) : 0;
}

static void chore_run(void *context) {
    struct chore *c = context;
    struct error why;
    if (c->work(c->service, &why) != 0) log_error(c->service->log, c->failed, F_ERR(&why));
}

static void chore_arm(struct chore *c) {
    struct error why;
    uint64_t due = loop_now_ns(c->service->loop) + c->every_ns;
    if (c->every_ns && loop_timer_set(c->service->loop, &c->timer, due, &why) != 0) {
        log_error(c->service->log, "timer_lost", F_ERR(&why));
    }
}

static void chore_done(void *context) {
    struct chore *c = context;
    c->running = false;
    if (!atomic_load(&c->service->stopping)) chore_arm(c);
}

static void chore_due(struct loop_timer *t) {
    struct chore *c = LIST_ENTRY(t, struct chore, timer);
    c->running = pool_submit(c->service->pool, &c->task);
    if (!c->running) chore_arm(c);
}

static void start_chores(struct service *s) {
    const struct chore table[CHORES] = {
        [CHORE_FLUSH] = {.every_ns = FLUSH_NS, .work = flush, .failed = "events_not_stored"},
        [CHORE_REFRESH] = {.every_ns = s->values->refresh_ns,
                           .work = refresh,
                           .failed = "refresh_failed"},
        [CHORE_PRUNE] = {.every_ns = PRUNE_NS, .work = prune, .failed = "prune_failed"},
    };
    for (size_t i = 0; i < CHORES; i++) {
        struct chore *c = &s->chores[i];
        *c = table[i];
        c->service = s;
        c->timer.fire = chore_due;
        c->task = (struct pool_task){
            .run = chore_run, .done = chore_done, .context = c, .home = &s->mailbox};
        chore_arm(c);
    }
}

// Other hubs' changes

static void *listen_to_others(void *context) {
    struct service *s = context;
    struct db_listener *l = NULL;
    struct error why;
    bool lost = false;
    while (!atomic_load(&s->stopping)) {
        struct bytes payload = {NULL, 0};
        int r = l ? 0 : db_listener_open(&l, s->values->postgres_dsn, STORE_CHANNEL, &why);
        if (r == 0) r = db_listener_wait(l, LISTEN_MS, s->cancel_fd, &payload, &why);
        if (r != 0 && !lost) log_warn(s->log, "notifications_lost", F_ERR(&why));
        if (r != 0) {
            lost = true;
            (void)usleep(LISTEN_MS * 1000 / 4);
            continue;
        }
        // What was missed meanwhile is not told again: everything is loaded.
        if (lost) payload = (struct bytes){NULL, 0};
        if (!lost && !payload.p) continue;
        r = hub_reload(s->hub, payload, &why);
        lost = r != 0;
        if (r != 0) log_warn(s->log, "reload_failed", F_ERR(&why));
    }
    db_listener_close(l);
    return NULL;
}

static int start_listener(struct service *s, struct error *why) {
    if (!s->values->postgres_dsn || !*s->values->postgres_dsn) return 0;
    s->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->cancel_fd < 0) return error_set(why, ERR_IO, "no descriptor for the listener");
    if (pthread_create(&s->listener_thread, NULL, listen_to_others, s) != 0) {
        return error_set(why, ERR_NO_MEMORY, "no thread for the listener");
    }
    s->listener_runs = true;
    return 0;
}

// Start

static int open_door(struct service *s, struct server **ret, const char *address,
                     const struct route *route, const char *name, struct error *why) {
    struct server_listener listener = {.http2 = false};
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    const struct server_options o = {.routes = route,
                                     .route_count = 1,
                                     .limits = {.body_bytes = 1u << 20},
                                     .log = s->log,
                                     .metrics = s->metrics,
                                     .name = name,
                                     .access_log = log_enabled(s->log, LOG_DEBUG)};
    int r = server_new(ret, s->loop, &o, why);
    if (r == 0) r = socket_address_parse(&listener.address, bytes_from_str(address), 0, why);
    if (r == 0) r = server_listen(*ret, &bound, &listener, why);
    if (r != 0) return error_wrap(why, "%s listener", name);
    (void)socket_address_text(text, &bound);
    log_info(s->log, "listening", F_STR("listener", name), F_STR("address", text));
    return 0;
}

static int open_doors(struct service *s, struct error *why) {
    const struct {
        const char *address, *name;
        enum hub_listener listener;
    } table[LISTENERS] = {{s->values->listen_addr, "public", HUB_PUBLIC},
                          {s->values->internal_addr, "internal", HUB_INTERNAL},
                          {s->values->admin_addr, "admin", HUB_ADMIN}};
    int r = 0;
    for (size_t i = 0; i < LISTENERS && r == 0; i++) {
        struct door *d = &s->doors[i];
        d->service = s;
        d->listener = table[i].listener;
        d->route = (struct route){
            .methods = "*", .path = "/", .handle = serve, .context = d, .flags = ROUTE_PREFIX};
        r = open_door(s, &d->server, table[i].address, &d->route, table[i].name, why);
    }
    if (r != 0 || !s->values->metrics_addr || !*s->values->metrics_addr) return r;
    s->metrics_route =
        (struct route){.methods = "GET", .path = "/metrics", .handle = serve_metrics, .context = s};
    return open_door(s, &s->metrics_server, s->values->metrics_addr, &s->metrics_route, "metrics",
                     why);
}

static int read_proxies(struct service *s, struct error *why) {
    for (size_t i = 0; i < s->values->trusted_proxy.count; i++) {
        if (s->proxy_count == PROXIES_MAX) return error_set(why, ERR_LIMIT, "too many proxies");
        int r = socket_block_parse(&s->proxies[s->proxy_count++],
                                   bytes_from_str(s->values->trusted_proxy.items[i]), why);
        if (r != 0) return error_wrap(why, "trusted-proxy");
    }
    return 0;
}

static void drain_mailbox(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct service, mailbox_watch)->mailbox);
}

static int open_hub(struct service *s, const char *const *required, struct error *why) {
    const struct hub_values *v = s->values;
    struct hub_options o = {.log = s->log,
                            .metrics = s->metrics,
                            .compat = v->compat,
                            .allow_empty_measurements = v->allow_empty,
                            .public_only_nodes = v->public_only_nodes,
                            .admin_open = v->admin_open,
                            .merge = v->merge,
                            .serve_stale = v->serve_stale,
                            .admin_user = v->admin_user,
                            .admin_bcrypt = v->admin_bcrypt,
                            .required = required};
    int r = hub_open_parts(&o, v, why);
    if (r != 0) return r;
    r = hub_open(&s->hub, &o, why);
    if (r != 0) {
        secrets_close(o.secrets);
        store_close(o.store);
    }
    if (v->admin_open) log_warn(s->log, "admin_auth_disabled");
    return r;
}

static int start(struct service *s, const char *const *required, struct error *why) {
    int r = read_proxies(s, why);
    if (r == 0) r = loop_new(&s->loop, &(struct loop_options){0}, why);
    if (r == 0) r = metrics_new(&s->metrics, NULL, why);
    if (r == 0) metrics_add_process(s->metrics);
    if (r == 0) r = open_hub(s, required, why);
    if (r == 0) r = pool_start(&s->pool, (unsigned)s->values->workers, QUEUE_MAX, why);
    if (r == 0) r = pool_mailbox_open(&s->mailbox, why);
    if (r != 0) return r;
    s->mailbox_watch = (struct loop_fd){s->mailbox.fd, LOOP_READ, drain_mailbox};
    r = loop_fd_add(s->loop, &s->mailbox_watch, why);
    if (r == 0) start_chores(s);
    if (r == 0) r = start_listener(s, why);
    return r == 0 ? open_doors(s, why) : r;
}

// End

static void door_drained(void *context) {
    struct service *s = context;
    if (--s->draining == 0) loop_stop(s->loop);
}

static void terminate(void *arg, int signo) {
    struct service *s = arg;
    if (s->draining) {
        loop_stop(s->loop); // asked twice
        return;
    }
    log_info(s->log, "stopping", F_STR("signal", strsignal(signo)));
    (void)notify_send("STOPPING=1", NULL);
    (void)hub_set_ready(s->hub, false);
    s->draining = LISTENERS;
    while (!list_is_empty(&s->held)) {
        let_go(LIST_ENTRY(list_first(&s->held), struct held, node));
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        server_drain(s->doors[i].server, END_NS, door_drained, s);
    }
}

static void stop(struct service *s) {
    atomic_store(&s->stopping, true);
    if (s->listener_runs) {
        (void)eventfd_write(s->cancel_fd, 1);
        (void)pthread_join(s->listener_thread, NULL);
    }
    if (s->cancel_fd >= 0) (void)close(s->cancel_fd);
    for (size_t i = 0; i < CHORES && s->loop; i++) {
        loop_timer_clear(s->loop, &s->chores[i].timer);
    }
    pool_stop(s->pool);
    if (s->mailbox_watch.ready) {
        (void)pool_mailbox_drain(&s->mailbox);
        loop_fd_remove(s->loop, &s->mailbox_watch);
        pool_mailbox_close(&s->mailbox);
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        server_free(s->doors[i].server);
    }
    server_free(s->metrics_server);
    hub_close(s->hub);
    loop_free(s->loop);
    metrics_free(s->metrics);
    log_close(s->log);
}

int hub_serve(struct config *config, const struct hub_values *values) {
    struct service s = {.values = values, .cancel_fd = -1};
    struct error why;
    (void)config;
    list_init(&s.held);
    const char **required = calloc(values->required_services.count + 1, sizeof *required);
    if (!required || common_log_open(&s.log, &values->log, "hub", &why) != 0) {
        free(required);
        return 1;
    }
    for (size_t i = 0; i < values->required_services.count; i++) {
        required[i] = values->required_services.items[i];
    }
    (void)signal(SIGPIPE, SIG_IGN);
    sigset_t set, old; // the workers start with these blocked; the loop takes them after
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, &old);
    int r = start(&s, values->required_services.count ? required : NULL, &why);
    if (r == 0) r = loop_signal(s.loop, SIGTERM, terminate, &s, &why);
    if (r == 0) r = loop_signal(s.loop, SIGINT, terminate, &s, &why);
    if (r == 0) {
        (void)notify_send("READY=1", NULL);
        r = loop_run(s.loop, &why);
    }
    if (r != 0) log_error(s.log, "failed", F_ERR(&why));
    stop(&s);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    free(required);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
