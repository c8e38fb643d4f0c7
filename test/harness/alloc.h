/* Allocation failures: runs a piece of work again and again, and each time another one of its
 * allocations finds no memory.
 *
 *     static int read(void *arg, struct error *why) { ... return r; }
 *     alloc_fail_each(read, &input);
 *
 * The work must give 0, ERR_NO_MEMORY or (of an arena) ERR_LIMIT, give back all that it took, and
 * leave its argument as it found it. A run in which nothing failed ends the loop; it must give 0.
 * Two rounds: only the n-th allocation fails, and all from the n-th on. What the case's own code
 * (not libraries') takes is counted: test programs that want this are linked with alloc_dep, which
 * wraps malloc, calloc, realloc, reallocarray, aligned_alloc, strdup and free. Thread: one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_HARNESS_ALLOC_H
#define TEST_HARNESS_ALLOC_H

#include "test/harness/test.h"

typedef int alloc_work(void *arg, struct error *why);

/* alloc_fail_each gives how many allocations the work makes; ends the case when it misbehaves. */
unsigned alloc_fail_each(alloc_work *work, void *arg);

#endif
