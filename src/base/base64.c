/* SPDX-License-Identifier: MIT */
#include "base/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of a digit, or -1.
static int digit(uint8_t c, bool url) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct decoding {
    uint8_t *p;
    size_t n;
    uint32_t word;
    unsigned digits, pads;
};

// Takes a digit or a "="; false when it may not stand there.
static bool take(struct decoding *d, uint8_t c, unsigned flags) {
    if (c == '=') {
        d->pads++;
        return !(flags & BASE64_NO_PAD) && d->digits % 4 + d->pads <= 4 && d->digits % 4 >= 2;
    }
    int v = digit(c, flags & BASE64_URL);
    if (v < 0 || d->pads > 0) return false;
    d->word = d->word << 6 | (uint32_t)v;
    if (++d->digits % 4 != 0) return true;
    d->p[d->n++] = (uint8_t)(d->word >> 16);
    d->p[d->n++] = (uint8_t)(d->word >> 8);
    d->p[d->n++] = (uint8_t)d->word;
    d->word = 0;
    return true;
}

// The last two or three digits; false when there is one alone, or bits are left over.
static bool finish(struct decoding *d, unsigned flags) {
    unsigned rest = d->digits % 4;
    if (rest == 1 || (d->pads > 0 && rest + d->pads != 4)) return false;
    if (rest > 0 && d->pads == 0 && !(flags & (BASE64_NO_PAD | BASE64_ANY_PAD))) return false;
    if (rest == 2) {
        if (d->word & 0xf) return false;
        d->p[d->n++] = (uint8_t)(d->word >> 4);
    } else if (rest == 3) {
        if (d->word & 3) return false;
        d->p[d->n++] = (uint8_t)(d->word >> 10);
        d->p[d->n++] = (uint8_t)(d->word >> 2);
    }
    return true;
}

int base64_decode(struct bytes *ret, struct bytes text, unsigned flags, struct arena *a,
                  struct error *why) {
    struct decoding d = {.p = arena_alloc_raw(a, text.n / 4 * 3 + 3)};
    if (!d.p) return error_set(why, ERR_NO_MEMORY, "base64: no memory for %zu bytes", text.n);
    for (size_t i = 0; i < text.n; i++) {
        if ((flags & BASE64_WHITESPACE) && is_space(text.p[i])) continue;
        if (!take(&d, text.p[i], flags)) {
            return error_set_at(why, ERR_SYNTAX, i, "base64: a character that may not stand there");
        }
    }
    if (!finish(&d, flags)) return error_set_at(why, ERR_SYNTAX, text.n, "base64: cut off");
    *ret = (struct bytes){d.p, d.n};
    return 0;
}

void base64_append(struct buf *out, struct bytes in, unsigned flags) {
    const char *alphabet = flags & BASE64_URL ? url_safe : standard;
    uint8_t *to = buf_reserve(out, (in.n + 2) / 3 * 4);
    size_t n = 0;
    if (!to) return;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i < 3 ? in.n - i : 3;
        uint32_t word = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) |
                        (left > 2 ? in.p[i + 2] : 0u);
        for (size_t k = 0; k <= left; k++) {
            to[n++] = (uint8_t)alphabet[word >> (18 - 6 * k) & 63];
        }
        for (size_t k = left; k < 3 && !(flags & BASE64_NO_PAD); k++) {
            to[n++] = '=';
        }
    }
    buf_commit(out, n);
}
