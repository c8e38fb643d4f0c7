/* Lanes against single hashes, and pieces against the whole: the input is cut into messages by its
 * own bytes.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JOBS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct keccak_job jobs[JOBS_MAX];
    struct hash ret[JOBS_MAX];
    size_t count = 0, at = 0;
    while (count < JOBS_MAX && at + 2 <= size) {
        size_t n = load_le16(data + at) % 1500;
        at += 2;
        if (n > size - at) n = size - at;
        jobs[count] = (struct keccak_job){bytes_make(data + at, n), &ret[count]};
        count++;
        at += n / 2; // messages overlap
    }
    for (int path = KECCAK_PLAIN; path <= KECCAK_AVX512X8; path++) {
        if (!keccak_path_usable((enum keccak_path)path)) continue;
        memset(ret, 0, sizeof ret);
        keccak256_scatter_by((enum keccak_path)path, jobs, count);
        for (size_t i = 0; i < count; i++) {
            struct hash expected = keccak256(jobs[i].in);
            if (!hash_equal(&ret[i], &expected)) abort();
        }
    }
    struct keccak k;
    keccak_init(&k);
    for (size_t i = 0; i < size;) {
        size_t n = (size_t)data[i] + 1;
        if (n > size - i) n = size - i;
        keccak_update(&k, bytes_make(data + i, n));
        i += n;
    }
    struct hash pieces = keccak_final(&k), whole = keccak256(bytes_make(data, size));
    if (!hash_equal(&pieces, &whole)) abort();
    return 0;
}
