/* HTTP/2 on a server's connection. SPDX-License-Identifier: MIT */
#include "net/server_internal.h"

#include <stdlib.h>

#define OUTPUT_BYTES 65536u /* taken from the engine in one piece */

/* ---- answering ---- */

/* Takes a piece from the engine. Its events call handlers, and what these do may end the connection
 * (server_room); false: it is gone. */
static bool take_output(struct server_conn *sc) {
    struct error why;
    sc->giving = true;
    int r = http2_output(sc->h2, conn_queue(&sc->conn), OUTPUT_BYTES, &why);
    sc->giving = false;
    if (r == 0 && !sc->doomed && conn_queued(&sc->conn) != ERR_NO_MEMORY) return true;
    server_conn_close(sc);
    return false;
}

/* Writes what the engine has, as long as the connection takes it; the rest waits for `drained`. */
void server_http2_flush(struct server_conn *sc) {
    if (sc->giving) return; // it goes on when the handler has returned
    while (conn_pending(&sc->conn) < CONN_HIGH_BYTES && http2_wants_output(sc->h2)) {
        size_t before = conn_pending(&sc->conn);
        if (!take_output(sc)) return;
        if (conn_pending(&sc->conn) == before) break;
    }
    if (http2_wants_output(sc->h2)) sc->conn.full = true; // come back when it is drained
    if (http2_is_done(sc->h2)) server_conn_finish(sc);
}

/* Answers given outside of reading are written at the end of the turn, all in one piece. */
static void flush_later(struct server_conn *sc) {
    if (!sc->cursor) loop_defer(sc->server->loop, &sc->flush);
}

static int wire_head(struct exchange *x, bool end) {
    struct server_conn *sc = x->sc;
    x->response.version = HTTP_2;
    int r = http2_respond(sc->h2, x->stream, &x->response, end, NULL);
    flush_later(sc);
    return r;
}

static int wire_write(struct exchange *x, struct bytes in, bool end) {
    struct server_conn *sc = x->sc;
    int r = http2_write(sc->h2, x->stream, in, end);
    flush_later(sc);
    if (r == 0 || r == ERR_AGAIN) return r;
    exchange_abort(x);
    return ERR_CLOSED;
}

static void wire_pause(struct exchange *x, bool paused) {
    struct server_conn *sc = x->sc;
    if (paused) return;
    x->moved_ns = loop_now_ns(sc->server->loop);
    if (!x->untaken) return;
    http2_consume(sc->h2, x->stream, x->untaken);
    x->untaken = 0;
    flush_later(sc);
}

static void wire_took(struct exchange *x, size_t n) {
    if (x->paused)
        x->untaken += n; // the window opens again when the handler resumes
    else
        http2_consume(x->sc->h2, x->stream, n);
}

static void wire_proceed(struct exchange *x) {
    struct http_response r = {.status = 100, .version = HTTP_2};
    if (http2_respond(x->sc->h2, x->stream, &r, false, NULL) < 0)
        exchange_abort(x);
    else
        flush_later(x->sc);
}

static void wire_abort(struct exchange *x) {
    struct server_conn *sc = x->sc;
    http2_reset(sc->h2, x->stream, HTTP2_INTERNAL_ERROR);
    flush_later(sc);
}

static const struct exchange_wire http2_wire = {
    .head = wire_head,
    .write = wire_write,
    .pause = wire_pause,
    .took = wire_took,
    .proceed = wire_proceed,
    .abort = wire_abort,
};

/* ---- events of the engine ---- */

static void on_request(struct http2 *h, struct http2_stream *s, const struct http_request *r) {
    struct server_conn *sc = http2_owner(h);
    struct exchange *x = exchange_new(sc, &http2_wire);
    if (!x) {
        http2_reset(h, s, HTTP2_REFUSED_STREAM);
        return;
    }
    if (!sc->streams) server_conn_begun(sc);
    sc->deadline_ns = 0;
    x->stream = s;
    x->moved_ns = loop_now_ns(sc->server->loop);
    x->request_copy = *r;
    x->next = sc->streams;
    if (x->next) x->next->previous = x;
    sc->streams = x;
    http2_stream_set_owner(s, x);
    exchange_hold(x);
    exchange_start(x, &x->request_copy);
    exchange_release(x);
}

static void on_data(struct http2 *h, struct http2_stream *s, struct bytes data) {
    struct exchange *x = http2_stream_owner(s);
    if (!x || !x->sc) {
        http2_consume(h, s, data.n);
        return;
    }
    x->moved_ns = loop_now_ns(x->sc->server->loop);
    exchange_data(x, data);
}

static void on_end(struct http2 *h, struct http2_stream *s, const struct http_fields *trailers) {
    struct exchange *x = http2_stream_owner(s);
    (void)h, (void)trailers;
    if (!x || !x->sc) return;
    exchange_hold(x);
    exchange_data_end(x);
    exchange_release(x);
}

static void on_writable(struct http2 *h, struct http2_stream *s) {
    struct exchange *x = http2_stream_owner(s);
    (void)h;
    if (x && x->sc) exchange_drained(x);
}

