/* SPDX-License-Identifier: MIT */
#include "toml/toml.h"

#include "base/random.h"
#include "base/utf8.h"
#include "toml/parse.h"

#include <stdio.h>

/* How a table came to be decides who may add to it. */
enum origin {
    IMPLICIT,    /* named on the way to another by a [header]; may still be defined */
    HEADER,      /* defined by [header] (also the root and elements of [[arrays]]) */
    DOTTED,      /* made by a dotted key; only dotted keys of the same table add to it */
    CLOSED,      /* inline table or plain array: complete */
    TABLE_ARRAY, /* array made by [[header]] */
};

static uint32_t column_of(const struct toml_parser *s) {
    uint32_t n = 1;
    for (size_t i = s->line_start; i < s->at; i++) {
        n += (s->in.p[i] & 0xc0) != 0x80;
    }
    return n;
}

int toml_fail(struct toml_parser *s, enum err code, const char *text) {
    return error_set_at(s->why, code, s->at, "line %u, column %u: %s", s->line, column_of(s), text);
}

int toml_no_room(struct toml_parser *s) {
    return toml_fail(s, ERR_LIMIT, "no room for the document");
}

bool toml_newline(struct toml_parser *s) {
    size_t n = toml_peek(s, 0) == '\r' && toml_peek(s, 1) == '\n' ? 2 : toml_peek(s, 0) == '\n';
    if (n == 0) return false;
    s->at += n;
    s->line++;
    s->line_start = s->at;
    return true;
}

static void skip_blanks(struct toml_parser *s) {
    while (toml_peek(s, 0) == ' ' || toml_peek(s, 0) == '\t') {
        s->at++;
    }
}

static int skip_comment(struct toml_parser *s) {
    if (toml_peek(s, 0) != '#') return 0;
    for (;;) {
        int c = toml_peek(s, 0);
        if (c < 0 || c == '\n' || (c == '\r' && toml_peek(s, 1) == '\n')) return 0;
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return toml_fail(s, ERR_SYNTAX, "control character in a comment");
        }
        size_t n = utf8_decode(NULL, bytes_slice(s->in, s->at, 4));
        if (n == 0) return toml_fail(s, ERR_SYNTAX, "invalid UTF-8");
        s->at += n;
    }
}

// Blanks, comments and line ends, as between the elements of an array.
static int skip_lines(struct toml_parser *s) {
    do {
        skip_blanks(s);
        int r = skip_comment(s);
        if (r) return r;
    } while (toml_newline(s));
    return 0;
}

static int end_of_line(struct toml_parser *s) {
    skip_blanks(s);
    int r = skip_comment(s);
    if (r) return r;
    if (toml_peek(s, 0) < 0 || toml_newline(s)) return 0;
    return toml_fail(s, ERR_SYNTAX, "expected the end of the line");
}

static struct toml_slot *slot_of(struct toml_parser *s, const struct toml *table,
                                 struct bytes key) {
    uint64_t h = siphash13(&s->seed, key) ^ ((uintptr_t)table >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h ^ h >> 32) & (s->slot_count - 1);
    while (s->slots[i].value &&
           (s->slots[i].table != table || !bytes_equal(s->slots[i].value->key, key))) {
        i = (i + 1) & (s->slot_count - 1);
    }
    return &s->slots[i];
}

static struct toml *lookup(struct toml_parser *s, const struct toml *table, struct bytes key) {
    return s->slot_count ? slot_of(s, table, key)->value : NULL;
}

static int index_grow(struct toml_parser *s) {
    struct toml_slot *old = s->slots;
    size_t old_count = s->slot_count;
    s->slot_count = old_count ? 2 * old_count : 64;
    s->slots = arena_new_array(s->a, struct toml_slot, s->slot_count);
    if (!s->slots) {
        s->slot_count = 0;
        return toml_no_room(s);
    }
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].value) *slot_of(s, old[i].table, old[i].value->key) = old[i];
    }
    return 0;
}

