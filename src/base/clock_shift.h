/* Clock shift: a machine whose wall clock is wrong, for devnets and tests.
 *
 * Thread: any. SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_SHIFT_H
#define BASE_CLOCK_SHIFT_H

#include <stdint.h>

/* clock_shift makes the wall time of clock_system go ahead by so much, behind when negative; the
 * monotonic time stays. */
void clock_shift(int64_t ns);

#endif
