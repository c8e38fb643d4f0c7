/* Vectors of RFC 4231, 5869, 7914, NIST SP 800-38A and FIPS 180-4.
 * SPDX-License-Identifier: MIT */
#include "crypto/kdf.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

TEST(kdf_sha2) {
    uint8_t got[64], expected[64];
    struct error why;
    CHECK_OK(sha384(got, BYTES_LIT("abc"), &why), &why);
    CHECK_BYTES(bytes_make(got, 48),
                from_hex(expected, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5be"
                                   "d8086072ba1e7cc2358baeca134c825a7"));
    CHECK_OK(sha512(got, BYTES_LIT("abc"), &why), &why);
    CHECK_BYTES(bytes_make(got, 64),
                from_hex(expected, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39"
                                   "a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca4"
                                   "9f"));
}

TEST(kdf_hmac) {
    struct hash got;
    uint8_t got512[64], expected[64], key[131];
    struct error why;
    CHECK_OK(hmac_sha256(&got, BYTES_LIT("Jefe"), BYTES_LIT("what do ya want for nothing?"), &why),
             &why);
    CHECK_BYTES(
        BYTES_OF(got),
        from_hex(expected, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof key);
    CHECK_OK(hmac_sha256(&got, bytes_make(key, sizeof key),
                         BYTES_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), &why),
             &why);
    CHECK_BYTES(
        BYTES_OF(got),
        from_hex(expected, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    CHECK_OK(
        hmac_sha512(got512, BYTES_LIT("Jefe"), BYTES_LIT("what do ya want for nothing?"), &why),
        &why);
    CHECK_BYTES(bytes_make(got512, 64),
                from_hex(expected, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea25055"
                                   "49758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce7"
                                   "37"));
    CHECK_OK(hmac_sha256(&got, bytes_make(NULL, 0), bytes_make(NULL, 0), &why), &why);
    CHECK_BYTES(
        BYTES_OF(got),
        from_hex(expected, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

TEST(kdf_hkdf) {
    uint8_t key[22], salt[13], info[10], got[42], expected[42];
    struct hash prk;
    struct error why;
    memset(key, 0x0b, sizeof key);
    for (uint8_t i = 0; i < 13; i++) {
        salt[i] = i;
    }
    for (uint8_t i = 0; i < 10; i++) {
        info[i] = (uint8_t)(0xf0 + i);
    }
    CHECK_OK(hkdf_sha256_extract(&prk, bytes_make(salt, 13), bytes_make(key, 22), &why), &why);
    CHECK_BYTES(
        BYTES_OF(prk),
        from_hex(expected, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    CHECK_OK(hkdf_sha256_expand(got, sizeof got, &prk, bytes_make(info, 10), &why), &why);
    CHECK_BYTES(bytes_make(got, 42),
                from_hex(expected, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5b"
                                   "f34007208d5b887185865"));
    // Without salt and info.
    CHECK_OK(hkdf_sha256_extract(&prk, bytes_make(NULL, 0), bytes_make(key, 22), &why), &why);
    CHECK_OK(hkdf_sha256_expand(got, sizeof got, &prk, bytes_make(NULL, 0), &why), &why);
    CHECK_BYTES(bytes_make(got, 42),
                from_hex(expected, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2"
                                   "d9d201395faa4b61a96c8"));
    CHECK_OK(hkdf_sha256_expand(got, 0, &prk, bytes_make(NULL, 0), &why), &why);
    CHECK_ERR(hkdf_sha256_expand(got, 255 * 32 + 1, &prk, bytes_make(NULL, 0), &why), ERR_RANGE);
}

TEST(kdf_pbkdf2) {
    uint8_t got[64], expected[64];
    struct error why;
    CHECK_OK(pbkdf2_sha256(got, 64, BYTES_LIT("passwd"), BYTES_LIT("salt"), 1, &why), &why);
    CHECK_BYTES(bytes_make(got, 64),
                from_hex(expected, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacb"
                                   "c49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a197"
                                   "83"));
    CHECK_OK(pbkdf2_sha512(got, 64, BYTES_LIT("password"), BYTES_LIT("salt"), 1, &why), &why);
    CHECK_BYTES(bytes_make(got, 64),
                from_hex(expected, "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf25"
                                   "2c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57f"
                                   "ce"));
    CHECK_ERR(pbkdf2_sha256(got, 64, BYTES_LIT("x"), BYTES_LIT("y"), 0, &why), ERR_RANGE);
    CHECK_ERR(pbkdf2_sha256(got, 64, BYTES_LIT("x"), BYTES_LIT("y"), 1ull << 31, &why), ERR_RANGE);
}

TEST(kdf_scrypt) {
    uint8_t got[64], expected[64];
    struct error why;
    CHECK_OK(scrypt(got, 64, BYTES_LIT(""), BYTES_LIT(""), 16, 1, 1, &why), &why);
    CHECK_BYTES(bytes_make(got, 64),
                from_hex(expected, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede2144"
                                   "2fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d189"
                                   "06"));
    CHECK_OK(scrypt(got, 64, BYTES_LIT("password"), BYTES_LIT("NaCl"), 1024, 8, 16, &why), &why);
    CHECK_BYTES(bytes_make(got, 64),
                from_hex(expected, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b37316"
                                   "22eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc06"
                                   "40"));
    struct bytes p = BYTES_LIT("p"), s = BYTES_LIT("s");
    CHECK_ERR(scrypt(got, 64, p, s, 0, 8, 1, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, 1000, 8, 1, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, 1024, 0, 1, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, 1024, 8, 0, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, 1024, 1 << 20, 1 << 20, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, (uint64_t)1 << 40, 8, 1, &why), ERR_LIMIT);
    // n is below 2^(16 r).
    CHECK_OK(scrypt(got, 64, p, s, 1 << 15, 1, 1, &why), &why);
    CHECK_ERR(scrypt(got, 64, p, s, 1 << 16, 1, 1, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, (uint64_t)1 << 48, 3, 1, &why), ERR_RANGE);
    CHECK_ERR(scrypt(got, 64, p, s, 1 << 18, 8, 1000, &why), ERR_LIMIT);
    // Little work in much memory: blocks of all p are held at once.
    CHECK_ERR(scrypt(got, 64, p, s, 2, 8, (1 << 20) + 1, &why), ERR_LIMIT);
}

TEST(kdf_aes128_ctr) {
    uint8_t key[16], iv[16], in[64], got[64], expected[64];
    struct error why;
    (void)from_hex(key, "2b7e151628aed2a6abf7158809cf4f3c");
    (void)from_hex(iv, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    (void)from_hex(in, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                       "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    (void)from_hex(expected, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
                             "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee");
    CHECK_OK(aes128_ctr(got, key, iv, bytes_make(in, 64), &why), &why);
    CHECK_BYTES(bytes_make(got, 64), bytes_make(expected, 64));
    CHECK_OK(aes128_ctr(got, key, iv, bytes_make(got, 64), &why), &why); // in place, back again
    CHECK_BYTES(bytes_make(got, 64), bytes_make(in, 64));
    CHECK_OK(aes128_ctr(got, key, iv, bytes_make(NULL, 0), &why), &why);
}

TEST_MAIN()
