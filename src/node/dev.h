/* Dev: a chain of one's own. A thread makes a block whenever transactions wait, or at intervals,
 * imports it and makes it the head. Methods dev_mine and dev_reorg for tests.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_DEV_H
#define NODE_DEV_H

#include "node/node.h"

struct dev;

/* dev_open adds the methods; dev_start begins. dev_close (NULL is allowed) ends it.
 * errors  ERR_NO_MEMORY, ERR_IO, ERR_SYNTAX (--fee-recipient). */
[[gnu::warn_unused_result]] int dev_open(struct dev **ret, struct node *n, struct error *why);
[[gnu::warn_unused_result]] int dev_start(struct dev *d, struct error *why);
void dev_close(struct dev *d);

/* What test tools ask of a development chain (rpc_dev.c). Any thread.
 * dev_mine builds blocks on the head, `interval_s` apart (0: as the clock says), and makes the last
 * one the head. dev_move_head goes back to a known block.
 * dev_shift_clock moves the clock of the blocks that follow, and gives its whole shift; the next
 * block gets exactly the timestamp of dev_set_next_timestamp.
 * dev_set_automine: whether a transaction makes a block.  errors  as payload_build, head_set. */
[[gnu::warn_unused_result]] int dev_mine(struct dev *d, unsigned count, uint64_t interval_s,
                                         struct hash *ret_hash, struct error *why);
[[gnu::warn_unused_result]] int dev_move_head(struct dev *d, const struct hash *hash,
                                              struct error *why);
int64_t dev_shift_clock(struct dev *d, int64_t seconds);
uint64_t dev_clock_s(struct dev *d);
void dev_set_next_timestamp(struct dev *d, uint64_t timestamp);
void dev_set_automine(struct dev *d, bool on);
bool dev_automine(struct dev *d);

/* rpc_dev_add adds the methods (evm_mine, evm_increaseTime, ...) to the node. */
[[gnu::warn_unused_result]] int rpc_dev_add(struct node *n, struct dev *d, struct error *why);

/* dev_announce writes the accounts and their keys to standard error, as development tools do. */
void dev_announce(unsigned accounts);

/* node_fee_recipient gives --fee-recipient, or the first development account. */
[[gnu::warn_unused_result]] int node_fee_recipient(const struct node *n, struct address *ret,
                                                   struct error *why);

/* node_marks gives the safe and finalized blocks that go with a head of this number when nobody
 * else says so: some blocks behind it. */
struct node_marks {
    struct hash safe, finalized;
};
[[gnu::warn_unused_result]] int node_marks(const struct node *n, uint64_t number,
                                           uint64_t safe_distance, uint64_t final_distance,
                                           struct node_marks *ret, struct error *why);

#endif
