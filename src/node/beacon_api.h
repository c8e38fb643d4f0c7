/* Beacon_api: what builders and relays ask of a beacon node, answered from the stub's chain:
 * genesis, specification, validators, duties, headers, randomness, events, publishing of blocks.
 * Source: ethereum/beacon-APIs. Thread: the slots' loop. SPDX-License-Identifier: MIT */
#ifndef NODE_BEACON_API_H
#define NODE_BEACON_API_H

#include "node/slots.h"

/* errors  as server_listen. beacon_api_close: NULL is allowed. */
[[gnu::warn_unused_result]] int beacon_api_open(struct beacon_api **ret, struct slots *s,
                                                struct error *why);
void beacon_api_close(struct beacon_api *b);

/* beacon_api_publish answers the publishing of a block (beacon_publish.c). */
struct exchange;
void beacon_api_publish(struct exchange *x, struct slots *s);

/* Events to whoever listens. */
void beacon_api_tell_head(struct beacon_api *b, const struct beacon_record *r, bool epoch_begins);
void beacon_api_tell_attributes(struct beacon_api *b, const struct slot_task *t);

#endif
