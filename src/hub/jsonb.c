/* SPDX-License-Identifier: MIT */
#include "hub/jsonb.h"

#include "json/write.h"

#include <stdlib.h>

// A number in parts: sign, digits, and where the point stands in them.
struct decimal {
    bool negative;
    char digits[JSONB_DIGITS_MAX + 8];
    size_t n;
    int64_t point;    // digits before the point
    int64_t fraction; // digits after the point that are printed
};

static int split_number(struct decimal *d, struct bytes text, struct error *why) {
    size_t i = 0;
    bool after = false;
    int64_t exponent = 0;
    d->negative = text.n && text.p[0] == '-';
    d->n = 0;
    d->point = d->fraction = 0;
    for (i = d->negative; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
        if (text.p[i] == '.') {
            after = true;
            continue;
        }
        if (d->n == JSONB_DIGITS_MAX) return error_set(why, ERR_RANGE, "a number is too long");
        d->digits[d->n++] = (char)text.p[i];
        if (after) d->fraction++;
    }
    if (i < text.n) {
        bool minus = text.p[++i] == '-';
        if (text.p[i] == '-' || text.p[i] == '+') i++;
        for (; i < text.n && exponent <= JSONB_DIGITS_MAX; i++) {
            exponent = exponent * 10 + (text.p[i] - '0');
        }
        if (exponent > JSONB_DIGITS_MAX)
            return error_set(why, ERR_RANGE, "an exponent is too large");
        if (minus) exponent = -exponent;
    }
    d->point = (int64_t)d->n - d->fraction + exponent;
    d->fraction = d->fraction > exponent ? d->fraction - exponent : 0;
    return 0;
}

static int write_number(struct buf *out, struct bytes text, struct error *why) {
    struct decimal *d = malloc(sizeof *d);
    if (!d) return error_set(why, ERR_NO_MEMORY, "no memory for a number");
    int r = split_number(d, text, why);
    if (r != 0) {
        free(d);
        return r;
    }
    bool zero = true;
    for (size_t i = 0; i < d->n; i++) {
        if (d->digits[i] != '0') zero = false;
    }
    if (d->negative && !zero) buf_append_byte(out, '-');
    size_t begin = out->n;
    for (int64_t i = 0; i < d->point; i++) {
        char c = i < (int64_t)d->n ? d->digits[i] : '0';
        if (out->n > begin || c != '0') buf_append_byte(out, (uint8_t)c);
    }
    if (out->n == begin) buf_append_byte(out, '0');
    if (d->fraction > 0) buf_append_byte(out, '.');
    for (int64_t i = d->point; i < d->point + d->fraction; i++) {
        buf_append_byte(out, i >= 0 && i < (int64_t)d->n ? (uint8_t)d->digits[i] : '0');
    }
    free(d);
    return 0;
}

static int write_text(struct buf *out, const struct json *v, struct error *why) {
    struct bytes text = json_text(v);
    if (text.n && memchr(text.p, 0, text.n)) {
        return error_set(why, ERR_RANGE, "\\u0000 cannot be converted to text");
    }
    json_append_string(out, text, 0);
    return 0;
}

struct member {
    struct bytes key;
    const struct json *key_value, *value;
    size_t order;
};

static int compare_members(const void *left, const void *right) {
    const struct member *a = left, *b = right;
    if (a->key.n != b->key.n) return a->key.n < b->key.n ? -1 : 1;
    int r = a->key.n ? memcmp(a->key.p, b->key.p, a->key.n) : 0;
    return r ? r : a->order < b->order ? -1 : 1;
}

static int write_object(struct buf *out, const struct json *v, struct arena *a, struct error *why) {
    struct member *m = arena_new_array(a, struct member, json_count(v) + 1);
    size_t n = 0;
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for an object");
    json_members(key, value, v) {
        m[n] = (struct member){json_text(key), key, value, n};
        n++;
    }
    qsort(m, n, sizeof *m, compare_members);
    int r = 0;
    bool first = true;
    buf_append_byte(out, '{');
    for (size_t i = 0; i < n && r == 0; i++) {
        if (i + 1 < n && bytes_equal(m[i].key, m[i + 1].key)) continue;
        if (!first) buf_append_str(out, ", ");
        first = false;
        r = write_text(out, m[i].key_value, why);
        buf_append_str(out, ": ");
        if (r == 0) r = jsonb_write(out, m[i].value, a, why);
    }
    buf_append_byte(out, '}');
    return r;
}

int jsonb_write(struct buf *out, const struct json *v, struct arena *a, struct error *why) {
    int r = 0;
    bool first = true;
    switch (json_type_of(v)) {
    case JSON_NUMBER:
        return write_number(out, json_raw(v), why);
    case JSON_STRING:
        return write_text(out, v, why);
    case JSON_OBJECT:
        return write_object(out, v, a, why);
    case JSON_ARRAY:
        buf_append_byte(out, '[');
        json_each(item, v) {
            if (!first) buf_append_str(out, ", ");
            first = false;
            r = jsonb_write(out, item, a, why);
            if (r != 0) return r;
        }
        buf_append_byte(out, ']');
        return 0;
    default:
        buf_append(out, v ? json_raw(v) : BYTES_LIT("null"));
        return 0;
    }
}

int jsonb_canonical(struct bytes *ret, const struct json *v, struct arena *a, struct error *why) {
    struct buf out;
    buf_init(&out, 0);
    int r = jsonb_write(&out, v, a, why);
    if (r == 0) r = buf_check(&out, why);
    if (r == 0) {
        *ret = arena_copy(a, buf_view(&out));
        if (!ret->p) r = error_set(why, ERR_NO_MEMORY, "no memory for a document");
    }
    buf_free(&out);
    return r;
}
