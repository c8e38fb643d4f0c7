/* Bid book: the bids that left, so that it is known which of them land.
 *
 * A ring: the newest BIDS_KEPT, and none of slots that are long over, since each holds its slot's
 * orders. A proposer takes a bid of seconds ago, and hundreds follow it; several blocks can come
 * between two looks at the head, and a reorganisation can bring back one that was left: so all of
 * the head's line are looked up, down to the oldest that is kept. One thread (the loop's).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BID_BOOK_H
#define BUILDER_BID_BOOK_H

#include "builder/records.h"
#include "builder/slot_work.h"

#define BIDS_KEPT 4096u
#define BID_SLOTS_KEPT 4u /* slots after which a bid cannot land any more */
#define BID_DEPTH_MAX 64u /* blocks that are looked up below a head */

struct job_entry;
struct head_block;

/* A bid that left: what its record needs, not the block. */
struct kept_bid {
    struct landed_block landed;
    struct slot_work *work;            /* held; NULL: free */
    const struct job_entry **included; /* owned; the entries are the work's */
    size_t orders;
};

struct bid_book {
    struct kept_bid bids[BIDS_KEPT]; /* a ring */
    size_t at;
};

/* bid_book_add keeps a bid, in the place of the oldest when all are taken; work is held, and the
 * list of entries copied. errors  ERR_NO_MEMORY (the bid is not kept). */
[[gnu::warn_unused_result]] int bid_book_add(struct bid_book *b, const struct landed_block *landed,
                                             struct slot_work *work,
                                             const struct job_entry *const *included, size_t orders,
                                             struct error *why);

/* bid_book_forget drops bids of slots more than BID_SLOTS_KEPT before `slot`; with UINT64_MAX all.
 */
void bid_book_forget(struct bid_book *b, uint64_t slot);

/* bid_book_landed calls `landed` for every kept bid that is `newest` or one of its ancestors, the
 * oldest last, and forgets it. parent  gives a block's parent, which lives until the next call of
 * it; NULL: it is not known, and the search ends. */
struct bid_book_calls {
    const struct head_block *(*parent)(void *context, const struct head_block *of);
    void (*landed)(void *context, const struct kept_bid *bid);
    void *context;
};
void bid_book_landed(struct bid_book *b, const struct head_block *newest,
                     const struct bid_book_calls *calls);

#endif
