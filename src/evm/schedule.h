/* What a fork changes in execution, as data: opcodes, their static gas, and the parameters of the
 * dynamic part.
 *
 * The tables in schedule.c hold one row per opcode (with the fork it appeared in) and one row per
 * later change; evm_schedule_init folds the rows up to a fork into one flat struct that the
 * decoder and the interpreter read. A new fork is new rows there, never a condition in the
 * interpreter. Specification: Yellow Paper appendices G and H, and the EIP named at each row.
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_SCHEDULE_H
#define EVM_SCHEDULE_H

#include "eth/fork.h"

#include <stdbool.h>
#include <stdint.h>

/* One opcode as a fork sees it. A byte that is no opcode has defined = false. */
struct evm_op {
    const char *name; /* "ADD"; NULL when not defined */
    uint16_t gas;     /* the static part */
    uint8_t pops, pushes;
    bool defined;
};

/* How SSTORE is priced. */
enum evm_sstore_rule {
    EVM_SSTORE_PLAIN, /* set or reset, by the present value alone */
    EVM_SSTORE_NET,   /* net metering: EIP-1283, EIP-2200 and their repricings */
};

/* The parameters, one member each so that a row of a change can name its place. All are gas
 * unless the comment says otherwise; flags are 0 or 1. */
struct evm_params {
    uint32_t exp_byte;            /* EXP, per byte of the exponent */
    uint32_t access_lists;        /* flag: EIP-2929 warm and cold */
    uint32_t account_cold;        /* first touch of an account in a transaction */
    uint32_t account_warm;        /* a touch: what the static gas of CALL and others replaces */
    uint32_t slot_cold;           /* first touch of a slot */
    uint32_t slot_warm;           /* SLOAD of a warm slot */
    uint32_t sstore_rule;         /* enum evm_sstore_rule */
    uint32_t sstore_sentry;       /* SSTORE needs more gas than this (EIP-2200), 0: no check */
    uint32_t sstore_set;          /* zero to non-zero */
    uint32_t sstore_reset;        /* any other first change */
    uint32_t sstore_dirty;        /* no change, or not the first one */
    uint32_t sstore_clear_refund; /* non-zero to zero */
    uint32_t call_value;          /* CALL and CALLCODE with value */
    uint32_t call_new_account;    /* CALL that brings an account to life */
    uint32_t selfdestruct_new;    /* SELFDESTRUCT that brings an account to life */
    uint32_t selfdestruct_refund; /* refund for SELFDESTRUCT */
    uint32_t keep_64th;           /* flag: EIP-150, a caller keeps 1/64 of its gas */
    uint32_t clear_empty;         /* flag: EIP-161 */
    uint32_t new_contract_nonce;  /* 1 from EIP-161 on */
    uint32_t code_size_max;       /* bytes; UINT32_MAX: no limit (EIP-170) */
    uint32_t code_deposit_halts;  /* flag: EIP-2, no gas for the code's deposit fails the CREATE */
    uint32_t code_no_ef;          /* flag: EIP-3541 */
    uint32_t initcode_size_max;   /* bytes; UINT32_MAX: no limit (EIP-3860) */
    uint32_t initcode_word;       /* per word of initcode */
    uint32_t destruct_same_tx;    /* flag: EIP-6780 */
    uint32_t delegation;          /* flag: EIP-7702 */
    uint32_t refund_quotient;     /* at most gas used divided by this is refunded */
    uint32_t warm_coinbase;       /* flag: EIP-3651 */
    uint32_t status_receipts;     /* flag: EIP-658 */
    uint32_t prevrandao;          /* flag: EIP-4399 */
};

struct evm_schedule {
    enum fork fork;
    struct evm_op op[256];
    struct evm_params p;
};

/* evm_schedule_init fills *ret for a fork. cost about 2 us; keep the result. */
void evm_schedule_init(struct evm_schedule *ret, enum fork fork);

#endif
