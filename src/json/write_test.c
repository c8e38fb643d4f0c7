/* SPDX-License-Identifier: MIT */
#include "json/write.h"

#include "test/harness/test.h"
#include "json/json.h"

#include <math.h>

static struct buf out;

TEST(compact_and_pretty) {
    for (unsigned pretty = 0; pretty < 2; pretty++) {
        struct json_writer w;
        buf_clear(&out);
        json_writer_init(&w, &out, pretty ? JSON_PRETTY : 0);
        json_begin_object(&w, NULL);
        json_add_str(&w, "a", "x\"\n\x01\\");
        json_add_str(&w, "none", NULL);
        json_begin_array(&w, "b");
        json_add_u64(&w, NULL, UINT64_MAX);
        json_add_i64(&w, NULL, INT64_MIN);
        json_begin_object(&w, NULL);
        json_end(&w);
        json_end(&w);
        json_add_key(&w, BYTES_LIT("k"));
        json_begin_array(&w, NULL);
        json_add_bool(&w, NULL, true);
        json_end(&w);
        json_end(&w);
        json_end(&w);
        CHECK_BYTES(buf_view(&out),
                    pretty
                        ? BYTES_LIT("{\n  \"a\": \"x\\\"\\n\\u0001\\\\\",\n  \"none\": null,\n  "
                                    "\"b\": [\n    18446744073709551615,\n    "
                                    "-9223372036854775808,\n    {}\n  ],\n  \"k\": [\n    true\n"
                                    "  ]\n}")
                        : BYTES_LIT("{\"a\":\"x\\\"\\n\\u0001\\\\\",\"none\":null,\"b\":["
                                    "18446744073709551615,-9223372036854775808,{}],\"k\":[true]}"));
    }
    buf_free(&out);
}

static void check_double(double v, const char *expected) {
    struct json_writer w;
    buf_clear(&out);
    json_writer_init(&w, &out, 0);
    json_add_double(&w, NULL, v);
    CHECK_BYTES(buf_view(&out), bytes_from_str(expected));
}

TEST(doubles_are_shortest) {
    check_double(0.1, "0.1");
    check_double(-1.5, "-1.5");
    check_double(100, "100");
    check_double(1e20, "100000000000000000000");
    check_double(1e21, "1e+21");
    check_double(1.25e-7, "1.25e-7");
    check_double(0.000001, "0.000001");
    check_double(5e-324, "5e-324");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
    check_double(0, "0");
    check_double(NAN, "null");
    check_double(INFINITY, "null");
    buf_free(&out);
}

TEST(ethereum_values) {
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    json_begin_array(&w, NULL);
    json_add_data(&w, NULL, BYTES_LIT("\x00\xff"));
    json_add_quantity(&w, NULL, 0);
    json_add_quantity256(&w, NULL, u256_from_u64(255));
    json_add_decimal(&w, NULL, 12);
    json_add_decimal256(&w, NULL, u256_from_u64(13));
    json_add_u256(&w, NULL, u256_from_u64(14));
    json_add_raw(&w, NULL, BYTES_LIT("{}"));
    json_end(&w);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("[\"0x00ff\",\"0x0\",\"0xff\",\"12\",\"13\",14,{}]"));
    buf_free(&out);
}

TEST(html_escapes_and_wrong_utf8) {
    json_append_string(&out, BYTES_LIT("<a>&\xe2\x80\xa8\xc3\xa9\xff"), JSON_GO_HTML);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("\"\\u003ca\\u003e\\u0026\\u2028\xc3\xa9\xef\xbf\xbd\""));
    buf_clear(&out);
    json_append_string(&out, BYTES_LIT("<\xe2\x80\xa8>"), 0);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("\"<\xe2\x80\xa8>\""));
    buf_free(&out);
}

TEST(too_deep_and_too_long_fail_in_the_buf) {
    struct json_writer w;
    struct error why;
    json_writer_init(&w, &out, 0);
    for (unsigned i = 0; i <= JSON_WRITE_DEPTH_MAX; i++) {
        json_begin_array(&w, NULL);
    }
    CHECK_ERR(buf_check(&out, &why), ERR_LIMIT);
    buf_free(&out);
    buf_init(&out, 3);
    json_writer_init(&w, &out, 0);
    json_add_str(&w, NULL, "long");
    CHECK_ERR(buf_check(&out, &why), ERR_LIMIT);
    buf_free(&out);
    buf_init(&out, 0);
}

TEST_MAIN()
