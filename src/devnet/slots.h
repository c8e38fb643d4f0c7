/* Slots: what became of each slot: its block, who won, what it was worth, what was in it.
 *
 * Follows the chain's head by asking, reads each new block with its transactions, and asks the
 * relay's data API what was bid. A slot without a block is told as missed. The loop's thread only.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_SLOTS_H
#define DEVNET_SLOTS_H

#include "devnet/events.h"
#include "devnet/query.h"

#define SLOTS_KEPT 16384 /* a scenario may be as long; pages of slots to come cost nothing */
#define SLOTS_SHOWN 512  /* newest, in the state document */
#define SLOT_NAME_MAX 48
#define SLOT_REASON_MAX 160

struct slots;

struct slot_record {
    uint64_t slot, number, timestamp, gas_used, txs;
    uint64_t begins_ms; /* wall time at which the slot begins: timestamps may be of another time */
    uint64_t seen_ms;   /* Unix time at which the block was seen */
    uint64_t bids;      /* submissions at the relay; UINT64_MAX: not known yet */
    uint64_t builders;  /* how many keys they came from */
    uint64_t orders;    /* watched transactions that are in it */
    struct hash hash;
    char winner[SLOT_NAME_MAX]; /* extra data of the block: "node-1", "devnet" for the proposer's
                                   own */
    char value_wei[80];         /* decimal; "" when no relay delivered it */
    /* What the winner noted of it; UINT64_MAX: not known. */
    uint64_t root_ns, seal_ns;         /* its state root, and all of closing the block */
    uint64_t landed, received;         /* orders in it, and those that the winner had for it */
    char own_wei[80], own_builder[24]; /* the best bid of a shadow's nodes; "": none */
    char reason[SLOT_REASON_MAX];      /* of a missed slot; "" when nobody told one */
    bool missed, by_relay;
};

struct slots_options {
    struct loop *loop;
    struct events *events;
    struct log *log;
    const char *rpc_url, *beacon_url, *relay_url;
    uint64_t slot_ns;
    /* A new block: its hashes, in order, for whoever watches transactions; gives how many of them
     * were watched. May be NULL. */
    uint64_t (*block)(void *context, const struct slot_record *r, const struct json *block);
    /* A slot is over and about to be told: fills in what the roles noted of it. May be NULL. */
    void (*look)(void *context, struct slot_record *r);
    void *context;
};

[[gnu::warn_unused_result]] int slots_new(struct slots **ret, const struct slots_options *o,
                                          struct error *why);
void slots_free(struct slots *s);

/* slots_tick asks what is due; called again and again. */
void slots_tick(struct slots *s);

/* slots_now: the slot that runs; 0 before the chain began. slots_head: the newest block's number.
 */
uint64_t slots_now(const struct slots *s);
/* slots_next: the slot whose block is in the making. The first half of a slot without a block is
 * still that slot's; else, and after its block, it is the next one's. */
uint64_t slots_next(const struct slots *s);
uint64_t slots_head(const struct slots *s);
const struct slot_record *slots_last(const struct slots *s);

/* slots_find gives what is known of a slot; NULL: nothing. */
const struct slot_record *slots_find(const struct slots *s, uint64_t slot);

/* slots_count: how many slots from `first` to `last` are known, how many were missed, how many of
 * the blocks came through the relay. */
void slots_count(const struct slots *s, uint64_t first, uint64_t last, uint64_t *ret_slots,
                 uint64_t *ret_missed, uint64_t *ret_by_relay);

void slots_write(struct json_writer *w, const char *key, const struct slots *s);

#endif
