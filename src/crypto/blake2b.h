/* The compression function F of BLAKE2b with a number of rounds of the caller's choice, for the
 * precompiled contract. Specification: RFC 7693 section 3.2, EIP-152. Any thread.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLAKE2B_H
#define CRYPTO_BLAKE2B_H

#include "base/bytes.h"
#include "base/stop.h"

/* blake2b_compress changes h by one block m at byte offset t (low and high word); `final` marks
 * the last block. rounds: 12 in BLAKE2b itself, any number here. Cost: about 11 ns a round with
 * AVX2, 24 without. stop is looked at every 10,000 rounds. */
void blake2b_compress(uint64_t h[8], const uint64_t m[16], const uint64_t t[2], bool final,
                      uint32_t rounds, const atomic_bool *stop);

#endif
