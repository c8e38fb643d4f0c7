/* The user's JSON-RPC, asked through the node's table of methods. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/address.h"
#include "eth/tx_check.h"
#include "node/rpc_ask_testing.h"
#include "node/rpc_internal.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <string.h>

static struct rpc_fixture f;
static struct error why;

TEST(small_answers) {
    rpc_begin(&f, 0, 0);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_blockNumber", "[]")), "\"0x0\"");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_accounts", "[]")), "[]");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_syncing", "[]")), "false");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "net_listening", "[]")), "true");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "web3_sha3", "[\"0x\"]")),
              "\"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470\"");
    rpc_check_error(&f, "web3_sha3", "[]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "web3_sha3", "[\"00\"]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_nonsense", "[]", JSONRPC_METHOD_NOT_FOUND, NULL);
    rpc_fixture_close(&f);
}

TEST(blocks_by_number_tag_and_hash) {
    rpc_begin(&f, 5, 10);
    const struct head_block *b;
    CHECK_OK(head_block_by_number(f.head, &b, 3, &why), &why);
    const struct json *v = rpc_result(&f, "eth_getBlockByNumber", "[\"0x3\",true]");
    struct block read;
    CHECK_OK(block_json_decode(&read, v, &f.arena, &why), &why); // checks every hash
    CHECK_U64(read.tx_count, b->block.tx_count);
    CHECK_U64(rpc_number(v, "size"), b->rlp.n);
    char *params = arena_printf(&f.arena, "[\"%s\",false]", rpc_hash_text(&f, &b->hash));
    v = rpc_result(&f, "eth_getBlockByHash", params);
    CHECK_U64(json_count(json_get(v, "transactions")), b->block.tx_count);
    CHECK_STR(rpc_raw(&f, json_get(v, "uncles")), "[]");
    CHECK_U64(json_count(json_get(v, "withdrawals")), b->block.withdrawal_count);
    CHECK_U64(rpc_number(rpc_result(&f, "eth_getBlockByNumber", "[\"latest\",false]"), "number"),
              5);
    CHECK_U64(rpc_number(rpc_result(&f, "eth_getBlockByNumber", "[\"earliest\",false]"), "number"),
              0);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBlockByNumber", "[\"0x6\",false]")), "null");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBlockByNumber", "[\"finalized\",false]")), "null");
    CHECK_U64(rpc_number(rpc_result(&f, "eth_getHeaderByNumber", "[\"0x3\"]"), "number"), 3);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getHeaderByNumber", "[\"pending\"]")), "null");
    params = arena_printf(&f.arena, "\"0x%zx\"", b->block.tx_count);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBlockTransactionCountByNumber", "[\"0x3\"]")),
              params);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getUncleCountByBlockNumber", "[\"0x3\"]")),
              "\"0x0\"");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getUncleByBlockNumberAndIndex", "[\"0x3\",\"0x0\"]")),
              "null");
    rpc_check_error(&f, "eth_getBlockByNumber", "[3,false]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBlockByNumber", "[]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBlockByNumber", "[\"0x03\",false]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBlockByHash", "[\"0x3\",false]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "debug_getRawBlock", "[\"0x99\"]", -32000, "block #153 not found");
    v = rpc_result(&f, "debug_getRawBlock", "[\"0x3\"]");
    struct bytes rlp;
    CHECK_OK(json_data(&rlp, v, &f.arena, &why), &why);
    CHECK_BYTES(rlp, b->rlp);
    head_block_release(b);
    rpc_fixture_close(&f);
}

TEST(transactions_and_receipts) {
    rpc_begin(&f, 3, 20);
    const struct head_block *b;
    CHECK_OK(head_block_by_number(f.head, &b, 2, &why), &why);
    const struct json *all = rpc_result(&f, "eth_getBlockReceipts", "[\"0x2\"]");
    CHECK_U64(json_count(all), b->block.tx_count);
    uint64_t logs = 0, gas = 0, i = 0;
    json_each(r, all) {
        char *params = arena_printf(&f.arena, "[\"%s\"]", rpc_hash_text(&f, &b->block.txs[i].hash));
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionReceipt", params)), rpc_raw(&f, r));
        gas += rpc_number(r, "gasUsed");
        CHECK_U64(rpc_number(r, "cumulativeGasUsed"), gas);
        json_each(l, json_get(r, "logs")) {
            CHECK_U64(rpc_number(l, "logIndex"), logs++);
            CHECK_U64(rpc_number(l, "transactionIndex"), i);
            CHECK_U64(rpc_number(l, "blockTimestamp"), b->block.header.timestamp);
        }
        const struct json *t = rpc_result(&f, "eth_getTransactionByHash", params);
        struct tx read;
        CHECK_OK(tx_json_decode(&read, t, &f.arena, &why), &why);
        CHECK_BYTES(read.raw, b->block.txs[i].raw);
        CHECK_U64(rpc_number(t, "transactionIndex"), i);
        char *at = arena_printf(&f.arena, "[\"0x2\",\"0x%llx\"]", (unsigned long long)i);
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionByBlockNumberAndIndex", at)),
                  rpc_raw(&f, t));
        struct bytes data;
        CHECK_OK(
            json_data(&data, rpc_result(&f, "eth_getRawTransactionByHash", params), &f.arena, &why),
            &why);
        CHECK_BYTES(data, b->block.txs[i].raw);
        i++;
    }
    CHECK(logs > 0);
    CHECK_U64(gas, b->block.header.gas_used);
    head_block_release(b);
    static const char *const none =
        "[\"0x00000000000000000000000000000000000000000000000000000000deadbeef\"]";
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionReceipt", none)), "null");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionByHash", none)), "null");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "debug_getRawTransaction", none)), "null");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBlockReceipts", "[\"0x9\"]")), "null");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionByBlockNumberAndIndex",
                                     "[\"0x2\",\"0xfff\"]")),
              "null");
    rpc_fixture_close(&f);
}

TEST(state_and_proofs) {
    rpc_begin(&f, 4, 20);
    struct address contract = play_address(0xc0, 1);
    const struct head_block *b = head_latest(f.head);
    for (unsigned i = 0; i < 3; i++) {
        struct account_proof p;
        bool exists;
        const char *who = rpc_address_text(&f, i == 0   ? &f.play.senders[0]
                                               : i == 1 ? &contract
                                                        : &(struct address){{9}});
        const struct json *v =
            rpc_result(&f, "eth_getProof",
                       arena_printf(&f.arena,
                                    "[\"%s\",[\"0x0\",\"0x1\","
                                    "\"0x0000000000000000000000000000000000000000000000"
                                    "000000000000000002\"],\"latest\"]",
                                    who));
        CHECK_OK(account_proof_decode(&p, v, &f.arena, &why), &why);
        CHECK_OK(account_proof_check(&exists, &p, &b->block.header.state_root, &why), &why);
        CHECK(exists == (i < 2));
        char *at = arena_printf(&f.arena, "[\"%s\",\"latest\"]", who);
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBalance", at)),
                  rpc_raw(&f, json_get(v, "balance")));
        CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionCount", at)),
                  rpc_raw(&f, json_get(v, "nonce")));
        struct bytes code;
        CHECK_OK(json_data(&code, rpc_result(&f, "eth_getCode", at), &f.arena, &why), &why);
        struct hash hash = keccak256(code);
        CHECK_BYTES(BYTES_OF(hash), BYTES_OF(p.account.code_hash));
        for (unsigned k = 0; k < 3; k++) {
            struct hash word;
            at = arena_printf(&f.arena, "[\"%s\",\"0x%x\",\"latest\"]", who, k);
            CHECK_OK(json_hash(&word, rpc_result(&f, "eth_getStorageAt", at), &why), &why);
            CHECK(u256_equal(u256_load_be(word.b), p.slots[k].value));
        }
        const struct json *slots = json_get(v, "storageProof");
        CHECK_STR(rpc_raw(&f, json_get(json_at(slots, 1), "key")), "\"0x1\"");
        CHECK_U64(json_text(json_get(json_at(slots, 2), "key")).n, 66);
    }
    head_block_release(b);
    rpc_check_error(&f, "eth_getStorageAt",
                    "[\"0x0000000000000000000000000000000000000001\",\"0xasdf\",\"latest\"]",
                    JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBalance", "[\"0x00\",\"latest\"]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBalance", "[]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_getBalance",
                    "[\"0x0000000000000000000000000000000000000001\",\"newest\"]",
                    JSONRPC_INVALID_PARAMS,
                    "invalid argument 1: block: neither a number in hex nor a known tag");
    rpc_check_error(&f, "eth_getBalance",
                    "[\"0x0000000000000000000000000000000000000001\",\"0x99\"]", -32000, NULL);
    rpc_check_error(&f, "eth_getBalance",
                    "[\"0x0000000000000000000000000000000000000001\",{\"blockHash\":"
                    "\"0x0000000000000000000000000000000000000000000000000000000000000001\"}]",
                    -32001, NULL);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBalance",
                                     "[\"0x0000000000000000000000000000000000000001\",\"0x0\"]")),
              "\"0x0\"");
    rpc_fixture_close(&f);
}

/* Returns what stands in slot 0, or reverts with Error("no") when call data is there, or loops when
 * there are two bytes. */
