/* SPDX-License-Identifier: MIT */
#include "evm/wide.h"

#include "test/harness/test.h"

static uint64_t seed = 88172645463325252u;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static uint64_t word(void) {
    uint64_t kind = next() % 5;
    return kind == 0 ? 0 : kind == 1 ? UINT64_MAX : kind == 2 ? 1 : next();
}
static struct u256 value(void) {
    return (struct u256){{word(), word(), word(), word()}};
}

TEST(wide_products_modulo_one_number) {
    struct wide_modulus modulus = {0};
    for (int i = 0; i < 1000; i++) {
        struct u256 m = i % 50 ? u256_shift_right(value(), next() % 70) : U256_MAX;
        for (int k = 0; k < 24; k++) {
            struct u256 a = value(), b = value(), got = m;
            wide_mulmod(&modulus, &got, &a, &b);
            CHECK(u256_equal(got, u256_mul_mod(a, b, m)));
        }
    }
}

TEST(wide_products_and_shifts_agree_with_base) {
    for (int i = 0; i < 20000; i++) {
        struct u256 a = value(), b = value();
        uint64_t bits = next() % 300;
        CHECK(u256_equal(wide_mul(a, b), u256_mul(a, b)));
        CHECK(u256_equal(wide_shl(a, bits), u256_shift_left(a, bits)));
        CHECK(u256_equal(wide_shr(a, bits), u256_shift_right(a, bits)));
        struct u256 positive = a;
        positive.w[3] >>= 1;
        CHECK(u256_equal(wide_sar(positive, bits), u256_shift_right(positive, bits)));
        struct u256 negative = wide_not(positive);
        CHECK(u256_equal(wide_sar(negative, bits), wide_not(wide_sar(positive, bits))));
    }
}

TEST(wide_sums_and_comparisons_agree_with_the_plain_ones) {
    for (int i = 0; i < 20000; i++) {
        struct u256 a = value(), b = i % 8 ? value() : a, expected, got;
        wide_add_plain(&expected, &a, &b);
        wide_add(&got, &a, &b);
        CHECK(u256_equal(got, expected));
        got = a; // in place of either operand
        wide_add(&got, &got, &b);
        CHECK(u256_equal(got, expected));
        got = b;
        wide_add(&got, &a, &got);
        CHECK(u256_equal(got, expected));
        wide_sub_plain(&expected, &a, &b);
        wide_sub(&got, &a, &b);
        CHECK(u256_equal(got, expected));
        got = a;
        wide_sub(&got, &got, &b);
        CHECK(u256_equal(got, expected));
        got = b;
        wide_sub(&got, &a, &got);
        CHECK(u256_equal(got, expected));
        CHECK(wide_less(&a, &b) == wide_less_plain(&a, &b));
        CHECK(wide_less_signed(&a, &b) == wide_less_signed_plain(&a, &b));
    }
}

TEST(wide_division) {
    struct u256 one = U256_ONE, least = {{0, 0, 0, 1ull << 63}}, minus = wide_negate(one), q, r;
    struct u256 zero = U256_ZERO;
    wide_sdiv(&q, &least, &minus);
    CHECK(u256_equal(q, least));
    wide_sdiv(&q, &one, &zero);
    wide_smod(&r, &one, &zero);
    CHECK(u256_is_zero(q) && u256_is_zero(r));
    for (int i = 0; i < 20000; i++) {
        struct u256 a = u256_shift_right(value(), next() % 256), b = value(), x, y;
        if (i % 4 == 0) b = u256_shift_left(U256_ONE, next() % 256);
        if (i % 4 == 1) b = u256_shift_right(b, next() % 256);
        u256_div_mod(&x, &y, a, b);
        wide_div(&q, &a, &b);
        wide_mod(&r, &a, &b);
        CHECK(u256_equal(q, x) && u256_equal(r, y));
        if (u256_is_zero(b)) continue;
        if (i % 3 == 0) a = wide_negate(a);
        wide_sdiv(&q, &a, &b);
        wide_smod(&r, &a, &b);
        CHECK(u256_equal(wide_mul(q, b), u256_sub(a, r)));
        CHECK(u256_is_zero(r) || wide_is_negative(r) == wide_is_negative(a));
    }
}

TEST(wide_bytes_and_signs) {
    struct u256 v = {{0x8877665544332211, 0xf1, 0, 0}};
    CHECK_U64(wide_byte(u256_from_u64(31), v), 0x11);
    CHECK_U64(wide_byte(u256_from_u64(23), v), 0xf1);
    CHECK_U64(wide_byte(u256_from_u64(32), v), 0);
    struct u256 x = v, k = u256_from_u64(7);
    wide_sign_extend(&k, &x);
    CHECK_U64(x.w[0], v.w[0]);
    CHECK_U64(x.w[1] & x.w[2] & x.w[3], UINT64_MAX);
    x = v;
    k = u256_from_u64(0);
    wide_sign_extend(&k, &x);
    CHECK(u256_equal(x, u256_from_u64(0x11)));
    x = v;
    k = u256_from_u64(31);
    wide_sign_extend(&k, &x);
    CHECK(u256_equal(x, v));
}

TEST(wide_powers) {
    CHECK(u256_equal(wide_exp(U256_ZERO, U256_ZERO), U256_ONE));
    CHECK(u256_equal(wide_exp(u256_from_u64(3), u256_from_u64(5)), u256_from_u64(243)));
    CHECK(
        u256_equal(wide_exp(u256_from_u64(2), u256_from_u64(255)), u256_shift_left(U256_ONE, 255)));
    CHECK(u256_is_zero(wide_exp(u256_from_u64(2), u256_from_u64(256))));
}

TEST_MAIN()
