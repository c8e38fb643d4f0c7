/* Source hashes of the OP Stack's deposit transactions (type 0x7E; the transaction is in tx.h).
 * keccak256(domain as 32 bytes || inner hash). Source: ethereum-optimism/specs, deposits.md and the
 * derivation pages of the forks. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_DEPOSIT_H
#define ETH_DEPOSIT_H

#include "base/bytes.h"

/* deposit_source_user: of a deposit that a user made on L1, by the log that it left there. */
struct hash deposit_source_user(const struct hash *l1_block_hash, uint64_t log_index);

/* deposit_source_l1_info: of the L1 attributes that begin every block. sequence_number  count of
 * L2 blocks since the L1 block first was the origin. */
struct hash deposit_source_l1_info(const struct hash *l1_block_hash, uint64_t sequence_number);

/* deposit_source_upgrade: of a fork's upgrade transaction, by its intent ("Ecotone: ..."). */
struct hash deposit_source_upgrade(struct bytes intent);

#endif
