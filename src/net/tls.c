/* Contexts: building, reloading, sessions. SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "net/certificate.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PEER_CHAIN_BYTES_DEFAULT (100u << 10)
#define PINS_MAX 65536u

/* ---- generations ---- */

struct tls_generation *tls_generation_hold(struct tls_generation *g) {
    atomic_fetch_add_explicit(&g->holds, 1, memory_order_relaxed);
    return g;
}

void tls_generation_drop(struct tls_generation *g) {
    if (!g || atomic_fetch_sub(&g->holds, 1) != 1) return;
    for (size_t i = 0; i < g->more_count; i++)
        SSL_CTX_free(g->more[i]);
    SSL_CTX_free(g->ctx);
    free(g->pins);
    free(g->alpn);
    free(g);
}

/* ---- callbacks of the handshake ---- */

static int select_alpn(SSL *s, const unsigned char **ret, unsigned char *ret_n,
                       const unsigned char *in, unsigned in_n, void *arg) {
    (void)s;
    const struct tls_generation *g = arg;
    unsigned char *chosen;
    // The server's order counts; nothing in common ends the handshake (RFC 7301 3.2).
    if (SSL_select_next_proto(&chosen, ret_n, g->alpn, g->alpn_bytes, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int select_identity(SSL *s, int *alert, void *arg) {
    (void)alert;
    const struct tls_generation *g = arg;
    const char *name = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
    for (size_t i = 0; name && i < g->more_count; i++) {
        X509 *cert = SSL_CTX_get0_certificate(g->more[i]);
        if (X509_check_host(cert, name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(s, g->more[i]);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* The host name in the hello's server_name extension; empty when absent or malformed. */
static struct bytes hello_name(SSL *s) {
    const unsigned char *p;
    size_t n;
    if (!SSL_client_hello_get0_ext(s, TLSEXT_TYPE_server_name, &p, &n) || n < 5) {
        return (struct bytes){NULL, 0};
    }
    // RFC 6066 section 3: list length, type 0, name length, name.
    size_t list = load_be16(p), name = load_be16(p + 3);
    if (list != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name || name > n - 5) {
        return (struct bytes){NULL, 0};
    }
    return bytes_make(p + 5, name);
}

static int on_hello(SSL *s, int *alert, void *arg) {
    const struct tls_generation *g = arg;
    struct tls_session_data *d = tls_session_data(s);
    struct error why = {0};
    if (d->hello_done) return SSL_CLIENT_HELLO_SUCCESS;
    int r = g->hooks->hello(s, hello_name(s), d->user, &why);
    ERR_clear_error(); // what a hook left behind is not the handshake's
    if (r == ERR_AGAIN) return SSL_CLIENT_HELLO_RETRY;
    d->hello_done = true; // a second hello (HelloRetryRequest) is the same question
    if (r == 0) return SSL_CLIENT_HELLO_SUCCESS;
    tls_session_fail(s, &why);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
}

static int on_certificate(SSL *s, void *arg) {
    const struct tls_generation *g = arg;
    struct error why = {0};
    int r = g->hooks->certificate(s, tls_session_data(s)->user, &why);
    ERR_clear_error(); // as after a hello
    if (r == ERR_AGAIN) return -1;
    if (r == 0) return 1;
    tls_session_fail(s, &why);
    return 0;
}

/* ---- the socket below: like OpenSSL's own, but a closed peer is an error, not SIGPIPE ---- */

static int socket_read(BIO *b, char *p, int n) {
    ssize_t r = recv((int)(intptr_t)BIO_get_data(b), p, (size_t)n, 0);
    BIO_clear_retry_flags(b);
    if (r < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(b);
    if (r == 0) BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return (int)r;
}

static int socket_write(BIO *b, const char *p, int n) {
    ssize_t r = send((int)(intptr_t)BIO_get_data(b), p, (size_t)n, MSG_NOSIGNAL);
    BIO_clear_retry_flags(b);
    if (r < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(b);
    return (int)r;
}

static long socket_control(BIO *b, int command, long number, void *p) {
    (void)number, (void)p;
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return 0;
}

static BIO_METHOD *socket_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (m && BIO_meth_set_read(m, socket_read) == 1 && BIO_meth_set_write(m, socket_write) == 1 &&
        BIO_meth_set_ctrl(m, socket_control) == 1) {
        return m;
    }
    BIO_meth_free(m);
    return NULL;
}

int tls_session_bind(SSL *session, int fd, struct error *why) {
    BIO *b = BIO_new(tls_session_data(session)->tls->socket);
    if (!b) return certificate_error(why, ERR_NO_MEMORY, "no memory for a TLS session");
    BIO_set_data(b, (void *)(intptr_t)fd);
    BIO_set_init(b, 1);
    SSL_set_bio(session, b, b);
    return 0;
}

/* ---- building ---- */

static int use_identity(SSL_CTX *ctx, const struct tls_identity *id, struct error *why) {
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    int r = certificate_parse_all(&chain, id->cert_pem, why);
    if (r < 0) return r;
    r = certificate_parse_key(&key, id->key_pem, why);
    if (r == 0 && sk_X509_num(chain) > CERTIFICATE_CHAIN_MAX) {
        r = error_set(why, ERR_LIMIT, "certificate chain is longer than %d", CERTIFICATE_CHAIN_MAX);
    }
    if (r == 0) {
        X509 *leaf = sk_X509_shift(chain);
        if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) != 1) {
            r = certificate_error(why, ERR_INVALID, "certificate and key do not fit");
        }
        X509_free(leaf);
    }
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return r;
}

static int use_roots(SSL_CTX *ctx, const struct tls_options *o, struct error *why) {
    if (o->trust == TLS_TRUST_SYSTEM) {
        if (SSL_CTX_set_default_verify_paths(ctx) == 1) return 0;
        return certificate_error(why, ERR_IO, "cannot load the system's roots");
    }
    if (o->trust != TLS_TRUST_CA) return 0;
    STACK_OF(X509) *roots = NULL;
    int r = certificate_parse_all(&roots, o->ca_pem, why);
    if (r < 0) return error_wrap(why, "trusted roots");
    for (int i = 0; i < sk_X509_num(roots); i++) {
        X509 *root = sk_X509_value(roots, i);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root);
        if (o->role == TLS_SERVER) SSL_CTX_add_client_CA(ctx, root);
    }
    sk_X509_pop_free(roots, X509_free);
    return 0;
}

static SSL_CTX *context_new(struct tls_generation *g, const struct tls_options *o,
                            const struct tls_identity *id, struct error *why) {
    SSL_CTX *ctx = SSL_CTX_new(o->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!ctx) {
        certificate_error(why, ERR_NO_MEMORY, "no memory for a TLS context");
        return NULL;
    }
    int lowest = o->min_version ? o->min_version : TLS1_2_VERSION;
    bool identified = o->role == TLS_SERVER && o->trust != TLS_TRUST_NOTHING;
    SSL_CTX_set_min_proto_version(ctx, lowest);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1); // one read a record instead of two
    if (identified || o->hooks) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    } else {
        SSL_CTX_set_num_tickets(ctx, 1);
    }
    SSL_CTX_set_max_cert_list(
        ctx, (long)(o->peer_chain_bytes_max ? o->peer_chain_bytes_max : PEER_CHAIN_BYTES_DEFAULT));
    if (o->role == TLS_SERVER && g->alpn) SSL_CTX_set_alpn_select_cb(ctx, select_alpn, g);
    if (o->role == TLS_CLIENT && g->alpn) SSL_CTX_set_alpn_protos(ctx, g->alpn, g->alpn_bytes);
    if (o->role == TLS_SERVER && o->hooks && o->hooks->hello) {
        SSL_CTX_set_client_hello_cb(ctx, on_hello, g);
    }
    if (o->hooks && o->hooks->certificate) SSL_CTX_set_cert_cb(ctx, on_certificate, g);
    tls_verify_install(ctx, g, o->peer_optional);
    int r = use_roots(ctx, o, why);
    if (r == 0 && id->cert_pem.n) r = use_identity(ctx, id, why);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static int copy_alpn(struct tls_generation *g, const char *const *names, struct error *why) {
    if (!names || !names[0]) return 0;
    struct buf wire;
    buf_init(&wire, 1024);
    for (; *names; names++) {
        size_t n = strlen(*names);
        if (n == 0 || n > 255) {
            buf_free(&wire);
            return error_set(why, ERR_RANGE, "ALPN names have 1 to 255 bytes");
        }
        buf_append_byte(&wire, (uint8_t)n);
        buf_append_str(&wire, *names);
    }
    int r = buf_check(&wire, why);
    if (r < 0) {
        buf_free(&wire);
        return r;
    }
    g->alpn = wire.p; // the buf's memory, freed with the generation
    g->alpn_bytes = (unsigned)wire.n;
    return 0;
}

static int copy_pins(struct tls_generation *g, const struct tls_options *o, struct error *why) {
    STACK_OF(X509) *certs = NULL;
    if (o->trust != TLS_TRUST_PINS) return 0;
    if (o->pins_pem.n) {
        int r = certificate_parse_all(&certs, o->pins_pem, why);
        if (r < 0) return error_wrap(why, "pinned certificates");
    }
    size_t count = o->pin_count + (certs ? (size_t)sk_X509_num(certs) : 0);
    int r = count > PINS_MAX ? error_set(why, ERR_LIMIT, "more than %u pins", PINS_MAX) : 0;
    if (r == 0) g->pins = calloc(count ? count : 1, sizeof *g->pins);
    if (r == 0 && !g->pins) r = error_set(why, ERR_NO_MEMORY, "no memory for pins");
    if (r == 0 && o->pin_count) memcpy(g->pins, o->pins, o->pin_count * sizeof *g->pins);
    g->pin_count = o->pin_count;
    for (int i = 0; r == 0 && certs && i < sk_X509_num(certs); i++) {
        certificate_fingerprint(&g->pins[g->pin_count++], sk_X509_value(certs, i));
    }
    sk_X509_pop_free(certs, X509_free);
    return r;
}

static int check_options(const struct tls_options *o, struct error *why) {
    bool gives = o->hooks && (o->hooks->hello || o->hooks->certificate);
    if (o->role == TLS_SERVER && !o->identity.cert_pem.n && !gives) {
        return error_set(why, ERR_INVALID, "a TLS server needs a certificate");
    }
    if (o->trust == TLS_TRUST_HOOK && !(o->hooks && o->hooks->verify)) {
        return error_set(why, ERR_INVALID, "no hook to verify the peer with");
    }
    if (o->more_count > TLS_MORE_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d further certificates", TLS_MORE_MAX);
    }
    return 0;
}

static int generation_new(struct tls_generation **ret, const struct tls_options *o,
                          struct error *why) {
    int r = check_options(o, why);
    if (r < 0) return r;
    struct error local = {0};
    struct tls_generation *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for a TLS context");
    g->holds = 1;
    g->role = o->role;
    g->trust = o->trust;
    g->hooks = o->hooks;
    r = copy_alpn(g, o->alpn, &local);
    if (r == 0) r = copy_pins(g, o, &local);
    if (r == 0) {
        g->ctx = context_new(g, o, &o->identity, &local);
        if (!g->ctx) r = local.code;
    }
    for (size_t i = 0; r == 0 && i < o->more_count; i++) {
        g->more[i] = context_new(g, o, &o->more[i], &local);
        if (g->more[i])
            g->more_count++;
        else
            r = local.code;
    }
    if (r == 0 && g->more_count) {
        SSL_CTX_set_tlsext_servername_callback(g->ctx, select_identity);
        SSL_CTX_set_tlsext_servername_arg(g->ctx, g);
    }
    if (r < 0) {
        if (why) *why = local;
        tls_generation_drop(g);
        return r;
    }
    *ret = g;
    return 0;
}

int tls_new(struct tls **ret, const struct tls_options *options, struct error *why) {
    struct tls *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a TLS context");
    int r = generation_new(&t->now, options, why);
    t->socket = r == 0 ? socket_method() : NULL;
    if (r == 0 && !t->socket) r = error_set(why, ERR_NO_MEMORY, "no memory for a TLS context");
    if (r < 0) {
        tls_generation_drop(t->now);
        free(t);
        return r;
    }
    t->holds = 1;
    t->clock = options->clock ? options->clock : &clock_system;
    t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    pthread_mutex_init(&t->lock, NULL);
    *ret = t;
    return 0;
}

struct tls *tls_hold(struct tls *t) {
    if (t) atomic_fetch_add_explicit(&t->holds, 1, memory_order_relaxed);
    return t;
}

void tls_free(struct tls *t) {
    if (!t || atomic_fetch_sub(&t->holds, 1) != 1) return;
    tls_generation_drop(t->now);
    EVP_MD_free(t->sha256);
    BIO_meth_free(t->socket);
    pthread_mutex_destroy(&t->lock);
    free(t->seen);
    free(t);
}

int tls_reload(struct tls *t, const struct tls_options *options, struct error *why) {
    struct tls_generation *next;
    int r = generation_new(&next, options, why);
    if (r < 0) return r;
    pthread_mutex_lock(&t->lock);
    struct tls_generation *old = t->now;
    t->now = next;
    pthread_mutex_unlock(&t->lock);
    tls_generation_drop(old);
    tls_forget(t); // who was trusted under the old roots is judged again
    return 0;
}

int tls_read_identity(struct buf *cert_pem, struct buf *key_pem, const char *cert_path,
                      const char *key_path, struct error *why) {
    int r = certificate_read_file(cert_pem, cert_path, why);
    if (r == 0) r = certificate_read_file(key_pem, key_path, why);
    return r;
}

int tls_new_roots(struct tls **ret, const char *ca_file, struct error *why) {
    struct tls_options o = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM};
    struct buf pem;
    int r = 0;
    buf_init(&pem, 0);
    if (ca_file && *ca_file) {
        r = certificate_read_file(&pem, ca_file, why);
        o.trust = TLS_TRUST_CA;
        o.ca_pem = buf_view(&pem);
    }
    if (r == 0) r = tls_new(ret, &o, why);
    buf_free(&pem);
    return r;
}

static struct tls_generation *generation_now(struct tls *t) {
    pthread_mutex_lock(&t->lock);
    struct tls_generation *g = tls_generation_hold(t->now);
    pthread_mutex_unlock(&t->lock);
    return g;
}

int tls_fingerprint(struct hash *ret, struct tls *t, struct error *why) {
    struct tls_generation *g = generation_now(t);
    X509 *cert = SSL_CTX_get0_certificate(g->ctx);
    if (cert) certificate_fingerprint(ret, cert);
    tls_generation_drop(g);
    return cert ? 0 : error_set(why, ERR_NOT_FOUND, "no own certificate");
}

/* ---- sessions ---- */

static bool set_host(SSL *s, const struct tls_generation *g, const char *host) {
    X509_VERIFY_PARAM *param = SSL_get0_param(s);
    bool numeric = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    if (!numeric) {
        ERR_clear_error();
        if (SSL_set_tlsext_host_name(s, host) != 1) return false;
    }
    bool named = g->trust == TLS_TRUST_SYSTEM || g->trust == TLS_TRUST_CA;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !named || numeric || SSL_set1_host(s, host) == 1;
}

int tls_session_new(SSL **ret, struct tls *t, const char *host, struct error *why) {
    struct tls_session_data *d = calloc(1, sizeof *d);
    if (!d) return error_set(why, ERR_NO_MEMORY, "no memory for a TLS session");
    d->tls = tls_hold(t);
    d->generation = generation_now(t);
    SSL *s = SSL_new(d->generation->ctx);
    if (!s) {
        tls_generation_drop(d->generation);
        tls_free(d->tls);
        free(d);
        return certificate_error(why, ERR_NO_MEMORY, "no memory for a TLS session");
    }
    SSL_set_app_data(s, d);
    if (d->generation->role == TLS_SERVER)
        SSL_set_accept_state(s);
    else
        SSL_set_connect_state(s);
    if (host && d->generation->role == TLS_CLIENT && !set_host(s, d->generation, host)) {
        tls_session_free(s);
        return certificate_error(why, ERR_SYNTAX, "\"%.200s\" cannot be a host name", host);
    }
    *ret = s;
    return 0;
}

void tls_session_free(SSL *session) {
    if (!session) return;
    struct tls_session_data *d = tls_session_data(session);
    SSL_free(session);
    tls_generation_drop(d->generation);
    tls_free(d->tls);
    free(d->why);
    free(d);
}

void tls_session_set_user(SSL *session, void *user) {
    tls_session_data(session)->user = user;
}

void *tls_session_user(const SSL *session) {
    return tls_session_data(session)->user;
}

struct tls *tls_of_session(const SSL *session) {
    return tls_session_data(session)->tls;
}

int tls_session_set_sni(SSL *session, const char *name, struct error *why) {
    if (SSL_set_tlsext_host_name(session, name) == 1) return 0;
    return certificate_error(why, ERR_RANGE, "a server name has 1 to 255 bytes");
}

int tls_session_ask_certificate(SSL *session, struct bytes common_name, bool required,
                                struct error *why) {
    X509_NAME *name = X509_NAME_new();
    bool ok = name && common_name.n < 256 &&
              X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_PRINTABLESTRING,
                                         common_name.p, (int)common_name.n, -1, 0) == 1;
    STACK_OF(X509_NAME) *names = ok ? sk_X509_NAME_new_null() : NULL;
    if (!names || !sk_X509_NAME_push(names, name)) {
        X509_NAME_free(name);
        sk_X509_NAME_free(names);
        return certificate_error(why, ERR_RANGE, "cannot name the accepted authority");
    }
    SSL_set0_CA_list(session, names);
    int mode = SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_set_verify(session, mode, NULL);
    return 0;
}

int tls_session_peer_ca(char *ret, size_t size, SSL *session, struct error *why) {
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(session);
    if (!names || sk_X509_NAME_num(names) != 1) {
        return error_set(why, ERR_NOT_FOUND, "the server named %d acceptable authorities, not one",
                         names ? sk_X509_NAME_num(names) : 0);
    }
    X509_NAME *name = sk_X509_NAME_value(names, 0);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0) return error_set(why, ERR_NOT_FOUND, "the authority has no common name");
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    size_t n = (size_t)ASN1_STRING_length(text);
    if (n >= size) return error_set(why, ERR_LIMIT, "common name of %zu bytes", n);
    memcpy(ret, ASN1_STRING_get0_data(text), n);
    ret[n] = 0;
    return 0;
}

struct bytes tls_session_alpn(const SSL *session) {
    const unsigned char *p = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(session, &p, &n);
    return bytes_make(p, n);
}

bool tls_session_http2(const SSL *session) {
    struct bytes name = tls_session_alpn(session);
    if (bytes_equal_str(name, "h2")) return true;
    return name.n > 3 && memcmp(name.p + name.n - 3, "+h2", 3) == 0;
}

int tls_session_exporter(uint8_t *ret, size_t n, SSL *session, const char *label,
                         struct error *why) {
    if (SSL_export_keying_material(session, ret, n, label, strlen(label), NULL, 0, 0) == 1) {
        return 0;
    }
    return certificate_error(why, ERR_INVALID, "no keying material before the handshake's end");
}
