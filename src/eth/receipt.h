/* Receipts, logs and the bloom filter over them.
 *
 * Wire form: rlp([status or state root, cumulativeGas, bloom, logs]), for typed transactions with
 * the type byte before it (EIP-658, EIP-2718); OP deposits add their nonce and a version (specs,
 * deposits.md). That is also what the receipts trie holds.
 * A decoded receipt points into its input and arena. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_RECEIPT_H
#define ETH_RECEIPT_H

#include "base/arena.h"
#include "eth/tx.h"

#define LOG_TOPICS_MAX 4

struct bloom {
    uint8_t b[256];
};

struct event_log {
    struct address address;
    unsigned topic_count; /* at most LOG_TOPICS_MAX */
    struct hash topics[LOG_TOPICS_MAX];
    struct bytes data;
};

struct receipt {
    enum tx_type type;
    bool has_state_root; /* before Byzantium: state_root instead of success */
    bool success;
    bool has_deposit_nonce, has_deposit_version; /* TX_DEPOSIT from Regolith, from Canyon */
    uint64_t deposit_nonce, deposit_version;
    uint64_t cumulative_gas; /* gas used in the block up to and with this transaction */
    const struct event_log *logs;
    size_t log_count;
    struct hash state_root;
    struct bloom bloom;
};

/* bloom_add sets the three bits of one value (an address or a topic). */
void bloom_add(struct bloom *b, struct bytes value);

/* bloom_add_logs sets the bits of many logs, hashing in batches. */
void bloom_add_logs(struct bloom *b, const struct event_log *logs, size_t count);

/* The bits of values that came lately: a builder's candidates have the same logs again and again. A
 * value that falls on another's place takes it. Zeroed at the start; one thread. */
#define BLOOM_CACHE_PLACES 8192u
struct bloom_cache {
    struct {
        uint8_t value[32];
        uint8_t n; /* bytes of it; 0: free */
        uint16_t bits[3];
    } place[BLOOM_CACHE_PLACES];
};

/* bloom_add_logs_cached is bloom_add_logs by way of a cache. */
void bloom_add_logs_cached(struct bloom *b, const struct event_log *logs, size_t count,
                           struct bloom_cache *cache);

/* bloom_merge sets in b what is set in other. */
void bloom_merge(struct bloom *b, const struct bloom *other);

/* bloom_may_contain: the value may be among what was added (false positives happen). */
bool bloom_may_contain(const struct bloom *b, struct bytes value);

/* logs_encode appends rlp(logs), whose Keccak-256 state tests compare. */
void logs_encode(struct buf *out, const struct event_log *logs, size_t count);

/* receipt_encode appends the envelope. */
void receipt_encode(struct buf *out, const struct receipt *r);

/* receipt_decode reads exactly one envelope. errors  ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED,
 * ERR_LIMIT (arena; a log of more than four topics). *ret untouched on error. */
[[gnu::warn_unused_result]] int receipt_decode(struct receipt *ret, struct bytes in,
                                               struct arena *a, struct error *why);

#endif
