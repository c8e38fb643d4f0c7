/* SPDX-License-Identifier: MIT */
#include "eth/genesis.h"

#include "test/harness/test.h"

static int load(struct genesis *g, const char *text, struct arena *a, struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, bytes_from_str(text), a, NULL, why);
    return r != 0 ? r : genesis_decode(g, doc, a, why);
}

TEST(reads_what_geth_reads) {
    struct arena a;
    struct error why;
    struct genesis g;
    arena_init(&a, 0);
    CHECK_OK(load(&g,
                  "{\"config\":{\"chainId\":1337,\"homesteadBlock\":0,\"eip150Block\":0,"
                  "\"eip158Block\":0,\"byzantiumBlock\":0,\"constantinopleBlock\":0,"
                  "\"istanbulBlock\":0,\"berlinBlock\":0,\"londonBlock\":0,"
                  "\"terminalTotalDifficulty\":0,\"shanghaiTime\":0,\"cancunTime\":0,"
                  "\"pragueTime\":100,\"bpo1Time\":\"0xc8\",\"blobSchedule\":{\"cancun\":"
                  "{\"target\":2,\"max\":4,\"baseFeeUpdateFraction\":\"5\"}}},"
                  "\"timestamp\":\"0x5\",\"difficulty\":\"0x0\",\"gasLimit\":\"30000000\","
                  "\"extraData\":\"0x1234\",\"nonce\":\"0x42\",\"alloc\":{"
                  "\"0x0000000000000000000000000000000000000001\":{\"balance\":\"1000\"},"
                  "\"00000000000000000000000000000000000000ff\":{\"balance\":\"0x0a\",\"nonce\":"
                  "\"0x1\",\"code\":\"0x6001\",\"storage\":{\"0x00\":\"0x02\"}}}}",
                  &a, &why),
             &why);
    CHECK_U64(g.config.chain_id, 1337);
    CHECK_U64(g.config.activation[FORK_PETERSBURG], 0);
    CHECK_U64(g.config.activation[FORK_OSAKA], FORK_NEVER);
    CHECK_U64(g.config.dao_block, FORK_NEVER);
    CHECK_U64(g.header.form, HEADER_CANCUN);
    CHECK_U64(g.header.base_fee.w[0], 1000000000);
    CHECK_U64(g.header.gas_limit, 30000000);
    CHECK_U64(g.header.nonce[7], 0x42);
    CHECK_U64(chain_blobs_at(&g.config, 5)->max, 4);
    CHECK_U64(chain_blobs_at(&g.config, 5)->update_fraction, 5);
    CHECK_U64(chain_blobs_at(&g.config, 150)->max, 9);
    CHECK_U64(chain_blobs_at(&g.config, 200)->max, 15);
    CHECK_U64(g.account_count, 2);
    CHECK_U64(g.accounts[0].balance.w[0], 1000);
    CHECK_U64(g.accounts[1].balance.w[0], 10);
    CHECK_U64(g.accounts[1].code.n, 2);
    CHECK(g.accounts[1].slot_count == 1 && g.accounts[1].slots[0].value.w[0] == 2);
    arena_free(&a);
}

TEST(reads_rollups) {
    struct arena a;
    struct error why;
    struct genesis g;
    arena_init(&a, 0);
    CHECK_OK(load(&g,
                  "{\"config\":{\"chainId\":13,\"terminalTotalDifficulty\":0,\"optimism\":"
                  "{\"eip1559Elasticity\":6,\"eip1559DenominatorCanyon\":\"0xfb\"},"
                  "\"regolithTime\":0,\"canyonTime\":0,\"ecotoneTime\":0,\"fjordTime\":0,"
                  "\"graniteTime\":0,\"holoceneTime\":0,\"isthmusTime\":100},\"alloc\":{}}",
                  &a, &why),
             &why);
    CHECK(g.config.op.enabled);
    CHECK_U64(g.config.op.elasticity, 6);
    CHECK_U64(g.config.op.denominator, 50);
    CHECK_U64(g.config.op.denominator_canyon, 251);
    CHECK_I64(op_fork_at(&g.config.op, 99), OP_HOLOCENE);
    CHECK_I64(op_fork_at(&g.config.op, 100), OP_ISTHMUS);
    CHECK_ERR(
        load(&g, "{\"config\":{\"optimism\":{\"eip1559Elasticity\":0}},\"alloc\":{}}", &a, &why),
        ERR_RANGE);
    arena_free(&a);
}

