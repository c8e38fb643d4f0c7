/* SPDX-License-Identifier: MIT */
#include "net/coding.h"
#include "test/harness/test.h"

#include <zlib.h>

static void compress_to(struct buf *out, struct bytes in, bool gzip) {
    z_stream z = {0};
    CHECK(deflateInit2(&z, 6, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&z, in.n);
    z.next_in = (z_const Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = buf_reserve(out, room);
    z.avail_out = (uInt)room;
    CHECK(z.next_out && deflate(&z, Z_FINISH) == Z_STREAM_END);
    buf_commit(out, room - z.avail_out);
    deflateEnd(&z);
}

static void fill(struct buf *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        buf_append_byte(b, (uint8_t)(i * i >> 7));
    }
}

TEST(bodies_are_decoded_in_any_pieces) {
    struct buf plain, packed, out;
    struct error why;
    buf_init(&plain, 0);
    buf_init(&packed, 0);
    buf_init(&out, 0);
    fill(&plain, 100000);
    for (int coding = CODING_IDENTITY; coding <= CODING_DEFLATE; coding++) {
        buf_clear(&packed);
        if (coding == CODING_IDENTITY) {
            buf_append(&packed, buf_view(&plain));
        } else {
            compress_to(&packed, buf_view(&plain), coding == CODING_GZIP);
        }
        for (size_t piece = 1; piece < 200000; piece = piece * 7 + 1) {
            struct coding_reader *r;
            buf_clear(&out);
            CHECK_OK(coding_reader_new(&r, (enum coding)coding, 100000, &why), &why);
            for (size_t at = 0; at < packed.n; at += piece) {
                CHECK_OK(
                    coding_reader_feed(r, bytes_slice(buf_view(&packed), at, piece), &out, &why),
                    &why);
            }
            CHECK_OK(coding_reader_end(r, &why), &why);
            coding_reader_free(r);
            CHECK_BYTES(buf_view(&out), buf_view(&plain));
        }
    }
    coding_reader_free(NULL);
    buf_free(&plain);
    buf_free(&packed);
    buf_free(&out);
}

TEST(the_limit_holds_at_its_edge) {
    struct buf plain, packed, out;
    struct error why;
    buf_init(&plain, 0);
    buf_init(&packed, 0);
    buf_init(&out, 0);
    buf_append_fill(&plain, 0, 10u << 20); // ten MiB in ten KiB
    compress_to(&packed, buf_view(&plain), true);
    CHECK(packed.n < 11000);
    CHECK_OK(coding_decode(&out, buf_view(&packed), CODING_GZIP, 10u << 20, &why), &why);
    CHECK_U64(out.n, 10u << 20);
    buf_clear(&out);
    CHECK_ERR(coding_decode(&out, buf_view(&packed), CODING_GZIP, (10u << 20) - 1, &why),
              ERR_LIMIT);
    buf_free(&out);
    buf_init(&out, 0);
    CHECK_ERR(coding_decode(&out, buf_view(&packed), CODING_GZIP, 1000, &why), ERR_LIMIT);
    CHECK(out.capacity < 65536);
    CHECK_ERR(coding_decode(&out, BYTES_LIT("12345"), CODING_IDENTITY, 4, &why), ERR_LIMIT);
    buf_free(&out);
    buf_init(&out, 100);
    CHECK_ERR(coding_decode(&out, buf_view(&packed), CODING_GZIP, 10u << 20, &why), ERR_LIMIT);
    buf_free(&plain);
    buf_free(&packed);
    buf_free(&out);
}

TEST(damage_is_found) {
    struct buf plain, packed, out;
    struct error why;
    buf_init(&plain, 0);
    buf_init(&out, 0);
    fill(&plain, 500);
    for (int gzip = 0; gzip < 2; gzip++) {
        enum coding coding = gzip ? CODING_GZIP : CODING_DEFLATE;
        buf_init(&packed, 0);
        compress_to(&packed, buf_view(&plain), gzip);
        for (size_t n = 0; n < packed.n; n++) {
            buf_clear(&out);
            CHECK_ERR(coding_decode(&out, bytes_make(packed.p, n), coding, 1000, &why), ERR_SYNTAX);
        }
        packed.p[packed.n - 5] ^= 1; // the checksum or the length
        buf_clear(&out);
        CHECK_ERR(coding_decode(&out, buf_view(&packed), coding, 1000, &why), ERR_SYNTAX);
        packed.p[packed.n - 5] ^= 1;
        buf_append_byte(&packed, 'x');
        buf_clear(&out);
        CHECK_ERR(coding_decode(&out, buf_view(&packed), coding, 1000, &why), ERR_SYNTAX);
        buf_free(&packed);
    }
    CHECK_ERR(coding_decode(&out, BYTES_LIT("plain text"), CODING_GZIP, 1000, &why), ERR_SYNTAX);
    buf_free(&plain);
    buf_free(&out);
}

TEST(members_of_gzip_follow_each_other) {
    struct buf packed, out;
    struct error why;
    buf_init(&packed, 0);
    buf_init(&out, 0);
    compress_to(&packed, BYTES_LIT("one "), true);
    compress_to(&packed, BYTES_LIT("two"), true);
    CHECK_OK(coding_decode(&out, buf_view(&packed), CODING_GZIP, 1000, &why), &why);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("one two"));
    buf_clear(&out);
    CHECK_ERR(coding_decode(&out, bytes_make(packed.p, packed.n - 1), CODING_GZIP, 1000, &why),
              ERR_SYNTAX);
    buf_free(&packed);
    buf_free(&out);
}

TEST(content_encoding) {
    static const struct {
        const char *value;
        enum coding coding;
        int code;
    } cases[] = {
        {"gzip", CODING_GZIP, 0},
        {"X-GZip", CODING_GZIP, 0},
        {"deflate", CODING_DEFLATE, 0},
        {"identity", CODING_IDENTITY, 0},
        {"identity, gzip", CODING_GZIP, 0},
        {"br", CODING_IDENTITY, ERR_UNSUPPORTED},
        {"gzip, gzip", CODING_IDENTITY, ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct error why;
        struct http_fields f = {0};
        enum coding coding = CODING_IDENTITY;
        arena_init(&a, 0);
        CHECK_OK(coding_of(&coding, &f, &why), &why);
        CHECK_OK(http_fields_add(&f, &a, BYTES_LIT("content-encoding"),
                                 bytes_from_str(cases[i].value), &why),
                 &why);
        CHECK_ERR(coding_of(&coding, &f, &why), cases[i].code);
        CHECK_U64(coding, cases[i].coding);
        arena_free(&a);
    }
}

TEST_MAIN()
