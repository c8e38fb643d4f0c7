/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/utf8.h"
#include "config/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit time_units[] = {{"ns", 1},
                                         {"us", NS_PER_US},
                                         {"ms", NS_PER_MS},
                                         {"s", NS_PER_S},
                                         {"m", 60 * NS_PER_S},
                                         {"h", 3600 * NS_PER_S},
                                         {"d", 86400 * NS_PER_S}};
static const struct unit size_units[] = {{"B", 1},           {"kB", 1000},
                                         {"KB", 1000},       {"MB", 1000000},
                                         {"GB", 1000000000}, {"TB", UINT64_C(1000000000000)},
                                         {"KiB", 1 << 10},   {"MiB", 1 << 20},
                                         {"GiB", 1 << 30},   {"TiB", UINT64_C(1) << 40}};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool digits(struct bytes text, size_t *at, uint64_t *ret) {
    size_t start = *at;
    uint64_t v = 0;
    for (; *at < text.n && (uint8_t)(text.p[*at] - '0') < 10; (*at)++) {
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.p[*at] - '0'), &v)) {
            return false;
        }
    }
    *ret = v;
    return *at > start;
}

static const struct unit *unit_at(struct bytes text, size_t *at, const struct unit *units,
                                  size_t count) {
    size_t n = 0;
    while (*at + n < text.n &&
           ((text.p[*at + n] | 0x20) >= 'a' && (text.p[*at + n] | 0x20) <= 'z')) {
        n++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_str(bytes_slice(text, *at, n), units[i].name)) continue;
        *at += n;
        return &units[i];
    }
    return NULL;
}

// A sum of numbers with units ("1m30s"); a bare number counts `unit`.
static int parse_quantity(uint64_t *ret, struct bytes text, uint64_t unit, const struct unit *units,
                          size_t count, const char *what, struct error *why) {
    uint64_t sum = 0;
    size_t at = 0;
    uint64_t last_factor = UINT64_MAX;
    do {
        uint64_t v = 0, factor = unit;
        if (!digits(text, &at, &v)) return error_set(why, ERR_SYNTAX, "not a %s", what);
        if (at == text.n) {
            bool mixed = last_factor != UINT64_MAX;
            if (mixed || (unit == 0 && v != 0)) {
                return error_set(why, ERR_SYNTAX, "%s without a unit", what);
            }
        } else {
            const struct unit *u = unit_at(text, &at, units, count);
            if (!u || u->factor >= last_factor) return error_set(why, ERR_SYNTAX, "not a %s", what);
            factor = last_factor = u->factor;
        }
        if (__builtin_mul_overflow(v, factor, &v) || __builtin_add_overflow(sum, v, &sum)) {
            return error_set(why, ERR_RANGE, "%s too large", what);
        }
    } while (at < text.n);
    *ret = sum;
    return 0;
}

int config_parse_duration(uint64_t *ret_ns, struct bytes text, uint64_t unit, struct error *why) {
    return parse_quantity(ret_ns, text, unit, time_units, COUNT(time_units), "duration", why);
}

int config_parse_size(uint64_t *ret, struct bytes text, uint64_t unit, struct error *why) {
    return parse_quantity(ret, text, unit ? unit : 1, size_units, COUNT(size_units), "size", why);
}

