/* Simulated blocks are what real ones would be. SPDX-License-Identifier: MIT */
#include "eth/rpc_json.h"
#include "node/rpc_ask_testing.h"

#include <string.h>

static struct rpc_fixture f;
static struct error why;

static void begin(size_t blocks, size_t txs) {
    CHECK_OK(rpc_fixture_open(&f, FORK_PRAGUE, &why), &why);
    for (size_t i = 0; i < blocks; i++) {
        CHECK_OK(rpc_fixture_extend(&f, txs, &why), &why);
    }
}

static void end(void) {
    rpc_fixture_close(&f);
}

static void put_call(struct json_writer *w, const struct tx *t, const struct address *from) {
    json_begin_object(w, NULL);
    json_add_data(w, "from", BYTES_OF(*from));
    if (t->has_to) json_add_data(w, "to", BYTES_OF(t->to));
    json_add_quantity(w, "nonce", t->nonce);
    json_add_quantity(w, "gas", t->gas);
    json_add_quantity256(w, "value", t->value);
    json_add_data(w, "input", t->data);
    if (t->type < TX_FEE_MARKET) {
        json_add_quantity256(w, "gasPrice", t->max_fee);
    } else {
        json_add_quantity256(w, "maxFeePerGas", t->max_fee);
        json_add_quantity256(w, "maxPriorityFeePerGas", t->max_priority_fee);
    }
    if (t->type >= TX_ACCESS_LIST) {
        access_list_json_encode(w, "accessList", t->access, t->access_count);
    }
    json_end(w);
}

/* The wish for a block that is there already. */
static void put_wish(struct json_writer *w, const struct head_block *b) {
    const struct header *h = &b->block.header;
    json_begin_object(w, NULL);
    json_begin_object(w, "blockOverrides");
    json_add_quantity(w, "number", h->number);
    json_add_quantity(w, "time", h->timestamp);
    json_add_quantity(w, "gasLimit", h->gas_limit);
    json_add_data(w, "feeRecipient", BYTES_OF(h->coinbase));
    json_add_data(w, "prevRandao", BYTES_OF(h->mix_hash));
    json_add_quantity256(w, "baseFeePerGas", h->base_fee);
    json_add_data(w, "beaconRoot", BYTES_OF(h->parent_beacon_root));
    json_begin_array(w, "withdrawals");
    for (size_t i = 0; i < b->block.withdrawal_count; i++) {
        withdrawal_json_encode(w, NULL, &b->block.withdrawals[i]);
    }
    json_end(w);
    json_end(w);
    json_begin_array(w, "calls");
    for (size_t i = 0; i < b->block.tx_count; i++) {
        put_call(w, &b->block.txs[i], &b->senders[i]);
    }
    json_end(w);
    json_end(w);
}

static bool plain(const struct head_block *b) {
    for (size_t i = 0; i < b->block.tx_count; i++) {
        if (b->block.txs[i].type > TX_FEE_MARKET) return false; // blobs and codes need signatures
    }
    return true;
}

/* Only block 1: later ones differ in their parent's hash, which a system contract stores. */
TEST(a_real_block_is_simulated_to_its_roots) {
    begin(1, 30);
    struct buf out;
    struct json_writer w;
    const struct head_block *b = head_latest(f.head);
    if (!plain(b)) SKIP("the random block has transactions that need signatures");
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_array(&w, NULL);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "blockStateCalls");
    put_wish(&w, b);
    json_end(&w);
    json_add_bool(&w, "validation", true);
    json_end(&w);
    json_add_str(&w, NULL, "0x0");
    json_end(&w);
    const char *params = arena_str(&f.arena, buf_view(&out));
    const struct json *s = json_at(rpc_result(&f, "eth_simulateV1", params), 0);
    const struct json *real = rpc_result(&f, "eth_getBlockByNumber", "[\"0x1\",false]");
    static const char *const same[] = {
        "stateRoot",     "receiptsRoot", "logsBloom", "gasUsed",   "withdrawalsRoot",
        "withdrawals",   "parentHash",   "miner",     "mixHash",   "baseFeePerGas",
        "excessBlobGas", "blobGasUsed",  "gasLimit",  "timestamp", "parentBeaconBlockRoot",
        "requestsHash",  "sha3Uncles",   "difficulty"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (strcmp(rpc_raw(&f, json_get(s, same[i])), rpc_raw(&f, json_get(real, same[i]))) != 0) {
            FAIL("%s: %s, really %s", same[i], rpc_raw(&f, json_get(s, same[i])),
                 rpc_raw(&f, json_get(real, same[i])));
        }
    }
    size_t i = 0;
    json_each(call, json_get(s, "calls")) {
        CHECK_U64(rpc_number(call, "gasUsed"), head_receipt_gas(b, i));
        CHECK_U64(rpc_number(call, "status"), b->receipts[i].success);
        CHECK_U64(json_count(json_get(call, "logs")), b->receipts[i].log_count);
        i++;
    }
    CHECK_U64(i, b->block.tx_count);
    buf_free(&out);
    head_block_release(b);
    end();
}

