/* SPDX-License-Identifier: MIT */
#include "json/json.h"

#include "base/random.h"
#include "base/siphash.h"
#include "base/utf8.h"
#include "json/scan.h"

#define SMALL_OBJECT 12 /* members compared pairwise; more go through a table */

struct parser {
    const uint8_t *p;
    size_t n;
    size_t at;
    struct arena *a;
    const struct json_limits *limits;
    struct error *why;
    struct json *values;
    size_t count;
    size_t capacity;
    unsigned depth;
    uint32_t open[JSON_DEPTH_MAX]; /* indexes of the containers around */
};

static int fail(struct parser *s, const char *text) {
    if (s->at >= s->n) text = "the document ends too early";
    return error_set_at(s->why, ERR_SYNTAX, s->at, "%s", text);
}

static int grow(struct parser *s) {
    if (s->count >= s->limits->values) {
        return error_set_at(s->why, ERR_LIMIT, s->at, "more than %zu values", s->limits->values);
    }
    size_t capacity = s->capacity ? 2 * s->capacity : s->n / 32 + 16;
    struct json *values = arena_alloc_raw(s->a, capacity * sizeof *values);
    if (!values) return error_set_at(s->why, ERR_LIMIT, s->at, "no room for more values");
    if (s->count) memcpy(values, s->values, s->count * sizeof *values);
    s->values = values;
    s->capacity = capacity;
    return 0;
}

// A new value that begins here; one more slot is always free for unescaped text.
static inline int push(struct parser *s, enum json_type type) {
    if (s->count + 2 > s->capacity || s->count >= s->limits->values) {
        int r = grow(s);
        if (r) return r;
    }
    s->values[s->count++] = (struct json){
        .p = s->p + s->at, .at = (uint32_t)s->at, .skip = 1, .type = (uint32_t)type & 7};
    return 0;
}

static int hex4(struct parser *s, size_t at, uint32_t *ret) {
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        if (at + i >= s->n) {
            s->at = s->n;
            return fail(s, "");
        }
        uint8_t c = s->p[at + i];
        uint32_t d = (uint32_t)c - '0';
        if (d > 9) d = (uint32_t)(c | 0x20) - 'a' < 6 ? (uint32_t)(c | 0x20) - 'a' + 10 : 16;
        if (d > 15) {
            s->at = at + i;
            return fail(s, "not a hex digit in \\u");
        }
        v = v << 4 | d;
    }
    *ret = v;
    return 0;
}

// The code point of a \u escape at s->at (the backslash), with its second half when it is a pair.
static int unicode_escape(struct parser *s, uint32_t *ret) {
    size_t start = s->at;
    uint32_t c = 0, low = 0;
    int r = hex4(s, start + 2, &c);
    if (r) return r;
    s->at = start + 6;
    if (c >= 0xd800 && c < 0xdc00) {
        bool more = s->at + 1 < s->n && s->p[s->at] == '\\' && s->p[s->at + 1] == 'u';
        if (more) {
            r = hex4(s, s->at + 2, &low);
            if (r) return r;
        }
        if (!more || low < 0xdc00 || low > 0xdfff) {
            s->at = start;
            return fail(s, "half of a surrogate pair");
        }
        s->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        s->at = start;
        return fail(s, "half of a surrogate pair");
    }
    *ret = c;
    return 0;
}

// One escape at s->at; appends its bytes to *to.
static int escape(struct parser *s, uint8_t **to) {
    if (s->at + 1 >= s->n) {
        s->at = s->n;
        return fail(s, "");
    }
    static const char from[] = "\"\\/bfnrt";
    static const char is[] = "\"\\/\b\f\n\r\t";
    uint8_t c = s->p[s->at + 1];
    if (c == 'u') {
        uint32_t code = 0;
        int r = unicode_escape(s, &code);
        if (r) return r;
        *to += utf8_encode(*to, code);
        return 0;
    }
    const char *which = c ? strchr(from, c) : NULL;
    if (!which) return fail(s, "unknown escape");
    *(*to)++ = (uint8_t)is[which - from];
    s->at += 2;
    return 0;
}

