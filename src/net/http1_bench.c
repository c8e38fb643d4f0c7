/* HTTP/1 heads, bodies and WebSocket masks, beside what touching the same bytes costs.
 * SPDX-License-Identifier: MIT */
#include "net/http1.h"
#include "net/websocket.h"
#include "test/harness/bench.h"

#include <stdlib.h>

#define ROUNDS 1000
#define CHUNKS 64

struct work {
    struct buf input;
    struct arena arena;
    uint8_t *copy;
    size_t found;
};

static const char request[] = "POST /v1/bundles?x=1 HTTP/1.1\r\n"
                              "Host: builder.example:8443\r\n"
                              "User-Agent: searcher/1.2.3 (linux; amd64)\r\n"
                              "Accept: */*\r\n"
                              "Accept-Encoding: gzip, deflate\r\n"
                              "Content-Type: application/json\r\n"
                              "X-Flashbots-Signature: 0x0123456789abcdef0123456789abcdef01234567:"
                              "0x0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
                              "Content-Length: 0\r\n\r\n";

static void fail(void) {
    abort();
}

static void parse_heads(void *arg) {
    struct work *w = arg;
    struct http1_parser p;
    struct http1_event ev;
    http1_request_init(&p, &w->arena, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        struct bytes in = bytes_make(request, sizeof request - 1);
        if (http1_next(&ev, &p, &in, NULL) != 0 || ev.type != HTTP1_REQUEST) fail();
        if (http1_next(&ev, &p, &in, NULL) != 0 || ev.type != HTTP1_END) fail();
        arena_reset(&w->arena);
        http1_next_message(&p, &w->arena, HTTP_GET);
    }
    http1_parser_free(&p);
}

/* The least any parser must do: look at each byte, find the lines, copy the head to keep it. */
static void touch_heads(void *arg) {
    struct work *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        const char *p = request, *end = request + sizeof request - 1, *nl;
        while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
            w->found++;
            p = nl + 1;
        }
        memcpy(w->copy, request, sizeof request - 1);
        __asm__ volatile("" ::"r"(w->copy) : "memory");
    }
}

static void parse_chunks(void *arg) {
    struct work *w = arg;
    struct http1_parser p;
    struct http1_event ev;
    struct bytes in = buf_view(&w->input);
    http1_request_init(&p, &w->arena, NULL);
    do {
        if (http1_next(&ev, &p, &in, NULL) != 0) fail();
        if (ev.type == HTTP1_DATA) w->found += ev.data.n;
    } while (ev.type != HTTP1_END);
    http1_parser_free(&p);
    arena_reset(&w->arena);
}

static void mask(void *arg) {
    struct work *w = arg;
    websocket_mask(w->copy, 1u << 16, 0x12345678, 1);
}

static void copy(void *arg) {
    struct work *w = arg;
    memcpy(w->copy, w->copy + (1u << 16), 1u << 16);
    __asm__ volatile("" ::"r"(w->copy) : "memory");
}

int main(void) {
    struct work w = {.found = 0};
    arena_init(&w.arena, 0);
    buf_init(&w.input, 0);
    w.copy = calloc(1, 1u << 17);
    if (!w.copy) return 1;
    double limit = bench_best_ns(touch_heads, &w, 300);
    bench_emit("http1_request_head", ROUNDS, "requests", bench_best_ns(parse_heads, &w, 300),
               limit);
    buf_append_str(&w.input, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < CHUNKS; i++) {
        http1_write_chunk(&w.input, bytes_make(w.copy, 4096));
    }
    if (http1_write_last_chunk(&w.input, NULL, NULL) != 0) fail();
    bench_emit("http1_chunked_body_256KiB", CHUNKS, "chunks", bench_best_ns(parse_chunks, &w, 300),
               0);
    limit = bench_best_ns(copy, &w, 200);
    bench_emit("websocket_mask_64KiB", 1 << 16, "bytes", bench_best_ns(mask, &w, 200), limit);
    free(w.copy);
    buf_free(&w.input);
    arena_free(&w.arena);
    return 0;
}
