/* Benchmarks' harness: times work and prints one JSON line a case, so that two programs can be
 * compared in one run. Times are the best of several rounds: the machine's noise only adds.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_HARNESS_BENCH_H
#define TEST_HARNESS_BENCH_H

#include <stdint.h>

/* bench_now_ns: CLOCK_MONOTONIC. bench_cpu_ns: user+system time of this process. */
uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);

/* bench_cpu_name: the processor's model name ("AMD EPYC"); lives for the process. */
const char *bench_cpu_name(void);

/* bench_best_ns runs `body(arg)` until about budget_ms have passed (at least 3 times) and gives the
 * least wall time of one run in ns. */
double bench_best_ns(void (*body)(void *arg), void *arg, unsigned budget_ms);

/* bench_emit prints {"name":…,"work":…,"unit":…,"ns":…,"limit_ns":…,"cpu":…}.
 * name      ASCII without quotes.
 * work      how many units one run did (hashes, requests, gas); unit names them.
 * ns        time of one run.
 * limit_ns  what one run would cost at the physical limit measured in this run; 0 leaves it out. */
void bench_emit(const char *name, double work, const char *unit, double ns, double limit_ns);

#endif
