/* BLS keys at rest and their derivation: EIP-2333 (tree of keys), EIP-2334 (paths), EIP-2335
 * (keystores, version 4).
 *
 * Passwords are UTF-8. As EIP-2335 asks, they are brought to Unicode form NFKD and lose the
 * control codes (C0, C1, delete) before use; bytes that are not UTF-8 are refused. Key derivation
 * takes as long as the keystore says, within limits: scrypt up to SCRYPT_MEMORY_MAX, PBKDF2 up to
 * KEYSTORE_ITERATIONS_MAX; call it off the event loops. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_KEYSTORE_H
#define CRYPTO_BLS_KEYSTORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/bls.h"

/* EIP-2333. errors of all: ERR_RANGE (seed under 32 bytes), ERR_NO_MEMORY, ERR_INTERNAL.
 * bls_derive_master: from a seed. bls_derive_child: the index-th key under a parent. */
[[gnu::warn_unused_result]] int bls_derive_master(struct bls_secret_key *ret, struct bytes seed,
                                                  struct error *why);
[[gnu::warn_unused_result]] int bls_derive_child(struct bls_secret_key *ret,
                                                 const struct bls_secret_key *parent,
                                                 uint32_t index, struct error *why);

/* bls_derive_path: EIP-2334: "m" or "m/12381/3600/0/0/0"; any depth up to BLS_PATH_DEPTH_MAX.
 * errors    also ERR_SYNTAX (path), ERR_LIMIT (depth). */
#define BLS_PATH_DEPTH_MAX 16
[[gnu::warn_unused_result]] int bls_derive_path(struct bls_secret_key *ret, struct bytes seed,
                                                const char *path, struct error *why);

#define KEYSTORE_SALT_MAX 256
#define KEYSTORE_ITERATIONS_MAX 10000000

enum keystore_kdf { KEYSTORE_SCRYPT, KEYSTORE_PBKDF2 };

struct keystore {
    enum keystore_kdf kdf;
    uint64_t n, r, p;    /* scrypt */
    uint64_t iterations; /* PBKDF2, HMAC-SHA-256 */
    uint8_t salt[KEYSTORE_SALT_MAX];
    size_t salt_bytes;
    uint8_t checksum[32], iv[16], message[32]; /* message: the secret, encrypted */
    bool has_public_key;
    struct bytes48 public_key;
    char path[128]; /* "" when not given */
    char uuid[40];
};

/* keystore_parse reads the JSON. a: scratch for the call. errors: ERR_SYNTAX, ERR_NOT_FOUND or
 * ERR_INVALID (a member missing or of another type), ERR_UNSUPPORTED (version, function),
 * ERR_LIMIT.
 */
[[gnu::warn_unused_result]] int keystore_parse(struct keystore *ret, struct bytes json,
                                               struct arena *a, struct error *why);
/* keystore_write appends the JSON. Failures stay in the buf. */
void keystore_write(const struct keystore *k, struct buf *out);

/* keystore_open decrypts. errors: ERR_AUTH (wrong password), ERR_SYNTAX (password is not UTF-8),
 * ERR_RANGE (parameters; or the content is no secret key), ERR_LIMIT, ERR_INVALID (the key has
 * another public key than the keystore says), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int keystore_open(struct bls_secret_key *ret, const struct keystore *k,
                                              struct bytes password, struct error *why);

/* keystore_make encrypts with fresh salt, iv and uuid: scrypt n = 262144, r = 8, p = 1 or PBKDF2
 * with 262144 iterations. path: EIP-2334 or "". errors: ERR_SYNTAX, ERR_LIMIT (path),
 * ERR_NO_MEMORY, ERR_INTERNAL. */
[[gnu::warn_unused_result]] int keystore_make(struct keystore *ret, const struct bls_secret_key *sk,
                                              enum keystore_kdf kdf, struct bytes password,
                                              const char *path, struct error *why);

#endif
