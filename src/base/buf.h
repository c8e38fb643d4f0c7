/* Buf: a growable run of bytes that owns its memory.
 *
 * Appends never fail one by one: the first failure (limit or memory) is remembered, later appends
 * do nothing, and buf_check tells it once at the end. So a writer of fifty fields has one check.
 * One thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/error.h"

struct buf {
    uint8_t *p;
    size_t n;           /* bytes in use */
    size_t capacity;    /* bytes owned */
    size_t limit_bytes; /* 0: none */
    int failed;         /* 0, ERR_LIMIT or ERR_NO_MEMORY */
};

/* buf_init makes an empty buf; allocates nothing. limit_bytes: most bytes it may hold, 0 none. */
void buf_init(struct buf *b, size_t limit_bytes);

/* buf_free gives the memory back; the buf is empty and usable again. */
void buf_free(struct buf *b);

/* buf_clear forgets content and failure and keeps the memory. */
void buf_clear(struct buf *b);

/* buf_reserve makes room for n more bytes and returns where they go (NULL after a failure);
 * buf_commit says how many were written there. */
uint8_t *buf_reserve(struct buf *b, size_t n);
static inline void buf_commit(struct buf *b, size_t n) {
    b->n += n;
}

void buf_append(struct buf *b, struct bytes in);
void buf_append_str(struct buf *b, const char *s);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_append_be16(struct buf *b, uint16_t v);
void buf_append_be32(struct buf *b, uint32_t v);
void buf_append_be64(struct buf *b, uint64_t v);
/* buf_append_html appends text so that a browser shows it as it is, in elements and in attributes
 * within double quotes. */
void buf_append_html(struct buf *b, struct bytes text);
/* buf_append_fill appends n times the same byte. */
void buf_append_fill(struct buf *b, uint8_t byte, size_t n);
[[gnu::format(printf, 2, 3)]] void buf_printf(struct buf *b, const char *format, ...);

/* buf_drop_front removes the first n bytes (at most all). Moves the rest: O(rest). */
void buf_drop_front(struct buf *b, size_t n);

/* buf_view borrows the content until the next change. */
static inline struct bytes buf_view(const struct buf *b) {
    return (struct bytes){b->p, b->n};
}

/* buf_check gives 0, or the first failure with its text. */
[[gnu::warn_unused_result]] int buf_check(const struct buf *b, struct error *why);

#endif
