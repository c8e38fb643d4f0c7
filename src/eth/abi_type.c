/* SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "eth/abi.h"

/* A place in the text. */
struct parser {
    struct bytes text;
    size_t at;
    size_t types; /* so far */
    struct arena *a;
    struct error *why;
};

static int fail(const struct parser *p, enum err code, const char *text) {
    return error_set_at(p->why, code, p->at, "ABI type: %s", text);
}

static bool next_is(const struct parser *p, char c) {
    return p->at < p->text.n && p->text.p[p->at] == (uint8_t)c;
}

static bool word_char(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static void skip_spaces(struct parser *p) {
    while (next_is(p, ' ')) {
        p->at++;
    }
}

static struct bytes take_word(struct parser *p) {
    size_t from = p->at;
    while (p->at < p->text.n && word_char(p->text.p[p->at])) {
        p->at++;
    }
    return bytes_slice(p->text, from, p->at - from);
}

/* Decimal digits without leading zeros, up to max; false otherwise. */
static bool decimal(uint64_t *ret, struct bytes digits, uint64_t max) {
    struct u256 v;
    if (digits.n == 0 || digits.p[0] == '0' || !u256_from_decimal(&v, digits)) return false;
    if (!u256_fits_u64(v) || v.w[0] > max) return false;
    *ret = v.w[0];
    return true;
}

static bool numbered(uint64_t *ret, struct bytes word, struct bytes stem, uint64_t max) {
    return bytes_starts_with(word, stem) && decimal(ret, bytes_slice(word, stem.n, SIZE_MAX), max);
}

static int elementary(struct parser *p, struct abi_type *ret, struct bytes word) {
    uint64_t n;
    static const struct {
        const char *name;
        enum abi_kind kind;
        uint16_t size;
    } plain[] = {{"address", ABI_ADDRESS, 0}, {"bool", ABI_BOOL, 0},   {"bytes", ABI_BYTES, 0},
                 {"string", ABI_STRING, 0},   {"uint", ABI_UINT, 256}, {"int", ABI_INT, 256}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!bytes_equal_str(word, plain[i].name)) continue;
        *ret = (struct abi_type){.kind = plain[i].kind, .size = plain[i].size};
        return 0;
    }
    if (bytes_equal_str(word, "function")) {
        *ret = (struct abi_type){.kind = ABI_FIXED_BYTES, .size = 24, .is_function = true};
        return 0;
    }
    if (numbered(&n, word, BYTES_LIT("bytes"), 32)) {
        *ret = (struct abi_type){.kind = ABI_FIXED_BYTES, .size = (uint16_t)n};
    } else if (numbered(&n, word, BYTES_LIT("uint"), 256) && n % 8 == 0) {
        *ret = (struct abi_type){.kind = ABI_UINT, .size = (uint16_t)n};
    } else if (numbered(&n, word, BYTES_LIT("int"), 256) && n % 8 == 0) {
        *ret = (struct abi_type){.kind = ABI_INT, .size = (uint16_t)n};
    } else {
        return fail(p, ERR_SYNTAX, "unknown name");
    }
    return 0;
}

static int parse_type(struct parser *p, struct abi_type *ret, unsigned depth);

/* Behind "(": components up to ")". They are gathered in a chain of growing arrays. */
static int parse_components(struct parser *p, struct abi_type *ret, unsigned depth) {
    struct abi_type *parts = NULL;
    size_t count = 0, room = 0;
    skip_spaces(p);
    while (!next_is(p, ')')) {
        if (count == room) {
            size_t more = room ? 2 * room : 4;
            struct abi_type *grown = arena_new_array(p->a, struct abi_type, more);
            if (!grown) return fail(p, ERR_LIMIT, "does not fit its memory limit");
            if (count > 0) memcpy(grown, parts, count * sizeof *parts);
            parts = grown;
            room = more;
        }
        int r = parse_type(p, &parts[count++], depth + 1);
        if (r != 0) return r;
        skip_spaces(p);
        if (next_is(p, ',')) {
            p->at++;
            skip_spaces(p);
            if (next_is(p, ')')) return fail(p, ERR_SYNTAX, "a component is missing");
        } else if (!next_is(p, ')')) {
            return fail(p, ERR_SYNTAX, "expected ',' or ')'");
        }
    }
    p->at++;
    *ret = (struct abi_type){.kind = ABI_TUPLE, .parts = parts, .part_count = count};
    return 0;
}

