/* The newest block, and until when an order may land.
 * SPDX-License-Identifier: MIT */
#include "orderflow/tip.h"

#include "base/clock.h"
#include "test/harness/test.h"

#define HEAD 1000u
#define NOW_NS (UINT64_C(1700000000) * NS_PER_S)
#define BLOCK_NS (12 * NS_PER_S)

static struct clock_fake fake;

static struct tip *open_tip(void) {
    struct tip *t;
    struct error why;
    clock_fake_init(&fake, NOW_NS);
    CHECK_OK(tip_new(&t, &(struct tip_options){.clock = &fake.clock}, &why), &why);
    return t;
}

TEST(a_number_is_known_as_long_as_it_says_something) {
    struct tip *t = open_tip();
    CHECK_U64(tip_number(t), 0);
    tip_set(t, HEAD);
    clock_fake_advance(&fake, 10 * BLOCK_NS - 1);
    CHECK_U64(tip_number(t), HEAD);
    clock_fake_advance(&fake, 1);
    CHECK_U64(tip_number(t), 0);
    tip_free(t);
}

TEST(a_step_of_the_wall_clock_makes_no_number_fresh_or_old) {
    struct tip *t = open_tip();
    tip_set(t, HEAD);
    fake.wall_ns += 3600 * NS_PER_S;
    CHECK_U64(tip_number(t), HEAD);
    fake.wall_ns -= 7200 * NS_PER_S;
    CHECK_U64(tip_number(t), HEAD);
    clock_fake_advance(&fake, 10 * BLOCK_NS);
    CHECK_U64(tip_number(t), 0);
    tip_free(t);
}

static uint64_t seconds_of(const struct tip *t, uint64_t block_number, uint64_t max_timestamp) {
    struct order o = {.method = ORDER_SEND_BUNDLE};
    o.bundle.block_number = block_number;
    o.bundle.max_timestamp = max_timestamp;
    if (block_number) o.bundle.fields |= BUNDLE_BLOCK_NUMBER;
    if (max_timestamp) o.bundle.fields |= BUNDLE_MAX_TIMESTAMP;
    return (tip_expiry(t, &o, NOW_NS) - NOW_NS) / NS_PER_S;
}

TEST(a_bundle_may_land_until_its_block_has_surely_passed) {
    struct tip *t = open_tip();
    CHECK_U64(seconds_of(t, HEAD + 5, 0), 10 * 12); // the head is not known
    tip_set(t, HEAD);
    CHECK_U64(seconds_of(t, HEAD + 5, 0), (5 + 2) * 12);
    CHECK_U64(seconds_of(t, HEAD - 5, 0), 2 * 12);
    CHECK_U64(seconds_of(t, 0, 0), (1 + 2) * 12);
    CHECK_U64(seconds_of(t, UINT64_MAX, 0), 3600);
    CHECK_U64(seconds_of(t, HEAD + 5, NOW_NS / NS_PER_S + 20), 20 + 12);
    CHECK_U64(seconds_of(t, HEAD + 5, 1), 12); // long over: a block more than the present
    tip_free(t);
}

TEST_MAIN()
