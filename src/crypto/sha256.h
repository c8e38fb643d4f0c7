/* SHA-256, with the SHA instructions of the processor where it has them.
 *
 * For SSZ roots, versioned hashes, measurements, deposits. One message at once, a message in
 * pieces, or many 64-byte pairs at once (a level of a binary hash tree).
 * For keyed uses see crypto/kdf.h. Specification: FIPS 180-4. Nothing is allocated; any thread.
 * No branch or address depends on content.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H

#include "base/bytes.h"

struct hash sha256(struct bytes in);

/* A message in pieces. A plain value: a copy continues on its own. */
struct sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes taken in */
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, struct bytes in);
/* sha256_final gives the hash; s must be initialised again before its next use. */
struct hash sha256_final(struct sha256 *s);

/* sha256_pairs hashes `count` messages of 64 bytes that lie one after the other: ret[i] =
 * sha256(in[2i] || in[2i+1]). ret may be the same memory as in (a tree level over itself). */
void sha256_pairs(struct hash *ret, const struct hash *in, size_t count);

#endif
