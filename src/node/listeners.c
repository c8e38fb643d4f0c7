/* SPDX-License-Identifier: MIT */
#include "node/listeners.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/list.h"
#include "base/random.h"
#include "net/auth.h"
#include "net/service.h"
#include "node/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SMALL_BYTES (4u << 10)
#define QUICK_BYTES (64u << 10) /* larger messages are parsed by a worker */
#define ENGINE_BODY_BYTES (64u << 20)
#define JOB_ARENA_BYTES (1u << 30)
#define WAITING_MAX 4096

struct node_listeners {
    struct node *node;
    struct peers *peers;
    struct server *user, *engine, *ipc, *metrics;
    struct secret key; // of the Engine API's tokens
    struct route user_route, engine_route;
    struct pool_mailbox mailbox;
    struct loop_fd watch;
    bool watching;
};

/* One message on its way. */
struct job {
    struct pool_task task;
    struct node_listeners *l;
    struct arena arena;
    struct buf out;
    struct node_message message;
    struct jsonrpc_batch batch;
    bool parsed;
    struct exchange *exchange; // held; NULL: a peer's
    void (*then)(void *arg);
    void *then_arg;
};

static void job_free(struct job *j) {
    buf_free(&j->out);
    arena_free(&j->arena);
    free(j);
}

// Said of every call, when its answer is too much for now.
static void write_no_room(const struct job *j, struct buf *out) {
    struct jsonrpc_answers answers;
    const struct bytes none = {NULL, 0};
    const size_t count = j->parsed ? j->batch.count : 0;
    char text[160];
    (void)snprintf(text, sizeof text,
                   "no room for an answer of %zu bytes: clients have not read others yet "
                   "(--rpc-held-max), try again later",
                   j->out.n);
    jsonrpc_answers_begin(&answers, out, j->parsed && j->batch.is_array);
    if (count == 0) jsonrpc_add_error(&answers, none, -32005, text, none);
    for (size_t i = 0; i < count; i++) {
        if (j->batch.item[i].id.p) {
            jsonrpc_add_error(&answers, j->batch.item[i].id, -32005, text, none);
        }
    }
    jsonrpc_answers_end(&answers);
}

static void send_to_peer(struct job *j) {
    struct buf instead;
    buf_init(&instead, 0);
    if (j->out.n > SMALL_BYTES) write_no_room(j, &instead);
    peers_send(j->l->peers, j->message.peer, buf_view(&j->out), buf_view(&instead));
    buf_free(&instead);
}

// A small answer is not asked for: the refusal is as large.
static void respond(struct job *j) {
    if (j->out.n > SMALL_BYTES && !exchange_room(j->exchange, j->out.n)) {
        struct buf instead;
        buf_init(&instead, 0);
        write_no_room(j, &instead);
        exchange_respond_text(j->exchange, 200, "application/json", buf_view(&instead));
        buf_free(&instead);
        return;
    }
    exchange_respond_text(j->exchange, 200, "application/json", buf_view(&j->out));
}

static void job_work(struct job *j) {
    struct node *n = j->l->node;
    if (j->parsed) {
        node_answer_batch(n, &j->message, &j->batch, &j->arena, &j->out, &j->then, &j->then_arg);
    } else {
        node_answer(n, &j->message, &j->arena, &j->out, &j->then, &j->then_arg);
    }
    if (j->exchange) return;
    // Into the outbox at once, so that notifications of what this call began come after it.
    if (j->out.n) send_to_peer(j);
    if (j->then) j->then(j->then_arg);
}

static void job_finish(struct job *j) {
    if (j->exchange) {
        if (j->out.failed) {
            exchange_respond_text(j->exchange, 500, "text/plain; charset=utf-8",
                                  BYTES_LIT("answer too large\n"));
        } else if (j->out.n == 0) {
            exchange_respond(j->exchange, 204, (struct bytes){NULL, 0});
        } else {
            respond(j);
        }
        exchange_release(j->exchange);
        if (j->then) j->then(j->then_arg);
    } else {
        peers_done(j->l->peers, j->message.peer, j->message.body.n);
    }
    job_free(j);
}

static void job_run(void *context) {
    job_work(context);
}

static void job_done(void *context) {
    job_finish(context);
}

