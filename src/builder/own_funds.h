/* Own funds: what landed blocks cost the builder in the last 24 hours, in a file that outlives it.
 *
 * Kept by the hour, so that the limit of a day holds in any 24 hours, to the hour. The file has one
 * line an hour, `HOUR WEI` (hours since 1970, both decimal), at most OWN_FUNDS_HOURS of them; it is
 * replaced as a whole. One thread. Blocking (a few kilobytes, synced).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_OWN_FUNDS_H
#define BUILDER_OWN_FUNDS_H

#include "base/error.h"
#include "base/u256.h"

#define OWN_FUNDS_FILE "own-funds"
#define OWN_FUNDS_HOURS 25u /* the one that runs, and 24 before it */

struct own_funds {
    char *path; /* NULL: only in memory */
    struct {
        uint64_t hour;
        struct u256 wei;
    } spent[OWN_FUNDS_HOURS]; /* oldest first */
    size_t count;
};

/* own_funds_open reads what an earlier process left. folder  NULL or "": nothing is kept.
 * errors  ERR_SYNTAX (the file is not ours, or broken: nobody knows what was spent), ERR_LIMIT,
 *         ERR_IO, ERR_NO_MEMORY. own_funds_close: also of zeros. */
[[gnu::warn_unused_result]] int own_funds_open(struct own_funds *ret, const char *folder,
                                               struct error *why);
void own_funds_close(struct own_funds *f);

/* own_funds_add counts an amount and writes the file; it is counted also when that fails.
 * wall_ns  now. errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int own_funds_add(struct own_funds *f, struct u256 wei,
                                              uint64_t wall_ns, struct error *why);

/* own_funds_day: wei of the last 24 hours. Hours that are still to come (the clock was put back)
 * count too. */
struct u256 own_funds_day(const struct own_funds *f, uint64_t wall_ns);

#endif
