/* debug_trace*: blocks and calls run again, watched. SPDX-License-Identifier: MIT */
#include "node/rpc_internal.h"
#include "node/rpc_tracing.h"

/* ---- blocks ---- */

/* A block on a machine, run up to some transaction. */
struct retrace {
    struct rpc_machine *m;
    const struct block *block;
    const struct address *senders;
    size_t log_first; /* in the state: the block's first log */
};

/* Options of parameter i. */
static int read_options(struct node_call *c, struct tracing *ret, size_t i, struct error *why) {
    if (tracing_read(ret, node_param(c, i), c->node->values->answer_bytes, why) == 0) return 0;
    return node_bad_params(c, why);
}

static int failed(struct node_call *c, int r, struct error *own, struct error *why) {
    if (r == ERR_CANCELLED) return rpc_timed_out(c, why);
    *why = *own;
    if (r == ERR_LIMIT) {
        return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "%s", own->text);
    }
    return r == ERR_STALE || r == ERR_NOT_FOUND ? rpc_state_failed(c, why) : r;
}

static int retrace_open(struct node_call *c, struct retrace *t, const struct block *block,
                        const struct address *senders, uint64_t timeout_ns, struct error *why) {
    struct error own = {.code = ERR_INTERNAL};
    *t = (struct retrace){.block = block, .senders = senders};
    if (block->header.number == 0) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "genesis is not traceable");
    }
    int r = rpc_machine_take(c, &t->m, &block->header.parent_hash, timeout_ns, why);
    if (r != 0) return r;
    struct block_env env = block_env_of(c->node->config, block);
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = t->m->view;
    r = block_run_begin(&t->m->run, &t->m->state, &env, &own);
    t->log_first = t->m->state.log_count;
    return r == 0 ? 0 : failed(c, r, &own, why);
}

/* Runs transaction i; with `tracing` writes what it saw as the value of `key`. */
static int run_tx(struct node_call *c, struct retrace *t, size_t i, struct tracing *tracing,
                  const char *key, struct error *why) {
    struct transact_result result;
    struct error own = {.code = ERR_INTERNAL};
    struct evm *vm = &t->m->vm;
    int r = tracing ? tracing_begin(tracing, vm, why) : 0;
    if (r != 0) return r;
    r = block_run_tx(&t->m->run, &t->block->txs[i], &t->senders[i], &result, &own);
    if (r == 0 && result.fault != TRANSACT_VALID) {
        if (tracing) tracing_drop(tracing, vm);
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "transaction %zu: %s", i,
                         transact_fault_text(&result));
    }
    if (r == 0 && tracing) {
        r = tracing_end(tracing, vm, c->result, key, &result, t->block->txs[i].gas, t->log_first,
                        &own);
    } else if (tracing) {
        tracing_drop(tracing, vm);
    }
    return r == 0 ? 0 : failed(c, r, &own, why);
}

static int trace_all(struct node_call *c, const struct block *block, const struct address *senders,
                     struct tracing *tracing, struct error *why) {
    struct retrace t;
    int r = retrace_open(c, &t, block, senders, tracing->timeout_ns, why);
    json_begin_array(c->result, NULL);
    for (size_t i = 0; i < block->tx_count && r == 0; i++) {
        json_begin_object(c->result, NULL);
        json_add_data(c->result, "txHash", BYTES_OF(block->txs[i].hash));
        r = run_tx(c, &t, i, tracing, "result", why);
        json_end(c->result);
        if (r == 0 && c->result->out->n > c->node->values->answer_bytes) {
            r = node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "response too large");
        }
    }
    json_end(c->result);
    rpc_machine_give(rpc_of(c), t.m);
    return r;
}

static int trace_found(struct node_call *c, const struct head_block *b, struct error *why) {
    struct tracing tracing;
    int r = read_options(c, &tracing, 1, why);
    if (r == 0) r = trace_all(c, &b->block, b->senders, &tracing, why);
    head_block_release(b);
    return r;
}

static int trace_block_by_number(struct node_call *c, struct error *why) {
    struct block_param p;
    const struct head_block *b;
    int r = rpc_expect_params(c, 1, why);
    if (r != 0) return r;
    if (block_param_decode_number(&p, node_param(c, 0), BLOCK_PARAM_LATEST, why) != 0) {
        return node_bad_params(c, why);
    }
    if (p.kind == BLOCK_PARAM_PENDING) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(),
                         "tracing on top of pending is not supported");
    }
    r = rpc_need_block(c, &b, &p, why);
    return r == 0 ? trace_found(c, b, why) : r;
}

