/* Two and three nodes that share over real sockets and TLS: our streams, the second generation's
 * frames, HTTP; links that break, peers that are slow, lie, come late, rotate their certificates.
 * SPDX-License-Identifier: MIT */
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
};

static struct error why;

static uint64_t number_of(struct bytes data) {
    return data.n >= 8 ? load_be64(data.p) : UINT64_MAX;
}

static void on_received(void *context, const struct share_received *r, struct share_ticket *t) {
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

static void on_shared(void *context, const char *peer, struct flow_order *o) {
    (void)peer, (void)o;
    ((struct node *)context)->shared++;
}
static void on_changed(void *context, const char *peer, bool up) {
    struct node *n = context;
    (void)peer;
    if (up) {
        n->ups++;
    } else {
        n->downs++;
    }
}
static void on_stale(void *context) {
    ((struct node *)context)->stale++;
}

static void on_http(struct exchange *x, void *context) {
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
    exchange_respond_text(x, 200, "application/json", BYTES_LIT("{\"result\":null}\n"));
}

static void node_listen(struct node *n, const char *at) {
    struct tls_options o = {.identity = test_identity_of(&n->id)};
    struct server_options so = {.routes = &n->route, .route_count = 1};
    struct server_listener ln = {.admit = share_admit, .admit_context = n->share};
    share_listener_tls(&o);
    CHECK_OK(tls_new(&n->tls, &o, &why), &why);
    ln.tls = n->tls;
    n->route = (struct route){"POST", "/", on_http, n, 0, 0};
    CHECK_OK(server_new(&n->server, n->loop, &so, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, bytes_from_str(at), 0, &why), &why);
    CHECK_OK(server_listen(n->server, &n->address, &ln, &why), &why);
    socket_address_text(n->address_text, &n->address);
}

static void node_share(struct node *n, const char *spill, unsigned queue_orders) {
    struct share_options o = {.loop = n->loop,
                              .name = n->name,
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

static void node_open(struct node *n, struct loop *l, const char *name) {
    memset(n, 0, sizeof *n);
    snprintf(n->name, sizeof n->name, "%s", name);
    n->loop = l;
    test_identity_make(&n->id, name);
    CHECK_OK(ecdsa_signer_new(&n->identity.signer, &why), &why);
    random_bytes(&n->identity.key, sizeof n->identity.key);
    node_share(n, NULL, 0);
    node_listen(n, "127.0.0.1:0");
}

static void node_stop(struct node *n) {
    share_free(n->share);
    server_free(n->server);
    tls_free(n->tls);
    n->share = NULL;
    n->server = NULL;
    n->tls = NULL;
}

static void node_close(struct node *n) {
    if (n->share) node_stop(n);
    ecdsa_signer_free(n->identity.signer);
    test_identity_free(&n->id);
}

static struct share_peer entry_of(const struct node *n, enum share_transport t) {
    return (struct share_peer){.name = n->name,
                               .host = n->name,
                               .address = n->address_text,
                               .cert_pem = buf_view(&n->id.cert),
                               .transport = t};
}

/* Everybody knows everybody, over the given transport. */
static void introduce(struct node *nodes, size_t count, enum share_transport t) {
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

/* A raw transaction whose first bytes are its number. */
static struct flow_order *order_make(uint64_t number, uint64_t expires_ns) {
    struct arena a;
    struct flow_order *o;
    struct order order = {.method = ORDER_SEND_RAW_TX};
    struct flow_order_facts facts = {.source = FLOW_FROM_USER,
                                     .priority = ORDER_MEDIUM,
                                     .received_ns = clock_wall_ns(&clock_system),
                                     .expires_ns = expires_ns,
                                     .bytes = TX_BYTES};
    arena_init(&a, 1u << 20);
    uint8_t *raw = arena_alloc(&a, TX_BYTES);
    store_be64(raw, number);
    order.raw = bytes_make(raw, TX_BYTES);
    CHECK_OK(flow_order_new(&o, &order, &facts, &a, &why), &why);
    return o;
}

static void give(struct node *n, uint64_t from, uint64_t to) {
    for (uint64_t k = from; k < to; k++) {
        struct flow_order *o = order_make(k, 0);
        CHECK_OK(share_order(n->share, o, &why), &why);
        flow_order_release(o);
    }
}

static bool all_seen(const struct node *n, unsigned from, unsigned to) {
    for (unsigned k = from; k < to; k++) {
        if (n->seen[k] == 0) return false;
    }
    return true;
}

static void check_once(const struct node *n, unsigned from, unsigned to) {
    for (unsigned k = from; k < to; k++) {
        CHECK_U64(n->seen[k], 1);
    }
}

static struct share_peer_stats stats_of(struct node *n, const char *peer) {
    struct share_peer_stats rows[4];
    size_t count = share_stats(n->share, rows, 4);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, peer) == 0) return rows[i];
    }
    FAIL("no peer %s", peer);
}

static bool is_up(struct node *n, const char *peer) {
    return stats_of(n, peer).up;
}

static struct loop *new_loop(void) {
    struct loop *l;
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    return l;
}

/* Breaks every connection of a node as a cable does. */
static void cut(struct node *n) {
    list_each(node, &n->share->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        struct linger hard = {1, 0};
        (void)setsockopt(l->conn->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        (void)shutdown(l->conn->watch.fd, SHUT_RDWR);
    }
}

/* ---- our streams ---- */

TEST(three_nodes_share_over_one_session_a_pair) {
    struct loop *l = new_loop();
    struct node n[3];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    node_open(&n[2], l, "c");
    introduce(n, 3, SHARE_AUTO);
    for (int i = 0; i < 3; i++) {
        give(&n[i], (unsigned)i * 1000, (unsigned)i * 1000 + 1000);
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned next = (i + 1) % 3 * 1000, last = (i + 2) % 3 * 1000;
        TURN_UNTIL(l, all_seen(&n[i], next, next + 1000) && all_seen(&n[i], last, last + 1000));
    }
    for (int i = 0; i < 3; i++) {
        unsigned own = (unsigned)i * 1000;
        for (unsigned k = own; k < own + 1000; k++) {
            CHECK_U64(n[i].seen[k], 0); // one hop
        }
        check_once(&n[i], (own + 1000) % 3000, (own + 1000) % 3000 + 1000);
        TURN_UNTIL(l, n[i].shared == 2000);
    }
    // Both sides have dialed; one session stays.
    TURN_UNTIL(l, n[0].share->link_count == 2 && n[1].share->link_count == 2);
    CHECK_U64(stats_of(&n[0], "b").transport, SHARE_STREAM);
    CHECK_STR(n[1].last_signature, "");
    for (int i = 0; i < 3; i++) {
        node_close(&n[i]);
    }
    loop_free(l);
}

TEST(links_that_break_lose_and_repeat_nothing) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].refuse_every = 50;
    introduce(n, 2, SHARE_AUTO);
    for (unsigned k = 0; k < 4000; k += 40) {
        give(&n[0], k, k + 40);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(loop_turn(l, NS_PER_MS, &why), &why);
        }
        if (k % 400 == 200) cut(&n[k % 800 == 200]);
    }
    TURN_UNTIL_WITHIN(l, 20, all_seen(&n[1], 0, 4000));
    check_once(&n[1], 0, 4000);
    TURN_UNTIL(l, stats_of(&n[0], "b").queued == 0);
    CHECK_U64(stats_of(&n[0], "b").dropped, 0);
    CHECK_U64(n[0].shared, 4000);
    CHECK(n[0].ups > 2);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(a_peer_that_is_away_gets_everything_from_the_spill_when_it_comes) {
    struct loop *l = new_loop();
    struct node n[2];
    char at[SOCKET_TEXT_MAX];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    share_free(n[0].share);
    server_free(n[0].server);
    tls_free(n[0].tls);
    node_share(&n[0], "/tmp", 64);
    node_listen(&n[0], "127.0.0.1:0");
    memcpy(at, n[1].address_text, sizeof at);
    introduce(n, 2, SHARE_AUTO);
    node_stop(&n[1]);
    give(&n[0], 0, 4000);
    TURN_UNTIL(l, stats_of(&n[0], "b").spilled > 3000);
    node_share(&n[1], NULL, 0);
    node_listen(&n[1], at);
    struct share_peer a = entry_of(&n[0], SHARE_AUTO);
    CHECK_OK(share_set_peers(n[1].share, &a, 1, NULL, &why), &why);
    TURN_UNTIL_WITHIN(l, 20, all_seen(&n[1], 0, 4000));
    check_once(&n[1], 0, 4000);
    CHECK_U64(stats_of(&n[0], "b").dropped, 0);
    CHECK_U64(stats_of(&n[0], "b").spilled, 0);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(answers_may_come_later_and_after_the_session) {
    struct loop *l = new_loop();
    struct node n[2];
    struct hash h = {{0}};
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].late = true;
    introduce(n, 2, SHARE_AUTO);
    give(&n[0], 0, 100);
    TURN_UNTIL(l, all_seen(&n[1], 0, 100));
    CHECK_U64(n[0].shared, 0);
    for (unsigned k = 0; k < 50; k++) { // the later half first: nothing can be acknowledged
        share_answer(n[1].tickets[99 - k], PEER_SUCCESS, &h, NULL);
    }
    cut(&n[0]);
    TURN_UNTIL(l, n[0].downs > 0 && is_up(&n[0], "b"));
    CHECK_U64(n[0].shared, 0);
    for (unsigned k = 0; k < 50; k++) {
        bool fails = k == 7; // not now: it comes again
        share_answer(n[1].tickets[k], fails ? PEER_ERROR_INTERNAL : PEER_SUCCESS, &h, NULL);
    }
    n[1].late = false;
    TURN_UNTIL(l, n[0].shared >= 100 && n[1].seen[7] == 2);
    for (unsigned k = 0; k < 100; k++) {
        CHECK_U64(n[1].seen[k], k == 7 ? 2 : 1);
    }
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(a_slow_peer_slows_nobody_else) {
    struct loop *l = new_loop();
    struct node n[3];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    node_open(&n[2], l, "c");
    n[2].refuse_every = 1; // takes nothing
    introduce(n, 3, SHARE_AUTO);
    give(&n[0], 0, 4000);
    TURN_UNTIL(l, all_seen(&n[1], 0, 4000));
    check_once(&n[1], 0, 4000);
    CHECK(stats_of(&n[0], "c").queued == 4000);
    n[2].refuse_every = 0;
    TURN_UNTIL(l, all_seen(&n[2], 0, 4000));
    check_once(&n[2], 0, 4000);
    for (int i = 0; i < 3; i++) {
        node_close(&n[i]);
    }
    loop_free(l);
}

TEST(a_certificate_is_rotated_without_losing_the_session) {
    struct loop *l = new_loop();
    struct node n[2];
    struct test_identity old;
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    introduce(n, 2, SHARE_AUTO);
    TURN_UNTIL(l, is_up(&n[0], "b") && is_up(&n[1], "a"));
    TURN_UNTIL(l, n[0].share->link_count == 1);
    unsigned downs = n[0].downs;
    old = n[1].id;
    test_identity_make(&n[1].id, "b");
    CHECK_OK(share_set_certificate(n[1].share, test_identity_of(&n[1].id), &why), &why);
    struct tls_options o = {.identity = test_identity_of(&n[1].id)};
    share_listener_tls(&o);
    CHECK_OK(tls_reload(n[1].tls, &o, &why), &why);
    introduce(n, 2, SHARE_AUTO);
    give(&n[0], 0, 10);
    TURN_UNTIL(l, all_seen(&n[1], 0, 10));
    CHECK_U64(n[0].downs, downs);
    cut(&n[0]); // the next session proves itself by the new one
    give(&n[0], 10, 20);
    TURN_UNTIL(l, all_seen(&n[1], 0, 20));
    check_once(&n[1], 0, 20);
    test_identity_free(&old);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(nobody_who_is_not_listed_is_taken_from) {
    struct loop *l = new_loop();
    struct node n[3];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    node_open(&n[2], l, "x");
    introduce(n, 2, SHARE_AUTO);
    // The stranger knows everybody and calls itself by another's name.
    struct share_peer a = entry_of(&n[0], SHARE_AUTO);
    snprintf(n[2].share->name, sizeof n[2].share->name, "b");
    CHECK_OK(share_set_peers(n[2].share, &a, 1, NULL, &why), &why);
    give(&n[2], 0, 10);
    TURN_UNTIL(l, n[0].stale > 0 && n[2].stale > 0);
    CHECK_U64(n[0].received, 0);
    // A peer behind another certificate than the listed one is not spoken to.
    struct share_peer wrong = entry_of(&n[0], SHARE_STREAM);
    wrong.cert_pem = buf_view(&n[2].id.cert);
    CHECK_OK(share_set_peers(n[1].share, &wrong, 1, NULL, &why), &why);
    cut(&n[1]); // a session that stands is kept for a while
    TURN_UNTIL(l, !is_up(&n[1], "a"));
    give(&n[1], 10, 20);
    TURN_UNTIL(l, n[1].stale > 0);
    CHECK_U64(n[0].received, 0);
    for (int i = 0; i < 3; i++) {
        node_close(&n[i]);
    }
    loop_free(l);
}

TEST(entries_that_cannot_be_used_are_skipped_and_the_others_used) {
    struct loop *l = new_loop();
    struct node n[2];
    size_t used;
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    struct share_peer list[8] = {entry_of(&n[1], SHARE_AUTO), entry_of(&n[1], SHARE_AUTO),
                                 entry_of(&n[1], SHARE_AUTO), entry_of(&n[1], SHARE_AUTO),
                                 entry_of(&n[1], SHARE_AUTO), entry_of(&n[0], SHARE_AUTO),
                                 entry_of(&n[1], SHARE_AUTO), entry_of(&n[1], SHARE_AUTO)};
    list[0].name = "";
    list[1].name = "no-certificate", list[1].cert_pem = BYTES_LIT("");
    list[2].name = "bad-certificate", list[2].cert_pem = BYTES_LIT("-----BEGIN nonsense");
    list[3].name = "no-address", list[3].address = NULL;
    list[4].name = "bad-port", list[4].address = "127.0.0.1:99999";
    list[6].name = "bad-host", list[6].address = "http://somewhere";
    CHECK_OK(share_set_peers(n[0].share, list, 8, &used, &why), &why);
    CHECK_U64(used, 1);
    CHECK_U64(share_stats(n[0].share, NULL, 0), 1);
    CHECK_OK(share_set_peers(n[0].share, NULL, 0, &used, &why), &why);
    CHECK_U64(share_stats(n[0].share, NULL, 0), 0);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(a_peer_that_is_listed_later_gets_what_may_still_land) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    give(&n[0], 0, 500);                       // nobody is known
    struct flow_order *o = order_make(600, 1); // over already
    CHECK_OK(share_order(n[0].share, o, &why), &why);
    flow_order_release(o);
    introduce(n, 2, SHARE_AUTO);
    TURN_UNTIL(l, all_seen(&n[1], 0, 500));
    check_once(&n[1], 0, 500);
    CHECK_U64(n[1].seen[600], 0);
    // Gone from the list and back: what was taken comes again, and is told by its id.
    CHECK_OK(share_set_peers(n[0].share, NULL, 0, NULL, &why), &why);
    introduce(n, 2, SHARE_AUTO);
    give(&n[0], 700, 701);
    TURN_UNTIL(l, all_seen(&n[1], 700, 701));
    CHECK_U64(n[1].seen[700], 1);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(what_has_expired_is_not_sent) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    struct share_peer b = entry_of(&n[1], SHARE_AUTO);
    CHECK_OK(share_set_peers(n[0].share, &b, 1, NULL, &why), &why); // b does not know a yet
    struct flow_order *o = order_make(1, clock_wall_ns(&clock_system) + 200 * NS_PER_MS);
    CHECK_OK(share_order(n[0].share, o, &why), &why);
    flow_order_release(o);
    give(&n[0], 2, 3);
    TURN_UNTIL(l, stats_of(&n[0], "b").dropped == 1);
    introduce(n, 2, SHARE_AUTO);
    TURN_UNTIL(l, all_seen(&n[1], 2, 3));
    CHECK_U64(n[1].seen[1], 0);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

static bool drained;
static void on_drained(void *context) {
    (void)context;
    drained = true;
}

/* ---- threads ---- */

#define GIVERS 4
#define GIVEN 1000u

static struct queue answers; /* tickets on their way to the answering thread */
static atomic_bool answering;

static void *give_run(void *context) {
    struct node *n = ((void **)context)[0];
    uint64_t from = (uint64_t)(uintptr_t)((void **)context)[1];
    struct error reason = {0};
    for (uint64_t k = from; k < from + GIVEN; k++) {
        struct flow_order *o = order_make(k, 0);
        while (share_order(n->share, o, &reason) != 0) {
            (void)usleep(100);
        }
        flow_order_release(o);
    }
    return NULL;
}

static void *answer_run(void *context) {
    static const struct hash h = {{7}};
    (void)context;
    while (atomic_load(&answering)) {
        struct share_ticket *t = queue_pop(&answers);
        if (t) {
            share_answer(t, PEER_SUCCESS, &h, NULL);
        } else {
            (void)usleep(100);
        }
    }
    return NULL;
}

static void hand_to_thread(void *context, const struct share_received *r, struct share_ticket *t) {
    struct node *n = context;
    uint64_t number = number_of(r->data);
    if (!queue_push(&answers, t)) {
        share_answer(t, PEER_ERROR_INTERNAL, NULL, "full");
        return;
    }
    if (number < ORDERS_MAX) n->seen[number]++;
}

static void try_threads(enum share_transport transport) {
    struct loop *l = new_loop();
    struct node n[2];
    pthread_t givers[GIVERS], answerer;
    void *arguments[GIVERS][2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].share->options.received = hand_to_thread;
    CHECK_OK(queue_init(&answers, 256, &why), &why);
    atomic_store(&answering, true);
    introduce(n, 2, transport);
    CHECK(pthread_create(&answerer, NULL, answer_run, NULL) == 0);
    for (uintptr_t i = 0; i < GIVERS; i++) {
        arguments[i][0] = &n[0];
        arguments[i][1] = (void *)(i * GIVEN);
        CHECK(pthread_create(&givers[i], NULL, give_run, arguments[i]) == 0);
    }
    TURN_UNTIL_WITHIN(l, 30, n[0].shared == GIVERS * GIVEN);
    for (int i = 0; i < GIVERS; i++) {
        pthread_join(givers[i], NULL);
    }
    atomic_store(&answering, false);
    pthread_join(answerer, NULL);
    check_once(&n[1], 0, GIVERS * GIVEN);
    node_close(&n[0]);
    node_close(&n[1]);
    queue_free(&answers);
    loop_free(l);
}

TEST(orders_and_answers_come_from_any_thread) {
    try_threads(SHARE_STREAM);
}

TEST(frames_are_answered_from_any_thread) {
    try_threads(SHARE_FRAMES);
}

TEST(a_peer_that_is_away_holds_the_end_up_for_a_second_only) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    struct share_peer b = entry_of(&n[1], SHARE_AUTO);
    b.address = "127.0.0.1:1";
    CHECK_OK(share_set_peers(n[0].share, &b, 1, NULL, &why), &why);
    give(&n[0], 0, 10);
    drained = false;
    share_drain(n[0].share, 60 * NS_PER_S, on_drained, NULL);
    TURN_UNTIL(l, drained);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(draining_sends_what_is_queued) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    introduce(n, 2, SHARE_AUTO);
    give(&n[0], 0, 3000);
    drained = false;
    share_drain(n[0].share, 10 * NS_PER_S, on_drained, NULL);
    struct flow_order *o = order_make(4000, 0);
    CHECK_ERR(share_order(n[0].share, o, &why), ERR_CLOSED);
    flow_order_release(o);
    TURN_UNTIL(l, drained);
    check_once(&n[1], 0, 3000);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

/* ---- the other generations ---- */

TEST(frames_of_the_second_generation_are_signed_and_answered) {
    struct loop *l = new_loop();
    struct node n[2];
    struct address signer;
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    introduce(n, 2, SHARE_FRAMES);
    give(&n[0], 0, 2000);
    TURN_UNTIL_WITHIN(l, 20, n[0].shared == 2000);
    check_once(&n[1], 0, 2000);
    CHECK_U64(stats_of(&n[0], "b").transport, SHARE_FRAMES);
    CHECK(share_wants(n[0].share, FLOW_BITCODE));
    // The signature is over the data, and the node's.
    uint8_t raw[TX_BYTES] = {0};
    store_be64(raw, 1999);
    CHECK_OK(request_signature_verify(&signer, bytes_from_str(n[1].last_signature),
                                      bytes_make(raw, sizeof raw), NULL, &why),
             &why);
    CHECK_STR(n[1].last_peer, "a"); // the client certificate is listed
    // Refused orders are not repeated; those that are "not now" are.
    n[1].status = PEER_ERROR_DECODING;
    give(&n[0], 2000, 2010);
    TURN_UNTIL(l, stats_of(&n[0], "b").failed == 10);
    n[1].status = PEER_SUCCESS;
    n[1].refuse_every = 2;
    give(&n[0], 2010, 2020);
    TURN_UNTIL(l, all_seen(&n[1], 2010, 2020));
    check_once(&n[1], 2010, 2020);
    TURN_UNTIL(l, stats_of(&n[0], "b").queued == 0);
    // A peer that does not list this node yet gets everything when it does.
    n[1].refuse_every = 0;
    n[1].status = PEER_ERROR_INVALID_SIGNATURE;
    unsigned downs = n[0].downs, before = n[0].shared;
    give(&n[0], 2020, 2030);
    TURN_UNTIL(l, n[0].downs >= downs + 2);
    n[1].status = PEER_SUCCESS;
    TURN_UNTIL_WITHIN(l, 20, n[0].shared == before + 10);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

static struct bundle heard;
static enum order_method heard_method;
static struct arena heard_arena;

static void hear_bundle(void *context, const struct share_received *r, struct share_ticket *t) {
    struct node *n = context;
    heard_method = r->method;
    struct bytes data = arena_copy(&heard_arena, r->data);
    CHECK_OK(peer_bundle_decode(&heard, data, &heard_arena, &why), &why);
    n->received++;
    share_answer(t, PEER_SUCCESS, NULL, NULL);
}

TEST(a_cancellation_reaches_the_second_generation_as_an_empty_bundle) {
    struct loop *l = new_loop();
    struct node n[2];
    struct arena a;
    struct flow_order *o;
    struct order order = {.method = ORDER_CANCEL_BUNDLE, .has_signer = true, .cancels = true};
    const struct flow_order_facts facts = {.priority = ORDER_HIGH, .bytes = 100};
    memset(order.replacement.uuid.b, 0x55, 16);
    memset(order.replacement.signer.b, 0x93, 20);
    arena_init(&a, 1u << 20);
    arena_init(&heard_arena, 1u << 20);
    CHECK_OK(flow_order_new(&o, &order, &facts, &a, &why), &why);
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].share->options.received = hear_bundle;
    introduce(n, 2, SHARE_FRAMES);
    CHECK_OK(share_order(n[0].share, o, &why), &why);
    flow_order_release(o);
    TURN_UNTIL(l, n[0].shared == 1);
    CHECK_U64(heard_method, ORDER_SEND_BUNDLE);
    CHECK_U64(heard.txs.count, 0);
    CHECK_U64(heard.replacement_nonce, UINT64_MAX);
    CHECK_BYTES(BYTES_OF(heard.replacement_uuid), BYTES_OF(order.replacement.uuid));
    CHECK_BYTES(BYTES_OF(heard.signing_address), BYTES_OF(order.replacement.signer));
    CHECK((heard.fields & BUNDLE_HASH) != 0);
    arena_free(&heard_arena);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(frames_come_again_after_a_broken_connection) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    introduce(n, 2, SHARE_FRAMES);
    for (unsigned k = 0; k < 2000; k += 40) {
        give(&n[0], k, k + 40);
        CHECK_OK(loop_turn(l, NS_PER_MS, &why), &why);
        CHECK_OK(loop_turn(l, NS_PER_MS, &why), &why);
        if (k % 400 == 200) cut(&n[0]);
    }
    TURN_UNTIL_WITHIN(l, 20, all_seen(&n[1], 0, 2000)); // perhaps twice: hashes tell
    TURN_UNTIL_WITHIN(l, 20, stats_of(&n[0], "b").queued == 0);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(a_peer_that_speaks_only_http_is_found_out_and_served) {
    struct loop *l = new_loop();
    struct node n[2];
    static const char *const http_only[] = {"h2", "http/1.1", NULL};
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    struct tls_options o = {.identity = test_identity_of(&n[1].id)};
    share_listener_tls(&o);
    o.alpn = http_only;
    CHECK_OK(tls_reload(n[1].tls, &o, &why), &why);
    struct share_peer b = entry_of(&n[1], SHARE_AUTO);
    CHECK_OK(share_set_peers(n[0].share, &b, 1, NULL, &why), &why);
    give(&n[0], 0, 200);
    TURN_UNTIL_WITHIN(l, 20, n[0].shared == 200);
    CHECK_U64(n[1].http_requests, 200);
    CHECK_U64(stats_of(&n[0], "b").transport, SHARE_HTTP);
    CHECK(n[1].last_signature[0] == '0');
    n[1].status = PEER_ERROR_INVALID_SIGNATURE; // it does not list this node yet
    give(&n[0], 200, 210);
    TURN_UNTIL(l, n[1].http_requests >= 210);
    CHECK_U64(n[0].shared, 200);
    n[1].status = PEER_SUCCESS;
    TURN_UNTIL_WITHIN(l, 20, n[0].shared == 210);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

/* ---- raw bytes at the listener ---- */

struct raw {
    struct conn conn;
    struct loop *loop;
    struct bytes send;
    bool open, closed;
    uint8_t in[4096];
    size_t in_n;
};

static void raw_open(struct conn *c) {
    struct raw *r = c->owner;
    r->open = true;
    CHECK(conn_write(c, r->send) == 0);
}
static void raw_readable(struct conn *c) {
    struct raw *r = c->owner;
    ssize_t n;
    while ((n = conn_read(c, r->in + r->in_n, sizeof r->in - r->in_n)) > 0) {
        r->in_n += (size_t)n;
    }
    if (n != ERR_AGAIN) r->closed = true;
}
static void raw_closed(struct conn *c, const struct error *reason) {
    (void)reason;
    ((struct raw *)c->owner)->closed = true;
}
static const struct conn_events raw_events = {raw_open, raw_readable, NULL, raw_closed};

static void raw_connect(struct raw *r, struct node *n, const char *const *alpn, struct bytes send) {
    struct tls_options o = {.role = TLS_CLIENT, .trust = TLS_TRUST_NOTHING, .alpn = alpn};
    struct tls *tls;
    SSL *session;
    memset(r, 0, sizeof *r);
    r->send = send;
    CHECK_OK(tls_new(&tls, &o, &why), &why);
    CHECK_OK(tls_session_new(&session, tls, NULL, &why), &why);
    tls_free(tls);
    CHECK_OK(conn_connect(&r->conn, n->loop, &n->address, session, &raw_events, r, &why), &why);
}

TEST(the_first_byte_tells_frames_from_http_and_garbage_is_closed) {
    struct loop *l = new_loop();
    struct node n;
    struct raw r;
    struct buf ping, many;
    static const char *const ours[] = {WIRE_ALPN, NULL};
    node_open(&n, l, "a");
    buf_init(&ping, 0);
    buf_init(&many, 0);
    peer_frame_put_ping(&ping); // as a balancer checks health
    raw_connect(&r, &n, NULL, buf_view(&ping));
    TURN_UNTIL(l, r.in_n >= 14);
    CHECK_BYTES(bytes_make(r.in + 10, 4), BYTES_LIT("PONG"));
    conn_close(&r.conn);
    raw_connect(&r, &n, NULL,
                BYTES_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n\r\n"
                          "{\"method\":\"eth_sendRawTransaction\",\"id\":1}"));
    TURN_UNTIL(l, n.http_requests == 1 && r.in_n > 0);
    conn_close(&r.conn);
    raw_connect(&r, &n, NULL, BYTES_LIT("\x02\x00\x00\x00\x00\x01\x7f\xff\xff\xff")); // too large
    TURN_UNTIL(l, r.closed);
    conn_close(&r.conn);
    raw_connect(&r, &n, ours,
                BYTES_LIT("\x01\x00\x00\x00\x00\x00\x00\x31garbage garbage garbage "
                          "garbage garbage garbage garba"));
    TURN_UNTIL(l, r.closed);
    conn_close(&r.conn);
    raw_connect(&r, &n, ours, BYTES_LIT("\xff\xff"));
    TURN_UNTIL(l, r.closed);
    conn_close(&r.conn);
    // A stranger whose signatures are all wrong is closed after some.
    n.status = PEER_ERROR_INVALID_SIGNATURE;
    for (uint32_t id = 1; id <= 40; id++) {
        const struct peer_header h[] = {{BYTES_LIT("method"), BYTES_LIT("eth_sendRawTransaction")},
                                        {BYTES_LIT("x-buildernet-signature"), BYTES_LIT("0x:0x")}};
        struct peer_message m = {h, 2, BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff")};
        struct buf payload;
        buf_init(&payload, 0);
        peer_message_encode(&payload, &m);
        peer_frame_put(&many, id, buf_view(&payload));
        buf_free(&payload);
    }
    raw_connect(&r, &n, NULL, buf_view(&many));
    TURN_UNTIL(l, r.closed);
    CHECK(n.received > 0);
    conn_close(&r.conn);
    buf_free(&ping);
    buf_free(&many);
    TURN_UNTIL(l, n.share->link_count == 0);
    node_close(&n);
    loop_free(l);
}

TEST_MAIN()
