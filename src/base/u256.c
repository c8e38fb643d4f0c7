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
    if (bits > 255) return U256_ZERO;
    const uint64_t in[8] = {0, 0, 0, 0, a.w[0], a.w[1], a.w[2], a.w[3]};
    const uint64_t *p = in + 4 - bits / 64;
    unsigned s = bits % 64;
    return (struct u256){{p[0] << s | p[-1] >> 1 >> (63 - s), p[1] << s | p[0] >> 1 >> (63 - s),
                          p[2] << s | p[1] >> 1 >> (63 - s), p[3] << s | p[2] >> 1 >> (63 - s)}};
}

struct u256 u256_shift_right(struct u256 a, uint64_t bits) {
    if (bits > 255) return U256_ZERO;
    const uint64_t in[8] = {a.w[0], a.w[1], a.w[2], a.w[3], 0, 0, 0, 0};
    const uint64_t *p = in + bits / 64;
    unsigned s = bits % 64;
    return (struct u256){{p[0] >> s | p[1] << 1 << (63 - s), p[1] >> s | p[2] << 1 << (63 - s),
                          p[2] >> s | p[3] << 1 << (63 - s), p[3] >> s | p[4] << 1 << (63 - s)}};
}

unsigned u256_bit_length(struct u256 a) {
    for (int i = 3; i >= 0; i--) {
        if (a.w[i]) return (unsigned)(64 * i + 64 - __builtin_clzll(a.w[i]));
    }
    return 0;
}

// high:low / d with high < d. The processor's instruction, where there is one: the compiler's
// library routine for 128-bit division costs several times as much.
static inline uint64_t divide_step(uint64_t *ret_rest, uint64_t high, uint64_t low, uint64_t d) {
#if defined(__x86_64__)
    uint64_t q;
    __asm__("divq %4" : "=a"(q), "=d"(*ret_rest) : "0"(low), "1"(high), "r"(d) : "cc");
    return q;
#else
    u128 t = ((u128)high << 64) | low;
    *ret_rest = (uint64_t)(t % d);
    return (uint64_t)(t / d);
#endif
}

// u[0..n] -= digit * v[0..n-1]; gives whether that went below zero.
static inline bool subtract_product(uint64_t *u, const uint64_t *v, unsigned n, uint64_t digit) {
    uint64_t carry = 0, borrow = 0;
    for (unsigned i = 0; i < n; i++) {
        u128 p = (u128)digit * v[i] + carry;
        carry = (uint64_t)(p >> 64);
        u128 t = (u128)u[i] - (uint64_t)p - borrow;
        u[i] = (uint64_t)t;
        borrow = (uint64_t)(t >> 64) & 1;
    }
    u128 t = (u128)u[n] - carry - borrow;
    u[n] = (uint64_t)t;
    return ((uint64_t)(t >> 64) & 1) != 0;
}

