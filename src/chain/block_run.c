/* SPDX-License-Identifier: MIT */
#include "chain/block_run.h"

#include "chain/ahead.h"
#include "chain/dao.h"
#include "chain/op_fees.h"
#include "chain/requests.h"
#include "eth/fees.h"
#include "trie/ordered_root.h"

#include <stdio.h>
#include <stdlib.h>

#define GWEI 1000000000u

// EIP-4788 and EIP-2935.
static const struct address beacon_roots = {{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80,
                                             0x7e, 0xf1, 0x31, 0x9f, 0xb7, 0xb8, 0xbb,
                                             0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}};
static const struct address history = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5,
                                        0x3a, 0x10, 0xcb, 0x7a, 0x02, 0x33, 0x5b,
                                        0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a block");
}

struct block_env block_env_of(const struct chain_config *config, const struct block *b) {
    const struct header *h = &b->header;
    bool merged = u256_is_zero(h->difficulty);
    enum fork fork = chain_fork_at(config, h->number, h->timestamp, merged);
    return (struct block_env){
        .config = config,
        .fork = fork,
        .parent_hash = h->parent_hash,
        .coinbase = h->coinbase,
        .number = h->number,
        .timestamp = h->timestamp,
        .gas_limit = h->gas_limit,
        .prevrandao = fork >= FORK_PARIS ? u256_load_be(h->mix_hash.b) : h->difficulty,
        .base_fee = h->base_fee,
        .excess_blob_gas = h->excess_blob_gas,
        .parent_beacon_root = h->parent_beacon_root,
        .withdrawals = b->withdrawals,
        .withdrawal_count = b->withdrawal_count,
        .ommers = b->ommers,
        .ommer_count = b->ommer_count,
    };
}

bool block_env_has_passer(const struct block_env *env) {
    const struct op_config *op = &env->config->op;
    return op->enabled && op_fork_at(op, env->timestamp) >= OP_ISTHMUS;
}

void block_run_init(struct block_run *b, struct evm *vm) {
    *b = (struct block_run){.vm = vm};
}

static void free_receipts(struct block_receipts *s) {
    if (!s) return;
    free(s->blooms);
    buf_free(&s->encoded);
    free(s->ends);
    free(s->leaves);
    free(s);
}

void block_run_free(struct block_run *b) {
    free(b->entries);
    free_receipts(b->again);
    *b = (struct block_run){0};
}

/* Before transactions. */

static int call_system(struct block_run *b, const struct address *to, const struct hash *input,
                       struct error *why) {
    struct evm_result r;
    // What the contract makes of it is its business; without code there is nothing to do.
    return transact_system_call(b->vm, to, BYTES_OF(*input), &r, NULL, why);
}

int block_run_begin(struct block_run *b, struct state *state, const struct block_env *env,
                    struct error *why) {
    struct evm *vm = b->vm;
    const struct blob_params *blobs =
        env->fork >= FORK_CANCUN ? chain_blobs_at(env->config, env->timestamp) : NULL;
    b->env = *env;
    b->count = 0;
    b->gas_used = b->blob_gas_used = 0;
    bool rollup = env->config->op.enabled;
    b->footprint = rollup && op_fork_at(&env->config->op, env->timestamp) >= OP_JOVIAN;
    b->blob_gas_limit = rollup ? 0 : blobs ? (uint64_t)blobs->max * GAS_PER_BLOB : 0;
    b->context =
        (struct transact_context){.rules = fork_rules_of(env->fork), .surcharge = env->surcharge};
    evm_use(vm, state, env->fork);
    vm->block = (struct evm_block){
        .coinbase = env->coinbase,
        .number = env->number,
        .timestamp = env->timestamp,
        .gas_limit = env->gas_limit,
        .prevrandao = env->prevrandao,
        .base_fee = env->fork >= FORK_LONDON ? env->base_fee : U256_ZERO,
        .blob_base_fee = rollup && env->fork >= FORK_CANCUN ? U256_ONE
                         : blobs ? blob_base_fee(env->excess_blob_gas, blobs->update_fraction)
                                 : U256_ZERO,
        .chain_id = env->config->chain_id,
        .block_hash = env->block_hash,
        .block_hash_ctx = env->block_hash_ctx,
    };
    if (env->config->dao_block == env->number && !env->replay) {
        state_begin(state);
        dao_move_balances(state);
        state_end(state, false);
    }
    int r = 0;
    if (env->fork >= FORK_CANCUN) r = call_system(b, &beacon_roots, &env->parent_beacon_root, why);
    if (r == 0 && env->fork >= FORK_PRAGUE) r = call_system(b, &history, &env->parent_hash, why);
    return r;
}

