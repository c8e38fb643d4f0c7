/* SPDX-License-Identifier: MIT */
#include "orderflow/bitcode.h"

#define OFFSETS_FROM 6    /* fewer values never pay for their minimum */
#define LENGTH_LONG 255u  /* this and more stand in the stream of long lengths */
#define U64S_LOOKED_AT 16 /* values that decide whether integers are packed at all */

/* By code: the base and how many digits go into a byte. */
static const struct base {
    unsigned base, digits;
} bases[] = {{256, 1}, {16, 2}, {6, 3}, {4, 4}, {3, 5}, {2, 8}};

static unsigned base_code(unsigned most) {
    unsigned code = sizeof bases / sizeof *bases - 1;
    while (code > 0 && most >= bases[code].base) {
        code--;
    }
    return code;
}

static int cut_short(struct error *why) {
    return error_set(why, ERR_SYNTAX, "the message is cut short");
}

int bitcode_read_raw(struct bitcode_reader *r, struct bytes *ret, size_t n, struct error *why) {
    if (n > r->rest.n) return cut_short(why);
    *ret = bytes_slice(r->rest, 0, n);
    r->rest = bytes_slice(r->rest, n, r->rest.n);
    return 0;
}

static int unpack(uint8_t *ret, size_t n, struct bytes packed, struct base b, unsigned least,
                  struct error *why) {
    for (size_t i = 0, at = 0; i < n; at++) {
        unsigned v = packed.p[at];
        for (unsigned d = 0; d < b.digits && i < n; d++, i++, v /= b.base) {
            unsigned value = v % b.base + least;
            if (value > UINT8_MAX) return error_set(why, ERR_SYNTAX, "a packed byte is too large");
            ret[i] = (uint8_t)value;
        }
        if (v != 0) return error_set(why, ERR_SYNTAX, "a packed byte has too many digits");
    }
    return 0;
}

int bitcode_read_bytes(struct bitcode_reader *r, struct bytes *ret, size_t n, struct error *why) {
    struct bytes head, least = {NULL, 0}, packed;
    if (n <= 2) return bitcode_read_raw(r, ret, n, why);
    int status = bitcode_read_raw(r, &head, 1, why);
    if (status != 0) return status;
    unsigned code = (head.p[0] + 1u) / 2;
    bool offset = head.p[0] & 1;
    if (code >= sizeof bases / sizeof *bases) {
        return error_set(why, ERR_SYNTAX, "bytes are packed in an unknown way");
    }
    if (offset) status = bitcode_read_raw(r, &least, 1, why);
    struct base b = bases[code];
    if (status == 0) {
        status = bitcode_read_raw(r, &packed, n / b.digits + (n % b.digits != 0), why);
    }
    if (status != 0) return status;
    if (code == 0) {
        *ret = packed;
        return 0;
    }
    uint8_t *memory = arena_alloc_raw(r->a, n);
    if (!memory) return error_set(why, ERR_LIMIT, "message does not fit its memory limit");
    *ret = bytes_make(memory, n);
    return unpack(memory, n, packed, b, least.n > 0 ? least.p[0] : 0, why);
}

static int read_narrow(struct bitcode_reader *r, uint64_t *ret, size_t n, unsigned width,
                       struct error *why) {
    struct bytes in;
    if (n > r->rest.n * 8 + 8) return cut_short(why);
    int status =
        width == 1 ? bitcode_read_bytes(r, &in, n, why) : bitcode_read_raw(r, &in, n * width, why);
    for (size_t i = 0; status == 0 && i < n; i++) {
        const uint8_t *p = in.p + i * width;
        ret[i] = width == 1   ? *p
                 : width == 2 ? load_le16(p)
                 : width == 4 ? load_le32(p)
                              : load_le64(p);
    }
    return status;
}

