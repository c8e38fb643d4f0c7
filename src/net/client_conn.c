/* Connections of a client: making them, and HTTP/1.1 on them. SPDX-License-Identifier: MIT */
#include "net/client_internal.h"

#include <stdlib.h>

#define CONNECT_REST_NS (100 * NS_PER_MS) /* between tries when no address answers */

/* ---- life ---- */

static void conn_free(struct client_conn *cc) {
    if (cc->h1) http1_parser_free(cc->h1);
    free(cc->h1);
    buf_free(&cc->in);
    free(cc);
}

void client_conn_unbusy(struct client_conn *cc) {
    if (--cc->busy == 0 && cc->dead) conn_free(cc);
}

static const struct conn_events client_conn_events;

void client_conn_set_last(struct client_conn *cc) {
    if (cc->last) return;
    cc->last = true;
    cc->client->last_count++;
}

static void lose_calls(struct client_conn *cc, const struct error *why) {
    if (cc->call) {
        struct client_call *k = cc->call;
        cc->call = NULL;
        client_call_lost(k, why, false);
    }
    while (!list_is_empty(&cc->calls)) {
        struct client_call *k = LIST_ENTRY(cc->calls.head.next, struct client_call, stream);
        list_remove(&k->stream);
        if (k->s) http2_stream_set_owner(k->s, NULL);
        client_call_lost(k, why, false);
    }
}

void client_conn_close(struct client_conn *cc, const struct error *why) {
    struct client *c = cc->client;
    if (cc->dead) return;
    if (cc->feeding && cc->h2) {
        cc->doomed = true; // the engine is on the stack: its reader closes
        return;
    }
    if (cc->conn.events != &client_conn_events && !cc->closing) {
        cc->closing = true; // another owner's: it hears of the end and drops it
        cc->busy++;
        cc->conn.events->closed(&cc->conn, why);
        bool dead = cc->dead;
        client_conn_unbusy(cc);
        if (dead) return;
    }
    cc->dead = true;
    cc->busy++;
    if (cc->state == CLIENT_CONN_CONNECTING || cc->state == CLIENT_CONN_ADMIT) {
        c->connecting--;
        c->last_error = *why;
        c->address_at++; // the next try takes the next address
    }
    list_remove(&cc->link);
    list_remove(&cc->free);
    c->conn_count--;
    if (cc->last) c->last_count--;
    lose_calls(cc, why);
    http2_free(cc->h2);
    cc->h2 = NULL;
    loop_undefer(c->loop, &cc->flush);
    conn_close(&cc->conn);
    if (c->options.session_done) c->options.session_done(c->options.context, cc->session_user);
    client_conn_unbusy(cc);
}

/* A connection could not be made: the next address is tried. After the last one, who waits hears
 * why, unless there are connections that will serve them; then it is tried again after a rest. The
 * next try asks for the name anew, for the host may have moved. */
static void connect_failed(struct client *c, const struct error *why) {
    if (c->address_at < c->address_count) {
        loop_defer(c->loop, &c->serve);
        return;
    }
    if (c->conn_count > c->last_count) {
        c->rest_until_ns = loop_now_ns(c->loop) + CONNECT_REST_NS;
        return; // the tick serves
    }
    // Only who waits now: a callback may begin another call, which tries anew.
    for (unsigned n = c->waiting_count; n > 0 && !list_is_empty(&c->waiting); n--) {
        client_call_fail(LIST_ENTRY(c->waiting.head.next, struct client_call, link), why);
    }
    loop_defer(c->loop, &c->serve);
}

static void on_closed(struct conn *conn, const struct error *why) {
    struct client_conn *cc = conn->owner;
    struct client *c = cc->client;
    struct error text = *why;
    bool made = cc->state != CLIENT_CONN_CONNECTING && cc->state != CLIENT_CONN_ADMIT;
    if (!text.code) error_set(&text, ERR_CLOSED, "connection closed");
    error_wrap(&text, "%s", c->authority);
    client_conn_close(cc, &text);
    if (!made)
        connect_failed(c, &text);
    else
        loop_defer(c->loop, &c->serve);
}

void client_conn_ready(struct client_conn *cc) {
    struct client *c = cc->client;
    if (cc->last) {
        struct error why = {0};
        error_set(&why, ERR_CLOSED, "%s: connection ends", c->authority);
        if (!cc->h2 || list_is_empty(&cc->calls)) client_conn_close(cc, &why);
        return;
    }
    cc->state = CLIENT_CONN_IDLE;
    if (!cc->h2 || list_is_empty(&cc->calls)) {
        cc->deadline_ns = loop_now_ns(c->loop) + c->options.keep_ns;
    }
    list_remove(&cc->free);
    list_push_front(&c->free_conns, &cc->free); // the one used last is the least likely stale
    if (c->waiting_count) loop_defer(c->loop, &c->serve);
}

