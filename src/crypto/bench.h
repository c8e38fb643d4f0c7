/* The benchmarks of this folder as functions, for `buildernet crypto bench` and bench programs.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BENCH_H
#define CRYPTO_BENCH_H

/* crypto_bench runs the cases whose name contains `only` (all for "") and prints one JSON line each
 * on standard output: name, work, unit, ns, limit_ns, cpu. budget_ms: time for each case.
 * Returns how many cases ran. */
unsigned crypto_bench(const char *only, unsigned budget_ms);

#endif
