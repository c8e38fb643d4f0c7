/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "test/harness/test.h"

TEST(buf_appends_in_order) {
    struct buf b;
    struct error why;
    buf_init(&b, 0);
    buf_append_str(&b, "ab");
    buf_append_byte(&b, 'c');
    buf_append_be16(&b, 0x0102);
    buf_append_be32(&b, 0x03040506);
    buf_append_be64(&b, 0x0708090a0b0c0d0eu);
    buf_append_fill(&b, 'z', 2);
    buf_printf(&b, "%03d", 7);
    CHECK_BYTES(buf_view(&b), BYTES_LIT("abc\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xezz007"));
    buf_drop_front(&b, 19);
    CHECK_BYTES(buf_view(&b), BYTES_LIT("007"));
    CHECK_OK(buf_check(&b, &why), &why);
    buf_free(&b);
}

TEST(bytes_are_trimmed) {
    CHECK_BYTES(bytes_trim(BYTES_LIT(" \t a b\t ")), BYTES_LIT("a b"));
    CHECK_BYTES(bytes_trim(BYTES_LIT("a\n")), BYTES_LIT("a\n"));
    CHECK_U64(bytes_trim(BYTES_LIT(" \t ")).n, 0);
    CHECK_U64(bytes_trim((struct bytes){NULL, 0}).n, 0);
}

TEST(bytes_are_decimal_numbers) {
    static const struct {
        const char *text;
        uint64_t v;
    } good[] = {{"0", 0},
                {"9", 9},
                {"0010", 10},
                {"4294967296", 4294967296u},
                {"9999999999999999999", 9999999999999999999u}};
    static const char *const bad[] = {"",   "-1", "+1",  " 1",
                                      "1 ", "1a", "0x1", "18446744073709551615",
                                      "/",  ":",  "1.0", "00000000000000000001"};
    uint64_t v = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!bytes_parse_u64(&v, bytes_from_str(bad[i])));
        CHECK_U64(v, 77);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(bytes_parse_u64(&v, bytes_from_str(good[i].text)));
        CHECK_U64(v, good[i].v);
    }
}

TEST(buf_remembers_the_first_failure) {
    struct buf b;
    struct error why;
    buf_init(&b, 10);
    buf_append_str(&b, "12345678");
    buf_append_str(&b, "901");
    buf_append_str(&b, "9");
    CHECK_BYTES(buf_view(&b), BYTES_LIT("12345678"));
    CHECK_ERR(buf_check(&b, &why), ERR_LIMIT);
    buf_clear(&b);
    buf_append_str(&b, "1234567890");
    CHECK_OK(buf_check(&b, &why), &why);
    buf_free(&b);
}

TEST(buf_escapes_html) {
    struct buf b;
    buf_init(&b, 0);
    buf_append_html(&b, BYTES_LIT("a<b>&\"c\""));
    CHECK_BYTES(buf_view(&b), BYTES_LIT("a&lt;b&gt;&amp;&quot;c&quot;"));
    buf_free(&b);
}

TEST_MAIN()
