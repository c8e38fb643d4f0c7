/* ECDSA verification on P-256 (secp256r1): the precompiled contract of EIP-7951 and whatever else
 * checks bare signatures. Certificates go through OpenSSL's X.509 instead.
 *
 * The arithmetic is OpenSSL's. A `struct p256` holds the curve, made once and then only read; all
 * threads share one.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_P256_H
#define CRYPTO_P256_H

#include "base/bytes.h"
#include "base/error.h"

struct p256;

/* errors: ERR_NO_MEMORY. p256_free(NULL) is fine. */
[[gnu::warn_unused_result]] int p256_new(struct p256 **ret, struct error *why);
void p256_free(struct p256 *curve);

/* p256_verify: whether (r, s) is a signature of `digest` under the key (x, y); numbers are 32 bytes
 * big-endian. False too for r or s outside [1, n-1], x or y not below p, a point that is not on the
 * curve, (0, 0), and when there is no memory. Both halves of s are accepted (EIP-7951). */
bool p256_verify(const struct p256 *curve, const struct hash *digest, const uint8_t r[32],
                 const uint8_t s[32], const uint8_t x[32], const uint8_t y[32]);

#endif
