/* eth_simulateV1: blocks of calls on top of a known block, each on the state that the one before
 * left. Source: ethereum/execution-apis (ethsimulatev1-notes). SPDX-License-Identifier: MIT */
#include "chain/header_check.h"
#include "chain/state_changes.h"
#include "eth/revert.h"
#include "eth/tx_check.h"
#include "node/rpc_internal.h"
#include "node/rpc_transfers.h"
#include "trie/ordered_root.h"

#define SIMULATE_BLOCKS_MAX 256u
#define SIMULATE_CALLS_MAX 4096u // of one block
#define SIMULATE_SECONDS 12u     // between blocks that name no time

enum {
    SIMULATE_NONCE_LOW = -38010,
    SIMULATE_NONCE_HIGH = -38011,
    SIMULATE_FEE_LOW = -38012,
    SIMULATE_INTRINSIC = -38013,
    SIMULATE_FUNDS = -38014,
    SIMULATE_BLOCK_GAS = -38015,
    SIMULATE_NUMBER = -38020,
    SIMULATE_TIME = -38021,
    SIMULATE_SENDER_CODE = -38024,
    SIMULATE_INITCODE = -38025,
    SIMULATE_LIMIT = -38026,
    SIMULATE_HALTED = -32015,
};

/* A block that is asked for; filled up blocks between have no calls. */
struct wish {
    struct block_overrides block;
    struct state_overrides state;
    const struct json *calls;
};

struct outcome {
    enum evm_status status;
    uint64_t gas_used, gas_peak;
    struct bytes output;
    size_t log_first, log_count, transfer_first, transfer_count;
};

/* A block while it is simulated. */
struct scene {
    struct header header;
    struct hash hash;
    const struct wish *wish;
    struct tx *txs;
    struct address *senders;
    struct outcome *outcomes;
    size_t count;
    size_t log_first; /* in the state: of the block's first */
};

struct simulation {
    struct node_call *c;
    struct rpc_machine *m;
    const struct head_block *base;
    bool validates, shows_transfers, full;
    struct wish *wishes;
    size_t wish_count;
    struct hash *hashes; /* of the blocks that are done */
    size_t done;
    uint64_t gas_left; /* of the node's limit for one call */
    struct fork_rules rules;
    struct head_view_nodes nodes;
    struct state_root *root;
    struct transfers transfers;
    struct arena scratch;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a simulation");
}

/* ---- what is asked for ---- */

static int read_wish(struct node_call *c, struct wish *ret, const struct json *in,
                     struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) {
        r = block_overrides_decode(&ret->block, json_get(in, "blockOverrides"), c->a, why);
    }
    if (r == 0) {
        r = state_overrides_decode(&ret->state, json_get(in, "stateOverrides"), c->a, why);
    }
    ret->calls = json_get(in, "calls");
    if (r == 0 && !json_is_null(ret->calls)) r = json_expect(ret->calls, JSON_ARRAY, why);
    if (r != 0) return node_bad_params(c, why);
    if (json_count(ret->calls) > SIMULATE_CALLS_MAX) {
        return node_fail(c, why, SIMULATE_LIMIT, rpc_none(), "more than %u calls in a block",
                         SIMULATE_CALLS_MAX);
    }
    return 0;
}

/* Gives every block its number and time, and fills gaps of numbers up with empty blocks. */
static int place_wish(struct simulation *s, struct wish w, uint64_t *number, uint64_t *time,
                      struct error *why) {
    uint64_t base = s->base->block.header.number;
    uint64_t at = w.block.has_number ? w.block.number : *number + 1;
    if (at <= *number) {
        return node_fail(s->c, why, SIMULATE_NUMBER, rpc_none(),
                         "block numbers must be in order: %llu <= %llu", (unsigned long long)at,
                         (unsigned long long)*number);
    }
    if (at - base > SIMULATE_BLOCKS_MAX) {
        return node_fail(s->c, why, SIMULATE_LIMIT, rpc_none(), "too many blocks");
    }
    while (*number + 1 < at) {
        struct wish between = {.block = {.has_number = true, .has_time = true}};
        between.block.number = ++*number;
        between.block.time = *time += SIMULATE_SECONDS;
        s->wishes[s->wish_count++] = between;
    }
    if (!w.block.has_time) w.block.time = *time + SIMULATE_SECONDS;
    if (w.block.time <= *time) {
        return node_fail(s->c, why, SIMULATE_TIME, rpc_none(),
                         "block timestamps must be in order: %llu <= %llu",
                         (unsigned long long)w.block.time, (unsigned long long)*time);
    }
    w.block.has_number = w.block.has_time = true;
    w.block.number = *number = at;
    *time = w.block.time;
    s->wishes[s->wish_count++] = w;
    return 0;
}

