/* SPDX-License-Identifier: MIT */
#include "node/chain_file.h"

#include "eth/system_contracts.h"
#include "test/harness/test.h"

static struct error why;

TEST(the_development_chain_has_accounts_contracts_and_forks) {
    struct buf text;
    struct arena a;
    struct genesis g;
    const struct json *doc;
    struct ecdsa_secret_key key;
    struct address first;
    buf_init(&text, 0);
    arena_init(&a, 0);
    CHECK_OK(genesis_write_dev(&text, 3, &why), &why);
    CHECK_OK(json_parse(&doc, buf_view(&text), &a, NULL, &why), &why);
    CHECK_OK(genesis_decode(&g, doc, &a, &why), &why);
    CHECK_U64(g.config.chain_id, DEV_CHAIN_ID);
    CHECK(chain_fork_at(&g.config, 1, 1, true) == FORK_OSAKA);
    CHECK_U64(chain_blobs_at(&g.config, 1)->max, 21);
    CHECK_U64(g.account_count, 3 + SYSTEM_CONTRACTS);
    CHECK_OK(genesis_dev_key(&key, &first, 0, &why), &why);
    static const uint8_t known[] = {0xf3, 0x9f, 0xd6, 0xe5, 0x1a, 0xad, 0x88, 0xf6, 0xf4, 0xce,
                                    0x6a, 0xb8, 0x82, 0x72, 0x79, 0xcf, 0xff, 0xb9, 0x22, 0x66};
    CHECK(memcmp(first.b, known, sizeof known) == 0);
    CHECK(address_equal(&g.accounts[0].address, &first));
    buf_free(&text);
    arena_free(&a);
}

TEST(files_that_are_none_are_refused) {
    struct arena a;
    struct genesis g;
    arena_init(&a, 0);
    CHECK(genesis_read(&g, "/nowhere/genesis.json", &a, &why) == ERR_NOT_FOUND);
    CHECK(genesis_read(&g, "/dev/null", &a, &why) < 0);
    arena_free(&a);
}

TEST_MAIN()
