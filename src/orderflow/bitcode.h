/* Bitcode 0.6: the streams that the peer protocol is made of. Column-wise: the values of a struct
 * stand in the order of its fields, those of a list field by field.
 *
 *   bytes     packed by base 2, 3, 4, 6, 16 or 256, whichever fits their range
 *   u64s      at 1, 2, 4 or 8 bytes, little-endian, from their minimum on where that is shorter
 *   lengths   bytes up to 254; longer ones follow as u64s
 *   tag       0 or 1 of one Option or bool
 *
 * What is written is canonical; readers take all that decodes to one value.
 * Source: BuilderNet/FlowProxy (crate bitcode 0.6.8). Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_BITCODE_H
#define ORDERFLOW_BITCODE_H

#include "base/arena.h"
#include "base/buf.h"

struct bitcode_reader {
    struct bytes rest; /* what was not read yet */
    struct arena *a;   /* holds what is unpacked */
};

/* All readers: errors  ERR_SYNTAX (cut short, an unknown header, a digit out of range), ERR_LIMIT
 * (arena, or more values than the input can hold). */
[[gnu::warn_unused_result]] int bitcode_read_raw(struct bitcode_reader *r, struct bytes *ret,
                                                 size_t n, struct error *why);
/* bitcode_read_bytes unpacks n bytes; *ret lies in the input where it is not packed. */
[[gnu::warn_unused_result]] int bitcode_read_bytes(struct bitcode_reader *r, struct bytes *ret,
                                                   size_t n, struct error *why);
[[gnu::warn_unused_result]] int bitcode_read_u64s(struct bitcode_reader *r, uint64_t *ret, size_t n,
                                                  struct error *why);
/* bitcode_read_lengths reads n lengths into the arena; *ret_sum is their sum. */
[[gnu::warn_unused_result]] int bitcode_read_lengths(struct bitcode_reader *r, const uint64_t **ret,
                                                     uint64_t *ret_sum, size_t n,
                                                     struct error *why);
/* bitcode_read_length reads one length. */
[[gnu::warn_unused_result]] int bitcode_read_length(struct bitcode_reader *r, uint64_t *ret,
                                                    struct error *why);
[[gnu::warn_unused_result]] int bitcode_read_tag(struct bitcode_reader *r, bool *ret,
                                                 struct error *why);
/* bitcode_read_end: nothing may be left. */
[[gnu::warn_unused_result]] int bitcode_read_end(const struct bitcode_reader *r, struct error *why);

void bitcode_put_bytes(struct buf *out, struct bytes in);
/* bitcode_put_pieces: as bitcode_put_bytes of all of them, one after the other. */
void bitcode_put_pieces(struct buf *out, const struct bytes *pieces, size_t count);
void bitcode_put_u64s(struct buf *out, const uint64_t *v, size_t n);
void bitcode_put_lengths(struct buf *out, const uint64_t *v, size_t n);
void bitcode_put_length(struct buf *out, uint64_t v);
void bitcode_put_tag(struct buf *out, bool v);

#endif