int bitcode_read_u64s(struct bitcode_reader *r, uint64_t *ret, size_t n, struct error *why) {
    struct bytes head, least = {NULL, 0};
    if (n == 0) return 0;
    int status = bitcode_read_raw(r, &head, 1, why);
    if (status != 0) return status;
    if (head.p[0] > 6) return error_set(why, ERR_SYNTAX, "integers are packed in an unknown way");
    unsigned code = (head.p[0] + 1u) / 2; /* 0: 8 bytes ... 3: 1 byte */
    if (head.p[0] & 1) status = bitcode_read_raw(r, &least, 8, why);
    if (status == 0) status = read_narrow(r, ret, n, 8u >> code, why);
    for (size_t i = 0; status == 0 && least.n > 0 && i < n; i++) {
        if (__builtin_add_overflow(ret[i], load_le64(least.p), &ret[i])) {
            return error_set(why, ERR_SYNTAX, "an integer is too large");
        }
    }
    return status;
}

int bitcode_read_lengths(struct bitcode_reader *r, const uint64_t **ret, uint64_t *ret_sum,
                         size_t n, struct error *why) {
    struct bytes shorts;
    size_t longs = 0, k = 0;
    if (n > r->rest.n * 8 + 8) return cut_short(why);
    int status = bitcode_read_bytes(r, &shorts, n, why);
    if (status != 0) return status;
    uint64_t *lengths = arena_new_array(r->a, uint64_t, n);
    uint64_t *long_ones = arena_new_array(r->a, uint64_t, n);
    if (!lengths || !long_ones) {
        return error_set(why, ERR_LIMIT, "message does not fit its memory limit");
    }
    for (size_t i = 0; i < n; i++) {
        longs += shorts.p[i] == LENGTH_LONG;
    }
    status = bitcode_read_u64s(r, long_ones, longs, why);
    if (status != 0) return status;
    *ret_sum = 0;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = shorts.p[i] == LENGTH_LONG ? long_ones[k++] : shorts.p[i];
        if (shorts.p[i] == LENGTH_LONG && lengths[i] < LENGTH_LONG) {
            return error_set(why, ERR_SYNTAX, "a long length is short");
        }
        if (__builtin_add_overflow(*ret_sum, lengths[i], ret_sum)) {
            return error_set(why, ERR_SYNTAX, "lengths are too large");
        }
    }
    *ret = lengths;
    return 0;
}

int bitcode_read_length(struct bitcode_reader *r, uint64_t *ret, struct error *why) {
    const uint64_t *one;
    return bitcode_read_lengths(r, &one, ret, 1, why);
}

int bitcode_read_tag(struct bitcode_reader *r, bool *ret, struct error *why) {
    struct bytes tag = {NULL, 0};
    int status = bitcode_read_raw(r, &tag, 1, why);
    if (status != 0) return status;
    if (tag.p[0] > 1) return error_set(why, ERR_SYNTAX, "a tag is neither 0 nor 1");
    *ret = tag.p[0] == 1;
    return 0;
}

int bitcode_read_end(const struct bitcode_reader *r, struct error *why) {
    return r->rest.n == 0 ? 0 : error_set(why, ERR_SYNTAX, "%zu bytes are left over", r->rest.n);
}

static void put_digits(struct buf *out, struct bytes in, struct base b, unsigned least) {
    for (size_t i = 0; i < in.n; i += b.digits) {
        unsigned v = 0, place = 1;
        for (size_t d = i; d < in.n && d < i + b.digits; d++, place *= b.base) {
            v += (in.p[d] - least) * place;
        }
        buf_append_byte(out, (uint8_t)v);
    }
}

static void look(struct bytes in, unsigned *least, unsigned *most) {
    uint8_t low = (uint8_t)*least, high = (uint8_t)*most;
    for (size_t i = 0; i < in.n; i++) {
        low = in.p[i] < low ? in.p[i] : low;
        high = in.p[i] > high ? in.p[i] : high;
    }
    *least = low;
    *most = high;
}

void bitcode_put_pieces(struct buf *out, const struct bytes *pieces, size_t count) {
    unsigned least = UINT8_MAX, most = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        look(pieces[i], &least, &most);
        n += pieces[i].n;
    }
    bool plain = n > 2 && base_code(most) == 0 && base_code(most - least) == 0;
    struct buf all;
    buf_init(&all, 0);
    struct buf *to = plain ? out : &all;
    if (plain) buf_append_byte(out, 0);
    for (size_t i = 0; i < count; i++) {
        buf_append(to, pieces[i]);
    }
    if (all.failed) out->failed = all.failed;
    if (!plain) bitcode_put_bytes(out, buf_view(&all));
    buf_free(&all);
}

