/* SPDX-License-Identifier: MIT */
#include "net/certificate.h"
#include "base/clock.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int certificate_error(struct error *why, enum err code, const char *text, ...) {
    char line[160];
    va_list args;
    va_start(args, text);
    vsnprintf(line, sizeof line, text, args);
    va_end(args);
    unsigned long first = ERR_peek_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    ERR_clear_error();
    return error_set(why, code, "%s%s%s", line, reason ? ": " : "", reason ? reason : "");
}

int certificate_read_file(struct buf *out, const char *path, struct error *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_os(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    }
    size_t start = out->n;
    int r = 0;
    for (;;) {
        uint8_t *p = buf_reserve(out, 4096);
        if (!p) {
            r = buf_check(out, why);
            break;
        }
        ssize_t n = read(fd, p, 4096);
        if (n < 0) r = error_set_os(why, ERR_IO, errno, "%s", path);
        if (n <= 0) break;
        buf_commit(out, (size_t)n);
        if (out->n - start > CERTIFICATE_PEM_MAX) {
            r = error_set(why, ERR_LIMIT, "%s is longer than %u bytes", path, CERTIFICATE_PEM_MAX);
            break;
        }
    }
    close(fd);
    return r;
}

static BIO *pem_reader(struct bytes pem) {
    return BIO_new_mem_buf(pem.p, pem.n > CERTIFICATE_PEM_MAX ? 0 : (int)pem.n);
}

int certificate_parse(X509 **ret, struct bytes pem, struct error *why) {
    BIO *in = pem_reader(pem);
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    if (!cert) return certificate_error(why, ERR_SYNTAX, "not a PEM certificate");
    *ret = cert;
    return 0;
}

int certificate_parse_all(STACK_OF(X509) * *ret, struct bytes pem, struct error *why) {
    BIO *in = pem_reader(pem);
    STACK_OF(X509) *set = sk_X509_new_null();
    int r = 0;
    while (in && set && r == 0) {
        X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
        if (!cert) {
            // The end of the text is an error of its own kind; anything else is a bad block.
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!end || sk_X509_num(set) == 0) {
                r = certificate_error(why, ERR_SYNTAX, "not a PEM certificate");
            }
            break;
        }
        if (!sk_X509_push(set, cert)) {
            X509_free(cert);
            r = error_set(why, ERR_NO_MEMORY, "no memory for certificates");
        }
    }
    ERR_clear_error();
    BIO_free(in);
    if (r == 0 && (!in || !set)) r = error_set(why, ERR_NO_MEMORY, "no memory for certificates");
    if (r < 0) {
        sk_X509_pop_free(set, X509_free);
        return r;
    }
    *ret = set;
    return 0;
}

static int no_password(char *text, int size, int writing, void *user) {
    (void)text, (void)size, (void)writing, (void)user;
    return -1; // never ask on a terminal
}

int certificate_parse_key(EVP_PKEY **ret, struct bytes pem, struct error *why) {
    BIO *in = pem_reader(pem);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
    BIO_free(in);
    if (!key) return certificate_error(why, ERR_SYNTAX, "not a PEM private key");
    *ret = key;
    return 0;
}

void certificate_fingerprint(struct hash *ret, const X509 *cert) {
    unsigned n = sizeof ret->b;
    if (X509_digest(cert, EVP_sha256(), ret->b, &n) != 1) memset(ret, 0, sizeof *ret);
}

int certificate_der(struct buf *out, X509 *cert, struct error *why) {
    int n = i2d_X509(cert, NULL);
    if (n <= 0) return certificate_error(why, ERR_INTERNAL, "cannot encode a certificate");
    uint8_t *p = buf_reserve(out, (size_t)n);
    if (!p) return buf_check(out, why);
    buf_commit(out, (size_t)i2d_X509(cert, &p));
    return 0;
}

static int take_bio(struct buf *out, BIO *bio, int written, struct error *why) {
    int r = 0;
    char *p = NULL;
    long n = written ? BIO_get_mem_data(bio, &p) : 0;
    if (n <= 0) {
        r = certificate_error(why, ERR_INTERNAL, "cannot write PEM");
    } else {
        buf_append(out, bytes_make(p, (size_t)n));
        r = buf_check(out, why);
        bytes_wipe(p, (size_t)n);
    }
    BIO_free(bio);
    return r;
}

int certificate_pem(struct buf *out, X509 *cert, struct error *why) {
    BIO *bio = BIO_new(BIO_s_mem());
    return take_bio(out, bio, bio && PEM_write_bio_X509(bio, cert) == 1, why);
}

int certificate_key_pem(struct buf *out, EVP_PKEY *key, struct error *why) {
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    return take_bio(out, bio, ok, why);
}

static int time_to_ns(uint64_t *ret, const ASN1_TIME *t, struct error *why) {
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1) return certificate_error(why, ERR_RANGE, "bad ASN.1 time");
    int64_t days =
        clock_days_from_civil(tm.tm_year + 1900, (unsigned)tm.tm_mon + 1u, (unsigned)tm.tm_mday);
    int64_t s = days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    if (s < 0) return error_set(why, ERR_RANGE, "certificate time before 1970");
    // 9999-12-31 means "no end" (RFC 5280 4.1.2.5).
    *ret = (uint64_t)s > UINT64_MAX / NS_PER_S ? UINT64_MAX : (uint64_t)s * NS_PER_S;
    return 0;
}