static inline void add_back(uint64_t *u, const uint64_t *v, unsigned n) {
    uint64_t carry = 0;
    for (unsigned i = 0; i < n; i++) {
        u128 t = (u128)u[i] + v[i] + carry;
        u[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    u[n] += carry;
}

// Knuth, The Art of Computer Programming 4.3.1, algorithm D, with 64-bit digits: u[0..m] by
// v[0..n-1], n >= 2, v's top bit set, u[m] < v's top digit or 0. The quotient's digits go to
// q[0..m-n] (NULL: not wanted), the remainder stays in u[0..n-1].
static void divide_digits(uint64_t *q, uint64_t *u, unsigned m, const uint64_t *v, unsigned n) {
    for (unsigned j = m - n + 1; j-- > 0;) {
        uint64_t digit, rest;
        bool small = true; // rest fits a digit
        if (u[j + n] >= v[n - 1]) {
            digit = UINT64_MAX;
            small = !__builtin_add_overflow(u[j + n - 1], v[n - 1], &rest);
        } else {
            digit = divide_step(&rest, u[j + n], u[j + n - 1], v[n - 1]);
        }
        while (small && (u128)digit * v[n - 2] > (((u128)rest << 64) | u[j + n - 2])) {
            digit--;
            small = !__builtin_add_overflow(rest, v[n - 1], &rest);
        }
        if (subtract_product(u + j, v, n, digit)) { // one too many
            digit--;
            add_back(u + j, v, n);
        }
        if (q) q[j] = digit;
    }
}

static unsigned count_words(const uint64_t *w, unsigned n) {
    while (n > 0 && w[n - 1] == 0) {
        n--;
    }
    return n;
}

// Shifts in[0..n-1] left by less than 64 bits into ret[0..n].
static void normalize(uint64_t *ret, const uint64_t *in, unsigned n, unsigned shift) {
    uint64_t low = 0;
    for (unsigned i = 0; i < n; i++) {
        ret[i] = in[i] << shift | low;
        low = in[i] >> 1 >> (63 - shift);
    }
    ret[n] = low;
}

static void divide_long(struct u256 *q, struct u256 *r, struct u256 a, struct u256 b, unsigned n) {
    unsigned shift = (unsigned)__builtin_clzll(b.w[n - 1]);
    unsigned m = count_words(a.w, 4);
    uint64_t u[5], v[5];
    normalize(v, b.w, n, shift);
    normalize(u, a.w, m, shift);
    divide_digits(q->w, u, m, v, n);
    struct u256 rest = U256_ZERO;
    for (unsigned i = 0; i < n; i++) {
        rest.w[i] = u[i];
    }
    *r = u256_shift_right(rest, shift);
}

static void divide_short(struct u256 *q, struct u256 *r, struct u256 a, uint64_t b) {
    uint64_t rest = 0;
    for (unsigned i = count_words(a.w, 4); i-- > 0;) {
        q->w[i] = divide_step(&rest, rest, a.w[i], b);
    }
    *r = u256_from_u64(rest);
}

void u256_div_mod(struct u256 *ret_quotient, struct u256 *ret_remainder, struct u256 a,
                  struct u256 b) {
    struct u256 q = U256_ZERO, r = U256_ZERO;
    unsigned n = count_words(b.w, 4);
    if (n > 0) {
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

// p[0..words-1] mod m, m not 0.
static struct u256 reduce(const uint64_t *p, unsigned words, struct u256 m) {
    unsigned n = count_words(m.w, 4), have = count_words(p, words);
    if (n < 2) {
        uint64_t rest = 0;
        for (unsigned i = have; i-- > 0;) {
            (void)divide_step(&rest, rest, p[i], m.w[0]);
        }
        return u256_from_u64(rest);
    }
    struct u256 r = U256_ZERO;
    if (have < n) {
        memcpy(r.w, p, have * sizeof *p);
        return r;
    }
    unsigned shift = (unsigned)__builtin_clzll(m.w[n - 1]);
    uint64_t u[9], v[5];
    normalize(v, m.w, n, shift);
    normalize(u, p, have, shift);
    divide_digits(NULL, u, have, v, n);
    memcpy(r.w, u, n * sizeof *u);
    return u256_shift_right(r, shift);
}

struct u256 u256_add_mod(struct u256 a, struct u256 b, struct u256 m) {
    if (u256_is_zero(m)) return m;
    struct u256 sum, less;
    bool carry = u256_add_carry(&sum, a, b);
    if (u256_compare(a, m) < 0 && u256_compare(b, m) < 0) { // the usual case: at most once too big
        bool borrow = u256_sub_borrow(&less, sum, m);
        return carry || !borrow ? less : sum;
    }
    uint64_t p[5] = {sum.w[0], sum.w[1], sum.w[2], sum.w[3], carry};
    return reduce(p, 5, m);
}

struct u256 u256_mul_mod(struct u256 a, struct u256 b, struct u256 m) {
    if (u256_is_zero(m)) return m;
    uint64_t p[8];
    multiply(p, a, b);
    return reduce(p, 8, m);
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
