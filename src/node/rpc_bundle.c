/* What searchers try before they send: eth_callBundle, eth_callMany, mev_simBundle.
 * Source: Flashbots documentation (eth_callBundle, mev_simBundle); the callMany that erigon and
 * reth offer. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/bundle.h"
#include "eth/revert.h"
#include "eth/tx_check.h"
#include "eth/tx_sidecar.h"
#include "node/rpc_internal.h"

#define BUNDLE_TXS_MAX 1000u
#define PAYOUT_GAS 30000u // of one transfer to who gets a refund

/* ---- a block to run in ---- */

/* The block that a bundle is tried in: the one after a known state, with what the caller wants of
 * it. */
struct stage {
    struct node_call *c;
    struct rpc_machine *m;
    const struct head_block *base;
    struct header header;
};

static int number_of(struct node_call *c, uint64_t *ret, const struct json *v, struct error *why) {
    int r = json_type_of(v) == JSON_NUMBER ? json_u64(ret, v, why) : json_quantity(ret, v, why);
    return r == 0 ? 0 : node_bad_params(c, why);
}

static int take_number(struct node_call *c, uint64_t *ret, const struct json *in, const char *key,
                       struct error *why) {
    const struct json *v = json_get(in, key);
    return json_is_null(v) ? 0 : number_of(c, ret, v, why);
}

/* Reads coinbase, timestamp, gasLimit, baseFee of an object that may be null. */
static int take_overrides(struct node_call *c, struct header *h, const struct json *in,
                          struct error *why) {
    const struct json *coinbase = json_get(in, "coinbase"), *fee = json_get(in, "baseFee");
    int r = take_number(c, &h->timestamp, in, "timestamp", why);
    if (r == 0) r = take_number(c, &h->gas_limit, in, "gasLimit", why);
    if (r == 0 && !json_is_null(coinbase) && json_address(&h->coinbase, coinbase, why) != 0) {
        return node_bad_params(c, why);
    }
    if (r != 0 || json_is_null(fee)) return r;
    if (json_type_of(fee) == JSON_NUMBER) {
        uint64_t wei;
        if (json_u64(&wei, fee, why) != 0) return node_bad_params(c, why);
        h->base_fee = u256_from_u64(wei);
        return 0;
    }
    return json_quantity256(&h->base_fee, fee, why) == 0 ? 0 : node_bad_params(c, why);
}

static int open_stage(struct stage *s, struct node_call *c, const struct block_param *state,
                      uint64_t number, const struct json *overrides, struct error *why) {
    *s = (struct stage){.c = c};
    int r = rpc_need_block(c, &s->base, state, why);
    if (r != 0) return r;
    const struct header *parent = &s->base->block.header;
    rpc_header_after(&s->header, c->node->config, parent, &s->base->hash, parent->timestamp + 12);
    s->header.coinbase = parent->coinbase;
    s->header.mix_hash = parent->mix_hash;
    if (number) s->header.number = number;
    r = take_overrides(c, &s->header, overrides, why);
    if (r == 0) r = rpc_machine_take(c, &s->m, &s->base->hash, 0, why);
    if (r != 0) return r;
    const struct block block = {.header = s->header};
    struct block_env env = block_env_of(c->node->config, &block);
    struct error own = {.code = ERR_INTERNAL};
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = s->m->view;
    if (block_run_begin(&s->m->run, &s->m->state, &env, &own) == 0) return 0;
    *why = own;
    return rpc_state_failed(c, why);
}

static void close_stage(struct stage *s) {
    rpc_machine_give(rpc_of(s->c), s->m);
    head_block_release(s->base);
}

static struct u256 coinbase_balance(struct stage *s) {
    return state_account_find(&s->m->state, &s->header.coinbase)->now.balance;
}

/* Runs a transaction; the caller looks at its fault. *ret_paid: what the producer got by it (0
 * when it lost by it). */
static int run_tx(struct stage *s, const struct tx *t, const struct address *sender,
                  struct transact_result *ret, struct u256 *ret_paid, struct error *why) {
    struct error own = {.code = ERR_INTERNAL};
    struct u256 before = coinbase_balance(s);
    int r = block_run_tx(&s->m->run, t, sender, ret, &own);
    if (r == ERR_CANCELLED) return rpc_timed_out(s->c, why);
    if (r != 0) {
        *why = own;
        return rpc_state_failed(s->c, why);
    }
    struct u256 after = coinbase_balance(s);
    *ret_paid = u256_compare(after, before) > 0 ? u256_sub(after, before) : U256_ZERO;
    return 0;
}

