/* SPDX-License-Identifier: MIT */
#include "net/sse.h"
#include "test/harness/test.h"

#include <stdlib.h>

static int run(struct buf *log, struct bytes input, size_t piece, size_t limit) {
    struct sse_reader r;
    struct sse_event ev;
    struct error why;
    int code = 0;
    sse_reader_init(&r, limit);
    buf_clear(log);
    for (size_t at = 0; at < input.n && code >= 0; at += piece) {
        struct bytes part = bytes_slice(input, at, piece);
        uint8_t *copy = malloc(part.n);
        CHECK(copy != NULL);
        memcpy(copy, part.p, part.n);
        struct bytes in = {copy, part.n};
        while ((code = sse_next(&ev, &r, &in, &why)) > 0) {
            buf_append(log, ev.type);
            buf_append_byte(log, '|');
            buf_append(log, ev.data);
            buf_append_byte(log, '|');
            buf_append(log, ev.id);
            buf_append_byte(log, ';');
        }
        free(copy);
    }
    if (code < 0) {
        struct bytes none = {NULL, 0};
        CHECK_ERR(sse_next(&ev, &r, &none, &why), ERR_CLOSED);
    }
    buf_printf(log, "%llu", (unsigned long long)r.retry_ms);
    sse_reader_free(&r);
    return code;
}

static void expect(const char *input, const char *log) {
    for (size_t piece = 1; piece < 100; piece = piece * 2 + 1) {
        struct buf b;
        buf_init(&b, 0);
        CHECK_ERR(run(&b, bytes_from_str(input), piece, 1000), 0);
        CHECK_BYTES(buf_view(&b), bytes_from_str(log));
        buf_free(&b);
    }
}

TEST(streams_of_the_standard) {
    expect("data: YHOO\ndata: +2\ndata: 10\n\n", "|YHOO\n+2\n10|;0");
    expect(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
           "event\n\n",
           "|first event|1;|second event|;| third event|;0");
    expect("data\n\ndata\ndata\n\ndata:", "||;|\n|;0");
    expect("data:test\n\ndata: test\n\n", "|test|;|test|;0");
}

TEST(fields_and_line_ends) {
    expect("event: head\r\ndata: {}\r\n\r\n", "head|{}|;0");
    expect("event: head\rdata: {}\r\revent: x\r\rdata: y\r\r", "head|{}|;|y|;0");
    expect("\xef\xbb\xbf"
           "data: x\n\n",
           "|x|;0");
    expect("retry: 2500\nunknown: x\nretry: 1x\nretry:\n", "2500");
    expect("retry: 99999999999999999999999\n", "86400000");
    expect("id: a\ndata: 1\n\ndata: 2\n\n", "|1|a;|2|a;0");
    expect("data: cut off", "0");
}

TEST(events_are_bounded) {
    struct buf b, in;
    buf_init(&b, 0);
    buf_init(&in, 0);
    buf_append_str(&in, "data:");
    buf_append_fill(&in, 'x', 95);
    buf_append_str(&in, "\n\n");
    for (size_t piece = 1; piece <= 102; piece += 101) {
        CHECK_ERR(run(&b, buf_view(&in), piece, 100), 0);
        CHECK_ERR(run(&b, buf_view(&in), piece, 99), ERR_LIMIT);
    }
    buf_clear(&in);
    for (int i = 0; i < 50; i++) {
        buf_append_str(&in, "data: abc\n");
    }
    CHECK_ERR(run(&b, buf_view(&in), 7, 100), ERR_LIMIT);
    CHECK_ERR(run(&b, buf_view(&in), 1000, 100), ERR_LIMIT);
    buf_free(&b);
    buf_free(&in);
}

TEST(what_is_written_is_read) {
    struct buf out, log;
    struct error why;
    struct bytes none = {NULL, 0};
    buf_init(&out, 0);
    buf_init(&log, 0);
    sse_write_comment(&out, "hello");
    CHECK_OK(sse_write(&out, BYTES_LIT("t"), BYTES_LIT("7"), BYTES_LIT("a\nb\r\nc\rd"), &why),
             &why);
    CHECK_OK(sse_write(&out, none, none, BYTES_LIT(""), &why), &why);
    CHECK_OK(sse_write(&out, none, none, BYTES_LIT(" x\n"), &why), &why);
    CHECK_ERR(run(&log, buf_view(&out), 3, 1000), 0);
    CHECK_BYTES(buf_view(&log), BYTES_LIT("t|a\nb\nc\nd|7;||7;| x\n|7;0"));
    CHECK_ERR(sse_write(&out, BYTES_LIT("a\nb"), none, none, &why), ERR_INVALID);
    CHECK_ERR(sse_write(&out, none, BYTES_LIT("a\rb"), none, &why), ERR_INVALID);
    CHECK_ERR(sse_write(&out, none, BYTES_LIT("a\0b"), none, &why), ERR_INVALID);
    buf_free(&out);
    buf_free(&log);
}

TEST_MAIN()