/* "[]" and "[n]" behind a type. */
static int parse_arrays(struct parser *p, struct abi_type *type, unsigned depth) {
    for (; next_is(p, '['); depth++) {
        if (depth >= ABI_DEPTH_MAX) return fail(p, ERR_LIMIT, "nests too deep");
        p->at++;
        struct bytes digits = take_word(p);
        struct abi_type *element = arena_new(p->a, struct abi_type);
        if (!element) return fail(p, ERR_LIMIT, "does not fit its memory limit");
        *element = *type;
        *type = (struct abi_type){.kind = ABI_ARRAY, .parts = element, .part_count = 1};
        if (digits.n > 0) {
            type->has_length = true;
            if (!decimal(&type->length, digits, ABI_VALUES_MAX)) {
                return fail(p, ERR_SYNTAX, "array length is no number in range");
            }
        }
        if (!next_is(p, ']')) return fail(p, ERR_SYNTAX, "expected ']'");
        p->at++;
    }
    return 0;
}

/* Words behind a type: storage places, which say nothing here, and a name. */
static void parse_name(struct parser *p, struct abi_type *type) {
    static const char *const places[] = {"indexed", "memory", "calldata", "storage", "payable"};
    for (;;) {
        skip_spaces(p);
        struct bytes word = take_word(p);
        if (word.n == 0) return;
        bool place = false;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            place |= bytes_equal_str(word, places[i]);
        }
        if (!place) type->name = word;
    }
}

static int parse_type(struct parser *p, struct abi_type *ret, unsigned depth) {
    if (depth >= ABI_DEPTH_MAX) return fail(p, ERR_LIMIT, "nests too deep");
    if (++p->types > ABI_TYPES_MAX) return fail(p, ERR_LIMIT, "too many types");
    struct bytes word = take_word(p);
    int r;
    if (next_is(p, '(') && (word.n == 0 || bytes_equal_str(word, "tuple"))) {
        p->at++;
        r = parse_components(p, ret, depth);
    } else {
        r = elementary(p, ret, word);
    }
    if (r == 0) r = parse_arrays(p, ret, depth + 1);
    if (r == 0) parse_name(p, ret);
    return r;
}

static int parse_end(struct parser *p) {
    skip_spaces(p);
    return p->at == p->text.n ? 0 : fail(p, ERR_SYNTAX, "more text than a type");
}

int abi_type_parse(struct abi_type *ret, struct bytes text, struct arena *a, struct error *why) {
    struct parser p = {.text = text, .a = a, .why = why};
    int r = parse_type(&p, ret, 0);
    return r != 0 ? r : parse_end(&p);
}

int abi_function_parse(struct bytes *ret_name, struct abi_type *ret_inputs, struct bytes text,
                       struct arena *a, struct error *why) {
    struct parser p = {.text = text, .a = a, .why = why};
    skip_spaces(&p);
    *ret_name = take_word(&p);
    if (bytes_equal_str(*ret_name, "function") && next_is(&p, ' ')) {
        skip_spaces(&p);
        *ret_name = take_word(&p);
    }
    if (ret_name->n == 0 || !next_is(&p, '(')) {
        return fail(&p, ERR_SYNTAX, "expected a name and '('");
    }
    p.at++;
    int r = parse_components(&p, ret_inputs, 0);
    return r != 0 ? r : parse_end(&p);
}

void abi_type_format(struct buf *out, const struct abi_type *type) {
    switch (type->kind) {
    case ABI_UINT:
        buf_printf(out, "uint%u", type->size);
        break;
    case ABI_INT:
        buf_printf(out, "int%u", type->size);
        break;
    case ABI_ADDRESS:
        buf_append_str(out, "address");
        break;
    case ABI_BOOL:
        buf_append_str(out, "bool");
        break;
    case ABI_FIXED_BYTES:
        if (type->is_function) {
            buf_append_str(out, "function");
        } else {
            buf_printf(out, "bytes%u", type->size);
        }
        break;
    case ABI_BYTES:
        buf_append_str(out, "bytes");
        break;
    case ABI_STRING:
        buf_append_str(out, "string");
        break;
    case ABI_ARRAY:
        abi_type_format(out, type->parts);
        if (type->has_length) {
            buf_printf(out, "[%llu]", (unsigned long long)type->length);
        } else {
            buf_append_str(out, "[]");
        }
        break;
    case ABI_TUPLE:
        buf_append_byte(out, '(');
        for (size_t i = 0; i < type->part_count; i++) {
            if (i > 0) buf_append_byte(out, ',');
            abi_type_format(out, &type->parts[i]);
        }
        buf_append_byte(out, ')');
        break;
    }
}

int abi_signature_hash(struct hash *ret, struct bytes name, const struct abi_type *inputs,
                       struct error *why) {
    struct buf text;
    buf_init(&text, 0);
    buf_append(&text, name);
    abi_type_format(&text, inputs);
    int r = buf_check(&text, why);
    if (r == 0) *ret = keccak256(buf_view(&text));
    buf_free(&text);
    return r;
}
