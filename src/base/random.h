/* Random: bytes nobody can guess, and a fast generator for everything that need not be secret.
 *
 * random_bytes is the kernel's generator; keys, nonces, tokens come from there. `struct
 * random_fast` (xoshiro256**) is for jitter, sampling, tests: same seed, same sequence.
 *
 * Source: getrandom(2); Blackman and Vigna, "Scrambled linear pseudorandom number generators".
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/bytes.h"

/* random_bytes fills n bytes from getrandom(2); ends the process when the kernel refuses, since
 * no caller could go on safely. thread  any. */
void random_bytes(void *ret, size_t n);
uint64_t random_u64(void);

struct random_fast {
    uint64_t s[4];
};

/* One thread at a time. */
void random_fast_init(struct random_fast *r);                /* seeded by the kernel */
void random_fast_seed(struct random_fast *r, uint64_t seed); /* reproducible */
uint64_t random_fast_u64(struct random_fast *r);
/* random_fast_below: uniform in 0..bound-1; 0 for bound 0. */
uint64_t random_fast_below(struct random_fast *r, uint64_t bound);
/* random_fast_unit: uniform in [0, 1), 53 bits. */
double random_fast_unit(struct random_fast *r);

#endif