static int decode_tx(struct node_call *c, struct tx *ret, struct address *ret_sender,
                     struct bytes raw, struct error *why) {
    struct tx_sidecar sidecar;
    int r = tx_decode_network(ret, &sidecar, raw, c->a, why);
    if (r == 0) r = tx_sender(ret_sender, ret, why);
    return r == 0 ? 0 : node_bad_params(c, why);
}

/* ---- eth_callBundle ---- */

struct sums {
    struct u256 paid, fees;
    uint64_t gas;
};

static void put_tx_result(struct json_writer *w, struct arena *a, const struct tx *t,
                          const struct address *sender, const struct transact_result *r,
                          struct u256 paid, struct u256 fees) {
    struct u256 sent = u256_compare(paid, fees) > 0 ? u256_sub(paid, fees) : U256_ZERO, price;
    u256_div_mod(&price, NULL, paid, u256_from_u64(r->gas_used));
    json_begin_object(w, NULL);
    json_add_decimal256(w, "coinbaseDiff", paid);
    json_add_decimal256(w, "ethSentToCoinbase", sent);
    json_add_data(w, "fromAddress", BYTES_OF(*sender));
    json_add_decimal256(w, "gasFees", fees);
    json_add_decimal256(w, "gasPrice", price);
    json_add_u64(w, "gasUsed", r->gas_used);
    if (t->has_to) {
        json_add_data(w, "toAddress", BYTES_OF(t->to));
    } else {
        json_add_null(w, "toAddress");
    }
    json_add_data(w, "txHash", BYTES_OF(t->hash));
    if (r->status == EVM_SUCCESS) {
        json_add_data(w, "value", r->output);
    } else {
        const char *reason = r->status == EVM_REVERT ? revert_text(r->output, a) : NULL;
        json_add_str(w, "error", evm_status_name(r->status));
        if (r->status == EVM_REVERT) json_add_str(w, "revert", reason ? reason : "");
    }
    json_end(w);
}

static int call_txs(struct stage *s, const struct json *list, struct sums *sums, struct hash *ret,
                    struct error *why) {
    struct json_writer *w = s->c->result;
    struct hash *hashes = arena_new_array(s->c->a, struct hash, json_count(list));
    size_t n = 0;
    int r = 0;
    if (!hashes) return error_set(why, ERR_NO_MEMORY, "no memory for a bundle");
    json_begin_array(w, "results");
    json_each(item, list) {
        struct tx t;
        struct address sender;
        struct bytes raw;
        struct transact_result result;
        struct u256 paid;
        r = json_data(&raw, item, s->c->a, why);
        r = r == 0 ? decode_tx(s->c, &t, &sender, raw, why) : node_bad_params(s->c, why);
        if (r == 0) r = run_tx(s, &t, &sender, &result, &paid, why);
        if (r == 0 && result.fault != TRANSACT_VALID) {
            r = node_fail(s->c, why, RPC_ERROR_FAILED, rpc_none(), "err: %s; txhash 0x%s",
                          transact_fault_text(&result), hex_text(s->c->a, BYTES_OF(t.hash)));
        }
        if (r != 0) break;
        put_tx_result(w, s->c->a, &t, &sender, &result, paid, result.fee_to_coinbase);
        sums->paid = u256_add(sums->paid, paid);
        sums->fees = u256_add(sums->fees, result.fee_to_coinbase);
        sums->gas += result.gas_used;
        hashes[n++] = t.hash;
    }
    json_end(w);
    *ret = keccak256(bytes_make(hashes, n * sizeof *hashes));
    return r;
}

