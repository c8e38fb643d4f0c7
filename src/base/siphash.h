/* SipHash-1-3 over bytes: a keyed hash for tables that outsiders fill. Not a message code.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF". Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/bytes.h"

struct siphash_key {
    uint64_t k[2];
};

uint64_t siphash13(const struct siphash_key *key, struct bytes in);

#endif
