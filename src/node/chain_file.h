/* Chain file: the genesis that a node begins with, from a file or made for development.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_CHAIN_FILE_H
#define NODE_CHAIN_FILE_H

#include "crypto/ecdsa.h"
#include "eth/dev_accounts.h"
#include "eth/genesis.h"

#define DEV_ACCOUNTS_MAX DEV_ACCOUNTS

/* genesis_read reads a file in geth's format. errors  those of file and decoder; ERR_NOT_FOUND. */
[[gnu::warn_unused_result]] int genesis_read(struct genesis *ret, const char *path, struct arena *a,
                                             struct error *why);

/* genesis_write_dev appends the genesis file of a development chain: all forks from the start, the
 * contracts that blocks call, and accounts of the keys that every development tool knows, with
 * 10,000 ether each. */
[[gnu::warn_unused_result]] int genesis_write_dev(struct buf *out, unsigned accounts,
                                                  struct error *why);

/* genesis_dev_key gives one of those keys. i  below DEV_ACCOUNTS_MAX. */
[[gnu::warn_unused_result]] int genesis_dev_key(struct ecdsa_secret_key *ret,
                                                struct address *ret_address, unsigned i,
                                                struct error *why);

#endif
