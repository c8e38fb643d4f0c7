/* Any template under a schema that lists a few names of each kind: refused, or rendered twice to
 * the same text. SPDX-License-Identifier: MIT */
#include "boot/template.h"

#include "boot/values.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] = "[variables]\n"
                                  "n = {type = \"text\"}\n"
                                  "f = {type = \"bool\", required = false}\n"
                                  "l = {type = \"list\"}\n"
                                  "\"l[]\" = {type = \"text\", required = false}\n"
                                  "\"l[].n\" = {type = \"text\", default = \"d\"}\n"
                                  "o = {type = \"object\"}\n"
                                  "\"o.n\" = {type = \"number\"}\n";
static const char document[] = "{\"n\":\"\\\"\\n$\",\"f\":true,\"l\":[\"a\",{\"n\":\"x\"}],"
                               "\"o\":{\"n\":7}}";

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct schema s;
    struct values v;
    struct template t;
    struct buf one, two;
    if (size == 0) return 0;
    arena_init(&a, 64u << 20);
    buf_init(&one, 1u << 20);
    buf_init(&two, 1u << 20);
    check(schema_parse(&s, bytes_from_str(schema_text), &a, NULL) == 0);
    check(values_read(&v, bytes_from_str(document), NULL) == 0);
    enum template_syntax syntax = (enum template_syntax)(data[0] % 3);
    struct bytes in = bytes_make(data + 1, size - 1);
    if (template_parse(&t, "f", syntax, in, &s, &a, NULL) == 0) {
        int r = template_render(&one, &t, v.root, NULL);
        check(template_render(&two, &t, v.root, NULL) == r);
        check(bytes_equal(buf_view(&one), buf_view(&two)));
    }
    buf_free(&one);
    buf_free(&two);
    values_free(&v);
    arena_free(&a);
    return 0;
}
