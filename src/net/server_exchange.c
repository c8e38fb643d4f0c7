/* Exchanges: one request and its answer, over any protocol. SPDX-License-Identifier: MIT */
#include "net/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_KEPT_BYTES 65536u /* a larger body buffer is not kept for reuse */
#define ARENA_EXTRA_BYTES (1u << 20)
#define ANSWER_BYTES (64u << 10) /* of an answer's head, when the handler took all the rest */

/* ---- life ---- */

static size_t handler_bytes(const struct server *s) {
    return s->limits.header_bytes * (size_t)4 + ARENA_EXTRA_BYTES;
}

struct exchange *exchange_new(struct server_conn *sc, const struct exchange_wire *wire) {
    struct server *s = sc->server;
    struct exchange *x = s->free_exchanges;
    if (x) {
        s->free_exchanges = x->next;
        s->free_count--;
        struct arena arena = x->arena;
        struct buf body = x->body;
        memset(x, 0, sizeof *x);
        x->arena = arena;
        x->body = body;
    } else {
        x = calloc(1, sizeof *x);
        if (!x) return NULL;
    }
    x->arena.limit_bytes = handler_bytes(s);
    x->server = s;
    x->sc = sc;
    x->wire = wire;
    x->holds = 1; // the connection's
    s->exchange_count++;
    return x;
}

void exchange_hold(struct exchange *x) {
    x->holds++;
}

bool exchange_is_open(const struct exchange *x) {
    return x->sc != NULL;
}

void exchange_release(struct exchange *x) {
    if (--x->holds) return;
    struct server *s = x->server;
    s->exchange_count--;
    if (s->free_count >= EXCHANGES_KEPT) {
        arena_free(&x->arena);
        buf_free(&x->body);
        free(x);
        return;
    }
    arena_reset(&x->arena);
    if (x->body.capacity > BODY_KEPT_BYTES)
        buf_free(&x->body);
    else
        buf_clear(&x->body);
    x->next = s->free_exchanges;
    s->free_exchanges = x;
    s->free_count++;
}

/* ---- finishing: record, metrics, log ---- */

static struct metric *code_metric(struct exchange *x, struct route_entry *e, int status) {
    size_t room = sizeof e->codes / sizeof e->codes[0], i = 0;
    while (i < room && e->codes[i].status && e->codes[i].status != status)
        i++;
    if (i < room && e->codes[i].status == status) return e->codes[i].count;
    char code[12];
    snprintf(code, sizeof code, "%d", status);
    const char *values[] = {x->server->options.name ? x->server->options.name : "http",
                            e->route->path, code};
    struct metric *m =
        metrics_get(x->server->options.metrics, &server_metric_table[SERVER_REQUESTS], values);
    if (i < room) e->codes[i] = (struct route_code){status, m};
    return m;
}

static void count(struct exchange *x, struct route_entry *e, int status, uint64_t duration_ns) {
    if (!x->server->options.metrics) return;
    if (!e->duration) {
        const char *values[] = {x->server->options.name ? x->server->options.name : "http",
                                e->route->path};
        e->duration =
            metrics_get(x->server->options.metrics, &server_metric_table[SERVER_DURATION], values);
    }
    metric_inc(code_metric(x, e, status));
    metric_observe_ns(e->duration, duration_ns);
}

