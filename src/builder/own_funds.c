/* SPDX-License-Identifier: MIT */
#include "builder/own_funds.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_HOURS 24u
#define FILE_BYTES_MAX 8192u

static uint64_t hour_of(uint64_t wall_ns) {
    return wall_ns / HOUR_NS;
}

// A decimal number up to the next space or the end; the rest stays.
static bool take_number(struct u256 *ret, struct bytes *rest) {
    const uint8_t *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
    size_t at = space ? (size_t)(space - rest->p) : rest->n;
    bool ok = u256_from_decimal(ret, bytes_slice(*rest, 0, at));
    *rest = space ? bytes_slice(*rest, at + 1, rest->n) : (struct bytes){0};
    return ok;
}

static bool take_u64(uint64_t *ret, struct bytes *rest) {
    struct u256 n;
    bool ok = take_number(&n, rest) && u256_fits_u64(n);
    if (ok) *ret = n.w[0];
    return ok;
}

static bool read_bid(struct own_funds *f, struct bytes rest) {
    struct own_funds_bid *b = &f->bids[f->bid_count];
    if (f->bid_count == OWN_FUNDS_BIDS) return false;
    *b = (struct own_funds_bid){.inherited = true};
    if (!take_u64(&b->hour, &rest) || !take_u64(&b->timestamp, &rest) ||
        !take_u64(&b->number, &rest) || !take_number(&b->wei, &rest) || rest.n) {
        return false;
    }
    f->bid_count++;
    return true;
}

static bool read_line(struct own_funds *f, struct bytes line) {
    if (line.n > 4 && memcmp(line.p, "bid ", 4) == 0) {
        return read_bid(f, bytes_slice(line, 4, line.n));
    }
    const uint8_t *space = line.n ? memchr(line.p, ' ', line.n) : NULL;
    struct u256 hour;
    if (!space || f->bid_count || f->count == OWN_FUNDS_HOURS) return false;
    size_t at = (size_t)(space - line.p);
    if (!u256_from_decimal(&hour, bytes_slice(line, 0, at)) ||
        !u256_from_decimal(&f->spent[f->count].wei, bytes_slice(line, at + 1, line.n)) ||
        !u256_fits_u64(hour)) {
        return false;
    }
    f->spent[f->count].hour = hour.w[0];
    if (f->count && f->spent[f->count - 1].hour >= hour.w[0]) return false;
    f->count++;
    return true;
}

static int read_all(struct own_funds *f, struct error *why) {
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    int r = file_read(&text, f->path, why);
    struct bytes rest = buf_view(&text);
    for (unsigned number = 1; r == 0 && rest.n; number++) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        struct bytes line = bytes_slice(rest, 0, end ? (size_t)(end - rest.p) : 0);
        if (!end || !read_line(f, line)) {
            r = error_set(why, ERR_SYNTAX,
                          "%s: line %u: not own funds by the hour; without the file the day begins "
                          "at zero",
                          f->path, number);
        }
        rest = bytes_slice(rest, line.n + 1, rest.n);
    }
    buf_free(&text);
    return r == ERR_NOT_FOUND ? 0 : r;
}

int own_funds_open(struct own_funds *ret, const char *folder, struct error *why) {
    *ret = (struct own_funds){0};
    if (!folder || !*folder) return 0;
    if (asprintf(&ret->path, "%s/" OWN_FUNDS_FILE, folder) < 0) {
        ret->path = NULL;
        return error_set(why, ERR_NO_MEMORY, "no memory for own funds");
    }
    int r = read_all(ret, why);
    if (r != 0) own_funds_close(ret);
    return r;
}

void own_funds_close(struct own_funds *f) {
    free(f->path);
    *f = (struct own_funds){0};
}

static bool is_over(uint64_t hour, uint64_t now) {
    return hour + DAY_HOURS < now;
}

// Takes out what is over; the oldest goes into its neighbour when there are too many all the same.
static void make_place(struct own_funds *f, uint64_t now) {
    size_t over = 0;
    while (over < f->count && is_over(f->spent[over].hour, now))
        over++;
    if (over == 0 && f->count == OWN_FUNDS_HOURS) {
        f->spent[1].wei = u256_add(f->spent[1].wei, f->spent[0].wei);
        over = 1;
    }
    f->count -= over;
    memmove(f->spent, f->spent + over, f->count * sizeof f->spent[0]);
}