int config_check_address(struct bytes text, struct error *why) {
    if (bytes_starts_with(text, BYTES_LIT("unix:"))) {
        // The kernel's limit of a socket's path.
        if (text.n > 6 && text.n - 5 < 108) return 0;
        return error_set(why, ERR_SYNTAX, "unix: needs a path of 1 to 107 bytes");
    }
    const uint8_t *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    if (!colon) return error_set(why, ERR_SYNTAX, "address without a port");
    size_t host_n = (size_t)(colon - text.p);
    struct bytes port = bytes_slice(text, host_n + 1, text.n);
    size_t at = 0;
    uint64_t number = 0;
    if (!digits(port, &at, &number) || at != port.n || port.n > 5 || number > 65535) {
        return error_set(why, ERR_SYNTAX, "port is a number up to 65535");
    }
    bool bracketed = host_n >= 4 && text.p[0] == '[' && text.p[host_n - 1] == ']';
    for (size_t i = 0; i < host_n; i++) {
        uint8_t c = text.p[i];
        bool inside = bracketed && (i == 0 || i + 1 == host_n || c == ':' || c == '%');
        bool name = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                    c == '.' || c == '-' || c == '_';
        if (!inside && !name) return error_set(why, ERR_SYNTAX, "not HOST:PORT or [V6]:PORT");
    }
    return 0;
}

static int check_url(struct bytes text, struct error *why) {
    const uint8_t *s = text.n ? memmem(text.p, text.n, "://", 3) : NULL;
    bool ok = s && s > text.p && s + 3 < text.p + text.n && s[3] != '/';
    for (size_t i = 0; ok && i < text.n; i++) {
        ok = text.p[i] > ' ' && text.p[i] < 0x7f;
    }
    return ok ? 0 : error_set(why, ERR_SYNTAX, "not a URL (scheme://host)");
}

static int no_room(struct error *why) {
    return error_set(why, ERR_LIMIT, "no room for the configuration");
}

static int check_text(const struct config_option *o, struct bytes text, struct error *why) {
    if (utf8_check(text) != text.n || (text.n && memchr(text.p, 0, text.n))) {
        return error_set(why, ERR_SYNTAX, "not UTF-8 text");
    }
    if (text.n == 0) return 0;
    if (o->type == CONFIG_TYPE_ADDRESS || o->type == CONFIG_TYPE_ADDRESSES) {
        return config_check_address(text, why);
    }
    return o->type == CONFIG_TYPE_URL ? check_url(text, why) : 0;
}

static int set_string(struct config *c, const struct config_option *o, struct bytes text,
                      struct error *why) {
    int r = check_text(o, text, why);
    if (r) return r;
    char *s = arena_str(&c->arena, text);
    if (!s) return no_room(why);
    memcpy(c->values + o->offset, &s, sizeof s);
    return 0;
}

// The largest unit in which v is a whole number.
static const struct unit *best_unit(uint64_t v, const struct unit *units, size_t count) {
    const struct unit *best = units;
    for (size_t i = 0; i < count; i++) {
        if (v && v % units[i].factor == 0 && units[i].factor > best->factor) best = &units[i];
    }
    return best;
}

static int set_number(struct config *c, const struct config_option *o, uint64_t v,
                      struct error *why) {
    if ((v < o->min || (o->max && v > o->max)) && o->type == CONFIG_TYPE_DURATION) {
        uint64_t max = o->max ? o->max : UINT64_MAX;
        const struct unit *low = best_unit(o->min, time_units, COUNT(time_units));
        const struct unit *high = best_unit(max, time_units, COUNT(time_units));
        return error_set(why, ERR_RANGE, "outside %llu%s..%llu%s",
                         (unsigned long long)(o->min / low->factor), low->name,
                         (unsigned long long)(max / high->factor), high->name);
    }
    if (v < o->min || (o->max && v > o->max)) {
        return error_set(why, ERR_RANGE, "outside %llu..%llu", (unsigned long long)o->min,
                         (unsigned long long)(o->max ? o->max : UINT64_MAX));
    }
    memcpy(c->values + o->offset, &v, sizeof v);
    return 0;
}