static int read_flag(struct node_call *c, bool *ret, const struct json *in, const char *key,
                     struct error *why) {
    const struct json *v = json_get(in, key);
    if (json_is_null(v)) return 0;
    return json_bool(ret, v, why) == 0 ? 0 : node_bad_params(c, why);
}

static int read_wishes(struct simulation *s, const struct json *in, struct error *why) {
    struct node_call *c = s->c;
    const struct json *list = json_get(in, "blockStateCalls");
    uint64_t number = s->base->block.header.number, time = s->base->block.header.timestamp;
    if (json_type_of(list) != JSON_ARRAY || json_count(list) == 0) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "empty input");
    }
    if (json_count(list) > SIMULATE_BLOCKS_MAX) {
        return node_fail(c, why, SIMULATE_LIMIT, rpc_none(), "too many blocks");
    }
    s->wishes = arena_new_array(c->a, struct wish, SIMULATE_BLOCKS_MAX);
    s->hashes = arena_new_array(c->a, struct hash, SIMULATE_BLOCKS_MAX);
    if (!s->wishes || !s->hashes) return no_memory(why);
    int r = read_flag(c, &s->validates, in, "validation", why);
    if (r == 0) r = read_flag(c, &s->shows_transfers, in, "traceTransfers", why);
    if (r == 0) r = read_flag(c, &s->full, in, "returnFullTransactions", why);
    json_each(item, list) {
        struct wish w = {.calls = NULL};
        if (r == 0) r = read_wish(c, &w, item, why);
        if (r == 0) r = place_wish(s, w, &number, &time, why);
    }
    return r;
}

/* ---- the environment of a block ---- */

static int block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct simulation *s = ctx;
    uint64_t base = s->base->block.header.number;
    if (number <= base) return head_view_block_hash(s->m->view, ret, number, why);
    if (number - base > s->done) {
        return error_set(why, ERR_NOT_FOUND, "no block of this number was simulated");
    }
    *ret = s->hashes[number - base - 1];
    return 0;
}

static int begin_block(struct simulation *s, struct scene *b, const struct header *parent,
                       struct error *why) {
    const struct block_overrides *o = &b->wish->block;
    const struct chain_config *config = s->c->node->config;
    struct header *h = &b->header;
    struct hash parent_hash = s->done ? s->hashes[s->done - 1] : s->base->hash;
    rpc_header_after(h, config, parent, &parent_hash, o->time);
    if (!s->validates) h->base_fee = U256_ZERO;
    if (o->has_base_fee) h->base_fee = o->base_fee;
    if (o->has_gas_limit) h->gas_limit = o->gas_limit;
    if (o->has_coinbase) h->coinbase = o->coinbase;
    if (o->has_prevrandao) u256_store_be(h->mix_hash.b, o->prevrandao);
    if (o->has_beacon_root) h->parent_beacon_root = o->beacon_root;
    const struct block block = {.header = *h,
                                .has_withdrawals = h->form >= HEADER_SHANGHAI,
                                .withdrawals = o->withdrawals,
                                .withdrawal_count = o->withdrawal_count};
    struct block_env env = block_env_of(config, &block);
    env.block_hash = block_hash;
    env.block_hash_ctx = s;
    s->m->vm.moves = NULL;
    s->m->vm.move_count = 0;
    evm_use(&s->m->vm, &s->m->state, env.fork);
    int r = rpc_override(s->c, s->m, &b->wish->state, why);
    if (r != 0) return r;
    b->log_first = s->m->state.log_count;
    r = block_run_begin(&s->m->run, &s->m->state, &env, why);
    if (o->has_blob_base_fee) s->m->vm.block.blob_base_fee = o->blob_base_fee;
    s->rules = *fork_rules_of(env.fork);
    if (!s->validates) s->rules.gas_max = 0;
    s->m->run.context.rules = &s->rules;
    s->m->run.context.skip_nonce = s->m->run.context.skip_fees = !s->validates;
    s->m->run.context.skip_sender_code = true;
    return r;
}