#define A "\"0xd000000000000000000000000000000000000000\""
#define B "\"0xd100000000000000000000000000000000000000\""
#define FUNDED "\"stateOverrides\":{" A ":{\"balance\":\"0x7d0\"}},"
#define SEND "{\"from\":" A ",\"to\":" B ",\"value\":\"0x3e8\"}"

static const struct json *simulate(const char *blocks, const char *options) {
    return rpc_result(
        &f, "eth_simulateV1",
        arena_printf(&f.arena, "[{\"blockStateCalls\":[%s]%s},\"latest\"]", blocks, options));
}

static void check_code(const char *blocks, const char *options, int64_t code) {
    rpc_check_error(
        &f, "eth_simulateV1",
        arena_printf(&f.arena, "[{\"blockStateCalls\":[%s]%s},\"latest\"]", blocks, options), code,
        NULL);
}

TEST(blocks_follow_one_another) {
    begin(1, 1);
    const struct json *v = simulate("{" FUNDED "\"calls\":[" SEND "]},{\"calls\":[{\"from\":" B
                                    ",\"to\":" A ",\"value\":\"0x3e8\"}]},{\"blockOverrides\":{"
                                    "\"number\":\"0x6\"}}",
                                    "");
    CHECK_U64(json_count(v), 5); // 2, 3, and 4 to 6 of which two are filled in
    uint64_t number = 2;
    const struct json *before = rpc_result(&f, "eth_getBlockByNumber", "[\"0x1\",false]");
    json_each(b, v) {
        CHECK_U64(rpc_number(b, "number"), number++);
        CHECK_STR(rpc_raw(&f, json_get(b, "parentHash")), rpc_raw(&f, json_get(before, "hash")));
        CHECK_U64(rpc_number(b, "timestamp"), rpc_number(before, "timestamp") + 12);
        CHECK_U64(rpc_number(b, "baseFeePerGas"), 0);
        before = b;
    }
    end();
}

TEST(block_hashes_of_simulated_blocks_are_seen) {
    begin(1, 1);
    // PUSH1 1; NUMBER; SUB; BLOCKHASH; returned.
    const struct json *v = simulate("{\"calls\":[]},{\"calls\":[{\"input\":\"0x6001430340600052"
                                    "60206000f3\"}]}",
                                    "");
    CHECK_STR(rpc_raw(&f, json_get(json_at(json_get(json_at(v, 1), "calls"), 0), "returnData")),
              rpc_raw(&f, json_get(json_at(v, 0), "hash")));
    end();
}

TEST(transfers_are_shown_as_logs) {
    begin(1, 1);
    // Forwards what it gets to address 0x100 and logs before: LOG0, CALL with CALLVALUE.
    static const char *const blocks =
        "{\"stateOverrides\":{" A ":{\"balance\":\"0x7d0\"}," B
        ":{\"code\":\"0x5f5fa05f5f5f5f346101005af1\"}},\"calls\":[" SEND ",{\"from\":" A
        ",\"input\":\"0x5f5ffd\",\"value\":\"0x1\"}]}";
    const struct json *calls =
        json_get(json_at(simulate(blocks, ",\"traceTransfers\":true"), 0), "calls");
    const struct json *logs = json_get(json_at(calls, 0), "logs");
    CHECK_U64(json_count(logs), 3); // the transfer in, the contract's own, the transfer out
    for (size_t i = 0; i < 3; i++) {
        CHECK_U64(rpc_number(json_at(logs, i), "logIndex"), i);
        CHECK_U64(json_count(json_get(json_at(logs, i), "topics")), i == 1 ? 0 : 3);
    }
    CHECK_U64(json_count(json_get(json_at(calls, 1), "logs")), 0); // what failed moved nothing
    CHECK_U64(rpc_number(json_at(calls, 1), "status"), 0);
    calls = json_get(json_at(simulate(blocks, ""), 0), "calls");
    CHECK_U64(json_count(json_get(json_at(calls, 0), "logs")), 1);
    end();
}

