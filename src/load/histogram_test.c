/* SPDX-License-Identifier: MIT */
#include "load/histogram.h"

#include "base/random.h"
#include "test/harness/test.h"

#include <stdlib.h>

static struct histogram h;

TEST(small_values_are_exact) {
    h = (struct histogram){.count = 0};
    CHECK_U64(histogram_quantile(&h, 0.5), 0);
    for (uint64_t i = 1; i <= 100; i++) {
        histogram_add(&h, i);
    }
    CHECK_U64(histogram_quantile(&h, 0.01), 1);
    CHECK_U64(histogram_quantile(&h, 0.5), 50);
    CHECK_U64(histogram_quantile(&h, 1), 100);
    CHECK_U64(histogram_between(&h, 10, 20), 10);
}

static int compare(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

// Against the sorted values themselves.
TEST(quantiles_are_near) {
    static uint64_t values[20000];
    struct random_fast r;
    random_fast_seed(&r, 7);
    h = (struct histogram){.count = 0};
    for (size_t i = 0; i < 20000; i++) {
        values[i] = random_fast_u64(&r) >> (38 + random_fast_below(&r, 20));
        histogram_add(&h, values[i]);
    }
    qsort(values, 20000, sizeof values[0], compare);
    static const double quantiles[] = {0.1, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < 5; i++) {
        uint64_t exact = values[(size_t)(quantiles[i] * 20000) - 1];
        uint64_t got = histogram_quantile(&h, quantiles[i]);
        CHECK(got >= exact && (double)got <= (double)exact * 1.017 + 1);
    }
    CHECK_U64(histogram_quantile(&h, 1), values[19999]);
}

TEST(a_minute_and_more_fits) {
    h = (struct histogram){.count = 0};
    histogram_add(&h, 60000000);
    histogram_add(&h, UINT64_C(1) << 60);
    uint64_t half = histogram_quantile(&h, 0.5);
    CHECK(half >= 60000000 && half < 61000000);
    CHECK_U64(histogram_quantile(&h, 1), UINT64_C(1) << 60);
}

TEST_MAIN()
