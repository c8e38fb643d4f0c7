/* UTF-8: one strict decoder for logs, JSON, TOML and WebSocket text. Pure; any thread.
 * Source: RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

/* utf8_decode gives the length (1..4) of the character at the front of in, 0 when there is none;
 * *ret is the code point (may be NULL). */
static inline size_t utf8_decode(uint32_t *ret, struct bytes in) {
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (in.n == 0) return 0;
    uint32_t c = in.p[0];
    size_t length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (length > in.n) return 0;
    if (length > 1) {
        c &= 0x7fu >> length;
        for (size_t i = 1; i < length; i++) {
            if ((in.p[i] & 0xc0) != 0x80) return 0;
            c = c << 6 | (in.p[i] & 0x3fu);
        }
        if (c < lowest[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
    }
    if (ret && length) *ret = c;
    return length;
}

/* utf8_encode writes 1..4 bytes and returns how many; c is a valid code point. */
static inline size_t utf8_encode(uint8_t ret[4], uint32_t c) {
    if (c < 0x80) {
        ret[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        ret[i] = (uint8_t)(0x80 | (c & 0x3f));
    }
    ret[0] = (uint8_t)((0xf00u >> n & 0xff) | c);
    return n;
}

/* utf8_check gives the length of the longest valid prefix; in.n when all is valid. */
size_t utf8_check(struct bytes in);

#endif
