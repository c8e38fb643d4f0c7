/* Server: listeners, connections, limits by time and number, drain. SPDX-License-Identifier: MIT */
#include "net/server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 64
#define TICK_NS_MAX NS_PER_S
#define TICK_NS_MIN (5 * NS_PER_MS)

static const struct server_limits limits_default = {
    .connections = 10000,
    .body_bytes = 1u << 20,
    .header_bytes = 32u << 10,
    .streams = 128,
    .header_ns = 10 * NS_PER_S,
    .body_ns = 30 * NS_PER_S,
    .write_ns = 30 * NS_PER_S,
    .idle_ns = 120 * NS_PER_S,
};

const struct metric_desc server_metric_table[SERVER_METRIC_COUNT] = {
    [SERVER_REQUESTS] = {.name = "http_requests_total",
                         .type = METRIC_COUNTER,
                         .help = "Requests answered, by route and status code.",
                         .labels = "server,route,code",
                         .series_max = 1000},
    [SERVER_DURATION] = {.name = "http_request_duration_seconds",
                         .type = METRIC_HISTOGRAM,
                         .help = "Time from the end of the head to the end of the answer.",
                         .labels = "server,route"},
    [SERVER_CONNECTIONS] = {.name = "http_connections",
                            .type = METRIC_GAUGE,
                            .help = "Connections open now.",
                            .labels = "server"},
    [SERVER_ACCEPTED] = {.name = "http_connections_accepted_total",
                         .type = METRIC_COUNTER,
                         .help = "Connections accepted.",
                         .labels = "server"},
    [SERVER_REFUSED] = {.name = "http_refused_total",
                        .type = METRIC_COUNTER,
                        .help = "Connections and requests refused or cut off, by reason.",
                        .labels = "server,reason"},
};

static const char *server_name(const struct server *s) {
    return s->options.name ? s->options.name : "http";
}

struct metric *server_refused(struct server *s, const char *reason) {
    const char *values[] = {server_name(s), reason};
    return metrics_get(s->options.metrics, &server_metric_table[SERVER_REFUSED], values);
}

static void refused(struct server *s, const char *reason) {
    metric_inc(server_refused(s, reason));
}

struct bytes server_date(struct server *s) {
    uint64_t now = clock_wall_ns(loop_clock(s->loop)) / NS_PER_S;
    if (now != s->date_s) {
        time_t t = (time_t)now;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        s->date_s = now;
    }
    return bytes_from_str(s->date);
}

/* ---- the list of connections, by when one came, last went idle or began to ask ---- */

static void list_remove(struct server_conn *sc) {
    struct server *s = sc->server;
    if (sc->previous)
        sc->previous->next = sc->next;
    else
        s->first = sc->next;
    if (sc->next)
        sc->next->previous = sc->previous;
    else
        s->last = sc->previous;
    sc->next = sc->previous = NULL;
}

static void list_append(struct server_conn *sc) {
    struct server *s = sc->server;
    sc->previous = s->last;
    if (s->last)
        s->last->next = sc;
    else
        s->first = sc;
    s->last = sc;
}

void server_conn_touch(struct server_conn *sc, uint64_t wait_ns) {
    sc->deadline_ns = wait_ns ? loop_now_ns(sc->server->loop) + wait_ns : 0;
}

static void move_to_end(struct server_conn *sc) {
    if (!sc->next) return;
    list_remove(sc);
    list_append(sc);
}

void server_conn_idle(struct server_conn *sc) {
    sc->idle = true;
    server_conn_touch(sc, sc->server->limits.idle_ns);
    move_to_end(sc);
}

void server_conn_begun(struct server_conn *sc) {
    sc->idle = false;
    move_to_end(sc);
}

// Idle, and its last answer is written: closing it loses nothing.
static bool is_quiet(const struct server_conn *sc) {
    return sc->idle && conn_pending(&sc->conn) == 0;
}

void server_conn_finish(struct server_conn *sc) {
    sc->idle = false;
    sc->deadline_ns = 0;
    conn_finish(&sc->conn);
}

/* ---- connections ---- */

static void check_drained(struct server *s) {
    if (!s->draining || s->drained || s->connection_count) return;
    s->drained = true;
    if (s->drain_done) s->drain_done(s->drain_context);
}

