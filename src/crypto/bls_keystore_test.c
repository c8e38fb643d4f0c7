/* SPDX-License-Identifier: MIT */
#include "crypto/bls_keystore.h"

#include "crypto/testing.h"
#include "test/harness/test.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

static void check_key(const struct bls_secret_key *sk, const char *hex) {
    uint8_t got[32], expected[32];
    bls_secret_key_store(got, sk);
    CHECK_BYTES(bytes_make(got, 32), from_hex(expected, hex));
}

/* The test cases of EIP-2333. */
TEST(tree_of_keys_is_the_eips) {
    static const struct {
        const char *seed, *master;
        uint32_t index;
        const char *child;
    } cases[] = {
        {"3141592653589793238462643383279502884197169399375105820974944592",
         "41c9e07822b092a93fd6797396338c3ada4170cc81829fdfce6b5d34bd5e7ec7", 3141592653u,
         "384843fad5f3d777ea39de3e47a8f999ae91f89e42bffa993d91d9782d152a0f"},
        {"0099ff991111002299dd7744ee3355bbdd8844115566cc55663355668888cc00",
         "3cfa341ab3910a7d00d933d8f7c4fe87c91798a0397421d6b19fd5b815132e80", 4294967295u,
         "40e86285582f35b28821340f6a53b448588efa575bc4d88c32ef8567b8d9479b"},
        {"d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
         "2a0e28ffa5fbbe2f8e7aad4ed94f745d6bf755c51182e119bb1694fe61d3afca", 42,
         "455c0dc9fccb3395825d92a60d2672d69416be1c2578a87a7a3d3ced11ebb88d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t seed[32];
        char path[32];
        struct bls_secret_key sk, child;
        struct error why;
        struct bytes s = from_hex(seed, cases[i].seed);
        CHECK_OK(bls_derive_master(&sk, s, &why), &why);
        check_key(&sk, cases[i].master);
        CHECK_OK(bls_derive_child(&child, &sk, cases[i].index, &why), &why);
        check_key(&child, cases[i].child);
        snprintf(path, sizeof path, "m/%u", cases[i].index);
        CHECK_OK(bls_derive_path(&child, s, path, &why), &why);
        check_key(&child, cases[i].child);
    }
}

TEST(paths_are_read_strictly) {
    uint8_t seed[32] = {7};
    struct bytes s = bytes_make(seed, 32);
    struct bls_secret_key sk, by_hand;
    struct error why;
    CHECK_OK(bls_derive_path(&sk, s, "m/12381/3600", &why), &why);
    CHECK_OK(bls_derive_master(&by_hand, s, &why), &why);
    CHECK_OK(bls_derive_child(&by_hand, &by_hand, 12381, &why), &why);
    CHECK_OK(bls_derive_child(&by_hand, &by_hand, 3600, &why), &why);
    CHECK(u256_equal(sk.k, by_hand.k));
    static const char *wrong[] = {"",    "n/1",          "m/",   "m1",   "m/1/", "m//1",
                                  "m/a", "m/4294967296", "m/1'", "m/01", "m /1", "M/1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_ERR(bls_derive_path(&sk, s, wrong[i], &why), ERR_SYNTAX);
    }
    CHECK_ERR(bls_derive_path(&sk, s, "m/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0", &why), ERR_LIMIT);
    CHECK_ERR(bls_derive_path(&sk, bytes_make(seed, 31), "m", &why), ERR_RANGE);
}

#define COMMON_END                                                                                 \
    "\"pubkey\":\"9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae404090238"   \
    "2ae2910c15e2b420d07\",\"path\":\"m/12381/60/0/0\",\"uuid\":\"64625def-3331-4eea-ab6f-"        \
    "782f3ed16a83\",\"version\":4}"
#define SALT "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"

/* The test cases of EIP-2335: the password is in mathematical letters. */
static const char scrypt_keystore[] =
    "{\"crypto\":{\"kdf\":{\"function\":\"scrypt\",\"params\":{\"dklen\":32,\"n\":262144,\"p\":1,"
    "\"r\":8,\"salt\":\"" SALT "\"},\"message\":\"\"},\"checksum\":{\"function\":\"sha256\","
    "\"params\":{},\"message\":\"d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484"
    "\"},\"cipher\":{\"function\":\"aes-128-ctr\",\"params\":{\"iv\":\"264daa3f303d7259501c93d997d8"
    "4fe6\"},\"message\":\"06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f\"}}"
    "," COMMON_END;
static const char pbkdf2_keystore[] =
    "{\"crypto\":{\"kdf\":{\"function\":\"pbkdf2\",\"params\":{\"dklen\":32,\"c\":262144,\"prf\":"
    "\"hmac-sha256\",\"salt\":\"" SALT "\"},\"message\":\"\"},\"checksum\":{\"function\":\"sha256\""
    ",\"params\":{},\"message\":\"8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1"
    "\"},\"cipher\":{\"function\":\"aes-128-ctr\",\"params\":{\"iv\":\"264daa3f303d7259501c93d997d8"
    "4fe6\"},\"message\":\"cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad\"}}"
    "," COMMON_END;
static const char password[] = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑";
#define SECRET "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"

static int parse(struct keystore *ret, const char *json, struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    int r = keystore_parse(ret, bytes_from_str(json), &a, why);
    arena_free(&a);
    return r;
}

TEST(keystores_of_the_eip_open) {
    struct keystore k;
    struct bls_secret_key sk;
    struct error why;
    CHECK_OK(parse(&k, pbkdf2_keystore, &why), &why);
    CHECK_STR(k.path, "m/12381/60/0/0");
    CHECK_OK(keystore_open(&sk, &k, bytes_from_str(password), &why), &why);
    check_key(&sk, SECRET);
    CHECK_OK(keystore_open(&sk, &k, BYTES_LIT("test\x01pass\x7fword\xc2\x9f🔑\n"), &why), &why);
    CHECK_ERR(keystore_open(&sk, &k, BYTES_LIT("testpassword"), &why), ERR_AUTH);
    CHECK_ERR(keystore_open(&sk, &k, BYTES_LIT("test\xff"), &why), ERR_SYNTAX);
    k.public_key.b[9] ^= 1;
    CHECK_ERR(keystore_open(&sk, &k, bytes_from_str(password), &why), ERR_INVALID);
    k.iterations = KEYSTORE_ITERATIONS_MAX + 1;
    CHECK_ERR(keystore_open(&sk, &k, bytes_from_str(password), &why), ERR_LIMIT);
}

TEST(scrypt_keystore_of_the_eip_opens) {
    struct keystore k;
    struct bls_secret_key sk;
    struct error why;
    CHECK_OK(parse(&k, scrypt_keystore, &why), &why);
    CHECK_OK(keystore_open(&sk, &k, bytes_from_str(password), &why), &why);
    check_key(&sk, SECRET);
}

TEST(a_keystore_made_here_opens_again) {
    uint8_t secret[32] = {1, 2, 3};
    struct bls_secret_key sk, again;
    struct keystore k, read;
    struct buf out;
    struct error why;
    CHECK_OK(bls_secret_key_load(&sk, secret, &why), &why);
    CHECK_OK(keystore_make(&k, &sk, KEYSTORE_PBKDF2, BYTES_LIT("pass"), "m/12381/3600/0/0/0", &why),
             &why);
    buf_init(&out, 0);
    keystore_write(&k, &out);
    buf_append_byte(&out, 0);
    CHECK_OK(buf_check(&out, &why), &why);
    CHECK_OK(parse(&read, (const char *)out.p, &why), &why);
    buf_free(&out);
    CHECK_STR(read.path, "m/12381/3600/0/0/0");
    CHECK_STR(read.uuid, k.uuid);
    CHECK_U64(strlen(k.uuid), 36);
    CHECK_OK(keystore_open(&again, &read, BYTES_LIT("pass"), &why), &why);
    CHECK(u256_equal(sk.k, again.k));
    char long_path[200];
    memset(long_path, '1', sizeof long_path);
    long_path[199] = 0;
    CHECK_ERR(keystore_make(&k, &sk, KEYSTORE_PBKDF2, BYTES_LIT("pass"), long_path, &why),
              ERR_LIMIT);
}

/* U+FDFA is the code point that grows most in NFKD: 18 for one. */
TEST(passwords_may_grow_when_they_are_normalized) {
    uint8_t secret[32] = {1, 2, 3};
    struct bls_secret_key sk, again;
    struct keystore k;
    struct error why;
    CHECK_OK(bls_secret_key_load(&sk, secret, &why), &why);
    CHECK_OK(
        keystore_make(&k, &sk, KEYSTORE_PBKDF2, BYTES_LIT("\xef\xb7\xba\xef\xb7\xba"), "", &why),
        &why);
    struct bytes longest = BYTES_LIT("صلى الله عليه وسلمصلى الله عليه وسلم");
    CHECK_U64(longest.n, 66);
    CHECK_OK(keystore_open(&again, &k, longest, &why), &why);
    CHECK(u256_equal(sk.k, again.k));
    CHECK_ERR(keystore_open(&again, &k, (struct bytes){NULL, 0}, &why), ERR_AUTH);
}

/* Replaces one text in the keystore and gives the parser's status. */
static int parse_changed(const char *from, const char *to) {
    static char text[4096];
    const char *at = strstr(pbkdf2_keystore, from);
    CHECK(at != NULL);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - pbkdf2_keystore), pbkdf2_keystore, to,
             at + strlen(from));
    struct keystore k;
    struct error why;
    return parse(&k, text, &why);
}

