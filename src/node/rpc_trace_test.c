/* Traces agree with receipts and states. SPDX-License-Identifier: MIT */
#include "node/rpc_ask_testing.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <string.h>

static struct rpc_fixture f;
static struct error why;

/* Logs of a frame and of all below it, in the order of their emission. */
static size_t check_frame(const struct json *frame, const struct head_block *b, uint64_t *index) {
    size_t n = 0, calls = json_count(json_get(frame, "calls")), called = 0;
    const struct json *call = json_first(json_get(frame, "calls"));
    json_each(l, json_get(frame, "logs")) {
        uint64_t position = rpc_number(l, "position");
        CHECK(position <= calls);
        for (; called < position; called++, call = json_next(json_get(frame, "calls"), call)) {
            n += check_frame(call, b, index);
        }
        CHECK_U64(rpc_number(l, "index"), *index);
        ++*index;
        n++;
    }
    for (; called < calls; called++, call = json_next(json_get(frame, "calls"), call)) {
        n += check_frame(call, b, index);
    }
    if (json_get(frame, "error")) CHECK_U64(n, 0);
    return n;
}

TEST(call_trees_have_the_gas_and_logs_of_receipts) {
    rpc_begin(&f, 4, 20);
    bool nested = false;
    for (uint64_t n = 1; n <= 4; n++) {
        const struct head_block *b;
        CHECK_OK(head_block_by_number(f.head, &b, n, &why), &why);
        const char *params = arena_printf(
            &f.arena,
            "[\"0x%llx\",{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}]",
            (unsigned long long)n);
        const struct json *traces = rpc_result(&f, "debug_traceBlockByNumber", params);
        CHECK_U64(json_count(traces), b->block.tx_count);
        uint64_t index = 0;
        size_t i = 0;
        json_each(t, traces) {
            const struct json *top = json_get(t, "result");
            CHECK_U64(rpc_number(top, "gasUsed"), head_receipt_gas(b, i));
            CHECK_U64(rpc_number(top, "gas"), b->block.txs[i].gas);
            CHECK((json_get(top, "error") == NULL) == b->receipts[i].success);
            CHECK_U64(check_frame(top, b, &index), b->receipts[i].log_count);
            nested |= json_count(json_get(top, "calls")) > 0;
            params = arena_printf(
                &f.arena,
                "[\"%s\",{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}]",
                rpc_hash_text(&f, &b->block.txs[i].hash));
            CHECK_STR(rpc_raw(&f, rpc_result(&f, "debug_traceTransaction", params)),
                      rpc_raw(&f, top));
            i++;
        }
        head_block_release(b);
    }
    CHECK(nested);
    rpc_fixture_close(&f);
}

TEST(instructions_add_up) {
    rpc_begin(&f, 2, 20);
    const struct head_block *b = head_latest(f.head);
    const char *params =
        arena_printf(&f.arena, "[\"%s\",{\"enableMemory\":true,\"enableReturnData\":true}]",
                     rpc_hash_text(&f, &b->hash));
    const struct json *traces = rpc_result(&f, "debug_traceBlockByHash", params);
    size_t i = 0, steps = 0, stored = 0;
    json_each(t, traces) {
        const struct json *r = json_get(t, "result");
        uint64_t gas;
        bool failed;
        CHECK_OK(json_get_u64(&gas, r, "gas", &why), &why);
        CHECK_OK(json_get_bool(&failed, r, "failed", &why), &why);
        CHECK_U64(gas, head_receipt_gas(b, i));
        CHECK(failed == !b->receipts[i].success);
        // What a step costs is what the next one of its frame has less.
        int64_t left = 0, cost = 0, depth = 0;
        json_each(s, json_get(r, "structLogs")) {
            int64_t g, d;
            CHECK_OK(json_get_i64(&g, s, "gas", &why), &why);
            CHECK_OK(json_get_i64(&d, s, "depth", &why), &why);
            if (depth == d) CHECK_I64(left - cost, g);
            CHECK_OK(json_get_i64(&cost, s, "gasCost", &why), &why);
            left = g;
            depth = d;
            steps++;
            struct bytes op = json_text(json_get(s, "op"));
            bool storage = bytes_equal_str(op, "SLOAD") || bytes_equal_str(op, "SSTORE");
            if (json_get(s, "storage")) CHECK(storage);
            stored += json_get(s, "storage") != NULL;
            // After calls the cost includes what the callee gave back: only steps of one run count.
            if (bytes_equal_str(op, "CALL") || bytes_equal_str(op, "CREATE")) depth = 0;
        }
        i++;
    }
    CHECK(steps > 100 && stored > 0);
    head_block_release(b);
    rpc_fixture_close(&f);
}

