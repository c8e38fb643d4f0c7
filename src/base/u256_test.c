/* SPDX-License-Identifier: MIT */
#include "base/u256.h"
#include "test/harness/test.h"

// A small generator with many extreme words: the carries are where mistakes live.
static uint64_t seed = 88172645463325252u;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static uint64_t word(void) {
    switch (next() % 5) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return 1;
    default:
        return next();
    }
}
static struct u256 value(void) {
    return (struct u256){{word(), word(), word(), word()}};
}

TEST(u256_ring_laws_hold) {
    for (int i = 0; i < 20000; i++) {
        struct u256 a = value(), b = value(), c = value();
        CHECK(u256_equal(u256_add(a, b), u256_add(b, a)));
        CHECK(u256_equal(u256_sub(u256_add(a, b), b), a));
        CHECK(u256_equal(u256_mul(a, b), u256_mul(b, a)));
        CHECK(u256_equal(u256_mul(a, u256_add(b, c)), u256_add(u256_mul(a, b), u256_mul(a, c))));
    }
}

TEST(u256_division_gives_back_the_dividend) {
    for (int i = 0; i < 50000; i++) {
        struct u256 a = value(), b = u256_shift_right(value(), next() % 256), q, r;
        u256_div_mod(&q, &r, a, b);
        if (u256_is_zero(b)) {
            CHECK(u256_is_zero(q) && u256_is_zero(r));
            continue;
        }
        CHECK(u256_compare(r, b) < 0);
        struct u256 p;
        CHECK(!u256_mul_overflow(&p, q, b));
        CHECK(!u256_add_carry(&p, p, r));
        CHECK(u256_equal(p, a));
    }
}

TEST(u256_shifts_agree_with_multiplication) {
    for (unsigned s = 0; s <= 260; s++) {
        struct u256 a = value(), power = u256_shift_left(U256_ONE, s), q;
        CHECK(u256_equal(u256_shift_left(a, s), u256_mul(a, power)));
        u256_div_mod(&q, NULL, a, power);
        CHECK(u256_equal(u256_shift_right(a, s), q));
    }
}

TEST(u256_modular_sums_and_products) {
    for (int i = 0; i < 20000; i++) {
        struct u256 a = value(), b = value(), m = u256_shift_right(value(), next() % 256), x, y;
        if (u256_is_zero(m)) {
            CHECK(u256_is_zero(u256_add_mod(a, b, m)) && u256_is_zero(u256_mul_mod(a, b, m)));
            continue;
        }
        // Sum and product by doubling and adding, modulo m.
        u256_div_mod(NULL, &x, a, m);
        u256_div_mod(NULL, &y, b, m);
        struct u256 gap = u256_sub(m, y), sum = u256_add(x, y), product = U256_ZERO;
        if (u256_compare(x, gap) >= 0) sum = u256_sub(x, gap);
        CHECK(u256_equal(u256_add_mod(a, b, m), sum));
        for (unsigned bit = 256; i % 50 == 0 && bit-- > 0;) {
            product = u256_add_mod(product, product, m);
            if ((b.w[bit / 64] >> (bit % 64)) & 1) product = u256_add_mod(product, x, m);
        }
        if (i % 50 == 0) CHECK(u256_equal(u256_mul_mod(a, b, m), product));
    }
}

TEST(u256_text_forms) {
    char text[U256_DECIMAL_MAX + 1];
    struct u256 v;
    CHECK_U64(u256_to_decimal(text, U256_MAX), 78);
    CHECK_STR(text,
              "115792089237316195423570985008687907853269984665640564039457584007913129639935");
    CHECK(u256_from_decimal(&v, bytes_from_str(text)));
    CHECK(u256_equal(v, U256_MAX));
    CHECK(!u256_from_decimal(
        &v, BYTES_LIT(
                "115792089237316195423570985008687907853269984665640564039457584007913129639936")));
    CHECK(!u256_from_decimal(&v, BYTES_LIT("")));
    CHECK(!u256_from_decimal(&v, BYTES_LIT("1e3")));
    (void)u256_to_decimal(text, U256_ZERO);
    CHECK_STR(text, "0");
    CHECK_U64(u256_to_hex(text, U256_ZERO), 3);
    CHECK_STR(text, "0x0");
    (void)u256_to_hex(text, u256_from_u64(0xabc));
    CHECK_STR(text, "0xabc");
    CHECK_U64(u256_to_hex(text, U256_MAX), 66);
    uint8_t wire[32];
    u256_store_be(wire, u256_shift_left(u256_from_u64(7), 130));
    CHECK(u256_equal(u256_load_be(wire), u256_shift_left(u256_from_u64(7), 130)));
}

TEST_MAIN()