TEST(keystores_are_read_strictly) {
    CHECK_ERR(parse_changed("\"version\":4", "\"version\":3"), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed(",\"version\":4", ""), ERR_NOT_FOUND);
    CHECK_ERR(parse_changed("pbkdf2", "argon2"), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed("hmac-sha256", "hmac-sha512"), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed("\"function\":\"sha256\"", "\"function\":\"md5\""), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed("aes-128-ctr", "aes-256-ctr"), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed("\"dklen\":32", "\"dklen\":16"), ERR_UNSUPPORTED);
    CHECK_ERR(parse_changed("264daa", "264da"), ERR_SYNTAX);
    CHECK_ERR(parse_changed("264daa", "264dag"), ERR_SYNTAX);
    CHECK_ERR(parse_changed("9612d7", "12d7"), ERR_SYNTAX);
    CHECK_ERR(parse_changed("\"c\":262144", "\"c\":\"262144\""), ERR_INVALID);
    CHECK_ERR(parse_changed("{\"crypto\"", "{\"crypt\""), ERR_NOT_FOUND);
    CHECK_ERR(parse_changed("{\"crypto\"", "\"crypto\""), ERR_SYNTAX);
    CHECK_ERR(parse_changed("9612d7", "0x9612d7"), 0);
    CHECK_ERR(parse_changed("9612d7", "0x009612d7"), ERR_LIMIT);
    CHECK_ERR(parse_changed("\"pubkey\":", "\"pubkey\":7,\"was\":"), ERR_INVALID);
    CHECK_ERR(parse_changed("\"pubkey\":", "\"pubkey\":null,\"was\":"), 0);
}

