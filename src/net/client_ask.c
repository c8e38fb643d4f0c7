/* One request, waited for: for command-line tools. SPDX-License-Identifier: MIT */
#include "net/client_internal.h"

struct asking {
    struct client_answer *ret;
    struct arena *arena;
    struct buf body;
    struct error why;
    int code;
    bool done;
};

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct asking *q = context;
    (void)k;
    q->ret->status = r->status;
    q->code = http_fields_copy(&q->ret->fields, q->arena, &r->fields, &q->why);
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct asking *q = context;
    buf_append(&q->body, in);
    if (!q->body.failed) return;
    q->code =
        error_set(&q->why, ERR_LIMIT, "the answer is longer than %zu bytes", q->body.limit_bytes);
    q->done = true;
    call_cancel(k);
}

static void on_end(struct client_call *k, void *context) {
    (void)k;
    ((struct asking *)context)->done = true;
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct asking *q = context;
    (void)k;
    q->why = *why;
    q->code = (int)why->code;
    q->done = true;
}

static const struct client_events events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static int wait_for(struct asking *q, struct loop *l, uint64_t timeout_ns) {
    uint64_t until = loop_now_ns(l) + timeout_ns;
    while (!q->done) {
        uint64_t now = loop_now_ns(l);
        if (now >= until) return error_set(&q->why, ERR_TIMEOUT, "no answer in time");
        int r = loop_turn(l, until - now, &q->why);
        if (r < 0) return r;
    }
    return q->code;
}

int client_ask(struct client_answer *ret, struct arena *a, const struct client_options *options,
               const struct http_request *r, struct bytes body, size_t limit_bytes,
               uint64_t timeout_ns, struct error *why) {
    struct loop *l = NULL;
    struct client *c = NULL;
    struct resolver *names = NULL;
    struct client_options o = *options;
    struct asking q = {.ret = ret, .arena = a};
    buf_init(&q.body, limit_bytes);
    memset(ret, 0, sizeof *ret);
    int code = loop_new(&l, NULL, &q.why);
    if (code == 0 && !o.names) code = resolver_new(&names, 0, &q.why);
    if (names) o.names = names;
    if (code == 0) code = client_new(&c, l, &o, &q.why);
    if (code == 0) code = client_start(NULL, c, r, body, false, &events, &q, &q.why);
    if (code == 0) code = wait_for(&q, l, timeout_ns);
    q.done = true;
    struct error first = q.why;
    client_free(c);
    resolver_free(names);
    loop_free(l);
    if (code == 0) {
        ret->body = arena_copy(a, buf_view(&q.body));
        if (q.body.n && !ret->body.p) code = error_set(&first, ERR_LIMIT, "answer too long");
    }
    buf_free(&q.body);
    if (code < 0 && why) *why = first;
    return code;
}
