/* TOML read while memory runs out. SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "test/harness/alloc.h"
#include "toml/toml.h"

static int parse(void *arg, struct error *why) {
    const struct buf *in = arg;
    const struct toml *root;
    struct arena a;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 0);
    int r = toml_parse(&root, buf_view(in), &a, why);
    if (r == 0) {
        toml_write(&out, root);
        r = buf_check(&out, why);
    }
    if (r == 0) CHECK(toml_find(root, "table-99.dotted.key") != NULL);
    buf_free(&out);
    arena_free(&a);
    return r;
}

TEST(toml_survives_every_failed_allocation) {
    struct buf in;
    struct error why;
    buf_init(&in, 0);
    for (int i = 0; i < 100; i++) {
        buf_printf(&in, "[table-%d]\ndotted.key = \"escaped \\t \\u00e9\"\n", i);
        buf_append_str(&in, "list = [1, 2.5, true, 2024-01-02T03:04:05Z, {a = 'b'}]\n"
                            "long = '''\nmany\nlines'''\n");
        buf_printf(&in, "[[array-of-tables]]\nnumber = %d\n", i);
    }
    CHECK_OK(buf_check(&in, &why), &why);
    CHECK(alloc_fail_each(parse, &in) > 5);
    buf_free(&in);
}

TEST_MAIN()
