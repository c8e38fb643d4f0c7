/* SPDX-License-Identifier: MIT */
#include "devnet/query.h"

#include <string.h>

#define ANSWER_NS (5 * NS_PER_S)

static void finish(struct query *f, int code, const struct json *doc, const struct error *why) {
    f->call = NULL;
    f->done(f, code, doc, why);
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct query *)context)->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct query *f = context;
    struct error why;
    buf_append(&f->body, in);
    if (!f->body.failed) return;
    call_cancel(k);
    finish(f, error_set(&why, ERR_LIMIT, "the answer is too long"), NULL, &why);
}

// A JSON-RPC answer is unwrapped: its result, or its error's message.
static int unwrap(const struct json **doc, struct error *why) {
    const struct json *error = json_get(*doc, "error"), *result = json_get(*doc, "result");
    struct bytes message = {NULL, 0};
    if (!json_get(*doc, "jsonrpc")) return 0;
    if (json_is_null(error)) {
        *doc = result;
        return 0;
    }
    (void)!json_get_string(&message, error, "message", NULL);
    return error_set(why, ERR_INVALID, "%.*s", (int)(message.n < 200 ? message.n : 200),
                     (const char *)message.p);
}

static void on_end(struct client_call *k, void *context) {
    struct query *f = context;
    struct error why = {0};
    struct arena a;
    const struct json *doc = NULL;
    (void)k;
    arena_init(&a, 256u << 20);
    int r = json_parse(&doc, buf_view(&f->body), &a, NULL, &why);
    if (r == 0) r = unwrap(&doc, &why);
    if (r == 0 && f->status != 200) r = error_set(&why, ERR_IO, "answers %u", f->status);
    finish(f, r, r == 0 ? doc : NULL, &why);
    arena_free(&a);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    finish(context, (int)why->code, NULL, why);
}

static int start(struct query *f, const struct http_request *r, struct bytes body,
                 struct error *why) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    if (f->call) return error_set(why, ERR_BUSY, "a question is on its way");
    buf_clear(&f->body);
    f->status = 0;
    return client_start(&f->call, f->client, r, body, false, &events, f, why);
}

int query_get(struct query *f, const char *path, struct error *why) {
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = bytes_from_str(path)};
    return start(f, &r, (struct bytes){NULL, 0}, why);
}

int query_post(struct query *f, const char *path, struct bytes body, const char *header,
               struct bytes value, struct error *why) {
    struct arena a;
    struct http_request r = {.method = HTTP_POST,
                             .method_text = BYTES_LIT("POST"),
                             .path = bytes_from_str(path),
                             .body = HTTP_BODY_LENGTH};
    arena_init(&a, 16u << 10);
    int code = http_fields_add(&r.fields, &a, BYTES_LIT("content-type"),
                               BYTES_LIT("application/json"), why);
    if (code == 0 && header) {
        code = http_fields_add(&r.fields, &a, bytes_from_str(header), value, why);
    }
    if (code == 0) code = start(f, &r, body, why);
    arena_free(&a);
    return code;
}

int query_rpc(struct query *f, const char *method, const char *params, struct error *why) {
    struct buf body;
    buf_init(&body, 1u << 20);
    buf_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
               params);
    int r = buf_check(&body, why);
    if (r == 0) r = query_post(f, "/", buf_view(&body), NULL, (struct bytes){NULL, 0}, why);
    buf_free(&body);
    return r;
}

int query_open(struct query *f, struct loop *l, const char *url, struct error *why) {
    const struct client_options o = {.url = url,
                                     .connections = 1,
                                     .connect_ns = ANSWER_NS,
                                     .response_ns = ANSWER_NS,
                                     .retry_any = true};
    f->loop = l;
    f->call = NULL;
    buf_init(&f->body, QUERY_BYTES_MAX);
    return client_new(&f->client, l, &o, why);
}

void query_close(struct query *f) {
    if (f->call) call_cancel(f->call);
    f->call = NULL;
    client_free(f->client);
    f->client = NULL;
    buf_free(&f->body);
}
