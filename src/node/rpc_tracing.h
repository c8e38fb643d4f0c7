/* What a user wants traced, as the tracers of evm/tracers.h: one, or several at once (muxTracer).
 *
 *     tracing_read(&t, config, ...)            once a call
 *     tracing_begin(&t, vm) ; run ; tracing_end(&t, ...)   once a transaction
 *     tracing_free(&t)
 *
 * Source: go-ethereum documentation, "Built-in tracers"; ethereum/execution-apis (TraceConfig).
 * One thread. SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_TRACING_H
#define NODE_RPC_TRACING_H

#include "chain/transact.h"
#include "evm/tracers.h"
#include "json/json.h"
#include "json/write.h"

#define TRACING_TRACERS_MAX 8u

struct tracing_part {
    const char *name; /* of the user: "callTracer"; empty: the instructions */
    const char *kind; /* of evm/tracers.h */
    struct tracer_options options;
    struct tracer *tracer;
    struct buf out;
};

struct tracing {
    bool many; /* muxTracer: the result is an object of results */
    struct tracing_part parts[TRACING_TRACERS_MAX];
    size_t count;
    uint64_t timeout_ns; /* 0: none given */
    size_t out_bytes_max;
    struct evm_tracer tracer; /* to the machine */
};

/* tracing_read reads a TraceConfig; null gives the instructions.
 * errors  ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_NOT_FOUND (no such tracer). */
[[gnu::warn_unused_result]] int tracing_read(struct tracing *ret, const struct json *config,
                                             size_t out_bytes_max, struct error *why);

/* tracing_begin makes the tracers and hangs them onto the machine. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tracing_begin(struct tracing *t, struct evm *vm, struct error *why);

/* tracing_end takes them off and writes the result as the value of `key`. The state still has the
 * transaction's lists. gas_limit  of the transaction; log_first  of its block, in the state.
 * errors  ERR_LIMIT (more than out_bytes_max), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tracing_end(struct tracing *t, struct evm *vm,
                                            struct json_writer *w, const char *key,
                                            const struct transact_result *r, uint64_t gas_limit,
                                            size_t log_first, struct error *why);

/* tracing_drop takes them off without a result; tracing_free does so too and frees. */
void tracing_drop(struct tracing *t, struct evm *vm);
void tracing_free(struct tracing *t);

#endif
