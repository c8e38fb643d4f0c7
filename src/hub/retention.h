/* Which events and replaced registrations are old enough to go, on a machine whose clock may be
 * put. A clock that leaps ahead would make every one old at once: after a leap nothing is removed
 * until an operator says that the clock is right (SIGHUP) or the hub starts anew.
 *
 * Thread: any; atomic. SPDX-License-Identifier: MIT */
#ifndef HUB_RETENTION_H
#define HUB_RETENTION_H

#include "base/clock.h"

#include <stdatomic.h>

/* What a clock may gain on CLOCK_MONOTONIC without being doubted: leap seconds, slewing, a machine
 * that slept. */
#define RETENTION_LEAP_NS (6 * 3600 * NS_PER_S)

struct retention {
    _Atomic int64_t offset_ns; /* wall minus monotonic time, when the clock was last trusted */
};

/* retention_trust takes the clock as it is now for right. */
void retention_trust(struct retention *r, const struct clock *clock);

/* retention_before gives the wall time (ns since 1970) before which events are older than keep_ns;
 * 0: none, or keep_ns is 0 (keep all).
 * errors  ERR_STALE: the clock has leapt ahead since it was last trusted; *ret is 0. */
[[gnu::warn_unused_result]] int retention_before(uint64_t *ret, const struct retention *r,
                                                 const struct clock *clock, uint64_t keep_ns,
                                                 struct error *why);

#endif