/* Transactions. */

static struct block_entry *next_entry(struct block_run *b) {
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 256;
        struct block_entry *p = realloc(b->entries, room * sizeof *p);
        if (!p) return NULL;
        b->entries = p;
        b->room = room;
    }
    return &b->entries[b->count];
}

static int note(struct block_run *b, struct block_entry *e, const struct tx *t,
                const struct transact_result *r, struct error *why) {
    b->gas_used += r->gas_used;
    b->blob_gas_used += r->blob_gas_used;
    *e = (struct block_entry){
        .type = t->type,
        .status = r->status,
        .gas_used = r->gas_used,
        .cumulative_gas = b->gas_used,
        .blob_gas_used = r->blob_gas_used,
        .fee_to_coinbase = r->fee_to_coinbase,
        .log_first = r->log_first,
        .log_count = r->log_count,
        .deposit_nonce = r->deposit_nonce,
    };
    b->count++;
    bool root = !b->vm->schedule.p.status_receipts && b->env.state_root;
    if (!root) return 0;
    return b->env.state_root(b->env.state_root_ctx, b->vm->state, &e->state_root, why);
}

// What a transaction adds to the data footprint (Jovian).
static int footprint_of(struct block_run *b, const struct tx *t, uint64_t *ret, struct error *why) {
    struct op_l1 l1;
    *ret = 0;
    if (!b->footprint || t->type == TX_DEPOSIT) return 0;
    int r = op_l1_read(&l1, b->vm->state, why);
    struct op_weight w = op_weigh(t->raw);
    if (r == 0) *ret = op_da_footprint(&l1, &w);
    return r;
}

int block_run_tx(struct block_run *b, const struct tx *t, const struct address *sender,
                 struct transact_result *ret, struct error *why) {
    struct state *s = b->vm->state;
    struct state_mark mark = state_mark_now(s);
    struct block_entry *e = next_entry(b);
    if (!e) return no_memory(why);
    b->context.gas_left = b->env.gas_limit - b->gas_used;
    b->context.blob_gas_left = b->footprint ? 0 : b->blob_gas_limit - b->blob_gas_used;
    uint64_t footprint;
    if (t->type == TX_DEPOSIT && !b->env.config->op.enabled) { // would mint out of nothing
        *ret = (struct transact_result){.fault = TRANSACT_RULES, .rules = TX_FAULT_TYPE};
        return 0;
    }
    int r = footprint_of(b, t, &footprint, why);
    if (r == 0 && footprint > b->env.gas_limit - b->blob_gas_used) {
        *ret = (struct transact_result){.fault = TRANSACT_RULES, .rules = TX_FAULT_BLOB_GAS_LEFT};
        return 0;
    }
    if (r == 0) r = transact_run(b->vm, &b->context, t, sender, ret, why);
    if (r == 0 && ret->fault == TRANSACT_VALID) {
        ret->blob_gas_used += footprint;
        r = note(b, e, t, ret, why);
    }
    if (r != 0 || ret->fault != TRANSACT_VALID) state_revert(s, mark);
    return r;
}

int block_run_apply(struct block_run *b, const struct tx *t, const struct effects *e,
                    struct transact_result *ret, bool *ret_held, struct error *why) {
    struct state *s = b->vm->state;
    struct block_entry *entry = next_entry(b);
    *ret_held = false;
    if (!entry) return no_memory(why);
    if (t->gas > b->env.gas_limit - b->gas_used) return 0;
    uint64_t footprint;
    int r = footprint_of(b, t, &footprint, why);
    if (r != 0) return r;
    if (b->footprint) {
        if (footprint > b->env.gas_limit - b->blob_gas_used) return 0;
    } else if (tx_blob_gas(t) > b->blob_gas_limit - b->blob_gas_used) {
        return 0;
    }
    if (!effects_hold(e, s)) return state_check(s, why);
    *ret_held = true;
    r = effects_apply(e, s, ret, why);
    ret->blob_gas_used = b->footprint ? footprint : ret->blob_gas_used;
    return r == 0 ? note(b, entry, t, ret, why) : r;
}

struct block_mark block_run_mark(const struct block_run *b) {
    return (struct block_mark){state_mark_now(b->vm->state), b->count, b->gas_used,
                               b->blob_gas_used};
}

