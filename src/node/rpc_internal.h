/* Inside of the user's JSON-RPC: what its files share.
 *
 *   rpc.c          opening, tables, parameters, blocks by parameter
 *   rpc_machine.c  machines: an EVM on the state after a block, with a time limit
 *   rpc_events.c   changes of head and pool on their way to filters and subscriptions
 *   rpc_*.c        the methods, one table a file
 *
 * Methods run on any worker (node/node.h); the context of every method is the struct rpc.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_INTERNAL_H
#define NODE_RPC_INTERNAL_H

#include "chain/head.h"
#include "chain/txpool.h"
#include "eth/log_filter.h"
#include "eth/rpc_call.h"
#include "eth/rpc_json.h"
#include "node/node.h"
#include "node/rpc.h"

/* Codes beyond JSON-RPC's own (ethereum/execution-apis; EIP-1474; EIP-1898). */
enum {
    RPC_ERROR_REVERTED = 3,
    RPC_ERROR_NOT_MINED = 4,
    RPC_ERROR_PRUNED = 4444,
    RPC_ERROR_FAILED = -32000,
    RPC_ERROR_NOT_FOUND = -32001,
    RPC_ERROR_LIMIT = -32005,
    RPC_ERROR_TIMEOUT = -32016,
};

#define RPC_MACHINES_MAX 64 /* at work at once; as many as there are workers is enough */

struct rpc_events;
struct rpc_filters;
struct rpc_subscriptions;
struct rpc_pending;
struct rpc_blooms;

/* A machine on the state after a block. One thread at a time. The machines share a cache of codes,
 * which is not the head's, so that what users bring along (overrides, contracts of simulations)
 * takes no one's place there. */
struct rpc_machine {
    struct evm vm;
    struct state state;
    struct block_run run;
    struct head_view *view;       /* what the state reads */
    atomic_bool abort;            /* set when the time is over */
    _Atomic uint64_t deadline_ns; /* monotonic; 0: idle */
    struct rpc_machine *next;     /* idle ones */
};

struct rpc {
    struct node *node;
    struct evm_code_cache *codes; /* of all machines */
    pthread_mutex_t machines_lock;
    struct rpc_machine *machines[RPC_MACHINES_MAX]; /* all that were made */
    unsigned machine_count;
    struct rpc_machine *idle;
    struct loop_timer watchdog; /* stops machines whose time is over */
    struct rpc_events *events;
    struct rpc_filters *filters;
    struct rpc_subscriptions *subscriptions;
    struct rpc_pending *pending;
    struct rpc_blooms *blooms;
    _Atomic unsigned waiting; /* workers that wait for a transaction's block */
};

static inline struct rpc *rpc_of(const struct node_call *c) {
    return c->context;
}

static inline struct bytes rpc_none(void) {
    return (struct bytes){NULL, 0};
}

/* ---- parameters and blocks (rpc.c) ---- */

/* Every function below that takes a call fails it with the right code (node_fail) on error. */

/* rpc_expect_params: at least `least` positional parameters. */
[[gnu::warn_unused_result]] int rpc_expect_params(struct node_call *c, size_t least,
                                                  struct error *why);
[[gnu::warn_unused_result]] int rpc_param_hash(struct node_call *c, struct hash *ret, size_t i,
                                               struct error *why);
[[gnu::warn_unused_result]] int rpc_param_address(struct node_call *c, struct address *ret,
                                                  size_t i, struct error *why);
[[gnu::warn_unused_result]] int rpc_param_quantity(struct node_call *c, uint64_t *ret, size_t i,
                                                   struct error *why);
[[gnu::warn_unused_result]] int rpc_param_bool(struct node_call *c, bool *ret, size_t i,
                                               bool otherwise, struct error *why);
[[gnu::warn_unused_result]] int rpc_param_block(struct node_call *c, struct block_param *ret,
                                                size_t i, struct error *why); /* latest */

/* rpc_find_block gives the block that a parameter means (to be released), NULL when there is none.
 * pending means latest here. errors  the store's; an EIP-1898 hash that must be canonical and is
 * not. */
[[gnu::warn_unused_result]] int rpc_find_block(struct node_call *c, const struct head_block **ret,
                                               const struct block_param *p, struct error *why);

/* rpc_need_block is that, and fails the call when there is none. */
[[gnu::warn_unused_result]] int rpc_need_block(struct node_call *c, const struct head_block **ret,
                                               const struct block_param *p, struct error *why);

