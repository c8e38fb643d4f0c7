/* Calls: waiting, sending, ending. SPDX-License-Identifier: MIT */
#include "net/client_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_NS (100 * NS_PER_MS)
#define WAITING_BODY_BYTES (256u << 10)

/* ---- url ---- */

static int parse_host(struct client *c, struct bytes rest, unsigned port, struct error *why) {
    struct bytes host = rest;
    const uint8_t *colon = NULL;
    if (rest.n && rest.p[0] == '[') colon = memchr(rest.p, ']', rest.n);
    const uint8_t *from = colon ? colon : rest.p;
    colon = memchr(from, ':', rest.n - (size_t)(from - rest.p));
    if (colon) {
        host = bytes_slice(rest, 0, (size_t)(colon - rest.p));
        struct bytes digits = bytes_slice(rest, host.n + 1, rest.n);
        port = 0;
        for (size_t i = 0; i < digits.n && port <= 65535; i++) {
            if (digits.p[i] < '0' || digits.p[i] > '9')
                port = 65536;
            else
                port = port * 10 + (digits.p[i] - '0');
        }
        if (port == 0 || port > 65535) return error_set(why, ERR_SYNTAX, "bad port in the URL");
    }
    if (host.n > 1 && host.p[0] == '[') host = bytes_slice(host, 1, host.n - 2);
    if (host.n == 0 || host.n > RESOLVER_NAME_MAX || memchr(host.p, '@', host.n) ||
        memchr(host.p, 0, host.n)) {
        return error_set(why, ERR_SYNTAX, "bad host in the URL");
    }
    memcpy(c->host, host.p, host.n);
    c->port = port;
    snprintf(c->authority, sizeof c->authority, "%.*s", (int)rest.n, (const char *)rest.p);
    char text[RESOLVER_NAME_MAX + 10];
    snprintf(text, sizeof text, strchr(c->host, ':') ? "[%s]:%u" : "%s:%u", c->host, port);
    c->named = socket_address_parse(&c->address[0], bytes_from_str(text), 0, NULL) < 0;
    c->address_count = !c->named;
    return 0;
}

static int parse_url(struct client *c, const char *url, struct error *why) {
    struct bytes text = bytes_from_str(url);
    if (bytes_starts_with(text, BYTES_LIT("unix:"))) {
        snprintf(c->authority, sizeof c->authority, "localhost");
        c->address_count = 1;
        return socket_address_parse(&c->address[0], text, 0, why);
    }
    struct bytes http = BYTES_LIT("http://"), https = BYTES_LIT("https://");
    c->https = bytes_starts_with(text, https);
    if (!c->https && !bytes_starts_with(text, http)) {
        return error_set(why, ERR_SYNTAX, "the URL begins with neither http:// nor https://");
    }
    struct bytes rest = bytes_slice(text, c->https ? https.n : http.n, text.n);
    if (rest.n && rest.p[rest.n - 1] == '/') rest.n--;
    if (rest.n && memchr(rest.p, '/', rest.n)) {
        return error_set(why, ERR_SYNTAX, "the URL of a client has no path");
    }
    return parse_host(c, rest, c->https ? 443 : 80, why);
}

/* ---- call life ---- */

static struct client_call *call_new(struct client *c) {
    struct client_call *k = c->free_calls;
    if (k) {
        c->free_calls = (struct client_call *)k->context;
        c->free_count--;
        struct arena a = k->arena, b = k->response_arena;
        struct buf body = k->body;
        memset(k, 0, sizeof *k);
        k->arena = a;
        k->response_arena = b;
        k->body = body;
    } else {
        k = calloc(1, sizeof *k);
        if (!k) return NULL;
        arena_init(&k->arena, 1u << 20);
        arena_init(&k->response_arena, c->options.header_bytes_max * 4u + (64u << 10));
    }
    k->client = c;
    k->holds = 1;
    return k;
}

void client_call_release(struct client_call *k) {
    if (--k->holds) return;
    struct client *c = k->client;
    if (c->free_count >= CALLS_KEPT) {
        arena_free(&k->arena);
        arena_free(&k->response_arena);
        buf_free(&k->body);
        free(k);
        return;
    }
    arena_reset(&k->arena);
    arena_reset(&k->response_arena);
    if (k->body.capacity > BODY_KEPT_BYTES)
        buf_free(&k->body);
    else
        buf_clear(&k->body);
    k->context = c->free_calls;
    c->free_calls = k;
    c->free_count++;
}

static void unlink_call(struct client_call *k) {
    struct client *c = k->client;
    if (!k->link.next) return;
    list_remove(&k->link);
    if (k->at_work)
        c->working_count--;
    else
        c->waiting_count--;
    k->at_work = false;
}

