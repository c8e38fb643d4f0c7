/* The sender cache against bare recovery: a program of look-ups over a few signatures and changed
 * copies of them. Whatever was looked up before, the answer is that of a recovery.
 * SPDX-License-Identifier: MIT */
#include "crypto/sender_cache.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64

// The valid start: key 1 over a digest of ones.
static void valid(struct hash *digest, struct ecdsa_signature *signature) {
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key = {{[31] = 1}};
    memset(digest->b, 1, sizeof digest->b);
    if (ecdsa_signer_new(&signer, NULL) != 0) abort();
    if (ecdsa_sign(signer, signature, digest, &key, NULL) != 0) abort();
    ecdsa_signer_free(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sender_cache *cache;
    struct hash digest;
    struct ecdsa_signature good;
    valid(&digest, &good);
    if (sender_cache_new(&cache, 0, NULL) != 0) abort();
    for (size_t step = 0; step < STEPS_MAX && 4 * step + 4 <= size; step++) {
        const uint8_t *op = data + 4 * step; // which field, which byte, what is XORed
        struct hash d = digest;
        struct ecdsa_signature s = good;
        uint8_t *fields[4] = {d.b, s.r, s.s, &s.y_parity};
        fields[op[0] % 4][op[0] % 4 == 3 ? 0 : op[1] % 32] ^= op[2];
        if (op[3] == 0) memset(s.s, 0, 32);
        if (op[3] == 1) memset(s.r, 0xff, 32);
        struct address got, expected;
        int a = sender_cache_recover(cache, &got, &d, &s, NULL);
        int b = ecdsa_recover_address(&expected, &d, &s, NULL);
        if (a != b || (a == 0 && !address_equal(&got, &expected))) abort();
        bool kept = sender_cache_get(cache, &got, &d, &s);
        if (kept != (b == 0) || (kept && !address_equal(&got, &expected))) abort();
    }
    sender_cache_free(cache);
    return 0;
}
