/* ECDSA over P-256 with SHA-256, in the raw forms that quotes and collateral use.
 *
 * A thin layer over OpenSSL: keys are parsed once and kept, signatures are r ‖ s. Keys are read
 * only after making and may be shared by threads.
 *
 * Source: FIPS 186-4.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_ES256_H
#define ATTEST_ES256_H

#include "base/bytes.h"
#include "base/error.h"

struct es256_key; /* a public key, or a private one with its public half */

/* es256_key_public parses x ‖ y (big-endian, 64 bytes) and checks that the point is on the curve.
 * errors  ERR_INVALID: not a point of the curve; ERR_NO_MEMORY. The caller frees. */
[[gnu::warn_unused_result]] int es256_key_public(struct es256_key **ret, const uint8_t point[64],
                                                 struct error *why);

/* es256_key_private makes a key from its secret number (32 bytes, big-endian, 1..n-1). */
[[gnu::warn_unused_result]] int es256_key_private(struct es256_key **ret, const uint8_t secret[32],
                                                  struct error *why);

/* es256_key_generate makes a random key and gives its secret. */
[[gnu::warn_unused_result]] int es256_key_generate(struct es256_key **ret, uint8_t ret_secret[32],
                                                   struct error *why);
void es256_key_free(struct es256_key *key);

/* es256_key_point writes x ‖ y. */
void es256_key_point(const struct es256_key *key, uint8_t ret[64]);

/* es256_verify tells whether r ‖ s signs the SHA-256 digest. Any failure inside reads as false. */
bool es256_verify(const struct es256_key *key, const uint8_t digest[32],
                  const uint8_t signature[64]);

/* es256_verify_message hashes and verifies. */
bool es256_verify_message(const struct es256_key *key, struct bytes message,
                          const uint8_t signature[64]);

/* es256_sign_message hashes and signs with a private key; 64 bytes r ‖ s at ret. */
[[gnu::warn_unused_result]] int es256_sign_message(const struct es256_key *key,
                                                   struct bytes message, uint8_t ret[64],
                                                   struct error *why);

#endif
