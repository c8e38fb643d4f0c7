/* 256-bit operations as the interpreter wants them: inline, by value, with the EVM's meaning.
 * What is too long stands in wide.c. Pure; any thread.
 * Specification: Yellow Paper appendix H.2.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_WIDE_H
#define EVM_WIDE_H

#include "base/u256.h"

static inline struct u256 wide_and(struct u256 a, struct u256 b) {
    return (struct u256){{a.w[0] & b.w[0], a.w[1] & b.w[1], a.w[2] & b.w[2], a.w[3] & b.w[3]}};
}
static inline struct u256 wide_or(struct u256 a, struct u256 b) {
    return (struct u256){{a.w[0] | b.w[0], a.w[1] | b.w[1], a.w[2] | b.w[2], a.w[3] | b.w[3]}};
}
static inline struct u256 wide_xor(struct u256 a, struct u256 b) {
    return (struct u256){{a.w[0] ^ b.w[0], a.w[1] ^ b.w[1], a.w[2] ^ b.w[2], a.w[3] ^ b.w[3]}};
}
static inline struct u256 wide_not(struct u256 a) {
    return (struct u256){{~a.w[0], ~a.w[1], ~a.w[2], ~a.w[3]}};
}

/* a + b, a - b, a < b in the order of memory, so that the interpreter's registers are left alone:
 * compilers spread a carry over all of them. ret may be a or b. The plain forms are the reference.
 */
static inline void wide_add_plain(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    *ret = u256_add(*a, *b);
}
static inline void wide_sub_plain(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    *ret = u256_sub(*a, *b);
}
static inline bool wide_less_plain(const struct u256 *a, const struct u256 *b) {
    struct u256 r;
    return u256_sub_borrow(&r, *a, *b);
}
static inline bool wide_less_signed_plain(const struct u256 *a, const struct u256 *b) {
    struct u256 x = *a, y = *b;
    x.w[3] ^= 1ull << 63;
    y.w[3] ^= 1ull << 63;
    return wide_less_plain(&x, &y);
}
#if defined(__x86_64__)
#define WIDE_CHAIN(FIRST, NEXT)                                                                    \
    "movq (%[a]), %[t]\n\t" FIRST " (%[b]), %[t]\n\tmovq %[t], (%[r])\n\t"                         \
    "movq 8(%[a]), %[t]\n\t" NEXT " 8(%[b]), %[t]\n\tmovq %[t], 8(%[r])\n\t"                       \
    "movq 16(%[a]), %[t]\n\t" NEXT " 16(%[b]), %[t]\n\tmovq %[t], 16(%[r])\n\t"                    \
    "movq 24(%[a]), %[t]\n\t" NEXT " 24(%[b]), %[t]\n\tmovq %[t], 24(%[r])"
static inline void wide_add(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    uint64_t t;
    __asm__(WIDE_CHAIN("addq", "adcq")
            : [t] "=&r"(t), "=m"(*ret)
            : [r] "r"(ret), [a] "r"(a), [b] "r"(b), "m"(*a), "m"(*b)
            : "cc");
}
static inline void wide_sub(struct u256 *ret, const struct u256 *a, const struct u256 *b) {
    uint64_t t;
    __asm__(WIDE_CHAIN("subq", "sbbq")
            : [t] "=&r"(t), "=m"(*ret)
            : [r] "r"(ret), [a] "r"(a), [b] "r"(b), "m"(*a), "m"(*b)
            : "cc");
}
#define WIDE_COMPARE                                                                               \
    "movq (%[a]), %[t]\n\tcmpq (%[b]), %[t]\n\tmovq 8(%[a]), %[t]\n\tsbbq 8(%[b]), %[t]\n\t"       \
    "movq 16(%[a]), %[t]\n\tsbbq 16(%[b]), %[t]\n\tmovq 24(%[a]), %[t]\n\tsbbq 24(%[b]), %[t]"
static inline bool wide_less(const struct u256 *a, const struct u256 *b) {
    uint64_t t;
    bool less;
    __asm__(WIDE_COMPARE : [t] "=&r"(t), "=@ccb"(less) : [a] "r"(a), [b] "r"(b), "m"(*a), "m"(*b));
    return less;
}
static inline bool wide_less_signed(const struct u256 *a, const struct u256 *b) {
    uint64_t t;
    bool less;
    __asm__(WIDE_COMPARE : [t] "=&r"(t), "=@ccl"(less) : [a] "r"(a), [b] "r"(b), "m"(*a), "m"(*b));
    return less;
}
#undef WIDE_CHAIN
#undef WIDE_COMPARE
#else
#define wide_add wide_add_plain
#define wide_sub wide_sub_plain
#define wide_less wide_less_plain
#define wide_less_signed wide_less_signed_plain
#endif

