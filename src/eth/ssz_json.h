/* JSON of the beacon, builder and relay APIs for everything that ssz.h describes: integers as
 * decimal strings, bytes and bits as DATA, lists as arrays, containers as objects whose keys are
 * the fields' names.
 *
 * Reading is strict in types, lengths and limits; unknown members are passed over, missing ones are
 * errors. Source: ethereum/beacon-APIs, "types". Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_SSZ_JSON_H
#define ETH_SSZ_JSON_H

#include "eth/ssz.h"
#include "json/json.h"

/* ssz_json_decode reads one value.
 * ret     type->memory bytes; unspecified after an error.
 * a       holds bytes and lists.
 * errors  ERR_NOT_FOUND (a member is missing), ERR_INVALID (another JSON type), ERR_SYNTAX,
 *         ERR_RANGE, ERR_LIMIT; the text names the member. */
[[gnu::warn_unused_result]] int ssz_json_decode(void *ret, const struct ssz_type *type,
                                                const struct json *in, struct arena *a,
                                                struct error *why);

/* ssz_json_encode appends the JSON, without spaces. */
void ssz_json_encode(struct buf *out, const struct ssz_type *type, const void *value);

#endif
