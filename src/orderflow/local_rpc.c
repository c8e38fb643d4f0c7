/* The builder's JSON-RPC. SPDX-License-Identifier: MIT */
#include "net/url.h"
#include "orderflow/listener.h"
#include "orderflow/local_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECTIONS_DEFAULT 64u
#define RESPONSE_DEFAULT_NS (2 * NS_PER_S)
#define CONNECT_NS (800 * NS_PER_MS)
#define KEEP_NS (28 * NS_PER_S)
#define WAIT_FIRST_NS (50 * NS_PER_MS)
#define WAIT_MOST_NS (2 * NS_PER_S)

/* One order on its way. */
struct call {
    struct local *local;
    struct local_item *item;
    uint64_t life; // of the builder that it went to, or of one before
    unsigned status;
    uint64_t sent_ns; // wall clock
};

static void put_field(struct http_fields *f, struct http_field *items, const char *name,
                      struct bytes value) {
    items[f->count++] = (struct http_field){.name = bytes_from_str(name), .value = value};
}

/* After a failure one order goes at a time, after growing waits, until one gets through. */
static void fail(struct local *l, const struct error *why) {
    struct local_rpc *rpc = &l->rpc;
    if (!rpc->failing) log_warn(l->options.log, "builder_unreachable", F_ERR(why));
    rpc->failing = true;
    l->stats.connected = false;
    rpc->wait_ns = rpc->wait_ns == 0 ? WAIT_FIRST_NS : rpc->wait_ns * 2;
    if (rpc->wait_ns > WAIT_MOST_NS) rpc->wait_ns = WAIT_MOST_NS;
    if (!loop_timer_armed(&rpc->retry)) local_arm(l, &rpc->retry, rpc->wait_ns);
}

static void look(struct local *l) {
    struct url u;
    struct error why;
    bool ok = l->given && url_parse(&u, bytes_from_str(l->options.url), &why) == 0;
    l->rpc.life = ok ? listener_life(&u) : 0;
}

void local_rpc_resume(struct local *l) {
    look(l);
    l->rpc.noted = given_sequence(l->given);
    given_confirm(l->given, l->rpc.life, UINT64_MAX);
}

static void note(struct local *l, const struct call *c) {
    if (c->life == 0) return;
    local_note(l, c->life, ++l->rpc.noted, c->item->order);
    l->rpc.unwritten = true;
}

/* Before anything else leaves: what was answered and is not in the file counts as in flight. */
static void write_notes(struct local *l) {
    if (l->rpc.unwritten) local_note_end(l);
    l->rpc.unwritten = false;
}

static void turn_ends(struct loop_task *t) {
    local_rpc_pump(LIST_ENTRY(t, struct local, rpc.turn_end));
}

static void again(struct local *l, struct local_item *item, const struct error *why) {
    l->stats.retried++;
    local_put_back(l, item);
    fail(l, why);
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct call *)context)->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k, (void)context, (void)in; // a builder says null, whatever it thinks
}

static void count(struct local *l, const struct call *c) {
    struct forward_metrics *m = &l->rpc.forward;
    bool success = c->status >= 200 && c->status < 300;
    const char *reason = http_status_text(c->status);
    forward_answered(m, FORWARD_HTTP, c->item->order, c->sent_ns, local_wall_ns(l), success);
    forward_in_flight(m, FORWARD_HTTP, l->rpc.calls);
    if (success) return;
    forward_failed(m, FORWARD_HTTP, FORWARD_REFUSED, *reason ? reason : "other", 1);
}

static void on_end(struct client_call *k, void *context) {
    struct call c = *(struct call *)context;
    struct local *l = c.local;
    struct error why;
    (void)k;
    free(context);
    l->rpc.calls--;
    count(l, &c);
    if (c.status == 429 || c.status >= 500) {
        (void)error_set(&why, ERR_BUSY, "the builder answered %u", c.status);
        again(l, c.item, &why);
        return;
    }
    if (l->rpc.failing) {
        log_info(l->options.log, "builder_reached");
        look(l); // it may be another one
    }
    l->rpc.failing = false;
    l->rpc.wait_ns = 0;
    l->stats.connected = true;
    note(l, &c);
    local_settle(l, c.item, c.status < 300 ? 0 : ERR_INVALID);
    loop_defer(l->options.loop, &l->rpc.turn_end); // one write for all answers of this turn
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct call c = *(struct call *)context;
    bool sent = call_was_sent(k);
    free(context);
    c.local->rpc.calls--;
    if (why->code == ERR_CANCELLED) {
        local_item_free(c.item);
        return;
    }
    forward_failed(&c.local->rpc.forward, FORWARD_HTTP,
                   sent ? FORWARD_NO_ANSWER : FORWARD_NOT_CONNECTED, error_name((int)why->code), 1);
    forward_in_flight(&c.local->rpc.forward, FORWARD_HTTP, c.local->rpc.calls);
    again(c.local, c.item, why);
}

