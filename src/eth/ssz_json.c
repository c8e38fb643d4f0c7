/* SPDX-License-Identifier: MIT */
#include "eth/ssz_json.h"

#include "base/hex.h"

static int decode_container(void *ret, const struct ssz_type *type, const struct json *in,
                            struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    for (uint32_t i = 0; r == 0 && i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        const struct json *member = json_get(in, f->name);
        r = ssz_json_decode((uint8_t *)ret + f->offset, f->type, member, a, why);
        if (r != 0) return error_wrap(why, "%s", f->name);
    }
    return r;
}

static int decode_items(uint8_t *items, const struct ssz_type *element, const struct json *in,
                        struct arena *a, struct error *why) {
    size_t i = 0;
    json_each(item, in) {
        int r = ssz_json_decode(items + i * element->memory, element, item, a, why);
        if (r != 0) return error_wrap(why, "[%zu]", i);
        i++;
    }
    return 0;
}

static int decode_list(struct ssz_list *ret, const struct ssz_type *type, const struct json *in,
                       struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return r;
    size_t count = json_count(in);
    if (count > type->limit) {
        return json_error(why, ERR_LIMIT, in, "list is longer than its limit");
    }
    uint8_t *items = arena_alloc_array(a, count, type->element->memory);
    if (!items) return json_error(why, ERR_LIMIT, in, "list does not fit its memory limit");
    *ret = (struct ssz_list){items, count};
    return decode_items(items, type->element, in, a, why);
}

static int decode_vector(void *ret, const struct ssz_type *type, const struct json *in,
                         struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return r;
    if (json_count(in) != type->limit) {
        return json_error(why, ERR_RANGE, in, "has the wrong number of elements");
    }
    return decode_items(ret, type->element, in, a, why);
}

static int decode_bits(struct bytes *ret, const struct ssz_type *type, const struct json *in,
                       struct arena *a, struct error *why) {
    int r = json_data(ret, in, a, why);
    if (r != 0) return r;
    if (ret->n == 0 || ret->p[ret->n - 1] == 0) {
        return json_error(why, ERR_SYNTAX, in, "bit list does not end with a set bit");
    }
    size_t bits = 8 * ret->n - 1 - (size_t)(__builtin_clz(ret->p[ret->n - 1]) - 24);
    if (bits > type->limit) {
        return json_error(why, ERR_LIMIT, in, "bit list is longer than its limit");
    }
    return 0;
}

int ssz_json_decode(void *ret, const struct ssz_type *type, const struct json *in, struct arena *a,
                    struct error *why) {
    int r;
    switch (type->kind) {
    case SSZ_UINT64:
        return json_decimal(ret, in, why);
    case SSZ_UINT256:
        return json_decimal256(ret, in, why);
    case SSZ_BOOL:
        return json_bool(ret, in, why);
    case SSZ_BYTES:
        return json_fixed(ret, (size_t)type->limit, in, why);
    case SSZ_BYTE_LIST:
        r = json_data(ret, in, a, why);
        if (r == 0 && ((struct bytes *)ret)->n > type->limit) {
            return json_error(why, ERR_LIMIT, in, "byte list is longer than its limit");
        }
        return r;
    case SSZ_BIT_LIST:
        return decode_bits(ret, type, in, a, why);
    case SSZ_LIST:
        return decode_list(ret, type, in, a, why);
    case SSZ_VECTOR:
        return decode_vector(ret, type, in, a, why);
    case SSZ_CONTAINER:
        return decode_container(ret, type, in, a, why);
    }
    return error_set(why, ERR_INTERNAL, "unknown SSZ kind");
}

static void put_data(struct buf *out, struct bytes v) {
    buf_append_byte(out, '"');
    hex_append_data(out, v);
    buf_append_byte(out, '"');
}

static void put_decimal(struct buf *out, struct u256 v) {
    char digits[U256_DECIMAL_MAX + 1];
    (void)u256_to_decimal(digits, v);
    buf_printf(out, "\"%s\"", digits);
}

static void put_elements(struct buf *out, const struct ssz_type *element, const void *items,
                         size_t count) {
    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_append_byte(out, ',');
        ssz_json_encode(out, element, (const uint8_t *)items + i * element->memory);
    }
    buf_append_byte(out, ']');
}

static void put_container(struct buf *out, const struct ssz_type *type, const void *value) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        buf_append_byte(out, i > 0 ? ',' : '{');
        buf_append_byte(out, '"');
        buf_append_str(out, f->name);
        buf_append_str(out, "\":");
        ssz_json_encode(out, f->type, (const uint8_t *)value + f->offset);
    }
    buf_append_byte(out, '}');
}

void ssz_json_encode(struct buf *out, const struct ssz_type *type, const void *value) {
    switch (type->kind) {
    case SSZ_UINT64:
        put_decimal(out, u256_from_u64(*(const uint64_t *)value));
        break;
    case SSZ_UINT256:
        put_decimal(out, *(const struct u256 *)value);
        break;
    case SSZ_BOOL:
        buf_append_str(out, *(const bool *)value ? "true" : "false");
        break;
    case SSZ_BYTES:
        put_data(out, bytes_make(value, type->memory));
        break;
    case SSZ_BYTE_LIST:
    case SSZ_BIT_LIST:
        put_data(out, *(const struct bytes *)value);
        break;
    case SSZ_LIST: {
        const struct ssz_list *l = value;
        put_elements(out, type->element, l->items, l->count);
        break;
    }
    case SSZ_VECTOR:
        put_elements(out, type->element, value, (size_t)type->limit);
        break;
    case SSZ_CONTAINER:
        put_container(out, type, value);
        break;
    }
}
