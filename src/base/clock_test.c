/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/clock_shift.h"

#include "test/harness/test.h"

static void check_parse(const char *text, const char *expected) {
    uint64_t ns;
    struct error why;
    CHECK_OK(clock_parse(&ns, bytes_from_str(text), &why), &why);
    char out[CLOCK_TEXT_MAX];
    CHECK_U64(clock_format(out, ns, -1), strlen(out));
    CHECK_STR(out, expected);
}

TEST(times_are_read_and_written) {
    check_parse("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
    check_parse("2024-02-29t23:59:60.5z", "2024-03-01T00:00:00.5Z");
    check_parse("2025-02-17T10:00:00.1234567899+02:30", "2025-02-17T07:30:00.123456789Z");
    check_parse("2000-12-31 23:00:00-01:00", "2001-01-01T00:00:00Z");
    check_parse("2400-02-29T00:00:00Z", "2400-02-29T00:00:00Z");
    char out[CLOCK_TEXT_MAX];
    (void)clock_format(out, NS_PER_S / 2, 0);
    CHECK_STR(out, "1970-01-01T00:00:00Z");
    (void)clock_format(out, NS_PER_S / 2, 3);
    CHECK_STR(out, "1970-01-01T00:00:00.500Z");
}

TEST(a_shifted_clock_is_wrong_by_that_much) {
    uint64_t before = clock_wall_ns(&clock_system), steady = clock_monotonic_ns(&clock_system);
    clock_shift(-(int64_t)(90 * NS_PER_S));
    uint64_t behind = clock_wall_ns(&clock_system);
    clock_shift(90 * NS_PER_S);
    uint64_t ahead = clock_wall_ns(&clock_system);
    clock_shift(0);
    CHECK(behind + 90 * NS_PER_S >= before && behind + 80 * NS_PER_S < before);
    CHECK(ahead >= before + 90 * NS_PER_S && ahead < before + 100 * NS_PER_S);
    CHECK(clock_monotonic_ns(&clock_system) - steady < 10 * NS_PER_S);
}

TEST(what_is_no_time_is_refused) {
    static const char *const bad[] = {"",
                                      "2024",
                                      "2023-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-00-01T00:00:00Z",
                                      "2024-01-00T00:00:00Z",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:60:00Z",
                                      "2024-01-01T00:00:61Z",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01T00:00:00.Z",
                                      "2024-01-01T00:00:00+24:00",
                                      "2024-01-01T00:00:00+0100",
                                      "2024-01-01T00:00:00Zx",
                                      "2024-1-01T00:00:00Z"};
    uint64_t ns;
    struct error why;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(clock_parse(&ns, bytes_from_str(bad[i]), &why), ERR_SYNTAX);
    }
    CHECK_ERR(clock_parse(&ns, BYTES_LIT("1969-12-31T23:59:59Z"), &why), ERR_RANGE);
    CHECK_ERR(clock_parse(&ns, BYTES_LIT("2600-01-01T00:00:00Z"), &why), ERR_RANGE);
}

TEST(a_fake_clock_moves_only_when_told) {
    struct clock_fake f;
    clock_fake_init(&f, 5 * NS_PER_S);
    uint64_t before = clock_monotonic_ns(&f.clock);
    clock_fake_advance(&f, 7);
    CHECK_U64(clock_wall_ns(&f.clock), 5 * NS_PER_S + 7);
    CHECK_U64(clock_monotonic_ns(&f.clock) - before, 7);
    CHECK(clock_wall_ns(&clock_system) > UINT64_C(1700000000) * NS_PER_S);
    CHECK(clock_monotonic_ns(&clock_system) <= clock_monotonic_ns(&clock_system));
}

TEST_MAIN()
