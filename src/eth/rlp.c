/* SPDX-License-Identifier: MIT */
#include "eth/rlp.h"

#include <stdarg.h>
#include <stdio.h>

/* Header of the item at in.p. On success *ret_header bytes of header and *ret_payload bytes of
 * payload lie within `in`; on failure a text for the reason. */
static const char *read_header(struct bytes in, size_t *ret_header, size_t *ret_payload) {
    if (in.n == 0) return "ends where an item is expected";
    uint8_t first = in.p[0];
    if (first < 0x80) {
        *ret_header = 0;
        *ret_payload = 1;
        return NULL;
    }
    uint8_t base = first < 0xc0 ? 0x80 : 0xc0;
    size_t n = (size_t)first - base;
    size_t header = 1;
    if (n >= 56) {
        size_t width = n - 55;
        if (in.n < 1 + width) return "ends within a length";
        if (in.p[1] == 0) return "length has a leading zero";
        uint64_t length = 0;
        for (size_t i = 0; i < width; i++) {
            length = length << 8 | in.p[1 + i];
        }
        if (length < 56) return "length is not in its shortest form";
        header += width;
        n = length;
    }
    if (n > in.n - header) return "item reaches beyond its list or the input";
    if (base == 0x80 && n == 1 && in.p[header] < 0x80) return "single byte is not its own encoding";
    *ret_header = header;
    *ret_payload = n;
    return NULL;
}

int rlp_next(struct rlp_item *ret, struct bytes *in, struct error *why) {
    size_t header, payload;
    const char *bad = read_header(*in, &header, &payload);
    if (bad) return error_set_at(why, ERR_SYNTAX, 0, "RLP: %s", bad);
    ret->is_list = in->p[0] >= 0xc0;
    ret->payload = (struct bytes){in->p + header, payload};
    ret->encoding = (struct bytes){in->p, header + payload};
    in->p += header + payload;
    in->n -= header + payload;
    return 0;
}

int rlp_check(struct bytes in, unsigned depth_max, size_t items_max, struct error *why) {
    const uint8_t *ends[RLP_DEPTH_MAX + 1]; // where each open list ends
    if (depth_max > RLP_DEPTH_MAX) depth_max = RLP_DEPTH_MAX;
    const uint8_t *start = in.p, *at = in.p;
    size_t depth = 0, items = 0;
    ends[0] = in.p + in.n;
    do {
        size_t header, payload;
        struct bytes rest = {at, (size_t)(ends[depth] - at)};
        const char *bad = read_header(rest, &header, &payload);
        if (bad) return error_set_at(why, ERR_SYNTAX, (uint64_t)(at - start), "RLP: %s", bad);
        if (items_max && ++items > items_max) {
            return error_set_at(why, ERR_LIMIT, (uint64_t)(at - start), "RLP: more than %zu items",
                                items_max);
        }
        bool is_list = *at >= 0xc0;
        at += header;
        if (!is_list) {
            at += payload;
        } else if (payload > 0) {
            if (depth == depth_max) {
                return error_set_at(why, ERR_LIMIT, (uint64_t)(at - start),
                                    "RLP: lists nest deeper than %u", depth_max);
            }
            ends[++depth] = at + payload;
        }
        while (depth > 0 && at == ends[depth]) {
            depth--;
        }
    } while (depth > 0);
    if (at != ends[0]) {
        return error_set_at(why, ERR_SYNTAX, (uint64_t)(at - start),
                            "RLP: bytes are left over after the item");
    }
    return 0;
}

struct rlp_reader rlp_open(struct rlp_source *source, struct bytes in, struct error *why) {
    *source = (struct rlp_source){.start = in.p, .why = why};
    return (struct rlp_reader){.rest = in, .source = source};
}

/* The offset of the item that was read last, or of what comes next. */
static uint64_t place_of(const struct rlp_reader *r, bool next) {
    const uint8_t *p = next || !r->item ? r->rest.p : r->item;
    return r->source->start && p ? (uint64_t)(p - r->source->start) : 0;
}

