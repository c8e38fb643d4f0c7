/* Filling a block: orders are committed to a run one after another, with the exact semantics of
 * each kind, and any of them can be taken back.
 *
 *     fill_begin ─▶ fill_step (order) ... fill_step (order) ─▶ fill_end ─▶ the candidate
 *         ▲                                                       │
 *         └────────── fill_restart: the same steps cost nothing ◀─┘
 *
 * A fill remembers its steps. After fill_restart the caller decides anew, order by order; as long
 * as it takes the same decisions nothing is executed, at the first other one the run goes back to
 * that point. So a new order costs what comes after its place, a cancelled one likewise, and each
 * algorithm gets that without knowing.
 * Executing a transaction records its effects (chain/effects.h) with the job's transaction, for
 * every fill of the job: where all that it read is unchanged, it is applied instead of run.
 *
 * Refunds are paid by transactions of the builder that follow their order. They run with their
 * fields only and are signed when the block is sealed (fill_sign).
 *
 * Threads: a fill, its run and machine belong to one thread; job transactions are shared.
 * Source: flashbots/rbuilder, building/order_commit.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_FILL_H
#define BUILDER_FILL_H

#include "base/map.h"
#include "builder/build_order.h"
#include "chain/block_run.h"

#include <stdatomic.h>

#define FILL_EFFECTS_MAX 24u              /* outcomes kept of one transaction */
#define FILL_PAYOUT_GAS 21000u            /* of a payout to an account without code */
#define FILL_PAYOUT_BYTES 128u            /* a signed payout transaction, at most */
#define FILL_BLOCK_RESERVE_BYTES 1000000u /* kept below the fork's limit of a block's size */

struct block_list; /* addresses that may not take part */

/* The outcome of a transaction on one state, as some fill found it. */
struct known_effects {
    struct effects effects;
    bool listed; /* it touches an address of the block list */
    struct known_effects *next;
};

/* The outcomes of a transaction that are known, shared by all orders that hold it and all fills. */
struct tx_outcomes {
    _Atomic(struct known_effects *) known; /* newest first */
    atomic_uint count;
};

/* A transaction of an order within a job. */
struct job_tx {
    const struct build_tx *t;
    struct tx_outcomes *shared;
    uint32_t sender;             /* index of its sender in the job */
    const uint32_t *authorities; /* and of those who authorized */
};

enum commit_status {
    COMMIT_DONE,
    COMMIT_BLOCK_RANGE,   /* not for this block */
    COMMIT_TIME_RANGE,    /* not for its timestamp */
    COMMIT_LISTED,        /* touches an address of the block list */
    COMMIT_GAS_LEFT,      /* no room for a transaction's gas */
    COMMIT_BLOB_GAS_LEFT, /* or for its blobs */
    COMMIT_SIZE_LEFT,     /* or for its bytes */
    COMMIT_NONCE_LOW,
    COMMIT_NONCE_HIGH,
    COMMIT_INVALID,          /* a transaction is not valid: see fault */
    COMMIT_REVERTED,         /* one failed that may not */
    COMMIT_EMPTY,            /* all were left out */
    COMMIT_REFUND_TOO_SMALL, /* less than its payout's gas */
    COMMIT_REFUND_FAILED,    /* the recipient does not take it, or nobody can pay */
    COMMIT_BLOB_PROOF,       /* a blob's proof is wrong; found before it is committed */
    COMMIT_PROFIT_NEGATIVE,
    COMMIT_PROFIT_TOO_LOW, /* less than was asked for */
    COMMIT_STATUS_COUNT,
};

/* commit_status_name gives a stable snake_case name; commit_status_text a line for a person. */
const char *commit_status_name(enum commit_status s);
const char *commit_status_text(enum commit_status s);

/* What an order came to, on the state that it was committed to. */
struct commit_result {
    enum commit_status status;
    uint32_t tx;                /* the transaction that decided a failure */
    struct transact_result why; /* COMMIT_INVALID, NONCE_*, REVERTED: of that transaction */
    struct u256 profit;         /* what the coinbase gained, refunds deducted; 0 for a loss */
    struct u256 kickbacks;      /* refunds paid, wei that reached recipients */
    struct u256 delayed;        /* refunds that are recorded, and kept to be paid later */
    uint64_t gas_used, blob_gas_used;
};

/* An order within a job. */
struct job_order {
    const struct build_order *order;
    struct job_tx **txs;     /* one for each of order->txs */
    const uint32_t *senders; /* one for each of order->nonces: index in the job */
};

/* One transaction of the candidate. */
struct fill_tx {
    const struct job_tx *job;      /* NULL: a payout */
    const struct job_order *order; /* whose it is; NULL: the block's own payout */
    size_t payout;                 /* index, when job is NULL */
};

/* A point of the fill. */
struct fill_mark {
    struct block_mark run;
    size_t tx_count, payout_count, bytes;
    struct u256 owed;
};

/* A decision and what came of it. */
struct fill_step {
    const struct job_order *order;
    struct u256 least_profit;
    struct fill_mark before;
    struct commit_result result;
};

struct fill_payout {
    struct tx tx; /* not signed */
    struct address to;
    struct u256 value;
};

