/* Nodes that share as the two public generations do, and raw bytes at their listener.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_testing.h"

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
    share_listener_tls(&o, SHARE_PINNED);
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

/* ---- what is counted ---- */

/* The value of a series, by its whole name; -1: there is none. */
static double told(const struct node *n, const char *series) {
    struct buf text;
    buf_init(&text, 0);
    metrics_write(n->metrics, &text);
    buf_append_byte(&text, '\0');
    CHECK(!text.failed);
    double value = -1;
    for (const char *at = (const char *)text.p; (at = strstr(at, series)) != NULL; at++) {
        if (at[strlen(series)] == ' ') value = strtod(at + strlen(series), NULL);
    }
    buf_free(&text);
    return value;
}

TEST(nothing_waits_for_a_peer_that_is_no_longer_listed) {
    static const char queued[] = "orderflow_peer_queued{peer=\"b\"}";
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    node_stop(&n[0]);
    CHECK_OK(metrics_new(&n[0].metrics, NULL, &why), &why);
    node_share(&n[0], NULL, 0);
    node_listen(&n[0], "127.0.0.1:0");
    n[1].late = true; // acknowledges nothing
    introduce(n, 2, SHARE_AUTO);
    give(&n[0], 0, 10);
    TURN_UNTIL_WITHIN(l, 20, told(&n[0], queued) == 10);
    CHECK_OK(share_set_peers(n[0].share, NULL, 0, NULL, &why), &why);
    CHECK(told(&n[0], queued) == 0);
    CHECK(told(&n[0], "orderflow_peer_queued_bytes{peer=\"b\"}") == 0);
    node_close(&n[0]);
    node_close(&n[1]);
    metrics_free(n[0].metrics);
    loop_free(l);
}

