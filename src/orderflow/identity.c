/* The node's key, and its certificate. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/address.h"
#include "net/certificate.h"
#include "orderflow/app.h"

#define HOSTS_MAX 32

static int read_key(struct flow_identity *id, const struct secret *text, struct error *why) {
    if (text->n == 0) {
        ecdsa_secret_key_new(&id->key);
        return 0;
    }
    struct bytes digits = bytes_make(text->p, text->n);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n != 64 || hex_decode(id->key.b, digits, NULL) != 0) {
        return error_set(why, ERR_SYNTAX, "orderflow-signer: not 64 hexadecimal digits");
    }
    return 0;
}

int app_open_identity(struct app *a, struct error *why) {
    struct ecdsa_public_key public_key;
    char text[43];
    buf_init(&a->cert_pem, CERTIFICATE_PEM_MAX);
    buf_init(&a->key_pem, CERTIFICATE_PEM_MAX);
    int r = ecdsa_signer_new(&a->identity.signer, why);
    if (r == 0) r = read_key(&a->identity, &a->values->signer_key, why);
    if (r == 0) {
        r = ecdsa_public_key_of(a->identity.signer, &public_key, &a->identity.key, why);
        if (r != 0) (void)error_wrap(why, "orderflow-signer");
    }
    if (r != 0) return r;
    a->identity.address = ecdsa_address(&public_key);
    address_to_text(text, &a->identity.address);
    log_info(a->log, "identity", F_STR("address", text),
             F_BOOL("fresh", a->values->signer_key.n == 0));
    return app_load_certificate(a, why);
}

void app_close_identity(struct app *a) {
    bytes_wipe(&a->identity.key, sizeof a->identity.key);
    ecdsa_signer_free(a->identity.signer);
    if (a->key_pem.p) bytes_wipe(a->key_pem.p, a->key_pem.capacity);
    buf_free(&a->cert_pem);
    buf_free(&a->key_pem);
    tls_free(a->user_tls);
    tls_free(a->system_tls);
}

static int self_sign(struct buf *cert, struct buf *key, const struct orderflow_values *v,
                     struct error *why) {
    const char *hosts[HOSTS_MAX + 1] = {0};
    for (size_t i = 0; i < v->cert_hosts.count && i < HOSTS_MAX; i++) {
        hosts[i] = v->cert_hosts.items[i];
    }
    uint64_t now = clock_wall_ns(&clock_system);
    const struct certificate_options o = {.common_name = hosts[0] ? hosts[0] : v->name,
                                          .hosts = hosts,
                                          .not_before_ns = now - 3600 * NS_PER_S,
                                          .not_after_ns = now + v->cert_duration_ns};
    return certificate_self_sign_pem(cert, key, &o, why);
}

/* On a listener: made at the first time, else changed for the sessions to come. */
static int set_tls(struct tls **t, const struct tls_options *o, struct error *why) {
    return *t ? tls_reload(*t, o, why) : tls_new(t, o, why);
}

static int set_listeners(struct app *a, struct tls_identity own, struct error *why) {
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    struct tls_options user = {.role = TLS_SERVER,
                               .identity = own,
                               .trust = TLS_TRUST_NOTHING,
                               .alpn = protocols,
                               .min_version = TLS1_3_VERSION};
    struct tls_options system = user;
    share_listener_tls(&system,
                       app_evidence(a->values)); // our own streams, and peers' certificates
    int r = a->values->user_tls ? set_tls(&a->user_tls, &user, why) : 0;
    if (r == 0 && a->values->system_tls) r = set_tls(&a->system_tls, &system, why);
    return r;
}

int app_load_certificate(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    bool wanted = v->user_tls || v->system_tls || (v->cert_addr && *v->cert_addr);
    if ((v->certificate == NULL) != (v->key == NULL)) {
        return error_set(why, ERR_CONFLICT, "certificate and key belong together");
    }
    if (!v->certificate && (!wanted || a->cert_pem.n > 0)) return 0;
    struct buf cert, key;
    buf_init(&cert, CERTIFICATE_PEM_MAX);
    buf_init(&key, CERTIFICATE_PEM_MAX);
    int r = v->certificate ? tls_read_identity(&cert, &key, v->certificate, v->key, why)
                           : self_sign(&cert, &key, v, why);
    if (r == 0) r = set_listeners(a, (struct tls_identity){buf_view(&cert), buf_view(&key)}, why);
    if (r == 0) {
        struct buf old_cert = a->cert_pem, old_key = a->key_pem;
        a->cert_pem = cert;
        a->key_pem = key;
        cert = old_cert;
        key = old_key;
    }
    if (key.p) bytes_wipe(key.p, key.capacity);
    buf_free(&cert);
    buf_free(&key);
    return r;
}
