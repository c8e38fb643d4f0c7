/* SPDX-License-Identifier: MIT */
#include "builder/bid_book.h"

#include "chain/head.h"

#include <stdlib.h>

static void forget(struct kept_bid *bid) {
    slot_work_release(bid->work);
    free((void *)bid->included);
    *bid = (struct kept_bid){0};
}

int bid_book_add(struct bid_book *b, const struct landed_block *landed, struct slot_work *work,
                 const struct job_entry *const *included, size_t orders, struct error *why) {
    const struct job_entry **copy = calloc(orders + 1, sizeof(struct job_entry *));
    if (!copy) return error_set(why, ERR_NO_MEMORY, "no memory for a bid");
    if (orders) memcpy((void *)copy, (const void *)included, orders * sizeof(struct job_entry *));
    struct kept_bid *bid = &b->bids[b->at];
    forget(bid);
    *bid = (struct kept_bid){.landed = *landed, .work = slot_work_retain(work), .orders = orders};
    bid->included = copy;
    b->at = (b->at + 1) % BIDS_KEPT;
    return 0;
}

void bid_book_forget(struct bid_book *b, uint64_t slot) {
    for (size_t i = 0; i < BIDS_KEPT; i++) {
        struct kept_bid *bid = &b->bids[i];
        if (bid->work && (slot == UINT64_MAX || bid->work->slot + BID_SLOTS_KEPT < slot)) {
            forget(bid);
        }
    }
}

static uint64_t lowest_number(const struct bid_book *b) {
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < BIDS_KEPT; i++) {
        const struct kept_bid *bid = &b->bids[i];
        if (bid->work && bid->landed.number < lowest) lowest = bid->landed.number;
    }
    return lowest;
}

static void look_up(struct bid_book *b, const struct hash *hash,
                    const struct bid_book_calls *calls) {
    for (size_t i = 0; i < BIDS_KEPT; i++) {
        struct kept_bid *bid = &b->bids[i];
        if (!bid->work || !hash_equal(&bid->landed.hash, hash)) continue;
        calls->landed(calls->context, bid);
        forget(bid);
        return;
    }
}

void bid_book_landed(struct bid_book *b, const struct head_block *newest,
                     const struct bid_book_calls *calls) {
    const uint64_t lowest = lowest_number(b);
    const struct head_block *at = newest;
    for (unsigned i = 0; at && at->block.header.number >= lowest && i < BID_DEPTH_MAX; i++) {
        look_up(b, &at->hash, calls);
        at = calls->parent(calls->context, at);
    }
}
