/* SPDX-License-Identifier: MIT */
#include "eth/fees.h"

#include "test/harness/test.h"

static uint64_t next(uint64_t limit, uint64_t used, uint64_t fee) {
    return base_fee_next(limit, used, u256_from_u64(fee), BASE_FEE_ELASTICITY, BASE_FEE_DENOMINATOR)
        .w[0];
}

TEST(base_fee_moves_by_at_most_an_eighth) {
    CHECK_U64(next(20000000, 10000000, 1000000000), 1000000000);
    CHECK_U64(next(20000000, 9000000, 1000000000), 987500000);
    CHECK_U64(next(20000000, 11000000, 1000000000), 1012500000);
    CHECK_U64(next(20000000, 20000000, 1000000000), 1125000000);
    CHECK_U64(next(20000000, 0, 1000000000), 875000000);
    CHECK_U64(next(20000000, 10000001, 1), 2); // at least one wei up
    CHECK_U64(next(20000000, 0, 7), 7);        // and not down where an eighth is nothing
    CHECK_U64(next(1, 0, 7), 7);
    CHECK_U64(base_fee_next(30000000, 30000000, u256_from_u64(1000000000), 6, 250).w[0],
              1020000000);
}

TEST(blob_base_fee_is_an_exponential) {
    CHECK_U64(blob_base_fee(0, 3338477).w[0], 1);
    CHECK_U64(blob_base_fee(2314057, 3338477).w[0], 1);
    CHECK_U64(blob_base_fee(2314058, 3338477).w[0], 2);
    CHECK_U64(blob_base_fee(10 * 1024 * 1024, 3338477).w[0], 23);
    CHECK(u256_equal(blob_base_fee(UINT64_MAX, 3338477), U256_MAX));
    CHECK(u256_bit_length(blob_base_fee(100u * 3338477, 3338477)) == 145);
}

TEST(excess_follows_the_target) {
    const struct blob_params cancun = {0, 3, 6, 3338477}, prague = {0, 6, 9, 5007716};
    const uint64_t blob = GAS_PER_BLOB;
    struct u256 cheap = U256_ONE, dear = u256_from_u64(1000000000);
    CHECK_U64(excess_blob_gas_next(0, 0, cheap, &cancun, false), 0);
    CHECK_U64(excess_blob_gas_next(0, 3 * blob, cheap, &cancun, false), 0);
    CHECK_U64(excess_blob_gas_next(0, 4 * blob, cheap, &cancun, false), blob);
    CHECK_U64(excess_blob_gas_next(5 * blob, 0, cheap, &cancun, false), 2 * blob);
    CHECK_U64(excess_blob_gas_next(5 * blob, 0, dear, &prague, true), 0);
    // Above the reserve price the excess falls as before, below it blobs count in part.
    CHECK_U64(excess_blob_gas_next(100 * blob, 9 * blob, cheap, &prague, true), 103 * blob);
    CHECK_U64(excess_blob_gas_next(100 * blob, 9 * blob, dear, &prague, true), 103 * blob);
    CHECK_U64(excess_blob_gas_next(100 * blob, 0, dear, &prague, true), 100 * blob);
    CHECK_U64(excess_blob_gas_next(100 * blob, 0, cheap, &prague, true), 94 * blob);
    CHECK_U64(excess_blob_gas_next(UINT64_MAX, blob, U256_MAX, &prague, true),
              UINT64_MAX - 6 * blob);
}

TEST(gas_limit_keeps_its_bounds) {
    CHECK_U64(gas_limit_next(30000000, 36000000), 30000000 + 30000000 / 1024 - 1);
    CHECK_U64(gas_limit_next(30000000, 20000000), 30000000 - 30000000 / 1024 + 1);
    CHECK_U64(gas_limit_next(30000000, 30000010), 30000010);
    CHECK_U64(gas_limit_next(5001, 0), 5000);
    for (uint64_t parent = 5000; parent < 100000; parent += 977) {
        CHECK(gas_limit_may_follow(parent, gas_limit_next(parent, 0)));
        CHECK(gas_limit_may_follow(parent, gas_limit_next(parent, UINT64_MAX)));
    }
    CHECK(!gas_limit_may_follow(30000000, 30000000 + 30000000 / 1024));
    CHECK(!gas_limit_may_follow(5000, 4999));
}

TEST_MAIN()
