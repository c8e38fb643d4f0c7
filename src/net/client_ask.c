/* One request, waited for: for command-line tools. SPDX-License-Identifier: MIT */
#include "net/client_internal.h"

#include <errno.h>
#include <unistd.h>

#define PIECE_BYTES 65536

struct asking {
    struct client_answer *ret;
    struct arena *arena;
    struct buf body;
    int fd; // of a body that is sent as it is read; -1: none
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

// Sends what the connection takes now.
static void send_body(struct client_call *k, void *context) {
    struct asking *q = context;
    uint8_t piece[PIECE_BYTES];
    int r = 0;
    while (r == 0) {
        ssize_t n = read(q->fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            q->code = error_set_os(&q->why, ERR_IO, errno, "the body cannot be read");
            q->done = true;
            call_cancel(k);
            return;
        }
        if (n == 0) {
            call_finish(k);
            return;
        }
        r = call_write(k, bytes_make(piece, (size_t)n));
    }
}

static const struct client_events events = {.response = on_response,
                                            .body = on_body,
                                            .end = on_end,
                                            .failed = on_failed,
                                            .drained = send_body};

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

static int ask(struct client_answer *ret, struct arena *a, const struct client_options *options,
               const struct http_request *r, struct bytes body, int fd, size_t limit_bytes,
               uint64_t timeout_ns, struct error *why) {
    struct loop *l = NULL;
    struct client *c = NULL;
    struct resolver *names = NULL;
    struct client_options o = *options;
    struct client_call *k = NULL;
    struct asking q = {.ret = ret, .arena = a, .fd = fd};
    buf_init(&q.body, limit_bytes);
    memset(ret, 0, sizeof *ret);
    int code = loop_new(&l, NULL, &q.why);
    if (code == 0 && !o.names) code = resolver_new(&names, 0, &q.why);
    if (names) o.names = names;
    if (code == 0) code = client_new(&c, l, &o, &q.why);
    if (code == 0) code = client_start(&k, c, r, body, fd >= 0, &events, &q, &q.why);
    if (code == 0 && fd >= 0) send_body(k, &q);
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

int client_ask(struct client_answer *ret, struct arena *a, const struct client_options *options,
               const struct http_request *r, struct bytes body, size_t limit_bytes,
               uint64_t timeout_ns, struct error *why) {
    return ask(ret, a, options, r, body, -1, limit_bytes, timeout_ns, why);
}

int client_ask_file(struct client_answer *ret, struct arena *a,
                    const struct client_options *options, const struct http_request *r, int fd,
                    size_t limit_bytes, uint64_t timeout_ns, struct error *why) {
    struct http_request streamed = *r;
    streamed.body = HTTP_BODY_STREAM;
    return ask(ret, a, options, &streamed, (struct bytes){NULL, 0}, fd, limit_bytes, timeout_ns,
               why);
}
