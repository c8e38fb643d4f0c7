/* SPDX-License-Identifier: MIT */
#include "test/harness/test.h"
#include "json/split.h"

TEST(values_are_found_however_they_are_cut) {
    static const char stream[] = " {\"a\":\"}\\\"{\"}\n[1,[2]]{}\t{\"b\":[{}]}";
    static const char *const expected[] = {"{\"a\":\"}\\\"{\"}", "[1,[2]]", "{}", "{\"b\":[{}]}"};
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct json_split s = {0};
        struct buf in;
        size_t found = 0;
        buf_init(&in, 0);
        for (size_t at = 0; at < sizeof stream - 1; at += piece) {
            buf_append(&in, bytes_slice(bytes_from_str(stream), at, piece));
            struct bytes value;
            while (json_split_next(&s, &value, buf_view(&in)) > 0) {
                CHECK(found < 4 && bytes_equal_str(value, expected[found]));
                found++;
                json_split_take(&s, &in);
            }
        }
        CHECK_U64(found, 4);
        buf_free(&in);
    }
}

TEST(what_is_no_container_is_refused) {
    static const char *const bad[] = {"1", "\"x\"", "null", "}", " ]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json_split s = {0};
        struct bytes value;
        CHECK(json_split_next(&s, &value, bytes_from_str(bad[i])) == ERR_SYNTAX);
    }
}

TEST_MAIN()
