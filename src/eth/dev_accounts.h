/* Development accounts: the ten keys that every development tool knows, of the mnemonic "test test
 * test test test test test test test test test junk". They are public: nothing of value may ever
 * stand on them. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef ETH_DEV_ACCOUNTS_H
#define ETH_DEV_ACCOUNTS_H

#include "crypto/ecdsa.h"

#define DEV_ACCOUNTS 10u
#define DEV_CHAIN_ID 1337u /* of chains that fund them */

/* dev_account_key gives the key of account i, i below DEV_ACCOUNTS. */
void dev_account_key(struct ecdsa_secret_key *ret, unsigned i);

#endif
