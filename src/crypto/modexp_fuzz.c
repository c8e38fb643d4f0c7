/* modexp against square-and-multiply with plain divisions. Three length bytes, then the numbers.
 * SPDX-License-Identifier: MIT */
#include "crypto/modexp.h"

#include <gmp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take(struct bytes *rest, size_t n) {
    struct bytes ret = bytes_slice(*rest, 0, n);
    *rest = bytes_slice(*rest, ret.n, rest->n);
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) return 0;
    struct bytes rest = bytes_make(data + 3, size - 3);
    struct bytes base = take(&rest, data[0]), exponent = take(&rest, data[1] % 48),
                 modulus = take(&rest, data[2]);
    uint8_t got[256], expected[256] = {0};
    if (modexp(got, base, exponent, modulus, NULL) != 0) abort();
    mpz_t b, m, r;
    mpz_inits(b, m, r, NULL);
    mpz_import(b, base.n, 1, 1, 1, 0, base.p);
    mpz_import(m, modulus.n, 1, 1, 1, 0, modulus.p);
    if (mpz_sgn(m) > 0) {
        mpz_set_ui(r, 1);
        mpz_mod(r, r, m);
        for (size_t i = 0; i < 8 * exponent.n; i++) {
            mpz_mul(r, r, r);
            if (exponent.p[i / 8] >> (7 - i % 8) & 1) mpz_mul(r, r, b);
            mpz_mod(r, r, m);
        }
        size_t n = (mpz_sizeinbase(r, 2) + 7) / 8;
        if (mpz_sgn(r) > 0) mpz_export(expected + modulus.n - n, NULL, 1, 1, 1, 0, r);
    }
    mpz_clears(b, m, r, NULL);
    if (memcmp(got, expected, modulus.n) != 0) abort();
    return 0;
}
