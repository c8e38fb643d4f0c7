/* Making blocks: a parent, attributes, transactions, and the sealed block.
 *
 *     producer_begin(p, parent, attributes)
 *         run = producer_run(p): block_run_tx, block_run_apply, block_run_mark, block_run_rewind
 *     producer_seal(p, txs): header, RLP, receipts, requests; the run stands as before
 *
 * The environment, the calls before and after transactions, the outcome and the state root are the
 * ones that head_import checks with: a sealed block imports as valid. Sealing leaves the run as it
 * was, so that a builder seals one candidate, goes on or back, and seals the next; tries stay known
 * from one candidate to the next and from one parent to its child, so that a seal costs what
 * differs.
 *
 * Threads: a producer belongs to one thread at a time; there may be many on one head.
 * Source: Engine API (PayloadAttributesV3), EIP-1559, 4844, 4788, 4895, 7685; OP Stack specs
 * (exec-engine.md, Holocene) for the rollup's attributes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_PRODUCE_H
#define CHAIN_PRODUCE_H

#include "chain/head.h"

struct producer;

struct produce_attributes {
    uint64_t timestamp;
    struct hash prev_randao;
    struct address fee_recipient;
    const struct withdrawal *withdrawals; /* Shanghai; copied */
    size_t withdrawal_count;
    struct hash parent_beacon_root; /* Cancun */
    uint64_t gas_limit;             /* wanted: reached in steps of a 1024th; 0: the parent's */
    bool gas_limit_exact;           /* it is what it will be, as always on a rollup */
    struct bytes extra_data;        /* at most 32 bytes, copied */
    struct op_base_fee base_fee;    /* of a rollup from Holocene on: makes extra_data */
};

/* The parts of time of the last seal, in nanoseconds. */
struct produce_times {
    uint64_t outcome_ns; /* withdrawals, system calls, receipts, their root and bloom */
    uint64_t root_ns;    /* state root */
    uint64_t header_ns;  /* transactions root, header, hash, RLP */
};

/* A sealed block; lives in the arena given. */
struct produced {
    struct header header;
    struct hash hash;
    struct bytes rlp;
    const struct receipt *receipts;
    size_t receipt_count;
    struct bytes requests[3]; /* type || data */
    size_t request_count;
    struct produce_times times;
};

/* producer_new makes one with a machine and a state of its own; producer_free ends it (NULL is
 * allowed). team  hashes beside the caller, while no other producer uses it; NULL: none.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int producer_new(struct producer **ret, struct head *h,
                                             struct trie_team *team, struct error *why);
void producer_free(struct producer *p);

/* producer_expect_repeats has the producer remember what leaves of the lists' tries hash to, and
 * the bits of blooms, from one seal to the next. The blocks are the same. */
void producer_expect_repeats(struct producer *p);

struct head *producer_head(struct producer *p);

/* producer_begin begins a block on a known parent; what was begun before is gone. With the same
 * parent and attributes it begins again at little cost (what was read stays known).
 * errors  ERR_NOT_FOUND, ERR_STALE (the parent's state), ERR_INVALID (the attributes break a rule:
 *         a timestamp not after the parent's, withdrawals before Shanghai, extra data too long, or
 *         a system contract fails), those of the store, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int producer_begin(struct producer *p, const struct hash *parent,
                                               const struct produce_attributes *attributes,
                                               struct error *why);

/* producer_run gives the run that has begun: for block_run_tx, _apply, _mark and _rewind.
 * producer_header gives the header as far as it is known before transactions: parent, number,
 * times, base fee, gas limit, excess blob gas. Both are the producer's, until the next begin. */
struct block_run *producer_run(struct producer *p);
const struct header *producer_header(const struct producer *p);

/* producer_view gives the view of the parent that the producer holds. */
struct head_view *producer_view(struct producer *p);

/* producer_seal finishes the block with the run's transactions and takes the run back to where it
 * was.
 * txs     those that stand in the run, in their order; each with raw (decoded or signed).
 * ret     lives in `a`, about three times the block's size.
 * errors  ERR_CONFLICT (count differs from the run's), ERR_INVALID (larger than the fork allows,
 *         or a system contract fails), those of the store, ERR_NO_MEMORY. The run is as before.
 * cost    below 1 ms for a usual block with warm tries; times in ret. */
[[gnu::warn_unused_result]] int producer_seal(struct producer *p, struct produced *ret,
                                              const struct tx *const *txs, size_t count,
                                              struct arena *a, struct error *why);

#endif
