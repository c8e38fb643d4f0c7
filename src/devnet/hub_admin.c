/* What the operator of the hub does: images, builders, configurations. SPDX-License-Identifier: MIT
 */
#include "base/hex.h"
#include "devnet/net.h"

#include <stdio.h>

#define ADMIN "/api/admin/v1"
#define ADMIN_NS (10 * NS_PER_S)

// One request to the hub's admin listener. A conflict (it exists already) is no error.
static int admin(struct net *n, const char *path, struct bytes body, struct error *why) {
    struct arena a;
    struct client_answer answer;
    char url[64], target[256];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->hub_admin_port);
    (void)snprintf(target, sizeof target, "%s%s", ADMIN, path);
    const struct client_options o = {.url = url};
    const struct http_request r = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = bytes_from_str(target),
                                   .body = HTTP_BODY_LENGTH};
    arena_init(&a, 1u << 20);
    int code = client_ask(&answer, &a, &o, &r, body, 64u << 10, ADMIN_NS, why);
    if (code == 0 && answer.status != 200 && answer.status != 409) {
        code = error_set(why, ERR_INVALID, "the hub answers %u to %s: %.*s", answer.status, path,
                         (int)(answer.body.n < 100 ? answer.body.n : 100),
                         (const char *)answer.body.p);
    }
    arena_free(&a);
    return code < 0 ? error_wrap(why, "hub") : 0;
}

static int enable(struct net *n, const char *kind, const char *name, bool enabled,
                  struct error *why) {
    char path[128];
    (void)snprintf(path, sizeof path, "/%s/activation/%s", kind, name);
    return admin(n, path,
                 enabled ? BYTES_LIT("{\"enabled\":true}") : BYTES_LIT("{\"enabled\":false}"), why);
}

int hub_allow(struct net *n, const char *image, const uint8_t mrtd[NET_MRTD_BYTES], bool enabled,
              struct error *why) {
    struct buf body;
    struct json_writer w;
    char digits[2 * NET_MRTD_BYTES + 1] = "";
    hex_encode(digits, bytes_make(mrtd, NET_MRTD_BYTES));
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "measurement_id", image);
    json_add_str(&w, "attestation_type", "dcap-tdx");
    json_begin_object(&w, "measurements");
    json_begin_object(&w, "0");
    json_add_str(&w, "expected", digits);
    json_end(&w);
    json_end(&w);
    json_end(&w);
    int r = buf_check(&body, why);
    if (r == 0) r = admin(n, "/measurements", buf_view(&body), why);
    if (r == 0) r = enable(n, "measurements", image, enabled, why);
    buf_free(&body);
    return r;
}

// The document that the node's boot gets: everything that its templates ask for.
static void write_document(struct net *n, const struct net_node *node, struct buf *out) {
    struct json_writer w;
    char text[4200];
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "instance_name", node->name);
    json_add_str(&w, "public_ip", "127.0.0.1");
    json_begin_object(&w, "system_api");
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", node->api_port);
    json_add_str(&w, "listen_addr", text);
    (void)snprintf(text, sizeof text, "%s/system-api", node->name);
    json_add_str(&w, "folder", text);
    (void)snprintf(text, sizeof text, "%s/events.fifo", node->name);
    json_add_str(&w, "events_fifo", text);
    json_end(&w);
    json_end(&w);
    (void)n;
}

static int add_builder(struct net *n, const struct net_node *node, struct error *why) {
    struct buf body;
    struct json_writer w;
    char text[64];
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "name", node->builder_name);
    (void)snprintf(text, sizeof text, "127.0.0.%u", NET_SOURCE_FIRST + node->number);
    json_add_str(&w, "ip_address", text);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", node->peers_port);
    json_add_str(&w, "dns_name", node->peers_port ? text : node->name);
    json_add_str(&w, "network", NET_NETWORK);
    json_end(&w);
    int r = buf_check(&body, why);
    if (r == 0) r = admin(n, "/builders", buf_view(&body), why);
    buf_free(&body);
    return r;
}

int hub_add_node(struct net *n, struct net_node *node, struct error *why) {
    struct buf document;
    char path[128];
    int r = add_builder(n, node, why);
    buf_init(&document, 0);
    write_document(n, node, &document);
    if (r == 0) r = buf_check(&document, why);
    (void)snprintf(path, sizeof path, "/builders/configuration/%s", node->builder_name);
    if (r == 0) r = admin(n, path, BYTES_LIT("{}"), why);
    (void)snprintf(path, sizeof path, "/builders/secrets/%s", node->builder_name);
    if (r == 0) r = admin(n, path, buf_view(&document), why);
    if (r == 0) r = enable(n, "builders", node->builder_name, true, why);
    bytes_wipe(document.p, document.capacity);
    buf_free(&document);
    return r;
}
