/* Bundles tried ahead do what they did in blocks. SPDX-License-Identifier: MIT */
#include "node/rpc_ask_testing.h"

#include <string.h>

static struct rpc_fixture f;
static struct error why;

static const char *raw_tx(const struct tx *t) {
    return arena_printf(&f.arena, "0x%s", hex_text(&f.arena, t->raw));
}

static const char *decimal(struct u256 v) {
    char text[U256_DECIMAL_MAX + 1];
    u256_to_decimal(text, v);
    return arena_printf(&f.arena, "%s", text);
}

/* The transactions of the head as a bundle on its parent's state, in the same environment. */
static const char *bundle_of_head(const struct head_block *b) {
    const struct header *h = &b->block.header;
    struct buf out;
    buf_init(&out, 0);
    buf_append_str(&out, "[{\"txs\":[");
    for (size_t i = 0; i < b->block.tx_count; i++) {
        buf_printf(&out, "%s\"%s\"", i ? "," : "", raw_tx(&b->block.txs[i]));
    }
    buf_printf(&out,
               "],\"blockNumber\":\"0x%llx\",\"stateBlockNumber\":\"0x%llx\",\"timestamp\":%llu,"
               "\"gasLimit\":%llu,\"coinbase\":\"%s\",\"baseFee\":%s}]",
               (unsigned long long)h->number, (unsigned long long)h->number - 1,
               (unsigned long long)h->timestamp, (unsigned long long)h->gas_limit,
               rpc_address_text(&f, &h->coinbase), decimal(h->base_fee));
    const char *params = arena_str(&f.arena, buf_view(&out));
    buf_free(&out);
    return params;
}

TEST(a_bundle_uses_the_gas_of_its_block) {
    rpc_begin(&f, 3, 20);
    const struct head_block *b = head_latest(f.head);
    const struct json *v = rpc_result(&f, "eth_callBundle", bundle_of_head(b));
    uint64_t total, at;
    CHECK_OK(json_get_u64(&total, v, "totalGasUsed", &why), &why);
    CHECK_OK(json_get_u64(&at, v, "stateBlockNumber", &why), &why);
    CHECK_U64(total, b->block.header.gas_used);
    CHECK_U64(at, 2);
    size_t i = 0;
    json_each(r, json_get(v, "results")) {
        uint64_t gas;
        CHECK_OK(json_get_u64(&gas, r, "gasUsed", &why), &why);
        CHECK_U64(gas, head_receipt_gas(b, i));
        CHECK((json_get(r, "error") == NULL) == b->receipts[i].success);
        CHECK_STR(arena_str(&f.arena, json_text(json_get(r, "txHash"))),
                  rpc_hash_text(&f, &b->block.txs[i].hash));
        i++;
    }
    CHECK_U64(i, b->block.tx_count);
    head_block_release(b);
    rpc_fixture_close(&f);
}

TEST(a_bundle_pays_the_producer) {
    rpc_begin(&f, 1, 1);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .to = {{0xfe}},
                   .gas = 21000,
                   .value = u256_from_u64(1000),
                   .max_fee = u256_from_u64(100000000000),
                   .max_priority_fee = u256_from_u64(2000000000)};
    CHECK_OK(rpc_fixture_send(&f, 3, &t, &why), &why);
    const char *params = arena_printf(
        &f.arena,
        "[{\"txs\":[\"%s\"],\"blockNumber\":\"0x2\",\"stateBlockNumber\":\"latest\",\"coinbase\":"
        "\"0xfe00000000000000000000000000000000000000\"}]",
        raw_tx(&t));
    const struct json *v = rpc_result(&f, "eth_callBundle", params);
    // 21,000 gas at 2 gwei, and 1,000 wei sent.
    CHECK_STR(rpc_raw(&f, json_get(v, "coinbaseDiff")), "\"42000000001000\"");
    CHECK_STR(rpc_raw(&f, json_get(v, "gasFees")), "\"42000000000000\"");
    CHECK_STR(rpc_raw(&f, json_get(v, "ethSentToCoinbase")), "\"1000\"");
    CHECK_STR(rpc_raw(&f, json_get(v, "bundleGasPrice")), "\"2000000000\"");
    // Twice the same: the second has a nonce that is used up.
    params = arena_printf(&f.arena, "[{\"txs\":[\"%s\",\"%s\"],\"blockNumber\":\"0x2\"}]",
                          raw_tx(&t), raw_tx(&t));
    rpc_check_error(&f, "eth_callBundle", params, -32000, NULL);
    rpc_check_error(&f, "eth_callBundle", "[{\"txs\":[],\"blockNumber\":\"0x2\"}]", -32602,
                    "bundle missing txs");
    rpc_check_error(&f, "eth_callBundle", "[{\"txs\":[\"0x00\"]}]", -32602,
                    "bundle missing blockNumber");
    rpc_check_error(&f, "eth_callBundle", "[{\"txs\":[\"0x00\"],\"blockNumber\":\"0x2\"}]", -32602,
                    NULL);
    rpc_check_error(&f, "eth_callBundle", "[]", -32602, NULL);

    // The same through mev_simBundle, with a tenth of what the first pays for the second's sender.
    struct tx second = t;
    second.value = u256_from_u64(0);
    CHECK_OK(rpc_fixture_send(&f, 4, &second, &why), &why);
    params = arena_printf(
        &f.arena,
        "[{\"version\":\"v0.1\",\"inclusion\":{\"block\":\"0x2\",\"maxBlock\":\"0x3\"},\"body\":[{"
        "\"tx\":\"%s\",\"canRevert\":false},{\"bundle\":{\"version\":\"v0.1\",\"inclusion\":{"
        "\"block\":\"0x2\"},\"body\":[{\"tx\":\"%s\",\"canRevert\":false}],\"validity\":{}}}],"
        "\"validity\":{\"refund\":[{\"bodyIdx\":1,\"percent\":90}]}},{\"coinbase\":"
        "\"0xfe00000000000000000000000000000000000000\",\"baseFee\":\"0x1\"}]",
        raw_tx(&t), raw_tx(&second));
    v = rpc_result(&f, "mev_simBundle", params);
    CHECK_STR(rpc_raw(&f, json_get(v, "success")), "true");
    CHECK_U64(rpc_number(v, "refundableValue"), 42000000001000);
    CHECK_U64(rpc_number(v, "profit"), 84000000001000 - 42000000001000 * 90 / 100);
    CHECK_U64(rpc_number(v, "gasUsed"), 42000 + 30000);
    CHECK_U64(json_count(json_get(v, "logs")), 2);
    rpc_fixture_close(&f);
}

