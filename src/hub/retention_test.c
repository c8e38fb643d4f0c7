/* SPDX-License-Identifier: MIT */
#include "hub/retention.h"
#include "test/harness/test.h"

#define DAY_NS (24 * 3600 * NS_PER_S)
#define START_NS (20000 * DAY_NS)

TEST(what_is_older_than_is_kept_may_go) {
    struct clock_fake fake;
    clock_fake_init(&fake, START_NS);
    struct retention r;
    retention_trust(&r, &fake.clock);
    clock_fake_advance(&fake, 40 * DAY_NS);
    struct error why;
    uint64_t before = 1;
    CHECK_OK(retention_before(&before, &r, &fake.clock, 30 * DAY_NS, &why), &why);
    CHECK(before == START_NS + 10 * DAY_NS);
    CHECK_OK(retention_before(&before, &r, &fake.clock, 0, &why), &why);
    CHECK(before == 0);
}

TEST(a_clock_that_leaps_ahead_removes_nothing_until_it_is_trusted) {
    struct clock_fake fake;
    clock_fake_init(&fake, START_NS);
    struct retention r;
    retention_trust(&r, &fake.clock);
    atomic_fetch_add(&fake.wall_ns, 3650 * DAY_NS); // the wall clock alone
    struct error why;
    uint64_t before = 1;
    CHECK(retention_before(&before, &r, &fake.clock, 30 * DAY_NS, &why) == ERR_STALE);
    CHECK(before == 0);
    retention_trust(&r, &fake.clock);
    CHECK_OK(retention_before(&before, &r, &fake.clock, 30 * DAY_NS, &why), &why);
    CHECK(before == START_NS + 3620 * DAY_NS);
}

TEST(a_clock_that_is_put_back_only_keeps_more) {
    struct clock_fake fake;
    clock_fake_init(&fake, START_NS);
    struct retention r;
    retention_trust(&r, &fake.clock);
    atomic_fetch_sub(&fake.wall_ns, 365 * DAY_NS);
    struct error why;
    uint64_t before = 0;
    CHECK_OK(retention_before(&before, &r, &fake.clock, 30 * DAY_NS, &why), &why);
    CHECK(before == START_NS - 395 * DAY_NS);
}

TEST_MAIN()
