/* SPDX-License-Identifier: MIT */
#include "crypto/ecdsa.h"
#include "crypto/sha256.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <gmp.h>

static const char order_hex[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

static struct ecdsa_signer *new_signer(void) {
    struct ecdsa_signer *signer;
    struct error why;
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    return signer;
}

static struct ecdsa_secret_key key_of(uint8_t last) {
    struct ecdsa_secret_key key = {{0}};
    key.b[31] = last;
    return key;
}

TEST(ecdsa_address_of_a_known_key) {
    struct ecdsa_signer *signer = new_signer();
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public_key;
    struct error why;
    (void)from_hex(key.b, "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    CHECK_OK(ecdsa_public_key_of(signer, &public_key, &key, &why), &why);
    struct address got = ecdsa_address(&public_key);
    uint8_t expected[20];
    CHECK_BYTES(BYTES_OF(got), from_hex(expected, "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"));
    ecdsa_signer_free(signer);
}

TEST(ecdsa_signs_as_rfc_6979) {
    // Key 1 and SHA-256 of "Satoshi Nakamoto": a widely published vector of this curve.
    struct ecdsa_signer *signer = new_signer();
    struct ecdsa_secret_key key = key_of(1);
    struct hash digest = sha256(BYTES_LIT("Satoshi Nakamoto"));
    struct ecdsa_signature got;
    struct error why;
    CHECK_OK(ecdsa_sign(signer, &got, &digest, &key, &why), &why);
    uint8_t expected[32];
    CHECK_BYTES(
        bytes_make(got.r, 32),
        from_hex(expected, "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"));
    CHECK_BYTES(
        bytes_make(got.s, 32),
        from_hex(expected, "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"));
    ecdsa_signer_free(signer);
}

TEST(ecdsa_what_was_signed_is_recovered_and_verified) {
    struct ecdsa_signer *signer = new_signer();
    uint64_t seed = 1;
    struct error why;
    for (int i = 0; i < 50; i++) {
        struct ecdsa_secret_key key;
        struct ecdsa_public_key public_key, recovered, parsed;
        struct ecdsa_signature signature;
        struct hash digest;
        struct address address;
        fill_random(digest.b, 32, &seed);
        ecdsa_secret_key_new(&key);
        CHECK_OK(ecdsa_public_key_of(signer, &public_key, &key, &why), &why);
        CHECK_OK(ecdsa_sign(signer, &signature, &digest, &key, &why), &why);
        CHECK(ecdsa_s_is_low(signature.s));
        CHECK_OK(ecdsa_recover(&recovered, &digest, &signature, &why), &why);
        CHECK_BYTES(BYTES_OF(recovered), BYTES_OF(public_key));
        CHECK_OK(ecdsa_recover_address(&address, &digest, &signature, &why), &why);
        struct address expected = ecdsa_address(&public_key);
        CHECK_BYTES(BYTES_OF(address), BYTES_OF(expected));
        CHECK_OK(ecdsa_verify(&public_key, &digest, &signature, &why), &why);
        uint8_t compressed[33];
        ecdsa_public_key_compress(compressed, &public_key);
        CHECK_OK(ecdsa_public_key_parse(&parsed, bytes_make(compressed, 33), &why), &why);
        CHECK_BYTES(BYTES_OF(parsed), BYTES_OF(public_key));
        CHECK_OK(ecdsa_public_key_parse(&parsed, BYTES_OF(public_key), &why), &why);
        digest.b[5] ^= 1;
        CHECK_ERR(ecdsa_verify(&public_key, &digest, &signature, &why), ERR_INVALID);
    }
    ecdsa_signer_free(signer);
}

TEST(ecdsa_the_upper_half_of_s_is_recovered_too) {
    struct ecdsa_signer *signer = new_signer();
    struct ecdsa_secret_key key = key_of(9);
    struct hash digest = sha256(BYTES_LIT("high"));
    struct ecdsa_signature low, high;
    struct ecdsa_public_key a, b;
    struct error why;
    CHECK_OK(ecdsa_sign(signer, &low, &digest, &key, &why), &why);
    high = low;
    mpz_t n, s;
    mpz_init_set_str(n, order_hex, 16);
    mpz_init(s);
    mpz_import(s, 32, 1, 1, 1, 0, low.s);
    mpz_sub(s, n, s);
    mpz_export(high.s, NULL, 1, 1, 1, 0, s); // n - s of a low s has all 32 bytes
    mpz_clears(n, s, NULL);
    high.y_parity ^= 1;
    CHECK(!ecdsa_s_is_low(high.s));
    CHECK_OK(ecdsa_recover(&a, &digest, &low, &why), &why);
    CHECK_OK(ecdsa_recover(&b, &digest, &high, &why), &why);
    CHECK_BYTES(BYTES_OF(b), BYTES_OF(a));
    CHECK_OK(ecdsa_verify(&a, &digest, &high, &why), &why);
    ecdsa_signer_free(signer);
}

TEST(ecdsa_refuses_what_is_out_of_range) {
    struct ecdsa_signer *signer = new_signer();
    struct hash digest = sha256(BYTES_LIT("x"));
    struct ecdsa_secret_key key = key_of(3);
    struct ecdsa_signature good, bad;
    struct ecdsa_public_key public_key;
    struct error why;
    CHECK_OK(ecdsa_sign(signer, &good, &digest, &key, &why), &why);
    CHECK_OK(ecdsa_public_key_of(signer, &public_key, &key, &why), &why);

    bad = good;
    bad.y_parity = 2;
    CHECK_ERR(ecdsa_recover(&public_key, &digest, &bad, &why), ERR_RANGE);
    bad = good;
    memset(bad.r, 0, 32);
    CHECK_ERR(ecdsa_recover(&public_key, &digest, &bad, &why), ERR_RANGE);
    bad = good;
    memset(bad.s, 0, 32);
    CHECK_ERR(ecdsa_recover(&public_key, &digest, &bad, &why), ERR_RANGE);
    bad = good;
    (void)from_hex(bad.s, order_hex);
    CHECK_ERR(ecdsa_recover(&public_key, &digest, &bad, &why), ERR_RANGE);
    CHECK_ERR(ecdsa_verify(&public_key, &digest, &bad, &why), ERR_RANGE);
    bad = good; // 5 is not the x of any point
    memset(bad.r, 0, 32);
    bad.r[31] = 5;
    CHECK_ERR(ecdsa_recover(&public_key, &digest, &bad, &why), ERR_INVALID);

    struct ecdsa_secret_key none = key_of(0), over;
    (void)from_hex(over.b, order_hex);
    CHECK_ERR(ecdsa_sign(signer, &bad, &digest, &none, &why), ERR_RANGE);
    CHECK_ERR(ecdsa_sign(signer, &bad, &digest, &over, &why), ERR_RANGE);
    CHECK_ERR(ecdsa_public_key_of(signer, &public_key, &none, &why), ERR_RANGE);

    struct ecdsa_public_key off = public_key, parsed;
    off.b[63] ^= 1;
    CHECK_ERR(ecdsa_verify(&off, &digest, &good, &why), ERR_RANGE);
    CHECK_ERR(ecdsa_public_key_parse(&parsed, BYTES_OF(off), &why), ERR_RANGE);
    CHECK_ERR(ecdsa_public_key_parse(&parsed, bytes_make(off.b, 63), &why), ERR_SYNTAX);
    CHECK_ERR(ecdsa_public_key_parse(&parsed, bytes_make(NULL, 0), &why), ERR_SYNTAX);
    uint8_t hybrid[65] = {0x06};
    memcpy(hybrid + 1, public_key.b, 64);
    CHECK_ERR(ecdsa_public_key_parse(&parsed, bytes_make(hybrid, 65), &why), ERR_SYNTAX);
    ecdsa_signer_free(signer);
    ecdsa_signer_free(NULL);
}

TEST(ecdsa_low_s_ends_at_half_of_the_order) {
    mpz_t half;
    uint8_t s[32];
    mpz_init_set_str(half, order_hex, 16);
    mpz_fdiv_q_2exp(half, half, 1);
    mpz_export(s, NULL, 1, 1, 1, 0, half);
    CHECK(ecdsa_s_is_low(s));
    mpz_add_ui(half, half, 1);
    mpz_export(s, NULL, 1, 1, 1, 0, half);
    CHECK(!ecdsa_s_is_low(s));
    mpz_clear(half);
}

TEST_MAIN()