static void conn_free(struct server_conn *sc) {
    buf_free(&sc->in);
    if (sc->h1) http1_parser_free(sc->h1);
    free(sc->h1);
    free(sc);
}

static const struct conn_events server_conn_events;

void server_conn_close(struct server_conn *sc) {
    struct server *s = sc->server;
    if (sc->dead) return;
    if (sc->conn.events != &server_conn_events && !sc->closing) {
        // Another owner has it (admission, upgrade): it must hear of the end and drop it.
        struct error why = {0};
        error_set(&why, ERR_CANCELLED, "closed by the server");
        sc->closing = true;
        sc->busy++;
        sc->conn.events->closed(&sc->conn, &why);
        bool dead = sc->dead;
        server_conn_unbusy(sc);
        if (dead) return;
    }
    if (sc->h2 && (sc->cursor || sc->giving)) {
        sc->doomed = true; // the engine is on the stack: its reader closes
        return;
    }
    sc->dead = true;
    sc->busy++;
    if (sc->x) exchange_finish(sc->x);
    sc->x = NULL;
    while (sc->streams)
        exchange_finish(sc->streams);
    http2_free(sc->h2);
    sc->h2 = NULL;
    loop_undefer(s->loop, &sc->flush);
    conn_close(&sc->conn);
    struct listener *ln = sc->listener;
    if (ln->options.session_done) {
        ln->options.session_done(ln->options.admit_context, sc->session_user);
    }
    if (sc->client) clients_leave(sc->client);
    list_remove(sc);
    s->connection_count--;
    metric_set(s->connections_metric, s->connection_count);
    check_drained(s);
    server_conn_unbusy(sc);
}

void server_conn_unbusy(struct server_conn *sc) {
    if (--sc->busy == 0 && sc->dead) conn_free(sc);
}

static void on_closed(struct conn *c, const struct error *why) {
    struct server_conn *sc = c->owner;
    if (sc->protocol == PROTOCOL_NONE && why->code) {
        log_debug(sc->server->options.log, "http_handshake_failed", F_ERR(why));
        refused(sc->server, "handshake");
    }
    server_conn_close(sc);
}

static void on_open(struct conn *c);

static void on_readable(struct conn *c) {
    struct server_conn *sc = c->owner;
    sc->busy++;
    if (sc->protocol == PROTOCOL_NONE) on_open(c);
    if (sc->protocol == PROTOCOL_HTTP1)
        server_http1_readable(sc);
    else if (sc->protocol == PROTOCOL_HTTP2)
        server_http2_readable(sc);
    server_conn_unbusy(sc);
}

static void on_drained(struct conn *c) {
    struct server_conn *sc = c->owner;
    sc->busy++;
    if (sc->protocol == PROTOCOL_HTTP1 && sc->x)
        exchange_drained(sc->x);
    else if (sc->protocol == PROTOCOL_HTTP1 && sc->in.n && !sc->ended)
        conn_resume(c); // requests wait that were not taken for the answers before them
    if (sc->protocol == PROTOCOL_HTTP2 && !sc->dead) server_http2_flush(sc);
    server_conn_unbusy(sc);
}

static const struct conn_events server_conn_events = {on_open, on_readable, on_drained, on_closed};

/* The first bytes are there and still unread: are they HTTP/2's? A client writes its preface in one
 * piece. */