/* ---- calls ---- */

static int fail_fault(struct simulation *s, const struct transact_result *r, struct error *why) {
    int code = JSONRPC_INVALID_PARAMS;
    switch (r->fault) {
    case TRANSACT_NONCE_LOW:
        code = SIMULATE_NONCE_LOW;
        break;
    case TRANSACT_NONCE_HIGH:
        code = SIMULATE_NONCE_HIGH;
        break;
    case TRANSACT_BALANCE:
        code = SIMULATE_FUNDS;
        break;
    case TRANSACT_SENDER_HAS_CODE:
        code = SIMULATE_SENDER_CODE;
        break;
    default:
        if (r->rules == TX_FAULT_FEE_BELOW_BASE) code = SIMULATE_FEE_LOW;
        if (r->rules == TX_FAULT_INTRINSIC_GAS) code = SIMULATE_INTRINSIC;
        if (r->rules == TX_FAULT_FLOOR_GAS) code = SIMULATE_INTRINSIC;
        if (r->rules == TX_FAULT_GAS_LEFT) code = SIMULATE_BLOCK_GAS;
        if (r->rules == TX_FAULT_INITCODE) code = SIMULATE_INITCODE;
        if (r->rules == TX_FAULT_NONCE_MAX) code = JSONRPC_INTERNAL_ERROR;
        break;
    }
    return node_fail(s->c, why, code, rpc_none(), "%s", transact_fault_text(r));
}

/* The transaction that a call stands for: `listed` stands in the block, nobody signed it; `run` is
 * what the machine is given. */
static int make_tx(struct simulation *s, struct scene *b, const struct json *in, struct tx *listed,
                   struct tx *run, struct address *from, struct error *why) {
    struct call_object call;
    struct block_run *block = &s->m->run;
    if (call_object_decode(&call, in, s->c->a, why) != 0) return node_bad_params(s->c, why);
    call_object_settle(&call, s->rules.fork);
    struct tx t = call.tx;
    uint64_t nonce = state_account_find(&s->m->state, &call.from)->now.nonce;
    uint64_t room = b->header.gas_limit - block->gas_used;
    if (!call.has_nonce) t.nonce = nonce;
    if (!call.has_gas) t.gas = room;
    if (t.gas > room) {
        return node_fail(
            s->c, why, SIMULATE_BLOCK_GAS, rpc_none(), "block gas limit reached: %llu >= %llu",
            (unsigned long long)block->gas_used, (unsigned long long)b->header.gas_limit);
    }
    if (s->gas_left == 0) {
        return node_fail(s->c, why, SIMULATE_LIMIT, rpc_none(), "RPC gas cap exhausted");
    }
    if (t.gas > s->gas_left) t.gas = s->gas_left;
    t.chain_id = s->c->node->config->chain_id;
    *from = call.from;
    *run = t;
    run->signature.r[31] = run->signature.s[31] = 1; // so that the rules of signatures hold
    if (!s->validates) run->nonce = nonce;
    *listed = t;
    return tx_seal(listed, s->c->a, why);
}

static int run_call(struct simulation *s, struct scene *b, const struct json *in,
                    struct error *why) {
    struct tx run;
    struct transact_result result;
    struct error own = {.code = ERR_INTERNAL};
    size_t at = b->count;
    int r = make_tx(s, b, in, &b->txs[at], &run, &b->senders[at], why);
    if (r != 0) return r;
    size_t transfer_first = s->transfers.count;
    r = block_run_tx(&s->m->run, &run, &b->senders[at], &result, &own);
    if (r == ERR_CANCELLED) return rpc_timed_out(s->c, why);
    if (r != 0) {
        *why = own;
        return rpc_state_failed(s->c, why);
    }
    if (result.fault != TRANSACT_VALID) return fail_fault(s, &result, why);
    s->gas_left -= result.gas_used < s->gas_left ? result.gas_used : s->gas_left;
    struct bytes output = arena_copy(s->c->a, result.output);
    if (result.output.n && !output.p) return no_memory(why);
    b->outcomes[at] = (struct outcome){.status = result.status,
                                       .gas_used = result.gas_used,
                                       .gas_peak = result.gas_peak,
                                       .output = output,
                                       .log_first = result.log_first,
                                       .log_count = result.log_count,
                                       .transfer_first = transfer_first,
                                       .transfer_count = s->transfers.count - transfer_first};
    b->count++;
    return 0;
}

