/* SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"

#include "base/hex.h"
#include "chain/engine.h"
#include "test/harness/test.h"
#include "trie/account.h"
#include "json/json.h"

#include <stdio.h>

static struct arena arena;
static struct error why;

static int network(struct chain_config *ret, enum fork *ret_fork, const char *name,
                   const char *config) {
    const struct json *doc = NULL;
    if (config) CHECK_OK(json_parse(&doc, bytes_from_str(config), &arena, NULL, &why), &why);
    return blocktest_network(ret, ret_fork, bytes_from_str(name), doc, &why);
}

TEST(networks_change_their_fork_where_the_name_says) {
    static const struct {
        const char *name;
        uint64_t number, time;
        enum fork first, before, after; /* at number - 1 and time - 1, and at these */
    } cases[] = {
        {"Cancun", 1, 1, FORK_CANCUN, FORK_CANCUN, FORK_CANCUN},
        {"FrontierToHomesteadAt5", 5, 1, FORK_FRONTIER, FORK_FRONTIER, FORK_HOMESTEAD},
        {"HomesteadToDaoAt5", 5, 1, FORK_HOMESTEAD, FORK_HOMESTEAD, FORK_HOMESTEAD},
        {"ParisToShanghaiAtTime15k", 1, 15000, FORK_PARIS, FORK_PARIS, FORK_SHANGHAI},
        {"CancunToPragueAtTime15k", 1, 15000, FORK_CANCUN, FORK_CANCUN, FORK_PRAGUE},
        {"OsakaToBPO1AtTime15k", 1, 15000, FORK_OSAKA, FORK_OSAKA, FORK_OSAKA},
    };
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain_config c;
        enum fork first;
        uint64_t number = cases[i].number, time = cases[i].time;
        bool merged = cases[i].first >= FORK_PARIS;
        CHECK_OK(network(&c, &first, cases[i].name, NULL), &why);
        CHECK_U64(first, cases[i].first);
        CHECK_U64(chain_fork_at(&c, number - 1, time - 1, merged), cases[i].before);
        CHECK_U64(chain_fork_at(&c, number, time, merged), cases[i].after);
    }
    struct chain_config c;
    enum fork first;
    CHECK_OK(network(&c, &first, "HomesteadToDaoAt5", NULL), &why);
    CHECK_U64(c.dao_block, 5);
    static const char *const unknown[] = {"", "Atlantis", "CancunToAtlantisAtTime15k",
                                          "LondonToParisAtDiffxyz"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK_ERR(network(&c, &first, unknown[i], NULL), ERR_NOT_FOUND);
    }
    arena_free(&arena);
}

TEST(networks_have_the_blob_parameters_of_each_of_their_names) {
    struct chain_config c;
    enum fork first;
    arena_init(&arena, 0);
    CHECK_OK(network(&c, &first, "OsakaToBPO1AtTime15k", NULL), &why);
    CHECK_U64(chain_blobs_at(&c, 14999)->max, 9);
    CHECK_U64(chain_blobs_at(&c, 15000)->max, 15);
    CHECK_OK(network(&c, &first, "BPO1ToBPO2AtTime15k", NULL), &why);
    CHECK_U64(chain_blobs_at(&c, 14999)->max, 15);
    CHECK_U64(chain_blobs_at(&c, 15000)->max, 21);
    // A test's own, for every fork that it names.
    static const char own[] =
        "{\"blobSchedule\":{\"Osaka\":{\"target\":\"0x1\",\"max\":\"0x2\","
        "\"baseFeeUpdateFraction\":\"0x3\"},\"BPO1\":{\"target\":\"0x4\",\"max\":\"0x5\","
        "\"baseFeeUpdateFraction\":\"0x6\"}}}";
    CHECK_OK(network(&c, &first, "OsakaToBPO1AtTime15k", own), &why);
    CHECK_U64(chain_blobs_at(&c, 14999)->max, 2);
    CHECK_U64(chain_blobs_at(&c, 15000)->max, 5);
    CHECK_U64(chain_blobs_at(&c, 15000)->update_fraction, 6);
    CHECK_OK(network(&c, &first, "Osaka", own), &why);
    CHECK_U64(chain_blobs_at(&c, 99999)->max, 2);
    CHECK_ERR(network(&c, &first, "Osaka",
                      "{\"blobSchedule\":{\"Osaka\":{\"target\":\"0x9\",\"max\":\"0x2\","
                      "\"baseFeeUpdateFraction\":\"0x3\"}}}"),
              ERR_RANGE);
    arena_free(&arena);
}

/* Payloads: an empty block of Shanghai on a genesis of nothing. */

static struct header genesis_header(void) {
    return (struct header){.ommers_hash = BLOCK_EMPTY_OMMERS,
                           .state_root = TRIE_EMPTY_ROOT,
                           .transactions_root = TRIE_EMPTY_ROOT,
                           .receipts_root = TRIE_EMPTY_ROOT,
                           .withdrawals_root = TRIE_EMPTY_ROOT,
                           .gas_limit = 30000000,
                           .gas_used = 15000000,
                           .timestamp = 1,
                           .base_fee = u256_from_u64(7),
                           .form = HEADER_SHANGHAI};
}

static void add_hash(struct buf *out, const char *name, const struct hash *h) {
    char text[128], hex[65] = {0};
    hex_encode(hex, BYTES_OF(*h));
    (void)snprintf(text, sizeof text, "\"%s\":\"0x%s\",", name, hex);
    buf_append(out, bytes_from_str(text));
}

