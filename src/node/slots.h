/* Slots: plays the consensus layer of a devnet. A thread with a loop of its own keeps the slots:
 * for each it tells what the next payload must be (attributes, to builders and to the node's own
 * producer), asks the relays, takes the best bid or the own block, signs, imports, moves the head.
 * Slots can be left out and blocks replaced on request.
 *
 *     slot starts ─▶ relays asked ─▶ best bid ≥ own block? ─▶ sign blind ─▶ payload ─┐
 *                                          └─ no ─▶ own block ──────────────────────┴▶ import,
 *     head moves ─▶ attributes of the next slot ─▶ events, own payload begins          head
 *
 * A proposer signs once a slot: when a relay does not deliver what was signed, the slot is lost.
 * Source: consensus-specs, builder-specs. Thread: slots_* from any, the rest on the slots' thread.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_SLOTS_H
#define NODE_SLOTS_H

#include "chain/engine.h"
#include "node/beacon_blobs.h"
#include "node/beacon_chain.h"
#include "node/node.h"
#include "node/relays.h"

struct slots;
struct beacon_api;

/* slots_open adds the methods (dev_skipSlots, dev_reorg); slots_start begins the thread.
 * errors  ERR_SYNTAX, ERR_RANGE (settings), ERR_IO, ERR_NO_MEMORY, those of the listener. */
[[gnu::warn_unused_result]] int slots_open(struct slots **ret, struct node *n, struct error *why);
[[gnu::warn_unused_result]] int slots_start(struct slots *s, struct error *why);
void slots_close(struct slots *s); /* NULL is allowed */

/* ---- between the files of the stub, on its thread ---- */

/* What the payload of a slot must be. */
struct slot_task {
    uint64_t slot;
    size_t proposer;
    enum fork fork;
    enum consensus_fork consensus;
    struct beacon_record parent;
    struct engine_attributes attributes;
    struct engine_payload_id id;
    bool ready; /* the own payload has begun */
};

struct slots {
    struct node *node;
    struct loop *loop;
    struct beacon_chain chain;
    struct beacon_blobs blobs;
    struct relays *relays;
    struct beacon_api *api;
    struct address fee_recipient;
    pthread_t thread;
    bool started;
    struct loop_timer slot_timer, prepare_timer;
    bool waits;            /* for the first slot */
    struct slot_task task; /* of the next slot, or the one that is on */
    uint64_t slot;         /* that is on */
    uint64_t last_registered_epoch;
    bool registered;
    atomic_uint skip;    /* slots to leave out */
    atomic_uint reorg;   /* blocks that the next proposer builds around */
    struct arena memory; /* of the slot that is on */
    struct signed_blinded_beacon_block *signed_block; /* in it; NULL: nothing signed yet */
    bool proposed;                                    /* the slot has its block */
    bool by_relay;                                    /* a relay\'s bid was signed */
    struct metric *proposals[4];                      /* by enum slot_outcome */
};
enum slot_outcome { SLOT_LOCAL, SLOT_RELAY, SLOT_MISSED, SLOT_SKIPPED };

/* A whole signed block from outside (a relay publishes it), with its blobs: checked, imported, made
 * the head.
 * errors  ERR_INVALID, ERR_STALE (another slot), those of the head. */
[[gnu::warn_unused_result]] int slots_take_block(struct slots *s,
                                                 const struct signed_blinded_beacon_block *block,
                                                 const struct execution_payload *payload,
                                                 const struct blobs_bundle *blobs,
                                                 enum consensus_fork f, struct error *why);

enum consensus_fork slots_fork_at(const struct slots *s, uint64_t slot);

#endif
