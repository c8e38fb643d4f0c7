/* What transactions of an OP Stack chain pay beyond gas, and where it goes: the surcharge of
 * transact_run on such chains.
 *
 * The numbers come from the L1Block contract as the transaction finds it, so the first transaction
 * of a block (the deposit that sets them) counts for all that follow. The data fee and the operator
 * fee are taken with the upfront cost; in the end data fee, operator fee and base fee go to their
 * vaults, and what the operator fee was too much, back to the sender.
 * Source: ethereum-optimism/specs, exec-engine.md (fees, vaults), isthmus and jovian for the
 * operator fee; L1Block's storage as executed. Thread: that of the machine.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_OP_FEES_H
#define CHAIN_OP_FEES_H

#include "chain/transact.h"
#include "eth/op.h"

extern const struct address OP_L1_BLOCK;        /* 0x42..15 */
extern const struct address OP_SEQUENCER_VAULT; /* 0x42..11, where the tip usually goes */
extern const struct address OP_BASE_FEE_VAULT;  /* 0x42..19 */
extern const struct address OP_L1_FEE_VAULT;    /* 0x42..1a */
extern const struct address OP_OPERATOR_VAULT;  /* 0x42..1b */
extern const struct address OP_MESSAGE_PASSER;  /* 0x42..16 */

/* op_surcharge gives the surcharge of a chain; config stays where it is. Deposits pay none. */
struct transact_surcharge op_surcharge(const struct op_config *config);

/* op_l1_read reads the numbers from the running state. errors  those of the state. */
[[gnu::warn_unused_result]] int op_l1_read(struct op_l1 *ret, struct state *s, struct error *why);

#endif