TEST(instruction_options) {
    rpc_begin(&f, 2, 20);
    const char *params = "[\"latest\",{\"disableStack\":true,\"disableStorage\":true,\"limit\":3}]";
    json_each(t, rpc_result(&f, "debug_traceBlockByNumber", params)) {
        const struct json *logs = json_get(json_get(t, "result"), "structLogs");
        CHECK(json_count(logs) <= 3);
        json_each(s, logs) {
            CHECK(!json_get(s, "stack") && !json_get(s, "storage") && !json_get(s, "memory"));
        }
    }
    rpc_fixture_close(&f);
}

/* Applies a diff's post on its pre and compares with the state after. */
TEST(differences_lead_from_one_state_to_the_next) {
    rpc_begin(&f, 1, 0);
    CHECK_OK(rpc_fixture_extend(&f, 1, &why), &why);
    const struct json *traces = rpc_result(
        &f, "debug_traceBlockByNumber",
        "[\"latest\",{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true}}]");
    const struct json *diff = json_get(json_at(traces, 0), "result");
    CHECK(json_count(json_get(diff, "pre")) > 0 && json_count(json_get(diff, "post")) > 0);
    json_members(who, after, json_get(diff, "post")) {
        const char *address = arena_str(&f.arena, json_text(who));
        const struct json *balance = json_get(after, "balance");
        const char *at = arena_printf(&f.arena, "[\"%s\",\"latest\"]", address);
        const char *zero = "0x0000000000000000000000000000000000000000";
        if (balance && strcmp(address, zero) != 0) {
            CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBalance", at)), rpc_raw(&f, balance));
        }
        json_members(slot, value, json_get(after, "storage")) {
            at = arena_printf(&f.arena, "[\"%s\",%s,\"latest\"]", address, rpc_raw(&f, slot));
            CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getStorageAt", at)), rpc_raw(&f, value));
        }
    }
    json_members(name, before, json_get(diff, "pre")) {
        const char *at = arena_printf(&f.arena, "[\"%s\",\"0x1\"]",
                                      (char *)arena_str(&f.arena, json_text(name)));
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBalance", at)),
                  rpc_raw(&f, json_get(before, "balance")));
        json_members(slot, value, json_get(before, "storage")) {
            at = arena_printf(&f.arena, "[%s,%s,\"0x1\"]", rpc_raw(&f, name), rpc_raw(&f, slot));
            CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getStorageAt", at)), rpc_raw(&f, value));
        }
    }
    rpc_fixture_close(&f);
}

TEST(several_tracers_at_once) {
    rpc_begin(&f, 2, 20);
    const struct head_block *b = head_latest(f.head);
    const char *hash = rpc_hash_text(&f, &b->block.txs[1].hash);
    const char *params =
        arena_printf(&f.arena,
                     "[\"%s\",{\"tracer\":\"muxTracer\",\"tracerConfig\":{\"callTracer\":{},"
                     "\"prestateTracer\":null,\"4byteTracer\":{},\"noopTracer\":{}},\"timeout\":"
                     "\"3s\"}]",
                     hash);
    const struct json *all = rpc_result(&f, "debug_traceTransaction", params);
    CHECK_U64(json_count(all), 4);
    static const char *const names[] = {"callTracer", "prestateTracer", "4byteTracer"};
    for (size_t i = 0; i < 3; i++) {
        params = arena_printf(&f.arena, "[\"%s\",{\"tracer\":\"%s\"}]", hash, names[i]);
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "debug_traceTransaction", params)),
                  rpc_raw(&f, json_get(all, names[i])));
    }
    CHECK_STR(rpc_raw(&f, json_get(all, "noopTracer")), "{}");
    head_block_release(b);
    rpc_fixture_close(&f);
}

