/* Own funds: what landed blocks cost the builder in the last 24 hours, in a file that outlives it.
 *
 * Kept by the hour, so that the limit of a day holds in any 24 hours, to the hour. What a bid may
 * cost is written before it leaves: it may land while this process is not there to see it. Such a
 * bid of an earlier process counts as spent until the chain tells what became of it.
 * The file has one line an hour, `HOUR WEI` (hours since 1970, all numbers decimal), at most
 * OWN_FUNDS_HOURS of them, and after them one for each bid, `bid HOUR TIMESTAMP NUMBER WEI` (the
 * block's), at most OWN_FUNDS_BIDS; it is replaced as a whole. One thread. Blocking (a few
 * kilobytes, synced).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_OWN_FUNDS_H
#define BUILDER_OWN_FUNDS_H

#include "base/error.h"
#include "base/u256.h"

#define OWN_FUNDS_FILE "own-funds"
#define OWN_FUNDS_HOURS 25u /* the one that runs, and 24 before it */

#define OWN_FUNDS_BIDS 16u /* slots whose bids may still land */

/* The most that a bid of a slot which left may cost. */
struct own_funds_bid {
    uint64_t hour, timestamp, number; /* when it left; of its block */
    struct u256 wei;
    bool inherited; /* of an earlier process */
};

struct own_funds {
    char *path;  /* NULL: only in memory */
    bool failed; /* the file lacks what was to be written last */
    struct {
        uint64_t hour;
        struct u256 wei;
    } spent[OWN_FUNDS_HOURS]; /* oldest first */
    size_t count;
    struct own_funds_bid bids[OWN_FUNDS_BIDS]; /* oldest first */
    size_t bid_count;
};

/* own_funds_open reads what an earlier process left. folder  NULL or "": nothing is kept.
 * errors  ERR_SYNTAX (the file is not ours, or broken: nobody knows what was spent), ERR_LIMIT,
 *         ERR_IO, ERR_NO_MEMORY. own_funds_close: also of zeros. */
[[gnu::warn_unused_result]] int own_funds_open(struct own_funds *ret, const char *folder,
                                               struct error *why);
void own_funds_close(struct own_funds *f);

/* own_funds_bid_leaves writes what a bid may cost; it costs nothing where that much stands in the
 * file for its slot. A bid must not leave when it fails.
 * wall_ns  now. errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int own_funds_bid_leaves(struct own_funds *f, uint64_t timestamp,
                                                     uint64_t number, struct u256 wei,
                                                     uint64_t wall_ns, struct error *why);

/* own_funds_landed counts what a landed block cost, in place of what its slot's bids might have,
 * and writes the file; it is counted also when that fails. errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int own_funds_landed(struct own_funds *f, uint64_t timestamp,
                                                 struct u256 wei, uint64_t wall_ns,
                                                 struct error *why);

/* own_funds_lost: no bid of the slot can land any more. Not written: the chain tells it again. */
void own_funds_lost(struct own_funds *f, uint64_t timestamp);

/* own_funds_retry writes the file once more when that failed. errors  as above. */
[[gnu::warn_unused_result]] int own_funds_retry(struct own_funds *f, struct error *why);

/* own_funds_day: wei of the last 24 hours. Hours that are still to come (the clock was put back)
 * count too. */
struct u256 own_funds_day(const struct own_funds *f, uint64_t wall_ns);

#endif