TEST(what_fails_towards_a_peer_is_counted_under_the_deployed_names) {
    static const char *const http_only[] = {"h2", "http/1.1", NULL};
    static const char unanswered[] = "flowproxy_forwarder_tcp_call_failures{peer_name=\"b\","
                                     "transport=\"tcp\",reason=\"closed\"}";
    static const char errors[] = "orderflow_proxy_share_queue_peer_rpc_errors{peer=\"b\"}";
    struct loop *l = new_loop();
    struct node n[2];
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    node_stop(&n[0]);
    CHECK_OK(metrics_new(&n[0].metrics, NULL, &why), &why);
    node_share(&n[0], NULL, 0);
    node_listen(&n[0], "127.0.0.1:0");
    introduce(n, 2, SHARE_FRAMES);
    n[1].status = PEER_ERROR_DECODING;
    give(&n[0], 0, 5);
    TURN_UNTIL(l, stats_of(&n[0], "b").failed == 5);
    CHECK(told(&n[0], "flowproxy_forwarder_tcp_response_failures{peer_name=\"b\","
                      "transport=\"tcp\",reason=\"decoding\"}") == 5);
    CHECK(told(&n[0], errors) == 5);
    CHECK(told(&n[0], "flowproxy_forwarder_rpc_call_duration_count{peer_name=\"b\","
                      "transport=\"tcp\",order_type=\"transaction\",big_request=\"false\"}") == 5);
    // Sent, and the connection breaks.
    n[1].status = PEER_SUCCESS;
    for (unsigned k = 5; k < 2000 && told(&n[0], unanswered) <= 0; k += 20) {
        give(&n[0], k, k + 20);
        CHECK_OK(loop_turn(l, NS_PER_MS, &why), &why);
        node_stop(&n[1]);
        CHECK_OK(loop_turn(l, 20 * NS_PER_MS, &why), &why);
        node_share(&n[1], NULL, 0);
        node_listen(&n[1], n[1].address_text);
        TURN_UNTIL_WITHIN(l, 20, is_up(&n[0], "b"));
    }
    CHECK(told(&n[0], unanswered) > 0);
    // The other transport.
    struct tls_options o = {.identity = test_identity_of(&n[1].id)};
    share_listener_tls(&o, SHARE_PINNED);
    o.alpn = http_only;
    CHECK_OK(tls_reload(n[1].tls, &o, &why), &why);
    CHECK_OK(share_set_peers(n[0].share, NULL, 0, NULL, &why), &why);
    struct share_peer b = entry_of(&n[1], SHARE_HTTP);
    CHECK_OK(share_set_peers(n[0].share, &b, 1, NULL, &why), &why);
    n[1].status = PEER_ERROR_INVALID_SIGNATURE; // an error of JSON-RPC
    give(&n[0], 2000, 2001);
    TURN_UNTIL(l, told(&n[0], "flowproxy_forwarder_rpc_call_failures{peer_name=\"b\","
                              "transport=\"http\",rpc_code=\"-32000\"}") >= 1);
    n[1].status = PEER_ERROR_DECODING; // no JSON-RPC at all
    TURN_UNTIL_WITHIN(l, 20, stats_of(&n[0], "b").queued == 0);
    CHECK(told(&n[0], "flowproxy_forwarder_json_rpc_decoding_failures{peer_name=\"b\","
                      "transport=\"http\"}") >= 1);
    CHECK(told(&n[0], "flowproxy_forwarder_http_call_failures{peer_name=\"b\",transport=\"http\","
                      "reason=\"Bad Request\"}") >= 1);
    CHECK(told(&n[0], errors) >= 7);
    node_stop(&n[1]);
    give(&n[0], 2001, 2002);
    struct buf text;
    buf_init(&text, 0);
    TURN_UNTIL_WITHIN(l, 20,
                      (buf_clear(&text), metrics_write(n[0].metrics, &text),
                       memmem(text.p, text.n, "flowproxy_forwarder_http_connect_failures{", 42)));
    buf_free(&text);
    node_close(&n[0]);
    node_close(&n[1]);
    metrics_free(n[0].metrics);
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
    int status = conn_write(c, r->send);
    CHECK(status == 0 || status == ERR_AGAIN);
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

/* Whoever connects and says nothing more may neither keep peers out nor fill the memory. */
TEST(strangers_that_only_connect_keep_no_peer_out) {
    enum { STRANGERS = SHARE_LINKS_MAX + 20 };
    struct loop *l = new_loop();
    struct node n[2];
    struct raw *r = calloc(STRANGERS, sizeof *r);
    CHECK(r != NULL);
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    for (unsigned i = 0; i < STRANGERS; i++) {
        raw_connect(&r[i], &n[1], NULL, BYTES_LIT("\x02"));
        TURN_UNTIL(l, r[i].open);
    }
    TURN_UNTIL(l, r[0].closed); // the oldest
    CHECK(n[1].share->link_count <= SHARE_STRANGERS_CLIENT_MAX);
    CHECK(!r[STRANGERS - 1].closed);
    introduce(n, 2, SHARE_FRAMES);
    give(&n[0], 0, 10);
    give(&n[1], 10, 20);
    TURN_UNTIL(l, all_seen(&n[1], 0, 10) && all_seen(&n[0], 10, 20));
    for (unsigned i = 0; i < STRANGERS; i++) {
        conn_close(&r[i].conn);
    }
    free(r);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

static size_t waiting_bytes(const struct node *n) {
    size_t bytes = 0;
    list_each(node, &n->share->links) {
        bytes += LIST_ENTRY(node, struct peer_link, node)->in.n;
    }
    return bytes;
}

TEST(pieces_of_strangers_frames_are_bounded) {
    enum { STRANGERS = 12, PIECE = 8u << 20 };
    struct loop *l = new_loop();
    struct node n;
    struct raw *r = calloc(STRANGERS, sizeof *r);
    uint8_t *piece = calloc(1, PIECE);
    unsigned closed = 0;
    CHECK(r && piece);
    node_open(&n, l, "a");
    piece[0] = PEER_FRAME_MAGIC;
    store_be32(piece + 6, PIECE); // its last bytes never come
    for (unsigned i = 0; i < STRANGERS; i++) {
        raw_connect(&r[i], &n, NULL, bytes_make(piece, PIECE));
        TURN_UNTIL(l, r[i].closed || (r[i].open && conn_pending(&r[i].conn) == 0));
        CHECK(waiting_bytes(&n) <= SHARE_STRANGERS_BYTES + LOOP_SCRATCH_BYTES);
    }
    for (unsigned i = 0; i < STRANGERS; i++) {
        closed += r[i].closed;
        conn_close(&r[i].conn);
    }
    CHECK(closed > 0 && closed < STRANGERS);
    free(piece);
    free(r);
    node_close(&n);
    loop_free(l);
}

TEST(a_clock_that_leaps_ends_no_session_of_frames) {
    struct loop *l = new_loop();
    struct node n[2];
    struct clock_fake fake;
    struct hash h = {{0}};
    node_open(&n[0], l, "a");
    node_open(&n[1], l, "b");
    n[1].late = true;
    introduce(n, 2, SHARE_FRAMES);
    give(&n[0], 0, 1);
    TURN_UNTIL(l, n[1].ticket_count == 1);
    clock_fake_init(&fake, clock_wall_ns(&clock_system) + 3600 * NS_PER_S);
    fake.monotonic_ns = clock_monotonic_ns(&clock_system);
    n[0].share->clock = &fake.clock;
    struct peer *p = share_find_name(n[0].share, "b");
    CHECK(p && p->active && p->active->kind == LINK_FRAMES_OUT);
    link_frames_tick(p->active);
    CHECK(p->active && n[0].downs == 0);
    share_answer(n[1].tickets[0], PEER_SUCCESS, &h, NULL);
    TURN_UNTIL(l, n[0].shared == 1);
    CHECK(p->latency_ns > 0 && p->latency_ns < 3600 * NS_PER_S);
    node_close(&n[0]);
    node_close(&n[1]);
    loop_free(l);
}

TEST_MAIN()
