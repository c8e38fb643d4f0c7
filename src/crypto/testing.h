/* What the tests of this folder share: literals in hex, and random bytes that are the same in every
 * run. For test, fuzz and benchmark programs only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_TESTING_H
#define CRYPTO_TESTING_H

#include "base/bytes.h"

static inline int hex_digit(char c) {
    return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* from_hex writes strlen(hex) / 2 bytes. */
static inline struct bytes from_hex(uint8_t *ret, const char *hex) {
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    }
    return bytes_make(ret, n);
}

/* A random number generator (xorshift) with its state; not for anything but tests. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline void fill_random(uint8_t *p, size_t n, uint64_t *state) {
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(next_random(state) >> 32);
    }
}

#endif
