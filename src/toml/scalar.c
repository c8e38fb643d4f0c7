/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/utf8.h"
#include "toml/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool digit(int c) {
    return c >= '0' && c <= '9';
}

static int hex_value(int c) {
    if (digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// \uXXXX or \UXXXXXXXX: s->at stands behind the letter.
static int unicode(struct toml_parser *s, unsigned digits, uint8_t **to) {
    uint32_t c = 0;
    for (unsigned i = 0; i < digits; i++) {
        int v = hex_value(toml_peek(s, i));
        if (toml_peek(s, i) < 0 || v < 0) {
            s->at += i;
            return toml_fail(s, ERR_SYNTAX, "not a hex digit in a unicode escape");
        }
        c = c << 4 | (uint32_t)v;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return toml_fail(s, ERR_SYNTAX, "escape is no unicode scalar value");
    }
    s->at += digits;
    *to += utf8_encode(*to, c);
    return 0;
}

// A backslash at the end of a line removes all space up to the next text. False: not one.
static bool line_continuation(struct toml_parser *s) {
    size_t n = 1;
    while (toml_peek(s, n) == ' ' || toml_peek(s, n) == '\t') {
        n++;
    }
    bool crlf = toml_peek(s, n) == '\r' && toml_peek(s, n + 1) == '\n';
    if (toml_peek(s, n) != '\n' && !crlf) return false;
    s->at += n;
    for (;;) {
        int c = toml_peek(s, 0);
        if (c == ' ' || c == '\t') {
            s->at++;
        } else if (!toml_newline(s)) {
            return true;
        }
    }
}

static int escape(struct toml_parser *s, bool multi_line, uint8_t **to) {
    static const char from[] = "btnfr\"\\";
    static const char is[] = "\b\t\n\f\r\"\\";
    if (multi_line && line_continuation(s)) return 0;
    int c = toml_peek(s, 1);
    if (c == 'u' || c == 'U') {
        s->at += 2;
        return unicode(s, c == 'u' ? 4 : 8, to);
    }
    const char *which = c > 0 ? strchr(from, c) : NULL;
    if (!which) return toml_fail(s, ERR_SYNTAX, "unknown escape");
    *(*to)++ = (uint8_t)is[which - from];
    s->at += 2;
    return 0;
}

// One character of text that is no quote and no escape.
static int character(struct toml_parser *s, bool multi_line, uint8_t **to) {
    int c = toml_peek(s, 0);
    if (c < 0) return toml_fail(s, ERR_SYNTAX, "string without an end");
    if (multi_line && (c == '\n' || c == '\r') && toml_newline(s)) {
        *(*to)++ = '\n'; // every line end reads as LF, whatever the file was written with
        return 0;
    }
    if (c == '\n') return toml_fail(s, ERR_SYNTAX, "string without an end");
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
        return toml_fail(s, ERR_SYNTAX, "control character in a string");
    }
    size_t n = utf8_decode(NULL, bytes_slice(s->in, s->at, 4));
    if (n == 0) return toml_fail(s, ERR_SYNTAX, "invalid UTF-8");
    memcpy(*to, s->in.p + s->at, n);
    *to += n;
    s->at += n;
    return 0;
}

// Three quotes end a multi-line string; up to two more belong to its text. False: no end here.
static bool multi_line_end(struct toml_parser *s, int quote, uint8_t **to) {
    size_t n = 0;
    while (n < 5 && toml_peek(s, n) == quote) {
        n++;
    }
    bool end = n >= 3;
    for (size_t i = 0; i < (end ? n - 3 : n); i++) {
        *(*to)++ = (uint8_t)quote;
    }
    s->at += n;
    return end;
}

// An upper bound of the text's length: up to the first quote (or end of line) that may close it.
static size_t text_bound(const struct toml_parser *s, int quote, bool multi_line) {
    size_t i = s->at;
    for (; i < s->in.n; i++) {
        uint8_t c = s->in.p[i];
        if (c == '\\' && quote == '"') {
            i++;
        } else if (!multi_line && (c == quote || c == '\n')) {
            break;
        } else if (c == quote && i + 2 < s->in.n && s->in.p[i + 1] == quote &&
                   s->in.p[i + 2] == quote) {
            i += 2;
            break;
        }
    }
    return i - s->at + 8;
}

int toml_read_string(struct toml_parser *s, bool multi_line, struct bytes *ret) {
    int quote = toml_peek(s, 0);
    multi_line = multi_line && toml_peek(s, 1) == quote && toml_peek(s, 2) == quote;
    s->at += multi_line ? 3 : 1;
    if (multi_line) (void)toml_newline(s);
    uint8_t *text = arena_alloc_raw(s->a, text_bound(s, quote, multi_line));
    if (!text) return toml_no_room(s);
    uint8_t *to = text;
    for (;;) {
        int c = toml_peek(s, 0);
        int r = 0;
        if (c == quote && !multi_line) {
            s->at++;
            break;
        }
        if (c == quote) {
            if (multi_line_end(s, quote, &to)) break;
        } else if (c == '\\' && quote == '"') {
            r = escape(s, multi_line, &to);
        } else {
            r = character(s, multi_line, &to);
        }
        if (r) return r;
    }
    *ret = (struct bytes){text, (size_t)(to - text)};
    return 0;
}

// Copies digits of a base without underscores, which must stand between digits. 0: wrong.
static size_t clean_digits(struct bytes word, size_t at, char *to, bool (*is)(int)) {
    size_t n = 0;
    for (; at < word.n; at++) {
        int c = word.p[at];
        if (c == '_') {
            bool between = n > 0 && at + 1 < word.n && is(word.p[at - 1]) && is(word.p[at + 1]);
            if (!between) return 0;
        } else if (is(c)) {
            to[n++] = (char)c;
        } else {
            return 0;
        }
    }
    to[n] = 0;
    return n;
}

static bool hex_digit(int c) {
    return hex_value(c) >= 0;
}
static bool octal_digit(int c) {
    return c >= '0' && c <= '7';
}
static bool binary_digit(int c) {
    return c == '0' || c == '1';
}

static int integer(struct toml_parser *s, struct toml *v, struct bytes word, char *text) {
    int base = 10;
    size_t at = 0;
    bool (*is)(int) = digit;
    if (word.n > 2 && word.p[0] == '0') {
        if (word.p[1] == 'x') base = 16, is = hex_digit;
        if (word.p[1] == 'o') base = 8, is = octal_digit;
        if (word.p[1] == 'b') base = 2, is = binary_digit;
    }
    char *digits = text;
    if (base != 10) {
        at = 2;
    } else if (word.p[0] == '-' || word.p[0] == '+') {
        *digits++ = (char)word.p[0];
        at = 1;
    }
    size_t n = clean_digits(word, at, digits, is);
    if (n == 0 || (base == 10 && n > 1 && digits[0] == '0')) {
        return toml_fail(s, ERR_SYNTAX, "not a value");
    }
    errno = 0;
    long long got = strtoll(text, NULL, base);
    if (errno) return toml_fail(s, ERR_RANGE, "integer outside -2^63..2^63-1");
    v->type = TOML_INTEGER;
    v->integer = got;
    return 0;
}

// [+-] digits [. digits] [e [+-] digits], underscores between digits.
static int floating(struct toml_parser *s, struct toml *v, struct bytes word, char *text) {
    size_t n = 0;
    size_t at = 0;
    if (word.p[0] == '-' || word.p[0] == '+') text[n++] = (char)word.p[at++];
    size_t part = 0; // 0 whole, 1 fraction, 2 exponent
    size_t part_start = at;
    bool ok = true;
    for (; at < word.n && ok; at++) {
        int c = word.p[at];
        int next = at + 1 < word.n ? word.p[at + 1] : -1;
        if (c == '_') {
            ok = at > part_start && digit(word.p[at - 1]) && digit(next);
            continue;
        }
        text[n++] = (char)c;
        if (digit(c)) continue;
        bool exponent = (c == 'e' || c == 'E') && part < 2;
        bool point = c == '.' && part == 0;
        bool whole_ok = part != 0 || at - part_start == 1 || word.p[part_start] != '0';
        ok = (exponent || point) && at > part_start && whole_ok;
        part = exponent ? 2 : 1;
        if (exponent && (next == '+' || next == '-')) text[n++] = (char)word.p[++at];
        part_start = at + 1;
    }
    if (!ok || part == 0 || part_start >= word.n) return toml_fail(s, ERR_SYNTAX, "not a value");
    text[n] = 0;
    v->type = TOML_FLOAT;
    v->number = strtod(text, NULL);
    if (isinf(v->number)) return toml_fail(s, ERR_RANGE, "float too large");
    return 0;
}

static bool special_float(struct toml *v, struct bytes word) {
    bool sign = word.n == 4 && (word.p[0] == '+' || word.p[0] == '-');
    struct bytes name = sign ? bytes_slice(word, 1, 3) : word;
    bool inf = bytes_equal_str(name, "inf");
    if (!inf && !bytes_equal_str(name, "nan")) return false;
    v->type = TOML_FLOAT;
    v->number = inf ? (double)INFINITY : (double)NAN;
    if (word.p[0] == '-') v->number = -v->number;
    return true;
}

// Reads exactly n digits of the word; -1 when they are not there.
static int fixed_digits(struct bytes word, size_t *at, unsigned n) {
    int v = 0;
    for (unsigned i = 0; i < n; i++, (*at)++) {
        if (*at >= word.n || !digit(word.p[*at])) return -1;
        v = v * 10 + (word.p[*at] - '0');
    }
    return v;
}

static bool separator(struct bytes word, size_t *at, const char *any) {
    if (*at >= word.n || !strchr(any, word.p[*at])) return false;
    (*at)++;
    return true;
}

static bool read_date(struct toml_time *t, struct bytes word, size_t *at) {
    int year = fixed_digits(word, at, 4);
    bool ok = separator(word, at, "-");
    int month = ok ? fixed_digits(word, at, 2) : -1;
    ok = ok && separator(word, at, "-");
    int day = ok ? fixed_digits(word, at, 2) : -1;
    if (year < 0 || month < 1 || month > 12 || day < 1) return false;
    int next_month = month % 12 + 1;
    int64_t days = clock_days_from_civil(year + (month == 12), (unsigned)next_month, 1) -
                   clock_days_from_civil(year, (unsigned)month, 1);
    t->year = (uint16_t)year;
    t->month = (uint8_t)month;
    t->day = (uint8_t)day;
    return day <= days;
}

static bool read_clock(struct toml_time *t, struct bytes word, size_t *at) {
    int hour = fixed_digits(word, at, 2);
    bool ok = separator(word, at, ":");
    int minute = ok ? fixed_digits(word, at, 2) : -1;
    ok = ok && separator(word, at, ":");
    int second = ok ? fixed_digits(word, at, 2) : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    t->hour = (uint8_t)hour;
    t->minute = (uint8_t)minute;
    t->second = (uint8_t)second;
    if (!separator(word, at, ".")) return true;
    size_t start = *at;
    uint32_t unit = 100000000;
    for (; *at < word.n && digit(word.p[*at]); (*at)++, unit /= 10) {
        t->ns += unit * (uint32_t)(word.p[*at] - '0');
    }
    return *at > start;
}

static bool read_offset(struct toml_time *t, struct bytes word, size_t *at) {
    if (separator(word, at, "Zz")) return true;
    int sign = *at < word.n && word.p[*at] == '-' ? -1 : 1;
    if (!separator(word, at, "+-")) return false;
    int hours = fixed_digits(word, at, 2);
    if (!separator(word, at, ":")) return false;
    int minutes = fixed_digits(word, at, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    t->offset_minutes = (int16_t)(sign * (hours * 60 + minutes));
    return true;
}

static int time_value(struct toml_parser *s, struct toml *v, struct bytes word) {
    struct toml_time t = {.kind = TOML_CLOCK};
    size_t at = 0;
    bool ok = true;
    if (word.p[2] != ':') {
        ok = read_date(&t, word, &at);
        t.kind = TOML_DATE;
    }
    if (ok && (at == 0 || at < word.n)) {
        if (at) {
            ok = separator(word, &at, "Tt ");
            t.kind = TOML_LOCAL_DATE_TIME;
        }
        ok = ok && read_clock(&t, word, &at);
        if (ok && at < word.n && t.kind == TOML_LOCAL_DATE_TIME) {
            t.kind = TOML_OFFSET_DATE_TIME;
            ok = read_offset(&t, word, &at);
        }
    }
    if (!ok || at != word.n) return toml_fail(s, ERR_SYNTAX, "not a date or time");
    v->type = TOML_TIME;
    v->time = t;
    return 0;
}

static bool word_character(int c) {
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '+' || c == '.' || c == ':';
}

int toml_read_word(struct toml_parser *s, struct toml *v) {
    size_t n = 0;
    while (word_character(toml_peek(s, n))) {
        n++;
    }
    struct bytes word = bytes_slice(s->in, s->at, n);
    bool date = n == 10 && word.p[4] == '-' && digit(word.p[0]);
    // A space may stand between date and time.
    if (date && toml_peek(s, 10) == ' ' && digit(toml_peek(s, 11))) {
        for (n = 11; word_character(toml_peek(s, n));) {
            n++;
        }
        word.n = n;
    }
    bool is_time = n >= 8 && digit(word.p[0]) && (date || word.p[4] == '-' || word.p[2] == ':');
    int r = 0;
    if (bytes_equal_str(word, "true") || bytes_equal_str(word, "false")) {
        v->type = TOML_BOOL;
        v->boolean = n == 4;
    } else if (n == 0 || n > 400) {
        return toml_fail(s, ERR_SYNTAX, "not a value");
    } else if (is_time) {
        r = time_value(s, v, word);
    } else if (!special_float(v, word)) {
        char text[404];
        bool hex = n > 1 && word.p[0] == '0' && word.p[1] == 'x';
        bool real =
            !hex && (memchr(word.p, '.', n) || memchr(word.p, 'e', n) || memchr(word.p, 'E', n));
        r = real ? floating(s, v, word, text) : integer(s, v, word, text);
    }
    if (r == 0) s->at += n;
    return r;
}
