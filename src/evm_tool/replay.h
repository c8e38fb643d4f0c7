/* Replaying blocks with their pre-state: does execution give what the header says, and how fast.
 *
 * Input: blocks/<n>/block.json (eth_getBlockByNumber with full transactions) and pre_state.json
 * ({address: {balance, nonce, code_hash, storage}}) beside it, codes.json ({hash: code}) and
 * block_hashes.json ({number: hash}) two folders up, in a folder or an archive.
 * Rewards, withdrawals and requests are left out: the accounts they change are not in the
 * pre-state.
 * Or pairs X_block.rlp and X_witness.rlp (evm_tool/witness.h; X_ may be nothing), of mainnet or the
 * test network that the transactions are signed for: these are run whole, and the state root is
 * compared, too. SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_REPLAY_H
#define EVM_TOOL_REPLAY_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct replay_options {
    const char *const *paths;
    size_t path_count;
    unsigned jobs;   /* 1: serial; more: transactions run ahead on that many threads */
    unsigned rounds; /* times each block is run; the best counts */
    int fork;        /* only blocks of this enum fork; -1: all */
    bool json;
};

/* replay_run prints a line per block, the sum, and the closing line; gives the exit status. */
int replay_run(const struct replay_options *o);

/* The same, piece by piece, for a runner of its own: replay_take is given every file (false: none
 * of these formats, nothing kept), replay_check then runs each block once and reports. NULL from
 * replay_open when there is no memory. */
struct replay;
struct replay *replay_open(void);
bool replay_take(struct replay *r, const char *name, struct bytes content);
void replay_check(struct replay *r,
                  void (*report)(void *arg, const char *name, const char *failure), void *arg);
void replay_close(struct replay *r);

#endif