static void begin_http(struct client_conn *cc) {
    struct client *c = cc->client;
    struct error why = {0};
    bool http2 = c->options.protocol == CLIENT_HTTP2;
    if (cc->conn.tls && c->options.protocol == CLIENT_AUTO) {
        http2 = tls_session_http2(cc->conn.tls);
    }
    int r = 0;
    if (http2) {
        r = client_http2_begin(cc, &why);
    } else {
        cc->h1 = calloc(1, sizeof *cc->h1);
        if (!cc->h1) r = error_set(&why, ERR_NO_MEMORY, "no memory for a connection");
    }
    if (r < 0) {
        client_conn_close(cc, &why);
        connect_failed(c, &why);
        return;
    }
    if (cc->h1) {
        struct http_limits limits = HTTP_LIMITS_DEFAULT;
        limits.head_bytes = c->options.header_bytes_max;
        limits.body_bytes = UINT64_MAX;
        http1_response_init(cc->h1, NULL, &limits, HTTP_GET);
    }
    c->connecting--;
    c->address_at = 0;
    c->last_error = (struct error){0};
    c->speaks_http2 = http2;
    client_conn_ready(cc);
}

static void on_open(struct conn *conn) {
    struct client_conn *cc = conn->owner;
    struct client *c = cc->client;
    if (c->options.admit) {
        cc->state = CLIENT_CONN_ADMIT;
        c->options.admit(c, conn, c->options.context);
        return;
    }
    begin_http(cc);
}

void client_adopt(struct client *c, struct conn *conn) {
    struct client_conn *cc = LIST_ENTRY(conn, struct client_conn, conn);
    (void)c;
    conn_rebind(conn, &client_conn_events, cc);
    begin_http(cc);
    if (!cc->dead) conn_resume(conn);
}

void client_drop(struct client *c, struct conn *conn, const struct error *why) {
    struct client_conn *cc = LIST_ENTRY(conn, struct client_conn, conn);
    struct error text = {0};
    c = cc->client;
    if (why && why->code)
        text = *why;
    else
        error_set(&text, ERR_CLOSED, "%s: connection ended", c->authority);
    bool made = cc->state != CLIENT_CONN_ADMIT;
    cc->closing = true;
    client_conn_close(cc, &text);
    if (!made) connect_failed(c, &text);
}

static void on_readable(struct conn *conn) {
    struct client_conn *cc = conn->owner;
    cc->busy++;
    if (cc->h2)
        client_http2_readable(cc);
    else if (cc->h1)
        client_http1_readable(cc);
    client_conn_unbusy(cc);
}

static void on_drained(struct conn *conn) {
    struct client_conn *cc = conn->owner;
    cc->busy++;
    if (cc->h2) client_http2_flush_later(cc);
    struct client_call *k = cc->call;
    if (k && !k->over && !k->finished && k->events->drained) k->events->drained(k, k->context);
    client_conn_unbusy(cc);
}

static const struct conn_events client_conn_events = {on_open, on_readable, on_drained, on_closed};

/* ---- connecting ---- */

static void on_names(struct resolver_query *q, const struct socket_address *addresses, size_t count,
                     const struct error *why) {
    struct client *c = LIST_ENTRY(q, struct client, query);
    c->asking = false;
    c->address_count = count;
    c->address_at = 0;
    if (count) memcpy(c->address, addresses, count * sizeof *addresses);
    if (count)
        loop_defer(c->loop, &c->serve);
    else
        connect_failed(c, why);
}

static int open_session(SSL **ret, struct client_conn *cc, struct error *why) {
    struct client *c = cc->client;
    const char *host = c->options.tls_host ? c->options.tls_host : c->host;
    int r = tls_session_new(ret, c->options.tls, host, why);
    if (r < 0) return r;
    if (c->options.session_user) {
        cc->session_user = c->options.session_user(c->options.context);
        tls_session_set_user(*ret, cc->session_user);
    }
    if (c->options.session_setup) c->options.session_setup(c->options.context, *ret);
    return 0;
}

