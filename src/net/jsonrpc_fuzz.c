/* JSON-RPC messages: whatever comes, the answer is JSON-RPC that our client reads.
 * SPDX-License-Identifier: MIT */
#include "net/fuzzing.h"
#include "net/jsonrpc.h"

static int echo(void *context, const struct jsonrpc_request *r, struct json_writer *result,
                struct arena *a, struct error *why) {
    (void)context, (void)a;
    if (!r->params) return error_set(why, ERR_NOT_FOUND, "no params");
    json_add_raw(result, NULL, json_raw(r->params));
    return 0;
}

static const struct jsonrpc_method methods[] = {{BYTES_LIT("echo"), echo}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t *copy = fuzz_copy(bytes_make(data, n));
    struct jsonrpc_limits limits = JSONRPC_LIMITS_DEFAULT;
    struct jsonrpc_responses responses;
    struct error why;
    struct arena a;
    struct buf out;
    arena_init(&a, 16u << 20);
    buf_init(&out, 0);
    limits.json.depth = 50;
    MUST(jsonrpc_serve(&out, methods, 1, NULL, bytes_make(copy, n), &a, &limits, &why) == 0);
    limits.json.depth = 64; // the answer wraps what came
    if (out.n) {
        MUST(jsonrpc_parse_responses(&responses, buf_view(&out), &a, &limits, &why) == 0);
        for (size_t i = 0; i < responses.count; i++) {
            (void)jsonrpc_failure_of(&responses.item[i], &why);
        }
    }
    (void)!jsonrpc_parse_responses(&responses, bytes_make(copy, n), &a, &limits, &why);
    buf_free(&out);
    arena_free(&a);
    free(copy);
    return 0;
}
