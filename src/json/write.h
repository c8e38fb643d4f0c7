/* JSON writer onto a struct buf: commas, escapes and indentation are its business.
 *
 *     struct json_writer w;
 *     json_writer_init(&w, &out, 0);
 *     json_begin_object(&w, NULL);
 *     json_add_str(&w, "status", "ok");
 *     json_end(&w);
 *
 * `key` is the member's name inside an object and NULL inside an array and at the top. Text that
 * is not UTF-8 has U+FFFD in place of each wrong byte. Failures are kept in the buf (buf_check).
 * Keys are literals of the program's, but are escaped like all text. One thread at a time.
 *
 * Source: RFC 8259. JSON_GO_HTML writes what Go's encoding/json writes by default.
 *
 * SPDX-License-Identifier: MIT */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include "base/buf.h"
#include "base/u256.h"

enum {
    JSON_PRETTY = 1,  /* two spaces a level, one member a line */
    JSON_GO_HTML = 2, /* < > & U+2028 U+2029 as \u escapes */
};

#define JSON_WRITE_DEPTH_MAX 64 /* deeper nesting is ERR_LIMIT in the buf */

struct json_writer {
    struct buf *out;
    unsigned flags;
    unsigned depth;
    uint64_t is_array;  /* bit i: the container at depth i is an array */
    uint64_t has_child; /* bit i: ... and has a child already */
    bool key_written;   /* json_add_key came last */
};

void json_writer_init(struct json_writer *w, struct buf *out, unsigned flags);

void json_begin_object(struct json_writer *w, const char *key);
void json_begin_array(struct json_writer *w, const char *key);
/* json_end closes the innermost container. */
void json_end(struct json_writer *w);

void json_add_null(struct json_writer *w, const char *key);
void json_add_bool(struct json_writer *w, const char *key, bool v);
void json_add_u64(struct json_writer *w, const char *key, uint64_t v);
void json_add_i64(struct json_writer *w, const char *key, int64_t v);
/* json_add_double writes the shortest text that reads back the same; NaN and infinity as null. */
void json_add_double(struct json_writer *w, const char *key, double v);
void json_add_str(struct json_writer *w, const char *key, const char *v); /* NULL: null */
void json_add_text(struct json_writer *w, const char *key, struct bytes v);
/* DATA, QUANTITY, and numbers as decimal strings (beacon API) or bare digits. */
void json_add_data(struct json_writer *w, const char *key, struct bytes v);
void json_add_quantity(struct json_writer *w, const char *key, uint64_t v);
void json_add_quantity256(struct json_writer *w, const char *key, struct u256 v);
void json_add_decimal(struct json_writer *w, const char *key, uint64_t v);
void json_add_decimal256(struct json_writer *w, const char *key, struct u256 v);
void json_add_u256(struct json_writer *w, const char *key, struct u256 v);
/* json_add_raw copies text that is JSON already. */
void json_add_raw(struct json_writer *w, const char *key, struct bytes json);
/* json_add_key begins a member whose key is no C string; its value follows with key NULL. */
void json_add_key(struct json_writer *w, struct bytes key);

/* json_append_string appends one quoted, escaped string; no writer needed. */
void json_append_string(struct buf *out, struct bytes v, unsigned flags);

#endif
