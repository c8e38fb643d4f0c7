/* Auctions: the open bids of each (slot, parent, proposer), their floor and the top one.
 *
 * A builder has one open bid in an auction, its latest. Bids without cancellation make the floor,
 * which never sinks: at or below it nothing is taken any more, except that a bid with cancellation
 * below it takes the builder's earlier one away. What nobody validated yet (bid.unproven) does not
 * make the floor. The top is the highest open bid, the floor's
 * included, whose payload is stored (bid.stored); of equal ones the earlier.
 *
 * Ownership: holds a reference to each bid in it, and to each that was ever the top, until its slot
 * is dropped. Pure; one thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_AUCTION_H
#define RELAY_AUCTION_H

#include "base/list.h"
#include "base/map.h"
#include "relay/bid.h"

#define AUCTION_KEY_BYTES 88
#define AUCTION_BUILDERS_MAX 4096u /* with an open bid in one auction */
#define AUCTIONS_MAX 4096u         /* open at once */

struct auction {
    uint8_t key[AUCTION_KEY_BYTES];
    uint64_t slot;
    struct list_node link;
    struct map bids;   /* builder's key -> its latest bid */
    struct bid *floor; /* highest without cancellation; NULL: none */
    struct bid *top;   /* NULL: none */
    struct bid **tops; /* each that ever was one */
    size_t top_count;
};

struct auctions {
    struct map by_key;
    struct map tops; /* block hash -> bid that is or was a top */
    struct list all;
};

void auctions_init(struct auctions *a);
void auctions_free(struct auctions *a);

/* auctions_find gives an auction, or NULL. auctions_open makes it. errors ERR_LIMIT, ERR_NO_MEMORY.
 */
struct auction *auctions_find(const struct auctions *a, uint64_t slot, const struct hash *parent,
                              const struct bytes48 *proposer);
[[gnu::warn_unused_result]] int auctions_open(struct auction **ret, struct auctions *a,
                                              const struct bid_trace *trace, struct error *why);
/* auctions_find_block gives a bid that is or was a top; NULL: none. */
struct bid *auctions_find_block(const struct auctions *a, const struct hash *block_hash);

/* auctions_drop_before forgets what belongs to earlier slots. */
void auctions_drop_before(struct auctions *a, uint64_t slot);

/* auction_admits: a bid of that value would be taken. b NULL: nothing was bid yet. */
bool auction_admits(const struct auction *b, struct u256 value, bool cancellable);
/* auction_leads: it would be the highest, so that its payload is worth storing. */
bool auction_leads(const struct auction *b, const struct bid_trace *trace);
/* auction_is_overtaken: the builder's open bid was received later, or counts higher. */
bool auction_is_overtaken(const struct auction *b, const struct bid *bid);

/* auction_open_bid gives the builder's open bid, NULL: none. */
struct bid *auction_open_bid(const struct auction *b, const struct bytes48 *builder);

/* auction_put takes a bid (a reference of its own) in the builder's earlier one's place.
 * errors   ERR_LIMIT, ERR_NO_MEMORY. auction_cancel takes the builder's bid away. */
[[gnu::warn_unused_result]] int auction_put(struct auction *b, struct bid *bid, struct error *why);
void auction_cancel(struct auction *b, const struct bytes48 *builder);
/* auction_holds: the bid is open or the floor.
 * auction_prove: it was validated since. auction_remove takes one bid away, wherever it stands
 * (a demotion). */
bool auction_holds(const struct auction *b, const struct bid *bid);
void auction_prove(struct auction *b, struct bid *bid);
void auction_remove(struct auction *b, const struct bid *bid);

/* auction_settle finds the top again after such changes. True when it is another one.
 * ret_wanted  gets the highest bid when its payload is neither stored nor on its way, else NULL. */
bool auction_settle(struct auctions *a, struct auction *b, struct bid **ret_wanted);

#endif
