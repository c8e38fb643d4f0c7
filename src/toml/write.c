/* Writing values as TOML. SPDX-License-Identifier: MIT */
#include "toml/toml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append_escaped(struct buf *out, uint8_t c) {
    static const struct {
        char c, letter;
    } short_forms[] = {{'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'},
                       {'\r', 'r'}, {'"', '"'},  {'\\', '\\'}};
    for (size_t i = 0; i < sizeof short_forms / sizeof short_forms[0]; i++) {
        if (short_forms[i].c != (char)c) continue;
        buf_append_byte(out, '\\');
        buf_append_byte(out, (uint8_t)short_forms[i].letter);
        return;
    }
    if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", c);
    else
        buf_append_byte(out, c);
}

void toml_write_string(struct buf *out, struct bytes s) {
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++)
        append_escaped(out, s.p[i]);
    buf_append_byte(out, '"');
}

static bool is_bare(struct bytes key) {
    for (size_t i = 0; i < key.n; i++) {
        uint8_t c = key.p[i], low = c | 0x20;
        if ((low < 'a' || low > 'z') && (c < '0' || c > '9') && c != '-' && c != '_') return false;
    }
    return key.n > 0;
}

void toml_write_key(struct buf *out, struct bytes key) {
    if (is_bare(key))
        buf_append(out, key);
    else
        toml_write_string(out, key);
}

/* The shortest digits that read back as the same number. */
static void append_number(struct buf *out, double v) {
    char text[40];
    if (isnan(v) || isinf(v)) {
        buf_append_str(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 15;
    do {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
    } while (digits++ < 17 && strtod(text, NULL) != v);
    buf_append_str(out, text);
    if (!strpbrk(text, ".e")) buf_append_str(out, ".0");
}

static void append_time(struct buf *out, const struct toml_time *t) {
    if (t->kind != TOML_CLOCK) buf_printf(out, "%04u-%02u-%02u", t->year, t->month, t->day);
    if (t->kind == TOML_DATE) return;
    if (t->kind != TOML_CLOCK) buf_append_byte(out, 'T');
    buf_printf(out, "%02u:%02u:%02u", t->hour, t->minute, t->second);
    if (t->ns) buf_printf(out, ".%09u", t->ns);
    if (t->kind != TOML_OFFSET_DATE_TIME) return;
    int east = t->offset_minutes, minutes = east < 0 ? -east : east;
    if (east == 0)
        buf_append_byte(out, 'Z');
    else
        buf_printf(out, "%c%02d:%02d", east < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static void append_container(struct buf *out, const struct toml *v) {
    bool table = v->type == TOML_TABLE;
    buf_append_byte(out, table ? '{' : '[');
    toml_each(item, v) {
        if (item != v->first) buf_append_str(out, ", ");
        if (table) {
            toml_write_key(out, item->key);
            buf_append_str(out, " = ");
        }
        toml_write(out, item);
    }
    buf_append_byte(out, table ? '}' : ']');
}

void toml_write(struct buf *out, const struct toml *v) {
    switch (v->type) {
    case TOML_STRING:
        toml_write_string(out, v->string);
        break;
    case TOML_INTEGER:
        buf_printf(out, "%lld", (long long)v->integer);
        break;
    case TOML_FLOAT:
        append_number(out, v->number);
        break;
    case TOML_BOOL:
        buf_append_str(out, v->boolean ? "true" : "false");
        break;
    case TOML_TIME:
        append_time(out, &v->time);
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        append_container(out, v);
        break;
    }
}