static bool begins_http2(const struct server_conn *sc) {
    char first[4];
    ssize_t n = recv(sc->conn.watch.fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    return n == sizeof first && memcmp(first, "PRI ", sizeof first) == 0;
}

static void begin_http(struct server_conn *sc) {
    struct error why = {0};
    const struct server_listener *o = &sc->listener->options;
    bool http2 = sc->conn.tls ? tls_session_http2(sc->conn.tls)
                              : o->http2 || (o->http2_detect && begins_http2(sc));
    sc->protocol = http2 ? PROTOCOL_HTTP2 : PROTOCOL_HTTP1;
    server_conn_touch(sc, sc->server->limits.header_ns);
    if ((http2 ? server_http2_begin(sc, &why) : server_http1_begin(sc, &why)) < 0) {
        server_conn_close(sc);
    }
}

static void on_open(struct conn *c) {
    struct server_conn *sc = c->owner;
    struct listener *ln = sc->listener;
    if (ln->options.admit) {
        sc->protocol = PROTOCOL_ADMIT;
        ln->options.admit(sc->server, c, ln->options.admit_context);
        return;
    }
    begin_http(sc);
}

void server_adopt(struct server *s, struct conn *c) {
    struct server_conn *sc = (struct server_conn *)((char *)c - offsetof(struct server_conn, conn));
    (void)s;
    conn_rebind(c, &server_conn_events, sc);
    begin_http(sc);
    if (!sc->dead) conn_resume(c);
}

void server_keep(struct server *s, struct conn *c) {
    struct server_conn *sc = (struct server_conn *)((char *)c - offsetof(struct server_conn, conn));
    (void)s;
    sc->protocol = PROTOCOL_TUNNEL;
    sc->idle = false;
    sc->deadline_ns = 0;
}

void server_drop(struct server *s, struct conn *c) {
    (void)s;
    struct server_conn *sc = (struct server_conn *)((char *)c - offsetof(struct server_conn, conn));
    sc->closing = true;
    server_conn_close(sc);
}

/* ---- what is kept for clients ---- */

static size_t kept_for(const struct server_conn *sc) {
    size_t n = conn_pending(&sc->conn) + sc->conn.held + sc->in.n;
    if (sc->x) n += sc->x->body.capacity;
    for (const struct exchange *x = sc->streams; x; x = x->next) {
        n += x->body.capacity + (x->stream ? http2_queued(x->stream) : 0);
    }
    return n;
}

static uint64_t count_held(const struct server *s) {
    uint64_t n = 0;
    for (const struct server_conn *sc = s->first; sc; sc = sc->next)
        n += kept_for(sc);
    return n;
}

// Not within two ticks: what is kept for less long is kept by nobody's fault.
static struct server_conn *find_hoarder(const struct server *s, const struct conn *asking) {
    struct server_conn *worst = NULL;
    uint64_t most = 0, now = loop_now_ns(s->loop);
    for (struct server_conn *sc = s->first; sc; sc = sc->next) {
        if (!sc->keeps_ns || now - sc->keeps_ns < 2 * s->tick_ns || &sc->conn == asking) continue;
        if (sc->closing || sc->doomed || sc->cursor) continue; // on its way out, or on the stack
        uint64_t weight = kept_for(sc) * ((now - sc->keeps_ns) / NS_PER_MS);
        if (weight > most) most = weight, worst = sc;
    }
    return worst;
}

bool server_room(struct server *s, const struct conn *asking, size_t n) {
    uint64_t most = s->limits.held_bytes;
    if (!most) return true;
    if (s->held + n > most) s->held = count_held(s);
    while (s->held + n > most) {
        struct server_conn *sc = n <= most ? find_hoarder(s, asking) : NULL;
        if (!sc) {
            refused(s, "held");
            return false;
        }
        refused(s, "hoarder");
        log_info(s->options.log, "http_hoarder_closed", F_STR("server", server_name(s)),
                 F_U64("bytes", kept_for(sc)));
        server_conn_close(sc);
        s->held = count_held(s);
    }
    s->held += n;
    return true;
}

/* ---- accepting ---- */

static bool is_being_answered(const struct exchange *x) {
    return x->begun && (!x->answered || (x->stream && http2_queued(x->stream)));
}

// Part of a request is here, or nothing: the handshake, the head or the body is still to come.
static bool is_incomplete(const struct exchange *x) {
    return !x->request_ended && !x->paused && !is_being_answered(x) && x->request &&
           x->request->method != HTTP_CONNECT;
}

static bool is_unfinished(const struct server_conn *sc) {
    if (sc->closing || sc->doomed || sc->cursor || sc->busy > 0 || sc->conn.finishing) return false;
    if (sc->idle || sc->protocol == PROTOCOL_TUNNEL) return false;
    if (conn_pending(&sc->conn) > 0) return false; // the answer before is not yet written
    if (sc->x) return !sc->x->request || is_incomplete(sc->x);
    for (const struct exchange *x = sc->streams; x; x = x->next) {
        if (!is_incomplete(x)) return false;
    }
    return true;
}

/* Makes room: the connection that has been idle longest gives way. Without an idle one (unfinished)
 * that whose request is not whole, the longest: who fills all places and asks nothing keeps nobody
 * out who comes with a request. */
static bool make_room(struct server *s, bool unfinished) {
    struct server_conn *victim = NULL;
    for (struct server_conn *sc = s->first; sc; sc = sc->next) {
        bool quiet = is_quiet(sc);
        if (quiet || (unfinished && !victim && is_unfinished(sc))) victim = sc;
        if (quiet) break;
    }
    if (!victim) return false;
    refused(s, "evicted");
    server_conn_close(victim);
    return true;
}

static bool count_client(struct server *s, struct client_row **ret,
                         const struct socket_address *peer) {
    *ret = NULL;
    if (!s->count_clients || peer->any.sa_family == AF_UNIX) return true;
    struct client_row *row =
        clients_enter(&s->clients, peer, loop_now_ns(s->loop), s->limits.requests_per_second);
    if (!row) return false;
    unsigned most = s->limits.connections_per_client;
    if (most && row->connections > most) {
        clients_leave(row);
        return false;
    }
    *ret = row;
    return true;
}

/* The client's own limit first: who has all that he may have must not take a place from another. */
static bool admit(struct server *s, struct client_row **ret, const struct socket_address *peer) {
    if (!count_client(s, ret, peer)) {
        refused(s, "client_connections");
        return false;
    }
    if (s->connection_count < s->limits.connections || make_room(s, true)) return true;
    refused(s, "connections");
    if (*ret) clients_leave(*ret);
    return false;
}

int server_accept(struct listener *ln, int fd, const struct socket_address *peer) {
    struct server *s = ln->server;
    struct error why = {0};
    struct client_row *client;
    if (!admit(s, &client, peer)) {
        close(fd);
        return 0;
    }
    struct server_conn *sc = calloc(1, sizeof *sc);
    SSL *session = NULL;
    if (!sc || (ln->options.tls && tls_session_new(&session, ln->options.tls, NULL, &why) < 0)) {
        if (client) clients_leave(client);
        free(sc);
        close(fd);
        return ERR_NO_MEMORY;
    }
    sc->server = s;
    sc->listener = ln;
    sc->client = client;
    sc->stuck_ns = loop_now_ns(s->loop);
    if (session && ln->options.session_user) {
        sc->session_user = ln->options.session_user(ln->options.admit_context);
        tls_session_set_user(session, sc->session_user);
    }
    list_append(sc);
    s->connection_count++;
    metric_inc(s->accepted_metric);
    metric_set(s->connections_metric, s->connection_count);
    server_conn_touch(sc, s->limits.header_ns);
    int r = conn_accept(&sc->conn, s->loop, fd, session, peer, &server_conn_events, sc, &why);
    if (r < 0) {
        server_conn_close(sc);
        return r;
    }
    return 0;
}

static void rest(struct listener *ln, const char *reason) {
    // Out of descriptors or memory: accepting again at once would spin. First free what idles.
    refused(ln->server, reason);
    if (!make_room(ln->server, false)) {
        ln->resting = true;
        loop_fd_set(ln->server->loop, &ln->watch, 0);
    }
}

static void on_accept(struct loop_fd *w, unsigned events) {
    struct listener *ln = (struct listener *)((char *)w - offsetof(struct listener, watch));
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT && !ln->resting; i++) {
        struct socket_address peer = {.n = sizeof peer.local};
        int fd = accept4(w->fd, &peer.any, &peer.n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                rest(ln, "descriptors");
            else if (errno == ENOBUFS || errno == ENOMEM)
                rest(ln, "memory");
            else if (errno != EINTR && errno != ECONNABORTED)
                return;
            continue;
        }
        int r = ln->options.proxy_protocol ? server_await_header(ln, fd, &peer)
                                           : server_accept(ln, fd, &peer);
        if (r == ERR_NO_MEMORY) rest(ln, "memory");
    }
}