// From the first backslash at s->at to the closing quote; the text goes to the slot behind v.
static int string_with_escapes(struct parser *s, struct json *v, size_t start) {
    // The text is never longer than its raw form: find the end first.
    size_t end = s->at;
    while (end < s->n && s->p[end] != '"') {
        end += s->p[end] == '\\' ? 2 : 1;
    }
    if (end >= s->n) {
        s->at = s->n;
        return fail(s, "");
    }
    uint8_t *text = arena_alloc_raw(s->a, end - start);
    if (!text) return error_set_at(s->why, ERR_LIMIT, s->at, "no room for a string");
    size_t plain = s->at - start;
    memcpy(text, s->p + start, plain);
    uint8_t *to = text + plain;
    while (s->p[s->at] != '"') {
        uint8_t c = s->p[s->at];
        int r = 0;
        if (c == '\\') {
            r = escape(s, &to);
        } else if (c < 0x20) {
            r = fail(s, "control character in a string");
        } else {
            size_t n = utf8_decode(NULL, (struct bytes){s->p + s->at, end - s->at});
            if (n == 0) return fail(s, "invalid UTF-8");
            memcpy(to, s->p + s->at, n);
            to += n;
            s->at += n;
            size_t run = json_scan(s->p, s->at, s->n) - s->at;
            memcpy(to, s->p + s->at, run);
            to += run;
            s->at += run;
        }
        if (r) return r;
    }
    v->unescaped = 1;
    v->skip = 2;
    v[1] = (struct json){.p = text, .n = (uint32_t)(to - text), .at = v->at};
    s->count++;
    return 0;
}

static int string(struct parser *s) {
    int r = push(s, JSON_STRING);
    if (r) return r;
    struct json *v = &s->values[s->count - 1];
    size_t start = ++s->at;
    for (;;) {
        s->at = json_scan(s->p, s->at, s->n);
        if (s->at >= s->n) return fail(s, "");
        uint8_t c = s->p[s->at];
        if (c == '"') break;
        if (c == '\\') {
            r = string_with_escapes(s, v, start);
            if (r) return r;
            break;
        }
        if (c < 0x20) return fail(s, "control character in a string");
        size_t n = utf8_decode(NULL, (struct bytes){s->p + s->at, s->n - s->at});
        if (n == 0) return fail(s, "invalid UTF-8");
        s->at += n;
    }
    s->at++;
    v->n = (uint32_t)(s->at - v->at);
    return 0;
}

static size_t digits(struct parser *s) {
    size_t start = s->at;
    while (s->at < s->n && (uint8_t)(s->p[s->at] - '0') < 10) {
        s->at++;
    }
    return s->at - start;
}

static int number(struct parser *s) {
    int r = push(s, JSON_NUMBER);
    if (r) return r;
    struct json *v = &s->values[s->count - 1];
    if (s->p[s->at] == '-') s->at++;
    if (s->at < s->n && s->p[s->at] == '0') {
        s->at++;
        if (s->at < s->n && (uint8_t)(s->p[s->at] - '0') < 10) return fail(s, "leading zero");
    } else if (digits(s) == 0) {
        return fail(s, "not a number");
    }
    if (s->at < s->n && s->p[s->at] == '.') {
        s->at++;
        if (digits(s) == 0) return fail(s, "no digit after the point");
    }
    if (s->at < s->n && (s->p[s->at] | 0x20) == 'e') {
        s->at++;
        if (s->at < s->n && (s->p[s->at] == '+' || s->p[s->at] == '-')) s->at++;
        if (digits(s) == 0) return fail(s, "no digit in the exponent");
    }
    v->n = (uint32_t)(s->at - v->at);
    return 0;
}

static int literal(struct parser *s, enum json_type type, const char *word, size_t n) {
    if (s->n - s->at < n || memcmp(s->p + s->at, word, n) != 0) return fail(s, "not a value");
    int r = push(s, type);
    if (r) return r;
    s->values[s->count - 1].n = (uint32_t)n;
    s->at += n;
    return 0;
}

static int duplicate(struct parser *s, const struct json *key) {
    struct bytes text = json_text(key);
    return error_set_at(s->why, ERR_INVALID, key->at, "duplicate key \"%.*s\"",
                        (int)(text.n > 64 ? 64 : text.n), (const char *)text.p);
}

static int check_small(struct parser *s, const struct json *object) {
    const struct json *keys[SMALL_OBJECT];
    unsigned n = 0;
    json_members(key, value, object) {
        struct bytes text = json_text(key);
        for (unsigned i = 0; i < n; i++) {
            if (bytes_equal(json_text(keys[i]), text)) return duplicate(s, key);
        }
        keys[n++] = key;
    }
    return 0;
}

// Open addressing with a random key, so that nobody can choose keys that collide.
static int check_large(struct parser *s, const struct json *object) {
    size_t size = 32;
    while (size < 2 * (size_t)object->count) {
        size *= 2;
    }
    struct arena_mark mark = arena_mark(s->a);
    const struct json **table = arena_new_array(s->a, const struct json *, size);
    if (!table) return error_set_at(s->why, ERR_LIMIT, s->at, "no room to check an object's keys");
    struct siphash_key seed;
    random_bytes(&seed, sizeof seed);
    int r = 0;
    json_members(key, value, object) {
        struct bytes text = json_text(key);
        size_t i = (size_t)siphash13(&seed, text) & (size - 1);
        while (table[i] && !bytes_equal(json_text(table[i]), text)) {
            i = (i + 1) & (size - 1);
        }
        if (table[i]) {
            r = duplicate(s, key);
            break;
        }
        table[i] = key;
    }
    arena_rewind(s->a, mark);
    return r;
}

