/* Asking a node of rpc_testing.h inside of test cases. SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_ASK_TESTING_H
#define NODE_RPC_ASK_TESTING_H

#include "base/hex.h"
#include "node/rpc_testing.h"
#include "test/harness/test.h"

/* rpc_extend adds blocks of up to `txs` random transactions. rpc_begin opens the node, on a chain
 * of that many; rpc_fixture_close ends it. */
[[maybe_unused]] static void rpc_extend(struct rpc_fixture *f, size_t blocks, size_t txs) {
    struct error why;
    for (size_t i = 0; i < blocks; i++) {
        CHECK_OK(rpc_fixture_extend(f, txs, &why), &why);
    }
}

[[maybe_unused]] static void rpc_begin(struct rpc_fixture *f, size_t blocks, size_t txs) {
    struct error why;
    CHECK_OK(rpc_fixture_open(f, FORK_PRAGUE, &why), &why);
    rpc_extend(f, blocks, txs);
}

/* rpc_raw gives the JSON text of a value. */
[[maybe_unused]] static const char *rpc_raw(struct rpc_fixture *f, const struct json *v) {
    return arena_str(&f->arena, json_raw(v));
}

/* rpc_ask asks a method and gives the whole answer; rpc_result its result, and fails the running
 * case on an error; rpc_check_error wants an error of that code, and that text unless it is NULL.
 */
[[maybe_unused]] static const struct json *rpc_ask(struct rpc_fixture *f, const char *method,
                                                   const char *params) {
    struct error why;
    const struct json *doc;
    char *message =
        arena_printf(&f->arena, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
                     method, params);
    struct bytes answer = rpc_fixture_ask(f, bytes_from_str(message));
    CHECK_OK(json_parse(&doc, answer, &f->arena, NULL, &why), &why);
    return doc;
}

[[maybe_unused]] static const struct json *rpc_result(struct rpc_fixture *f, const char *method,
                                                      const char *params) {
    const struct json *doc = rpc_ask(f, method, params), *error = json_get(doc, "error");
    if (error) FAIL("%s%s: %s", method, params, rpc_raw(f, error));
    return json_get(doc, "result");
}

[[maybe_unused]] static void rpc_check_error(struct rpc_fixture *f, const char *method,
                                             const char *params, int64_t code, const char *text) {
    struct error why;
    int64_t got;
    struct bytes message;
    const struct json *error = json_get(rpc_ask(f, method, params), "error");
    if (!error)
        FAIL("%s%s gave %s", method, params,
             rpc_raw(f, json_get(rpc_ask(f, method, params), "result")));
    CHECK_OK(json_get_i64(&got, error, "code", &why), &why);
    CHECK_OK(json_get_string(&message, error, "message", &why), &why);
    if (got != code) FAIL("%s%s: %s", method, params, rpc_raw(f, error));
    if (text) CHECK_STR(arena_str(&f->arena, message), text);
}

/* rpc_number gives a QUANTITY of an object. */
[[maybe_unused]] static uint64_t rpc_number(const struct json *object, const char *key) {
    struct error why;
    uint64_t v = 0;
    CHECK_OK(json_get_quantity(&v, object, key, &why), &why);
    return v;
}

[[maybe_unused]] static const char *rpc_hash_text(struct rpc_fixture *f, const struct hash *h) {
    return arena_printf(&f->arena, "0x%s", hex_text(&f->arena, BYTES_OF(*h)));
}

[[maybe_unused]] static const char *rpc_address_text(struct rpc_fixture *f,
                                                     const struct address *a) {
    return arena_printf(&f->arena, "0x%s", hex_text(&f->arena, BYTES_OF(*a)));
}

#endif
