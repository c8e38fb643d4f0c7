/* The tracers of the field, each as a struct evm_tracer that writes JSON.
 *
 *   structlog   a line per instruction, EIP-3155
 *   call        the tree of calls, as geth's callTracer
 *   prestate    what was looked at, with its values before the transaction, as prestateTracer
 *   4byte       selectors that were called, with sizes of call data, as 4byteTracer
 *   accesslist  addresses and slots that were looked at, as eth_createAccessList
 *
 * A tracer watches one transaction: tracer_begin, run it, tracer_end. Memory is the tracer's until
 * tracer_free. One thread. What is read is taken from the state's own lists (state.h), so that
 * prestate and access list need no instruction to be watched.
 * Source: EIP-3155; go-ethereum documentation, "Built-in tracers".
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TRACERS_H
#define EVM_TRACERS_H

#include "base/buf.h"
#include "evm/trace.h"

struct tracer;

/* tracer_new makes a tracer by its name above; its lines or document are appended to `out`, which
 * outlives it. errors  ERR_NOT_FOUND (no such tracer), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tracer_new(struct tracer **ret, const char *name, struct buf *out,
                                           struct error *why);
void tracer_free(struct tracer *t);

/* tracer_interface gives what is set as the machine's tracer. */
struct evm_tracer *tracer_interface(struct tracer *t);

/* tracer_end writes what is written at the end; the state still holds the transaction's lists.
 * errors  ERR_NO_MEMORY, ERR_LIMIT (of `out`). */
[[gnu::warn_unused_result]] int tracer_end(struct tracer *t, const struct state *s,
                                           struct error *why);

/* tracer_names: all names, ended by NULL. */
extern const char *const tracer_names[];

#endif
