/* The first generation's transport, outgoing: one signed JSON-RPC request an order, over kept HTTPS
 * connections. What fails on the way is sent again until it expires, and so is what the peer
 * refuses because it does not list this node yet; any other answer settles it. Source:
 * flashbots/buildernet-orderflow-proxy. SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES 256u
#define UNKNOWN_PEER "unknown peers" /* of the refusal that a listing ends */
#define CALLS_MAX 64u                /* without answer */
#define ANSWER_NS (10 * NS_PER_S)
#define KEEP_NS (120 * NS_PER_S)
#define FAILURES_MAX 16u /* in a row: the peer is asked anew what it speaks */
#define PAUSE_NS (100 * NS_PER_MS)
#define PAUSE_MOST_NS (2 * NS_PER_S)

struct peer_http {
    struct peer *peer;
    struct client *client;
    struct tls *tls;
    struct list calls;
    unsigned open, failures;
    struct loop_timer timer; /* a pause after failures */
};

struct call {
    struct list_node node;
    struct peer_http *http;
    struct client_call *call;
    uint64_t seq, sent_ns;
    unsigned status;
    char answer[ANSWER_BYTES]; /* its beginning */
    size_t answer_n;
};

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct call *c = context;
    (void)k;
    c->status = (unsigned)r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct call *c = context;
    (void)k;
    in = bytes_slice(in, 0, sizeof c->answer - c->answer_n);
    if (in.n > 0) memcpy(c->answer + c->answer_n, in.p, in.n);
    c->answer_n += in.n;
}

static bool says(const struct call *c, const char *text) {
    return memmem(c->answer, c->answer_n, text, strlen(text)) != NULL;
}

static void call_free(struct call *c) {
    list_remove(&c->node);
    c->http->open--;
    free(c);
}

/* Frees the call; then pauses, or gives the protocol up. */
static void failed(struct call *c) {
    struct peer_http *h = c->http;
    struct peer *p = h->peer;
    peer_outbox_again(&p->outbox, c->seq, clock_wall_ns(p->share->clock));
    call_free(c);
    unsigned n = h->failures < 5 ? h->failures : 5;
    uint64_t pause = PAUSE_NS << n < PAUSE_MOST_NS ? PAUSE_NS << n : PAUSE_MOST_NS;
    h->failures++;
    (void)!loop_timer_set(p->share->loop, &h->timer, loop_now_ns(p->share->loop) + pause, NULL);
}

/* The first generation counts every answer's time; an error in one of status 200 is its error too.
 */
static void count(const struct call *c, const struct flow_order *order, uint64_t wall) {
    struct forward_metrics *m = &c->http->peer->forward;
    bool success = c->status >= 200 && c->status < 300;
    const char *reason = http_status_text(c->status);
    if (order) forward_answered(m, FORWARD_HTTP, order, c->sent_ns, wall, success);
    if (success && !says(c, "\"error\":{")) return;
    if (success)
        metric_inc(m->rpc_errors);
    else
        forward_failed(m, FORWARD_HTTP, FORWARD_REFUSED, *reason ? reason : "other", 1);
    forward_refusal(m, bytes_make(c->answer, c->answer_n), c->answer_n < sizeof c->answer);
}

static void on_end(struct client_call *k, void *context) {
    struct call *c = context;
    struct peer_http *h = c->http;
    struct peer *p = h->peer;
    const struct share_options *o = &p->share->options;
    uint64_t wall = clock_wall_ns(p->share->clock);
    void *order = peer_outbox_order(&p->outbox, c->seq);
    (void)k;
    count(c, order, wall);
    if (c->status == 429 || c->status >= 500 || says(c, UNKNOWN_PEER)) {
        failed(c);
        return;
    }
    bool taken = c->status == 200 && !says(c, "\"error\":{");
    if (taken && order && o->shared) o->shared(o->context, p->name, order);
    peer_outbox_settle(&p->outbox, c->seq, taken);
    p->latency_ns = wall > c->sent_ns ? wall - c->sent_ns : 0;
    metric_observe_ns(p->metric[PEER_ACK_SECONDS], p->latency_ns);
    h->failures = 0;
    call_free(c);
    share_pump_later(p);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct call *c = context;
    struct peer *p = c->http->peer;
    forward_failed(&p->forward, FORWARD_HTTP,
                   call_was_sent(k) ? FORWARD_NO_ANSWER : FORWARD_NOT_CONNECTED,
                   error_name((int)why->code), 1);
    if (why->code == ERR_UNTRUSTED) share_is_stale(p->share);
    if (c->http->failures == 0) {
        log_info(p->share->log, "peer_not_reached", F_STR("peer", p->name), F_ERR(why));
    }
    failed(c);
}

static const struct client_events events = {on_response, on_body, on_end, on_failed, NULL, NULL};