int certificate_validity(uint64_t *ret_from_ns, uint64_t *ret_until_ns, const X509 *cert,
                         struct error *why) {
    uint64_t from = 0, until = 0;
    int r = time_to_ns(&from, X509_get0_notBefore(cert), why);
    if (r == 0) r = time_to_ns(&until, X509_get0_notAfter(cert), why);
    if (r < 0) return r;
    *ret_from_ns = from;
    *ret_until_ns = until;
    return 0;
}

int certificate_key_new(EVP_PKEY **ret, struct error *why) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key) return certificate_error(why, ERR_INTERNAL, "cannot make a P-256 key");
    *ret = key;
    return 0;
}

/* ---- making a certificate ---- */

static bool set_serial(X509 *cert) {
    uint8_t serial[16];
    random_bytes(serial, sizeof serial);
    serial[0] &= 0x7f; // positive, and at most 20 octets (RFC 5280 4.1.2.2)
    BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool set_names(X509 *cert, const struct certificate_options *o) {
    X509_NAME *name = X509_get_subject_name(cert);
    if (o->organization &&
        !X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                    (const unsigned char *)o->organization, -1, -1, 0)) {
        return false;
    }
    if (o->common_name &&
        !X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    (const unsigned char *)o->common_name, -1, -1, 0)) {
        return false;
    }
    return X509_set_issuer_name(cert, name) == 1;
}

static bool set_time(ASN1_TIME *t, uint64_t wall_ns) {
    return ASN1_TIME_adj(t, (time_t)(wall_ns / NS_PER_S), 0, 0) != NULL;
}

static bool add_named(X509 *cert, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* The names go in as values, not through OpenSSL's configuration syntax, which a comma in a name
 * could escape. */
static GENERAL_NAME *host_name(const char *host) {
    uint8_t ip[16];
    int ip_bytes = inet_pton(AF_INET, host, ip) == 1    ? 4
                   : inet_pton(AF_INET6, host, ip) == 1 ? 16
                                                        : 0;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ip_bytes ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    const void *p = ip_bytes ? (const void *)ip : host;
    if (!name || !value || ASN1_STRING_set(value, p, ip_bytes ? ip_bytes : -1) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, ip_bytes ? GEN_IPADD : GEN_DNS, value);
    return name;
}

static bool add_hosts(X509 *cert, const char *const *hosts) {
    if (!hosts || !hosts[0]) return true;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names != NULL;
    for (; ok && *hosts; hosts++) {
        GENERAL_NAME *name = host_name(*hosts);
        ok = name && sk_GENERAL_NAME_push(names, name) > 0;
        if (!ok) GENERAL_NAME_free(name);
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_extension(X509 *cert, const struct certificate_extension *in) {
    ASN1_OBJECT *oid = OBJ_txt2obj(in->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *e = NULL;
    bool ok = oid && value && in->value.n < CERTIFICATE_PEM_MAX &&
              ASN1_OCTET_STRING_set(value, in->value.p, (int)in->value.n) == 1;
    if (ok) e = X509_EXTENSION_create_by_OBJ(NULL, oid, in->critical, value);
    ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct certificate_options *o) {
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) || !set_names(cert, o) ||
        !set_time(X509_getm_notBefore(cert), o->not_before_ns) ||
        !set_time(X509_getm_notAfter(cert), o->not_after_ns) || X509_set_pubkey(cert, key) != 1) {
        return false;
    }
    if (!o->plain && (!add_named(cert, NID_key_usage, "critical,digitalSignature,keyCertSign") ||
                      !add_named(cert, NID_ext_key_usage, "serverAuth") ||
                      !add_named(cert, NID_basic_constraints, "critical,CA:TRUE") ||
                      !add_hosts(cert, o->hosts))) {
        return false;
    }
    for (size_t i = 0; i < o->extension_count; i++) {
        if (!add_extension(cert, &o->extensions[i])) return false;
    }
    return X509_sign(cert, key, EVP_sha256()) > 0;
}

int certificate_self_sign(X509 **ret, EVP_PKEY *key, const struct certificate_options *options,
                          struct error *why) {
    X509 *cert = X509_new();
    if (!cert || !fill(cert, key, options)) {
        X509_free(cert);
        return certificate_error(why, ERR_INTERNAL, "cannot make a certificate");
    }
    *ret = cert;
    return 0;
}

int certificate_self_sign_pem(struct buf *ret_cert, struct buf *ret_key,
                              const struct certificate_options *options, struct error *why) {
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    int r = certificate_key_new(&key, why);
    if (r == 0) r = certificate_self_sign(&cert, key, options, why);
    if (r == 0) r = certificate_pem(ret_cert, cert, why);
    if (r == 0) r = certificate_key_pem(ret_key, key, why);
    X509_free(cert);
    EVP_PKEY_free(key);
    return r;
}
