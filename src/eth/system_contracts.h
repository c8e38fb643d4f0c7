/* Contracts that blocks call by themselves and that a new chain must have in its genesis, as they
 * stand on mainnet.
 * Source: EIP-4788, 2935, 7002, 7251. Constant data; any thread. SPDX-License-Identifier: MIT */
#ifndef ETH_SYSTEM_CONTRACTS_H
#define ETH_SYSTEM_CONTRACTS_H

#include "eth/fork.h"

#define SYSTEM_CONTRACTS 4

struct system_contract {
    struct address address;
    struct bytes code;
    enum fork since;
};
extern const struct system_contract system_contracts[SYSTEM_CONTRACTS];

#endif
