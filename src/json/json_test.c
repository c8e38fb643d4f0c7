/* SPDX-License-Identifier: MIT */
#include "json/json.h"

#include "base/buf.h"
#include "test/harness/test.h"

#include <math.h>

static struct arena arena;
static struct error why;

static const struct json *parse(const char *text) {
    const struct json *doc = NULL;
    CHECK_OK(json_parse(&doc, bytes_from_str(text), &arena, NULL, &why), &why);
    return doc;
}

static void check_refused(const char *text, size_t n, int code, size_t at) {
    const struct json *doc = NULL;
    struct error e = {0};
    int r = json_parse(&doc, bytes_make(text, n), &arena, NULL, &e);
    if (r != code || e.at != at) {
        FAIL("%.*s: got %s at %u (%s), expected %s at %zu", (int)n, text, error_name(r), e.at,
             e.text, error_name(code), at);
    }
    CHECK(doc == NULL);
}

TEST(values_are_walked) {
    const struct json *doc = parse(" {\"a\":[1,-2,\"x\",[],{}],\"b\":{\"c\":null,\"d\":true}} ");
    CHECK_U64(json_count(doc), 2);
    CHECK_U64(json_count(json_get(doc, "a")), 5);
    size_t n = 0;
    json_each(v, json_get(doc, "a")) {
        n++;
        CHECK(v == json_at(json_get(doc, "a"), n - 1));
    }
    CHECK_U64(n, 5);
    CHECK(json_at(json_get(doc, "a"), 5) == NULL);
    n = 0;
    json_members(key, value, json_get(doc, "b")) {
        CHECK_BYTES(json_text(key), n == 0 ? BYTES_LIT("c") : BYTES_LIT("d"));
        CHECK_I64(json_type_of(value), n == 0 ? JSON_NULL : JSON_BOOL);
        n++;
    }
    CHECK_U64(n, 2);
    CHECK_BYTES(json_raw(json_get(doc, "b")), BYTES_LIT("{\"c\":null,\"d\":true}"));
    CHECK(json_get(json_get(doc, "a"), "c") == NULL);
    json_each(none, NULL) {
        FAIL("a missing value has children");
    }
    json_members(key, value, json_get(doc, "a")) {
        FAIL("an array has members (%p)", (const void *)value);
    }
    arena_free(&arena);
}

TEST(strings_are_unescaped) {
    const struct json *doc =
        parse("[\"a\\u0000\\n\\/\\\"\\\\b\", \"\\ud83d\\ude00\\u00e9\\u20AC\", "
              "\"\xf0\x9f\x98\x80 plain text that is long enough to scan\", "
              "{\"\\u006bey\":7}]");
    CHECK_BYTES(json_text(json_at(doc, 0)), BYTES_LIT("a\0\n/\"\\b"));
    CHECK_BYTES(json_text(json_at(doc, 1)), BYTES_LIT("\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac"));
    CHECK_U64(json_text(json_at(doc, 2)).n, 43);
    uint64_t v = 0;
    CHECK_OK(json_get_u64(&v, json_at(doc, 3), "key", &why), &why);
    CHECK_U64(v, 7);
    arena_free(&arena);
}

TEST(wrong_documents_are_refused_where_they_are_wrong) {
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"", 0},
        {"  ", 2},
        {"{", 1},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"{,}", 1},
        {"{\"a\"}", 4},
        {"{\"a\":}", 5},
        {"{\"a\":1,}", 7},
        {"{1:2}", 1},
        {"[1 2]", 3},
        {"{\"a\":1 \"b\":2}", 7},
        {"[1}", 2},
        {"{\"a\":1]", 6},
        {"1 2", 2},
        {"[]]", 2},
        {"tru", 0},
        {"truE", 0},
        {"nul", 0},
        {"True", 0},
        {"NaN", 0},
        {"01", 1},
        {"-", 1},
        {"-01", 2},
        {"+1", 0},
        {".5", 0},
        {"1.", 2},
        {"1.e5", 2},
        {"1e", 2},
        {"1e+", 3},
        {"0x10", 1},
        {"1.5.2", 3},
        {"\"", 1},
        {"\"a", 2},
        {"\"\\", 2},
        {"\"\\\"", 3},
        {"\"\\x\"", 1},
        {"\"\\u12\"", 5},
        {"\"\\u12`4\"", 5},
        {"\"\\u@000\"", 3},
        {"\"\\ud800\"", 1},
        {"\"\\ud800\\n\"", 1},
        {"\"\\udc00\"", 1},
        {"\"\\ud800\\ud800\"", 1},
        {"\"\n\"", 1},
        {"\"\\n\x01\"", 3},
        {"\"\x80\"", 1},
        {"\"\xc0\xaf\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
        {"\"\\n\xff\"", 3},
        {"'a'", 0},
        {"[1]//", 3},
        {"\xef\xbb\xbf[]", 0},
        {"\"\\u12", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(cases[i].text, strlen(cases[i].text), ERR_SYNTAX, cases[i].at);
    }
    check_refused("[\0]", 3, ERR_SYNTAX, 1);
    arena_free(&arena);
}

