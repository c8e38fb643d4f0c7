/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

bool bytes_parse_u64(uint64_t *ret, struct bytes text) {
    uint64_t v = 0;
    if (text.n == 0 || text.n > 19) return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return false;
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    }
    *ret = v;
    return true;
}

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