static void on_stream_closed(struct http2 *h, struct http2_stream *s, uint32_t code) {
    struct server_conn *sc = http2_owner(h);
    struct exchange *x = http2_stream_owner(s);
    if (!x) return;
    if (code) x->answered = false; // cut off, whatever was queued
    if (x->sc) exchange_finish(x);
    if (!sc->streams && !sc->dead) server_conn_idle(sc);
}

static const struct http2_events events = {
    .request = on_request,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_stream_closed,
};

/* ---- the end (RFC 9113, 6.8) ---- */

#define NOTICE_NS NS_PER_S /* longest wait for the round trip after the first GOAWAY */

/* The first GOAWAY lets requests arrive that are on their way; the answer to the ping behind it
 * says that there are none left. */
void server_http2_wind_up(struct server_conn *sc) {
    if (sc->noticed) return;
    sc->noticed = true;
    sc->wind_ns = loop_now_ns(sc->server->loop);
    http2_goaway(sc->h2);
    http2_ping(sc->h2);
    if (!sc->cursor) server_http2_flush(sc);
}

static void say_last(struct server_conn *sc, uint64_t now) {
    if (!sc->noticed || sc->last_said) return;
    if (http2_pongs(sc->h2) == 0 && now < sc->wind_ns + NOTICE_NS) return;
    sc->last_said = true;
    http2_goaway(sc->h2);
}

/* ---- reading ---- */

void server_http2_readable(struct server_conn *sc) {
    uint8_t *p = loop_scratch(sc->server->loop);
    struct bytes mark = {0};
    while (!sc->dead && !sc->conn.finishing) {
        ssize_t n = conn_read(&sc->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) break;
        if (n <= 0) {
            server_conn_close(sc);
            return;
        }
        struct error why = {0};
        sc->cursor = &mark; // answers given now are written below
        int r = http2_feed(sc->h2, bytes_make(p, (size_t)n), loop_now_ns(sc->server->loop), &why);
        sc->cursor = NULL;
        if (sc->doomed) {
            server_conn_close(sc);
            return;
        }
        if (r < 0) {
            metric_inc(server_refused(sc->server, r == ERR_LIMIT ? "flood" : "malformed"));
            log_debug(sc->server->options.log, "http2_refused", F_ERR(&why));
            server_http2_flush(sc); // GOAWAY with the reason
            if (!sc->dead) server_conn_finish(sc);
            return;
        }
    }
    if (sc->dead) return;
    say_last(sc, loop_now_ns(sc->server->loop));
    server_http2_flush(sc);
}

static bool body_is_late(const struct exchange *x, uint64_t now) {
    const struct server_limits *limits = &x->server->limits;
    // A tunnel is no body: silence is its right.
    if (x->request_ended || x->paused || x->request_copy.method == HTTP_CONNECT) return false;
    uint64_t last_ns = x->moved_ns + limits->body_ns, whole_ns = limits->whole_body_ns;
    if (whole_ns && x->start_ns + whole_ns < last_ns) last_ns = x->start_ns + whole_ns;
    return now >= last_ns;
}

/* Something waits, and the window of the stream lets nothing of it out. That the connection takes
 * bytes proves nothing: others' streams share it. */
static bool answer_is_stuck(struct exchange *x, uint64_t now) {
    size_t queued = http2_queued(x->stream);
    uint64_t taken = x->out_bytes - queued;
    if (queued == 0 || taken != x->taken_bytes || !x->stuck_ns) {
        x->taken_bytes = taken;
        x->stuck_ns = now;
    }
    return now - x->stuck_ns >= x->server->limits.write_ns;
}

void server_http2_sweep(struct server_conn *sc, uint64_t now) {
    http2_sweep(sc->h2, now);
    say_last(sc, now);
    if (http2_wants_output(sc->h2)) flush_later(sc);
    for (struct exchange *x = sc->streams; x; x = x->next) {
        bool late = body_is_late(x, now), stuck = answer_is_stuck(x, now);
        if (!late && !stuck) continue;
        metric_inc(server_refused(sc->server, late ? "slow" : "slow_reader"));
        http2_reset(sc->h2, x->stream, HTTP2_CANCEL);
        x->moved_ns = x->stuck_ns = now; // counted once: it closes when the reset is written
        flush_later(sc);
    }
}

static void on_flush(struct loop_task *t) {
    struct server_conn *sc =
        (struct server_conn *)((char *)t - offsetof(struct server_conn, flush));
    sc->busy++;
    if (!sc->dead) server_http2_flush(sc);
    server_conn_unbusy(sc);
}

int server_http2_begin(struct server_conn *sc, struct error *why) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.limits = sc->server->http_limits;
    o.streams = sc->server->limits.streams;
    o.extended_connect = false;
    int r = http2_new(&sc->h2, true, &o, &events, sc, why);
    if (r < 0) return r;
    sc->flush.run = on_flush;
    flush_later(sc);
    return 0;
}
