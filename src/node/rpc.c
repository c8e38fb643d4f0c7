/* SPDX-License-Identifier: MIT */
#include "node/rpc_internal.h"

#include "chain/header_check.h"
#include "eth/fees.h"

#include <stdlib.h>
#include <time.h>

#define WATCH_NS (20 * NS_PER_MS) // how late a time limit may strike

static const struct rpc_table *const tables[] = {
    &rpc_block_table,  &rpc_state_table,  &rpc_call_table,     &rpc_fee_table,
    &rpc_log_table,    &rpc_filter_table, &rpc_pool_table,     &rpc_subscription_table,
    &rpc_net_table,    &rpc_trace_table,  &rpc_simulate_table, &rpc_witness_table,
    &rpc_bundle_table,
};

/* ---- opening ---- */

static void watch(struct loop_timer *t) {
    struct rpc *r = (struct rpc *)((char *)t - offsetof(struct rpc, watchdog));
    uint64_t now = clock_monotonic_ns(&clock_system);
    pthread_mutex_lock(&r->machines_lock);
    for (unsigned i = 0; i < r->machine_count; i++) {
        uint64_t deadline = atomic_load(&r->machines[i]->deadline_ns);
        if (deadline != 0 && deadline < now) atomic_store(&r->machines[i]->abort, true);
    }
    pthread_mutex_unlock(&r->machines_lock);
    // Without memory for a timer the limits rest until the next open; the first one has its place.
    if (loop_timer_set(r->node->loop, t, loop_now_ns(r->node->loop) + WATCH_NS, NULL) != 0) {
        log_error(r->node->log, "rpc_watchdog_lost");
    }
}

int rpc_open(struct rpc **ret, struct node *n, struct error *why) {
    struct rpc *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for the JSON-RPC");
    r->node = n;
    r->watchdog.fire = watch;
    pthread_mutex_init(&r->machines_lock, NULL);
    r->codes = evm_code_cache_new();
    int code = r->codes ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for the JSON-RPC");
    if (code == 0) code = rpc_filters_open(r, why);
    if (code == 0) code = rpc_subscriptions_open(r, why);
    if (code == 0) code = rpc_pending_open(r, why);
    if (code == 0) code = rpc_blooms_open(r, why);
    if (code == 0) code = rpc_events_open(r, why);
    for (size_t i = 0; code == 0 && i < sizeof tables / sizeof *tables; i++) {
        code = node_add_methods(n, tables[i]->methods, tables[i]->count, r, why);
    }
    if (code == 0) {
        code = loop_timer_set(n->loop, &r->watchdog, loop_now_ns(n->loop) + WATCH_NS, why);
    }
    if (code != 0) {
        rpc_close(r);
        return code;
    }
    *ret = r;
    return 0;
}

void rpc_close(struct rpc *r) {
    if (!r) return;
    loop_timer_clear(r->node->loop, &r->watchdog);
    rpc_events_close(r);
    rpc_subscriptions_close(r);
    rpc_filters_close(r);
    rpc_pending_close(r);
    rpc_blooms_close(r);
    rpc_machines_free(r);
    evm_code_cache_free(r->codes);
    pthread_mutex_destroy(&r->machines_lock);
    free(r);
}

/* ---- parameters ---- */

int rpc_expect_params(struct node_call *c, size_t least, struct error *why) {
    size_t n = json_type_of(c->params) == JSON_ARRAY ? json_count(c->params) : 0;
    if (n >= least) return 0;
    return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                     "missing value for required argument %zu", n);
}

/* A parameter that must be there. */
static int need(struct node_call *c, const struct json **ret, size_t i, struct error *why) {
    *ret = node_param(c, i);
    if (*ret) return 0;
    return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                     "missing value for required argument %zu", i);
}

/* What is wrong with parameter i, in the call's error. */
static int wrong(struct node_call *c, size_t i, struct error *why) {
    error_wrap(why, "invalid argument %zu", i);
    return node_bad_params(c, why);
}

int rpc_param_hash(struct node_call *c, struct hash *ret, size_t i, struct error *why) {
    const struct json *v;
    int r = need(c, &v, i, why);
    if (r != 0) return r;
    return json_hash(ret, v, why) == 0 ? 0 : wrong(c, i, why);
}

int rpc_param_address(struct node_call *c, struct address *ret, size_t i, struct error *why) {
    const struct json *v;
    int r = need(c, &v, i, why);
    if (r != 0) return r;
    return json_address(ret, v, why) == 0 ? 0 : wrong(c, i, why);
}

int rpc_param_quantity(struct node_call *c, uint64_t *ret, size_t i, struct error *why) {
    const struct json *v;
    int r = need(c, &v, i, why);
    if (r != 0) return r;
    return json_quantity(ret, v, why) == 0 ? 0 : wrong(c, i, why);
}

