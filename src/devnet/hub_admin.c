/* What the operator of the hub does: images, builders, configurations. SPDX-License-Identifier: MIT
 */
#include "devnet/evidence.h"
#include "devnet/parts.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define ADMIN "/api/admin/v1"
#define ADMIN_V2 "/api/admin/v2"
#define ADMIN_NS (10 * NS_PER_S)

// In the hub's own words: {"message", "error"}.
static int refused(const struct client_answer *answer, const char *path, struct arena *a,
                   struct error *why) {
    const struct json *doc = NULL;
    struct bytes text = {NULL, 0};
    if (json_parse(&doc, answer->body, a, NULL, NULL) < 0 ||
        (json_get_string(&text, doc, "error", NULL) < 0 &&
         json_get_string(&text, doc, "message", NULL) < 0)) {
        text = answer->status == 503 ? BYTES_LIT("its database is away, or its disk is full")
                                     : BYTES_LIT("it does not say why");
    }
    enum err code = answer->status == 404 ? ERR_NOT_FOUND : ERR_INVALID;
    return error_set(why, code, "%.*s (%s: status %u)", (int)(text.n < 100 ? text.n : 100),
                     (const char *)text.p, path, answer->status);
}

// One request to the hub's admin listener. A conflict (it exists already) is no error: *ret_known.
static int tell(struct net *n, enum http_method method, const char *path, struct bytes body,
                bool *ret_known, struct error *why) {
    struct arena a;
    struct client_answer answer;
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->hub_admin_port);
    const struct client_options o = {.url = url};
    const struct http_request r = {.method = method,
                                   .method_text = bytes_from_str(http_method_name(method)),
                                   .path = bytes_from_str(path),
                                   .body = HTTP_BODY_LENGTH};
    arena_init(&a, 1u << 20);
    int code = client_ask(&answer, &a, &o, &r, body, 64u << 10, ADMIN_NS, why);
    if (code == 0 && answer.status != 200 && answer.status != 409) {
        code = refused(&answer, path, &a, why);
    }
    if (ret_known) *ret_known = code == 0 && answer.status == 409;
    arena_free(&a);
    return code < 0 ? error_wrap(why, "hub") : 0;
}

static int admin(struct net *n, const char *path, struct bytes body, bool *ret_known,
                 struct error *why) {
    char target[256];
    (void)snprintf(target, sizeof target, ADMIN "%s", path);
    return tell(n, HTTP_POST, target, body, ret_known, why);
}

static int enable(struct net *n, const char *kind, const char *name, bool enabled,
                  struct error *why) {
    struct buf path;
    buf_init(&path, 1024);
    buf_printf(&path, "/%s/activation/", kind);
    url_append_encoded(&path, bytes_from_str(name));
    buf_append_byte(&path, 0);
    int r = buf_check(&path, why);
    if (r == 0) {
        r = admin(n, (const char *)path.p,
                  enabled ? BYTES_LIT("{\"enabled\":true}") : BYTES_LIT("{\"enabled\":false}"),
                  NULL, why);
    }
    buf_free(&path);
    return r;
}

static int add_image(struct net *n, const char *image, bool *ret_known, struct error *why) {
    struct buf body;
    struct json_writer w;
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    evidence_image(&w, n, image);
    int r = buf_check(&body, why);
    if (r == 0) r = admin(n, "/measurements", buf_view(&body), ret_known, why);
    buf_free(&body);
    return r;
}

int hub_allow(struct net *n, const char *image, bool enabled, struct error *why) {
    int r = enabled ? add_image(n, image, NULL, why) : 0;
    if (r == 0) r = enable(n, "measurements", image, enabled, why);
    if (r == ERR_NOT_FOUND) {
        r = error_set(why, ERR_NOT_FOUND, "the hub knows no measurement of %.40s: see `allow`",
                      image);
    }
    return r == 0 ? peer_policy_follow(n, why) : r;
}

int hub_know_image(struct net *n, const char *image, struct error *why) {
    bool known = false;
    int r = add_image(n, image, &known, why);
    if (r == 0 && !known) r = enable(n, "measurements", image, true, why);
    return r == 0 ? peer_policy_follow(n, why) : r;
}

// A member in one line: "key=format".
[[gnu::format(printf, 2, 3)]] static void add(struct json_writer *w, const char *format, ...) {
    char text[512];
    char name[64];
    va_list args;
    size_t key = strcspn(format, "=");
    (void)snprintf(name, sizeof name, "%.*s", (int)key, format);
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_add_str(w, name, text + key + 1);
}

static void write_chain(const struct net *n, struct json_writer *w) {
    json_begin_object(w, "chain");
    json_add_u64(w, "id", n->chain_id);
    json_add_str(w, "genesis_file", "genesis.json");
    json_add_str(w, "genesis_fork_version", NET_FORK_VERSION);
    add(w, "slot=%llums", (unsigned long long)(n->s->slot_ns / NS_PER_MS));
    json_add_str(w, "rpc_url", n->rpc_url);
    json_add_str(w, "ws_url", n->ws_url);
    json_add_str(w, "beacon_url", n->beacon_url);
    json_end(w);
}

static void write_archive(const struct net *n, struct json_writer *w) {
    char password[33];
    if (!n->archive_port) return;
    part_archive_password(password, n);
    add(w, "clickhouse_host=http://127.0.0.1:%u", n->archive_front);
    json_add_str(w, "clickhouse_username", PART_CLICKHOUSE_USER);
    json_add_str(w, "clickhouse_password", password);
    json_add_str(w, "clickhouse_events_table_name", PART_CLICKHOUSE_EVENTS);
    bytes_wipe(password, sizeof password);
}

