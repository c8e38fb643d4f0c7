/* Judging the peer, and remembering who passed. SPDX-License-Identifier: MIT */
#include "net/certificate.h"
#include "net/tls_internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define REMEMBER_NS (3600 * NS_PER_S) /* a chain is built again after an hour */

void tls_session_fail(SSL *s, const struct error *why) {
    struct tls_session_data *d = tls_session_data(s);
    if (!d->why) d->why = calloc(1, sizeof *d->why);
    if (d->why) *d->why = *why;
}

const struct error *tls_session_error(const SSL *session) {
    static const struct error none;
    const struct tls_session_data *d = tls_session_data(session);
    return d->why ? d->why : &none;
}

/* ---- the cache ---- */

bool tls_seen(struct tls *t, const struct hash *fingerprint) {
    uint64_t now = clock_wall_ns(t->clock);
    bool found = false;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; t->seen && !found && i < TLS_SEEN_MAX; i++) {
        found = t->seen[i].until_ns > now && hash_equal(&t->seen[i].fingerprint, fingerprint);
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void tls_remember(struct tls *t, const struct hash *fingerprint, uint64_t until_ns) {
    pthread_mutex_lock(&t->lock);
    if (!t->seen) t->seen = calloc(TLS_SEEN_MAX, sizeof *t->seen);
    if (t->seen) { // without memory the next handshake verifies again
        size_t at = t->seen_at;
        for (size_t i = 0; i < TLS_SEEN_MAX; i++) {
            if (hash_equal(&t->seen[i].fingerprint, fingerprint)) at = i;
        }
        t->seen[at] = (struct tls_seen_row){*fingerprint, until_ns};
        if (at == t->seen_at) t->seen_at = (t->seen_at + 1) % TLS_SEEN_MAX;
    }
    pthread_mutex_unlock(&t->lock);
}

void tls_forget(struct tls *t) {
    pthread_mutex_lock(&t->lock);
    if (t->seen) memset(t->seen, 0, TLS_SEEN_MAX * sizeof *t->seen);
    pthread_mutex_unlock(&t->lock);
}

/* ---- verification ---- */

static int fingerprint(struct hash *ret, const struct tls *t, const X509 *leaf) {
    unsigned n = sizeof ret->b;
    const EVP_MD *md = t->sha256 ? t->sha256 : EVP_sha256();
    return X509_digest(leaf, md, ret->b, &n) == 1 ? 0 : ERR_INTERNAL;
}

static bool name_fits(SSL *s, X509 *leaf) {
    X509_VERIFY_PARAM *param = SSL_get0_param(s);
    char *ip = X509_VERIFY_PARAM_get1_ip_asc(param);
    bool fits = !ip || X509_check_ip_asc(leaf, ip, 0) == 1;
    OPENSSL_free(ip);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
    return fits && (!host || X509_check_host(leaf, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                                             NULL) == 1);
}

static int verify_chain(SSL *s, X509_STORE_CTX *store, X509 *leaf, struct error *why) {
    struct tls *t = tls_session_data(s)->tls;
    struct hash print;
    if (fingerprint(&print, t, leaf) == 0 && tls_seen(t, &print)) {
        if (name_fits(s, leaf)) return 0;
        return error_set(why, ERR_UNTRUSTED, "certificate is for another host");
    }
    if (X509_verify_cert(store) != 1) {
        int code = X509_STORE_CTX_get_error(store);
        return error_set(why, ERR_UNTRUSTED, "certificate refused: %s",
                         X509_verify_cert_error_string(code));
    }
    uint64_t from, until, now = clock_wall_ns(t->clock);
    if (certificate_validity(&from, &until, leaf, NULL) == 0) {
        tls_remember(t, &print, until < now + REMEMBER_NS ? until : now + REMEMBER_NS);
    }
    return 0;
}

static int verify_pins(SSL *s, X509 *leaf, struct error *why) {
    const struct tls_session_data *d = tls_session_data(s);
    struct hash print;
    if (fingerprint(&print, d->tls, leaf) < 0) return error_set(why, ERR_INTERNAL, "no digest");
    for (size_t i = 0; i < d->generation->pin_count; i++) {
        if (hash_equal(&d->generation->pins[i], &print)) return 0;
    }
    return error_set(why, ERR_UNTRUSTED, "certificate is not one of the %zu pinned",
                     d->generation->pin_count);
}

static int on_verify(X509_STORE_CTX *store, void *arg) {
    const struct tls_generation *g = arg;
    SSL *s = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct error why = {0};
    int r = 0;
    if (!leaf) {
        r = error_set(&why, ERR_AUTH, "the peer sent no certificate");
    } else if (g->trust == TLS_TRUST_PINS) {
        r = verify_pins(s, leaf, &why);
    } else if (g->trust == TLS_TRUST_HOOK) {
        STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
        r = g->hooks->verify(s, leaf, chain, tls_session_data(s)->user, &why);
    } else if (g->trust != TLS_TRUST_NOTHING) {
        r = verify_chain(s, store, leaf, &why);
    }
    if (r == 0) {
        ERR_clear_error(); // what the judgement left behind is not the handshake's
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    tls_session_fail(s, &why);
    if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    }
    return 0;
}

void tls_session_unidentified(SSL *session) {
    const struct tls_session_data *d = tls_session_data(session);
    struct error why = {0};
    if (d->generation->trust != TLS_TRUST_HOOK) return;
    (void)d->generation->hooks->verify(session, NULL, NULL, d->user, &why);
    if (why.code) tls_session_fail(session, &why);
}

void tls_verify_install(SSL_CTX *ctx, struct tls_generation *g, bool peer_optional) {
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, g);
    int mode = SSL_VERIFY_NONE;
    if (g->trust != TLS_TRUST_NOTHING) {
        mode = SSL_VERIFY_PEER;
        if (g->role == TLS_SERVER && !peer_optional) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(ctx, mode, NULL);
}
