/* SPDX-License-Identifier: MIT */
#include "evm/precompile.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define CODES_KEPT (32u << 20)  // bytes of code and programs of all machines
#define MEMORY_KEPT (32u << 20) // of its state; a call that took more gives it back

/* ---- taking and giving back ---- */

static int machine_new(struct rpc_machine **ret, struct rpc *r, struct error *why) {
    struct rpc_machine *m = calloc(1, sizeof *m);
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for a machine");
    int code = evm_init(&m->vm, r->codes, head_precompiles(r->node->head), why);
    if (code != 0) {
        free(m);
        return code;
    }
    code = state_init(&m->state, STATE_NOTHING, r->codes, why);
    if (code != 0) {
        evm_free(&m->vm);
        free(m);
        return code;
    }
    block_run_init(&m->run, &m->vm);
    m->vm.abort = &m->abort;
    *ret = m;
    return 0;
}

static void machine_free(struct rpc_machine *m) {
    block_run_free(&m->run);
    state_free(&m->state);
    evm_free(&m->vm);
    free(m);
}

/* An idle machine, or a new one. */
static int pick(struct rpc *r, struct rpc_machine **ret, struct error *why) {
    struct rpc_machine *m = NULL;
    int code = 0;
    pthread_mutex_lock(&r->machines_lock);
    if (r->idle) {
        m = r->idle;
        r->idle = m->next;
    } else if (r->machine_count == RPC_MACHINES_MAX) {
        code = error_set(why, ERR_BUSY, "all machines are at work");
    } else {
        code = machine_new(&m, r, why);
        if (code == 0) r->machines[r->machine_count++] = m;
    }
    pthread_mutex_unlock(&r->machines_lock);
    *ret = m;
    return code;
}

int rpc_machine_take(struct node_call *c, struct rpc_machine **ret, const struct hash *block,
                     uint64_t limit_ns, struct error *why) {
    struct rpc *r = rpc_of(c);
    struct rpc_machine *m;
    *ret = NULL;
    int code = pick(r, &m, why);
    if (code != 0) return code;
    code = rpc_need_view(c, &m->view, block, why);
    if (code != 0) {
        m->view = NULL;
        rpc_machine_give(r, m);
        return code;
    }
    state_reset(&m->state, head_view_reader(m->view));
    uint64_t limit = c->node->values->call_ns;
    if (limit_ns != 0 && limit_ns < limit) limit = limit_ns;
    atomic_store(&m->abort, false);
    atomic_store(&m->deadline_ns, clock_monotonic_ns(&clock_system) + limit);
    *ret = m;
    return 0;
}

/* Empties the state; one that grew large is made anew. */
static void empty_state(struct rpc *r, struct rpc_machine *m) {
    struct state fresh;
    bool large = m->state.memory.used_bytes > MEMORY_KEPT ||
                 m->state.journal_room > MEMORY_KEPT / sizeof *m->state.journal;
    if (large && state_init(&fresh, STATE_NOTHING, r->codes, NULL) == 0) {
        state_free(&m->state);
        evm_code_user_leave(r->codes, &fresh.code_user); // the cache knows users by their place
        m->state = fresh;
        evm_code_user_join(r->codes, &m->state.code_user);
    } else {
        state_reset(&m->state, STATE_NOTHING);
    }
}

void rpc_machine_give(struct rpc *r, struct rpc_machine *m) {
    if (!m) return;
    empty_state(r, m);
    m->vm.tracer = NULL;
    m->vm.moves = NULL;
    m->vm.move_count = 0;
    head_view_close(m->view);
    m->view = NULL;
    atomic_store(&m->deadline_ns, 0);
    pthread_mutex_lock(&r->machines_lock);
    m->next = r->idle;
    r->idle = m;
    if (evm_code_cache_bytes(r->codes) > CODES_KEPT) {
        evm_code_cache_trim(r->codes, CODES_KEPT / 4 * 3);
        // Idle ones hold no codes; what is taken out waits for no one but those at work.
        for (struct rpc_machine *i = r->idle; i; i = i->next) {
            evm_code_user_pass(r->codes, &i->state.code_user);
        }
    }
    pthread_mutex_unlock(&r->machines_lock);
}

void rpc_machines_free(struct rpc *r) {
    for (unsigned i = 0; i < r->machine_count; i++) {
        machine_free(r->machines[i]);
    }
    r->machine_count = 0;
    r->idle = NULL;
}

int(rpc_timed_out)(struct node_call *c, struct error *why) {
    return node_fail(c, why, RPC_ERROR_TIMEOUT, rpc_none(), "execution aborted (timeout = %llums)",
                     (unsigned long long)(c->node->values->call_ns / NS_PER_MS));
}

/* ---- environments ---- */

struct block_env rpc_block_env(const struct rpc *r, const struct head_block *b, bool pending,
                               struct rpc_machine *m) {
    struct block next = {.tx_count = 0};
    const struct block *at = &b->block;
    if (pending) {
        rpc_header_after(&next.header, r->node->config, &b->block.header, &b->hash,
                         node_time_after(r->node, &b->block.header));
        next.header.coinbase = b->block.header.coinbase;
        next.header.mix_hash = b->block.header.mix_hash;
        at = &next;
    }
    struct block_env env = block_env_of(r->node->config, at);
    env.withdrawals = NULL;
    env.withdrawal_count = 0;
    env.ommers = NULL;
    env.ommer_count = 0;
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = m->view;
    return env;
}

