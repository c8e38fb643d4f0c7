/* SPDX-License-Identifier: MIT */
#include "eth/ssz.h"

#define OFFSET_BYTES 4u

static const void *at(const void *value, size_t offset) {
    return (const uint8_t *)value + offset;
}

static size_t elements_of(const struct ssz_type *type, const void *value, const void **ret_items) {
    if (type->kind == SSZ_VECTOR) {
        *ret_items = value;
        return (size_t)type->limit;
    }
    const struct ssz_list *list = value;
    *ret_items = list->items;
    return list->count;
}

size_t ssz_fixed_size(const struct ssz_type *type) {
    size_t n = 0;
    switch (type->kind) {
    case SSZ_UINT64:
        return 8;
    case SSZ_UINT256:
        return 32;
    case SSZ_BOOL:
        return 1;
    case SSZ_BYTES:
        return (size_t)type->limit;
    case SSZ_VECTOR:
        return (size_t)type->limit * ssz_fixed_size(type->element);
    case SSZ_CONTAINER:
        for (uint32_t i = 0; i < type->field_count; i++) {
            size_t one = ssz_fixed_size(type->fields[i].type);
            if (one == 0) return 0;
            n += one;
        }
        return n;
    case SSZ_BYTE_LIST:
    case SSZ_BIT_LIST:
    case SSZ_LIST:
        break;
    }
    return 0;
}

size_t ssz_size(const struct ssz_type *type, const void *value) {
    size_t n = ssz_fixed_size(type);
    if (n > 0) return n;
    if (type->kind == SSZ_BYTE_LIST || type->kind == SSZ_BIT_LIST) {
        return ((const struct bytes *)value)->n;
    }
    if (type->kind == SSZ_CONTAINER) {
        for (uint32_t i = 0; i < type->field_count; i++) {
            const struct ssz_field *f = &type->fields[i];
            n += ssz_size(f->type, at(value, f->offset));
            if (ssz_fixed_size(f->type) == 0) n += OFFSET_BYTES;
        }
        return n;
    }
    const void *items;
    size_t count = elements_of(type, value, &items), fixed = ssz_fixed_size(type->element);
    if (fixed > 0) return count * fixed;
    for (size_t i = 0; i < count; i++) {
        n += OFFSET_BYTES + ssz_size(type->element, at(items, i * type->element->memory));
    }
    return n;
}

static void put_le32(uint8_t *to, size_t v) {
    store_le32(to, (uint32_t)v);
}

/* Writes the offset of what comes next into its place; `begin` is where the container began. */
static void patch_offset(struct buf *out, size_t begin, size_t place) {
    if (!out->failed) put_le32(out->p + place, out->n - begin);
}

static void encode_container(struct buf *out, const struct ssz_type *type, const void *value) {
    size_t begin = out->n, place = begin;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        if (ssz_fixed_size(f->type) > 0) {
            ssz_encode(out, f->type, at(value, f->offset));
        } else {
            buf_append_fill(out, 0, OFFSET_BYTES);
        }
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        size_t fixed = ssz_fixed_size(f->type);
        place += fixed > 0 ? fixed : OFFSET_BYTES;
        if (fixed > 0) continue;
        patch_offset(out, begin, place - OFFSET_BYTES);
        ssz_encode(out, f->type, at(value, f->offset));
    }
}

static void encode_elements(struct buf *out, const struct ssz_type *type, const void *value) {
    const struct ssz_type *element = type->element;
    const void *items;
    size_t count = elements_of(type, value, &items), begin = out->n;
    if (element->kind == SSZ_BYTES) {
        buf_append(out, bytes_make(items, count * element->memory));
        return;
    }
    bool fixed = ssz_fixed_size(element) > 0;
    if (!fixed) buf_append_fill(out, 0, count * OFFSET_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (!fixed) patch_offset(out, begin, begin + i * OFFSET_BYTES);
        ssz_encode(out, element, at(items, i * element->memory));
    }
}

