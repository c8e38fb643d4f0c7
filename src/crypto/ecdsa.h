/* ECDSA on secp256k1 as Ethereum uses it: recovery of the sender, signing, checking.
 *
 * The curve is libsecp256k1's. Recovery and checking need no context and take no secrets; signing
 * goes through a signer, whose blinding is drawn once from the operating system and which is then
 * only read, so that all threads share one. Signatures are made deterministic (RFC 6979) and with
 * s in the lower half. Whether a given s must be in the lower half is a rule of transactions, not
 * of the curve: recovery takes both, ecdsa_s_is_low tells.
 *
 * Numbers are 32 bytes, big-endian; public keys 64 bytes, x then y. Any thread.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_ECDSA_H
#define CRYPTO_ECDSA_H

#include "base/bytes.h"
#include "base/error.h"

struct ecdsa_signature {
    uint8_t r[32], s[32];
    uint8_t y_parity; /* 0 or 1: whether the y of R is odd */
};

struct ecdsa_public_key {
    uint8_t b[64];
};

/* A secret number in [1, n-1]. The owner wipes it (bytes_wipe). */
struct ecdsa_secret_key {
    uint8_t b[32];
};

/* ecdsa_recover finds the key that signed. errors: ERR_RANGE (r or s is 0 or not below n, y_parity
 * above 1), ERR_INVALID (no point has this r, or the key would be the point at infinity).
 * cost: about 40 us. */
[[gnu::warn_unused_result]] int ecdsa_recover(struct ecdsa_public_key *ret,
                                              const struct hash *digest,
                                              const struct ecdsa_signature *signature,
                                              struct error *why);

/* ecdsa_recover_address is ecdsa_recover with the key's address as its result. */
[[gnu::warn_unused_result]] int ecdsa_recover_address(struct address *ret,
                                                      const struct hash *digest,
                                                      const struct ecdsa_signature *signature,
                                                      struct error *why);

/* ecdsa_verify checks r and s against a key; y_parity is not looked at, s may be in either half.
 * errors: ERR_RANGE (the key is not a point of the curve, r or s out of range), ERR_INVALID. */
[[gnu::warn_unused_result]] int ecdsa_verify(const struct ecdsa_public_key *key,
                                             const struct hash *digest,
                                             const struct ecdsa_signature *signature,
                                             struct error *why);

/* ecdsa_address: the last 20 bytes of the Keccak-256 of the key. */
struct address ecdsa_address(const struct ecdsa_public_key *key);

/* ecdsa_s_is_low: s <= n/2 (EIP-2). */
bool ecdsa_s_is_low(const uint8_t s[32]);

/* ecdsa_public_key_parse reads SEC 1 encodings: 33 bytes (02, 03), 65 bytes (04), and 64 bytes
 * without a prefix. errors: ERR_SYNTAX (another length or prefix), ERR_RANGE (not on the curve). */
[[gnu::warn_unused_result]] int ecdsa_public_key_parse(struct ecdsa_public_key *ret,
                                                       struct bytes in, struct error *why);

/* ecdsa_public_key_compress gives the 33-byte form. */
void ecdsa_public_key_compress(uint8_t ret[33], const struct ecdsa_public_key *key);

struct ecdsa_signer;

/* ecdsa_signer_new makes a signer; ecdsa_signer_free ends it (NULL is fine).
 * errors: ERR_NO_MEMORY, ERR_INTERNAL. */
[[gnu::warn_unused_result]] int ecdsa_signer_new(struct ecdsa_signer **ret, struct error *why);
void ecdsa_signer_free(struct ecdsa_signer *signer);

/* ecdsa_sign signs a digest; constant time in the key. errors: ERR_RANGE (the key is 0 or not
 * below n). */
[[gnu::warn_unused_result]] int ecdsa_sign(const struct ecdsa_signer *signer,
                                           struct ecdsa_signature *ret, const struct hash *digest,
                                           const struct ecdsa_secret_key *key, struct error *why);

/* ecdsa_public_key_of computes the key's public key; constant time. errors: ERR_RANGE. */
[[gnu::warn_unused_result]] int ecdsa_public_key_of(const struct ecdsa_signer *signer,
                                                    struct ecdsa_public_key *ret,
                                                    const struct ecdsa_secret_key *key,
                                                    struct error *why);

/* ecdsa_secret_key_new draws a key from the operating system (random_bytes). */
void ecdsa_secret_key_new(struct ecdsa_secret_key *ret);

#endif
