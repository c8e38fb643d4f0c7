/* SPDX-License-Identifier: MIT */
#include "net/ws.h"
#include "net/websocket.h"

#include <stdlib.h>

#define ABNORMAL 1006u /* RFC 6455 7.1.5: never on the wire */
#define MESSAGE_BYTES_DEFAULT (1u << 20)

struct ws {
    struct loop *loop;
    struct conn *conn; /* NULL before the handshake */
    struct server *server;
    struct client *client; /* one of both */
    struct client_call *call;
    const struct ws_events *events;
    void *context;
    struct ws_options options;
    struct websocket engine;
    struct buf waiting; /* input that came while paused */
    struct loop_timer timer;
    char key[WEBSOCKET_KEY_BYTES];
    unsigned close_code;
    unsigned busy;
    size_t lent;          /* ws_lent */
    uint64_t heard_bytes; /* conn.in_bytes at the last look */
    bool pinged, paused, closing, peer_closed, dead;
    bool owes; /* the pong below waits for room */
    uint8_t owed_bytes, owed[125];
};

/* ---- life ---- */

static struct ws *ws_new(struct loop *l, const struct ws_options *o, bool server,
                         const struct ws_events *events, void *context);

static void unbusy(struct ws *w) {
    if (--w->busy == 0 && w->dead) free(w);
}

/* Takes everything down; no event. */
static void take_down(struct ws *w) {
    struct conn *c = w->conn;
    w->dead = true;
    w->conn = NULL;
    loop_timer_clear(w->loop, &w->timer);
    if (w->call) call_cancel(w->call);
    w->call = NULL;
    if (c && w->server)
        server_drop(w->server, c);
    else if (c)
        client_drop(w->client, c, NULL);
    websocket_free(&w->engine);
    buf_free(&w->waiting);
}

void ws_drop(struct ws *w) {
    if (w->dead) return;
    w->busy++;
    take_down(w);
    unbusy(w);
}

static void end(struct ws *w, unsigned code, const struct error *why) {
    if (w->dead) return;
    w->busy++;
    take_down(w);
    w->events->closed(w, w->context, code, why);
    unbusy(w);
}

static void end_with(struct ws *w, enum err code, const char *text) {
    struct error why = {0};
    error_set(&why, code, "%s", text);
    end(w, ABNORMAL, &why);
}

/* ---- time: pings, and the end of those who do not answer ---- */

static void arm(struct ws *w, uint64_t wait_ns) {
    if (loop_timer_set(w->loop, &w->timer, loop_now_ns(w->loop) + wait_ns, NULL) < 0) {
        end_with(w, ERR_NO_MEMORY, "no memory for a timer");
    }
}

static void on_timer(struct loop_timer *t) {
    struct ws *w = (struct ws *)((char *)t - offsetof(struct ws, timer));
    bool alive = w->conn->in_bytes != w->heard_bytes;
    w->heard_bytes = w->conn->in_bytes;
    if (w->closing || (w->pinged && !alive && !w->paused)) {
        end_with(w, ERR_TIMEOUT, w->closing ? "no closing answer" : "no sign of life");
        return;
    }
    if (alive || w->paused) {
        w->pinged = false;
        arm(w, w->options.ping_ns);
        return;
    }
    websocket_write_ping(&w->engine, conn_queue(w->conn), BYTES_LIT(""));
    w->pinged = true;
    w->busy++;
    if (conn_queued(w->conn) == ERR_NO_MEMORY) end_with(w, ERR_NO_MEMORY, "no memory");
    if (!w->dead) arm(w, w->options.pong_ns);
    unbusy(w);
}

/* ---- input ---- */

static void answer_close(struct ws *w, unsigned code) {
    w->peer_closed = true;
    w->close_code = code;
    if (!w->closing) {
        uint16_t echo = code == WEBSOCKET_NO_CODE ? WEBSOCKET_NO_CODE : (uint16_t)code;
        websocket_write_close(&w->engine, conn_queue(w->conn), echo, BYTES_LIT(""));
        if (conn_queued(w->conn) == ERR_NO_MEMORY) {
            end_with(w, ERR_NO_MEMORY, "no memory");
            return;
        }
    }
    w->closing = true;
    conn_finish(w->conn);
}

static void refuse(struct ws *w, int code, const struct error *why) {
    uint16_t close_code = websocket_close_code_of(code);
    websocket_write_close(&w->engine, conn_queue(w->conn), close_code, BYTES_LIT(""));
    w->closing = w->peer_closed = true;
    w->close_code = ABNORMAL;
    (void)why;
    if (conn_queued(w->conn) == ERR_NO_MEMORY)
        end(w, ABNORMAL, why);
    else
        conn_finish(w->conn);
}

static void answer_ping(struct ws *w, struct bytes data) {
    websocket_write_pong(&w->engine, conn_queue(w->conn), data);
    if (conn_queued(w->conn) == ERR_NO_MEMORY) end_with(w, ERR_NO_MEMORY, "no memory");
}

/* A peer that does not read gets the answer to its last ping only, when there is room again
 * (RFC 6455, 5.5.3): else its pings would grow the queue without end. */
