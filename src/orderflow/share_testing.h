/* Nodes of the sharing's tests: a share and a listener of peers each, on one loop. Not for
 * programs. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_SHARE_TESTING_H
#define ORDERFLOW_SHARE_TESTING_H

#include "net/testing.h"
#include "orderflow/share.h"
#include "orderflow/share_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDERS_MAX 5000u
#define TX_BYTES 120u

/* ---- a node: share and the peers' listener ---- */

struct node {
    char name[8];
    struct loop *loop;
    struct test_identity id;
    struct tls *tls;
    struct server *server;
    struct share *share;
    struct socket_address address;
    char address_text[SOCKET_TEXT_MAX];
    uint16_t seen[ORDERS_MAX];
    unsigned received, shared, ups, downs, stale, http_requests;
    unsigned refuse_every; /* "not now" */
    bool late;             /* tickets are answered by later */
    struct share_ticket *tickets[8192];
    unsigned ticket_count;
    char last_peer[64], last_signature[200];
    enum peer_status status;
    struct flow_identity identity;
    struct route route;
    enum share_evidence evidence;
    struct attested *attested;
    struct metrics *metrics; /* NULL: none */
};

static struct error why;

static inline uint64_t number_of(struct bytes data) {
    return data.n >= 8 ? load_be64(data.p) : UINT64_MAX;
}

static inline void on_received(void *context, const struct share_received *r,
                               struct share_ticket *t) {
    struct node *n = context;
    struct hash h = {{1}};
    n->received++;
    if (n->refuse_every && n->received % n->refuse_every == 0) {
        share_answer(t, PEER_ERROR_INTERNAL, NULL, "not now");
        return;
    }
    uint64_t number = number_of(r->data);
    if (number < ORDERS_MAX) n->seen[number]++;
    snprintf(n->last_peer, sizeof n->last_peer, "%s", r->peer ? r->peer : "");
    snprintf(n->last_signature, sizeof n->last_signature, "%.*s", (int)r->signature.n,
             r->signature.n ? (const char *)r->signature.p : "");
    if (n->late) {
        CHECK(n->ticket_count < 8192);
        n->tickets[n->ticket_count++] = t;
        return;
    }
    share_answer(t, n->status, &h, "refused");
}

static inline void on_shared(void *context, const char *peer, struct flow_order *o) {
    (void)peer, (void)o;
    ((struct node *)context)->shared++;
}
static inline void on_changed(void *context, const char *peer, bool up) {
    struct node *n = context;
    (void)peer;
    if (up) {
        n->ups++;
    } else {
        n->downs++;
    }
}
static inline void on_stale(void *context) {
    ((struct node *)context)->stale++;
}

static inline void on_http(struct exchange *x, void *context) {
    struct node *n = context;
    struct bytes body = exchange_body(x);
    n->http_requests++;
    snprintf(n->last_signature, sizeof n->last_signature, "%.*s",
             (int)exchange_header(x, "x-flashbots-signature").n,
             (const char *)exchange_header(x, "x-flashbots-signature").p);
    CHECK(bytes_starts_with(body, BYTES_LIT("{\"method\":\"eth_sendRawTransaction\"")));
    if (n->status == PEER_ERROR_INVALID_SIGNATURE) {
        exchange_respond_text(x, 200, "application/json",
                              BYTES_LIT("{\"error\":{\"code\":-32000,\"message\":\"unknown peers "
                                        "can't send to the system address\"}}\n"));
        return;
    }
    if (n->status == PEER_ERROR_DECODING) {
        exchange_respond_text(x, 400, "text/plain", BYTES_LIT("nothing of the kind\n"));
        return;
    }
    exchange_respond_text(x, 200, "application/json", BYTES_LIT("{\"result\":null}\n"));
}

static inline void node_listen(struct node *n, const char *at) {
    struct tls_options o = {.identity = test_identity_of(&n->id)};
    struct server_options so = {.routes = &n->route, .route_count = 1};
    struct server_listener ln = {.admit = share_admit, .admit_context = n->share};
    share_listener_tls(&o, n->evidence);
    CHECK_OK(tls_new(&n->tls, &o, &why), &why);
    ln.tls = n->tls;
    n->route = (struct route){"POST", "/", on_http, n, 0, 0};
    CHECK_OK(server_new(&n->server, n->loop, &so, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, bytes_from_str(at), 0, &why), &why);
    CHECK_OK(server_listen(n->server, &n->address, &ln, &why), &why);
    socket_address_text(n->address_text, &n->address);
}