int server_listen_fd(struct server *s, int fd, const struct server_listener *listener,
                     struct error *why) {
    struct listener *ln = calloc(1, sizeof *ln);
    if (!ln) {
        close(fd);
        return error_set(why, ERR_NO_MEMORY, "no memory for a listener");
    }
    ln->server = s;
    ln->options = *listener;
    ln->options.tls = tls_hold(listener->tls);
    ln->watch = (struct loop_fd){fd, LOOP_READ, on_accept};
    int r = loop_fd_add(s->loop, &ln->watch, why);
    if (r < 0) {
        tls_free(ln->options.tls);
        close(fd);
        free(ln);
        return r;
    }
    ln->next = s->listeners;
    s->listeners = ln;
    return 0;
}

int server_listen(struct server *s, struct socket_address *ret_address,
                  const struct server_listener *listener, struct error *why) {
    int fd;
    struct socket_listen_options o = {.reuse_port = listener->reuse_port,
                                      .unix_mode = listener->unix_mode};
    int r = socket_listen(&fd, &listener->address, &o, why);
    if (r < 0) return r;
    struct socket_address bound;
    r = socket_local(&bound, fd, why);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (ret_address) *ret_address = bound;
    return server_listen_fd(s, fd, listener, why);
}

static void listener_close(struct server *s, struct listener *ln) {
    if (ln->watch.fd < 0) return;
    loop_fd_remove(s->loop, &ln->watch);
    close(ln->watch.fd);
    ln->watch.fd = -1;
    const struct socket_address *a = &ln->options.address;
    if (a->n && a->any.sa_family == AF_UNIX && a->local.sun_path[0]) unlink(a->local.sun_path);
}

