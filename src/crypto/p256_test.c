/* SPDX-License-Identifier: MIT */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

struct example {
    struct hash digest;
    uint8_t r[32], s[32], x[32], y[32];
};

// A key and a signature made by the EC_KEY interface, the peer of the check.
static void make_example(struct example *ret, uint64_t *seed) {
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    CHECK(key && EC_KEY_generate_key(key) == 1);
    BIGNUM *x = BN_new(), *y = BN_new();
    CHECK(EC_POINT_get_affine_coordinates(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key), x, y,
                                          NULL) == 1);
    fill_random(ret->digest.b, 32, seed);
    ECDSA_SIG *signature = ECDSA_do_sign(ret->digest.b, 32, key);
    CHECK(signature != NULL);
    BN_bn2binpad(x, ret->x, 32);
    BN_bn2binpad(y, ret->y, 32);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret->r, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret->s, 32);
    ECDSA_SIG_free(signature);
    BN_free(x);
    BN_free(y);
    EC_KEY_free(key);
}

static bool verify(const struct p256 *curve, const struct example *e) {
    return p256_verify(curve, &e->digest, e->r, e->s, e->x, e->y);
}

TEST(p256_accepts_signatures_and_no_changed_bit) {
    struct p256 *curve;
    struct error why;
    uint64_t seed = 1;
    CHECK_OK(p256_new(&curve, &why), &why);
    for (int i = 0; i < 8; i++) {
        struct example e;
        make_example(&e, &seed);
        CHECK(verify(curve, &e));
        uint8_t *all = (uint8_t *)&e;
        for (size_t at = 0; at < sizeof e; at += 5) {
            all[at] ^= (uint8_t)(1 << at % 8);
            CHECK(!verify(curve, &e));
            all[at] ^= (uint8_t)(1 << at % 8);
        }
    }
    p256_free(curve);
    p256_free(NULL);
}

TEST(p256_both_halves_of_s_are_good) {
    struct p256 *curve;
    struct error why;
    uint64_t seed = 2;
    struct example e;
    CHECK_OK(p256_new(&curve, &why), &why);
    make_example(&e, &seed);
    BIGNUM *n = NULL, *s = BN_bin2bn(e.s, 32, NULL);
    BN_hex2bn(&n, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    BN_sub(s, n, s);
    BN_bn2binpad(s, e.s, 32);
    CHECK(verify(curve, &e));
    BN_free(n);
    BN_free(s);
    p256_free(curve);
}

TEST(p256_refuses_numbers_out_of_range) {
    struct p256 *curve;
    struct error why;
    uint64_t seed = 3;
    struct example e, bad;
    CHECK_OK(p256_new(&curve, &why), &why);
    make_example(&e, &seed);
    const char *n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const char *p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    bad = e;
    memset(bad.r, 0, 32);
    CHECK(!verify(curve, &bad));
    bad = e;
    memset(bad.s, 0, 32);
    CHECK(!verify(curve, &bad));
    bad = e;
    (void)from_hex(bad.r, n);
    CHECK(!verify(curve, &bad));
    bad = e;
    (void)from_hex(bad.s, n);
    CHECK(!verify(curve, &bad));
    bad = e;
    (void)from_hex(bad.x, p);
    CHECK(!verify(curve, &bad));
    bad = e;
    (void)from_hex(bad.y, p);
    CHECK(!verify(curve, &bad));
    bad = e;
    memset(bad.x, 0, 32);
    memset(bad.y, 0, 32);
    CHECK(!verify(curve, &bad));
    p256_free(curve);
}

TEST_MAIN()
