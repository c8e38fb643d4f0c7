/* The exporter form: evidence messages after the handshake, server first, before HTTP.
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
    X509 *leaf = SSL_get0_peer_certificate(s->tls);
    if (!s->a->options.judge) return 0; // not asked for, and never told to anybody
    binding_exporter(q.report_data, point_of(leaf), s->exporter);
    return session_judge(s, &q, why);
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
    if (!bytes_starts_with(tls_session_alpn(s->tls), BYTES_LIT(ALPN_STEM))) {
        return session_refuse(s, JUDGE_NO_EVIDENCE, ERR_UNSUPPORTED,
                              "the peer does not speak " ALPN_STEM, why);
    }
    int r =
        tls_session_exporter(s->exporter, sizeof s->exporter, s->tls, EVIDENCE_EXPORTER_LABEL, why);
    if (r < 0 || !s->a->options.issuer) return r;
    binding_exporter(s->request.report_data, point_of(SSL_get_certificate(s->tls)), s->exporter);
    return session_ask(s, why);
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
