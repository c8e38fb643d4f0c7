/* SPDX-License-Identifier: MIT */
#include "net/websocket.h"
#include "test/harness/test.h"

#include <stdlib.h>

#define MAX 1000u

/* Events of some input as text, fed `piece` bytes at a time from copies of exact size. */
static int run(struct buf *log, bool server, struct bytes input, size_t piece) {
    struct websocket w;
    struct error why;
    int r = 0;
    websocket_init(&w, server, MAX);
    buf_clear(log);
    for (size_t at = 0; at < input.n && r == 0; at += piece) {
        struct bytes part = bytes_slice(input, at, piece);
        uint8_t *copy = malloc(part.n), *p = copy;
        size_t n = part.n;
        CHECK(copy != NULL);
        memcpy(copy, part.p, n);
        struct websocket_event ev;
        while ((r = websocket_next(&ev, &w, &p, &n, &why)) == 0 && ev.type != WEBSOCKET_MORE) {
            buf_printf(log, "%d:%u:", (int)ev.type, ev.close_code);
            buf_append(log, ev.data);
            buf_append_str(log, ";");
            if (ev.type == WEBSOCKET_CLOSE) break;
        }
        bool closed = w.closed;
        free(copy);
        if (closed) break;
    }
    if (r < 0) {
        uint8_t *p = NULL;
        size_t n = 0;
        struct websocket_event ev;
        CHECK_ERR(websocket_next(&ev, &w, &p, &n, &why), ERR_CLOSED);
    }
    websocket_free(&w);
    return r;
}

static int run_all(struct buf *log, bool server, struct bytes input) {
    int whole = run(log, server, input, input.n);
    struct buf other;
    buf_init(&other, 0);
    for (size_t piece = 1; piece < 40; piece = piece * 2 + 1) {
        int r = run(&other, server, input, piece);
        CHECK_I64(r, whole);
        CHECK_BYTES(buf_view(&other), buf_view(log));
    }
    buf_free(&other);
    return whole;
}

static void expect(struct bytes input, int code, const char *log) {
    struct buf b;
    buf_init(&b, 0);
    int r = run_all(&b, false, input);
    if (r != code) FAIL("%s, expected %s", error_name(r), error_name(code));
    if (log) CHECK_BYTES(buf_view(&b), bytes_from_str(log));
    buf_free(&b);
}