/* The product modulo 2^256. */
static inline struct u256 wide_mul(struct u256 a, struct u256 b) {
    typedef unsigned __int128 u128;
    u128 t = (u128)a.w[0] * b.w[0];
    uint64_t r0 = (uint64_t)t;
    t = (u128)a.w[0] * b.w[1] + (uint64_t)(t >> 64);
    uint64_t r1 = (uint64_t)t;
    t = (u128)a.w[0] * b.w[2] + (uint64_t)(t >> 64);
    uint64_t r2 = (uint64_t)t;
    uint64_t r3 = a.w[0] * b.w[3] + (uint64_t)(t >> 64);
    t = (u128)a.w[1] * b.w[0] + r1;
    r1 = (uint64_t)t;
    t = (u128)a.w[1] * b.w[1] + r2 + (uint64_t)(t >> 64);
    r2 = (uint64_t)t;
    r3 += a.w[1] * b.w[2] + (uint64_t)(t >> 64);
    t = (u128)a.w[2] * b.w[0] + r2;
    r2 = (uint64_t)t;
    r3 += (uint64_t)(t >> 64) + a.w[2] * b.w[1] + a.w[3] * b.w[0];
    return (struct u256){{r0, r1, r2, r3}};
}

/* Shifts by 256 or more give all zeros (or all signs). */
static inline uint64_t wide_shift_count(struct u256 a) {
    return (a.w[1] | a.w[2] | a.w[3]) != 0 || a.w[0] > 255 ? 256 : a.w[0];
}
static inline struct u256 wide_shl(struct u256 a, uint64_t bits) {
    if (bits > 255) return U256_ZERO;
    uint64_t in[8] = {0, 0, 0, 0, a.w[0], a.w[1], a.w[2], a.w[3]};
    const uint64_t *p = in + 4 - bits / 64;
    unsigned s = bits % 64;
    return (struct u256){{p[0] << s | p[-1] >> 1 >> (63 - s), p[1] << s | p[0] >> 1 >> (63 - s),
                          p[2] << s | p[1] >> 1 >> (63 - s), p[3] << s | p[2] >> 1 >> (63 - s)}};
}
static inline struct u256 wide_shr(struct u256 a, uint64_t bits) {
    if (bits > 255) return U256_ZERO;
    uint64_t in[8] = {a.w[0], a.w[1], a.w[2], a.w[3], 0, 0, 0, 0};
    const uint64_t *p = in + bits / 64;
    unsigned s = bits % 64;
    return (struct u256){{p[0] >> s | p[1] << 1 << (63 - s), p[1] >> s | p[2] << 1 << (63 - s),
                          p[2] >> s | p[3] << 1 << (63 - s), p[3] >> s | p[4] << 1 << (63 - s)}};
}
static inline struct u256 wide_sar(struct u256 a, uint64_t bits) {
    uint64_t sign = (uint64_t)((int64_t)a.w[3] >> 63);
    if (bits > 255) return (struct u256){{sign, sign, sign, sign}};
    uint64_t in[8] = {a.w[0], a.w[1], a.w[2], a.w[3], sign, sign, sign, sign};
    const uint64_t *p = in + bits / 64;
    unsigned s = bits % 64;
    return (struct u256){{p[0] >> s | p[1] << 1 << (63 - s), p[1] >> s | p[2] << 1 << (63 - s),
                          p[2] >> s | p[3] << 1 << (63 - s), p[3] >> s | p[4] << 1 << (63 - s)}};
}

/* BYTE: the a-th byte of b from the most significant one, 0 when there is none. */
static inline uint64_t wide_byte(struct u256 a, struct u256 b) {
    if (!u256_fits_u64(a) || a.w[0] > 31) return 0;
    unsigned i = 31 - (unsigned)a.w[0];
    return (b.w[i / 8] >> (8 * (i % 8))) & 0xff;
}

/* SIGNEXTEND: *b, in place, taken as a number of a+1 bytes; _from: a is at most 30. */
static inline void wide_sign_extend_from(unsigned a, struct u256 *b) {
    unsigned word = a / 8, up = 56 - 8 * (a % 8);
    int64_t v = (int64_t)(b->w[word] << up) >> up;
    b->w[word] = (uint64_t)v;
    for (unsigned i = word + 1; i < 4; i++) {
        b->w[i] = (uint64_t)(v >> 63);
    }
}
static inline void wide_sign_extend(const struct u256 *a, struct u256 *b) {
    if (u256_fits_u64(*a) && a->w[0] <= 30) wide_sign_extend_from((unsigned)a->w[0], b);
}

static inline struct u256 wide_negate(struct u256 a) {
    return u256_sub(U256_ZERO, a);
}
static inline bool wide_is_negative(struct u256 a) {
    return a.w[3] >> 63;
}

/* Division: everything by 0 is 0. By address, for they are calls. ret may be a or b. */
void wide_div(struct u256 *ret, const struct u256 *a, const struct u256 *b);
void wide_mod(struct u256 *ret, const struct u256 *a, const struct u256 *b);
void wide_sdiv(struct u256 *ret, const struct u256 *a, const struct u256 *b);
void wide_smod(struct u256 *ret, const struct u256 *a, const struct u256 *b);
struct u256 wide_exp(struct u256 base, struct u256 exponent);

/* MULMOD: *m becomes a * b mod m. Code that multiplies modulo a number mostly goes on with that
 * number, so its reciprocal is made when it has come a few times. */
#define WIDE_RECIPROCAL_AFTER 16
struct wide_modulus {
    struct u256 m;          /* the last one; 0 before the first */
    uint64_t reciprocal[5]; /* floor(2^512 / m) */
    unsigned times;         /* that m came in a row; up to WIDE_RECIPROCAL_AFTER */
};
void wide_mulmod(struct wide_modulus *modulus, struct u256 *m, const struct u256 *a,
                 const struct u256 *b);

#endif