void bitcode_put_bytes(struct buf *out, struct bytes in) {
    unsigned least = UINT8_MAX, most = 0;
    if (in.n <= 2) {
        buf_append(out, in);
        return;
    }
    look(in, &least, &most);
    unsigned code = base_code(most), offset_code = base_code(most - least);
    if (in.n >= OFFSETS_FROM && offset_code > code) {
        buf_append_byte(out, (uint8_t)(2 * offset_code - 1));
        buf_append_byte(out, (uint8_t)least);
        put_digits(out, in, bases[offset_code], least);
        return;
    }
    buf_append_byte(out, (uint8_t)(2 * code));
    if (code == 0) {
        buf_append(out, in);
    } else {
        put_digits(out, in, bases[code], 0);
    }
}

/* 0: 8 bytes, 1: 4, 2: 2, 3: 1. */
static unsigned width_code(uint64_t v) {
    return v <= UINT8_MAX ? 3 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 1 : 0;
}

static void put_narrow(struct buf *out, const uint64_t *v, size_t n, uint64_t least,
                       unsigned width) {
    struct buf bytes;
    bool packs = width == 1 && n > 2;
    buf_init(&bytes, 0);
    for (size_t i = 0; i < n; i++) {
        uint8_t le[8];
        store_le64(le, v[i] - least);
        buf_append(packs ? &bytes : out, bytes_make(le, width));
    }
    if (bytes.failed) out->failed = bytes.failed;
    if (packs) bitcode_put_bytes(out, buf_view(&bytes));
    buf_free(&bytes);
}

static uint64_t spread(const uint64_t *v, size_t n, uint64_t *ret_least, uint64_t *ret_most) {
    *ret_least = UINT64_MAX;
    *ret_most = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < *ret_least) *ret_least = v[i];
        if (v[i] > *ret_most) *ret_most = v[i];
    }
    return *ret_most - *ret_least;
}

void bitcode_put_u64s(struct buf *out, const uint64_t *v, size_t n) {
    uint64_t least, most;
    if (n == 0) return;
    bool wide = width_code(spread(v, n < U64S_LOOKED_AT ? n : U64S_LOOKED_AT, &least, &most)) == 0;
    uint64_t range = spread(v, n, &least, &most);
    unsigned code = wide ? 0 : width_code(most), offset_code = wide ? 0 : width_code(range);
    if (n >= OFFSETS_FROM && offset_code > code) {
        uint8_t le[8];
        store_le64(le, least);
        buf_append_byte(out, (uint8_t)(2 * offset_code - 1));
        buf_append(out, bytes_make(le, sizeof le));
        put_narrow(out, v, n, least, 8u >> offset_code);
        return;
    }
    buf_append_byte(out, (uint8_t)(2 * code));
    put_narrow(out, v, n, 0, 8u >> code);
}

void bitcode_put_lengths(struct buf *out, const uint64_t *v, size_t n) {
    struct buf shorts, longs;
    buf_init(&shorts, 0);
    buf_init(&longs, 0);
    for (size_t i = 0; i < n; i++) {
        buf_append_byte(&shorts, (uint8_t)(v[i] < LENGTH_LONG ? v[i] : LENGTH_LONG));
        if (v[i] >= LENGTH_LONG) buf_append(&longs, bytes_make(&v[i], sizeof v[i]));
    }
    if (shorts.failed || longs.failed) out->failed = ERR_NO_MEMORY;
    bitcode_put_bytes(out, buf_view(&shorts));
    bitcode_put_u64s(out, (const uint64_t *)(const void *)longs.p, longs.n / sizeof *v);
    buf_free(&shorts);
    buf_free(&longs);
}

void bitcode_put_length(struct buf *out, uint64_t v) {
    buf_append_byte(out, (uint8_t)(v < LENGTH_LONG ? v : LENGTH_LONG));
    if (v >= LENGTH_LONG) bitcode_put_u64s(out, &v, 1);
}

void bitcode_put_tag(struct buf *out, bool v) {
    buf_append_byte(out, v);
}
