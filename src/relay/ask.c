/* SPDX-License-Identifier: MIT */
#include "relay/ask.h"

#include "base/buf.h"
#include "base/list.h"

#include <stdlib.h>

#define TEXT_MAX 64

struct ask {
    struct loop *loop;
    struct client_call *call;
    struct loop_timer timer;
    struct buf body;
    unsigned status;
    char content_type[TEXT_MAX], version[TEXT_MAX];
    ask_done *done;
    void *context;
};

static void free_ask(struct ask *a) {
    loop_timer_clear(a->loop, &a->timer);
    buf_free(&a->body);
    free(a);
}

static void finish(struct ask *a, const struct error *why) {
    const struct ask_answer answer = {.status = a->status,
                                      .body = buf_view(&a->body),
                                      .content_type = bytes_from_str(a->content_type),
                                      .version = bytes_from_str(a->version)};
    loop_timer_clear(a->loop, &a->timer);
    a->done(a->context, why ? NULL : &answer, why);
    free_ask(a);
}

static void keep_text(char ret[TEXT_MAX], struct bytes value) {
    size_t n = value.n < TEXT_MAX ? value.n : TEXT_MAX - 1;
    if (n) memcpy(ret, value.p, n);
    ret[n] = '\0';
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct ask *a = context;
    (void)k;
    a->status = r->status;
    keep_text(a->content_type, http_get(&r->fields, HTTP_FIELD_CONTENT_TYPE));
    const struct http_field *version = http_find(&r->fields, "eth-consensus-version", 0);
    if (version) keep_text(a->version, version->value);
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct ask *a = context;
    struct error why;
    buf_append(&a->body, in);
    if (buf_check(&a->body, &why) == 0) return;
    call_cancel(k);
    (void)error_set(&why, ERR_LIMIT, "the answer is longer than %zu bytes", a->body.limit_bytes);
    finish(a, &why);
}

static void on_end(struct client_call *k, void *context) {
    (void)k;
    finish(context, NULL);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    finish(context, why);
}

static const struct client_events ask_events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void on_timeout(struct loop_timer *t) {
    struct ask *a = LIST_ENTRY(t, struct ask, timer);
    struct error why;
    call_cancel(a->call);
    (void)error_set(&why, ERR_TIMEOUT, "no answer in time");
    finish(a, &why);
}

static int make_fields(struct http_request *r, struct arena *arena, const struct ask_request *q,
                       struct error *why) {
    struct bytes accept = bytes_from_str(q->accept ? q->accept : "application/json");
    int code = http_fields_put(&r->fields, arena, HTTP_FIELD_ACCEPT, accept, why);
    if (code == 0 && q->content_type) {
        code = http_fields_put(&r->fields, arena, HTTP_FIELD_CONTENT_TYPE,
                               bytes_from_str(q->content_type), why);
    }
    if (code == 0 && q->version) {
        code = http_fields_add(&r->fields, arena, BYTES_LIT("eth-consensus-version"),
                               bytes_from_str(q->version), why);
    }
    return code;
}

int ask_start(struct ask **ret, struct client *c, const struct ask_request *q, ask_done *done,
              void *context, struct error *why) {
    struct arena arena;
    arena_init(&arena, 64u << 10);
    struct http_request r = {.method = q->method, .path = q->path};
    struct ask *a = calloc(1, sizeof *a);
    int code = a ? make_fields(&r, &arena, q, why) : error_set(why, ERR_NO_MEMORY, "a request");
    if (code == 0) {
        a->loop = client_loop(c);
        a->done = done;
        a->context = context;
        a->timer.fire = on_timeout;
        buf_init(&a->body, q->limit_bytes);
        code = loop_timer_set(a->loop, &a->timer, loop_now_ns(a->loop) + q->timeout_ns, why);
    }
    if (code == 0) {
        code = client_start(&a->call, c, &r, q->body, false, &ask_events, a, why);
        if (code != 0) loop_timer_clear(a->loop, &a->timer);
    }
    arena_free(&arena);
    if (code != 0) {
        free(a);
        return code;
    }
    if (ret) *ret = a;
    return 0;
}

void ask_cancel(struct ask *a) {
    call_cancel(a->call);
    free_ask(a);
}