void ssz_encode(struct buf *out, const struct ssz_type *type, const void *value) {
    switch (type->kind) {
    case SSZ_UINT64:
    case SSZ_UINT256: // words and hosts are little-endian, as the wire
    case SSZ_BOOL:
    case SSZ_BYTES:
        buf_append(out, bytes_make(value, ssz_fixed_size(type)));
        break;
    case SSZ_BYTE_LIST:
    case SSZ_BIT_LIST:
        buf_append(out, *(const struct bytes *)value);
        break;
    case SSZ_LIST:
    case SSZ_VECTOR:
        encode_elements(out, type, value);
        break;
    case SSZ_CONTAINER:
        encode_container(out, type, value);
        break;
    }
}

/* What decoding carries along. */
struct decoder {
    const uint8_t *start;
    struct arena *a;
    struct error *why;
};

static int bad(const struct decoder *d, struct bytes in, enum err code, const char *text) {
    return error_set_at(d->why, code, (uint64_t)(in.p - d->start), "SSZ: %s", text);
}

static int decode(const struct decoder *d, void *ret, const struct ssz_type *type, struct bytes in);

/* The part of `in` between an offset and the next one, which stands at `place` (or the end). */
static int part_between(const struct decoder *d, struct bytes *ret, struct bytes in, size_t from,
                        size_t to, size_t place) {
    if (from > to || to > in.n) {
        in = bytes_slice(in, place, OFFSET_BYTES);
        return bad(d, in, ERR_SYNTAX, "offsets do not follow each other");
    }
    *ret = bytes_slice(in, from, to - from);
    return 0;
}

static int decode_container(const struct decoder *d, uint8_t *ret, const struct ssz_type *type,
                            struct bytes in) {
    size_t head = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        size_t fixed = ssz_fixed_size(type->fields[i].type);
        head += fixed > 0 ? fixed : OFFSET_BYTES;
    }
    if (in.n < head) return bad(d, in, ERR_SYNTAX, "shorter than its fixed part");
    const struct ssz_field *open = NULL; // the variable field whose end is not known yet
    size_t place = 0, from = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        size_t fixed = ssz_fixed_size(f->type);
        struct bytes part = {NULL, 0};
        int r = 0;
        if (fixed > 0) {
            r = decode(d, ret + f->offset, f->type, bytes_slice(in, place, fixed));
            place += fixed;
        } else {
            size_t offset = load_le32(in.p + place);
            if (!open && offset != head) {
                in = bytes_slice(in, place, OFFSET_BYTES);
                r = bad(d, in, ERR_SYNTAX, "first offset is not the end of the fixed part");
            } else if (open) {
                r = part_between(d, &part, in, from, offset, place);
                if (r == 0) r = decode(d, ret + open->offset, open->type, part);
            }
            open = f;
            from = offset;
            place += OFFSET_BYTES;
        }
        if (r != 0) return r;
    }
    if (!open) return in.n == head ? 0 : bad(d, in, ERR_SYNTAX, "bytes are left over");
    struct bytes part = {NULL, 0};
    int r = part_between(d, &part, in, from, in.n, place);
    return r != 0 ? r : decode(d, ret + open->offset, open->type, part);
}

/* Count of elements in a list of that many bytes; elements of variable size begin with offsets. */
static int count_elements(const struct decoder *d, size_t *ret, size_t fixed, struct bytes in) {
    *ret = 0;
    if (in.n == 0) return 0;
    size_t unit = fixed, bytes = in.n;
    if (fixed == 0) {
        unit = OFFSET_BYTES;
        if (in.n < OFFSET_BYTES) return bad(d, in, ERR_SYNTAX, "ends within an offset");
        bytes = load_le32(in.p);
        if (bytes == 0 || bytes > in.n) return bad(d, in, ERR_SYNTAX, "first offset is wrong");
    }
    if (bytes % unit != 0) return bad(d, in, ERR_SYNTAX, "size is not that of whole elements");
    *ret = bytes / unit;
    return 0;
}