static int trace_block_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p = {.kind = BLOCK_PARAM_HASH};
    int r = rpc_param_hash(c, &p.hash, 0, why);
    if (r == 0) r = rpc_find_block(c, &b, &p, why);
    if (r != 0) return r;
    if (!b) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "block not found");
    }
    return trace_found(c, b, why);
}

/* A block that the user brings; its parent must be known. */
static int trace_block(struct node_call *c, struct error *why) {
    struct tracing tracing;
    struct bytes rlp;
    struct block block;
    const struct json *v = node_param(c, 0);
    int r = v ? json_data(&rlp, v, c->a, why)
              : error_set(why, ERR_NOT_FOUND, "missing value for required argument 0");
    if (r == 0) r = block_decode(&block, rlp, c->a, why);
    if (r != 0) return node_bad_params(c, why);
    r = read_options(c, &tracing, 1, why);
    if (r != 0) return r;
    struct address *senders = arena_new_array(c->a, struct address, block.tx_count);
    if (!senders) return error_set(why, ERR_NO_MEMORY, "no memory for senders");
    for (size_t i = 0; i < block.tx_count; i++) {
        if (tx_sender(&senders[i], &block.txs[i], why) != 0) return node_bad_params(c, why);
    }
    return trace_all(c, &block, senders, &tracing, why);
}

static int trace_transaction(struct node_call *c, struct error *why) {
    struct tracing tracing;
    struct hash hash;
    const struct head_block *b;
    struct retrace t = {.m = NULL};
    size_t index;
    int r = rpc_param_hash(c, &hash, 0, why);
    if (r == 0) r = read_options(c, &tracing, 1, why);
    if (r != 0) return r;
    r = head_tx_find(c->node->head, &b, &index, &hash, why);
    if (r == ERR_NOT_FOUND) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "transaction not found");
    }
    if (r != 0) return r;
    r = retrace_open(c, &t, &b->block, b->senders, tracing.timeout_ns, why);
    for (size_t i = 0; i < index && r == 0; i++) {
        r = run_tx(c, &t, i, NULL, NULL, why);
    }
    if (r == 0) r = run_tx(c, &t, index, &tracing, NULL, why);
    rpc_machine_give(rpc_of(c), t.m);
    head_block_release(b);
    return r;
}

/* ---- calls ---- */

/* The options' overrides stand where a call's own would: as parameters of their own. */
static int open_call(struct node_call *c, struct rpc_run *run, struct error *why) {
    static const struct rpc_run_positions at = {0, 1, SIZE_MAX, SIZE_MAX};
    const struct json *options = node_param(c, 2);
    struct state_overrides state;
    struct block_overrides block;
    int r = state_overrides_decode(&state, json_get(options, "stateOverrides"), c->a, why);
    if (r == 0) {
        r = block_overrides_decode(&block, json_get(options, "blockOverrides"), c->a, why);
    }
    *run = (struct rpc_run){.m = NULL};
    if (r != 0) return node_bad_params(c, why);
    r = rpc_run_open(c, run, &at, why);
    if (r != 0) return r;
    struct block_env env = rpc_block_env(rpc_of(c), run->block, run->pending, run->m);
    rpc_machine_env(run->m, &env, &block);
    return rpc_override(c, run->m, &state, why);
}

static int trace_call(struct node_call *c, struct error *why) {
    struct tracing tracing;
    struct rpc_run run = {.m = NULL};
    struct transact_result result;
    int r = read_options(c, &tracing, 2, why);
    if (r != 0) return r;
    r = open_call(c, &run, why);
    if (r == 0) r = tracing_begin(&tracing, &run.m->vm, why);
    if (r != 0) {
        rpc_run_close(c, &run);
        return r;
    }
    uint64_t gas = rpc_call_gas(rpc_of(c), &run);
    r = rpc_run_once(c, &run, gas, &result, why);
    if (r == 0 && result.fault != TRANSACT_VALID) r = rpc_fail_fault(c, &result, why);
    if (r == 0) {
        struct error own = {.code = ERR_INTERNAL};
        r = tracing_end(&tracing, &run.m->vm, c->result, NULL, &result, gas, 0, &own);
        if (r != 0) r = failed(c, r, &own, why);
    } else {
        tracing_drop(&tracing, &run.m->vm);
    }
    rpc_run_close(c, &run);
    return r;
}

static const struct node_method methods[] = {
    {"debug_traceTransaction", trace_transaction, NODE_USER},
    {"debug_traceBlockByNumber", trace_block_by_number, NODE_USER},
    {"debug_traceBlockByHash", trace_block_by_hash, NODE_USER},
    {"debug_traceBlock", trace_block, NODE_USER},
    {"debug_traceCall", trace_call, NODE_USER},
};
RPC_TABLE(rpc_trace_table, methods);
