/* engine_newPayload without its transport: parameters to a block, a block's verdict to a status.
 *
 *     params ─▶ new_payload_read ─▶ head_import_block ─▶ new_payload_status
 *                    └─ an error with its code, or an INVALID status: the answer is known
 *
 * Source: ethereum/execution-apis, src/engine (paris.md to osaka.md). Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_NEW_PAYLOAD_H
#define CHAIN_NEW_PAYLOAD_H

#include "chain/engine.h"

struct head_verdict;

#define NEW_PAYLOAD_PARAMS 4u

/* What parameters came to. Points into them and into the arena. */
struct new_payload {
    bool is_block; /* else `status` is the answer */
    struct block block;
    struct hash hash; /* the payload's blockHash; the block's, where it is one */
    struct engine_payload_status status;
};

/* new_payload_read reads and checks the parameters of engine_newPayloadV<version>.
 * params    payload, versioned hashes, beacon root, requests; NULL: missing or null.
 * ret_code  the JSON-RPC code of a failure; 0 when there is none, or it is ours.
 * errors    ERR_INVALID (with the code), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int new_payload_read(struct new_payload *ret, int *ret_code,
                                                 const struct chain_config *c, unsigned version,
                                                 const struct json *const params[], struct arena *a,
                                                 struct error *why);

/* new_payload_status gives the status of an imported block; its text points into the verdict. */
void new_payload_status(struct engine_payload_status *ret, const struct head_verdict *v);

#endif
