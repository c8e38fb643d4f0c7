/* SPDX-License-Identifier: MIT */
#include "attest/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

static const struct {
    const char *name;
    size_t size;
    unsigned char *(*hash)(const unsigned char *in, size_t n, unsigned char *ret);
} kinds[] = {
    [DIGEST_SHA1] = {"sha1", 20, SHA1},
    [DIGEST_SHA256] = {"sha256", 32, SHA256},
    [DIGEST_SHA384] = {"sha384", 48, SHA384},
    [DIGEST_SHA512] = {"sha512", 64, SHA512},
};

size_t digest_size(enum digest_kind kind) {
    return kinds[kind].size;
}

const char *digest_name(enum digest_kind kind) {
    return kinds[kind].name;
}

void digest_of(enum digest_kind kind, struct bytes in, uint8_t *ret) {
    (void)kinds[kind].hash(in.p, in.n, ret);
}

void digest_sha256(struct bytes in, uint8_t ret[32]) {
    digest_of(DIGEST_SHA256, in, ret);
}

void digest_sha384(struct bytes in, uint8_t ret[48]) {
    digest_of(DIGEST_SHA384, in, ret);
}

bool digest_sha256_two(struct bytes a, struct bytes b, uint8_t ret[32]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, a.p, a.n) == 1 && EVP_DigestUpdate(ctx, b.p, b.n) == 1 &&
              EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

void digest_extend(enum digest_kind kind, uint8_t *reg, const uint8_t *event) {
    uint8_t both[2 * DIGEST_BYTES_MAX];
    size_t n = kinds[kind].size;
    memcpy(both, reg, n);
    memcpy(both + n, event, n);
    digest_of(kind, (struct bytes){both, 2 * n}, reg);
}
