/* What the files of the TLS layer share. SPDX-License-Identifier: MIT */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include "net/tls.h"

#include <pthread.h>
#include <stdatomic.h>

#define TLS_MORE_MAX 32

/* Everything a reload replaces; sessions hold the one they were made from. */
struct tls_generation {
    atomic_uint holds;
    SSL_CTX *ctx;
    SSL_CTX *more[TLS_MORE_MAX]; /* same settings, other identities */
    size_t more_count;
    enum tls_role role;
    enum tls_trust trust;
    struct hash *pins;
    size_t pin_count;
    uint8_t *alpn; /* wire form: length and name, ... */
    unsigned alpn_bytes;
    const struct tls_hooks *hooks;
};

struct tls_seen_row {
    struct hash fingerprint;
    uint64_t until_ns;
};

struct tls {
    atomic_uint holds;
    const struct clock *clock;
    BIO_METHOD *socket;   /* send and receive without signals */
    EVP_MD *sha256;       /* fetched once: a fetch costs more than the digest */
    pthread_mutex_t lock; /* guards now and seen */
    struct tls_generation *now;
    struct tls_seen_row *seen; /* ring of TLS_SEEN_MAX, made at first use */
    size_t seen_at;
};

/* The session's own data (its app data). */
struct tls_session_data {
    struct tls *tls;
    struct tls_generation *generation;
    void *user;
    struct conn *conn; /* that carries it */
    bool hello_done;
    struct error *why; /* made at the first failure */
};

static inline struct tls_session_data *tls_session_data(const SSL *s) {
    return SSL_get_app_data(s);
}

struct tls_generation *tls_generation_hold(struct tls_generation *g);
void tls_generation_drop(struct tls_generation *g);

/* tls_session_fail keeps why a handshake was refused. */
void tls_session_fail(SSL *s, const struct error *why);

/* tls_session_unidentified: a handshake ended because the peer sent no certificate. The hook that
 * judges certificates hears of it. */
void tls_session_unidentified(SSL *session);

/* tls_verify_install sets the verification callbacks of one SSL_CTX. */
void tls_verify_install(SSL_CTX *ctx, struct tls_generation *g, bool peer_optional);

#endif
