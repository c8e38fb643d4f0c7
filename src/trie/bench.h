/* The benchmarks of this folder as a function, for `buildernet trie bench` and the bench program.
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_BENCH_H
#define TRIE_BENCH_H

/* trie_bench runs the cases whose name contains `only` (all for "") and prints one JSON line each
 * on standard output: name, work, unit, ns, limit_ns, cpu. budget_ms: time for each case.
 * Returns how many cases ran. */
unsigned trie_bench(const char *only, unsigned budget_ms);

#endif
