/* GET /api/order/HASH: an order's way through the network, put together from what every node's
 * orderflow traced of it, what every builder did with it, and from the chain.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum whom { ORDERFLOW, BUILDER, CHAIN };

struct asked {
    struct gathering *owner;
    struct query query;
    enum whom whom;
    const char *node;  // NULL: the chain's
    struct buf answer; // JSON; empty: it does not know
};

struct gathering {
    struct exchange *x;
    size_t waiting, count;
    char hash[67];          // as it was asked for
    char order[67], tx[67]; // what orderflow knows it by, what the chain knows it by
    struct loop_task end;
    struct asked asked[2 * NET_NODES_MAX + 1];
};

static void write_all(const struct gathering *g, struct json_writer *w, enum whom whom,
                      const char *list, const char *member) {
    json_begin_array(w, list);
    for (size_t i = 0; i < g->count; i++) {
        const struct asked *k = &g->asked[i];
        if (k->whom != whom || !k->answer.n) continue;
        json_begin_object(w, NULL);
        json_add_str(w, "node", k->node);
        json_add_raw(w, member, buf_view(&k->answer));
        json_end(w);
    }
    json_end(w);
}

static void answer(struct gathering *g) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 64u << 20);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "hash", g->hash);
    json_add_str(&w, "order", g->order);
    json_add_str(&w, "tx", g->tx);
    write_all(g, &w, ORDERFLOW, "nodes", "trace");
    write_all(g, &w, BUILDER, "builders", "orders");
    for (size_t i = 0; i < g->count; i++) {
        const struct asked *k = &g->asked[i];
        if (k->whom != CHAIN) continue;
        if (k->answer.n) {
            json_add_raw(&w, "receipt", buf_view(&k->answer));
        } else {
            json_add_null(&w, "receipt");
        }
    }
    json_end(&w);
    exchange_respond_text(g->x, buf_check(&out, NULL) < 0 ? 500 : 200, "application/json",
                          buf_view(&out));
    buf_free(&out);
}

// Queries cannot be closed inside their own answers.
static void on_end(struct loop_task *t) {
    struct gathering *g = LIST_ENTRY(t, struct gathering, end);
    answer(g);
    exchange_release(g->x);
    for (size_t i = 0; i < g->count; i++) {
        query_close(&g->asked[i].query);
        buf_free(&g->asked[i].answer);
    }
    free(g);
}

static void done_one(struct gathering *g) {
    if (--g->waiting == 0) loop_defer(exchange_loop(g->x), &g->end);
}

static void on_answer(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct asked *k = q->context;
    (void)why;
    if (code == 0 && !json_is_null(doc)) buf_append(&k->answer, json_raw(doc));
    done_one(k->owner);
}

// Asks one address; a question that cannot be asked counts as answered.
static void ask(struct gathering *g, struct loop *l, enum whom whom, const char *node,
                const char *url) {
    struct asked *k = &g->asked[g->count];
    char text[160];
    *k = (struct asked){.owner = g, .whom = whom, .node = node};
    buf_init(&k->answer, 4u << 20);
    k->query.done = on_answer;
    k->query.context = k;
    if (query_open(&k->query, l, url, NULL) < 0) return;
    g->count++;
    g->waiting++;
    int r;
    if (whom != CHAIN) {
        const char *path = whom == ORDERFLOW ? "/trace" : "/debug/orders";
        (void)snprintf(text, sizeof text, "%s/%s", path, whom == ORDERFLOW ? g->order : g->tx);
        r = query_get(&k->query, text, NULL);
    } else {
        (void)snprintf(text, sizeof text, "[\"%s\"]", g->tx);
        r = query_rpc(&k->query, "eth_getTransactionReceipt", text, NULL);
    }
    if (r < 0) g->waiting--;
}

void order_trace(struct net *n, struct exchange *x) {
    struct bytes hash = exchange_param(x, "hash");
    struct hash check;
    struct gathering *g = calloc(1, sizeof *g);
    if (!g || hex_decode_hash(&check, hash, NULL) < 0) {
        free(g);
        exchange_respond_text(x, 400, "application/json",
                              BYTES_LIT("{\"ok\":false,\"error\":\"not a hash\"}"));
        return;
    }
    memcpy(g->hash, hash.p, hash.n);
    memcpy(g->order, g->hash, sizeof g->order);
    memcpy(g->tx, g->hash, sizeof g->tx);
    // A bundle of the network's own: either of its hashes leads to both.
    const struct probe_order *own = probe_find(n->probe, &check);
    if (own && !hash_is_zero(&own->bundle)) hex_encode(g->order + 2, BYTES_OF(own->bundle));
    if (own) hex_encode(g->tx + 2, BYTES_OF(own->tx));
    const struct net_sent *sent = own ? NULL : send_find(n, &check);
    if (sent) {
        hex_encode(g->order + 2, BYTES_OF(sent->order));
        hex_encode(g->tx + 2, BYTES_OF(sent->tx));
    }
    g->x = x;
    g->end.run = on_end;
    exchange_hold(x);
    g->waiting = 1; // until all are asked
    for (size_t i = 0; i < n->node_count; i++) {
        const struct net_node *node = &n->nodes[i];
        char url[64];
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", node->orderflow_metrics);
        ask(g, n->loop, ORDERFLOW, node->name, url);
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", node->builder_metrics);
        ask(g, n->loop, BUILDER, node->name, url);
    }
    ask(g, n->loop, CHAIN, NULL, n->rpc_url);
    done_one(g);
}