static int decode_items(const struct decoder *d, uint8_t *items, const struct ssz_type *element,
                        size_t count, struct bytes in) {
    size_t fixed = ssz_fixed_size(element);
    for (size_t i = 0; i < count; i++) {
        struct bytes part = {NULL, 0};
        size_t from = i * fixed, to = from + fixed;
        if (fixed == 0) {
            from = load_le32(in.p + i * OFFSET_BYTES);
            to = i + 1 < count ? load_le32(in.p + (i + 1) * OFFSET_BYTES) : in.n;
        }
        int r = part_between(d, &part, in, from, to, (i + 1) * OFFSET_BYTES);
        if (r == 0) r = decode(d, items + i * element->memory, element, part);
        if (r != 0) return r;
    }
    return 0;
}

static int decode_list(const struct decoder *d, struct ssz_list *ret, const struct ssz_type *type,
                       struct bytes in) {
    const struct ssz_type *element = type->element;
    size_t count;
    int r = count_elements(d, &count, ssz_fixed_size(element), in);
    if (r != 0) return r;
    if (count > type->limit) return bad(d, in, ERR_LIMIT, "list is longer than its limit");
    *ret = (struct ssz_list){NULL, count};
    if (count == 0) return 0;
    if (element->kind == SSZ_BYTES) {
        ret->items = in.p;
        return 0;
    }
    uint8_t *items = arena_alloc_array(d->a, count, element->memory);
    if (!items) return bad(d, in, ERR_LIMIT, "list does not fit its memory limit");
    ret->items = items;
    return decode_items(d, items, element, count, in);
}

/* Bits of a bit list: the highest bit that is set ends it. */
static int check_bit_list(const struct decoder *d, const struct ssz_type *type, struct bytes in) {
    if (in.n == 0 || in.p[in.n - 1] == 0) {
        return bad(d, in, ERR_SYNTAX, "bit list does not end with a set bit");
    }
    size_t bits = 8 * in.n - 1 - (size_t)(__builtin_clz(in.p[in.n - 1]) - 24);
    if (bits > type->limit) return bad(d, in, ERR_LIMIT, "bit list is longer than its limit");
    return 0;
}

static int decode(const struct decoder *d, void *ret, const struct ssz_type *type,
                  struct bytes in) {
    size_t fixed = ssz_fixed_size(type);
    if (fixed > 0 && in.n != fixed) return bad(d, in, ERR_SYNTAX, "has the wrong size");
    switch (type->kind) {
    case SSZ_BOOL:
        if (in.p[0] > 1) return bad(d, in, ERR_SYNTAX, "boolean is neither 0 nor 1");
        *(bool *)ret = in.p[0];
        return 0;
    case SSZ_UINT64:
    case SSZ_UINT256:
    case SSZ_BYTES:
        memcpy(ret, in.p, fixed);
        return 0;
    case SSZ_BYTE_LIST:
        if (in.n > type->limit) return bad(d, in, ERR_LIMIT, "byte list is longer than its limit");
        *(struct bytes *)ret = in;
        return 0;
    case SSZ_BIT_LIST:
        *(struct bytes *)ret = in;
        return check_bit_list(d, type, in);
    case SSZ_LIST:
        return decode_list(d, ret, type, in);
    case SSZ_VECTOR:
        return decode_items(d, ret, type->element, (size_t)type->limit, in);
    case SSZ_CONTAINER:
        return decode_container(d, ret, type, in);
    }
    return bad(d, in, ERR_INTERNAL, "unknown kind");
}

int ssz_decode(void *ret, const struct ssz_type *type, struct bytes in, struct arena *a,
               struct error *why) {
    struct decoder d = {in.p, a, why};
    return decode(&d, ret, type, in);
}
