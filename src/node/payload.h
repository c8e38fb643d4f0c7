/* Payload: blocks made here from the pool, for whoever asked for one: the Engine API, a slot, a
 * development chain.
 *
 *     payloads_start(id, parent, attributes) ─▶ a thread makes it, and makes it better while the
 *     pool changes ─▶ payloads_get(id): the best so far, and no more work on it
 *
 * Threads: any. SPDX-License-Identifier: MIT */
#ifndef NODE_PAYLOAD_H
#define NODE_PAYLOAD_H

#include "chain/engine.h"
#include "chain/produce.h"
#include "chain/txpool.h"

struct node;
struct payloads;

#define PAYLOADS_MAX 32u /* kept; the oldest leaves */

/* A block that was made; immutable, counted. */
struct built {
    struct produced sealed; /* in `memory` */
    struct block block;     /* decoded: its transactions are the pool's */
    struct pool_tx **txs;   /* held */
    size_t tx_count;
    struct u256 value; /* wei that the fee recipient got as fees */
    struct arena memory;
    _Atomic unsigned references;
};
struct built *built_hold(struct built *b);
void built_release(struct built *b); /* NULL is allowed */
/* built_sidecars gives the sidecars in the order of the block, in `a`. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int built_sidecars(const struct built *b,
                                               const struct tx_sidecar *const **ret,
                                               size_t *ret_count, struct arena *a,
                                               struct error *why);

/* payload_build makes one block now, with a producer of the caller's.
 * errors  those of producer_begin and producer_seal. */
[[gnu::warn_unused_result]] int payload_build(struct built **ret, struct node *n,
                                              struct producer *producer, const struct hash *parent,
                                              const struct engine_attributes *v, struct error *why);

[[gnu::warn_unused_result]] int payloads_open(struct payloads **ret, struct node *n,
                                              struct error *why);
void payloads_close(struct payloads *p); /* NULL is allowed */

/* payloads_start begins to make one; one with the same id goes on as it is. v is copied.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int
payloads_start(struct payloads *p, const struct engine_payload_id *id, const struct hash *parent,
               const struct engine_attributes *v, struct error *why);

/* payloads_get gives the best so far (waiting for the first) and ends the work on it.
 * errors  ERR_NOT_FOUND (unknown id), those of payload_build. */
[[gnu::warn_unused_result]] int payloads_get(struct payloads *p, const struct engine_payload_id *id,
                                             struct built **ret, struct error *why);

#endif
