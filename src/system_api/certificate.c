/* The listener's certificate: made here when allowed, renewed before it expires, read again on
 * SIGHUP.
 * SPDX-License-Identifier: MIT */
#include "net/certificate.h"

#include "base/file.h"
#include "system_api/api.h"

#include <stdlib.h>
#include <unistd.h>

#define VALID_NS (365 * 86400 * NS_PER_S)
#define RENEW_NS (30 * 86400 * NS_PER_S) /* before the end */
#define LOOK_NS (3600 * NS_PER_S)        /* how often the rest is looked at */
#define ORGANIZATION "Acme"              /* what the deployed program writes; operators pin it */

static int make(const struct settings *s, struct error *why) {
    const struct settings_values *v = &s->values;
    uint64_t now = clock_wall_ns(&clock_system);
    const char **hosts = calloc(v->tls_cert_hosts.count + 1, sizeof *hosts);
    struct buf cert_pem, key_pem;
    buf_init(&cert_pem, CERTIFICATE_PEM_MAX);
    buf_init(&key_pem, CERTIFICATE_PEM_MAX);
    int r = hosts ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a certificate");
    for (size_t i = 0; r == 0 && i < v->tls_cert_hosts.count; i++) {
        hosts[i] = v->tls_cert_hosts.items[i];
    }
    const struct certificate_options options = {
        .organization = ORGANIZATION,
        .hosts = hosts,
        .not_before_ns = now,
        .not_after_ns = now + VALID_NS,
    };
    if (r == 0) r = certificate_self_sign_pem(&cert_pem, &key_pem, &options, why);
    // The key first: what a start that was cut off here leaves, api_certificate_prepare makes anew.
    if (r == 0) r = file_write_atomic(v->tls_key_path, buf_view(&key_pem), NULL, why);
    if (r == 0) r = file_write_atomic(v->tls_cert_path, buf_view(&cert_pem), NULL, why);
    if (key_pem.p) bytes_wipe(key_pem.p, key_pem.n);
    buf_free(&key_pem);
    buf_free(&cert_pem);
    free(hosts);
    return r == 0 ? 0 : error_wrap(why, "self-signed certificate");
}

// Made by this program (or the deployed one): self-signed by our organisation.
static bool is_own(X509 *cert) {
    char text[64];
    const X509_NAME *subject = X509_get_subject_name(cert);
    return X509_NAME_cmp(subject, X509_get_issuer_name(cert)) == 0 &&
           X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)subject, NID_organizationName, text,
                                     sizeof text) > 0 &&
           strcmp(text, ORGANIZATION) == 0;
}

// What is known of the certificate that is there.
struct looked {
    bool own;          // made here, and so renewed here where that is allowed
    bool other_key;    // the key file holds a key, but not its own
    uint64_t until_ns; // when it ends
};

static bool is_other_key(const char *key_path, const X509 *cert) {
    struct buf pem;
    EVP_PKEY *key = NULL;
    buf_init(&pem, CERTIFICATE_PEM_MAX);
    bool other = file_read(&pem, key_path, NULL) == 0 &&
                 certificate_parse_key(&key, buf_view(&pem), NULL) == 0 &&
                 EVP_PKEY_eq(X509_get0_pubkey(cert), key) != 1;
    EVP_PKEY_free(key);
    if (pem.p) bytes_wipe(pem.p, pem.n);
    buf_free(&pem);
    return other;
}

static int look(struct looked *ret, const struct settings *s, struct error *why) {
    struct buf pem;
    X509 *cert = NULL;
    uint64_t from_ns;
    buf_init(&pem, CERTIFICATE_PEM_MAX);
    int r = certificate_read_file(&pem, s->values.tls_cert_path, why);
    if (r == 0) r = certificate_parse(&cert, buf_view(&pem), why);
    if (r == 0) r = certificate_validity(&from_ns, &ret->until_ns, cert, why);
    if (r == 0) ret->own = is_own(cert) && s->values.tls_create_if_missing;
    if (r == 0) ret->other_key = is_other_key(s->values.tls_key_path, cert);
    X509_free(cert);
    buf_free(&pem);
    return r;
}

static bool is_due(uint64_t until_ns) {
    return clock_wall_ns(&clock_system) + RENEW_NS > until_ns;
}

// It was not made here, and so is not renewed here.
static void warn_of_end(const struct settings *s, struct log *log) {
    log_warn(log, "certificate_expires_soon", F_STR("path", s->values.tls_cert_path));
}

int api_certificate_prepare(const struct settings *s, struct log *log, struct error *why) {
    const struct settings_values *v = &s->values;
    bool cert = access(v->tls_cert_path, F_OK) == 0, key = access(v->tls_key_path, F_OK) == 0;
    if (cert != key && !(key && v->tls_create_if_missing)) {
        return error_set(why, ERR_CONFLICT, "%s is there and %s is not: both are required",
                         cert ? v->tls_cert_path : v->tls_key_path,
                         cert ? v->tls_key_path : v->tls_cert_path);
    }
    if (!cert && !v->tls_create_if_missing) {
        return error_set(why, ERR_NOT_FOUND,
                         "%s and %s are missing, and tls_create_if_missing is "
                         "off",
                         v->tls_cert_path, v->tls_key_path);
    }
    struct looked at = {0};
    int r = cert ? look(&at, s, why) : 0;
    if (r != 0) return r;
    if (cert && !at.own && is_due(at.until_ns)) warn_of_end(s, log);
    if (cert && !(at.own && (is_due(at.until_ns) || at.other_key))) return 0;
    r = make(s, why);
    if (r == 0) log_info(log, "certificate_made", F_STR("path", v->tls_cert_path));
    return r;
}

int api_certificate_load(struct api *a, bool reload, struct error *why) {
    const struct settings_values *v = &a->settings.values;
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    struct buf cert_pem, key_pem;
    buf_init(&cert_pem, CERTIFICATE_PEM_MAX);
    buf_init(&key_pem, CERTIFICATE_PEM_MAX);
    int r = tls_read_identity(&cert_pem, &key_pem, v->tls_cert_path, v->tls_key_path, why);
    const struct tls_options options = {
        .role = TLS_SERVER,
        .identity = {buf_view(&cert_pem), buf_view(&key_pem)},
        .alpn = alpn,
    };
    if (r == 0) r = reload ? tls_reload(a->tls, &options, why) : tls_new(&a->tls, &options, why);
    if (key_pem.p) bytes_wipe(key_pem.p, key_pem.n);
    buf_free(&key_pem);
    buf_free(&cert_pem);
    return r;
}

static void look_again(struct loop_timer *timer) {
    struct api *a = LIST_ENTRY(timer, struct api, certificate_timer);
    struct error why;
    struct looked at = {0};
    int r = look(&at, &a->settings, &why);
    if (r == 0 && is_due(at.until_ns)) {
        if (at.own) r = make(&a->settings, &why);
        if (r == 0 && at.own) r = api_certificate_load(a, true, &why);
        if (r == 0 && at.own) {
            log_info(a->log, "certificate_renewed");
            api_event(a, "certificate renewed");
        } else if (r == 0) {
            warn_of_end(&a->settings, a->log);
        }
    }
    if (r != 0) log_error(a->log, "certificate_not_renewed", F_ERR(&why));
    api_certificate_watch(a);
}

void api_certificate_watch(struct api *a) {
    struct error why;
    a->certificate_timer.fire = look_again;
    if (loop_timer_set(a->loop, &a->certificate_timer, loop_now_ns(a->loop) + LOOK_NS, &why) != 0) {
        log_error(a->log, "certificate_not_watched", F_ERR(&why));
    }
}
