/* SPDX-License-Identifier: MIT */
#include "load/call_data.h"

#include "base/hex.h"
#include "load/scenario.h"

// The text up to the bracket that closes its first one.
static bool cut(struct bytes *text) {
    unsigned depth = 0;
    for (size_t i = 0; i < text->n; i++) {
        if (text->p[i] == '(') depth++;
        if (text->p[i] == ')' && --depth == 0) {
            text->n = i + 1;
            return true;
        }
        if (text->p[i] == ')' && depth > text->n) return false;
    }
    return false;
}

int call_form_parse(struct call_form *ret, struct bytes text, struct arena *a, struct error *why) {
    struct bytes in = bytes_trim(text);
    if (!memchr(in.p, '(', in.n) || !cut(&in)) {
        return error_set(why, ERR_SYNTAX, "\"%.*s\" is no function",
                         (int)(text.n < 80 ? text.n : 80), (const char *)text.p);
    }
    ret->is_constructor = in.p[0] == '(';
    if (ret->is_constructor) {
        char *named = arena_printf(a, "constructor%.*s", (int)in.n, (const char *)in.p);
        if (!named) return error_set(why, ERR_LIMIT, "the scenario is too large");
        in = bytes_from_str(named);
    }
    struct hash h;
    int r = abi_function_parse(&ret->name, &ret->inputs, in, a, why);
    if (r == 0) r = abi_signature_hash(&h, ret->name, &ret->inputs, why);
    if (r == 0) memcpy(ret->selector, h.b, 4);
    if (r == 0 && ret->inputs.part_count > CALL_ARGS_MAX) {
        r = error_set(why, ERR_LIMIT, "at most %d arguments", CALL_ARGS_MAX);
    }
    return r;
}

size_t call_parameter(const struct call_form *f, struct bytes name) {
    for (size_t i = 0; i < f->inputs.part_count; i++) {
        if (bytes_equal(f->inputs.parts[i].name, name)) return i;
    }
    return SIZE_MAX;
}

// Texts

static int wrong(struct bytes text, const char *what, struct error *why) {
    return error_set(why, ERR_SYNTAX, "\"%.*s\": %s is needed", (int)(text.n < 60 ? text.n : 60),
                     (const char *)text.p, what);
}

static int read_hex(struct bytes *ret, struct bytes text, struct arena *a, struct error *why) {
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    uint8_t *to = arena_alloc(a, text.n / 2);
    if (!to) return error_set(why, ERR_LIMIT, "the scenario is too large");
    if (text.n % 2 || hex_decode(to, text, NULL) < 0) return wrong(text, "hex", why);
    *ret = bytes_make(to, text.n / 2);
    return 0;
}

static int read_value(struct abi_value *ret, const struct abi_type *type, struct bytes text,
                      struct arena *a, struct error *why);

// Parts between commas at the outermost level of "[…]" or "(…)".
static size_t split(struct bytes *parts, size_t most, struct bytes text) {
    unsigned depth = 0;
    size_t n = 0, from = 0;
    text = bytes_trim(text);
    if (text.n < 2) return SIZE_MAX;
    text = bytes_slice(text, 1, text.n - 2);
    if (bytes_trim(text).n == 0) return 0;
    for (size_t i = 0; i <= text.n; i++) {
        uint8_t c = i < text.n ? text.p[i] : ',';
        if (c == '[' || c == '(') depth++;
        if (c == ']' || c == ')') depth--;
        if (c != ',' || depth) continue;
        if (n == most) return SIZE_MAX;
        parts[n++] = bytes_trim(bytes_slice(text, from, i - from));
        from = i + 1;
    }
    return n;
}