int rpc_param_bool(struct node_call *c, bool *ret, size_t i, bool otherwise, struct error *why) {
    const struct json *v = node_param(c, i);
    *ret = otherwise;
    if (!v) return 0;
    return json_bool(ret, v, why) == 0 ? 0 : wrong(c, i, why);
}

int rpc_param_block(struct node_call *c, struct block_param *ret, size_t i, struct error *why) {
    int r = block_param_decode(ret, node_param(c, i), BLOCK_PARAM_LATEST, why);
    return r == 0 ? 0 : wrong(c, i, why);
}

/* ---- blocks ---- */

static int by_kind(struct head *h, const struct head_block **ret, const struct block_param *p,
                   struct error *why) {
    switch (p->kind) {
    case BLOCK_PARAM_NUMBER:
        return head_block_by_number(h, ret, p->number, why);
    case BLOCK_PARAM_HASH:
        return head_block_by_hash(h, ret, &p->hash, why);
    case BLOCK_PARAM_EARLIEST:
        *ret = head_genesis(h);
        break;
    case BLOCK_PARAM_SAFE:
        *ret = head_safe(h);
        break;
    case BLOCK_PARAM_FINALIZED:
        *ret = head_finalized(h);
        break;
    default:
        *ret = head_latest(h);
        break;
    }
    return 0;
}

int rpc_find_block(struct node_call *c, const struct head_block **ret, const struct block_param *p,
                   struct error *why) {
    const struct head_block *b = NULL;
    *ret = NULL;
    int r = by_kind(c->node->head, &b, p, why);
    if (r == ERR_NOT_FOUND) return 0;
    if (r != 0) return r;
    if (p->require_canonical && b && !head_is_canonical(c->node->head, b)) {
        head_block_release(b);
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "hash is not currently canonical");
    }
    *ret = b;
    return 0;
}

int rpc_need_block(struct node_call *c, const struct head_block **ret, const struct block_param *p,
                   struct error *why) {
    int r = rpc_find_block(c, ret, p, why);
    if (r != 0 || *ret) return r;
    if (p->kind == BLOCK_PARAM_HASH) {
        return node_fail(c, why, RPC_ERROR_NOT_FOUND, rpc_none(), "header for hash not found");
    }
    if (p->kind == BLOCK_PARAM_NUMBER) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "block #%llu not found",
                         (unsigned long long)p->number);
    }
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s block not found",
                     p->kind == BLOCK_PARAM_SAFE ? "safe" : "finalized");
}

int rpc_need_param_block(struct node_call *c, const struct head_block **ret, size_t i,
                         struct block_param *ret_param, struct error *why) {
    struct block_param p;
    int r = rpc_param_block(c, &p, i, why);
    if (r == 0) r = rpc_need_block(c, ret, &p, why);
    if (r == 0 && ret_param) *ret_param = p;
    return r;
}

int(rpc_state_failed)(struct node_call *c, struct error *why) {
    if (why->code != ERR_STALE && why->code != ERR_NOT_FOUND) return why->code;
    return node_fail(c, why, RPC_ERROR_PRUNED, rpc_none(), "state of this block is not kept");
}

int rpc_need_view(struct node_call *c, struct head_view **ret, const struct hash *block,
                  struct error *why) {
    struct error own = {.code = ERR_INTERNAL};
    int r = head_view_open(c->node->head, ret, block, &own);
    if (r == 0) return 0;
    if (why) *why = own;
    return rpc_state_failed(c, why ? why : &own);
}

uint64_t rpc_now_s(void) {
    return clock_wall_ns(&clock_system) / NS_PER_S;
}

/* ---- the block after ---- */

struct u256 rpc_blob_base_fee(const struct chain_config *config, const struct header *h) {
    const struct blob_params *p = chain_blobs_at(config, h->timestamp);
    if (h->form < HEADER_CANCUN || !p) return U256_ZERO;
    return blob_base_fee(h->excess_blob_gas, p->update_fraction);
}

void rpc_header_after(struct header *ret, const struct chain_config *config,
                      const struct header *parent, const struct hash *parent_hash,
                      uint64_t timestamp) {
    bool merged = u256_is_zero(parent->difficulty);
    enum fork fork = chain_fork_at(config, parent->number + 1, timestamp, merged);
    struct header h = {
        .parent_hash = *parent_hash,
        .ommers_hash = BLOCK_EMPTY_OMMERS,
        .number = parent->number + 1,
        .timestamp = timestamp,
        .gas_limit = parent->gas_limit,
        .difficulty = parent->difficulty,
        .form = header_form_of(fork),
    };
    if (h.form >= HEADER_LONDON) h.base_fee = header_base_fee(config, parent);
    if (h.form >= HEADER_CANCUN) {
        h.excess_blob_gas = header_excess_blob_gas(config, fork, timestamp, parent);
    }
    *ret = h;
}