static int write_all(struct own_funds *f, struct error *why) {
    struct buf text;
    if (!f->path) return 0;
    buf_init(&text, FILE_BYTES_MAX);
    for (size_t i = 0; i < f->count; i++) {
        char wei[U256_DECIMAL_MAX + 1];
        (void)u256_to_decimal(wei, f->spent[i].wei);
        buf_printf(&text, "%llu %s\n", (unsigned long long)f->spent[i].hour, wei);
    }
    for (size_t i = 0; i < f->bid_count; i++) {
        const struct own_funds_bid *b = &f->bids[i];
        char wei[U256_DECIMAL_MAX + 1];
        (void)u256_to_decimal(wei, b->wei);
        buf_printf(&text, "bid %llu %llu %llu %s\n", (unsigned long long)b->hour,
                   (unsigned long long)b->timestamp, (unsigned long long)b->number, wei);
    }
    int r = text.failed ? error_set(why, ERR_NO_MEMORY, "no memory for own funds")
                        : file_write_atomic(f->path, buf_view(&text), NULL, why);
    buf_free(&text);
    f->failed = r != 0;
    return r;
}

static void add(struct own_funds *f, struct u256 wei, uint64_t wall_ns) {
    uint64_t now = hour_of(wall_ns);
    // A clock that was put back adds to the newest hour that is known.
    if (f->count && f->spent[f->count - 1].hour > now) now = f->spent[f->count - 1].hour;
    if (f->count == 0 || f->spent[f->count - 1].hour != now) {
        make_place(f, now);
        f->spent[f->count].hour = now;
        f->spent[f->count++].wei = U256_ZERO;
    }
    f->spent[f->count - 1].wei = u256_add(f->spent[f->count - 1].wei, wei);
}

/* Bids. */

static void forget_bid(struct own_funds *f, size_t i) {
    f->bid_count--;
    memmove(&f->bids[i], &f->bids[i + 1], (f->bid_count - i) * sizeof f->bids[0]);
}

// What nobody told the fate of is taken for spent, where no one is left to tell it.
static void make_bid_place(struct own_funds *f, uint64_t wall_ns) {
    if (f->bid_count < OWN_FUNDS_BIDS) return;
    const struct own_funds_bid *oldest = &f->bids[0];
    if (oldest->inherited && !is_over(oldest->hour, hour_of(wall_ns))) {
        add(f, oldest->wei, wall_ns);
    }
    forget_bid(f, 0);
}

static struct own_funds_bid *bid_of(struct own_funds *f, uint64_t timestamp, uint64_t number,
                                    uint64_t wall_ns) {
    for (size_t i = 0; i < f->bid_count; i++) {
        if (f->bids[i].timestamp == timestamp && f->bids[i].number == number) return &f->bids[i];
    }
    make_bid_place(f, wall_ns);
    struct own_funds_bid *b = &f->bids[f->bid_count++];
    *b = (struct own_funds_bid){hour_of(wall_ns), timestamp, number, U256_ZERO, false};
    return b;
}

int own_funds_bid_leaves(struct own_funds *f, uint64_t timestamp, uint64_t number, struct u256 wei,
                         uint64_t wall_ns, struct error *why) {
    if (u256_is_zero(wei) || !f->path) return 0;
    struct own_funds_bid *b = bid_of(f, timestamp, number, wall_ns);
    bool more = u256_compare(wei, b->wei) > 0;
    if (more) b->wei = wei;
    return more || f->failed ? write_all(f, why) : 0;
}

void own_funds_lost(struct own_funds *f, uint64_t timestamp) {
    for (size_t i = f->bid_count; i-- > 0;) {
        if (f->bids[i].timestamp == timestamp) forget_bid(f, i);
    }
}

int own_funds_landed(struct own_funds *f, uint64_t timestamp, struct u256 wei, uint64_t wall_ns,
                     struct error *why) {
    size_t before = f->bid_count;
    own_funds_lost(f, timestamp);
    if (!u256_is_zero(wei)) add(f, wei, wall_ns);
    return u256_is_zero(wei) && before == f->bid_count ? 0 : write_all(f, why);
}

int own_funds_retry(struct own_funds *f, struct error *why) {
    return f->failed ? write_all(f, why) : 0;
}

struct u256 own_funds_day(const struct own_funds *f, uint64_t wall_ns) {
    struct u256 sum = U256_ZERO;
    for (size_t i = 0; i < f->count; i++) {
        if (!is_over(f->spent[i].hour, hour_of(wall_ns))) sum = u256_add(sum, f->spent[i].wei);
    }
    for (size_t i = 0; i < f->bid_count; i++) {
        const struct own_funds_bid *b = &f->bids[i];
        if (b->inherited && !is_over(b->hour, hour_of(wall_ns))) sum = u256_add(sum, b->wei);
    }
    return sum;
}
