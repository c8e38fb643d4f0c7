/* SPDX-License-Identifier: MIT */
#include "toml/toml.h"

#include "test/harness/test.h"

#include <math.h>

static struct arena arena;
static struct error why;

static const struct toml *parse(const char *text) {
    const struct toml *root = NULL;
    CHECK_OK(toml_parse(&root, bytes_from_str(text), &arena, &why), &why);
    return root;
}

static int64_t integer_at(const struct toml *root, const char *path) {
    int64_t v = 0;
    CHECK_OK(toml_i64(&v, toml_find(root, path), &why), &why);
    return v;
}

TEST(tables_arrays_and_dotted_keys) {
    const struct toml *root =
        parse("a = 1 # one\r\n"
              "b.c.d = 2\n"
              "b.\"c\".e = 3\n"
              "[x.y]\nz = [1, [2, 3,], # c\n {q.r = 4, s = {}}\n]\n"
              "[x]\nw = 5\n"
              "[[p]]\nn = 6\n[p.sub]\nk = 7\n[[p]]\nn = 8\n[[p.deep]]\nm = 9\n"
              "[fruit]\napple.color = 1\n[fruit.apple.texture]\nsmooth = 2\n"
              "['' . ' ']\n");
    CHECK_I64(integer_at(root, "a"), 1);
    CHECK_I64(integer_at(root, "b.c.d"), 2);
    CHECK_I64(integer_at(root, "b.c.e"), 3);
    CHECK_I64(integer_at(root, "x.w"), 5);
    CHECK_I64(integer_at(toml_first(toml_find(root, "p")), "sub.k"), 7);
    CHECK_I64(integer_at(toml_find(root, "p")->last, "n"), 8);
    CHECK_I64(integer_at(toml_find(root, "x.y.z")->last, "q.r"), 4);
    CHECK_I64(integer_at(root, "fruit.apple.texture.smooth"), 2);
    CHECK_U64(toml_find(root, "x.y.z")->line, 5);
    CHECK_U64(toml_find(root, "x.y.z")->column, 5);
    CHECK(toml_find(root, "nothing.at.all") == NULL);
    arena_free(&arena);
}

static void check_string(const char *text, struct bytes expected) {
    struct bytes got;
    const struct toml *root = parse(text);
    CHECK_OK(toml_string(&got, toml_find(root, "a"), &why), &why);
    CHECK_BYTES(got, expected);
    arena_free(&arena);
}

TEST(strings_of_all_kinds) {
    check_string("a = \"x\\t\\u00e9\\U0001F600\\\\\\\"\"",
                 BYTES_LIT("x\t\xc3\xa9\xf0\x9f\x98\x80\\\""));
    check_string("a = 'C:\\n'", BYTES_LIT("C:\\n"));
    check_string("a = \"\"\"\r\nx\ny\\\n   \n  z\"\"\"\"\"", BYTES_LIT("x\nyz\"\""));
    check_string("a = '''\n'x''y''''", BYTES_LIT("'x''y'"));
    check_string("a = '''\r\nx\r\ny'''", BYTES_LIT("x\ny"));
    check_string("a = \"\"", BYTES_LIT(""));
    check_string("a = \"\"\"\"\"\"", BYTES_LIT(""));
    check_string("a = \"\"\"a \"\" b \\\"\"\" \"\"\"", BYTES_LIT("a \"\" b \"\"\" "));
}

TEST(numbers_and_booleans) {
    const struct toml *root = parse("i = [+1_000, -0, 0xDEAD_beef, 0o755, 0b1101,\n"
                                    "9223372036854775807, -9223372036854775808]\n"
                                    "f = [1.5, -0.01, 5e+22, 1e0_6, 6.626e-34, inf, -inf, nan, "
                                    "9_2.3_1, 0e0, +0.0, 1]\nb = [true,false]\n");
    static const int64_t integers[] = {1000, 0, 0xdeadbeef, 0755, 13, INT64_MAX, INT64_MIN};
    size_t i = 0;
    toml_each(v, toml_find(root, "i")) {
        CHECK_I64(v->integer, integers[i]);
        i++;
    }
    CHECK_U64(i, 7);
    static const double floats[] = {
        1.5, -0.01, 5e22, 1e6, 6.626e-34, (double)INFINITY, -(double)INFINITY, 0, 92.31, 0, 0, 1};
    i = 0;
    toml_each(v, toml_find(root, "f")) {
        double d = 0;
        CHECK_OK(toml_double(&d, v, &why), &why);
        CHECK(i == 7 ? isnan(d) : d == floats[i]);
        i++;
    }
    bool b = true;
    CHECK_OK(toml_bool(&b, toml_find(root, "b")->last, &why), &why);
    CHECK(!b);
    arena_free(&arena);
}

