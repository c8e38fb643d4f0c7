/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include "test/harness/bench.h"

#include <stdio.h>

#define TIMES 100000

static const struct metric_desc counter = {"c_total", METRIC_COUNTER, "c", "i", NULL, 0, 1000};
static const struct metric_desc histogram = {"h_seconds", METRIC_HISTOGRAM, "h", "i", NULL, 0,
                                             1000};
static const struct metric_desc summary = {"s_seconds", METRIC_SUMMARY, "s", "i", NULL, 0, 1000};

static void count(void *arg) {
    for (unsigned i = 0; i < TIMES; i++) {
        metric_inc(arg);
    }
}

static void observe(void *arg) {
    for (unsigned i = 0; i < TIMES; i++) {
        metric_observe(arg, (double)(i % 1000) * 1e-5);
    }
}

// The limit of a counter: one locked addition.
static void add(void *arg) {
    for (unsigned i = 0; i < TIMES; i++) {
        atomic_fetch_add_explicit((_Atomic uint64_t *)arg, 1, memory_order_relaxed);
    }
}

static void write_all(void *arg) {
    static struct buf out;
    buf_clear(&out);
    metrics_write(arg, &out);
}

int main(void) {
    struct metrics *m;
    if (metrics_new(&m, NULL, NULL)) return 1;
    struct metric *first[3] = {NULL};
    for (unsigned i = 0; i < 200; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "%u", i);
        struct metric *c = metrics_get(m, &counter, (const char *[]){label});
        struct metric *h = i < 50 ? metrics_get(m, &histogram, (const char *[]){label}) : NULL;
        if (i == 0) {
            first[0] = c;
            first[1] = h;
        }
    }
    static _Atomic uint64_t plain;
    double limit = bench_best_ns(add, (void *)&plain, 200);
    bench_emit("metrics counter", TIMES, "increments", bench_best_ns(count, first[0], 200), limit);
    bench_emit("metrics histogram", TIMES, "observations", bench_best_ns(observe, first[1], 200),
               0);
    bench_emit("metrics exposition 200 counters 50 histograms", 1, "expositions",
               bench_best_ns(write_all, m, 300), 0);
    first[2] = metrics_get(m, &summary, (const char *[]){"0"});
    bench_emit("metrics summary", TIMES, "observations", bench_best_ns(observe, first[2], 200), 0);
    metrics_free(m);
    return 0;
}
