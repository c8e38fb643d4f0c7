/* One transaction on a state: validity, fees, authorizations, execution, refunds.
 *
 * What it is: the state transition of the Yellow Paper (6) and of the EIPs since, for blocks being
 * imported, built or simulated alike. What it is not: a block (chain/block_run.h) or a pool.
 * The machine's state, fork (evm_use) and block must be set. The changes stay in the state's
 * journal; the caller reverts to a mark of before if it does not want them.
 * Source: EIP-2, 161, 658, 1559, 2681, 2929, 2930, 3529, 3607, 3651, 4844, 6780, 7623, 7702, 7825;
 * OP Stack specs (deposits.md) for type 0x7e. One thread per machine.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_TRANSACT_H
#define CHAIN_TRANSACT_H

#include "eth/tx.h"
#include "eth/tx_check.h"
#include "evm/evm.h"

enum transact_fault {
    TRANSACT_VALID,
    TRANSACT_RULES, /* by the fork's rules or for want of room: see `rules` */
    TRANSACT_NONCE_LOW,
    TRANSACT_NONCE_HIGH,
    TRANSACT_SENDER_HAS_CODE, /* EIP-3607 */
    TRANSACT_BALANCE,         /* cannot pay the worst case */
};

/* Extra costs of a chain (the L1 data fee of a rollup): told before execution, charged to the
 * sender with the upfront cost, and credited when the transaction ends. Both functions give 0 or a
 * negative enum err. */
struct transact_surcharge {
    void *ctx;
    /* what the sender pays beyond gas */
    int (*cost)(void *ctx, struct evm *vm, const struct tx *t, struct u256 *ret, struct error *why);
    /* credits it (and the base fee, which a rollup keeps) to where it belongs */
    int (*settle)(void *ctx, struct evm *vm, const struct tx *t, const struct address *sender,
                  uint64_t gas_used, struct u256 cost, struct error *why);
};

struct transact_context {
    const struct fork_rules *rules;
    uint64_t gas_left;      /* of the block */
    uint64_t blob_gas_left; /* of the block */
    bool skip_nonce;        /* simulation: any nonce will do */
    bool skip_balance;      /* simulation: the sender is given what it lacks */
    bool skip_sender_code;  /* simulation: contracts may send (EIP-3607) */
    bool skip_fees;         /* simulation: what offers no fee pays none, whatever the base fee */
    const struct transact_surcharge *surcharge; /* NULL: none */
};

struct transact_result {
    enum transact_fault fault; /* not TRANSACT_VALID: nothing was changed, the rest is void */
    enum tx_fault rules;
    enum evm_status status;
    uint64_t gas_used;     /* what is charged */
    uint64_t gas_refunded; /* what the refund counter took off */
    uint64_t gas_peak;     /* what it needed before refunds, at least the floor */
    uint64_t blob_gas_used;
    uint64_t deposit_nonce; /* of a deposit's sender, before */
    struct u256 fee_to_coinbase;
    struct bytes output;         /* borrowed until the machine's next use */
    struct address created;      /* of creations that succeeded */
    size_t log_first, log_count; /* in the state's logs */
};

/* transact_run runs one transaction; `sender` is who signed it.
 * ret     also says that the transaction is not valid here (fault): that is no error.
 * errors  those of the state's reader; ERR_CANCELLED (the machine's abort flag). The state is then
 *         to be reverted by the caller. */
[[gnu::warn_unused_result]] int transact_run(struct evm *vm, const struct transact_context *c,
                                             const struct tx *t, const struct address *sender,
                                             struct transact_result *ret, struct error *why);

/* transact_fault_text gives one line about an invalid result, as tx_fault_text. */
const char *transact_fault_text(const struct transact_result *r);

/* transact_system_call runs a message of the protocol itself (EIP-4788, 2935, 7002, 7251): from
 * the system address, 30,000,000 gas, no fees, its own epoch of the state.
 * ret     status and output; *ret_missing (may be NULL): there is no code at `to`, nothing ran. */
[[gnu::warn_unused_result]] int transact_system_call(struct evm *vm, const struct address *to,
                                                     struct bytes input, struct evm_result *ret,
                                                     bool *ret_missing, struct error *why);

#endif
