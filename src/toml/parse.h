/* The parser's state, shared by toml.c (structure) and scalar.c (strings, numbers, times).
 * Internal to toml.
 * SPDX-License-Identifier: MIT */
#ifndef TOML_PARSE_H
#define TOML_PARSE_H

#include "base/siphash.h"
#include "toml/toml.h"

struct toml_slot {
    struct toml *table;
    struct toml *value;
};

struct toml_parser {
    struct bytes in;
    size_t at;
    size_t line_start;
    uint32_t line;
    unsigned depth;
    struct arena *a;
    struct error *why;
    struct siphash_key seed;
    struct toml_slot *slots; /* (table, key) -> value, open addressing */
    size_t slot_count;
    size_t used;
};

/* Character at an offset from here; -1 behind the end. */
static inline int toml_peek(const struct toml_parser *s, size_t ahead) {
    return ahead < s->in.n - s->at ? s->in.p[s->at + ahead] : -1;
}

/* toml_fail points at the current character. */
int toml_fail(struct toml_parser *s, enum err code, const char *text);
int toml_no_room(struct toml_parser *s);

/* toml_newline takes LF or CRLF; false when there is none here. */
bool toml_newline(struct toml_parser *s);

/* toml_read_string takes a string that begins here; multi-line only where allowed. */
int toml_read_string(struct toml_parser *s, bool multi_line, struct bytes *ret);

/* toml_read_word takes a number, boolean or time. */
int toml_read_word(struct toml_parser *s, struct toml *v);

#endif
