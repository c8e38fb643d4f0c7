/* State tests (GeneralStateTests): one transaction on a given state, its root and logs.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_STATETEST_H
#define EVM_TOOL_STATETEST_H

#include "eth/tx.h"
#include "evm_tool/runner.h"
#include "json/json.h"

/* statetest_run runs every case of a file in the format {name: {env, pre, transaction, post}}; a
 * case is one element of post[fork]. A file of another form is one failure.
 * Source: ethereum/tests documentation, "State Tests"; reference fillers' `txbytes`, `config`. */
void statetest_run(struct workbench *w, struct bytes content);
void statetest_run_json(struct workbench *w, const struct json *doc);

/* statetest_is_format: an object of such tests. */
bool statetest_is_format(const struct json *doc);

/* The parts of a state test that other tools take: env into a block of the machine, transaction
 * with its indexes. block_hash of the result gives keccak256 of the number's decimal text. */
struct statetest_env {
    struct evm_block block; /* for any fork: see statetest_block */
    struct u256 difficulty, base_fee, random;
    uint64_t excess_blob_gas;
};
[[gnu::warn_unused_result]] int statetest_env(struct statetest_env *ret, const struct json *env,
                                              struct error *why);
struct evm_block statetest_block(const struct statetest_env *env, enum fork fork,
                                 const struct blob_params *blobs);

struct statetest_indexes {
    uint64_t data, gas, value;
};
[[gnu::warn_unused_result]] int statetest_tx(struct tx *ret, struct address *ret_sender,
                                             struct workbench *w, const struct json *transaction,
                                             const struct statetest_indexes *at, struct error *why);

#endif
