/* SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "base/random.h"
#include "test/harness/test.h"

#include <string.h>

static int decode(struct bytes *ret, const char *text, unsigned flags, struct arena *a) {
    struct error why = {0};
    return base64_decode(ret, bytes_from_str(text), flags, a, &why);
}

TEST(base64_reads_and_writes_the_rfc_examples) {
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    struct arena a;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct bytes got = {NULL, 0};
        buf_clear(&out);
        base64_append(&out, bytes_from_str(pairs[i][0]), 0);
        CHECK_BYTES(buf_view(&out), bytes_from_str(pairs[i][1]));
        CHECK_ERR(decode(&got, pairs[i][1], 0, &a), 0);
        CHECK_BYTES(got, bytes_from_str(pairs[i][0]));
    }
    buf_free(&out);
    arena_free(&a);
}

TEST(base64_keeps_alphabets_and_padding_apart) {
    struct arena a;
    struct bytes got;
    arena_init(&a, 0);
    CHECK_ERR(decode(&got, "-_-_", BASE64_URL, &a), 0);
    CHECK_ERR(decode(&got, "-_-_", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "+/+/", BASE64_URL, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zg", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zg", BASE64_NO_PAD, &a), 0);
    CHECK_ERR(decode(&got, "Zg==", BASE64_NO_PAD, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zg", BASE64_ANY_PAD, &a), 0);
    CHECK_ERR(decode(&got, "Zg==", BASE64_ANY_PAD, &a), 0);
    CHECK_ERR(decode(&got, "Zg=", BASE64_ANY_PAD, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zh==", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zg===", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Z===", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Z", BASE64_NO_PAD, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, "Zm9v\nYmFy", 0, &a), ERR_SYNTAX);
    CHECK_ERR(decode(&got, " Zm9v\r\nYmFy\n", BASE64_WHITESPACE, &a), 0);
    CHECK_ERR(decode(&got, "Zg==Zg==", 0, &a), ERR_SYNTAX);
    arena_free(&a);
}

TEST(base64_round_trips) {
    struct arena a;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 0);
    for (size_t n = 0; n < 200; n++) {
        uint8_t in[200];
        struct bytes got = {NULL, 0};
        struct error why = {0};
        unsigned flags = n % 4;
        random_bytes(in, n);
        buf_clear(&out);
        base64_append(&out, bytes_make(in, n), flags);
        CHECK_OK(base64_decode(&got, buf_view(&out), flags, &a, &why), &why);
        CHECK_BYTES(got, bytes_make(in, n));
    }
    buf_free(&out);
    arena_free(&a);
}

TEST_MAIN()
