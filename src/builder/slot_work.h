/* The work of one slot: which block to build, for whom, until when, and what is known of the
 * auction. Made by the loop, worked on by the builders' threads.
 *
 * Reference counted; all but the auction's part is immutable. The auction's part has a lock and a
 * version that counts up, so that builders see when a bid is to be decided anew.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_SLOT_WORK_H
#define BUILDER_SLOT_WORK_H

#include "builder/bid_policy.h"
#include "builder/block_list.h"
#include "builder/job.h"
#include "chain/produce.h"
#include "eth/containers.h"

/* A bid as it is compared with others of its slot: by what the proposer gets. Where the chain has a
 * virtual clock equal ones are told apart too, so that the last word depends on the orders and not
 * on which thread was first: the newer plan's, then the builder's that stands first in the
 * settings. Elsewhere of equal ones the first stays, since another would gain nothing at the
 * relays. */
struct slot_offer {
    struct u256 value;
    uint64_t plan_version;
    unsigned builder; /* place in the settings */
};

struct slot_work {
    atomic_uint holders;
    atomic_bool ended; /* passes for it stop at their next order */
    struct arena memory;
    uint64_t slot;
    struct hash parent_hash;
    uint64_t parent_number;
    struct produce_attributes attributes; /* fee_recipient is the builder's account */
    struct address proposer;              /* the proposer's fee recipient */
    struct bytes48 proposer_pubkey;
    enum consensus_fork fork;
    bool virtual_clock;                   /* two runs are to be the same */
    uint64_t slot_start_ns;               /* wall clock: the slot's beginning */
    uint64_t bids_from_ns, bids_until_ns; /* wall clock */
    struct job *job;
    struct block_list *listed; /* may be NULL */

    pthread_mutex_t lock; /* of what follows */
    bool has_best;
    struct u256 others; /* their highest bid */
    bool must_win, halted;
    struct u256 spent_day;
    struct slot_offer best;   /* of what was sealed, or is about to be */
    struct slot_offer left;   /* of what was sealed */
    uint64_t sealed;          /* blocks */
    uint64_t auction_version; /* of the bidding inputs */
};

/* slot_work_new copies withdrawals and extra data. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int slot_work_new(struct slot_work **ret,
                                              const struct slot_work *values, struct error *why);
struct slot_work *slot_work_retain(struct slot_work *w);
void slot_work_release(struct slot_work *w); /* NULL is allowed */

/* What the auction knows, at one moment. */
struct slot_auction {
    bool has_best, must_win, halted;
    struct u256 best, spent_day;
    uint64_t version;
};
struct slot_auction slot_work_auction(struct slot_work *w);

/* slot_work_note_best takes a bid of others in; true when it is the highest so far. */
bool slot_work_note_best(struct slot_work *w, struct u256 value);
/* slot_work_must_win and slot_work_halt change what was asked for. */
void slot_work_must_win(struct slot_work *w);
void slot_work_halt(struct slot_work *w, bool halted);

/* slot_work_beats: whether an offer is to take another's place. */
bool slot_work_beats(const struct slot_work *w, const struct slot_offer *a,
                     const struct slot_offer *b);

/* slot_work_offer: whether a bid would be the best of ours; then it is noted. */
bool slot_work_offer(struct slot_work *w, const struct slot_offer *o, uint64_t auction_version);
/* slot_work_left: an offer's block was sealed. slot_work_retract takes an offer back whose block
 * could not be: what was sealed before it is the best again. */
void slot_work_left(struct slot_work *w, const struct slot_offer *o);
void slot_work_retract(struct slot_work *w, const struct slot_offer *o);

#endif
