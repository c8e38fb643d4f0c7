/* The cases of BLS12-381 and KZG in crypto_bench. SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_BENCH_H
#define CRYPTO_BLS_BENCH_H

/* The bare cost of the base field's products in this run, in ns. */
struct bls_costs {
    double mul, sqr, mul_wide, redc;
};
struct bls_counts {
    double mul, sqr, mul_wide, redc;
};
void bls_measure_costs(struct bls_costs *ret, unsigned budget_ms);

/* bls_case runs one case when its name contains `only`: `inner` units of work in one body. The
 * limit is what the products of one unit cost bare (count: on the scalar path; lanes of AVX-512
 * IFMA, where the processor has them, can pass it). Returns 1 when it ran. */
unsigned bls_case(const char *only, unsigned budget_ms, const char *name, double inner,
                  const char *unit, void (*body)(void *arg), void *arg,
                  const struct bls_costs *costs, struct bls_counts count);

/* As crypto_bench. */
unsigned bls_bench(const char *only, unsigned budget_ms);
unsigned kzg_bench(const char *only, unsigned budget_ms);

#endif