TEST(precompiled_contracts_move) {
    begin(1, 1);
    // The identity contract at another address; its own is empty then.
    const struct json *v =
        simulate("{\"stateOverrides\":{\"0x0000000000000000000000000000000000000004\":{"
                 "\"movePrecompileToAddress\":" B "}},\"calls\":[{\"to\":" B
                 ",\"input\":\"0xaabb\"},{\"to\":"
                 "\"0x0000000000000000000000000000000000000004\",\"input\":\"0xaabb\"}]},{"
                 "\"calls\":[{\"to\":"
                 "\"0x0000000000000000000000000000000000000004\",\"input\":\"0xaabb\"}]}",
                 "");
    const struct json *calls = json_get(json_at(v, 0), "calls");
    CHECK_STR(rpc_raw(&f, json_get(json_at(calls, 0), "returnData")), "\"0xaabb\"");
    CHECK_STR(rpc_raw(&f, json_get(json_at(calls, 1), "returnData")), "\"0x\"");
    calls = json_get(json_at(v, 1), "calls");
    CHECK_STR(rpc_raw(&f, json_get(json_at(calls, 0), "returnData")), "\"0xaabb\"");
    end();
}

TEST(what_fails_has_its_code) {
    begin(1, 1);
    static const char *const valid = ",\"validation\":true";
    check_code("{\"calls\":[" SEND "]}", "", -38014);
    check_code("{" FUNDED "\"calls\":[" SEND "]}", valid, -38012);
    check_code("{" FUNDED "\"calls\":[{\"from\":" A ",\"nonce\":\"0x1\"}],\"blockOverrides\":{"
               "\"baseFeePerGas\":\"0x0\"}}",
               valid, -38011);
    check_code("{\"stateOverrides\":{" A ":{\"nonce\":\"0x5\"}},\"calls\":[{\"from\":" A
               ",\"nonce\":\"0x1\"}],\"blockOverrides\":{\"baseFeePerGas\":\"0x0\"}}",
               valid, -38010);
    check_code("{\"calls\":[{\"from\":" A ",\"gas\":\"0x1\"}]}", "", -38013);
    check_code("{\"calls\":[{\"from\":" A ",\"gas\":\"0x7fffffffffff\"}]}", "", -38015);
    check_code("{\"blockOverrides\":{\"number\":\"0x1\"}}", "", -38020);
    check_code("{\"blockOverrides\":{\"time\":\"0x1\"}}", "", -38021);
    check_code("{\"blockOverrides\":{\"number\":\"0x1000\"}}", "", -38026);
    check_code("{\"stateOverrides\":{\"0x0000000000000000000000000000000000000001\":{"
               "\"movePrecompileToAddress\":\"0x0000000000000000000000000000000000000001\"}}}",
               "", -38022);
    check_code("{\"stateOverrides\":{\"0x0000000000000000000000000000000000000001\":{"
               "\"movePrecompileToAddress\":" A "},\"0x0000000000000000000000000000000000000002\":{"
               "\"movePrecompileToAddress\":" A "}}}",
               "", -38023);
    check_code("{\"stateOverrides\":{" A ":{\"movePrecompileToAddress\":" B "}}}", "", -32602);
    check_code("", "", -32602);
    rpc_check_error(&f, "eth_simulateV1", "[]", -32602, NULL);
    rpc_check_error(&f, "eth_simulateV1", "[{\"blockStateCalls\":[{}]},\"0x99\"]", -32000, NULL);
    // A call that halts fails alone.
    const struct json *call = json_at(
        json_get(json_at(simulate("{\"calls\":[{\"input\":\"0xfe\"}]}", ""), 0), "calls"), 0);
    int64_t code;
    CHECK_OK(json_get_i64(&code, json_get(call, "error"), "code", &why), &why);
    CHECK_I64(code, -32015);
    end();
}

TEST(full_transactions_are_given) {
    begin(1, 1);
    const struct json *v =
        simulate("{" FUNDED "\"calls\":[" SEND "]}", ",\"returnFullTransactions\":true");
    const struct json *t = json_at(json_get(json_at(v, 0), "transactions"), 0);
    CHECK_STR(rpc_raw(&f, json_get(t, "from")), A);
    CHECK_U64(rpc_number(t, "type"), 2);
    CHECK_U64(rpc_number(t, "gas"), 30000000); // what the block has
    end();
}

TEST_MAIN()
