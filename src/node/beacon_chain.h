/* Beacon_chain: what the consensus stub remembers: slots, proposers, blocks and their roots, the
 * mix of randomness, justified and finalized epochs. Arithmetic only; no attestations: every block
 * is taken as voted for, so that an epoch is justified when the next begins, and finalized with the
 * one after.
 * Source: consensus-specs (names, roots). Thread: one. SPDX-License-Identifier: MIT */
#ifndef NODE_BEACON_CHAIN_H
#define NODE_BEACON_CHAIN_H

#include "node/validators.h"

#define BEACON_RECORDS 4096u /* blocks remembered: more than three epochs of any length allowed */
#define BEACON_EPOCH_MAX 1024u

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
    uint64_t genesis_s, slot_s, slots_per_epoch;
    struct validators validators;
    struct beacon_record *records; /* a ring */
    size_t next;
    struct hash head; /* root of the newest block */
};

/* beacon_chain_init makes the chain with its first record, which stands for the execution block
 * `exec_hash` at `slot`. errors  ERR_RANGE, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int beacon_chain_init(struct beacon_chain *c, uint64_t slot,
                                                  const struct hash *exec_hash,
                                                  uint64_t exec_number, struct error *why);
void beacon_chain_free(struct beacon_chain *c);

/* Slots. slot_at: 0 before the genesis. */
uint64_t beacon_slot_at(const struct beacon_chain *c, uint64_t wall_ns);
static inline uint64_t beacon_slot_s(const struct beacon_chain *c, uint64_t slot) {
    return c->genesis_s + slot * c->slot_s;
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
