/* JSON read and written while memory runs out. SPDX-License-Identifier: MIT */
#include "test/harness/alloc.h"
#include "json/json.h"
#include "json/write.h"

// Long strings, escapes, many values: the tape and the texts grow several times.
static void make_document(struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "escaped", "line\nquote\" and \x01");
    json_begin_array(&w, "numbers");
    for (unsigned i = 0; i < 3000; i++)
        json_add_u64(&w, NULL, i);
    json_end(&w);
    json_begin_array(&w, "rows");
    for (unsigned i = 0; i < 300; i++) {
        json_begin_object(&w, NULL);
        json_add_quantity(&w, "a", i);
        json_add_text(&w, "text", BYTES_LIT("tab\tand more"));
        json_add_data(&w, "data", BYTES_LIT("0123456789abcdef"));
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
}

static int parse(void *arg, struct error *why) {
    const struct buf *in = arg;
    const struct json *doc;
    struct arena a;
    struct bytes data;
    arena_init(&a, 0);
    int r = json_parse(&doc, buf_view(in), &a, NULL, why);
    if (r == 0) r = json_get_data(&data, json_at(json_get(doc, "rows"), 299), "data", &a, why);
    if (r == 0) CHECK_BYTES(data, BYTES_LIT("0123456789abcdef"));
    arena_free(&a);
    return r;
}

static int write(void *arg, struct error *why) {
    struct buf out;
    buf_init(&out, 0);
    make_document(&out);
    int r = buf_check(&out, why);
    if (r == 0) CHECK_BYTES(buf_view(&out), buf_view(arg));
    buf_free(&out);
    return r;
}

TEST(json_survives_every_failed_allocation) {
    struct buf document;
    struct error why;
    buf_init(&document, 0);
    make_document(&document);
    CHECK_OK(buf_check(&document, &why), &why);
    CHECK(alloc_fail_each(parse, &document) > 2);
    CHECK(alloc_fail_each(write, &document) > 5);
    buf_free(&document);
}

TEST_MAIN()
