/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

bool bytes_equal_secret(struct bytes a, struct bytes b) {
    if (a.n != b.n) return false;
    uint8_t difference = 0;
    for (size_t i = 0; i < a.n; i++) {
        difference = (uint8_t)(difference | (a.p[i] ^ b.p[i]));
        // Keeps the compiler from leaving the loop early.
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}

void bytes_wipe(void *p, size_t n) {
    if (n) explicit_bzero(p, n);
}
