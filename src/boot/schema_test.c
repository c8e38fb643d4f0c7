/* SPDX-License-Identifier: MIT */
#include "boot/schema.h"

#include "test/harness/test.h"

static const char schema_text[] =
    "[variables]\n"
    "instance_name = {type = \"name\"}\n"
    "\"builder.key\" = {type = \"key\", secret = true}\n"
    "\"builder.extra\" = {type = \"text\", default = \"net\", max = 5}\n"
    "\"builder.threads\" = {type = \"number\", min = 1, max = 8, required = false}\n"
    "\"builder.mode\" = {type = \"text\", choices = [\"a\", \"b\"], required = false}\n"
    "\"on\" = {type = \"bool\", required = false}\n"
    "\"at\" = {type = \"endpoint\", required = false}\n"
    "\"url\" = {type = \"url\", required = false}\n"
    "\"who\" = {type = \"address\", required = false}\n"
    "\"list\" = {type = \"list\", max = 2, required = false}\n"
    "\"list[].name\" = {type = \"name\"}\n";

static int check(const char *document, struct error *why) {
    struct arena a;
    struct schema s;
    const struct json *doc;
    arena_init(&a, 0);
    CHECK_OK(schema_parse(&s, bytes_from_str(schema_text), &a, why), why);
    CHECK_OK(json_parse(&doc, bytes_from_str(document), &a, NULL, why), why);
    int r = schema_check(&s, doc, NULL, NULL, why);
    arena_free(&a);
    return r;
}

#define KEY64 "1111111111111111111111111111111111111111111111111111111111111111"
#define BASE "{\"instance_name\":\"n-1\",\"builder\":{\"key\":\"0x" KEY64 "\""

TEST(documents_are_judged) {
    static const struct {
        const char *document;
        int code;
        const char *says;
    } cases[] = {
        {BASE "}}", 0, NULL},
        {BASE ",\"extra\":\"12345\",\"threads\":8,\"mode\":\"a\"},\"on\":true}", 0, NULL},
        {BASE ",\"threads\":\"3\"},\"on\":\"false\",\"at\":\"1.2.3.4:5\"}", 0, NULL},
        {BASE "},\"__version\":7,\"other\":[1]}", 0, NULL},
        {BASE "},\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"more\":1}]}", 0, NULL},
        {"{\"instance_name\":\"n\"}", ERR_NOT_FOUND, "builder.key"},
        {"{\"instance_name\":null,\"builder\":{\"key\":\"" KEY64 "\"}}", ERR_NOT_FOUND,
         "instance_name"},
        {"[]", ERR_INVALID, "object"},
        {BASE ",\"extra\":\"123456\"}}", ERR_RANGE, "builder.extra"},
        {BASE ",\"extra\":5}}", ERR_INVALID, "builder.extra"},
        {BASE ",\"threads\":0}}", ERR_RANGE, "builder.threads"},
        {BASE ",\"threads\":9}}", ERR_RANGE, "builder.threads"},
        {BASE ",\"threads\":1.5}}", ERR_SYNTAX, "builder.threads"},
        {BASE ",\"threads\":\"99999999999999999999\"}}", ERR_RANGE, "builder.threads"},
        {BASE ",\"mode\":\"c\"}}", ERR_RANGE, "builder.mode"},
        {BASE "},\"on\":\"yes\"}", ERR_SYNTAX, "on"},
        {BASE "},\"at\":\"nowhere\"}", ERR_SYNTAX, "at"},
        {BASE "},\"url\":\"ftp://x\"}", ERR_SYNTAX, "url"},
        {BASE "},\"who\":\"0x12\"}", ERR_SYNTAX, "who"},
        {BASE "},\"list\":{}}", ERR_INVALID, "list"},
        {BASE "},\"list\":[{},{},{}]}", ERR_RANGE, "list"},
        {BASE "},\"list\":[{\"name\":\"a b\"}]}", ERR_SYNTAX, "list[].name"},
        {"{\"instance_name\":\"n\",\"builder\":{\"key\":\"0x11\"}}", ERR_SYNTAX, "builder.key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        CHECK_ERR(check(cases[i].document, &why), cases[i].code);
        if (cases[i].says && !strstr(why.text, cases[i].says)) FAIL("%s", why.text);
    }
}

TEST(errors_never_show_a_value) {
    struct error why = {0};
    CHECK_ERR(check("{\"instance_name\":\"n\",\"builder\":{\"key\":\"topsecret\"}}", &why),
              ERR_SYNTAX);
    CHECK(strstr(why.text, "topsecret") == NULL);
}

static void count(void *context, struct bytes key) {
    CHECK_BYTES(key, BYTES_LIT("builder.new"));
    ++*(unsigned *)context;
}

TEST(unlisted_members_are_told) {
    struct error why = {0};
    struct arena a;
    struct schema s;
    const struct json *doc;
    unsigned told = 0;
    arena_init(&a, 0);
    CHECK_OK(schema_parse(&s, bytes_from_str(schema_text), &a, &why), &why);
    CHECK_OK(json_parse(&doc, BYTES_LIT(BASE ",\"new\":1}}"), &a, NULL, &why), &why);
    CHECK_OK(schema_check(&s, doc, count, &told, &why), &why);
    CHECK_U64(told, 1);
    arena_free(&a);
}

TEST(wrong_schemas_are_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"x = 1", ERR_NOT_FOUND},
        {"[variables]\nx = 1", ERR_INVALID},
        {"[variables]\nx = {type = \"texts\"}", ERR_INVALID},
        {"[variables]\nx = {type = \"text\", colour = 1}", ERR_INVALID},
        {"[variables]\nx = {type = \"text\", max = -1}", ERR_RANGE},
        {"[variables]\nx = {type = \"text\"}\nx = {type = \"text\"}", ERR_CONFLICT},
        {"[variables]\nx = {required = true}", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct schema s;
        arena_init(&a, 0);
        CHECK_ERR(schema_parse(&s, bytes_from_str(cases[i].text), &a, NULL), cases[i].code);
        arena_free(&a);
    }
}

TEST_MAIN()
