/* SPDX-License-Identifier: MIT */
#include "eth/typed_data.h"

#include "base/buf.h"
#include "crypto/keccak.h"
#include "eth/abi.h"
#include "eth/loose_number.h"

#include <stdio.h>
#include <stdlib.h>

struct hasher {
    const struct json *types;
    struct arena *a;
    struct error *why;
    // Hashes of types: a message may have any number of structs of one type.
    struct known_type {
        const struct json *fields;
        struct hash hash;
    } * known; /* TYPED_DATA_TYPES_MAX of them */
    size_t known_count;
};

static bool same(struct bytes a, struct bytes b) {
    return bytes_equal(a, b);
}

/* The fields of a struct type; NULL when there is none of the name. */
static const struct json *find_type(const struct hasher *h, struct bytes name) {
    json_members(key, value, h->types) {
        if (same(json_text(key), name)) return value;
    }
    return NULL;
}

/* The member of an object whose key is no C string. */
static const struct json *find_member(const struct json *object, struct bytes name) {
    json_members(key, value, object) {
        if (same(json_text(key), name)) return value;
    }
    return NULL;
}

/* A type's name without its array brackets. */
static struct bytes stem_of(struct bytes type) {
    for (size_t i = 0; i < type.n; i++) {
        if (type.p[i] == '[') return bytes_slice(type, 0, i);
    }
    return type;
}

static int text_member(struct bytes *ret, const struct json *in, const char *key,
                       struct error *why) {
    return json_get_string(ret, in, key, why);
}