#define CODE                                                                                       \
    "0x36600114601d57366002146019576000546000526020" /* by the size of the call data */            \
    "6000f35b6019565b"                               /* return; 0x19: loop; 0x1d: revert */        \
    "7f08c379a000000000000000000000000000000000000000000000000000000000"                           \
    "600052602060045260026024526"                                                                  \
    "16e6f60f01b60445260646000fd"
#define THERE "\"0x00000000000000000000000000000000000000cc\""

static const char *with_code(const char *call, const char *more) {
    return arena_printf(&f.arena,
                        "[{\"to\":" THERE "%s},\"latest\",{" THERE ":{\"code\":\"" CODE
                        "\",\"stateDiff\":{\"0x0\":\"0x2a\"}}}%s]",
                        call, more);
}

TEST(calls_with_overrides) {
    rpc_begin(&f, 1, 5);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_call", with_code("", ""))),
              "\"0x000000000000000000000000000000000000000000000000000000000000002a\"");
    rpc_check_error(&f, "eth_call", with_code(",\"data\":\"0x00\"", ""), 3,
                    "execution reverted: no");
    const struct json *error =
        json_get(rpc_ask(&f, "eth_call", with_code(",\"data\":\"0x00\"", "")), "error");
    CHECK(json_text(json_get(error, "data")).n == 2 + 2 * 100);
    rpc_check_error(&f, "eth_call", with_code(",\"data\":\"0x0000\",\"gas\":\"0x186a0\"", ""),
                    -32000, "out of gas");
    // Block overrides: NUMBER, TIMESTAMP, BASEFEE, PREVRANDAO.
    CHECK_STR(
        rpc_raw(&f, rpc_result(&f, "eth_call",
                               "[{\"input\":\"0x4342484418181860005260206000f3\"},\"latest\",null,"
                               "{\"number\":\"0x1\",\"time\":\"0x2\",\"baseFeePerGas\":\"0x4\","
                               "\"prevRandao\":\"0x8\"}]")),
        "\"0x000000000000000000000000000000000000000000000000000000000000000b\"");
    rpc_check_error(&f, "eth_call", "[{\"to\":" THERE ",\"value\":\"0x1\"},\"latest\"]", -32000,
                    NULL);
    rpc_check_error(&f, "eth_call", "[{\"to\":" THERE ",\"chainId\":\"0x999\"}]",
                    JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_call", "[{\"to\":" THERE "},\"0x99\"]", -32000, NULL);
    rpc_check_error(&f, "eth_call", "[]", JSONRPC_INVALID_PARAMS, NULL);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_call", "[{\"to\":" THERE "}]")), "\"0x\"");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_call", "[{\"to\":" THERE "},\"pending\"]")),
              "\"0x\"");
    rpc_fixture_close(&f);
}

