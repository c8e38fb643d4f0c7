/* HTTP/1.1 on a server's connection. SPDX-License-Identifier: MIT */
#include "net/server_internal.h"

#include <stdlib.h>

#define DRAIN_BYTES 65536u /* a rest of a body up to this is read away to keep the connection */

/* ---- answering ---- */

/* The answer is complete: the next request, or the end. Called outside of the reading loop. */
static void complete(struct server_conn *sc) {
    struct exchange *x = sc->x;
    bool ends = x->close || sc->ended || sc->retiring || sc->server->draining;
    bool keep = x->response.keep_alive && x->request_ended && !ends;
    sc->x = NULL;
    exchange_finish(x);
    if (sc->dead) return;
    if (!keep) {
        server_conn_finish(sc);
        return;
    }
    server_conn_idle(sc);
}

static bool is_complete(const struct exchange *x) {
    return x->answered && (x->request_ended || x->close);
}

static void answered(struct exchange *x) {
    struct server_conn *sc = x->sc;
    const struct http_request *r = x->request;
    sc->conn.brief = false;
    exchange_resume(x); // nobody wants the rest of the body: it is read away
    bool short_rest =
        r && r->body == HTTP_BODY_LENGTH && r->content_length - x->in_bytes <= DRAIN_BYTES;
    if (!x->request_ended && r && r->body != HTTP_BODY_NONE && !short_rest) x->close = true;
    if (sc->cursor || !is_complete(x)) return; // the reading loop goes on with it
    complete(sc);
    if (!sc->dead && !sc->conn.finishing && (sc->in.n || !sc->conn.reading)) {
        conn_resume(&sc->conn);
    }
}

/* Whether the connection can go on after this answer. */
static bool can_keep(const struct exchange *x) {
    const struct http_request *r = x->request;
    if (!r || !r->keep_alive || x->close || x->sc->ended || x->sc->retiring || x->server->draining)
        return false;
    if (x->request_ended || (x->streaming && x->events)) return true;
    return r->body == HTTP_BODY_NONE ||
           (r->body == HTTP_BODY_LENGTH && !r->expect_continue && r->content_length <= DRAIN_BYTES);
}

static int wire_head(struct exchange *x, bool end) {
    struct http_response *r = &x->response;
    enum http_method asked = x->request ? x->request->method : HTTP_GET;
    r->version = HTTP_1_1;
    r->keep_alive = can_keep(x);
    if (!x->request_ended && !r->keep_alive) x->close = true;
    if (r->body == HTTP_BODY_STREAM && x->request && x->request->version == HTTP_1_0) {
        r->body = HTTP_BODY_CLOSE;
        r->keep_alive = false;
    }
    struct buf *out = conn_queue(&x->sc->conn);
    if (http1_write_response(out, r, asked, NULL) < 0) return ERR_INTERNAL;
    if (conn_queued(&x->sc->conn) == ERR_NO_MEMORY) return ERR_NO_MEMORY;
    if (end) answered(x);
    return 0;
}

static int wire_write(struct exchange *x, struct bytes in, bool end) {
    struct conn *c = &x->sc->conn;
    int r = 0;
    if (x->response.body == HTTP_BODY_LENGTH && x->out_bytes > x->response.content_length) {
        exchange_abort(x);
        return ERR_CLOSED;
    }
    if (x->response.body == HTTP_BODY_STREAM) {
        if (in.n) http1_write_chunk(conn_queue(c), in);
        if (end && http1_write_last_chunk(conn_queue(c), NULL, NULL) < 0) r = ERR_NO_MEMORY;
        if (r == 0) r = conn_queued(c);
    } else if (in.n) {
        r = conn_write(c, in);
    }
    if (r == ERR_NO_MEMORY) {
        exchange_abort(x);
        return ERR_CLOSED;
    }
    if (end) answered(x);
    return r;
}

