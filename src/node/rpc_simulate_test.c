/* Simulated blocks are what real ones would be. SPDX-License-Identifier: MIT */
#include "eth/rpc_json.h"
#include "node/rpc_ask_testing.h"

#include <string.h>

static struct rpc_fixture f;
static struct error why;

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
    rpc_begin(&f, 1, 30);
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
    rpc_fixture_close(&f);
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
    rpc_begin(&f, 1, 1);
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
    rpc_fixture_close(&f);
}

TEST(block_hashes_of_simulated_blocks_are_seen) {
    rpc_begin(&f, 1, 1);
    // PUSH1 1; NUMBER; SUB; BLOCKHASH; returned.
    const struct json *v = simulate("{\"calls\":[]},{\"calls\":[{\"input\":\"0x6001430340600052"
                                    "60206000f3\"}]}",
                                    "");
    CHECK_STR(rpc_raw(&f, json_get(json_at(json_get(json_at(v, 1), "calls"), 0), "returnData")),
              rpc_raw(&f, json_get(json_at(v, 0), "hash")));
    rpc_fixture_close(&f);
}

TEST(transfers_are_shown_as_logs) {
    rpc_begin(&f, 1, 1);
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
    rpc_fixture_close(&f);
}

TEST(precompiled_contracts_move) {
    rpc_begin(&f, 1, 1);
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
    rpc_fixture_close(&f);
}

TEST(what_fails_has_its_code) {
    rpc_begin(&f, 1, 1);
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
    check_code("{\"stateOverrides\":{" A ":{\"movePrecompileToAddress\":" B "}}}", "", -32000);
    check_code("{\"stateOverrides\":{" A
               ":{\"nonce\":\"0xffffffffffffffff\"}},\"calls\":[{\"from\":" A "}]}",
               valid, -32603);
    check_code("", "", -32602);
    rpc_check_error(&f, "eth_simulateV1", "[]", -32602, NULL);
    rpc_check_error(&f, "eth_simulateV1", "[{\"blockStateCalls\":[{}]},\"0x99\"]", -32000, NULL);
    // A call that halts fails alone.
    const struct json *call = json_at(
        json_get(json_at(simulate("{\"calls\":[{\"input\":\"0xfe\"}]}", ""), 0), "calls"), 0);
    int64_t code;
    CHECK_OK(json_get_i64(&code, json_get(call, "error"), "code", &why), &why);
    CHECK_I64(code, -32015);
    call = json_at(
        json_get(json_at(simulate("{\"calls\":[{\"input\":\"0x5f5ffd\"}]}", ""), 0), "calls"), 0);
    CHECK_OK(json_get_i64(&code, json_get(call, "error"), "code", &why), &why);
    CHECK_I64(code, 3);
    rpc_fixture_close(&f);
}

/* What the specification's own tests (execution-apis, tests/eth_simulateV1) tell of overrides: the
 * values do not depend on their chain but for its identifier and gas limit. */
#define SENDER "\"0xc000000000000000000000000000000000000000\""
#define GIVES_42 "\"0xc100000000000000000000000000000000000000\""
#define GIVES_1 "\"0xc200000000000000000000000000000000000000\""
#define SIGNER "\"0x1f4924b14f34e24159387c0a4cdbaa32f3ddb0cf\""
#define MISSING "\"0x3c99b48acd2a442808922929a1441f31245e3a45\""
#define RICH SENDER ":{\"balance\":\"0x1e8480\"}"
#define CODE_42 GIVES_42 ":{\"code\":\"0x602a60005260206000f3\"}"
#define CALL(to) "{\"from\":" SENDER ",\"to\":" to "}"
#define DELEGATES(y, r, s)                                                                         \
    "{\"from\":" SENDER ",\"to\":" SENDER                                                          \
    ",\"authorizationList\":[{\"chainId\":\"0xc72dd9d5e883e\","                                    \
    "\"address\":" GIVES_42 ",\"nonce\":\"0x0\",\"yParity\":\"" y "\",\"r\":\"" r "\",\"s\":\"" s  \
    "\"}]}"