TEST(a_call_that_does_not_end_is_stopped) {
    rpc_begin(&f, 0, 0);
    f.values.call_ns = 50 * NS_PER_MS;
    f.values.call_gas = 0; // no limit but time
    // Nobody turns the loop here: the machine's flag is set by hand, as the watchdog would.
    rpc_extend(&f, 1, 1);
    struct rpc *r = f.node.rpc;
    (void)rpc_result(&f, "eth_call", "[{\"to\":" THERE "}]"); // makes a machine
    CHECK_U64(r->machine_count, 1);
    CHECK(r->watchdog.fire != NULL);
    pthread_mutex_lock(&r->machines_lock);
    atomic_store(&r->machines[0]->deadline_ns, 1);
    pthread_mutex_unlock(&r->machines_lock);
    r->watchdog.fire(&r->watchdog);
    CHECK(atomic_load(&r->machines[0]->abort));
    atomic_store(&r->machines[0]->deadline_ns, 0);
    rpc_fixture_close(&f);
}

TEST(gas_estimates_are_exact) {
    rpc_begin(&f, 1, 5);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_estimateGas", "[{\"to\":" THERE "}]")), "\"0x5208\"");
    const char *params = with_code("", "");
    uint64_t gas;
    CHECK_OK(json_quantity(&gas, rpc_result(&f, "eth_estimateGas", params), &why), &why);
    CHECK(gas > 21000 && gas < 30000);
    char *with = arena_printf(&f.arena, ",\"gas\":\"0x%llx\"", (unsigned long long)gas);
    (void)rpc_result(&f, "eth_call", with_code(with, ""));
    with = arena_printf(&f.arena, ",\"gas\":\"0x%llx\"", (unsigned long long)gas - 1);
    rpc_check_error(&f, "eth_call", with_code(with, ""), -32000, NULL);
    rpc_check_error(&f, "eth_estimateGas", with_code(",\"data\":\"0x00\"", ""), 3,
                    "execution reverted: no");
    rpc_check_error(&f, "eth_estimateGas", with_code(",\"data\":\"0x0000\"", ""), -32000, NULL);
    rpc_check_error(&f, "eth_estimateGas", "[{\"to\":" THERE ",\"value\":\"0x1\"}]", -32000, NULL);
    rpc_fixture_close(&f);
}

