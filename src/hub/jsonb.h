/* Jsonb: JSON text as PostgreSQL stores and prints it, so that both databases answer the same.
 *
 * ", " and ": " separators, keys ordered by length and then bytes, the last of equal keys, numbers
 * in full digits (1e3 is 1000, 1.10 stays), U+0000 refused. Source: PostgreSQL 15 manual, 8.14 and
 * 8.1.2. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef HUB_JSONB_H
#define HUB_JSONB_H

#include "base/buf.h"
#include "json/json.h"

/* jsonb_write appends the canonical text. errors  ERR_RANGE: U+0000, a number with more digits
 * than JSONB_DIGITS_MAX; ERR_NO_MEMORY. */
#define JSONB_DIGITS_MAX 16384
[[gnu::warn_unused_result]] int jsonb_write(struct buf *out, const struct json *v, struct arena *a,
                                            struct error *why);

/* jsonb_canonical gives the canonical text in the arena's memory. errors  as jsonb_write. */
[[gnu::warn_unused_result]] int jsonb_canonical(struct bytes *ret, const struct json *v,
                                                struct arena *a, struct error *why);

/* jsonb_limits: what the hub's readers of JSON let through: equal keys (the last counts). */
#define JSONB_LIMITS ((struct json_limits){1u << 20, 64, 1u << 17, true})

#endif