void rpc_machine_env(struct rpc_machine *m, const struct block_env *env,
                     const struct block_overrides *o) {
    static const struct block_overrides none;
    if (!o) o = &none;
    uint64_t time = o->has_time ? o->time : env->timestamp;
    enum fork fork = env->fork;
    const struct blob_params *blobs =
        fork >= FORK_CANCUN ? chain_blobs_at(env->config, time) : NULL;
    evm_use(&m->vm, &m->state, fork);
    m->vm.block = (struct evm_block){
        .coinbase = o->has_coinbase ? o->coinbase : env->coinbase,
        .number = o->has_number ? o->number : env->number,
        .timestamp = time,
        .gas_limit = o->has_gas_limit ? o->gas_limit : env->gas_limit,
        .prevrandao = o->has_prevrandao ? o->prevrandao : env->prevrandao,
        .base_fee = o->has_base_fee       ? o->base_fee
                    : fork >= FORK_LONDON ? env->base_fee
                                          : U256_ZERO,
        .blob_base_fee = o->has_blob_base_fee ? o->blob_base_fee
                         : blobs ? blob_base_fee(env->excess_blob_gas, blobs->update_fraction)
                                 : U256_ZERO,
        .chain_id = env->config->chain_id,
        .block_hash = env->block_hash,
        .block_hash_ctx = env->block_hash_ctx,
    };
}

/* ---- state overrides ---- */

static int bad_move(struct node_call *c, int code, const char *text, struct error *why) {
    return node_fail(c, why, code, rpc_none(), "%s", text);
}

/* Where precompiled contracts go. Those whose code is overridden stand nowhere. */
static int override_moves(struct node_call *c, struct rpc_machine *m,
                          const struct state_overrides *o, struct error *why) {
    enum fork fork = m->vm.schedule.fork;
    size_t room = m->vm.move_count + o->count;
    struct evm_move *moves = arena_new_array(c->a, struct evm_move, room);
    if (!moves) return error_set(why, ERR_NO_MEMORY, "no memory for overrides");
    size_t n = m->vm.move_count;
    if (n) memcpy(moves, m->vm.moves, n * sizeof *moves);
    for (size_t i = 0; i < o->count; i++) {
        const struct account_override *a = &o->accounts[i];
        bool is_contract = evm_is_precompile(fork, &a->address);
        if (a->has_move && !is_contract) {
            return bad_move(c, RPC_ERROR_FAILED, "account is not a precompile", why);
        }
        if (a->has_move && address_equal(&a->address, &a->move_to)) {
            return bad_move(c, -38022, "MovePrecompileToAddress referenced itself", why);
        }
        for (size_t k = 0; a->has_move && k < o->count; k++) {
            if (address_equal(&o->accounts[k].address, &a->move_to)) {
                return bad_move(c, -38023, "account is overridden and a target of a move", why);
            }
        }
        for (size_t k = 0; a->has_move && k < n; k++) {
            if (moves[k].has_to && address_equal(&moves[k].to, &a->move_to)) {
                return bad_move(c, -38023, "two precompiles are moved to one address", why);
            }
        }
        if (a->has_move || (a->has_code && is_contract)) {
            moves[n++] = (struct evm_move){a->address, a->move_to, a->has_move};
        }
    }
    m->vm.moves = moves;
    m->vm.move_count = n;
    return 0;
}

static void override_account(struct state *s, const struct account_override *o) {
    struct state_account *a = state_account_find(s, &o->address);
    if (o->replaces_storage) {
        // The storage is emptied by making the account anew around its nonce and code.
        uint64_t nonce = a->now.nonce;
        struct evm_code *code = state_code(s, a);
        state_create(s, a, nonce);
        if (code->size) state_set_code(s, a, (struct bytes){code->bytes, code->size});
    }
    if (o->has_balance) state_set_balance(s, a, o->balance);
    if (o->has_nonce) state_set_nonce(s, a, o->nonce);
    if (o->has_code) state_set_code(s, a, o->code);
    for (size_t i = 0; i < o->slot_count; i++) {
        struct u256 key = u256_load_be(o->slots[i].key.b);
        state_slot_set(s, state_slot_find(s, a, &key), o->slots[i].value);
    }
}

int rpc_override(struct node_call *c, struct rpc_machine *m, const struct state_overrides *o,
                 struct error *why) {
    struct state *s = &m->state;
    if (o->count == 0) return 0;
    int r = override_moves(c, m, o, why);
    if (r != 0) return r;
    state_begin(s);
    for (size_t i = 0; i < o->count; i++) {
        override_account(s, &o->accounts[i]);
    }
    state_end(s, false);
    struct error own = {.code = ERR_INTERNAL};
    if (state_check(s, &own) == 0) return 0;
    *why = own;
    return rpc_state_failed(c, why);
}