static void write_orderflow(const struct net *n, const struct net_node *node,
                            struct json_writer *w) {
    json_begin_object(w, "orderflow_proxy");
    add(w, "user_listen_addr=127.0.0.1:%u", node->user_port);
    add(w, "system_listen_addr=127.0.0.1:%u", node->peers_port);
    add(w, "metrics_addr=127.0.0.1:%u", node->orderflow_metrics);
    add(w, "folder=%s/orderflow", node->name);
    add(w, "builder_endpoint=feed:%s/orders.sock", node->name);
    add(w, "builder_ready_endpoint=http://127.0.0.1:%u", node->builder_ready);
    add(w, "builder_confighub_endpoint=http://127.0.0.1:%u", node->hub_port);
    add(w, "certificate_file=%s/cert.pem", node->name);
    add(w, "key_file=%s/key.pem", node->name);
    json_add_str(w, "peers_poll", "1s");
    evidence_document(w, n, node);
    json_add_data(w, "signer_key", bytes_make(node->orderflow.key, 32));
    write_archive(n, w);
    json_end(w);
}

/* Two runs are alike only when it does not matter who is first: one way of building, and bids of
 * which the first node's are the highest. */
static void write_unrivalled(const struct net_node *node, struct json_writer *w) {
    json_add_str(w, "live_builders", "mgp-ordering");
    if (node->number > 1) add(w, "bid_fraction=%.4f", 1 - 0.01 * (double)(node->number - 1));
}

static void write_builder(const struct net *n, const struct net_node *node, struct json_writer *w) {
    json_begin_object(w, "rbuilder");
    json_add_data(w, "coinbase_secret_key", bytes_make(node->builder.key, 32));
    json_add_data(w, "relay_secret_key", bytes_make(node->relay_key.key, 32));
    json_add_str(w, "extra_data", node->name);
    add(w, "orders_socket=%s/orders.sock", node->name);
    json_add_u64(w, "rpc_port", node->builder_port);
    json_add_u64(w, "telemetry_port", node->builder_metrics);
    json_add_u64(w, "redacted_telemetry_port", node->builder_ready);
    add(w, "enable_file=%s/enabled", node->name);
    add(w, "records_folder=%s/builder", node->name);
    json_add_u64(w, "threads", 1);
    if (n->s->virtual_clock_ns) write_unrivalled(node, w);
    if (n->shadow && n->s->shadow_state && *n->s->shadow_state) {
        json_add_str(w, "state_rpc", n->s->shadow_state);
    }
    json_begin_array(w, "relays");
    json_begin_object(w, NULL);
    json_add_str(w, "name", "relay");
    json_add_str(w, "url", n->bids_url);
    json_end(w);
    json_end(w);
    json_end(w);
}

// The document that the node's boot gets: everything that its templates ask for.
static void write_document(const struct net *n, const struct net_node *node, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "instance_name", node->name);
    json_add_str(&w, "builder_name", node->builder_name);
    json_add_str(&w, "public_ip", "127.0.0.1");
    json_begin_object(&w, "system_api");
    add(&w, "listen_addr=127.0.0.1:%u", node->api_port);
    add(&w, "folder=%s/system-api", node->name);
    add(&w, "events_fifo=%s/events.fifo", node->name);
    json_end(&w);
    write_chain(n, &w);
    write_orderflow(n, node, &w);
    write_builder(n, node, &w);
    json_end(&w);
}

// What the hub is told of a builder; of a change its path says the name.
static void write_builder_entry(const struct net_node *node, bool named, struct buf *out) {
    struct json_writer w;
    char text[64];
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    if (named) json_add_str(&w, "name", node->builder_name);
    (void)snprintf(text, sizeof text, "127.0.0.%u", NET_SOURCE_FIRST + node->number);
    json_add_str(&w, "ip_address", text);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", node->peers_front);
    json_add_str(&w, "dns_name", node->peers_front ? text : node->name);
    json_add_str(&w, "network", NET_NETWORK);
    json_end(&w);
}

static int add_builder(struct net *n, const struct net_node *node, bool *ret_known,
                       struct error *why) {
    struct buf entry, change;
    char path[128];
    buf_init(&entry, 0);
    buf_init(&change, 0);
    write_builder_entry(node, true, &entry);
    write_builder_entry(node, false, &change);
    (void)snprintf(path, sizeof path, ADMIN_V2 "/builders/%s", node->builder_name);
    int r = buf_check(&entry, why);
    if (r == 0) r = buf_check(&change, why);
    if (r == 0) r = admin(n, "/builders", buf_view(&entry), ret_known, why);
    if (r == 0 && *ret_known) r = tell(n, HTTP_PUT, path, buf_view(&change), NULL, why);
    buf_free(&entry);
    buf_free(&change);
    return r;
}

int hub_add_node(struct net *n, struct net_node *node, struct error *why) {
    struct buf document;
    char path[128];
    bool known = false;
    int r = add_builder(n, node, &known, why);
    buf_init(&document, 0);
    write_document(n, node, &document);
    if (r == 0) r = buf_check(&document, why);
    // A configuration that the operator gave a node stays.
    (void)snprintf(path, sizeof path, "/builders/configuration/%s", node->builder_name);
    if (r == 0 && !known) r = admin(n, path, BYTES_LIT("{}"), NULL, why);
    (void)snprintf(path, sizeof path, "/builders/secrets/%s", node->builder_name);
    if (r == 0) r = admin(n, path, buf_view(&document), NULL, why);
    if (r == 0 && !known) r = enable(n, "builders", node->builder_name, true, why);
    bytes_wipe(document.p, document.capacity);
    buf_free(&document);
    return r;
}
