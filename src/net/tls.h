/* TLS: server and client contexts over OpenSSL 3.0, for plain use and for attested TLS.
 *
 * A `struct tls` is one role: certificate, trust, ALPN names, hooks. Connections take sessions
 * (SSL *) from it; reloading swaps certificate and trust for sessions made afterwards, those that
 * run keep what they have. Listeners that ask for a client certificate, and contexts with hooks,
 * never issue or take session tickets: a resumed session would skip the check of the peer, and
 * each ticket decodes the peer certificate again (the dearest part of such a handshake).
 *
 * A peer that passed verification is remembered by the SHA-256 of its certificate's DER form, so
 * that a known peer costs no chain building. The hooks may use the same cache (tls_seen).
 *
 * Source: RFC 8446, RFC 5246, RFC 7301. Thread: struct tls any; a session belongs to its
 * connection's thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls;

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* What a peer's certificate must satisfy. */
enum tls_trust {
    TLS_TRUST_NOTHING, /* server: no client certificate asked; client: any server taken, which is
                          encryption without authentication and must be asked for by name */
    TLS_TRUST_SYSTEM,  /* the machine's roots, and the host name (client) */
    TLS_TRUST_CA,      /* the roots in ca_pem, and the host name (client) */
    TLS_TRUST_PINS,    /* exactly one of the pinned certificates; nothing else is looked at */
    TLS_TRUST_HOOK,    /* hooks->verify decides alone */
};

/* One's own certificate: chain (leaf first) and key, PEM. */
struct tls_identity {
    struct bytes cert_pem, key_pem;
};

/* Hooks for attested TLS. `user` is the session's pointer (tls_session_set_user). Each returns 0,
 * a negative code to end the handshake, or ERR_AGAIN where said, to pause it: the connection then
 * waits for conn_resume and the hook is called again. */
struct tls_hooks {
    /* Server: the ClientHello is read and nothing is answered. May set a certificate
     * (SSL_use_certificate, SSL_use_PrivateKey) and the CA names of the request
     * (tls_session_ask_certificate). sni: the name in the hello, empty for none. ERR_AGAIN ok. */
    int (*hello)(SSL *session, struct bytes sni, void *user, struct error *why);
    /* Both: one's own certificate is needed. A client finds the names that the server accepts in
     * SSL_get0_peer_CA_list. ERR_AGAIN ok. */
    int (*certificate)(SSL *session, void *user, struct error *why);
    /* Both: judge the peer's certificate (TLS_TRUST_HOOK). chain: as sent, may be NULL. leaf NULL:
     * a certificate was required and none came; the handshake ends whatever is returned. */
    int (*verify)(SSL *session, X509 *leaf, STACK_OF(X509) * chain, void *user, struct error *why);
};

struct tls_options {
    enum tls_role role;
    struct tls_identity identity;    /* a server's is required unless hooks give one */
    const struct tls_identity *more; /* server: others, chosen by the name in the hello */
    size_t more_count;
    enum tls_trust trust;
    bool peer_optional;      /* server: a client without certificate may pass */
    struct bytes ca_pem;     /* TLS_TRUST_CA */
    const struct hash *pins; /* TLS_TRUST_PINS: SHA-256 of DER, may be empty */
    size_t pin_count;
    struct bytes pins_pem;         /* TLS_TRUST_PINS: further certificates as PEM */
    const char *const *alpn;       /* names in order of preference, ended by NULL; may be NULL */
    int min_version;               /* TLS1_2_VERSION (0) or TLS1_3_VERSION */
    size_t peer_chain_bytes_max;   /* 0: 100 KiB; evidence in certificates needs more */
    const struct tls_hooks *hooks; /* outlives the context; NULL: none */
    const struct clock *clock;     /* NULL: clock_system; only for the cache of seen peers */
};

/* tls_new: everything in options is copied except hooks and clock.
 * errors   ERR_SYNTAX (PEM), ERR_INVALID (key and certificate differ, nothing to trust),
 *          ERR_NO_MEMORY.  tls_free drops the caller's hold; running sessions go on. */