static void record(struct exchange *x) {
    struct server *s = x->server;
    struct route_entry *e = x->route ? (struct route_entry *)x->route : &s->routes.none;
    bool log = s->options.access_log && !(e->route->flags & ROUTE_QUIET);
    if (!s->options.metrics && !s->options.record && !log) return;
    uint64_t now = clock_monotonic_ns(loop_clock(s->loop));
    struct server_record r = {.method = x->request->method_text,
                              .path = x->path,
                              .route = bytes_from_str(e->route->path),
                              .status = x->begun ? (int)x->response.status : 0,
                              .version = x->request->version,
                              .in_bytes = x->in_bytes,
                              .out_bytes = x->out_bytes,
                              .duration_ns = now - x->start_ns,
                              .client = &x->client,
                              .complete = x->answered};
    count(x, e, r.status, r.duration_ns);
    if (s->options.record) s->options.record(s->options.record_context, &r);
    if (!log) return;
    char client[SOCKET_TEXT_MAX];
    socket_address_host(client, &x->client);
    log_info(s->options.log, "http_request", F_BYTES("method", r.method), F_BYTES("path", r.path),
             F_I64("status", r.status), F_STR("client", client), F_U64("in_bytes", r.in_bytes),
             F_U64("out_bytes", r.out_bytes), F_DURATION("duration", r.duration_ns),
             F_BOOL("complete", r.complete));
}

void exchange_finish(struct exchange *x) {
    if (x->finished) return;
    x->finished = true;
    struct server_conn *sc = x->sc;
    if (x->request) record(x);
    if (x->previous)
        x->previous->next = x->next;
    else if (sc->streams == x)
        sc->streams = x->next;
    if (x->next) x->next->previous = x->previous;
    x->next = x->previous = NULL;
    x->sc = NULL;
    if (!x->answered && x->events && x->events->gone) x->events->gone(x, x->context);
    exchange_release(x);
}

/* ---- the request ---- */

const struct http_request *exchange_request(const struct exchange *x) {
    return x->request;
}
struct bytes exchange_header(const struct exchange *x, const char *name) {
    const struct http_field *f = http_find(&x->request->fields, name, 0);
    return f ? f->value : (struct bytes){NULL, 0};
}
struct bytes exchange_path(const struct exchange *x) {
    return x->path;
}
struct bytes exchange_query(const struct exchange *x) {
    return x->query;
}
bool exchange_is_tls(const struct exchange *x) {
    return x->sc && x->sc->conn.tls;
}
const struct socket_address *exchange_client(const struct exchange *x) {
    return &x->client;
}
const struct socket_address *exchange_peer(const struct exchange *x) {
    if (!x->sc) return &x->client;
    return &x->sc->conn.peer;
}
SSL *exchange_session(const struct exchange *x) {
    return x->sc ? x->sc->conn.tls : NULL;
}
struct arena *exchange_arena(struct exchange *x) {
    return &x->arena;
}
struct loop *exchange_loop(const struct exchange *x) {
    return x->server->loop;
}
struct server *exchange_server(const struct exchange *x) {
    return x->server;
}
struct bytes exchange_body(const struct exchange *x) {
    return buf_view(&x->body);
}
bool exchange_is_begun(const struct exchange *x) {
    return x->begun;
}

bool exchange_has_body(const struct exchange *x, int64_t *ret_length) {
    if (ret_length) {
        *ret_length =
            x->request->body == HTTP_BODY_LENGTH ? (int64_t)x->request->content_length : -1;
    }
    return x->request->body != HTTP_BODY_NONE;
}

