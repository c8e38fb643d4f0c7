/* SPDX-License-Identifier: MIT */
#include "builder/seal.h"

#include "base/clock.h"
#include "builder/commit.h"
#include "chain/engine.h"

#include <stdlib.h>

struct built_block *built_block_retain(struct built_block *b) {
    atomic_fetch_add_explicit(&b->holders, 1, memory_order_relaxed);
    return b;
}

void built_block_release(struct built_block *b) {
    if (!b || atomic_fetch_sub_explicit(&b->holders, 1, memory_order_acq_rel) != 1) return;
    slot_work_release(b->work);
    arena_free(&b->memory);
    free(b);
}

static uint64_t now_ns(void) {
    return clock_monotonic_ns(&clock_system);
}

int sealer_begin(struct sealer *s, struct slot_work *work, struct block_fill *f,
                 struct error *why) {
    s->check_begun = s->check_is_dear = false;
    struct state *state = f->run->vm->state;
    s->work = work;
    s->wallet = state_account_find(state, &s->keys->address)->now.balance;
    int r =
        fill_payout_gas(f, &work->proposer, UINT64_MAX, &s->payout_gas, &s->payout_possible, why);
    return r == 0 ? state_check(state, why) : r;
}

/* The decision. */

static struct bid_situation situation_of(const struct sealer *s, const struct block_fill *f,
                                         const struct slot_auction *a, uint64_t payout_gas) {
    struct u256 earned = fill_profit(f);
    struct u256 fee = u256_mul(f->run->env.base_fee, u256_from_u64(payout_gas));
    bool loses = u256_compare(earned, fee) < 0;
    return (struct bid_situation){
        .can_lose = loses,
        .deficit = loses ? u256_sub(fee, earned) : U256_ZERO,
        .value = loses ? U256_ZERO : u256_sub(earned, fee),
        .has_best = a->has_best,
        .best = a->best,
        .must_win = a->must_win,
        .wallet = s->wallet,
        .spent_day = a->spent_day,
    };
}

/* The block. */

static int describe(struct built_block *b, const struct block_fill *f, struct error *why) {
    b->txs = f->tx_count;
    b->gas = f->run->gas_used;
    b->included = arena_new_array(&b->memory, const struct job_entry *, f->step_count + 1);
    b->left = arena_new_array(&b->memory, struct left_out, f->step_count + 1);
    if (!b->included || !b->left) {
        return error_set(why, ERR_NO_MEMORY, "no memory for a block's orders");
    }
    for (size_t i = 0; i < f->step_count; i++) {
        const struct fill_step *step = &f->steps[i];
        const struct job_entry *e = (const struct job_entry *)(const void *)step->order;
        if (step->result.status != COMMIT_DONE) {
            b->left[b->left_count++] = (struct left_out){e, step->result.status};
            continue;
        }
        b->included[b->orders++] = e;
        if (e->added_ns > b->newest_order_ns) b->newest_order_ns = e->added_ns;
    }
    return 0;
}

static int fill_blobs(struct built_block *b, const struct block_fill *f, struct error *why) {
    const struct tx_sidecar **sidecars =
        arena_new_array(&b->memory, const struct tx_sidecar *, f->tx_count + 1);
    size_t count = 0;
    if (!sidecars) return error_set(why, ERR_NO_MEMORY, "no memory for blobs");
    for (size_t i = 0; i < f->tx_count; i++) {
        const struct build_tx *t = f->txs[i].job ? f->txs[i].job->t : NULL;
        if (!t || t->tx.type != TX_BLOB) continue;
        sidecars[count++] = &t->sidecar;
        b->blobs += t->sidecar.blob_count;
    }
    return engine_blobs_bundle(&b->request.blobs_bundle, sidecars, count, &b->memory, why);
}

static int fill_request(struct built_block *b, const struct block_fill *f,
                        const struct tx *const *txs, struct error *why) {
    const struct header *h = &b->produced.header;
    struct tx *list = arena_new_array(&b->memory, struct tx, f->tx_count + 1);
    if (!list) return error_set(why, ERR_NO_MEMORY, "no memory for a submission");
    for (size_t i = 0; i < f->tx_count; i++) {
        list[i].type = txs[i]->type; // a payload has nothing else of it
        // What the order owns goes with it; the block keeps bytes of its own.
        list[i].raw = arena_copy(&b->memory, txs[i]->raw);
        if (!list[i].raw.p) return error_set(why, ERR_NO_MEMORY, "no memory for a submission");
    }
    struct block block = {.header = *h,
                          .txs = list,
                          .tx_count = f->tx_count,
                          .has_withdrawals = h->form >= HEADER_SHANGHAI,
                          .withdrawals = b->work->attributes.withdrawals,
                          .withdrawal_count = b->work->attributes.withdrawal_count};
    unsigned parts;
    int r = engine_payload_of(&b->request.execution_payload, &parts, &block, &b->produced.hash,
                              &b->memory, why);
    if (r == 0) r = fill_blobs(b, f, why);
    if (r != 0) return r;
    return engine_requests_of(&b->request.execution_requests, b->produced.requests,
                              b->produced.request_count, &b->memory, why);
}

