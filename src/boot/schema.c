/* SPDX-License-Identifier: MIT */
#include "boot/schema.h"

#include "base/hex.h"
#include "config/config.h"
#include "net/url.h"
#include "toml/toml.h"

#include <stdlib.h>

#define DOCUMENT_DEPTH_MAX 16

static const char *const type_names[VARIABLE_TYPES] = {"text",    "name", "number", "bool",
                                                       "address", "hash", "key",    "endpoint",
                                                       "url",     "list", "object"};

const char *variable_type_name(enum variable_type type) {
    return type_names[type];
}

// Reading a schema

static int read_type(enum variable_type *ret, const struct toml *v, struct error *why) {
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r < 0) return r;
    for (unsigned i = 0; i < VARIABLE_TYPES; i++) {
        if (!bytes_equal_str(text, type_names[i])) continue;
        *ret = (enum variable_type)i;
        return 0;
    }
    return toml_error(why, ERR_INVALID, v, "there is no type \"%.*s\"",
                      (int)(text.n < 40 ? text.n : 40), (const char *)text.p);
}

// The default as the text that a template would show.
static int read_default(struct variable *ret, const struct toml *v, struct arena *a,
                        struct error *why) {
    int64_t number;
    bool truth;
    int r;
    ret->has_default = true;
    switch (v->type) {
    case TOML_STRING:
        r = toml_string(&ret->fallback, v, why);
        ret->fallback = r == 0 ? arena_copy(a, ret->fallback) : ret->fallback;
        return r;
    case TOML_INTEGER:
        r = toml_i64(&number, v, why);
        if (r == 0) ret->fallback = bytes_from_str(arena_printf(a, "%lld", (long long)number));
        return r;
    case TOML_BOOL:
        r = toml_bool(&truth, v, why);
        if (r == 0) ret->fallback = bytes_from_str(truth ? "true" : "false");
        return r;
    default:
        return toml_error(why, ERR_INVALID, v, "a default is a string, a number or a truth value");
    }
}

static int read_choices(struct variable *ret, const struct toml *v, struct arena *a,
                        struct error *why) {
    if (v->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, v, "choices are an array");
    ret->choices = arena_new_array(a, struct bytes, v->count);
    if (!ret->choices) return error_set(why, ERR_LIMIT, "the schema is too large");
    toml_each(item, v) {
        struct bytes text;
        int r = toml_string(&text, item, why);
        if (r < 0) return r;
        ret->choices[ret->choice_count++] = arena_copy(a, text);
    }
    return 0;
}

static int read_bound(uint64_t *ret, const struct toml *v, struct error *why) {
    int64_t n;
    int r = toml_i64(&n, v, why);
    if (r == 0 && n < 0) r = toml_error(why, ERR_RANGE, v, "bounds are not negative");
    if (r == 0) *ret = (uint64_t)n;
    return r;
}

static int read_member(struct variable *ret, const struct toml *m, struct arena *a,
                       struct error *why) {
    if (bytes_equal_str(m->key, "type")) return read_type(&ret->type, m, why);
    if (bytes_equal_str(m->key, "required")) return toml_bool(&ret->required, m, why);
    if (bytes_equal_str(m->key, "secret")) return toml_bool(&ret->secret, m, why);
    if (bytes_equal_str(m->key, "default")) return read_default(ret, m, a, why);
    if (bytes_equal_str(m->key, "choices")) return read_choices(ret, m, a, why);
    if (bytes_equal_str(m->key, "min")) return read_bound(&ret->min, m, why);
    if (bytes_equal_str(m->key, "help")) return 0;
    if (bytes_equal_str(m->key, "max")) {
        ret->has_max = true;
        return read_bound(&ret->max, m, why);
    }
    return toml_error(why, ERR_INVALID, m, "a variable has no member \"%.*s\"",
                      (int)(m->key.n < 40 ? m->key.n : 40), (const char *)m->key.p);
}

static int read_variable(struct variable *ret, const struct toml *v, struct arena *a,
                         struct error *why) {
    *ret = (struct variable){.key = arena_copy(a, v->key), .required = true};
    if (v->type != TOML_TABLE || !toml_get(v, BYTES_LIT("type"))) {
        return toml_error(why, ERR_INVALID, v, "a variable is a table with a type");
    }
    if (v->key.n == 0 || v->key.n > SCHEMA_KEY_BYTES_MAX) {
        return toml_error(why, ERR_LIMIT, v, "a key has 1 to %d bytes", SCHEMA_KEY_BYTES_MAX);
    }
    toml_each(m, v) {
        int r = read_member(ret, m, a, why);
        if (r < 0) return r;
    }
    if (ret->has_default) ret->required = false;
    return 0;
}

static int by_key(const void *left, const void *right) {
    const struct variable *a = left, *b = right;
    return bytes_compare(a->key, b->key);
}

