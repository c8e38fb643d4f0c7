/* Engine API: the methods that a consensus client drives the node with.
 * Source: ethereum/execution-apis, src/engine. SPDX-License-Identifier: MIT */
#ifndef NODE_ENGINE_API_H
#define NODE_ENGINE_API_H

#include "chain/engine.h"
#include "node/node.h"

/* engine_api_open adds the methods. errors  as node_add_methods. */
[[gnu::warn_unused_result]] int engine_api_open(struct node *n, struct error *why);

/* The two that change the chain, for whoever else drives it here. The text of a status lies in
 * `text`, ERROR_TEXT_MAX bytes. errors  those of the head (memory, disk). */
[[gnu::warn_unused_result]] int engine_import(struct node *n, struct engine_payload_status *ret,
                                              char *text, const struct block *block,
                                              struct error *why);

/* Shared by the files of the methods. */
node_method_call engine_get_payload, engine_bodies_by_hash, engine_bodies_by_range,
    engine_get_blobs, engine_capabilities, engine_client_version, engine_transition;

/* The version that a method's name ends with ("...V3"). */
unsigned engine_version_of(const struct node_call *c);
enum fork engine_fork_at(const struct node *n, uint64_t number, uint64_t timestamp);

#endif
