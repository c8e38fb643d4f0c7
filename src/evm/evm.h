/* The Ethereum virtual machine: runs one message (a call or a creation) on a state.
 *
 * What it is: the interpreter, calls and creations with their checkpoints, precompiles and
 * delegation (EIP-7702), under the schedule of any fork. What it is not: a transaction (fees,
 * nonces, validity: chain/transact.h), a block.
 *
 *     evm_init(&vm, codes, precompiles, &why);
 *     evm_use(&vm, &state, fork);
 *     vm.block = ...; vm.tx = ...;
 *     state_begin(&state);
 *     evm_execute(&vm, &message, &result);
 *
 * Memory: an evm owns one stack region and the memory of its frames and reuses them; nothing is
 * allocated while code runs, but when EVM memory grows past what any run before needed.
 * Threads: one evm per thread. `abort` may be set by any thread: code stops at its next jump, call,
 * copy, SSTORE, look at another account or piece of a hash; a precompiled contract that runs ends
 * within some ms (docs/evm.md, 2). Calls nest on the C stack: about 5 KiB for each of at most 1,025
 * frames, so that a thread needs 8 MiB. Specification: Yellow Paper 8, 9 and appendices; the EIPs
 * named in schedule.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_EVM_H
#define EVM_EVM_H

#include "base/bytes.h"
#include "base/u256.h"
#include "evm/code.h"
#include "evm/schedule.h"
#include "evm/state.h"
#include "evm/wide.h"

#include <stdatomic.h>

#define EVM_STACK_MAX 1024
#define EVM_DEPTH_MAX 1024

enum evm_status {
    EVM_SUCCESS,
    EVM_REVERT, /* REVERT: changes undone, gas and output given back */
    /* Exceptional halts: changes undone, all gas gone. */
    EVM_OUT_OF_GAS,
    EVM_STACK_UNDERFLOW,
    EVM_STACK_OVERFLOW,
    EVM_BAD_JUMP,
    EVM_UNDEFINED_OPCODE,
    EVM_INVALID_OPCODE, /* the designated one, 0xfe */
    EVM_STATIC_VIOLATION,
    EVM_RETURN_DATA_BOUNDS,
    EVM_CREATE_COLLISION,
    EVM_CODE_TOO_LARGE,
    EVM_CODE_PREFIX, /* EIP-3541 */
    EVM_PRECOMPILE_FAILURE,
    /* A call that did not begin: nothing happened, gas is given back. */
    EVM_DEPTH_EXCEEDED,
    EVM_BALANCE_TOO_LOW,
    EVM_NONCE_OVERFLOW,
    /* No result of the chain's: stopped by `abort`, or the machine failed (state_check). */
    EVM_ABORTED,
    EVM_FAILED,
};

enum evm_kind { EVM_CALL, EVM_CALLCODE, EVM_DELEGATECALL, EVM_STATICCALL, EVM_CREATE, EVM_CREATE2 };

struct evm_message {
    enum evm_kind kind;
    bool is_static;
    uint32_t depth; /* 0 for a transaction's own message */
    int64_t gas;
    struct address recipient;    /* whose storage and balance; for creations found by evm_execute */
    struct address code_address; /* whose code; the recipient but for CALLCODE, DELEGATECALL */
    struct address sender;
    struct u256 value;
    struct bytes input; /* call data, or initcode */
    struct u256 salt;   /* of CREATE2 */
};

struct evm_result {
    enum evm_status status;
    int64_t gas_left;
    struct bytes output;    /* borrowed until the evm's next call */
    struct address created; /* of creations that succeeded */
};

struct evm_block {
    struct address coinbase;
    uint64_t number, timestamp, gas_limit;
    struct u256 prevrandao; /* or difficulty */
    struct u256 base_fee, blob_base_fee;
    uint64_t chain_id;
    /* block_hash gives the hash of one of the last 256 blocks (the range is checked before). */
    int (*block_hash)(void *ctx, struct hash *ret, uint64_t number, struct error *why);
    void *block_hash_ctx;
};

struct evm_tx {
    struct address origin;
    struct u256 gas_price;
    const struct hash *blob_hashes;
    size_t blob_hash_count;
};

struct evm_frame;
struct evm_tracer;
struct precompiles;

/* For simulations: a precompiled contract that stands elsewhere, or nowhere (has_to = false). */
struct evm_move {
    struct address from, to;
    bool has_to;
};

struct evm_memory_chunk {
    uint8_t *p;
    size_t size;
};

struct evm {
    struct evm_schedule schedule;
    struct state *state;
    struct evm_block block;
    struct evm_tx tx;
    struct evm_tracer *tracer; /* NULL: none. Traced code is decoded apart: off costs nothing */
    atomic_bool *abort;        /* NULL: none */
    atomic_bool never;         /* what `abort` points to when there is none */
    struct evm_code_cache *codes;
    const struct precompiles *precompiles;
    const struct evm_move *moves; /* borrowed; NULL: none */
    size_t move_count;
    /* NULL until the first message: the best for this processor. A test may put in another. */
    enum evm_status (*interpret)(struct evm_frame *f, const int32_t **ret_handlers);
    struct u256 *stack;    /* room for every frame's stack */
    uint8_t no_memory[32]; /* what a frame without memory points to */
    struct evm_memory_chunk *chunks;
    size_t chunk_room;
    int64_t gas_at_end;          /* what the last frame had left when its code ended; below zero by
                                    what it could not pay; for tracers */
    size_t memory_max;           /* bytes one frame may have; more runs out of gas */
    struct wide_modulus modulus; /* of the last MULMOD */
    struct buf return_data;      /* of the last call */
    struct arena scratch;        /* programs of initcode */
    struct arena decoding;       /* what only their decoding needs */
};

/* evm_init makes a machine for one thread. codes and precompiles are borrowed and may be shared;
 * codes must be the states' cache. */
[[gnu::warn_unused_result]] int evm_init(struct evm *vm, struct evm_code_cache *codes,
                                         const struct precompiles *precompiles, struct error *why);
void evm_free(struct evm *vm);

/* evm_use sets state and fork; cheap when the fork is the one of before. */
void evm_use(struct evm *vm, struct state *state, enum fork fork);

/* evm_execute runs a message in the running transaction (state_begin) and gives its result; on
 * anything but success the state is as before. Creations bump the sender's nonce at depth > 0
 * only: a transaction has done so itself. */
void evm_execute(struct evm *vm, const struct evm_message *message, struct evm_result *ret);

/* evm_create2_address: EIP-1014. (That of CREATE is tx_create_address.) */
struct address evm_create2_address(const struct address *sender, const struct u256 *salt,
                                   const struct hash *initcode_hash);

/* evm_status_name gives "success", "out of gas", ... the text of traces and results. */
const char *evm_status_name(enum evm_status status);

static inline struct u256 u256_from_address(const struct address *a) {
    return (struct u256){{load_be64(a->b + 12), load_be64(a->b + 4), load_be32(a->b), 0}};
}
static inline struct address u256_to_address(const struct u256 *v) {
    struct address a;
    store_be64(a.b + 12, v->w[0]);
    store_be64(a.b + 4, v->w[1]);
    store_be32(a.b, (uint32_t)v->w[2]);
    return a;
}

#endif
