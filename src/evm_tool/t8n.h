/* The transition tool: a state, an environment and transactions in; the state after, results and
 * the block's body out. What the reference test fillers drive.
 *
 *   --input.alloc FILE  --input.env FILE  --input.txs FILE     "stdin": members of one object there
 *   --output.basedir DIR  --output.alloc NAME  --output.result NAME  --output.body NAME
 *                       names are files in DIR, "stdout" or "stderr" (members of one object there)
 *   --state.fork NAME  --state.chainid N  --state.reward N (wei; -1: none)
 *   --trace             EIP-3155 lines of transaction i to trace-i-HASH.jsonl in DIR
 *
 * Source: ethereum/go-ethereum cmd/evm, "State transition tool (t8n)"; execution-spec-tests.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_T8N_H
#define EVM_TOOL_T8N_H

/* t8n_main runs with the arguments behind the verb; gives the exit status: 0, 2 (flags), 3 (the
 * fork's configuration), 4 (a block hash is missing), 10 (input is not JSON), 11 (files). */
int t8n_main(int argc, char **argv);

#endif