/* Adds a struct type and all that it reaches to the list of names. */
static int gather(const struct hasher *h, struct bytes *names, size_t *count, struct bytes name) {
    size_t next = *count;
    names[(*count)++] = name;
    for (; next < *count; next++) {
        json_each(field, find_type(h, names[next])) {
            struct bytes type;
            int r = text_member(&type, field, "type", h->why);
            if (r != 0) return r;
            type = stem_of(type);
            bool known = !find_type(h, type);
            for (size_t i = 0; i < *count; i++) {
                known |= same(names[i], type);
            }
            if (known) continue;
            names[(*count)++] = type;
        }
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static int put_type(const struct hasher *h, struct buf *out, struct bytes name) {
    buf_append(out, name);
    const char *separator = "(";
    json_each(field, find_type(h, name)) {
        struct bytes field_type, field_name;
        int r = text_member(&field_type, field, "type", h->why);
        if (r == 0) r = text_member(&field_name, field, "name", h->why);
        if (r != 0) return r;
        buf_append_str(out, separator);
        buf_append(out, field_type);
        buf_append_byte(out, ' ');
        buf_append(out, field_name);
        separator = ",";
    }
    buf_append_str(out, separator[0] == '(' ? "()" : ")");
    return 0;
}

/* encodeType: the struct, then what it reaches in the order of their names. */
static int type_text(const struct hasher *h, struct buf *out, struct bytes name) {
    struct bytes names[TYPED_DATA_TYPES_MAX];
    size_t count = 0;
    int r = gather(h, names, &count, name);
    if (r == 0 && count > 1) qsort(names + 1, count - 1, sizeof *names, compare_names);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = put_type(h, out, names[i]);
    }
    return r == 0 ? buf_check(out, h->why) : r;
}

/* keccak256 of encodeType. fields: the type of that name. */
static int type_hash(struct hasher *h, struct hash *ret, struct bytes name,
                     const struct json *fields) {
    for (size_t i = 0; i < h->known_count; i++) {
        if (h->known[i].fields != fields) continue;
        *ret = h->known[i].hash;
        return 0;
    }
    struct buf text;
    buf_init(&text, TYPED_DATA_TYPE_TEXT_MAX);
    int r = type_text(h, &text, name);
    if (r == 0) {
        *ret = keccak256(buf_view(&text));
        h->known[h->known_count++] = (struct known_type){fields, *ret};
    }
    buf_free(&text);
    return r;
}

static int encode(struct hasher *h, struct hash *ret, struct bytes type, const struct json *value,
                  unsigned depth);

static int struct_hash(struct hasher *h, struct hash *ret, struct bytes name,
                       const struct json *value, unsigned depth) {
    const struct json *fields = find_type(h, name);
    if (!fields) {
        return error_set(h->why, ERR_NOT_FOUND, "type %.*s is not defined", (int)name.n, name.p);
    }
    int r = json_expect(value, JSON_OBJECT, h->why);
    struct keccak k;
    struct hash word;
    keccak_init(&k);
    if (r == 0) r = type_hash(h, &word, name, fields);
    if (r != 0) return r;
    keccak_update(&k, BYTES_OF(word));
    json_each(field, fields) {
        struct bytes type, member;
        r = text_member(&type, field, "type", h->why);
        if (r == 0) r = text_member(&member, field, "name", h->why);
        if (r == 0) r = encode(h, &word, type, find_member(value, member), depth + 1);
        if (r != 0) return error_wrap(h->why, "%.*s", (int)name.n, name.p);
        keccak_update(&k, BYTES_OF(word));
    }
    *ret = keccak_final(&k);
    return 0;
}

/* T[] and T[n]: the hash of the items' words. */
static int array_hash(struct hasher *h, struct hash *ret, struct bytes type,
                      const struct json *value, unsigned depth) {
    size_t open = type.n - 1;
    while (open > 0 && type.p[open] != '[') {
        open--;
    }
    struct bytes digits = bytes_slice(type, open + 1, type.n - open - 2);
    struct u256 length;
    int r = json_expect(value, JSON_ARRAY, h->why);
    if (r != 0) return r;
    if (digits.n > 0 && (!u256_from_decimal(&length, digits) || !u256_fits_u64(length) ||
                         length.w[0] != json_count(value))) {
        return json_error(h->why, ERR_RANGE, value, "array is not of its type's length");
    }
    struct keccak k;
    keccak_init(&k);
    json_each(item, value) {
        struct hash word;
        r = encode(h, &word, bytes_slice(type, 0, open), item, depth + 1);
        if (r != 0) return r;
        keccak_update(&k, BYTES_OF(word));
    }
    *ret = keccak_final(&k);
    return 0;
}

/* A number: JSON, decimal or hex; with a minus sign its two's complement. */
static int number_of(struct u256 *ret, bool *ret_negative, const struct json *value,
                     struct error *why) {
    struct bytes text = json_text(value);
    enum json_type type = json_type_of(value);
    bool ok = type == JSON_NUMBER || type == JSON_STRING;
    *ret_negative = text.n > 1 && text.p[0] == '-';
    if (*ret_negative) text = bytes_slice(text, 1, SIZE_MAX);
    if (bytes_starts_with(text, BYTES_LIT("0x"))) {
        ok = ok && text.n > 2 && loose_number_parse(ret, text, NULL) == 0;
    } else {
        ok = ok && u256_from_decimal(ret, text);
    }
    if (!ok) return json_error(why, ERR_SYNTAX, value, "is not an integer");
    if (*ret_negative) *ret = u256_sub(U256_ZERO, *ret);
    return 0;
}

static int encode_number(const struct hasher *h, struct hash *ret, const struct abi_type *type,
                         const struct json *value) {
    struct u256 v;
    bool negative;
    int r = number_of(&v, &negative, value, h->why);
    if (r != 0) return r;
    bool fits;
    if (type->kind == ABI_UINT) {
        fits = (!negative || u256_is_zero(v)) && u256_bit_length(v) <= type->size;
    } else {
        // Below 2^(size-1), or at least -2^(size-1) seen as what a minus sign gives.
        struct u256 magnitude = negative ? u256_sub(u256_sub(U256_ZERO, v), U256_ONE) : v;
        fits = u256_bit_length(magnitude) < type->size || (negative && u256_is_zero(v));
    }
    if (!fits) return json_error(h->why, ERR_RANGE, value, "does not fit its type");
    u256_store_be(ret->b, v);
    return 0;
}

static int encode_atomic(const struct hasher *h, struct hash *ret, const struct abi_type *type,
                         const struct json *value) {
    struct hash word = {{0}};
    struct bytes bytes;
    struct address address;
    bool flag;
    int r = 0;
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        r = encode_number(h, &word, type, value);
        break;
    case ABI_BOOL:
        r = json_bool(&flag, value, h->why);
        if (r == 0) word.b[31] = flag;
        break;
    case ABI_ADDRESS:
        r = json_address(&address, value, h->why);
        if (r == 0) memcpy(word.b + 12, address.b, 20);
        break;
    case ABI_FIXED_BYTES:
        r = json_data(&bytes, value, h->a, h->why);
        if (r == 0 && bytes.n != type->size) {
            r = json_error(h->why, ERR_RANGE, value, "has not as many bytes as its type");
        }
        if (r == 0) memcpy(word.b, bytes.p, bytes.n);
        break;
    case ABI_BYTES:
        r = json_data(&bytes, value, h->a, h->why);
        if (r == 0) word = keccak256(bytes);
        break;
    case ABI_STRING:
        r = json_string(&bytes, value, h->why);
        if (r == 0) word = keccak256(bytes);
        break;
    case ABI_ARRAY:
    case ABI_TUPLE:
        r = error_set(h->why, ERR_SYNTAX, "type is not elementary");
        break;
    }
    if (r == 0) *ret = word;
    return r;
}

