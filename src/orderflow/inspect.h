/* Inspect: what a request is, as one line of JSON: signer, identifiers, priority, validity.
 * For people and scripts; the node does not use it. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_INSPECT_H
#define ORDERFLOW_INSPECT_H

#include "base/buf.h"
#include "orderflow/order_request.h"

struct flow_inspect_settings {
    enum order_generation generation;
    bool system;     /* judge as from a peer */
    uint64_t now_us; /* the clock, for nonces that are not given */
};

/* flow_inspect reads requests (one a line, or a JSON array, or one document) and appends a line for
 * each. A request is a JSON-RPC object, or an object with "body" (text) and
 * "X-Flashbots-Signature" or "X-BuilderNet-Signature". A line that is no JSON is judged as a
 * request's body.
 * ret_valid  whether all are valid.
 * errors     ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int flow_inspect(struct buf *out, bool *ret_valid, struct bytes in,
                                             const struct flow_inspect_settings *s,
                                             struct error *why);

/* flow_inspect_main runs `orderflow inspect` (config_run_verb): 0 when all are valid, 1 when not.
 */
int flow_inspect_main(int argc, char **argv);

#endif
