/* The cases of BLS12-381 and KZG in crypto_bench. SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_BENCH_H
#define CRYPTO_BLS_BENCH_H

/* What an operation is made of: products of the base field (whole, or before their reduction, and
 * reductions), products of the scalar field, blocks of SHA-256, products of two 64-bit words.
 * Either how many, or what one costs bare in this run, in ns. */
struct bls_parts {
    double mul, sqr, mul_wide, redc, fr_mul, sha256_block, word_mul;
};
void bls_measure_costs(struct bls_parts *ret, unsigned budget_ms);

/* bls_case runs one case when its name contains `only`: `inner` units of work in one body. The
 * limit is what the parts of one body cost bare (count: on the scalar path; lanes of AVX-512 IFMA,
 * where the processor has them, can pass it). Returns 1 when it ran. */
unsigned bls_case(const char *only, unsigned budget_ms, const char *name, double inner,
                  const char *unit, void (*body)(void *arg), void *arg,
                  const struct bls_parts *costs, struct bls_parts count);

/* As crypto_bench. */
unsigned bls_bench(const char *only, unsigned budget_ms);
unsigned kzg_bench(const char *only, unsigned budget_ms);

#endif
