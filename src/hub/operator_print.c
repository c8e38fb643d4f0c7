/* What the operator sees: tables and differences. SPDX-License-Identifier: MIT */
#include "hub/operator.h"

#include <string.h>

#define CELL_MAX 60u /* characters of a cell; more is cut */
#define COLUMNS_MAX 8

/* ---- tables ---- */

static struct bytes cell_of(const struct json *row, const char *member) {
    const struct json *v = json_get(row, member);
    if (json_is_null(v)) return BYTES_LIT("-");
    struct bytes text = json_text(v);
    return text.n ? text : BYTES_LIT("-");
}

// Characters that a terminal would act on are shown as dots.
static void append_cell(struct buf *out, struct bytes text, size_t width) {
    size_t n = text.n < CELL_MAX ? text.n : CELL_MAX;
    for (size_t i = 0; i < n; i++) {
        bool control = text.p[i] < 0x20 || text.p[i] == 0x7f;
        buf_append_byte(out, control ? '.' : text.p[i]);
    }
    if (width > n) buf_append_fill(out, ' ', width - n);
}

void operator_print_table(struct buf *out, const struct json *list, const char *const *members) {
    size_t width[COLUMNS_MAX] = {0}, columns = 0;
    for (; columns < COLUMNS_MAX && members[columns]; columns++)
        width[columns] = strlen(members[columns]);
    json_each(row, list) {
        for (size_t i = 0; i < columns; i++) {
            size_t n = cell_of(row, members[i]).n;
            if (n > CELL_MAX) n = CELL_MAX;
            if (n > width[i]) width[i] = n;
        }
    }
    for (size_t i = 0; i < columns; i++) {
        append_cell(out, bytes_from_str(members[i]), i + 1 < columns ? width[i] + 2 : 0);
    }
    buf_append_byte(out, '\n');
    json_each(row, list) {
        for (size_t i = 0; i < columns; i++) {
            append_cell(out, cell_of(row, members[i]), i + 1 < columns ? width[i] + 2 : 0);
        }
        buf_append_byte(out, '\n');
    }
}

/* ---- differences ---- */

struct path {
    const struct path *above;
    struct bytes key;
};

static void append_path(struct buf *out, const struct path *p) {
    if (p->above) {
        append_path(out, p->above);
        if (p->above->above) buf_append_byte(out, '.');
    }
    buf_append(out, p->key);
}

static void line(struct buf *out, const struct path *p, const struct json *from,
                 const struct json *to) {
    buf_append_str(out, "    ");
    append_path(out, p);
    buf_append_str(out, ": ");
    if (from) buf_append(out, json_raw(from));
    if (from && to) buf_append_str(out, " -> ");
    if (!from) buf_append_str(out, "+ ");
    if (to) buf_append(out, json_raw(to));
    if (!to) buf_append_str(out, " -");
    buf_append_byte(out, '\n');
}

static const struct json *member_of(const struct json *object, struct bytes name) {
    json_members(key, value, object) {
        if (bytes_equal(json_text(key), name)) return value;
    }
    return NULL;
}

static size_t diff(struct buf *out, const struct path *p, const struct json *from,
                   const struct json *to) {
    bool objects = json_type_of(from) == JSON_OBJECT && json_type_of(to) == JSON_OBJECT;
    if (!objects) {
        if (bytes_equal(json_raw(from), json_raw(to))) return 0;
        line(out, p, from, to);
        return 1;
    }
    size_t count = 0;
    json_members(key, value, from) {
        struct path below = {p, json_text(key)};
        const struct json *other = member_of(to, below.key);
        if (other) {
            count += diff(out, &below, value, other);
        } else {
            line(out, &below, value, NULL);
            count++;
        }
    }
    json_members(key, value, to) {
        struct path below = {p, json_text(key)};
        if (member_of(from, below.key)) continue;
        line(out, &below, NULL, value);
        count++;
    }
    return count;
}

size_t operator_diff(struct buf *out, const struct json *from, const struct json *to) {
    const struct path root = {NULL, BYTES_LIT("")};
    return diff(out, &root, from, to);
}

static void print_new(struct buf *out, const struct json *object) {
    json_members(key, value, object) {
        line(out, &(struct path){NULL, json_text(key)}, NULL, value);
    }
}

void operator_print_changes(struct buf *out, const struct json *changes) {
    json_each(c, changes) {
        struct bytes change = cell_of(c, "change");
        bool added = bytes_equal_str(change, "add"), gone = bytes_equal_str(change, "delete");
        buf_append_str(out, added ? "+ " : gone ? "- " : "~ ");
        append_cell(out, cell_of(c, "kind"), 0);
        buf_append_byte(out, ' ');
        append_cell(out, cell_of(c, "name"), 0);
        buf_append_str(out, ": ");
        append_cell(out, change, 0);
        buf_append_byte(out, '\n');
        const struct json *from = json_get(c, "from"), *to = json_get(c, "to");
        if (from && to)
            (void)operator_diff(out, from, to);
        else
            print_new(out, to);
    }
}
