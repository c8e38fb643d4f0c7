/* eth_call, eth_estimateGas, eth_createAccessList, and what others need to run a call.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/revert.h"
#include "eth/tx_check.h"
#include "evm/tracer_access.h"
#include "node/rpc_internal.h"

#define ACCESS_ROUNDS_MAX 64u // a list that does not settle is an error
#define TRANSFER_GAS 21000u
#define STIPEND_GAS 2300u

/* ---- what went wrong ---- */

int rpc_fail_halt(struct node_call *c, const struct transact_result *r, struct error *why) {
    if (r->status != EVM_REVERT) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", evm_status_name(r->status));
    }
    char *hex = arena_alloc(c->a, 2 * r->output.n + 5);
    const char *reason = revert_text(r->output, c->a);
    if (!hex) return error_set(why, ERR_NO_MEMORY, "no memory for a revert's data");
    hex[0] = '"';
    hex[1] = '0';
    hex[2] = 'x';
    hex_encode(hex + 3, r->output);
    hex[3 + 2 * r->output.n] = '"';
    struct bytes data = bytes_make(hex, 2 * r->output.n + 4);
    return node_fail(c, why, RPC_ERROR_REVERTED, data, "execution reverted%s%s", reason ? ": " : "",
                     reason ? reason : "");
}

int rpc_fail_fault(struct node_call *c, const struct transact_result *r, struct error *why) {
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", transact_fault_text(r));
}

/* ---- running a call ---- */

/* A block parameter that may be absent because the method has none at that place. */
static int run_block(struct node_call *c, struct rpc_run *run, size_t i, struct error *why) {
    struct block_param p;
    int r = rpc_need_param_block(c, &run->block, i, &p, why);
    if (r != 0) run->block = NULL;
    run->pending = r == 0 && p.kind == BLOCK_PARAM_PENDING;
    return r;
}

static const struct json *param_or_none(struct node_call *c, size_t i) {
    return i == SIZE_MAX ? NULL : node_param(c, i);
}

static int run_call_object(struct node_call *c, struct rpc_run *run, size_t i, struct error *why) {
    const struct json *in = node_param(c, i);
    if (!in) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "missing value for required argument %zu", i);
    }
    if (call_object_decode(&run->call, in, c->a, why) != 0) {
        error_wrap(why, "invalid argument %zu", i);
        return node_bad_params(c, why);
    }
    struct tx *t = &run->call.tx;
    uint64_t chain = c->node->config->chain_id;
    if (run->call.has_chain_id && t->chain_id != chain) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "chainId does not match node's (have=%llu, want=%llu)",
                         (unsigned long long)t->chain_id, (unsigned long long)chain);
    }
    t->chain_id = chain;
    t->signature.r[31] = t->signature.s[31] = 1; // of no one; who sends is in `from`
    return 0;
}

int rpc_run_open(struct node_call *c, struct rpc_run *ret, const struct rpc_run_positions *at,
                 struct error *why) {
    struct state_overrides overrides;
    struct block_overrides block;
    *ret = (struct rpc_run){.m = NULL};
    int r = run_call_object(c, ret, at->call, why);
    if (r != 0) return r;
    r = state_overrides_decode(&overrides, param_or_none(c, at->state_overrides), c->a, why);
    if (r == 0) {
        r = block_overrides_decode(&block, param_or_none(c, at->block_overrides), c->a, why);
    }
    if (r != 0) return node_bad_params(c, why);
    if (block.has_withdrawals || block.has_beacon_root) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "block override \"%s\" is not supported for this method",
                         block.has_withdrawals ? "withdrawals" : "beaconRoot");
    }
    r = run_block(c, ret, at->block, why);
    if (r == 0) r = rpc_machine_take(c, &ret->m, &ret->block->hash, 0, why);
    if (r != 0) return r;
    struct block_env env = rpc_block_env(rpc_of(c), ret->block, ret->pending, ret->m);
    if (block.has_time) {
        env.fork = chain_fork_at(env.config, env.number, block.time, env.fork >= FORK_PARIS);
    }
    rpc_machine_env(ret->m, &env, &block);
    call_object_settle(&ret->call, env.fork);
    ret->rules = *fork_rules_of(env.fork);
    ret->rules.gas_max = 0;
    return rpc_override(c, ret->m, &overrides, why);
}

void rpc_run_close(struct node_call *c, struct rpc_run *run) {
    rpc_machine_give(rpc_of(c), run->m);
    head_block_release(run->block);
    run->m = NULL;
    run->block = NULL;
}

uint64_t rpc_call_gas(const struct rpc *r, const struct rpc_run *run) {
    uint64_t most = r->node->values->call_gas;
    if (most == 0 || most > INT64_MAX) most = INT64_MAX;
    return run->call.has_gas && run->call.tx.gas < most ? run->call.tx.gas : most;
}