static int set_u64(struct config *c, const struct config_option *o, struct bytes text,
                   struct error *why) {
    char copy[32];
    if (text.n == 0 || text.n >= sizeof copy || (uint8_t)(text.p[0] - '0') > 9) {
        return error_set(why, ERR_SYNTAX, "not a number");
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    bool hex = copy[0] == '0' && copy[1] == 'x';
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(copy, &end, hex ? 16 : 10);
    if (end != copy + text.n || (hex && text.n == 2))
        return error_set(why, ERR_SYNTAX, "not a number");
    if (errno == ERANGE) return error_set(why, ERR_RANGE, "number above 2^64-1");
    return set_number(c, o, v, why);
}

static int set_enum(struct config *c, const struct config_option *o, struct bytes text,
                    struct error *why) {
    int index = 0;
    for (const char *at = o->choices; *at; index++) {
        size_t n = strcspn(at, "|");
        if (bytes_equal(bytes_make(at, n), text)) {
            memcpy(c->values + o->offset, &index, sizeof index);
            return 0;
        }
        at += n;
        if (*at) at++;
    }
    return error_set(why, ERR_SYNTAX, "is one of %s", o->choices);
}

static int set_bool(struct config *c, const struct config_option *o, struct bytes text,
                    struct error *why) {
    // As Go's programs read them, whose settings are taken over.
    static const char *const words[] = {"true",  "1", "t", "T", "True",  "TRUE",
                                        "false", "0", "f", "F", "False", "FALSE"};
    size_t i = 0;
    while (i < COUNT(words) && !bytes_equal_str(text, words[i]))
        i++;
    bool yes = i < COUNT(words) / 2;
    if (i == COUNT(words)) {
        return error_set(why, ERR_SYNTAX, "is true or false");
    }
    memcpy(c->values + o->offset, &yes, sizeof yes);
    return 0;
}

static int set_secret(struct config *c, const struct config_option *o, struct bytes text,
                      struct error *why) {
    struct secret s = {0};
    int r;
    if (bytes_starts_with(text, BYTES_LIT("file:"))) {
        const char *path = arena_str(&c->arena, bytes_slice(text, 5, SIZE_MAX));
        if (!path) return no_room(why);
        r = secret_read_file(&s, path, why);
        if (r == 0) c->secret_files.items[c->secret_files.count++] = path;
    } else {
        r = secret_copy(&s, text, why);
    }
    if (r) return r;
    struct secret old;
    memcpy(&old, c->values + o->offset, sizeof old);
    secret_free(&old);
    memcpy(c->values + o->offset, &s, sizeof s);
    return 0;
}

static int add_item(struct config *c, const struct config_option *o, struct config_list *list,
                    struct bytes text, struct error *why) {
    int r = check_text(o, text, why);
    if (r) return r;
    char *s = arena_str(&c->arena, text);
    if (!s) return no_room(why);
    list->items[list->count++] = s;
    return 0;
}

static int set_list(struct config *c, const struct config_option *o, struct bytes text,
                    struct error *why) {
    struct config_list list = {0};
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++) {
        most += text.p[i] == ',';
    }
    list.items = arena_new_array(&c->arena, const char *, most);
    if (!list.items) return no_room(why);
    for (size_t at = 0; text.n && at <= text.n;) {
        size_t end = at;
        while (end < text.n && text.p[end] != ',') {
            end++;
        }
        int r = add_item(c, o, &list, bytes_slice(text, at, end - at), why);
        if (r) return r;
        at = end + 1;
    }
    memcpy(c->values + o->offset, &list, sizeof list);
    return 0;
}

int config_set_text(struct config *c, const struct config_option *o, struct bytes text,
                    struct error *why) {
    uint64_t v = 0;
    int r;
    switch (o->type) {
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_PATH:
    case CONFIG_TYPE_ADDRESS:
    case CONFIG_TYPE_URL:
        return set_string(c, o, text, why);
    case CONFIG_TYPE_U64:
        return set_u64(c, o, text, why);
    case CONFIG_TYPE_BOOL:
        return set_bool(c, o, text, why);
    case CONFIG_TYPE_DURATION:
        r = config_parse_duration(&v, text, o->unit, why);
        return r ? r : set_number(c, o, v, why);
    case CONFIG_TYPE_SIZE:
        r = config_parse_size(&v, text, o->unit, why);
        return r ? r : set_number(c, o, v, why);
    case CONFIG_TYPE_ENUM:
        return set_enum(c, o, text, why);
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ADDRESSES:
        return set_list(c, o, text, why);
    case CONFIG_TYPE_SECRET:
        return set_secret(c, o, text, why);
    case CONFIG_TYPE_TABLE:
        break;
    }
    return error_set(why, ERR_INVALID, "can be given in the file only");
}

