/* Which logs a user wants: addresses, topics by position, and the blocks to look at.
 *
 * A position of `topics` is null (anything), one topic, or a list of which one must be there; a
 * log with fewer topics than positions does not match. No address, or an empty list, matches all.
 * Source: ethereum/execution-apis (Filter); EIP-234. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_LOG_FILTER_H
#define ETH_LOG_FILTER_H

#include "eth/receipt.h"
#include "eth/rpc_call.h"

#define LOG_FILTER_ADDRESSES_MAX 1000u
#define LOG_FILTER_TOPICS_MAX 1000u /* in one position */

struct log_filter_topics {
    const struct hash *any; /* count 0: every topic */
    size_t count;
};

struct log_filter {
    bool has_block_hash; /* EIP-234: exactly that block */
    struct hash block_hash;
    bool has_from, has_to;
    struct block_param from, to; /* latest when absent */
    const struct address *addresses;
    size_t address_count;
    struct log_filter_topics topics[LOG_TOPICS_MAX];
    unsigned topic_count; /* positions that a log must have */
};

/* log_filter_decode reads a filter object; its lists stand in the arena; null is a filter that
 * lets all through.
 * errors  ERR_INVALID (blockHash beside a range, wrong types), ERR_LIMIT, ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int log_filter_decode(struct log_filter *ret, const struct json *in,
                                                  struct arena *a, struct error *why);

/* log_filter_copy copies a filter with its lists into another arena. errors  ERR_LIMIT. */
[[gnu::warn_unused_result]] int log_filter_copy(struct log_filter *ret, const struct log_filter *f,
                                                struct arena *a, struct error *why);

/* log_filter_matches: the log is one of those. */
bool log_filter_matches(const struct log_filter *f, const struct event_log *l);

/* log_filter_may_match: a block (or receipt) with this bloom may have such a log. The hashing of
 * the filter's values is done once, in a log_filter_bits. */
#define LOG_FILTER_BITS_MAX 64 /* values whose bits are kept; filters of more look at each log */
struct log_filter_bits {
    struct {
        uint16_t bit[3];
    } value[LOG_FILTER_BITS_MAX];
    unsigned group_end[1 + LOG_TOPICS_MAX]; /* addresses, then each position: end in value */
    unsigned groups;
    bool all; /* cannot tell */
};
void log_filter_bits_init(struct log_filter_bits *ret, const struct log_filter *f);
bool log_filter_may_match(const struct log_filter_bits *bits, const struct bloom *bloom);

#endif