int schema_parse(struct schema *ret, struct bytes text, struct arena *a, struct error *why) {
    const struct toml *root, *table;
    int r = toml_parse(&root, text, a, why);
    if (r < 0) return r;
    table = toml_get(root, BYTES_LIT("variables"));
    if (!table || table->type != TOML_TABLE) {
        return error_set(why, ERR_NOT_FOUND, "a schema has a table [variables]");
    }
    if (table->count > SCHEMA_VARIABLES_MAX) {
        return error_set(why, ERR_LIMIT, "a schema has at most %d variables", SCHEMA_VARIABLES_MAX);
    }
    struct schema s = {.variables = arena_new_array(a, struct variable, table->count)};
    if (!s.variables) return error_set(why, ERR_LIMIT, "the schema is too large");
    toml_each(v, table) {
        r = read_variable(&s.variables[s.count++], v, a, why);
        if (r < 0) return r;
    }
    qsort(s.variables, s.count, sizeof *s.variables, by_key);
    *ret = s;
    return 0;
}

const struct variable *schema_find(const struct schema *s, struct bytes key) {
    const struct variable wanted = {.key = key};
    if (s->count == 0) return NULL;
    return bsearch(&wanted, s->variables, s->count, sizeof wanted, by_key);
}

// Testing values. Texts name the key and never the value, which may be a secret.

#define KEY_TEXT(v) (int)(v)->key.n, (const char *)(v)->key.p

static int wrong(const struct variable *v, enum err code, const char *what, struct error *why) {
    return error_set(why, code, "%.*s: %s", KEY_TEXT(v), what);
}

static int check_number(const struct variable *v, struct bytes text, struct error *why) {
    uint64_t n = 0;
    if (text.n == 0) return wrong(v, ERR_SYNTAX, "not a number", why);
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned)text.p[i] - '0';
        if (digit > 9) return wrong(v, ERR_SYNTAX, "not a whole number", why);
        if (n > (UINT64_MAX - digit) / 10) return wrong(v, ERR_RANGE, "too large", why);
        n = n * 10 + digit;
    }
    if (n < v->min) return wrong(v, ERR_RANGE, "too small", why);
    if (v->has_max && n > v->max) return wrong(v, ERR_RANGE, "too large", why);
    return 0;
}

static int check_hex(const struct variable *v, struct bytes text, size_t bytes, struct error *why) {
    uint8_t value[32];
    bool prefixed = bytes_starts_with(text, BYTES_LIT("0x"));
    struct bytes digits = prefixed ? bytes_slice(text, 2, text.n) : text;
    if ((!prefixed && v->type != VARIABLE_KEY) || digits.n != 2 * bytes ||
        hex_decode(value, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "%.*s: %s and %zu hex digits are needed", KEY_TEXT(v),
                         v->type == VARIABLE_KEY ? "perhaps 0x" : "0x", 2 * bytes);
    }
    bytes_wipe(value, sizeof value);
    return 0;
}

static bool is_name(struct bytes text) {
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok) return false;
    }
    return text.n > 0;
}

static int check_text(const struct variable *v, struct bytes text, struct error *why) {
    struct error inner;
    struct url url;
    switch (v->type) {
    case VARIABLE_NAME:
        return is_name(text) ? 0 : wrong(v, ERR_SYNTAX, "not a name", why);
    case VARIABLE_NUMBER:
        return check_number(v, text, why);
    case VARIABLE_BOOL:
        return bytes_equal_str(text, "true") || bytes_equal_str(text, "false")
                   ? 0
                   : wrong(v, ERR_SYNTAX, "true or false is needed", why);
    case VARIABLE_ADDRESS:
        return check_hex(v, text, 20, why);
    case VARIABLE_HASH:
    case VARIABLE_KEY:
        return check_hex(v, text, 32, why);
    case VARIABLE_ENDPOINT:
        return config_check_address(text, &inner) == 0
                   ? 0
                   : wrong(v, ERR_SYNTAX, "HOST:PORT is needed", why);
    case VARIABLE_URL:
        return url_parse(&url, text, &inner) == 0 ? 0 : wrong(v, ERR_SYNTAX, "not a URL", why);
    default:
        return 0;
    }
}

static int check_choice(const struct variable *v, struct bytes text, struct error *why) {
    for (size_t i = 0; i < v->choice_count; i++) {
        if (bytes_equal(v->choices[i], text)) return 0;
    }
    return v->choice_count ? wrong(v, ERR_RANGE, "not one of its choices", why) : 0;
}

