/* Sessions between nodes that must prove what they run: nobody gets an order before, or after, its
 * evidence is good. Simulated platforms, real sockets and TLS. SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "attest/simulator.h"
#include "orderflow/share_testing.h"

#define ONE "1111111111111111"
#define TWO "2222222222222222"
#define SIX(x) x x x x x x
#define GOOD SIX(ONE)
#define OTHER SIX(TWO)

static char folder[64];

static const char *path_of(char ret[128], const char *name) {
    (void)snprintf(ret, 128, "%s/%s", folder, name);
    return ret;
}

static void make_platform(void) {
    struct simulator *s;
    const struct simulator_spec spec = {.now = clock_wall_ns(&clock_system) / NS_PER_S,
                                        .fmspc = {1, 2, 3, 4, 5, 6}};
    (void)snprintf(folder, sizeof folder, "/tmp/share-evidence-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(simulator_new(&s, &spec, &why), &why);
    CHECK_OK(simulator_save(s, folder, &why), &why);
    simulator_free(s);
}

static void drop_platform(void) {
    char line[96];
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    CHECK(system(line) == 0);
}

static struct judge *judge_of(const char *mrtd) {
    struct judge *j;
    char policy[128], root[128], collateral[128], text[400];
    const char *paths[] = {path_of(collateral, "collateral")};
    (void)snprintf(text, sizeof text,
                   "[{\"measurement_id\": \"node\", \"attestation_type\": \"dcap-tdx\", "
                   "\"measurements\": {\"0\": {\"expected\": \"%s\"}}}]",
                   mrtd);
    CHECK_OK(files_write(path_of(policy, "policy.json"), bytes_from_str(text), 0600, &why), &why);
    const struct judge_options o = {.policy = policy,
                                    .root = path_of(root, "root.pem"),
                                    .collateral = {paths, 1},
                                    .clock = &clock_system};
    CHECK_OK(judge_new(&j, &o, &why), &why);
    return j;
}

/* A node with evidence: who it is, and whom it accepts. */
struct prover {
    struct issuer *issuer; /* NULL: no evidence of its own */
    struct attested *attested;
    struct node node;
};

static void prover_open(struct prover *p, struct loop *l, const char *name,
                        enum share_evidence evidence, const char *mrtd, uint64_t renew_ns) {
    char source[128], field[128];
    const char *fields[] = {field};
    memset(p, 0, sizeof *p);
    (void)snprintf(source, sizeof source, "simulator:%s", folder);
    (void)snprintf(field, sizeof field, "mrtd=%s", mrtd ? mrtd : "");
    const struct issuer_options io = {.source = source,
                                      .type = ATTESTATION_DCAP_TDX,
                                      .fields = fields,
                                      .field_count = 1,
                                      .quote_version = 4,
                                      .wait_ns = 10 * NS_PER_S};
    if (mrtd) CHECK_OK(issuer_new(&p->issuer, l, &io, &why), &why);
    const struct attested_options ao = {.form = ATTESTED_SESSION,
                                        .issuer = p->issuer,
                                        .judge = judge_of(GOOD),
                                        .again_ns = 100 * NS_PER_MS,
                                        .renew_ns = renew_ns,
                                        .clock = &clock_system};
    CHECK_OK(attested_new(&p->attested, l, &ao, &why), &why);
    node_open_with(&p->node, l, name, evidence, p->attested);
}

static void prover_close(struct prover *p) {
    node_close(&p->node);
    issuer_free(p->issuer);
    attested_free(p->attested);
}

static void know(struct node *a, struct node *b, enum share_transport t) {
    struct share_peer other = entry_of(b, t);
    CHECK_OK(share_set_peers(a->share, &other, 1, NULL, &why), &why);
    other = entry_of(a, t);
    CHECK_OK(share_set_peers(b->share, &other, 1, NULL, &why), &why);
}

static void turn_for(struct loop *l, uint64_t ns) {
    uint64_t end = clock_monotonic_ns(&clock_system) + ns;
    while (clock_monotonic_ns(&clock_system) < end) {
        CHECK_OK(loop_turn(l, 10 * NS_PER_MS, &why), &why);
    }
}

/* What a node never has: an order that has left for a peer. */
static void check_nothing_sent(struct node *from, struct node *to, unsigned queued) {
    struct share_peer_stats s = stats_of(from, to->name);
    CHECK(!s.up && !s.attested);
    CHECK_U64(s.sent, 0);
    CHECK_U64(s.queued, queued);
    CHECK_U64(to->received, 0);
    CHECK_U64(to->http_requests, 0);
}

