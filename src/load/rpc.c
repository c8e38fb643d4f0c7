/* SPDX-License-Identifier: MIT */
#include "load/rpc.h"

#include "base/hex.h"

#include <stdio.h>
#include <unistd.h>

#define LOOK_US 20000

int rpc_quantity(uint64_t *ret, struct rpc_caller *c, const char *method, const char *params,
                 struct error *why) {
    struct arena a;
    const struct json *doc;
    arena_init(&a, 1u << 20);
    int r = rpc_caller_call(c, method, bytes_from_str(params), &a, &doc, why);
    if (r == 0) r = json_quantity(ret, doc, why);
    arena_free(&a);
    return r;
}

int rpc_nonce(uint64_t *ret, struct rpc_caller *c, const struct address *who, const char *block,
              struct error *why) {
    char params[80], digits[41] = "";
    hex_encode(digits, bytes_make(who->b, 20));
    (void)snprintf(params, sizeof params, "[\"0x%s\",\"%s\"]", digits, block);
    return rpc_quantity(ret, c, "eth_getTransactionCount", params, why);
}

int rpc_send_raw(struct rpc_caller *c, struct bytes raw, struct error *why) {
    struct arena a;
    const struct json *doc;
    struct buf params;
    arena_init(&a, 8u << 20);
    buf_init(&params, 0);
    buf_append_str(&params, "[\"");
    hex_append_data(&params, raw);
    buf_append_str(&params, "\"]");
    int r = buf_check(&params, why);
    if (r == 0) r = rpc_caller_call(c, "eth_sendRawTransaction", buf_view(&params), &a, &doc, why);
    buf_free(&params);
    arena_free(&a);
    return r;
}

int rpc_wait_for(struct rpc_caller *c, const struct hash *tx, struct address *contract,
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
        int r =
            rpc_caller_call(c, "eth_getTransactionReceipt", bytes_from_str(params), &a, &doc, why);
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
