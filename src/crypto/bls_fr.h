/* The scalar field of BLS12-381: integers modulo the group order r, for polynomials (KZG).
 *
 * Internal to the crypto library. Four 64-bit words, least significant first, Montgomery form,
 * fully reduced. Results may be operands. Public data; arithmetic is constant time all the same,
 * except comparisons. Work on many elements at once has a path in AVX-512 lanes beside the plain
 * one (bls_use_ifma). Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_FR_H
#define CRYPTO_BLS_FR_H

#include "base/u256.h"

struct bls_fr {
    uint64_t w[4];
};

extern const struct bls_fr bls_fr_one;

void bls_fr_add(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b);
void bls_fr_sub(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b);
void bls_fr_mul(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b);
void bls_fr_mul_plain(struct bls_fr *ret, const struct bls_fr *a, const struct bls_fr *b);
void bls_fr_pow(struct bls_fr *ret, const struct bls_fr *a, uint64_t e);
/* bls_fr_inv: 0 for 0. bls_fr_inv_many: n elements (none 0) with one inversion; scratch: n. */
void bls_fr_inv(struct bls_fr *ret, const struct bls_fr *a);
void bls_fr_inv_many(struct bls_fr *ret, const struct bls_fr *a, size_t n, struct bls_fr *scratch);

static inline bool bls_fr_is_zero(const struct bls_fr *a) {
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}
static inline bool bls_fr_equal(const struct bls_fr *a, const struct bls_fr *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

/* bls_fr_from_u256 takes a number below r; bls_fr_to_u256 gives it back. */
void bls_fr_from_u256(struct bls_fr *ret, const struct u256 *a);
void bls_fr_to_u256(struct u256 *ret, const struct bls_fr *a);
void bls_fr_from_u64(struct bls_fr *ret, uint64_t a);

/* Bytes: 32, big-endian. load is false when the number is r or above. */
bool bls_fr_load_be(struct bls_fr *ret, const uint8_t in[32]);
void bls_fr_store_be(uint8_t ret[32], const struct bls_fr *a);
/* bls_fr_load_be_many returns how many of n came before one that is r or above; n is all. */
size_t bls_fr_load_be_many(struct bls_fr *ret, const uint8_t *in, size_t n);
void bls_fr_store_be_many(uint8_t *ret, const struct bls_fr *in, size_t n);

/* bls_fr_fractions: the sum of a_i w_i / (z - w_i) for n terms, as n / d; d is the product of all
 * z - w_i. */
void bls_fr_fractions(struct bls_fr *ret_n, struct bls_fr *ret_d, const struct bls_fr *a,
                      const struct bls_fr *w, size_t n, const struct bls_fr *z);

/* bls_fr_root: a primitive n-th root of unity, n a power of two up to 2^32: 7^((r-1)/n). */
void bls_fr_root(struct bls_fr *ret, uint64_t n);

/* bls_fr_fft evaluates a polynomial at the powers of a root of unity, in place.
 * a      n values, n a power of two; natural order in and out.
 * roots  powers 0 .. m-1 of a primitive m-th root, m a multiple of n.
 * inverse: the other way, 1/n included. */
void bls_fr_fft(struct bls_fr *a, size_t n, const struct bls_fr *roots, size_t m, bool inverse);

#endif