TEST(both_sides_prove_themselves_and_share) {
    struct loop *l = new_loop();
    struct prover p[2];
    make_platform();
    prover_open(&p[0], l, "a", SHARE_REQUIRED, GOOD, 0);
    prover_open(&p[1], l, "b", SHARE_REQUIRED, GOOD, 0);
    know(&p[0].node, &p[1].node, SHARE_AUTO);
    give(&p[0].node, 0, 1000);
    give(&p[1].node, 1000, 2000);
    TURN_UNTIL_WITHIN(l, 20, p[0].node.shared == 1000 && p[1].node.shared == 1000);
    check_once(&p[1].node, 0, 1000);
    check_once(&p[0].node, 1000, 2000);
    CHECK(stats_of(&p[0].node, "b").attested && stats_of(&p[1].node, "a").attested);
    CHECK_U64(stats_of(&p[0].node, "b").transport, SHARE_STREAM);
    TURN_UNTIL(l, p[0].node.share->link_count == 1 && p[1].node.share->link_count == 1);
    unsigned downs = p[0].node.downs + p[1].node.downs;
    turn_for(l, 500 * NS_PER_MS); // judged again some times
    CHECK_U64(p[0].node.downs + p[1].node.downs, downs);
    prover_close(&p[0]);
    prover_close(&p[1]);
    loop_free(l);
    drop_platform();
}

TEST(a_peer_of_another_measurement_gets_no_order) {
    struct loop *l = new_loop();
    struct prover p[2];
    make_platform();
    prover_open(&p[0], l, "a", SHARE_REQUIRED, GOOD, 0);
    prover_open(&p[1], l, "b", SHARE_REQUIRED, OTHER, 0);
    know(&p[0].node, &p[1].node, SHARE_AUTO); // each dials the other
    give(&p[0].node, 0, 1000);
    turn_for(l, NS_PER_S);
    check_nothing_sent(&p[0].node, &p[1].node, 1000);
    prover_close(&p[0]);
    prover_close(&p[1]);
    loop_free(l);
    drop_platform();
}

TEST(a_peer_without_evidence_gets_no_order_however_it_speaks) {
    static const enum share_transport spoken[] = {SHARE_AUTO, SHARE_STREAM, SHARE_FRAMES,
                                                  SHARE_HTTP};
    struct loop *l = new_loop();
    make_platform();
    for (size_t i = 0; i < sizeof spoken / sizeof spoken[0]; i++) {
        struct prover a;
        struct node b;
        prover_open(&a, l, "a", SHARE_REQUIRED, GOOD, 0);
        node_open(&b, l, "b"); // listed, with its certificate, as the older nodes are
        struct share_peer entry = entry_of(&b, SHARE_AUTO);
        CHECK_OK(share_set_peers(a.node.share, &entry, 1, NULL, &why), &why);
        entry = entry_of(&a.node, spoken[i]);
        CHECK_OK(share_set_peers(b.share, &entry, 1, NULL, &why), &why);
        give(&a.node, 0, 500);
        turn_for(l, 300 * NS_PER_MS);
        check_nothing_sent(&a.node, &b, 500);
        node_close(&b);
        prover_close(&a);
    }
    // It speaks the attested protocol, and then says that it has nothing to show.
    struct prover p[2];
    prover_open(&p[0], l, "a", SHARE_REQUIRED, GOOD, 0);
    prover_open(&p[1], l, "b", SHARE_REQUIRED, NULL, 0);
    know(&p[0].node, &p[1].node, SHARE_AUTO);
    give(&p[0].node, 0, 500);
    turn_for(l, 300 * NS_PER_MS);
    check_nothing_sent(&p[0].node, &p[1].node, 500);
    prover_close(&p[0]);
    prover_close(&p[1]);
    loop_free(l);
    drop_platform();
}

/* A peer on bare TLS that says nothing of protocols and sends a stream's first frame. */
struct raw {
    struct conn conn;
    bool closed;
    uint8_t in[256];
    size_t in_n;
};

static void raw_open(struct conn *c) {
    CHECK(conn_write(c, BYTES_LIT("\x01\x00\x00\x00\x00\x00\x00\x31")) == 0);
}
static void raw_readable(struct conn *c) {
    struct raw *r = c->owner;
    ssize_t n = conn_read(c, r->in, sizeof r->in);
    if (n > 0) r->in_n += (size_t)n;
    if (n <= 0 && n != ERR_AGAIN) r->closed = true;
}
static void raw_closed(struct conn *c, const struct error *reason) {
    (void)reason;
    ((struct raw *)c->owner)->closed = true;
}

TEST(a_stream_without_evidence_is_not_answered) {
    static const struct conn_events events = {raw_open, raw_readable, NULL, raw_closed};
    struct loop *l = new_loop();
    struct prover p;
    struct raw r = {.closed = false};
    SSL *session;
    make_platform();
    prover_open(&p, l, "a", SHARE_REQUIRED, GOOD, 0);
    struct tls *tls =
        test_tls(&(struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_NOTHING});
    CHECK_OK(tls_session_new(&session, tls, NULL, &why), &why);
    CHECK_OK(conn_connect(&r.conn, l, &p.node.address, session, &events, &r, &why), &why);
    TURN_UNTIL(l, r.closed);
    CHECK_U64(r.in_n, 0);
    conn_close(&r.conn);
    tls_free(tls);
    prover_close(&p);
    loop_free(l);
    drop_platform();
}

