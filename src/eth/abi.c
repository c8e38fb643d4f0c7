/* SPDX-License-Identifier: MIT */
#include "eth/abi.h"

#define WORD 32u

/* Whether the encoding's size depends on the value: it is then written behind the heads. */
static bool is_dynamic(const struct abi_type *type) {
    if (type->kind == ABI_BYTES || type->kind == ABI_STRING) return true;
    if (type->kind == ABI_ARRAY) return !type->has_length || is_dynamic(type->parts);
    for (size_t i = 0; i < type->part_count; i++) {
        if (is_dynamic(&type->parts[i])) return true;
    }
    return false;
}

/* Bytes that a value takes in its parent's heads. */
static uint64_t head_size(const struct abi_type *type) {
    if (is_dynamic(type)) return WORD;
    if (type->kind == ABI_ARRAY) return type->length * head_size(type->parts);
    if (type->kind != ABI_TUPLE) return WORD;
    uint64_t n = 0;
    for (size_t i = 0; i < type->part_count; i++) {
        n += head_size(&type->parts[i]);
    }
    return n;
}

static const struct abi_type *part_of(const struct abi_type *type, size_t i) {
    return &type->parts[type->kind == ABI_TUPLE ? i : 0];
}

/* The number holds what lies above `bits` as its type wants it: zeros, or copies of the sign. */
static bool in_range(const struct abi_type *type, struct u256 v) {
    if (type->size == 256) return true;
    if (type->kind == ABI_UINT) return u256_bit_length(v) <= type->size;
    struct u256 above = u256_shift_right(v, type->size - 1u);
    struct u256 all = u256_shift_right(U256_MAX, type->size - 1u);
    return u256_is_zero(above) || u256_equal(above, all);
}

static void put_word(struct buf *out, struct u256 v) {
    uint8_t be[WORD];
    u256_store_be(be, v);
    buf_append(out, bytes_make(be, WORD));
}

static void put_padded(struct buf *out, struct bytes v) {
    buf_append(out, v);
    buf_append_fill(out, 0, (WORD - v.n % WORD) % WORD);
}

static int encode_value(struct buf *out, const struct abi_type *type, const struct abi_value *v,
                        struct error *why);

/* Heads and tails of an array's or tuple's items. */
static int encode_items(struct buf *out, const struct abi_type *type, const struct abi_value *v,
                        struct error *why) {
    size_t begin = out->n, place = begin;
    int r = 0;
    for (size_t i = 0; r == 0 && i < v->count; i++) {
        const struct abi_type *part = part_of(type, i);
        if (is_dynamic(part)) {
            buf_append_fill(out, 0, WORD);
        } else {
            r = encode_value(out, part, &v->items[i], why);
        }
    }
    for (size_t i = 0; r == 0 && i < v->count; i++) {
        const struct abi_type *part = part_of(type, i);
        if (is_dynamic(part)) {
            if (!out->failed) {
                u256_store_be(out->p + place, u256_from_u64(out->n - begin));
            }
            r = encode_value(out, part, &v->items[i], why);
        }
        place += head_size(part);
    }
    return r;
}

static int encode_value(struct buf *out, const struct abi_type *type, const struct abi_value *v,
                        struct error *why) {
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        if (!in_range(type, v->number)) {
            return error_set(why, ERR_RANGE, "ABI: number does not fit %u bits", type->size);
        }
        put_word(out, v->number);
        return 0;
    case ABI_BOOL:
        put_word(out, u256_from_u64(!u256_is_zero(v->number)));
        return 0;
    case ABI_ADDRESS:
        buf_append_fill(out, 0, WORD - 20);
        buf_append(out, BYTES_OF(v->address));
        return 0;
    case ABI_FIXED_BYTES:
        if (v->bytes.n != type->size) {
            return error_set(why, ERR_RANGE, "ABI: %zu bytes for bytes%u", v->bytes.n, type->size);
        }
        put_padded(out, v->bytes);
        return 0;
    case ABI_BYTES:
    case ABI_STRING:
        put_word(out, u256_from_u64(v->bytes.n));
        put_padded(out, v->bytes);
        return 0;
    case ABI_ARRAY:
        if (type->has_length && v->count != type->length) {
            return error_set(why, ERR_RANGE, "ABI: %zu items for an array of %llu", v->count,
                             (unsigned long long)type->length);
        }
        if (!type->has_length) put_word(out, u256_from_u64(v->count));
        return encode_items(out, type, v, why);
    case ABI_TUPLE:
        if (v->count != type->part_count) {
            return error_set(why, ERR_RANGE, "ABI: %zu items for a tuple of %zu", v->count,
                             type->part_count);
        }
        return encode_items(out, type, v, why);
    }
    return error_set(why, ERR_INTERNAL, "ABI: unknown kind");
}

int abi_encode(struct buf *out, const struct abi_type *type, const struct abi_value *value,
               struct error *why) {
    if (type->kind != ABI_TUPLE) return error_set(why, ERR_INVALID, "ABI: type is no tuple");
    return encode_value(out, type, value, why);
}

