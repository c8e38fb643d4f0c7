/* A block's execution, transaction by transaction: the one path of import and production.
 *
 *     block_run_begin ─▶ block_run_tx ... ─▶ block_run_finish ─▶ header, receipts, requests
 *                          │      ▲
 *                          ▼      │ block_run_rewind (to any transaction before)
 *
 * The state's journal holds all changes until the caller takes them (memory_state_apply, a store)
 * or reverts. Roots of the state are the caller's: it has the trie.
 * Source: EIP-779, 1559, 2935, 4788, 4844, 4895, 6110, 7002, 7251, 7685; docs/evm.md for the order.
 * One thread per machine.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_BLOCK_RUN_H
#define CHAIN_BLOCK_RUN_H

#include "chain/effects.h"
#include "chain/transact.h"
#include "eth/block.h"
#include "eth/receipt.h"

/* What is kept of the receipts of one finish for the next: a builder's candidates differ little. */
struct block_receipts {
    struct bloom_cache *blooms;
    struct buf encoded;
    size_t *ends;        /* in encoded */
    struct hash *leaves; /* of the trie; zero where not known */
    size_t count;
};

/* What a block is before it has transactions. */
struct block_env {
    const struct chain_config *config;
    enum fork fork;
    struct hash parent_hash;
    struct address coinbase;
    uint64_t number, timestamp, gas_limit;
    struct u256 prevrandao; /* difficulty before Paris */
    struct u256 base_fee;
    uint64_t excess_blob_gas;
    struct hash parent_beacon_root;
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
    const struct header *ommers; /* before Paris */
    size_t ommer_count;
    int (*block_hash)(void *ctx, struct hash *ret, uint64_t number, struct error *why);
    void *block_hash_ctx;
    const struct transact_surcharge *surcharge; /* NULL: none */
    /* Before Byzantium receipts hold the state root after each transaction; NULL: zeros. */
    int (*state_root)(void *ctx, struct state *s, struct hash *ret, struct error *why);
    void *state_root_ctx;
    bool no_rewards;           /* before Paris: none are paid */
    const struct u256 *reward; /* another than the fork's, in wei; NULL: the fork's */
    bool replay; /* no pre-state but that of the transactions: no rewards, withdrawals, requests */
};

/* block_env_of gives the environment of a decoded block; hooks are left to the caller. */
struct block_env block_env_of(const struct chain_config *config, const struct block *b);

/* block_env_has_passer: withdrawals_root is the storage root of the rollup's message passer. */
bool block_env_has_passer(const struct block_env *env);

/* What is remembered of a transaction that stands in the block. */
struct block_entry {
    enum tx_type type;
    enum evm_status status;
    uint64_t gas_used, cumulative_gas;
    uint64_t blob_gas_used;
    struct u256 fee_to_coinbase;
    size_t log_first, log_count; /* in the state's logs */
    struct hash state_root;      /* before Byzantium */
    uint64_t deposit_nonce;      /* OP deposits */
};

struct block_mark {
    struct state_mark state;
    size_t count;
    uint64_t gas_used, blob_gas_used;
};

struct block_run {
    struct evm *vm;
    struct block_env env;
    struct transact_context context;
    struct block_entry *entries;
    size_t count, room;
    uint64_t gas_used, blob_gas_used; /* of a rollup from Jovian on: gas and data footprint */
    uint64_t blob_gas_limit;
    bool footprint;               /* blob gas is the data footprint */
    struct block_receipts *again; /* NULL: this run has one block after another */
};

/* block_run_init makes a run on a machine and a state; block_run_free ends it.
 * A run is used for one block after another (block_run_begin). */
void block_run_init(struct block_run *b, struct evm *vm);
void block_run_free(struct block_run *b);

/* block_run_expect_repeats has receipts remembered from one block_run_finish to the next: for runs
 * whose blocks have much in common. Without memory it does nothing. */
void block_run_expect_repeats(struct block_run *b);

/* block_run_begin sets the machine up for a block on `state` and makes the calls that come before
 * transactions (4788, 2935, the DAO's move).
 * errors  those of the reader; ERR_INVALID when a contract that must be there fails. */
[[gnu::warn_unused_result]] int block_run_begin(struct block_run *b, struct state *state,
                                                const struct block_env *env, struct error *why);

/* block_run_tx runs a transaction and appends it if it is valid (ret->fault). Room for gas and
 * blobs is the block's. errors  as transact_run, and then the state is as before. */
[[gnu::warn_unused_result]] int block_run_tx(struct block_run *b, const struct tx *t,
                                             const struct address *sender,
                                             struct transact_result *ret, struct error *why);

/* block_run_apply appends a transaction whose effects are known, if they hold here and there is
 * room; *ret_held says whether (else nothing happened, and it must be run).
 * errors  those of the state, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int block_run_apply(struct block_run *b, const struct tx *t,
                                                const struct effects *e,
                                                struct transact_result *ret, bool *ret_held,
                                                struct error *why);

/* Going back to a point before some transactions. */
struct block_mark block_run_mark(const struct block_run *b);
void block_run_rewind(struct block_run *b, struct block_mark mark);

/* block_run_receipts makes the receipts of the entries, with blooms, in an arena; their log data
 * points into the state. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int block_run_receipts(struct block_run *b, const struct receipt **ret,
                                                   struct arena *a, struct error *why);

struct block_outcome {
    uint64_t gas_used, blob_gas_used;
    struct bloom bloom;
    struct hash receipts_root;
    struct hash withdrawals_root; /* Shanghai. On rollups from Isthmus on it is the message
                                     passer's storage root, which the caller has: zero here */
    struct hash requests_hash;    /* Prague */
    const struct receipt *receipts;
    size_t receipt_count;
    struct bytes requests[3]; /* type || data, of those that have data */
    size_t request_count;
};

/* block_run_finish does what comes after transactions (requests, withdrawals, rewards) and sums
 * up. Everything of *ret lives in `a` and the state.
 * errors  those of the reader; ERR_INVALID: a deposit log or a request contract is not as it must
 *         be; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int block_run_finish(struct block_run *b, struct block_outcome *ret,
                                                 struct arena *a, struct error *why);

/* block_withdrawals_root gives the root of a list of withdrawals. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int block_withdrawals_root(struct hash *ret,
                                                       const struct withdrawal *withdrawals,
                                                       size_t count, struct arena *scratch,
                                                       struct error *why);

/* Threads that run ahead (chain/ahead.h). */
struct ahead;

/* block_run_all runs a decoded block from begin to finish and compares with its header: gas, blob
 * gas, bloom, the roots of transactions, receipts, withdrawals, requests. The state root is left
 * to the caller.
 * senders  of each transaction; NULL: recovered here.
 * ahead    threads that run transactions ahead (needs senders); NULL: one after another.
 * errors   as above; ERR_INVALID with the first transaction or field that is wrong. */
[[gnu::warn_unused_result]] int
block_run_all(struct block_run *b, struct state *state, const struct block_env *env,
              const struct block *block, const struct address *senders, struct ahead *ahead,
              struct block_outcome *ret, struct arena *a, struct error *why);

#endif
