/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_frame.h"

#include "test/harness/test.h"

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

TEST_MAIN()
