/* The prime field of bn254 in Montgomery form; inner part of bn254_core.c, which is compiled twice:
 * with BN254_ADX defined, multiplication is mulx with the two carry chains of adcx and adox.
 *
 * Every element is fully reduced (below p) unless a comment says otherwise. p is below 2^254, so
 * sums of two elements and of two products leave room in 256 and 512 bits.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_FIELD_H
#define CRYPTO_BN254_FIELD_H

#include "crypto/bn254_constants.h"

#include <gmp.h>

typedef unsigned __int128 wide;

static inline bool fp_is_zero(const struct bn254_fp *a) {
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

static inline bool fp_equal(const struct bn254_fp *a, const struct bn254_fp *b) {
    return ((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) |
            (a->w[3] ^ b->w[3])) == 0;
}

#if defined(__x86_64__)
// t - p if t is not below p, else t; t is below 2p.
static inline void fp_reduce_once(struct bn254_fp *ret, uint64_t t0, uint64_t t1, uint64_t t2,
                                  uint64_t t3) {
    uint64_t s0 = t0, s1 = t1, s2 = t2, s3 = t3;
    __asm__("subq %[p0], %[s0]\n\t"
            "sbbq %[p1], %[s1]\n\t"
            "sbbq %[p2], %[s2]\n\t"
            "sbbq %[p3], %[s3]\n\t"
            "cmovcq %[t0], %[s0]\n\t"
            "cmovcq %[t1], %[s1]\n\t"
            "cmovcq %[t2], %[s2]\n\t"
            "cmovcq %[t3], %[s3]\n\t"
            : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3)
            : [t0] "r"(t0), [t1] "r"(t1), [t2] "r"(t2), [t3] "r"(t3), [p0] "m"(bn254_p.w[0]),
              [p1] "m"(bn254_p.w[1]), [p2] "m"(bn254_p.w[2]), [p3] "m"(bn254_p.w[3])
            : "cc");
    *ret = (struct bn254_fp){{s0, s1, s2, s3}};
}
#else
static inline void fp_reduce_once(struct bn254_fp *ret, uint64_t t0, uint64_t t1, uint64_t t2,
                                  uint64_t t3) {
    const uint64_t t[4] = {t0, t1, t2, t3};
    uint64_t s[4], borrow = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)t[i] - bn254_p.w[i] - borrow;
        s[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    for (int i = 0; i < 4; i++) {
        ret->w[i] = (t[i] & (0 - borrow)) | (s[i] & (borrow - 1));
    }
}
#endif

#if defined(__x86_64__)
static inline void fp_add(struct bn254_fp *ret, const struct bn254_fp *a,
                          const struct bn254_fp *b) {
    uint64_t t0 = a->w[0], t1 = a->w[1], t2 = a->w[2], t3 = a->w[3], s0, s1, s2, s3;
    __asm__("addq %[b0], %[t0]\n\t"
            "adcq %[b1], %[t1]\n\t"
            "adcq %[b2], %[t2]\n\t"
            "adcq %[b3], %[t3]\n\t"
            "movq %[t0], %[s0]\n\t"
            "movq %[t1], %[s1]\n\t"
            "movq %[t2], %[s2]\n\t"
            "movq %[t3], %[s3]\n\t"
            "subq %[p0], %[s0]\n\t"
            "sbbq %[p1], %[s1]\n\t"
            "sbbq %[p2], %[s2]\n\t"
            "sbbq %[p3], %[s3]\n\t"
            "cmovcq %[t0], %[s0]\n\t"
            "cmovcq %[t1], %[s1]\n\t"
            "cmovcq %[t2], %[s2]\n\t"
            "cmovcq %[t3], %[s3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [s0] "=&r"(s0),
              [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3)
            : [b0] "m"(b->w[0]), [b1] "m"(b->w[1]), [b2] "m"(b->w[2]), [b3] "m"(b->w[3]),
              [p0] "m"(bn254_p.w[0]), [p1] "m"(bn254_p.w[1]), [p2] "m"(bn254_p.w[2]),
              [p3] "m"(bn254_p.w[3])
            : "cc");
    *ret = (struct bn254_fp){{s0, s1, s2, s3}};
}

static inline void fp_sub(struct bn254_fp *ret, const struct bn254_fp *a,
                          const struct bn254_fp *b) {
    uint64_t t0 = a->w[0], t1 = a->w[1], t2 = a->w[2], t3 = a->w[3], p0, p1, p2, p3;
    __asm__("subq %[b0], %[t0]\n\t"
            "sbbq %[b1], %[t1]\n\t"
            "sbbq %[b2], %[t2]\n\t"
            "sbbq %[b3], %[t3]\n\t"
            "sbbq %[m], %[m]\n\t"
            "movq %[m], %[p1]\n\t"
            "movq %[m], %[p2]\n\t"
            "movq %[m], %[p3]\n\t"
            "andq %[q0], %[m]\n\t"
            "andq %[q1], %[p1]\n\t"
            "andq %[q2], %[p2]\n\t"
            "andq %[q3], %[p3]\n\t"
            "addq %[m], %[t0]\n\t"
            "adcq %[p1], %[t1]\n\t"
            "adcq %[p2], %[t2]\n\t"
            "adcq %[p3], %[t3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [m] "=&r"(p0),
              [p1] "=&r"(p1), [p2] "=&r"(p2), [p3] "=&r"(p3)
            : [b0] "m"(b->w[0]), [b1] "m"(b->w[1]), [b2] "m"(b->w[2]), [b3] "m"(b->w[3]),
              [q0] "m"(bn254_p.w[0]), [q1] "m"(bn254_p.w[1]), [q2] "m"(bn254_p.w[2]),
              [q3] "m"(bn254_p.w[3])
            : "cc");
    *ret = (struct bn254_fp){{t0, t1, t2, t3}};
}
#else
static inline void fp_add(struct bn254_fp *ret, const struct bn254_fp *a,
                          const struct bn254_fp *b) {
    uint64_t t[4], carry = 0;
    for (int i = 0; i < 4; i++) {
        wide s = (wide)a->w[i] + b->w[i] + carry;
        t[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    fp_reduce_once(ret, t[0], t[1], t[2], t[3]);
}

static inline void fp_sub(struct bn254_fp *ret, const struct bn254_fp *a,
                          const struct bn254_fp *b) {
    uint64_t t[4], borrow = 0, carry = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)a->w[i] - b->w[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    for (int i = 0; i < 4; i++) {
        wide s = (wide)t[i] + (borrow ? bn254_p.w[i] : 0) + carry;
        ret->w[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}
#endif

static inline void fp_double(struct bn254_fp *ret, const struct bn254_fp *a) {
    fp_add(ret, a, a);
}

static inline void fp_neg(struct bn254_fp *ret, const struct bn254_fp *a) {
    static const struct bn254_fp zero;
    fp_sub(ret, &zero, a);
}

// a / 2: half of a or of a + p, whichever is even.
static inline void fp_half(struct bn254_fp *ret, const struct bn254_fp *a) {
    uint64_t t[4], odd = 0 - (a->w[0] & 1), carry = 0;
    for (int i = 0; i < 4; i++) {
        wide s = (wide)a->w[i] + (bn254_p.w[i] & odd) + carry;
        t[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    for (int i = 0; i < 3; i++) {
        ret->w[i] = t[i] >> 1 | t[i + 1] << 63;
    }
    ret->w[3] = t[3] >> 1;
}

/* a + b without reduction: below 2p, good as one factor of a multiplication. */
static inline void fp_add_loose(struct bn254_fp *ret, const struct bn254_fp *a,
                                const struct bn254_fp *b) {
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        wide s = (wide)a->w[i] + b->w[i] + carry;
        ret->w[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}

/* p - a: the negative, but p for 0; good as one factor of a multiplication. */
static inline void fp_neg_loose(struct bn254_fp *ret, const struct bn254_fp *a) {
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)bn254_p.w[i] - a->w[i] - borrow;
        ret->w[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
}

#if defined(BN254_ADX)
/* One word b of a factor: t += a * b, the carry word in `top`. Both chains run through the row:
 * adox takes the low halves, adcx the high ones. `first` is the row on which t is still empty. */
#define ROW_FIRST(a, b)                                                                            \
    "movq " b ", %%rdx\n\t"                                                                        \
    "mulxq 0(%[" a "]), %[t0], %[t1]\n\t"                                                          \
    "mulxq 8(%[" a "]), %[lo], %[t2]\n\t"                                                          \
    "addq %[lo], %[t1]\n\t"                                                                        \
    "mulxq 16(%[" a "]), %[lo], %[t3]\n\t"                                                         \
    "adcq %[lo], %[t2]\n\t"                                                                        \
    "mulxq 24(%[" a "]), %[lo], %[top]\n\t"                                                        \
    "adcq %[lo], %[t3]\n\t"                                                                        \
    "adcq $0, %[top]\n\t"
#define ROW_NEXT(a, b)                                                                             \
    "movq " b ", %%rdx\n\t"                                                                        \
    "xorl %k[lo], %k[lo]\n\t"                                                                      \
    "mulxq 0(%[" a "]), %[lo], %[top]\n\t"                                                         \
    "adoxq %[lo], %[t0]\n\t"                                                                       \
    "adcxq %[top], %[t1]\n\t"                                                                      \
    "mulxq 8(%[" a "]), %[lo], %[top]\n\t"                                                         \
    "adoxq %[lo], %[t1]\n\t"                                                                       \
    "adcxq %[top], %[t2]\n\t"                                                                      \
    "mulxq 16(%[" a "]), %[lo], %[top]\n\t"                                                        \
    "adoxq %[lo], %[t2]\n\t"                                                                       \
    "adcxq %[top], %[t3]\n\t"                                                                      \
    "mulxq 24(%[" a "]), %[lo], %[top]\n\t"                                                        \
    "adoxq %[lo], %[t3]\n\t"                                                                       \
    "movl $0, %k[lo]\n\t"                                                                          \
    "adcxq %[lo], %[top]\n\t"                                                                      \
    "adoxq %[lo], %[top]\n\t"
// A second product onto the same row: adds into `top` too.
#define ROW_MORE(a, b)                                                                             \
    "movq " b ", %%rdx\n\t"                                                                        \
    "xorl %k[lo], %k[lo]\n\t"                                                                      \
    "mulxq 0(%[" a "]), %[lo], %[hi]\n\t"                                                          \
    "adoxq %[lo], %[t0]\n\t"                                                                       \
    "adcxq %[hi], %[t1]\n\t"                                                                       \
    "mulxq 8(%[" a "]), %[lo], %[hi]\n\t"                                                          \
    "adoxq %[lo], %[t1]\n\t"                                                                       \
    "adcxq %[hi], %[t2]\n\t"                                                                       \
    "mulxq 16(%[" a "]), %[lo], %[hi]\n\t"                                                         \
    "adoxq %[lo], %[t2]\n\t"                                                                       \
    "adcxq %[hi], %[t3]\n\t"                                                                       \
    "mulxq 24(%[" a "]), %[lo], %[hi]\n\t"                                                         \
    "adoxq %[lo], %[t3]\n\t"                                                                       \
    "adcxq %[hi], %[top]\n\t"                                                                      \
    "movl $0, %k[lo]\n\t"                                                                          \
    "adoxq %[lo], %[top]\n\t"
// Adds the multiple of p that clears the lowest word, and drops that word.
#define ROW_REDUCE                                                                                 \
    "movq %[inverse], %%rdx\n\t"                                                                   \
    "imulq %[t0], %%rdx\n\t"                                                                       \
    "xorl %k[lo], %k[lo]\n\t"                                                                      \
    "mulxq 0+%[p], %[lo], %[hi]\n\t"                                                               \
    "adcxq %[t0], %[lo]\n\t"                                                                       \
    "movq %[hi], %[t0]\n\t"                                                                        \
    "adcxq %[t1], %[t0]\n\t"                                                                       \
    "mulxq 8+%[p], %[lo], %[t1]\n\t"                                                               \
    "adoxq %[lo], %[t0]\n\t"                                                                       \
    "adcxq %[t2], %[t1]\n\t"                                                                       \
    "mulxq 16+%[p], %[lo], %[t2]\n\t"                                                              \
    "adoxq %[lo], %[t1]\n\t"                                                                       \
    "adcxq %[t3], %[t2]\n\t"                                                                       \
    "mulxq 24+%[p], %[lo], %[t3]\n\t"                                                              \
    "adoxq %[lo], %[t2]\n\t"                                                                       \
    "movl $0, %k[lo]\n\t"                                                                          \
    "adcxq %[lo], %[t3]\n\t"                                                                       \
    "adoxq %[top], %[t3]\n\t"

/* ret = a b / 2^256. At most one factor may be loose (below 2p). */
static void fp_mul(struct bn254_fp *ret, const struct bn254_fp *a, const struct bn254_fp *b) {
    uint64_t t0, t1, t2, t3, top, lo, hi;
    __asm__(ROW_FIRST("a", "0(%[b])") ROW_REDUCE             //
                ROW_NEXT("a", "8(%[b])") ROW_REDUCE          //
                    ROW_NEXT("a", "16(%[b])") ROW_REDUCE     //
                        ROW_NEXT("a", "24(%[b])") ROW_REDUCE //
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [top] "=&r"(top),
              [lo] "=&r"(lo), [hi] "=&r"(hi)
            : [a] "r"(a), [b] "r"(b), [p] "m"(bn254_p), [inverse] "i"(BN254_P_INVERSE), "m"(*a),
              "m"(*b)
            : "rdx", "cc");
    fp_reduce_once(ret, t0, t1, t2, t3);
}

/* ret = (a b + c d) / 2^256, reduced once. One factor of each product may be p itself. */
static void fp_mul_sum(struct bn254_fp *ret, const struct bn254_fp *a, const struct bn254_fp *b,
                       const struct bn254_fp *c, const struct bn254_fp *d) {
    uint64_t t0, t1, t2, t3, top, lo, hi;
    __asm__(ROW_FIRST("a", "0(%[b])") ROW_MORE("c", "0(%[d])") ROW_REDUCE              //
                ROW_NEXT("a", "8(%[b])") ROW_MORE("c", "8(%[d])") ROW_REDUCE           //
                    ROW_NEXT("a", "16(%[b])") ROW_MORE("c", "16(%[d])") ROW_REDUCE     //
                        ROW_NEXT("a", "24(%[b])") ROW_MORE("c", "24(%[d])") ROW_REDUCE //
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [top] "=&r"(top),
              [lo] "=&r"(lo), [hi] "=&r"(hi)
            : [a] "r"(a), [b] "r"(b), [c] "r"(c), [d] "r"(d), [p] "m"(bn254_p),
              [inverse] "i"(BN254_P_INVERSE), "m"(*a), "m"(*b), "m"(*c), "m"(*d)
            : "rdx", "cc");
    fp_reduce_once(ret, t0, t1, t2, t3);
}
#else
// t += a * b for one word b; the fifth word is t[4].
static inline void row(uint64_t t[5], const struct bn254_fp *a, uint64_t b) {
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        wide s = (wide)a->w[i] * b + t[i] + carry;
        t[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    t[4] += carry;
}

// Adds the multiple of p that clears the lowest word, and drops that word.
static inline void row_reduce(uint64_t t[5]) {
    uint64_t m = t[0] * BN254_P_INVERSE;
    wide s = (wide)m * bn254_p.w[0] + t[0];
    uint64_t carry = (uint64_t)(s >> 64);
    for (int i = 1; i < 4; i++) {
        s = (wide)m * bn254_p.w[i] + t[i] + carry;
        t[i - 1] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    t[3] = t[4] + carry;
    t[4] = 0;
}

/* ret = a b / 2^256. At most one factor may be loose (below 2p). */
static void fp_mul(struct bn254_fp *ret, const struct bn254_fp *a, const struct bn254_fp *b) {
    uint64_t t[5] = {0};
    for (int i = 0; i < 4; i++) {
        row(t, a, b->w[i]);
        row_reduce(t);
    }
    fp_reduce_once(ret, t[0], t[1], t[2], t[3]);
}

/* ret = (a b + c d) / 2^256, reduced once. One factor of each product may be p itself. */
static void fp_mul_sum(struct bn254_fp *ret, const struct bn254_fp *a, const struct bn254_fp *b,
                       const struct bn254_fp *c, const struct bn254_fp *d) {
    uint64_t t[5] = {0};
    for (int i = 0; i < 4; i++) {
        row(t, a, b->w[i]);
        row(t, c, d->w[i]);
        row_reduce(t);
    }
    fp_reduce_once(ret, t[0], t[1], t[2], t[3]);
}
#endif

static inline void fp_sqr(struct bn254_fp *ret, const struct bn254_fp *a) {
    fp_mul(ret, a, a);
}

/* fp_inverse: 1/a; a is not 0. GMP's extended Euclid on the words, then twice the factor that
 * Montgomery form needs. */
static void fp_inverse(struct bn254_fp *ret, const struct bn254_fp *a) {
    _Static_assert(sizeof(mp_limb_t) == sizeof(uint64_t) && GMP_NAIL_BITS == 0, "64-bit limbs");
    mp_limb_t u[5] = {a->w[0], a->w[1], a->w[2], a->w[3], 0}, v[5] = {0}, g[5], s[6] = {0};
    mp_size_t n;
    for (int i = 0; i < 4; i++) {
        v[i] = bn254_p.w[i];
    }
    (void)mpn_gcdext(g, s, &n, u, 4, v, 4);
    struct bn254_fp r = {{0}};
    for (mp_size_t i = 0; i < (n < 0 ? -n : n); i++) {
        r.w[i] = s[i];
    }
    if (n < 0) fp_neg(&r, &r);
    fp_mul(ret, &r, &bn254_r3);
}

static inline void fp_load(struct bn254_fp *ret, const uint8_t in[32]) {
    struct u256 v = u256_load_be(in);
    struct bn254_fp plain = {{v.w[0], v.w[1], v.w[2], v.w[3]}};
    fp_mul(ret, &plain, &bn254_r2);
}

static inline void fp_store(uint8_t ret[32], const struct bn254_fp *a) {
    static const struct bn254_fp unit = {{1}};
    struct bn254_fp plain;
    fp_mul(&plain, a, &unit);
    u256_store_be(ret, (struct u256){{plain.w[0], plain.w[1], plain.w[2], plain.w[3]}});
}

static inline bool fp_in_range(const uint8_t in[32]) {
    struct u256 p = {{bn254_p.w[0], bn254_p.w[1], bn254_p.w[2], bn254_p.w[3]}};
    return u256_compare(u256_load_be(in), p) < 0;
}

#endif
