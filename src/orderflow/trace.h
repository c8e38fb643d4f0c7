/* Trace: the last orders' way through this node, by any of their hashes: when they came, from whom,
 * when they were judged, reached the builder and each peer. No content.
 *
 * A ring of fixed size; one of `sample` orders is kept. Thread: any; one lock.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_TRACE_H
#define ORDERFLOW_TRACE_H

#include "base/buf.h"
#include "orderflow/order.h"

struct trace;

enum trace_stage {
    TRACE_RECEIVED,  /* its last byte was there */
    TRACE_VERIFIED,  /* the signer is known */
    TRACE_DECODED,   /* judged: valid */
    TRACE_ACCEPTED,  /* new, journalled, handed on */
    TRACE_DELIVERED, /* the local builder has it */
    TRACE_REPLACED,  /* a later order of its replacement key came */
    TRACE_STAGES,
};

#define TRACE_PEERS_MAX 16 /* acknowledgements kept for each order */

const char *trace_stage_name(enum trace_stage s);

/* trace_new: entries 0: 65,536; sample 0 or 1: every order. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trace_new(struct trace **ret, size_t entries, unsigned sample,
                                          struct error *why);
void trace_free(struct trace *t);

/* trace_order begins an order's entry. times: wall ns of each stage, 0 for those not reached. */
void trace_order(struct trace *t, const struct flow_order *o, const uint64_t times[TRACE_STAGES]);
/* trace_mark notes a later stage. trace_peer: a peer has the order. Unknown ids are let pass. */
void trace_mark(struct trace *t, const struct hash *id, enum trace_stage s, uint64_t at_ns);
void trace_peer(struct trace *t, const struct hash *id, const char *peer, uint64_t at_ns);

/* trace_write appends one JSON array of all entries that the hash names (id, bundleHash or
 * transaction hash), newest first; false when there is none ("[]" is written). node: its name. */
bool trace_write(struct trace *t, struct buf *out, const struct hash *h, const char *node);

#endif
