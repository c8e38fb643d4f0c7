/* Beacon_blobs: the blobs of the newest blocks, as consensus clients keep and serve them. Bounded:
 * when a new block's have no room the oldest block's go. Thread: one. SPDX-License-Identifier: MIT
 */
#ifndef NODE_BEACON_BLOBS_H
#define NODE_BEACON_BLOBS_H

#include "base/list.h"
#include "eth/containers.h"

#define BEACON_BLOBS_MAX 512u /* 64 MiB */

struct beacon_blobs {
    struct list blocks; /* oldest first */
    size_t count;       /* of blobs */
};

/* Those of one block. */
struct beacon_block_blobs {
    struct list_node node;
    struct hash root;
    size_t count;
    struct blob *blobs;
    struct hash *hashes; /* versioned */
};

void beacon_blobs_init(struct beacon_blobs *b);
void beacon_blobs_free(struct beacon_blobs *b);

/* beacon_blobs_check: a block with these commitments came with its blobs.
 * errors  ERR_INVALID. differs  the proofs are not looked at: who validated the bid did. */
[[gnu::warn_unused_result]] int beacon_blobs_check(const struct bytes48 *commitments, size_t count,
                                                   const struct blobs_bundle *bundle,
                                                   struct error *why);

/* beacon_blobs_put copies a block's blobs. errors  ERR_NO_MEMORY, ERR_LIMIT. */
[[gnu::warn_unused_result]] int beacon_blobs_put(struct beacon_blobs *b, const struct hash *root,
                                                 const struct blobs_bundle *bundle,
                                                 struct error *why);

/* beacon_blobs_find: NULL when the block had none or they are gone; until the next put. */
const struct beacon_block_blobs *beacon_blobs_find(const struct beacon_blobs *b,
                                                   const struct hash *root);

#endif