/* The 32 bytes of a member (encodeData). */
static int encode(struct hasher *h, struct hash *ret, struct bytes type, const struct json *value,
                  unsigned depth) {
    if (depth > TYPED_DATA_DEPTH_MAX) {
        return error_set(h->why, ERR_LIMIT, "typed data nests too deep");
    }
    if (type.n > 0 && type.p[type.n - 1] == ']') return array_hash(h, ret, type, value, depth);
    if (find_type(h, type)) {
        if (!json_is_null(value)) return struct_hash(h, ret, type, value, depth);
        *ret = (struct hash){{0}};
        return 0;
    }
    struct abi_type parsed;
    int r = abi_type_parse(&parsed, type, h->a, h->why);
    return r != 0 ? r : encode_atomic(h, ret, &parsed, value);
}

/* The name of a struct or of an elementary type, and any number of "[]" and "[n]". */
static int check_type(const struct hasher *h, struct bytes type) {
    struct bytes stem = stem_of(type);
    bool good = true;
    for (size_t i = stem.n; i < type.n; i++) {
        uint8_t c = type.p[i], before = type.p[i - (i > 0)];
        if (c == '[') {
            good &= i == stem.n || before == ']';
        } else {
            good &= before != ']' && (c == ']' || (c >= '0' && c <= '9'));
        }
    }
    if (!good || (type.n > stem.n && type.p[type.n - 1] != ']')) {
        return error_set(h->why, ERR_SYNTAX, "%.*s is no type", (int)type.n, type.p);
    }
    if (find_type(h, stem)) return 0;
    // Interfaces of contracts have more in a type than its name.
    for (size_t i = 0; i < stem.n; i++) {
        uint8_t c = stem.p[i];
        good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    }
    struct abi_type parsed;
    struct arena_mark mark = arena_mark(h->a);
    int r = good ? abi_type_parse(&parsed, stem, h->a, NULL) : ERR_SYNTAX;
    arena_rewind(h->a, mark);
    if (r == 0 && parsed.is_function) r = ERR_SYNTAX; // no type of EIP-712
    if (r == 0) return 0;
    return error_set(h->why, (enum err)r, "type %.*s is not defined", (int)stem.n, stem.p);
}

/* A name twice would hash one value twice, which doubles the work with every level of structs. */
static int check_fields(const struct hasher *h, const struct json *fields) {
    struct bytes names[TYPED_DATA_FIELDS_MAX];
    size_t count = 0;
    json_each(field, fields) {
        struct bytes type;
        int r = text_member(&type, field, "type", h->why);
        if (r == 0) r = check_type(h, type);
        if (r == 0) r = text_member(&names[count++], field, "name", h->why);
        if (r != 0) return r;
    }
    if (count > 1) qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++) {
        if (!same(names[i - 1], names[i])) continue;
        return error_set(h->why, ERR_INVALID, "has two members %.*s", (int)names[i].n, names[i].p);
    }
    return 0;
}