int rpc_run_once(struct node_call *c, struct rpc_run *run, uint64_t gas,
                 struct transact_result *ret, struct error *why) {
    struct evm *vm = &run->m->vm;
    struct tx t = run->call.tx;
    struct evm_block block = vm->block;
    struct error own = {.code = ERR_INTERNAL};
    t.gas = gas;
    t.nonce = run->m->state.failed.code
                  ? 0
                  : state_account_find(&run->m->state, &run->call.from)->now.nonce;
    if (u256_is_zero(t.max_fee) && u256_is_zero(t.max_priority_fee)) vm->block.base_fee = U256_ZERO;
    if (u256_is_zero(t.max_blob_fee)) vm->block.blob_base_fee = U256_ZERO;
    struct transact_context context = {.rules = &run->rules,
                                       .gas_left = UINT64_MAX,
                                       .blob_gas_left = UINT64_MAX,
                                       .skip_nonce = true,
                                       .skip_sender_code = true};
    int r = transact_run(vm, &context, &t, &run->call.from, ret, &own);
    vm->block = block;
    if (r == 0) return 0;
    if (r == ERR_CANCELLED) return rpc_timed_out(c, why);
    *why = own;
    return rpc_state_failed(c, why);
}

/* ---- eth_call ---- */

static int eth_call(struct node_call *c, struct error *why) {
    static const struct rpc_run_positions at = {0, 1, 2, 3};
    struct rpc_run run;
    struct transact_result result;
    int r = rpc_run_open(c, &run, &at, why);
    if (r == 0) r = rpc_run_once(c, &run, rpc_call_gas(rpc_of(c), &run), &result, why);
    if (r == 0 && result.fault != TRANSACT_VALID) {
        r = rpc_fail_fault(c, &result, why);
    } else if (r == 0 && result.status != EVM_SUCCESS) {
        r = rpc_fail_halt(c, &result, why);
    } else if (r == 0) {
        json_add_data(c->result, NULL, result.output);
    }
    rpc_run_close(c, &run);
    return r;
}

/* ---- eth_estimateGas ---- */

/* One try, after which the state is as before. *ret_enough: it went through. */
static int try_gas(struct node_call *c, struct rpc_run *run, uint64_t gas, bool *ret_enough,
                   struct transact_result *ret, struct error *why) {
    struct state_mark mark = state_mark_now(&run->m->state);
    int r = rpc_run_once(c, run, gas, ret, why);
    if (r != 0) return r;
    state_revert(&run->m->state, mark);
    bool short_of_gas = ret->fault == TRANSACT_RULES &&
                        (ret->rules == TX_FAULT_INTRINSIC_GAS || ret->rules == TX_FAULT_FLOOR_GAS);
    if (ret->fault != TRANSACT_VALID && !short_of_gas) return rpc_fail_fault(c, ret, why);
    *ret_enough = ret->fault == TRANSACT_VALID && ret->status == EVM_SUCCESS;
    return 0;
}

/* The most gas that is worth trying: what was given or the block's, what the sender can pay, the
 * node's and the fork's limits. */
static int highest_gas(struct node_call *c, struct rpc_run *run, uint64_t *ret, struct error *why) {
    const struct tx *t = &run->call.tx;
    uint64_t gas =
        run->call.has_gas && t->gas >= TRANSFER_GAS ? t->gas : run->m->vm.block.gas_limit;
    uint64_t fork_max = fork_rules_of(run->rules.fork)->gas_max;
    if (!u256_is_zero(t->max_fee)) {
        struct u256 balance = state_account_find(&run->m->state, &run->call.from)->now.balance;
        struct u256 left, blobs, affordable;
        blobs = u256_mul(t->max_blob_fee, u256_from_u64(tx_blob_gas(t)));
        if (u256_sub_borrow(&left, balance, t->value) || u256_sub_borrow(&left, left, blobs)) {
            return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(),
                             "insufficient funds for transfer");
        }
        u256_div_mod(&affordable, NULL, left, t->max_fee);
        if (u256_fits_u64(affordable) && affordable.w[0] < gas) gas = affordable.w[0];
    }
    uint64_t most = c->node->values->call_gas;
    if (most != 0 && gas > most) gas = most;
    if (fork_max != 0 && gas > fork_max) gas = fork_max;
    *ret = gas;
    return 0;
}

/* Between `low`, which is not enough, and `high`, which is. */
static int search(struct node_call *c, struct rpc_run *run, uint64_t low, uint64_t high,
                  uint64_t *ret, struct error *why) {
    struct transact_result result;
    bool enough;
    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;
        // Most calls need little more than they use: do not begin in the middle of the sky.
        if (middle > 2 * low) middle = 2 * low;
        int r = try_gas(c, run, middle, &enough, &result, why);
        if (r != 0) return r;
        if (enough) {
            high = middle;
        } else {
            low = middle;
        }
    }
    *ret = high;
    return 0;
}

