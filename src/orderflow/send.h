/* Send: `buildernet send`: signs orders and sends them to a node, and tells in words what came of
 * it. For people and scripts; one request, then the end.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_SEND_H
#define ORDERFLOW_SEND_H

#include "config/config.h"

struct send_values {
    const char *url, *ca, *rpc_url;
    struct secret key, api_key;
    bool no_check, dry_run, json, flashbots_header;
    uint64_t timeout_ns;
    /* a bundle's members */
    const char *block, *uuid, *nonce, *min_timestamp, *max_timestamp, *version;
    const char *refund_percent, *refund_recipient, *refund_identity, *desired_state;
    struct config_list reverting, dropping, refund_txs, targets, fields, nodes;
    bool delayed_refund;
};

extern const struct config_program send_program;

/* send_run does what the verb says. Exit status: 0 taken; 65 the order is wrong; 69 the node is
 * away; 75 it asks to come again; 77 it does not know the sender; 76 other refusals. */
int send_run(const struct config *config, const struct send_values *values);

#endif
