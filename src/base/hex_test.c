/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include "base/random.h"
#include "test/harness/test.h"

TEST(encode_then_decode_is_identity_for_every_length) {
    struct random_fast r;
    random_fast_seed(&r, 1);
    uint8_t in[200], out[200];
    char text[400];
    for (size_t n = 0; n <= sizeof in; n++) {
        for (size_t i = 0; i < n; i++) {
            in[i] = (uint8_t)random_fast_u64(&r);
        }
        hex_encode(text, bytes_make(in, n));
        struct error why;
        CHECK_OK(hex_decode(out, bytes_make(text, 2 * n), &why), &why);
        CHECK_BYTES(bytes_make(out, n), bytes_make(in, n));
    }
}

TEST(every_wrong_character_is_refused_where_it_stands) {
    char text[256];
    uint8_t out[128];
    for (size_t at = 0; at < sizeof text; at++) {
        for (unsigned c = 0; c < 256; c++) {
            bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            struct error why = {0};
            int r = hex_decode(out, bytes_make(text, sizeof text), &why);
            CHECK_I64(r, digit ? 0 : ERR_SYNTAX);
            if (!digit) CHECK_U64(why.at, at);
        }
    }
}

TEST(data_needs_prefix_and_even_digits) {
    struct arena a;
    arena_init(&a, 0);
    struct bytes got;
    struct error why;
    CHECK_OK(hex_decode_data(&got, &a, BYTES_LIT("0x"), &why), &why);
    CHECK_U64(got.n, 0);
    CHECK_OK(hex_decode_data(&got, &a, BYTES_LIT("0xDEadbeef"), &why), &why);
    CHECK_BYTES(got, BYTES_LIT("\xde\xad\xbe\xef"));
    static const char *const bad[] = {"", "0", "x", "deadbeef", "0Xdead", "0xdea", "0x0g", "0x ff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(hex_decode_data(&got, &a, bytes_from_str(bad[i]), &why), ERR_SYNTAX);
    }
    struct hash h;
    CHECK_ERR(hex_decode_hash(&h, BYTES_LIT("0x00"), &why), ERR_RANGE);
    struct address who;
    CHECK_OK(
        hex_decode_address(&who, BYTES_LIT("0x00000000000000000000000000000000000000fF"), &why),
        &why);
    CHECK_U64(who.b[19], 255);
    arena_free(&a);
    arena_init(&a, 16);
    CHECK_ERR(hex_decode_data(&got, &a, BYTES_LIT("0x000000000000000000000000000000000000"), &why),
              ERR_LIMIT);
    arena_free(&a);
}

TEST(quantities_are_strict) {
    struct error why;
    uint64_t v;
    struct u256 w;
    CHECK_OK(hex_decode_u64(&v, BYTES_LIT("0x0"), &why), &why);
    CHECK_U64(v, 0);
    CHECK_OK(hex_decode_u64(&v, BYTES_LIT("0xffffffffffffffff"), &why), &why);
    CHECK_U64(v, UINT64_MAX);
    CHECK_ERR(hex_decode_u64(&v, BYTES_LIT("0x10000000000000000"), &why), ERR_RANGE);
    static const char *const bad[] = {"0x", "0x00", "0x01", "1", "0X1", "0xg", "-0x1", "0x1 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(hex_decode_u64(&v, bytes_from_str(bad[i]), &why), ERR_SYNTAX);
    }
    char text[80] = "0x";
    memset(text + 2, 'f', 64);
    CHECK_OK(hex_decode_u256(&w, bytes_from_str(text), &why), &why);
    CHECK(u256_equal(w, U256_MAX));
    memset(text + 2, 'f', 65);
    CHECK_ERR(hex_decode_u256(&w, bytes_from_str(text), &why), ERR_RANGE);
    CHECK_OK(hex_decode_u256(&w, BYTES_LIT("0x1230000000000000000000000000000000f"), &why), &why);
    CHECK_U64(w.w[2], 0x123);
    CHECK_U64(w.w[0], 0xf);
}

TEST(append_writes_prefix_and_lower_case) {
    struct buf b;
    buf_init(&b, 0);
    hex_append_data(&b, BYTES_LIT("\x01\xAB"));
    hex_append(&b, BYTES_LIT("\x00"));
    CHECK_BYTES(buf_view(&b), BYTES_LIT("0x01ab00"));
    buf_free(&b);
    struct arena a;
    arena_init(&a, 0);
    CHECK_STR(hex_text(&a, BYTES_LIT("\xff")), "ff");
    arena_free(&a);
}

TEST_MAIN()
