/* A chain to play with, for tests, fuzz targets and benchmarks: a genesis with rich senders and
 * contracts of random code, and blocks of random transactions on any parent. Same seed, same chain.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_PLAY_H
#define CHAIN_PLAY_H

#include "base/random.h"
#include "chain/produce.h"

#define PLAY_SENDERS 16
#define PLAY_CONTRACTS 12

struct play {
    struct random_fast dice;
    struct genesis genesis;
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key keys[PLAY_SENDERS];
    struct address senders[PLAY_SENDERS];
    struct arena memory;
};

/* play_init makes the genesis of a fork (Shanghai or later). errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int play_init(struct play *p, uint64_t seed, enum fork fork,
                                          struct error *why);
void play_free(struct play *p);

/* play_enlarge adds to a genesis, before it is used, accounts that have money (play_filler), and
 * contracts (play_token) in which each of the first `slots` slots has a value. A token adds one to
 * the slot of every word of call data and logs once. At most 256 tokens.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int play_enlarge(struct play *p, size_t fillers, size_t tokens,
                                             size_t slots, struct error *why);
struct address play_filler(uint64_t i);
struct address play_token(uint64_t i);

/* play_remove_folder removes what a head left on disk, and the folder if nothing else is in it.
 * false: it is still there. */
bool play_remove_folder(const char *folder);

/* play_code writes random code that leaves traces of every kind (at most 200 bytes) and gives its
 * length: slots that clash, balances, logs, calls, creations, reverts, self-destruction. Addresses
 * in it are play_address of kind 0xc0 (contracts) and 0xa0 (below 9). */
#define PLAY_CODE_MAX 200
size_t play_code(struct random_fast *dice, uint8_t ret[PLAY_CODE_MAX]);
struct address play_address(uint8_t kind, uint64_t i);

/* play_block makes a block of up to `count` random transactions on a parent and seals it into `a`.
 * timestamp  0: the parent's + 12.   errors  those of the producer. */
[[gnu::warn_unused_result]] int play_block(struct play *p, struct producer *producer,
                                           const struct hash *parent, size_t count,
                                           uint64_t timestamp, struct produced *ret,
                                           struct arena *a, struct error *why);

#endif
