/* Loaded before a program (LD_PRELOAD), moves its wall clock, and that of libraries, by the number
 * of milliseconds (8 bytes, little-endian) that stands in the file BN_CLOCK_SHIFT_FILE at the
 * moment: a clock that is put while it runs. Monotonic time stays. For tests; a clock that is
 * merely off is BUILDERNET_CLOCK_SHIFT.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const _Atomic int64_t none;
static const _Atomic int64_t *shift_ms = &none;

/* Before main(), so before the program gives up its rights to files. */
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("BN_CLOCK_SHIFT_FILE");
    if (!path) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift_ms, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    (void)close(fd);
    shift_ms = at;
}

int clock_gettime(clockid_t which, struct timespec *ret) {
    long r = syscall(SYS_clock_gettime, which, ret);
    if (r != 0 || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)) return (int)r;
    int64_t ms = atomic_load(shift_ms);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += ms % 1000 * 1000000;
    if (ret->tv_nsec >= 1000000000) ret->tv_nsec -= 1000000000, ret->tv_sec++;
    if (ret->tv_nsec < 0) ret->tv_nsec += 1000000000, ret->tv_sec--;
    return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    *ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
