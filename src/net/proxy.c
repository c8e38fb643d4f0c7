/* SPDX-License-Identifier: MIT */
#include "net/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#define FREE_MAX 256

struct proxy {
    struct proxy_options options;
    struct passing *free;
    unsigned free_count;
};

/* One request on its way. Lives while either side does. */
struct passing {
    struct proxy *proxy;
    struct exchange *x;    /* NULL: the client's side is over */
    struct client_call *k; /* NULL: the origin's side is over, or not begun */
    struct client *origin;
    struct bytes wish; /* the protocol that the origin is asked for, if any; in x's arena */
    struct passing *next;
};

/* The two ends of an upgraded connection. */
struct tunnel {
    struct server *server;
    struct client *client;
    struct conn *end[2]; /* 0: the client's, 1: the origin's; NULL when gone */
    bool ended[2];       /* what that end sends is over */
};

/* ---- life of a passing ---- */

static struct passing *passing_new(struct proxy *p) {
    struct passing *t = p->free;
    if (t) {
        p->free = t->next;
        p->free_count--;
    } else {
        t = malloc(sizeof *t);
    }
    if (t) *t = (struct passing){.proxy = p};
    return t;
}

static void settle(struct passing *t) {
    struct proxy *p = t->proxy;
    if (t->x || t->k) return;
    if (p->free_count < FREE_MAX) {
        t->next = p->free;
        p->free = t;
        p->free_count++;
    } else {
        free(t);
    }
}

static void leave_exchange(struct passing *t) {
    struct exchange *x = t->x;
    t->x = NULL;
    if (!x) return;
    exchange_set_events(x, NULL, NULL);
    exchange_release(x);
}

/* ---- the client's side: body of the request ---- */

static void front_body(struct exchange *x, void *context, struct bytes in, bool end) {
    struct passing *t = context;
    if (!t->k) return;
    if (in.n && call_write(t->k, in) == ERR_AGAIN) exchange_pause(x);
    if (end && t->k) call_finish(t->k);
}

static void front_drained(struct exchange *x, void *context) {
    struct passing *t = context;
    (void)x;
    if (t->k) call_resume(t->k);
}

static void front_gone(struct exchange *x, void *context) {
    struct passing *t = context;
    (void)x;
    struct client_call *k = t->k;
    t->k = NULL;
    if (k) call_cancel(k);
    leave_exchange(t);
    settle(t);
}

static const struct exchange_events front_events = {front_body, front_drained, front_gone};

/* ---- the origin's side: the response ---- */

static void bad_gateway(struct passing *t, const struct error *why) {
    struct exchange *x = t->x;
    log_warn(t->proxy->options.log, "proxy_failed", F_ERR(why));
    if (!x) return;
    exchange_hold(x);
    leave_exchange(t); // first: what follows calls no events of ours
    int status = why->code == ERR_TIMEOUT ? 504 : why->code == ERR_BUSY ? 503 : 502;
    const char *text = status == 504   ? "the origin did not answer in time\n"
                       : status == 503 ? "too many requests wait for the origin\n"
                                       : "the origin cannot be reached\n";
    if (exchange_is_begun(x))
        exchange_abort(x);
    else
        exchange_respond_text(x, status, "text/plain; charset=utf-8", bytes_from_str(text));
    exchange_release(x);
}

static int copy_response(struct exchange *x, SSL *origin, const struct proxy_options *o,
                         const struct http_response *from, struct http_response *to,
                         struct error *why) {
    struct arena *a = exchange_arena(x);
    *to = *from;
    int r = http_fields_borrow(&to->fields, a, &from->fields, why);
    if (r < 0) return r;
    http_fields_remove_hop_by_hop(&to->fields);
    return o->response ? o->response(x, origin, to, a, o->context, why) : 0;
}

static void back_response(struct client_call *k, void *context, const struct http_response *r) {
    struct passing *t = context;
    struct http_response own;
    struct error why = {0};
    if (!t->x) return;
    if (copy_response(t->x, call_session(k), &t->proxy->options, r, &own, &why) < 0) {
        struct client_call *call = t->k;
        t->k = NULL;
        bad_gateway(t, &why);
        call_cancel(call);
        settle(t);
        return;
    }
    int64_t length = own.body == HTTP_BODY_LENGTH ? (int64_t)own.content_length : -1;
    bool head = exchange_request(t->x)->method == HTTP_HEAD;
    if (own.body == HTTP_BODY_NONE && !head) length = 0;
    exchange_take_fields(t->x, &own.fields);
    exchange_begin(t->x, (int)own.status, length);
}

static void back_body(struct client_call *k, void *context, struct bytes in) {
    struct passing *t = context;
    if (t->x && exchange_write(t->x, in) == ERR_AGAIN) call_pause(k);
}

