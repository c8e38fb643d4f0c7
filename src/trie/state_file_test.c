/* SPDX-License-Identifier: MIT */
#include "trie/state_file.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"

#include <stdio.h>

static int decode(struct state_file *ret, const char *text, struct arena *a) {
    const struct json *doc;
    struct error why;
    CHECK_OK(json_parse(&doc, bytes_from_str(text), a, NULL, &why), &why);
    return state_file_decode(ret, doc, a, &why);
}

static struct hash root_of(const char *text, bool secure) {
    struct arena a;
    struct state_file f;
    struct hash root;
    struct error why;
    arena_init(&a, 0);
    CHECK_OK(decode(&f, text, &a), &why);
    CHECK_OK(state_file_root(&root, &f, secure, &why), &why);
    arena_free(&a);
    return root;
}

static const char account[] = "{\"0x00000000000000000000000000000000000000aa\": {\"balance\": "
                              "\"0x10\", \"nonce\": \"1\", \"code\": \"0x00\", \"storage\": "
                              "{\"0x1\": \"0x2\", \"0x3\": \"0x0\"}}, "
                              "\"00000000000000000000000000000000000000bb\": {}}";

TEST(states_have_the_plain_root) {
    char genesis[sizeof account + 32];
    (void)snprintf(genesis, sizeof genesis, "{\"gasLimit\": \"1\", \"alloc\": %s}", account);
    const struct trie_plain_slot slot = {{{[31] = 1}}, u256_from_u64(2)};
    const struct trie_plain_account accounts[] = {
        {.address = {{[19] = 0xaa}},
         .nonce = 1,
         .balance = u256_from_u64(16),
         .code_hash = keccak256(bytes_make("", 1)),
         .slots = &slot,
         .slot_count = 1},
        {.address = {{[19] = 0xbb}}, .code_hash = ACCOUNT_EMPTY_CODE},
    };
    struct hash expected;
    struct error why;
    CHECK_OK(trie_plain_state_root(&expected, accounts, 2, &why), &why);
    struct hash got = root_of(account, false);
    CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    got = root_of(genesis, false);
    CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    got = root_of("{\"alloc\": {}}", false);
    CHECK_BYTES(BYTES_OF(got), BYTES_OF(TRIE_EMPTY_ROOT));
}

TEST(pairs_come_as_object_or_list) {
    const struct trie_pair pairs[] = {{BYTES_LIT("do"), BYTES_LIT("verb")},
                                      {BYTES_LIT("\x01\x02"), BYTES_LIT("\x03")}};
    for (int secure = 0; secure < 2; secure++) {
        struct hash expected;
        struct error why;
        CHECK_OK(trie_plain_root(&expected, pairs, 2, secure, &why), &why);
        struct hash got = root_of("{\"do\": \"verb\", \"0x0102\": \"0x03\"}", secure);
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
        got = root_of("{\"in\": [[\"x\", \"y\"], [\"0x0102\", \"0x03\"], [\"do\", \"verb\"], "
                      "[\"x\", null]]}",
                      secure);
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
    struct hash got = root_of("{}", false);
    CHECK_BYTES(BYTES_OF(got), BYTES_OF(TRIE_EMPTY_ROOT));
}

TEST(other_json_is_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"7", ERR_INVALID},
        {"{\"in\": 7, \"a\": 8}", ERR_INVALID},
        {"[7]", ERR_INVALID},
        {"[[\"a\"]]", ERR_INVALID},
        {"[[\"\", \"a\"]]", ERR_INVALID},
        {"{\"a\": 7}", ERR_INVALID},
        {"{\"0xzz\": \"a\"}", ERR_SYNTAX},
        {"{\"0x00\": {}}", ERR_SYNTAX},
        {"{\"alloc\": []}", ERR_INVALID},
        {"{\"00000000000000000000000000000000000000bb\": {\"nonce\": \"0x10000000000000000\"}}",
         ERR_RANGE},
    };
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct state_file f;
        int r = decode(&f, cases[i].text, &a);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].text, error_name(r));
    }
    struct state_file f;
    struct state_root *s;
    struct hash root;
    struct error why;
    CHECK_OK(decode(&f, "{\"a\": \"b\"}", &a), &why);
    CHECK_ERR(state_file_open(&s, &root, &f, &why), ERR_INVALID);
    CHECK_OK(decode(&f, "{}", &a), &why); // no pairs are no accounts either
    CHECK_OK(state_file_open(&s, &root, &f, &why), &why);
    state_root_free(s);
    CHECK_BYTES(BYTES_OF(root), BYTES_OF(TRIE_EMPTY_ROOT));
    CHECK_OK(decode(&f,
                    "{\"00000000000000000000000000000000000000bb\": {}, "
                    "\"0x00000000000000000000000000000000000000BB\": {}}",
                    &a),
             &why);
    CHECK_ERR(state_file_root(&root, &f, false, &why), ERR_CONFLICT);
    arena_free(&a);
}

TEST_MAIN()
