/* SPDX-License-Identifier: MIT */
#include "boot/template.h"

#include "boot/values.h"
#include "test/harness/test.h"

static const char schema_text[] = "[variables]\n"
                                  "name = {type = \"text\"}\n"
                                  "port = {type = \"number\", default = 80}\n"
                                  "maybe = {type = \"text\", required = false}\n"
                                  "flag = {type = \"bool\", required = false}\n"
                                  "\"a.b\" = {type = \"text\"}\n"
                                  "a = {type = \"object\"}\n"
                                  "list = {type = \"list\", required = false}\n"
                                  "\"list[].n\" = {type = \"text\"}\n"
                                  "\"list[].auth.user\" = {type = \"text\", required = false}\n"
                                  "words = {type = \"list\", required = false}\n"
                                  "\"words[]\" = {type = \"text\"}\n";
static const char document[] =
    "{\"name\":\"x<&>\\\"\\\\$`y\",\"flag\":true,\"a\":{\"b\":\"B\"},"
    "\"lines#base64\":\"\",\"list\":[{\"n\":\"1\",\"auth\":{\"user\":\"u\"}},{\"n\":\"2\"}],"
    "\"words\":[\"p\",\"q\"],\"maybe\":null}";

static int render(char *ret, size_t size, const char *text, enum template_syntax syntax,
                  const char *doc, struct error *why) {
    struct arena a;
    struct schema s;
    struct template t;
    struct values v;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 0);
    CHECK_OK(schema_parse(&s, bytes_from_str(schema_text), &a, why), why);
    CHECK_OK(values_read(&v, bytes_from_str(doc), why), why);
    int r = template_parse(&t, "file", syntax, bytes_from_str(text), &s, &a, why);
    if (r == 0) r = template_render(&out, &t, v.root, why);
    CHECK(out.n < size);
    if (out.n) memcpy(ret, out.p, out.n);
    ret[out.n] = '\0';
    buf_free(&out);
    values_free(&v);
    arena_free(&a);
    return r;
}

TEST(templates_render) {
    static const struct {
        const char *text, *expected;
        enum template_syntax syntax;
    } cases[] = {
        {"", "", TEMPLATE_PLAIN},
        {"no tags } { {}", "no tags } { {}", TEMPLATE_PLAIN},
        {"{{name}}", "x<&>\"\\$`y", TEMPLATE_PLAIN},
        {"n = \"{{ name }}\"", "n = \"x<&>\\\"\\\\$`y\"", TEMPLATE_QUOTED},
        {"N=\"{{name}}\"", "N=\"x<&>\\\"\\\\\\$\\`y\"", TEMPLATE_SHELL},
        {"{{{name}}}{{&name}}", "x<&>\"\\$`yx<&>\"\\$`y", TEMPLATE_QUOTED},
        {"{{port}} {{a.b}}", "80 B", TEMPLATE_PLAIN},
        {"a\n{{#flag}}\nb\n{{/flag}}\nc\n", "a\nb\nc\n", TEMPLATE_PLAIN},
        {"{{^flag}}no{{/flag}}{{^maybe}}none{{/maybe}}", "none", TEMPLATE_PLAIN},
        {"{{#maybe}}{{maybe}}{{/maybe}}", "", TEMPLATE_PLAIN},
        {"{{#list}}\n  {{n}}{{#auth.user}} by {{auth.user}}{{/auth.user}} of {{a.b}};\n{{/list}}\n",
         "  1 by u of B;\n  2 of B;\n", TEMPLATE_PLAIN},
        {"{{#words}}[{{.}}]{{/words}}", "[p][q]", TEMPLATE_PLAIN},
        {"{{#a}}{{b}}{{/a}}", "B", TEMPLATE_PLAIN},
        {"{{! a note }}x{{=<% %>=}}<% a.b %>{{name}}", "xB{{name}}", TEMPLATE_PLAIN},
        {"  {{! alone }}  \nx", "x", TEMPLATE_PLAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        char got[256];
        CHECK_OK(render(got, sizeof got, cases[i].text, cases[i].syntax, document, &why), &why);
        CHECK_STR(got, cases[i].expected);
    }
}

TEST(errors_name_template_line_and_key) {
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"x\n{{nam}}", ERR_NOT_FOUND, "file, line 2: the schema does not list \"nam\""},
        {"{{#list}}\n{{m}}{{/list}}", ERR_NOT_FOUND, "line 2"},
        {"\n\n{{maybe}}", ERR_NOT_FOUND, "file, line 3: \"maybe\" has no value"},
        {"{{#list}}{{auth.user}}{{/list}}", ERR_NOT_FOUND, "list[].auth.user"},
        {"{{#flag}}", ERR_SYNTAX, "does not end"},
        {"{{/flag}}", ERR_SYNTAX, "never began"},
        {"{{#flag}}{{#a}}{{/flag}}{{/a}}", ERR_SYNTAX, "ends inside"},
        {"{{name", ERR_SYNTAX, "does not end"},
        {"{{}}", ERR_SYNTAX, "without a name"},
        {"{{#}}", ERR_SYNTAX, "without a name"},
        {"{{> part}}", ERR_UNSUPPORTED, "include"},
        {"{{=x=}}", ERR_SYNTAX, "delimiters"},
        {"{{list}}", ERR_INVALID, "type list"},
        {"{{.}}", ERR_NOT_FOUND, "\".\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        char got[256];
        CHECK_ERR(render(got, sizeof got, cases[i].text, TEMPLATE_PLAIN, document, &why),
                  cases[i].code);
        if (!strstr(why.text, cases[i].says)) FAIL("%s: %s", cases[i].text, why.text);
    }
}

TEST(values_cannot_add_lines) {
    static const char doc[] = "{\"name\":\"a\\nroot=1\",\"a\":{\"b\":\"\"}}";
    struct error why = {0};
    char got[256];
    CHECK_ERR(render(got, sizeof got, "{{name}}", TEMPLATE_PLAIN, doc, &why), ERR_INVALID);
    CHECK_ERR(render(got, sizeof got, "{{name}}", TEMPLATE_SHELL, doc, &why), ERR_INVALID);
    CHECK_OK(render(got, sizeof got, "{{name}}", TEMPLATE_QUOTED, doc, &why), &why);
    CHECK_STR(got, "a\\nroot=1");
    CHECK_OK(render(got, sizeof got, "{{{name}}}", TEMPLATE_PLAIN, doc, &why), &why);
    CHECK_STR(got, "a\nroot=1");
}

TEST(encoded_members_are_decoded) {
    struct error why = {0};
    char got[256];
    CHECK_OK(render(got, sizeof got, "{{{name}}}", TEMPLATE_PLAIN,
                    "{\"name#base64\":\"aGVsbG8Kd29ybGQhCg==\"}", &why),
             &why);
    CHECK_STR(got, "hello\nworld!\n");
    struct values v;
    CHECK_ERR(values_read(&v, BYTES_LIT("{\"a\":{\"k#base64\":\"?\"}}"), &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "k#base64") != NULL);
    CHECK_ERR(values_read(&v, BYTES_LIT("{\"k#base64\":\"\",\"k\":1}"), &why), ERR_INVALID);
}

TEST(depth_has_a_limit) {
    struct error why = {0};
    char text[512] = "", got[64];
    for (unsigned i = 0; i < TEMPLATE_DEPTH_MAX + 1; i++) {
        strcat(text, "{{#flag}}");
    }
    CHECK_ERR(render(got, sizeof got, text, TEMPLATE_PLAIN, document, &why), ERR_LIMIT);
}

TEST_MAIN()
