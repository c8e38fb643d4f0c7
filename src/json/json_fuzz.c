/* Differential against libsimdjson, and writer against reader.
 *
 * Differences that are ours on purpose: duplicate keys are let through here to compare the rest;
 * numbers are exact text in our reader, so simdjson's refusal of large ones is no verdict on form.
 * SPDX-License-Identifier: MIT */
#include "json/json.h"
#include "json/oracle.h"
#include "json/write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct buf *out, struct bytes s) {
    buf_printf(out, "%zu:", s.n);
    buf_append(out, s);
}

// Set by dump: a number that no 64-bit integer or finite double holds, where simdjson gives up.
static bool oversized;

// simdjson's reading of a number: an integer when it has neither point nor exponent.
static void put_number(struct buf *out, const struct json *v) {
    uint64_t u;
    int64_t i;
    double d = 0;
    if (json_i64(&i, v, NULL) == 0) {
        buf_printf(out, "i%lld;", (long long)i);
    } else if (json_u64(&u, v, NULL) == 0) {
        buf_printf(out, "i%llu;", (unsigned long long)u);
    } else {
        struct bytes raw = json_raw(v);
        bool whole = true;
        for (size_t at = 0; at < raw.n; at++) {
            whole = whole && raw.p[at] != '.' && (raw.p[at] | 0x20) != 'e';
        }
        bool minus_zero = bytes_equal_str(raw, "-0");
        if (json_double(&d, v, NULL) || (whole && !minus_zero)) oversized = true;
        buf_printf(out, "d%a;", d);
    }
}

static void dump(struct buf *out, const struct json *v) {
    bool yes = false;
    switch (json_type_of(v)) {
    case JSON_ARRAY:
        buf_append_byte(out, '[');
        json_each(child, v) {
            dump(out, child);
        }
        buf_append_byte(out, ']');
        break;
    case JSON_OBJECT:
        buf_append_byte(out, '{');
        json_members(key, value, v) {
            put(out, json_text(key));
            dump(out, value);
        }
        buf_append_byte(out, '}');
        break;
    case JSON_STRING:
        buf_append_byte(out, 's');
        put(out, json_text(v));
        break;
    case JSON_NUMBER:
        put_number(out, v);
        break;
    case JSON_BOOL:
        if (json_bool(&yes, v, NULL)) abort();
        buf_append_byte(out, yes ? 't' : 'f');
        break;
    case JSON_NULL:
        buf_append_byte(out, 'n');
        break;
    }
}

static void rewrite(struct json_writer *w, const struct json *v) {
    switch (json_type_of(v)) {
    case JSON_ARRAY:
        json_begin_array(w, NULL);
        json_each(child, v) {
            rewrite(w, child);
        }
        json_end(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w, NULL);
        json_members(key, value, v) {
            json_add_key(w, json_text(key));
            rewrite(w, value);
        }
        json_end(w);
        break;
    case JSON_STRING:
        json_add_text(w, NULL, json_text(v));
        break;
    default:
        json_add_raw(w, NULL, json_raw(v));
        break;
    }
}

// What the writer makes of a document reads back as the same document.
static void check_writer(const struct json *doc, struct bytes dumped, unsigned flags,
                         const struct json_limits *limits) {
    struct buf text, again;
    struct json_writer w;
    struct arena a;
    const struct json *second;
    buf_init(&text, 0);
    buf_init(&again, 0);
    arena_init(&a, 0);
    json_writer_init(&w, &text, flags);
    rewrite(&w, doc);
    if (buf_check(&text, NULL)) abort();
    if (json_parse(&second, buf_view(&text), &a, limits, NULL)) abort();
    dump(&again, second);
    if (!bytes_equal(buf_view(&again), dumped)) abort();
    arena_free(&a);
    buf_free(&text);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    arena_init(&a, 0);
    struct json_limits limits = JSON_LIMITS_DEFAULT;
    limits.duplicates = true;
    const struct json *doc = NULL;
    struct error why = {0};
    oversized = false;
    int r = json_parse(&doc, bytes_make(data, size), &a, &limits, &why);
    if (why.at > size) abort();
    struct buf ours;
    buf_init(&ours, 0);
    if (r == 0) {
        dump(&ours, doc);
        check_writer(doc, buf_view(&ours), 0, &limits);
        check_writer(doc, buf_view(&ours), JSON_PRETTY | JSON_GO_HTML, &limits);
        const struct json *strict;
        limits.duplicates = false;
        int strictly = json_parse(&strict, bytes_make(data, size), &a, &limits, NULL);
        if (strictly != 0 && strictly != ERR_INVALID) abort();
    }
#ifdef HAVE_SIMDJSON
    char *theirs = NULL;
    size_t theirs_n = 0;
    // A byte order mark is not JSON; newer simdjson skips it.
    bool mark = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0;
    enum oracle_verdict verdict = oracle_parse((const char *)data, size, &theirs, &theirs_n);
    if (r != ERR_LIMIT && !mark) {
        if (r == 0 && verdict != ORACLE_VALID && !(verdict == ORACLE_NUMBER && oversized)) abort();
        if (r != 0 && verdict == ORACLE_VALID) abort();
        if (r == 0 && !oversized && !bytes_equal(buf_view(&ours), bytes_make(theirs, theirs_n)))
            abort();
    }
    free(theirs);
#endif
    buf_free(&ours);
    arena_free(&a);
    return 0;
}
