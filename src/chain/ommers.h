/* The ommers of a block of proof of work. SPDX-License-Identifier: MIT */
#ifndef CHAIN_OMMERS_H
#define CHAIN_OMMERS_H

#include "eth/block.h"
#include "eth/fork.h"

#define OMMERS_MAX 2
#define OMMER_DEPTH_MAX 6
#define OMMER_ANCESTORS (OMMER_DEPTH_MAX + 1)

/* An ancestor of the block, with what it included. */
struct ommer_ancestor {
    struct hash hash;
    const struct block *block;
};

/* ommers_check_hash compares the ommers with their hash in the header. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int ommers_check_hash(const struct block *block, struct error *why);

/* ommers_check judges the ommers of a block and their hash in its header.
 * ancestors  the parent first; fewer than OMMER_ANCESTORS only where the chain begins.
 * Source: Yellow Paper 11.1.  errors  ERR_INVALID, ERR_NO_MEMORY.  thread  any. */
[[gnu::warn_unused_result]] int ommers_check(const struct chain_config *c,
                                             const struct block *block,
                                             const struct ommer_ancestor *ancestors, size_t count,
                                             struct error *why);

#endif