static void back_end(struct client_call *k, void *context) {
    struct passing *t = context;
    (void)k;
    t->k = NULL;
    struct exchange *x = t->x;
    if (x) exchange_hold(x);
    leave_exchange(t);
    if (x) {
        exchange_end(x);
        exchange_release(x);
    }
    settle(t);
}

static void back_failed(struct client_call *k, void *context, const struct error *why) {
    struct passing *t = context;
    (void)k;
    t->k = NULL;
    bad_gateway(t, why);
    settle(t);
}

static void back_drained(struct client_call *k, void *context) {
    struct passing *t = context;
    (void)k;
    if (t->x) exchange_resume(t->x);
}

static void back_upgraded(struct client_call *k, void *context, const struct http_response *r,
                          struct conn *conn, struct bytes rest);

static const struct client_events back_events = {.response = back_response,
                                                 .body = back_body,
                                                 .end = back_end,
                                                 .failed = back_failed,
                                                 .drained = back_drained,
                                                 .upgraded = back_upgraded};

/* ---- tunnels ---- */

static unsigned side_of(const struct tunnel *t, const struct conn *c) {
    return c == t->end[1];
}

static void tunnel_drop(struct tunnel *t) {
    struct conn *front = t->end[0], *back = t->end[1];
    t->end[0] = t->end[1] = NULL;
    if (front) server_drop(t->server, front);
    if (back) client_drop(t->client, back, NULL);
    free(t);
}

static void tunnel_open(struct conn *c) {
    (void)c;
}

static void tunnel_readable(struct conn *c) {
    struct tunnel *t = c->owner;
    unsigned side = side_of(t, c);
    struct conn *other = t->end[!side];
    uint8_t *p = loop_scratch(c->loop);
    for (;;) {
        ssize_t n = conn_read(c, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) return;
        if (n < 0) {
            tunnel_drop(t);
            return;
        }
        if (n == 0) {
            // This direction is over. The other may still carry a farewell.
            conn_pause(c);
            t->ended[side] = true;
            if (t->ended[!side])
                tunnel_drop(t);
            else
                conn_finish(other);
            return;
        }
        int r = conn_write(other, bytes_make(p, (size_t)n));
        if (r == ERR_NO_MEMORY) {
            tunnel_drop(t);
            return;
        }
        if (r == ERR_AGAIN) {
            conn_pause(c);
            return;
        }
    }
}

static void tunnel_drained(struct conn *c) {
    struct tunnel *t = c->owner;
    unsigned side = side_of(t, c);
    if (!t->ended[!side]) conn_resume(t->end[!side]);
}

static void tunnel_closed(struct conn *c, const struct error *why) {
    (void)why;
    tunnel_drop(c->owner);
}

static const struct conn_events tunnel_events = {tunnel_open, tunnel_readable, tunnel_drained,
                                                 tunnel_closed};

static int tunnel_begin(struct passing *t, const struct http_response *r, struct conn *back,
                        struct bytes rest, struct error *why) {
    struct http_response own;
    struct buf early = {0};
    struct bytes protocol = http_get(&r->fields, HTTP_FIELD_UPGRADE);
    char *name = protocol.n ? arena_str(exchange_arena(t->x), protocol) : NULL;
    struct tunnel *n = calloc(1, sizeof *n);
    int code = !n || !name ? error_set(why, ERR_NO_MEMORY, "no memory for a tunnel") : 0;
    if (code == 0) code = copy_response(t->x, back->tls, &t->proxy->options, r, &own, why);
    if (code == 0) {
        n->server = exchange_server(t->x);
        n->client = t->origin;
        exchange_take_fields(t->x, &own.fields);
        code = exchange_upgrade(t->x, &n->end[0], &tunnel_events, n, name, &early, why);
    }
    if (code < 0) {
        free(n);
        buf_free(&early);
        return code;
    }
    n->end[1] = back;
    conn_rebind(back, &tunnel_events, n);
    conn_resume(back);
    if (conn_write(n->end[0], rest) == ERR_AGAIN) conn_pause(back);
    if (early.n && conn_write(back, buf_view(&early)) == ERR_AGAIN) conn_pause(n->end[0]);
    buf_free(&early);
    return 0;
}

// What the origin switches to must be what it was asked for: whoever had the wish taken out of the
// request (h2c, say, would carry requests past every check) does not get it by way of the origin.
static void back_upgraded(struct client_call *k, void *context, const struct http_response *r,
                          struct conn *conn, struct bytes rest) {
    struct passing *t = context;
    struct error why = {0};
    (void)k;
    t->k = NULL;
    struct bytes protocol = http_get(&r->fields, HTTP_FIELD_UPGRADE);
    bool asked = t->x && protocol.n && http_equal_bytes_nocase(t->wish, protocol);
    if (!asked) error_set(&why, ERR_INVALID, "the origin switched protocols unasked");
    if (!asked || tunnel_begin(t, r, conn, rest, &why) < 0) {
        client_drop(t->origin, conn, &why);
        bad_gateway(t, &why);
    }
    leave_exchange(t);
    settle(t);
}