#define SIGNER_DELEGATES                                                                           \
    DELEGATES("0x1", "0x688980e5aade10fb4ae34dd784899d94cc020332a5f0819005f4b09da6e5a2b0",         \
              "0x713c724d10920a924c24f9ed682155da66b88cfa8eda30ecbfa3d05efebb3aae")
#define MISSING_DELEGATES                                                                          \
    DELEGATES("0x0", "0xe46a57110dd3e4f9d556fbcd95f00f29ec91ce3e656a796f46b665d6df4aa657",         \
              "0x589ea4f67adc16d5de188b7f5e2b697c017325ada80332ecfd24ead54d49fc3f")

struct recorded {
    const char *blocks;
    const char *receipts_root, *first_hash; /* of the last block */
    uint64_t gas_used;
};

static const struct recorded recorded[] = {
    // A precompiled contract's code is overridden without moving it.
    {"{\"stateOverrides\":{\"0x0000000000000000000000000000000000000004\":{\"code\":"
     "\"0x602a60005260206000f3\"}},\"calls\":[{\"from\":" SENDER
     ",\"to\":\"0x0000000000000000000000000000000000000004\",\"input\":\"0x1234\"}]}",
     "0x5240c13baa9d1e0d29a6c984ba919cb949d4c1a9ceb74060760c90e4d1fcd765",
     "0xdc456e05afa0d45ffdb175f5813197c6c9ca54409f5dc8c055eab8e459b4b98b", 0x5258},
    // An override that leaves a missing account empty makes it: the refund of one that exists.
    {"{\"stateOverrides\":{" MISSING ":{\"code\":\"0x\"}," RICH "," CODE_42
     "},\"calls\":[" MISSING_DELEGATES "," CALL(MISSING) "]}",
     "0x457027f428d99521b9924e7f7a2fc14c9f99f78b536d230b0d3be59cca964e9a",
     "0xcda5270816f9f4e101ed4cb0acb7c44471b5aa60cbe220ebc622b908e85c865f", 0xe1da},
    // It is still there in the next block, and after it was left empty once more.
    {"{\"stateOverrides\":{" MISSING ":{\"code\":\"0x\"}," RICH "," CODE_42 "},\"calls\":[" CALL(
         GIVES_42) "]},{\"stateOverrides\":{" MISSING
                   ":{\"balance\":\"0x0\"}},\"calls\":[" MISSING_DELEGATES "," CALL(MISSING) "]}",
     "0x457027f428d99521b9924e7f7a2fc14c9f99f78b536d230b0d3be59cca964e9a",
     "0x1e4bf9f6bcbe236d94d2397e8a1553f13734903a1cd122ae69e90e2861626f47", 0xe1da},
    // Overridden code stands before the block: a delegation replaces it, of no code and of another.
    {"{\"stateOverrides\":{" SIGNER ":{\"code\":\"0x\",\"balance\":\"0x1\"}," RICH "," CODE_42
     "},\"calls\":[" CALL(SIGNER) "," SIGNER_DELEGATES "," CALL(SIGNER) "]}",
     "0x2082464d3d7ec7fec0a434d61dd0a6bab159dc8de82890fdf3ab389fc3543fe4",
     "0xc532ac02e5c3c02207eaa8cff82fda1c0387bbc1dec51c6bfd184922fb4386df", 0x133e2},
    {"{\"stateOverrides\":{" SIGNER
     ":{\"code\":\"0xef0100c200000000000000000000000000000000000000\"}," RICH "," CODE_42
     "," GIVES_1 ":{\"code\":\"0x600160005260206000f3\"}},\"calls\":[" CALL(
         SIGNER) "," SIGNER_DELEGATES "," CALL(SIGNER) "]}",
     "0x44e04a4161497bde648a280c9f460d18f29086402d3854a52158e6e516832841",
     "0xc532ac02e5c3c02207eaa8cff82fda1c0387bbc1dec51c6bfd184922fb4386df", 0x133f4},
    // So does a creation.
    {"{\"stateOverrides\":{" RICH
     ",\"0xf47be3b1978c24bb4b498620b247b2622a2cb056\":{\"code\":\"0x\"}},"
     "\"calls\":[{\"from\":" SENDER
     ",\"input\":\"0x69602a60005260206000f3600052600a6016f3\"}," CALL(
         "\"0xf47be3b1978c24bb4b498620b247b2622a2cb056\"") "]}",
     "0xfa7017e049ed8e220acfb394d256a2b1953c38b99b8373959ffcd3ed322ff3a0",
     "0x9471755e689cb41c087ed16aecd19b73a8a6efe433ae4751d33057f5bd6dcef4", 0x12a12},
    // What is made empty keeps its storage for later code.
    {"{\"stateOverrides\":{" SIGNER ":{\"code\":\"0x00\",\"nonce\":\"0x1\",\"stateDiff\":{\"0x"
     "0000000000000000000000000000000000000000000000000000000000000000\":\"0x"
     "0000000000000000000000000000000000000000000000000000000000000038\"}}}},"
     "{\"stateOverrides\":{" SIGNER ":{\"code\":\"0x\",\"nonce\":\"0x0\",\"balance\":\"0x0\"}," RICH
     "},\"calls\":[" CALL(SENDER) "]},{\"stateOverrides\":{" SIGNER
                                  ":{\"code\":\"0x60005460005260206000f3\"}},\"calls\":[" CALL(
                                      SIGNER) "]}",
     "0x9285ed5789a044abf015e5e4e031df3fcdb2f05a12435168605fa2da8b1ce358", NULL, 0x5a4e},
    // The highest nonce is followed by 0 where any will do.
    {"{\"stateOverrides\":{" SENDER
     ":{\"nonce\":\"0xffffffffffffffff\"}},\"calls\":[" CALL(GIVES_42) "," CALL(GIVES_42) "]}",
     "0x75308898d571eafb5cd8cde8278bf5b3d13c5f6ec074926de3bb895b519264e1",
     "0x477a61e1243f3b2c6a206477ecfca9f57a099a152a08fda53d8cee470d6c5fb8", 0xa410},
    // A call that reverts moves nothing.
    {"{\"stateOverrides\":{" RICH "," GIVES_1
     ":{\"code\":\"0x5f5ffd\"}},\"calls\":[{\"from\":" SENDER ",\"to\":" GIVES_1
     ",\"value\":\"0x3e8\"}]}",
     NULL, NULL, 0x520c},
};

