/* Numbers in hex as some writers give them: with leading zeros, or "0x" alone for zero. Where the
 * strict QUANTITY is meant, base/hex.h reads it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_LOOSE_NUMBER_H
#define ETH_LOOSE_NUMBER_H

#include "base/error.h"
#include "base/u256.h"
#include "json/json.h"

/* loose_number_digits reads up to 64 hex digits; none are zero. loose_number_parse reads the same
 * behind "0x". errors  ERR_SYNTAX, ERR_RANGE (more digits); why->at is relative to the text. Any
 * thread. */
[[gnu::warn_unused_result]] int loose_number_digits(struct u256 *ret, struct bytes digits,
                                                    struct error *why);
[[gnu::warn_unused_result]] int loose_number_parse(struct u256 *ret, struct bytes text,
                                                   struct error *why);

/* loose_number_json is loose_number_parse of a JSON string; why->at is in the document.
 * errors  also ERR_NOT_FOUND (NULL), ERR_INVALID (another type). Any thread. */
[[gnu::warn_unused_result]] int loose_number_json(struct u256 *ret, const struct json *in,
                                                  struct error *why);

#endif