/* ---- a request ---- */

static int forward_fields(struct exchange *x, const struct proxy_options *o,
                          struct http_request *to, struct arena *a) {
    char text[SOCKET_TEXT_MAX];
    struct error *why = NULL;
    int r = 0;
    if (o->forwarded_for) {
        size_t n = socket_address_host(text, exchange_peer(x));
        struct bytes name = BYTES_LIT("x-forwarded-for"), value = bytes_make(text, n);
        struct bytes before = http_get(&to->fields, HTTP_FIELD_X_FORWARDED_FOR);
        if (before.n) {
            // Several lines are one list (RFC 9110, 5.3); the peer comes last.
            char *list = arena_printf(a, "%.*s, %s", (int)before.n, (const char *)before.p, text);
            unsigned at = to->fields.first[HTTP_FIELD_X_FORWARDED_FOR];
            const struct http_field *next = http_find(&to->fields, "x-forwarded-for", at);
            if (next)
                r = http_fields_add(&to->fields, a, name, value, why);
            else
                r = list ? http_fields_set(&to->fields, a, name, bytes_from_str(list), why)
                         : ERR_NO_MEMORY;
        } else {
            r = http_fields_add(&to->fields, a, name, value, why);
        }
    }
    if (r == 0 && o->forwarded_more) {
        r = http_fields_set(&to->fields, a, BYTES_LIT("x-forwarded-proto"),
                            exchange_is_tls(x) ? BYTES_LIT("https") : BYTES_LIT("http"), why);
        struct bytes host = exchange_request(x)->authority;
        if (r == 0 && host.n) {
            r = http_fields_set(&to->fields, a, BYTES_LIT("x-forwarded-host"), host, why);
        }
    }
    return r;
}

static int copy_request(struct exchange *x, const struct proxy_options *o,
                        struct http_request *to) {
    const struct http_request *from = exchange_request(x);
    struct arena *a = exchange_arena(x);
    struct bytes upgrade = {NULL, 0};
    *to = *from;
    if (!o->keep_host) to->authority = (struct bytes){NULL, 0};
    int r = http_fields_borrow(&to->fields, a, &from->fields, NULL);
    if (r < 0) return r;
    if (from->upgrade) upgrade = http_get(&to->fields, HTTP_FIELD_UPGRADE);
    http_fields_remove_hop_by_hop(&to->fields);
    http_fields_remove(&to->fields, BYTES_LIT("host"));
    http_fields_remove(&to->fields, BYTES_LIT("expect"));
    http_fields_remove(&to->fields, BYTES_LIT("content-length"));
    to->upgrade = upgrade.n != 0;
    to->expect_continue = false;
    if (upgrade.n) r = http_fields_add(&to->fields, a, BYTES_LIT("upgrade"), upgrade, NULL);
    return r < 0 ? r : forward_fields(x, o, to, a);
}

void proxy_pass(struct proxy *p, struct exchange *x) {
    const struct proxy_options *o = &p->options;
    struct http_request own;
    struct error why = {0};
    struct client *origin = o->choose ? o->choose(x, o->context) : o->origin;
    if (copy_request(x, o, &own) < 0) {
        exchange_respond_text(x, 431, "text/plain; charset=utf-8", BYTES_LIT("fields too large\n"));
        return;
    }
    if (o->request && o->request(x, &own, exchange_arena(x), o->context) < 0) return;
    struct passing *t = origin ? passing_new(p) : NULL;
    if (!t) {
        exchange_respond_text(x, 502, "text/plain; charset=utf-8", BYTES_LIT("no origin\n"));
        return;
    }
    bool more = own.body != HTTP_BODY_NONE;
    t->x = x;
    t->origin = origin;
    if (own.upgrade) t->wish = http_get(&own.fields, HTTP_FIELD_UPGRADE);
    exchange_hold(x);
    exchange_set_events(x, &front_events, t);
    if (client_start(&t->k, origin, &own, BYTES_LIT(""), more, &back_events, t, &why) < 0) {
        t->k = NULL;
        bad_gateway(t, &why);
        settle(t);
    }
}

void proxy_handle(struct exchange *x, void *context) {
    proxy_pass(context, x);
}

int proxy_new(struct proxy **ret, const struct proxy_options *options, struct error *why) {
    struct proxy *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a proxy");
    p->options = *options;
    *ret = p;
    return 0;
}

void proxy_free(struct proxy *p) {
    if (!p) return;
    while (p->free) {
        struct passing *t = p->free;
        p->free = t->next;
        free(t);
    }
    free(p);
}
