/* The tracers of the field, each as a struct evm_tracer that writes JSON.
 *
 *   structlog   a line per instruction and one that sums up, EIP-3155
 *   opcodes     an object per instruction, joined by commas: structLogs of debug_traceTransaction
 *   call        the tree of calls, as geth's callTracer
 *   prestate    what was looked at, with its values before the transaction, as prestateTracer
 *   4byte       selectors that were called, with sizes of call data, as 4byteTracer
 *   accesslist  addresses and slots that code names, as eth_createAccessList (tracer_access.h)
 *   noop        nothing, as noopTracer
 *
 * A tracer watches one transaction: tracer_begin, run it, tracer_end. Memory is the tracer's until
 * tracer_free. One thread. What prestate tells is taken from the state's own lists (state.h), so
 * that it needs no instruction to be watched. Source: EIP-3155; ethereum/execution-apis
 * (OpcodeTransactionTrace, CallFrame); go-ethereum documentation, "Built-in tracers".
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TRACERS_H
#define EVM_TRACERS_H

#include "base/buf.h"
#include "evm/trace.h"

struct tracer;

struct tracer_options {
    bool only_top_call, with_log;       /* call */
    bool diff, no_code, include_empty;  /* prestate */
    bool no_storage;                    /* prestate, opcodes */
    bool memory, no_stack, return_data; /* opcodes, structlog */
    uint64_t limit;                     /* opcodes: steps written; 0: all */
};

/* tracer_new makes a tracer by its name above, or that with "Tracer" behind it; its lines or
 * document are appended to `out`, which outlives it. errors  ERR_NOT_FOUND (no such tracer),
 * ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tracer_new(struct tracer **ret, const char *name, struct buf *out,
                                           struct error *why);
/* tracer_new_with: the same with options (NULL: none). */
[[gnu::warn_unused_result]] int tracer_new_with(struct tracer **ret, const char *name,
                                                const struct tracer_options *options,
                                                struct buf *out, struct error *why);
void tracer_free(struct tracer *t);

/* tracer_interface gives what is set as the machine's tracer. */
struct evm_tracer *tracer_interface(struct tracer *t);

/* What only a transaction knows, for the outermost call; to be told before tracer_end. Without it
 * the outermost call is the message alone. */
struct tracer_transaction {
    uint64_t gas_limit, gas_used;
    size_t log_first; /* in the state's logs: of the block's first log */
};
void tracer_set_transaction(struct tracer *t, const struct tracer_transaction *tx);

/* tracer_end writes what is written at the end; the state still holds the transaction's lists.
 * errors  ERR_NO_MEMORY, ERR_LIMIT (of `out`). */
[[gnu::warn_unused_result]] int tracer_end(struct tracer *t, const struct state *s,
                                           struct error *why);

/* tracer_names: all names, ended by NULL. */
extern const char *const tracer_names[];

#endif
