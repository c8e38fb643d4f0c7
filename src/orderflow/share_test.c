/* Two and three nodes that share over real sockets and TLS: links that break, peers that are slow,
 * lie, come late, rotate their certificates; orders and answers from many threads.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_testing.h"

#include <pthread.h>

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

/* An order that is called "not now" again and again does not go round without pause. */
static void try_rest(enum share_transport transport) {
    enum { TIMES = 5 };
    struct loop *l = new_loop();
    struct node n[2];
    struct hash h = {{0}};
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].late = true;
    introduce(n, 2, transport);
    give(&n[0], 0, 1);
    TURN_UNTIL(l, n[1].ticket_count == 1);
    uint64_t begun = clock_monotonic_ns(&clock_system);
    for (unsigned k = 0; k < TIMES; k++) {
        share_answer(n[1].tickets[k], PEER_ERROR_INTERNAL, NULL, "busy");
        TURN_UNTIL(l, n[1].ticket_count == k + 2);
    }
    CHECK(clock_monotonic_ns(&clock_system) - begun >= (TIMES - 1) * SHARE_REST_NS);
    share_answer(n[1].tickets[TIMES], PEER_SUCCESS, &h, NULL);
    TURN_UNTIL(l, n[0].shared == 1);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(a_stream_rests_when_its_peer_is_busy) {
    try_rest(SHARE_STREAM);
}

TEST(a_session_of_frames_rests_when_its_peer_is_busy) {
    try_rest(SHARE_FRAMES);
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

/* The largest order that is taken of users is more than a peer may leave unread of answers. */
static void try_large(enum share_transport transport) {
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    introduce(n, 2, transport);
    TURN_UNTIL(l, is_up(&n[0], "b"));
    for (uint64_t k = 0; k < 6; k++) {
        struct flow_order *o =
            order_make_of(k, 0, k % 2 ? TX_BYTES : SHARE_UNREAD_BYTES + (11u << 20));
        CHECK_OK(share_order(n[0].share, o, &why), &why);
        flow_order_release(o);
    }
    TURN_UNTIL_WITHIN(l, 20, n[0].shared == 6);
    check_once(&n[1], 0, 6);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST(large_orders_do_not_end_a_stream) {
    try_large(SHARE_STREAM);
}

TEST(large_orders_do_not_end_a_session_of_frames) {
    try_large(SHARE_FRAMES);
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
    share_listener_tls(&o, SHARE_PINNED);
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

/* The key of an identity in another certificate, as after a renewal. */
static void renew(struct buf *ret, const struct test_identity *id) {
    EVP_PKEY *key;
    X509 *cert;
    uint64_t now = clock_wall_ns(&clock_system);
    const struct certificate_options o = {
        .organization = "Renewed", .not_before_ns = now, .not_after_ns = now + 3600 * NS_PER_S};
    buf_init(ret, 0);
    CHECK_OK(certificate_parse_key(&key, buf_view(&id->key), &why), &why);
    CHECK_OK(certificate_self_sign(&cert, key, &o, &why), &why);
    CHECK_OK(certificate_pem(ret, cert, &why), &why);
    X509_free(cert);
    EVP_PKEY_free(key);
}

TEST(a_node_under_another_name_is_not_dialed_by_itself) {
    struct loop *l = new_loop();
    struct node n[2];
    struct buf renewed;
    size_t used;
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    share_free(n[0].share);
    server_free(n[0].server);
    tls_free(n[0].tls);
    CHECK_OK(metrics_new(&n[0].metrics, NULL, &why), &why);
    node_share(&n[0], NULL, 0);
    node_listen(&n[0], "127.0.0.1:0");
    renew(&renewed, &n[0].id);
    struct share_peer list[4] = {entry_of(&n[0], SHARE_AUTO), entry_of(&n[1], SHARE_AUTO),
                                 entry_of(&n[0], SHARE_AUTO), entry_of(&n[1], SHARE_AUTO)};
    list[0].name = "mirror";
    list[1].name = "half", list[1].cert_pem_more = buf_view(&n[0].id.cert);
    list[2].name = "renewed", list[2].cert_pem = buf_view(&renewed);
    CHECK_OK(share_set_peers(n[0].share, list, 4, &used, &why), &why);
    CHECK_U64(used, 1);
    CHECK_U64(share_stats(n[0].share, NULL, 0), 1);
    CHECK_U64((uint64_t)metric_value(n[0].share->skipped), 3);
    // With another certificate of its own it is the old key's owner that is somebody else.
    test_identity_free(&n[0].id);
    test_identity_make(&n[0].id, "a");
    CHECK_OK(share_set_certificate(n[0].share, test_identity_of(&n[0].id), &why), &why);
    list[1].cert_pem_more = buf_view(&n[0].id.cert);
    list[0].cert_pem = list[2].cert_pem = buf_view(&renewed);
    CHECK_OK(share_set_peers(n[0].share, list, 4, &used, &why), &why);
    CHECK_U64(used, 3);
    buf_free(&renewed);
    node_close(&n[0]);
    node_close(&n[1]);
    metrics_free(n[0].metrics);
    loop_free(l);
}

TEST(peers_beyond_the_most_are_skipped_and_the_node_itself_is_none) {
    struct loop *l = new_loop();
    struct node n[2];
    static struct share_peer list[SHARE_PEERS_MAX + 3];
    static char names[SHARE_PEERS_MAX + 3][8];
    size_t used;
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    for (size_t i = 0; i < SHARE_PEERS_MAX + 3; i++) {
        snprintf(names[i], sizeof names[i], "p%zu", i);
        list[i] = entry_of(&n[1], SHARE_AUTO);
        list[i].name = names[i];
        list[i].address = "127.0.0.1:1";
    }
    list[1].name = "a"; // itself takes nobody's place
    CHECK_OK(share_set_peers(n[0].share, list, SHARE_PEERS_MAX + 3, &used, &why), &why);
    CHECK_U64(used, SHARE_PEERS_MAX);
    CHECK_U64(share_stats(n[0].share, NULL, 0), SHARE_PEERS_MAX);
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

TEST_MAIN()
