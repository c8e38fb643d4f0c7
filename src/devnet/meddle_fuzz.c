/* Requests in pieces: never out of bounds, and never a change that was not asked for.
 * SPDX-License-Identifier: MIT */
#include "devnet/meddle.h"

#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static bool follow(uint8_t *data, size_t n, size_t cut, bool wrong_root) {
    struct meddle m = {.left = 0};
    bool first, second = false;
    (void)meddle_follow(&m, data, cut, wrong_root, &first);
    if (cut < n) (void)meddle_follow(&m, data + cut, n - cut, wrong_root, &second);
    return first || second;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t n = size - 1, cut = 1 + data[0] % n;
    uint8_t *copy = malloc(n);
    check(copy != NULL);
    memcpy(copy, data + 1, n);
    check(!follow(copy, n, cut, false) && memcmp(copy, data + 1, n) == 0);
    bool changed = follow(copy, n, cut, true);
    check(changed == (memcmp(copy, data + 1, n) != 0));
    free(copy);
    return 0;
}
