/* Blocks of random transactions in four ways (ways.h): serial, from the result cache, undone and
 * run again, parallel. Each contract and each transaction follows from two bytes of the input.
 * SPDX-License-Identifier: MIT */
#include "chain/ways.h"

#include "base/bytes.h"

#include <stdlib.h>

struct seeds {
    const uint8_t *p;
    size_t n;
    uint64_t count;
};

// Where the input ends, the count goes on.
static uint64_t next_seed(void *arg) {
    struct seeds *s = arg;
    uint64_t seed = s->count++ << 16;
    if (s->n < 2) return seed;
    seed = load_be16(s->p);
    s->p += 2;
    s->n -= 2;
    return seed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum fork forks[] = {FORK_FRONTIER, FORK_BYZANTIUM, FORK_ISTANBUL, FORK_LONDON,
                                      FORK_SHANGHAI, FORK_CANCUN,    FORK_PRAGUE,   FORK_OSAKA};
    static struct ways *w;
    if (!w) w = ways_new(2);
    if (!w) abort();
    if (size < 2 || size > 512) return 0;
    struct seeds seeds = {data + 2, size - 2, 0};
    if (ways_world(w, forks[data[0] % 8], next_seed, &seeds) != 0) abort();
    if (ways_difference(w, data[1] % WAYS_TXS)) abort();
    return 0;
}
