/* Tokens: as they come (nobody can sign them), and as head and claims of a right signature.
 * SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "crypto/kdf.h"
#include "net/auth.h"
#include "net/fuzzing.h"

#define KEY BYTES_LIT("0123456789abcdef0123456789abcdef")
#define URL_FORM (BASE64_URL | BASE64_NO_PAD)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t *copy = fuzz_copy(bytes_make(data, n));
    struct bytes in = bytes_make(copy, n);
    struct jwt_claims claims;
    struct arena a;
    struct buf token;
    struct hash mac;
    arena_init(&a, 1u << 20);
    MUST(jwt_verify(NULL, in, KEY, 1700000000, &a, NULL) < 0);
    /* The input is "head LF claims". */
    const uint8_t *end = n ? memchr(in.p, '\n', n) : NULL;
    size_t head = end ? (size_t)(end - in.p) : n;
    buf_init(&token, 0);
    base64_append(&token, bytes_slice(in, 0, head), URL_FORM);
    buf_append_byte(&token, '.');
    base64_append(&token, bytes_slice(in, head + 1, n), URL_FORM);
    MUST(hmac_sha256(&mac, KEY, buf_view(&token), NULL) == 0);
    buf_append_byte(&token, '.');
    base64_append(&token, BYTES_OF(mac), URL_FORM);
    if (jwt_verify(&claims, buf_view(&token), KEY, 1700000000, &a, NULL) == 0) {
        MUST(claims.iat >= 1700000000 - JWT_WINDOW_S && claims.iat <= 1700000000 + JWT_WINDOW_S);
    }
    buf_free(&token);
    arena_free(&a);
    free(copy);
    return 0;
}
