/* SPDX-License-Identifier: MIT */
#include "eth/log_filter.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <string.h>

#define A1 "\"0x1111111111111111111111111111111111111111\""
#define A2 "\"0x2222222222222222222222222222222222222222\""
#define T1 "\"0x0101010101010101010101010101010101010101010101010101010101010101\""
#define T2 "\"0x0202020202020202020202020202020202020202020202020202020202020202\""
#define T3 "\"0x0303030303030303030303030303030303030303030303030303030303030303\""

static int decode(struct log_filter *ret, const char *text, struct arena *a, struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, bytes_from_str(text), a, NULL, why);
    return r != 0 ? r : log_filter_decode(ret, doc, a, why);
}

static struct event_log log_of(uint8_t address, const char *topics) {
    struct event_log l = {.topic_count = (unsigned)strlen(topics)};
    memset(l.address.b, address, 20);
    for (unsigned i = 0; i < l.topic_count; i++) {
        memset(l.topics[i].b, topics[i] - '0', 32);
    }
    return l;
}

static const struct {
    const char *filter;
    uint8_t address;
    const char *topics;
    bool matches;
} cases[] = {
    {"null", 0x11, "", true},
    {"{}", 0x11, "123", true},
    {"{\"address\":null,\"topics\":null}", 0x11, "1", true},
    {"{\"address\":[]}", 0x33, "1", true},
    {"{\"address\":" A1 "}", 0x11, "", true},
    {"{\"address\":" A1 "}", 0x22, "", false},
    {"{\"address\":[" A1 "," A2 "]}", 0x22, "", true},
    {"{\"topics\":[]}", 0x22, "", true},
    {"{\"topics\":[" T1 "]}", 0x22, "1", true},
    {"{\"topics\":[" T1 "]}", 0x22, "12", true},
    {"{\"topics\":[" T1 "]}", 0x22, "2", false},
    {"{\"topics\":[" T1 "]}", 0x22, "", false},
    {"{\"topics\":[null]}", 0x22, "", false}, // a position, whatever stands there
    {"{\"topics\":[null]}", 0x22, "3", true},
    {"{\"topics\":[[]]}", 0x22, "3", true},
    {"{\"topics\":[null," T2 "]}", 0x22, "12", true},
    {"{\"topics\":[null," T2 "]}", 0x22, "21", false},
    {"{\"topics\":[[" T1 "," T3 "]," T2 "]}", 0x22, "32", true},
    {"{\"topics\":[[" T1 "," T3 "]," T2 "]}", 0x22, "22", false},
    {"{\"topics\":[[" T1 ",null]," T2 "]}", 0x22, "22", true},
    {"{\"topics\":[" T1 "," T1 "," T1 "," T1 "]}", 0x22, "1111", true},
    {"{\"topics\":[" T1 "," T1 "," T1 "," T1 "]}", 0x22, "111", false},
    {"{\"address\":" A2 ",\"topics\":[" T1 "]}", 0x22, "1", true},
    {"{\"address\":" A1 ",\"topics\":[" T1 "]}", 0x22, "1", false},
};

TEST(matches_by_address_and_position) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct log_filter f, copy;
        struct log_filter_bits bits;
        struct bloom bloom = {{0}};
        arena_init(&a, 0);
        CHECK_OK(decode(&f, cases[i].filter, &a, &why), &why);
        struct event_log l = log_of(cases[i].address, cases[i].topics);
        if (log_filter_matches(&f, &l) != cases[i].matches) FAIL("case %zu", i);
        CHECK_OK(log_filter_copy(&copy, &f, &a, &why), &why);
        CHECK(log_filter_matches(&copy, &l) == cases[i].matches);
        bloom_add_logs(&bloom, &l, 1);
        log_filter_bits_init(&bits, &f);
        if (cases[i].matches && !log_filter_may_match(&bits, &bloom)) FAIL("bloom of case %zu", i);
        arena_free(&a);
    }
}

