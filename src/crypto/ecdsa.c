/* SPDX-License-Identifier: MIT */
#include "crypto/ecdsa.h"

#include "base/random.h"
#include "crypto/keccak.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>

struct ecdsa_signer {
    secp256k1_context *context;
};

static void key_bytes(struct ecdsa_public_key *ret, const secp256k1_pubkey *key) {
    uint8_t encoded[65];
    size_t n = sizeof encoded;
    (void)secp256k1_ec_pubkey_serialize(secp256k1_context_static, encoded, &n, key,
                                        SECP256K1_EC_UNCOMPRESSED);
    memcpy(ret->b, encoded + 1, sizeof ret->b);
}

static bool key_parse(secp256k1_pubkey *ret, const struct ecdsa_public_key *key) {
    uint8_t encoded[65] = {0x04};
    memcpy(encoded + 1, key->b, sizeof key->b);
    return secp256k1_ec_pubkey_parse(secp256k1_context_static, ret, encoded, sizeof encoded) != 0;
}

static void compact(uint8_t ret[64], const struct ecdsa_signature *signature) {
    memcpy(ret, signature->r, 32);
    memcpy(ret + 32, signature->s, 32);
}

int ecdsa_recover(struct ecdsa_public_key *ret, const struct hash *digest,
                  const struct ecdsa_signature *signature, struct error *why) {
    uint8_t rs[64];
    compact(rs, signature);
    if (signature->y_parity > 1) return error_set(why, ERR_RANGE, "y parity is not 0 or 1");
    secp256k1_ecdsa_recoverable_signature parsed;
    if (!secp256k1_ecdsa_recoverable_signature_parse_compact(secp256k1_context_static, &parsed, rs,
                                                             signature->y_parity)) {
        return error_set(why, ERR_RANGE, "signature r or s is not below the group order");
    }
    static const uint8_t zero[32];
    if (memcmp(rs, zero, 32) == 0 || memcmp(rs + 32, zero, 32) == 0) {
        return error_set(why, ERR_RANGE, "signature r or s is zero");
    }
    secp256k1_pubkey key;
    if (!secp256k1_ecdsa_recover(secp256k1_context_static, &key, &parsed, digest->b)) {
        return error_set(why, ERR_INVALID, "no key can have made this signature");
    }
    key_bytes(ret, &key);
    return 0;
}

struct address ecdsa_address(const struct ecdsa_public_key *key) {
    struct hash h = keccak256(BYTES_OF(*key));
    struct address ret;
    memcpy(ret.b, h.b + 12, sizeof ret.b);
    return ret;
}

int ecdsa_recover_address(struct address *ret, const struct hash *digest,
                          const struct ecdsa_signature *signature, struct error *why) {
    struct ecdsa_public_key key;
    int r = ecdsa_recover(&key, digest, signature, why);
    if (r == 0) *ret = ecdsa_address(&key);
    return r;
}

int ecdsa_verify(const struct ecdsa_public_key *key, const struct hash *digest,
                 const struct ecdsa_signature *signature, struct error *why) {
    secp256k1_pubkey parsed_key;
    if (!key_parse(&parsed_key, key)) {
        return error_set(why, ERR_RANGE, "the public key is not a point of the curve");
    }
    uint8_t rs[64];
    compact(rs, signature);
    secp256k1_ecdsa_signature parsed;
    if (!secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, &parsed, rs)) {
        return error_set(why, ERR_RANGE, "signature r or s is not below the group order");
    }
    (void)secp256k1_ecdsa_signature_normalize(secp256k1_context_static, &parsed, &parsed);
    if (!secp256k1_ecdsa_verify(secp256k1_context_static, &parsed, digest->b, &parsed_key)) {
        return error_set(why, ERR_INVALID, "the signature is not of this key and digest");
    }
    return 0;
}

bool ecdsa_s_is_low(const uint8_t s[32]) {
    static const uint8_t half[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                     0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
    return memcmp(s, half, sizeof half) <= 0;
}

int ecdsa_public_key_parse(struct ecdsa_public_key *ret, struct bytes in, struct error *why) {
    uint8_t encoded[65] = {0x04};
    size_t n = in.n;
    if (n == 64) {
        memcpy(encoded + 1, in.p, 64);
        n = 65;
    } else if ((n == 65 && in.p[0] == 0x04) || (n == 33 && (in.p[0] == 2 || in.p[0] == 3))) {
        memcpy(encoded, in.p, n);
    } else {
        return error_set(why, ERR_SYNTAX, "not a public key: %zu bytes or an unknown prefix", n);
    }
    secp256k1_pubkey key;
    if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &key, encoded, n)) {
        return error_set(why, ERR_RANGE, "the public key is not a point of the curve");
    }
    key_bytes(ret, &key);
    return 0;
}

void ecdsa_public_key_compress(uint8_t ret[33], const struct ecdsa_public_key *key) {
    ret[0] = (uint8_t)(0x02 | (key->b[63] & 1));
    memcpy(ret + 1, key->b, 32);
}

int ecdsa_signer_new(struct ecdsa_signer **ret, struct error *why) {
    struct ecdsa_signer *signer = calloc(1, sizeof *signer);
    void *place = malloc(secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE));
    uint8_t seed[32];
    int r = 0;
    if (!signer || !place) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for a signer");
        goto out;
    }
    random_bytes(seed, sizeof seed);
    signer->context = secp256k1_context_preallocated_create(place, SECP256K1_CONTEXT_NONE);
    if (!secp256k1_context_randomize(signer->context, seed)) {
        r = error_set(why, ERR_INTERNAL, "the signer's context cannot be blinded");
    }
    bytes_wipe(seed, sizeof seed);
out:
    if (r != 0) {
        free(place);
        free(signer);
        return r;
    }
    *ret = signer;
    return 0;
}

void ecdsa_signer_free(struct ecdsa_signer *signer) {
    if (!signer) return;
    secp256k1_context_preallocated_destroy(signer->context);
    free(signer->context);
    free(signer);
}

int ecdsa_sign(const struct ecdsa_signer *signer, struct ecdsa_signature *ret,
               const struct hash *digest, const struct ecdsa_secret_key *key, struct error *why) {
    secp256k1_ecdsa_recoverable_signature made;
    if (!secp256k1_ecdsa_sign_recoverable(signer->context, &made, digest->b, key->b, NULL, NULL)) {
        return error_set(why, ERR_RANGE, "the secret key is zero or not below the group order");
    }
    uint8_t rs[64];
    int parity;
    (void)secp256k1_ecdsa_recoverable_signature_serialize_compact(signer->context, rs, &parity,
                                                                  &made);
    // An r above the group order (parity 2 or 3) has a chance of 2^-127 and no place in Ethereum.
    if (parity > 1) return error_set(why, ERR_INTERNAL, "the signature's r is above the order");
    memcpy(ret->r, rs, 32);
    memcpy(ret->s, rs + 32, 32);
    ret->y_parity = (uint8_t)parity;
    return 0;
}

int ecdsa_public_key_of(const struct ecdsa_signer *signer, struct ecdsa_public_key *ret,
                        const struct ecdsa_secret_key *key, struct error *why) {
    secp256k1_pubkey made;
    if (!secp256k1_ec_pubkey_create(signer->context, &made, key->b)) {
        return error_set(why, ERR_RANGE, "the secret key is zero or not below the group order");
    }
    key_bytes(ret, &made);
    return 0;
}

void ecdsa_secret_key_new(struct ecdsa_secret_key *ret) {
    do {
        random_bytes(ret->b, sizeof ret->b);
    } while (!secp256k1_ec_seckey_verify(secp256k1_context_static, ret->b));
}