int client_connect(struct client *c, struct error *why) {
    if (c->asking) return 0;
    if (c->named && (!c->address_count || c->address_at >= c->address_count)) {
        c->query.done = on_names;
        c->query.loop = c->loop;
        int r = resolver_ask(c->options.names, &c->query, c->host, c->port, why);
        c->asking = r == 0;
        return r;
    }
    struct client_conn *cc = calloc(1, sizeof *cc);
    if (!cc) return error_set(why, ERR_NO_MEMORY, "no memory for a connection");
    cc->client = c;
    list_init(&cc->calls);
    SSL *session = NULL;
    int r = c->https ? open_session(&session, cc, why) : 0;
    if (r == 0) {
        const struct socket_address *a = &c->address[c->address_at % c->address_count];
        r = conn_connect(&cc->conn, c->loop, a, session, &client_conn_events, cc, why);
    }
    if (r < 0) {
        if (c->options.session_done) c->options.session_done(c->options.context, cc->session_user);
        free(cc);
        return r;
    }
    cc->deadline_ns = loop_now_ns(c->loop) + c->options.connect_ns;
    list_push_back(&c->conns, &cc->link);
    c->conn_count++;
    c->connecting++;
    client_tick_start(c);
    return 0;
}

/* ---- HTTP/1.1 ---- */

static void http1_done(struct client_conn *cc) {
    struct client_call *k = cc->call;
    // A response before the request's end leaves the stream in doubt.
    bool keep = cc->h1->response.keep_alive && k->finished && !cc->last;
    cc->call = NULL;
    cc->used = true;
    cc->busy++;
    if (keep) {
        client_conn_ready(cc); // first, so that a call made in `end` finds it
    } else {
        struct error why = {0};
        error_set(&why, ERR_CLOSED, "connection ended with the answer");
        client_conn_close(cc, &why);
        loop_defer(cc->client->loop, &cc->client->serve);
    }
    client_call_end(k);
    client_conn_unbusy(cc);
}

static int http1_send(struct client_conn *cc, struct client_call *k, struct error *why) {
    struct buf *out = conn_queue(&cc->conn);
    int r = http1_write_request(out, &k->request, why);
    if (r < 0) return r;
    list_remove(&cc->free);
    cc->state = CLIENT_CONN_BUSY;
    cc->deadline_ns = 0;
    cc->call = k;
    http1_next_message(cc->h1, &k->response_arena, k->request.method);
    r = k->body.n ? client_conn_write(cc, k, buf_view(&k->body), k->finished)
                  : client_conn_write(cc, k, BYTES_LIT(""), k->finished);
    if (k->more) buf_free(&k->body);
    if (r == ERR_CLOSED) return error_set(why, ERR_CLOSED, "connection lost while writing");
    if (r == 0 && k->full && k->events->drained) k->events->drained(k, k->context);
    return 0;
}

static void upgraded(struct client_conn *cc, struct client_call *k, struct bytes rest) {
    struct client *c = cc->client;
    struct http_response *r = &cc->h1->response;
    if (!k->events->upgraded || k->over) {
        struct error why = {0};
        error_set(&why, ERR_UNSUPPORTED, "%s switched protocols unasked", c->authority);
        client_conn_close(cc, &why);
        return;
    }
    cc->call = NULL;
    cc->state = CLIENT_CONN_GIVEN;
    cc->deadline_ns = 0;
    k->holds++;
    list_remove(&k->link);
    c->working_count--;
    k->at_work = false;
    k->over = true;
    k->cc = NULL;
    k->events->upgraded(k, k->context, r, &cc->conn, rest);
    client_call_release(k);
    client_call_release(k);
}

/* One event. False: stop for now. */
static bool http1_step(struct client_conn *cc, struct bytes *in) {
    struct client_call *k = cc->call;
    struct http1_event ev;
    struct error why = {0};
    if (http1_next(&ev, cc->h1, in, &why) < 0) {
        error_wrap(&why, "%s: bad response", cc->client->authority);
        k->answering = true; // not a stale connection: no second try
        client_conn_close(cc, &why);
        return false;
    }
    switch (ev.type) {
    case HTTP1_RESPONSE:
        if (cc->h1->response.status == 101) return true; // HTTP1_TUNNEL follows
        if (cc->h1->response.status < 200) return true;
        client_call_response(k, &cc->h1->response);
        return true;
    case HTTP1_DATA:
        client_call_body(k, ev.data);
        return true;
    case HTTP1_END:
        http1_done(cc);
        return true;
    case HTTP1_TUNNEL: {
        struct bytes rest = *in;
        *in = BYTES_LIT("");
        upgraded(cc, k, rest);
        return false;
    }
    default:
        return false;
    }
}

static void http1_process(struct client_conn *cc, struct bytes *in) {
    while (!cc->dead && cc->call && !cc->call->paused) {
        if (!http1_step(cc, in)) return;
    }
    if (!cc->dead && cc->call && cc->call->paused) cc->held = true;
    if (!cc->dead && !cc->call && in->n) {
        struct error why = {0};
        error_set(&why, ERR_INVALID, "%s: bytes that nobody asked for", cc->client->authority);
        client_conn_close(cc, &why);
    }
}

