/* JSON reader: one pass over borrowed bytes into a flat array of values in an arena.
 *
 *     const struct json *doc;
 *     int r = json_parse(&doc, body, arena, NULL, why);
 *     r = json_get_u64(&slot, doc, "slot", why);
 *     json_each(tx, json_get(doc, "txs")) { r = json_data(&raw, tx, arena, why); }
 *
 * Strict RFC 8259: UTF-8 checked, surrogates paired, no trailing bytes, duplicate keys refused
 * (in linear time). Numbers keep their text; getters convert exactly or fail. A value stays valid
 * as long as the input and the arena. Getters take NULL (a missing value) as ERR_NOT_FOUND, so that
 * calls can be nested. why->at is the offset into the document in every error.
 * Not a document model: nothing can be changed; json/write.h writes.
 *
 * Source: RFC 8259; ethereum/execution-apis for QUANTITY and DATA. Thread: any; no shared state.
 *
 * SPDX-License-Identifier: MIT */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include "base/arena.h"
#include "base/error.h"
#include "base/u256.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* One value. Read it through the functions below; children follow their container in memory. */
struct json {
    const uint8_t *p;       /* raw text in the input */
    uint32_t n;             /* bytes of raw text */
    uint32_t at;            /* offset of p in the document */
    uint32_t skip;          /* distance to the value after this one */
    uint32_t count : 28;    /* children (array), members (object) */
    uint32_t type : 3;      /* enum json_type */
    uint32_t unescaped : 1; /* string: the next slot holds the text without escapes */
};

struct json_limits {
    size_t bytes;    /* of the document; at most JSON_BYTES_MAX */
    unsigned depth;  /* nested containers; at most JSON_DEPTH_MAX */
    size_t values;   /* values and keys together */
    bool duplicates; /* true: duplicate keys are let through (json_get finds the first) */
};

#define JSON_BYTES_MAX (1u << 28)
#define JSON_DEPTH_MAX 512
#define JSON_VALUES_MAX (1u << 27)
/* NULL limits stand for these. */
#define JSON_LIMITS_DEFAULT ((struct json_limits){64u << 20, 64, 4u << 20, false})

/* json_parse reads one document.
 * ret     its root. a  gets about 24 bytes a value (up to three times that while it grows) and
 *         the text of strings with escapes.
 * errors  ERR_SYNTAX, ERR_LIMIT (document, depth, values, arena), ERR_INVALID (duplicate key). */
[[gnu::warn_unused_result]] int json_parse(const struct json **ret, struct bytes in,
                                           struct arena *a, const struct json_limits *limits,
                                           struct error *why);

/* The type; JSON_NULL for NULL. json_type_name gives "object", ... */
static inline enum json_type json_type_of(const struct json *v) {
    return v ? (enum json_type)v->type : JSON_NULL;
}
const char *json_type_name(enum json_type type);

/* json_is_null: missing or null. */
static inline bool json_is_null(const struct json *v) {
    return json_type_of(v) == JSON_NULL;
}

/* json_raw gives the bytes of the value as they stood in the input (signatures over JSON). */
static inline struct bytes json_raw(const struct json *v) {
    return v ? (struct bytes){v->p, v->n} : (struct bytes){NULL, 0};
}

/* json_text gives the text of a string or key without quotes and escapes (may contain NUL); the
 * raw text for other types. */
static inline struct bytes json_text(const struct json *v) {
    if (!v || v->type != JSON_STRING) return json_raw(v);
    if (v->unescaped) return (struct bytes){v[1].p, v[1].n};
    return (struct bytes){v->p + 1, v->n - 2};
}

static inline size_t json_count(const struct json *v) {
    return v && v->type >= JSON_ARRAY ? v->count : 0;
}

/* Children in order: of an array its values, of an object key, value, key, value. */
static inline const struct json *json_first(const struct json *v) {
    return json_count(v) ? v + 1 : NULL;
}
static inline const struct json *json_next(const struct json *parent, const struct json *child) {
    const struct json *next = child + child->skip;
    return next < parent + parent->skip ? next : NULL;
}
static inline const struct json *json_member_value(const struct json *key) {
    return key ? key + key->skip : NULL;
}

