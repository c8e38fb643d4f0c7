/* Threads that run a block's transactions ahead of the one that builds it.
 *
 * The building thread takes transactions in order. The others pick some that lie a little further
 * on and run them on the state before the block, each on a state of its own over the same reader;
 * what they read and did is recorded (effects.h). When the builder arrives there and all that was
 * read still holds, it only applies; else it runs the transaction itself. So the results are those
 * of one thread, whatever the others do. The reader must allow many threads, and must not change
 * while a block runs.
 *
 * Threads: an ahead belongs to the building thread; it has threads of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_AHEAD_H
#define CHAIN_AHEAD_H

#include "chain/block_run.h"

struct precompiles;

/* ahead_new starts threads; ahead_free ends them (NULL is allowed). codes and precompiles are those
 * of the builder's machine. errors  ERR_NO_MEMORY, ERR_IO (no thread). */
[[gnu::warn_unused_result]] int ahead_new(struct ahead **ret, unsigned threads,
                                          struct evm_code_cache *codes,
                                          const struct precompiles *precompiles, struct error *why);
void ahead_free(struct ahead *h);

/* ahead_begin sets the threads on a block whose run has begun; ahead_end stops them, and effects
 * are gone. block and senders are borrowed between the two. */
[[gnu::warn_unused_result]] int ahead_begin(struct ahead *h, const struct block_run *b,
                                            const struct block *block,
                                            const struct address *senders, struct error *why);
void ahead_end(struct ahead *h);

/* ahead_take tells that the builder is at transaction i, and gives its effects if they are known by
 * now, NULL if not: no one waits. */
const struct effects *ahead_take(struct ahead *h, size_t i);

#endif
