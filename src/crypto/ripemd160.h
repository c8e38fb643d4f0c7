/* RIPEMD-160, for the precompiled contract. Specification: ISO/IEC 10118-3. Any thread.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_RIPEMD160_H
#define CRYPTO_RIPEMD160_H

#include "base/bytes.h"
#include "base/stop.h"

/* ripemd160 gives the 20 bytes of the hash (struct address serves as the 20-byte value).
 * stop  may be NULL; when it is set, the rest is left out and what is given means nothing. */
struct address ripemd160(struct bytes in, const atomic_bool *stop);

#endif
