/* Loaded before a program (LD_PRELOAD), moves its wall clock by BN_CLOCK_SHIFT_MS: a machine whose
 * clock is off. Monotonic time stays. For tests.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *ret) {
    static _Atomic long shift_ms = -1;
    long r = syscall(SYS_clock_gettime, which, ret);
    if (r != 0 || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)) return (int)r;
    if (shift_ms == -1) {
        const char *text = getenv("BN_CLOCK_SHIFT_MS");
        shift_ms = text ? strtol(text, NULL, 10) : 0;
    }
    ret->tv_sec += shift_ms / 1000;
    ret->tv_nsec += shift_ms % 1000 * 1000000;
    if (ret->tv_nsec >= 1000000000) ret->tv_nsec -= 1000000000, ret->tv_sec++;
    if (ret->tv_nsec < 0) ret->tv_nsec += 1000000000, ret->tv_sec--;
    return 0;
}
