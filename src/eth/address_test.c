/* SPDX-License-Identifier: MIT */
#include "eth/address.h"

#include "base/hex.h"
#include "crypto/keccak.h"
#include "test/harness/test.h"

// The addresses of EIP-55.
TEST(checksums_of_eip_55) {
    static const char *const cases[] = {
        "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address a;
        struct error why;
        char text[43];
        CHECK_OK(address_from_text(&a, bytes_from_str(cases[i]), &why), &why);
        address_to_text(text, &a);
        CHECK_STR(text, cases[i]);
    }
}

TEST(refuses_wrong_checksums) {
    struct address a;
    struct error why;
    CHECK_ERR(address_from_text(&a, BYTES_LIT("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), &why),
              ERR_INVALID);
    CHECK_OK(address_from_text(&a, BYTES_LIT("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), &why),
             &why);
    CHECK_ERR(address_from_text(&a, BYTES_LIT("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), &why),
              ERR_SYNTAX);
    CHECK_ERR(address_from_text(&a, BYTES_LIT("0x5a"), &why), ERR_RANGE);
}

// Examples of EIP-1014.
TEST(create2_addresses_of_eip_1014) {
    static const struct {
        const char *creator, *salt, *code, *address;
    } cases[] = {
        {"0x0000000000000000000000000000000000000000",
         "0x0000000000000000000000000000000000000000000000000000000000000000", "0x00",
         "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"},
        {"0x00000000000000000000000000000000deadbeef",
         "0x00000000000000000000000000000000000000000000000000000000cafebabe", "0xdeadbeef",
         "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct address creator;
        struct hash salt;
        struct error why;
        uint8_t code[4];
        size_t n = (strlen(cases[i].code) - 2) / 2;
        CHECK_OK(hex_decode_address(&creator, bytes_from_str(cases[i].creator), &why), &why);
        CHECK_OK(hex_decode_hash(&salt, bytes_from_str(cases[i].salt), &why), &why);
        CHECK_OK(hex_decode_fixed(code, n, bytes_from_str(cases[i].code), &why), &why);
        struct hash h = keccak256(bytes_make(code, n));
        struct address got = address_create2(&creator, &salt, &h);
        char text[43];
        address_to_text(text, &got);
        CHECK_STR(text, cases[i].address);
    }
}

TEST_MAIN()
