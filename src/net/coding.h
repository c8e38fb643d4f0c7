/* Coding: bodies that are compressed with gzip or deflate, undone piece by piece within a limit, so
 * that a few bytes cannot become gigabytes.
 *
 * Source: RFC 9110 section 8.4, RFC 1950 and 1952 (zlib does the work). Thread: one at a time.
 * Differs: several codings one after the other are refused; "deflate" is the zlib format, as
 * the standard says, not the bare stream that some send.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_CODING_H
#define NET_CODING_H

#include "base/buf.h"
#include "net/http.h"

enum coding {
    CODING_IDENTITY,
    CODING_GZIP,
    CODING_DEFLATE,
};

/* coding_of reads Content-Encoding; none is CODING_IDENTITY.
 * errors  ERR_UNSUPPORTED (answer 415 with Accept-Encoding: CODING_ACCEPTED). */
#define CODING_ACCEPTED "gzip, deflate"
[[gnu::warn_unused_result]] int coding_of(enum coding *ret, const struct http_fields *f,
                                          struct error *why);

struct coding_reader;

/* coding_reader_new: limit_bytes  most bytes of decoded content.  errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int coding_reader_new(struct coding_reader **ret, enum coding coding,
                                                  size_t limit_bytes, struct error *why);
void coding_reader_free(struct coding_reader *r);

/* coding_reader_feed decodes all of `in` onto `out`.
 * errors  ERR_SYNTAX (damaged, or something follows the end), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int coding_reader_feed(struct coding_reader *r, struct bytes in,
                                                   struct buf *out, struct error *why);
/* coding_reader_end: ERR_SYNTAX when the content was cut off. */
[[gnu::warn_unused_result]] int coding_reader_end(const struct coding_reader *r, struct error *why);

/* coding_decode decodes a whole body onto `out`. */
[[gnu::warn_unused_result]] int coding_decode(struct buf *out, struct bytes in, enum coding coding,
                                              size_t limit_bytes, struct error *why);

#endif
