/* SPDX-License-Identifier: MIT */
#include "net/http_date.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <time.h>

#define NOW 1700000000u

TEST(the_dates_of_the_standard) { // RFC 9110, 5.6.7
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        uint64_t t;
        struct error why;
        CHECK_OK(http_date_parse(&t, bytes_from_str(texts[i]), NOW, &why), &why);
        CHECK_U64(t, 784111777);
    }
    char text[HTTP_DATE_BYTES];
    http_date_write(text, 784111777);
    CHECK_BYTES(bytes_make(text, sizeof text), bytes_from_str(texts[0]));
}

TEST(dates_agree_with_the_system) {
    for (uint64_t t = 0; t < HTTP_DATE_MAX; t += 86400 * 11 + 12345 + t / 300) {
        char text[HTTP_DATE_BYTES], expected[40];
        time_t as_time = (time_t)t;
        struct tm tm;
        struct error why;
        uint64_t back;
        gmtime_r(&as_time, &tm);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        http_date_write(text, t);
        CHECK_BYTES(bytes_make(text, sizeof text), bytes_from_str(expected));
        CHECK_OK(http_date_parse(&back, bytes_make(text, sizeof text), NOW, &why), &why);
        CHECK_U64(back, t);
    }
    char text[HTTP_DATE_BYTES];
    http_date_write(text, UINT64_MAX);
    CHECK_BYTES(bytes_make(text, sizeof text), BYTES_LIT("Fri, 31 Dec 9999 23:59:59 GMT"));
}

TEST(centuries_of_two_digit_years) {
    uint64_t t;
    struct error why;
    char text[HTTP_DATE_BYTES];
    CHECK_OK(http_date_parse(&t, BYTES_LIT("Monday, 01-Jan-73 00:00:00 GMT"), NOW, &why), &why);
    http_date_write(text, t); // 2023 and 50 years
    CHECK_BYTES(bytes_make(text + 12, 4), BYTES_LIT("2073"));
    CHECK_OK(http_date_parse(&t, BYTES_LIT("Monday, 01-Jan-74 00:00:00 GMT"), NOW, &why), &why);
    http_date_write(text, t);
    CHECK_BYTES(bytes_make(text + 12, 4), BYTES_LIT("1974"));
}

TEST(wrong_dates_are_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"Sun", ERR_SYNTAX},
        {"Sunday", ERR_SYNTAX},
        {"Son, 06 Nov 1994 08:49:37 GMT", ERR_SYNTAX},
        {"Sun, 6 Nov 1994 08:49:37 GMT", ERR_SYNTAX},
        {"Sun, 06 nov 1994 08:49:37 GMT", ERR_SYNTAX},
        {"Sun, 06 Nov 94 08:49:37 GMT", ERR_SYNTAX},
        {"Sun, 06 Nov 1994 08:49:37", ERR_SYNTAX},
        {"Sun, 06 Nov 1994 08:49:37 UTC", ERR_SYNTAX},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", ERR_SYNTAX},
        {"Sun, 06 Nov 1994 8:49:37 GMT", ERR_SYNTAX},
        {"Sun, 06-Nov-94 08:49:37 GMT", ERR_SYNTAX},
        {"Sun Nov 6 08:49:37 1994", ERR_SYNTAX},
        {"Sun, 00 Nov 1994 08:49:37 GMT", ERR_RANGE},
        {"Sun, 31 Nov 1994 08:49:37 GMT", ERR_RANGE},
        {"Sun, 29 Feb 2023 08:49:37 GMT", ERR_RANGE},
        {"Sun, 29 Feb 2100 08:49:37 GMT", ERR_RANGE},
        {"Sun, 06 Nov 1994 24:00:00 GMT", ERR_RANGE},
        {"Sun, 06 Nov 1994 08:60:37 GMT", ERR_RANGE},
        {"Sun, 06 Nov 1994 08:49:61 GMT", ERR_RANGE},
        {"Wed, 31 Dec 1969 23:59:59 GMT", ERR_RANGE},
        {"Thu, 29 Feb 2024 23:59:60 GMT", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t t;
        struct error why;
        int r = http_date_parse(&t, bytes_from_str(cases[i].text), NOW, &why);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].text, error_name(r));
    }
}

TEST_MAIN()
