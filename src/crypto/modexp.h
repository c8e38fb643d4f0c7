/* Modular exponentiation of big numbers given as bytes, for the precompiled contract. Gas and the
 * limits of lengths are the contract's and stand in evm. Not for secrets: time depends on values.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_MODEXP_H
#define CRYPTO_MODEXP_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/stop.h"

/* modexp computes base^exponent mod modulus, all big-endian and of any length, zero included.
 * ret  modulus.n bytes, big-endian, apart from the inputs; 0^0 = 1; all zeros when the modulus is
 *      0 or 1.
 * stop   may be NULL; looked at every 2 ms or so of exponents that take longer than 8 ms, one after
 *        the other step of that length. What then stands in ret means nothing.
 * limits the caller bounds the lengths: GMP ends the process when there is no memory.
 * errors ERR_CANCELLED: stop was set. */
[[gnu::warn_unused_result]] int modexp(uint8_t *ret, struct bytes base, struct bytes exponent,
                                       struct bytes modulus, const atomic_bool *stop);

#endif