/* Takes the call off everything; the caller of this then calls back, and releases. */
static void retire(struct client_call *k) {
    unlink_call(k);
    k->over = true;
    k->cc = NULL;
}

void client_call_fail(struct client_call *k, const struct error *why) {
    if (k->over) return;
    retire(k);
    if (k->events->failed) k->events->failed(k, k->context, why);
    client_call_release(k);
}

void client_call_end(struct client_call *k) {
    if (k->over) return;
    retire(k);
    if (k->events->end) k->events->end(k, k->context);
    client_call_release(k);
}

void client_call_response(struct client_call *k, const struct http_response *r) {
    if (k->over) return;
    k->answering = true;
    k->deadline_ns = loop_now_ns(k->client->loop) + k->client->options.body_ns;
    if (k->events->response) k->events->response(k, k->context, r);
}

void client_call_body(struct client_call *k, struct bytes in) {
    if (k->over) return;
    k->deadline_ns = loop_now_ns(k->client->loop) + k->client->options.body_ns;
    if (k->events->body) k->events->body(k, k->context, in);
}

static bool harmless_twice(const struct client_call *k) {
    switch (k->request.method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_OPTIONS:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_TRACE:
        return true;
    default:
        return k->client->options.retry_any;
    }
}

void client_call_lost(struct client_call *k, const struct error *why, bool safe) {
    if (k->over) return;
    struct client *c = k->client;
    bool whole = !k->more && k->body.n <= BODY_KEPT_BYTES;
    bool again =
        !k->answering && !k->retried && whole && (safe || (k->on_used && harmless_twice(k)));
    if (!again) {
        client_call_fail(k, why);
        return;
    }
    unlink_call(k);
    k->retried = true;
    k->cc = NULL;
    k->s = NULL;
    k->untaken = 0;
    list_push_front(&c->waiting, &k->link);
    c->waiting_count++;
    loop_defer(c->loop, &c->serve);
}

/* ---- giving calls to connections ---- */

static int send_call(struct client *c, struct client_conn *cc, struct client_call *k,
                     struct error *why) {
    unlink_call(k);
    list_push_back(&c->working, &k->link);
    c->working_count++;
    k->at_work = true;
    k->cc = cc;
    k->sent = true;
    k->on_used = cc->used;
    k->deadline_ns = loop_now_ns(c->loop) + c->options.response_ns;
    return client_conn_send(cc, k, why);
}

static void want_connections(struct client *c) {
    struct error why = {0};
    bool multiplexed = c->speaks_http2 || c->options.protocol == CLIENT_HTTP2;
    if (loop_now_ns(c->loop) < c->rest_until_ns) return;
    // One that only ends what it carries holds nobody up; there are at most as many of those.
    while (c->connecting < c->waiting_count &&
           c->conn_count - c->last_count < c->options.connections &&
           c->last_count <= c->options.connections) {
        if (c->connecting && multiplexed) return; // one will carry them all
        if (client_connect(c, &why) == 0) {
            if (c->asking) return; // the name first
            continue;
        }
        // Nothing can be made, and nothing is on its way that could help: those that wait fail.
        while (c->conn_count == c->last_count && !list_is_empty(&c->waiting)) {
            client_call_fail(LIST_ENTRY(c->waiting.head.next, struct client_call, link), &why);
        }
        return;
    }
}

void client_serve(struct client *c) {
    while (!list_is_empty(&c->waiting) && !list_is_empty(&c->free_conns)) {
        struct client_conn *cc = LIST_ENTRY(c->free_conns.head.next, struct client_conn, free);
        struct client_call *k = LIST_ENTRY(c->waiting.head.next, struct client_call, link);
        struct error why = {0};
        if (send_call(c, cc, k, &why) < 0) client_call_fail(k, &why);
    }
    want_connections(c);
}

static void on_serve(struct loop_task *t) {
    client_serve((struct client *)((char *)t - offsetof(struct client, serve)));
}

/* ---- time ---- */

static void fail_late(struct client *c, struct list *calls, uint64_t now, const char *what) {
    for (struct list_node *n = calls->head.next, *next; n != &calls->head; n = next) {
        next = n->next;
        struct client_call *k = LIST_ENTRY(n, struct client_call, link);
        // Who pauses, or still writes its request, is not waiting for the server.
        if (k->paused || (k->cc && !k->finished && !k->answering)) {
            k->deadline_ns = now + c->options.body_ns;
            continue;
        }
        if (now < k->deadline_ns) continue;
        struct error why = {0};
        if (c->last_error.code && !k->cc)
            why = c->last_error;
        else
            error_set(&why, ERR_TIMEOUT, "%s: %s", c->authority, what);
        struct client_conn *cc = k->cc;
        k->holds++;
        if (cc) client_conn_leave(cc, k);
        client_call_fail(k, &why);
        client_call_release(k);
        next = calls->head.next; // the callback may have changed the list
    }
}