static inline void node_share(struct node *n, const char *spill, unsigned queue_orders) {
    struct share_options o = {.loop = n->loop,
                              .name = n->name,
                              .evidence = n->evidence,
                              .attested = n->attested,
                              .metrics = n->metrics,
                              .identity = &n->identity,
                              .certificate = test_identity_of(&n->id),
                              .spill_folder = spill,
                              .queue_orders = queue_orders,
                              .received = on_received,
                              .shared = on_shared,
                              .peer_changed = on_changed,
                              .stale = on_stale,
                              .context = n};
    CHECK_OK(share_new(&n->share, &o, &why), &why);
}

static inline void node_open_with(struct node *n, struct loop *l, const char *name,
                                  enum share_evidence evidence, struct attested *attested) {
    memset(n, 0, sizeof *n);
    n->evidence = evidence;
    n->attested = attested;
    snprintf(n->name, sizeof n->name, "%s", name);
    n->loop = l;
    test_identity_make(&n->id, name);
    CHECK_OK(ecdsa_signer_new(&n->identity.signer, &why), &why);
    random_bytes(&n->identity.key, sizeof n->identity.key);
    node_share(n, NULL, 0);
    node_listen(n, "127.0.0.1:0");
}

static inline void node_open(struct node *n, struct loop *l, const char *name) {
    node_open_with(n, l, name, SHARE_PINNED, NULL);
}

static inline void node_stop(struct node *n) {
    share_free(n->share);
    server_free(n->server);
    tls_free(n->tls);
    n->share = NULL;
    n->server = NULL;
    n->tls = NULL;
}

static inline void node_close(struct node *n) {
    if (n->share) node_stop(n);
    ecdsa_signer_free(n->identity.signer);
    test_identity_free(&n->id);
}

static inline struct share_peer entry_of(const struct node *n, enum share_transport t) {
    return (struct share_peer){.name = n->name,
                               .host = n->name,
                               .address = n->address_text,
                               .cert_pem = buf_view(&n->id.cert),
                               .transport = t};
}

/* Everybody knows everybody, over the given transport. */
static inline void introduce(struct node *nodes, size_t count, enum share_transport t) {
    struct share_peer all[4];
    size_t used;
    for (size_t i = 0; i < count; i++) {
        all[i] = entry_of(&nodes[i], t);
    }
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(share_set_peers(nodes[i].share, all, count, &used, &why), &why);
        CHECK_U64(used, count - 1); // never oneself
    }
}

/* A raw transaction of so many bytes whose first are its number. */
static inline struct flow_order *order_make_of(uint64_t number, uint64_t expires_ns,
                                               uint32_t bytes) {
    struct arena a;
    struct flow_order *o;
    struct order order = {.method = ORDER_SEND_RAW_TX};
    struct flow_order_facts facts = {.source = FLOW_FROM_USER,
                                     .priority = ORDER_MEDIUM,
                                     .received_ns = clock_wall_ns(&clock_system),
                                     .expires_ns = expires_ns,
                                     .bytes = bytes};
    arena_init(&a, (1u << 20) + bytes);
    uint8_t *raw = arena_alloc(&a, bytes);
    memset(raw, 0, bytes);
    store_be64(raw, number);
    order.raw = bytes_make(raw, bytes);
    CHECK_OK(flow_order_new(&o, &order, &facts, &a, &why), &why);
    return o;
}

static inline struct flow_order *order_make(uint64_t number, uint64_t expires_ns) {
    return order_make_of(number, expires_ns, TX_BYTES);
}

static inline void give(struct node *n, uint64_t from, uint64_t to) {
    for (uint64_t k = from; k < to; k++) {
        struct flow_order *o = order_make(k, 0);
        CHECK_OK(share_order(n->share, o, &why), &why);
        flow_order_release(o);
    }
}

static inline bool all_seen(const struct node *n, unsigned from, unsigned to) {
    for (unsigned k = from; k < to; k++) {
        if (n->seen[k] == 0) return false;
    }
    return true;
}

static inline void check_once(const struct node *n, unsigned from, unsigned to) {
    for (unsigned k = from; k < to; k++) {
        CHECK_U64(n->seen[k], 1);
    }
}

static inline struct share_peer_stats stats_of(struct node *n, const char *peer) {
    struct share_peer_stats rows[4];
    size_t count = share_stats(n->share, rows, 4);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, peer) == 0) return rows[i];
    }
    FAIL("no peer %s", peer);
}

static inline bool is_up(struct node *n, const char *peer) {
    return stats_of(n, peer).up;
}

static inline struct loop *new_loop(void) {
    struct loop *l;
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    return l;
}

/* Breaks every connection of a node as a cable does. */
static inline void cut(struct node *n) {
    list_each(node, &n->share->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        struct linger hard = {1, 0};
        (void)setsockopt(l->conn->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        (void)shutdown(l->conn->watch.fd, SHUT_RDWR);
    }
}

#endif
