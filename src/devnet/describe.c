/* The network as it is told to others: devnet.json and /api/state. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/evidence.h"
#include "devnet/kept.h"
#include "devnet/plan.h"
#include "eth/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void add_address(struct json_writer *w, const char *key, const struct address *a) {
    char text[43];
    address_to_text(text, a);
    json_add_str(w, key, text);
}

// secrets: devnet.json only, which is readable by its owner alone.
static void write_identity(struct json_writer *w, const struct net *n, const struct net_node *node,
                           bool secrets) {
    json_begin_object(w, "identity");
    json_add_str(w, "image", node->image);
    evidence_identity(w, n, node->image);
    add_address(w, "orderflow_address", &node->orderflow.address);
    add_address(w, "builder_address", &node->builder.address);
    json_add_data(w, "relay_pubkey", BYTES_OF(node->relay_key.pubkey));
    if (secrets) {
        json_add_data(w, "orderflow_key", bytes_make(node->orderflow.key, 32));
        json_add_data(w, "builder_key", bytes_make(node->builder.key, 32));
        json_add_data(w, "relay_key", bytes_make(node->relay_key.key, 32));
    }
    json_end(w);
}

static void write_node(struct net *n, struct json_writer *w, struct net_node *node, bool secrets) {
    char text[64];
    json_begin_object(w, NULL);
    json_add_str(w, "name", node->name);
    json_add_str(w, "builder_name", node->builder_name);
    (void)snprintf(text, sizeof text, "127.0.0.%u", NET_SOURCE_FIRST + node->number);
    json_add_str(w, "ip", text);
    write_identity(w, n, node, secrets);
    if (!secrets) {
        json_add_bool(w, "enabled", node->boot.enabled);
        json_add_str(w, "hub", *node->boot.hub ? node->boot.hub : "unknown");
        if (node->boot.status.n) json_add_raw(w, "boot", buf_view(&node->boot.status));
    }
    json_begin_object(w, "addresses");
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        const struct role *r = roles_at(n->roles, i);
        if (!r->node || strcmp(r->node, node->name) != 0) continue;
        for (size_t k = 0; k < r->address_count; k++) {
            (void)snprintf(text, sizeof text, "%s.%s", strrchr(r->name, '.') + 1,
                           r->addresses[k].name);
            json_add_str(w, text, r->addresses[k].url);
        }
    }
    json_end(w);
    json_end(w);
}

static void write_head(const struct net *n, struct json_writer *w) {
    char url[64];
    json_add_u64(w, "version", NET_VERSION);
    json_add_str(w, "name", n->s->name);
    json_add_str(w, "seed", n->s->seed);
    json_add_u64(w, "pid", (uint64_t)getpid());
    json_add_str(w, "folder", n->folder.path);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->page_port);
    json_add_str(w, "control", url);
}

int describe_store(struct net *n, struct error *why) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4u << 20);
    json_writer_init(&w, &out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    write_head(n, &w);
    json_begin_object(&w, "addresses");
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        const struct role *r = roles_at(n->roles, i);
        for (size_t k = 0; k < r->address_count; k++) {
            char name[2 * ROLE_NAME_MAX];
            (void)snprintf(name, sizeof name, "%s.%s", r->name, r->addresses[k].name);
            json_add_str(&w, name, r->addresses[k].url);
        }
    }
    json_end(&w);
    json_begin_array(&w, "nodes");
    for (size_t i = 0; i < n->node_count; i++) {
        write_node(n, &w, &n->nodes[i], true);
    }
    json_end(&w);
    json_end(&w);
    buf_append_byte(&out, '\n');
    int r = buf_check(&out, why);
    if (r == 0) r = kept_store(n, why);
    if (r == 0) r = plan_store(n, "devnet.json", buf_view(&out), 0600, why);
    buf_free(&out);
    return r;
}

static void write_links(struct net *n, struct json_writer *w) {
    struct link_pair *pairs = calloc(LINKS_PAIRS_MAX, sizeof *pairs);
    size_t count = pairs ? links_pairs(n->links, pairs, LINKS_PAIRS_MAX) : 0;
    json_begin_array(w, "links");
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w, NULL);
        json_add_str(w, "from", pairs[i].from);
        json_add_str(w, "to", pairs[i].to);
        json_add_u64(w, "open", pairs[i].open);
        json_add_u64(w, "connections", pairs[i].connections);
        json_add_u64(w, "refused", pairs[i].refused);
        json_add_u64(w, "up_bytes", pairs[i].up_bytes);
        json_add_u64(w, "down_bytes", pairs[i].down_bytes);
        json_add_u64(w, "faults", pairs[i].faults);
        json_end(w);
    }
    json_end(w);
    free(pairs);
}

void describe_state(struct net *n, struct buf *out) {
    static const char *const names[] = {"starting", "ready", "degraded", "stopping"};
    struct json_writer w;
    uint64_t now = loop_now_ns(n->loop);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    write_head(n, &w);
    json_add_u64(&w, "now_ms", clock_wall_ns(loop_clock(n->loop)) / NS_PER_MS);
    json_add_str(&w, "state", names[n->state]);
    json_add_u64(&w, "uptime_ms", (now - n->started_ns) / NS_PER_MS);
    json_add_double(&w, "ready_after_ms", (double)n->ready_ns / 1e6);
    json_add_bool(&w, "shadow", n->shadow != NULL);
    json_begin_array(&w, "roles");
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        role_write(&w, roles_at(n->roles, i));
    }
    json_end(&w);
    json_begin_array(&w, "nodes");
    for (size_t i = 0; i < n->node_count; i++) {
        write_node(n, &w, &n->nodes[i], false);
    }
    json_end(&w);
    write_links(n, &w);
    json_begin_object(&w, "chain");
    json_add_u64(&w, "id", n->chain_id);
    json_add_u64(&w, "slot_ms", n->s->slot_ns / NS_PER_MS);
    json_add_u64(&w, "slot", slots_now(n->slots));
    json_add_u64(&w, "head", slots_head(n->slots));
    json_end(&w);
    slots_write(&w, "slots", n->slots);
    probe_write(&w, "orders", n->probe);
    json_begin_array(&w, "faults");
    for (size_t i = 0; i < n->faults.count; i++) {
        fault_write(&w, NULL, &n->faults.faults[i]);
    }
    json_end(&w);
    json_end(&w);
}
