/* Frames of a peer; the first byte says which role reads them. Messages do not depend on the
 * pieces, and what was read is written so that it reads the same. SPDX-License-Identifier: MIT */
#include "net/fuzzing.h"
#include "net/websocket.h"

static void write_back(struct buf *out, const struct websocket_event *ev) {
    struct websocket w;
    websocket_init(&w, true, 0);
    switch (ev->type) {
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        websocket_write(&w, out, ev->type == WEBSOCKET_TEXT, ev->data);
        break;
    case WEBSOCKET_PING:
        websocket_write_ping(&w, out, ev->data);
        break;
    case WEBSOCKET_PONG:
        websocket_write_pong(&w, out, ev->data);
        break;
    case WEBSOCKET_CLOSE:
        websocket_write_close(&w, out, ev->close_code, ev->data);
        break;
    case WEBSOCKET_MORE:
        break;
    }
    websocket_free(&w);
}

static int run(struct buf *out, bool server, struct bytes in, size_t piece) {
    struct websocket w;
    struct websocket_event ev = {.type = WEBSOCKET_MORE};
    int r = 0;
    websocket_init(&w, server, 4096);
    for (size_t at = 0; at < in.n && r == 0 && ev.type != WEBSOCKET_CLOSE; at += piece) {
        struct bytes part = bytes_slice(in, at, piece);
        uint8_t *copy = fuzz_copy(part), *p = copy;
        size_t n = part.n;
        while ((r = websocket_next(&ev, &w, &p, &n, NULL)) == 0 && ev.type != WEBSOCKET_MORE) {
            write_back(out, &ev);
            if (ev.type == WEBSOCKET_CLOSE) break;
        }
        MUST(r < 0 || ev.type != WEBSOCKET_MORE || n == 0);
        free(copy);
    }
    websocket_free(&w);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    bool server = data[0] & 1;
    struct bytes in = bytes_make(data + 1, n - 1);
    struct buf whole, other;
    buf_init(&whole, 0);
    buf_init(&other, 0);
    int code = run(&whole, server, in, in.n + 1);
    for (size_t piece = 1; piece < 20; piece = piece * 3 + 1) {
        buf_clear(&other);
        MUST(run(&other, server, in, piece) == code);
        MUST(bytes_equal(buf_view(&other), buf_view(&whole)));
    }
    buf_clear(&other);
    MUST(run(&other, false, buf_view(&whole), whole.n + 1) == 0);
    MUST(bytes_equal(buf_view(&other), buf_view(&whole)));
    buf_free(&whole);
    buf_free(&other);
    return 0;
}
