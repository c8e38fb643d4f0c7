/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/clock_shift.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id) {
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static _Atomic int64_t shift_ns;

void clock_shift(int64_t ns) {
    atomic_store(&shift_ns, ns);
}

static uint64_t system_wall(void *context) {
    (void)context;
    return read_clock(CLOCK_REALTIME) +
           (uint64_t)atomic_load_explicit(&shift_ns, memory_order_relaxed);
}

static uint64_t system_monotonic(void *context) {
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

const struct clock clock_system = {system_wall, system_monotonic, NULL};

static uint64_t fake_wall(void *context) {
    return atomic_load(&((struct clock_fake *)context)->wall_ns);
}

static uint64_t fake_monotonic(void *context) {
    return atomic_load(&((struct clock_fake *)context)->monotonic_ns);
}

void clock_fake_init(struct clock_fake *f, uint64_t wall_ns) {
    f->clock = (struct clock){fake_wall, fake_monotonic, f};
    atomic_init(&f->wall_ns, wall_ns);
    atomic_init(&f->monotonic_ns, NS_PER_S);
}

void clock_fake_advance(struct clock_fake *f, uint64_t ns) {
    atomic_fetch_add(&f->wall_ns, ns);
    atomic_fetch_add(&f->monotonic_ns, ns);
}

size_t clock_format(char ret[CLOCK_TEXT_MAX], uint64_t wall_ns, int digits) {
    time_t s = (time_t)(wall_ns / NS_PER_S);
    struct tm t;
    (void)gmtime_r(&s, &t);
    int n = snprintf(ret, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09u", t.tm_year + 1900,
                     t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                     (unsigned)(wall_ns % NS_PER_S));
    size_t end = (size_t)n;
    if (digits < 0) {
        while (ret[end - 1] == '0') {
            end--;
        }
        if (ret[end - 1] == '.') end--;
    } else {
        end -= (size_t)(9 - (digits > 9 ? 9 : digits));
        if (digits == 0) end--;
    }
    ret[end] = 'Z';
    ret[end + 1] = 0;
    return end + 1;
}

// Days from a civil date: years begin in March, so that the leap day is the last of its year.
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

// Two digits (or four) at *at; -1 when there are none.
static int number(struct bytes text, size_t *at, unsigned digits) {
    int v = 0;
    for (unsigned i = 0; i < digits; i++, (*at)++) {
        if (*at >= text.n || text.p[*at] < '0' || text.p[*at] > '9') return -1;
        v = v * 10 + (text.p[*at] - '0');
    }
    return v;
}

static bool literal(struct bytes text, size_t *at, char c) {
    if (*at >= text.n || (text.p[*at] | (c >= 'a' ? 0x20 : 0)) != c) return false;
    (*at)++;
    return true;
}

// Seconds east of UTC; false when there is no valid offset.
static bool read_offset(struct bytes text, size_t *at, int64_t *ret) {
    if (literal(text, at, 'z')) {
        *ret = 0;
        return true;
    }
    if (*at >= text.n || (text.p[*at] != '+' && text.p[*at] != '-')) return false;
    int sign = text.p[(*at)++] == '-' ? -1 : 1;
    int hours = number(text, at, 2);
    if (hours < 0 || hours > 23 || !literal(text, at, ':')) return false;
    int minutes = number(text, at, 2);
    if (minutes < 0 || minutes > 59) return false;
    *ret = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_fraction(struct bytes text, size_t *at, uint32_t *ret_ns) {
    *ret_ns = 0;
    if (!literal(text, at, '.')) return true;
    size_t start = *at;
    uint32_t unit = 100000000;
    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; (*at)++) {
        *ret_ns += unit * (uint32_t)(text.p[*at] - '0');
        unit /= 10;
    }
    return *at > start;
}

static bool valid_day(int year, int month, int day) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

int clock_parse(uint64_t *ret_wall_ns, struct bytes text, struct error *why) {
    size_t at = 0;
    uint32_t ns = 0;
    int64_t offset = 0;
    int v[6];
    static const char after[6] = {'-', '-', 't', ':', ':', 0};
    for (unsigned i = 0; i < 6; i++) {
        v[i] = number(text, &at, i == 0 ? 4 : 2);
        bool separated =
            after[i] == 0 || literal(text, &at, after[i]) || (i == 2 && literal(text, &at, ' '));
        if (v[i] < 0 || !separated)
            return error_set_at(why, ERR_SYNTAX, at, "not an RFC 3339 time");
    }
    if (!read_fraction(text, &at, &ns) || !read_offset(text, &at, &offset) || at != text.n) {
        return error_set_at(why, ERR_SYNTAX, at, "not an RFC 3339 time");
    }
    if (!valid_day(v[0], v[1], v[2]) || v[3] > 23 || v[4] > 59 || v[5] > 60) {
        return error_set_at(why, ERR_SYNTAX, 0, "no such day or time of day");
    }
    int64_t days = clock_days_from_civil(v[0], (unsigned)v[1], (unsigned)v[2]);
    int64_t s = days * 86400 + v[3] * 3600 + v[4] * 60 + v[5] - offset;
    if (s < 0 || (uint64_t)s >= UINT64_MAX / NS_PER_S) {
        return error_set(why, ERR_RANGE, "time outside 1970..2554");
    }
    *ret_wall_ns = (uint64_t)s * NS_PER_S + ns;
    return 0;
}