// Its payload as JSON, with what the test wants otherwise; *ret_hash is its block's hash.
static void payload(struct buf *out, const struct hash *state_root, struct hash *ret_hash) {
    struct header first = genesis_header();
    struct block b = {.header = first, .has_withdrawals = true};
    struct execution_payload p;
    struct json_writer w;
    unsigned parts;
    CHECK_OK(header_hash(&b.header.parent_hash, &first, &why), &why);
    b.header.number = 1;
    b.header.timestamp = 12;
    b.header.gas_used = 0;
    b.header.state_root = *state_root;
    CHECK_OK(header_hash(ret_hash, &b.header, &why), &why);
    CHECK_OK(engine_payload_of(&p, &parts, &b, ret_hash, &arena, &why), &why);
    json_writer_init(&w, out, 0);
    engine_payload_encode(&w, NULL, &p, parts);
}

// A test of one payload. says  what its object has besides the parameters.
static const struct json *engine_test(const struct hash *state_root, const char *says, bool stays,
                                      const char *more) {
    struct header first = genesis_header();
    struct hash first_hash, last;
    const struct json *doc;
    struct buf out;
    buf_init(&out, 0);
    CHECK_OK(header_hash(&first_hash, &first, &why), &why);
    const char *begin = "{\"one\":{\"network\":\"Shanghai\",\"pre\":{},\"genesisBlockHeader\":{"
                        "\"gasLimit\":\"0x01c9c380\",\"gasUsed\":\"0xe4e1c0\","
                        "\"timestamp\":\"0x01\",\"baseFeePerGas\":\"0x07\",";
    buf_append(&out, bytes_from_str(begin));
    add_hash(&out, "uncleHash", &BLOCK_EMPTY_OMMERS);
    add_hash(&out, "stateRoot", &TRIE_EMPTY_ROOT);
    add_hash(&out, "transactionsTrie", &TRIE_EMPTY_ROOT);
    add_hash(&out, "receiptTrie", &TRIE_EMPTY_ROOT);
    add_hash(&out, "withdrawalsRoot", &TRIE_EMPTY_ROOT);
    add_hash(&out, "hash", &first_hash);
    out.n--; // the last comma
    buf_append(&out, BYTES_LIT("},\"engineNewPayloads\":[{\"params\":["));
    payload(&out, state_root, &last);
    buf_append(&out, BYTES_LIT("],"));
    buf_append(&out, bytes_from_str(says));
    buf_append(&out, BYTES_LIT("}],"));
    add_hash(&out, "lastblockhash", stays ? &first_hash : &last);
    buf_append(&out, bytes_from_str(more));
    add_hash(&out, "postStateHash", &TRIE_EMPTY_ROOT);
    out.n--;
    buf_append(&out, BYTES_LIT("}}"));
    CHECK_OK(buf_check(&out, &why), &why);
    CHECK_OK(json_parse(&doc, arena_copy(&arena, buf_view(&out)), &arena, NULL, &why), &why);
    buf_free(&out);
    return doc;
}

static enum verdict verdict;
static char reason[512];
static void note(void *arg, enum verdict v, const char *file, const char *name, const char *text) {
    (void)arg;
    (void)file;
    (void)name;
    verdict = v;
    (void)snprintf(reason, sizeof reason, "%s", text);
}

TEST(payloads_are_judged_as_the_engine_api_answers) {
    const struct hash wrong = {{1}};
    const struct {
        const struct hash *state_root;
        const char *says, *more;
        bool stays;
        enum verdict verdict;
        const char *reason;
    } cases[] = {
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"2\"", "", false, VERDICT_PASSED, ""},
        {&TRIE_EMPTY_ROOT, "\"version\":\"2\"", "\"config\":{\"chainid\":\"0x01\"},", false,
         VERDICT_PASSED, ""},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"2\",\"validationError\":\"X\"", "", false,
         VERDICT_FAILED, "VALID, expected X"},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"2\"", "", true, VERDICT_FAILED,
         "the head is 0x"},
        {&wrong, "\"newPayloadVersion\":\"2\",\"validationError\":\"X\"", "", true, VERDICT_PASSED,
         ""},
        {&wrong, "\"newPayloadVersion\":\"2\"", "", true, VERDICT_FAILED, "state root"},
        // An error of the method is no status.
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"3\",\"errorCode\":\"-32602\"", "", true,
         VERDICT_PASSED, ""},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"3\",\"errorCode\":\"-38005\"", "", true,
         VERDICT_FAILED, "-32602"},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"3\",\"validationError\":\"X\"", "", true,
         VERDICT_FAILED, "-32602"},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"2\",\"errorCode\":\"-32602\"", "", true,
         VERDICT_FAILED, "no error"},
        {&TRIE_EMPTY_ROOT, "\"newPayloadVersion\":\"9\"", "", true, VERDICT_FAILED, "version 9"},
    };
    const struct report_sink sink = {NULL, note};
    struct workbench w;
    arena_init(&arena, 0);
    CHECK_OK(workbench_init(&w, &sink, &why), &why);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *doc =
            engine_test(cases[i].state_root, cases[i].says, cases[i].stays, cases[i].more);
        CHECK(blocktest_is_format(doc));
        workbench_begin_file(&w, "test");
        blocktest_run_json(&w, doc);
        workbench_end_file(&w);
        CHECK_STR(verdict == cases[i].verdict ? "" : reason, "");
        CHECK(strstr(reason, cases[i].reason));
    }
    workbench_free(&w);
    arena_free(&arena);
}

TEST_MAIN()