TEST(a_bloom_rules_out_what_is_not_there) {
    struct arena a;
    struct error why;
    struct log_filter f;
    struct log_filter_bits bits;
    struct bloom bloom = {{0}};
    struct event_log l = log_of(0x11, "12");
    arena_init(&a, 0);
    bloom_add_logs(&bloom, &l, 1);
    CHECK_OK(decode(&f, "{\"topics\":[" T1 "," T3 "]}", &a, &why), &why);
    log_filter_bits_init(&bits, &f);
    CHECK(!log_filter_may_match(&bits, &bloom));
    CHECK_OK(decode(&f, "{\"address\":[" A1 "," A2 "],\"topics\":[null," T2 "]}", &a, &why), &why);
    log_filter_bits_init(&bits, &f);
    CHECK(log_filter_may_match(&bits, &bloom));
    arena_free(&a);
}

TEST(a_filter_of_many_values_looks_at_each_log) {
    struct address many[LOG_FILTER_BITS_MAX + 1] = {{{0}}};
    struct log_filter f = {.addresses = many, .address_count = LOG_FILTER_BITS_MAX + 1};
    struct log_filter_bits bits;
    struct bloom empty = {{0}};
    log_filter_bits_init(&bits, &f);
    CHECK(log_filter_may_match(&bits, &empty));
}

TEST(reads_ranges) {
    struct arena a;
    struct error why;
    struct log_filter f;
    arena_init(&a, 0);
    CHECK_OK(decode(&f, "{\"fromBlock\":\"0x1\",\"toBlock\":\"finalized\"}", &a, &why), &why);
    CHECK(f.has_from && f.has_to && f.from.kind == BLOCK_PARAM_NUMBER && f.from.number == 1);
    CHECK(f.to.kind == BLOCK_PARAM_FINALIZED);
    CHECK_OK(decode(&f, "{\"fromBlock\":null}", &a, &why), &why);
    CHECK(!f.has_from && f.from.kind == BLOCK_PARAM_LATEST && f.to.kind == BLOCK_PARAM_LATEST);
    CHECK_OK(decode(&f, "{\"blockHash\":" T1 "}", &a, &why), &why);
    CHECK(f.has_block_hash && f.block_hash.b[0] == 1);
    arena_free(&a);
}

TEST(refuses_what_is_no_filter) {
    static const char *const wrong[] = {
        "[]",
        "{\"blockHash\":" T1 ",\"fromBlock\":\"0x1\"}",
        "{\"blockHash\":" T1 ",\"toBlock\":\"latest\"}",
        "{\"fromBlock\":" T1 "}",
        "{\"fromBlock\":1}",
        "{\"fromBlock\":\"1\"}",
        "{\"fromBlock\":\"0x01\"}",
        "{\"address\":1}",
        "{\"address\":\"0x11\"}",
        "{\"address\":[" T1 "]}",
        "{\"topics\":" T1 "}",
        "{\"topics\":[" A1 "]}",
        "{\"topics\":[1]}",
        "{\"topics\":[[[]]]}",
        "{\"topics\":[null,null,null,null,null]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct arena a;
        struct error why;
        struct log_filter f;
        arena_init(&a, 0);
        if (decode(&f, wrong[i], &a, &why) == 0) FAIL("read: %s", wrong[i]);
        arena_free(&a);
    }
}

TEST(the_lists_have_limits) {
    static char text[1100 * 45 + 100];
    struct arena a;
    struct error why;
    struct log_filter f;
    char *at = text + sprintf(text, "{\"address\":[" A1);
    for (unsigned i = 1; i < LOG_FILTER_ADDRESSES_MAX; i++) {
        at += sprintf(at, "," A1);
    }
    strcpy(at, "]}");
    arena_init(&a, 0);
    CHECK_OK(decode(&f, text, &a, &why), &why);
    strcpy(at, "," A1 "]}");
    CHECK_ERR(decode(&f, text, &a, &why), ERR_LIMIT);
    arena_free(&a);
    arena_init(&a, 4096);
    strcpy(at, "]}");
    CHECK_ERR(decode(&f, text, &a, &why), ERR_LIMIT);
    arena_free(&a);
}

TEST_MAIN()
