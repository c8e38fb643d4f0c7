/* The exporter and the session form: evidence messages after the handshake, server first, before
 * the protocol that follows.
 * SPDX-License-Identifier: MIT */
#include "attested/session.h"

#include <openssl/x509.h>

#define ALPN_STEM "flashbots-ratls/1"

const char *const exporter_form_alpn[] = {ALPN_STEM "+h2", ALPN_STEM "+http/1.1", ALPN_STEM, NULL};
const uint8_t exporter_form_alpn_http1[EXPORTER_FORM_ALPN_HTTP1_BYTES] =
    "\x1a" ALPN_STEM "+http/1.1"
    "\x11" ALPN_STEM;

// After this the session may be gone.
static void settle(struct session *s, const struct error *why) {
    struct conn *c = s->conn;
    s->conn = NULL;
    buf_free(&s->in);
    s->a->options.settled(s->a->options.context, c, why);
}

/* The point of a certificate's key, as both sides hash it; empty without a certificate. */
static struct bytes point_of(X509 *certificate) {
    if (!certificate) return (struct bytes){NULL, 0};
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(certificate);
    return bytes_make(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits));
}

static int write_spki(struct buf *out, X509 *certificate, struct error *why) {
    unsigned char *der = NULL;
    if (!certificate) return 0;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (n > 0) buf_append(out, bytes_make(der, (size_t)n));
    OPENSSL_free(der);
    return n > 0 ? buf_check(out, why) : error_set(why, ERR_NO_MEMORY, "public key");
}

// Ours: who attests to whom. The exporter is fresh of both sides, no further nonce is needed.
static int bind_session(uint8_t ret[64], const struct session *s, bool own, struct error *why) {
    struct binding_session b;
    struct buf mine, theirs;
    bool server = (SSL_is_server(s->tls) == 1) == own; // the attester is
    buf_init(&mine, 1024);
    buf_init(&theirs, 1024);
    int r = write_spki(&mine, SSL_get_certificate(s->tls), why);
    if (r == 0) r = write_spki(&theirs, SSL_get0_peer_certificate(s->tls), why);
    b = (struct binding_session){.role = server ? BINDING_SERVER : BINDING_CLIENT,
                                 .own_spki = buf_view(own ? &mine : &theirs),
                                 .peer_spki = buf_view(own ? &theirs : &mine)};
    memcpy(b.exporter, s->exporter, sizeof b.exporter);
    if (r == 0 && !binding_session_data(ret, &b)) {
        r = error_set(why, ERR_NO_MEMORY, "no memory to bind evidence");
    }
    buf_free(&mine);
    buf_free(&theirs);
    return r;
}

// What the evidence of one side must carry: the own, or the peer's.
static int bind_evidence(uint8_t ret[64], const struct session *s, bool own, struct error *why) {
    if (s->a->options.form == ATTESTED_SESSION) return bind_session(ret, s, own, why);
    X509 *leaf = own ? SSL_get_certificate(s->tls) : SSL_get0_peer_certificate(s->tls);
    binding_exporter(ret, point_of(leaf), s->exporter);
    return 0;
}

/* ---- sending ---- */

static int send_own(struct session *s, struct error *why) {
    struct buf frame;
    struct evidence_message m = {.type = ATTESTATION_NONE};
    if (s->a->options.issuer) {
        m.type = issuer_type(s->a->options.issuer);
        m.evidence = buf_view(&s->request.evidence);
    }
    buf_init(&frame, EVIDENCE_FRAME_BYTES_MAX + 4);
    int r = evidence_frame_write(&frame, &m, why);
    if (r == 0 && conn_write(s->conn, buf_view(&frame)) == ERR_NO_MEMORY) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for evidence");
    }
    s->sent = r == 0;
    buf_free(&frame);
    buf_free(&s->request.evidence);
    return r;
}

// What can be done now: a server speaks as soon as it can, a client when it has heard.
static void go_on(struct session *s) {
    struct error why = {0};
    bool turn = SSL_is_server(s->tls) || s->heard;
    bool ready = !s->a->options.issuer || s->own == OWN_READY;
    if (s->own == OWN_FAILED) {
        error_set(&why, ERR_BUSY, "own evidence could not be made");
        settle(s, &why);
        return;
    }
    if (!s->sent && turn && ready && send_own(s, &why) < 0) {
        settle(s, &why);
        return;
    }
    if (s->sent && s->heard) settle(s, NULL);
}

