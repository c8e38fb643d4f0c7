/* SPDX-License-Identifier: MIT */
#include "eth/fee_history.h"

#include <stdlib.h>

static int by_tip(const void *a, const void *b) {
    return u256_compare(((const struct fee_sample *)a)->tip, ((const struct fee_sample *)b)->tip);
}

void fee_samples_sort(struct fee_sample *samples, size_t count) {
    // Which of two equal tips comes first cannot be seen in any result: qsort will do.
    if (count > 1) qsort(samples, count, sizeof *samples, by_tip);
}

void fee_percentiles(struct u256 *ret, const struct fee_sample *samples, size_t count,
                     uint64_t block_gas_used, const double *percentiles, size_t percentile_count) {
    size_t at = 0;
    uint64_t sum = count ? samples[0].gas_used : 0;
    for (size_t i = 0; i < percentile_count; i++) {
        uint64_t threshold = (uint64_t)((double)block_gas_used * percentiles[i] / 100);
        while (sum < threshold && at + 1 < count) {
            sum += samples[++at].gas_used;
        }
        ret[i] = count ? samples[at].tip : U256_ZERO;
    }
}

int fee_percentiles_check(const double *percentiles, size_t count, struct error *why) {
    if (count > FEE_HISTORY_PERCENTILES_MAX) {
        return error_set(why, ERR_LIMIT, "over the query limit %u", FEE_HISTORY_PERCENTILES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        double p = percentiles[i];
        if (!(p >= 0 && p <= 100)) {
            return error_set(why, ERR_INVALID, "invalid reward percentile: %f", p);
        }
        if (i && p < percentiles[i - 1]) {
            return error_set(why, ERR_INVALID, "invalid reward percentile: #%zu:%f > #%zu:%f",
                             i - 1, percentiles[i - 1], i, p);
        }
    }
    return 0;
}

static int by_value(const void *a, const void *b) {
    return u256_compare(*(const struct u256 *)a, *(const struct u256 *)b);
}

struct u256 fee_suggest_tip(struct u256 *tips, size_t count, struct u256 otherwise,
                            struct u256 most) {
    struct u256 tip = otherwise;
    if (count) {
        qsort(tips, count, sizeof *tips, by_value);
        tip = tips[(count - 1) * 60 / 100];
    }
    return u256_compare(tip, most) > 0 ? most : tip;
}
