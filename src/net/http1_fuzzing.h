/* Both HTTP/1 fuzz targets: the events of an input do not depend on the pieces it comes in.
 * SPDX-License-Identifier: MIT */
#ifndef NET_HTTP1_FUZZING_H
#define NET_HTTP1_FUZZING_H

#include "net/fuzzing.h"
#include "net/http1.h"

struct http1_trace {
    struct buf text;
    int code;
    bool stopped;
};

static inline void http1_note_fields(struct buf *b, const struct http_fields *f) {
    for (unsigned i = 0; i < f->count; i++) {
        buf_append(b, f->item[i].name);
        buf_append_byte(b, '=');
        buf_append(b, f->item[i].value);
        buf_append_byte(b, '\n');
    }
}

static inline void http1_note(struct http1_trace *t, const struct http1_parser *p,
                              const struct http1_event *ev) {
    struct buf *b = &t->text;
    switch (ev->type) {
    case HTTP1_MORE:
        break;
    case HTTP1_REQUEST:
        buf_append(b, p->request.method_text);
        buf_append_byte(b, ' ');
        buf_append(b, p->request.path);
        buf_append_byte(b, ' ');
        buf_append(b, p->request.authority);
        buf_printf(b, " %d %d\n", p->request.body, p->request.keep_alive);
        http1_note_fields(b, &p->request.fields);
        break;
    case HTTP1_RESPONSE:
        buf_printf(b, "%u %d %d\n", p->response.status, p->response.body, p->response.keep_alive);
        http1_note_fields(b, &p->response.fields);
        break;
    case HTTP1_DATA:
        MUST(ev->data.n > 0);
        buf_append(b, ev->data);
        break;
    case HTTP1_END:
        buf_append_str(b, "end\n");
        http1_note_fields(b, &p->trailers);
        break;
    case HTTP1_TUNNEL:
        buf_append_str(b, "tunnel\n");
        break;
    }
}

static inline void http1_feed(struct http1_trace *t, struct http1_parser *p, struct bytes in,
                              void (*check)(const struct http1_parser *p)) {
    struct http1_event ev;
    while (!t->stopped && (t->code = http1_next(&ev, p, &in, NULL)) == 0) {
        http1_note(t, p, &ev);
        if (ev.type == HTTP1_MORE) break;
        if (check && (ev.type == HTTP1_REQUEST || ev.type == HTTP1_RESPONSE)) check(p);
        if (ev.type == HTTP1_TUNNEL) t->stopped = true;
        if (ev.type == HTTP1_END) {
            arena_reset(p->arena);
            http1_next_message(p, p->arena, p->asked);
            if (in.n == 0) break;
        }
    }
    if (t->code < 0) t->stopped = true;
}

static inline struct http1_trace http1_run(bool response, enum http_method asked, struct bytes in,
                                           size_t piece,
                                           void (*check)(const struct http1_parser *p)) {
    struct http1_trace t = {.code = 0};
    struct http1_parser p;
    struct arena a;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.head_bytes = 1024; // so that inputs of common size reach the limits
    limits.target_bytes = 256;
    limits.fields = 20;
    limits.trailers = 3;
    limits.trailer_bytes = 200;
    limits.body_bytes = 2000;
    arena_init(&a, 1u << 16);
    buf_init(&t.text, 0);
    if (response) {
        http1_response_init(&p, &a, &limits, asked);
    } else {
        http1_request_init(&p, &a, &limits);
    }
    for (size_t at = 0; at < in.n && !t.stopped; at += piece) {
        struct bytes part = bytes_slice(in, at, piece);
        uint8_t *copy = fuzz_copy(part);
        http1_feed(&t, &p, bytes_make(copy, part.n), check);
        free(copy);
    }
    if (t.code < 0) {
        unsigned status = http1_status_of_error(&p, t.code);
        MUST(status >= 400 && status <= 505);
        buf_printf(&t.text, "status %u\n", status);
    } else {
        buf_printf(&t.text, "finish %d\n", http1_finish(&p, NULL));
    }
    http1_parser_free(&p);
    arena_free(&a);
    return t;
}

static inline void http1_compare(bool response, enum http_method asked, struct bytes in,
                                 void (*check)(const struct http1_parser *p)) {
    struct http1_trace whole = http1_run(response, asked, in, in.n + 1, check);
    for (size_t piece = 1; piece < 20; piece = piece * 2 + 1) {
        struct http1_trace t = http1_run(response, asked, in, piece, NULL);
        MUST(t.code == whole.code);
        MUST(bytes_equal(buf_view(&t.text), buf_view(&whole.text)));
        buf_free(&t.text);
    }
    buf_free(&whole.text);
}

#endif