static void refuse_busy(struct job *j) {
    struct jsonrpc_answers answers;
    struct bytes none = {NULL, 0};
    buf_clear(&j->out);
    jsonrpc_answers_begin(&answers, &j->out, false);
    jsonrpc_add_error(&answers, none, -32005, "too many calls wait, try again later", none);
    jsonrpc_answers_end(&answers);
    if (!j->exchange) send_to_peer(j);
    job_finish(j);
}

static struct job *job_new(struct node_listeners *l, struct bytes body, unsigned where, bool local,
                           uint64_t peer) {
    struct job *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    arena_init(&j->arena, JOB_ARENA_BYTES);
    buf_init(&j->out, l->node->values->answer_bytes * 2);
    j->l = l;
    j->task =
        (struct pool_task){.run = job_run, .done = job_done, .context = j, .home = &l->mailbox};
    j->message = (struct node_message){arena_copy(&j->arena, body), where, local, peer};
    if (!j->message.body.p && body.n) {
        job_free(j);
        return NULL;
    }
    return j;
}

// Small messages are parsed here, to see whether a worker is needed and which.
static void job_start(struct job *j) {
    struct node *n = j->l->node;
    unsigned flags = 0;
    struct error why;
    if (j->message.body.n <= QUICK_BYTES) {
        if (node_parse(n, &j->batch, &j->message, &j->arena, &j->out, &why) != 0) {
            if (!j->exchange) send_to_peer(j);
            job_finish(j);
            return;
        }
        j->parsed = true;
        flags = node_flags_of(n, &j->message, &j->batch);
    } else if (j->message.where == NODE_ENGINE) {
        flags = NODE_ORDERED; // payloads
    }
    if ((flags & NODE_QUICK) && j->batch.count <= 16) {
        job_work(j);
        job_finish(j);
        return;
    }
    if (!pool_submit(flags & NODE_ORDERED ? n->engine : n->workers, &j->task)) refuse_busy(j);
}

static void on_peer_message(void *context, uint64_t peer, struct bytes data, unsigned where,
                            bool local) {
    struct node_listeners *l = context;
    struct job *j = job_new(l, data, where, local, peer);
    if (j) {
        job_start(j);
    } else {
        peers_done(l->peers, peer, data.n);
    }
}

// HTTP

static bool may_come_from(const struct node *n, struct bytes origin) {
    for (size_t i = 0; i < n->values->cors.count; i++) {
        const char *allowed = n->values->cors.items[i];
        if (strcmp(allowed, "*") == 0 || bytes_equal_str(origin, allowed)) return true;
    }
    return false;
}

// Pages of strangers must not reach a node through their visitor's browser.
static bool pass_origin(struct node_listeners *l, struct exchange *x) {
    struct bytes origin = exchange_header(x, "origin");
    if (!origin.p) return true;
    if (!may_come_from(l->node, origin)) {
        exchange_respond_text(x, 403, "text/plain; charset=utf-8",
                              BYTES_LIT("origin not allowed (--http-cors)\n"));
        return false;
    }
    (void)exchange_add_header(x, "Access-Control-Allow-Origin", origin);
    (void)exchange_add_header(x, "Vary", BYTES_LIT("Origin"));
    return true;
}

static bool pass_token(struct node_listeners *l, struct exchange *x) {
    struct arena a;
    struct bytes token;
    struct error why = {0};
    arena_init(&a, 1u << 20);
    struct bytes value = exchange_header(x, "authorization");
    int r = value.p ? auth_bearer(&token, value, &why) : error_set(&why, ERR_AUTH, "missing token");
    if (r == 0) {
        uint64_t now_s = clock_wall_ns(loop_clock(l->node->loop)) / NS_PER_S;
        r = jwt_verify(NULL, token, secret_view(&l->key), now_s, &a, &why);
    }
    arena_free(&a);
    if (r == 0) return true;
    log_info(l->node->log, "token_refused", F_ERR(&why));
    (void)exchange_add_header(x, "WWW-Authenticate", BYTES_LIT("Bearer"));
    exchange_respond_text(x, 401, "text/plain; charset=utf-8", bytes_from_str(why.text));
    return false;
}

static void answer_preflight(struct exchange *x) {
    (void)exchange_add_header(x, "Access-Control-Allow-Methods", BYTES_LIT("POST, GET, OPTIONS"));
    (void)exchange_add_header(x, "Access-Control-Allow-Headers",
                              BYTES_LIT("Content-Type, Authorization"));
    (void)exchange_add_header(x, "Access-Control-Max-Age", BYTES_LIT("600"));
    exchange_respond(x, 204, (struct bytes){NULL, 0});
}

