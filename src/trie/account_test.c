/* SPDX-License-Identifier: MIT */
#include "trie/account.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"

TEST(named_hashes_are_what_they_say) {
    struct hash h = keccak256((struct bytes){NULL, 0});
    CHECK_BYTES(BYTES_OF(h), BYTES_OF(ACCOUNT_EMPTY_CODE));
    h = keccak256(BYTES_LIT("\x80"));
    CHECK_BYTES(BYTES_OF(h), BYTES_OF(TRIE_EMPTY_ROOT));
}

TEST(encodes_and_decodes_the_extremes) {
    const struct account cases[] = {
        {.storage_root = TRIE_EMPTY_ROOT, .code_hash = ACCOUNT_EMPTY_CODE},
        {UINT64_MAX, U256_MAX, TRIE_EMPTY_ROOT, TRIE_EMPTY_ROOT},
        {.nonce = 1, .code_hash = ACCOUNT_EMPTY_CODE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b;
        struct error why;
        struct account back;
        buf_init(&b, 0);
        account_encode(&b, &cases[i]);
        CHECK(b.n <= ACCOUNT_RLP_MAX);
        CHECK_OK(account_decode(&back, buf_view(&b), &why), &why);
        CHECK_U64(back.nonce, cases[i].nonce);
        CHECK(u256_equal(back.balance, cases[i].balance));
        CHECK(hash_equal(&back.storage_root, &cases[i].storage_root));
        CHECK(hash_equal(&back.code_hash, &cases[i].code_hash));
        CHECK(account_is_empty(&back) == (i == 0));
        for (size_t n = 0; n < b.n; n++) {
            CHECK_ERR(account_decode(&back, bytes_make(b.p, n), &why), ERR_SYNTAX);
        }
        buf_free(&b);
    }
}

TEST_MAIN()
