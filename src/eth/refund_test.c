/* SPDX-License-Identifier: MIT */
#include "eth/refund.h"

#include "base/random.h"
#include "test/harness/test.h"

#define N(v) u256_from_u64(v)

TEST(split_rounds_down) {
    struct error why = {0};
    struct u256 out[2];
    CHECK_OK(refund_split(out, N(100), (struct u256[]){N(1), N(2)}, 2, &why), &why);
    CHECK_U64(out[0].w[0], 33);
    CHECK_U64(out[1].w[0], 66);
    struct u256 huge = {{0, 0, 0, 1ull << 63}};
    CHECK_ERR(refund_split(out, N(4), (struct u256[]){huge, N(1)}, 2, &why), ERR_RANGE);
    CHECK_ERR(refund_split(out, N(1), (struct u256[]){huge, huge}, 2, &why), ERR_RANGE);
}

// Nothing is lost or made, and the two end as near to each other as can be.
TEST(pair_loses_exactly_the_excess) {
    struct random_fast random;
    random_fast_seed(&random, 7);
    for (int i = 0; i < 100000; i++) {
        uint64_t a = random_fast_below(&random, 100), b = random_fast_below(&random, 100);
        uint64_t excess = random_fast_below(&random, 220);
        struct u256 x = N(a), y = N(b);
        refund_reduce_pair(&x, &y, N(excess));
        uint64_t left = excess > a + b ? 0 : a + b - excess;
        CHECK_U64(x.w[0] + y.w[0], left);
        CHECK(x.w[0] <= a && y.w[0] <= b);
        uint64_t gap = a > b ? a - b : b - a;
        uint64_t now = x.w[0] > y.w[0] ? x.w[0] - y.w[0] : y.w[0] - x.w[0];
        CHECK(now == (excess >= gap ? left & 1 : gap - excess));
    }
}

TEST(wrong_pairs_are_refused) {
    struct error why = {0};
    struct arena a;
    struct u256 paid = N(5);
    struct refund_identity id = {.block_value_delta = N(5), .orders = &paid, .order_count = 1};
    struct refund_pair pair = {0, 1, N(1)};
    arena_init(&a, 0);
    CHECK_ERR(refund_compute(&id, 1, &pair, 1, N(9), &a, &why), ERR_RANGE);
    CHECK_OK(refund_compute(&id, 1, NULL, 0, N(3), &a, &why), &why);
    CHECK_U64(id.refund.w[0], 3);
    CHECK_U64(id.order_refunds[0].w[0], 3);
    arena_free(&a);
    arena_init(&a, 16);
    CHECK_ERR(refund_compute(&id, 1, NULL, 0, N(3), &a, &why), ERR_NO_MEMORY);
    arena_free(&a);
}

TEST_MAIN()
