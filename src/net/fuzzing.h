/* Helpers of the fuzz targets. Not for programs. SPDX-License-Identifier: MIT */
#ifndef NET_FUZZING_H
#define NET_FUZZING_H

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A finding: what must hold does not. */
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of exact size, so that the sanitizer sees every read past its end; NULL when empty. */
static inline uint8_t *fuzz_copy(struct bytes in) {
    uint8_t *p = in.n ? malloc(in.n) : NULL;
    if (in.n) {
        MUST(p != NULL);
        memcpy(p, in.p, in.n);
    }
    return p;
}

#endif
