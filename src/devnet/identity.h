/* Identity: every key of a network, made from its seed and the role's name, so that two networks of
 * one seed have the same addresses. For devnets only: who knows the seed knows the keys.
 *
 *     key = Keccak-256("buildernet devnet" 0x00 seed 0x00 purpose)
 *
 * Pure but for libsecp256k1's context. Thread: any. SPDX-License-Identifier: MIT */
#ifndef DEVNET_IDENTITY_H
#define DEVNET_IDENTITY_H

#include "base/bytes.h"
#include "base/error.h"

/* identity_bytes: n bytes for a purpose such as "node-1/orderflow"; n at most 1024. */
void identity_bytes(void *ret, size_t n, const char *seed, const char *purpose);

/* A secp256k1 key and its address. errors  ERR_NO_MEMORY. */
struct identity_ecdsa {
    uint8_t key[32];
    struct address address;
};
[[gnu::warn_unused_result]] int identity_ecdsa(struct identity_ecdsa *ret, const char *seed,
                                               const char *purpose, struct error *why);

/* A BLS key (32 bytes, big-endian) and its public key. */
struct identity_bls {
    uint8_t key[32];
    struct bytes48 pubkey;
};
[[gnu::warn_unused_result]] int identity_bls(struct identity_bls *ret, const char *seed,
                                             const char *purpose, struct error *why);

#endif
