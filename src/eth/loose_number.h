/* Numbers in hex as some writers give them: with leading zeros, or "0x" alone for zero. Where the
 * strict QUANTITY is meant, base/hex.h reads it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_LOOSE_NUMBER_H
#define ETH_LOOSE_NUMBER_H

#include "base/error.h"
#include "base/u256.h"

/* loose_number_parse reads "0x" and up to 64 digits. errors  ERR_SYNTAX, ERR_RANGE (more digits).
 * Any thread. */
[[gnu::warn_unused_result]] int loose_number_parse(struct u256 *ret, struct bytes text,
                                                   struct error *why);

#endif