static int call_bundle(struct node_call *c, struct error *why) {
    const struct json *in = json_as_object(node_param(c, 0)), *txs = json_get(in, "txs");
    struct block_param state;
    struct stage s = {.c = c};
    struct sums sums = {.gas = 0};
    struct hash hash;
    uint64_t number = 0;
    if (json_type_of(txs) != JSON_ARRAY || json_count(txs) == 0) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "bundle missing txs");
    }
    if (json_count(txs) > BUNDLE_TXS_MAX) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "more than %u transactions",
                         BUNDLE_TXS_MAX);
    }
    if (json_is_null(json_get(in, "blockNumber"))) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "bundle missing blockNumber");
    }
    int r = take_number(c, &number, in, "blockNumber", why);
    if (r != 0) return r;
    if (block_param_decode(&state, json_get(in, "stateBlockNumber"), BLOCK_PARAM_LATEST, why) !=
        0) {
        return node_bad_params(c, why);
    }
    r = open_stage(&s, c, &state, number, in, why);
    if (r == 0) {
        struct json_writer *w = c->result;
        struct u256 price;
        json_begin_object(w, NULL);
        r = call_txs(&s, txs, &sums, &hash, why);
        struct u256 sent = u256_sub(sums.paid, sums.fees);
        if (u256_compare(sums.paid, sums.fees) < 0) sent = U256_ZERO;
        u256_div_mod(&price, NULL, sums.paid, u256_from_u64(sums.gas));
        json_add_data(w, "bundleHash", BYTES_OF(hash));
        json_add_decimal256(w, "bundleGasPrice", price);
        json_add_decimal256(w, "coinbaseDiff", sums.paid);
        json_add_decimal256(w, "ethSentToCoinbase", sent);
        json_add_decimal256(w, "gasFees", sums.fees);
        json_add_u64(w, "stateBlockNumber", s.base->block.header.number);
        json_add_u64(w, "totalGasUsed", sums.gas);
        json_end(w);
    }
    close_stage(&s);
    return r;
}

/* ---- eth_callMany ---- */

/* One call after another on what is left of the ones before. */
static int call_one(struct node_call *c, struct rpc_run *run, const struct json *in,
                    struct error *why) {
    struct transact_result result;
    struct json_writer *w = c->result;
    if (call_object_decode(&run->call, in, c->a, why) != 0) return node_bad_params(c, why);
    call_object_settle(&run->call, run->rules.fork);
    run->call.tx.chain_id = c->node->config->chain_id;
    run->call.tx.signature.r[31] = run->call.tx.signature.s[31] = 1;
    int r = rpc_run_once(c, run, rpc_call_gas(rpc_of(c), run), &result, why);
    if (r != 0) return r;
    json_begin_object(w, NULL);
    if (result.fault != TRANSACT_VALID) {
        json_add_str(w, "error", transact_fault_text(&result));
    } else if (result.status != EVM_SUCCESS) {
        const char *reason = result.status == EVM_REVERT ? revert_text(result.output, c->a) : NULL;
        json_add_str(w, "error",
                     reason ? arena_printf(c->a, "execution reverted: %s", reason)
                            : evm_status_name(result.status));
        if (result.status == EVM_REVERT) json_add_data(w, "data", result.output);
    } else {
        json_add_data(w, "value", result.output);
    }
    json_end(w);
    return 0;
}

static int call_group(struct node_call *c, struct rpc_run *run, const struct json *group,
                      struct error *why) {
    struct block_overrides block;
    const struct json *calls = json_get(group, "transactions");
    const struct json *override = json_get(group, "blockOverride");
    if (json_is_null(override)) override = json_get(group, "blockOverrides");
    if (json_type_of(calls) != JSON_ARRAY) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "a bundle has no transactions");
    }
    if (block_overrides_decode(&block, override, c->a, why) != 0) return node_bad_params(c, why);
    struct block_env env = rpc_block_env(rpc_of(c), run->block, run->pending, run->m);
    rpc_machine_env(run->m, &env, &block);
    int r = 0;
    json_begin_array(c->result, NULL);
    json_each(call, calls) {
        if (r == 0) r = call_one(c, run, call, why);
    }
    json_end(c->result);
    return r;
}

/* The state after the first transactions of a block, when the context asks for it. */
static int enter_block(struct node_call *c, struct rpc_run *run, const struct json *context,
                       struct error *why) {
    const struct json *index = json_get(context, "transactionIndex");
    const struct block *b = &run->block->block;
    int64_t count = -1; // all
    if (json_type_of(index) == JSON_STRING) {
        uint64_t n;
        if (json_quantity(&n, index, why) != 0) return node_bad_params(c, why);
        count = n < INT64_MAX ? (int64_t)n : INT64_MAX;
    } else if (!json_is_null(index) && json_i64(&count, index, why) != 0) {
        return node_bad_params(c, why);
    }
    bool whole = count < 0 || count >= (int64_t)b->tx_count || b->header.number == 0;
    const struct hash *state = whole ? &run->block->hash : &b->header.parent_hash;
    int r = rpc_machine_take(c, &run->m, state, 0, why);
    if (r != 0 || whole) return r;
    struct block_env env = block_env_of(c->node->config, b);
    struct error own = {.code = ERR_INTERNAL};
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = run->m->view;
    r = block_run_begin(&run->m->run, &run->m->state, &env, &own);
    for (int64_t i = 0; i < count && r == 0; i++) {
        struct transact_result result;
        r = block_run_tx(&run->m->run, &b->txs[i], &run->block->senders[i], &result, &own);
    }
    if (r == 0) return 0;
    if (r == ERR_CANCELLED) return rpc_timed_out(c, why);
    *why = own;
    return rpc_state_failed(c, why);
}

