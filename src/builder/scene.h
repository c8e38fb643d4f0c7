/* A scene: a block's environment over a state in memory, for building without a chain: backtests,
 * tests, benchmarks.
 *
 * Read from a folder as recorders of blocks write it: block.json (eth_getBlockByNumber with full
 * transactions), pre_state.json ({address: {balance, nonce, code_hash?, storage}}), and codes.json
 * ({hash: code}) and block_hashes.json ({number: hash}) beside it or two folders up.
 * One thread, but the state may be read by many.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_SCENE_H
#define BUILDER_SCENE_H

#include "builder/fill.h"
#include "chain/memory_state.h"
#include "evm/precompile.h"
#include "json/json.h"

struct scene {
    struct arena memory;
    struct block block; /* as it was on chain; senders of its transactions */
    struct address *senders;
    struct memory_state pre;
    struct chain_config config;
    struct block_env env;
    const struct json *hashes; /* of blocks before; NULL: none */
    struct evm_code_cache *codes;
    struct precompiles *precompiles;
};

/* scene_load reads a recorded block of mainnet. path  its block.json, or the folder.
 * errors  ERR_NOT_FOUND, ERR_IO, those of the decoders. */
[[gnu::warn_unused_result]] int scene_load(struct scene *ret, const char *path, struct error *why);

/* scene_init makes an empty one, whose pre-state and environment the caller fills. */
[[gnu::warn_unused_result]] int scene_init(struct scene *ret, struct error *why);
void scene_free(struct scene *s);

/* A machine with a state and a run over a scene. */
struct scene_run {
    struct evm vm;
    struct state state;
    struct block_run run;
};

/* scene_begin makes a run over the scene, at the beginning of its block; scene_end ends it. */
[[gnu::warn_unused_result]] int scene_begin(struct scene_run *ret, struct scene *s,
                                            struct error *why);
void scene_end(struct scene_run *r);

/* scene_replay executes transactions from the block's beginning on another machine, as an import
 * does, and compares with what building them came to: gas, receipts, bloom.
 * ret_value  what the coinbase gained.
 * errors     ERR_INVALID: a transaction is not valid there, or the outcomes differ. */
[[gnu::warn_unused_result]] int scene_replay(struct scene *s, const struct tx *const *txs,
                                             const struct address *senders, size_t count,
                                             const struct block_outcome *expected,
                                             struct u256 *ret_value, struct error *why);

#endif