TEST(access_lists_settle) {
    rpc_begin(&f, 1, 5);
    const struct json *v = rpc_result(&f, "eth_createAccessList", with_code("", ""));
    const struct json *list = json_get(v, "accessList");
    CHECK_U64(json_count(list), 1);
    CHECK_U64(json_count(json_get(json_at(list, 0), "storageKeys")), 1);
    CHECK(rpc_number(v, "gasUsed") > 21000);
    v = rpc_result(&f, "eth_createAccessList", "[{\"to\":" THERE "}]");
    CHECK_U64(json_count(json_get(v, "accessList")), 0);
    rpc_fixture_close(&f);
}

TEST(logs_by_range_hash_address_and_topic) {
    rpc_begin(&f, 6, 20);
    const struct json *all =
        rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x1\",\"toBlock\":\"latest\"}]");
    size_t expected = 0, of_one = 0;
    struct address one = play_address(0xc0, 1);
    for (uint64_t n = 1; n <= 6; n++) {
        const struct head_block *b;
        CHECK_OK(head_block_by_number(f.head, &b, n, &why), &why);
        size_t in_block = 0;
        for (size_t i = 0; i < b->block.tx_count; i++) {
            in_block += b->receipts[i].log_count;
            for (size_t k = 0; k < b->receipts[i].log_count; k++) {
                of_one += address_equal(&b->receipts[i].logs[k].address, &one);
            }
        }
        char *params =
            arena_printf(&f.arena, "[{\"blockHash\":\"%s\"}]", rpc_hash_text(&f, &b->hash));
        CHECK_U64(json_count(rpc_result(&f, "eth_getLogs", params)), in_block);
        expected += in_block;
        head_block_release(b);
    }
    CHECK(expected > 0 && of_one > 0);
    CHECK_U64(json_count(all), expected);
    char *params = arena_printf(&f.arena, "[{\"fromBlock\":\"earliest\",\"address\":\"%s\"}]",
                                rpc_address_text(&f, &one));
    CHECK_U64(json_count(rpc_result(&f, "eth_getLogs", params)), of_one);
    rpc_check_error(&f, "eth_getLogs", "[{\"fromBlock\":\"0x3\",\"toBlock\":\"0x2\"}]",
                    JSONRPC_INVALID_PARAMS, "invalid block range params");
    rpc_check_error(&f, "eth_getLogs", "[{\"fromBlock\":\"0x3\",\"toBlock\":\"0x9\"}]",
                    JSONRPC_INVALID_PARAMS, "block range extends beyond current head block");
    rpc_check_error(&f, "eth_getLogs", "[{\"fromBlock\":\"pending\"}]", -32000, NULL);
    rpc_check_error(
        &f, "eth_getLogs",
        "[{\"blockHash\":\"0x0000000000000000000000000000000000000000000000000000000000000001\"}]",
        -32000, "unknown block");
    f.values.log_blocks = 3;
    rpc_check_error(&f, "eth_getLogs", "[{\"fromBlock\":\"0x1\"}]", -32005,
                    "query exceeds max block range 3");
    f.values.log_blocks = 1000;
    f.values.log_results = 2;
    rpc_check_error(&f, "eth_getLogs", "[{\"fromBlock\":\"0x1\"}]", -32005,
                    "query returned more than 2 results");
    rpc_fixture_close(&f);
}

