/* SPDX-License-Identifier: MIT */
#include "load/histogram.h"

// Values below 64 have buckets of their own; from there on the top seven bits choose.
static size_t bucket_of(uint64_t us) {
    if (us < HISTOGRAM_STEPS) return (size_t)us;
    unsigned power = 63u - (unsigned)__builtin_clzll(us) - 6; // us >> power is 64..127
    if (power >= HISTOGRAM_POWERS) return HISTOGRAM_BUCKETS - 1;
    return HISTOGRAM_STEPS * power + (size_t)(us >> power);
}

static uint64_t end_of(size_t bucket) {
    if (bucket < 2 * HISTOGRAM_STEPS) return bucket;
    unsigned power = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
    uint64_t top = bucket - (uint64_t)HISTOGRAM_STEPS * power;
    return ((top + 1) << power) - 1;
}

void histogram_add(struct histogram *h, uint64_t us) {
    h->count++;
    h->sum_us += us;
    if (us > h->max_us) h->max_us = us;
    h->buckets[bucket_of(us)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
    if (h->count == 0) return 0;
    uint64_t wanted = (uint64_t)(q * (double)h->count + 0.999999), seen = 0;
    if (wanted == 0) wanted = 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen < wanted) continue;
        uint64_t end = end_of(i);
        // The last bucket has no end.
        return end < h->max_us && i + 1 < HISTOGRAM_BUCKETS ? end : h->max_us;
    }
    return h->max_us;
}

uint64_t histogram_between(const struct histogram *h, uint64_t from_us, uint64_t to_us) {
    uint64_t n = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t end = end_of(i);
        if (end >= from_us && end < to_us) n += h->buckets[i];
    }
    return n;
}
