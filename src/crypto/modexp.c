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

void modexp(uint8_t *ret, struct bytes base, struct bytes exponent, struct bytes modulus) {
    size_t width = modulus.n;
    if (width == 0) return;
    memset(ret, 0, width);
    base = without_leading_zeros(base);
    exponent = without_leading_zeros(exponent);
    modulus = without_leading_zeros(modulus);
    if (modulus.n == 0) return;
    mpz_t b, e, m, r;
    mpz_inits(b, e, m, r, NULL);
    mpz_import(b, base.n, 1, 1, 1, 0, base.p);
    mpz_import(e, exponent.n, 1, 1, 1, 0, exponent.p);
    mpz_import(m, modulus.n, 1, 1, 1, 0, modulus.p);
    mpz_powm(r, b, e, m);
    size_t n = (mpz_sizeinbase(r, 2) + 7) / 8;
    if (mpz_sgn(r) != 0) mpz_export(ret + width - n, NULL, 1, 1, 1, 0, r);
    mpz_clears(b, e, m, r, NULL);
}