void block_run_rewind(struct block_run *b, struct block_mark mark) {
    state_revert(b->vm->state, mark.state);
    b->count = mark.count;
    b->gas_used = mark.gas_used;
    b->blob_gas_used = mark.blob_gas_used;
}

/* After transactions. */

static const struct event_log *logs_of(struct block_run *b, const struct block_entry *e,
                                       struct arena *a) {
    const struct state *s = b->vm->state;
    struct event_log *logs = arena_new_array(a, struct event_log, e->log_count + 1);
    for (size_t i = 0; logs && i < e->log_count; i++) {
        const struct state_log *l = &s->logs[e->log_first + i];
        logs[i] = (struct event_log){.address = l->address,
                                     .topic_count = l->topic_count,
                                     .data = {s->log_data.p + l->data_at, l->data_size}};
        memcpy(logs[i].topics, l->topics, sizeof l->topics);
    }
    return logs;
}

int block_run_receipts(struct block_run *b, const struct receipt **ret, struct arena *a,
                       struct error *why) {
    struct receipt *receipts = arena_new_array(a, struct receipt, b->count + 1);
    if (!receipts) return no_memory(why);
    for (size_t i = 0; i < b->count; i++) {
        const struct block_entry *e = &b->entries[i];
        struct receipt *r = &receipts[i];
        bool deposit = e->type == TX_DEPOSIT;
        *r = (struct receipt){
            .type = e->type,
            .has_state_root = !b->vm->schedule.p.status_receipts,
            .success = e->status == EVM_SUCCESS,
            .state_root = e->state_root,
            .cumulative_gas = e->cumulative_gas,
            .logs = logs_of(b, e, a),
            .log_count = e->log_count,
            .has_deposit_nonce = deposit,
            .has_deposit_version = deposit && b->env.fork >= FORK_SHANGHAI,
            .deposit_nonce = e->deposit_nonce,
            .deposit_version = 1,
        };
        if (!r->logs) return no_memory(why);
        if (b->again) {
            bloom_add_logs_cached(&r->bloom, r->logs, r->log_count, b->again->blooms);
        } else {
            bloom_add_logs(&r->bloom, r->logs, r->log_count);
        }
    }
    *ret = receipts;
    return 0;
}

void block_run_expect_repeats(struct block_run *b) {
    struct block_receipts *s = b->again ? NULL : calloc(1, sizeof *s);
    if (!s) return;
    buf_init(&s->encoded, 0);
    s->blooms = calloc(1, sizeof *s->blooms);
    if (s->blooms) {
        b->again = s;
    } else {
        free_receipts(s);
    }
}

static struct bytes encoded_at(const struct buf *b, const size_t *ends, size_t i) {
    size_t from = i ? ends[i - 1] : 0;
    return bytes_make(b->p + from, ends[i] - from);
}

// The leaves of receipts that stand where they stood before, to the byte.
static struct hash *known_leaves(const struct block_receipts *s, const struct bytes *values,
                                 size_t count) {
    struct hash *leaves = calloc(count + 1, sizeof *leaves);
    for (size_t i = 0; leaves && i < count && i < s->count; i++) {
        if (bytes_equal(values[i], encoded_at(&s->encoded, s->ends, i))) leaves[i] = s->leaves[i];
    }
    return leaves;
}

// Takes over what was encoded and hashed now. Without memory nothing is known next time.
static void remember_receipts(struct block_receipts *s, struct buf *encoded, const size_t *ends,
                              struct hash *leaves, size_t count) {
    size_t *copy = leaves ? malloc((count + 1) * sizeof *copy) : NULL;
    buf_free(&s->encoded);
    free(s->ends);
    free(s->leaves);
    s->ends = copy;
    s->leaves = leaves;
    s->count = copy ? count : 0;
    if (copy) {
        memcpy(copy, ends, count * sizeof *copy);
        s->encoded = *encoded;
        buf_init(encoded, 0);
    }
}