/* All types are lists of fields, and within the limits. */
static int check_types(const struct hasher *h) {
    struct error *why = h->why;
    size_t count = 0, fields = 0;
    int r = json_expect(h->types, JSON_OBJECT, why);
    if (r != 0) return r;
    json_members(name, type, h->types) {
        r = json_expect(type, JSON_ARRAY, why);
        if (r != 0) return error_wrap(why, "type %.*s", (int)json_text(name).n, json_text(name).p);
        fields += json_count(type);
        if (++count > TYPED_DATA_TYPES_MAX || fields > TYPED_DATA_FIELDS_MAX) {
            return error_set(why, ERR_LIMIT, "more than %d types or %d fields",
                             TYPED_DATA_TYPES_MAX, TYPED_DATA_FIELDS_MAX);
        }
        r = check_fields(h, type);
        if (r != 0) return error_wrap(why, "type %.*s", (int)json_text(name).n, json_text(name).p);
    }
    return 0;
}

int typed_data_hash(struct typed_data_hashes *ret, const struct json *in, struct arena *a,
                    struct error *why) {
    struct hasher h = {.types = json_get(in, "types"), .a = a, .why = why};
    struct typed_data_hashes got = {.message = {{0}}};
    struct bytes primary;
    int r = json_get_string(&primary, in, "primaryType", why);
    if (r == 0) r = check_types(&h);
    if (r != 0) return error_wrap(why, "typed data");
    struct bytes domain_type = BYTES_LIT("EIP712Domain");
    struct arena_mark mark = arena_mark(a);
    h.known = arena_alloc_array(a, TYPED_DATA_TYPES_MAX, sizeof *h.known);
    if (!h.known) return error_set(why, ERR_LIMIT, "typed data does not fit its memory limit");
    r = struct_hash(&h, &got.domain, domain_type, json_get(in, "domain"), 0);
    struct keccak k;
    keccak_init(&k);
    keccak_update(&k, BYTES_LIT("\x19\x01"));
    keccak_update(&k, BYTES_OF(got.domain));
    if (r == 0 && !same(primary, domain_type)) {
        r = struct_hash(&h, &got.message, primary, json_get(in, "message"), 0);
        keccak_update(&k, BYTES_OF(got.message));
    }
    arena_rewind(a, mark);
    if (r != 0) return r;
    got.digest = keccak_final(&k);
    *ret = got;
    return 0;
}

struct hash personal_message_hash(struct bytes message) {
    char prefix[64];
    int n = snprintf(prefix, sizeof prefix,
                     "\x19"
                     "Ethereum Signed Message:\n%zu",
                     message.n);
    struct keccak k;
    keccak_init(&k);
    keccak_update(&k, bytes_make(prefix, (size_t)n));
    keccak_update(&k, message);
    return keccak_final(&k);
}

struct hash validator_message_hash(const struct address *validator, struct bytes message) {
    struct keccak k;
    keccak_init(&k);
    keccak_update(&k, BYTES_LIT("\x19\x00"));
    keccak_update(&k, BYTES_OF(*validator));
    keccak_update(&k, message);
    return keccak_final(&k);
}

void signature_to_bytes(uint8_t ret[65], const struct ecdsa_signature *s) {
    memcpy(ret, s->r, 32);
    memcpy(ret + 32, s->s, 32);
    ret[64] = (uint8_t)(27 + s->y_parity);
}

int signature_from_bytes(struct ecdsa_signature *ret, struct bytes in, struct error *why) {
    if (in.n != 65) return error_set(why, ERR_SYNTAX, "signature: has %zu bytes, not 65", in.n);
    uint8_t v = in.p[64];
    if (v >= 27) v = (uint8_t)(v - 27);
    if (v > 1) return error_set(why, ERR_RANGE, "signature: v is none of 0, 1, 27, 28");
    memcpy(ret->r, in.p, 32);
    memcpy(ret->s, in.p + 32, 32);
    ret->y_parity = v;
    return 0;
}
