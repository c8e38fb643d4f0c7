/* SPDX-License-Identifier: MIT */
#include "base/u256.h"

typedef unsigned __int128 u128;

// The full product, 8 words.
static void multiply(uint64_t ret[8], struct u256 a, struct u256 b) {
    memset(ret, 0, 8 * sizeof ret[0]);
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            u128 t = (u128)a.w[i] * b.w[j] + ret[i + j] + carry;
            ret[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        ret[i + 4] = carry;
    }
}

struct u256 u256_mul(struct u256 a, struct u256 b) {
    uint64_t p[8];
    multiply(p, a, b);
    return (struct u256){{p[0], p[1], p[2], p[3]}};
}

bool u256_mul_overflow(struct u256 *ret, struct u256 a, struct u256 b) {
    uint64_t p[8];
    multiply(p, a, b);
    *ret = (struct u256){{p[0], p[1], p[2], p[3]}};
    return (p[4] | p[5] | p[6] | p[7]) != 0;
}

struct u256 u256_shift_left(struct u256 a, uint64_t bits) {
    struct u256 r = U256_ZERO;
    if (bits >= 256) return r;
    unsigned words = (unsigned)(bits / 64), rest = (unsigned)(bits % 64);
    for (unsigned i = words; i < 4; i++) {
        r.w[i] = a.w[i - words] << rest;
        if (rest && i > words) r.w[i] |= a.w[i - words - 1] >> (64 - rest);
    }
    return r;
}

struct u256 u256_shift_right(struct u256 a, uint64_t bits) {
    struct u256 r = U256_ZERO;
    if (bits >= 256) return r;
    unsigned words = (unsigned)(bits / 64), rest = (unsigned)(bits % 64);
    for (unsigned i = 0; i + words < 4; i++) {
        r.w[i] = a.w[i + words] >> rest;
        if (rest && i + words + 1 < 4) r.w[i] |= a.w[i + words + 1] << (64 - rest);
    }
    return r;
}

unsigned u256_bit_length(struct u256 a) {
    for (int i = 3; i >= 0; i--) {
        if (a.w[i]) return (unsigned)(64 * i + 64 - __builtin_clzll(a.w[i]));
    }
    return 0;
}

// Knuth, The Art of Computer Programming 4.3.1, algorithm D, with 64-bit digits.
static void divide_long(struct u256 *q, struct u256 *r, struct u256 a, struct u256 b, unsigned n) {
    unsigned shift = (unsigned)__builtin_clzll(b.w[n - 1]);
    struct u256 v = u256_shift_left(b, shift);
    struct u256 low = u256_shift_left(a, shift);
    uint64_t u[5] = {low.w[0], low.w[1], low.w[2], low.w[3], shift ? a.w[3] >> (64 - shift) : 0};
    for (unsigned j = 4 - n + 1; j-- > 0;) {
        u128 top = ((u128)u[j + n] << 64) | u[j + n - 1];
        u128 digit, rest;
        if (u[j + n] >= v.w[n - 1]) {
            digit = UINT64_MAX;
            rest = top - digit * v.w[n - 1];
        } else {
            digit = top / v.w[n - 1];
            rest = top % v.w[n - 1];
        }
        while (rest >> 64 == 0 && digit * v.w[n - 2] > ((rest << 64) | u[j + n - 2])) {
            digit--;
            rest += v.w[n - 1];
        }
        uint64_t borrow = 0, carry = 0;
        for (unsigned i = 0; i < n; i++) {
            u128 p = digit * v.w[i] + carry;
            carry = (uint64_t)(p >> 64);
            u128 t = (u128)u[i + j] - (uint64_t)p - borrow;
            u[i + j] = (uint64_t)t;
            borrow = (uint64_t)(t >> 64) & 1;
        }
        u128 t = (u128)u[j + n] - carry - borrow;
        u[j + n] = (uint64_t)t;
        if ((uint64_t)(t >> 64) & 1) { // one too many: add back
            digit--;
            carry = 0;
            for (unsigned i = 0; i < n; i++) {
                u128 s = (u128)u[i + j] + v.w[i] + carry;
                u[i + j] = (uint64_t)s;
                carry = (uint64_t)(s >> 64);
            }
            u[j + n] += carry;
        }
        q->w[j] = (uint64_t)digit;
    }
    *r = u256_shift_right((struct u256){{u[0], u[1], u[2], u[3]}}, shift);
}

static void divide_short(struct u256 *q, struct u256 *r, struct u256 a, uint64_t b) {
    uint64_t rest = 0;
    for (int i = 3; i >= 0; i--) {
        u128 t = ((u128)rest << 64) | a.w[i];
        q->w[i] = (uint64_t)(t / b);
        rest = (uint64_t)(t % b);
    }
    *r = u256_from_u64(rest);
}

void u256_div_mod(struct u256 *ret_quotient, struct u256 *ret_remainder, struct u256 a,
                  struct u256 b) {
    struct u256 q = U256_ZERO, r = U256_ZERO;
    if (!u256_is_zero(b)) {
        unsigned n = (u256_bit_length(b) + 63) / 64;
        if (u256_compare(a, b) < 0) {
            r = a;
        } else if (n == 1) {
            divide_short(&q, &r, a, b.w[0]);
        } else {
            divide_long(&q, &r, a, b, n);
        }
    }
    if (ret_quotient) *ret_quotient = q;
    if (ret_remainder) *ret_remainder = r;
}

size_t u256_to_decimal(char ret[U256_DECIMAL_MAX + 1], struct u256 a) {
    char digits[U256_DECIMAL_MAX + 1];
    size_t n = 0;
    do {
        struct u256 rest;
        divide_short(&a, &rest, a, 10);
        digits[n++] = (char)('0' + rest.w[0]);
    } while (!u256_is_zero(a));
    for (size_t i = 0; i < n; i++) {
        ret[i] = digits[n - 1 - i];
    }
    ret[n] = '\0';
    return n;
}

bool u256_from_decimal(struct u256 *ret, struct bytes in) {
    if (in.n == 0 || in.n > U256_DECIMAL_MAX) return false;
    struct u256 v = U256_ZERO;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] < '0' || in.p[i] > '9') return false;
        if (u256_mul_overflow(&v, v, u256_from_u64(10))) return false;
        if (u256_add_carry(&v, v, u256_from_u64((uint64_t)(in.p[i] - '0')))) return false;
    }
    *ret = v;
    return true;
}

size_t u256_to_hex(char ret[67], struct u256 a) {
    unsigned digits = (u256_bit_length(a) + 3) / 4;
    if (digits == 0) digits = 1;
    ret[0] = '0';
    ret[1] = 'x';
    for (unsigned i = 0; i < digits; i++) {
        unsigned nibble = digits - 1 - i;
        ret[2 + i] = "0123456789abcdef"[(a.w[nibble / 16] >> (4 * (nibble % 16))) & 15];
    }
    ret[2 + digits] = '\0';
    return 2 + (size_t)digits;
}