TEST(the_frames_of_the_standard) { // RFC 6455, 5.7
    struct buf b;
    buf_init(&b, 0);
    expect(BYTES_LIT("\x81\x05Hello"), 0, "1:0:Hello;");
    expect(BYTES_LIT("\x01\x03Hel\x80\x02lo"), 0, "1:0:Hello;");
    expect(BYTES_LIT("\x89\x05Hello"), 0, "3:0:Hello;");
    CHECK_ERR(run_all(&b, true, BYTES_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")), 0);
    CHECK_BYTES(buf_view(&b), bytes_from_str("1:0:Hello;"));
    CHECK_ERR(run_all(&b, true, BYTES_LIT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")), 0);
    CHECK_BYTES(buf_view(&b), bytes_from_str("4:0:Hello;"));
    buf_free(&b);
}

TEST(fragments_with_control_frames_between) {
    expect(BYTES_LIT("\x02\x01"
                     "a\x89\x01p\x00\x00\x8a\x00\x00\x01"
                     "b\x80\x01"
                     "c"),
           0, "3:0:p;4:0:;2:0:abc;");
    expect(BYTES_LIT("\x81\x00\x82\x00\x01\x00\x80\x00"), 0, "1:0:;2:0:;1:0:;");
}

TEST(closes) {
    expect(BYTES_LIT("\x88\x00\x81\x01x"), 0, "5:1005:;");
    expect(BYTES_LIT("\x88\x02\x03\xe8"), 0, "5:1000:;");
    expect(BYTES_LIT("\x88\x05\x0f\xa0"
                     "bye"),
           0, "5:4000:bye;");
    expect(BYTES_LIT("\x88\x01\x03"), ERR_INVALID, "");
    static const uint16_t bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t frame[4] = {0x88, 2};
        store_be16(frame + 2, bad[i]);
        expect(bytes_make(frame, 4), ERR_INVALID, "");
    }
    expect(BYTES_LIT("\x88\x04\x03\xe8\xc3\x28"), ERR_SYNTAX, "");
}

TEST(what_the_protocol_forbids) {
    struct buf b;
    buf_init(&b, 0);
    expect(BYTES_LIT("\xc1\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\xa1\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x91\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x83\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x8b\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x09\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x89\x7e\x00\x7e"), ERR_INVALID, "");
    expect(BYTES_LIT("\x80\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x01\x00\x81\x00"), ERR_INVALID, "");
    expect(BYTES_LIT("\x82\x7e\x00\x7d"), ERR_INVALID, "");
    expect(BYTES_LIT("\x82\x7f\0\0\0\0\0\0\xff\xff"), ERR_INVALID, "");
    expect(BYTES_LIT("\x82\x7f\x80\0\0\0\0\0\0\0"), ERR_INVALID, "");
    expect(BYTES_LIT("\x81\x80\0\0\0\0"), ERR_INVALID, "");
    CHECK_ERR(run_all(&b, true, BYTES_LIT("\x81\x00")), ERR_INVALID);
    buf_free(&b);
}

TEST(text_is_utf8) {
    expect(BYTES_LIT("\x01\x01\xe2\x00\x01\x82\x80\x01\xac"), 0, "1:0:\xe2\x82\xac;");
    expect(BYTES_LIT("\x01\x02\xf0\x9f\x80\x02\x98\x80"), 0, "1:0:\xf0\x9f\x98\x80;");
    expect(BYTES_LIT("\x02\x01\xff\x80\x01\xff"), 0, "2:0:\xff\xff;");
    expect(BYTES_LIT("\x81\x01\xe2"), ERR_SYNTAX, "");
    expect(BYTES_LIT("\x81\x02\xc0\x80"), ERR_SYNTAX, "");
    expect(BYTES_LIT("\x81\x03\xed\xa0\x80"), ERR_SYNTAX, "");
    /* Found in the first fragment already. */
    static const char *const early[] = {
        "\x01\x01\xff",     "\x01\x01\x80",     "\x01\x02\xe0\x80",     "\x01\x02\xed\xa0",
        "\x01\x02\xf0\x80", "\x01\x02\xf4\x90", "\x01\x03\xf0\x90\x41", "\x01\x02\xc3\x28"};
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        expect(bytes_from_str(early[i]), ERR_SYNTAX, "");
    }
}

TEST(messages_are_bounded) {
    struct buf b;
    buf_init(&b, 0);
    buf_append(&b, BYTES_LIT("\x82\x7e\x03\xe8"));
    buf_append_fill(&b, 'x', MAX);
    expect(buf_view(&b), 0, NULL);
    expect(BYTES_LIT("\x82\x7e\x03\xe9"), ERR_LIMIT, "");
    b.p[0] = 2;
    buf_append(&b, BYTES_LIT("\x00\x01"));
    expect(buf_view(&b), ERR_LIMIT, "");
    expect(BYTES_LIT("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), ERR_LIMIT, "");
    buf_free(&b);
}

TEST(what_one_side_writes_the_other_reads) {
    static const size_t sizes[] = {0, 1, 125, 126, 127, 999, 65535, 65536, 100003};
    struct error why;
    for (int server = 0; server < 2; server++) {
        struct websocket from, to;
        struct buf out, data;
        websocket_init(&from, server, 0);
        websocket_init(&to, !server, 1u << 20);
        buf_init(&out, 0);
        buf_init(&data, 0);
        buf_append_fill(&data, 'y', 100003);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct bytes part = bytes_slice(buf_view(&data), 0, sizes[i]);
            websocket_write(&from, &out, i % 2, part);
            websocket_write_part(&from, &out, true, true, false, part);
            websocket_write_ping(&from, &out, bytes_slice(part, 0, 200));
            websocket_write_part(&from, &out, true, false, true, BYTES_LIT("z"));
            uint8_t *p = out.p;
            size_t n = out.n;
            struct websocket_event ev;
            CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
            CHECK_U64(ev.type, i % 2 ? WEBSOCKET_TEXT : WEBSOCKET_BINARY);
            CHECK_BYTES(ev.data, part);
            CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
            CHECK_U64(ev.type, WEBSOCKET_PING);
            CHECK_U64(ev.data.n, sizes[i] < 125 ? sizes[i] : 125);
            CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
            CHECK_U64(ev.type, WEBSOCKET_TEXT);
            CHECK_U64(ev.data.n, sizes[i] + 1);
            CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
            CHECK_U64(ev.type, WEBSOCKET_MORE);
            buf_clear(&out);
        }
        websocket_write_pong(&from, &out, BYTES_LIT("p"));
        /* The reason is cut between characters. */
        buf_clear(&data);
        for (int i = 0; i < 100; i++) {
            buf_append_str(&data, "\xc3\xa4");
        }
        websocket_write_close(&from, &out, WEBSOCKET_GOING_AWAY, buf_view(&data));
        uint8_t *p = out.p;
        size_t n = out.n;
        struct websocket_event ev;
        CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
        CHECK_U64(ev.type, WEBSOCKET_PONG);
        CHECK_OK(websocket_next(&ev, &to, &p, &n, &why), &why);
        CHECK_U64(ev.type, WEBSOCKET_CLOSE);
        CHECK_U64(ev.close_code, WEBSOCKET_GOING_AWAY);
        CHECK_U64(ev.data.n, 122);
        CHECK_ERR(websocket_next(&ev, &to, &p, &n, &why), ERR_CLOSED);
        buf_clear(&out);
        websocket_write_close(&from, &out, WEBSOCKET_NO_CODE, BYTES_LIT("ignored"));
        CHECK_U64(out.n, server ? 2 : 6);
        buf_free(&out);
        buf_free(&data);
        websocket_free(&from);
        websocket_free(&to);
    }
}

TEST(masks_differ) {
    struct websocket w;
    struct buf out;
    websocket_init(&w, false, 0);
    buf_init(&out, 0);
    uint32_t last = 0;
    for (int i = 0; i < 200; i++) {
        buf_clear(&out);
        websocket_write_ping(&w, &out, BYTES_LIT(""));
        uint32_t mask = load_le32(out.p + 2);
        CHECK(mask != last);
        last = mask;
    }
    buf_free(&out);
    websocket_free(&w);
}

TEST(masking_in_wide_words_is_masking_by_bytes) {
    uint8_t data[160], expected[160];
    for (size_t offset = 0; offset < 5; offset++) {
        for (size_t n = 0; n < 140; n++) {
            for (size_t at = 0; at < 4; at++) {
                static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
                for (size_t i = 0; i < sizeof data; i++) {
                    data[i] = expected[i] = (uint8_t)(i * 31);
                }
                for (size_t i = 0; i < n; i++) {
                    expected[offset + i] ^= mask[(at + i) % 4];
                }
                websocket_mask(data + offset, n, load_le32(mask), at);
                CHECK(memcmp(data, expected, sizeof data) == 0);
            }
        }
    }
}

TEST(close_codes_of_errors) {
    CHECK_U64(websocket_close_code_of(ERR_INVALID), WEBSOCKET_PROTOCOL_ERROR);
    CHECK_U64(websocket_close_code_of(ERR_SYNTAX), WEBSOCKET_NOT_UTF8);
    CHECK_U64(websocket_close_code_of(ERR_LIMIT), WEBSOCKET_TOO_BIG);
    CHECK_U64(websocket_close_code_of(ERR_NO_MEMORY), WEBSOCKET_INTERNAL);
}

/* ---- handshake ---- */

static void set(struct http_fields *f, struct arena *a, const char *name, const char *value) {
    struct error why;
    CHECK_OK(http_fields_set(f, a, bytes_from_str(name), bytes_from_str(value), &why), &why);
}

TEST(the_key_of_the_standard) { // RFC 6455, 1.3
    char accept[WEBSOCKET_ACCEPT_BYTES];
    websocket_accept_key(accept, BYTES_LIT("dGhlIHNhbXBsZSBub25jZQ=="));
    CHECK_BYTES(bytes_make(accept, sizeof accept), BYTES_LIT("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

TEST(a_handshake_between_both_sides) {
    struct arena a;
    struct error why;
    struct http_request r = {.authority = BYTES_LIT("x"), .path = BYTES_LIT("/")};
    struct http_response answer;
    char key[WEBSOCKET_KEY_BYTES];
    arena_init(&a, 0);
    websocket_new_key(key);
    CHECK_OK(websocket_offer(&r, &a, key, &why), &why);
    set(&r.fields, &a, "sec-websocket-protocol", "mqtt, chat");
    CHECK_OK(websocket_check_request(&r, &why), &why);
    CHECK_ERR(websocket_answer(&answer, &a, &r, "other", &why), ERR_INVALID);
    CHECK_OK(websocket_answer(&answer, &a, &r, "chat", &why), &why);
    CHECK_U64(answer.status, 101);
    CHECK_OK(websocket_check_response(&answer, key, &why), &why);
    key[0] ^= 1;
    CHECK_ERR(websocket_check_response(&answer, key, &why), ERR_INVALID);
    key[0] ^= 1;
    set(&answer.fields, &a, "sec-websocket-extensions", "permessage-deflate");
    CHECK_ERR(websocket_check_response(&answer, key, &why), ERR_INVALID);
    answer.status = 200;
    CHECK_ERR(websocket_check_response(&answer, key, &why), ERR_INVALID);
    arena_free(&a);
}

TEST(wrong_handshakes_are_refused) {
    static const struct {
        const char *name, *value;
        int code;
    } changes[] = {
        {"sec-websocket-version", "12", ERR_UNSUPPORTED},
        {"sec-websocket-key", "short", ERR_INVALID},
        {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=a", ERR_INVALID},
        {"sec-websocket-key", "dGhlIHNhbXBsZSBub25j!Q==", ERR_INVALID},
        {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQAA", ERR_INVALID},
        {"upgrade", "h2c", ERR_INVALID},
    };
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    struct http_request good = {.authority = BYTES_LIT("x"), .path = BYTES_LIT("/")};
    CHECK_OK(websocket_offer(&good, &a, "dGhlIHNhbXBsZSBub25jZQ==", &why), &why);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct http_request r = good;
        r.fields = (struct http_fields){0};
        CHECK_OK(http_fields_copy(&r.fields, &a, &good.fields, &why), &why);
        set(&r.fields, &a, changes[i].name, changes[i].value);
        CHECK_ERR(websocket_check_request(&r, &why), changes[i].code);
        http_fields_remove(&r.fields, bytes_from_str(changes[i].name));
        CHECK_ERR(websocket_check_request(&r, &why), ERR_INVALID);
    }
    struct http_request r = good;
    r.method = HTTP_POST;
    CHECK_ERR(websocket_check_request(&r, &why), ERR_INVALID);
    r = good;
    r.upgrade = false;
    CHECK_ERR(websocket_check_request(&r, &why), ERR_INVALID);
    r = (struct http_request){.method = HTTP_CONNECT, .version = HTTP_2};
    r.protocol = BYTES_LIT("other");
    CHECK_ERR(websocket_check_request(&r, &why), ERR_INVALID);
    r.protocol = BYTES_LIT("websocket");
    CHECK_ERR(websocket_check_request(&r, &why), ERR_INVALID);
    set(&r.fields, &a, "sec-websocket-version", "13");
    CHECK_OK(websocket_check_request(&r, &why), &why);
    struct http_response answer;
    CHECK_OK(websocket_answer(&answer, &a, &r, NULL, &why), &why);
    CHECK_U64(answer.status, 200);
    CHECK_U64(answer.fields.count, 0);
    arena_free(&a);
}

TEST_MAIN()