/* ---- sealing ---- */

static int take_roots(struct simulation *s, struct scene *b, struct error *why) {
    struct header *h = &b->header;
    struct block_outcome outcome;
    struct state_changes changes;
    arena_reset(&s->scratch);
    struct bytes *raws = arena_new_array(&s->scratch, struct bytes, b->count);
    if (!raws) return no_memory(why);
    for (size_t i = 0; i < b->count; i++) {
        raws[i] = b->txs[i].raw;
    }
    int r = trie_ordered_root(&h->transactions_root, raws, b->count, &s->scratch, why);
    if (r == 0) r = block_run_finish(&s->m->run, &outcome, &s->scratch, why);
    if (r != 0) return r;
    h->gas_used = outcome.gas_used;
    h->blob_gas_used = outcome.blob_gas_used;
    h->bloom = outcome.bloom;
    h->receipts_root = outcome.receipts_root;
    h->withdrawals_root = outcome.withdrawals_root;
    h->requests_hash = outcome.requests_hash;
    r = state_changes_of(&changes, &s->m->state, &s->scratch, why);
    if (r == 0) {
        r = state_root_compute(s->root, &h->state_root, changes.accounts, changes.count, NULL, NULL,
                               NULL, why);
    }
    return r == 0 ? header_hash(&b->hash, h, why) : r;
}

static void put_error(struct json_writer *w, struct arena *a, const struct outcome *o) {
    json_begin_object(w, "error");
    if (o->status == EVM_REVERT) {
        const char *reason = revert_text(o->output, a);
        const char *text = reason ? arena_printf(a, "execution reverted: %s", reason) : NULL;
        json_add_i64(w, "code", RPC_ERROR_REVERTED);
        json_add_str(w, "message", text ? text : "execution reverted");
        json_add_data(w, "data", o->output);
    } else {
        json_add_i64(w, "code", SIMULATE_HALTED);
        json_add_str(w, "message", evm_status_name(o->status));
    }
    json_end(w);
}

static struct event_log log_at(const struct state *s, size_t i) {
    const struct state_log *l = &s->logs[i];
    struct event_log log = {.address = l->address,
                            .topic_count = l->topic_count,
                            .data = {s->log_data.p + l->data_at, l->data_size}};
    memcpy(log.topics, l->topics, sizeof l->topics);
    return log;
}

/* The logs of a call, with its transfers between them in the order in which they happened. */
static void put_logs(struct simulation *s, const struct scene *b, size_t at, uint64_t *index) {
    const struct outcome *o = &b->outcomes[at];
    const struct receipt_place place = {.tx = {.in_block = true,
                                               .block_hash = b->hash,
                                               .block_number = b->header.number,
                                               .block_timestamp = b->header.timestamp,
                                               .index = at},
                                        .tx_hash = b->txs[at].hash};
    struct json_writer *w = s->c->result;
    size_t t = o->transfer_first, t_end = t + o->transfer_count;
    json_begin_array(w, "logs");
    for (size_t i = o->log_first; i <= o->log_first + o->log_count; i++) {
        for (; t < t_end && s->transfers.items[t].log_count <= i; t++) {
            struct transfer_log l;
            transfer_log_make(&l, &s->transfers.items[t]);
            log_json_encode(w, NULL, &l.log, &place, (*index)++);
        }
        if (i == o->log_first + o->log_count) break;
        struct event_log l = log_at(&s->m->state, i);
        log_json_encode(w, NULL, &l, &place, (*index)++);
    }
    json_end(w);
}

