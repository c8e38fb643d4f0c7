/* SPDX-License-Identifier: MIT */
#include "eth/fork.h"

#include "test/harness/test.h"

static const struct chain_config *named(const char *name) {
    return chain_config_named(bytes_from_str(name));
}

TEST(names_read_back) {
    for (int f = 0; f < FORK_COUNT; f++) {
        CHECK_I64(fork_parse(bytes_from_str(fork_name((enum fork)f))), f);
        CHECK_I64(fork_rules_of((enum fork)f)->fork, f);
    }
    CHECK_I64(fork_parse(BYTES_LIT("merge")), FORK_PARIS);
    CHECK_I64(fork_parse(BYTES_LIT("SpuriousDragon")), FORK_SPURIOUS);
    CHECK_I64(fork_parse(BYTES_LIT("Petersburg")), FORK_PETERSBURG);
    CHECK_I64(fork_parse(BYTES_LIT("Amsterdam")), -1);
    CHECK_I64(fork_parse(BYTES_LIT("")), -1);
}

TEST(mainnet_forks_by_block_and_time) {
    static const struct {
        uint64_t number, time;
        bool merged;
        enum fork fork;
    } cases[] = {
        {0, 0, false, FORK_FRONTIER},
        {1149999, 0, false, FORK_FRONTIER},
        {1150000, 0, false, FORK_HOMESTEAD},
        {2463000, 0, false, FORK_TANGERINE},
        {2675000, 0, false, FORK_SPURIOUS},
        {4370000, 0, false, FORK_BYZANTIUM},
        {7279999, 0, false, FORK_BYZANTIUM},
        {7280000, 0, false, FORK_PETERSBURG},
        {9069000, 0, false, FORK_ISTANBUL},
        {12244000, 0, false, FORK_BERLIN},
        {12965000, 0, false, FORK_LONDON},
        {15537393, 1663224162, false, FORK_LONDON},
        {15537394, 1663224179, true, FORK_PARIS},
        {17034869, 1681338443, true, FORK_PARIS},
        {17034870, 1681338455, true, FORK_SHANGHAI},
        {19426587, 1710338135, true, FORK_CANCUN},
        {22431084, 1746612311, true, FORK_PRAGUE},
        {23935694, 1764798551, true, FORK_OSAKA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_U64(chain_fork_at(named("mainnet"), cases[i].number, cases[i].time, cases[i].merged),
                  cases[i].fork);
    }
    CHECK_U64(chain_fork_at(named("hoodi"), 0, 0, true), FORK_CANCUN);
    CHECK(named("ropsten") == NULL);
}

TEST(merge_by_total_difficulty_where_no_block_is_known) {
    struct chain_config c;
    chain_config_all_at(&c, FORK_LONDON, 7);
    CHECK_U64(chain_fork_at(&c, 5, 5, true), FORK_LONDON);
    c.has_terminal_total_difficulty = true;
    CHECK_U64(chain_fork_at(&c, 5, 5, false), FORK_LONDON);
    CHECK_U64(chain_fork_at(&c, 5, 5, true), FORK_PARIS);
}

TEST(blob_schedule_follows_the_clock) {
    const struct chain_config *c = named("mainnet");
    CHECK(chain_blobs_at(c, 1710338134) == NULL);
    CHECK_U64(chain_blobs_at(c, 1710338135)->max, 6);
    CHECK_U64(chain_blobs_at(c, 1746612311)->max, 9);
    CHECK_U64(chain_blobs_at(c, 1764798551)->max, 9);
    CHECK_U64(chain_blobs_at(c, 1765290071)->max, 15);
    CHECK_U64(chain_blobs_at(c, UINT64_MAX)->max, 21);
}

TEST(blob_rows_stand_sorted_and_replace_their_like) {
    struct chain_config c;
    chain_config_all_at(&c, FORK_SHANGHAI, 1);
    CHECK(chain_blobs_at(&c, 0) == NULL);
    for (uint64_t i = BLOB_SCHEDULE_MAX; i > 0; i--) {
        CHECK(chain_config_add_blobs(&c, (struct blob_params){10 * i, 1, (uint32_t)i, 1}));
    }
    CHECK(!chain_config_add_blobs(&c, (struct blob_params){5, 1, 1, 1}));
    CHECK(chain_config_add_blobs(&c, (struct blob_params){20, 1, 77, 1}));
    CHECK_U64(chain_blobs_at(&c, 10)->max, 1);
    CHECK_U64(chain_blobs_at(&c, 29)->max, 77);
    CHECK_U64(chain_blobs_at(&c, 30)->max, 3);
}

TEST(rules_grow_fork_by_fork) {
    CHECK_U64(fork_rules_of(FORK_FRONTIER)->create_gas, 0);
    CHECK_U64(fork_rules_of(FORK_HOMESTEAD)->create_gas, 32000);
    CHECK(!fork_rules_of(FORK_TANGERINE)->replay_protection);
    CHECK(fork_rules_of(FORK_SPURIOUS)->replay_protection);
    CHECK_U64(fork_rules_of(FORK_PETERSBURG)->nonzero_gas, 68);
    CHECK_U64(fork_rules_of(FORK_ISTANBUL)->nonzero_gas, 16);
    CHECK(!fork_rules_of(FORK_ISTANBUL)->typed_1 && fork_rules_of(FORK_BERLIN)->typed_1);
    CHECK_U64(fork_rules_of(FORK_PARIS)->initcode_max, 0);
    CHECK_U64(fork_rules_of(FORK_OSAKA)->initcode_max, 49152);
    CHECK_U64(fork_rules_of(FORK_PRAGUE)->gas_max, 0);
    CHECK_U64(fork_rules_of(FORK_OSAKA)->gas_max, 16777216);
}

TEST(chain_configs_by_name_have_its_blob_parameters) {
    static const struct {
        const char *name;
        int fork;
        uint32_t target, max;
    } cases[] = {{"Shanghai", FORK_SHANGHAI, 0, 0}, {"Cancun", FORK_CANCUN, 3, 6},
                 {"Prague", FORK_PRAGUE, 6, 9},     {"Osaka", FORK_OSAKA, 6, 9},
                 {"BPO1", FORK_OSAKA, 10, 15},      {"bpo2", FORK_OSAKA, 14, 21},
                 {"BPO3", FORK_OSAKA, 14, 21},      {"BPO", -1, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain_config c = {0};
        CHECK_U64(chain_config_at_name(&c, bytes_from_str(cases[i].name), 5), cases[i].fork);
        const struct blob_params *p = chain_blobs_at(&c, 0);
        CHECK_U64(p ? p->target : 0, cases[i].target);
        CHECK_U64(p ? p->max : 0, cases[i].max);
    }
}

TEST_MAIN()
