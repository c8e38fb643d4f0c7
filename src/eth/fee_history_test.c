/* SPDX-License-Identifier: MIT */
#include "eth/fee_history.h"

#include "test/harness/test.h"

static struct u256 n(uint64_t v) {
    return u256_from_u64(v);
}

TEST(percentiles_are_weighted_by_gas) {
    struct fee_sample s[] = {{n(30), 100}, {n(10), 700}, {n(20), 200}};
    const double p[] = {0, 10, 70, 70.1, 90, 90.1, 100};
    const uint64_t expected[] = {10, 10, 10, 20, 20, 30, 30};
    struct u256 got[7];
    fee_samples_sort(s, 3);
    CHECK_U64(s[0].gas_used, 700);
    fee_percentiles(got, s, 3, 1000, p, 7);
    for (size_t i = 0; i < 7; i++) {
        CHECK_U64(got[i].w[0], expected[i]);
    }
}

TEST(an_empty_block_paid_nothing) {
    const double p[] = {0, 50, 100};
    struct u256 got[3] = {n(1), n(1), n(1)};
    fee_percentiles(got, NULL, 0, 0, p, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(u256_is_zero(got[i]));
    }
}

TEST(gas_that_no_sample_explains_ends_at_the_last) {
    struct fee_sample s[] = {{n(1), 10}};
    const double p[] = {100};
    struct u256 got;
    fee_percentiles(&got, s, 1, 1000, p, 1); // system transactions use gas without a tip
    CHECK_U64(got.w[0], 1);
}

TEST(refuses_percentiles_out_of_order_or_range) {
    struct error why;
    double many[FEE_HISTORY_PERCENTILES_MAX + 1] = {0};
    CHECK_OK(fee_percentiles_check((double[]){0, 0, 50.5, 100}, 4, &why), &why);
    CHECK_OK(fee_percentiles_check(NULL, 0, &why), &why);
    CHECK_ERR(fee_percentiles_check((double[]){-1}, 1, &why), ERR_INVALID);
    CHECK_ERR(fee_percentiles_check((double[]){100.1}, 1, &why), ERR_INVALID);
    CHECK_ERR(fee_percentiles_check((double[]){(double)__builtin_nan("")}, 1, &why), ERR_INVALID);
    CHECK_ERR(fee_percentiles_check((double[]){10, 5}, 2, &why), ERR_INVALID);
    CHECK_ERR(fee_percentiles_check(many, FEE_HISTORY_PERCENTILES_MAX + 1, &why), ERR_LIMIT);
}

TEST(suggests_the_60th_percentile_of_what_was_paid) {
    struct u256 tips[] = {n(5), n(1), n(4), n(2), n(3)};
    CHECK_U64(fee_suggest_tip(tips, 5, n(9), n(100)).w[0], 3);
    CHECK_U64(fee_suggest_tip(tips, 5, n(9), n(2)).w[0], 2);
    CHECK_U64(fee_suggest_tip(NULL, 0, n(9), n(100)).w[0], 9);
}

TEST_MAIN()
