/* SPDX-License-Identifier: MIT */
#include "attest/ak_authority.h"
#include "attest/files.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#define SERIAL_BYTES 16

static int internal(struct error *why) {
    return error_set(why, ERR_INTERNAL, "authority of attestation keys: OpenSSL refuses");
}

/* ---- certificates ---- */

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *x) {
    uint8_t bytes[SERIAL_BYTES];
    BIGNUM *n = NULL;
    bool ok = RAND_bytes(bytes, sizeof bytes) == 1;
    bytes[0] = (bytes[0] & 0x7f) | 1; // neither negative nor zero
    n = ok ? BN_bin2bn(bytes, sizeof bytes, NULL) : NULL;
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return ok;
}

static bool set_times(X509 *x, uint64_t now, int days) {
    time_t t = (time_t)now;
    return X509_time_adj_ex(X509_getm_notBefore(x), -1, 0, &t) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x), days, 0, &t) != NULL;
}

static bool set_name(X509_NAME *name, const char *text) {
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

// A certificate of `key` by `issuer` (NULL: by itself) and its key; NULL when anything fails.
static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer, uint64_t now,
                  int days) {
    X509 *x = X509_new(), *by = issuer ? issuer : x;
    bool ok = x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
              set_times(x, now, days) && X509_set_pubkey(x, key) == 1 &&
              set_name(X509_get_subject_name(x), name) &&
              X509_set_issuer_name(x, X509_get_subject_name(by)) == 1 &&
              add_extension(x, by, NID_basic_constraints,
                            issuer ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0") &&
              add_extension(x, by, NID_key_usage,
                            issuer ? "critical,digitalSignature" : "critical,keyCertSign") &&
              X509_sign(x, signer, EVP_sha256()) > 0;
    if (ok) return x;
    X509_free(x);
    return NULL;
}

/* ---- the files ---- */

static int store(const char *folder, const char *name, BIO *content, mode_t mode,
                 struct error *why) {
    char path[PATH_MAX];
    char *p = NULL;
    long n = BIO_get_mem_data(content, &p);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return files_write(path, bytes_make(p, (size_t)n), mode, why);
}

static bool made_before(const char *folder) {
    char key[PATH_MAX], root[PATH_MAX];
    (void)snprintf(key, sizeof key, "%s/" AK_AUTHORITY_KEY, folder);
    (void)snprintf(root, sizeof root, "%s/" AK_AUTHORITY_ROOT, folder);
    return access(key, R_OK) == 0 && access(root, R_OK) == 0;
}

int ak_authority_make(const char *folder, uint64_t now, struct error *why) {
    if (made_before(folder)) return 0;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *root = key ? make(AK_AUTHORITY_NAME, key, NULL, key, now, 3650) : NULL;
    BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_secmem());
    bool ok = root && a && b && PEM_write_bio_X509(a, root) == 1 &&
              PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1;
    int r = ok ? store(folder, AK_AUTHORITY_KEY, b, 0600, why) : internal(why);
    if (r == 0) r = store(folder, AK_AUTHORITY_ROOT, a, 0644, why);
    BIO_free(a);
    BIO_free(b);
    X509_free(root);
    EVP_PKEY_free(key);
    return r;
}

static int read_file(BIO **ret, const char *folder, const char *name, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    *ret = BIO_new_file(path, "r");
    return *ret ? 0 : error_set(why, ERR_NOT_FOUND, "%s cannot be read", path);
}

static int load(X509 **ret_root, EVP_PKEY **ret_key, const char *folder, struct error *why) {
    BIO *root = NULL, *key = NULL;
    int r = read_file(&root, folder, AK_AUTHORITY_ROOT, why);
    if (r == 0) r = read_file(&key, folder, AK_AUTHORITY_KEY, why);
    if (r == 0) {
        *ret_root = PEM_read_bio_X509(root, NULL, NULL, NULL);
        *ret_key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
        if (!*ret_root || !*ret_key) {
            r = error_set(why, ERR_SYNTAX, "%s: no certificate with its key", folder);
        }
    }
    BIO_free(root);
    BIO_free(key);
    return r;
}

/* ---- certifying ---- */

static EVP_PKEY *rsa_key(const struct rsa_public *key) {
    BIGNUM *n = BN_bin2bn(key->n.p, (int)key->n.n, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *ret = NULL;
    if (n && b && ctx && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_uint32(b, OSSL_PKEY_PARAM_RSA_E, key->e) == 1) {
        params = OSSL_PARAM_BLD_to_param(b);
    }
    if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        ret = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_BLD_free(b);
    BN_free(n);
    return ret;
}

static int encode(struct bytes *ret_der, X509 *x, struct arena *a, struct error *why) {
    uint8_t *der = NULL;
    int n = x ? i2d_X509(x, &der) : -1;
    if (n <= 0) return internal(why);
    *ret_der = arena_copy(a, bytes_make(der, (size_t)n));
    OPENSSL_free(der);
    return ret_der->p ? 0 : error_set(why, ERR_NO_MEMORY, "certificate");
}

int ak_authority_certify(struct bytes *ret_der, const char *folder, const struct rsa_public *key,
                         uint64_t now, struct arena *a, struct error *why) {
    X509 *root = NULL, *leaf = NULL;
    EVP_PKEY *signer = NULL, *subject = NULL;
    int r = load(&root, &signer, folder, why);
    if (r == 0) {
        subject = rsa_key(key);
        leaf = subject ? make("vTPM attestation key", subject, root, signer, now, 365) : NULL;
        r = encode(ret_der, leaf, a, why);
    }
    X509_free(leaf);
    X509_free(root);
    EVP_PKEY_free(subject);
    EVP_PKEY_free(signer);
    return r;
}
