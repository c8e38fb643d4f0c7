/* SPDX-License-Identifier: MIT */
#include "devnet/identity.h"

#include "crypto/bls.h"
#include "crypto/ecdsa.h"
#include "crypto/keccak.h"

void identity_bytes(void *ret, size_t n, const char *seed, const char *purpose) {
    uint8_t *to = ret;
    for (uint8_t block = 0; n > 0; block++) {
        struct keccak k;
        keccak_init(&k);
        keccak_update(&k, BYTES_LIT("buildernet devnet\0"));
        keccak_update(&k, bytes_make(seed, strlen(seed) + 1));
        keccak_update(&k, bytes_from_str(purpose));
        // The first block is the plain hash; longer values go on with a counter behind it.
        if (block) keccak_update(&k, bytes_make(&block, 1));
        struct hash h = keccak_final(&k);
        size_t take = n < 32 ? n : 32;
        memcpy(to, h.b, take);
        to += take;
        n -= take;
    }
}

int identity_ecdsa(struct identity_ecdsa *ret, const char *seed, const char *purpose,
                   struct error *why) {
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public;
    identity_bytes(ret->key, 32, seed, purpose);
    memcpy(&key, ret->key, sizeof ret->key);
    int r = ecdsa_signer_new(&signer, why);
    if (r < 0) return r;
    r = ecdsa_public_key_of(signer, &public, &key, why);
    if (r == 0) ret->address = ecdsa_address(&public);
    ecdsa_signer_free(signer);
    return r;
}

int identity_bls(struct identity_bls *ret, const char *seed, const char *purpose,
                 struct error *why) {
    struct bls_secret_key key;
    uint8_t material[64];
    identity_bytes(material, sizeof material, seed, purpose);
    int r = bls_secret_key_generate(&key, bytes_make(material, sizeof material),
                                    (struct bytes){NULL, 0}, why);
    if (r < 0) return r;
    bls_secret_key_store(ret->key, &key);
    bls_public_key_of(&ret->pubkey, &key);
    bytes_wipe(&key, sizeof key);
    bytes_wipe(material, sizeof material);
    return 0;
}