TEST(duplicate_keys_are_refused_in_small_and_large_objects) {
    check_refused("{\"a\":1,\"\\u0061\":2}", 18, ERR_INVALID, 7);
    struct buf b;
    buf_init(&b, 0);
    buf_append_byte(&b, '{');
    for (unsigned i = 0; i < 60000; i++) {
        buf_printf(&b, "%s\"k%u\":{\"k\":1}", i ? "," : "", i);
    }
    const struct json *doc;
    buf_append_byte(&b, '}');
    CHECK_OK(json_parse(&doc, buf_view(&b), &arena, NULL, &why), &why);
    CHECK_U64(json_count(doc), 60000);
    b.n--;
    buf_append_str(&b, ",\"k7\":0}");
    CHECK_ERR(json_parse(&doc, buf_view(&b), &arena, NULL, &why), ERR_INVALID);
    CHECK_U64(why.at, b.n - 7);
    struct json_limits loose = JSON_LIMITS_DEFAULT;
    loose.duplicates = true;
    CHECK_OK(json_parse(&doc, buf_view(&b), &arena, &loose, &why), &why);
    buf_free(&b);
    arena_free(&arena);
}

TEST(limits_hold) {
    struct json_limits tight = {.bytes = 12, .depth = 2, .values = 4};
    const struct json *doc;
    CHECK_OK(json_parse(&doc, BYTES_LIT("[[1,2]]"), &arena, &tight, &why), &why);
    CHECK_ERR(json_parse(&doc, BYTES_LIT("[[[]]]"), &arena, &tight, &why), ERR_LIMIT);
    CHECK_ERR(json_parse(&doc, BYTES_LIT("[1,2,3,4]"), &arena, &tight, &why), ERR_LIMIT);
    CHECK_ERR(json_parse(&doc, BYTES_LIT("             "), &arena, &tight, &why), ERR_LIMIT);
    char deep[2000];
    memset(deep, '[', sizeof deep);
    tight = (struct json_limits){.bytes = 4000, .depth = 4000, .values = 4000};
    CHECK_ERR(json_parse(&doc, bytes_make(deep, sizeof deep), &arena, &tight, &why), ERR_LIMIT);
    arena_free(&arena);
    // Every arena limit gives ERR_LIMIT or success, never anything else.
    static const char text[] =
        "{\"a\":[1,2,\"x\\ny\"],\"b\":{\"c\":{},\"d\":1,\"e\":2,\"f\":3,\"g\":4,"
        "\"h\":4,\"i\":4,\"j\":4,\"k\":4,\"l\":4,\"m\":4,\"n\":4,\"o\":4}}";
    bool succeeded = false;
    for (size_t most = 1; most < 20000; most += 40) {
        struct arena small;
        arena_init(&small, most);
        int r = json_parse(&doc, bytes_from_str(text), &small, NULL, &why);
        CHECK(r == 0 || r == ERR_LIMIT);
        succeeded = r == 0;
        arena_free(&small);
    }
    CHECK(succeeded);
}

