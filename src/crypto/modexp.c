/* SPDX-License-Identifier: MIT */
#include "crypto/modexp.h"

#include <gmp.h>

static struct bytes without_leading_zeros(struct bytes in) {
    while (in.n > 0 && in.p[0] == 0) {
        in.p++;
        in.n--;
    }
    return in;
}

/* ---- exponents that take long ---- */

typedef unsigned __int128 u128;

#define PIECE_NS 2000000u

// About what a bit of the exponent costs for a modulus of n limbs.
static size_t bit_ns(size_t n) {
    return 2 + 6 * n + n * n * 2 / 5;
}

// One limb that is odd: by Montgomery's method; m = 0: the powers of 2^64 as they come.
struct narrow {
    uint64_t m, inverse; // 1/m mod 2^64
};

static uint64_t narrow_mul(const struct narrow *k, uint64_t a, uint64_t b) {
    u128 t = (u128)a * b;
    if (k->m == 0) return (uint64_t)t;
    // What is taken away has the same low half.
    uint64_t high = (uint64_t)(t >> 64);
    uint64_t away = (uint64_t)(((u128)((uint64_t)t * k->inverse) * k->m) >> 64);
    return high >= away ? high - away : high - away + k->m;
}

static uint64_t inverse_of(uint64_t odd) {
    uint64_t x = odd; // right in 3 bits; each step doubles them
    for (int i = 0; i < 5; i++) {
        x *= 2 - odd * x;
    }
    return x;
}

static int narrow_power(uint64_t *ret, const mpz_t b, struct bytes e, uint64_t m,
                        const atomic_bool *stop) {
    struct narrow k = {m, m ? inverse_of(m) : 0};
    u128 one = (u128)1 << 64;
    uint64_t power[16];
    power[0] = m ? (uint64_t)(one % m) : 1;
    power[1] = m ? (uint64_t)(one * mpz_fdiv_ui(b, m) % m) : mpz_get_ui(b);
    for (int i = 2; i < 16; i++) {
        power[i] = narrow_mul(&k, power[i - 1], power[1]);
    }
    uint64_t v = power[0];
    for (size_t i = 0; i < e.n; i++) {
        if (i % 16384 == 0 && stop_asked(stop)) return ERR_CANCELLED;
        for (int shift = 4; shift >= 0; shift -= 4) {
            for (int s = 0; s < 4; s++) {
                v = narrow_mul(&k, v, v);
            }
            v = narrow_mul(&k, v, power[e.p[i] >> shift & 15]);
        }
    }
    *ret = m ? narrow_mul(&k, v, 1) : v;
    return 0;
}

// One limb: its odd part and its power of two apart, put together by the Chinese remainder.
static int power_of_one_limb(mpz_t r, const mpz_t b, struct bytes e, uint64_t m,
                             const atomic_bool *stop) {
    unsigned twos = (unsigned)__builtin_ctzll(m);
    uint64_t odd = m >> twos, x = 0, y = 0;
    int code = odd > 1 ? narrow_power(&x, b, e, odd, stop) : 0;
    if (code == 0 && twos > 0) code = narrow_power(&y, b, e, 0, stop);
    uint64_t more = ((y - x) * inverse_of(odd)) & ((UINT64_C(1) << twos) - 1);
    mpz_set_ui(r, x + odd * more);
    return code;
}

// More limbs: from the top of the exponent a piece at a time, r^(2^bits) * b^piece, which is twice
// the work.
static int power_in_pieces(mpz_t r, const mpz_t b, struct bytes e, const mpz_t m,
                           const atomic_bool *stop) {
    size_t piece = PIECE_NS / bit_ns(mpz_size(m)) / 8 + 8; // bytes
    mpz_t shift, part, x;
    int code = 0;
    mpz_inits(shift, part, x, NULL);
    size_t first = e.n % piece ? e.n % piece : piece;
    mpz_import(part, first, 1, 1, 1, 0, e.p);
    mpz_powm(r, b, part, m);
    mpz_setbit(shift, 8 * piece);
    for (size_t at = first; at < e.n && code == 0; at += piece) {
        if (stop_asked(stop)) code = ERR_CANCELLED;
        mpz_import(part, piece, 1, 1, 1, 0, e.p + at);
        mpz_powm(x, b, part, m);
        mpz_powm(r, r, shift, m);
        mpz_mul(r, r, x);
        mpz_mod(r, r, m);
    }
    mpz_clears(shift, part, x, NULL);
    return code;
}

static int power(mpz_t r, const mpz_t b, struct bytes exponent, const mpz_t m,
                 const atomic_bool *stop) {
    if (8 * exponent.n > 4 * PIECE_NS / bit_ns(mpz_size(m))) {
        return mpz_size(m) == 1 ? power_of_one_limb(r, b, exponent, mpz_get_ui(m), stop)
                                : power_in_pieces(r, b, exponent, m, stop);
    }
    mpz_t e;
    mpz_init(e);
    mpz_import(e, exponent.n, 1, 1, 1, 0, exponent.p);
    mpz_powm(r, b, e, m);
    mpz_clear(e);
    return 0;
}

int modexp(uint8_t *ret, struct bytes base, struct bytes exponent, struct bytes modulus,
           const atomic_bool *stop) {
    size_t width = modulus.n;
    if (width == 0) return 0;
    memset(ret, 0, width);
    base = without_leading_zeros(base);
    exponent = without_leading_zeros(exponent);
    modulus = without_leading_zeros(modulus);
    if (modulus.n == 0) return 0;
    mpz_t b, m, r;
    mpz_inits(b, m, r, NULL);
    mpz_import(b, base.n, 1, 1, 1, 0, base.p);
    mpz_import(m, modulus.n, 1, 1, 1, 0, modulus.p);
    int code = power(r, b, exponent, m, stop);
    size_t n = (mpz_sizeinbase(r, 2) + 7) / 8;
    if (mpz_sgn(r) != 0) mpz_export(ret + width - n, NULL, 1, 1, 1, 0, r);
    mpz_clears(b, m, r, NULL);
    return code;
}