TEST(filters_tell_what_came_since) {
    rpc_begin(&f, 1, 5);
    const char *logs = rpc_raw(&f, rpc_result(&f, "eth_newFilter", "[{}]"));
    const char *blocks = rpc_raw(&f, rpc_result(&f, "eth_newBlockFilter", "[]"));
    const char *txs = rpc_raw(&f, rpc_result(&f, "eth_newPendingTransactionFilter", "[]"));
    char *of_logs = arena_printf(&f.arena, "[%s]", logs),
         *of_blocks = arena_printf(&f.arena, "[%s]", blocks);
    char *of_txs = arena_printf(&f.arena, "[%s]", txs);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterChanges", of_logs)), "[]");
    rpc_extend(&f, 2, 20);
    CHECK_U64(json_count(rpc_result(&f, "eth_getFilterChanges", of_blocks)), 2);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterChanges", of_blocks)), "[]");
    const struct json *changes = rpc_result(&f, "eth_getFilterChanges", of_logs);
    const struct json *by_range = rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x2\"}]");
    CHECK_STR(rpc_raw(&f, changes), rpc_raw(&f, by_range));
    CHECK(json_count(changes) > 0);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .gas = 21000,
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(1000000000)};
    CHECK_OK(rpc_fixture_send(&f, 2, &t, &why), &why);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterChanges", of_txs)),
              arena_printf(&f.arena, "[\"%s\"]", rpc_hash_text(&f, &t.hash)));
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterLogs", of_logs)),
              rpc_raw(&f, rpc_result(&f, "eth_getLogs", "[{}]")));
    rpc_check_error(&f, "eth_getFilterLogs", of_blocks, -32000, "filter not found");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_uninstallFilter", of_blocks)), "true");
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_uninstallFilter", of_blocks)), "false");
    rpc_check_error(&f, "eth_getFilterChanges", of_blocks, -32000, "filter not found");
    rpc_check_error(&f, "eth_newFilter", "[{\"address\":1}]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_fixture_close(&f);
}

TEST(filters_end_five_minutes_after_their_last_poll) {
    rpc_begin(&f, 1, 5);
    const char *polled = rpc_raw(&f, rpc_result(&f, "eth_newBlockFilter", "[]"));
    const char *left = rpc_raw(&f, rpc_result(&f, "eth_newBlockFilter", "[]"));
    char *of_polled = arena_printf(&f.arena, "[%s]", polled),
         *of_left = arena_printf(&f.arena, "[%s]", left);
    clock_fake_advance(&f.clock, 299 * NS_PER_S);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterChanges", of_polled)), "[]");
    clock_fake_advance(&f.clock, 2 * NS_PER_S); // on a chain where nothing happens
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getFilterChanges", of_polled)), "[]");
    rpc_check_error(&f, "eth_getFilterChanges", of_left, -32000, "filter not found");
    rpc_fixture_close(&f);
}

TEST(filters_that_nobody_polls_end_when_they_have_too_much_to_tell) {
    enum { FILTERS = 1500, DATA = 120000 }; // 360 MB together
    char *asked[FILTERS];
    rpc_begin(&f, 0, 0);
    for (size_t i = 0; i < FILTERS; i++) {
        const struct json *id = rpc_result(&f, "eth_newPendingTransactionFilter", "[true]");
        asked[i] = arena_printf(&f.arena, "[%s]", rpc_raw(&f, id));
    }
    uint8_t *data = arena_alloc(&f.arena, DATA);
    memset(data, 0, DATA);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .gas = 5000000,
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(1000000000),
                   .data = bytes_make(data, DATA)};
    CHECK_OK(rpc_fixture_send(&f, 2, &t, &why), &why);
    rpc_events_drain(f.node.rpc);
    size_t living = 0;
    for (size_t i = 0; i < FILTERS; i++) {
        const struct json *gone = rpc_result(&f, "eth_uninstallFilter", asked[i]);
        living += strcmp(rpc_raw(&f, gone), "true") == 0;
    }
    CHECK(living > 0 && living * 2 * DATA < (256u << 20)); // what waits for all is bounded
    rpc_fixture_close(&f);
}

