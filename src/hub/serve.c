/* The hub's listeners over the pure request function: quick answers on the loop, the others on
 * workers.
 * SPDX-License-Identifier: MIT */
#include "hub/service.h"

#include "base/signals.h"

#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define END_NS (30 * NS_PER_S)
#define FLUSH_NS (200 * NS_PER_MS)
#define PRUNE_NS (3600 * NS_PER_S)
#define REMOVE_NS (30 * NS_PER_S)
#define QUEUE_MAX 4096
#define PASSWORD_WORKERS 2
#define PASSWORD_QUEUE_MAX 64 /* some seconds of bcrypt */
#define BODY_BYTES_MAX (1u << 20)
#define LISTEN_MS 1000

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
    bool guess; /* waits for its password */
};

static bool is_trusted(const struct service *s, const struct exchange *x) {
    if (s->values->compat) return true;
    for (size_t i = 0; i < s->proxies.count; i++) {
        if (socket_block_has(&s->proxies.block[i], exchange_peer(x))) return true;
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
    if (res->list)
        serving_send(x, res->status, res->list);
    else
        exchange_respond(x, res->status, buf_view(&res->body));
}

// Requests that may wait

static void job_run(void *context) {
    struct job *j = context;
    // Whoever guesses passwords keeps no hub from ending.
    if (j->guess && atomic_load(&j->door->service->ending)) {
        j->response.status = 503;
        j->response.headers[j->response.header_count++] =
            (struct hub_header){"Retry-After", BYTES_LIT("2")};
        return;
    }
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
    if (req->proof) {
        struct hub_proof *p = arena_new(a, struct hub_proof);
        if (!p) return false;
        *p = *req->proof;
        p->measurements = arena_copy(a, p->measurements);
        req->proof = p;
    }
    req->fields = f;
    req->method = arena_copy(a, req->method);
    req->target = arena_copy(a, req->target);
    req->body = arena_copy(a, req->body);
    return true;
}

static void submit(struct door *d, struct exchange *x, const struct hub_request *req,
                   enum hub_wait wait) {
    struct service *s = d->service;
    struct pool *pool = wait == HUB_WAITS_FOR_PASSWORD  ? s->password_pool
                        : wait == HUB_WAITS_FOR_SECRETS ? s->secrets_pool
                                                        : s->pool;
    struct job *j = calloc(1, sizeof *j);
    bool taken = false;
    if (j) {
        hub_response_init(&j->response);
        j->response.arena.limit_bytes = (8u << 20) + req->body.n;
        j->door = d;
        j->exchange = x;
        j->guess = wait == HUB_WAITS_FOR_PASSWORD;
        j->request = *req;
        j->task = (struct pool_task){
            .run = job_run, .done = job_done, .context = j, .home = &d->service->mailbox};
        if (copy_request(&j->request, &j->response.arena)) {
            exchange_hold(x);
            taken = pool_submit(pool, &j->task);
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
        submit(d, x, &req, res.waits);
    } else if (was_ready && !hub_is_ready(s->hub) && strcmp(res.route, "/drain") == 0) {
        hold(s, x);
    } else {
        respond(x, &res);
    }
    hub_response_free(&res);
}

static bool peer_address(uint8_t ret[16], const struct socket_address *a) {
    memset(ret, 0, 16);
    if (a->any.sa_family == AF_INET6) memcpy(ret, &a->v6.sin6_addr, 16);
    if (a->any.sa_family != AF_INET) return a->any.sa_family == AF_INET6;
    ret[10] = ret[11] = 0xff;
    memcpy(ret + 12, &a->v4.sin_addr, 4);
    return true;
}

// A node that attested to this process: what its session proved, from where it came.
static void serve_attested(struct exchange *x, void *context) {
    struct door *d = context;
    const struct attested_peer *peer = attested_peer(exchange_session(x));
    const struct http_request *r = exchange_request(x);
    struct hub_proof proof;
    struct hub_response res;
    if (!peer || !peer->attested || peer->ended ||
        !peer_address(proof.address, exchange_client(x))) {
        exchange_respond(x, 403, (struct bytes){NULL, 0});
        return;
    }
    proof.type = peer->type;
    proof.measurements = peer->measurements;
    const struct hub_request req = {.listener = HUB_PUBLIC,
                                    .method = r->method_text,
                                    .target = r->path,
                                    .fields = &r->fields,
                                    .body = exchange_body(x),
                                    .proof = &proof};
    hub_response_init(&res);
    if (!hub_answer(d->service->hub, &req, &res, false)) {
        submit(d, x, &req, res.waits);
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
    uint64_t events, credentials = 0;
    int r = retention_before(&events, &s->retention, &clock_system, atomic_load(&s->keep_events_ns),
                             why);
    if (r == 0) {
        r = retention_before(&credentials, &s->retention, &clock_system,
                             atomic_load(&s->keep_credentials_ns), why);
    }
    return r == 0 ? hub_prune(s->hub, events, credentials, why) : r;
}

// Secrets of builders that went while their backend was away, or this program was killed.
static int remove_rest(struct service *s, struct error *why) {
    return hub_remove_secrets(s->hub, (struct bytes){NULL, 0}, why);
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
    if (atomic_load(&c->service->stopping)) return;
    if (c->again)
        serving_hurry(c->service, (int)(c - c->service->chores));
    else
        chore_arm(c);
}

static void chore_due(struct loop_timer *t) {
    struct chore *c = LIST_ENTRY(t, struct chore, timer);
    c->running = pool_submit(c->service->chore_pool, &c->task);
    if (!c->running) chore_arm(c);
}

void serving_hurry(struct service *s, int chore) {
    struct chore *c = &s->chores[chore];
    if (atomic_load(&s->stopping)) return; // the workers are gone
    c->again = c->running;
    if (c->running) return;
    loop_timer_clear(s->loop, &c->timer);
    chore_due(&c->timer);
}

static void start_chores(struct service *s) {
    const struct chore table[CHORES] = {
        [CHORE_FLUSH] = {.every_ns = FLUSH_NS, .work = flush, .failed = "events_not_stored"},
        [CHORE_REFRESH] = {.every_ns = s->values->refresh_ns,
                           .work = refresh,
                           .failed = "refresh_failed"},
        [CHORE_PRUNE] = {.every_ns = PRUNE_NS, .work = prune, .failed = "prune_failed"},
        [CHORE_REMOVE] = {.every_ns = REMOVE_NS,
                          .work = remove_rest,
                          .failed = "secrets_not_removed"},
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
    serving_hurry(s, CHORE_REMOVE);
}

// Other hubs' changes

static void *listen_to_others(void *context) {
    struct service *s = context;
    struct db_listener *l = NULL;
    struct error why;
    bool lost = false;
    while (!atomic_load(&s->stopping)) {
        struct bytes payload = {NULL, 0};
        int r = l ? 0 : db_listener_open(&l, s->dsn, STORE_CHANNEL, &why);
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
    s->dsn = strdup(s->values->postgres_dsn);
    if (!s->dsn) return error_set(why, ERR_NO_MEMORY, "no memory for the listener");
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
                     const struct route *route, const char *name, struct tls *tls, size_t body_max,
                     struct error *why) {
    struct server_listener listener = {.tls = tls};
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    const struct server_options o = {.routes = route,
                                     .route_count = 1,
                                     .limits = {.body_bytes = body_max},
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

static int open_attested(struct service *s, struct error *why) {
    struct door *d = &s->attested_route;
    if (!s->values->attested_addr || !*s->values->attested_addr) return 0;
    d->service = s;
    d->listener = HUB_PUBLIC;
    d->route = (struct route){
        .methods = "*", .path = "/", .handle = serve_attested, .context = d, .flags = ROUTE_PREFIX};
    const struct attested_door_options o = {.loop = s->loop,
                                            .log = s->log,
                                            .metrics = s->metrics,
                                            .values = s->values,
                                            .route = &d->route};
    return attested_door_open(&s->attested, &o, why);
}

static int open_doors(struct service *s, struct error *why) {
    const struct {
        const char *address, *name;
        enum hub_listener listener;
    } table[LISTENERS] = {{s->values->listen_addr, "public", HUB_PUBLIC},
                          {s->values->internal_addr, "internal", HUB_INTERNAL},
                          {s->values->admin_addr, "admin", HUB_ADMIN}};
    int r = serving_admin_tls(&s->admin_tls, s->values, why);
    for (size_t i = 0; i < LISTENERS && r == 0; i++) {
        struct door *d = &s->doors[i];
        d->service = s;
        d->listener = table[i].listener;
        d->route = (struct route){
            .methods = "*", .path = "/", .handle = serve, .context = d, .flags = ROUTE_PREFIX};
        bool admin = table[i].listener == HUB_ADMIN;
        r = open_door(s, &d->server, table[i].address, &d->route, table[i].name,
                      admin ? s->admin_tls : NULL, admin ? HUB_STATE_BYTES_MAX : BODY_BYTES_MAX,
                      why);
    }
    if (r == 0) r = open_attested(s, why);
    if (r != 0 || !s->values->metrics_addr || !*s->values->metrics_addr) return r;
    s->metrics_route =
        (struct route){.methods = "GET", .path = "/metrics", .handle = serve_metrics, .context = s};
    return open_door(s, &s->metrics_server, s->values->metrics_addr, &s->metrics_route, "metrics",
                     NULL, BODY_BYTES_MAX, why);
}

int serving_read_proxies(struct service_proxies *ret, const struct hub_values *values,
                         struct error *why) {
    ret->count = 0;
    for (size_t i = 0; i < values->trusted_proxy.count; i++) {
        if (ret->count == PROXIES_MAX) return error_set(why, ERR_LIMIT, "too many proxies");
        int r = socket_block_parse(&ret->block[ret->count++],
                                   bytes_from_str(values->trusted_proxy.items[i]), why);
        if (r != 0) return error_wrap(why, "trusted-proxy");
    }
    return 0;
}

int serving_admin_tls(struct tls **tls, const struct hub_values *v, struct error *why) {
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_options o = {.role = TLS_SERVER, .trust = TLS_TRUST_NOTHING, .alpn = alpn};
    struct buf cert, key;
    bool wanted = v->admin_certificate && *v->admin_certificate;
    if (wanted != (v->admin_key && *v->admin_key)) {
        return error_set(why, ERR_INVALID,
                         "admin-tls-certificate and admin-tls-key are given together");
    }
    if (!wanted) return 0;
    buf_init(&cert, 1u << 20);
    buf_init(&key, 1u << 20);
    int r = tls_read_identity(&cert, &key, v->admin_certificate, v->admin_key, why);
    o.identity = (struct tls_identity){buf_view(&cert), buf_view(&key)};
    if (r == 0) r = *tls ? tls_reload(*tls, &o, why) : tls_new(tls, &o, why);
    if (key.p) bytes_wipe(key.p, key.n);
    buf_free(&cert);
    buf_free(&key);
    return r;
}

static void drain_mailbox(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct service, mailbox_watch)->mailbox);
}

static int open_hub(struct service *s, struct error *why) {
    const struct hub_values *v = s->values;
    struct hub_options o = {.log = s->log,
                            .metrics = s->metrics,
                            .compat = v->compat,
                            .admin_open = v->admin_open,
                            .merge = v->merge};
    int r = hub_read_switches(&o.switches, v, why);
    if (r == 0) r = hub_read_accounts(&o.accounts, v, why);
    if (r == 0) r = hub_open_parts(&o, v, why);
    if (r != 0) {
        admins_free(o.accounts);
        return r;
    }
    r = hub_open(&s->hub, &o, why);
    if (r != 0) {
        admins_free(o.accounts);
        secrets_close(o.secrets);
        store_close(o.store);
    }
    if (v->admin_open) log_warn(s->log, "admin_auth_disabled");
    return r;
}

static int start(struct service *s, struct error *why) {
    int r = serving_read_proxies(&s->proxies, s->values, why);
    if (r == 0) r = loop_new(&s->loop, &(struct loop_options){0}, why);
    if (r == 0) r = metrics_new(&s->metrics, NULL, why);
    if (r == 0) metrics_add_process(s->metrics);
    if (r == 0) r = open_hub(s, why);
    if (r == 0) r = pool_start(&s->pool, (unsigned)s->values->workers, QUEUE_MAX, why);
    if (r == 0) r = pool_start_behind(&s->chore_pool, CHORES, CHORES, why);
    if (r == 0) r = pool_start(&s->secrets_pool, (unsigned)s->values->workers, QUEUE_MAX, why);
    if (r == 0) r = pool_start(&s->password_pool, PASSWORD_WORKERS, PASSWORD_QUEUE_MAX, why);
    atomic_store(&s->keep_events_ns, s->values->keep_events_ns);
    atomic_store(&s->keep_credentials_ns, s->values->keep_credentials_ns);
    retention_trust(&s->retention, &clock_system);
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
    atomic_store(&s->ending, true);
    s->draining = LISTENERS + (s->attested ? 1 : 0);
    while (!list_is_empty(&s->held)) {
        let_go(LIST_ENTRY(list_first(&s->held), struct held, node));
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        server_drain(s->doors[i].server, END_NS, door_drained, s);
    }
    if (s->attested) server_drain(attested_door_server(s->attested), END_NS, door_drained, s);
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
    pool_stop(s->chore_pool);
    pool_stop(s->pool);
    pool_stop(s->secrets_pool);
    pool_stop(s->password_pool);
    if (s->mailbox_watch.ready) {
        (void)pool_mailbox_drain(&s->mailbox);
        loop_fd_remove(s->loop, &s->mailbox_watch);
        pool_mailbox_close(&s->mailbox);
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        server_free(s->doors[i].server);
    }
    server_free(s->metrics_server);
    serving_reload_free(s);
    attested_door_close(s->attested);
    tls_free(s->admin_tls);
    hub_close(s->hub);
    loop_free(s->loop);
    metrics_free(s->metrics);
    log_close(s->log);
    if (s->dsn) bytes_wipe(s->dsn, strlen(s->dsn)); // may hold a password
    free(s->dsn);
}

int hub_serve(struct config *config, const struct hub_values *values) {
    struct service s = {.values = values, .config = config, .cancel_fd = -1};
    struct error why;
    list_init(&s.held);
    static const struct {
        int signal;
        void (*act)(void *service, int signo);
    } signals[] = {{SIGTERM, terminate}, {SIGINT, terminate}, {SIGHUP, serving_reload}};
    const size_t signal_count = sizeof signals / sizeof signals[0];
    if (common_log_open(&s.log, &values->log, "hub", &why) != 0) return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    // Long answers (10,000 peers are 11 MB) go back to the system, and not into a heap that grows.
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    sigset_t set, old; // the workers start with these blocked; the loop takes them after
    (void)sigemptyset(&set);
    for (size_t i = 0; i < signal_count; i++)
        (void)sigaddset(&set, signals[i].signal);
    (void)pthread_sigmask(SIG_BLOCK, &set, &old);
    int r = start(&s, &why);
    for (size_t i = 0; r == 0 && i < signal_count; i++)
        r = loop_signal(s.loop, signals[i].signal, signals[i].act, &s, &why);
    if (r == 0) {
        (void)notify_send("READY=1", NULL);
        loop_short_slices(); // workers store events beside it
        r = loop_run(s.loop, &why);
    }
    if (r != 0) log_error(s.log, "failed", F_ERR(&why));
    stop(&s);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