static int sign_trace(struct bytes96 *ret, const struct bid_trace *trace,
                      const struct bls_secret_key *key, const struct hash *domain, struct arena *a,
                      struct error *why) {
    struct hash root;
    int r = ssz_root(&root, &ssz_bid_trace, trace, a, why);
    if (r != 0) return r;
    struct hash message = ssz_signing_root(&root, domain);
    bls_sign(ret, key, BYTES_OF(message));
    return 0;
}

static int sign(struct sealer *s, struct built_block *b, struct error *why) {
    const struct header *h = &b->produced.header;
    struct bid_trace *t = &b->request.message;
    *t = (struct bid_trace){
        .slot = b->work->slot,
        .parent_hash = h->parent_hash,
        .block_hash = b->produced.hash,
        .builder_pubkey = s->keys->relay_pubkey,
        .proposer_pubkey = b->work->proposer_pubkey,
        .proposer_fee_recipient = b->work->proposer,
        .gas_limit = h->gas_limit,
        .gas_used = h->gas_used,
        .value = b->value,
    };
    int r =
        sign_trace(&b->request.signature, t, &s->keys->relay, &s->keys->domain, &b->memory, why);
    if (r != 0 || !s->keys->has_optimistic) return r;
    b->optimistic_trace = *t;
    b->optimistic_trace.builder_pubkey = s->keys->optimistic_pubkey;
    return sign_trace(&b->optimistic_signature, &b->optimistic_trace, &s->keys->optimistic,
                      &s->keys->domain, &b->memory, why);
}

static int note_checked(struct sealer *s, size_t i, const struct hash *hash,
                        const struct block_run *run, struct error *why) {
    if (i == s->checked_room) {
        size_t room = s->checked_room ? 2 * s->checked_room : 512;
        struct checked_tx *p = realloc(s->checked, room * sizeof *p);
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a check");
        s->checked = p;
        s->checked_room = room;
    }
    s->checked[i] = (struct checked_tx){*hash, block_run_mark(run)};
    s->checked_count = i + 1;
    return 0;
}

#define CHECK_DEAR_NS (20 * UINT64_C(1000000))

// Goes back to where the block begins to differ from the one that was checked before.
static int find_difference(struct sealer *s, const struct tx *const *txs, size_t count,
                           size_t *ret_same, struct error *why) {
    size_t same = 0;
    if (!s->check_begun || !s->check_is_dear) {
        s->checked_count = 0;
        *ret_same = 0;
        return producer_begin(s->check, &s->work->parent_hash, &s->work->attributes, why);
    }
    while (same < s->checked_count && same < count &&
           hash_equal(&s->checked[same].hash, &txs[same]->hash)) {
        same++;
    }
    if (same < s->checked_count) {
        block_run_rewind(producer_run(s->check), s->checked[same].before);
        s->checked_count = same;
    }
    *ret_same = same;
    return 0;
}

/* The same block once more, from the parent, without anything that was remembered of outcomes.
 * Where that takes long, what it begins with that was checked before is not executed again: else
 * such orders would be executed with every bid, and the slot pass meanwhile. */
static int check(struct sealer *s, struct built_block *b, const struct block_fill *f,
                 const struct tx *const *txs, struct error *why) {
    struct produced again;
    struct arena a;
    size_t same = 0;
    if (!s->check) return 0;
    uint64_t begin = now_ns();
    arena_init(&a, 0);
    int r = find_difference(s, txs, f->tx_count, &same, why);
    struct block_run *run = r == 0 ? producer_run(s->check) : NULL;
    s->check_begun = false;
    for (size_t i = same; r == 0 && i < f->tx_count; i++) {
        const struct build_tx *t = f->txs[i].job ? f->txs[i].job->t : NULL;
        struct transact_result result;
        r = note_checked(s, i, &txs[i]->hash, run, why);
        if (r == 0) {
            r = block_run_tx(run, txs[i], t ? &t->sender : &s->keys->address, &result, why);
        }
        if (r == 0 && result.fault != TRANSACT_VALID) {
            r = error_set(why, ERR_INVALID, "transaction %zu: %s", i, transact_fault_text(&result));
        }
    }
    if (r == 0) r = producer_seal(s->check, &again, txs, f->tx_count, &a, why);
    if (r == 0 && !hash_equal(&again.hash, &b->produced.hash)) {
        r = error_set(why, ERR_INVALID, "another hash when executed again");
    }
    s->check_begun = r == 0;
    if (same == 0 && now_ns() - begin > CHECK_DEAR_NS) s->check_is_dear = true;
    b->checked = f->tx_count - same;
    arena_free(&a);
    return r == 0 ? 0 : error_wrap(why, "check of the sealed block");
}

