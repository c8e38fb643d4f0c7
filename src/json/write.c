/* SPDX-License-Identifier: MIT */
#include "json/write.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "json/scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_writer_init(struct json_writer *w, struct buf *out, unsigned flags) {
    *w = (struct json_writer){.out = out, .flags = flags};
}

static void append_escape(struct buf *out, uint32_t c) {
    static const char short_form[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (c == '"' || c == '\\') {
        buf_append(out, bytes_make((char[]){'\\', (char)c}, 2));
    } else if (c < 32 && short_form[c]) {
        buf_append(out, bytes_make((char[]){'\\', short_form[c]}, 2));
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

// Length of the run from `at` that needs no thought.
static size_t plain_run(struct bytes v, size_t at, unsigned flags) {
    size_t end = json_scan(v.p, at, v.n);
    if (!(flags & JSON_GO_HTML)) return end - at;
    for (size_t i = at; i < end; i++) {
        if (v.p[i] == '<' || v.p[i] == '>' || v.p[i] == '&') return i - at;
    }
    return end - at;
}

void json_append_string(struct buf *out, struct bytes v, unsigned flags) {
    buf_append_byte(out, '"');
    for (size_t at = 0; at < v.n;) {
        size_t run = plain_run(v, at, flags);
        buf_append(out, (struct bytes){v.p + at, run});
        at += run;
        if (at == v.n) break;
        uint32_t c = 0;
        size_t n = utf8_decode(&c, bytes_slice(v, at, 4));
        if (n == 0) {
            buf_append_str(out, "\xef\xbf\xbd");
            n = 1;
        } else if (c < 0x80 || ((flags & JSON_GO_HTML) && (c == 0x2028 || c == 0x2029))) {
            append_escape(out, c);
        } else {
            buf_append(out, (struct bytes){v.p + at, n});
        }
        at += n;
    }
    buf_append_byte(out, '"');
}

static void new_line(struct json_writer *w) {
    if (!(w->flags & JSON_PRETTY)) return;
    buf_append_byte(w->out, '\n');
    buf_append_fill(w->out, ' ', 2 * (size_t)w->depth);
}

// Comma, line, and key before a value.
static void begin_value(struct json_writer *w, const struct bytes *key) {
    if (w->key_written) {
        w->key_written = false;
        return;
    }
    if (w->depth) {
        uint64_t bit = UINT64_C(1) << (w->depth - 1);
        if (w->has_child & bit) buf_append_byte(w->out, ',');
        w->has_child |= bit;
        new_line(w);
    }
    if (key) {
        json_append_string(w->out, *key, w->flags);
        buf_append_str(w->out, w->flags & JSON_PRETTY ? ": " : ":");
    }
}

static void begin(struct json_writer *w, const char *key) {
    struct bytes text = bytes_from_str(key);
    begin_value(w, key ? &text : NULL);
}

void json_add_key(struct json_writer *w, struct bytes key) {
    begin_value(w, &key);
    w->key_written = true;
}

static void open_container(struct json_writer *w, const char *key, bool array) {
    begin(w, key);
    if (w->depth == JSON_WRITE_DEPTH_MAX) {
        w->out->failed = w->out->failed ? w->out->failed : ERR_LIMIT;
        return;
    }
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->is_array = array ? w->is_array | bit : w->is_array & ~bit;
    w->has_child &= ~bit;
    buf_append_byte(w->out, array ? '[' : '{');
}

void json_begin_object(struct json_writer *w, const char *key) {
    open_container(w, key, false);
}

void json_begin_array(struct json_writer *w, const char *key) {
    open_container(w, key, true);
}

void json_end(struct json_writer *w) {
    if (w->depth == 0) return;
    uint64_t bit = UINT64_C(1) << --w->depth;
    if (w->has_child & bit) new_line(w);
    buf_append_byte(w->out, w->is_array & bit ? ']' : '}');
}

void json_add_raw(struct json_writer *w, const char *key, struct bytes json) {
    begin(w, key);
    buf_append(w->out, json);
}

void json_add_null(struct json_writer *w, const char *key) {
    json_add_raw(w, key, BYTES_LIT("null"));
}

void json_add_bool(struct json_writer *w, const char *key, bool v) {
    json_add_raw(w, key, v ? BYTES_LIT("true") : BYTES_LIT("false"));
}

static void append_u64(struct buf *out, uint64_t v) {
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_append(out, bytes_make(text + at, sizeof text - at));
}

void json_add_u64(struct json_writer *w, const char *key, uint64_t v) {
    begin(w, key);
    append_u64(w->out, v);
}

void json_add_i64(struct json_writer *w, const char *key, int64_t v) {
    begin(w, key);
    if (v < 0) buf_append_byte(w->out, '-');
    append_u64(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

// Plain digits between 1e-6 and 1e21, else with an exponent: as ECMAScript and Go write numbers.
static void append_double(struct buf *out, double v) {
    char text[40];
    int digits = 0;
    for (; digits < 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    char *e = strchr(text, 'e');
    int exponent = e ? (int)strtol(e + 1, NULL, 10) : 0;
    if (v == 0 || (exponent >= -6 && exponent < 21)) {
        int after = digits - exponent;
        buf_printf(out, "%.*f", after > 0 ? after : 0, v);
    } else {
        *e = 0;
        buf_printf(out, "%se%s%d", text, exponent < 0 ? "" : "+", exponent);
    }
}

void json_add_double(struct json_writer *w, const char *key, double v) {
    if (!isfinite(v)) {
        json_add_null(w, key);
        return;
    }
    begin(w, key);
    append_double(w->out, v);
}

void json_add_text(struct json_writer *w, const char *key, struct bytes v) {
    begin(w, key);
    json_append_string(w->out, v, w->flags);
}

void json_add_str(struct json_writer *w, const char *key, const char *v) {
    if (v) {
        json_add_text(w, key, bytes_from_str(v));
    } else {
        json_add_null(w, key);
    }
}

void json_add_data(struct json_writer *w, const char *key, struct bytes v) {
    begin(w, key);
    buf_append_byte(w->out, '"');
    hex_append_data(w->out, v);
    buf_append_byte(w->out, '"');
}

void json_add_quantity256(struct json_writer *w, const char *key, struct u256 v) {
    char text[67];
    size_t n = u256_to_hex(text, v);
    json_add_text(w, key, bytes_make(text, n));
}

void json_add_quantity(struct json_writer *w, const char *key, uint64_t v) {
    json_add_quantity256(w, key, u256_from_u64(v));
}

void json_add_u256(struct json_writer *w, const char *key, struct u256 v) {
    char text[U256_DECIMAL_MAX + 1];
    size_t n = u256_to_decimal(text, v);
    json_add_raw(w, key, bytes_make(text, n));
}

void json_add_decimal256(struct json_writer *w, const char *key, struct u256 v) {
    char text[U256_DECIMAL_MAX + 1];
    size_t n = u256_to_decimal(text, v);
    json_add_text(w, key, bytes_make(text, n));
}

void json_add_decimal(struct json_writer *w, const char *key, uint64_t v) {
    json_add_decimal256(w, key, u256_from_u64(v));
}