static int estimate(struct node_call *c, struct rpc_run *run, uint64_t *ret, struct error *why) {
    struct transact_result result;
    bool enough;
    uint64_t high = 0;
    int r = highest_gas(c, run, &high, why);
    const struct tx *t = &run->call.tx;
    if (r == 0 && t->has_to && t->data.n == 0 && t->access_count == 0 &&
        t->authorization_count == 0 && high >= TRANSFER_GAS &&
        state_code(&run->m->state, state_account_find(&run->m->state, &t->to))->size == 0) {
        r = try_gas(c, run, TRANSFER_GAS, &enough, &result, why);
        if (r == 0 && enough) {
            *ret = TRANSFER_GAS;
            return 0;
        }
    }
    if (r == 0) r = try_gas(c, run, high, &enough, &result, why);
    if (r != 0) return r;
    if (!enough && result.fault == TRANSACT_VALID && result.status != EVM_OUT_OF_GAS) {
        return rpc_fail_halt(c, &result, why);
    }
    if (!enough) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(),
                         "gas required exceeds allowance (%llu)", (unsigned long long)high);
    }
    uint64_t used = result.gas_used, low = used - 1;
    // What it used and what it got back, with room for what calls keep behind: mostly enough.
    uint64_t likely = (used + result.gas_refunded + STIPEND_GAS) * 64 / 63;
    if (likely < high) {
        r = try_gas(c, run, likely, &enough, &result, why);
        if (r != 0) return r;
        if (enough) {
            high = likely;
        } else {
            low = likely;
        }
    }
    return search(c, run, low, high, ret, why);
}

static int eth_estimate_gas(struct node_call *c, struct error *why) {
    static const struct rpc_run_positions at = {0, 1, 2, 3};
    struct rpc_run run;
    uint64_t gas = 0;
    int r = rpc_run_open(c, &run, &at, why);
    if (r == 0) r = estimate(c, &run, &gas, why);
    if (r == 0) json_add_quantity(c->result, NULL, gas);
    rpc_run_close(c, &run);
    return r;
}

/* ---- eth_createAccessList ---- */

/* Runs until the list that a run is given is the one that it makes. */
static int settle_list(struct node_call *c, struct rpc_run *run, struct transact_result *ret,
                       struct error *why) {
    struct tx *t = &run->call.tx;
    struct address to = t->to;
    if (!t->has_to) {
        to = tx_create_address(&run->call.from,
                               state_account_find(&run->m->state, &run->call.from)->now.nonce);
    }
    for (unsigned round = 0; round < ACCESS_ROUNDS_MAX; round++) {
        struct access_list list;
        const struct tx_access *made;
        size_t count;
        access_list_begin(&list, c->a, run->m->vm.schedule.fork, &run->call.from, &to);
        int r = access_list_add(&list, t->access, t->access_count, why);
        if (r != 0) return r;
        struct state_mark mark = state_mark_now(&run->m->state);
        run->m->vm.tracer = access_list_tracer(&list);
        r = rpc_run_once(c, run, rpc_call_gas(rpc_of(c), run), ret, why);
        run->m->vm.tracer = NULL;
        state_revert(&run->m->state, mark);
        if (r == 0) r = access_list_end(&list, &made, &count, why);
        if (r != 0) return r;
        if (ret->fault != TRANSACT_VALID) return rpc_fail_fault(c, ret, why);
        bool same = round > 0 && access_list_equal(made, count, t->access, t->access_count);
        if (t->type == TX_LEGACY) t->type = TX_ACCESS_LIST;
        t->access = made;
        t->access_count = count;
        if (same) return 0;
    }
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "the access list does not settle");
}

static int eth_create_access_list(struct node_call *c, struct error *why) {
    static const struct rpc_run_positions at = {0, 1, 2, SIZE_MAX};
    struct rpc_run run;
    struct transact_result result;
    int r = rpc_run_open(c, &run, &at, why);
    if (r == 0) r = settle_list(c, &run, &result, why);
    if (r == 0) {
        struct json_writer *w = c->result;
        json_begin_object(w, NULL);
        access_list_json_encode(w, "accessList", run.call.tx.access, run.call.tx.access_count);
        if (result.status != EVM_SUCCESS) {
            json_add_str(w, "error", evm_status_name(result.status));
        }
        json_add_quantity(w, "gasUsed", result.gas_used);
        json_end(w);
    }
    rpc_run_close(c, &run);
    return r;
}

static const struct node_method methods[] = {
    {"eth_call", eth_call, NODE_USER | NODE_ENGINE},
    {"eth_estimateGas", eth_estimate_gas, NODE_USER},
    {"eth_createAccessList", eth_create_access_list, NODE_USER},
};
RPC_TABLE(rpc_call_table, methods);
