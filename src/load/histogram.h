/* Histogram: latencies from 1 us to 60 s and beyond with at most 1.6 % error, in a fixed size.
 *
 * Buckets as in HDR histograms: 64 equal steps for each power of two. Values above the last are
 * counted in it and kept exactly as the maximum. One thread at a time.
 * SPDX-License-Identifier: MIT */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_POWERS 27 /* 2^6 us to beyond 60 s */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * (HISTOGRAM_POWERS + 1))

struct histogram {
    uint64_t count, sum_us, max_us;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t us);
/* histogram_quantile: upper end of the bucket that holds it, in us; q in 0..1; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
/* histogram_between: how many values lie in [from_us, to_us), by buckets. */
uint64_t histogram_between(const struct histogram *h, uint64_t from_us, uint64_t to_us);

#endif