TEST(dates_and_times) {
    const struct toml *root =
        parse("a = 1979-05-27T07:32:00.5-07:30\nb = 1979-05-27 07:32:00z\n"
              "c = 1979-05-27t07:32:00\nd = 2024-02-29\ne = 00:32:00.999999\n");
    struct toml_time t;
    CHECK_OK(toml_time(&t, toml_find(root, "a"), &why), &why);
    CHECK_I64(t.kind, TOML_OFFSET_DATE_TIME);
    CHECK_I64(t.offset_minutes, -450);
    CHECK_U64(t.ns, 500000000);
    CHECK_OK(toml_time(&t, toml_find(root, "b"), &why), &why);
    CHECK_I64(t.kind, TOML_OFFSET_DATE_TIME);
    CHECK_OK(toml_time(&t, toml_find(root, "c"), &why), &why);
    CHECK_I64(t.kind, TOML_LOCAL_DATE_TIME);
    CHECK_OK(toml_time(&t, toml_find(root, "d"), &why), &why);
    CHECK_I64(t.kind, TOML_DATE);
    CHECK_OK(toml_time(&t, toml_find(root, "e"), &why), &why);
    CHECK_I64(t.kind, TOML_CLOCK);
    CHECK_U64(t.minute, 32);
    arena_free(&arena);
}

TEST(wrong_documents_are_refused) {
    static const char *const syntax[] = {"a",
                                         "a =",
                                         "= 1",
                                         "a = 1 b = 2",
                                         "a = [1",
                                         "a = [1 2]",
                                         "a = {",
                                         "a = {b = 1,}",
                                         "a = {b = 1\n}",
                                         "a = [,]",
                                         "[a",
                                         "[a] b = 1",
                                         "[[a]",
                                         "[]",
                                         "[[]]",
                                         "a.",
                                         "a. = 1",
                                         ".a = 1",
                                         "a..b = 1",
                                         "a = \"x",
                                         "a = \"x\ny\"",
                                         "a = 'x",
                                         "a = \"\\x\"",
                                         "a = \"\\u12\"",
                                         "a = \"\\ud800\"",
                                         "a = \"\\U00110000\"",
                                         "a = \"\x01\"",
                                         "a = \"\x7f\"",
                                         "a = \"\xff\"",
                                         "a = \"\"\"x",
                                         "# \x01",
                                         "a = 1 \r",
                                         "a = 01",
                                         "a = +0x1",
                                         "a = 0X1",
                                         "a = 0x",
                                         "a = 1_",
                                         "a = _1",
                                         "a = 1__0",
                                         "a = 0x_1",
                                         "a = 1.",
                                         "a = .1",
                                         "a = 1.e1",
                                         "a = 1e",
                                         "a = 01.5",
                                         "a = 1_.5",
                                         "a = 1._5",
                                         "a = 1e_5",
                                         "a = 1.5.5",
                                         "a = tru",
                                         "a = True",
                                         "a = Inf",
                                         "a = ++1",
                                         "a = 1e5e5",
                                         "a = --1",
                                         "a = 2023-02-29",
                                         "a = 2023-13-01",
                                         "a = 2023-01-01T24:00:00",
                                         "a = 2023-01-01T",
                                         "a = 2023-01-01 ",
                                         "a = 2023-1-1",
                                         "a = 12:30",
                                         "a = 12:30:61",
                                         "a = 12:30:00.",
                                         "a = 2023-01-01T00:00:00+25:00",
                                         "a = 12:00:00Z",
                                         "\"\"\"a\"\"\" = 1",
                                         "a = \"a\"b",
                                         "a = 1 \x01",
                                         "a = [\r]",
                                         "a\nb = 1",
                                         "a = \"\"\"\"\"\"\"\"\"",
                                         "'a\n' = 1",
                                         "a = nan1",
                                         "\xff = 1"};
    const struct toml *root;
    for (size_t i = 0; i < sizeof syntax / sizeof syntax[0]; i++) {
        int r = toml_parse(&root, bytes_from_str(syntax[i]), &arena, &why);
        bool date_then_blank = strcmp(syntax[i], "a = 2023-01-01 ") == 0;
        if (r != (date_then_blank ? 0 : ERR_SYNTAX)) FAIL("%s: %s", syntax[i], error_name(r));
    }
    static const char *const conflicts[] = {"a = 1\na = 2",
                                            "a = 1\na.b = 2",
                                            "[a]\n[a]",
                                            "a = {}\na.b = 1",
                                            "a = {}\n[a.b]",
                                            "[a]\nb = 1\n[a.b]",
                                            "a = []\n[[a]]",
                                            "[[a]]\n[a]",
                                            "[a]\n[[a]]",
                                            "a.b = 1\n[a]",
                                            "[a.b]\n[a]\nb.c = 1",
                                            "[fruit]\napple.taste.sweet = 1\n[fruit.apple.taste]",
                                            "a = [{}]\n[a.b]",
                                            "a = {b = 1, b = 2}",
                                            "a = {b.c = 1, b = 2}",
                                            "a = {b = {}, b.c = 2}",
                                            "a = 1\n'a' = 1",
                                            "[a]\n[a.b]\n[a]",
                                            "[[a.b]]\n[a]\nb.c = 1"};
    for (size_t i = 0; i < sizeof conflicts / sizeof conflicts[0]; i++) {
        int r = toml_parse(&root, bytes_from_str(conflicts[i]), &arena, &why);
        if (r != ERR_CONFLICT) FAIL("%s: %s", conflicts[i], error_name(r));
    }
    CHECK_ERR(toml_parse(&root, BYTES_LIT("a = 9223372036854775808"), &arena, &why), ERR_RANGE);
    CHECK_ERR(toml_parse(&root, BYTES_LIT("a = 1e400"), &arena, &why), ERR_RANGE);
    arena_free(&arena);
}

