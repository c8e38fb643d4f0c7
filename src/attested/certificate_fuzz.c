/* The aTLS handshake, from bytes, on either side of it.
 *
 * Input: flags (1 ours is the server, 2 genuine evidence with edits, else a document from bytes, 4
 * raw bytes in place of TLS, 8 no certificate at all, 16 no name), the variant, the length of a
 * name, the name (the server name towards a server of ours, the CA's towards a client), then the
 * document, the edits, or the raw bytes. Whatever comes, a handshake that ours completes has shown
 * good evidence over our nonce. SPDX-License-Identifier: MIT */
#include "attested/fuzzing.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { OURS_SERVES = 1, GENUINE = 2, RAW = 4, BARE = 8, NAMELESS = 16 };

static struct attested *kind;
static struct tls *contexts[2]; /* server */
static SSL_CTX *peers[2];
static struct es256_key *signing;
static EVP_PKEY *peer_key;

/* What the peer of this input does. */
static struct speech {
    uint8_t flags;
    enum atls_variant variant;
    struct bytes name, rest;
    bool changed, made;
} speech;

static void on_open(struct conn *c) {
    ((struct ours *)c->owner)->open = true;
}
static const struct conn_events events = {on_open, ours_on_readable, NULL, ours_on_closed};

/* ---- the peer's certificate ---- */

/* The nonce that ours has sent: the server name, or the common name of the one CA. */
static bool nonce_of(struct bytes *ret, SSL *s, struct arena *a) {
    char text[256] = "";
    struct error why = {0};
    if (SSL_is_server(s)) {
        const char *name = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
        if (name) (void)snprintf(text, sizeof text, "%s", name);
    } else if (tls_session_peer_ca(text, sizeof text, s, &why) != 0) {
        return false;
    }
    return atls_nonce_read(ret, bytes_from_str(text), a, &why) == 0;
}

static void write_genuine(struct buf *out, struct bytes nonce) {
    uint8_t report_data[64], user[32];
    unsigned char *spki = NULL;
    int n = i2d_PUBKEY(peer_key, &spki);
    struct buf quote;
    MUST(n > 0 && binding_atls(report_data, user, bytes_make(spki, (size_t)n), nonce));
    OPENSSL_free(spki);
    buf_init(&quote, 0);
    world_quote(&quote, report_data);
    atls_dcap_write(out, buf_view(&quote), user);
    buf_free(&quote);
    speech.changed = world_edit(out->p, out->n, speech.rest);
}

static int present(SSL *s, void *context) {
    static const uint8_t serial[16] = {1};
    struct buf document, der;
    struct arena a;
    struct bytes nonce;
    struct error why = {0};
    (void)context;
    if (speech.flags & BARE) return SSL_is_server(s) ? 0 : 1;
    arena_init(&a, 4096);
    buf_init(&document, ATLS_CERTIFICATE_BYTES_MAX);
    buf_init(&der, ATLS_CERTIFICATE_BYTES_MAX);
    if (!(speech.flags & GENUINE)) {
        buf_append(&document, speech.rest);
    } else if (nonce_of(&nonce, s, &a)) {
        write_genuine(&document, nonce);
        speech.made = speech.variant == ATLS_QEMU_TDX;
    }
    bool ok = atls_certificate_write(&der, signing, speech.variant, buf_view(&document),
                                     FUZZING_NOW, serial, &why) == 0 &&
              SSL_use_certificate_ASN1(s, der.p, (int)der.n) == 1 &&
              SSL_use_PrivateKey(s, peer_key) == 1;
    buf_free(&document);
    buf_free(&der);
    arena_free(&a);
    ERR_clear_error();
    return ok;
}

static int any_certificate(int ok, X509_STORE_CTX *store) {
    (void)ok, (void)store;
    return 1;
}

/* ---- once ---- */

