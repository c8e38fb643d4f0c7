/* Requests of the execution layer to the consensus layer (EIP-7685): deposits read from logs,
 * withdrawals and consolidations asked from their contracts. SPDX-License-Identifier: MIT */
#ifndef CHAIN_REQUESTS_H
#define CHAIN_REQUESTS_H

#include "chain/block_run.h"

/* requests_collect fills requests, their count and hash of *ret from the receipts that stand in it
 * and by system calls. Source: EIP-6110, 7002, 7251.
 * errors  ERR_INVALID: a deposit log that is not of the contract's form, a contract that is not
 *         there or fails; ERR_NO_MEMORY; those of the reader. */
[[gnu::warn_unused_result]] int requests_collect(struct block_run *b, struct block_outcome *ret,
                                                 struct arena *a, struct error *why);

/* request_from_deposit_log reads the data of a DepositEvent into the 192 bytes of a request;
 * ERR_INVALID when the layout differs. */
#define REQUEST_DEPOSIT_SIZE 192
[[gnu::warn_unused_result]] int request_from_deposit_log(uint8_t ret[REQUEST_DEPOSIT_SIZE],
                                                         struct bytes data, struct error *why);

#endif
