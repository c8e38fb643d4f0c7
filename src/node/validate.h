/* Validate: judges what builders submit, for relays and for builders themselves:
 * flashbots_validateBuilderSubmissionV1 to V5 (Bellatrix to Fulu).
 *
 * The block is made again on its parent with the path that makes blocks here; every field of its
 * header and what the proposer is paid must come out as submitted. Nothing is stored.
 * Source: flashbots/builder, block validation API. Thread: any worker.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_VALIDATE_H
#define NODE_VALIDATE_H

#include "node/node.h"

struct validate;

/* errors  as node_add_methods, ERR_NO_MEMORY. validate_close: NULL is allowed. */
[[gnu::warn_unused_result]] int validate_open(struct validate **ret, struct node *n,
                                              struct error *why);
void validate_close(struct validate *v);

#endif
