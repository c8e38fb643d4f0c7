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
