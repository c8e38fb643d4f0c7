/* SPDX-License-Identifier: MIT */
#include "boot/values.h"

#include "base/base64.h"
#include "json/write.h"

#define ENDING "#base64"

static bool is_encoded(struct bytes name) {
    const size_t n = sizeof ENDING - 1;
    return name.n > n && memcmp(name.p + name.n - n, ENDING, n) == 0;
}

static int copy(struct json_writer *w, const struct json *v, struct arena *a, struct error *why);

static int copy_encoded(struct json_writer *w, struct bytes name, const struct json *v,
                        struct arena *a, struct error *why) {
    struct bytes text = {NULL, 0}, decoded = {NULL, 0};
    int r = json_string(&text, v, why);
    if (r == 0) r = base64_decode(&decoded, text, BASE64_WHITESPACE | BASE64_ANY_PAD, a, why);
    if (r < 0) return error_wrap(why, "%.*s", (int)name.n, (const char *)name.p);
    json_add_key(w, bytes_slice(name, 0, name.n - (sizeof ENDING - 1)));
    json_add_text(w, NULL, decoded);
    return 0;
}

static int copy_members(struct json_writer *w, const struct json *v, struct arena *a,
                        struct error *why) {
    json_members(key, member, v) {
        struct bytes name = json_text(key);
        int r;
        if (is_encoded(name)) {
            r = copy_encoded(w, name, member, a, why);
        } else {
            json_add_key(w, name);
            r = copy(w, member, a, why);
        }
        if (r < 0) return r;
    }
    return 0;
}

static int copy(struct json_writer *w, const struct json *v, struct arena *a, struct error *why) {
    int r = 0;
    switch (json_type_of(v)) {
    case JSON_OBJECT:
        json_begin_object(w, NULL);
        r = copy_members(w, v, a, why);
        json_end(w);
        return r;
    case JSON_ARRAY:
        json_begin_array(w, NULL);
        json_each(item, v) {
            r = copy(w, item, a, why);
            if (r < 0) return r;
        }
        json_end(w);
        return 0;
    default:
        json_add_raw(w, NULL, json_raw(v));
        return 0;
    }
}

static const struct json_limits limits = {VALUES_BYTES_MAX, 32, 1u << 18, false};

int values_read(struct values *ret, struct bytes document, struct error *why) {
    struct arena scratch;
    struct json_writer w;
    const struct json *doc;
    *ret = (struct values){.root = NULL};
    arena_init(&scratch, 16u << 20);
    arena_init(&ret->arena, 16u << 20);
    buf_init(&ret->text, VALUES_BYTES_MAX);
    (void)buf_reserve(&ret->text, document.n + 1); // decoding makes it shorter: one piece
    int r = json_parse(&doc, document, &scratch, &limits, why);
    if (r == 0) r = json_expect(doc, JSON_OBJECT, why);
    json_writer_init(&w, &ret->text, 0);
    if (r == 0) r = copy(&w, doc, &scratch, why);
    if (r == 0) r = buf_check(&ret->text, why);
    if (r == 0) r = json_parse(&ret->root, buf_view(&ret->text), &ret->arena, &limits, why);
    arena_wipe(&scratch);
    if (r < 0) values_free(ret);
    return r;
}

void values_free(struct values *v) {
    v->root = NULL;
    arena_wipe(&v->arena);
    bytes_wipe(v->text.p, v->text.capacity);
    buf_free(&v->text);
}
