/* Connections over real sockets: plain and every kind of TLS trust, hooks, reload, back-pressure.
 * SPDX-License-Identifier: MIT */
#include "net/conn.h"
#include "net/testing.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One side: echoes when told to, counts otherwise. */
struct side {
    struct conn conn;
    bool opened, closed, ended, echo, finish_at_end;
    int result; /* of the last write */
    size_t got;
    char text[64];
    struct error why;
    unsigned drained;
};

static void side_open(struct conn *c) {
    ((struct side *)c->owner)->opened = true;
}

static void side_readable(struct conn *c) {
    struct side *s = c->owner;
    uint8_t *p = loop_scratch(c->loop);
    for (;;) {
        ssize_t n = conn_read(c, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) return;
        if (n <= 0) {
            s->ended = true;
            if (n < 0) s->why.code = (enum err)n;
            conn_pause(c);
            if (s->finish_at_end) conn_finish(c);
            return;
        }
        for (ssize_t i = 0; i < n && s->got + (size_t)i < sizeof s->text - 1; i++) {
            s->text[s->got + (size_t)i] = (char)p[i];
        }
        s->got += (size_t)n;
        if (s->echo) s->result = conn_write(c, bytes_make(p, (size_t)n));
    }
}

static void side_drained(struct conn *c) {
    ((struct side *)c->owner)->drained++;
}

static void side_closed(struct conn *c, const struct error *why) {
    struct side *s = c->owner;
    s->closed = true;
    s->why = *why;
    conn_close(c);
}

static const struct conn_events side_events = {side_open, side_readable, side_drained, side_closed};

struct pair {
    struct loop *loop;
    int listener;
    struct socket_address address;
    struct side client, server;
};

