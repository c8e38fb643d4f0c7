/* What the fuzz targets of the handshakes share: our side on a connection, with a simulated
 * platform's judge, and a peer that is bare OpenSSL at the other end of a socket pair. Not for
 * programs. SPDX-License-Identifier: MIT */
#ifndef ATTESTED_FUZZING_H
#define ATTESTED_FUZZING_H

#include "attest/files.h"
#include "attest/simulator.h"
#include "attested/session.h"
#include "net/certificate.h"
#include "net/fuzzing.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUZZING_NOW UINT64_C(1767225600)
#define FUZZING_TURNS 200

struct world {
    struct simulator *platform;
    struct td_report td;
    struct clock_fake clock;
    struct loop *loop;
    EVP_PKEY *key; /* of the peer, and of ours where a certificate is asked for */
    X509 *certificate;
    struct buf cert_pem, key_pem;
};

static struct world world;

/* One connection of ours. */
struct ours {
    struct attested *attested;
    struct conn conn;
    void *user;
    unsigned settled; /* times */
    bool accepted, open, closed;
    uint8_t rest[512]; /* bytes that were read after the exchange */
    size_t rest_n;
};

static inline struct judge *world_judge(void) {
    static const char policy[] = "[{\"measurement_id\": \"any\", \"attestation_type\": "
                                 "\"dcap-tdx\"}, {\"measurement_id\": \"cloud\", "
                                 "\"attestation_type\": \"azure-tdx\"}]";
    struct judge *j = NULL;
    struct error why = {0};
    char folder[] = "/tmp/attested-fuzz-XXXXXX", path[3][64], line[80];
    MUST(mkdtemp(folder) != NULL);
    (void)snprintf(path[0], sizeof path[0], "%s/policy.json", folder);
    (void)snprintf(path[1], sizeof path[1], "%s/root.pem", folder);
    (void)snprintf(path[2], sizeof path[2], "%s/collateral", folder);
    MUST(simulator_save(world.platform, folder, &why) == 0);
    MUST(files_write(path[0], bytes_from_str(policy), 0600, &why) == 0);
    const char *paths[] = {path[2]};
    const struct judge_options o = {
        .policy = path[0], .root = path[1], .collateral = {paths, 1}, .clock = &world.clock.clock};
    MUST(judge_new(&j, &o, &why) == 0);
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    MUST(system(line) == 0);
    return j;
}

static inline void world_begin(void) {
    const struct simulator_spec spec = {.now = FUZZING_NOW, .fmspc = {1, 2, 3, 4, 5, 6}};
    struct certificate_options o = {.common_name = "fuzz",
                                    .not_before_ns = (FUZZING_NOW - 60) * NS_PER_S,
                                    .not_after_ns = (FUZZING_NOW + 864000) * NS_PER_S};
    struct error why = {0};
    if (world.loop) return;
    (void)signal(SIGPIPE, SIG_IGN);
    MUST(simulator_new(&world.platform, &spec, &why) == 0);
    simulator_td(world.platform, &world.td);
    clock_fake_init(&world.clock, (FUZZING_NOW + 60) * NS_PER_S);
    MUST(loop_new(&world.loop, NULL, &why) == 0);
    MUST(certificate_key_new(&world.key, &why) == 0);
    MUST(certificate_self_sign(&world.certificate, world.key, &o, &why) == 0);
    buf_init(&world.cert_pem, 0);
    buf_init(&world.key_pem, 0);
    MUST(certificate_pem(&world.cert_pem, world.certificate, &why) == 0);
    MUST(certificate_key_pem(&world.key_pem, world.key, &why) == 0);
}

static inline void world_settled(void *context, struct conn *c, const struct error *why) {
    struct ours *o = context;
    MUST(c == &o->conn);
    o->settled++;
    o->accepted = why == NULL;
    if (why) conn_close(c); // as owners must
}

/* The two kinds of one form: peers are judged, or not. */
static inline struct attested *world_attested(enum attested_form form, bool judged) {
    const struct attested_options o = {.form = form,
                                       .judge = judged ? world_judge() : NULL,
                                       .clock = &world.clock.clock,
                                       .settled = world_settled};
    struct attested *a = NULL;
    struct error why = {0};
    MUST(attested_new(&a, world.loop, &o, &why) == 0);
    return a;
}

static inline void ours_read(struct ours *o) {
    ssize_t n = 0;
    while (o->rest_n < sizeof o->rest &&
           (n = conn_read(&o->conn, o->rest + o->rest_n, sizeof o->rest - o->rest_n)) > 0) {
        o->rest_n += (size_t)n;
    }
    if (n <= 0 && n != ERR_AGAIN) o->closed = true;
}

static inline void ours_on_readable(struct conn *c) {
    ours_read(c->owner);
}

static inline void ours_on_closed(struct conn *c, const struct error *why) {
    (void)why;
    ((struct ours *)c->owner)->closed = true;
}

/* ours_begin puts our side on a descriptor. errors  none that are no finding. */
static inline void ours_begin(struct ours *o, struct attested *a, struct tls *tls, int fd,
                              const struct conn_events *events) {
    static const struct socket_address nobody = {.any = {.sa_family = AF_UNIX}};
    struct error why = {0};
    SSL *session;
    *o = (struct ours){.attested = a};
    attested_set_owner(a, world_settled, NULL, o);
    MUST(tls_session_new(&session, tls, NULL, &why) == 0);
    o->user = attested_session_user(a);
    MUST(o->user != NULL);
    tls_session_set_user(session, o->user);
    if (!SSL_is_server(session)) attested_session_setup(a, session);
    MUST(conn_accept(&o->conn, world.loop, fd, session, &nobody, events, o, &why) == 0);
}

static inline void ours_end(struct ours *o) {
    conn_close(&o->conn);
    attested_session_done(o->attested, o->user);
}

static inline void world_turn(void) {
    struct error why = {0};
    MUST(loop_turn(world.loop, 0, &why) == 0);
}

static inline void world_pair(int fds[2]) {
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

/* world_quote: a quote that the judge accepts, over report data. */
static inline void world_quote(struct buf *out, const uint8_t report_data[64]) {
    struct td_report td = world.td;
    struct error why = {0};
    memcpy(td.report_data, report_data, 64);
    MUST(simulator_quote(out, world.platform, &td, 4, QUOTE_BODY_TD10, &why) == 0);
}

/* world_edit changes bytes as the input says: 2 bytes where, 1 byte how. Returns whether it did. */
static inline bool world_edit(uint8_t *p, size_t n, struct bytes in) {
    bool changed = false;
    for (; in.n >= 3 && n > 0; in = bytes_slice(in, 3, in.n)) {
        p[load_be16(in.p) % n] ^= in.p[2];
        changed |= in.p[2] != 0;
    }
    return changed;
}

#endif
