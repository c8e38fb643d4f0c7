/* BLAKE2b's rounds in lanes against the plain ones; what these do is for the unit test to tell.
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/blake2b_impl.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The next bytes of the input, zeros where there are none.
static void take(void *to, size_t n, const uint8_t **data, size_t *size) {
    size_t have = *size < n ? *size : n;
    memset(to, 0, n);
    if (have > 0) memcpy(to, *data, have);
    *data += have;
    *size -= have;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint16_t rounds;
    uint64_t m[16], v[16], expected[16];
    take(&rounds, sizeof rounds, &data, &size);
    take(m, sizeof m, &data, &size);
    take(v, sizeof v, &data, &size);
    memcpy(expected, v, sizeof v);
    rounds %= 1024;
    blake2b_rounds_plain(expected, m, rounds);
#if defined(__x86_64__)
    if (!cpu_has(CPU_AVX2)) return 0;
    blake2b_rounds_avx2(v, m, rounds);
    if (memcmp(v, expected, sizeof v) != 0) abort();
#endif
    return 0;
}
