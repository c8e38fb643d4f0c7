/* HTTP/2 on a client's connection. SPDX-License-Identifier: MIT */
#include "net/client_internal.h"

#define OUTPUT_BYTES 65536u

static void flush(struct client_conn *cc) {
    struct error why = {0};
    while (!cc->dead && conn_pending(&cc->conn) < CONN_HIGH_BYTES && http2_wants_output(cc->h2)) {
        size_t before = conn_pending(&cc->conn);
        if (http2_output(cc->h2, conn_queue(&cc->conn), OUTPUT_BYTES, &why) < 0 ||
            conn_queued(&cc->conn) == ERR_NO_MEMORY) {
            client_conn_close(cc, &why);
            return;
        }
        if (conn_pending(&cc->conn) == before) break;
    }
    if (cc->dead) return;
    if (http2_wants_output(cc->h2)) cc->conn.full = true;
    if (http2_is_done(cc->h2)) {
        error_set(&why, ERR_CLOSED, "%s ended the connection", cc->client->authority);
        client_conn_close(cc, &why);
    }
}

static void on_flush(struct loop_task *t) {
    struct client_conn *cc = LIST_ENTRY(t, struct client_conn, flush);
    cc->busy++;
    if (!cc->dead) flush(cc);
    client_conn_unbusy(cc);
}

void client_http2_flush_later(struct client_conn *cc) {
    if (!cc->feeding) loop_defer(cc->client->loop, &cc->flush);
}

static void on_response(struct http2 *h, struct http2_stream *s, const struct http_response *r) {
    struct client_call *k = http2_stream_owner(s);
    (void)h;
    if (k && r->status >= 200) client_call_response(k, r);
}

static void on_data(struct http2 *h, struct http2_stream *s, struct bytes data) {
    struct client_call *k = http2_stream_owner(s);
    if (!k) {
        http2_consume(h, s, data.n);
        return;
    }
    k->holds++;
    client_call_body(k, data);
    if (k->paused && !k->over)
        k->untaken += data.n;
    else
        http2_consume(h, s, data.n);
    client_call_release(k);
}

static void end_call(struct client_conn *cc, struct http2_stream *s, struct client_call *k) {
    http2_stream_set_owner(s, NULL);
    list_remove(&k->stream);
    cc->used = true;
    client_call_end(k);
}

static void on_end(struct http2 *h, struct http2_stream *s, const struct http_fields *trailers) {
    struct client_conn *cc = http2_owner(h);
    struct client_call *k = http2_stream_owner(s);
    (void)trailers;
    if (!k) return;
    // Nobody wants the rest of the request (RFC 9113, 8.1): the server's own word may come late.
    if (!k->finished) http2_reset(h, s, HTTP2_NO_ERROR);
    end_call(cc, s, k);
}

static void on_writable(struct http2 *h, struct http2_stream *s) {
    struct client_call *k = http2_stream_owner(s);
    (void)h;
    if (k && !k->finished && k->events->drained) k->events->drained(k, k->context);
}

static void on_stream_closed(struct http2 *h, struct http2_stream *s, uint32_t code) {
    struct client_conn *cc = http2_owner(h);
    struct client_call *k = http2_stream_owner(s);
    if (k && code == HTTP2_NO_ERROR) {
        end_call(cc, s, k);
    } else if (k) {
        struct error why = {0};
        error_set(&why, ERR_CLOSED, "%s reset the stream: code %u", cc->client->authority, code);
        http2_stream_set_owner(s, NULL);
        list_remove(&k->stream);
        client_call_lost(k, &why, code == HTTP2_REFUSED_STREAM);
    }
    if (cc->dead || cc->doomed) return;
    if (cc->last && list_is_empty(&cc->calls))
        cc->doomed = true;
    else if (!cc->last)
        client_conn_ready(cc);
}

static void on_goaway(struct http2 *h, uint32_t code) {
    struct client_conn *cc = http2_owner(h);
    (void)code;
    client_conn_set_last(cc);
    list_remove(&cc->free);
    if (list_is_empty(&cc->calls)) cc->doomed = true;
}

static const struct http2_events events = {
    .response = on_response,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_stream_closed,
    .goaway = on_goaway,
};

void client_http2_readable(struct client_conn *cc) {
    uint8_t *p = loop_scratch(cc->client->loop);
    struct error why = {0};
    while (!cc->dead) {
        ssize_t n = conn_read(&cc->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) break;
        int r = ERR_CLOSED;
        if (n > 0) {
            cc->feeding = true;
            r = http2_feed(cc->h2, bytes_make(p, (size_t)n), loop_now_ns(cc->client->loop), &why);
            cc->feeding = false;
        } else {
            error_set(&why, ERR_CLOSED, "%s closed the connection", cc->client->authority);
        }
        if (r == 0 && !cc->doomed) continue;
        if (r == 0) error_set(&why, ERR_CLOSED, "%s: connection ends", cc->client->authority);
        client_conn_close(cc, &why);
        loop_defer(cc->client->loop, &cc->client->serve);
        return;
    }
    flush(cc);
}

int client_http2_begin(struct client_conn *cc, struct error *why) {
    struct http2_settings o = HTTP2_SETTINGS_DEFAULT;
    o.limits.head_bytes = cc->client->options.header_bytes_max;
    o.limits.body_bytes = UINT64_MAX;
    o.extended_connect = false;
    o.streams = 1; // a server opens none
    int r = http2_new(&cc->h2, false, &o, &events, cc, why);
    if (r < 0) return r;
    cc->flush.run = on_flush;
    client_http2_flush_later(cc);
    return 0;
}