static void fail_at(const struct rlp_reader *r, bool next, enum err code, const char *what,
                    const char *text) {
    struct rlp_source *s = r->source;
    if (!s->failed) s->failed = error_set_at(s->why, code, place_of(r, next), "%s: %s", what, text);
}

static void fail(const struct rlp_reader *r, enum err code, const char *what, const char *text) {
    fail_at(r, false, code, what, text);
}

void rlp_fail(const struct rlp_reader *r, enum err code, const char *text, ...) {
    struct rlp_source *s = r->source;
    if (s->failed) return;
    char line[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(line, sizeof line, text, args);
    va_end(args);
    s->failed = error_set_at(s->why, code, place_of(r, false), "%s", line);
}

/* Takes the next item of the wanted kind and gives its payload; p is NULL after a failure. */
static struct bytes take(struct rlp_reader *r, bool list, const char *what) {
    const struct bytes none = {NULL, 0};
    if (r->source->failed) return none;
    r->item = r->rest.p;
    size_t header, payload;
    const char *bad = read_header(r->rest, &header, &payload);
    if (!bad && (r->rest.p[0] >= 0xc0) != list) {
        bad = list ? "is a string, a list is expected" : "is a list, a string is expected";
    }
    if (bad) {
        fail(r, ERR_SYNTAX, what, bad);
        return none;
    }
    struct bytes got = {r->rest.p + header, payload};
    r->rest.p += header + payload;
    r->rest.n -= header + payload;
    return got;
}

struct bytes rlp_string(struct rlp_reader *r, const char *what) {
    return take(r, false, what);
}

struct bytes rlp_string_max(struct rlp_reader *r, size_t max, const char *what) {
    struct bytes got = take(r, false, what);
    if (got.n <= max) return got;
    fail(r, ERR_LIMIT, what, "is too long");
    return (struct bytes){NULL, 0};
}

void rlp_fixed(struct rlp_reader *r, void *ret, size_t n, const char *what) {
    struct bytes got = take(r, false, what);
    if (got.p && got.n == n) {
        memcpy(ret, got.p, n);
        return;
    }
    if (got.p) fail(r, ERR_SYNTAX, what, "has the wrong length");
    memset(ret, 0, n);
}

/* Payload of an integer of at most `width` bytes. */
static struct bytes take_integer(struct rlp_reader *r, size_t width, const char *what) {
    struct bytes got = take(r, false, what);
    if (got.n > 0 && got.p[0] == 0) {
        fail(r, ERR_SYNTAX, what, "integer has a leading zero");
    } else if (got.n > width) {
        fail(r, ERR_RANGE, what, "integer is too large");
    } else {
        return got;
    }
    return (struct bytes){NULL, 0};
}

uint64_t rlp_u64(struct rlp_reader *r, const char *what) {
    struct bytes got = take_integer(r, 8, what);
    uint64_t v = 0;
    for (size_t i = 0; i < got.n; i++) {
        v = v << 8 | got.p[i];
    }
    return v;
}

struct u256 rlp_u256(struct rlp_reader *r, const char *what) {
    struct bytes got = take_integer(r, 32, what);
    uint8_t be[32] = {0};
    if (got.n) memcpy(be + 32 - got.n, got.p, got.n);
    return u256_load_be(be);
}

bool rlp_bool(struct rlp_reader *r, const char *what) {
    uint64_t v = rlp_u64(r, what);
    if (v > 1) fail(r, ERR_RANGE, what, "is neither 0 nor 1");
    return v == 1;
}

struct bytes rlp_raw(struct rlp_reader *r, const char *what) {
    const struct bytes none = {NULL, 0};
    if (r->source->failed) return none;
    r->item = r->rest.p;
    size_t header, payload;
    const char *bad = read_header(r->rest, &header, &payload);
    if (bad) {
        fail(r, ERR_SYNTAX, what, bad);
        return none;
    }
    struct bytes got = {r->rest.p, header + payload};
    r->rest.p += got.n;
    r->rest.n -= got.n;
    return got;
}

struct rlp_reader rlp_list(struct rlp_reader *r, const char *what) {
    return (struct rlp_reader){.rest = take(r, true, what), .source = r->source};
}

size_t rlp_count(const struct rlp_reader *r, size_t max, const char *what) {
    struct rlp_reader walk = *r;
    size_t n = 0;
    while (rlp_more(&walk)) {
        if (n == max) {
            fail_at(&walk, true, ERR_LIMIT, what, "has too many items");
            return 0;
        }
        (void)rlp_raw(&walk, what);
        n++;
    }
    return r->source->failed ? 0 : n;
}

void *rlp_array(const struct rlp_reader *r, size_t *ret_count, size_t max, size_t item_min,
                size_t size, struct arena *a, const char *what) {
    size_t count = rlp_count(r, max, what);
    if (count > r->rest.n / item_min) count = r->rest.n / item_min + 1; // one of these is too short
    void *p = count ? arena_alloc_array(a, count, size) : NULL;
    if (count && !p) fail(r, ERR_LIMIT, what, "does not fit its memory limit");
    *ret_count = p ? count : 0;
    return p;
}

void rlp_end(const struct rlp_reader *r, const char *what) {
    if (r->rest.n > 0) fail_at(r, true, ERR_SYNTAX, what, "more bytes than its fields");
}

int rlp_finish(const struct rlp_reader *r, const char *what) {
    rlp_end(r, what);
    return r->source->failed;
}

size_t rlp_size_u256(struct u256 v) {
    if (u256_fits_u64(v)) return rlp_size_u64(v.w[0]);
    return 1 + (size_t)(u256_bit_length(v) + 7) / 8;
}

size_t rlp_size_string(struct bytes v) {
    if (v.n == 1 && v.p[0] < 0x80) return 1;
    return rlp_size_header(v.n) + v.n;
}

/* Writes the header of `payload` bytes; returns its size. base 0x80 for strings, 0xc0 for lists. */
static size_t write_header(uint8_t *to, uint8_t base, size_t payload) {
    if (payload < 56) {
        to[0] = (uint8_t)(base + payload);
        return 1;
    }
    size_t width = rlp_size_header(payload) - 1;
    to[0] = (uint8_t)(base + 55 + width);
    for (size_t i = 0; i < width; i++) {
        to[width - i] = (uint8_t)((uint64_t)payload >> (8 * i));
    }
    return 1 + width;
}

void rlp_put_string(struct buf *b, struct bytes v) {
    if (v.n == 1 && v.p[0] < 0x80) {
        buf_append_byte(b, v.p[0]);
        return;
    }
    uint8_t *to = buf_reserve(b, RLP_HEADER_MAX + v.n);
    if (!to) return;
    size_t header = write_header(to, 0x80, v.n);
    if (v.n) memcpy(to + header, v.p, v.n);
    buf_commit(b, header + v.n);
}

void rlp_put_u64(struct buf *b, uint64_t v) {
    uint8_t be[8];
    store_be64(be, v);
    size_t skip = v ? (size_t)__builtin_clzll(v) / 8 : 8;
    rlp_put_string(b, (struct bytes){be + skip, 8 - skip});
}

void rlp_put_u256(struct buf *b, struct u256 v) {
    uint8_t be[32];
    u256_store_be(be, v);
    size_t n = (size_t)(u256_bit_length(v) + 7) / 8;
    rlp_put_string(b, (struct bytes){be + 32 - n, n});
}

void rlp_put_list_header(struct buf *b, size_t payload) {
    uint8_t *to = buf_reserve(b, RLP_HEADER_MAX);
    if (to) buf_commit(b, write_header(to, 0xc0, payload));
}

size_t rlp_list_begin(struct buf *b) {
    buf_append_byte(b, 0xc0); // room for the short header, which most lists need
    return b->n;
}

void rlp_list_close(struct buf *b, size_t begin) {
    if (b->failed) return;
    size_t payload = b->n - begin;
    size_t more = rlp_size_header(payload) - 1;
    if (more > 0) {
        if (!buf_reserve(b, more)) return;
        memmove(b->p + begin + more, b->p + begin, payload);
        buf_commit(b, more);
    }
    (void)write_header(b->p + begin - 1, 0xc0, payload);
}
