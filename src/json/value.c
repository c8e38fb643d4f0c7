/* SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *json_type_name(enum json_type type) {
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    return type <= JSON_OBJECT ? names[type] : "unknown";
}

int(json_error)(struct error *why, enum err code, const struct json *v, const char *text, ...) {
    char line[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(line, sizeof line, text, args);
    va_end(args);
    return error_set_at(why, code, v ? v->at : 0, "%s", line);
}

const struct json *json_get(const struct json *v, const char *key) {
    struct bytes want = bytes_from_str(key);
    json_members(k, value, v) {
        if (bytes_equal(json_text(k), want)) return value;
    }
    return NULL;
}

const struct json *json_at(const struct json *array, size_t i) {
    if (json_type_of(array) != JSON_ARRAY || i >= array->count) return NULL;
    const struct json *v = array + 1;
    while (i--) {
        v += v->skip;
    }
    return v;
}

int json_expect(const struct json *v, enum json_type type, struct error *why) {
    if (!v) return error_set(why, ERR_NOT_FOUND, "missing");
    if (v->type == type) return 0;
    return json_error(why, ERR_INVALID, v, "%s where %s is needed",
                      json_type_name((enum json_type)v->type), json_type_name(type));
}

int json_bool(bool *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_BOOL, why);
    if (r == 0) *ret = v->p[0] == 't';
    return r;
}

// The digits of an integer number; *ret_negative when it has a minus.
static int integer(struct bytes *ret, bool *ret_negative, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_NUMBER, why);
    if (r) return r;
    struct bytes text = json_raw(v);
    *ret_negative = text.p[0] == '-';
    if (*ret_negative) text = bytes_slice(text, 1, text.n);
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)(text.p[i] - '0') >= 10) {
            return json_error(why, ERR_INVALID, v, "not an integer");
        }
    }
    *ret = text;
    return 0;
}

static bool to_u64(uint64_t *ret, struct bytes digits) {
    uint64_t n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(digits.p[i] - '0'), &n)) {
            return false;
        }
    }
    *ret = n;
    return true;
}

int json_u64(uint64_t *ret, const struct json *v, struct error *why) {
    struct bytes digits;
    bool negative;
    int r = integer(&digits, &negative, v, why);
    if (r) return r;
    if (negative || !to_u64(ret, digits)) {
        return json_error(why, ERR_RANGE, v, "number outside 0..2^64-1");
    }
    return 0;
}

int json_i64(int64_t *ret, const struct json *v, struct error *why) {
    struct bytes digits;
    bool negative;
    int r = integer(&digits, &negative, v, why);
    if (r) return r;
    uint64_t n;
    if (!to_u64(&n, digits) || n > (uint64_t)INT64_MAX + negative) {
        return json_error(why, ERR_RANGE, v, "number outside -2^63..2^63-1");
    }
    *ret = (int64_t)(negative ? 0 - n : n);
    return 0;
}

int json_u256(struct u256 *ret, const struct json *v, struct error *why) {
    struct bytes digits;
    bool negative;
    int r = integer(&digits, &negative, v, why);
    if (r) return r;
    if (negative || !u256_from_decimal(ret, digits)) {
        return json_error(why, ERR_RANGE, v, "number outside 0..2^256-1");
    }
    return 0;
}

int json_double(double *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_NUMBER, why);
    if (r) return r;
    char text[512];
    struct bytes raw = json_raw(v);
    if (raw.n >= sizeof text) return json_error(why, ERR_LIMIT, v, "number of %zu bytes", raw.n);
    memcpy(text, raw.p, raw.n);
    text[raw.n] = 0;
    double d = strtod(text, NULL);
    if (isinf(d)) return json_error(why, ERR_RANGE, v, "number too large for a double");
    *ret = d;
    return 0;
}

int json_string(struct bytes *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    if (r == 0) *ret = json_text(v);
    return r;
}

// Offsets of hex errors count inside the string; callers want the document's.
static int moved(int r, const struct json *v, struct error *why) {
    if (r && why) why->at += v->at + 1;
    return r;
}

int json_quantity(uint64_t *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    return r ? r : moved(hex_decode_u64(ret, json_text(v), why), v, why);
}

int json_quantity256(struct u256 *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    return r ? r : moved(hex_decode_u256(ret, json_text(v), why), v, why);
}

int json_decimal256(struct u256 *ret, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    if (r) return r;
    struct bytes text = json_text(v);
    bool ok = text.n > 0 && (text.n == 1 || text.p[0] != '0');
    for (size_t i = 0; i < text.n; i++) {
        ok = ok && (uint8_t)(text.p[i] - '0') < 10;
    }
    if (!ok) return json_error(why, ERR_SYNTAX, v, "not a decimal number");
    if (!u256_from_decimal(ret, text)) return json_error(why, ERR_RANGE, v, "above 2^256-1");
    return 0;
}

int json_decimal(uint64_t *ret, const struct json *v, struct error *why) {
    struct u256 wide;
    int r = json_decimal256(&wide, v, why);
    if (r) return r;
    if (!u256_fits_u64(wide)) return json_error(why, ERR_RANGE, v, "above 2^64-1");
    *ret = wide.w[0];
    return 0;
}

int json_fixed(uint8_t *ret, size_t n, const struct json *v, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    return r ? r : moved(hex_decode_fixed(ret, n, json_text(v), why), v, why);
}

int json_hash(struct hash *ret, const struct json *v, struct error *why) {
    return json_fixed(ret->b, sizeof ret->b, v, why);
}

int json_address(struct address *ret, const struct json *v, struct error *why) {
    return json_fixed(ret->b, sizeof ret->b, v, why);
}

int json_data(struct bytes *ret, const struct json *v, struct arena *a, struct error *why) {
    int r = json_expect(v, JSON_STRING, why);
    return r ? r : moved(hex_decode_data(ret, a, json_text(v), why), v, why);
}

// Puts the key before the reason; a missing member is placed at its object.
static int named(int r, const struct json *object, const char *key, struct error *why) {
    if (r == 0) return 0;
    if (why && why->code == ERR_NOT_FOUND && object) why->at = object->at;
    (void)error_wrap(why, "%s", key);
    return r;
}

#define DEFINE_MEMBER(name, type)                                                                  \
    int json_get_##name(type *ret, const struct json *object, const char *key,                     \
                        struct error *why) {                                                       \
        return named(json_##name(ret, json_get(object, key), why), object, key, why);              \
    }
JSON_GETTERS(DEFINE_MEMBER)

int json_get_data(struct bytes *ret, const struct json *object, const char *key, struct arena *a,
                  struct error *why) {
    return named(json_data(ret, json_get(object, key), a, why), object, key, why);
}

int json_get_fixed(uint8_t *ret, size_t n, const struct json *object, const char *key,
                   struct error *why) {
    return named(json_fixed(ret, n, json_get(object, key), why), object, key, why);
}