/* rpc_need_param_block reads parameter i (latest when absent) and finds its block. */
[[gnu::warn_unused_result]] int rpc_need_param_block(struct node_call *c,
                                                     const struct head_block **ret, size_t i,
                                                     struct block_param *ret_param,
                                                     struct error *why);

/* rpc_need_view opens the state after a block. */
[[gnu::warn_unused_result]] int rpc_need_view(struct node_call *c, struct head_view **ret,
                                              const struct hash *block, struct error *why);

/* rpc_state_failed fails the call because a state could not be read. */
int rpc_state_failed(struct node_call *c, struct error *why);
#ifdef __clang_analyzer__ // as in base/error.h
#define rpc_state_failed(c, why) ((void)(rpc_state_failed)(c, why), (int)ERR_INVALID)
#endif

/* rpc_now_s: wall clock, seconds. */
uint64_t rpc_now_s(void);

/* rpc_header_after fills what is known of a block after `parent` before it has transactions:
 * number, times, gas limit (the parent's), base fee, excess blob gas, form. Roots are those of
 * nothing. */
void rpc_header_after(struct header *ret, const struct chain_config *config,
                      const struct header *parent, const struct hash *parent_hash,
                      uint64_t timestamp);

/* rpc_blob_base_fee of a header; 0 before Cancun. */
struct u256 rpc_blob_base_fee(const struct chain_config *config, const struct header *h);

/* ---- machines (rpc_machine.c) ---- */

/* rpc_machine_take gives a machine on the state after a block. limit_ns  0: the configured one.
 * errors  as rpc_need_view, ERR_NO_MEMORY, ERR_BUSY. */
[[gnu::warn_unused_result]] int rpc_machine_take(struct node_call *c, struct rpc_machine **ret,
                                                 const struct hash *block, uint64_t limit_ns,
                                                 struct error *why);
void rpc_machine_give(struct rpc *r, struct rpc_machine *m); /* NULL is allowed */
void rpc_machines_free(struct rpc *r);

/* rpc_machine_env sets the machine up for calls in an environment, without the calls that a block
 * begins with. o may be NULL. */
void rpc_machine_env(struct rpc_machine *m, const struct block_env *env,
                     const struct block_overrides *o);

/* rpc_block_env gives the environment of a call "at" a block: that of the block itself, or for
 * pending that of the block after it. Hooks look into the machine's view. */
struct block_env rpc_block_env(const struct rpc *r, const struct head_block *b, bool pending,
                               struct rpc_machine *m);

/* rpc_override applies state overrides; ret_moves stand in c->a and go into vm.moves.
 * errors  the state's; a wrong movePrecompileToAddress (-38022, -38023, -32602). */
[[gnu::warn_unused_result]] int rpc_override(struct node_call *c, struct rpc_machine *m,
                                             const struct state_overrides *o, struct error *why);

/* rpc_stopped: the time is over; rpc_timed_out fails the call for it. */
static inline bool rpc_stopped(const struct rpc_machine *m) {
    return atomic_load_explicit(&m->abort, memory_order_relaxed);
}
int rpc_timed_out(struct node_call *c, struct error *why);
#ifdef __clang_analyzer__ // as in base/error.h
#define rpc_timed_out(c, why) ((void)(rpc_timed_out)(c, why), (int)ERR_INVALID)
#endif

/* ---- calls (rpc_call.c) ---- */

/* A decoded call with the place it runs at. */
struct rpc_run {
    struct call_object call;
    const struct head_block *block;
    struct rpc_machine *m;
    bool pending;
    struct fork_rules rules; /* of the environment's fork, without the caps that simulation lifts */
};

/* rpc_run_open reads parameters: call object, block, state overrides, block overrides (by their
 * positions; SIZE_MAX: none) and makes a machine ready. rpc_run_close in any case. */
struct rpc_run_positions {
    size_t call, block, state_overrides, block_overrides;
};
[[gnu::warn_unused_result]] int rpc_run_open(struct node_call *c, struct rpc_run *ret,
                                             const struct rpc_run_positions *at, struct error *why);
void rpc_run_close(struct node_call *c, struct rpc_run *run);

/* rpc_run_once runs the call with `gas`, on the state as it stands (which keeps the changes); fees
 * that are not given are none, and then the base fee is none either. *ret as transact_run.
 * errors  the call is failed. */
[[gnu::warn_unused_result]] int rpc_run_once(struct node_call *c, struct rpc_run *run, uint64_t gas,
                                             struct transact_result *ret, struct error *why);

