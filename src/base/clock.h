/* Clock: wall and monotonic time that tests and the devnet can replace, and RFC 3339 text.
 *
 * Times are uint64_t nanoseconds: wall since 1970-01-01 UTC (reaches the year 2554), monotonic
 * since an unspecified start. Whoever needs the time is given a `const struct clock *`.
 *
 * Source: RFC 3339. Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/bytes.h"
#include "base/error.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct clock {
    uint64_t (*wall)(void *context);
    uint64_t (*monotonic)(void *context);
    void *context;
};

/* clock_system is the machine's clock (CLOCK_REALTIME, CLOCK_MONOTONIC). */
extern const struct clock clock_system;

static inline uint64_t clock_wall_ns(const struct clock *c) {
    return c->wall(c->context);
}
static inline uint64_t clock_monotonic_ns(const struct clock *c) {
    return c->monotonic(c->context);
}

/* A clock that stands still until it is moved. The values are read and written atomically. */
struct clock_fake {
    struct clock clock; /* give &fake.clock to whoever needs a clock */
    _Atomic uint64_t wall_ns;
    _Atomic uint64_t monotonic_ns;
};
void clock_fake_init(struct clock_fake *f, uint64_t wall_ns);
void clock_fake_advance(struct clock_fake *f, uint64_t ns);

#define CLOCK_TEXT_MAX 31 /* "2026-01-02T03:04:05.123456789Z" and a NUL */

/* clock_format writes RFC 3339 in UTC.
 * digits   of the second's fraction, 0..9; -1 writes nine and removes trailing zeros.
 * Returns the length without the NUL. */
size_t clock_format(char ret[CLOCK_TEXT_MAX], uint64_t wall_ns, int digits);

/* clock_parse reads RFC 3339 with any offset; digits after the ninth are dropped; second 60 is
 * read as the second after. errors   ERR_SYNTAX, ERR_RANGE (before 1970 or after 2554). */
[[gnu::warn_unused_result]] int clock_parse(uint64_t *ret_wall_ns, struct bytes text,
                                            struct error *why);

/* clock_days_from_civil: days since 1970-01-01 of a proleptic Gregorian date; month 1..12. */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day);

#endif
