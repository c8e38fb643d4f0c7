/* The BLS12-381 base field: integers modulo the 381-bit prime p.
 *
 * Internal to the crypto library (the contract for others is bls.h). Elements are six 64-bit
 * words, least significant first, in Montgomery form (a stands as a * 2^384 mod p) and always
 * fully reduced, so that equality is equality of words. Results may be the operands themselves.
 *
 * Multiplication has a plain C path and one with mulx/adcx/adox, chosen by one look at
 * the processor before main. All functions run in constant time except those that say "public". Any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_FP_H
#define CRYPTO_BLS_FP_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bls_fp {
    uint64_t w[6];
};

/* A product before its reduction: below p * 2^384. */
struct bls_wide {
    uint64_t w[12];
};

extern const struct bls_fp bls_fp_one, bls_fp_modulus;

void bls_fp_mul(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_sqr(struct bls_fp *ret, const struct bls_fp *a);
/* bls_fp_mul_wide takes operands up to 2p; bls_fp_redc brings a product back. */
void bls_fp_mul_wide(struct bls_wide *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_redc(struct bls_fp *ret, const struct bls_wide *a);

/* The two paths by name, for tests that hold one against the other. */
void bls_fp_mul_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_sqr_plain(struct bls_fp *ret, const struct bls_fp *a);
void bls_fp_mul_wide_plain(struct bls_wide *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_redc_plain(struct bls_fp *ret, const struct bls_wide *a);
void bls_fp_add_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_sub_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_add_lazy_plain(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_wide_sub_plain(struct bls_wide *ret, const struct bls_wide *a, const struct bls_wide *b);

#if defined(__x86_64__)
#define BLS_HAVE_X86 1
/* Written once before main; a test may clear it to run everything on the plain path. */
extern bool bls_fp_use_adx, bls_use_ifma; /* the second: files named _ifma */
void bls_fp_mul_adx(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_sqr_adx(struct bls_fp *ret, const struct bls_fp *a);
void bls_fp_mul_wide_adx(struct bls_wide *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_redc_adx(struct bls_fp *ret, const struct bls_wide *a);
void bls_fp_add_x86(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_sub_x86(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_fp_add_lazy_x86(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b);
void bls_wide_sub_x86(struct bls_wide *ret, const struct bls_wide *a, const struct bls_wide *b);
#define BLS_BASE_PATH(name) name##_x86
#else
#define BLS_HAVE_X86 0
#define BLS_BASE_PATH(name) name##_plain
#endif

static inline void bls_fp_add(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    BLS_BASE_PATH(bls_fp_add)(ret, a, b);
}
static inline void bls_fp_sub(struct bls_fp *ret, const struct bls_fp *a, const struct bls_fp *b) {
    BLS_BASE_PATH(bls_fp_sub)(ret, a, b);
}
/* bls_fp_add_lazy leaves the sum below 2p, for an operand of bls_fp_mul_wide only. */
static inline void bls_fp_add_lazy(struct bls_fp *ret, const struct bls_fp *a,
                                   const struct bls_fp *b) {
    BLS_BASE_PATH(bls_fp_add_lazy)(ret, a, b);
}
/* bls_wide_sub: a - b; where that is negative, p * 2^384 is added. */
static inline void bls_wide_sub(struct bls_wide *ret, const struct bls_wide *a,
                                const struct bls_wide *b) {
    BLS_BASE_PATH(bls_wide_sub)(ret, a, b);
}

static inline void bls_fp_double(struct bls_fp *ret, const struct bls_fp *a) {
    bls_fp_add(ret, a, a);
}
void bls_fp_neg(struct bls_fp *ret, const struct bls_fp *a);
void bls_fp_half(struct bls_fp *ret, const struct bls_fp *a);

static inline bool bls_fp_is_zero(const struct bls_fp *a) {
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3] | a->w[4] | a->w[5]) == 0;
}
static inline bool bls_fp_equal(const struct bls_fp *a, const struct bls_fp *b) {
    uint64_t d = 0;
    for (int i = 0; i < 6; i++)
        d |= a->w[i] ^ b->w[i];
    return d == 0;
}
/* bls_fp_select: *ret = mask ? *a : *ret, mask all ones or zero. */
static inline void bls_fp_select(struct bls_fp *ret, const struct bls_fp *a, uint64_t mask) {
    for (int i = 0; i < 6; i++)
        ret->w[i] ^= mask & (ret->w[i] ^ a->w[i]);
}

/* bls_fp_inv: 1/a, and 0 for 0. */
void bls_fp_inv(struct bls_fp *ret, const struct bls_fp *a);

/* bls_fp_pow_sqrt: a^((p-3)/4), from which a square root is a * that, its inverse is that. */
void bls_fp_pow_sqrt(struct bls_fp *ret, const struct bls_fp *a);

/* bls_fp_pow_sqrt_many: the same for n elements in place, eight at a time where there are lanes. */
void bls_fp_pow_sqrt_many(struct bls_fp *a, size_t n);

/* bls_fp_sqrt: false when a is no square; *ret then holds a root of -a. */
bool bls_fp_sqrt(struct bls_fp *ret, const struct bls_fp *a);

/* Bytes: 48, big-endian, plain (not Montgomery). load is false when the number is p or above. */
bool bls_fp_load_be(struct bls_fp *ret, const uint8_t in[48]);
void bls_fp_store_be(uint8_t ret[48], const struct bls_fp *a);

/* bls_fp_reduce_be64 takes 64 big-endian bytes modulo p (RFC 9380 hash_to_field, L = 64). */
void bls_fp_reduce_be64(struct bls_fp *ret, const uint8_t in[64]);

/* bls_fp_canonical: the number itself, least significant word first. */
void bls_fp_canonical(uint64_t ret[6], const struct bls_fp *a);

/* bls_fp_is_odd: the number's lowest bit. bls_fp_is_large: the number is above (p-1)/2. */
bool bls_fp_is_odd(const struct bls_fp *a);
bool bls_fp_is_large(const struct bls_fp *a);

#endif