static int new_value(struct toml_parser *s, struct toml **ret) {
    *ret = arena_new(s->a, struct toml);
    if (!*ret) return toml_no_room(s);
    (*ret)->line = s->line;
    (*ret)->column = column_of(s);
    return 0;
}

static void append(struct toml *container, struct toml *v) {
    if (container->last) {
        container->last->next = v;
    } else {
        container->first = v;
    }
    container->last = v;
    container->count++;
}

// Puts v, whose key is set, into a table that does not have the key.
static int insert(struct toml_parser *s, struct toml *table, struct toml *v) {
    if (2 * (s->used + 1) > s->slot_count) {
        int r = index_grow(s);
        if (r) return r;
    }
    *slot_of(s, table, v->key) = (struct toml_slot){table, v};
    s->used++;
    append(table, v);
    return 0;
}

static bool bare(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int simple_key(struct toml_parser *s, struct bytes *ret) {
    int c = toml_peek(s, 0);
    if (c == '"' || c == '\'') return toml_read_string(s, false, ret);
    size_t n = 0;
    while (bare(toml_peek(s, n))) {
        n++;
    }
    if (n == 0) return toml_fail(s, ERR_SYNTAX, "expected a key");
    *ret = bytes_slice(s->in, s->at, n);
    s->at += n;
    return 0;
}

// One part of a dotted key; *ret_more: a dot and another part follow.
static int key_part(struct toml_parser *s, struct bytes *ret, bool *ret_more) {
    int r = simple_key(s, ret);
    if (r) return r;
    skip_blanks(s);
    *ret_more = toml_peek(s, 0) == '.';
    if (*ret_more) {
        s->at++;
        skip_blanks(s);
    }
    return 0;
}

static int new_table(struct toml_parser *s, struct toml *in, struct bytes key, enum origin origin,
                     struct toml **ret) {
    int r = new_value(s, ret);
    if (r) return r;
    (*ret)->type = TOML_TABLE;
    (*ret)->origin = (uint8_t)origin;
    (*ret)->key = key;
    return insert(s, in, *ret);
}

static int value(struct toml_parser *s, struct toml *v);

// key = value into a table; s->at stands at the key.
static int key_value(struct toml_parser *s, struct toml *table) {
    struct bytes key;
    bool more = true;
    int r = 0;
    for (unsigned parts = 0;; parts++) {
        size_t start = s->at;
        if (parts >= TOML_DEPTH_MAX) return toml_fail(s, ERR_LIMIT, "key of too many parts");
        r = key_part(s, &key, &more);
        if (r) return r;
        struct toml *old = lookup(s, table, key);
        size_t end = s->at;
        s->at = start; // errors and positions point at the key
        if (!more) {
            if (old) return toml_fail(s, ERR_CONFLICT, "key defined twice");
        } else if (!old) {
            r = new_table(s, table, key, DOTTED, &table);
            if (r) return r;
        } else if (old->type != TOML_TABLE || old->origin != DOTTED) {
            return toml_fail(s, ERR_CONFLICT, "dotted key goes through something defined before");
        } else {
            table = old;
        }
        s->at = end;
        if (!more) break;
    }
    if (toml_peek(s, 0) != '=') return toml_fail(s, ERR_SYNTAX, "expected '='");
    s->at++;
    skip_blanks(s);
    struct toml *v;
    r = new_value(s, &v);
    if (r == 0) r = value(s, v);
    if (r) return r;
    v->key = key;
    return insert(s, table, v);
}

static int array(struct toml_parser *s, struct toml *v) {
    v->type = TOML_ARRAY;
    v->origin = CLOSED;
    s->at++;
    for (;;) {
        int r = skip_lines(s);
        if (r) return r;
        if (toml_peek(s, 0) == ']') break;
        struct toml *item;
        r = new_value(s, &item);
        if (r == 0) r = value(s, item);
        if (r == 0) r = skip_lines(s);
        if (r) return r;
        append(v, item);
        if (toml_peek(s, 0) == ']') break;
        if (toml_peek(s, 0) != ',') return toml_fail(s, ERR_SYNTAX, "expected ',' or ']'");
        s->at++;
    }
    s->at++;
    return 0;
}

static int inline_table(struct toml_parser *s, struct toml *v) {
    v->type = TOML_TABLE;
    v->origin = CLOSED;
    s->at++;
    skip_blanks(s);
    if (toml_peek(s, 0) == '}') {
        s->at++;
        return 0;
    }
    for (;;) {
        int r = key_value(s, v);
        if (r) return r;
        skip_blanks(s);
        int c = toml_peek(s, 0);
        if (c != ',' && c != '}') return toml_fail(s, ERR_SYNTAX, "expected ',' or '}'");
        s->at++;
        if (c == '}') return 0;
        skip_blanks(s);
    }
}

static int value(struct toml_parser *s, struct toml *v) {
    int c = toml_peek(s, 0);
    if (c == '"' || c == '\'') {
        v->type = TOML_STRING;
        return toml_read_string(s, true, &v->string);
    }
    if (c != '[' && c != '{') return toml_read_word(s, v);
    if (s->depth >= TOML_DEPTH_MAX) return toml_fail(s, ERR_LIMIT, "nested too deep");
    s->depth++;
    int r = c == '[' ? array(s, v) : inline_table(s, v);
    s->depth--;
    return r;
}

// The table that a part on the way of a [header] stands for.
static int step_into(struct toml_parser *s, struct toml **table, struct bytes key) {
    struct toml *old = lookup(s, *table, key);
    if (!old) return new_table(s, *table, key, IMPLICIT, table);
    if (old->origin == TABLE_ARRAY) old = old->last;
    if (old->type != TOML_TABLE || old->origin == CLOSED) {
        return toml_fail(s, ERR_CONFLICT, "header goes through something that is complete");
    }
    *table = old;
    return 0;
}

static int define_table(struct toml_parser *s, struct toml **table, struct bytes key) {
    struct toml *old = lookup(s, *table, key);
    if (!old) return new_table(s, *table, key, HEADER, table);
    if (old->type != TOML_TABLE || old->origin != IMPLICIT) {
        return toml_fail(s, ERR_CONFLICT, "table defined twice");
    }
    old->origin = HEADER;
    *table = old;
    return 0;
}

static int define_element(struct toml_parser *s, struct toml **table, struct bytes key) {
    struct toml *all = lookup(s, *table, key);
    int r = 0;
    if (!all) {
        r = new_value(s, &all);
        if (r) return r;
        all->type = TOML_ARRAY;
        all->origin = TABLE_ARRAY;
        all->key = key;
        r = insert(s, *table, all);
    } else if (all->origin != TABLE_ARRAY) {
        return toml_fail(s, ERR_CONFLICT, "defined before as something else");
    }
    struct toml *element;
    if (r == 0) r = new_value(s, &element);
    if (r) return r;
    element->type = TOML_TABLE;
    element->origin = HEADER;
    append(all, element);
    *table = element;
    return 0;
}

// [a.b] or [[a.b]]; *ret is the table that the lines below fill.
static int header(struct toml_parser *s, struct toml *root, struct toml **ret) {
    bool element = toml_peek(s, 1) == '[';
    s->at += element ? 2 : 1;
    skip_blanks(s);
    struct toml *table = root;
    bool more = true;
    for (unsigned parts = 0; more; parts++) {
        if (parts >= TOML_DEPTH_MAX) return toml_fail(s, ERR_LIMIT, "header of too many parts");
        struct bytes key;
        size_t start = s->at;
        int r = key_part(s, &key, &more);
        if (r) return r;
        size_t end = s->at;
        s->at = start;
        if (more) {
            r = step_into(s, &table, key);
        } else {
            r = element ? define_element(s, &table, key) : define_table(s, &table, key);
        }
        if (r) return r;
        s->at = end;
    }
    if (toml_peek(s, 0) != ']' || (element && toml_peek(s, 1) != ']')) {
        return toml_fail(s, ERR_SYNTAX, element ? "expected ']]'" : "expected ']'");
    }
    s->at += element ? 2 : 1;
    *ret = table;
    return end_of_line(s);
}

int toml_parse(const struct toml **ret, struct bytes in, struct arena *a, struct error *why) {
    if (in.n > TOML_BYTES_MAX) return error_set(why, ERR_LIMIT, "document of %zu bytes", in.n);
    struct toml_parser s = {.in = in, .line = 1, .a = a, .why = why};
    random_bytes(&s.seed, sizeof s.seed);
    if (bytes_starts_with(in, BYTES_LIT("\xef\xbb\xbf"))) s.at = s.line_start = 3;
    struct toml *root;
    int r = new_value(&s, &root);
    if (r) return r;
    root->type = TOML_TABLE;
    root->origin = HEADER;
    struct toml *table = root;
    for (;;) {
        r = skip_lines(&s);
        if (r) return r;
        int c = toml_peek(&s, 0);
        if (c < 0) break;
        if (c == '[') {
            r = header(&s, root, &table);
        } else {
            r = key_value(&s, table);
            if (r == 0) r = end_of_line(&s);
        }
        if (r) return r;
    }
    *ret = root;
    return 0;
}

const struct toml *toml_get(const struct toml *v, struct bytes key) {
    if (!v || v->type != TOML_TABLE) return NULL;
    toml_each(item, v) {
        if (bytes_equal(item->key, key)) return item;
    }
    return NULL;
}

const struct toml *toml_find(const struct toml *v, const char *path) {
    while (v && *path) {
        size_t n = strcspn(path, ".");
        v = toml_get(v, bytes_make(path, n));
        path += n;
        if (*path) path++;
    }
    return v;
}

const char *toml_type_name(enum toml_type type) {
    static const char *const names[] = {"string",       "integer", "float", "boolean",
                                        "date or time", "array",   "table"};
    return type <= TOML_TABLE ? names[type] : "unknown";
}

int(toml_error)(struct error *why, enum err code, const struct toml *v, const char *text, ...) {
    char line[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(line, sizeof line, text, args);
    va_end(args);
    if (!v) return error_set(why, code, "%s", line);
    return error_set(why, code, "line %u, column %u: %s", v->line, v->column, line);
}

static int expect(const struct toml *v, enum toml_type type, struct error *why) {
    if (!v) return error_set(why, ERR_NOT_FOUND, "missing");
    if (v->type == type) return 0;
    return toml_error(why, ERR_INVALID, v, "%s where %s is needed", toml_type_name(v->type),
                      toml_type_name(type));
}

int toml_string(struct bytes *ret, const struct toml *v, struct error *why) {
    int r = expect(v, TOML_STRING, why);
    if (r == 0) *ret = v->string;
    return r;
}

int toml_i64(int64_t *ret, const struct toml *v, struct error *why) {
    int r = expect(v, TOML_INTEGER, why);
    if (r == 0) *ret = v->integer;
    return r;
}

int toml_double(double *ret, const struct toml *v, struct error *why) {
    if (v && v->type == TOML_INTEGER) {
        *ret = (double)v->integer;
        return 0;
    }
    int r = expect(v, TOML_FLOAT, why);
    if (r == 0) *ret = v->number;
    return r;
}

int toml_bool(bool *ret, const struct toml *v, struct error *why) {
    int r = expect(v, TOML_BOOL, why);
    if (r == 0) *ret = v->boolean;
    return r;
}

int toml_time(struct toml_time *ret, const struct toml *v, struct error *why) {
    int r = expect(v, TOML_TIME, why);
    if (r == 0) *ret = v->time;
    return r;
}
