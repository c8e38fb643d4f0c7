/* Unblind: what a proposer signed blind, decoded and verified, and the whole block that comes of it
 * and a bid's payload.
 *
 * Source: ethereum/builder-specs, "submitBlindedBlock"; ethereum/beacon-APIs, "publishBlockV2".
 * Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_UNBLIND_H
#define RELAY_UNBLIND_H

#include "eth/beacon_block.h"
#include "relay/bid.h"

struct unblind_input {
    struct bytes body; /* outlives the block */
    bool ssz;
    struct bytes version; /* Eth-Consensus-Version; empty: by the block's slot */
};

struct unblind_block {
    enum consensus_fork fork;
    const struct consensus_types *types;
    struct signed_blinded_beacon_block *signed_block; /* in the arena */
    uint64_t slot, proposer_index;
    struct hash block_hash;
    struct bid_roots roots; /* after unblind_verify */
};

/* unblind_decode: errors ERR_SYNTAX (text for the proposer), ERR_INVALID (another fork's block),
 * ERR_LIMIT. */
[[gnu::warn_unused_result]] int unblind_decode(struct unblind_block *ret,
                                               const struct unblind_input *in,
                                               const struct network *n, struct arena *a,
                                               struct error *why);

/* unblind_verify checks the proposer's signature and fills the roots.
 * errors   ERR_SYNTAX, ERR_INVALID (key or signature), ERR_LIMIT. */
[[gnu::warn_unused_result]] int unblind_verify(struct unblind_block *b,
                                               const struct bytes48 *proposer,
                                               const struct network *n, struct arena *a,
                                               struct error *why);

struct unblind_output {
    bool want_simulation;
    struct buf block;      /* to publish, JSON */
    struct buf json, ssz;  /* answers of getPayload */
    struct buf blinded;    /* the blinded block, JSON, for the record */
    struct buf simulation; /* request for a validation node, when wanted */
};
/* unblind_assemble puts block and payload together; the bid is one with its payload. */
[[gnu::warn_unused_result]] int unblind_assemble(struct unblind_output *ret,
                                                 const struct unblind_block *b,
                                                 const struct bid *bid, const struct network *n,
                                                 struct arena *a, struct error *why);
void unblind_output_free(struct unblind_output *o);

#endif