TEST(errors_name_line_and_column) {
    const struct toml *root;
    CHECK_ERR(toml_parse(&root, BYTES_LIT("a = 1\n\xc3\xa9"), &arena, &why), ERR_SYNTAX);
    CHECK_STR(why.text, "line 2, column 1: expected a key");
    CHECK_ERR(toml_parse(&root, BYTES_LIT("a = '\xc3\xa9' x"), &arena, &why), ERR_SYNTAX);
    CHECK_STR(why.text, "line 1, column 9: expected the end of the line");
    CHECK_U64(why.at, 9);
    int64_t i;
    root = parse("x = '1'\n");
    CHECK_ERR(toml_i64(&i, toml_find(root, "x"), &why), ERR_INVALID);
    CHECK_STR(why.text, "line 1, column 5: string where integer is needed");
    CHECK_ERR(toml_i64(&i, toml_find(root, "y"), &why), ERR_NOT_FOUND);
    arena_free(&arena);
}

TEST(limits_hold) {
    const struct toml *root;
    char deep[400] = "a = ";
    memset(deep + 4, '[', 300);
    CHECK_ERR(toml_parse(&root, bytes_from_str(deep), &arena, &why), ERR_LIMIT);
    memset(deep, 0, sizeof deep);
    for (size_t i = 0; i < 200; i++) {
        deep[i] = i % 2 ? '.' : 'a';
    }
    CHECK_ERR(toml_parse(&root, bytes_from_str(deep), &arena, &why), ERR_LIMIT);
    bool succeeded = false;
    for (size_t most = 1; most < 20000; most += 100) {
        struct arena small;
        arena_init(&small, most);
        int r =
            toml_parse(&root, BYTES_LIT("a='x'\n[b.c]\nd=[1,{e=2}]\n[[f]]\ng.h=1\n"), &small, &why);
        CHECK(r == 0 || r == ERR_LIMIT);
        succeeded = r == 0;
        arena_free(&small);
    }
    CHECK(succeeded);
    arena_free(&arena);
}

TEST_MAIN()