TEST(a_mixed_network_serves_older_peers_and_judges_evidence) {
    struct loop *l = new_loop();
    struct prover a, b;
    struct node old;
    make_platform();
    prover_open(&a, l, "a", SHARE_MIXED, GOOD, 0);
    prover_open(&b, l, "b", SHARE_REQUIRED, OTHER, 0);
    node_open(&old, l, "old");
    struct share_peer list[] = {entry_of(&b.node, SHARE_AUTO), entry_of(&old, SHARE_FRAMES)};
    CHECK_OK(share_set_peers(a.node.share, list, 2, NULL, &why), &why);
    struct share_peer entry = entry_of(&a.node, SHARE_AUTO);
    CHECK_OK(share_set_peers(b.node.share, &entry, 1, NULL, &why), &why);
    entry = entry_of(&a.node, SHARE_FRAMES);
    CHECK_OK(share_set_peers(old.share, &entry, 1, NULL, &why), &why);
    give(&a.node, 0, 200);
    TURN_UNTIL_WITHIN(l, 20, old.received >= 200);
    turn_for(l, 300 * NS_PER_MS);
    check_nothing_sent(&a.node, &b.node, 200);
    CHECK(!stats_of(&a.node, "old").attested);
    node_close(&old);
    prover_close(&a);
    prover_close(&b);
    loop_free(l);
    drop_platform();
}

TEST(a_new_policy_ends_running_sessions_that_it_refuses) {
    struct loop *l = new_loop();
    struct prover p[2];
    make_platform();
    prover_open(&p[0], l, "a", SHARE_REQUIRED, GOOD, 0);
    prover_open(&p[1], l, "b", SHARE_REQUIRED, GOOD, 0);
    know(&p[0].node, &p[1].node, SHARE_AUTO);
    give(&p[0].node, 0, 10);
    TURN_UNTIL_WITHIN(l, 20, p[0].node.shared == 10);
    attested_set_judge(p[0].attested, judge_of(OTHER));
    TURN_UNTIL(l, p[0].node.downs == 1);
    give(&p[0].node, 10, 100);
    turn_for(l, 500 * NS_PER_MS);
    CHECK_U64(p[1].node.received, 10);
    CHECK_U64(stats_of(&p[0].node, "b").queued, 90);
    attested_set_judge(p[0].attested, judge_of(GOOD)); // and back
    TURN_UNTIL_WITHIN(l, 20, p[0].node.shared == 100);
    check_once(&p[1].node, 0, 100);
    prover_close(&p[0]);
    prover_close(&p[1]);
    loop_free(l);
    drop_platform();
}

static const struct peer_link *active_of(const struct node *n) {
    const struct peer *p = LIST_ENTRY(list_first(&n->share->peers), struct peer, node);
    return p->active;
}

TEST(old_sessions_are_replaced_by_freshly_attested_ones_without_a_gap) {
    struct loop *l = new_loop();
    struct prover p[2];
    unsigned given = 0, replaced = 0;
    make_platform();
    prover_open(&p[0], l, "a", SHARE_REQUIRED, GOOD, NS_PER_S);
    prover_open(&p[1], l, "b", SHARE_REQUIRED, GOOD, NS_PER_S);
    know(&p[0].node, &p[1].node, SHARE_AUTO);
    TURN_UNTIL_WITHIN(l, 20, is_up(&p[0].node, "b") && is_up(&p[1].node, "a"));
    TURN_UNTIL_WITHIN(l, 20, p[0].node.share->link_count == 1);
    uint64_t begun = active_of(&p[0].node)->begun_ns;
    unsigned downs = p[0].node.downs + p[1].node.downs;
    uint64_t end = clock_monotonic_ns(&clock_system) + 30 * NS_PER_S;
    while (replaced < 2 && clock_monotonic_ns(&clock_system) < end) {
        if (given < 4000) give(&p[0].node, given, given + 10), given += 10;
        turn_for(l, 10 * NS_PER_MS);
        const struct peer_link *now = active_of(&p[0].node);
        CHECK(now != NULL);
        if (now->begun_ns != begun) replaced++, begun = now->begun_ns;
    }
    CHECK_U64(replaced, 2);
    TURN_UNTIL_WITHIN(l, 20, all_seen(&p[1].node, 0, given));
    check_once(&p[1].node, 0, given);
    CHECK_U64(p[0].node.downs + p[1].node.downs, downs);
    prover_close(&p[0]);
    prover_close(&p[1]);
    loop_free(l);
    drop_platform();
}

TEST_MAIN()
