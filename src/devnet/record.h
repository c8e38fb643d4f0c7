/* Record: the file format of recorded traffic. Pure.
 *
 *     magic      8 bytes "BNRECRD1"
 *     record     u64 LE ns since the recording began | u32 LE connection | u8 kind | u32 LE length
 * | length bytes
 *
 * kind 0 (open): the text "FROM TO"; 1: bytes of the one who connected; 2: bytes of the other;
 * 3 (end): nothing. Records are appended whole; a cut-off last record is ignored by readers.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_RECORD_H
#define DEVNET_RECORD_H

#include "base/buf.h"

#define RECORD_MAGIC "BNRECRD1"
#define RECORD_HEAD_BYTES 17
#define RECORD_BYTES_MAX (1u << 20) /* of one record's content */

enum record_kind { RECORD_OPEN, RECORD_UP, RECORD_DOWN, RECORD_END };

struct record {
    uint64_t at_ns;
    uint32_t connection;
    enum record_kind kind;
    struct bytes content;
};

/* record_append appends one; content is cut at RECORD_BYTES_MAX. */
void record_append(struct buf *out, const struct record *r);

/* record_begin checks and takes the magic off; record_next takes one record off: 1, or 0 at the end
 * (also of a cut-off record). errors  ERR_SYNTAX. */
[[gnu::warn_unused_result]] int record_begin(struct bytes *in, struct error *why);
[[gnu::warn_unused_result]] int record_next(struct record *ret, struct bytes *in,
                                            struct error *why);

#endif
