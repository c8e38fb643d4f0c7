/* The transition tool's input, read. SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_T8N_ENV_H
#define EVM_TOOL_T8N_ENV_H

#include "chain/block_run.h"
#include "evm_tool/runner.h"
#include "json/json.h"

struct t8n_hashes {
    const struct json *list; /* {number: hash} */
    struct hash previous;    /* of the block before, where it is named apart */
    uint64_t number;         /* of the block being made */
};

/* t8n_env reads the environment into *ret; lists go to the arena, hashes must outlive the block.
 * state_test  the environment of one transaction: what only a block needs may be missing.
 * errors  those of fixture.h; ERR_INVALID (the fork needs a value that is not given, or has none
 *         of that name). */
[[gnu::warn_unused_result]] int t8n_env(struct block_env *ret, struct t8n_hashes *ret_hashes,
                                        const struct json *env, struct chain_config *config,
                                        enum fork fork, bool state_test, struct arena *a,
                                        struct error *why);

/* t8n_tx reads one transaction (an object, signed or with secretKey, or a string of its envelope)
 * and who sent it. What has a secretKey is signed for the chain where the fork knows that.
 * *ret_why_not: why it cannot be one, "" when it is (that is no error). */
[[gnu::warn_unused_result]] int t8n_tx(struct tx *ret, struct address *ret_sender,
                                       struct workbench *w, const struct json *in,
                                       const struct chain_config *config, enum fork fork,
                                       struct error *ret_why_not, struct error *why);

#endif
