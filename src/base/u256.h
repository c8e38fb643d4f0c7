/* 256-bit unsigned integers: four 64-bit words, least significant first.
 *
 * Arithmetic wraps modulo 2^256 as the EVM's does. Small operations are inline; division and
 * everything longer stand in u256.c. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_U256_H
#define BASE_U256_H

#include "base/bytes.h"

struct u256 {
    uint64_t w[4];
};

#define U256_ZERO ((struct u256){{0, 0, 0, 0}})
#define U256_ONE ((struct u256){{1, 0, 0, 0}})
#define U256_MAX ((struct u256){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}})

static inline struct u256 u256_from_u64(uint64_t v) {
    return (struct u256){{v, 0, 0, 0}};
}

/* u256_load_be / u256_store_be: 32 bytes, big-endian (the order of every wire format). */
static inline struct u256 u256_load_be(const uint8_t in[32]) {
    return (struct u256){
        {load_be64(in + 24), load_be64(in + 16), load_be64(in + 8), load_be64(in)}};
}
static inline void u256_store_be(uint8_t ret[32], struct u256 v) {
    store_be64(ret, v.w[3]);
    store_be64(ret + 8, v.w[2]);
    store_be64(ret + 16, v.w[1]);
    store_be64(ret + 24, v.w[0]);
}

static inline bool u256_is_zero(struct u256 a) {
    return (a.w[0] | a.w[1] | a.w[2] | a.w[3]) == 0;
}
static inline bool u256_equal(struct u256 a, struct u256 b) {
    return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1]) | (a.w[2] ^ b.w[2]) | (a.w[3] ^ b.w[3])) == 0;
}
/* u256_fits_u64: the value is below 2^64. */
static inline bool u256_fits_u64(struct u256 a) {
    return (a.w[1] | a.w[2] | a.w[3]) == 0;
}

/* u256_compare: -1, 0 or 1, unsigned. */
static inline int u256_compare(struct u256 a, struct u256 b) {
    for (int i = 3; i >= 0; i--) {
        if (a.w[i] != b.w[i]) return a.w[i] < b.w[i] ? -1 : 1;
    }
    return 0;
}

/* u256_add_carry / u256_sub_borrow write the wrapped result and return the carry or borrow. */
static inline bool u256_add_carry(struct u256 *ret, struct u256 a, struct u256 b) {
    unsigned __int128 t = (unsigned __int128)a.w[0] + b.w[0];
    ret->w[0] = (uint64_t)t;
    t = (unsigned __int128)a.w[1] + b.w[1] + (uint64_t)(t >> 64);
    ret->w[1] = (uint64_t)t;
    t = (unsigned __int128)a.w[2] + b.w[2] + (uint64_t)(t >> 64);
    ret->w[2] = (uint64_t)t;
    t = (unsigned __int128)a.w[3] + b.w[3] + (uint64_t)(t >> 64);
    ret->w[3] = (uint64_t)t;
    return (uint64_t)(t >> 64) != 0;
}
static inline bool u256_sub_borrow(struct u256 *ret, struct u256 a, struct u256 b) {
    unsigned __int128 t = (unsigned __int128)a.w[0] - b.w[0];
    ret->w[0] = (uint64_t)t;
    t = (unsigned __int128)a.w[1] - b.w[1] - ((uint64_t)(t >> 64) & 1);
    ret->w[1] = (uint64_t)t;
    t = (unsigned __int128)a.w[2] - b.w[2] - ((uint64_t)(t >> 64) & 1);
    ret->w[2] = (uint64_t)t;
    t = (unsigned __int128)a.w[3] - b.w[3] - ((uint64_t)(t >> 64) & 1);
    ret->w[3] = (uint64_t)t;
    return ((uint64_t)(t >> 64) & 1) != 0;
}

/* Wrapping arithmetic modulo 2^256. */
static inline struct u256 u256_add(struct u256 a, struct u256 b) {
    struct u256 r;
    (void)u256_add_carry(&r, a, b);
    return r;
}
static inline struct u256 u256_sub(struct u256 a, struct u256 b) {
    struct u256 r;
    (void)u256_sub_borrow(&r, a, b);
    return r;
}
struct u256 u256_mul(struct u256 a, struct u256 b);

/* u256_mul_overflow: like mul; true when the product does not fit 256 bits. */
bool u256_mul_overflow(struct u256 *ret, struct u256 a, struct u256 b);

/* u256_div_mod: a / b and a % b; both 0 when b is 0 (as the EVM's DIV and MOD).
 * ret_quotient, ret_remainder  may be NULL. */
void u256_div_mod(struct u256 *ret_quotient, struct u256 *ret_remainder, struct u256 a,
                  struct u256 b);

/* u256_add_mod, u256_mul_mod: (a + b) mod m and (a * b) mod m, the sum or product taken without
 * wrapping; 0 when m is 0 (as the EVM's ADDMOD and MULMOD). */
struct u256 u256_add_mod(struct u256 a, struct u256 b, struct u256 m);
struct u256 u256_mul_mod(struct u256 a, struct u256 b, struct u256 m);

/* Bits: shifts by 256 or more give 0. */
struct u256 u256_shift_left(struct u256 a, uint64_t bits);
struct u256 u256_shift_right(struct u256 a, uint64_t bits);

/* u256_bit_length: 0 for 0, 256 for values of 2^255 and above. */
unsigned u256_bit_length(struct u256 a);

#define U256_DECIMAL_MAX 78 /* digits of 2^256-1 */

/* u256_to_decimal writes digits and a NUL, no leading zeros; returns the count of digits. */
size_t u256_to_decimal(char ret[U256_DECIMAL_MAX + 1], struct u256 a);

/* u256_from_decimal reads 1..78 digits, leading zeros allowed; false when in is anything else or
 * does not fit. */
bool u256_from_decimal(struct u256 *ret, struct bytes in);

/* u256_to_hex writes "0x" and the shortest lower-case digits ("0x0" for 0) and a NUL, as a
 * QUANTITY of the Ethereum JSON-RPC; returns the length without the NUL (at most 66). */
size_t u256_to_hex(char ret[67], struct u256 a);

#endif