static int check_scalar(const struct variable *v, const struct json *value, struct error *why) {
    enum json_type type = json_type_of(value);
    bool fits = type == JSON_STRING || (type == JSON_NUMBER && v->type == VARIABLE_NUMBER) ||
                (type == JSON_BOOL && v->type == VARIABLE_BOOL);
    if (!fits) {
        return error_set(why, ERR_INVALID, "%.*s: %s is needed, this is %s", KEY_TEXT(v),
                         variable_type_name(v->type), json_type_name(type));
    }
    struct bytes text = json_text(value);
    if (v->type != VARIABLE_NUMBER && v->has_max && text.n > v->max) {
        return wrong(v, ERR_RANGE, "too long", why);
    }
    int r = check_text(v, text, why);
    return r == 0 ? check_choice(v, text, why) : r;
}

int variable_check(const struct variable *v, const struct json *value, struct error *why) {
    enum json_type type = json_type_of(value);
    if (v->type == VARIABLE_LIST) {
        if (type != JSON_ARRAY) return wrong(v, ERR_INVALID, "a list is needed", why);
        if (v->has_max && json_count(value) > v->max) return wrong(v, ERR_RANGE, "too long", why);
        return 0;
    }
    if (v->type == VARIABLE_OBJECT) {
        return type == JSON_OBJECT ? 0 : wrong(v, ERR_INVALID, "an object is needed", why);
    }
    return check_scalar(v, value, why);
}

// Walking a document

struct walk {
    const struct schema *schema;
    struct buf path;
    void (*unknown)(void *context, struct bytes key);
    void *context;
    unsigned depth;
};

static int check_value(struct walk *w, const struct json *value, struct error *why);

static int check_children(struct walk *w, const struct json *value, struct error *why) {
    size_t own = w->path.n;
    int r = 0;
    if (w->depth == DOCUMENT_DEPTH_MAX) return error_set(why, ERR_LIMIT, "nested too deeply");
    w->depth++;
    if (json_type_of(value) == JSON_ARRAY) {
        buf_append_str(&w->path, "[]");
        json_each(item, value) {
            r = check_value(w, item, why);
            if (r < 0) return r;
        }
    }
    json_members(key, member, value) {
        struct bytes name = json_text(key);
        if (bytes_starts_with(name, BYTES_LIT("__"))) continue;
        w->path.n = own;
        if (own) buf_append_byte(&w->path, '.');
        buf_append(&w->path, name);
        r = check_value(w, member, why);
        if (r < 0) return r;
    }
    w->path.n = own;
    w->depth--;
    return 0;
}

// Some listed variable lies below the path.
static bool is_prefix(const struct schema *s, struct bytes path) {
    for (size_t i = 0; i < s->count; i++) {
        struct bytes key = s->variables[i].key;
        if (key.n > path.n && bytes_starts_with(key, path) &&
            (key.p[path.n] == '.' || key.p[path.n] == '[')) {
            return true;
        }
    }
    return false;
}

static int check_value(struct walk *w, const struct json *value, struct error *why) {
    struct bytes path = buf_view(&w->path);
    int r = buf_check(&w->path, why);
    if (r < 0) return r;
    const struct variable *v = schema_find(w->schema, path);
    if (json_is_null(value)) return 0;
    if (v) r = variable_check(v, value, why);
    if (r < 0) return r;
    bool container = json_type_of(value) == JSON_OBJECT || json_type_of(value) == JSON_ARRAY;
    if (container && is_prefix(w->schema, path)) return check_children(w, value, why);
    if (!v && w->unknown) w->unknown(w->context, path);
    return 0;
}

// The value of a plain dotted key; NULL when it is missing.
static const struct json *lookup(const struct json *document, struct bytes key) {
    while (key.n) {
        const uint8_t *dot = memchr(key.p, '.', key.n);
        struct bytes part = {key.p, dot ? (size_t)(dot - key.p) : key.n};
        const struct json *found = NULL;
        json_members(name, member, document) {
            if (bytes_equal(json_text(name), part)) found = member;
        }
        if (!found) return NULL;
        document = found;
        key = bytes_slice(key, part.n + 1, key.n);
    }
    return document;
}

// Variables of list elements are required of each element that there is.
static int check_required(const struct schema *s, const struct json *document, struct error *why) {
    for (size_t i = 0; i < s->count; i++) {
        const struct variable *v = &s->variables[i];
        if (!v->required || memchr(v->key.p, '[', v->key.n)) continue;
        if (json_is_null(lookup(document, v->key))) {
            return wrong(v, ERR_NOT_FOUND, "the configuration lacks it", why);
        }
    }
    return 0;
}

int schema_check(const struct schema *s, const struct json *document,
                 void (*unknown)(void *context, struct bytes key), void *context,
                 struct error *why) {
    struct walk w = {.schema = s, .unknown = unknown, .context = context};
    if (json_type_of(document) != JSON_OBJECT) {
        return error_set(why, ERR_INVALID, "a configuration is a JSON object");
    }
    buf_init(&w.path, 4096);
    int r = check_children(&w, document, why);
    buf_free(&w.path);
    return r == 0 ? check_required(s, document, why) : r;
}
