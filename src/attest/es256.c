/* SPDX-License-Identifier: MIT */
#include "attest/es256.h"
#include "attest/digest.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <stdlib.h>

struct es256_key {
    EVP_PKEY *pkey;
    uint8_t point[64];
};

static int key_from(struct es256_key **ret, const uint8_t point[64], const uint8_t *secret,
                    struct error *why) {
    uint8_t encoded[65] = {4};
    memcpy(encoded + 1, point, 64);
    uint8_t number[32];
    OSSL_PARAM params[4], *p = params;
    char group[] = "prime256v1";
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded);
    if (secret) {
        for (int i = 0; i < 32; i++) {
            number[i] = secret[31 - i]; // native (little-endian) order
        }
        *p++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, number, sizeof number);
    }
    *p = OSSL_PARAM_construct_end();
    struct es256_key *key = calloc(1, sizeof *key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    int code = 0;
    if (!key || !ctx) {
        code = error_set(why, ERR_NO_MEMORY, "P-256 key");
    } else if (EVP_PKEY_fromdata_init(ctx) != 1 ||
               EVP_PKEY_fromdata(ctx, &key->pkey, secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                                 params) != 1) {
        code = error_set(why, ERR_INVALID, "P-256 key: not a point of the curve");
    }
    EVP_PKEY_CTX_free(ctx);
    bytes_wipe(number, sizeof number);
    if (code < 0) {
        es256_key_free(key);
        return code;
    }
    memcpy(key->point, point, 64);
    *ret = key;
    return 0;
}

int es256_key_public(struct es256_key **ret, const uint8_t point[64], struct error *why) {
    return key_from(ret, point, NULL, why);
}

// The public half of a secret number; false when it is out of range.
static bool point_of(const uint8_t secret[32], uint8_t ret[64]) {
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *n = BN_secure_new();
    EC_POINT *q = group ? EC_POINT_new(group) : NULL;
    uint8_t encoded[65];
    bool ok = n && q && BN_bin2bn(secret, 32, n) && !BN_is_zero(n) &&
              BN_cmp(n, EC_GROUP_get0_order(group)) < 0 &&
              EC_POINT_mul(group, q, n, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, encoded, sizeof encoded,
                                 NULL) == sizeof encoded;
    if (ok) memcpy(ret, encoded + 1, 64);
    EC_POINT_free(q);
    BN_clear_free(n);
    EC_GROUP_free(group);
    return ok;
}

int es256_key_private(struct es256_key **ret, const uint8_t secret[32], struct error *why) {
    uint8_t point[64];
    if (!point_of(secret, point)) {
        return error_set(why, ERR_RANGE, "P-256 key: the secret is out of range");
    }
    return key_from(ret, point, secret, why);
}

int es256_key_generate(struct es256_key **ret, uint8_t ret_secret[32], struct error *why) {
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIGNUM *n = NULL;
    int code = ERR_INTERNAL;
    if (pkey && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &n) == 1 &&
        BN_bn2binpad(n, ret_secret, 32) == 32) {
        code = es256_key_private(ret, ret_secret, why);
    } else {
        code = error_set(why, ERR_INTERNAL, "P-256 key: OpenSSL made none");
    }
    BN_clear_free(n);
    EVP_PKEY_free(pkey);
    return code;
}

void es256_key_free(struct es256_key *key) {
    if (!key) return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

void es256_key_point(const struct es256_key *key, uint8_t ret[64]) {
    memcpy(ret, key->point, 64);
}

// Appends a DER INTEGER of a 32-byte number; returns its length.
static size_t write_integer(uint8_t *ret, const uint8_t n[32]) {
    size_t from = 0;
    while (from < 31 && n[from] == 0) {
        from++;
    }
    size_t pad = n[from] >> 7;
    ret[0] = 2;
    ret[1] = (uint8_t)(32 - from + pad);
    ret[2] = 0;
    memcpy(ret + 2 + pad, n + from, 32 - from);
    return 2 + pad + 32 - from;
}

bool es256_verify(const struct es256_key *key, const uint8_t digest[32],
                  const uint8_t signature[64]) {
    uint8_t der[2 + 2 * 35];
    size_t n = write_integer(der + 2, signature);
    n += write_integer(der + 2 + n, signature + 32);
    der[0] = 0x30;
    der[1] = (uint8_t)n;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok =
        ctx && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_verify(ctx, der, n + 2, digest, 32) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool es256_verify_message(const struct es256_key *key, struct bytes message,
                          const uint8_t signature[64]) {
    uint8_t digest[32];
    digest_sha256(message, digest);
    return es256_verify(key, digest, signature);
}

int es256_sign_message(const struct es256_key *key, struct bytes message, uint8_t ret[64],
                       struct error *why) {
    uint8_t digest[32], der[80];
    size_t n = sizeof der;
    digest_sha256(message, digest);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx && EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, der, &n, digest, 32) == 1;
    EVP_PKEY_CTX_free(ctx);
    const uint8_t *p = der;
    ECDSA_SIG *sig = ok ? d2i_ECDSA_SIG(NULL, &p, (long)n) : NULL;
    ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32) == 32 &&
         BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    return ok ? 0 : error_set(why, ERR_INTERNAL, "P-256: signing failed");
}
