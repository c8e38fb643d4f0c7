/* SPDX-License-Identifier: MIT */
#include "net/http_date.h"

#include "net/http.h"

#define DAY_S 86400u

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};

struct date {
    unsigned year, month, day; /* month 1..12 */
    unsigned hour, minute, second;
};

/* The proleptic Gregorian calendar, with years that begin in March so that the leap day is last;
 * an era is 400 years. Days count from 1 March of the year 0. */
#define ERA_DAYS 146097u
#define DAYS_TO_1970 719468u

static void date_of_days(struct date *ret, uint64_t days_since_1970) {
    uint64_t z = days_since_1970 + DAYS_TO_1970;
    unsigned era = (unsigned)(z / ERA_DAYS), in_era = (unsigned)(z % ERA_DAYS);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153; // 0 is March
    ret->day = in_year - (153 * month + 2) / 5 + 1;
    ret->month = month < 10 ? month + 3 : month - 9;
    ret->year = year + era * 400 + (ret->month <= 2);
}

static uint64_t days_of_date(const struct date *d) {
    unsigned year = d->year - (d->month <= 2);
    unsigned era = year / 400, in_era = year % 400;
    unsigned month = d->month > 2 ? d->month - 3 : d->month + 9;
    unsigned in_year = (153 * month + 2) / 5 + d->day - 1;
    uint64_t z = (uint64_t)era * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + in_year;
    return z - DAYS_TO_1970;
}

static char *put(char *p, const char *text, size_t n) {
    memcpy(p, text, n);
    return p + n;
}

static char *put_digits(char *p, unsigned v, unsigned n) {
    for (unsigned i = n; i-- > 0; v /= 10) {
        p[i] = (char)('0' + v % 10);
    }
    return p + n;
}

void http_date_write(char ret[HTTP_DATE_BYTES], uint64_t unix_s) {
    struct date d;
    if (unix_s > HTTP_DATE_MAX) unix_s = HTTP_DATE_MAX;
    date_of_days(&d, unix_s / DAY_S);
    unsigned s = (unsigned)(unix_s % DAY_S);
    char *p = put(ret, days[(unix_s / DAY_S + 4) % 7], 3);
    p = put(p, ", ", 2);
    p = put(put_digits(p, d.day, 2), " ", 1);
    p = put(put(p, months[d.month - 1], 3), " ", 1);
    p = put(put_digits(p, d.year, 4), " ", 1);
    p = put(put_digits(p, s / 3600, 2), ":", 1);
    p = put(put_digits(p, s / 60 % 60, 2), ":", 1);
    put(put_digits(p, s % 60, 2), " GMT", 4);
}

/* ---- reading: each takes its part off the text, or fails ---- */

static bool take(struct bytes *text, const char *expected) {
    struct bytes e = bytes_from_str(expected);
    if (!bytes_starts_with(*text, e)) return false;
    *text = bytes_slice(*text, e.n, text->n);
    return true;
}

static bool take_number(unsigned *ret, struct bytes *text, unsigned n) {
    unsigned v = 0;
    if (text->n < n) return false;
    for (unsigned i = 0; i < n; i++) {
        if (text->p[i] < '0' || text->p[i] > '9') return false;
        v = v * 10 + (unsigned)(text->p[i] - '0');
    }
    *ret = v;
    *text = bytes_slice(*text, n, text->n);
    return true;
}

static bool take_month(unsigned *ret, struct bytes *text) {
    for (unsigned i = 0; i < 12; i++) {
        if (take(text, months[i])) {
            *ret = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_time(struct date *d, struct bytes *text) {
    return take_number(&d->hour, text, 2) && take(text, ":") && take_number(&d->minute, text, 2) &&
           take(text, ":") && take_number(&d->second, text, 2);
}

/* "06 Nov 1994 08:49:37 GMT", after "Sun, ". */
static bool take_fixdate(struct date *d, struct bytes *text) {
    return take_number(&d->day, text, 2) && take(text, " ") && take_month(&d->month, text) &&
           take(text, " ") && take_number(&d->year, text, 4) && take(text, " ") &&
           take_time(d, text) && take(text, " GMT");
}

/* "06-Nov-94 08:49:37 GMT", after "Sunday, ". More than 50 years ahead is the century before. */
static bool take_rfc850(struct date *d, struct bytes *text, uint64_t now_s) {
    if (!(take_number(&d->day, text, 2) && take(text, "-") && take_month(&d->month, text) &&
          take(text, "-") && take_number(&d->year, text, 2) && take(text, " ") &&
          take_time(d, text) && take(text, " GMT"))) {
        return false;
    }
    struct date now;
    date_of_days(&now, (now_s < HTTP_DATE_MAX ? now_s : HTTP_DATE_MAX) / DAY_S);
    d->year += now.year / 100 * 100;
    if (d->year > now.year + 50) d->year -= 100;
    return true;
}

/* "Nov  6 08:49:37 1994", after "Sun ". */
static bool take_asctime(struct date *d, struct bytes *text) {
    bool day = take_month(&d->month, text) && take(text, " ") &&
               (take(text, " ") ? take_number(&d->day, text, 1) : take_number(&d->day, text, 2));
    return day && take(text, " ") && take_time(d, text) && take(text, " ") &&
           take_number(&d->year, text, 4);
}

static bool take_date(struct date *d, struct bytes text, uint64_t now_s) {
    for (unsigned i = 0; i < 7; i++) {
        char brief[4] = {days[i][0], days[i][1], days[i][2], 0};
        struct bytes rest = text;
        bool good = false;
        if (take(&rest, days[i])) {
            good = take(&rest, ", ") && take_rfc850(d, &rest, now_s);
        } else if (take(&rest, brief)) {
            good = take(&rest, ", ") ? take_fixdate(d, &rest)
                                     : take(&rest, " ") && take_asctime(d, &rest);
        } else {
            continue;
        }
        return good && rest.n == 0;
    }
    return false;
}

int http_date_parse(uint64_t *ret_unix_s, struct bytes text, uint64_t now_s, struct error *why) {
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date d = {0};
    if (!take_date(&d, text, now_s)) return error_set(why, ERR_SYNTAX, "this is no HTTP date");
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    unsigned length = lengths[d.month - 1] + (d.month == 2 && leap ? 1u : 0u);
    /* A leap second is let through and counts as the one after it. */
    if (d.year < 1970 || d.day == 0 || d.day > length || d.hour > 23 || d.minute > 59 ||
        d.second > 60) {
        return error_set(why, ERR_RANGE, "this time does not exist, or is before 1970");
    }
    *ret_unix_s = days_of_date(&d) * DAY_S + d.hour * 3600 + d.minute * 60 + d.second;
    return 0;
}