TEST(storage_is_hex_without_a_prefix_too) {
    struct arena a;
    struct error why;
    struct genesis g;
    arena_init(&a, 0);
    CHECK_OK(load(&g,
                  "{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":"
                  "{\"storage\":{\"10\":\"20\",\"0x11\":12,\"00000000000000000000000000000000000"
                  "000000000000000000000000000ff\":\"\"}}}}",
                  &a, &why),
             &why);
    const struct genesis_slot *slots = g.accounts[0].slots;
    CHECK_U64(g.accounts[0].slot_count, 3);
    CHECK_U64(slots[0].key.b[31], 0x10);
    CHECK_U64(slots[0].value.w[0], 0x20);
    CHECK_U64(slots[1].key.b[31], 0x11);
    CHECK_U64(slots[1].value.w[0], 12);
    CHECK_U64(slots[2].key.b[31], 0xff);
    CHECK(u256_is_zero(slots[2].value));
    arena_free(&a);
}

TEST(errors_are_at_the_digit_that_is_wrong) {
    static const char *const cases[] = {
        "{\"config\":{},\"alloc\":{\"0x000000000000000000000000000000000000000!\":{}}}",
        "{\"config\":{},\"alloc\":{\"00000000000000000000000000000000000000!0\":{}}}",
        "{\"config\":{},\"difficulty\":\"0x12!\",\"alloc\":{}}",
        "{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":"
        "{\"balance\":\"0x!\"}}}",
        "{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":"
        "{\"storage\":{\"0x1!\":\"0x1\"}}}}",
        "{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":"
        "{\"storage\":{\"1\":\"123!5\"}}}}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct genesis g;
        arena_init(&a, 0);
        CHECK_ERR(load(&g, cases[i], &a, &why), ERR_SYNTAX);
        CHECK_U64(why.at, (size_t)(strchr(cases[i], '!') - cases[i]));
        arena_free(&a);
    }
}

TEST(refuses_what_has_no_sense) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"{}", ERR_NOT_FOUND},
        {"{\"config\":{}}", ERR_NOT_FOUND},
        {"{\"config\":{\"chainId\":\"abc\"},\"alloc\":{}}", ERR_SYNTAX},
        {"{\"config\":{\"chainId\":\"0x10000000000000000\"},\"alloc\":{}}", ERR_RANGE},
        {"{\"config\":{},\"alloc\":{\"0x12\":{}}}", ERR_SYNTAX},
        {"{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":"
         "{\"storage\":{\"0xzz\":\"0x1\"}}}}",
         ERR_SYNTAX},
        {"{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":\"0x1\"}}",
         ERR_INVALID},
        {"{\"config\":{},\"alloc\":{\"0x0000000000000000000000000000000000000001\":null}}",
         ERR_INVALID},
        {"{\"config\":{\"bpo5Time\":1},\"alloc\":{}}", ERR_RANGE},
        {"{\"config\":{\"cancunTime\":1,\"blobSchedule\":{\"cancun\":{\"target\":7,\"max\":6}}},"
         "\"alloc\":{}}",
         ERR_RANGE},
        {"{\"config\":{},\"gasLimit\":true,\"alloc\":{}}", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct error why;
        struct genesis g;
        arena_init(&a, 0);
        CHECK_ERR(load(&g, cases[i].text, &a, &why), cases[i].code);
        arena_free(&a);
    }
}

TEST_MAIN()