static void http1_ended(struct client_conn *cc, ssize_t code) {
    struct error why = {0};
    struct client *c = cc->client;
    struct client_call *k = cc->call;
    if (k && code == 0 && k->answering && http1_finish(cc->h1, &why) == 0) {
        client_conn_set_last(cc);
        http1_done(cc);
        return;
    }
    error_set(&why, ERR_CLOSED, "%s closed the connection", c->authority);
    client_conn_close(cc, &why);
    loop_defer(c->loop, &c->serve);
}

void client_http1_readable(struct client_conn *cc) {
    if (cc->feeding) return;
    cc->feeding = true;
    // Also without bytes: the pause may have come with the body's last, and its end is still to
    // tell.
    if ((cc->in.n || cc->held) && (!cc->call || !cc->call->paused)) {
        cc->held = false;
        struct buf waiting = cc->in;
        cc->in = (struct buf){0};
        struct bytes in = buf_view(&waiting);
        http1_process(cc, &in);
        if (!cc->dead) buf_append(&cc->in, in);
        buf_free(&waiting);
    }
    uint8_t *p = loop_scratch(cc->client->loop);
    while (!cc->dead && cc->conn.reading && cc->state != CLIENT_CONN_GIVEN) {
        ssize_t n = conn_read(&cc->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) break;
        if (n <= 0) {
            http1_ended(cc, n);
            break;
        }
        struct bytes in = bytes_make(p, (size_t)n);
        http1_process(cc, &in);
        if (cc->dead || in.n == 0) continue;
        buf_append(&cc->in, in); // the call is paused
        conn_pause(&cc->conn);
    }
    cc->feeding = false;
}

/* ---- both protocols ---- */

int client_conn_send(struct client_conn *cc, struct client_call *k, struct error *why) {
    cc->deadline_ns = 0;
    if (!cc->h2) {
        int r = http1_send(cc, k, why);
        if (r < 0 && cc->call == k) cc->call = NULL;
        return r;
    }
    bool end = k->finished && k->body.n == 0;
    int r = http2_request(&k->s, cc->h2, &k->request, end, k, why);
    if (r < 0) return r;
    list_push_back(&cc->calls, &k->stream);
    if (!http2_can_request(cc->h2)) list_remove(&cc->free);
    if (k->body.n) {
        r = http2_write(cc->h2, k->s, buf_view(&k->body), k->finished);
        if (k->more) buf_free(&k->body);
    }
    client_http2_flush_later(cc);
    if (r < 0 && r != ERR_AGAIN) return error_set(why, (enum err)r, "cannot send the request");
    if (r == 0 && k->full && k->events->drained) k->events->drained(k, k->context);
    return 0;
}

int client_conn_write(struct client_conn *cc, struct client_call *k, struct bytes in, bool end) {
    if (cc->h2) {
        int r = http2_write(cc->h2, k->s, in, end);
        client_http2_flush_later(cc);
        return r == 0 || r == ERR_AGAIN ? r : ERR_CLOSED;
    }
    struct buf *out = conn_queue(&cc->conn);
    int r;
    if (k->request.body == HTTP_BODY_STREAM) {
        http1_write_chunk(out, in);
        if (end && http1_write_last_chunk(out, NULL, NULL) < 0) return ERR_CLOSED;
        r = conn_queued(&cc->conn);
    } else {
        r = conn_write(&cc->conn, in);
    }
    return r == 0 || r == ERR_AGAIN ? r : ERR_CLOSED;
}

void client_conn_pause(struct client_conn *cc, struct client_call *k, bool paused) {
    if (!cc->h2) {
        if (paused)
            conn_pause(&cc->conn);
        else
            conn_resume(&cc->conn);
    } else if (!paused && k->untaken) {
        http2_consume(cc->h2, k->s, k->untaken);
        k->untaken = 0;
        client_http2_flush_later(cc);
    }
}

void client_conn_leave(struct client_conn *cc, struct client_call *k) {
    k->cc = NULL;
    if (cc->h2) {
        list_remove(&k->stream);
        http2_stream_set_owner(k->s, NULL);
        http2_reset(cc->h2, k->s, HTTP2_CANCEL);
        client_http2_flush_later(cc);
        return;
    }
    struct error why = {0};
    error_set(&why, ERR_CANCELLED, "the call was cancelled");
    cc->call = NULL;
    struct client *c = cc->client;
    client_conn_close(cc, &why); // what the server still sends belongs to nobody
    loop_defer(c->loop, &c->serve);
}
