/* SPDX-License-Identifier: MIT */
#include "hub/retention.h"

static int64_t offset_of(const struct clock *clock) {
    return (int64_t)(clock_wall_ns(clock) - clock_monotonic_ns(clock));
}

void retention_trust(struct retention *r, const struct clock *clock) {
    atomic_store(&r->offset_ns, offset_of(clock));
}

int retention_before(uint64_t *ret, const struct retention *r, const struct clock *clock,
                     uint64_t keep_ns, struct error *why) {
    *ret = 0;
    int64_t leap = offset_of(clock) - atomic_load(&r->offset_ns);
    if (leap > (int64_t)RETENTION_LEAP_NS) {
        return error_set(why, ERR_STALE,
                         "the clock has leapt ahead by %lld s: no event is removed before SIGHUP "
                         "says that it is right",
                         (long long)(leap / (int64_t)NS_PER_S));
    }
    uint64_t now = clock_wall_ns(clock);
    if (keep_ns && keep_ns < now) *ret = now - keep_ns;
    return 0;
}