TEST(numbers_are_exact) {
    const struct json *doc = parse(
        "[18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,"
        "115792089237316195423570985008687907853269984665640564039457584007913129639935,"
        "115792089237316195423570985008687907853269984665640564039457584007913129639936,"
        "1.5,1e3,-0,1e400,0.1,-1]");
    uint64_t u;
    int64_t i;
    double d;
    struct u256 w;
    CHECK_OK(json_u64(&u, json_at(doc, 0), &why), &why);
    CHECK_U64(u, UINT64_MAX);
    CHECK_ERR(json_u64(&u, json_at(doc, 1), &why), ERR_RANGE);
    CHECK_ERR(json_i64(&i, json_at(doc, 0), &why), ERR_RANGE);
    CHECK_OK(json_i64(&i, json_at(doc, 2), &why), &why);
    CHECK_I64(i, INT64_MIN);
    CHECK_ERR(json_i64(&i, json_at(doc, 3), &why), ERR_RANGE);
    CHECK_OK(json_u256(&w, json_at(doc, 4), &why), &why);
    CHECK(u256_equal(w, U256_MAX));
    CHECK_ERR(json_u256(&w, json_at(doc, 5), &why), ERR_RANGE);
    CHECK_ERR(json_u64(&u, json_at(doc, 6), &why), ERR_INVALID);
    CHECK_ERR(json_u64(&u, json_at(doc, 7), &why), ERR_INVALID);
    CHECK_OK(json_double(&d, json_at(doc, 7), &why), &why);
    CHECK(d == 1000);
    CHECK_ERR(json_u64(&u, json_at(doc, 8), &why), ERR_RANGE);
    CHECK_OK(json_i64(&i, json_at(doc, 8), &why), &why);
    CHECK_ERR(json_double(&d, json_at(doc, 9), &why), ERR_RANGE);
    CHECK_OK(json_double(&d, json_at(doc, 10), &why), &why);
    CHECK(d == 0.1);
    CHECK_ERR(json_u256(&w, json_at(doc, 11), &why), ERR_RANGE);
    CHECK_U64(why.at, json_at(doc, 11)->at);
    arena_free(&arena);
}

TEST(ethereum_values_are_strict) {
    const struct json *doc = parse("{\"q\":\"0x1f\",\"z\":\"0x01\",\"d\":\"0xabCD\",\"n\":\"1000\","
                                   "\"m\":\"01\",\"t\":true,\"e\":\"\"}");
    uint64_t u;
    struct u256 w;
    struct bytes data;
    uint8_t two[2];
    bool t = false;
    CHECK_OK(json_get_quantity(&u, doc, "q", &why), &why);
    CHECK_U64(u, 31);
    CHECK_OK(json_get_quantity256(&w, doc, "q", &why), &why);
    CHECK_ERR(json_get_quantity(&u, doc, "z", &why), ERR_SYNTAX);
    CHECK_STR(why.text, "z: hex quantity with a leading zero");
    CHECK_U64(why.at, 19);
    CHECK_OK(json_get_data(&data, doc, "d", &arena, &why), &why);
    CHECK_BYTES(data, BYTES_LIT("\xab\xcd"));
    CHECK_OK(json_get_fixed(two, 2, doc, "d", &why), &why);
    CHECK_ERR(json_get_data(&data, doc, "n", &arena, &why), ERR_SYNTAX);
    struct hash h;
    struct address a;
    CHECK_ERR(json_get_hash(&h, doc, "d", &why), ERR_RANGE);
    CHECK_ERR(json_get_address(&a, doc, "d", &why), ERR_RANGE);
    CHECK_OK(json_get_decimal(&u, doc, "n", &why), &why);
    CHECK_U64(u, 1000);
    CHECK_ERR(json_get_decimal(&u, doc, "m", &why), ERR_SYNTAX);
    CHECK_ERR(json_get_decimal256(&w, doc, "e", &why), ERR_SYNTAX);
    CHECK_OK(json_get_bool(&t, doc, "t", &why), &why);
    CHECK(t);
    CHECK_ERR(json_get_bool(&t, doc, "q", &why), ERR_INVALID);
    CHECK_ERR(json_get_string(&data, doc, "none", &why), ERR_NOT_FOUND);
    CHECK_STR(why.text, "none: missing");
    CHECK_ERR(json_error(&why, ERR_STALE, json_get(doc, "t"), "old %d", 1), ERR_STALE);
    CHECK_STR(why.text, "old 1");
    CHECK_STR(json_type_name(JSON_OBJECT), "object");
    arena_free(&arena);
}

TEST_MAIN()
