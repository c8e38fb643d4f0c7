/* Testing: a network and signed submissions for the relay's tests, fuzz targets and benchmarks.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_TESTING_H
#define RELAY_TESTING_H

#include "relay/bid.h"

/* testing_network: all forks up to `fork` from genesis, genesis at genesis_s. */
struct network testing_network(enum consensus_fork fork, uint64_t genesis_s, uint64_t slot_ns);

/* testing_key: a key whose number is n, at least 1. */
struct bid_signer testing_key(unsigned n);

/* testing_submission fills a signed submission of a block with `txs` transactions of tx_bytes each.
 * Lives in the arena. proposer: the duty's key. */
struct testing_block {
    uint64_t slot, timestamp, value, gas_limit;
    struct hash parent, block_hash, randao;
    struct bytes48 proposer;
    struct address fee_recipient; /* the proposer's */
    size_t txs, tx_bytes;
};
void testing_submission(struct submit_block_request *ret, const struct network *n,
                        enum consensus_fork fork, const struct testing_block *block,
                        const struct bid_signer *builder, struct arena *a);

/* testing_header_submission appends the header-first form of a submission. */
void testing_header_submission(struct buf *out, const struct submit_block_request *r,
                               const struct consensus_types *types, const char *url,
                               bool adjustable, struct arena *a);

/* testing_bid: a bid as the auction gets it, with value and flags; released by the caller. */
struct bid *testing_bid(uint64_t slot, unsigned builder, uint64_t value, bool cancellable,
                        uint64_t received_ns);

#endif
