/* What a stateless client is given to check one block: headers, codes, trie nodes.
 *
 * The state after the last header's block, as far as the nodes reach. An account that they do not
 * reach counts as absent, for those who make witnesses leave out what was looked up in vain; if
 * that is wrong, the root is. Source: the form of go-ethereum's cmd/keeper, RLP [[headers],
 * [codes], [nodes],
 * ...]. One thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_WITNESS_H
#define EVM_TOOL_WITNESS_H

#include "chain/state_changes.h"
#include "eth/block.h"
#include "evm/state.h"

struct witness;

/* witness_open reads a witness; rlp is borrowed as long as it is open. witness_close(NULL) is fine.
 * errors  those of the RLP, ERR_INVALID (no header), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int witness_open(struct witness **ret, struct bytes rlp,
                                             struct error *why);
void witness_close(struct witness *w);

/* witness_parent gives the header of the block whose state it holds. */
const struct header *witness_parent(const struct witness *w);

/* witness_reader gives the state. errors of its reads  ERR_NOT_FOUND (a slot or code
 * that is not in the witness). */
struct state_reader witness_reader(struct witness *w);

/* witness_block_hash is for block_env.block_hash (ctx: a struct witness): of the headers and of
 * their parents. */
int witness_block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why);

/* witness_root gives the state root after changes. errors  ERR_NOT_FOUND (a node that is needed is
 * not in the witness), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int witness_root(struct witness *w, struct hash *ret,
                                             const struct state_changes *changes,
                                             struct error *why);

#endif