// Waits for more of the body: not longer than for a piece, nor than the whole may take.
static void await_body(struct server_conn *sc, const struct exchange *x) {
    const struct server_limits *limits = &sc->server->limits;
    server_conn_touch(sc, limits->body_ns);
    uint64_t last_ns = x->start_ns + limits->whole_body_ns;
    if (limits->whole_body_ns && last_ns < sc->deadline_ns) sc->deadline_ns = last_ns;
}

static void wire_pause(struct exchange *x, bool paused) {
    struct server_conn *sc = x->sc;
    if (paused) {
        sc->deadline_ns = 0;
        conn_pause(&sc->conn);
    } else {
        await_body(sc, x);
        conn_resume(&sc->conn);
    }
}

static void wire_took(struct exchange *x, size_t n) {
    (void)x, (void)n; // pausing is the back-pressure
}

static void wire_proceed(struct exchange *x) {
    http1_write_continue(conn_queue(&x->sc->conn));
    if (conn_queued(&x->sc->conn) == ERR_NO_MEMORY) exchange_abort(x);
}

static void wire_abort(struct exchange *x) {
    server_conn_close(x->sc);
}

static const struct exchange_wire http1_wire = {
    .head = wire_head,
    .write = wire_write,
    .pause = wire_pause,
    .took = wire_took,
    .proceed = wire_proceed,
    .abort = wire_abort,
};

/* ---- reading ---- */

static void refuse_malformed(struct server_conn *sc, int code, const struct error *why) {
    struct exchange *x = sc->x;
    unsigned status = http1_status_of_error(sc->h1, code);
    metric_inc(server_refused(sc->server, "malformed"));
    log_debug(sc->server->options.log, "http_malformed", F_ERR(why), F_U64("status", status));
    x->close = true;
    if (x->begun) {
        server_conn_close(sc);
        return;
    }
    exchange_cut(x, (int)status, http_status_text(status));
}

static bool next_message(struct server_conn *sc) {
    struct exchange *x = exchange_new(sc, &http1_wire);
    if (!x) return false;
    sc->x = x;
    server_conn_begun(sc);
    http1_next_message(sc->h1, &x->arena, HTTP_METHOD_OTHER);
    server_conn_touch(sc, sc->server->limits.header_ns);
    return true;
}

/* One event of the parser. False: stop reading for now. */
static bool step(struct server_conn *sc, struct bytes *in) {
    struct exchange *x = sc->x;
    struct http1_event ev;
    struct error why = {0};
    const struct server_limits *limits = &sc->server->limits;
    int r = http1_next(&ev, sc->h1, in, &why);
    if (r < 0) {
        refuse_malformed(sc, r, &why);
        return !sc->dead;
    }
    switch (ev.type) {
    case HTTP1_REQUEST:
        if (sc->h1->request.body == HTTP_BODY_NONE)
            sc->deadline_ns = 0;
        else
            server_conn_touch(sc, limits->body_ns);
        exchange_start(x, &sc->h1->request);
        return true;
    case HTTP1_DATA:
        if (!x->paused) await_body(sc, x);
        exchange_data(x, ev.data);
        return true;
    case HTTP1_END:
        sc->deadline_ns = 0;
        exchange_data_end(x);
        return true;
    default:
        return false; // more is needed, or the bytes are another protocol's
    }
}

/* Who asks on and reads no answers is not read either, until the queue has drained. */
static bool owes_much(const struct server_conn *sc) {
    return conn_pending(&sc->conn) > CONN_HIGH_BYTES;
}

static void process(struct server_conn *sc, struct bytes *in) {
    sc->cursor = in;
    while (!sc->dead && sc->protocol == PROTOCOL_HTTP1 && !sc->conn.finishing) {
        if (sc->x && is_complete(sc->x)) {
            complete(sc);
            continue;
        }
        if (sc->x && sc->x->paused) sc->held = true;
        if (sc->x && (sc->x->request_ended || sc->x->paused)) break;
        if (!sc->x && (in->n == 0 || owes_much(sc) || !next_message(sc))) break;
        if (!step(sc, in)) break;
    }
    sc->cursor = NULL;
}

