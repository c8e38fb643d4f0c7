/* SPDX-License-Identifier: MIT */
#include "eth/rlp.h"

#include "test/harness/test.h"

#include <stdlib.h>

static struct bytes lit(const char *s, size_t n) {
    return (struct bytes){(const uint8_t *)s, n};
}
#define B(s) lit("" s, sizeof(s) - 1)

TEST(writes_integers_in_their_shortest_form) {
    static const struct {
        uint64_t v;
        struct {
            const char *p;
            size_t n;
        } out;
    } cases[] = {
        {0, {"\x80", 1}},
        {1, {"\x01", 1}},
        {127, {"\x7f", 1}},
        {128, {"\x81\x80", 2}},
        {255, {"\x81\xff", 2}},
        {256, {"\x82\x01\x00", 3}},
        {UINT64_MAX, {"\x88\xff\xff\xff\xff\xff\xff\xff\xff", 9}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b;
        buf_init(&b, 0);
        rlp_put_u64(&b, cases[i].v);
        CHECK_BYTES(buf_view(&b), lit(cases[i].out.p, cases[i].out.n));
        CHECK_U64(rlp_size_u64(cases[i].v), cases[i].out.n);
        buf_clear(&b);
        rlp_put_u256(&b, u256_from_u64(cases[i].v));
        CHECK_BYTES(buf_view(&b), lit(cases[i].out.p, cases[i].out.n));
        CHECK_U64(rlp_size_u256(u256_from_u64(cases[i].v)), cases[i].out.n);
        buf_free(&b);
    }
    struct buf b;
    buf_init(&b, 0);
    rlp_put_u256(&b, U256_MAX);
    CHECK_U64(b.n, 33);
    CHECK_U64(rlp_size_u256(U256_MAX), 33);
    buf_free(&b);
}

TEST(writes_and_reads_lists_of_every_header_width) {
    static const size_t sizes[] = {0, 1, 55, 56, 255, 256, 65535, 65536, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf a, b;
        buf_init(&a, 0);
        buf_init(&b, 0);
        size_t mark = rlp_list_begin(&a);
        buf_append_fill(&a, 0x05, sizes[i]);
        rlp_list_close(&a, mark);
        rlp_put_list_header(&b, sizes[i]);
        buf_append_fill(&b, 0x05, sizes[i]);
        CHECK_BYTES(buf_view(&a), buf_view(&b));
        CHECK_U64(a.n, rlp_size_list(sizes[i]));
        struct error why;
        CHECK_OK(rlp_check(buf_view(&a), 1, 0, &why), &why);
        struct rlp_source s;
        struct rlp_reader r = rlp_open(&s, buf_view(&a), &why);
        struct rlp_reader items = rlp_list(&r, "list");
        CHECK_U64(rlp_count(&items, 100000, "list"), sizes[i]);
        CHECK_OK(rlp_finish(&r, "input"), &why);
        buf_free(&a);
        buf_free(&b);
    }
}

TEST(reads_typed_fields_in_place) {
    struct error why;
    struct rlp_source s;
    struct bytes in = B("\xcf\x83"
                        "dog\x82\x04\x00\x01\xc2\x05\x80\x83"
                        "abc");
    struct rlp_reader r = rlp_open(&s, in, &why);
    struct rlp_reader l = rlp_list(&r, "record");
    struct bytes dog = rlp_string(&l, "name");
    CHECK(dog.p == in.p + 2);
    CHECK_BYTES(dog, B("dog"));
    CHECK_U64(rlp_u64(&l, "age"), 1024);
    CHECK(rlp_bool(&l, "alive"));
    CHECK(rlp_peek_is_list(&l));
    CHECK_BYTES(rlp_raw(&l, "list"), B("\xc2\x05\x80"));
    uint8_t three[3];
    rlp_fixed(&l, three, 3, "code");
    CHECK_BYTES(bytes_make(three, 3), B("abc"));
    CHECK(!rlp_more(&l));
    rlp_end(&l, "record");
    CHECK_OK(rlp_finish(&r, "input"), &why);
}

TEST(refuses_what_is_not_in_shortest_form) {
    static const struct {
        const char *p;
        size_t n;
        int code;
    } cases[] = {
        {"", 0, ERR_SYNTAX},                                     // nothing
        {"\x81", 1, ERR_SYNTAX},                                 // payload is missing
        {"\x81\x7f", 2, ERR_SYNTAX},                             // single byte with a header
        {"\xb8", 1, ERR_SYNTAX},                                 // length is missing
        {"\xb8\x37", 2, ERR_SYNTAX},                             // long form of a short length
        {"\xb9\x00\x40", 3, ERR_SYNTAX},                         // length with a leading zero
        {"\xbf\xff\xff\xff\xff\xff\xff\xff\xff", 9, ERR_SYNTAX}, // length beyond everything
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, ERR_SYNTAX},
        {"\xf8\x01\x01", 3, ERR_SYNTAX},
        {"\xc2\x01", 2, ERR_SYNTAX},            // list reaches beyond
        {"\xc1\x81\x80", 3, ERR_SYNTAX},        // item reaches beyond its list
        {"\x01\x02", 2, ERR_SYNTAX},            // left over
        {"\xc0\x00", 2, ERR_SYNTAX},            // left over
        {"\xc3\xc2\xc1\xc0", 4, ERR_LIMIT},     // deeper than 2
        {"\xc4\x01\x02\x03\x04", 5, ERR_LIMIT}, // more than 4 items
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error why;
        CHECK_ERR(rlp_check(lit(cases[i].p, cases[i].n), 2, 4, &why), cases[i].code);
    }
    struct error why;
    CHECK_OK(rlp_check(B("\xc3\xc0\xc1\xc0"), 2, 4, &why), &why);
}