static void pair_start(struct pair *p, struct tls *client, struct tls *server, const char *host,
                       void *client_user, void *server_user) {
    struct error why = {0};
    memset(p, 0, sizeof *p);
    CHECK_OK(loop_new(&p->loop, NULL, &why), &why);
    CHECK_OK(socket_address_parse(&p->address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(socket_listen(&p->listener, &p->address, NULL, &why), &why);
    CHECK_OK(socket_local(&p->address, p->listener, &why), &why);
    SSL *cs = NULL, *ss = NULL;
    if (client) {
        CHECK_OK(tls_session_new(&cs, client, host, &why), &why);
        tls_session_set_user(cs, client_user);
    }
    if (server) {
        CHECK_OK(tls_session_new(&ss, server, NULL, &why), &why);
        tls_session_set_user(ss, server_user);
    }
    CHECK_OK(
        conn_connect(&p->client.conn, p->loop, &p->address, cs, &side_events, &p->client, &why),
        &why);
    int fd = -1;
    while (fd < 0)
        fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK_OK(conn_accept(&p->server.conn, p->loop, fd, ss, NULL, &side_events, &p->server, &why),
             &why);
    p->server.echo = true;
}

static void pair_stop(struct pair *p) {
    conn_close(&p->client.conn);
    conn_close(&p->server.conn);
    close(p->listener);
    loop_free(p->loop);
}

static void pair_echo(struct pair *p) {
    TURN_UNTIL(p->loop, p->client.opened || p->client.closed);
    CHECK_STR(p->client.why.text, "");
    CHECK(p->client.opened);
    CHECK(conn_write(&p->client.conn, BYTES_LIT("ping")) == 0);
    TURN_UNTIL(p->loop, p->client.got == 4);
    CHECK_STR(p->client.text, "ping");
}

TEST(plain_echo_and_orderly_end) {
    struct pair p;
    pair_start(&p, NULL, NULL, NULL, NULL, NULL);
    pair_echo(&p);
    p.server.finish_at_end = true;
    conn_finish(&p.client.conn);
    TURN_UNTIL(p.loop, p.client.closed && p.server.closed);
    CHECK_U64(p.client.why.code, 0);
    CHECK_U64(p.server.why.code, 0);
    pair_stop(&p);
}

TEST(a_refused_connection_is_told) {
    struct error why = {0};
    struct pair p;
    pair_start(&p, NULL, NULL, NULL, NULL, NULL);
    struct side s = {0};
    close(p.listener);
    int r = conn_connect(&s.conn, p.loop, &p.address, NULL, &side_events, &s, &why);
    if (r == 0) {
        TURN_UNTIL(p.loop, s.closed);
        CHECK_ERR((int)s.why.code, ERR_IO);
    }
    p.listener = -1;
    pair_stop(&p);
}

TEST(tls_by_authority_checks_the_host) {
    struct test_identity id;
    test_identity_make(&id, "node.example");
    struct tls *server =
        test_tls(&(struct tls_options){.role = TLS_SERVER, .identity = test_identity_of(&id)});
    struct tls *client = test_tls(&(struct tls_options){
        .role = TLS_CLIENT, .trust = TLS_TRUST_CA, .ca_pem = buf_view(&id.cert)});
    static const struct {
        const char *host;
        bool good;
    } cases[] = {{"node.example", true},
                 {"127.0.0.1", true},
                 {"other.example", false},
                 {"127.0.0.2", false},
                 {"node.example", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        pair_start(&p, client, server, cases[i].host, NULL, NULL);
        if (cases[i].good) {
            pair_echo(&p);
        } else {
            TURN_UNTIL(p.loop, p.client.closed);
            CHECK_ERR((int)p.client.why.code, ERR_UNTRUSTED);
        }
        pair_stop(&p);
    }
    tls_free(client);
    tls_free(server);
    test_identity_free(&id);
}

TEST(mutual_tls_with_pins_and_reload) {
    struct test_identity a, b, c;
    test_identity_make(&a, "a");
    test_identity_make(&b, "b");
    test_identity_make(&c, "c");
    struct tls_options so = {.role = TLS_SERVER,
                             .identity = test_identity_of(&a),
                             .trust = TLS_TRUST_PINS,
                             .pins = &b.fingerprint,
                             .pin_count = 1,
                             .min_version = TLS1_3_VERSION};
    struct tls *server = test_tls(&so);
    struct tls *client = test_tls(&(struct tls_options){.role = TLS_CLIENT,
                                                        .identity = test_identity_of(&b),
                                                        .trust = TLS_TRUST_PINS,
                                                        .pins_pem = buf_view(&a.cert)});
    struct tls *stranger = test_tls(&(struct tls_options){.role = TLS_CLIENT,
                                                          .identity = test_identity_of(&c),
                                                          .trust = TLS_TRUST_PINS,
                                                          .pins_pem = buf_view(&a.cert)});
    struct tls *naked = test_tls(&(struct tls_options){
        .role = TLS_CLIENT, .trust = TLS_TRUST_PINS, .pins_pem = buf_view(&a.cert)});
    struct error why = {0};
    struct pair p, running;
    pair_start(&running, client, server, "a", NULL, NULL);
    pair_echo(&running);
    X509 *peer = SSL_get0_peer_certificate(running.server.conn.tls);
    struct hash print;
    certificate_fingerprint(&print, peer);
    CHECK_BYTES(BYTES_OF(print), BYTES_OF(b.fingerprint));

    pair_start(&p, stranger, server, "a", NULL, NULL);
    TURN_UNTIL(p.loop, p.server.closed);
    CHECK_ERR((int)p.server.why.code, ERR_UNTRUSTED);
    pair_stop(&p);
    pair_start(&p, naked, server, "a", NULL, NULL);
    TURN_UNTIL(p.loop, p.server.closed);
    CHECK(p.server.why.code != 0);
    pair_stop(&p);

    // After a reload the server is c and takes c only; what runs goes on.
    struct tls_options next = so;
    next.identity = test_identity_of(&c);
    next.pins = &c.fingerprint;
    CHECK_OK(tls_reload(server, &next, &why), &why);
    next.identity.key_pem = buf_view(&a.key);
    CHECK_ERR(tls_reload(server, &next, &why), ERR_INVALID);
    running.client.got = 0;
    pair_echo(&running);
    pair_stop(&running);
    pair_start(&p, client, server, "a", NULL, NULL);
    TURN_UNTIL(p.loop, p.client.closed);
    CHECK_ERR((int)p.client.why.code, ERR_UNTRUSTED);
    pair_stop(&p);
    tls_free(client);
    tls_free(server);
    tls_free(stranger);
    tls_free(naked);
    test_identity_free(&a);
    test_identity_free(&b);
    test_identity_free(&c);
}

/* ---- the hooks of attested TLS: nonce in SNI, nonce as CA name, own certificate each time ---- */

struct attested {
    struct test_identity id;
    char sni[256], authority[256];
    unsigned hellos, asked, verified;
    bool wait_once, refuse;
};

static int use_identity(SSL *s, const struct test_identity *id) {
    struct error why = {0};
    X509 *cert;
    EVP_PKEY *key;
    CHECK_OK(certificate_parse(&cert, buf_view(&id->cert), &why), &why);
    CHECK_OK(certificate_parse_key(&key, buf_view(&id->key), &why), &why);
    CHECK(SSL_use_certificate(s, cert) == 1 && SSL_use_PrivateKey(s, key) == 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

static int attested_hello(SSL *s, struct bytes sni, void *user, struct error *why) {
    struct attested *a = user;
    if (a->wait_once) {
        a->wait_once = false;
        ERR_raise(ERR_LIB_PEM, ERR_R_INTERNAL_ERROR); // as work with keys may leave it
        return ERR_AGAIN;
    }
    a->hellos++;
    (void)snprintf(a->sni, sizeof a->sni, "%.*s", (int)sni.n, (const char *)sni.p);
    int r = tls_session_ask_certificate(s, BYTES_LIT("c2VydmVyIG5vbmNl"), true, why);
    return r < 0 ? r : use_identity(s, &a->id);
}

static int attested_certificate(SSL *s, void *user, struct error *why) {
    struct attested *a = user;
    if (a->wait_once) {
        a->wait_once = false;
        ERR_raise(ERR_LIB_PEM, ERR_R_INTERNAL_ERROR); // as work with keys may leave it
        return ERR_AGAIN;
    }
    a->asked++;
    int r = tls_session_peer_ca(a->authority, sizeof a->authority, s, why);
    return r < 0 ? r : use_identity(s, &a->id);
}

static int attested_verify(SSL *s, X509 *leaf, STACK_OF(X509) * chain, void *user,
                           struct error *why) {
    struct attested *a = user;
    (void)s, (void)chain;
    if (!leaf) return error_set(why, ERR_AUTH, "nobody");
    a->verified++;
    return a->refuse ? error_set(why, ERR_UNTRUSTED, "register 1 differs") : 0;
}

static const struct tls_hooks server_hooks = {attested_hello, NULL, attested_verify};
static const struct tls_hooks client_hooks = {NULL, attested_certificate, attested_verify};
static const struct tls_hooks silent_hooks = {NULL, NULL, attested_verify};

static void attested_run(bool wait, bool refuse, int version) {
    struct attested s = {.wait_once = wait, .refuse = refuse}, c = {.wait_once = wait};
    struct error why = {0};
    test_identity_make(&s.id, "s");
    test_identity_make(&c.id, "c");
    struct tls *server = test_tls(
        &(struct tls_options){.role = TLS_SERVER, .trust = TLS_TRUST_HOOK, .hooks = &server_hooks});
    struct tls *client = test_tls(
        &(struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_HOOK, .hooks = &client_hooks});
    struct pair p;
    pair_start(&p, client, server, NULL, &c, &s);
    CHECK_OK(tls_session_set_sni(p.client.conn.tls, "Y2xpZW50IG5vbmNl/+==", &why), &why);
    if (version) SSL_set_max_proto_version(p.client.conn.tls, version);
    if (wait) {
        for (int i = 0; i < 20; i++)
            CHECK(loop_turn(p.loop, NS_PER_MS, &why) == 0);
        CHECK(!s.wait_once && s.hellos == 0);
        conn_resume(&p.server.conn);
        for (int i = 0; i < 20; i++)
            CHECK(loop_turn(p.loop, NS_PER_MS, &why) == 0);
        CHECK(!c.wait_once && c.asked == 0);
        conn_resume(&p.client.conn);
    }
    if (refuse) {
        TURN_UNTIL(p.loop, p.server.closed);
        CHECK_ERR((int)p.server.why.code, ERR_UNTRUSTED);
        CHECK_STR(p.server.why.text, "register 1 differs");
    } else {
        pair_echo(&p);
        CHECK_STR(s.sni, "Y2xpZW50IG5vbmNl/+==");
        CHECK_STR(c.authority, "c2VydmVyIG5vbmNl");
        CHECK(s.hellos == 1 && s.verified == 1 && c.verified == 1);
        uint8_t x[32], y[32];
        if (!version) {
            const char *label = "EXPORTER-Channel-Binding";
            CHECK_OK(tls_session_exporter(x, 32, p.client.conn.tls, label, &why), &why);
            CHECK_OK(tls_session_exporter(y, 32, p.server.conn.tls, label, &why), &why);
            CHECK_BYTES(bytes_make(x, 32), bytes_make(y, 32));
        }
    }
    pair_stop(&p);
    tls_free(server);
    tls_free(client);
    test_identity_free(&s.id);
    test_identity_free(&c.id);
}

TEST(attested_hooks_hear_of_a_peer_without_a_certificate) {
    struct attested s = {0}, c = {0};
    struct pair p;
    test_identity_make(&s.id, "s");
    struct tls *server = test_tls(
        &(struct tls_options){.role = TLS_SERVER, .trust = TLS_TRUST_HOOK, .hooks = &server_hooks});
    struct tls *client = test_tls(
        &(struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_HOOK, .hooks = &silent_hooks});
    pair_start(&p, client, server, NULL, &c, &s);
    TURN_UNTIL(p.loop, p.server.closed);
    CHECK_ERR((int)p.server.why.code, ERR_AUTH);
    CHECK_STR(p.server.why.text, "nobody");
    CHECK(s.verified == 0);
    pair_stop(&p);
    tls_free(server);
    tls_free(client);
    test_identity_free(&s.id);
}

TEST(attested_hooks_carry_nonces_both_ways) {
    attested_run(false, false, 0);
    attested_run(false, false, TLS1_2_VERSION);
}
TEST(attested_hooks_may_take_their_time) {
    attested_run(true, false, 0);
}
// Else its place stays taken until the hook is done, and the loop spins: the kernel tells again and
// again.
TEST(a_handshake_that_waits_for_a_hook_ends_with_its_peer) {
    struct attested s = {.wait_once = true}, c = {0};
    struct linger now = {.l_onoff = 1};
    struct pair p;
    test_identity_make(&s.id, "s");
    struct tls *server = test_tls(
        &(struct tls_options){.role = TLS_SERVER, .trust = TLS_TRUST_HOOK, .hooks = &server_hooks});
    struct tls *client = test_tls(
        &(struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_HOOK, .hooks = &silent_hooks});
    pair_start(&p, client, server, NULL, &c, &s);
    TURN_UNTIL(p.loop, !s.wait_once);
    CHECK(setsockopt(p.client.conn.watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    conn_close(&p.client.conn);
    TURN_UNTIL(p.loop, p.server.closed);
    CHECK_ERR((int)p.server.why.code, ERR_CLOSED);
    conn_resume(&p.server.conn); // the hook's answer comes too late
    CHECK(loop_turn(p.loop, 0, NULL) == 0);
    pair_stop(&p);
    tls_free(server);
    tls_free(client);
    test_identity_free(&s.id);
}
TEST(attested_hooks_refuse_with_their_reason) {
    attested_run(false, true, 0);
}

TEST(alpn_is_agreed_or_the_handshake_ends) {
    static const char *const both[] = {"h2", "http/1.1", NULL}, *const one[] = {"http/1.1", NULL},
                             *const odd[] = {"flashbots-ratls/1", NULL};
    struct test_identity id;
    test_identity_make(&id, "a");
    struct tls *server = test_tls(
        &(struct tls_options){.role = TLS_SERVER, .identity = test_identity_of(&id), .alpn = both});
    const struct {
        const char *const *names;
        const char *expected;
    } cases[] = {{both, "h2"}, {one, "http/1.1"}, {odd, NULL}, {NULL, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls *client =
            test_tls(&(struct tls_options){.role = TLS_CLIENT, .alpn = cases[i].names});
        struct pair p;
        pair_start(&p, client, server, "a", NULL, NULL);
        if (cases[i].expected) {
            pair_echo(&p);
            CHECK_BYTES(tls_session_alpn(p.client.conn.tls), bytes_from_str(cases[i].expected));
        } else {
            TURN_UNTIL(p.loop, p.client.closed);
        }
        pair_stop(&p);
        tls_free(client);
    }
    tls_free(server);
    test_identity_free(&id);
}

TEST(sni_chooses_the_certificate) {
    struct test_identity a, b;
    test_identity_make(&a, "a.example");
    test_identity_make(&b, "b.example");
    struct tls_identity more = test_identity_of(&b);
    struct tls *server = test_tls(&(struct tls_options){
        .role = TLS_SERVER, .identity = test_identity_of(&a), .more = &more, .more_count = 1});
    struct tls *client = test_tls(&(struct tls_options){
        .role = TLS_CLIENT, .trust = TLS_TRUST_CA, .ca_pem = buf_view(&b.cert)});
    struct pair p;
    pair_start(&p, client, server, "b.example", NULL, NULL);
    pair_echo(&p);
    pair_stop(&p);
    tls_free(client);
    tls_free(server);
    test_identity_free(&a);
    test_identity_free(&b);
}

/* A reader that pauses: the writer is told to wait, and its queue stays bounded. */
static void back_pressure(struct tls *client, struct tls *server, bool brief) {
    struct pair p;
    size_t most = brief ? 0 : CONN_HIGH_BYTES;
    static uint8_t block[32768];
    pair_start(&p, client, server, NULL, NULL, NULL);
    p.server.echo = false;
    TURN_UNTIL(p.loop, p.client.opened);
    TURN_UNTIL(p.loop, conn_is_open(&p.server.conn));
    conn_pause(&p.server.conn);
    p.client.conn.brief = brief;
    size_t sent = 0;
    int r = 0;
    for (int quiet = 0; quiet < 50;) {
        if (r == 0) {
            r = conn_write(&p.client.conn, bytes_make(block, sizeof block));
            sent += sizeof block;
            quiet = 0;
        } else {
            if (p.client.drained) r = 0, p.client.drained = 0;
            quiet++;
        }
        CHECK(loop_turn(p.loop, 0, NULL) == 0);
    }
    CHECK_ERR(r, ERR_AGAIN);
    CHECK(conn_pending(&p.client.conn) <= most + sizeof block);
    CHECK(sent < (32u << 20));
    conn_resume(&p.server.conn);
    TURN_UNTIL(p.loop, p.server.got == sent);
    CHECK(p.client.drained > 0);
    CHECK_U64(conn_pending(&p.client.conn), 0);
    CHECK(p.client.conn.out.p == NULL);
    pair_stop(&p);
}

TEST(a_slow_reader_bounds_the_writer) {
    back_pressure(NULL, NULL, false);
    back_pressure(NULL, NULL, true);
    struct test_identity id;
    test_identity_make(&id, "a");
    struct tls *server =
        test_tls(&(struct tls_options){.role = TLS_SERVER, .identity = test_identity_of(&id)});
    struct tls *client = test_tls(&(struct tls_options){.role = TLS_CLIENT});
    back_pressure(client, server, false);
    back_pressure(client, server, true);
    tls_free(client);
    tls_free(server);
    test_identity_free(&id);
}

TEST(tls_cut_off_is_not_an_orderly_end) {
    struct test_identity id;
    test_identity_make(&id, "a");
    struct tls *server =
        test_tls(&(struct tls_options){.role = TLS_SERVER, .identity = test_identity_of(&id)});
    struct tls *client = test_tls(&(struct tls_options){.role = TLS_CLIENT});
    for (int orderly = 0; orderly < 2; orderly++) {
        struct pair p;
        pair_start(&p, client, server, NULL, NULL, NULL);
        pair_echo(&p);
        if (orderly)
            conn_finish(&p.server.conn);
        else
            shutdown(p.server.conn.watch.fd, SHUT_WR);
        TURN_UNTIL(p.loop, p.client.ended);
        CHECK_ERR((int)p.client.why.code, orderly ? 0 : ERR_CLOSED);
        pair_stop(&p);
    }
    tls_free(client);
    tls_free(server);
    test_identity_free(&id);
}

TEST(errors_that_others_left_are_not_a_sessions) {
    struct test_identity id;
    struct pair p;
    struct error why = {0};
    test_identity_make(&id, "a");
    struct tls *server =
        test_tls(&(struct tls_options){.role = TLS_SERVER, .identity = test_identity_of(&id)});
    struct tls *client = test_tls(&(struct tls_options){.role = TLS_CLIENT});
    pair_start(&p, client, server, NULL, NULL, NULL);
    pair_echo(&p);
    conn_pause(&p.client.conn);
    ERR_raise(ERR_LIB_PEM, ERR_R_INTERNAL_ERROR);
    conn_resume(&p.client.conn); // reads, and finds nothing
    for (int i = 0; i < 5; i++)
        CHECK(loop_turn(p.loop, NS_PER_MS, &why) == 0);
    CHECK(!p.client.ended && !p.client.closed);
    ERR_raise(ERR_LIB_PEM, ERR_R_INTERNAL_ERROR);
    CHECK(conn_write(&p.client.conn, BYTES_LIT("pong")) == 0);
    TURN_UNTIL(p.loop, p.client.got == 8);
    pair_stop(&p);
    tls_free(client);
    tls_free(server);
    test_identity_free(&id);
}

TEST(tls_options_are_checked) {
    struct error why = {0};
    struct tls *t;
    struct tls_options o = {.role = TLS_SERVER};
    CHECK_ERR(tls_new(&t, &o, &why), ERR_INVALID);
    o.identity = (struct tls_identity){BYTES_LIT("x"), BYTES_LIT("y")};
    CHECK_ERR(tls_new(&t, &o, &why), ERR_SYNTAX);
    o = (struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_HOOK};
    CHECK_ERR(tls_new(&t, &o, &why), ERR_INVALID);
    o = (struct tls_options){.role = TLS_CLIENT, .trust = TLS_TRUST_CA, .ca_pem = BYTES_LIT("z")};
    CHECK_ERR(tls_new(&t, &o, &why), ERR_SYNTAX);
}

TEST(seen_peers_are_forgotten_in_time) {
    struct clock_fake fake;
    clock_fake_init(&fake, 1000 * NS_PER_S);
    struct tls *t = test_tls(&(struct tls_options){.role = TLS_CLIENT, .clock = &fake.clock});
    struct hash a = {{1}}, b = {{2}};
    CHECK(!tls_seen(t, &a));
    tls_remember(t, &a, 1010 * NS_PER_S);
    CHECK(tls_seen(t, &a) && !tls_seen(t, &b));
    clock_fake_advance(&fake, 11 * NS_PER_S);
    CHECK(!tls_seen(t, &a));
    tls_remember(t, &a, 2000 * NS_PER_S);
    tls_forget(t);
    CHECK(!tls_seen(t, &a));
    tls_free(t);
}

TEST(addresses_are_read_and_written) {
    static const struct {
        const char *text;
        unsigned port;
        int code;
        const char *again;
    } cases[] = {
        {"127.0.0.1:80", 0, 0, "127.0.0.1:80"},
        {"[::1]:443", 0, 0, "[::1]:443"},
        {"::1", 443, 0, "[::1]:443"},
        {"10.0.0.1", 7, 0, "10.0.0.1:7"},
        {"[::ffff:1.2.3.4]:5", 0, 0, "1.2.3.4:5"},
        {":8080", 0, 0, "[::]:8080"},
        {"unix:/run/x.sock", 0, 0, "unix:/run/x.sock"},
        {"unix:@abstract", 0, 0, "unix:@abstract"},
        {"127.0.0.1", 0, ERR_SYNTAX, NULL},
        {"127.0.0.1:70000", 0, ERR_RANGE, NULL},
        {"127.0.0.1:8x", 0, ERR_SYNTAX, NULL},
        {"localhost:80", 0, ERR_SYNTAX, NULL},
        {"[::1", 80, ERR_SYNTAX, NULL},
        {"[::1]x", 80, ERR_SYNTAX, NULL},
        {"unix:", 0, ERR_SYNTAX, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct socket_address a;
        char text[SOCKET_TEXT_MAX];
        CHECK_ERR(socket_address_parse(&a, bytes_from_str(cases[i].text), cases[i].port, NULL),
                  cases[i].code);
        if (cases[i].code) continue;
        socket_address_text(text, &a);
        CHECK_STR(text, cases[i].again);
    }
}

TEST(blocks_of_addresses) {
    static const struct {
        const char *block, *address;
        bool in;
    } cases[] = {{"10.0.0.0/8", "10.255.1.2:1", true},
                 {"10.0.0.0/8", "11.0.0.1:1", false},
                 {"10.0.0.1", "10.0.0.1:1", true},
                 {"10.0.0.1", "10.0.0.2:1", false},
                 {"fd00::/7", "[fdff::1]:1", true},
                 {"fd00::/8", "[fe00::1]:1", false},
                 {"10.0.0.0/8", "[::ffff:10.1.1.1]:1", true},
                 {"unix", "unix:/x", true},
                 {"0.0.0.0/0", "unix:/x", false},
                 {"unix", "10.0.0.1:1", false},
                 {"192.168.128.0/17", "192.168.127.9:1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct socket_block b;
        struct socket_address a;
        CHECK_ERR(socket_block_parse(&b, bytes_from_str(cases[i].block), NULL), 0);
        CHECK_ERR(socket_address_parse(&a, bytes_from_str(cases[i].address), 0, NULL), 0);
        CHECK(socket_block_has(&b, &a) == cases[i].in);
    }
    struct socket_block b;
    CHECK_ERR(socket_block_parse(&b, BYTES_LIT("10.0.0.0/33"), NULL), ERR_RANGE);
    CHECK_ERR(socket_block_parse(&b, BYTES_LIT("host/8"), NULL), ERR_SYNTAX);
}

TEST(a_client_is_an_ipv4_address_or_a_network_of_ipv6) {
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {{"10.0.0.1:1", "10.0.0.1:2", true},
                 {"10.0.0.1:1", "10.0.0.2:1", false},
                 {"10.0.0.1:1", "[::ffff:10.0.0.1]:1", true},
                 {"[2001:db8::1]:1", "[2001:db8::ffff:0:1]:1", true},
                 {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct socket_address one, other;
        uint8_t a[16], b[16];
        CHECK_ERR(socket_address_parse(&one, bytes_from_str(cases[i].one), 0, NULL), 0);
        CHECK_ERR(socket_address_parse(&other, bytes_from_str(cases[i].other), 0, NULL), 0);
        socket_address_client(a, &one);
        socket_address_client(b, &other);
        CHECK((memcmp(a, b, sizeof a) == 0) == cases[i].same);
    }
}

TEST(a_unix_socket_replaces_a_stale_one) {
    struct error why = {0};
    char path[64], text[80];
    snprintf(path, sizeof path, "/tmp/bn-net-%d.sock", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    struct socket_address a;
    int first, second;
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    CHECK_OK(socket_listen(&first, &a, NULL, &why), &why);
    CHECK_ERR(socket_listen(&second, &a, NULL, &why), ERR_CONFLICT);
    close(first);
    CHECK_OK(socket_listen(&second, &a, NULL, &why), &why);
    close(second);
    unlink(path);
}

TEST(a_unix_sockets_file_has_the_mode_that_was_asked_for) {
    static const unsigned modes[][2] = {{0, 0660}, {0600, 0600}, {0666, 0666}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct socket_address a;
        struct stat st;
        struct error why;
        char path[64], text[80];
        int fd;
        snprintf(path, sizeof path, "/tmp/bn-mode-test-%d", (int)getpid());
        snprintf(text, sizeof text, "unix:%s", path);
        CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
        mode_t before = umask(0027);
        CHECK_OK(
            socket_listen(&fd, &a, &(struct socket_listen_options){.unix_mode = modes[i][0]}, &why),
            &why);
        CHECK(umask(before) == 0027);
        CHECK(lstat(path, &st) == 0 && close(fd) == 0 && unlink(path) == 0);
        CHECK_U64(st.st_mode & 07777, modes[i][1]);
    }
}

TEST_MAIN()
