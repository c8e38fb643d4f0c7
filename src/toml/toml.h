/* TOML 1.0 reader: configuration files as a tree in an arena.
 *
 *     const struct toml *root;
 *     int r = toml_parse(&root, text, arena, why);
 *     const struct toml *addr = toml_find(root, "general.listen_addr");
 *     r = toml_string(&view, addr, why);
 *
 * Complete and strict: everything of the specification, nothing else. Every error names line and
 * column (both from 1, columns in characters) in its text and the offset in why->at. Values live
 * as long as the arena and the input, which they may point into. Tables keep the file's order.
 *
 * Source: toml.io/en/v1.0.0. Thread: any; no shared state.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TOML_TOML_H
#define TOML_TOML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define TOML_BYTES_MAX (4u << 20)
#define TOML_DEPTH_MAX 64 /* nested arrays and inline tables; parts of a dotted key */

enum toml_type {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOL,
    TOML_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};

enum toml_time_kind { TOML_OFFSET_DATE_TIME, TOML_LOCAL_DATE_TIME, TOML_DATE, TOML_CLOCK };

struct toml_time {
    enum toml_time_kind kind;
    uint16_t year;
    uint8_t month, day, hour, minute, second; /* second up to 60 */
    uint32_t ns;
    int16_t offset_minutes; /* east of UTC, offset date-times only */
};

/* One value. Read it through the functions below. */
struct toml {
    enum toml_type type;
    uint8_t origin; /* how a table or array came to be; internal */
    uint32_t line, column;
    struct bytes key;   /* in its table; empty in arrays and for the root */
    struct toml *next;  /* of the same container */
    struct toml *first; /* tables and arrays */
    struct toml *last;
    uint32_t count;
    union {
        struct bytes string;
        int64_t integer;
        double number;
        bool boolean;
        struct toml_time time;
    };
};

/* toml_parse reads one document; *ret is its root table.
 * errors  ERR_SYNTAX, ERR_CONFLICT (a key or table defined twice), ERR_RANGE (numbers),
 *         ERR_LIMIT (bytes, depth, arena). */
[[gnu::warn_unused_result]] int toml_parse(const struct toml **ret, struct bytes in,
                                           struct arena *a, struct error *why);

/* toml_get finds a key in a table, NULL when there is none (or v is no table). toml_find follows
 * keys joined by dots. Linear in the keys of a table. */
const struct toml *toml_get(const struct toml *v, struct bytes key);
const struct toml *toml_find(const struct toml *v, const char *path);

/* toml_each (item, container) { ... }: values of a table or array in the file's order. */
static inline const struct toml *toml_first(const struct toml *v) {
    return v && v->type >= TOML_ARRAY ? v->first : NULL;
}
#define toml_each(item, container)                                                                 \
    for (const struct toml *item = toml_first(container); item; item = item->next)

/* Conversions; *ret untouched on error. errors  ERR_NOT_FOUND (NULL), ERR_INVALID (another type),
 * with line and column. */
[[gnu::warn_unused_result]] int toml_string(struct bytes *ret, const struct toml *v,
                                            struct error *why);
[[gnu::warn_unused_result]] int toml_i64(int64_t *ret, const struct toml *v, struct error *why);
/* toml_double takes integers too. */
[[gnu::warn_unused_result]] int toml_double(double *ret, const struct toml *v, struct error *why);
[[gnu::warn_unused_result]] int toml_bool(bool *ret, const struct toml *v, struct error *why);
[[gnu::warn_unused_result]] int toml_time(struct toml_time *ret, const struct toml *v,
                                          struct error *why);

/* toml_write appends a value on one line, tables and arrays inline; toml_write_string a quoted
 * string (UTF-8) and toml_write_key a key, quoted where it must be. Read back they are the same. */
void toml_write(struct buf *out, const struct toml *v);
void toml_write_string(struct buf *out, struct bytes s);
void toml_write_key(struct buf *out, struct bytes key);

const char *toml_type_name(enum toml_type type);

/* toml_error sets "line L, column C: text" for a value. */
[[gnu::format(printf, 4, 5)]] int toml_error(struct error *why, enum err code, const struct toml *v,
                                             const char *text, ...);
#ifdef __clang_analyzer__ // as in base/error.h
#define toml_error(why, code, v, ...) ((void)(toml_error)(why, code, v, __VA_ARGS__), (int)(code))
#endif

#endif
