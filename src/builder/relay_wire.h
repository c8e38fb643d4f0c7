/* What is said to relays and what their answers mean: bodies of submissions, classes of answers,
 * the list of registered proposers. Pure; the links call it.
 *
 * Source: flashbots/relay-specs; flashbots/rbuilder, mev_boost. One thread a built block.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_RELAY_WIRE_H
#define BUILDER_RELAY_WIRE_H

#include "builder/seal.h"

/* relay_body gives the body of a submission, SSZ or JSON. It lives with the block.
 * optimistic  signed with the other key.   errors  ERR_NO_MEMORY, ERR_LIMIT. */
[[gnu::warn_unused_result]] int relay_body(struct bytes *ret, struct built_block *b, bool ssz,
                                           bool optimistic, struct error *why);

/* relay_gzip appends a gzip stream. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int relay_gzip(struct buf *out, struct bytes in, struct error *why);

/* What a relay's answer means for the builder. */
enum relay_answer {
    RELAY_ACCEPTED,
    RELAY_IGNORED,       /* nothing is wrong and nothing is gained: below the floor, a repeat */
    RELAY_SLOT_OVER,     /* stop with this slot: it is past, or delivered */
    RELAY_BLOCK_INVALID, /* its simulation refuses the block: stop the slot, look into it */
    RELAY_OWN_FAULT,     /* it could not simulate */
    RELAY_CONNECTION,    /* timeouts, gateways */
    RELAY_RATE_LIMITED,
    RELAY_NOT_YET,          /* it has not seen the slot's payload attributes */
    RELAY_NO_CANCELLATIONS, /* it takes none that replace higher ones */
    RELAY_REFUSED,          /* any other refusal */
    RELAY_ANSWER_COUNT,
};
const char *relay_answer_name(enum relay_answer a);

/* relay_classify reads a status and a body. `benign` answers are no errors for metrics. */
enum relay_answer relay_classify(unsigned status, struct bytes body);

/* A proposer as its relay knows it. */
struct relay_duty {
    uint64_t slot;
    struct address fee_recipient;
    uint64_t gas_limit;
    struct bytes48 pubkey;
};

/* relay_duties_decode reads GET /relay/v1/builder/validators into the arena.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_RANGE, ERR_NOT_FOUND, ERR_LIMIT. */
[[gnu::warn_unused_result]] int relay_duties_decode(const struct relay_duty **ret,
                                                    size_t *ret_count, struct bytes body,
                                                    struct arena *a, struct error *why);

/* A bid of the top-bid stream: 188 bytes of SSZ. errors  ERR_SYNTAX. */
struct top_bid {
    uint64_t timestamp_ms, slot, block_number;
    struct hash block_hash, parent_hash;
    struct bytes48 builder_pubkey;
    struct address fee_recipient;
    struct u256 value;
};
#define TOP_BID_BYTES 188u
[[gnu::warn_unused_result]] int top_bid_decode(struct top_bid *ret, struct bytes in,
                                               struct error *why);

#endif
