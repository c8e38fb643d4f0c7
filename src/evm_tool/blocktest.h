/* Block tests (BlockchainTests): a genesis, blocks that must be taken or refused, a head. The
 * blocks are RLP, or parameters of the Engine API's newPayload ("blockchain_test_engine").
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_BLOCKTEST_H
#define EVM_TOOL_BLOCKTEST_H

#include "evm_tool/runner.h"

#include "eth/fork.h"

struct json;

/* blocktest_run runs every test of a file in the formats {name: {network, genesisRLP, pre, blocks,
 * lastblockhash, postState | postStateHash}} and {name: {network, genesisBlockHeader, pre,
 * engineNewPayloads, lastblockhash, ...}}; each test is one case. A file of another form is one
 * failure. Source: ethereum/tests documentation, "Blockchain Tests"; ethereum/execution-specs,
 * "Blockchain Tests", "Blockchain Engine Tests". */
void blocktest_run(struct workbench *w, struct bytes content);
void blocktest_run_json(struct workbench *w, const struct json *doc);
bool blocktest_is_format(const struct json *doc);

/* blocktest_network reads a network's name ("Cancun", "ParisToShanghaiAtTime15k",
 * "ArrowGlacierToParisAtDiffC0000", "OsakaToBPO1AtTime15k"); ret_fork is the first fork.
 * config  a test's own blob parameters (fixture_blob_schedule); NULL: those that are known.
 * errors  ERR_NOT_FOUND (unknown name), those of fixture_blob_schedule. */
[[gnu::warn_unused_result]] int blocktest_network(struct chain_config *ret, enum fork *ret_fork,
                                                  struct bytes name, const struct json *config,
                                                  struct error *why);

#endif