static void take_ping(struct ws *w, struct bytes data) {
    w->owes = conn_pending(w->conn) > CONN_HIGH_BYTES;
    if (!w->owes) {
        answer_ping(w, data);
        return;
    }
    w->owed_bytes = (uint8_t)data.n;
    if (data.n) memcpy(w->owed, data.p, data.n);
}

static void take(struct ws *w, uint8_t *p, size_t n) {
    struct websocket_event ev;
    struct error why = {0};
    while (!w->dead && !w->peer_closed && !w->paused) {
        int r = websocket_next(&ev, &w->engine, &p, &n, &why);
        if (r < 0) {
            refuse(w, r, &why);
            return;
        }
        if (ev.type == WEBSOCKET_MORE) return;
        if (ev.type == WEBSOCKET_TEXT || ev.type == WEBSOCKET_BINARY) {
            if (!w->closing) {
                w->events->message(w, w->context, ev.type == WEBSOCKET_TEXT, ev.data);
            }
        } else if (ev.type == WEBSOCKET_PING) {
            take_ping(w, ev.data);
        } else if (ev.type == WEBSOCKET_CLOSE) {
            answer_close(w, ev.close_code);
        }
    }
    if (w->dead || !n || w->peer_closed) return;
    buf_append(&w->waiting, bytes_make(p, n)); // paused in the middle
    if (w->waiting.failed) end_with(w, ERR_NO_MEMORY, "no memory");
}

static void take_waiting(struct ws *w) {
    struct buf waiting = w->waiting;
    w->waiting = (struct buf){0};
    take(w, waiting.p, waiting.n);
    buf_free(&waiting);
}

// The server's bound over all connections holds for messages that are on their way.
static void count_kept(struct ws *w) {
    size_t kept = w->engine.message.capacity + w->waiting.capacity + w->lent;
    size_t before = w->conn->held;
    w->conn->held = kept;
    if (kept <= before || !w->server) return;
    if (!server_room(w->server, w->conn, kept - before)) {
        end_with(w, ERR_LIMIT, "too much is kept for other clients");
    }
}

void ws_lent(struct ws *w, size_t bytes) {
    if (w->dead || !w->conn) return;
    w->conn->held += bytes - w->lent; // unsigned: goes down as well
    w->lent = bytes;
}

static void on_readable(struct conn *c) {
    struct ws *w = c->owner;
    w->busy++;
    if (w->waiting.n && !w->paused) take_waiting(w);
    uint8_t *p = loop_scratch(w->loop);
    while (!w->dead && !w->paused && !w->peer_closed) {
        ssize_t n = conn_read(c, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) break;
        if (n > 0)
            take(w, p, (size_t)n);
        else
            end_with(w, ERR_CLOSED, "the connection ended without a closing frame");
        if (!w->dead) count_kept(w);
    }
    unbusy(w);
}

static void on_drained(struct conn *c) {
    struct ws *w = c->owner;
    w->busy++;
    if (w->owes && !w->closing) answer_ping(w, bytes_make(w->owed, w->owed_bytes));
    w->owes = false;
    if (!w->dead && w->events->drained && !w->closing) w->events->drained(w, w->context);
    unbusy(w);
}

static void on_closed(struct conn *c, const struct error *why) {
    struct ws *w = c->owner;
    struct error text = *why;
    if (w->peer_closed) {
        end(w, w->close_code, why);
        return;
    }
    if (!text.code) error_set(&text, ERR_CLOSED, "connection closed");
    end(w, ABNORMAL, &text);
}

static void on_open(struct conn *c) {
    (void)c;
}

static const struct conn_events ws_conn_events = {on_open, on_readable, on_drained, on_closed};

static struct ws *ws_new(struct loop *l, const struct ws_options *o, bool server,
                         const struct ws_events *events, void *context) {
    struct ws *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    if (o) w->options = *o;
    if (!w->options.message_bytes_max) w->options.message_bytes_max = MESSAGE_BYTES_DEFAULT;
    if (!w->options.ping_ns) w->options.ping_ns = 30 * NS_PER_S;
    if (!w->options.pong_ns) w->options.pong_ns = 10 * NS_PER_S;
    w->loop = l;
    w->events = events;
    w->context = context;
    w->timer.fire = on_timer;
    websocket_init(&w->engine, server, w->options.message_bytes_max);
    return w;
}

/* ---- server ---- */