void sealer_free(struct sealer *s) {
    free(s->checked);
    s->checked = NULL;
    s->checked_count = s->checked_room = 0;
}

static int finish(struct sealer *s, struct producer *p, struct block_fill *f, struct built_block *b,
                  struct error *why) {
    const struct tx *const *txs = NULL;
    uint64_t begin = now_ns();
    int r = fill_check(f, why);
    if (r == 0) r = fill_sign(f, &txs, s->keys->signer, &s->keys->coinbase, &b->memory, why);
    if (r == 0) r = producer_seal(p, &b->produced, txs, f->tx_count, &b->memory, why);
    uint64_t sealed = now_ns();
    b->seal_ns = sealed - begin;
    if (r == 0) r = check(s, b, f, txs, why);
    uint64_t checked = now_ns();
    b->check_ns = checked - sealed;
    if (r == 0) r = fill_request(b, f, txs, why);
    if (r == 0) r = sign(s, b, why);
    b->done_at_ns = now_ns();
    b->sign_ns = b->done_at_ns - checked;
    return r;
}

// Decides and seals with that gas for the payment; *ret_unpaid: it was to be bid, and that failed.
static int seal_with(struct sealer *s, struct producer *p, struct block_fill *f, uint64_t gas,
                     struct built_block **ret, bool *ret_unpaid, const char **ret_reason,
                     struct error *why) {
    struct slot_auction auction = slot_work_auction(s->work);
    struct bid_situation situation = situation_of(s, f, &auction, gas);
    struct bid_decision d = bid_decide(&s->options.policy, &situation);
    bool paid;
    *ret = NULL;
    *ret_unpaid = false;
    *ret_reason = d.reason;
    if (auction.halted) *ret_reason = "bidding is halted";
    if (!s->payout_possible) *ret_reason = "the proposer's account does not take a payment";
    if (!d.bid || auction.halted || !s->payout_possible) return 0;
    struct slot_offer offer = {d.payout, s->plan_version, s->builder};
    if (!slot_work_offer(s->work, &offer, auction.version)) {
        *ret_reason = "not above the last bid";
        return 0;
    }
    struct built_block *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    atomic_init(&b->holders, 1);
    arena_init(&b->memory, 0);
    b->work = slot_work_retain(s->work);
    b->value = d.payout;
    b->offer = offer;
    b->true_value = situation.value;
    b->own = d.own;
    int r = fill_pay(f, &s->work->proposer, &d.payout, gas, &paid, why);
    if (r == 0 && paid) r = describe(b, f, why);
    if (r == 0 && paid) r = finish(s, p, f, b, why);
    fill_unpay(f);
    if (r != 0 || !paid) {
        slot_work_retract(s->work, &offer);
        built_block_release(b);
        *ret_unpaid = r == 0;
        if (r == 0) *ret_reason = "the builder's account cannot pay";
        return r;
    }
    slot_work_left(s->work, &offer);
    *ret = b;
    return 0;
}

int seal_candidate(struct sealer *s, struct producer *p, struct block_fill *f,
                   struct built_block **ret, const char **ret_reason, struct error *why) {
    bool unpaid, possible;
    uint64_t gas;
    int r = seal_with(s, p, f, s->payout_gas, ret, &unpaid, ret_reason, why);
    if (r != 0 || !unpaid) return r;
    // What the proposer's code takes may depend on what the candidate's orders did to it.
    r = fill_payout_gas(f, &s->work->proposer, UINT64_MAX, &gas, &possible, why);
    if (r == 0 && !possible)
        *ret_reason = "the proposer's account takes no payment after the orders";
    if (r != 0 || !possible || gas <= s->payout_gas) return r;
    if (gas > f->options.reserved_gas) f->options.reserved_gas = gas; // of the next candidates
    return seal_with(s, p, f, gas, ret, &unpaid, ret_reason, why);
}