/* ---- the tick: deadlines, slow readers, drain ---- */

static void sweep_one(struct server *s, struct server_conn *sc, uint64_t now) {
    // Idle from when the answer is written; until then write_ns holds.
    if (sc->idle && !is_quiet(sc)) server_conn_touch(sc, s->limits.idle_ns);
    if (sc->deadline_ns && now >= sc->deadline_ns) {
        refused(s, sc->idle ? "idle" : "slow");
        server_conn_close(sc);
        return;
    }
    if (sc->protocol == PROTOCOL_HTTP2) server_http2_sweep(sc, now);
    if (!s->limits.held_bytes || kept_for(sc) == 0)
        sc->keeps_ns = 0;
    else if (!sc->keeps_ns)
        sc->keeps_ns = now;
    if (conn_pending(&sc->conn) == 0 || sc->conn.out_bytes != sc->seen_out) {
        sc->seen_out = sc->conn.out_bytes;
        sc->stuck_ns = now;
    } else if (now - sc->stuck_ns >= s->limits.write_ns) {
        refused(s, "slow_reader");
        server_conn_close(sc);
    }
}

static void on_tick(struct loop_timer *t) {
    struct server *s = (struct server *)((char *)t - offsetof(struct server, tick));
    uint64_t now = loop_now_ns(s->loop);
    bool over = s->draining && now >= s->drain_deadline_ns;
    struct server_conn *next;
    for (struct server_conn *sc = s->first; sc; sc = next) {
        next = sc->next;
        // Closing one may close no other, but a callback may: start over when the next one died.
        if (next) next->busy++;
        if (over)
            server_conn_close(sc);
        else
            sweep_one(s, sc, now);
        if (next) {
            bool dead = next->dead;
            server_conn_unbusy(next);
            if (dead) next = s->first;
        }
    }
    server_sweep_headers(s, now);
    if (s->count_clients) clients_sweep(&s->clients, now, s->limits.requests_per_second);
    for (struct listener *ln = s->listeners; ln; ln = ln->next) {
        if (!ln->resting || ln->watch.fd < 0) continue;
        ln->resting = false;
        loop_fd_set(s->loop, &ln->watch, LOOP_READ);
    }
    // The heap has room: this timer just left it.
    if (!s->drained && loop_timer_set(s->loop, &s->tick, now + s->tick_ns, NULL) < 0) {
        log_error(s->options.log, "http_tick_lost");
    }
}

// What drain and retire do to one connection.
static void conn_wind_up(struct server_conn *sc) {
    if (sc->protocol == PROTOCOL_HTTP2) {
        server_http2_wind_up(sc);
    } else if (is_quiet(sc) || sc->protocol == PROTOCOL_NONE) {
        server_conn_close(sc);
    } else if (sc->idle) {
        server_conn_finish(sc);
    }
}

void server_retire(struct server *s, struct conn *c) {
    struct server_conn *sc = (struct server_conn *)((char *)c - offsetof(struct server_conn, conn));
    (void)s;
    if (c->events != &server_conn_events || sc->retiring) return;
    sc->retiring = true;
    conn_wind_up(sc);
}

