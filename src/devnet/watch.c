/* Looking after a running network: readiness, what the nodes' boots say, who is disabled.
 * SPDX-License-Identifier: MIT */
#include "devnet/net.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>

#define BOOT_NS (2 * NS_PER_S)

struct net_node *net_node_find(struct net *n, const char *name) {
    for (size_t i = 0; i < n->node_count; i++) {
        if (strcmp(n->nodes[i].name, name) == 0) return &n->nodes[i];
    }
    return NULL;
}

// Boots

static struct net_node *node_of(struct net_boot *b) {
    return LIST_ENTRY(b, struct net_node, boot);
}

/* A node that the hub has disabled stops its services and keeps its boot, which sees when it is
 * enabled again: what a unit with ConditionPathExists does on a real node. */
static void hold_services(struct net *n, const struct net_node *node, bool held) {
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        struct role *r = roles_at(n->roles, i);
        bool service = r->node && strcmp(r->node, node->name) == 0 &&
                       (strcmp(r->program, "orderflow") == 0 || strcmp(r->program, "builder") == 0);
        if (service) role_hold(r, held);
    }
}

static void take_status(struct net *n, struct net_node *node, struct bytes text) {
    struct arena a;
    const struct json *doc;
    bool enabled = false;
    struct bytes hub = {NULL, 0};
    arena_init(&a, 1u << 20);
    int r = json_parse(&doc, text, &a, NULL, NULL);
    if (r == 0) r = json_get_bool(&enabled, doc, "enabled", NULL);
    if (r == 0) r = json_get_string(&hub, doc, "hub", NULL);
    if (r == 0) {
        (void)snprintf(node->boot.hub, sizeof node->boot.hub, "%.*s", (int)hub.n,
                       (const char *)hub.p);
        buf_clear(&node->boot.status);
        buf_append(&node->boot.status, text);
        if (enabled != node->boot.enabled) {
            node->boot.enabled = enabled;
            struct json_writer *w = events_begin(n->events, "node");
            json_add_str(w, "node", node->name);
            json_add_bool(w, "enabled", enabled);
            json_add_str(w, "hub", node->boot.hub);
            events_end(n->events);
            hold_services(n, node, !enabled);
        }
    }
    arena_free(&a);
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    buf_append(&((struct net_boot *)context)->body, in);
}

static void on_end(struct client_call *k, void *context) {
    struct net_boot *b = context;
    (void)k;
    b->asking = NULL;
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct net_boot *b = context;
    (void)k;
    (void)why;
    b->asking = NULL;
    buf_clear(&b->body);
}

static void ask_boot(struct net *n, struct net_node *node) {
    static const struct client_events events = {
        .body = on_body, .end = on_end, .failed = on_failed};
    struct net_boot *b = &node->boot;
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", node->boot_port);
    const struct client_options o = {
        .url = url, .connections = 1, .connect_ns = BOOT_NS, .response_ns = BOOT_NS};
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT("/status")};
    if (b->asking) return;
    if (b->body.n) take_status(n, node_of(b), buf_view(&b->body));
    buf_clear(&b->body);
    b->body.limit_bytes = 1u << 20;
    if (!b->client && client_new(&b->client, n->loop, &o, NULL) < 0) return;
    if (client_start(&b->asking, b->client, &r, (struct bytes){NULL, 0}, false, &events, b, NULL) <
        0) {
        b->asking = NULL;
    }
}

// Readiness

// Tasks and the services of a disabled node do not; what was stopped or failed does.
static bool counts(const struct role *r) {
    return !r->may_end && !r->held;
}

static bool is_ready(const struct net *n, const char **ret_missing) {
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        const struct role *r = roles_at(n->roles, i);
        if (!counts(r) || r->state == ROLE_READY) continue;
        *ret_missing = r->name;
        return false;
    }
    for (size_t i = 0; i < n->node_count; i++) {
        if (n->nodes[i].boot.enabled) continue;
        *ret_missing = n->nodes[i].name;
        return false;
    }
    return true;
}

static void set_state(struct net *n, enum net_state state, const char *missing) {
    static const char *const names[] = {"starting", "ready", "degraded", "stopping"};
    if (n->state == state) return;
    n->state = state;
    struct json_writer *w = events_begin(n->events, "network");
    json_add_str(w, "state", names[state]);
    json_add_str(w, "missing", missing);
    json_add_double(w, "after_ms",
                    (double)(loop_now_ns(n->loop) - n->started_ns) / (double)NS_PER_MS);
    events_end(n->events);
}

void watch_tick(struct net *n) {
    const char *missing = NULL;
    for (size_t i = 0; i < n->node_count; i++) {
        ask_boot(n, &n->nodes[i]);
    }
    if (n->state == NET_STOPPING) return;
    if (is_ready(n, &missing)) {
        if (!n->ready_ns) n->ready_ns = loop_now_ns(n->loop) - n->started_ns;
        set_state(n, NET_READY, NULL);
    } else if (n->ready_ns) {
        set_state(n, NET_DEGRADED, missing);
    }
}

void watch_missing(const struct net *n, char *ret, size_t size) {
    const char *name = "";
    (void)is_ready(n, &name);
    const struct role *r = roles_find(n->roles, name);
    bool because = r && r->why.code;
    (void)snprintf(ret, size, "%s is %s%s%s", name, r ? role_state_name(r->state) : "not enabled",
                   because ? ": " : "", because ? r->why.text : "");
}

void watch_close(struct net *n) {
    for (size_t i = 0; i < n->node_count; i++) {
        struct net_boot *b = &n->nodes[i].boot;
        client_free(b->client);
        b->client = NULL;
        buf_free(&b->body);
        buf_free(&b->status);
    }
}