struct decoder {
    struct bytes all;
    size_t values; /* so far */
    struct arena *a;
    struct error *why;
};

static int fail(const struct decoder *d, enum err code, uint64_t at, const char *text) {
    return error_set_at(d->why, code, at, "ABI: %s", text);
}

/* The word at an offset as a number. */
static int word_at(const struct decoder *d, struct u256 *ret, uint64_t at) {
    if (at > d->all.n || d->all.n - at < WORD) {
        return fail(d, ERR_SYNTAX, at, "data ends within a word");
    }
    *ret = u256_load_be(d->all.p + at);
    return 0;
}

/* A length or relative offset: at most what there is. */
static int size_at(const struct decoder *d, uint64_t *ret, uint64_t at) {
    struct u256 v = U256_ZERO;
    int r = word_at(d, &v, at);
    if (r != 0) return r;
    if (!u256_fits_u64(v) || v.w[0] > d->all.n) {
        return fail(d, ERR_SYNTAX, at, "offset or length beyond the data");
    }
    *ret = v.w[0];
    return 0;
}

static int padded_bytes(const struct decoder *d, struct bytes *ret, uint64_t at, uint64_t n) {
    uint64_t padded = (n + WORD - 1) / WORD * WORD;
    if (at > d->all.n || d->all.n - at < padded) {
        return fail(d, ERR_SYNTAX, at, "data ends within bytes");
    }
    *ret = bytes_slice(d->all, at, n);
    for (uint64_t i = at + n; i < at + padded; i++) {
        if (d->all.p[i] != 0) return fail(d, ERR_SYNTAX, i, "padding is not zero");
    }
    return 0;
}

static int decode_value(struct decoder *d, struct abi_value *ret, const struct abi_type *type,
                        uint64_t at);

/* Items whose heads begin at `begin`, from where offsets count. */
static int decode_items(struct decoder *d, struct abi_value *ret, const struct abi_type *type,
                        uint64_t begin, uint64_t count) {
    if (count > ABI_VALUES_MAX - d->values) {
        return fail(d, ERR_LIMIT, begin, "more values than allowed");
    }
    struct abi_value *items = arena_new_array(d->a, struct abi_value, count);
    if (!items) return fail(d, ERR_LIMIT, begin, "values do not fit their memory limit");
    ret->items = items;
    ret->count = count;
    uint64_t head = begin;
    for (uint64_t i = 0; i < count; i++) {
        const struct abi_type *part = part_of(type, i);
        uint64_t at = head, offset = 0;
        if (is_dynamic(part)) {
            int r = size_at(d, &offset, head);
            if (r != 0) return r;
            at = begin + offset;
        }
        int r = decode_value(d, &items[i], part, at);
        if (r != 0) return r;
        head += head_size(part);
    }
    return 0;
}

static int decode_word(struct decoder *d, struct abi_value *ret, const struct abi_type *type,
                       uint64_t at) {
    int r = word_at(d, &ret->number, at);
    if (r != 0) return r;
    bool fits = type->kind == ABI_BOOL      ? u256_compare(ret->number, U256_ONE) <= 0
                : type->kind == ABI_ADDRESS ? u256_bit_length(ret->number) <= 160
                                            : in_range(type, ret->number);
    if (!fits) return fail(d, ERR_RANGE, at, "word is outside of its type");
    if (type->kind == ABI_ADDRESS) memcpy(ret->address.b, d->all.p + at + 12, 20);
    return 0;
}

static int decode_value(struct decoder *d, struct abi_value *ret, const struct abi_type *type,
                        uint64_t at) {
    if (++d->values > ABI_VALUES_MAX) return fail(d, ERR_LIMIT, at, "more values than allowed");
    *ret = (struct abi_value){.count = 0};
    uint64_t n = 0;
    int r = 0;
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
    case ABI_BOOL:
    case ABI_ADDRESS:
        return decode_word(d, ret, type, at);
    case ABI_FIXED_BYTES:
        return padded_bytes(d, &ret->bytes, at, type->size);
    case ABI_BYTES:
    case ABI_STRING:
        r = size_at(d, &n, at);
        return r != 0 ? r : padded_bytes(d, &ret->bytes, at + WORD, n);
    case ABI_ARRAY:
        if (type->has_length) return decode_items(d, ret, type, at, type->length);
        r = size_at(d, &n, at);
        return r != 0 ? r : decode_items(d, ret, type, at + WORD, n);
    case ABI_TUPLE:
        return decode_items(d, ret, type, at, type->part_count);
    }
    return fail(d, ERR_INTERNAL, at, "unknown kind");
}

int abi_decode(struct abi_value *ret, const struct abi_type *type, struct bytes in, struct arena *a,
               struct error *why) {
    if (type->kind != ABI_TUPLE) return error_set(why, ERR_INVALID, "ABI: type is no tuple");
    struct decoder d = {.all = in, .a = a, .why = why};
    return decode_value(&d, ret, type, 0);
}
