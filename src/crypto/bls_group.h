/* The BLS12-381 groups: G1 on E: y^2 = x^3 + 4 over Fp, G2 on E': y^2 = x^3 + 4(1 + u) over Fp2.
 *
 * Internal to the crypto library. Affine points carry a flag for infinity; the others are
 * Jacobian (x = X/Z^2, y = Y/Z^3, infinity Z = 0). Functions on points work for every point of
 * the curve, unless they say "subgroup": those need points of order r. Results may be operands.
 *
 * Everything is for public data, in time that depends on it, except _mul_secret. Scalars are
 * struct u256 below the group order r. Both groups have the same functions, made from
 * bls_group_template.h. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_GROUP_H
#define CRYPTO_BLS_GROUP_H

#include "base/error.h"
#include "base/stop.h"
#include "base/u256.h"
#include "crypto/bls_tower.h"

#include <stddef.h>

#define BLS_X_ABS 0xd201000000010000ull /* the curve's parameter x is minus this */

/* |x| as a chain: so many doublings, and the point added after each but the last. */
#define BLS_X_RUNS                                                                                 \
    { 1, 2, 3, 9, 32, 16 }

/* The group order r. */
#define BLS_ORDER                                                                                  \
    ((struct u256){                                                                                \
        {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805, 0x73eda753299d7d48}})

struct bls_g1_affine {
    struct bls_fp x, y;
    bool infinity;
};
struct bls_g1 {
    struct bls_fp x, y, z;
};
struct bls_g2_affine {
    struct bls_fp2 x, y;
    bool infinity;
};
struct bls_g2 {
    struct bls_fp2 x, y, z;
};

extern const struct bls_g1_affine bls_g1_generator;
extern const struct bls_g2_affine bls_g2_generator;

#define BLS_GROUP_FUNCTIONS(G, FIELD)                                                              \
    bool G##_on_curve(const struct G##_affine *a);                                                 \
    /* a has order r or is infinity; a must be on the curve. */                                    \
    bool G##_in_subgroup(const struct G##_affine *a);                                              \
    void G##_from_affine(struct G *ret, const struct G##_affine *a);                               \
    void G##_to_affine(struct G##_affine *ret, const struct G *a);                                 \
    /* n points with one inversion; scratch: n elements. */                                        \
    void G##_to_affine_many(struct G##_affine *ret, const struct G *a, size_t n,                   \
                            struct FIELD *scratch);                                                \
    bool G##_is_infinity(const struct G *a);                                                       \
    bool G##_equal(const struct G *a, const struct G *b);                                          \
    void G##_neg(struct G *ret, const struct G *a);                                                \
    void G##_neg_affine(struct G##_affine *ret, const struct G##_affine *a);                       \
    void G##_double(struct G *ret, const struct G *a);                                             \
    void G##_add(struct G *ret, const struct G *a, const struct G *b);                             \
    void G##_add_affine(struct G *ret, const struct G *a, const struct G##_affine *b);             \
    /* [|x|]a */                                                                                   \
    void G##_mul_x(struct G *ret, const struct G *a);                                              \
    /* Sum of k[i] a[i]; subgroup. Allocates for the call. errors ERR_NO_MEMORY, ERR_CANCELLED. */ \
    [[gnu::warn_unused_result]] int G##_msm(struct G *ret, const struct G##_affine *a,             \
                                            const struct u256 *k, size_t n,                        \
                                            const atomic_bool *stop, struct error *why);           \
    /* k a; subgroup. */                                                                           \
    void G##_mul(struct G *ret, const struct G##_affine *a, const struct u256 *k);                 \
    /* k a in constant time for a secret k in 1..r-1; subgroup, a not infinity. */                 \
    void G##_mul_secret(struct G##_affine *ret, const struct G##_affine *a, const struct u256 *k); \
    /* Maps a point of the curve into the subgroup (RFC 9380 section 8.8 h_eff). */                \
    void G##_clear_cofactor(struct G *ret, const struct G *a);

BLS_GROUP_FUNCTIONS(bls_g1, bls_fp)
BLS_GROUP_FUNCTIONS(bls_g2, bls_fp2)

/* The compressed and full encodings of the ZCash format: flags in the top three bits of the first
 * byte (compressed, infinity, y is the larger root), coordinates big-endian, c1 before c0.
 *
 * _decompress refuses (ERR_SYNTAX) a wrong flag, a coordinate not below p, a flagged infinity
 * with other bits set, and (ERR_INVALID) an x that is on no point; it does not look at the
 * subgroup. */
[[gnu::warn_unused_result]] int bls_g1_decompress(struct bls_g1_affine *ret, const uint8_t in[48],
                                                  struct error *why);
[[gnu::warn_unused_result]] int bls_g2_decompress(struct bls_g2_affine *ret, const uint8_t in[96],
                                                  struct error *why);
/* bls_g1_decompress_many: n points; errors as above. bls_g1_all_in_subgroup: points of the curve.
 * With lanes both take much less time than one by one. */
[[gnu::warn_unused_result]] int bls_g1_decompress_many(struct bls_g1_affine *ret,
                                                       const struct bytes48 *in, size_t n,
                                                       struct error *why);
bool bls_g1_all_in_subgroup(const struct bls_g1_affine *a, size_t n);
void bls_g1_compress(uint8_t ret[48], const struct bls_g1_affine *a);
void bls_g2_compress(uint8_t ret[96], const struct bls_g2_affine *a);

/* psi, the p-power map seen on the twist: [x]a on the subgroup. */
void bls_g2_psi(struct bls_g2_affine *ret, const struct bls_g2_affine *a);

#endif
