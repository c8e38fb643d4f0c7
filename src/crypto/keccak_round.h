/* The Keccak-f[1600] permutation over any word type; inner part of the keccak files.
 *
 * The including file defines the type KECCAK_WORD and the macros KECCAK_XOR5(a,b,c,d,e),
 * KECCAK_ROL(a,n), KECCAK_CHI(a,b,c) = a ^ (~b & c), KECCAK_THETA(a,l,r) = a ^ l ^ r,
 * KECCAK_IOTA(a,rc), where a word holds one 64-bit state word of each lane. State word x + 5y is
 * the lane A[x,y] of the reference.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KECCAK_ROUND_H
#define CRYPTO_KECCAK_ROUND_H

#include <stdint.h>

static const uint64_t keccak_round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

// One row of chi, written to five words of the new state.
#define KECCAK_ROW(e, at, b0, b1, b2, b3, b4)                                                      \
    (e)[(at)] = KECCAK_CHI(b0, b1, b2);                                                            \
    (e)[(at) + 1] = KECCAK_CHI(b1, b2, b3);                                                        \
    (e)[(at) + 2] = KECCAK_CHI(b2, b3, b4);                                                        \
    (e)[(at) + 3] = KECCAK_CHI(b3, b4, b0);                                                        \
    (e)[(at) + 4] = KECCAK_CHI(b4, b0, b1)

// Word (x, y) after theta; l = parity of column x-1, r = parity of column x+1 rotated by one.
#define KECCAK_MIXED(a, x, y) KECCAK_THETA((a)[(x) + 5 * (y)], l##x, r##x)

[[gnu::always_inline]] static inline void
keccak_round(KECCAK_WORD e[restrict 25], const KECCAK_WORD a[restrict 25], uint64_t rc) {
    const KECCAK_WORD l1 = KECCAK_XOR5(a[0], a[5], a[10], a[15], a[20]);
    const KECCAK_WORD l2 = KECCAK_XOR5(a[1], a[6], a[11], a[16], a[21]);
    const KECCAK_WORD l3 = KECCAK_XOR5(a[2], a[7], a[12], a[17], a[22]);
    const KECCAK_WORD l4 = KECCAK_XOR5(a[3], a[8], a[13], a[18], a[23]);
    const KECCAK_WORD l0 = KECCAK_XOR5(a[4], a[9], a[14], a[19], a[24]);
    const KECCAK_WORD r0 = KECCAK_ROL(l2, 1), r1 = KECCAK_ROL(l3, 1), r2 = KECCAK_ROL(l4, 1),
                      r3 = KECCAK_ROL(l0, 1), r4 = KECCAK_ROL(l1, 1);
    KECCAK_WORD b0, b1, b2, b3, b4;

    b0 = KECCAK_MIXED(a, 0, 0);
    b1 = KECCAK_ROL(KECCAK_MIXED(a, 1, 1), 44);
    b2 = KECCAK_ROL(KECCAK_MIXED(a, 2, 2), 43);
    b3 = KECCAK_ROL(KECCAK_MIXED(a, 3, 3), 21);
    b4 = KECCAK_ROL(KECCAK_MIXED(a, 4, 4), 14);
    KECCAK_ROW(e, 0, b0, b1, b2, b3, b4);
    e[0] = KECCAK_IOTA(e[0], rc);

    b0 = KECCAK_ROL(KECCAK_MIXED(a, 3, 0), 28);
    b1 = KECCAK_ROL(KECCAK_MIXED(a, 4, 1), 20);
    b2 = KECCAK_ROL(KECCAK_MIXED(a, 0, 2), 3);
    b3 = KECCAK_ROL(KECCAK_MIXED(a, 1, 3), 45);
    b4 = KECCAK_ROL(KECCAK_MIXED(a, 2, 4), 61);
    KECCAK_ROW(e, 5, b0, b1, b2, b3, b4);

    b0 = KECCAK_ROL(KECCAK_MIXED(a, 1, 0), 1);
    b1 = KECCAK_ROL(KECCAK_MIXED(a, 2, 1), 6);
    b2 = KECCAK_ROL(KECCAK_MIXED(a, 3, 2), 25);
    b3 = KECCAK_ROL(KECCAK_MIXED(a, 4, 3), 8);
    b4 = KECCAK_ROL(KECCAK_MIXED(a, 0, 4), 18);
    KECCAK_ROW(e, 10, b0, b1, b2, b3, b4);

    b0 = KECCAK_ROL(KECCAK_MIXED(a, 4, 0), 27);
    b1 = KECCAK_ROL(KECCAK_MIXED(a, 0, 1), 36);
    b2 = KECCAK_ROL(KECCAK_MIXED(a, 1, 2), 10);
    b3 = KECCAK_ROL(KECCAK_MIXED(a, 2, 3), 15);
    b4 = KECCAK_ROL(KECCAK_MIXED(a, 3, 4), 56);
    KECCAK_ROW(e, 15, b0, b1, b2, b3, b4);

    b0 = KECCAK_ROL(KECCAK_MIXED(a, 2, 0), 62);
    b1 = KECCAK_ROL(KECCAK_MIXED(a, 3, 1), 55);
    b2 = KECCAK_ROL(KECCAK_MIXED(a, 4, 2), 39);
    b3 = KECCAK_ROL(KECCAK_MIXED(a, 0, 3), 41);
    b4 = KECCAK_ROL(KECCAK_MIXED(a, 1, 4), 2);
    KECCAK_ROW(e, 20, b0, b1, b2, b3, b4);
}

[[gnu::always_inline]] static inline void keccak_rounds(KECCAK_WORD a[restrict 25]) {
    KECCAK_WORD e[25];
    for (int i = 0; i < 24; i += 2) {
        keccak_round(e, a, keccak_round_constants[i]);
        keccak_round(a, e, keccak_round_constants[i + 1]);
    }
}

#endif