int ws_accept(struct ws **ret, struct exchange *x, const struct ws_options *options,
              const struct ws_events *events, void *context, struct error *why) {
    struct http_response answer = {0};
    struct error own = {0};
    const char *protocol = options ? options->protocol : NULL;
    const struct http_request *r = exchange_request(x);
    int code = websocket_check_request(r, &own);
    if (code == 0) code = websocket_answer(&answer, exchange_arena(x), r, protocol, &own);
    if (code < 0) {
        if (code == ERR_UNSUPPORTED) {
            (void)exchange_add_header(x, "Sec-WebSocket-Version", BYTES_LIT("13"));
        }
        exchange_respond_text(x, code == ERR_UNSUPPORTED ? 426 : 400, "text/plain; charset=utf-8",
                              bytes_from_str(own.text));
        if (why) *why = own;
        return code;
    }
    struct ws *w = ws_new(exchange_loop(x), options, true, events, context);
    if (!w) return error_set(why, ERR_NO_MEMORY, "no memory for a WebSocket");
    w->server = exchange_server(x);
    exchange_take_fields(x, &answer.fields);
    code = exchange_upgrade(x, &w->conn, &ws_conn_events, w, "websocket", &w->waiting, why);
    if (code < 0) {
        websocket_free(&w->engine);
        buf_free(&w->waiting);
        free(w);
        return code;
    }
    *ret = w;
    arm(w, w->options.ping_ns);
    return 0;
}

/* ---- client ---- */

static void call_response(struct client_call *k, void *context, const struct http_response *r) {
    struct ws *w = context;
    struct error why = {0};
    (void)k;
    error_set(&why, ERR_INVALID, "the server answered %u and did not upgrade", r->status);
    end(w, ABNORMAL, &why);
}

static void call_end(struct client_call *k, void *context) {
    struct ws *w = context;
    (void)k;
    w->call = NULL;
    end_with(w, ERR_INVALID, "the server did not upgrade");
}

static void call_failed(struct client_call *k, void *context, const struct error *why) {
    struct ws *w = context;
    (void)k;
    w->call = NULL;
    end(w, ABNORMAL, why);
}

static void call_upgraded(struct client_call *k, void *context, const struct http_response *r,
                          struct conn *conn, struct bytes rest) {
    struct ws *w = context;
    struct error why = {0};
    (void)k;
    w->call = NULL;
    w->conn = conn;
    conn_rebind(conn, &ws_conn_events, w);
    if (websocket_check_response(r, w->key, &why) < 0) {
        end(w, ABNORMAL, &why);
        return;
    }
    w->busy++;
    buf_append(&w->waiting, rest);
    if (w->waiting.failed) end_with(w, ERR_NO_MEMORY, "no memory");
    if (!w->dead) arm(w, w->options.ping_ns);
    if (!w->dead && w->events->open) w->events->open(w, w->context);
    if (!w->dead) take_waiting(w);
    if (!w->dead) conn_resume(conn);
    unbusy(w);
}

static const struct client_events ws_call_events = {
    .response = call_response, .end = call_end, .failed = call_failed, .upgraded = call_upgraded};

int ws_connect(struct ws **ret, struct client *c, struct bytes path,
               const struct http_fields *fields, const struct ws_options *options,
               const struct ws_events *events, void *context, struct error *why) {
    struct http_request r = {.method = HTTP_GET, .path = path};
    struct arena a;
    struct ws *w = ws_new(client_loop(c), options, false, events, context);
    if (!w) return error_set(why, ERR_NO_MEMORY, "no memory for a WebSocket");
    w->client = c;
    arena_init(&a, 1u << 20);
    websocket_new_key(w->key);
    int code = fields ? http_fields_copy(&r.fields, &a, fields, why) : 0;
    if (code == 0) code = websocket_offer(&r, &a, w->key, why);
    if (code == 0 && w->options.protocol) {
        code = http_fields_add(&r.fields, &a, BYTES_LIT("sec-websocket-protocol"),
                               bytes_from_str(w->options.protocol), why);
    }
    if (code == 0) {
        code = client_start(&w->call, c, &r, BYTES_LIT(""), false, &ws_call_events, w, why);
    }
    arena_free(&a);
    if (code < 0) {
        websocket_free(&w->engine);
        free(w);
        return code;
    }
    *ret = w;
    return 0;
}

/* ---- the caller's side ---- */

int ws_send(struct ws *w, bool text, struct bytes data) {
    if (w->dead || w->closing || !w->conn) return ERR_CLOSED;
    websocket_write(&w->engine, conn_queue(w->conn), text, data);
    int r = conn_queued(w->conn);
    return r == ERR_NO_MEMORY ? ERR_CLOSED : r;
}

void ws_pause(struct ws *w) {
    w->paused = true;
    if (w->conn) conn_pause(w->conn);
}

void ws_resume(struct ws *w) {
    w->paused = false;
    if (w->conn) conn_resume(w->conn);
}

void ws_close(struct ws *w, unsigned code, struct bytes reason) {
    if (w->dead || w->closing) return;
    w->closing = true;
    if (!w->conn) {
        end_with(w, ERR_CANCELLED, "closed before it was open");
        return;
    }
    w->busy++;
    websocket_write_close(&w->engine, conn_queue(w->conn), (uint16_t)code, reason);
    if (conn_queued(w->conn) == ERR_NO_MEMORY) end_with(w, ERR_NO_MEMORY, "no memory");
    if (!w->dead) {
        loop_timer_clear(w->loop, &w->timer);
        arm(w, w->options.pong_ns);
    }
    unbusy(w);
}

SSL *ws_session(const struct ws *w) {
    return w->conn ? w->conn->tls : NULL;
}
size_t ws_pending(const struct ws *w) {
    return w->conn ? conn_pending(w->conn) : 0;
}
