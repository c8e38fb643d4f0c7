/* SPDX-License-Identifier: MIT */
#include "attest/ak_chain.h"
#include "attest/der.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static X509 *read_der(struct bytes der) {
    size_t n = der_length(der);
    const uint8_t *p = der.p;
    if (n == 0 || n > AK_CERTIFICATE_BYTES_MAX) return NULL;
    return d2i_X509(NULL, &p, (long)n);
}

// Adds every PEM certificate to a store (trusted) or a stack.
static bool add_pem(const char *pem, X509_STORE *store, STACK_OF(X509) * stack) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x;
    bool ok = bio != NULL;
    while (ok && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (store) ok = X509_STORE_add_cert(store, x) == 1;
        if (stack) {
            ok = sk_X509_push(stack, x) > 0;
            if (ok) continue;
        }
        X509_free(x);
    }
    BIO_free(bio);
    return ok;
}

static bool add_intermediates(const struct ak_chain *chain, STACK_OF(X509) * stack) {
    for (size_t i = 0; i < chain->intermediate_count; i++) {
        X509 *x = read_der(chain->intermediates[i]);
        if (!x || sk_X509_push(stack, x) <= 0) {
            X509_free(x);
            return false;
        }
    }
    return add_pem(ak_chain_azure_intermediates, NULL, stack);
}

static int verify(X509 *leaf, X509_STORE *store, STACK_OF(X509) * stack, uint64_t now,
                  struct error *why) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!ctx || X509_STORE_CTX_init(ctx, store, leaf, stack) != 1) {
        X509_STORE_CTX_free(ctx);
        return error_set(why, ERR_NO_MEMORY, "AK certificate");
    }
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)now);
    (void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_depth(param, AK_CHAIN_INTERMEDIATES_MAX);
    int code = 0;
    if (X509_verify_cert(ctx) != 1) {
        int error = X509_STORE_CTX_get_error(ctx);
        bool time = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
        code = error_set(why, time ? ERR_STALE : ERR_INVALID, "AK certificate chain: %s",
                         X509_verify_cert_error_string(error));
    }
    X509_STORE_CTX_free(ctx);
    return code;
}

static int read_key(struct rsa_public *ret, X509 *leaf, struct arena *a, struct error *why) {
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    BIGNUM *n = NULL, *e = NULL;
    int code = 0;
    if (!key || EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1 || BN_num_bytes(e) > 4) {
        code = error_set(why, ERR_UNSUPPORTED, "AK certificate: no RSA key");
    } else {
        size_t size = (size_t)BN_num_bytes(n);
        uint8_t *p = arena_alloc(a, size);
        if (!p) {
            code = error_set(why, ERR_NO_MEMORY, "AK certificate");
        } else {
            (void)BN_bn2bin(n, p);
            *ret = (struct rsa_public){{p, size}, (uint32_t)BN_get_word(e)};
        }
    }
    BN_free(n);
    BN_free(e);
    return code;
}

int ak_chain_verify(struct rsa_public *ret, const struct ak_chain *chain, const char *roots,
                    uint64_t now, struct arena *a, struct error *why) {
    X509 *leaf = read_der(chain->leaf);
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *stack = sk_X509_new_null();
    int code;
    ERR_set_mark(); // reading PEM to its end leaves an error behind
    if (!leaf) {
        code = error_set(why, ERR_SYNTAX, "AK certificate: not a certificate");
    } else if (!store || !stack || !add_pem(roots ? roots : ak_chain_azure_roots, store, NULL)) {
        code = error_set(why, ERR_NO_MEMORY, "AK certificate");
    } else if (!add_intermediates(chain, stack)) {
        code = error_set(why, ERR_SYNTAX, "AK certificate chain: an intermediate does not parse");
    } else {
        code = verify(leaf, store, stack, now, why);
    }
    if (code == 0) code = read_key(ret, leaf, a, why);
    ERR_pop_to_mark();
    sk_X509_pop_free(stack, X509_free);
    X509_STORE_free(store);
    X509_free(leaf);
    return code;
}
