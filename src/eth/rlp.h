/* RLP: the recursive length prefix encoding of Ethereum's execution layer.
 *
 * Reading is strict (minimal lengths, minimal integers, no bytes left over), copies nothing and
 * allocates nothing: readers walk the given bytes. Failures are sticky: the first one is kept in
 * the shared `struct rlp_source`, later reads give zero values, and rlp_finish tells it once; so a
 * decoder of twenty fields reads like the list of its fields.
 * Writing appends to a `struct buf` (sticky failures too).
 *
 * Not here: what the items mean.
 * Source: yellow paper, appendix B; ethereum.org "Recursive-length prefix serialization".
 * Any thread; a reader belongs to one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_RLP_H
#define ETH_RLP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/u256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RLP_DEPTH_MAX 1024 /* nesting that rlp_check accepts */
#define RLP_HEADER_MAX 9   /* bytes of the longest header */

/* One item in place. */
struct rlp_item {
    bool is_list;
    struct bytes payload;  /* without the header */
    struct bytes encoding; /* with it */
};

/* rlp_next reads the item at the front of *in and moves *in behind it. The payload of a list is
 * not looked at.
 * errors  ERR_SYNTAX (empty input, length beyond the input, not the shortest form); why->at is
 *         relative to in->p. *in is untouched on error. */
[[gnu::warn_unused_result]] int rlp_next(struct rlp_item *ret, struct bytes *in, struct error *why);

/* rlp_check walks all of `in`, which must be exactly one item, down to the last leaf.
 * depth_max  lists within lists, at most RLP_DEPTH_MAX;  items_max  items in all, 0 for no limit.
 * errors  ERR_SYNTAX, ERR_LIMIT.  cost  one pass, 8 KiB of stack. */
[[gnu::warn_unused_result]] int rlp_check(struct bytes in, unsigned depth_max, size_t items_max,
                                          struct error *why);

/* What the readers of one input share. */
struct rlp_source {
    const uint8_t *start; /* offsets in errors count from here */
    int failed;           /* 0 or the first failure */
    struct error *why;    /* where its text goes; may be NULL */
};

/* A place within one list (or within the input itself). */
struct rlp_reader {
    struct bytes rest;
    const uint8_t *item; /* that was read last; NULL for none */
    struct rlp_source *source;
};

/* rlp_open begins reading `in`; both live as long as the readers. */
struct rlp_reader rlp_open(struct rlp_source *source, struct bytes in, struct error *why);

/* rlp_more: the list has another item and nothing failed yet. */
static inline bool rlp_more(const struct rlp_reader *r) {
    return r->rest.n > 0 && !r->source->failed;
}

/* rlp_peek_is_list: the next item is a list (false at the end and after a failure). */
static inline bool rlp_peek_is_list(const struct rlp_reader *r) {
    return rlp_more(r) && r->rest.p[0] >= 0xc0;
}

/* Typed reads of the next item; `what` names the field in errors (a string literal). After a
 * failure, and on one, they give zero values.
 * rlp_string      a string of any length, in place.
 * rlp_string_max  one of at most `max` bytes (ERR_LIMIT).
 * rlp_fixed       a string of exactly n bytes, copied to ret.
 * rlp_u64         an integer without leading zeros below 2^64 (ERR_RANGE above).
 * rlp_u256        the same below 2^256.
 * rlp_bool        0 or 1.
 * rlp_raw         any item with its header, in place; lists are not looked into.
 * rlp_list        enters a list: a reader of its items. */
struct bytes rlp_string(struct rlp_reader *r, const char *what);
struct bytes rlp_string_max(struct rlp_reader *r, size_t max, const char *what);
void rlp_fixed(struct rlp_reader *r, void *ret, size_t n, const char *what);
uint64_t rlp_u64(struct rlp_reader *r, const char *what);
struct u256 rlp_u256(struct rlp_reader *r, const char *what);
bool rlp_bool(struct rlp_reader *r, const char *what);
struct bytes rlp_raw(struct rlp_reader *r, const char *what);
struct rlp_reader rlp_list(struct rlp_reader *r, const char *what);

/* rlp_count counts the items that are left in the list without moving; more than `max` is
 * ERR_LIMIT. For sizing an array before it is filled. */
size_t rlp_count(const struct rlp_reader *r, size_t max, const char *what);

/* rlp_array gives zeroed memory for what these items will be, `size` bytes each. NULL, and a count
 * of 0, where there are none and after a failure (ERR_LIMIT: more than `max`, or the arena's).
 * item_min  bytes of the shortest item that the caller reads without a failure, header included.
 *           Of more items than can be so long, only as many count as it takes to meet one that is
 *           shorter; so a list of small wrong items costs no memory. */
void *rlp_array(const struct rlp_reader *r, size_t *ret_count, size_t max, size_t item_min,
                size_t size, struct arena *a, const char *what);

/* rlp_fail records a failure of the caller's own, of the item that was read last (if it is the
 * first failure). */
[[gnu::format(printf, 3, 4)]] void rlp_fail(const struct rlp_reader *r, enum err code,
                                            const char *text, ...);

/* rlp_end demands that the list is used up (ERR_SYNTAX if not). */
void rlp_end(const struct rlp_reader *r, const char *what);

/* rlp_finish: rlp_end of the outermost reader, and the status of everything read before. */
[[gnu::warn_unused_result]] int rlp_finish(const struct rlp_reader *r, const char *what);

/* Sizes in bytes of what the writers below append, header included. */
static inline size_t rlp_size_u64(uint64_t v) {
    return v < 0x80 ? 1 : 1 + (size_t)(71 - __builtin_clzll(v)) / 8;
}
size_t rlp_size_u256(struct u256 v);
size_t rlp_size_string(struct bytes v);
static inline size_t rlp_size_header(size_t payload) {
    return payload < 56 ? 1 : 1 + (size_t)(71 - __builtin_clzll(payload)) / 8;
}
static inline size_t rlp_size_list(size_t payload) {
    return rlp_size_header(payload) + payload;
}

/* Writers: append one item. */
void rlp_put_string(struct buf *b, struct bytes v);
void rlp_put_u64(struct buf *b, uint64_t v);
void rlp_put_u256(struct buf *b, struct u256 v);

/* rlp_put_list_header begins a list whose payload has exactly that many bytes; the caller appends
 * them. The cheapest way where the size is known. */
void rlp_put_list_header(struct buf *b, size_t payload);

/* rlp_list_begin / rlp_list_close: everything appended between becomes the payload of one list;
 * lists nest. The payload is moved once by 1..8 bytes when it is longer than 55 bytes. */
size_t rlp_list_begin(struct buf *b);
void rlp_list_close(struct buf *b, size_t begin);

#endif