static int read_list(struct abi_value *ret, const struct abi_type *type, struct bytes text,
                     struct arena *a, struct error *why) {
    struct bytes parts[256];
    bool tuple = type->kind == ABI_TUPLE;
    size_t n = split(parts, 256, text);
    if (n == SIZE_MAX || (tuple && n != type->part_count)) {
        return wrong(text, tuple ? "a tuple" : "a list", why);
    }
    struct abi_value *items = arena_new_array(a, struct abi_value, n);
    if (!items) return error_set(why, ERR_LIMIT, "the scenario is too large");
    for (size_t i = 0; i < n; i++) {
        int r = read_value(&items[i], tuple ? &type->parts[i] : type->parts, parts[i], a, why);
        if (r < 0) return r;
    }
    ret->items = items;
    ret->count = n;
    return 0;
}

static int read_number(struct u256 *ret, struct bytes text, struct error *why) {
    bool negative = text.n > 1 && text.p[0] == '-';
    int r = scenario_amount(ret, negative ? bytes_slice(text, 1, text.n) : text, why);
    if (r == 0 && negative) *ret = u256_sub(u256_from_u64(0), *ret);
    return r < 0 ? wrong(text, "a number", why) : 0;
}

static int read_value(struct abi_value *ret, const struct abi_type *type, struct bytes text,
                      struct arena *a, struct error *why) {
    struct bytes bytes = {NULL, 0};
    int r;
    *ret = (struct abi_value){.count = 0};
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        return read_number(&ret->number, text, why);
    case ABI_BOOL:
        ret->number = u256_from_u64(bytes_equal_str(text, "true"));
        return bytes_equal_str(text, "true") || bytes_equal_str(text, "false")
                   ? 0
                   : wrong(text, "true or false", why);
    case ABI_ADDRESS:
        // "0x" may stand twice where a template put it before an address.
        while (bytes_starts_with(text, BYTES_LIT("0x")))
            text = bytes_slice(text, 2, text.n);
        r = read_hex(&bytes, text, a, why);
        if (r == 0 && bytes.n != 20) r = wrong(text, "an address", why);
        if (r == 0) memcpy(ret->address.b, bytes.p, 20);
        return r;
    case ABI_FIXED_BYTES:
    case ABI_BYTES:
        return read_hex(&ret->bytes, text, a, why);
    case ABI_STRING:
        ret->bytes = text;
        return 0;
    case ABI_ARRAY:
    case ABI_TUPLE:
        return read_list(ret, type, text, a, why);
    }
    return error_set(why, ERR_INTERNAL, "no such type");
}

// A number in the place of an argument: addresses are its low 20 bytes.
static void set_number(struct abi_value *v, const struct abi_type *type, struct u256 n) {
    uint8_t bytes[32];
    if (type->kind == ABI_ADDRESS) {
        u256_store_be(bytes, n);
        memcpy(v->address.b, bytes + 12, 20);
    } else if (type->kind == ABI_BOOL) {
        v->number = u256_from_u64(!u256_is_zero(n));
    } else {
        v->number = n;
    }
}

int call_encode(struct buf *out, const struct call_form *f, const struct bytes *args,
                size_t arg_count, const struct u256 *const *numbers, struct arena *a,
                struct error *why) {
    struct abi_value items[CALL_ARGS_MAX];
    struct abi_value all = {.items = items, .count = arg_count};
    if (arg_count != f->inputs.part_count) {
        return error_set(why, ERR_INVALID, "%.*s takes %zu arguments, %zu are given",
                         (int)f->name.n, (const char *)f->name.p, f->inputs.part_count, arg_count);
    }
    for (size_t i = 0; i < arg_count; i++) {
        const struct abi_type *type = &f->inputs.parts[i];
        int r = read_value(&items[i], type, args[i], a, why);
        if (r < 0) return r;
        if (numbers && numbers[i]) set_number(&items[i], type, *numbers[i]);
    }
    if (!f->is_constructor) buf_append(out, bytes_make(f->selector, 4));
    int r = abi_encode(out, &f->inputs, &all, why);
    return r == 0 ? buf_check(out, why) : r;
}