TEST(typed_reads_tell_the_field_and_stay_failed) {
    static const struct {
        const char *p;
        size_t n;
        char kind;
        int code;
    } cases[] = {
        {"\x00", 1, 'u', ERR_SYNTAX},                                     // zero byte as integer
        {"\x82\x00\x01", 3, 'u', ERR_SYNTAX},                             // leading zero
        {"\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00", 10, 'u', ERR_RANGE}, // 2^64
        {"\xc0", 1, 'u', ERR_SYNTAX},                                     // a list
        {"\x82\x01\x02", 3, 'f', ERR_SYNTAX},                             // wrong length
        {"\x02", 1, 'b', ERR_RANGE},                                      // neither 0 nor 1
        {"\x05", 1, 'l', ERR_SYNTAX},                                     // a string
        {"\x83\x01\x02\x03", 4, 'm', ERR_LIMIT},                          // longer than allowed
        {"\xb8\x01", 2, 'r', ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error why = {0};
        struct rlp_source s;
        struct rlp_reader r = rlp_open(&s, lit(cases[i].p, cases[i].n), &why);
        uint8_t byte = 9;
        switch (cases[i].kind) {
        case 'u':
            CHECK_U64(rlp_u64(&r, "field"), 0);
            break;
        case 'f':
            rlp_fixed(&r, &byte, 1, "field");
            CHECK_U64(byte, 0);
            break;
        case 'b':
            (void)rlp_bool(&r, "field");
            break;
        case 'l':
            (void)rlp_list(&r, "field");
            break;
        case 'm':
            CHECK_U64(rlp_string_max(&r, 2, "field").n, 0);
            break;
        default:
            CHECK_U64(rlp_raw(&r, "field").n, 0);
        }
        CHECK(strstr(why.text, "field") != NULL);
        CHECK_U64(rlp_u64(&r, "later"), 0);
        CHECK(u256_is_zero(rlp_u256(&r, "later")));
        CHECK_U64(rlp_raw(&r, "later").n, 0);
        rlp_fail(&r, ERR_INVALID, "later");
        CHECK(!rlp_more(&r) && !rlp_peek_is_list(&r));
        CHECK_ERR(rlp_finish(&r, "input"), cases[i].code);
        CHECK(strstr(why.text, "later") == NULL);
    }
}

TEST(count_refuses_too_many_and_broken_items) {
    struct error why;
    struct rlp_source s;
    struct rlp_reader r = rlp_open(&s, B("\x01\x02\x03"), &why);
    CHECK_U64(rlp_count(&r, 3, "items"), 3);
    CHECK_U64(rlp_count(&r, 2, "items"), 0);
    CHECK_ERR(rlp_finish(&r, "input"), ERR_LIMIT);
    r = rlp_open(&s, B("\x01\x82"), &why);
    CHECK_U64(rlp_count(&r, 3, "items"), 0);
    CHECK_ERR(rlp_finish(&r, "input"), ERR_SYNTAX);
    r = rlp_open(&s, B("\x01\x02"), &why);
    (void)rlp_u64(&r, "first");
    rlp_fail(&r, ERR_INVALID, "own reason %d", 7);
    CHECK_ERR(rlp_finish(&r, "input"), ERR_INVALID);
    CHECK_STR(why.text, "own reason 7");
    CHECK_U64(why.at, 0);
}

TEST(arrays_are_no_longer_than_their_items_can_be_many) {
    struct arena a;
    struct rlp_source s;
    size_t count;
    arena_init(&a, 0);
    struct rlp_reader r = rlp_open(&s, B("\x82xx\x82yy\x82zz"), NULL);
    CHECK(rlp_array(&r, &count, SIZE_MAX, 3, 8, &a, "items") != NULL);
    CHECK_U64(count, 3);
    r = rlp_open(&s, B("\x82xx\x82yy\x01\x02\x03"), NULL); // the third is too short
    CHECK(rlp_array(&r, &count, SIZE_MAX, 3, 8, &a, "items") != NULL);
    CHECK_U64(count, 4);
    r = rlp_open(&s, B("\x01\x02\x03"), NULL);
    CHECK(rlp_array(&r, &count, SIZE_MAX, 4, 8, &a, "items") != NULL);
    CHECK_U64(count, 1);
    r = rlp_open(&s, B(""), NULL);
    CHECK(rlp_array(&r, &count, SIZE_MAX, 4, 8, &a, "items") == NULL);
    CHECK_U64(count, 0);
    arena_free(&a);
}

TEST(errors_are_at_the_item_that_is_wrong) {
    struct error why;
    struct rlp_source s;
    struct rlp_reader r;
    struct hash h;
#define FAILS_AT(AT, INPUT, READ)                                                                  \
    do {                                                                                           \
        struct rlp_reader outer = rlp_open(&s, B(INPUT), &why);                                    \
        r = rlp_list(&outer, "list");                                                              \
        (void)rlp_string(&r, "first");                                                             \
        READ;                                                                                      \
        CHECK(rlp_finish(&r, "list") != 0);                                                        \
        CHECK_U64(why.at, AT);                                                                     \
    } while (0)
    FAILS_AT(2, "\xc4\x01\x82\x00\x01", (void)rlp_u64(&r, "leading zero"));
    FAILS_AT(2, "\xcb\x01\x89\x01\x02\x03\x04\x05\x06\x07\x08\x09", (void)rlp_u64(&r, "large"));
    FAILS_AT(2, "\xc4\x01\x82\x01\x01", rlp_fixed(&r, h.b, 32, "short"));
    FAILS_AT(2, "\xc4\x01\x82\x01\x01", (void)rlp_string_max(&r, 1, "long"));
    FAILS_AT(2, "\xc2\x01\x02", (void)rlp_bool(&r, "two"));
    FAILS_AT(2, "\xc2\x01\x02", (void)rlp_list(&r, "string"));
    FAILS_AT(2, "\xc2\x01\x82", (void)rlp_raw(&r, "cut"));
    FAILS_AT(2, "\xc2\x01\x82", (void)rlp_string(&r, "cut"));
    FAILS_AT(3, "\xc3\x01\x02\x03", (void)rlp_u64(&r, "one is left"));
    FAILS_AT(2, "\xc1\x01", (void)rlp_u64(&r, "missing"));
    FAILS_AT(3, "\xc4\x01\x02\x03\x04", (void)rlp_count(&r, 1, "too many"));
#undef FAILS_AT
}

TEST(writers_keep_the_first_failure) {
    struct buf b;
    struct error why;
    buf_init(&b, 60);
    size_t mark = rlp_list_begin(&b);
    buf_append_fill(&b, 1, 59);
    rlp_list_close(&b, mark); // the longer header does not fit any more
    CHECK_ERR(buf_check(&b, &why), ERR_LIMIT);
    rlp_put_string(&b, B("dog"));
    rlp_put_list_header(&b, 3);
    rlp_list_close(&b, mark);
    CHECK_ERR(buf_check(&b, &why), ERR_LIMIT);
    buf_free(&b);
}

TEST_MAIN()
