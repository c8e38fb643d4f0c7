/* The irregular change of the DAO fork (EIP-779). SPDX-License-Identifier: MIT */
#ifndef CHAIN_DAO_H
#define CHAIN_DAO_H

#include "evm/state.h"

/* Blocks from the fork on that must carry the fork's text in their extra data. */
#define DAO_EXTRA_BLOCKS 10
#define DAO_EXTRA "dao-hard-fork"

/* dao_move_balances moves the balances of the listed accounts to the refund contract, in the
 * running transaction of the state. */
void dao_move_balances(struct state *s);

#endif
