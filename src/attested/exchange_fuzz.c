/* The evidence exchange after the handshake, from bytes, on either side of it.
 *
 * Input: a byte of flags (1 ours is the server, 2 the session form, 4 the peer is judged, 8 genuine
 * evidence, then edits; else what the peer sends), then bytes. Whatever comes, the exchange ends
 * once; nobody who is judged passes without good evidence; not a byte of what follows is lost.
 * SPDX-License-Identifier: MIT */
#include "attested/fuzzing.h"

#include <openssl/err.h>

#define FOLLOWS "GET / HTTP/1.1\r\n\r\n"

enum { OURS_SERVES = 1, OF_SESSION = 2, JUDGED = 4, GENUINE = 8, IN_PIECES = 16 };

static struct attested *kinds[2][2]; /* session form, judged */
static struct tls *contexts[2][2];   /* session form, server */
static SSL_CTX *peers[2];            /* server */

static void on_open(struct conn *c) {
    attested_admit(((struct ours *)c->owner)->attested, c);
}
static const struct conn_events events = {on_open, ours_on_readable, NULL, ours_on_closed};

static int choose(SSL *s, const unsigned char **out, unsigned char *n, const unsigned char *in,
                  unsigned int in_n, void *context) {
    (void)s, (void)context;
    *out = in + 1; // the first that is offered
    *n = in[0];
    return in_n > 1 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void begin(void) {
    struct error why = {0};
    if (contexts[0][0]) return;
    world_begin();
    for (int session = 0; session < 2; session++) {
        enum attested_form form = session ? ATTESTED_SESSION : ATTESTED_EXPORTER;
        for (int i = 0; i < 2; i++) {
            kinds[session][i] = world_attested(form, i == 1);
        }
        for (int server = 0; server < 2; server++) {
            struct tls_options o = {
                .role = server ? TLS_SERVER : TLS_CLIENT,
                .identity = {buf_view(&world.cert_pem), buf_view(&world.key_pem)},
                .trust = TLS_TRUST_NOTHING,
                .clock = &world.clock.clock};
            attested_fill(kinds[session][0], &o);
            MUST(tls_new(&contexts[session][server], &o, &why) == 0);
        }
    }
    for (int server = 0; server < 2; server++) {
        peers[server] = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
        MUST(peers[server] && SSL_CTX_use_certificate(peers[server], world.certificate) == 1 &&
             SSL_CTX_use_PrivateKey(peers[server], world.key) == 1);
        if (server) SSL_CTX_set_alpn_select_cb(peers[server], choose, NULL);
    }
}

/* ---- what the peer says ---- */

static struct bytes point_of(X509 *certificate) {
    if (!certificate) return (struct bytes){NULL, 0};
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(certificate);
    return bytes_make(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits));
}

static void spki_of(struct buf *out, X509 *certificate) {
    unsigned char *der = NULL;
    int n = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : 0;
    if (n > 0) buf_append(out, bytes_make(der, (size_t)n));
    OPENSSL_free(der);
}

/* The report data that our side will demand: computed here, from the peer's end. */
static void demand(uint8_t ret[64], SSL *s, bool session) {
    X509 *own = SSL_is_server(s) ? SSL_get_certificate(s) : NULL; // ours asks for none of a client
    struct binding_session b = {.role = SSL_is_server(s) ? BINDING_SERVER : BINDING_CLIENT};
    struct buf mine, theirs;
    MUST(SSL_export_keying_material(s, b.exporter, 32, EVIDENCE_EXPORTER_LABEL,
                                    strlen(EVIDENCE_EXPORTER_LABEL), NULL, 0, 0) == 1);
    if (!session) {
        binding_exporter(ret, point_of(own), b.exporter);
        return;
    }
    buf_init(&mine, 0);
    buf_init(&theirs, 0);
    spki_of(&mine, own);
    // A client of ours was configured with a certificate, which binds although it is not asked for.
    spki_of(&theirs, SSL_is_server(s) ? world.certificate : SSL_get0_peer_certificate(s));
    b.own_spki = buf_view(&mine);
    b.peer_spki = buf_view(&theirs);
    MUST(binding_session_data(ret, &b));
    buf_free(&mine);
    buf_free(&theirs);
}