static int close_container(struct parser *s) {
    struct json *c = &s->values[s->open[--s->depth]];
    s->at++;
    c->n = (uint32_t)(s->at - c->at);
    c->skip = (uint32_t)(s->values + s->count - c);
    if (c->type != JSON_OBJECT || c->count < 2 || s->limits->duplicates) return 0;
    return c->count <= SMALL_OBJECT ? check_small(s, c) : check_large(s, c);
}

static inline void skip_space(struct parser *s) {
    while (s->at < s->n) {
        uint8_t c = s->p[s->at];
        if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) return;
        s->at++;
    }
}

// `"key" :` and the space before the value.
static int member_key(struct parser *s) {
    if (s->at >= s->n || s->p[s->at] != '"') return fail(s, "expected a key");
    int r = string(s);
    if (r) return r;
    skip_space(s);
    if (s->at >= s->n || s->p[s->at] != ':') return fail(s, "expected ':'");
    s->at++;
    skip_space(s);
    return 0;
}

// Opens a container. *ret_empty: it is closed already.
static int open_container(struct parser *s, enum json_type type, bool *ret_empty) {
    if (s->depth >= s->limits->depth || s->depth >= JSON_DEPTH_MAX) {
        return error_set_at(s->why, ERR_LIMIT, s->at, "nested deeper than %u", s->limits->depth);
    }
    int r = push(s, type);
    if (r) return r;
    s->open[s->depth++] = (uint32_t)(s->count - 1);
    s->at++;
    skip_space(s);
    *ret_empty = s->at < s->n && s->p[s->at] == (type == JSON_OBJECT ? '}' : ']');
    if (*ret_empty) return close_container(s);
    return type == JSON_OBJECT ? member_key(s) : 0;
}

// The value at s->at; *ret_opened: it is a container whose first child comes next.
static int value(struct parser *s, bool *ret_opened) {
    *ret_opened = false;
    if (s->at >= s->n) return fail(s, "");
    bool empty = false;
    int r;
    switch (s->p[s->at]) {
    case '"':
        return string(s);
    case '{':
    case '[':
        r = open_container(s, s->p[s->at] == '{' ? JSON_OBJECT : JSON_ARRAY, &empty);
        *ret_opened = !empty;
        return r;
    case 't':
        return literal(s, JSON_BOOL, "true", 4);
    case 'f':
        return literal(s, JSON_BOOL, "false", 5);
    case 'n':
        return literal(s, JSON_NULL, "null", 4);
    case '-':
    case '0' ... '9':
        return number(s);
    default:
        return fail(s, "not a value");
    }
}

// After a value: closes containers until one wants another value or the document ends.
static int after_value(struct parser *s) {
    while (s->depth) {
        struct json *c = &s->values[s->open[s->depth - 1]];
        c->count++;
        skip_space(s);
        if (s->at >= s->n) return fail(s, "");
        uint8_t ch = s->p[s->at];
        if (ch == ',') {
            s->at++;
            skip_space(s);
            return c->type == JSON_OBJECT ? member_key(s) : 0;
        }
        if (ch != (c->type == JSON_OBJECT ? '}' : ']')) {
            return fail(s, c->type == JSON_OBJECT ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        int r = close_container(s);
        if (r) return r;
    }
    return 0;
}

int json_parse(const struct json **ret, struct bytes in, struct arena *a,
               const struct json_limits *limits, struct error *why) {
    struct json_limits standard = JSON_LIMITS_DEFAULT;
    if (!limits) limits = &standard;
    if (in.n > limits->bytes || in.n > JSON_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "document of %zu bytes", in.n);
    }
    struct parser s;
    s.p = in.p;
    s.n = in.n;
    s.at = 0;
    s.a = a;
    s.limits = limits;
    s.why = why;
    s.values = NULL;
    s.count = s.capacity = 0;
    s.depth = 0;
    skip_space(&s);
    do {
        bool opened = false;
        int r = value(&s, &opened);
        if (r == 0 && !opened) r = after_value(&s);
        if (r) return r;
    } while (s.depth);
    skip_space(&s);
    if (s.at != s.n) return fail(&s, "bytes behind the document");
    *ret = s.values;
    return 0;
}