/* What waited is read first; what is left waits on. */
static void process_waiting(struct server_conn *sc) {
    struct buf waiting = sc->in;
    sc->in = (struct buf){0};
    struct bytes in = buf_view(&waiting);
    process(sc, &in);
    if (!sc->dead && in.n) {
        buf_drop_front(&waiting, waiting.n - in.n);
        sc->in = waiting;
        conn_pause(&sc->conn);
    } else {
        buf_free(&waiting);
    }
}

static void input_ended(struct server_conn *sc) {
    sc->ended = true;
    conn_pause(&sc->conn);
    if (sc->x && !sc->x->request_ended) {
        server_conn_close(sc); // cut off in the middle of a request
    } else if (!sc->x) {
        server_conn_finish(sc);
    }
}

void server_http1_readable(struct server_conn *sc) {
    if (sc->cursor) return;
    // Also without bytes: the pause may have come with the body's last, and its end is still to
    // tell.
    if (sc->in.n || (sc->held && sc->x && !sc->x->paused)) {
        sc->held = false;
        process_waiting(sc);
    }
    uint8_t *p = loop_scratch(sc->server->loop);
    while (!sc->dead && sc->conn.reading && !sc->conn.finishing && sc->protocol == PROTOCOL_HTTP1) {
        ssize_t n = conn_read(&sc->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) return;
        if (n == 0) {
            input_ended(sc);
            return;
        }
        if (n < 0) {
            server_conn_close(sc);
            return;
        }
        struct bytes in = bytes_make(p, (size_t)n);
        process(sc, &in);
        if (sc->dead || in.n == 0 || sc->protocol != PROTOCOL_HTTP1) continue;
        // A pipelined request, or a body that nobody takes yet: it waits, and no more is read.
        buf_append(&sc->in, in);
        conn_pause(&sc->conn);
        if (sc->in.failed) server_conn_close(sc);
    }
}

int server_http1_begin(struct server_conn *sc, struct error *why) {
    sc->h1 = calloc(1, sizeof *sc->h1);
    if (!sc->h1) return error_set(why, ERR_NO_MEMORY, "no memory for a connection");
    http1_request_init(sc->h1, NULL, &sc->server->http_limits);
    return 0;
}

/* ---- upgrade ---- */

int exchange_upgrade(struct exchange *x, struct conn **ret, const struct conn_events *events,
                     void *owner, const char *protocol, struct buf *rest, struct error *why) {
    struct server_conn *sc = x->sc;
    if (!sc || x->begun) return error_set(why, ERR_CLOSED, "the exchange is over");
    if (x->wire != &http1_wire || x->request->version != HTTP_1_1) {
        return error_set(why, ERR_UNSUPPORTED, "only HTTP/1.1 connections can be upgraded");
    }
    struct http_response *r = &x->response;
    r->status = 101;
    r->version = HTTP_1_1;
    r->body = HTTP_BODY_TUNNEL;
    r->upgrade = r->keep_alive = true;
    http_fields_remove(&r->fields, BYTES_LIT("upgrade"));
    int code = exchange_add_header(x, "Upgrade", bytes_from_str(protocol));
    if (code == 0) code = http1_write_response(conn_queue(&sc->conn), r, x->request->method, why);
    if (code == 0) {
        buf_append(rest, sc->cursor ? *sc->cursor : buf_view(&sc->in));
        code = buf_check(rest, why);
    }
    if (code == 0 && conn_queued(&sc->conn) == ERR_NO_MEMORY) code = ERR_NO_MEMORY;
    if (code < 0) return code;
    if (sc->cursor) *sc->cursor = BYTES_LIT("");
    buf_free(&sc->in);
    x->begun = x->answered = true;
    sc->protocol = PROTOCOL_TUNNEL;
    sc->idle = false;
    sc->deadline_ns = 0;
    sc->x = NULL;
    conn_rebind(&sc->conn, events, owner);
    conn_pause(&sc->conn); // resuming calls the new owner once, who may have bytes in `rest`
    conn_resume(&sc->conn);
    *ret = &sc->conn;
    exchange_finish(x);
    return 0;
}
