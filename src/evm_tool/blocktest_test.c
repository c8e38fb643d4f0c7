/* SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"

#include "test/harness/test.h"
#include "json/json.h"

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

TEST_MAIN()