struct bytes exchange_param(const struct exchange *x, const char *name) {
    const char *p = x->route ? x->route->route->path : "";
    size_t n = strlen(name);
    for (unsigned i = 0; (p = strchr(p, '{')) != NULL; i++, p++) {
        if (strncmp(p + 1, name, n) == 0 && p[n + 1] == '}') return x->params[i];
    }
    return (struct bytes){NULL, 0};
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes into the arena; the input itself when nothing is encoded. p NULL: malformed. */
static struct bytes decode(struct arena *a, struct bytes in, bool plus) {
    bool plain = !memchr(in.p, '%', in.n) && !(plus && memchr(in.p, '+', in.n));
    if (plain || in.n == 0) return in;
    uint8_t *out = arena_alloc_raw(a, in.n);
    size_t n = 0;
    for (size_t i = 0; out && i < in.n; i++) {
        uint8_t c = in.p[i];
        if (plus && c == '+') c = ' ';
        if (c == '%') {
            int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            int low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
            if (high < 0 || low < 0) return (struct bytes){NULL, 0};
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    return bytes_make(out, n);
}

struct bytes exchange_query_get(struct exchange *x, const char *name) {
    struct bytes rest = x->query;
    while (rest.n) {
        const uint8_t *end = memchr(rest.p, '&', rest.n);
        struct bytes pair = end ? bytes_slice(rest, 0, (size_t)(end - rest.p)) : rest;
        rest = bytes_slice(rest, pair.n + 1, rest.n);
        const uint8_t *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        struct bytes key = equals ? bytes_slice(pair, 0, (size_t)(equals - pair.p)) : pair;
        if (!bytes_equal_str(decode(&x->arena, key, true), name)) continue;
        struct bytes value = decode(&x->arena, bytes_slice(pair, key.n + 1, pair.n), true);
        return value.p ? value : BYTES_LIT("");
    }
    return (struct bytes){NULL, 0};
}

/* ---- who asks ---- */

static bool is_trusted(const struct server *s, const struct socket_address *a) {
    for (size_t i = 0; i < s->options.trusted_count; i++) {
        if (socket_block_has(&s->options.trusted[i], a)) return true;
    }
    return false;
}

/* The peer, or, as long as trusted proxies speak, the last address that one of them added. */
static void find_client(struct exchange *x) {
    x->client = *exchange_peer(x);
    if (!x->server->options.trusted_count || !is_trusted(x->server, &x->client)) return;
    const struct http_fields *f = &x->request->fields;
    for (unsigned i = f->count; i-- > 0;) {
        if (f->item[i].id != HTTP_FIELD_X_FORWARDED_FOR) continue;
        struct bytes list = f->item[i].value;
        while (list.n) {
            size_t at = list.n;
            while (at && list.p[at - 1] != ',')
                at--;
            struct bytes one = bytes_trim(bytes_slice(list, at, list.n));
            list.n = at ? at - 1 : 0;
            struct socket_address a;
            if (socket_address_parse(&a, one, 1, NULL) < 0 || a.any.sa_family == AF_UNIX) return;
            x->client = a;
            if (!is_trusted(x->server, &a)) return;
        }
    }
}

/* ---- the way of a request ---- */

// A handler that used its memory up can still be answered for.
static void allow_answer(struct exchange *x) {
    x->arena.limit_bytes = handler_bytes(x->server) + ANSWER_BYTES;
}

void exchange_refuse(struct exchange *x, int status, const char *text) {
    if (x->server->options.refuse) {
        allow_answer(x);
        x->server->options.refuse(x, status, text);
        return;
    }
    char body[300];
    int n = snprintf(body, sizeof body, "%s\n", text);
    exchange_respond_text(x, status, "text/plain; charset=utf-8", bytes_make(body, (size_t)n));
}

void exchange_cut(struct exchange *x, int status, const char *text) {
    const struct exchange_events *events = x->events;
    exchange_hold(x);
    x->events = NULL;
    exchange_refuse(x, status, text);
    if (events && events->gone) events->gone(x, x->context);
    exchange_release(x);
}

static bool take_path(struct exchange *x) {
    struct bytes target = x->request->path;
    const uint8_t *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    struct bytes path = mark ? bytes_slice(target, 0, (size_t)(mark - target.p)) : target;
    x->query = mark ? bytes_slice(target, path.n + 1, target.n) : (struct bytes){NULL, 0};
    x->path = path.n ? decode(&x->arena, path, false) : BYTES_LIT("");
    return x->path.p && !memchr(x->path.p, 0, x->path.n);
}

static void refuse_unrouted(struct exchange *x, bool path_known) {
    struct server *s = x->server;
    if (path_known) {
        struct buf allow;
        buf_init(&allow, 1024);
        routes_allow(&s->routes, x->path, &allow);
        (void)exchange_add_header(x, "Allow", buf_view(&allow));
        buf_free(&allow);
        exchange_refuse(x, 405, "method not allowed");
    } else if (s->options.fallback) {
        s->options.fallback(x, s->options.fallback_context);
    } else {
        exchange_refuse(x, 404, "not found");
    }
}

static void handle(struct exchange *x) {
    x->handled = true;
    x->route->route->handle(x, x->route->route->context);
}

static bool rate_limited(struct exchange *x) {
    struct server *s = x->server;
    unsigned per_second = s->limits.requests_per_second;
    if (!per_second || !x->sc->client) return false;
    if (clients_take(x->sc->client, loop_now_ns(s->loop), per_second)) return false;
    metric_inc(server_refused(s, "rate"));
    (void)exchange_add_header(x, "Retry-After", BYTES_LIT("1"));
    exchange_refuse(x, 429, "too many requests");
    return true;
}

void exchange_start(struct exchange *x, const struct http_request *r) {
    struct server *s = x->server;
    x->request = r;
    x->start_ns = loop_now_ns(s->loop);
    x->head_only = r->method == HTTP_HEAD;
    find_client(x);
    if (!take_path(x)) {
        x->path = BYTES_LIT("");
        exchange_refuse(x, 400, "malformed path");
        return;
    }
    if (rate_limited(x)) return;
    bool known;
    x->route = routes_find(&s->routes, x->path, r->method_text, x->params, &known);
    if (!x->route) {
        refuse_unrouted(x, known);
        return;
    }
    uint64_t most = x->route->route->body_bytes_max;
    x->body_max = most ? most : s->limits.body_bytes;
    if (r->body == HTTP_BODY_LENGTH && r->content_length > x->body_max) {
        metric_inc(server_refused(s, "body_too_large"));
        exchange_refuse(x, 413, "body too large");
        return;
    }
    x->streaming = x->route->route->flags & ROUTE_STREAM;
    if (x->streaming) handle(x);
    if (r->expect_continue && !x->begun && x->sc) x->wire->proceed(x);
}

void exchange_data(struct exchange *x, struct bytes in) {
    x->in_bytes += in.n;
    if (x->answered || !x->route) {
        x->wire->took(x, in.n); // dropped
        return;
    }
    if (x->in_bytes > x->body_max) {
        metric_inc(server_refused(x->server, "body_too_large"));
        x->close = true;
        if (x->begun)
            exchange_abort(x);
        else
            exchange_cut(x, 413, "body too large");
        return;
    }
    if (!x->streaming) {
        if (!server_room(x->server, &x->sc->conn, in.n)) {
            x->close = true;
            exchange_refuse(x, 503, "too much is kept for other clients, try again later");
            return;
        }
        buf_append(&x->body, in);
        x->wire->took(x, in.n);
    } else if (x->events && x->events->body) {
        exchange_hold(x);
        x->events->body(x, x->context, in, false);
        if (x->sc) x->wire->took(x, in.n);
        exchange_release(x);
    } else {
        x->wire->took(x, in.n);
    }
}

void exchange_data_end(struct exchange *x) {
    x->request_ended = true;
    if (x->answered || !x->route) return;
    if (x->streaming) {
        if (x->events && x->events->body) x->events->body(x, x->context, BYTES_LIT(""), true);
    } else if (!x->handled && !x->begun) {
        if (x->body.failed)
            exchange_refuse(x, 503, "no memory");
        else
            handle(x);
    }
}

void exchange_set_events(struct exchange *x, const struct exchange_events *events, void *context) {
    x->events = events;
    x->context = context;
}

void exchange_drained(struct exchange *x) {
    if (x->events && x->events->drained && x->begun && !x->answered) {
        x->events->drained(x, x->context);
    }
}

void exchange_pause(struct exchange *x) {
    if (x->paused || !x->sc) return;
    x->paused = true;
    x->wire->pause(x, true);
}

void exchange_resume(struct exchange *x) {
    if (!x->paused || !x->sc) return;
    x->paused = false;
    x->wire->pause(x, false);
}

/* ---- the answer ---- */

int exchange_add_header(struct exchange *x, const char *name, struct bytes value) {
    return http_fields_add(&x->response.fields, &x->arena, bytes_from_str(name), value, NULL);
}

uint64_t exchange_left(const struct exchange *x) {
    if (!x->sc || x->response.body != HTTP_BODY_LENGTH) return 0;
    return x->response.content_length - x->out_bytes;
}

void exchange_take_fields(struct exchange *x, const struct http_fields *fields) {
    if (!x->begun) x->response.fields = *fields;
}

static void begin(struct exchange *x, int status, int64_t length, bool end) {
    struct http_response *r = &x->response;
    if (!x->sc || x->begun) return;
    x->begun = true;
    allow_answer(x);
    r->status = (unsigned)status;
    r->version = x->request ? x->request->version : HTTP_1_1;
    r->body = length >= 0 ? HTTP_BODY_LENGTH : HTTP_BODY_STREAM;
    r->content_length = length >= 0 ? (uint64_t)length : 0;
    if (!http_response_has_body(x->request ? x->request->method : HTTP_GET, r->status)) {
        if (!x->head_only || length < 0) r->body = HTTP_BODY_NONE;
        end = true;
    }
    http_fields_remove(&r->fields, BYTES_LIT("date"));
    x->answered = end;
    if (http_fields_put(&r->fields, &x->arena, HTTP_FIELD_DATE, server_date(x->server), NULL) < 0 ||
        x->wire->head(x, end) < 0) {
        exchange_abort(x);
    }
}

void exchange_begin(struct exchange *x, int status, int64_t length) {
    exchange_hold(x);
    begin(x, status, length, length == 0);
    exchange_release(x);
}

void exchange_brief(struct exchange *x) {
    if (x->sc && !x->sc->h2) x->sc->conn.brief = true;
}

int exchange_write(struct exchange *x, struct bytes in) {
    if (!x->sc) return ERR_CLOSED;
    if (!x->begun || x->answered || in.n == 0) return 0;
    x->out_bytes += in.n;
    return x->wire->write(x, in, false);
}

void exchange_end(struct exchange *x) {
    if (!x->sc || !x->begun || x->answered) return;
    if (x->response.body == HTTP_BODY_LENGTH && x->out_bytes < x->response.content_length) {
        exchange_abort(x); // the client must see that it is not whole
        return;
    }
    x->answered = true;
    (void)x->wire->write(x, BYTES_LIT(""), true);
}

bool exchange_room(struct exchange *x, size_t n) {
    return !x->sc || server_room(x->server, NULL, n);
}

void exchange_respond(struct exchange *x, int status, struct bytes body) {
    if (!x->sc || x->begun) return;
    exchange_hold(x);
    begin(x, status, (int64_t)body.n, body.n == 0);
    if (x->sc && !x->answered) {
        x->out_bytes += body.n;
        x->answered = true;
        (void)x->wire->write(x, body, true);
    }
    exchange_release(x);
}

void exchange_respond_text(struct exchange *x, int status, const char *content_type,
                           struct bytes body) {
    allow_answer(x);
    if (http_fields_put(&x->response.fields, &x->arena, HTTP_FIELD_CONTENT_TYPE,
                        bytes_from_str(content_type), NULL) < 0) {
        exchange_abort(x);
    } else {
        exchange_respond(x, status, body);
    }
}

void exchange_respond_error(struct exchange *x, const struct error *why) {
    exchange_refuse(x, error_class_of(why->code)->http_status, why->text);
}

void exchange_abort(struct exchange *x) {
    if (!x->sc) return;
    x->answered = false;
    x->wire->abort(x);
}
