/* Base64: the standard alphabet and the URL-safe one, with and without padding.
 *
 * Source: RFC 4648, sections 4 and 5. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    BASE64_URL = 1,        /* "-" and "_" for "+" and "/" */
    BASE64_NO_PAD = 2,     /* write: leave "=" out; read: "=" is refused, else it is required */
    BASE64_ANY_PAD = 4,    /* read: padding may be there or not */
    BASE64_WHITESPACE = 8, /* read: skip space, tab and line ends (PEM, MIME) */
};

/* base64_decode reads text into the arena.
 * errors  ERR_SYNTAX (why->at): a character outside of the alphabet, wrong padding, bits set after
 *         the last byte; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int base64_decode(struct bytes *ret, struct bytes text, unsigned flags,
                                              struct arena *a, struct error *why);

/* base64_append writes text; failures stay in the buf. */
void base64_append(struct buf *out, struct bytes in, unsigned flags);

#endif