/* json_each (item, array) { ... }; nothing when `array` is no container. */
#define json_each(item, array)                                                                     \
    for (const struct json *item##_in_ = (array), *item = json_first(item##_in_); item;            \
         item = json_next(item##_in_, item))
/* json_members (key, value, object) { ... } */
#define json_members(key, value, object)                                                           \
    for (const struct json *key##_in_ = json_as_object(object), *key = json_first(key##_in_),      \
                           *value = json_member_value(key);                                        \
         key; key = json_next(key##_in_, value), value = json_member_value(key))

/* json_as_object gives v when it is an object, else NULL. */
static inline const struct json *json_as_object(const struct json *v) {
    return json_type_of(v) == JSON_OBJECT ? v : NULL;
}

/* json_get finds a member; NULL when v is no object or has none. Linear in the members.
 * json_at gives the i-th value of an array or NULL; linear: use json_each for loops. */
const struct json *json_get(const struct json *v, const char *key);
const struct json *json_at(const struct json *array, size_t i);

/* json_expect: ERR_INVALID unless v has the type, ERR_NOT_FOUND when missing. */
[[gnu::warn_unused_result]] int json_expect(const struct json *v, enum json_type type,
                                            struct error *why);

/* Conversions. *ret is untouched on error.
 * errors  ERR_NOT_FOUND (v is NULL), ERR_INVALID (another type; a number with fraction or exponent
 *         where an integer is needed), ERR_RANGE, ERR_SYNTAX (hex), ERR_LIMIT (arena). */
#define JSON_GETTERS(X)                                                                            \
    X(bool, bool)               /* true, false */                                                  \
    X(u64, uint64_t)            /* number */                                                       \
    X(i64, int64_t)             /* number */                                                       \
    X(u256, struct u256)        /* number */                                                       \
    X(double, double)           /* number; nearest double, ERR_RANGE when infinite */              \
    X(string, struct bytes)     /* string; see json_text */                                        \
    X(quantity, uint64_t)       /* "0x1f": QUANTITY */                                             \
    X(quantity256, struct u256) /* the same to 256 bits */                                         \
    X(decimal256, struct u256)  /* string of decimal digits, no leading zeros ("1000") */          \
    X(decimal, uint64_t)        /* the same to 64 bits (beacon API) */                             \
    X(hash, struct hash)        /* DATA of 32 bytes */                                             \
    X(address, struct address)  /* DATA of 20 bytes */

/* json_u64(&ret, value, why), ... and json_get_u64(&ret, object, "key", why), ..., whose errors
 * begin with the key. */
#define JSON_DECLARE_(name, type)                                                                  \
    [[gnu::warn_unused_result]] int json_##name(type *ret, const struct json *v,                   \
                                                struct error *why);                                \
    [[gnu::warn_unused_result]] int json_get_##name(type *ret, const struct json *object,          \
                                                    const char *key, struct error *why);
JSON_GETTERS(JSON_DECLARE_)

/* DATA of any length, decoded into the arena; DATA of exactly n bytes. */
[[gnu::warn_unused_result]] int json_data(struct bytes *ret, const struct json *v, struct arena *a,
                                          struct error *why);
[[gnu::warn_unused_result]] int json_get_data(struct bytes *ret, const struct json *object,
                                              const char *key, struct arena *a, struct error *why);
[[gnu::warn_unused_result]] int json_fixed(uint8_t *ret, size_t n, const struct json *v,
                                           struct error *why);
[[gnu::warn_unused_result]] int json_get_fixed(uint8_t *ret, size_t n, const struct json *object,
                                               const char *key, struct error *why);

/* json_error sets an error that points at the value: for checks of one's own. */
[[gnu::format(printf, 4, 5)]] int json_error(struct error *why, enum err code, const struct json *v,
                                             const char *text, ...);
#ifdef __clang_analyzer__ // as in base/error.h
#define json_error(why, code, v, ...) ((void)(json_error)(why, code, v, __VA_ARGS__), (int)(code))
#endif

#endif