static void on_tick(struct loop_timer *t) {
    struct client *c = (struct client *)((char *)t - offsetof(struct client, tick));
    uint64_t now = loop_now_ns(c->loop);
    c->ticking = false;
    fail_late(c, &c->waiting, now, "no connection in time");
    fail_late(c, &c->working, now, "no answer in time");
    for (struct list_node *n = c->conns.head.next, *next; n != &c->conns.head; n = next) {
        next = n->next;
        struct client_conn *cc = LIST_ENTRY(n, struct client_conn, link);
        if (!cc->deadline_ns || now < cc->deadline_ns) continue;
        struct error why = {0};
        error_set(&why, ERR_TIMEOUT, "%s: cannot connect in time", c->authority);
        client_conn_close(cc, &why);
        next = c->conns.head.next;
    }
    if (c->rest_until_ns && now >= c->rest_until_ns) {
        c->rest_until_ns = 0;
        loop_defer(c->loop, &c->serve);
    }
    client_tick_start(c);
}

void client_tick_start(struct client *c) {
    if (c->ticking || (!c->conn_count && !c->waiting_count)) return;
    c->ticking = loop_timer_set(c->loop, &c->tick, loop_now_ns(c->loop) + TICK_NS, NULL) == 0;
}

/* ---- the caller's side ---- */

static int copy_request(struct client_call *k, const struct http_request *r, struct bytes body,
                        bool more, struct error *why) {
    struct arena *a = &k->arena;
    struct http_request *to = &k->request;
    *to = *r;
    to->fields = (struct http_fields){0};
    struct client *c = k->client;
    if (!r->authority.n)
        to->authority = bytes_from_str(c->authority);
    else
        to->authority = arena_copy(a, r->authority);
    to->path = arena_copy(a, r->path.n ? r->path : BYTES_LIT("/"));
    const char *name = http_method_name(r->method);
    to->method_text = name ? bytes_from_str(name) : arena_copy(a, r->method_text);
    to->scheme = c->https ? BYTES_LIT("https") : BYTES_LIT("http");
    to->protocol = (struct bytes){NULL, 0};
    to->keep_alive = true;
    to->version = HTTP_1_1;
    if (!more) {
        bool none = body.n == 0 && r->method != HTTP_POST && r->method != HTTP_PUT &&
                    r->method != HTTP_PATCH;
        to->body = none ? HTTP_BODY_NONE : HTTP_BODY_LENGTH;
        to->content_length = body.n;
        buf_append(&k->body, body);
    }
    if (!to->authority.p || !to->path.p || !to->method_text.p) {
        return error_set(why, ERR_NO_MEMORY, "no memory for a call");
    }
    int code = http_fields_copy(&to->fields, a, &r->fields, why);
    return code < 0 ? code : buf_check(&k->body, why);
}

int client_start(struct client_call **ret, struct client *c, const struct http_request *r,
                 struct bytes body, bool more, const struct client_events *events, void *context,
                 struct error *why) {
    if (c->waiting_count >= c->options.waiting) {
        return error_set(why, ERR_BUSY, "%s: %u calls wait already", c->authority,
                         c->waiting_count);
    }
    struct client_call *k = call_new(c);
    if (!k) return error_set(why, ERR_NO_MEMORY, "no memory for a call");
    k->events = events;
    k->context = context;
    k->more = more;
    k->finished = !more;
    int code = copy_request(k, r, body, more, why);
    if (code < 0) {
        client_call_release(k);
        return code;
    }
    k->deadline_ns = loop_now_ns(c->loop) + c->options.connect_ns;
    list_push_back(&c->waiting, &k->link);
    c->waiting_count++;
    client_tick_start(c);
    if (ret) *ret = k;
    // A free connection takes it now; making one, and failing, waits until the caller returned.
    if (c->waiting_count == 1 && !list_is_empty(&c->free_conns)) {
        struct client_conn *cc = LIST_ENTRY(c->free_conns.head.next, struct client_conn, free);
        code = send_call(c, cc, k, why);
        if (code < 0) {
            retire(k);
            client_call_release(k);
        }
        return code;
    }
    loop_defer(c->loop, &c->serve);
    return 0;
}

int call_write(struct client_call *k, struct bytes in) {
    if (k->over) return ERR_CLOSED;
    if (!in.n || k->finished) return 0;
    if (k->cc) return client_conn_write(k->cc, k, in, false);
    buf_append(&k->body, in);
    if (k->body.failed) return ERR_CLOSED;
    k->full = k->body.n > WAITING_BODY_BYTES;
    return k->full ? ERR_AGAIN : 0;
}