static size_t notifications(const char *part) {
    rpc_events_drain(f.node.rpc);
    size_t n = 0;
    const char *all = arena_str(&f.arena, buf_view(&f.notified));
    for (const char *at = all; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

TEST(subscriptions_are_told_until_they_end) {
    rpc_begin(&f, 0, 0);
    rpc_check_error(&f, "eth_subscribe", "[\"newHeads\"]", JSONRPC_METHOD_NOT_FOUND,
                    "notifications not supported");
    f.peer = 5;
    rpc_check_error(&f, "eth_subscribe", "[\"nothing\"]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_subscribe", "[]", JSONRPC_INVALID_PARAMS, NULL);
    const char *heads = rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"newHeads\"]"));
    const char *logs = rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"logs\",{}]"));
    const char *hashes =
        rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"newPendingTransactions\"]"));
    const char *whole =
        rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"newPendingTransactions\",true]"));
    const char *sync = rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"syncing\"]"));
    CHECK_U64(notifications(sync), 1);
    rpc_extend(&f, 2, 20);
    CHECK_U64(notifications(heads), 2);
    CHECK_U64(notifications(logs),
              json_count(rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x1\"}]")));
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .gas = 21000,
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(1000000000)};
    CHECK_OK(rpc_fixture_send(&f, 2, &t, &why), &why);
    CHECK_U64(notifications(hashes), 1);
    CHECK_U64(notifications(whole), 1);
    CHECK_U64(notifications("\"method\":\"eth_subscription\""), notifications("5:{"));
    f.peer = 6; // not the one that may end it
    rpc_check_error(&f, "eth_unsubscribe", arena_printf(&f.arena, "[%s]", heads), -32000, NULL);
    f.peer = 5;
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_unsubscribe", arena_printf(&f.arena, "[%s]", heads))),
              "true");
    rpc_check_error(&f, "eth_unsubscribe", arena_printf(&f.arena, "[%s]", heads), -32000,
                    "subscription not found");
    rpc_extend(&f, 1, 1);
    CHECK_U64(notifications(heads), 2);
    f.on_gone(f.on_gone_context, 5);
    size_t before = notifications("5:{");
    rpc_extend(&f, 1, 20);
    CHECK_U64(notifications("5:{"), before);
    rpc_fixture_close(&f);
}

TEST(notifications_come_after_the_answer_of_a_batch) {
    rpc_begin(&f, 0, 0);
    const char *batch =
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]},"
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_subscribe\",\"params\":[\"syncing\"]},"
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"eth_subscribe\",\"params\":[\"logs\",{}]}]";
    struct node_message m = {.body = bytes_from_str(batch), .where = NODE_USER, .peer = 5};
    void (*then)(void *) = NULL;
    void *then_arg = NULL;
    struct buf out;
    buf_init(&out, 0);
    node_answer(&f.node, &m, &f.arena, &out, &then, &then_arg);
    CHECK(out.n > 0);
    rpc_extend(&f, 1, 20);
    CHECK_U64(notifications("5:{"), 0);
    CHECK(then != NULL);
    if (then) then(then_arg);
    CHECK_U64(notifications("5:{"), 1); // syncing
    rpc_extend(&f, 1, 20);
    size_t logs = json_count(rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x2\"}]"));
    CHECK_U64(notifications("5:{"), 2 + logs);
    buf_free(&out);
    rpc_fixture_close(&f);
}

TEST(reorganisations_take_logs_back) {
    rpc_begin(&f, 2, 20);
    struct produced other;
    const struct head_block *parent;
    CHECK_OK(head_block_by_number(f.head, &parent, 1, &why), &why);
    f.peer = 1;
    const char *sub = rpc_raw(&f, rpc_result(&f, "eth_subscribe", "[\"logs\",{}]"));
    const char *filter = rpc_raw(&f, rpc_result(&f, "eth_newFilter", "[{}]"));
    size_t logs = json_count(rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x2\"}]"));
    CHECK_OK(play_block(&f.play, f.producer, &parent->hash, 20, 0, &other, &f.arena, &why), &why);
    struct head_verdict v;
    CHECK_OK(head_import(f.head, &v, other.rlp, &why), &why);
    CHECK_OK(head_set(f.head, &other.hash, NULL, NULL, &why), &why);
    head_block_release(parent);
    CHECK_U64(notifications("\"removed\":true"), logs);
    size_t added = json_count(rpc_result(&f, "eth_getLogs", "[{\"fromBlock\":\"0x2\"}]"));
    CHECK_U64(notifications(sub), logs + added);
    CHECK_U64(
        json_count(rpc_result(&f, "eth_getFilterChanges", arena_printf(&f.arena, "[%s]", filter))),
        logs + added);
    rpc_fixture_close(&f);
}

