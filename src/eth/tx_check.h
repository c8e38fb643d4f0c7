/* Validity of a transaction by the rules of a fork, as pure functions: what can be known before the
 * state is asked (the sender's nonce, balance and code are the state's matter, chain/).
 *
 * Source: EIP-2, 155, 1559, 2028, 2681, 3860, 4844, 7594, 7623, 7702, 7825, in the order of the
 * reference client. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_TX_CHECK_H
#define ETH_TX_CHECK_H

#include "eth/fork.h"
#include "eth/tx.h"

enum tx_fault {
    TX_VALID,
    TX_FAULT_TYPE,               /* the fork does not know the type */
    TX_FAULT_REPLAY_PROTECTION,  /* names a chain before EIP-155 */
    TX_FAULT_CHAIN_ID,           /* is for another chain */
    TX_FAULT_SIGNATURE,          /* r or s is 0 or not below n */
    TX_FAULT_SIGNATURE_HIGH_S,   /* s is above n/2 */
    TX_FAULT_NONCE_MAX,          /* nonce is 2^64-1 (EIP-2681) */
    TX_FAULT_GAS_CAP,            /* gas above the fork's limit for one transaction */
    TX_FAULT_PRIORITY_ABOVE_MAX, /* max priority fee above max fee */
    TX_FAULT_FEE_BELOW_BASE,     /* max fee below the block's base fee */
    TX_FAULT_BLOB_TO,            /* a blob transaction creates */
    TX_FAULT_BLOB_NONE,          /* a blob transaction without blobs */
    TX_FAULT_BLOB_COUNT,         /* more blobs than one transaction may have */
    TX_FAULT_BLOB_VERSION,       /* a versioned hash of an unknown version */
    TX_FAULT_BLOB_FEE_BELOW_BASE,
    TX_FAULT_BLOB_GAS_LEFT, /* the block has no room for the blobs */
    TX_FAULT_SET_CODE_TO,   /* a set-code transaction creates */
    TX_FAULT_SET_CODE_NONE, /* a set-code transaction without authorizations */
    TX_FAULT_INITCODE,      /* creation code above the limit */
    TX_FAULT_GAS_LEFT,      /* the block has no room for the gas */
    TX_FAULT_COST_OVERFLOW, /* gas * max fee does not fit 256 bits */
    TX_FAULT_INTRINSIC_GAS, /* gas below the intrinsic gas */
    TX_FAULT_FLOOR_GAS,     /* gas below the calldata floor */
    TX_FAULT_COUNT,
};

/* tx_fault_text gives one line for a person, in the words of execution clients, which wallets and
 * test fillers look for; tx_fault_name a stable snake_case name. */
const char *tx_fault_text(enum tx_fault f);
const char *tx_fault_name(enum tx_fault f);

/* tx_check_static judges what depends on the fork and the chain only. Deposits are TX_FAULT_TYPE:
 * they come from the OP Stack's derivation, never from users. Whether a public key exists for the
 * signature is found when the sender is recovered. */
enum tx_fault tx_check_static(const struct tx *t, const struct fork_rules *rules,
                              uint64_t chain_id);

/* What a block offers to the next transaction. */
struct tx_room {
    struct u256 base_fee;      /* 0 before London */
    struct u256 blob_base_fee; /* 0 before Cancun */
    uint64_t gas_left;
    uint64_t blob_gas_left;
};

/* tx_check_room judges a statically valid transaction against its block. */
enum tx_fault tx_check_room(const struct tx *t, const struct tx_room *room);

/* tx_intrinsic_gas: gas that a transaction costs before it runs. */
uint64_t tx_intrinsic_gas(const struct tx *t, const struct fork_rules *rules);

/* tx_floor_gas: the least gas that it is charged in the end (EIP-7623); 0 before Prague. */
uint64_t tx_floor_gas(const struct tx *t, const struct fork_rules *rules);

/* tx_max_cost: gas * max_fee + value + blob gas * max_blob_fee, what the sender must own; true when
 * it fits 256 bits. */
bool tx_max_cost(struct u256 *ret, const struct tx *t);

/* tx_effective_price: wei a gas that the sender pays, min(max_fee, base_fee + max_priority_fee). */
struct u256 tx_effective_price(const struct tx *t, struct u256 base_fee);

/* tx_blob_gas: blob gas of a transaction. */
static inline uint64_t tx_blob_gas(const struct tx *t) {
    return (uint64_t)t->blob_count * GAS_PER_BLOB;
}

#endif