static void put_block(struct simulation *s, const struct scene *b) {
    struct json_writer *w = s->c->result;
    const struct block_overrides *o = &b->wish->block;
    const struct block block = {.header = b->header,
                                .txs = b->txs,
                                .tx_count = b->count,
                                .has_withdrawals = b->header.form >= HEADER_SHANGHAI,
                                .withdrawals = o->withdrawals,
                                .withdrawal_count = o->withdrawal_count};
    uint64_t index = 0;
    json_begin_object(w, NULL);
    block_json_members(w, &block, &b->hash, s->full ? b->senders : NULL);
    json_begin_array(w, "calls");
    for (size_t i = 0; i < b->count; i++) {
        const struct outcome *outcome = &b->outcomes[i];
        bool shown = outcome->status == EVM_SUCCESS;
        json_begin_object(w, NULL);
        json_add_data(w, "returnData", shown ? outcome->output : rpc_none());
        put_logs(s, b, i, &index);
        json_add_quantity(w, "gasUsed", outcome->gas_used);
        json_add_quantity(w, "maxUsedGas", outcome->gas_peak);
        json_add_quantity(w, "status", outcome->status == EVM_SUCCESS);
        if (!shown) put_error(w, s->c->a, outcome);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

/* ---- all of it ---- */

static int simulate_block(struct simulation *s, struct scene *b, const struct header *parent,
                          struct error *why) {
    size_t calls = json_count(b->wish->calls);
    b->txs = arena_new_array(s->c->a, struct tx, calls);
    b->senders = arena_new_array(s->c->a, struct address, calls);
    b->outcomes = arena_new_array(s->c->a, struct outcome, calls);
    if (!b->txs || !b->senders || !b->outcomes) return no_memory(why);
    int r = begin_block(s, b, parent, why);
    transfers_clear(&s->transfers);
    if (s->shows_transfers) s->m->vm.tracer = transfers_tracer(&s->transfers);
    json_each(call, b->wish->calls) {
        if (r == 0) r = run_call(s, b, call, why);
    }
    s->m->vm.tracer = NULL;
    if (r == 0 && s->transfers.failed) r = no_memory(why);
    if (r == 0) r = take_roots(s, b, why);
    if (r != 0) return r;
    s->hashes[s->done++] = b->hash;
    put_block(s, b);
    if (s->c->result->out->n > s->c->node->values->answer_bytes) {
        return node_fail(s->c, why, SIMULATE_LIMIT, rpc_none(), "response too large");
    }
    return 0;
}

static int simulate_all(struct simulation *s, struct error *why) {
    struct scene b;
    struct header parent = s->base->block.header;
    int r = 0;
    json_begin_array(s->c->result, NULL);
    for (size_t i = 0; i < s->wish_count && r == 0; i++) {
        b = (struct scene){.wish = &s->wishes[i]};
        r = simulate_block(s, &b, &parent, why);
        parent = b.header;
    }
    json_end(s->c->result);
    return r;
}

static int simulate(struct node_call *c, struct error *why) {
    const struct json *in = json_as_object(node_param(c, 0));
    struct simulation s = {.c = c, .gas_left = c->node->values->call_gas};
    if (s.gas_left == 0) s.gas_left = INT64_MAX;
    if (!in) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "missing value for required argument 0");
    }
    int r = rpc_need_param_block(c, &s.base, 1, NULL, why);
    if (r != 0) return r;
    arena_init(&s.scratch, 0);
    transfers_init(&s.transfers);
    r = read_wishes(&s, in, why);
    if (r == 0) r = rpc_machine_take(c, &s.m, &s.base->hash, 0, why);
    if (r == 0) {
        const struct state_root_options options = {.source = head_view_source(&s.nodes, s.m->view)};
        r = state_root_create(&s.root, &s.base->block.header.state_root, &options, why);
    }
    if (r == 0) r = simulate_all(&s, why);
    state_root_free(s.root);
    rpc_machine_give(rpc_of(c), s.m);
    transfers_free(&s.transfers);
    arena_free(&s.scratch);
    head_block_release(s.base);
    return r;
}

static const struct node_method methods[] = {
    {"eth_simulateV1", simulate, NODE_USER},
};
RPC_TABLE(rpc_simulate_table, methods);