struct fill_options {
    const struct block_list *listed; /* NULL: none */
    struct address payer;            /* the builder's account, the coinbase */
    bool can_pay;                    /* it can sign: refunds are possible */
    bool allow_skip;                 /* transactions that may revert may be left out when invalid */
    bool share_may_lose;             /* simulation off: share bundles of negative profit stay */
    uint64_t reserved_gas;           /* kept for the block's own payout */
    size_t reserved_bytes;           /* of the block, kept for the same and withdrawals */
};

struct block_fill {
    struct block_run *run;
    struct fill_options options;
    struct state_account *coinbase; /* of the run's state */
    struct arena *effects;          /* the job's, for what this fill records */
    struct fill_tx *txs;
    size_t tx_count, tx_room;
    struct fill_payout *payouts;
    size_t payout_count, payout_room;
    struct fill_step *steps;
    size_t step_count, step_room;
    size_t cursor;            /* steps that the present decisions share with the remembered ones */
    size_t bytes, bytes_max;  /* of transactions; 0: no limit */
    struct u256 base_balance; /* of the coinbase before orders */
    struct u256 owed;         /* delayed refunds: the coinbase has them, and they are not its own */
    struct fill_mark before_pay; /* of fill_pay */
    uint64_t executed, applied;  /* transactions, for metrics */
    uint64_t sought_gas;         /* run to find what payouts need */
    uint32_t *seen;              /* of fill_check: 1 + index of a transaction, by its hash */
    size_t seen_room;
};

void fill_init(struct block_fill *f);
void fill_free(struct block_fill *f);

/* fill_begin starts on a run that has begun (block_run_begin, producer_begin) and has no
 * transactions. The run's environment is what effects are recorded for: job transactions must be
 * of the same.
 * effects  memory for what is recorded, as long as the job's transactions; when its limit is
 *          reached, nothing more is recorded. NULL: nothing is.
 * errors   those of the reader. */
[[gnu::warn_unused_result]] int fill_begin(struct block_fill *f, struct block_run *run,
                                           const struct fill_options *options,
                                           struct arena *effects, struct error *why);

/* fill_force puts a transaction before all orders that must stand there whatever it comes to: those
 * of a rollup's attributes (deposits first). What it pays counts as the block's, not as profit.
 * t       as long as the fill; its build_tx has may_revert set.
 * errors  ERR_INVALID (not valid at its place), ERR_CONFLICT (orders stand already), those of the
 *         reader. */
[[gnu::warn_unused_result]] int fill_force(struct block_fill *f, const struct job_tx *t,
                                           struct error *why);

/* fill_restart goes back to the first decision; nothing is undone as long as decisions agree. */
void fill_restart(struct block_fill *f);

/* fill_step commits an order after those of before, or says why not (then nothing has changed).
 * least_profit  less is COMMIT_PROFIT_TOO_LOW, with the profit that it would have had.
 * ret           borrowed until the next step.
 * errors        those of the reader, ERR_NO_MEMORY: the fill must begin again. */
[[gnu::warn_unused_result]] int fill_step(struct block_fill *f, const struct job_order *order,
                                          const struct u256 *least_profit,
                                          const struct commit_result **ret, struct error *why);

/* fill_end takes back what was decided before and not any more; the run is then the candidate. */
void fill_end(struct block_fill *f);

/* fill_profit gives what the coinbase has gained since fill_begin, less the delayed refunds; 0 for
 * a loss. After fill_end, or between steps. */
struct u256 fill_profit(const struct block_fill *f);

/* fill_step_txs gives the transactions of a step below the cursor: indexes [*ret_from, *ret_to). */
void fill_step_txs(const struct block_fill *f, size_t step, size_t *ret_from, size_t *ret_to);

/* fill_payout_gas finds the gas limit that a payment to `to` needs now: 21,000 for accounts
 * without code, else measured, with at most `most` (of 21,000 and more): a recipient's code may
 * burn whatever it is given.
 * *ret_possible  false when it fails with that; then *ret_gas is what it used.
 * errors  those of the reader. */
[[gnu::warn_unused_result]] int fill_payout_gas(struct block_fill *f, const struct address *to,
                                                uint64_t most, uint64_t *ret_gas,
                                                bool *ret_possible, struct error *why);

/* fill_pay appends the block's own payment (to the proposer) to the candidate; it must be the
 * last. fill_unpay takes it back. *ret_paid: it ran with success.
 * gas     its limit, of what was reserved.   errors  those of the reader, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int fill_pay(struct block_fill *f, const struct address *to,
                                         const struct u256 *value, uint64_t gas, bool *ret_paid,
                                         struct error *why);
void fill_unpay(struct block_fill *f);

/* fill_sign gives the candidate's transactions in order, payouts signed.
 * ret     tx_count pointers in the arena. errors  ERR_LIMIT, ERR_NO_MEMORY, those of tx_sign. */
[[gnu::warn_unused_result]] int fill_sign(struct block_fill *f, const struct tx *const **ret,
                                          const struct ecdsa_signer *signer,
                                          const struct ecdsa_secret_key *key, struct arena *a,
                                          struct error *why);

/* fill_check is the last look before a block leaves: every transaction stands once and where its
 * order allows it, no failed one that may not fail, no replacement key twice, no listed address.
 * errors  ERR_INTERNAL with what is wrong. */
[[gnu::warn_unused_result]] int fill_check(struct block_fill *f, struct error *why);

#endif
