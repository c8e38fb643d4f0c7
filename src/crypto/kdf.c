/* SPDX-License-Identifier: MIT */
#include "crypto/kdf.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

static int refused(struct error *why, const char *what) {
    return error_set(why, ERR_INTERNAL, "libcrypto refused %s", what);
}

int sha384(uint8_t ret[48], struct bytes in, struct error *why) {
    return EVP_Digest(in.p, in.n, ret, NULL, EVP_sha384(), NULL) == 1 ? 0 : refused(why, "SHA-384");
}

int sha512(uint8_t ret[64], struct bytes in, struct error *why) {
    return EVP_Digest(in.p, in.n, ret, NULL, EVP_sha512(), NULL) == 1 ? 0 : refused(why, "SHA-512");
}

static int hmac(uint8_t *ret, const EVP_MD *md, struct bytes key, struct bytes in,
                struct error *why) {
    if (key.n > INT_MAX) return error_set(why, ERR_RANGE, "a key of %zu bytes", key.n);
    // A NULL key would mean the key of an earlier call.
    const void *key_p = key.n > 0 ? (const void *)key.p : "";
    return HMAC(md, key_p, (int)key.n, in.p, in.n, ret, NULL) ? 0 : refused(why, "HMAC");
}

int hmac_sha256(struct hash *ret, struct bytes key, struct bytes in, struct error *why) {
    return hmac(ret->b, EVP_sha256(), key, in, why);
}

int hmac_sha512(uint8_t ret[64], struct bytes key, struct bytes in, struct error *why) {
    return hmac(ret, EVP_sha512(), key, in, why);
}

int hkdf_sha256_extract(struct hash *ret, struct bytes salt, struct bytes key, struct error *why) {
    static const struct hash zero;
    return hmac_sha256(ret, salt.n > 0 ? salt : BYTES_OF(zero), key, why);
}

int hkdf_sha256_expand(uint8_t *ret, size_t ret_n, const struct hash *prk, struct bytes info,
                       struct error *why) {
    if (ret_n > 255 * sizeof prk->b) {
        return error_set(why, ERR_RANGE, "HKDF gives at most 8160 bytes, not %zu", ret_n);
    }
    if (ret_n == 0) return 0;
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)prk->b,
                                          sizeof prk->b),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.p, info.n),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int r = context && EVP_KDF_derive(context, ret, ret_n, params) == 1 ? 0 : refused(why, "HKDF");
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return r;
}

static int pbkdf2(uint8_t *ret, size_t ret_n, const EVP_MD *md, struct bytes password,
                  struct bytes salt, uint64_t iterations, struct error *why) {
    if (iterations == 0 || iterations > INT_MAX || password.n > INT_MAX || salt.n > INT_MAX ||
        ret_n > INT_MAX) {
        return error_set(why, ERR_RANGE, "PBKDF2 with these sizes or iterations");
    }
    const char *pass = password.n > 0 ? (const char *)password.p : "";
    return PKCS5_PBKDF2_HMAC(pass, (int)password.n, salt.p, (int)salt.n, (int)iterations, md,
                             (int)ret_n, ret) == 1
               ? 0
               : refused(why, "PBKDF2");
}

int pbkdf2_sha256(uint8_t *ret, size_t ret_n, struct bytes password, struct bytes salt,
                  uint64_t iterations, struct error *why) {
    return pbkdf2(ret, ret_n, EVP_sha256(), password, salt, iterations, why);
}

int pbkdf2_sha512(uint8_t *ret, size_t ret_n, struct bytes password, struct bytes salt,
                  uint64_t iterations, struct error *why) {
    return pbkdf2(ret, ret_n, EVP_sha512(), password, salt, iterations, why);
}

int scrypt(uint8_t *ret, size_t ret_n, struct bytes password, struct bytes salt, uint64_t n,
           uint64_t r, uint64_t p, struct error *why) {
    bool short_blocks = r < 4 && n >> (16 * r) != 0;
    if (n < 2 || (n & (n - 1)) != 0 || r == 0 || p == 0 || r >= ((uint64_t)1 << 30) / p ||
        short_blocks) {
        return error_set(why, ERR_RANGE, "scrypt with n, r or p out of range");
    }
    uint64_t blocks = SCRYPT_MEMORY_MAX / 128 / r; // that the memory may hold: n of them, and p
    if (n > blocks || p > blocks || p > 16 * blocks / n) {
        return error_set(why, ERR_LIMIT, "scrypt with more work than is allowed");
    }
    const char *pass = password.n > 0 ? (const char *)password.p : "";
    // libcrypto's own check counts a little more than the table; leave it room.
    uint64_t room = SCRYPT_MEMORY_MAX + 256 * r * p + ((uint64_t)1 << 20);
    return EVP_PBE_scrypt(pass, password.n, salt.p, salt.n, n, r, p, room, ret, ret_n) == 1
               ? 0
               : refused(why, "scrypt");
}

int aes128_ctr(uint8_t *ret, const uint8_t key[16], const uint8_t iv[16], struct bytes in,
               struct error *why) {
    if (in.n > INT_MAX) return error_set(why, ERR_RANGE, "AES-CTR over %zu bytes", in.n);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context) return error_set(why, ERR_NO_MEMORY, "no memory for a cipher");
    int n = 0;
    bool done = EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
                (in.n == 0 || EVP_EncryptUpdate(context, ret, &n, in.p, (int)in.n) == 1) &&
                (size_t)n == in.n;
    EVP_CIPHER_CTX_free(context);
    return done ? 0 : refused(why, "AES-128-CTR");
}
