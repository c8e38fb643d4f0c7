/* The allow-list.
 * SPDX-License-Identifier: MIT */
#include "hub/jsonb.h"
#include "hub/model.h"
#include "json/write.h"

#include <stdlib.h>
#include <string.h>

struct loading {
    struct arena *arena;
    struct model_measurement *item;
    size_t count, capacity;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for measurements");
}

// expected_any counts when it is not empty, else expected when it is not.
static int read_register(struct model_register *ret, const struct json *v, struct arena *a,
                         struct error *why) {
    const struct json *any = json_get(v, "expected_any"), *one = json_get(v, "expected");
    bool use_any = json_type_of(any) == JSON_ARRAY && json_count(any) > 0;
    size_t n = use_any ? json_count(any) : json_text(one).n > 0 && one->type == JSON_STRING;
    struct bytes *expected = arena_new_array(a, struct bytes, n + 1);
    if (!expected) return no_memory(why);
    ret->expected = expected;
    ret->expected_count = n;
    if (!use_any && n) expected[0] = arena_copy(a, json_text(one));
    if (!use_any) return 0;
    json_each(item, any) {
        *expected++ = json_is_null(item) ? (struct bytes){NULL, 0} : arena_copy(a, json_text(item));
    }
    return 0;
}

static int compare(const void *left, const void *right) {
    const struct model_register *a = left, *b = right;
    return bytes_compare(a->key, b->key);
}

static int take(void *context, const struct store_measurement *row, struct error *why) {
    struct loading *l = context;
    const struct json *doc;
    if (l->count == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 16;
        struct model_measurement *item = arena_new_array(l->arena, struct model_measurement, more);
        if (!item) return no_memory(why);
        if (l->count) memcpy(item, l->item, l->count * sizeof *item);
        l->item = item;
        l->capacity = more;
    }
    struct bytes text = arena_copy(l->arena, row->measurement);
    int r = json_parse(&doc, text, l->arena, &JSONB_LIMITS, why);
    if (r != 0) return r;
    struct model_measurement *m = &l->item[l->count++];
    m->name = arena_copy(l->arena, row->name);
    m->type = arena_copy(l->arena, row->type);
    m->active = row->active;
    m->is_null = json_is_null(doc);
    m->registers = arena_new_array(l->arena, struct model_register, json_count(doc) + 1);
    if (!m->registers) return no_memory(why);
    json_members(key, value, doc) {
        struct model_register *reg = &m->registers[m->register_count++];
        reg->key = json_text(key);
        r = read_register(reg, value, l->arena, why);
        if (r != 0) return r;
    }
    qsort(m->registers, m->register_count, sizeof *m->registers, compare);
    return 0;
}

// The published form keeps which of the two forms was given; both when both were.
static int publish_stored(struct json_writer *w, struct bytes stored, struct arena *a,
                          struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, stored, a, &JSONB_LIMITS, why);
    if (r != 0) return r;
    if (json_type_of(doc) != JSON_OBJECT) {
        json_add_null(w, "measurements");
        return 0;
    }
    size_t n = 0;
    struct model_register *keys = arena_new_array(a, struct model_register, json_count(doc) + 1);
    if (!keys) return no_memory(why);
    json_members(key, value, doc) {
        (void)value;
        keys[n++].key = json_text(key);
    }
    qsort(keys, n, sizeof *keys, compare);
    json_begin_object(w, "measurements");
    for (size_t i = 0; i < n; i++) {
        const struct json *value = NULL;
        json_members(key, v, doc) {
            if (bytes_equal(json_text(key), keys[i].key)) value = v;
        }
        const struct json *any = json_get(value, "expected_any"),
                          *one = json_get(value, "expected");
        json_add_key(w, keys[i].key);
        json_begin_object(w, NULL);
        if (json_type_of(one) == JSON_STRING && json_text(one).n) {
            json_add_text(w, "expected", json_text(one));
        }
        if (json_count(any)) json_add_raw(w, "expected_any", json_raw(any));
        json_end(w);
    }
    json_end(w);
    return 0;
}

static int publish(void *context, const struct store_measurement *row, struct error *why) {
    struct json_writer *w = context;
    struct arena a;
    if (!row->active) return 0;
    arena_init(&a, 0);
    json_begin_object(w, NULL);
    json_add_text(w, "measurement_id", row->name);
    json_add_text(w, "attestation_type", row->type);
    int r = publish_stored(w, row->measurement, &a, why);
    json_end(w);
    arena_free(&a);
    return r;
}

struct both {
    struct loading loading;
    struct json_writer writer;
};

static int take_and_publish(void *context, const struct store_measurement *row, struct error *why) {
    struct both *b = context;
    int r = take(&b->loading, row, why);
    return r == 0 ? publish(&b->writer, row, why) : r;
}

int model_load_measurements(struct model *m, struct store *s, struct error *why) {
    struct arena fresh;
    struct buf list;
    arena_init(&fresh, 0);
    buf_init(&list, 0);
    struct both b = {.loading = {.arena = &fresh}};
    json_writer_init(&b.writer, &list, JSON_GO_HTML);
    json_begin_array(&b.writer, NULL);
    int r = store_measurements(s, take_and_publish, &b, why);
    json_end(&b.writer);
    if (r == 0) r = buf_check(&list, why);
    if (r != 0) {
        arena_free(&fresh);
        buf_free(&list);
        return r;
    }
    arena_free(&m->measurement_memory);
    buf_free(&m->published);
    m->measurement_memory = fresh;
    m->measurements = b.loading.item;
    m->measurement_count = b.loading.count;
    m->published = list;
    return 0;
}

static const struct model_claim *claim_of(struct bytes key, const struct model_claim *claims,
                                          size_t count) {
    for (size_t i = count; i-- > 0;) { // the last of equal keys counts
        if (bytes_equal(claims[i].key, key)) return &claims[i];
    }
    return NULL;
}

bool model_matches(const struct model_measurement *e, const struct model_claim *claims,
                   size_t count, const struct model_register **ret_register) {
    for (size_t i = 0; i < e->register_count; i++) {
        const struct model_register *reg = &e->registers[i];
        const struct model_claim *claim = claim_of(reg->key, claims, count);
        bool found = false;
        for (size_t k = 0; claim && k < reg->expected_count && !found; k++) {
            found = bytes_equal(reg->expected[k], claim->value);
        }
        if (found) continue;
        if (ret_register) *ret_register = reg;
        return false;
    }
    return true;
}

const struct model_measurement *model_match(const struct model *m, struct bytes type,
                                            const struct model_claim *claims, size_t count) {
    for (size_t i = 0; i < m->measurement_count; i++) {
        const struct model_measurement *e = &m->measurements[i];
        if (e->active && bytes_equal(e->type, type) && model_matches(e, claims, count, NULL)) {
            return e;
        }
    }
    return NULL;
}

const struct model_measurement *model_measurement(const struct model *m, struct bytes name) {
    for (size_t i = 0; i < m->measurement_count; i++) {
        if (bytes_equal(m->measurements[i].name, name)) return &m->measurements[i];
    }
    return NULL;
}
