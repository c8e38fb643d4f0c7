/* One block of random transactions, run in four ways that must give the same: one after another;
 * each run, recorded, undone and applied from the record (the result cache); half of them undone
 * and run again (the journal); with threads that run ahead. For tests and fuzz targets.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_WAYS_H
#define CHAIN_WAYS_H

#include "eth/fork.h"

#include <stddef.h>

struct ways;

/* ways_new makes the machines; NULL without memory. threads run ahead beside the caller. */
struct ways *ways_new(unsigned threads);
void ways_free(struct ways *w);

/* ways_world makes contracts and transactions. seed is asked for each of them, so that a change of
 * one seed changes one of them. errors  ERR_NO_MEMORY. */
#define WAYS_TXS 60
[[gnu::warn_unused_result]] int ways_world(struct ways *w, enum fork fork,
                                           uint64_t (*seed)(void *arg), void *arg);

/* ways_difference runs the block in all ways and gives what differs, NULL for nothing.
 * undo_from  the transaction from which on they are undone and run again, below WAYS_TXS. */
const char *ways_difference(struct ways *w, size_t undo_from);

#endif