static int call_many(struct node_call *c, struct error *why) {
    const struct json *groups = node_param(c, 0), *context = node_param(c, 1);
    const struct json *at = json_get(context, "blockNumber");
    struct state_overrides overrides;
    struct block_param p;
    struct rpc_run run = {.m = NULL};
    if (json_type_of(groups) != JSON_ARRAY || json_count(groups) == 0) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "empty bundles");
    }
    if (json_is_null(at)) at = json_get(context, "block");
    if (block_param_decode(&p, at, BLOCK_PARAM_LATEST, why) != 0 ||
        state_overrides_decode(&overrides, node_param(c, 2), c->a, why) != 0) {
        return node_bad_params(c, why);
    }
    int r = rpc_need_block(c, &run.block, &p, why);
    if (r != 0) return r;
    run.pending = p.kind == BLOCK_PARAM_PENDING;
    r = enter_block(c, &run, context, why);
    if (r == 0) {
        struct block_env env = rpc_block_env(rpc_of(c), run.block, run.pending, run.m);
        run.rules = *fork_rules_of(env.fork);
        run.rules.gas_max = 0;
        evm_use(&run.m->vm, &run.m->state, env.fork);
        r = rpc_override(c, run.m, &overrides, why);
    }
    json_begin_array(c->result, NULL);
    json_each(group, groups) {
        if (r == 0) r = call_group(c, &run, group, why);
    }
    json_end(c->result);
    rpc_run_close(c, &run);
    return r;
}

/* ---- mev_simBundle ---- */

struct share_sums {
    struct u256 profit, refundable;
    uint64_t gas;
    const char *failure;   /* why the bundle does not hold; NULL: it does */
    const char *execution; /* what a transaction of it ended with */
    struct bytes revert;
};

static int share_tx(struct stage *s, const struct share_item *item, struct share_sums *sums,
                    struct u256 *ret_paid, struct error *why) {
    struct tx t;
    struct address sender;
    struct transact_result result;
    int r = decode_tx(s->c, &t, &sender, item->tx, why);
    if (r == 0) r = run_tx(s, &t, &sender, &result, ret_paid, why);
    if (r != 0) return r;
    if (result.fault != TRANSACT_VALID) {
        sums->failure = transact_fault_text(&result);
        return 0;
    }
    sums->gas += result.gas_used;
    if (result.status != EVM_SUCCESS && !item->can_revert) {
        sums->failure = "tx failed";
        sums->execution = evm_status_name(result.status);
        if (result.status == EVM_REVERT) sums->revert = arena_copy(s->c->a, result.output);
    }
    json_begin_object(s->c->result, NULL);
    json_begin_array(s->c->result, "txLogs");
    for (size_t i = 0; i < result.log_count; i++) {
        const struct state_log *l = &s->m->state.logs[result.log_first + i];
        struct event_log log = {.address = l->address,
                                .topic_count = l->topic_count,
                                .data = {s->m->state.log_data.p + l->data_at, l->data_size}};
        memcpy(log.topics, l->topics, sizeof l->topics);
        struct receipt_place place = {.tx = {.in_block = true,
                                             .block_number = s->header.number,
                                             .index = s->m->run.count - 1},
                                      .tx_hash = t.hash};
        log_json_encode(s->c->result, NULL, &log, &place, result.log_first + i);
    }
    json_end(s->c->result);
    json_end(s->c->result);
    return 0;
}

/* What is paid back to those who a refund names, out of what the others paid. */
static void take_refunds(const struct stage *s, const struct share_bundle *b,
                         struct share_sums *sums) {
    for (size_t i = 0; i < b->refund_count && !sums->failure; i++) {
        const struct share_refund *refund = &b->refunds[i];
        const struct share_bundle *inner =
            refund->body_index < b->body_count ? b->body[refund->body_index].bundle : NULL;
        uint64_t payouts = inner && inner->refund_config_count ? inner->refund_config_count : 1;
        struct u256 fee = u256_mul(s->header.base_fee, u256_from_u64(PAYOUT_GAS * payouts));
        struct u256 part;
        u256_div_mod(&part, NULL, u256_mul(sums->refundable, u256_from_u64(refund->percent)),
                     u256_from_u64(100));
        sums->gas += PAYOUT_GAS * payouts;
        if (u256_compare(fee, part) > 0) {
            sums->failure = "not enough refund";
        } else if (u256_sub_borrow(&sums->profit, sums->profit, part)) {
            sums->failure = "negative profit";
        }
    }
}

