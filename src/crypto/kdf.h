/* Keyed hashes, key derivation and the keystore's cipher: thin wrappers over OpenSSL's libcrypto.
 *
 * For JWT secrets (HMAC), attested key exchange (HKDF), BLS key derivation (HKDF-SHA-256 of
 * EIP-2333), keystores (scrypt, PBKDF2, AES-128-CTR of EIP-2335) and reports (SHA-512, SHA-384).
 * Time depends on lengths only, as far as OpenSSL promises it. Results that are secret are the
 * caller's to wipe. Any thread. Every function: ERR_NO_MEMORY or ERR_INTERNAL when libcrypto fails.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KDF_H
#define CRYPTO_KDF_H

#include "base/bytes.h"
#include "base/error.h"

/* sha384, sha512: FIPS 180-4. */
[[gnu::warn_unused_result]] int sha384(uint8_t ret[48], struct bytes in, struct error *why);
[[gnu::warn_unused_result]] int sha512(uint8_t ret[64], struct bytes in, struct error *why);

/* hmac_sha256, hmac_sha512: RFC 2104; any length of key. */
[[gnu::warn_unused_result]] int hmac_sha256(struct hash *ret, struct bytes key, struct bytes in,
                                            struct error *why);
[[gnu::warn_unused_result]] int hmac_sha512(uint8_t ret[64], struct bytes key, struct bytes in,
                                            struct error *why);

/* hkdf_sha256_extract: RFC 5869 2.2; an empty salt stands for 32 zeros. */
[[gnu::warn_unused_result]] int hkdf_sha256_extract(struct hash *ret, struct bytes salt,
                                                    struct bytes key, struct error *why);
/* hkdf_sha256_expand: RFC 5869 2.3. errors: ERR_RANGE (ret_n above 255 * 32). */
[[gnu::warn_unused_result]] int hkdf_sha256_expand(uint8_t *ret, size_t ret_n,
                                                   const struct hash *prk, struct bytes info,
                                                   struct error *why);

/* pbkdf2: RFC 8018 with HMAC-SHA-256. errors: ERR_RANGE (iterations 0 or above 2^31-1, lengths
 * above 2^31-1). */
[[gnu::warn_unused_result]] int pbkdf2_sha256(uint8_t *ret, size_t ret_n, struct bytes password,
                                              struct bytes salt, uint64_t iterations,
                                              struct error *why);
/* pbkdf2_sha512: the same with HMAC-SHA-512 (BIP-39 seeds). */
[[gnu::warn_unused_result]] int pbkdf2_sha512(uint8_t *ret, size_t ret_n, struct bytes password,
                                              struct bytes salt, uint64_t iterations,
                                              struct error *why);

#define SCRYPT_MEMORY_MAX ((uint64_t)1 << 30)

/* scrypt: RFC 7914. n is a power of two above 1. errors: ERR_RANGE (n, r, p out of the RFC's
 * ranges), ERR_LIMIT (128 * r times n, or times p, passes SCRYPT_MEMORY_MAX, or 128 * n * r * p
 * passes it 16 times). */
[[gnu::warn_unused_result]] int scrypt(uint8_t *ret, size_t ret_n, struct bytes password,
                                       struct bytes salt, uint64_t n, uint64_t r, uint64_t p,
                                       struct error *why);

/* aes128_ctr encrypts or decrypts (the same) in.n bytes; NIST SP 800-38A with a 128-bit big-endian
 * counter that begins at iv. ret may be in.p. errors: ERR_RANGE (above 2^31-1 bytes). */
[[gnu::warn_unused_result]] int aes128_ctr(uint8_t *ret, const uint8_t key[16],
                                           const uint8_t iv[16], struct bytes in,
                                           struct error *why);

#endif
