/* SPDX-License-Identifier: MIT */
#include "eth/rpc_call.h"

#include "test/harness/test.h"

#define ADDRESS "\"0x1111111111111111111111111111111111111111\""
/* One address in two spellings. */
#define TWICE                                                                                      \
    "{\"0x00000000000000000000000000000000000000Ab\":{},"                                          \
    "\"0x00000000000000000000000000000000000000aB\":{}}"
#define HASH "\"0x0101010101010101010101010101010101010101010101010101010101010101\""

static const struct json *parse(const char *text, struct arena *a) {
    struct error why;
    const struct json *doc;
    CHECK_OK(json_parse(&doc, bytes_from_str(text), a, NULL, &why), &why);
    return doc;
}

TEST(block_parameters) {
    static const struct {
        const char *text;
        int kind; // -1: refused
        uint64_t number;
        bool canonical, by_number; // by_number: fine where hashes are not
    } cases[] = {
        {"null", BLOCK_PARAM_SAFE, 0, false, true}, // the default that is asked for below
        {"\"latest\"", BLOCK_PARAM_LATEST, 0, false, true},
        {"\"earliest\"", BLOCK_PARAM_EARLIEST, 0, false, true},
        {"\"pending\"", BLOCK_PARAM_PENDING, 0, false, true},
        {"\"safe\"", BLOCK_PARAM_SAFE, 0, false, true},
        {"\"finalized\"", BLOCK_PARAM_FINALIZED, 0, false, true},
        {"\"0x0\"", BLOCK_PARAM_NUMBER, 0, false, true},
        {"\"0xffffffffffffffff\"", BLOCK_PARAM_NUMBER, UINT64_MAX, false, true},
        {HASH, BLOCK_PARAM_HASH, 0, false, false},
        {"{\"blockNumber\":\"0x5\"}", BLOCK_PARAM_NUMBER, 5, false, false},
        {"{\"blockNumber\":\"latest\"}", BLOCK_PARAM_LATEST, 0, false, false},
        {"{\"blockHash\":" HASH "}", BLOCK_PARAM_HASH, 0, false, false},
        {"{\"blockHash\":" HASH ",\"requireCanonical\":true}", BLOCK_PARAM_HASH, 0, true, false},
        {"\"Latest\"", -1, 0, false, false},
        {"\"\"", -1, 0, false, false},
        {"\"5\"", -1, 0, false, false},
        {"\"0x\"", -1, 0, false, false},
        {"\"0x05\"", -1, 0, false, false},
        {"\"0x10000000000000000\"", -1, 0, false, false},
        {"5", -1, 0, false, false},
        {"true", -1, 0, false, false},
        {"[]", -1, 0, false, false},
        {"{}", -1, 0, false, false},
        {"{\"blockHash\":\"0x01\"}", -1, 0, false, false},
        {"{\"blockHash\":" HASH ",\"blockNumber\":\"0x1\"}", -1, 0, false, false},
        {"{\"blockHash\":" HASH ",\"requireCanonical\":1}", -1, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct block_param p;
        arena_init(&a, 0);
        const struct json *doc = parse(cases[i].text, &a);
        int r = block_param_decode(&p, doc, BLOCK_PARAM_SAFE, &why);
        if ((r == 0) != (cases[i].kind >= 0)) FAIL("%s: %d", cases[i].text, r);
        if (r == 0) {
            CHECK_U64(p.kind, cases[i].kind);
            CHECK_U64(p.number, cases[i].number);
            CHECK(p.require_canonical == cases[i].canonical);
        }
        r = block_param_decode_number(&p, doc, BLOCK_PARAM_SAFE, &why);
        if ((r == 0) != cases[i].by_number) FAIL("as a number: %s: %d", cases[i].text, r);
        arena_free(&a);
    }
}

TEST(storage_keys_of_any_length) {
    struct arena a;
    struct error why;
    struct hash key;
    arena_init(&a, 0);
    CHECK_OK(storage_key_decode(&key, parse("\"0x1\"", &a), &why), &why);
    CHECK(key.b[31] == 1 && key.b[0] == 0);
    CHECK_OK(storage_key_decode(&key, parse("\"0x00aB\"", &a), &why), &why);
    CHECK(key.b[31] == 0xab);
    CHECK_OK(storage_key_decode(&key, parse(HASH, &a), &why), &why);
    CHECK(key.b[0] == 1);
    CHECK_ERR(storage_key_decode(&key, parse("\"0x\"", &a), &why), ERR_SYNTAX);
    CHECK_ERR(storage_key_decode(&key, parse("\"1\"", &a), &why), ERR_SYNTAX);
    CHECK_ERR(storage_key_decode(&key, parse("\"0xzz\"", &a), &why), ERR_SYNTAX);
    CHECK_ERR(storage_key_decode(&key, parse("1", &a), &why), ERR_INVALID);
    CHECK_ERR(storage_key_decode(&key, NULL, &why), ERR_NOT_FOUND);
    CHECK_ERR(
        storage_key_decode(
            &key,
            parse("\"0x000000000000000000000000000000000000000000000000000000000000000001\"", &a),
            &why),
        ERR_RANGE);
    arena_free(&a);
}

TEST(the_type_of_a_call_follows_from_its_members) {
    static const struct {
        const char *text;
        int type; // -1: refused
    } cases[] = {
        {"{}", TX_FEE_MARKET},
        {"{\"gasPrice\":\"0x1\"}", TX_LEGACY},
        {"{\"gasPrice\":\"0x1\",\"accessList\":[]}", TX_ACCESS_LIST},
        {"{\"accessList\":[]}", TX_FEE_MARKET},
        {"{\"maxFeePerGas\":\"0x1\"}", TX_FEE_MARKET},
        {"{\"maxPriorityFeePerGas\":\"0x1\",\"maxFeePerGas\":\"0x2\"}", TX_FEE_MARKET},
        {"{\"blobVersionedHashes\":[" HASH "]}", TX_BLOB},
        {"{\"maxFeePerBlobGas\":\"0x1\"}", TX_FEE_MARKET},
        {"{\"authorizationList\":[]}", TX_SET_CODE},
        {"{\"type\":\"0x0\"}", TX_FEE_MARKET},
        {"{\"type\":0}", -1},
        {"{\"type\":\"0x2\"}", TX_FEE_MARKET},
        {"{\"type\":\"0x0\",\"gasPrice\":\"0x1\"}", TX_LEGACY},
        {"{\"type\":\"0x0\",\"accessList\":[]}", TX_FEE_MARKET},
        {"{\"type\":\"0x0\",\"maxFeePerGas\":\"0x1\"}", TX_FEE_MARKET},
        {"{\"type\":\"0x1\",\"blobVersionedHashes\":[]}", TX_BLOB},
        {"{\"type\":\"0x3\",\"authorizationList\":[]}", TX_SET_CODE},
        {"{\"type\":\"0x5\"}", TX_FEE_MARKET},
        {"{\"gasPrice\":\"0x1\",\"maxFeePerGas\":\"0x1\"}", -1},
        {"{\"gasPrice\":\"0x1\",\"maxPriorityFeePerGas\":\"0x1\"}", -1},
        {"{\"maxPriorityFeePerGas\":\"0x2\",\"maxFeePerGas\":\"0x1\"}", -1},
        {"{\"gas\":\"0x01\"}", -1},
        {"{\"gas\":5}", -1},
        {"{\"to\":\"0x11\"}", -1},
        {"{\"data\":\"0x1\"}", -1},
        {"{\"data\":\"0x11\",\"input\":\"0x22\"}", -1},
        {"{\"value\":\"0x10000000000000000000000000000000000000000000000000000000000000000\"}", -1},
        {"{\"blobVersionedHashes\":[1]}", -1},
        {"[]", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct call_object c;
        arena_init(&a, 0);
        int r = call_object_decode(&c, parse(cases[i].text, &a), &a, &why);
        if ((r == 0) != (cases[i].type >= 0)) FAIL("%s: %d", cases[i].text, r);
        if (r == 0 && (int)c.tx.type != cases[i].type) FAIL("%s: %d", cases[i].text, c.tx.type);
        arena_free(&a);
    }
}

TEST(the_type_of_a_call_follows_from_the_fork) {
    static const struct {
        const char *text;
        enum fork fork;
        enum tx_type type;
    } cases[] = {
        {"{}", FORK_BERLIN, TX_LEGACY},
        {"{}", FORK_LONDON, TX_FEE_MARKET},
        {"{\"accessList\":[]}", FORK_BERLIN, TX_ACCESS_LIST},
        {"{\"accessList\":[]}", FORK_LONDON, TX_FEE_MARKET},
        {"{\"gasPrice\":\"0x0\"}", FORK_LONDON, TX_LEGACY},
        {"{\"maxFeePerGas\":\"0x0\"}", FORK_BERLIN, TX_FEE_MARKET},
        {"{\"maxFeePerBlobGas\":\"0x1\"}", FORK_SHANGHAI, TX_BLOB},
        {"{\"maxFeePerBlobGas\":\"0x1\"}", FORK_CANCUN, TX_FEE_MARKET},
        {"{\"blobVersionedHashes\":[]}", FORK_CANCUN, TX_BLOB},
        {"{\"authorizationList\":[]}", FORK_PRAGUE, TX_SET_CODE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct call_object c;
        arena_init(&a, 0);
        CHECK_OK(call_object_decode(&c, parse(cases[i].text, &a), &a, &why), &why);
        call_object_settle(&c, cases[i].fork);
        if (c.tx.type != cases[i].type) FAIL("%s: %d", cases[i].text, c.tx.type);
        arena_free(&a);
    }
}

TEST(calls_read_all_their_members) {
    struct arena a;
    struct error why;
    struct call_object c;
    arena_init(&a, 0);
    CHECK_OK(call_object_decode(
                 &c,
                 parse("{\"from\":" ADDRESS ",\"to\":null,\"gas\":\"0x10\",\"nonce\":\"0x2\","
                       "\"chainId\":\"0x3\",\"value\":\"0x4\",\"data\":\"0x05\",\"input\":\"0x05\","
                       "\"maxFeePerGas\":\"0x6\",\"accessList\":[{\"address\":" ADDRESS
                       ",\"storageKeys\":[" HASH "]}],\"unknown\":{}}",
                       &a),
                 &a, &why),
             &why);
    CHECK(c.has_from && c.has_gas && c.has_nonce && c.has_chain_id && c.has_max_fee);
    CHECK(!c.has_priority_fee && !c.has_gas_price && !c.tx.has_to);
    CHECK_U64(c.tx.gas, 16);
    CHECK_U64(c.tx.nonce, 2);
    CHECK_U64(c.tx.chain_id, 3);
    CHECK_U64(c.tx.value.w[0], 4);
    CHECK_BYTES(c.tx.data, BYTES_LIT("\x05"));
    CHECK_U64(c.tx.access_count, 1);
    CHECK_U64(c.tx.access[0].key_count, 1);
    arena_free(&a);
}

TEST(state_overrides) {
    struct arena a;
    struct error why;
    struct state_overrides s;
    arena_init(&a, 0);
    CHECK_OK(state_overrides_decode(&s, NULL, &a, &why), &why);
    CHECK_U64(s.count, 0);
    CHECK_OK(state_overrides_decode(
                 &s,
                 parse("{" ADDRESS ":{\"balance\":\"0x1\",\"nonce\":\"0x2\",\"code\":\"0x6000\","
                       "\"stateDiff\":{" HASH ":\"0x5\"}},"
                       "\"0x2222222222222222222222222222222222222222\":{\"state\":{},"
                       "\"movePrecompileToAddress\":" ADDRESS "}}",
                       &a),
                 &a, &why),
             &why);
    CHECK_U64(s.count, 2);
    CHECK(s.accounts[0].has_balance && s.accounts[0].has_nonce && s.accounts[0].has_code);
    CHECK(!s.accounts[0].replaces_storage && s.accounts[0].slot_count == 1);
    CHECK_U64(s.accounts[0].slots[0].value.w[0], 5);
    CHECK(s.accounts[1].replaces_storage && s.accounts[1].slot_count == 0);
    CHECK(s.accounts[1].has_move && s.accounts[1].move_to.b[0] == 0x11);
    static const char *const wrong[] = {
        "[]",
        "{\"0x11\":{}}",
        "{" ADDRESS ":1}",
        "{" ADDRESS ":{\"state\":{},\"stateDiff\":{}}}",
        "{" ADDRESS ":{\"state\":{\"x\":\"0x1\"}}}",
        "{" ADDRESS ":{\"stateDiff\":{\"0x1\":1}}}",
        "{" ADDRESS ":{\"balance\":\"0x01\"}}",
        "{" ADDRESS ":{\"nonce\":1}}",
        "{" ADDRESS ":{\"code\":\"6000\"}}",
        TWICE,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (state_overrides_decode(&s, parse(wrong[i], &a), &a, &why) == 0) {
            FAIL("read: %s", wrong[i]);
        }
    }
    arena_free(&a);
}

TEST(block_overrides_by_both_names) {
    struct arena a;
    struct error why;
    struct block_overrides b;
    arena_init(&a, 0);
    CHECK_OK(block_overrides_decode(&b, NULL, &a, &why), &why);
    CHECK(!b.has_number && !b.has_withdrawals);
    static const char *const both[] = {
        "{\"number\":\"0x1\",\"time\":\"0x2\",\"gasLimit\":\"0x3\",\"feeRecipient\":" ADDRESS
        ",\"prevRandao\":\"0x4\",\"baseFeePerGas\":\"0x5\",\"blobBaseFee\":\"0x6\"}",
        "{\"number\":\"0x1\",\"time\":\"0x2\",\"gasLimit\":\"0x3\",\"coinbase\":" ADDRESS
        ",\"random\":\"0x4\",\"baseFee\":\"0x5\",\"blobBaseFee\":\"0x6\"}"};
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(block_overrides_decode(&b, parse(both[i], &a), &a, &why), &why);
        CHECK(b.has_number && b.number == 1 && b.has_time && b.time == 2);
        CHECK(b.has_gas_limit && b.gas_limit == 3 && b.has_coinbase && b.coinbase.b[3] == 0x11);
        CHECK(b.has_prevrandao && b.prevrandao.w[0] == 4 && b.has_base_fee);
        CHECK(b.base_fee.w[0] == 5 && b.has_blob_base_fee && b.blob_base_fee.w[0] == 6);
    }
    CHECK_OK(block_overrides_decode(
                 &b,
                 parse("{\"withdrawals\":[{\"index\":\"0x1\",\"validatorIndex\":\"0x2\","
                       "\"address\":" ADDRESS ",\"amount\":\"0x3\"}]}",
                       &a),
                 &a, &why),
             &why);
    CHECK(b.has_withdrawals && b.withdrawal_count == 1 && b.withdrawals[0].amount_gwei == 3);
    CHECK(block_overrides_decode(&b, parse("{\"number\":1}", &a), &a, &why) != 0);
    CHECK(block_overrides_decode(&b, parse("{\"withdrawals\":{}}", &a), &a, &why) != 0);
    CHECK(block_overrides_decode(&b, parse("7", &a), &a, &why) != 0);
    arena_free(&a);
}

TEST_MAIN()
