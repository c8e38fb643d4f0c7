/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_frame.h"

#include "test/harness/test.h"

#include <stdio.h>

static struct arena a;
static struct error why;

TEST(bytes_of_every_base_read_back) {
    static const uint8_t most[] = {1, 2, 3, 5, 15, 255};
    arena_init(&a, 1u << 20);
    for (size_t m = 0; m < sizeof most; m++) {
        for (size_t n = 0; n < 20; n++) {
            for (unsigned least = 0; least <= 255u - most[m]; least += 51) {
                uint8_t v[20];
                struct buf out;
                struct bytes got = {NULL, 0};
                for (size_t i = 0; i < n; i++) {
                    v[i] = (uint8_t)(least + i * 7 % (most[m] + 1u));
                }
                buf_init(&out, 0);
                bitcode_put_bytes(&out, bytes_make(v, n));
                struct bitcode_reader r = {buf_view(&out), &a};
                CHECK_OK(bitcode_read_bytes(&r, &got, n, &why), &why);
                CHECK_BYTES(got, bytes_make(v, n));
                CHECK_OK(bitcode_read_end(&r, &why), &why);
                buf_free(&out);
            }
        }
    }
    arena_free(&a);
}

TEST(integers_of_every_width_read_back) {
    static const uint64_t base[] = {0, 200, 60000, 1u << 31, 1ull << 40, UINT64_MAX - 70000};
    static const uint64_t step[] = {0, 1, 300, 3000};
    arena_init(&a, 1u << 20);
    for (size_t k = 0; k < sizeof base / sizeof *base * 4; k++) {
        for (size_t n = 0; n < 20; n++) {
            uint64_t v[20], got[20];
            struct buf out;
            for (size_t i = 0; i < n; i++) {
                v[i] = base[k / 4] + i * step[k % 4];
            }
            buf_init(&out, 0);
            bitcode_put_u64s(&out, v, n);
            struct bitcode_reader r = {buf_view(&out), &a};
            CHECK_OK(bitcode_read_u64s(&r, got, n, &why), &why);
            CHECK(memcmp(got, v, n * sizeof *v) == 0);
            CHECK_OK(bitcode_read_end(&r, &why), &why);
            buf_free(&out);
        }
    }
    arena_free(&a);
}

TEST(frames_wait_for_their_end) {
    struct buf out;
    struct peer_frame f;
    buf_init(&out, 0);
    peer_frame_put_ping(&out);
    for (size_t n = 0; n < out.n; n++) {
        CHECK_ERR(peer_frame_parse(&f, bytes_make(out.p, n), 4, &why), ERR_AGAIN);
    }
    CHECK_OK(peer_frame_parse(&f, buf_view(&out), 4, &why), &why);
    CHECK(peer_frame_is_ping(&f));
    CHECK_ERR(peer_frame_parse(&f, buf_view(&out), 3, &why), ERR_LIMIT);
    out.p[1] = 5;
    CHECK_ERR(peer_frame_parse(&f, buf_view(&out), 4, &why), ERR_SYNTAX);
    out.p[0] = 3;
    CHECK_ERR(peer_frame_parse(&f, buf_view(&out), 4, &why), ERR_SYNTAX);
    buf_free(&out);
}

static int decode_again(struct peer_header *headers, size_t n) {
    struct peer_message m = {headers, n, BYTES_LIT("data")};
    struct buf out;
    arena_init(&a, 1u << 20);
    buf_init(&out, 0);
    peer_message_encode(&out, &m);
    int r = peer_message_decode(&m, buf_view(&out), &a, &why);
    if (r == 0) CHECK_U64(m.header_count, n);
    buf_free(&out);
    arena_free(&a);
    return r;
}

TEST(messages_have_few_headers_and_each_once) {
    static char names[PEER_HEADERS_MAX + 1][8];
    struct peer_header headers[PEER_HEADERS_MAX + 1];
    for (unsigned i = 0; i <= PEER_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "key-%u", i);
        headers[i] = (struct peer_header){bytes_from_str(names[i]), BYTES_LIT("value")};
    }
    CHECK_OK(decode_again(headers, PEER_HEADERS_MAX), &why);
    CHECK_ERR(decode_again(headers, PEER_HEADERS_MAX + 1), ERR_LIMIT);
    headers[9].key = BYTES_LIT("Key-3"); // other spellings are written on purpose
    CHECK_OK(decode_again(headers, 10), &why);
    headers[9].key = BYTES_LIT("key-3");
    CHECK_ERR(decode_again(headers, 10), ERR_INVALID);
}

TEST_MAIN()
