/* Tracing: what a running machine tells, and the interface of those who listen.
 *
 * A machine with a tracer decodes code apart, one announced instruction at a time (decode.c), so
 * that a machine without one pays nothing. The tracers of the field (struct log, call, prestate,
 * 4byte, access list) stand in tracers.h.
 * Everything given to a function is borrowed for that call. One thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TRACE_H
#define EVM_TRACE_H

#include "evm/evm.h"

/* An instruction about to run. */
struct evm_step {
    uint32_t pc;
    uint8_t op;
    const char *name; /* "ADD"; NULL for a byte that is no opcode */
    int64_t gas;      /* before it */
    uint32_t depth;   /* 1 for a transaction's own code */
    int64_t refund;
    const struct u256 *stack; /* bottom first */
    size_t stack_count;
    struct bytes memory;
    struct bytes return_data;
    const struct address *self; /* whose storage */
};

struct evm_tracer {
    void *ctx;
    bool wants_steps; /* else code runs as untraced, and only calls are told */
    /* Any of these may be NULL. */
    void (*step)(void *ctx, struct evm *vm, const struct evm_step *step);
    /* A call or creation begins, or cannot (leave then says why). gas_now: what its caller has
     * left, the gas passed taken off. */
    void (*enter)(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now);
    void (*leave)(void *ctx, struct evm *vm, const struct evm_message *m,
                  const struct evm_result *r);
    void (*destruct)(void *ctx, struct evm *vm, const struct address *who,
                     const struct address *heir, const struct u256 *balance);
};

/* For the interpreter: call the tracer, which is there. */
struct evm_frame;
void evm_trace_step(struct evm_frame *f, uint32_t pc);
void evm_trace_destruct(struct evm *vm, const struct address *who, const struct address *heir,
                        const struct u256 *balance);

#endif