static void handle(struct node_listeners *l, struct exchange *x, unsigned where) {
    const struct http_request *r = exchange_request(x);
    if (!pass_origin(l, x)) return;
    if (bytes_equal_str(r->method_text, "OPTIONS")) {
        answer_preflight(x);
        return;
    }
    if (where == NODE_ENGINE && !pass_token(l, x)) return;
    if (bytes_equal_str(r->method_text, "GET")) {
        if (exchange_header(x, "upgrade").p) {
            bool user = where == NODE_USER;
            peers_accept_ws(l->peers, x, where,
                            user ? l->node->values->body_bytes : ENGINE_BODY_BYTES);
        } else {
            exchange_respond_text(x, 200, "text/plain; charset=utf-8",
                                  BYTES_LIT("JSON-RPC: POST here, or open a WebSocket\n"));
        }
        return;
    }
    struct job *j = job_new(l, exchange_body(x), where, false, 0);
    if (!j) {
        exchange_respond_text(x, 503, "text/plain; charset=utf-8", BYTES_LIT("no memory\n"));
        return;
    }
    j->exchange = x;
    exchange_hold(x);
    job_start(j);
}

static void handle_user(struct exchange *x, void *context) {
    handle(context, x, NODE_USER);
}

static void handle_engine(struct exchange *x, void *context) {
    handle(context, x, NODE_ENGINE);
}

// Opening

static int listen_on(struct node_listeners *l, struct server *s, const char *name,
                     const char *address, const struct server_listener *like, struct error *why) {
    struct server_listener ln = *like;
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    int r = socket_address_parse(&ln.address, bytes_from_str(address), 0, why);
    if (r == 0) r = server_listen(s, &bound, &ln, why);
    if (r != 0) return error_wrap(why, "%s %s", name, address);
    (void)socket_address_text(text, &bound);
    log_info(l->node->log, "listening", F_STR("name", name), F_STR("address", text));
    return 0;
}

static bool is_given(const char *address) {
    return address && *address;
}

static int open_server(struct node_listeners *l, struct server **ret, struct service *service,
                       const char *name, const struct route *routes, size_t count,
                       struct server_limits limits, struct error *why) {
    const struct server_options o = {.routes = routes,
                                     .route_count = count,
                                     .limits = limits,
                                     .log = l->node->log,
                                     .metrics = l->node->metrics,
                                     .name = name};
    int r = server_new(ret, l->node->loop, &o, why);
    return r == 0 ? service_add_server(service, *ret, why) : r;
}

static int open_user(struct node_listeners *l, struct service *service, struct error *why) {
    const struct node_values *v = l->node->values;
    const struct server_limits limits = {.connections = (unsigned)v->connections,
                                         .body_bytes = v->body_bytes,
                                         .held_bytes = v->held_bytes};
    const struct server_listener plain = {0};
    if (!is_given(v->http_addr) && !is_given(v->ws_addr)) return 0;
    l->user_route = (struct route){"GET,POST,OPTIONS", "/", handle_user, l, 0, ROUTE_QUIET};
    int r = open_server(l, &l->user, service, "rpc", &l->user_route, 1, limits, why);
    if (r == 0 && is_given(v->http_addr)) {
        r = listen_on(l, l->user, "http", v->http_addr, &plain, why);
    }
    if (r == 0 && is_given(v->ws_addr)) r = listen_on(l, l->user, "ws", v->ws_addr, &plain, why);
    return r;
}

static int open_ipc(struct node_listeners *l, struct service *service, struct error *why) {
    const struct node_values *v = l->node->values;
    if (!is_given(v->ipc_path)) return 0;
    char address[256];
    (void)snprintf(address, sizeof address, "unix:%s", v->ipc_path);
    // The server's times are those of HTTP; a socket of this kind may be silent for ever.
    const struct server_limits limits = {.connections = (unsigned)v->connections,
                                         .held_bytes = v->held_bytes,
                                         .header_ns = UINT64_MAX / 4};
    const struct server_listener ln = {
        .admit = peers_admit, .admit_context = l->peers, .unix_mode = 0600};
    int r = open_server(l, &l->ipc, service, "ipc", NULL, 0, limits, why);
    return r == 0 ? listen_on(l, l->ipc, "ipc", address, &ln, why) : r;
}