/* rpc_fail_fault fails the call for a transaction that is not valid where it is to run. */
int rpc_fail_fault(struct node_call *c, const struct transact_result *r, struct error *why);
/* rpc_fail_halt fails the call for execution that did not succeed; a revert gives its reason. */
int rpc_fail_halt(struct node_call *c, const struct transact_result *r, struct error *why);

/* rpc_call_gas: what a call without gas gets, and the most it may have. */
uint64_t rpc_call_gas(const struct rpc *r, const struct rpc_run *run);

/* ---- logs, filters, subscriptions ---- */

/* rpc_block_logs writes the logs of a block that match, into the open array. false when more than
 * the limit were written. */
bool rpc_block_logs(struct json_writer *w, const struct head_block *b, const struct log_filter *f,
                    const struct log_filter_bits *bits, bool removed, uint64_t *count,
                    uint64_t limit);

/* rpc_get_logs answers eth_getLogs. */
[[gnu::warn_unused_result]] int rpc_get_logs(struct node_call *c, const struct log_filter *f,
                                             struct error *why);

[[gnu::warn_unused_result]] int rpc_blooms_open(struct rpc *r, struct error *why);
void rpc_blooms_close(struct rpc *r);

/* What happened, in order. One of the two parts is set. */
struct rpc_event {
    const struct head_block **added, **removed; /* oldest first, newest first; held */
    size_t added_count, removed_count;
    struct pool_tx *tx; /* held */
};

[[gnu::warn_unused_result]] int rpc_events_open(struct rpc *r, struct error *why);
void rpc_events_close(struct rpc *r);
/* rpc_events_drain hands what waits to filters and subscriptions; a method that reads filters calls
 * it first, so that what happened before the call is seen by it. */
void rpc_events_drain(struct rpc *r);
/* rpc_events_moves counts the head's moves; rpc_events_wait waits until there are more than `moves`
 * of them, at most until a monotonic time. */
uint64_t rpc_events_moves(struct rpc *r);
void rpc_events_wait(struct rpc *r, uint64_t moves, uint64_t end_ns);

[[gnu::warn_unused_result]] int rpc_filters_open(struct rpc *r, struct error *why);
void rpc_filters_close(struct rpc *r);
void rpc_filters_take(struct rpc *r, const struct rpc_event *e);

[[gnu::warn_unused_result]] int rpc_subscriptions_open(struct rpc *r, struct error *why);
void rpc_subscriptions_close(struct rpc *r);
void rpc_subscriptions_take(struct rpc *r, const struct rpc_event *e);

/* ---- objects ---- */

/* rpc_put_receipt writes the receipt of one transaction of a block as a value. */
void rpc_put_receipt(struct json_writer *w, const struct head_block *b, size_t index,
                     const struct chain_config *config);
/* rpc_put_tx writes a transaction of a block; rpc_put_pool_tx one of the pool, under a key. */
void rpc_put_tx(struct json_writer *w, const struct head_block *b, size_t index);
void rpc_put_pool_tx(struct json_writer *w, const char *key, const struct pool_tx *t);
/* rpc_put_header writes a header object (newHeads, eth_getHeaderBy*). */
void rpc_put_header(struct json_writer *w, const char *key, const struct head_block *b);

/* ---- the pending block (rpc_pending.c) ---- */

/* rpc_pending_block gives the block that the node would build now from its pool: decoded, with
 * senders, in c->a. */
[[gnu::warn_unused_result]] int rpc_pending_block(struct node_call *c, struct block *ret,
                                                  const struct address **ret_senders,
                                                  struct error *why);
[[gnu::warn_unused_result]] int rpc_pending_open(struct rpc *r, struct error *why);
void rpc_pending_close(struct rpc *r);

/* rpc_suggest_tip: wei a gas that a transaction should offer above the base fee. */
[[gnu::warn_unused_result]] int rpc_suggest_tip(struct node_call *c, struct u256 *ret,
                                                struct error *why);

/* ---- tables ---- */

struct rpc_table {
    const struct node_method *methods;
    size_t count;
};
extern const struct rpc_table rpc_block_table, rpc_state_table, rpc_call_table, rpc_fee_table,
    rpc_log_table, rpc_filter_table, rpc_subscription_table, rpc_pool_table, rpc_net_table,
    rpc_trace_table, rpc_simulate_table, rpc_bundle_table, rpc_witness_table;

#define RPC_TABLE(name, methods_)                                                                  \
    const struct rpc_table name = {(methods_), sizeof(methods_) / sizeof *(methods_)}

#endif