TEST(recorded_answers_of_the_specification) {
    memset(&f, 0, sizeof f);
    CHECK_OK(play_init(&f.play, 7, FORK_PRAGUE, &why), &why);
    // Only the system contracts, which stand behind the others.
    f.play.genesis.accounts += PLAY_SENDERS + PLAY_CONTRACTS;
    f.play.genesis.account_count -= PLAY_SENDERS + PLAY_CONTRACTS;
    f.play.genesis.config.chain_id = 0xc72dd9d5e883e;
    f.play.genesis.header.gas_limit = 0xbebc200;
    CHECK_OK(rpc_fixture_start(&f, &why), &why);
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        const struct recorded *x = &recorded[i];
        const struct json *v = simulate(x->blocks, "");
        const struct json *b = json_at(v, json_count(v) - 1);
        CHECK_U64(rpc_number(b, "gasUsed"), x->gas_used);
        if (x->receipts_root) {
            CHECK_STR(rpc_raw(&f, json_get(b, "receiptsRoot")),
                      arena_printf(&f.arena, "\"%s\"", x->receipts_root));
        }
        if (x->first_hash) {
            CHECK_STR(rpc_raw(&f, json_at(json_get(b, "transactions"), 0)),
                      arena_printf(&f.arena, "\"%s\"", x->first_hash));
        }
    }
    rpc_fixture_close(&f);
}

TEST(full_transactions_are_given) {
    rpc_begin(&f, 1, 1);
    const struct json *v =
        simulate("{" FUNDED "\"calls\":[" SEND "]}", ",\"returnFullTransactions\":true");
    const struct json *t = json_at(json_get(json_at(v, 0), "transactions"), 0);
    CHECK_STR(rpc_raw(&f, json_get(t, "from")), A);
    CHECK_U64(rpc_number(t, "type"), 2);
    CHECK_U64(rpc_number(t, "gas"), 30000000); // what the block has
    rpc_fixture_close(&f);
}

TEST_MAIN()