static int set_array(struct config *c, const struct config_option *o, const struct toml *v,
                     struct error *why) {
    struct config_list list = {.items = arena_new_array(&c->arena, const char *, v->count + 1)};
    if (!list.items) return no_room(why);
    toml_each(item, v) {
        struct bytes text;
        int r = toml_string(&text, item, why);
        if (r) return r;
        r = add_item(c, o, &list, text, why);
        if (r) {
            char reason[ERROR_TEXT_MAX];
            (void)snprintf(reason, sizeof reason, "%s", why ? why->text : "");
            return toml_error(why, (enum err)r, item, "%s", reason);
        }
    }
    memcpy(c->values + o->offset, &list, sizeof list);
    return 0;
}

// A table, or an array of tables.
static bool is_table(const struct toml *v) {
    if (v->type == TOML_TABLE) return true;
    if (v->type != TOML_ARRAY || v->count == 0) return false;
    toml_each(item, v) {
        if (item->type != TOML_TABLE) return false;
    }
    return true;
}

int config_set_toml(struct config *c, const struct config_option *o, const struct toml *v,
                    struct error *why) {
    bool list = o->type == CONFIG_TYPE_LIST || o->type == CONFIG_TYPE_ADDRESSES;
    if (o->type == CONFIG_TYPE_TABLE) {
        if (!is_table(v)) return toml_error(why, ERR_INVALID, v, "is not a table");
        memcpy(c->values + o->offset, &v, sizeof v);
        return 0;
    }
    if (list && v->type == TOML_ARRAY) return set_array(c, o, v, why);
    char text[32];
    struct bytes form;
    bool number = o->type == CONFIG_TYPE_U64 || o->type == CONFIG_TYPE_DURATION ||
                  o->type == CONFIG_TYPE_SIZE;
    // Numbers may be text too: TOML's integers end at 2^63-1.
    if (v->type == TOML_STRING && o->type != CONFIG_TYPE_BOOL) {
        form = v->string;
    } else if (v->type == TOML_INTEGER && number) {
        form = bytes_make(text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v->integer));
    } else if (v->type == TOML_BOOL && o->type == CONFIG_TYPE_BOOL) {
        form = v->boolean ? BYTES_LIT("true") : BYTES_LIT("false");
    } else {
        return toml_error(why, ERR_INVALID, v, "%s is no value for it", toml_type_name(v->type));
    }
    struct error reason;
    int r = config_set_text(c, o, form, &reason);
    return r ? toml_error(why, (enum err)r, v, "%s", reason.text) : 0;
}

static int keep_list(struct config *c, const struct config_option *o, const struct config_list *old,
                     struct error *why) {
    struct config_list list = {.items = arena_new_array(&c->arena, const char *, old->count + 1)};
    if (!list.items) return no_room(why);
    for (size_t i = 0; i < old->count; i++) {
        int r = add_item(c, o, &list, bytes_from_str(old->items[i]), why);
        if (r) return r;
    }
    memcpy(c->values + o->offset, &list, sizeof list);
    return 0;
}

static int keep_secret(struct config *c, const struct config_option *o, const struct secret *old,
                       struct error *why) {
    struct secret fresh, copy = {0};
    int r = old->n ? secret_copy(&copy, secret_view(old), why) : 0;
    if (r) return r;
    memcpy(&fresh, c->values + o->offset, sizeof fresh);
    secret_free(&fresh);
    memcpy(c->values + o->offset, &copy, sizeof copy);
    return 0;
}