static int receipts_root(struct block_run *b, struct block_outcome *o, struct arena *a,
                         struct error *why) {
    struct buf out;
    size_t *ends = arena_new_array(a, size_t, o->receipt_count + 1);
    struct bytes *values = arena_new_array(a, struct bytes, o->receipt_count + 1);
    if (!ends || !values) return no_memory(why);
    buf_init(&out, 0);
    if (b->again) (void)buf_reserve(&out, b->again->encoded.n + 4096);
    for (size_t i = 0; i < o->receipt_count; i++) {
        receipt_encode(&out, &o->receipts[i]);
        bloom_merge(&o->bloom, &o->receipts[i].bloom);
        ends[i] = out.n;
    }
    int r = buf_check(&out, why);
    for (size_t i = 0; r == 0 && i < o->receipt_count; i++) {
        size_t from = i ? ends[i - 1] : 0;
        values[i] = (struct bytes){out.p + from, ends[i] - from};
    }
    struct hash *leaves = NULL;
    if (r == 0 && b->again) leaves = known_leaves(b->again, values, o->receipt_count);
    if (r == 0) {
        r = trie_ordered_root_known(&o->receipts_root, values, o->receipt_count, leaves, a, why);
    }
    if (r == 0 && b->again) {
        remember_receipts(b->again, &out, ends, leaves, o->receipt_count);
    } else {
        free(leaves);
    }
    buf_free(&out);
    return r;
}

int block_withdrawals_root(struct hash *ret, const struct withdrawal *withdrawals, size_t count,
                           struct arena *scratch, struct error *why) {
    struct bytes *values = arena_new_array(scratch, struct bytes, count + 1);
    if (!values) return no_memory(why);
    for (size_t i = 0; i < count; i++) {
        struct buf one;
        buf_init(&one, 0);
        withdrawal_encode(&one, &withdrawals[i]);
        values[i] = arena_copy(scratch, buf_view(&one));
        buf_free(&one);
        if (!values[i].p) return no_memory(why);
    }
    return trie_ordered_root(ret, values, count, scratch, why);
}

static void pay_withdrawals(struct block_run *b) {
    struct state *s = b->vm->state;
    state_begin(s);
    for (size_t i = 0; i < b->env.withdrawal_count; i++) {
        const struct withdrawal *w = &b->env.withdrawals[i];
        struct u256 wei = u256_mul(u256_from_u64(w->amount_gwei), u256_from_u64(GWEI));
        state_add_balance(s, state_account_find(s, &w->address), wei);
    }
    state_end(s, true);
}

// Rewards of proof of work: Yellow Paper 11.3, EIP-649, EIP-1234.
static void pay_rewards(struct block_run *b) {
    struct state *s = b->vm->state;
    const struct block_env *env = &b->env;
    uint64_t ether = env->fork >= FORK_CONSTANTINOPLE ? 2 : env->fork >= FORK_BYZANTIUM ? 3 : 5;
    struct u256 whole = u256_mul(u256_from_u64(ether * GWEI), u256_from_u64(GWEI));
    if (env->reward) whole = *env->reward;
    struct u256 mine = whole;
    state_begin(s);
    for (size_t i = 0; i < env->ommer_count; i++) {
        const struct header *ommer = &env->ommers[i];
        struct u256 eighths = u256_from_u64(8 - (env->number - ommer->number));
        struct u256 share = u256_shift_right(u256_mul(whole, eighths), 3);
        state_add_balance(s, state_account_find(s, &ommer->coinbase), share);
        mine = u256_add(mine, u256_shift_right(whole, 5));
    }
    state_add_balance(s, state_account_find(s, &env->coinbase), mine);
    state_end(s, b->vm->schedule.p.clear_empty);
}

// System calls may have moved the state's logs.
static void refresh_logs(struct block_run *b, struct block_outcome *o) {
    const struct state *s = b->vm->state;
    for (size_t i = 0; i < o->receipt_count; i++) {
        struct event_log *logs =
            (struct event_log *)(uintptr_t)o->receipts[i].logs; // made by logs_of
        for (size_t k = 0; k < o->receipts[i].log_count; k++) {
            logs[k].data.p = s->log_data.p + s->logs[b->entries[i].log_first + k].data_at;
        }
    }
}

int block_run_finish(struct block_run *b, struct block_outcome *ret, struct arena *a,
                     struct error *why) {
    const struct block_env *env = &b->env;
    *ret = (struct block_outcome){
        .gas_used = b->gas_used, .blob_gas_used = b->blob_gas_used, .receipt_count = b->count};
    int r = block_run_receipts(b, &ret->receipts, a, why);
    if (r == 0) r = receipts_root(b, ret, a, why);
    bool rollup = env->config->op.enabled;
    if (r == 0 && env->fork >= FORK_PRAGUE && rollup) ret->requests_hash = requests_hash(NULL, 0);
    if (r == 0 && env->fork >= FORK_PRAGUE && !env->replay && !rollup) {
        r = requests_collect(b, ret, a, why);
        refresh_logs(b, ret);
    }
    if (r == 0 && env->fork >= FORK_SHANGHAI && !block_env_has_passer(env)) {
        r = block_withdrawals_root(&ret->withdrawals_root, env->withdrawals, env->withdrawal_count,
                                   a, why);
    }
    if (r != 0 || env->replay) return r;
    if (env->fork >= FORK_SHANGHAI) {
        pay_withdrawals(b);
    } else if (env->fork < FORK_PARIS && !env->no_rewards) {
        pay_rewards(b);
    }
    return state_check(b->vm->state, why);
}

