/* SPDX-License-Identifier: MIT */
#include "load/rpc.h"

#include "base/hex.h"
#include "net/client.h"
#include "net/url.h"

#include <stdio.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define LOOK_US 20000

// The part of a URL that is the server's; what follows is the path.
static int split(char origin[512], struct bytes *ret_target, const char *url, struct error *why) {
    struct url u;
    int r = url_parse(&u, bytes_from_str(url), why);
    if (r < 0) return r;
    size_t n = (size_t)(u.authority.p + u.authority.n - (const uint8_t *)url);
    if (u.scheme == URL_UNIX || n >= 512) return error_set(why, ERR_UNSUPPORTED, "%s", url);
    memcpy(origin, url, n);
    origin[n] = '\0';
    *ret_target = u.target;
    return 0;
}

int rpc_call(const struct json **ret, const struct rpc *k, const char *method, struct bytes params,
             struct arena *a, struct error *why) {
    char origin[512];
    struct http_request request = {
        .method = HTTP_POST, .method_text = BYTES_LIT("POST"), .body = HTTP_BODY_LENGTH};
    struct client_answer answer = {.status = 0};
    const struct json *doc = NULL;
    struct bytes message = {NULL, 0};
    struct buf body;
    buf_init(&body, 64u << 20);
    buf_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":", method);
    buf_append(&body, params);
    buf_append_byte(&body, '}');
    int r = split(origin, &request.path, k->url, why);
    if (r == 0) r = buf_check(&body, why);
    const struct client_options o = {.url = origin};
    if (r == 0) {
        r = http_fields_add(&request.fields, a, BYTES_LIT("content-type"),
                            BYTES_LIT("application/json"), why);
    }
    if (r == 0) {
        r = client_ask(&answer, a, &o, &request, buf_view(&body), ANSWER_BYTES_MAX, k->timeout_ns,
                       why);
    }
    buf_free(&body);
    if (r == 0) r = json_parse(&doc, answer.body, a, NULL, why);
    if (r < 0) {
        (void)error_wrap(why, "%s", method);
        return r;
    }
    const struct json *error = json_get(doc, "error");
    if (!json_is_null(error)) {
        (void)!json_get_string(&message, error, "message", NULL);
        return error_set(why, ERR_INVALID, "%s: %.*s", method,
                         (int)(message.n < 160 ? message.n : 160), (const char *)message.p);
    }
    *ret = json_get(doc, "result");
    return 0;
}

int rpc_quantity(uint64_t *ret, const struct rpc *k, const char *method, const char *params,
                 struct error *why) {
    struct arena a;
    const struct json *doc;
    arena_init(&a, 1u << 20);
    int r = rpc_call(&doc, k, method, bytes_from_str(params), &a, why);
    if (r == 0) r = json_quantity(ret, doc, why);
    arena_free(&a);
    return r;
}

int rpc_nonce(uint64_t *ret, const struct rpc *k, const struct address *who, const char *block,
              struct error *why) {
    char params[80], digits[41] = "";
    hex_encode(digits, bytes_make(who->b, 20));
    (void)snprintf(params, sizeof params, "[\"0x%s\",\"%s\"]", digits, block);
    return rpc_quantity(ret, k, "eth_getTransactionCount", params, why);
}

int rpc_send_raw(const struct rpc *k, struct bytes raw, struct error *why) {
    struct arena a;
    const struct json *doc;
    struct buf params;
    arena_init(&a, 8u << 20);
    buf_init(&params, 0);
    buf_append_str(&params, "[\"");
    hex_append_data(&params, raw);
    buf_append_str(&params, "\"]");
    int r = buf_check(&params, why);
    if (r == 0) r = rpc_call(&doc, k, "eth_sendRawTransaction", buf_view(&params), &a, why);
    buf_free(&params);
    arena_free(&a);
    return r;
}

int rpc_wait_for(const struct rpc *k, const struct hash *tx, struct address *contract,
                 uint64_t limit_ns, struct error *why) {
    uint64_t end = clock_monotonic_ns(&clock_system) + limit_ns;
    char params[80], digits[65] = "";
    hex_encode(digits, BYTES_OF(*tx));
    (void)snprintf(params, sizeof params, "[\"0x%s\"]", digits);
    do {
        struct arena a;
        const struct json *doc;
        uint64_t status = 0;
        arena_init(&a, 16u << 20);
        int r = rpc_call(&doc, k, "eth_getTransactionReceipt", bytes_from_str(params), &a, why);
        bool there = r == 0 && !json_is_null(doc);
        if (there) r = json_get_quantity(&status, doc, "status", why);
        if (there && r == 0 && contract)
            r = json_get_address(contract, doc, "contractAddress", why);
        arena_free(&a);
        if (r < 0) return r;
        if (there) {
            return status ? 0 : error_set(why, ERR_INVALID, "transaction 0x%s reverted", digits);
        }
        (void)usleep(LOOK_US);
    } while (clock_monotonic_ns(&clock_system) < end);
    return error_set(why, ERR_TIMEOUT, "transaction 0x%s is not on the chain", digits);
}
