/* A flag by which another thread ends a long computation early.
 *
 * Who computes looks at it every so often and gives up when it is set; what comes out then means
 * nothing. NULL: nobody wants to.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool stop_asked(const atomic_bool *stop) {
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

#endif
