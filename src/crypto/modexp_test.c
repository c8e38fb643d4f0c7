/* SPDX-License-Identifier: MIT */
#include "crypto/modexp.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <gmp.h>

// Square and multiply with plain divisions; the oracle.
static void slow_modexp(uint8_t *ret, struct bytes base, struct bytes exponent,
                        struct bytes modulus) {
    mpz_t b, m, r;
    mpz_inits(b, m, r, NULL);
    mpz_import(b, base.n, 1, 1, 1, 0, base.p);
    mpz_import(m, modulus.n, 1, 1, 1, 0, modulus.p);
    memset(ret, 0, modulus.n);
    if (mpz_sgn(m) > 0) {
        mpz_set_ui(r, 1);
        mpz_mod(r, r, m);
        for (size_t i = 0; i < 8 * exponent.n; i++) {
            mpz_mul(r, r, r);
            mpz_mod(r, r, m);
            if (exponent.p[i / 8] >> (7 - i % 8) & 1) {
                mpz_mul(r, r, b);
                mpz_mod(r, r, m);
            }
        }
        size_t n = (mpz_sizeinbase(r, 2) + 7) / 8;
        if (mpz_sgn(r) > 0) mpz_export(ret + modulus.n - n, NULL, 1, 1, 1, 0, r);
    }
    mpz_clears(b, m, r, NULL);
}

static void check(struct bytes base, struct bytes exponent, struct bytes modulus) {
    uint8_t got[300], expected[300];
    CHECK(modulus.n <= sizeof got);
    memset(got, 0xee, sizeof got);
    CHECK_I64(modexp(got, base, exponent, modulus, NULL), 0);
    slow_modexp(expected, base, exponent, modulus);
    CHECK_BYTES(bytes_make(got, modulus.n), bytes_make(expected, modulus.n));
}

TEST(modexp_edges) {
    struct bytes none = {NULL, 0}, zero = BYTES_LIT("\0"), one = BYTES_LIT("\1"),
                 two = BYTES_LIT("\0\2"), three = BYTES_LIT("\3");
    struct bytes all[] = {none, zero, one, two, three, BYTES_LIT("\0\0\0"), BYTES_LIT("\xff\xff")};
    enum { COUNT = sizeof all / sizeof *all };
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            for (size_t k = 0; k < COUNT; k++) {
                check(all[i], all[j], all[k]);
            }
        }
    }
    uint8_t got[1];
    CHECK_I64(modexp(got, none, none, three, NULL), 0); // 0^0 = 1
    CHECK_U64(got[0], 1);
}

TEST(modexp_equals_the_slow_model) {
    uint8_t b[260], e[40], m[260];
    uint64_t seed = 1;
    for (int round = 0; round < 1500; round++) {
        size_t most = round % 4 == 0 ? 260 : 1 + (size_t)round % 70;
        size_t bn = next_random(&seed) % (most + 1), en = next_random(&seed) % 40,
               mn = next_random(&seed) % (most + 1);
        fill_random(b, bn, &seed);
        fill_random(e, en, &seed);
        fill_random(m, mn, &seed);
        if (mn > 0 && round % 3 == 0) m[mn - 1] |= 1;
        if (mn > 4 && round % 7 == 0) memset(m + mn - 4, 0, 4); // powers of two divide it
        if (mn > 9 && round % 5 == 0) memset(m, 0, 9);
        if (mn > 1 && round % 11 == 0) memset(m + 1, 0, mn - 1); // few bits
        if (round % 13 == 0) memset(b, 0xff, bn);
        if (round % 17 == 0) memset(m, 0xff, mn);
        check(bytes_make(b, bn), bytes_make(e, en), bytes_make(m, mn));
    }
}

/* Exponents that are taken in pieces: order * 256^LONG + r has the power of r alone when the order
 * of the group divides the first part. */
TEST(long_exponents_give_what_they_must_and_can_be_stopped) {
    enum { LONG = 400000 };
    static uint8_t e[LONG + 16];
    static const struct {
        struct bytes modulus, order;
    } cases[] = {
        {BYTES_LIT("\x1f\xff\xff\xff\xff\xff\xff\xff"),
         BYTES_LIT("\x1f\xff\xff\xff\xff\xff\xff\xfe")},
        {BYTES_LIT("\x3f\xff\xff\xff\xff\xff\xff\xfe"),
         BYTES_LIT("\x1f\xff\xff\xff\xff\xff\xff\xfe")},
        {BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xc5"),
         BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xc4")},
        {BYTES_LIT("\x80\0\0\0\0\0\0\0"), BYTES_LIT("\x40\0\0\0\0\0\0\0")},
        {BYTES_LIT("\0\0\1"), BYTES_LIT("\1")},
        {BYTES_LIT("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
         BYTES_LIT("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe")},
        {BYTES_LIT("\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
         BYTES_LIT("\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
    };
    struct bytes base =
        BYTES_LIT("\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x13\x57\x9b\xdf\x01\x35");
    struct bytes r = BYTES_LIT("\1\2\3\4\5\6\7");
    atomic_bool stop = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t got[32], want[32];
        size_t n = cases[i].modulus.n, order = cases[i].order.n;
        memset(e, 0, sizeof e);
        memcpy(e, cases[i].order.p, order);
        memcpy(e + LONG - r.n, r.p, r.n);
        struct bytes exponent = bytes_make(e, LONG);
        CHECK_I64(modexp(want, base, r, cases[i].modulus, NULL), 0);
        CHECK_I64(modexp(got, base, exponent, cases[i].modulus, NULL), 0);
        CHECK_BYTES(bytes_make(got, n), bytes_make(want, n));
        int stopped = cases[i].order.n > 1 ? ERR_CANCELLED : 0; // modulo 1 there is nothing to do
        CHECK_I64(modexp(got, base, exponent, cases[i].modulus, &stop), stopped);
    }
}

TEST_MAIN()
