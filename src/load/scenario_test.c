/* The assembler, amounts, and every scenario that is built in or published.
 * SPDX-License-Identifier: MIT */
#include "load/scenario.h"

#include "base/walk.h"
#include "load/assembler.h"
#include "test/harness/test.h"

#include <stdio.h>

static void check_code(const char *text, const char *hex) {
    struct error why = {0};
    struct buf code;
    char got[512] = "";
    buf_init(&code, 0);
    CHECK_OK(assemble(&code, bytes_from_str(text), &why), &why);
    for (size_t i = 0; i < code.n; i++) {
        (void)snprintf(got + 2 * i, 3, "%02x", code.p[i]);
    }
    CHECK_STR(got, hex);
    buf_free(&code);
}

TEST(text_becomes_code) {
    check_code("", "");
    check_code("PUSH 0 PUSH 1 PUSH 256 PUSH 0x00ff STOP ; all", "5f600161010060ff00");
    check_code("a: JUMPDEST @b JUMP\nb: JUMPDEST @a JUMP", "5b610005565b61000056");
    check_code("'transfer(address,uint256)'", "63a9059cbb");
    check_code("\"Transfer(address,address,uint256)\"",
               "7fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
    check_code("PUSH1 DUP1 LOG3 KECCAK256", "6080a320");
}

TEST(wrong_text_is_named_with_its_line) {
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"STOP\nWALK", ERR_SYNTAX, "line 2: WALK"}, {"PUSH x", ERR_SYNTAX, "not a number"},
        {"\n@a JUMP", ERR_NOT_FOUND, "line 2: a"},  {"a: a:", ERR_CONFLICT, "stands twice"},
        {"'x", ERR_SYNTAX, "does not end"},         {"PUSH", ERR_SYNTAX, "not a number"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        struct buf code;
        buf_init(&code, 0);
        CHECK_ERR(assemble(&code, bytes_from_str(cases[i].text), &why), cases[i].code);
        if (!strstr(why.text, cases[i].says)) FAIL("%s", why.text);
        buf_free(&code);
    }
}

TEST(amounts_are_exact) {
    static const struct {
        const char *text, *wei;
    } cases[] = {{"5", "5"},
                 {"0x1f", "31"},
                 {"0.01 eth", "10000000000000000"},
                 {"1eth", "1000000000000000000"},
                 {"10 gwei", "10000000000"},
                 {"0.000000000000000001 ether", "1"},
                 {"1_000", "1000"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        struct u256 got;
        char text[U256_DECIMAL_MAX + 1];
        CHECK_OK(scenario_amount(&got, bytes_from_str(cases[i].text), &why), &why);
        (void)u256_to_decimal(text, got);
        CHECK_STR(text, cases[i].wei);
    }
    static const char *const wrong[] = {"",        "eth", "1.2.3 eth", "1 pound", "0.5",
                                        "0.1 wei", "0x",  "-1",        "0xzz"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct u256 got;
        CHECK(scenario_amount(&got, bytes_from_str(wrong[i]), NULL) < 0);
    }
}

TEST(every_builtin_scenario_is_one) {
    const char *name;
    for (size_t i = 0; (name = scenario_builtin_name(i)); i++) {
        struct arena a;
        struct scenario s;
        struct bytes text;
        struct error why = {0};
        arena_init(&a, 0);
        CHECK(scenario_builtin(&text, name));
        CHECK_OK(scenario_parse(&s, text, &a, &why), &why);
        CHECK_BYTES(s.name, bytes_from_str(name));
        arena_free(&a);
    }
    struct bytes text;
    CHECK(!scenario_builtin(&text, "nothing"));
}

static bool read_one(void *arg, const char *name, struct bytes content) {
    struct arena a;
    struct scenario s;
    struct error why = {0};
    arena_init(&a, 0);
    int r = scenario_parse(&s, content, &a, &why);
    if (r < 0) FAIL("%s: %s", name, why.text);
    ++*(unsigned *)arg;
    arena_free(&a);
    return true;
}

static bool unreadable(void *arg, const char *name, const char *reason) {
    (void)arg;
    FAIL("%s: %s", name, reason);
    return false;
}

TEST(published_scenarios_are_read) {
    unsigned count = 0;
    const struct walk_visitor v = {&count, read_one, unreadable};
    CHECK(walk_path(test_vectors("devnet/contender-scenarios"), &v));
    CHECK(count > 10);
}

TEST(wrong_scenarios_are_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"", ERR_NOT_FOUND},
                 {"[[spam]]\n", ERR_NOT_FOUND},
                 {"[[spam]]\n[spam.tx]\nvalue = \"1\"", ERR_NOT_FOUND},
                 {"[[spam]]\n[spam.tx]\nto = \"x\"\ncolour = 1", ERR_INVALID},
                 {"[[spam]]\n[spam.tx]\nto = \"x\"\ngas_limit = -1", ERR_RANGE},
                 {"[[create]]\nname = \"c\"", ERR_NOT_FOUND},
                 {"[[create]]\nname = \"c\"\nassembly = \"WALK\"", ERR_SYNTAX},
                 {"spam = 1", ERR_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct scenario s;
        arena_init(&a, 0);
        CHECK_ERR(scenario_parse(&s, bytes_from_str(cases[i].text), &a, NULL), cases[i].code);
        arena_free(&a);
    }
}

TEST_MAIN()