/* Whole blocks. */

// One transaction: from the effects of a thread that ran it ahead, if they hold, or here.
static int run_tx(struct block_run *b, const struct tx *t, const struct address *sender,
                  const struct effects *ahead, struct error *why) {
    struct transact_result result;
    bool held = false;
    int r = ahead ? block_run_apply(b, t, ahead, &result, &held, why) : 0;
    if (r == 0 && !held) r = block_run_tx(b, t, sender, &result, why);
    if (r == 0 && result.fault != TRANSACT_VALID) {
        r = error_set(why, ERR_INVALID, "%s", transact_fault_text(&result));
    }
    return r;
}

static int run_txs(struct block_run *b, const struct block *block, const struct address *senders,
                   struct ahead *ahead, struct error *why) {
    int r = 0;
    if (ahead) r = ahead_begin(ahead, b, block, senders, why);
    for (size_t i = 0; r == 0 && i < block->tx_count; i++) {
        struct address sender;
        const struct effects *known = ahead ? ahead_take(ahead, i) : NULL;
        if (senders) {
            sender = senders[i];
        } else {
            r = tx_sender(&sender, &block->txs[i], why);
        }
        if (r == 0) r = run_tx(b, &block->txs[i], &sender, known, why);
        if (r != 0) (void)error_wrap(why, "transaction %zu", i);
    }
    if (ahead) ahead_end(ahead);
    return r;
}

static int transactions_root(struct hash *ret, const struct block *block, struct arena *a,
                             struct error *why) {
    struct bytes *values = arena_new_array(a, struct bytes, block->tx_count + 1);
    if (!values) return no_memory(why);
    for (size_t i = 0; i < block->tx_count; i++) {
        values[i] = block->txs[i].raw;
    }
    return trie_ordered_root(ret, values, block->tx_count, a, why);
}

static int compare(const struct block_env *env, const struct header *h,
                   const struct block_outcome *o, const struct hash *txs_root, struct error *why) {
    const char *field = NULL;
    if (!hash_equal(&h->transactions_root, txs_root)) field = "transactions root";
    if (h->gas_used != o->gas_used) field = "gas used";
    if (memcmp(h->bloom.b, o->bloom.b, sizeof h->bloom.b) != 0) field = "logs bloom";
    // Without the trie there are no roots to put into receipts of before Byzantium.
    bool rooted = env->fork >= FORK_BYZANTIUM || env->state_root;
    if (rooted && !hash_equal(&h->receipts_root, &o->receipts_root)) field = "receipts root";
    if (env->fork >= FORK_SHANGHAI && !block_env_has_passer(env) &&
        !hash_equal(&h->withdrawals_root, &o->withdrawals_root)) {
        field = "withdrawals root";
    }
    if (env->fork >= FORK_CANCUN && h->blob_gas_used != o->blob_gas_used) field = "blob gas used";
    if (env->fork >= FORK_PRAGUE && !env->replay &&
        !hash_equal(&h->requests_hash, &o->requests_hash)) {
        field = "requests hash";
    }
    return field ? error_set(why, ERR_INVALID, "%s differs from the header's", field) : 0;
}

int block_run_all(struct block_run *b, struct state *state, const struct block_env *env,
                  const struct block *block, const struct address *senders, struct ahead *ahead,
                  struct block_outcome *ret, struct arena *a, struct error *why) {
    uint32_t size_max = fork_rules_of(env->fork)->block_rlp_max;
    struct hash txs_root;
    if (size_max && block_encoded_size(block) > size_max) {
        return error_set(why, ERR_INVALID, "the block is larger than %u bytes", size_max);
    }
    if (block->has_withdrawals != (env->fork >= FORK_SHANGHAI)) {
        return error_set(why, ERR_INVALID, "withdrawals are not those of its fork");
    }
    int r = block_run_begin(b, state, env, why);
    if (r == 0) r = run_txs(b, block, senders, ahead, why);
    if (r == 0) r = block_run_finish(b, ret, a, why);
    if (r == 0) r = transactions_root(&txs_root, block, a, why);
    return r == 0 ? compare(env, &block->header, ret, &txs_root, why) : r;
}