/* Returns whether our side must accept: genuine, nothing changed. */
static bool speech(struct buf *out, SSL *s, uint8_t flags, struct bytes in) {
    struct evidence_message m = {.type = ATTESTATION_DCAP_TDX};
    struct error why = {0};
    struct buf quote;
    uint8_t report_data[64];
    if (!(flags & GENUINE)) {
        buf_append(out, in);
        return false;
    }
    buf_init(&quote, 0);
    demand(report_data, s, flags & OF_SESSION);
    world_quote(&quote, report_data);
    m.evidence = buf_view(&quote);
    MUST(evidence_frame_write(out, &m, &why) == 0);
    buf_free(&quote);
    bool changed = world_edit(out->p, out->n, in);
    if (!changed) buf_append(out, BYTES_LIT(FOLLOWS));
    return !changed;
}

/* ---- one exchange ---- */

static void exchange(struct ours *o, SSL *peer, uint8_t flags, struct bytes in) {
    struct buf out;
    uint8_t heard[4096];
    size_t sent = 0;
    bool spoken = false, must = false;
    buf_init(&out, 0);
    for (int turn = 0; turn < FUZZING_TURNS && !o->settled && !o->closed; turn++) {
        bool ready = SSL_do_handshake(peer) == 1;
        if (ready && !spoken) {
            must = speech(&out, peer, flags, in);
            spoken = true;
        }
        size_t piece = flags & IN_PIECES ? 1 + out.n / 16 : out.n;
        if (piece > out.n - sent) piece = out.n - sent;
        if (ready && piece > 0 && SSL_write(peer, out.p + sent, (int)piece) > 0) sent += piece;
        if (ready) (void)SSL_read(peer, heard, sizeof heard);
        ERR_clear_error();
        world_turn();
        if (spoken && sent == out.n && turn > 40) (void)shutdown(SSL_get_fd(peer), SHUT_WR);
    }
    for (int turn = 0; spoken && sent < out.n && turn < 32 && o->accepted; turn++) {
        if (SSL_write(peer, out.p + sent, (int)(out.n - sent)) > 0) sent = out.n;
    }
    MUST(spoken ? o->settled == 1 || o->closed : true);
    const struct attested_peer *p = o->accepted ? attested_peer(o->conn.tls) : NULL;
    if (o->settled && o->accepted) {
        MUST(p && p->attested == ((flags & JUDGED) != 0));
        MUST(!(flags & JUDGED) || (flags & GENUINE)); // nobody guesses a signature
        conn_rebind(&o->conn, &events, o);
        conn_resume(&o->conn);
        for (int turn = 0; turn < 8; turn++) {
            world_turn();
        }
        if (must) {
            MUST(o->rest_n == strlen(FOLLOWS) && memcmp(o->rest, FOLLOWS, o->rest_n) == 0);
        }
    } else {
        MUST(!p || !p->attested);
        MUST(!must || !spoken || sent < out.n);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int fds[2];
    struct ours o;
    if (n < 1 || n > 100000) return 0;
    begin();
    uint8_t flags = data[0];
    bool serves = flags & OURS_SERVES, session = flags & OF_SESSION;
    world_pair(fds);
    SSL *peer = SSL_new(peers[!serves]);
    MUST(peer && SSL_set_fd(peer, fds[1]) == 1);
    if (serves) {
        SSL_set_connect_state(peer);
        MUST(session || SSL_set_alpn_protos(peer, exporter_form_alpn_http1,
                                            EXPORTER_FORM_ALPN_HTTP1_BYTES) == 0);
    } else {
        SSL_set_accept_state(peer);
    }
    ours_begin(&o, kinds[session][(flags & JUDGED) != 0], contexts[session][serves], fds[0],
               &events);
    exchange(&o, peer, flags, bytes_make(data + 1, n - 1));
    ours_end(&o);
    SSL_free(peer);
    (void)close(fds[1]);
    return 0;
}
