/* The certificate form: nonces in the server name and the CA name, evidence in extensions.
 * SPDX-License-Identifier: MIT */
#include "attested/session.h"
#include "base/random.h"
#include "net/certificate.h"

#include <openssl/core_names.h>
#include <stdlib.h>

int certificate_form_key(EVP_PKEY **ret, struct es256_key **ret_signing, struct error *why) {
    uint8_t secret[32];
    BIGNUM *number = NULL;
    int r = certificate_key_new(ret, why);
    if (r < 0) return r;
    bool ok = EVP_PKEY_get_bn_param(*ret, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
              BN_bn2binpad(number, secret, sizeof secret) == (int)sizeof secret;
    r = ok ? es256_key_private(ret_signing, secret, why)
           : certificate_error(why, ERR_INTERNAL, "cannot read a key just made");
    BN_clear_free(number);
    bytes_wipe(secret, sizeof secret);
    return r;
}

/* ---- own certificate ---- */

static EVP_PKEY *key_of(const struct session *s, struct es256_key **ret_signing) {
    *ret_signing = s->key ? s->signing_key : s->a->signing_key;
    return s->key ? s->key : s->a->key;
}

// SubjectPublicKeyInfo of a key, DER.
static int write_spki(struct buf *out, EVP_PKEY *key, struct error *why) {
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    if (n > 0) buf_append(out, bytes_make(der, (size_t)n));
    OPENSSL_free(der);
    return n > 0 ? buf_check(out, why) : certificate_error(why, ERR_INTERNAL, "public key");
}

// What the quote must carry, and what the document repeats.
static int bind_own(struct session *s, uint8_t ret_user[32], struct error *why) {
    struct es256_key *signing;
    struct buf spki;
    buf_init(&spki, 1024);
    int r = write_spki(&spki, key_of(s, &signing), why);
    if (r == 0 && !binding_atls(s->request.report_data, ret_user, buf_view(&spki),
                                bytes_make(s->peer_nonce, s->peer_nonce_n))) {
        r = error_set(why, ERR_NO_MEMORY, "binding");
    }
    buf_free(&spki);
    return r;
}

static int use_certificate(struct session *s, struct bytes der, EVP_PKEY *key, struct error *why) {
    if (SSL_use_certificate_ASN1(s->tls, der.p, (int)der.n) == 1 &&
        SSL_use_PrivateKey(s->tls, key) == 1) {
        return 0;
    }
    return certificate_error(why, ERR_INTERNAL, "own certificate");
}

// The document of this machine's variant. Azure's came whole from the issuer.
static int write_document(struct buf *out, enum atls_variant *ret, struct session *s,
                          const uint8_t user[32], struct error *why) {
    struct bytes evidence = buf_view(&s->request.evidence);
    *ret = ATLS_QEMU_TDX;
    if (s->own != OWN_READY) return 0;
    if (s->request.document) {
        *ret = ATLS_AZURE_TDX;
        buf_append(out, evidence);
    } else {
        atls_dcap_write(out, evidence, user);
    }
    return buf_check(out, why);
}

// The certificate with its document; without an issuer, the same without an extension.
static int present(struct session *s, struct error *why) {
    struct es256_key *signing;
    struct buf document, der;
    enum atls_variant variant;
    uint8_t user[32], serial[16];
    EVP_PKEY *key = key_of(s, &signing);
    uint64_t now_s = clock_wall_ns(s->a->options.clock) / NS_PER_S;
    buf_init(&document, ATLS_CERTIFICATE_BYTES_MAX);
    buf_init(&der, ATLS_CERTIFICATE_BYTES_MAX);
    random_bytes(serial, sizeof serial);
    int r = bind_own(s, user, why);
    if (r == 0) r = write_document(&document, &variant, s, user, why);
    if (r == 0) {
        r = atls_certificate_write(&der, signing, variant, buf_view(&document), now_s, serial, why);
    }
    if (r == 0) r = use_certificate(s, buf_view(&der), key, why);
    buf_free(&document);
    buf_free(&der);
    buf_free(&s->request.evidence);
    s->own = OWN_NONE;
    return r;
}

/* ---- nonces ---- */

static int take_nonce(struct session *s, struct bytes text, struct error *why) {
    struct arena a;
    struct bytes nonce;
    arena_init(&a, 4096);
    int r = atls_nonce_read(&nonce, text, &a, why);
    if (r == 0 && nonce.n > sizeof s->peer_nonce) r = error_set(why, ERR_LIMIT, "nonce too long");
    if (r == 0) {
        memcpy(s->peer_nonce, nonce.p, nonce.n);
        s->peer_nonce_n = nonce.n;
    }
    arena_free(&a);
    return r;
}

static int on_hello(SSL *session, struct bytes sni, void *user, struct error *why) {
    struct session *s = user;
    char text[ATLS_NONCE_TEXT_BYTES + 1];
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a session");
    s->tls = session;
    // Without a server name the nonce is empty: a client that does not check freshness.
    if (!s->a->options.by_name && sni.n > 0 && take_nonce(s, sni, why) < 0) {
        return session_refuse(s, JUDGE_MALFORMED, ERR_SYNTAX, "the server name is no nonce", why);
    }
    if (!s->a->options.judge) return 0;
    atls_nonce_write(text, s->nonce);
    return tls_session_ask_certificate(session, bytes_from_str(text), true, why);
}

static int begin_client(struct session *s, struct error *why) {
    char text[256];
    int r = tls_session_peer_ca(text, sizeof text, s->tls, why);
    if (r == 0) r = take_nonce(s, bytes_from_str(text), why);
    if (r == 0) r = certificate_form_key(&s->key, &s->signing_key, why);
    return r;
}

static int on_certificate(SSL *session, void *user, struct error *why) {
    struct session *s = user;
    if (!s || s->peer.ended) return error_set(why, ERR_NO_MEMORY, "no memory for a session");
    struct attested *a = s->a;
    bool client = !SSL_is_server(session);
    s->tls = session;
    if (s->own == OWN_ASKED) return ERR_AGAIN;
    if (s->own == OWN_FAILED) return error_set(why, ERR_BUSY, "own evidence could not be made");
    if (client && !a->options.issuer) return 0; // no certificate: the server decides
    if (!client && a->options.by_name) return 0;
    if (s->own == OWN_READY) return present(s, why);
    if (client) {
        int r = begin_client(s, why);
        if (r < 0) return r;
    }
    if (!a->options.issuer) return present(s, why);
    int r = bind_own(s, s->request.user_data, why);
    s->request.document = issuer_type(a->options.issuer) == ATTESTATION_AZURE_TDX;
    if (r == 0) r = session_ask(s, why);
    return r < 0 ? r : ERR_AGAIN;
}

void certificate_form_issued(struct session *s) {
    conn_resume(conn_of_session(s->tls));
}

/* ---- the peer's ---- */

static int question_of(struct session *s, struct judge_question *q,
                       const struct atls_certificate *c, struct error *why) {
    if (c->count == 0) {
        return session_refuse(s, JUDGE_NO_EVIDENCE, ERR_AUTH,
                              "the certificate carries no attestation", why);
    }
    if (c->count > 1) {
        return session_refuse(s, JUDGE_MALFORMED, ERR_SYNTAX,
                              "more than one attestation in one certificate", why);
    }
    *q = (struct judge_question){.type = atls_type(c->variant[0]),
                                 .certificate_form = true,
                                 .evidence = c->document[0],
                                 .nonce = bytes_make(s->nonce, sizeof s->nonce)};
    if (!binding_atls(q->report_data, q->key_digest, c->spki, q->nonce)) {
        return error_set(why, ERR_NO_MEMORY, "binding");
    }
    return 0;
}

static int on_verify(SSL *session, X509 *leaf, STACK_OF(X509) * chain, void *user,
                     struct error *why) {
    struct session *s = user;
    struct atls_certificate certificate;
    struct judge_question question;
    struct buf der;
    struct error own;
    (void)chain;
    if (!why) why = &own;
    if (!s || !s->a->options.judge) return error_set(why, ERR_INTERNAL, "no judge");
    s->tls = session;
    if (!leaf) {
        return session_refuse(s, JUDGE_NO_EVIDENCE, ERR_AUTH, "the peer sent no certificate", why);
    }
    buf_init(&der, ATLS_CERTIFICATE_BYTES_MAX);
    int r = certificate_der(&der, leaf, why);
    if (r == 0) {
        uint64_t now_s = clock_wall_ns(s->a->options.clock) / NS_PER_S;
        r = atls_certificate_read(&certificate, buf_view(&der), now_s, why);
        if (r < 0) r = session_refuse(s, JUDGE_MALFORMED, why->code, "certificate", why);
    }
    if (r == 0) r = question_of(s, &question, &certificate, why);
    if (r == 0) r = session_judge(s, &question, why);
    buf_free(&der);
    return r;
}

const struct tls_hooks certificate_form_hooks = {on_hello, on_certificate, on_verify};
