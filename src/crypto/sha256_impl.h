/* SHA-256's inner parts, shared by its two files only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_SHA256_IMPL_H
#define CRYPTO_SHA256_IMPL_H

#include "base/bytes.h"

extern const uint32_t sha256_round_constants[64];
extern const uint32_t sha256_initial_state[8];

/* sha256_compress_*: takes `count` 64-byte blocks into the state. */
typedef void sha256_compress(uint32_t state[8], const uint8_t *blocks, size_t count);
void sha256_compress_plain(uint32_t state[8], const uint8_t *blocks, size_t count);

#if defined(__x86_64__)
void sha256_compress_ni(uint32_t state[8], const uint8_t *blocks, size_t count);
/* sha256_pairs_ni: two pairs at a time, so that their instructions overlap; count is even. */
void sha256_pairs_ni(struct hash *ret, const struct hash *in, size_t count);
#endif

#endif
