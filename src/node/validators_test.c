/* SPDX-License-Identifier: MIT */
#include "node/validators.h"

#include "base/hex.h"
#include "test/harness/test.h"

static struct error why;
static const uint8_t version[4] = {0x20, 0, 0, 0x89};

TEST(interop_keys_are_those_of_other_clients) {
    static const char *const known[] = {
        "a99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a"
        "38e44c",
        "b89bebc699769726a318c8e9971bd3171297c61aea4a6578a7a4f94b547dcba5bac16a89108b6b6a1fe3695d1a"
        "874a0b"};
    struct validators v;
    CHECK_OK(validators_make(&v, "interop", 2, version, &why), &why);
    for (size_t i = 0; i < 2; i++) {
        char got[97] = {0};
        hex_encode(got, BYTES_OF(v.items[i].pubkey));
        CHECK(strcmp(got, known[i]) == 0);
    }
    validators_free(&v);
    CHECK_ERR(validators_make(&v, "interop", 0, version, &why), ERR_RANGE);
    CHECK_ERR(validators_make(&v, "interop", VALIDATORS_MAX + 1, version, &why), ERR_RANGE);
}

TEST(seeds_give_keys_of_their_own) {
    struct validators a, b, c;
    CHECK_OK(validators_make(&a, "one", 2, version, &why), &why);
    CHECK_OK(validators_make(&b, "one", 2, version, &why), &why);
    CHECK_OK(validators_make(&c, "two", 2, version, &why), &why);
    CHECK(memcmp(&a.items[1].pubkey, &b.items[1].pubkey, 48) == 0);
    CHECK(memcmp(&a.items[0].pubkey, &a.items[1].pubkey, 48) != 0);
    CHECK(memcmp(&a.items[0].pubkey, &c.items[0].pubkey, 48) != 0);
    CHECK(hash_equal(&a.root, &b.root) && !hash_equal(&a.root, &c.root));
    validators_free(&a);
    validators_free(&b);
    validators_free(&c);
}

TEST(a_signed_block_belongs_to_proposer_fork_and_content) {
    struct validators v;
    struct arena a;
    struct hash root, other;
    arena_init(&a, 0);
    CHECK_OK(validators_make(&v, "test", 3, version, &why), &why);
    struct signed_blinded_beacon_block *b = arena_new(&a, struct signed_blinded_beacon_block);
    CHECK(b != NULL);
    b->message.slot = 5;
    b->message.proposer_index = 1;
    CHECK_OK(validators_sign_block(&v, b, &root, CONSENSUS_ELECTRA, &a, &why), &why);
    CHECK_OK(validators_check_block(&v, 1, &root, &b->signature, CONSENSUS_ELECTRA, &why), &why);
    CHECK_ERR(validators_check_block(&v, 2, &root, &b->signature, CONSENSUS_ELECTRA, &why),
              ERR_INVALID);
    CHECK_ERR(validators_check_block(&v, 1, &root, &b->signature, CONSENSUS_FULU, &why),
              ERR_INVALID);
    CHECK_ERR(validators_check_block(&v, 9, &root, &b->signature, CONSENSUS_ELECTRA, &why),
              ERR_INVALID);
    b->message.slot = 6;
    CHECK_OK(validators_sign_block(&v, b, &other, CONSENSUS_ELECTRA, &a, &why), &why);
    CHECK(!hash_equal(&root, &other));
    validators_free(&v);
    arena_free(&a);
}

TEST(fork_versions_count_up) {
    struct validators v;
    uint8_t got[4];
    CHECK_OK(validators_make(&v, "test", 1, version, &why), &why);
    validators_fork_version(&v, CONSENSUS_BELLATRIX, got);
    CHECK_U64(got[3], 0x8b);
    validators_fork_version(&v, CONSENSUS_FULU, got);
    CHECK_U64(got[3], 0x8f);
    validators_free(&v);
}

TEST_MAIN()
