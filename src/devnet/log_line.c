/* SPDX-License-Identifier: MIT */
#include "devnet/log_line.h"

#include "base/arena.h"
#include "json/json.h"
#include "json/write.h"

#define ARENA_BYTES_MAX (1u << 20)
#define DIGITS_MAX 15 /* every JSON reader keeps so many */

static size_t end_of(struct bytes in, const char *ends) {
    size_t n = 0;
    while (n < in.n && !strchr(ends, in.p[n] ? (char)in.p[n] : '\1')) {
        n++;
    }
    return n;
}

static bool is_number(struct bytes v) {
    if (v.n == 0 || v.n > DIGITS_MAX || (v.n > 1 && v.p[0] == '0')) return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return false;
    }
    return true;
}

// Takes `key=value` off; the value as JSON, or as it stands (ret_json false).
static bool next_pair(struct bytes *in, struct bytes *key, struct bytes *value, bool *ret_json) {
    size_t n = end_of(*in, "= \"");
    if (n == 0 || n == in->n || in->p[n] != '=') return false;
    *key = bytes_slice(*in, 0, n);
    *in = bytes_slice(*in, n + 1, in->n);
    bool quoted = in->n && in->p[0] == '"';
    n = quoted ? 1 : end_of(*in, " ");
    for (; quoted && n < in->n && in->p[n] != '"'; n++) {
        n += in->p[n] == '\\';
    }
    if (quoted && n >= in->n) return false;
    n += quoted;
    *value = bytes_slice(*in, 0, n);
    if (n < in->n && in->p[n] != ' ') return false;
    *in = bytes_slice(*in, n + (n < in->n), in->n);
    *ret_json = quoted || is_number(*value) || bytes_equal_str(*value, "true") ||
                bytes_equal_str(*value, "false");
    return true;
}

static bool is_logfmt(struct bytes line, struct arena *a) {
    struct bytes key, value;
    const struct json *string;
    bool raw;
    if (!bytes_starts_with(line, BYTES_LIT("time="))) return false;
    while (line.n) {
        if (!next_pair(&line, &key, &value, &raw)) return false;
        if (raw && *value.p == '"' && json_parse(&string, value, a, NULL, NULL) < 0) return false;
    }
    return true;
}

static void add_pairs(struct json_writer *w, struct bytes line) {
    struct bytes key, value;
    bool raw;
    while (line.n && next_pair(&line, &key, &value, &raw)) {
        json_add_key(w, key);
        if (raw) {
            json_add_raw(w, NULL, value);
        } else {
            json_add_text(w, NULL, value);
        }
    }
}

static bool slot_of_pairs(uint64_t *ret, struct bytes line) {
    struct bytes key, value;
    bool raw;
    while (line.n && next_pair(&line, &key, &value, &raw)) {
        if (!bytes_equal_str(key, "slot") || !is_number(value)) continue;
        *ret = 0;
        for (size_t i = 0; i < value.n; i++) {
            *ret = 10 * *ret + (uint64_t)(value.p[i] - '0');
        }
        return true;
    }
    return false;
}

bool log_line_slot(uint64_t *ret, struct bytes line) {
    struct arena a;
    const struct json *doc;
    if (bytes_starts_with(line, BYTES_LIT("time="))) return slot_of_pairs(ret, line);
    if (!bytes_starts_with(line, BYTES_LIT("{"))) return false;
    arena_init(&a, ARENA_BYTES_MAX);
    bool found =
        json_parse(&doc, line, &a, NULL, NULL) == 0 && json_get_u64(ret, doc, "slot", NULL) == 0;
    arena_free(&a);
    return found;
}

void log_line_json(struct buf *out, const char *role, struct bytes line) {
    struct json_writer w;
    struct arena a;
    const struct json *doc;
    arena_init(&a, ARENA_BYTES_MAX);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "role", role);
    if (is_logfmt(line, &a)) {
        add_pairs(&w, line);
    } else if (json_parse(&doc, line, &a, NULL, NULL) == 0 && json_type_of(doc) == JSON_OBJECT) {
        json_members(key, value, doc) {
            json_add_key(&w, json_text(key));
            json_add_raw(&w, NULL, json_raw(value));
        }
    } else {
        json_add_text(&w, "text", line);
    }
    json_end(&w);
    arena_free(&a);
}
