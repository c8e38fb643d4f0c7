/* The transition tool: a state, an environment and transactions in; the state after, results and
 * the block's body out. What the reference test fillers drive.
 *
 *   --input.alloc FILE  --input.env FILE  --input.txs FILE     "stdin": members of one object there
 *   --input.blobParams FILE   {target, max, baseFeeUpdateFraction}; without it the fork's
 *   --output.basedir DIR  --output.alloc NAME  --output.result NAME  --output.body NAME
 *                       names are files in DIR (made if missing), "stdout" or "stderr" (members of
 *                       one object there); "": not written
 *   --state.fork NAME  --state.chainid N  --state.reward N (wei; -1: none)
 *   --state-test        nothing but the transactions: no system calls' contracts, no rewards
 *   --trace             EIP-3155 lines of transaction i to trace-i-HASH.jsonl in DIR
 *   --trace.memory  --trace.nostack  --trace.returndata        what those lines hold
 *   --trace.tracer NAME a tracer's document (tracers.h) to trace-i-HASH.json in DIR instead
 *
 * A block that is invalid as a whole (a system contract is missing or fails, a deposit's log has
 * another layout) has "blockException" in its result.
 * Source: ethereum/go-ethereum cmd/evm, "State transition tool (t8n)"; execution-spec-tests.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_T8N_H
#define EVM_TOOL_T8N_H

/* t8n_main runs with the arguments behind the verb; gives the exit status: 0, 2 (flags), 3 (the
 * fork's configuration), 4 (a block hash is missing), 10 (input is not JSON), 11 (files). */
int t8n_main(int argc, char **argv);

#endif