// A key that nobody gave is made and left where a consensus client finds it.
static int make_key(const char *path, struct error *why) {
    uint8_t key[32];
    char text[65] = {0};
    random_bytes(key, sizeof key);
    hex_encode(text, bytes_make(key, sizeof key));
    int r = file_write_atomic(path, bytes_from_str(text), NULL, why);
    bytes_wipe(key, sizeof key);
    bytes_wipe(text, sizeof text);
    return r;
}

static int open_engine(struct node_listeners *l, struct service *service, struct error *why) {
    const struct node_values *v = l->node->values;
    const struct server_limits limits = {.connections = 256, .body_bytes = ENGINE_BODY_BYTES};
    const struct server_listener plain = {0};
    char path[4096];
    int r = 0;
    if (!is_given(v->engine_addr)) return 0;
    if (!v->jwt_secret && !v->data_folder) {
        log_info(l->node->log, "engine_off",
                 F_STR("text", "without --jwt-secret and --data-folder there is no key for it"));
        return 0;
    }
    if (v->jwt_secret) {
        (void)snprintf(path, sizeof path, "%s", v->jwt_secret);
    } else {
        (void)snprintf(path, sizeof path, "%s/jwt.hex", v->data_folder);
    }
    if (access(path, F_OK) != 0) {
        r = make_key(path, why);
        if (r == 0) log_info(l->node->log, "engine_key_made", F_STR("file", path));
    }
    if (r == 0) r = jwt_key_read(&l->key, path, why);
    l->engine_route = (struct route){"GET,POST,OPTIONS", "/", handle_engine, l, 0, ROUTE_QUIET};
    if (r == 0) r = open_server(l, &l->engine, service, "engine", &l->engine_route, 1, limits, why);
    return r == 0 ? listen_on(l, l->engine, "engine", v->engine_addr, &plain, why) : r;
}

static int open_metrics(struct node_listeners *l, struct service *service, struct error *why) {
    const char *address = l->node->values->metrics_addr;
    const struct server_limits limits = {.connections = 64};
    const struct server_listener plain = {0};
    if (!is_given(address)) return 0;
    int r = open_server(l, &l->metrics, service, "metrics", service_routes(service), SERVICE_ROUTES,
                        limits, why);
    return r == 0 ? listen_on(l, l->metrics, "metrics", address, &plain, why) : r;
}

static void on_mail(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct node_listeners, watch)->mailbox);
}

int node_listeners_open(struct node_listeners **ret, struct node *n, struct service *service,
                        struct error *why) {
    struct node_listeners *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for listeners");
    l->node = n;
    l->mailbox.fd = -1;
    *ret = l;
    int r = pool_mailbox_open(&l->mailbox, why);
    if (r == 0) {
        l->watch = (struct loop_fd){l->mailbox.fd, LOOP_READ, on_mail};
        r = loop_fd_add(n->loop, &l->watch, why);
        l->watching = r == 0;
    }
    const struct peers_options peers = {.node = n, .message = on_peer_message, .context = l};
    if (r == 0) r = peers_open(&l->peers, &peers, why);
    return r == 0 ? open_metrics(l, service, why) : r;
}

int node_listeners_start(struct node_listeners *l, struct service *service, struct error *why) {
    int r = open_user(l, service, why);
    if (r == 0) r = open_ipc(l, service, why);
    return r == 0 ? open_engine(l, service, why) : r;
}

void node_listeners_close(struct node_listeners *l) {
    if (!l) return;
    if (l->watching) {
        (void)pool_mailbox_drain(&l->mailbox);
        loop_fd_remove(l->node->loop, &l->watch);
    }
    server_free(l->user);
    server_free(l->ipc);
    server_free(l->engine);
    server_free(l->metrics);
    peers_close(l->peers);
    if (l->mailbox.fd >= 0) pool_mailbox_close(&l->mailbox);
    secret_free(&l->key);
    free(l);
}

void node_notify(struct node *n, uint64_t peer, struct bytes message) {
    peers_send(n->listeners->peers, peer, message, (struct bytes){NULL, 0});
}

int node_on_peer_gone(struct node *n, void (*gone)(void *context, uint64_t peer), void *context,
                      struct error *why) {
    return peers_on_gone(n->listeners->peers, gone, context, why);
}
