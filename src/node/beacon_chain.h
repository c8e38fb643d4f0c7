/* Beacon_chain: what the consensus stub remembers: slots, proposers, blocks and their roots, the
 * mix of randomness, justified and finalized epochs. Arithmetic only; no attestations: every block
 * is taken as voted for, so that an epoch is justified when the next begins, and finalized with the
 * one after.
 * Source: consensus-specs (names, roots). Thread: one. SPDX-License-Identifier: MIT */
#ifndef NODE_BEACON_CHAIN_H
#define NODE_BEACON_CHAIN_H

#include "base/clock.h"
#include "node/validators.h"

#define BEACON_RECORDS 4096u /* blocks remembered: more than three epochs of any length allowed */
#define BEACON_EPOCH_MAX 1024u
#define BEACON_SLOT_NS_MIN (100 * NS_PER_MS)
#define BEACON_SLOT_NS_MAX (3600 * NS_PER_S)

struct beacon_record {
    uint64_t slot, proposer;
    struct hash root, parent_root, state_root, body_root;
    struct hash exec_hash; /* of its payload */
    uint64_t exec_number;
    struct hash mix; /* of randomness, after it */
    struct bytes96 signature;
    bool used;
};

struct beacon_chain {
    uint64_t genesis_s; /* of the timestamps: Unix time of slot 0 */
    uint64_t step_s;    /* by which timestamps go on from slot to slot: slot_ns, rounded up */
    bool virtual_clock; /* blocks tell a time of their own for good */
    uint64_t zero_ns;   /* wall time at which slot 0 begins; genesis_s but for virtual clocks */
    uint64_t slot_ns;   /* how long a slot is */
    uint64_t slots_per_epoch;
    struct validators validators;
    struct beacon_record *records; /* a ring */
    size_t next;
    struct hash head; /* root of the newest block */
};

/* beacon_chain_init makes the chain with its first record, which stands for the execution block
 * `exec_hash` of that timestamp; genesis_s, slot_ns, zero_ns and slots_per_epoch are set before.
 * errors  ERR_RANGE, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int beacon_chain_init(struct beacon_chain *c, uint64_t timestamp,
                                                  const struct hash *exec_hash,
                                                  uint64_t exec_number, struct error *why);
void beacon_chain_free(struct beacon_chain *c);

/* Slots. Blocks tell their time in whole seconds, and each must be later than its parent; so
 * timestamps go on by whole seconds a slot however short a slot is, and are the chain's own time
 * then. slot_at: the slot of a wall time, 0 before the first; start: wall time at which a slot
 * begins; timestamp: of a slot's block; slot_of: the slot of a timestamp. */
uint64_t beacon_slot_at(const struct beacon_chain *c, uint64_t wall_ns);
static inline uint64_t beacon_start_ns(const struct beacon_chain *c, uint64_t slot) {
    return c->zero_ns + slot * c->slot_ns;
}
static inline uint64_t beacon_timestamp(const struct beacon_chain *c, uint64_t slot) {
    return c->genesis_s + slot * c->step_s;
}
static inline uint64_t beacon_slot_of(const struct beacon_chain *c, uint64_t timestamp) {
    return timestamp > c->genesis_s ? (timestamp - c->genesis_s) / c->step_s : 0;
}
/* beacon_has_own_time: timestamps do not tell when a slot begins. */
static inline bool beacon_has_own_time(const struct beacon_chain *c) {
    return c->zero_ns != c->genesis_s * NS_PER_S || c->slot_ns != c->step_s * NS_PER_S;
}
static inline uint64_t beacon_epoch_of(const struct beacon_chain *c, uint64_t slot) {
    return slot / c->slots_per_epoch;
}
/* beacon_proposer gives the validator whose turn a slot is. */
size_t beacon_proposer(const struct beacon_chain *c, uint64_t slot);

/* Records. find gives NULL for what is not remembered. ancestor: `back` blocks before the head. */
const struct beacon_record *beacon_head(const struct beacon_chain *c);
const struct beacon_record *beacon_find(const struct beacon_chain *c, const struct hash *root);
const struct beacon_record *beacon_ancestor(const struct beacon_chain *c, unsigned back);
/* beacon_at: the newest block of the head's chain at or before a slot. */
const struct beacon_record *beacon_at(const struct beacon_chain *c, uint64_t slot);

/* beacon_marks: the blocks that begin the justified and the finalized epoch, seen from the head's
 * slot. */
void beacon_marks(const struct beacon_chain *c, const struct beacon_record **ret_justified,
                  const struct beacon_record **ret_finalized);

/* beacon_add remembers a block and makes it the head. */
void beacon_add(struct beacon_chain *c, const struct beacon_record *r);

/* beacon_mix: the mix after a block whose proposer revealed this. */
struct hash beacon_mix(const struct hash *before, const struct bytes96 *reveal);
/* beacon_state_root stands for the root of the state after a block. */
struct hash beacon_state_root(const struct hash *parent_root, uint64_t slot);

#endif
