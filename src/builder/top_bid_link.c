/* A stream of the best bids (WebSocket, 188 bytes of SSZ a message), opened again when it breaks.
 * SPDX-License-Identifier: MIT */
#include "builder/app.h"

#include "base/base64.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_NS NS_PER_S

struct top_bid_link {
    struct app *a;
    char origin[300], path[300];
    struct client *client;
    struct ws *ws;
    struct loop_timer retry;
};

static void again(struct top_bid_link *t) {
    struct error why;
    if (loop_timer_set(t->a->loop, &t->retry, loop_now_ns(t->a->loop) + RETRY_NS, &why) != 0) {
        log_error(t->a->log, "timer_lost", F_ERR(&why));
    }
}

static void on_message(struct ws *w, void *context, bool text, struct bytes data) {
    struct top_bid_link *t = context;
    struct top_bid bid;
    struct error why;
    (void)w;
    if (text) return;
    if (top_bid_decode(&bid, data, &why) == 0) {
        build_slots_best_bid(t->a, &bid);
    } else {
        log_warn(t->a->log, "top_bid_refused", F_STR("stream", t->origin), F_ERR(&why));
    }
}

static void on_closed(struct ws *w, void *context, unsigned code, const struct error *why) {
    struct top_bid_link *t = context;
    (void)w;
    t->ws = NULL;
    log_warn(t->a->log, "top_bid_stream_lost", F_STR("stream", t->origin), F_U64("code", code),
             F_ERR(why));
    again(t);
}

static const struct ws_events events = {.message = on_message, .closed = on_closed};

// "user:password" as a field of the request, RFC 7617; empty: none.
static int put_authorization(struct http_fields *fields, const struct secret *auth, struct arena *a,
                             struct error *why) {
    struct buf value;
    if (auth->n == 0) return 0;
    buf_init(&value, 4096);
    buf_append_str(&value, "Basic ");
    base64_append(&value, secret_view(auth), 0);
    int r = buf_check(&value, why);
    if (r == 0) {
        r = http_fields_add(fields, a, BYTES_LIT("authorization"), buf_view(&value), why);
    }
    bytes_wipe(value.p, value.n);
    buf_free(&value);
    return r;
}

static void connect_now(struct loop_timer *timer) {
    struct top_bid_link *t =
        (struct top_bid_link *)(void *)((char *)timer - offsetof(struct top_bid_link, retry));
    const struct ws_options options = {.message_bytes_max = 4096};
    struct http_fields fields = {.count = 0};
    struct arena a;
    struct error why;
    arena_init(&a, 64u << 10);
    int r = put_authorization(&fields, &t->a->values.top_bid_auth, &a, &why);
    if (r == 0) {
        r = ws_connect(&t->ws, t->client, bytes_from_str(t->path), &fields, &options, &events, t,
                       &why);
    }
    arena_free(&a);
    if (r == 0) return;
    t->ws = NULL;
    log_warn(t->a->log, "top_bid_stream_lost", F_STR("stream", t->origin), F_ERR(&why));
    again(t);
}

int top_bid_link_new(struct top_bid_link **ret, struct app *a, const char *url, struct error *why) {
    struct top_bid_link *t = calloc(1, sizeof *t);
    struct url u;
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a stream of bids");
    t->a = a;
    t->retry.fire = connect_now;
    int r = url_parse(&u, bytes_from_str(url), why);
    if (r == 0) r = url_origin(t->origin, sizeof t->origin, &u, why);
    if (r == 0 && u.target.n >= sizeof t->path) r = error_set(why, ERR_LIMIT, "too long");
    if (r == 0) {
        (void)snprintf(t->path, sizeof t->path, "%.*s", (int)u.target.n, (const char *)u.target.p);
        const struct client_options client = {.url = t->origin,
                                              .tls = a->tls,
                                              .names = a->names,
                                              .protocol = CLIENT_HTTP1,
                                              .connections = 1};
        r = client_new(&t->client, a->loop, &client, why);
    }
    if (r != 0) {
        free(t);
        return error_wrap(why, "top-bid %s", url);
    }
    connect_now(&t->retry);
    *ret = t;
    return 0;
}

void top_bid_link_free(struct top_bid_link *t) {
    if (!t) return;
    loop_timer_clear(t->a->loop, &t->retry);
    if (t->ws) ws_drop(t->ws);
    client_free(t->client);
    free(t);
}