static void begin(void) {
    struct error why = {0};
    if (kind) return;
    world_begin();
    kind = world_attested(ATTESTED_CERTIFICATE, true);
    MUST(certificate_form_key(&peer_key, &signing, &why) == 0);
    for (int server = 0; server < 2; server++) {
        struct tls_options o = {.role = server ? TLS_SERVER : TLS_CLIENT,
                                .clock = &world.clock.clock};
        attested_fill(kind, &o);
        MUST(tls_new(&contexts[server], &o, &why) == 0);
        peers[server] = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
        MUST(peers[server] != NULL);
        SSL_CTX_set_cert_cb(peers[server], present, NULL);
        SSL_CTX_set_verify(peers[server], SSL_VERIFY_PEER, any_certificate);
        SSL_CTX_set_max_cert_list(peers[server], 1 << 20);
    }
}

/* ---- one handshake ---- */

static bool read_speech(const uint8_t *data, size_t n) {
    if (n < 3) return false;
    struct bytes in = bytes_make(data + 3, n - 3);
    speech = (struct speech){.flags = data[0],
                             .variant = (enum atls_variant)(data[1] % (ATLS_OTHER + 1)),
                             .name = bytes_slice(in, 0, data[2])};
    speech.rest = bytes_slice(in, speech.name.n, in.n);
    return true;
}

/* The name that the input gives, as ours will see it. false: TLS cannot carry it. */
static bool set_name(SSL *peer) {
    char text[256] = "";
    if (speech.flags & NAMELESS || speech.name.n == 0) return true;
    memcpy(text, speech.name.p, speech.name.n);
    if (speech.flags & OURS_SERVES) return SSL_set_tlsext_host_name(peer, text) == 1;
    X509_NAME *name = X509_NAME_new();
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    bool ok = name && names &&
              X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_PRINTABLESTRING,
                                         (const unsigned char *)text, -1, -1, 0) == 1 &&
              sk_X509_NAME_push(names, name) > 0;
    if (ok) {
        SSL_set0_CA_list(peer, names);
    } else {
        X509_NAME_free(name);
        sk_X509_NAME_free(names);
    }
    ERR_clear_error();
    return ok;
}

static void shake(struct ours *o, SSL *peer) {
    uint8_t heard[1024];
    for (int turn = 0; turn < FUZZING_TURNS && !o->open && !o->closed; turn++) {
        if (SSL_do_handshake(peer) == 1) (void)SSL_read(peer, heard, sizeof heard);
        ERR_clear_error();
        world_turn();
        if (turn == 60) (void)shutdown(SSL_get_fd(peer), SHUT_WR);
    }
    MUST(o->open || o->closed);
    const struct attested_peer *p = o->open ? attested_peer(o->conn.tls) : NULL;
    bool good = (speech.flags & GENUINE) && speech.made;
    if (o->open) {
        MUST(p && p->attested && p->type == ATTESTATION_QEMU_TDX && p->measurements.n > 0);
        MUST(good);
    }
    bool named = !(speech.flags & OURS_SERVES) || (speech.flags & NAMELESS) || !speech.name.n;
    if (good && !speech.changed && named) MUST(o->open);
}

static void speak_raw(struct ours *o, int fd) {
    struct bytes left = speech.rest;
    for (int turn = 0; turn < FUZZING_TURNS && !o->closed; turn++) {
        ssize_t n = left.n ? send(fd, left.p, left.n, MSG_NOSIGNAL) : 0;
        if (n > 0) left = bytes_slice(left, (size_t)n, left.n);
        world_turn();
        if (left.n == 0) (void)shutdown(fd, SHUT_WR);
    }
    MUST(!o->open && o->closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int fds[2];
    struct ours o;
    begin();
    if (n > 60000 || !read_speech(data, n)) return 0;
    bool serves = speech.flags & OURS_SERVES;
    world_pair(fds);
    SSL *peer = SSL_new(peers[!serves]);
    MUST(peer && SSL_set_fd(peer, fds[1]) == 1);
    if (serves) {
        SSL_set_connect_state(peer);
    } else {
        SSL_set_accept_state(peer);
    }
    if (set_name(peer)) {
        ours_begin(&o, kind, contexts[serves], fds[0], &events);
        if (speech.flags & RAW) {
            speak_raw(&o, fds[1]);
        } else {
            shake(&o, peer);
        }
        ours_end(&o);
    } else {
        (void)close(fds[0]);
    }
    SSL_free(peer);
    (void)close(fds[1]);
    return 0;
}