void server_drain(struct server *s, uint64_t deadline_ns, void (*done)(void *context),
                  void *context) {
    if (s->draining) return;
    s->draining = true;
    s->drain_deadline_ns = loop_now_ns(s->loop) + deadline_ns;
    s->drain_done = done;
    s->drain_context = context;
    for (struct listener *ln = s->listeners; ln; ln = ln->next)
        listener_close(s, ln);
    server_sweep_headers(s, UINT64_MAX);
    struct server_conn *next;
    for (struct server_conn *sc = s->first; sc; sc = next) {
        next = sc->next;
        conn_wind_up(sc);
    }
    check_drained(s);
}

void server_close_all(struct server *s) {
    while (s->first)
        server_conn_close(s->first);
}

bool server_is_draining(const struct server *s) {
    return s->draining;
}
unsigned server_connections(const struct server *s) {
    return s->connection_count;
}
unsigned server_exchanges(const struct server *s) {
    return s->exchange_count;
}

/* ---- life ---- */

static void take_limits(struct server *s, const struct server_limits *o) {
    const struct server_limits *d = &limits_default;
    s->limits = *o;
    if (!o->connections) s->limits.connections = d->connections;
    if (!o->body_bytes) s->limits.body_bytes = d->body_bytes;
    if (!o->header_bytes) s->limits.header_bytes = d->header_bytes;
    if (!o->streams) s->limits.streams = d->streams;
    if (!o->header_ns) s->limits.header_ns = d->header_ns;
    if (!o->body_ns) s->limits.body_ns = d->body_ns;
    if (!o->write_ns) s->limits.write_ns = d->write_ns;
    if (!o->idle_ns) s->limits.idle_ns = d->idle_ns;
    uint64_t least = s->limits.header_ns;
    if (s->limits.body_ns < least) least = s->limits.body_ns;
    if (s->limits.write_ns < least) least = s->limits.write_ns;
    if (s->limits.idle_ns < least) least = s->limits.idle_ns;
    if (o->whole_body_ns && o->whole_body_ns < least) least = o->whole_body_ns;
    s->tick_ns = least / 4;
    if (s->tick_ns > TICK_NS_MAX) s->tick_ns = TICK_NS_MAX;
    if (s->tick_ns < TICK_NS_MIN) s->tick_ns = TICK_NS_MIN;
    s->http_limits = HTTP_LIMITS_DEFAULT;
    s->http_limits.head_bytes = s->limits.header_bytes;
    s->http_limits.body_bytes = UINT64_MAX; // each route has its own
    s->count_clients = o->connections_per_client || o->requests_per_second;
}

int server_new(struct server **ret, struct loop *l, const struct server_options *options,
               struct error *why) {
    struct server *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a server");
    s->loop = l;
    s->options = *options;
    take_limits(s, &options->limits);
    s->tick.fire = on_tick;
    int r = routes_init(&s->routes, options->routes, options->route_count, why);
    if (r == 0 && clients_init(&s->clients) < 0) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for a server");
    }
    if (r == 0) r = loop_timer_set(l, &s->tick, loop_now_ns(l) + s->tick_ns, why);
    if (r < 0) {
        routes_free(&s->routes);
        clients_free(&s->clients);
        free(s);
        return r;
    }
    const char *label[] = {server_name(s)};
    struct metrics *m = options->metrics;
    s->connections_metric = metrics_get(m, &server_metric_table[SERVER_CONNECTIONS], label);
    s->accepted_metric = metrics_get(m, &server_metric_table[SERVER_ACCEPTED], label);
    *ret = s;
    return 0;
}

void server_free(struct server *s) {
    if (!s) return;
    s->draining = s->drained = true;
    server_sweep_headers(s, UINT64_MAX);
    while (s->first)
        server_conn_close(s->first);
    while (s->listeners) {
        struct listener *ln = s->listeners;
        s->listeners = ln->next;
        listener_close(s, ln);
        tls_free(ln->options.tls);
        free(ln);
    }
    while (s->free_exchanges) {
        struct exchange *x = s->free_exchanges;
        s->free_exchanges = x->next;
        arena_free(&x->arena);
        buf_free(&x->body);
        free(x);
    }
    loop_timer_clear(s->loop, &s->tick);
    routes_free(&s->routes);
    clients_free(&s->clients);
    free(s);
}
