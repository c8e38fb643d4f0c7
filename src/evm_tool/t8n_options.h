/* The transition tool's flags, in the original's names; t8n.h tells what they do.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_T8N_OPTIONS_H
#define EVM_TOOL_T8N_OPTIONS_H

#include "base/u256.h"
#include "evm/tracers.h"

struct t8n_options {
    const char *alloc, *env, *txs, *blob_params; // inputs
    const char *base, *alloc_to, *result_to, *body_to;
    const char *fork, *chain_id_text, *reward_text;
    const char *tracer; // NULL: EIP-3155
    struct tracer_options tracing;
    uint64_t chain_id;
    bool trace, no_reward, state_test;
    struct u256 reward;
};

/* t8n_options_read reads what stands behind the verb, as "--name value" or "--name=value"; texts
 * are borrowed. Flags of the original that change nothing here are taken. false: one is unknown or
 * has no value, or a number is none; standard error says which. */
bool t8n_options_read(struct t8n_options *ret, int argc, char **argv);

#endif
