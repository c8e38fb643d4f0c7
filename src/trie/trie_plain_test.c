/* SPDX-License-Identifier: MIT */
#include "trie/trie_plain.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/account.h"

static struct bytes str(const char *s) {
    return bytes_from_str(s);
}

static void check_root(const struct hash *root, const char *hex) {
    char got[65];
    for (int i = 0; i < 32; i++) {
        static const char digits[] = "0123456789abcdef";
        got[2 * i] = digits[root->b[i] >> 4];
        got[2 * i + 1] = digits[root->b[i] & 15];
    }
    got[64] = 0;
    CHECK_STR(got, hex);
}

TEST(empty_set_has_the_empty_root) {
    struct hash root;
    struct error why;
    CHECK_OK(trie_plain_root(&root, NULL, 0, false, &why), &why);
    CHECK(hash_equal(&root, &TRIE_EMPTY_ROOT));
    CHECK_OK(trie_plain_ordered_root(&root, NULL, 0, &why), &why);
    CHECK(hash_equal(&root, &TRIE_EMPTY_ROOT));
    struct trie_pair absent = {str("key"), {NULL, 0}};
    CHECK_OK(trie_plain_root(&root, &absent, 1, true, &why), &why);
    CHECK(hash_equal(&root, &TRIE_EMPTY_ROOT));
}

// Keys of which one begins another, so that a branch holds a value (yellow paper, appendix D).
TEST(keys_that_begin_one_another) {
    struct trie_pair pairs[] = {
        {str("doe"), str("reindeer")},
        {str("dog"), str("puppy")},
        {str("dogglesworth"), str("cat")},
    };
    struct hash root;
    struct error why;
    for (int turn = 0; turn < 3; turn++) {
        CHECK_OK(trie_plain_root(&root, pairs, 3, false, &why), &why);
        check_root(&root, "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3");
        struct trie_pair first = pairs[0];
        pairs[0] = pairs[1];
        pairs[1] = pairs[2];
        pairs[2] = first;
    }
}

TEST(last_of_equal_keys_counts) {
    struct trie_pair one = {str("b"), str("2")};
    struct trie_pair pairs[] = {
        {str("a"), str("1")}, {str("b"), str("1")}, {str("b"), str("2")}, {str("a"), {NULL, 0}}};
    struct hash a, b;
    struct error why;
    CHECK_OK(trie_plain_root(&a, &one, 1, true, &why), &why);
    CHECK_OK(trie_plain_root(&b, pairs, 4, true, &why), &why);
    CHECK(hash_equal(&a, &b));
}

TEST(ordered_root_is_the_root_over_encoded_indices) {
    enum { COUNT = 300 };
    struct bytes values[COUNT];
    struct trie_pair pairs[COUNT];
    uint8_t keys[COUNT][3];
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = str(i % 3 ? "value" : "a value of more than thirty-two bytes in all");
        size_t n = 1;
        keys[i][0] = i == 0 ? 0x80 : (uint8_t)i;
        if (i >= 256) {
            keys[i][0] = 0x82, keys[i][1] = (uint8_t)(i >> 8), keys[i][2] = (uint8_t)i, n = 3;
        } else if (i >= 128) {
            keys[i][0] = 0x81, keys[i][1] = (uint8_t)i, n = 2;
        }
        pairs[i] = (struct trie_pair){bytes_make(keys[i], n), values[i]};
        struct hash a, b;
        struct error why;
        if (i % 50 && i < COUNT - 1) continue;
        CHECK_OK(trie_plain_ordered_root(&a, values, i + 1, &why), &why);
        CHECK_OK(trie_plain_root(&b, pairs, i + 1, false, &why), &why);
        CHECK(hash_equal(&a, &b));
    }
}

TEST(state_root_is_made_of_storage_roots_and_accounts) {
    struct trie_plain_slot slots[] = {
        {.key = {{0}}, .value = {{0x7f}}},
        {.key = {{1}}, .value = {{0x80}}},
        {.key = {{2}}, .value = U256_MAX},
        {.key = {{3}}, .value = U256_ZERO},
    };
    static const uint8_t small[] = {0x7f}, byte[] = {0x81, 0x80};
    uint8_t large[33];
    memset(large, 0xff, sizeof large);
    large[0] = 0xa0;
    struct trie_pair pairs[] = {{BYTES_OF(slots[0].key), bytes_make(small, 1)},
                                {BYTES_OF(slots[1].key), bytes_make(byte, 2)},
                                {BYTES_OF(slots[2].key), bytes_make(large, 33)}};
    struct hash storage, expected;
    struct error why;
    CHECK_OK(trie_plain_storage_root(&storage, slots, 4, &why), &why);
    CHECK_OK(trie_plain_root(&expected, pairs, 3, true, &why), &why);
    CHECK(hash_equal(&storage, &expected));

    struct trie_plain_account accounts[] = {
        {.address = {{1}}, .nonce = 1, .code_hash = ACCOUNT_EMPTY_CODE},
        {.address = {{2}},
         .balance = U256_MAX,
         .code_hash = TRIE_EMPTY_ROOT,
         .slots = slots,
         .slot_count = 4},
    };
    struct buf b;
    buf_init(&b, 0);
    account_encode(&b, &(struct account){1, U256_ZERO, TRIE_EMPTY_ROOT, ACCOUNT_EMPTY_CODE});
    size_t first = b.n;
    account_encode(&b, &(struct account){0, U256_MAX, storage, TRIE_EMPTY_ROOT});
    struct trie_pair leaves[] = {
        {BYTES_OF(accounts[0].address), bytes_make(b.p, first)},
        {BYTES_OF(accounts[1].address), bytes_make(b.p + first, b.n - first)}};
    struct hash root;
    CHECK_OK(trie_plain_state_root(&root, accounts, 2, &why), &why);
    CHECK_OK(trie_plain_root(&expected, leaves, 2, true, &why), &why);
    CHECK(hash_equal(&root, &expected));
    buf_free(&b);
}

TEST(refuses_keys_that_are_too_long) {
    static const uint8_t key[TRIE_PLAIN_KEY_MAX + 1];
    struct trie_pair pair = {bytes_make(key, sizeof key), str("v")};
    struct hash root;
    struct error why;
    CHECK_ERR(trie_plain_root(&root, &pair, 1, false, &why), ERR_LIMIT);
    pair.key.n--;
    CHECK_OK(trie_plain_root(&root, &pair, 1, false, &why), &why);
    pair.key.n++;
    CHECK_OK(trie_plain_root(&root, &pair, 1, true, &why), &why);
}

TEST_MAIN()