void call_finish(struct client_call *k) {
    if (k->over || k->finished) return;
    k->finished = true;
    k->deadline_ns = loop_now_ns(k->client->loop) + k->client->options.response_ns;
    if (k->cc) (void)client_conn_write(k->cc, k, BYTES_LIT(""), true);
}

void call_pause(struct client_call *k) {
    if (k->over || k->paused) return;
    k->paused = true;
    if (k->cc) client_conn_pause(k->cc, k, true);
}

void call_resume(struct client_call *k) {
    if (k->over || !k->paused) return;
    k->paused = false;
    k->deadline_ns = loop_now_ns(k->client->loop) + k->client->options.body_ns;
    if (k->cc) client_conn_pause(k->cc, k, false);
}

void call_cancel(struct client_call *k) {
    if (k->over) return;
    if (k->cc) client_conn_leave(k->cc, k);
    retire(k);
    client_call_release(k);
}

bool call_was_sent(const struct client_call *k) {
    return k->sent;
}

SSL *call_session(const struct client_call *k) {
    return k->cc ? k->cc->conn.tls : NULL;
}

/* ---- life ---- */

static void take_options(struct client *c, const struct client_options *o) {
    c->options = *o;
    c->options.tls = tls_hold(o->tls);
    if (!o->connections) c->options.connections = 32;
    if (!o->waiting) c->options.waiting = 1024;
    if (!o->connect_ns) c->options.connect_ns = 10 * NS_PER_S;
    if (!o->response_ns) c->options.response_ns = 60 * NS_PER_S;
    if (!o->body_ns) c->options.body_ns = 60 * NS_PER_S;
    if (!o->keep_ns) c->options.keep_ns = 30 * NS_PER_S;
    if (!o->header_bytes_max) c->options.header_bytes_max = 64u << 10;
}

int client_new(struct client **ret, struct loop *l, const struct client_options *options,
               struct error *why) {
    struct client *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for a client");
    c->loop = l;
    int r = parse_url(c, options->url, why);
    if (r == 0 && c->https && !options->tls) {
        r = error_set(why, ERR_INVALID, "%s: https without TLS settings", options->url);
    }
    if (r == 0 && c->named && !options->names) {
        r = error_set(why, ERR_INVALID, "%s: a name, and no resolver", options->url);
    }
    if (r < 0) {
        free(c);
        return r;
    }
    take_options(c, options);
    list_init(&c->conns);
    list_init(&c->free_conns);
    list_init(&c->waiting);
    list_init(&c->working);
    c->tick.fire = on_tick;
    c->serve.run = on_serve;
    *ret = c;
    return 0;
}

void client_free(struct client *c) {
    if (!c) return;
    struct error why = {0};
    error_set(&why, ERR_CANCELLED, "%s: the client ends", c->authority);
    c->options.waiting = 0; // callbacks cannot begin new calls
    if (c->asking) resolver_cancel(&c->query);
    while (!list_is_empty(&c->waiting)) {
        client_call_fail(LIST_ENTRY(c->waiting.head.next, struct client_call, link), &why);
    }
    while (!list_is_empty(&c->working)) {
        struct client_call *k = LIST_ENTRY(c->working.head.next, struct client_call, link);
        k->holds++;
        client_conn_leave(k->cc, k);
        client_call_fail(k, &why);
        client_call_release(k);
    }
    while (!list_is_empty(&c->conns)) {
        client_conn_close(LIST_ENTRY(c->conns.head.next, struct client_conn, link), &why);
    }
    loop_timer_clear(c->loop, &c->tick);
    loop_undefer(c->loop, &c->serve);
    while (c->free_calls) {
        struct client_call *k = c->free_calls;
        c->free_calls = k->context;
        arena_free(&k->arena);
        arena_free(&k->response_arena);
        buf_free(&k->body);
        free(k);
    }
    tls_free(c->options.tls);
    free(c);
}

void client_close_idle(struct client *c) {
    struct error why = {0};
    error_set(&why, ERR_CANCELLED, "%s: connections are renewed", c->authority);
    for (struct list_node *n = c->conns.head.next, *next; n != &c->conns.head; n = next) {
        next = n->next;
        struct client_conn *cc = LIST_ENTRY(n, struct client_conn, link);
        client_conn_set_last(cc);
        if (cc->state == CLIENT_CONN_IDLE && list_is_empty(&cc->calls)) {
            client_conn_close(cc, &why);
        } else if (cc->free.next) {
            list_remove(&cc->free);
        }
    }
}

unsigned client_connections(const struct client *c) {
    return c->conn_count;
}
unsigned client_calls(const struct client *c) {
    return c->waiting_count + c->working_count;
}
struct bytes client_authority(const struct client *c) {
    return bytes_from_str(c->authority);
}
struct loop *client_loop(const struct client *c) {
    return c->loop;
}