TEST(shared_bundles_that_do_not_hold) {
    rpc_begin(&f, 1, 1);
    static const char *const late = "[{\"version\":\"v0.1\",\"inclusion\":{\"block\":\"0x9\"},"
                                    "\"body\":[{\"tx\":\"0x00\",\"canRevert\":false}],"
                                    "\"validity\":{}}]";
    static const char *const empty[] = {
        "[{\"version\":\"v0.1\",\"inclusion\":{\"block\":\"0x2\"},\"body\":[]}]",
        "[{\"version\":\"v0.1\",\"inclusion\":{\"block\":\"0x2\"},\"body\":[{\"bundle\":{"
        "\"version\":"
        "\"v0.1\",\"inclusion\":{\"block\":\"0x2\"},\"body\":[]}}]}]"};
    for (size_t i = 0; i < 2; i++) {
        rpc_check_error(&f, "mev_simBundle", empty[i], -32602, "bundle body is empty");
    }
    const struct json *v = rpc_result(&f, "mev_simBundle", late);
    CHECK_STR(rpc_raw(&f, json_get(v, "success")), "false");
    CHECK_STR(rpc_raw(&f, json_get(v, "error")), "\"invalid inclusion\"");
    rpc_check_error(&f, "mev_simBundle", "[]", -32602, NULL);
    rpc_check_error(&f, "mev_simBundle", "[{}]", -32602, NULL);
    rpc_fixture_close(&f);
}

#define CODE(hex) "{\"0x00000000000000000000000000000000000000cc\":{\"code\":\"" hex "\"}}"
#define CALL "{\"to\":\"0x00000000000000000000000000000000000000cc\"}"

TEST(calls_follow_one_another) {
    rpc_begin(&f, 2, 10);
    // slot 0 += 1, returned.
    const struct json *v =
        rpc_result(&f, "eth_callMany",
                   "[[{\"transactions\":[" CALL "," CALL "]},{\"transactions\":[" CALL
                   "],\"blockOverride\":{\"number\":\"0x55\"}}],{\"blockNumber\":\"latest\","
                   "\"transactionIndex\":-1}," CODE("0x5f546001018060005560005260206000f3") "]");
    CHECK_U64(json_count(v), 2);
    for (size_t i = 0; i < 3; i++) {
        const struct json *one = json_at(json_at(v, i / 2), i % 2);
        struct hash word;
        CHECK_OK(json_get_hash(&word, one, "value", &why), &why);
        CHECK_U64(word.b[31], i + 1);
    }
    v = rpc_result(&f, "eth_callMany", "[[{\"transactions\":[" CALL "]}],{}," CODE("0x5f5ffd") "]");
    CHECK_STR(rpc_raw(&f, json_get(json_at(json_at(v, 0), 0), "error")), "\"execution reverted\"");
    // The state in the middle of a block: a sender's nonce, by what it creates.
    const struct head_block *b = head_latest(f.head);
    v = rpc_result(&f, "eth_callMany",
                   "[[{\"transactions\":[{\"input\":\"0x4260005260206000f3\"}]}],{\"blockNumber\":"
                   "\"latest\",\"transactionIndex\":1}]");
    struct hash word;
    CHECK_OK(json_get_hash(&word, json_at(json_at(v, 0), 0), "value", &why), &why);
    CHECK_U64(load_be64(word.b + 24), b->block.header.timestamp);
    head_block_release(b);
    rpc_check_error(&f, "eth_callMany", "[]", -32602, NULL);
    rpc_check_error(&f, "eth_callMany", "[[{}],{}]", -32602, NULL);
    rpc_check_error(&f, "eth_callMany", "[[{\"transactions\":[1]}],{}]", -32602, NULL);
    rpc_fixture_close(&f);
}

TEST_MAIN()
