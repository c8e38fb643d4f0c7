/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *ret, size_t n) {
    uint8_t *p = ret;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void) {
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v;
}

void random_fast_init(struct random_fast *r) {
    random_fast_seed(r, random_u64());
}

// splitmix64 spreads a seed over the state; it never yields four zero words.
void random_fast_seed(struct random_fast *r, uint64_t seed) {
    for (unsigned i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t v, unsigned by) {
    return v << by | v >> (64 - by);
}

uint64_t random_fast_u64(struct random_fast *r) {
    uint64_t *s = r->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_fast_below(struct random_fast *r, uint64_t bound) {
    if (bound == 0) return 0;
    // The low products of a biased range are thrown again (Lemire).
    uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        unsigned __int128 m = (unsigned __int128)random_fast_u64(r) * bound;
        if ((uint64_t)m >= threshold) return (uint64_t)(m >> 64);
    }
}

double random_fast_unit(struct random_fast *r) {
    return (double)(random_fast_u64(r) >> 11) * 0x1.0p-53;
}