int config_keep_value(struct config *c, const struct config_option *o, const uint8_t *old,
                      struct error *why) {
    const uint8_t *at = old + o->offset;
    const char *s = NULL;
    struct config_list list;
    struct secret secret;
    switch (o->type) {
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_PATH:
    case CONFIG_TYPE_ADDRESS:
    case CONFIG_TYPE_URL:
        memcpy(&s, at, sizeof s);
        if (s) return set_string(c, o, bytes_from_str(s), why);
        memcpy(c->values + o->offset, &s, sizeof s);
        break;
    case CONFIG_TYPE_U64:
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_SIZE:
        memcpy(c->values + o->offset, at, sizeof(uint64_t));
        break;
    case CONFIG_TYPE_BOOL:
        memcpy(c->values + o->offset, at, sizeof(bool));
        break;
    case CONFIG_TYPE_ENUM:
        memcpy(c->values + o->offset, at, sizeof(int));
        break;
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ADDRESSES:
        memcpy(&list, at, sizeof list);
        return keep_list(c, o, &list, why);
    case CONFIG_TYPE_SECRET:
        memcpy(&secret, at, sizeof secret);
        return keep_secret(c, o, &secret, why);
    case CONFIG_TYPE_TABLE:
        break;
    }
    return 0;
}

static void append_units(struct buf *out, uint64_t v, const struct unit *units, size_t count) {
    const struct unit *u = best_unit(v, units, count);
    buf_printf(out, "\"%llu%s\"", (unsigned long long)(v / u->factor), u->name);
}

static void append_choice(struct buf *out, const char *choices, int index) {
    while (index-- > 0 && *choices) {
        choices += strcspn(choices, "|");
        if (*choices) choices++;
    }
    buf_printf(out, "\"%.*s\"", (int)strcspn(choices, "|"), choices);
}

void config_append_value(struct buf *out, const struct config_option *o, const uint8_t *values) {
    const uint8_t *at = values + o->offset;
    const char *s = NULL;
    uint64_t n = 0;
    int index = 0;
    struct config_list list;
    switch (o->type) {
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_PATH:
    case CONFIG_TYPE_ADDRESS:
    case CONFIG_TYPE_URL:
        memcpy(&s, at, sizeof s);
        toml_write_string(out, bytes_from_str(s ? s : ""));
        break;
    case CONFIG_TYPE_U64:
        memcpy(&n, at, sizeof n);
        buf_printf(out, n > INT64_MAX ? "\"%llu\"" : "%llu", (unsigned long long)n);
        break;
    case CONFIG_TYPE_BOOL:
        buf_append_str(out, *(const bool *)at ? "true" : "false");
        break;
    case CONFIG_TYPE_DURATION:
        memcpy(&n, at, sizeof n);
        append_units(out, n, time_units, COUNT(time_units));
        break;
    case CONFIG_TYPE_SIZE:
        memcpy(&n, at, sizeof n);
        append_units(out, n, size_units, COUNT(size_units));
        break;
    case CONFIG_TYPE_ENUM:
        memcpy(&index, at, sizeof index);
        append_choice(out, o->choices, index);
        break;
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ADDRESSES:
        memcpy(&list, at, sizeof list);
        buf_append_byte(out, '[');
        for (size_t i = 0; i < list.count; i++) {
            if (i) buf_append_str(out, ", ");
            toml_write_string(out, bytes_from_str(list.items[i]));
        }
        buf_append_byte(out, ']');
        break;
    case CONFIG_TYPE_SECRET:
        toml_write_string(
            out, bytes_from_str(((const struct secret *)(const void *)at)->n ? SECRET_TEXT : ""));
        break;
    case CONFIG_TYPE_TABLE:
        break;
    }
}
