/* The Keccak-f[1600] permutation over any word type; inner part of the keccak files.
 *
 * The including file defines the type KECCAK_WORD and the macros KECCAK_XOR5(a,b,c,d,e),
 * KECCAK_ROL(a,n), KECCAK_XOR(a,b), KECCAK_CHI(a,b,c) = a ^ (~b & c), KECCAK_IOTA(a,rc), where a
 * word holds one 64-bit state word of each lane. State word x + 5y is the lane A[x,y] of the
 * reference.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KECCAK_ROUND_H
#define CRYPTO_KECCAK_ROUND_H

#include "crypto/keccak_impl.h"

/* The state stays where it is: a round writes each row of its result over the five words that the
 * row was made of. Word (x, y) therefore stands at (x, px + qy) with another (p, q) in each of four
 * rounds, after which it is back at (x, y). So 25 words, five parities and two spare ones are all
 * that lives at a time, which is just what 32 vector registers hold. */
#define KECCAK_AT(x, y) a[(x) % 5 + 5 * ((p * ((x) % 5) + q * ((y) % 5)) % 5)]

// Word (x, y) mixed with the parities of its neighbour columns.
#define KECCAK_MIXED(x, y) KECCAK_XOR(KECCAK_AT(x, y), d[(x) % 5])

/* Row y of the result: chi over the words (x + 3y, x), mixed and turned by n0..n4; word x of the
 * result goes where the one numbered x + 2y came from. */
#define KECCAK_ROW(y, n0, n1, n2, n3, n4)                                                          \
    do {                                                                                           \
        const KECCAK_WORD b0 = KECCAK_ROL(KECCAK_MIXED(3 * (y), 0), n0),                           \
                          b1 = KECCAK_ROL(KECCAK_MIXED(1 + 3 * (y), 1), n1),                       \
                          b2 = KECCAK_ROL(KECCAK_MIXED(2 + 3 * (y), 2), n2),                       \
                          b3 = KECCAK_ROL(KECCAK_MIXED(3 + 3 * (y), 3), n3),                       \
                          b4 = KECCAK_ROL(KECCAK_MIXED(4 + 3 * (y), 4), n4);                       \
        KECCAK_AT(0, 2 * (y)) = KECCAK_CHI(b0, b1, b2);                                            \
        KECCAK_AT(1, 1 + 2 * (y)) = KECCAK_CHI(b1, b2, b3);                                        \
        KECCAK_AT(2, 2 + 2 * (y)) = KECCAK_CHI(b2, b3, b4);                                        \
        KECCAK_AT(3, 3 + 2 * (y)) = KECCAK_CHI(b3, b4, b0);                                        \
        KECCAK_AT(4, 4 + 2 * (y)) = KECCAK_CHI(b4, b0, b1);                                        \
    } while (0)

#define KECCAK_PARITY(x)                                                                           \
    KECCAK_XOR5(KECCAK_AT(x, 0), KECCAK_AT(x, 1), KECCAK_AT(x, 2), KECCAK_AT(x, 3), KECCAK_AT(x, 4))

[[gnu::always_inline]] static inline void keccak_round(KECCAK_WORD a[25], const int p, const int q,
                                                       uint64_t rc) {
    const KECCAK_WORD c0 = KECCAK_PARITY(0), c1 = KECCAK_PARITY(1), c2 = KECCAK_PARITY(2),
                      c3 = KECCAK_PARITY(3), c4 = KECCAK_PARITY(4);
    const KECCAK_WORD d[5] = {KECCAK_XOR(KECCAK_ROL(c1, 1), c4), KECCAK_XOR(KECCAK_ROL(c2, 1), c0),
                              KECCAK_XOR(KECCAK_ROL(c3, 1), c1), KECCAK_XOR(KECCAK_ROL(c4, 1), c2),
                              KECCAK_XOR(KECCAK_ROL(c0, 1), c3)};
    KECCAK_ROW(0, 0, 44, 43, 21, 14);
    KECCAK_AT(0, 0) = KECCAK_IOTA(KECCAK_AT(0, 0), rc);
    KECCAK_ROW(1, 28, 20, 3, 45, 61);
    KECCAK_ROW(2, 1, 6, 25, 8, 18);
    KECCAK_ROW(3, 27, 36, 10, 15, 56);
    KECCAK_ROW(4, 62, 55, 39, 41, 2);
}

[[gnu::always_inline]] static inline void keccak_rounds(KECCAK_WORD a[25]) {
    for (int i = 0; i < 24; i += 4) {
        keccak_round(a, 0, 1, keccak_round_constants[i]);
        keccak_round(a, 1, 2, keccak_round_constants[i + 1]);
        keccak_round(a, 3, 4, keccak_round_constants[i + 2]);
        keccak_round(a, 2, 3, keccak_round_constants[i + 3]);
    }
}

#endif