static bool is_refunded(const struct share_bundle *b, size_t i) {
    for (size_t k = 0; k < b->refund_count; k++) {
        if (b->refunds[k].body_index == i) return true;
    }
    return false;
}

/* Nested bundles are at most as deep as share_bundle_decode lets them be. */
static int share_body(struct stage *s, const struct share_bundle *b, struct share_sums *sums,
                      struct error *why) {
    struct json_writer *w = s->c->result;
    int r = 0;
    uint64_t last = b->has_max_block && b->max_block ? b->max_block : b->block;
    if (s->header.number < b->block || s->header.number > last) {
        sums->failure = "invalid inclusion";
        return 0;
    }
    for (size_t i = 0; i < b->body_count && r == 0 && !sums->failure; i++) {
        const struct share_item *item = &b->body[i];
        struct u256 paid = U256_ZERO;
        if (item->has_tx) {
            r = share_tx(s, item, sums, &paid, why);
        } else if (item->bundle) {
            struct share_sums inner = {.gas = 0};
            json_begin_object(w, NULL);
            json_begin_array(w, "bundleLogs");
            r = share_body(s, item->bundle, &inner, why);
            json_end(w);
            json_end(w);
            sums->gas += inner.gas;
            sums->failure = inner.failure;
            sums->execution = inner.execution;
            sums->revert = inner.revert;
            paid = inner.profit;
        } else {
            sums->failure = "unmatched: the body has a hash only";
        }
        sums->profit = u256_add(sums->profit, paid);
        if (!is_refunded(b, i)) sums->refundable = u256_add(sums->refundable, paid);
    }
    if (r == 0) take_refunds(s, b, sums);
    return r;
}

static void put_share(struct json_writer *w, const struct stage *s, const struct share_sums *sums) {
    struct u256 price;
    u256_div_mod(&price, NULL, sums->profit, u256_from_u64(sums->gas));
    json_add_bool(w, "success", !sums->failure);
    if (sums->failure) json_add_str(w, "error", sums->failure);
    if (sums->execution) json_add_str(w, "execError", sums->execution);
    if (sums->revert.n) json_add_data(w, "revert", sums->revert);
    json_add_quantity(w, "stateBlock", s->base->block.header.number);
    json_add_quantity256(w, "mevGasPrice", price);
    json_add_quantity256(w, "profit", sums->profit);
    json_add_quantity256(w, "refundableValue", sums->refundable);
    json_add_quantity(w, "gasUsed", sums->gas);
}

// A bundle without transactions is a cancellation where bundles are sent; there is nothing to try.
static bool has_empty_body(const struct share_bundle *b) {
    for (size_t i = 0; i < b->body_count; i++) {
        if (b->body[i].bundle && has_empty_body(b->body[i].bundle)) return true;
    }
    return b->body_count == 0;
}

static int sim_bundle(struct node_call *c, struct error *why) {
    const struct json *overrides = node_param(c, 1);
    struct share_bundle bundle;
    struct share_sums sums = {.gas = 0};
    struct block_param state;
    struct stage s = {.c = c};
    if (!node_param(c, 0) || share_bundle_decode(&bundle, node_param(c, 0), c->a, why) != 0) {
        if (!node_param(c, 0)) (void)error_set(why, ERR_NOT_FOUND, "missing bundle");
        return node_bad_params(c, why);
    }
    if (has_empty_body(&bundle)) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, (struct bytes){NULL, 0},
                         "bundle body is empty");
    }
    if (block_param_decode(&state, json_get(overrides, "parentBlock"), BLOCK_PARAM_LATEST, why) !=
        0) {
        return node_bad_params(c, why);
    }
    uint64_t number = 0;
    int r = take_number(c, &number, overrides, "blockNumber", why);
    if (r == 0) r = open_stage(&s, c, &state, number, overrides, why);
    if (r == 0) {
        json_begin_object(c->result, NULL);
        json_begin_array(c->result, "logs");
        r = share_body(&s, &bundle, &sums, why);
        json_end(c->result);
        put_share(c->result, &s, &sums);
        json_end(c->result);
    }
    close_stage(&s);
    return r;
}

static const struct node_method methods[] = {
    {"eth_callBundle", call_bundle, NODE_USER},
    {"eth_callMany", call_many, NODE_USER},
    {"mev_simBundle", sim_bundle, NODE_USER},
};
RPC_TABLE(rpc_bundle_table, methods);