[[gnu::warn_unused_result]] int tls_new(struct tls **ret, const struct tls_options *options,
                                        struct error *why);
void tls_free(struct tls *t);
struct tls *tls_hold(struct tls *t);

/* tls_reload makes sessions from now on follow `options` (same role). On error nothing changes. */
[[gnu::warn_unused_result]] int tls_reload(struct tls *t, const struct tls_options *options,
                                           struct error *why);

/* tls_new_roots makes a client's context that trusts the roots of a file (PEM), or with NULL or ""
 * the machine's. errors  as tls_new and certificate_read_file. */
[[gnu::warn_unused_result]] int tls_new_roots(struct tls **ret, const char *ca_file,
                                              struct error *why);

/* tls_files is a tls_options.identity read from two files. The caller frees both bufs (wipes the
 * key). errors  as certificate_read_file. */
struct buf;
[[gnu::warn_unused_result]] int tls_read_identity(struct buf *cert_pem, struct buf *key_pem,
                                                  const char *cert_path, const char *key_path,
                                                  struct error *why);

/* tls_fingerprint: SHA-256 of the own leaf certificate; ERR_NOT_FOUND when there is none. */
[[gnu::warn_unused_result]] int tls_fingerprint(struct hash *ret, struct tls *t, struct error *why);

/* ---- sessions ---- */

/* tls_session_new makes a session that is not yet bound to a descriptor.
 * host     client: goes into SNI (unless numeric or NULL) and is checked against the certificate.
 * errors   ERR_NO_MEMORY.  tls_session_free frees it (and takes NULL). */
[[gnu::warn_unused_result]] int tls_session_new(SSL **ret, struct tls *t, const char *host,
                                                struct error *why);
void tls_session_free(SSL *session);
/* tls_session_bind connects a session to a socket (borrowed). errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tls_session_bind(SSL *session, int fd, struct error *why);

void tls_session_set_user(SSL *session, void *user);
void *tls_session_user(const SSL *session);

/* tls_session_set_sni replaces the name that is sent (a nonce); any text of 1..255 bytes. */
[[gnu::warn_unused_result]] int tls_session_set_sni(SSL *session, const char *name,
                                                    struct error *why);

/* tls_session_ask_certificate (server, in hooks->hello) asks the client for a certificate and
 * names one acceptable CA: the distinguished name CN=common_name as PrintableString. */
[[gnu::warn_unused_result]] int tls_session_ask_certificate(SSL *session, struct bytes common_name,
                                                            bool required, struct error *why);

/* tls_session_peer_ca (client, in hooks->certificate) gives the common name of the one CA that
 * the server accepts, copied to ret. errors  ERR_NOT_FOUND (none, or not exactly one), ERR_LIMIT.
 */
[[gnu::warn_unused_result]] int tls_session_peer_ca(char *ret, size_t size, SSL *session,
                                                    struct error *why);

/* tls_session_alpn: the name that was agreed on; empty when none. */
struct bytes tls_session_alpn(const SSL *session);

/* tls_session_http2: that name stands for HTTP/2: "h2", or "...+h2" of a protocol that comes first
 * on the same stream. */
bool tls_session_http2(const SSL *session);

/* tls_session_exporter: RFC 8446 section 7.5, label without terminator, no context. */
[[gnu::warn_unused_result]] int tls_session_exporter(uint8_t *ret, size_t n, SSL *session,
                                                     const char *label, struct error *why);

/* tls_session_error: why verification refused the peer; an empty text when it did not. */
const struct error *tls_session_error(const SSL *session);

/* ---- the cache of peers that passed ---- */

/* tls_seen: this certificate passed before, and until_ns (wall) has not come.
 * tls_remember keeps it; the oldest of TLS_SEEN_MAX is forgotten. tls_forget empties the cache
 * (policy reload). */
#define TLS_SEEN_MAX 1024
bool tls_seen(struct tls *t, const struct hash *fingerprint);
void tls_remember(struct tls *t, const struct hash *fingerprint, uint64_t until_ns);
void tls_forget(struct tls *t);

/* tls_of_session: the context that a session came from. */
struct tls *tls_of_session(const SSL *session);

#endif