static const struct client_events events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static int start(struct local *l, struct call *c, struct error *why) {
    bool first = l->options.generation == ORDER_FIRST;
    struct flow_order *o = c->item->order;
    struct http_field items[4];
    struct http_request r = {.method = HTTP_POST,
                             .method_text = BYTES_LIT("POST"),
                             .path = bytes_from_str(l->rpc.path),
                             .fields = {.item = items, .capacity = 4}};
    const struct flow_body *body;
    char sent[24];
    int status = flow_order_body(&body, o, first ? FLOW_JSON_FIRST : FLOW_JSON_SECOND,
                                 first ? l->options.identity : NULL, why);
    if (status != 0) return status;
    (void)snprintf(sent, sizeof sent, "%llu", (unsigned long long)(local_wall_ns(l) / NS_PER_US));
    put_field(&r.fields, items, "content-type", BYTES_LIT("application/json"));
    put_field(&r.fields, items, "x-buildernet-priority",
              bytes_from_str(order_priority_name(o->priority)));
    put_field(&r.fields, items, "x-buildernet-sentatus", bytes_from_str(sent));
    if (first) {
        put_field(&r.fields, items, "x-flashbots-signature", bytes_from_str(body->signature));
    }
    return client_start(NULL, l->rpc.client, &r, body->data, false, &events, c, why);
}

void local_rpc_pump(struct local *l) {
    struct local_rpc *rpc = &l->rpc;
    unsigned most = rpc->failing ? 1 : l->options.connections;
    write_notes(l);
    while (rpc->calls < most && !loop_timer_armed(&rpc->retry)) {
        struct error why = {.text = ""};
        struct local_item *item = local_take(l);
        if (!item) return;
        if (local_is_known(l, item)) {
            local_item_free(item);
            continue;
        }
        struct call *c = malloc(sizeof *c);
        if (c) {
            *c = (struct call){
                .local = l, .item = item, .life = rpc->life, .sent_ns = local_wall_ns(l)};
        }
        int r = c ? start(l, c, &why) : error_set(&why, ERR_NO_MEMORY, "no memory for a call");
        if (r == 0) {
            forward_in_flight(&rpc->forward, FORWARD_HTTP, ++rpc->calls);
            continue;
        }
        free(c);
        again(l, item, &why);
    }
}

static void retry(struct loop_timer *t) {
    local_rpc_pump(LIST_ENTRY(t, struct local, rpc.retry));
}

int local_rpc_open(struct local *l, struct error *why) {
    struct local_options *o = &l->options;
    char origin[sizeof l->rpc.path];
    struct url u;
    if (o->connections == 0) o->connections = CONNECTIONS_DEFAULT;
    int r = url_parse(&u, bytes_from_str(o->url), why);
    if (r != 0) return error_wrap(why, "builder endpoint");
    if (u.target.n >= sizeof l->rpc.path || strlen(o->url) >= sizeof origin) {
        return error_set(why, ERR_LIMIT, "the builder's URL is too long");
    }
    bool local = u.scheme == URL_UNIX;
    size_t n =
        local ? strlen(o->url) : (size_t)(u.authority.p + u.authority.n - (const uint8_t *)o->url);
    (void)snprintf(origin, sizeof origin, "%.*s", (int)n, o->url);
    (void)snprintf(l->rpc.path, sizeof l->rpc.path, "%.*s", local ? 1 : (int)u.target.n,
                   local ? "/" : (const char *)u.target.p);
    l->rpc.retry.fire = retry;
    l->rpc.turn_end.run = turn_ends;
    forward_metrics_open(&l->rpc.forward, o->metrics, FORWARD_BUILDER);
    const struct client_options client = {
        .url = origin,
        .names = o->names,
        .protocol = CLIENT_HTTP1,
        .connections = o->connections,
        .waiting = o->connections,
        .connect_ns = CONNECT_NS,
        .response_ns = o->response_ns > 0 ? o->response_ns : RESPONSE_DEFAULT_NS,
        .keep_ns = KEEP_NS,
    };
    return client_new(&l->rpc.client, o->loop, &client, why);
}

void local_rpc_close(struct local *l) {
    loop_timer_clear(l->options.loop, &l->rpc.retry);
    loop_undefer(l->options.loop, &l->rpc.turn_end);
    write_notes(l);
    if (l->rpc.client) client_free(l->rpc.client);
}
