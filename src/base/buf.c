/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST 64u

void buf_init(struct buf *b, size_t limit_bytes) {
    *b = (struct buf){.limit_bytes = limit_bytes};
}

void buf_free(struct buf *b) {
    free(b->p);
    buf_init(b, b->limit_bytes);
}

void buf_clear(struct buf *b) {
    b->n = 0;
    b->failed = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n) {
    if (b->failed) return NULL;
    if (n <= b->capacity - b->n && b->p) return b->p + b->n;
    size_t limit = b->limit_bytes ? b->limit_bytes : SIZE_MAX / 2;
    if (n > limit || b->n > limit - n) {
        b->failed = ERR_LIMIT;
        return NULL;
    }
    size_t need = b->n + n;
    size_t capacity = b->capacity ? b->capacity : BUF_FIRST;
    while (capacity < need) {
        capacity *= 2;
    }
    if (capacity > limit) capacity = limit > need ? limit : need;
    uint8_t *p = realloc(b->p, capacity ? capacity : 1);
    if (!p) {
        b->failed = ERR_NO_MEMORY;
        return NULL;
    }
    b->p = p;
    b->capacity = capacity;
    return b->p + b->n;
}

void buf_append(struct buf *b, struct bytes in) {
    uint8_t *to = buf_reserve(b, in.n);
    if (!to || in.n == 0) return;
    memcpy(to, in.p, in.n);
    b->n += in.n;
}

void buf_append_str(struct buf *b, const char *s) {
    buf_append(b, bytes_from_str(s));
}

void buf_append_byte(struct buf *b, uint8_t byte) {
    uint8_t *to = buf_reserve(b, 1);
    if (!to) return;
    *to = byte;
    b->n++;
}

void buf_append_be16(struct buf *b, uint16_t v) {
    uint8_t *to = buf_reserve(b, sizeof v);
    if (!to) return;
    store_be16(to, v);
    b->n += sizeof v;
}

void buf_append_be32(struct buf *b, uint32_t v) {
    uint8_t *to = buf_reserve(b, sizeof v);
    if (!to) return;
    store_be32(to, v);
    b->n += sizeof v;
}

void buf_append_be64(struct buf *b, uint64_t v) {
    uint8_t *to = buf_reserve(b, sizeof v);
    if (!to) return;
    store_be64(to, v);
    b->n += sizeof v;
}

void buf_append_fill(struct buf *b, uint8_t byte, size_t n) {
    uint8_t *to = buf_reserve(b, n);
    if (!to || n == 0) return;
    memset(to, byte, n);
    b->n += n;
}

void buf_printf(struct buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        b->failed = b->failed ? b->failed : ERR_NO_MEMORY;
        return;
    }
    // vsnprintf writes a NUL behind the text: room for it, though it is not counted.
    char *to = (char *)buf_reserve(b, (size_t)n + 1);
    if (!to) return;
    va_start(args, format);
    (void)vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

void buf_drop_front(struct buf *b, size_t n) {
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

int buf_check(const struct buf *b, struct error *why) {
    if (!b->failed) return 0;
    if (b->failed == ERR_LIMIT) {
        return error_set(why, ERR_LIMIT, "more than %zu bytes", b->limit_bytes);
    }
    return error_set(why, ERR_NO_MEMORY, "no memory for a buffer of more than %zu bytes", b->n);
}

void buf_append_html(struct buf *b, struct bytes text) {
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '<':
            buf_append_str(b, "&lt;");
            break;
        case '>':
            buf_append_str(b, "&gt;");
            break;
        case '&':
            buf_append_str(b, "&amp;");
            break;
        case '"':
            buf_append_str(b, "&quot;");
            break;
        default:
            buf_append_byte(b, text.p[i]);
        }
    }
}