static void on_timer(struct loop_timer *t) {
    struct peer_http *h = LIST_ENTRY(t, struct peer_http, timer);
    struct peer *p = h->peer;
    if (h->failures < FAILURES_MAX || p->configured == SHARE_HTTP) {
        peer_http_pump(h);
        return;
    }
    p->http = NULL;
    p->spoken = SHARE_AUTO;
    peer_http_free(h);
    metric_set(p->metric[PEER_UP], 0);
    share_update_wants(p->share);
    peer_failed(p);
}

static int start(struct peer_http *h, struct flow_order *o, uint64_t seq, struct error *why) {
    struct peer *p = h->peer;
    const struct flow_body *body;
    struct http_field fields[2];
    int r = flow_order_body(&body, o, FLOW_JSON_FIRST, p->share->options.identity, why);
    if (r != 0) return r;
    struct call *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for a request");
    c->http = h;
    c->seq = seq;
    c->sent_ns = clock_wall_ns(p->share->clock);
    list_push_back(&h->calls, &c->node);
    h->open++;
    fields[0] = (struct http_field){.name = BYTES_LIT("content-type"),
                                    .value = BYTES_LIT("application/json"),
                                    .id = HTTP_FIELD_CONTENT_TYPE};
    fields[1] = (struct http_field){.name = BYTES_LIT("x-flashbots-signature"),
                                    .value = bytes_from_str(body->signature)};
    struct http_request q = {
        .method = HTTP_POST, .method_text = BYTES_LIT("POST"), .path = BYTES_LIT("/")};
    q.fields.item = fields;
    q.fields.count = body->signature[0] ? 2 : 1;
    r = client_start(&c->call, h->client, &q, body->data, false, &events, c, why);
    if (r != 0) call_free(c);
    return r;
}

void peer_http_pump(struct peer_http *h) {
    struct peer *p = h->peer;
    uint64_t wall = clock_wall_ns(p->share->clock), seq;
    while (h->open < CALLS_MAX && !loop_timer_armed(&h->timer)) {
        struct flow_order *o = peer_outbox_next(&p->outbox, wall, &seq);
        if (!o) return;
        int r = start(h, o, seq, NULL);
        if (r == ERR_BUSY || r == ERR_NO_MEMORY) {
            peer_outbox_again(&p->outbox, seq, wall);
            return; // the next tick
        }
        if (r != 0) peer_outbox_settle(&p->outbox, seq, false);
    }
}

static int open_client(struct peer_http *h, struct error *why) {
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    struct peer *p = h->peer;
    struct share *s = p->share;
    const struct tls_options t = {.role = TLS_CLIENT,
                                  .identity = {buf_view(&s->cert_pem), buf_view(&s->key_pem)},
                                  .trust = TLS_TRUST_PINS,
                                  .pins = p->pins,
                                  .pin_count = p->pin_count,
                                  .alpn = protocols,
                                  .clock = s->clock};
    char url[RESOLVER_NAME_MAX + 32];
    bool six = strchr(p->address, ':') != NULL;
    (void)snprintf(url, sizeof url, six ? "%s://[%s]:%u" : "%s://%s:%u",
                   p->pin_count ? "https" : "http", p->address, p->port);
    struct client_options o = {.url = url,
                               .tls_host = p->host,
                               .names = s->names,
                               .connections = s->options.connections,
                               .waiting = CALLS_MAX,
                               .connect_ns = SHARE_CONNECT_NS,
                               .response_ns = ANSWER_NS,
                               .body_ns = ANSWER_NS,
                               .keep_ns = KEEP_NS,
                               .retry_any = true};
    int r = p->pin_count ? tls_new(&h->tls, &t, why) : 0;
    o.tls = h->tls;
    return r == 0 ? client_new(&h->client, s->loop, &o, why) : r;
}

int peer_http_new(struct peer_http **ret, struct peer *p, struct error *why) {
    struct peer_http *h = calloc(1, sizeof *h);
    if (!h) return error_set(why, ERR_NO_MEMORY, "no memory for a peer's client");
    list_init(&h->calls);
    h->timer.fire = on_timer;
    h->peer = p;
    int r = open_client(h, why);
    if (r == 0) r = peer_outbox_rewind(&p->outbox, 0, why);
    if (r != 0) {
        peer_http_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

void peer_http_free(struct peer_http *h) {
    if (!h) return;
    for (struct list_node *n; (n = list_pop_front(&h->calls)) != NULL;) {
        struct call *c = LIST_ENTRY(n, struct call, node);
        if (c->call) call_cancel(c->call);
        free(c);
    }
    loop_timer_clear(h->peer->share->loop, &h->timer);
    forward_in_flight(&h->peer->forward, FORWARD_HTTP, 0);
    if (h->client) client_free(h->client);
    tls_free(h->tls);
    free(h);
}
