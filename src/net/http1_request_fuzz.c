/* Requests of HTTP/1: the same in all pieces, and what was read is written so that it reads the
 * same. SPDX-License-Identifier: MIT */
#include "net/http1_fuzzing.h"

static void check(const struct http1_parser *p) {
    const struct http_request *r = &p->request;
    struct buf out;
    struct arena a;
    struct http1_parser again;
    struct http1_event ev;
    buf_init(&out, 0);
    arena_init(&a, 0);
    if (r->version == HTTP_1_0 && r->authority.n == 0) return; // cannot be written without a host
    MUST(http1_write_request(&out, r, NULL) == 0);
    http1_request_init(&again, &a, NULL);
    struct bytes in = buf_view(&out);
    MUST(http1_next(&ev, &again, &in, NULL) == 0 && ev.type == HTTP1_REQUEST && in.n == 0);
    MUST(bytes_equal(again.request.method_text, r->method_text));
    MUST(bytes_equal(again.request.path, r->path));
    MUST(bytes_equal(again.request.authority, r->authority));
    MUST(again.request.body == r->body && again.request.content_length == r->content_length);
    http1_parser_free(&again);
    arena_free(&a);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    http1_compare(false, HTTP_GET, bytes_make(data, n), check);
    return 0;
}
