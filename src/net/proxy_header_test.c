/* SPDX-License-Identifier: MIT */
#include "net/proxy_header.h"
#include "test/harness/test.h"

static void expect(struct bytes in, const char *source, const char *destination) {
    struct proxy_header h;
    struct error why;
    size_t n = 0;
    struct buf b;
    char text[SOCKET_TEXT_MAX];
    buf_init(&b, 0);
    buf_append(&b, in);
    buf_append_str(&b, "GET /");
    for (size_t i = 0; i < in.n; i++) {
        CHECK_ERR(proxy_header_parse(&h, &n, bytes_make(b.p, i), &why), ERR_AGAIN);
    }
    CHECK_OK(proxy_header_parse(&h, &n, buf_view(&b), &why), &why);
    CHECK_U64(n, in.n);
    CHECK_U64(h.local, source == NULL);
    if (source) {
        CHECK_BYTES(bytes_make(text, socket_address_text(text, &h.source)), bytes_from_str(source));
        CHECK_BYTES(bytes_make(text, socket_address_text(text, &h.destination)),
                    bytes_from_str(destination));
    } else {
        CHECK_U64(h.source.n, 0);
    }
    buf_free(&b);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

TEST(headers_are_read) {
    expect(BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1234 443\r\n"), "1.2.3.4:1234", "5.6.7.8:443");
    expect(BYTES_LIT("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "[2001:db8::1]:0", "[::1]:65535");
    expect(BYTES_LIT("PROXY UNKNOWN\r\n"), NULL, NULL);
    expect(BYTES_LIT("PROXY UNKNOWN ffff::1 what ever\r\n"), NULL, NULL);
    expect(BYTES_LIT(SIGNATURE "\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\x04\xd2\x01\xbb"), "1.2.3.4:1234",
           "5.6.7.8:443");
    expect(BYTES_LIT(SIGNATURE "\x21\x11\0\x10\1\2\3\4\5\6\7\x08\x04\xd2\x01\xbb\x04\0\1x"),
           "1.2.3.4:1234", "5.6.7.8:443");
    expect(BYTES_LIT(SIGNATURE "\x20\x11\0\x0c\1\2\3\4\5\6\7\x08\x04\xd2\x01\xbb"), NULL, NULL);
    expect(BYTES_LIT(SIGNATURE "\x20\0\0\0"), NULL, NULL);
    expect(BYTES_LIT(SIGNATURE "\x21\0\0\0"), NULL, NULL);
}

TEST(wrong_headers_are_refused) {
    static const struct bytes cases[] = {
        BYTES_LIT("GET / HTTP/1.1\r\n"),
        BYTES_LIT("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"),
        BYTES_LIT("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"),
        BYTES_LIT("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"),
        BYTES_LIT("PROXY TCP4 ::1 ::1 1 2\r\n"),
        BYTES_LIT("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"),
        BYTES_LIT("PROXY \r\n"),
        BYTES_LIT(SIGNATURE "\x11\x11\0\0"),
        BYTES_LIT(SIGNATURE "\x22\x11\0\0"),
        BYTES_LIT(SIGNATURE "\x21\x12\0\x0c\1\2\3\4\5\6\7\x08\x04\xd2\x01\xbb"),
        BYTES_LIT(SIGNATURE "\x21\x11\0\x0b\1\2\3\4\5\6\7\x08\x04\xd2\x01"),
        BYTES_LIT(SIGNATURE "\x21\x21\0\x0c\1\2\3\4\5\6\7\x08\x04\xd2\x01\xbb"),
    };
    struct proxy_header h;
    struct error why;
    size_t n;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int r = proxy_header_parse(&h, &n, cases[i], &why);
        if (r != ERR_SYNTAX) FAIL("case %zu: %s", i, error_name(r));
    }
    CHECK_ERR(proxy_header_parse(&h, &n, BYTES_LIT(SIGNATURE "\x21\x11\xff\xff"), &why), ERR_LIMIT);
    char line[120] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof line - 14);
    CHECK_ERR(proxy_header_parse(&h, &n, bytes_make(line, 106), &why), ERR_AGAIN);
    CHECK_ERR(proxy_header_parse(&h, &n, bytes_make(line, 107), &why), ERR_SYNTAX);
}

TEST(what_is_written_is_read) {
    static const char *const addresses[][2] = {
        {"1.2.3.4:5", "6.7.8.9:10"}, {"[::1]:5", "[2001:db8::2]:6"}, {"unix:/a", "unix:@b"}};
    struct error why;
    for (unsigned version = 1; version <= 2; version++) {
        for (size_t i = 0; i < 3; i++) {
            struct proxy_header h = {.local = false}, back;
            struct buf b;
            size_t n;
            char text[SOCKET_TEXT_MAX];
            struct bytes from = bytes_from_str(addresses[i][0]);
            struct bytes to = bytes_from_str(addresses[i][1]);
            buf_init(&b, 0);
            CHECK_OK(socket_address_parse(&h.source, from, 0, &why), &why);
            CHECK_OK(socket_address_parse(&h.destination, to, 0, &why), &why);
            proxy_header_write(&b, version, &h);
            CHECK_OK(proxy_header_parse(&back, &n, buf_view(&b), &why), &why);
            CHECK_U64(n, b.n);
            CHECK_U64(back.local, version == 1 && i == 2);
            if (!back.local) {
                CHECK_BYTES(bytes_make(text, socket_address_text(text, &back.source)), from);
                CHECK_BYTES(bytes_make(text, socket_address_text(text, &back.destination)), to);
            }
            buf_clear(&b);
            h.local = true;
            proxy_header_write(&b, version, &h);
            CHECK_OK(proxy_header_parse(&back, &n, buf_view(&b), &why), &why);
            CHECK(back.local);
            buf_free(&b);
        }
    }
}

TEST_MAIN()