void exporter_form_issued(struct session *s) {
    if (s->conn) go_on(s);
}

/* ---- hearing ---- */

static int judge_message(struct session *s, const struct evidence_message *m, struct error *why) {
    struct judge_question q = {.type = m->type, .evidence = m->evidence};
    if (!s->a->options.judge) return 0; // not asked for, and never told to anybody
    int r = bind_evidence(q.report_data, s, false, why);
    return r == 0 ? session_judge(s, &q, why) : r;
}

/* Bytes of the frame that are still to come; 0 when it is whole. */
static int frame_lacks(size_t *ret, const struct session *s, struct error *why) {
    *ret = 4 - s->in.n;
    if (s->in.n < 4) return 0;
    size_t whole = 4 + (size_t)load_be32(s->in.p);
    if (whole > EVIDENCE_FRAME_BYTES_MAX + 4) {
        return error_set(why, ERR_LIMIT, "evidence of %zu bytes", whole - 4);
    }
    *ret = whole - s->in.n;
    return 0;
}

static int hear(struct session *s, struct error *why) {
    struct evidence_message m;
    size_t used;
    int r = evidence_frame_read(&m, &used, buf_view(&s->in), why);
    if (r < 0) {
        char text[ERROR_TEXT_MAX];
        memcpy(text, why->text, sizeof text);
        return session_refuse(s, JUDGE_MALFORMED, why->code, text, why);
    }
    conn_pause(s->conn); // what follows is HTTP's
    s->heard = true;
    return judge_message(s, &m, why);
}

static void on_readable(struct conn *c) {
    struct session *s = c->owner;
    struct error why = {0};
    size_t lacks = 0;
    int r = 0;
    if (s->heard) return;
    while (r == 0) {
        r = frame_lacks(&lacks, s, &why);
        if (r < 0 || lacks == 0) break;
        // Never more than the frame: the next byte is another protocol's.
        uint8_t *p = buf_reserve(&s->in, lacks);
        ssize_t n = p ? conn_read(c, p, lacks) : (ssize_t)error_set(&why, ERR_NO_MEMORY, "frame");
        if (n == ERR_AGAIN) return;
        if (n > 0) buf_commit(&s->in, (size_t)n);
        if (n == 0) r = error_set(&why, ERR_CLOSED, "the peer left before its evidence came");
        if (n < 0) r = error_set(&why, ERR_CLOSED, "connection lost before the evidence came");
    }
    if (r == 0) r = hear(s, &why);
    if (r < 0)
        settle(s, &why);
    else
        go_on(s);
}

static void on_closed(struct conn *c, const struct error *why) {
    struct error text = *why;
    if (!text.code) error_set(&text, ERR_CLOSED, "the peer left in the evidence exchange");
    settle(c->owner, &text);
}

static void on_open(struct conn *c) {
    (void)c;
}

static const struct conn_events exchange_events = {on_open, on_readable, NULL, on_closed};

static int start(struct session *s, struct error *why) {
    if (s->a->options.form == ATTESTED_EXPORTER &&
        !bytes_starts_with(tls_session_alpn(s->tls), BYTES_LIT(ALPN_STEM))) {
        return session_refuse(s, JUDGE_NO_EVIDENCE, ERR_UNSUPPORTED,
                              "the peer does not speak " ALPN_STEM, why);
    }
    int r =
        tls_session_exporter(s->exporter, sizeof s->exporter, s->tls, EVIDENCE_EXPORTER_LABEL, why);
    if (r == 0 && s->a->options.issuer) r = bind_evidence(s->request.report_data, s, true, why);
    return r == 0 && s->a->options.issuer ? session_ask(s, why) : r;
}

void exporter_form_begin(struct session *s, struct conn *c) {
    struct error why = {0};
    s->conn = c;
    conn_rebind(c, &exchange_events, s);
    if (start(s, &why) < 0) {
        settle(s, &why);
        return;
    }
    if (!s->a->options.issuer && SSL_is_server(s->tls)) {
        if (send_own(s, &why) < 0) {
            settle(s, &why);
            return;
        }
    }
    on_readable(c); // bytes may have come with the handshake's last
}