/* Every keystore of the development network says the secret and the public key in clear. */
TEST(keystores_of_the_development_network_open) {
    char path[4096];
    snprintf(path, sizeof path, "%s", test_vectors("devnet/validators/bls_keys.json"));
    struct bytes file = test_read_file(path);
    struct arena a;
    const struct json *doc;
    struct error why;
    unsigned opened = 0;
    arena_init(&a, 0);
    CHECK_OK(json_parse(&doc, file, &a, NULL, &why), &why);
    json_each(entry, doc) {
        struct bytes text, secret, public_key;
        struct keystore k;
        struct bls_secret_key sk;
        struct bytes48 pk;
        uint8_t raw[48];
        char hex[97] = {0};
        CHECK_OK(json_get_string(&secret, entry, "priv", &why), &why);
        CHECK_OK(json_get_string(&public_key, entry, "pub", &why), &why);
        CHECK_U64(secret.n, 64);
        CHECK_U64(public_key.n, 96);
        memcpy(hex, secret.p, 64);
        from_hex(raw, hex);
        CHECK_OK(bls_secret_key_load(&sk, raw, &why), &why);
        bls_public_key_of(&pk, &sk);
        memcpy(hex, public_key.p, 96);
        CHECK_BYTES(BYTES_OF(pk), from_hex(raw, hex));
        CHECK_OK(json_get_string(&text, entry, "keystore", &why), &why);
        CHECK_OK(keystore_parse(&k, text, &a, &why), &why);
        CHECK(memcmp(k.public_key.b, pk.b, 48) == 0);
        if (opened++ == 0) { // the derivation is slow on purpose
            struct bls_secret_key from_store;
            CHECK_OK(keystore_open(&from_store, &k, BYTES_LIT("secret"), &why), &why);
            CHECK(u256_equal(from_store.k, sk.k));
        }
    }
    CHECK(opened > 0);
    arena_free(&a);
    free((void *)(uintptr_t)file.p);
}

TEST_MAIN()