TEST(fees) {
    rpc_begin(&f, 4, 20);
    const struct json *h = rpc_result(&f, "eth_feeHistory", "[\"0x3\",\"latest\",[0,50,100]]");
    CHECK_U64(rpc_number(h, "oldestBlock"), 2);
    CHECK_U64(json_count(json_get(h, "baseFeePerGas")), 4);
    CHECK_U64(json_count(json_get(h, "gasUsedRatio")), 3);
    CHECK_U64(json_count(json_get(h, "reward")), 3);
    CHECK_U64(json_count(json_at(json_get(h, "reward"), 0)), 3);
    CHECK_U64(json_count(json_get(h, "baseFeePerBlobGas")), 4);
    CHECK_STR(rpc_raw(&f, json_at(json_get(h, "baseFeePerGas"), 0)),
              rpc_raw(&f, json_get(rpc_result(&f, "eth_getBlockByNumber", "[\"0x2\",false]"),
                                   "baseFeePerGas")));
    CHECK_U64(json_count(json_get(rpc_result(&f, "eth_feeHistory", "[100,\"latest\",null]"),
                                  "gasUsedRatio")),
              5);
    CHECK(json_is_null(
        json_get(rpc_result(&f, "eth_feeHistory", "[\"0x0\",\"latest\",[]]"), "gasUsedRatio")));
    rpc_check_error(&f, "eth_feeHistory", "[\"0x1\",\"0x9\",[]]", -32000,
                    "request beyond head block: requested 9, head 4");
    rpc_check_error(&f, "eth_feeHistory", "[\"0x1\",\"latest\",[50,1]]", JSONRPC_INVALID_PARAMS,
                    NULL);
    rpc_check_error(&f, "eth_feeHistory", "[\"0x1\",\"latest\",[101]]", JSONRPC_INVALID_PARAMS,
                    NULL);
    rpc_check_error(&f, "eth_feeHistory", "[]", JSONRPC_INVALID_PARAMS, NULL);
    struct u256 price, tip;
    CHECK_OK(json_quantity256(&price, rpc_result(&f, "eth_gasPrice", "[]"), &why), &why);
    CHECK_OK(json_quantity256(&tip, rpc_result(&f, "eth_maxPriorityFeePerGas", "[]"), &why), &why);
    CHECK(u256_compare(price, tip) > 0);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_blobBaseFee", "[]")), "\"0x1\"");
    rpc_fixture_close(&f);
}

TEST(the_pool_and_the_pending_block) {
    rpc_begin(&f, 1, 5);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .to = {{1}},
                   .gas = 21000,
                   .value = u256_from_u64(5),
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(1000000000)};
    char *sender =
        arena_printf(&f.arena, "[\"%s\",\"pending\"]", rpc_address_text(&f, &f.play.senders[3]));
    uint64_t before, after;
    CHECK_OK(json_quantity(&before, rpc_result(&f, "eth_getTransactionCount", sender), &why), &why);
    CHECK_OK(rpc_fixture_send(&f, 3, &t, &why), &why);
    CHECK_OK(json_quantity(&after, rpc_result(&f, "eth_getTransactionCount", sender), &why), &why);
    CHECK_U64(after, before + 1);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "txpool_status", "[]")),
              "{\"pending\":\"0x1\",\"queued\":\"0x0\"}");
    const struct json *content = rpc_result(&f, "txpool_content", "[]");
    char name[43];
    address_to_text(name, &f.play.senders[3]); // keys have their checksum
    const struct json *of_sender = json_get(json_get(content, "pending"), name);
    CHECK_U64(json_count(of_sender), 1);
    char *from = arena_printf(&f.arena, "[\"%s\"]", rpc_address_text(&f, &f.play.senders[3]));
    CHECK_STR(rpc_raw(&f, json_get(rpc_result(&f, "txpool_contentFrom", from), "pending")),
              rpc_raw(&f, of_sender));
    CHECK_U64(json_count(json_get(rpc_result(&f, "txpool_inspect", "[]"), "pending")), 1);
    char *hash = arena_printf(&f.arena, "[\"%s\"]", rpc_hash_text(&f, &t.hash));
    const struct json *pending = rpc_result(&f, "eth_getTransactionByHash", hash);
    CHECK(json_is_null(json_get(pending, "blockHash")));
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionReceipt", hash)), "null");
    const struct json *next = rpc_result(&f, "eth_getBlockByNumber", "[\"pending\",true]");
    CHECK(json_is_null(json_get(next, "hash")));
    CHECK_U64(rpc_number(next, "number"), 2);
    CHECK_U64(json_count(json_get(next, "transactions")), 1);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getBlockTransactionCountByNumber", "[\"pending\"]")),
              "\"0x1\"");
    // The first one of the pending block is not the first one of the head.
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionByBlockNumberAndIndex",
                                     "[\"pending\",\"0x0\"]")),
              rpc_raw(&f, pending));
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getRawTransactionByBlockNumberAndIndex",
                                     "[\"pending\",\"0x0\"]")),
              arena_printf(&f.arena, "\"0x%s\"", hex_text(&f.arena, t.raw)));
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_getTransactionByBlockNumberAndIndex",
                                     "[\"pending\",\"0x1\"]")),
              "null");
    char *again = arena_printf(&f.arena, "[\"0x%s\"]", hex_text(&f.arena, t.raw));
    rpc_check_error(&f, "eth_sendRawTransaction", again, -32000, NULL);
    rpc_check_error(&f, "eth_sendRawTransaction", "[\"0x00\"]", -32000, NULL);
    rpc_check_error(&f, "eth_sendRawTransaction", "[\"00\"]", JSONRPC_INVALID_PARAMS, NULL);
    rpc_check_error(&f, "eth_sendRawTransaction", "[]", JSONRPC_INVALID_PARAMS, NULL);
    CHECK_OK(rpc_fixture_mine(&f, &why), &why);
    CHECK_U64(rpc_number(rpc_result(&f, "eth_getTransactionReceipt", hash), "status"), 1);
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "txpool_status", "[]")),
              "{\"pending\":\"0x0\",\"queued\":\"0x0\"}");
    rpc_fixture_close(&f);
}