TEST(only_the_outermost_call) {
    rpc_begin(&f, 3, 20);
    const char *params = "[\"latest\",{\"tracer\":\"callTracer\",\"tracerConfig\":{"
                         "\"onlyTopCall\":true}}]";
    json_each(t, rpc_result(&f, "debug_traceBlockByNumber", params)) {
        CHECK(json_get(json_get(t, "result"), "calls") == NULL);
    }
    rpc_fixture_close(&f);
}

/* A contract that calls itself to the end of its gas: deeper than any writer of JSON nests. */
TEST(deep_calls_are_written_whole) {
    rpc_begin(&f, 1, 1);
    const char *params =
        "[{\"to\":\"0x00000000000000000000000000000000000000cc\",\"gas\":\"0x2faf080\"},"
        "\"latest\",{\"tracer\":\"callTracer\",\"stateOverrides\":{"
        "\"0x00000000000000000000000000000000000000cc\":{\"code\":"
        "\"0x5f5f5f5f5f305af15000\"}}}]";
    char *message = arena_printf(
        &f.arena, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"debug_traceCall\",\"params\":%s}",
        params);
    struct bytes answer = rpc_fixture_ask(&f, bytes_from_str(message));
    const char *text = arena_str(&f.arena, answer);
    size_t depth = 0;
    for (const char *at = text; (at = strstr(at, "\"calls\":[")) != NULL; at++) {
        depth++;
    }
    CHECK(depth > 200);
    const struct json *doc;
    struct json_limits limits = JSON_LIMITS_DEFAULT;
    limits.depth = JSON_DEPTH_MAX;
    if (2 * depth + 4 < JSON_DEPTH_MAX) {
        CHECK_OK(json_parse(&doc, answer, &f.arena, &limits, &why), &why);
    }
    rpc_fixture_close(&f);
}

TEST(calls_are_traced_with_overrides) {
    rpc_begin(&f, 1, 5);
    const struct json *v = rpc_result(
        &f, "debug_traceCall",
        "[{\"to\":\"0x00000000000000000000000000000000000000cc\"},\"latest\",{\"stateOverrides\":{"
        "\"0x00000000000000000000000000000000000000cc\":{\"code\":\"0x43600052602060"
        "00f3\"}},\"blockOverrides\":{\"number\":\"0x77\"}}]");
    CHECK_STR(rpc_raw(&f, json_get(v, "returnValue")),
              "\"0x0000000000000000000000000000000000000000000000000000000000000077\"");
    CHECK_U64(json_count(json_get(v, "structLogs")), 6);
    rpc_check_error(&f, "debug_traceCall",
                    "[{\"to\":\"0x00000000000000000000000000000000000000cc\"},\"0xfffffffff\",{"
                    "\"tracer\":\"callTracer\"}]",
                    -32000, "block #68719476735 not found");
    rpc_fixture_close(&f);
}

TEST(blocks_that_users_bring) {
    rpc_begin(&f, 2, 10);
    const struct json *rlp = rpc_result(&f, "debug_getRawBlock", "[\"latest\"]");
    const char *params =
        arena_printf(&f.arena, "[%s,{\"tracer\":\"callTracer\"}]", rpc_raw(&f, rlp));
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "debug_traceBlock", params)),
              rpc_raw(&f, rpc_result(&f, "debug_traceBlockByNumber",
                                     "[\"latest\",{\"tracer\":\"callTracer\"}]")));
    rpc_check_error(&f, "debug_traceBlock", "[\"0x00\"]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_fixture_close(&f);
}

TEST(what_cannot_be_traced) {
    rpc_begin(&f, 1, 1);
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"0x0\"]", -32000,
                    "genesis is not traceable");
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"0x9\"]", -32000, "block #9 not found");
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"pending\"]", -32000, NULL);
    rpc_check_error(&f, "debug_traceBlockByNumber", "[]", JSONRPC_INVALID_PARAMS, NULL);
    static const char *const none =
        "[\"0x0000000000000000000000000000000000000000000000000000000000000001\"]";
    rpc_check_error(&f, "debug_traceTransaction", none, -32000, "transaction not found");
    rpc_check_error(&f, "debug_traceBlockByHash", none, -32000, "block not found");
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"0x1\",{\"tracer\":\"no\"}]",
                    JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"0x1\",{\"timeout\":\"5\"}]",
                    JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "debug_traceBlockByNumber", "[\"0x1\",[]]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_fixture_close(&f);
}

TEST_MAIN()
