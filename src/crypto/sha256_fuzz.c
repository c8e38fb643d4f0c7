/* SHA-256 against libcrypto: whole, in pieces, and as pairs.
 * SPDX-License-Identifier: MIT */
#include "crypto/sha256.h"
#include "crypto/sha256_impl.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(const struct hash *got, struct bytes in) {
    struct hash expected;
    if (EVP_Digest(in.p, in.n, expected.b, NULL, EVP_sha256(), NULL) != 1) abort();
    if (!hash_equal(got, &expected)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hash h = sha256(bytes_make(data, size));
    expect(&h, bytes_make(data, size));
    struct sha256 s;
    sha256_init(&s);
    for (size_t at = 0; at < size;) {
        size_t n = (size_t)data[at] + 1;
        if (n > size - at) n = size - at;
        sha256_update(&s, bytes_make(data + at, n));
        at += n;
    }
    h = sha256_final(&s);
    expect(&h, bytes_make(data, size));
    struct hash level[64], pairs[32];
    size_t count = size / 64 < 32 ? size / 64 : 32;
    if (count > 0) memcpy(level, data, 64 * count);
    sha256_pairs(pairs, level, count);
    for (size_t i = 0; i < count; i++) {
        expect(&pairs[i], bytes_make(&level[2 * i], 64));
    }
    return 0;
}