TEST(the_pending_block_is_no_larger_than_a_block_may_be) {
    static uint8_t zeros[126 << 10];
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .to = {{1}},
                   .gas = 1400000,
                   .data = bytes_make(zeros, sizeof zeros),
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(1000000000)};
    memset(&f, 0, sizeof f);
    CHECK_OK(play_init(&f.play, 7, FORK_OSAKA, &why), &why);
    f.play.genesis.header.gas_limit =
        200000000; // gas alone does not keep it below 8 MiB (EIP-7934)
    CHECK_OK(rpc_fixture_start(&f, &why), &why);
    for (unsigned i = 0; i < 70; i++) {
        CHECK_OK(rpc_fixture_send(&f, i % PLAY_SENDERS, &t, &why), &why);
    }
    struct tx small = t;
    small.data.n = 0;
    small.gas = 21000;
    small.max_priority_fee = u256_from_u64(1); // the last to be looked at
    CHECK_OK(rpc_fixture_send(&f, 15, &small, &why), &why);
    const struct json *next = rpc_result(&f, "eth_getBlockByNumber", "[\"pending\",false]");
    CHECK(rpc_number(next, "size") > (8u << 20) - sizeof zeros - 1024);
    CHECK(rpc_number(next, "size") <= 8u << 20);
    CHECK_U64(json_count(json_get(next, "transactions")), 65);
    rpc_fixture_close(&f);
}

TEST(calls_without_fees_are_of_every_fork) {
    rpc_begin(&f, 2, 5);
    // A price of blobs without blobs is nothing; blobs without a hash are no transaction.
    CHECK_STR(rpc_raw(&f, rpc_result(&f, "eth_call",
                                     "[{\"to\":" THERE ",\"maxFeePerBlobGas\":\"0x1\"}]")),
              "\"0x\"");
    rpc_check_error(&f, "eth_call", "[{\"to\":" THERE ",\"blobVersionedHashes\":[]}]", -32000,
                    NULL);
    const struct json *v = rpc_result(&f, "eth_capabilities", "[]");
    CHECK_U64(rpc_number(json_get(v, "head"), "number"), 2);
    CHECK_U64(rpc_number(json_get(v, "blocks"), "oldestBlock"), 0);
    rpc_check_error(&f, "eth_getStorageValues", "[{},\"latest\"]", JSONRPC_INVALID_PARAMS,
                    "empty request");
    rpc_fixture_close(&f);
}

TEST(the_configuration_of_forks) {
    rpc_begin(&f, 0, 0);
    const struct json *v = rpc_result(&f, "eth_config", "[]");
    const struct json *now = json_get(v, "current");
    CHECK(json_is_null(json_get(v, "next")) && json_is_null(json_get(v, "last")));
    CHECK_U64(json_count(json_get(now, "precompiles")), 17);
    CHECK_U64(json_count(json_get(now, "systemContracts")), 5);
    CHECK_STR(rpc_raw(&f, json_get(json_get(now, "blobSchedule"), "max")), "9");
    rpc_fixture_close(&f);
}

TEST_MAIN()
