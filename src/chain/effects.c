/* SPDX-License-Identifier: MIT */
#include "chain/effects.h"

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a transaction's effects");
}

static bool fields_empty(const struct state_fields *f) {
    return f->nonce == 0 && u256_is_zero(f->balance) &&
           hash_equal(&f->code_hash, &STATE_EMPTY_CODE_HASH);
}

static bool fields_equal(const struct state_fields *a, const struct state_fields *b) {
    return a->nonce == b->nonce && a->exists == b->exists && u256_equal(a->balance, b->balance) &&
           hash_equal(&a->code_hash, &b->code_hash);
}

/* Recording. */

static void record_account(struct effects_account *ret, const struct state_account *a,
                           const struct state *s) {
    *ret = (struct effects_account){
        .address = a->address,
        .reads = a->reads,
        .wiped = a->generation != a->start_generation,
        .empty_before = fields_empty(&a->start),
        .before = a->start,
        .after = a->now,
        .added = u256_sub(a->now.balance, a->start.balance),
    };
    ret->written = ret->wiped || !fields_equal(&a->start, &a->now);
    if (ret->wiped || (ret->written && !a->now.exists)) {
        // Gone, at least for a time: that depends on all there was.
        ret->reads |= STATE_READ_BALANCE | STATE_READ_NONCE | STATE_READ_CODE;
    }
    if (!hash_equal(&a->start.code_hash, &a->now.code_hash)) {
        ret->code = evm_code_find(s->codes, &a->now.code_hash);
        if (!ret->code) ret->code = evm_code_empty(s->codes);
    }
}

static int record_logs(struct effects *ret, const struct state *s, struct arena *a,
                       struct error *why) {
    size_t first = ret->result.log_first, count = ret->result.log_count;
    struct state_log *logs = arena_new_array(a, struct state_log, count + 1);
    size_t from = count ? s->logs[first].data_at : s->log_data.n;
    ret->log_data = arena_copy(a, bytes_slice(buf_view(&s->log_data), from, s->log_data.n - from));
    if (!logs || (s->log_data.n > from && !ret->log_data.p)) return no_memory(why);
    for (size_t i = 0; i < count; i++) {
        logs[i] = s->logs[first + i];
        logs[i].data_at -= from;
    }
    ret->logs = logs;
    ret->result.log_first = 0;
    return 0;
}

int effects_record(struct effects *ret, const struct state *s, const struct transact_result *result,
                   struct arena *a, struct error *why) {
    struct effects_account *accounts =
        arena_new_array(a, struct effects_account, s->entered_count + 1);
    struct effects_slot *slots = arena_new_array(a, struct effects_slot, s->slot_count + 1);
    if (!accounts || !slots) return no_memory(why);
    *ret = (struct effects){.result = *result,
                            .accounts = accounts,
                            .account_count = s->entered_count,
                            .slots = slots,
                            .slot_count = s->slot_count};
    for (size_t i = 0; i < s->entered_count; i++) {
        record_account(&accounts[i], s->entered[i], s);
    }
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct state_slot *slot = s->slots[i];
        bool alive = slot->generation == slot->account->generation;
        struct u256 now = alive ? slot->value : U256_ZERO;
        slots[i] = (struct effects_slot){slot->account->place, !u256_equal(now, slot->original),
                                         slot->key, slot->original, now};
    }
    ret->result.output = arena_copy(a, result->output);
    if (result->output.n && !ret->result.output.p) return no_memory(why);
    return record_logs(ret, s, a, why);
}

/* Validation. */

static bool account_holds(const struct effects_account *e, const struct state_fields *now) {
    const struct state_fields *b = &e->before;
    if (e->reads & STATE_READ_BALANCE && !u256_equal(now->balance, b->balance)) return false;
    if (e->reads & STATE_READ_NONCE && now->nonce != b->nonce) return false;
    if (e->reads & STATE_READ_CODE && !hash_equal(&now->code_hash, &b->code_hash)) return false;
    if (e->reads & STATE_READ_EMPTINESS &&
        (now->exists != b->exists || fields_empty(now) != e->empty_before)) {
        return false;
    }
    return true;
}

bool effects_hold(const struct effects *e, struct state *s) {
    // Looking is no part of a transaction: what is entered here belongs to none that is recorded.
    state_begin(s);
    for (size_t i = 0; i < e->account_count; i++) {
        const struct effects_account *a = &e->accounts[i];
        if (!account_holds(a, &state_account_find(s, &a->address)->now)) return false;
    }
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct effects_slot *slot = &e->slots[i];
        struct state_account *a = state_account_find(s, &e->accounts[slot->account].address);
        if (!u256_equal(state_slot_find(s, a, &slot->key)->value, slot->before)) return false;
    }
    return s->failed.code == 0;
}

/* Application. */

// Only what the transaction changed: what it did not look at may have moved on.
static void apply_account(const struct effects_account *e, struct state *s) {
    struct state_account *a = state_account_find(s, &e->address);
    const struct state_fields *before = &e->before, *after = &e->after;
    a->reads |= e->reads;
    if (!e->written) return;
    if (!after->exists || e->wiped) state_delete(s, a);
    if (!after->exists) return;
    state_touch(s, a);
    if (e->wiped) {
        state_set_balance(s, a, after->balance);
    } else if (!u256_is_zero(e->added)) {
        state_add_balance(s, a, e->added);
    }
    if (e->wiped || before->nonce != after->nonce) state_set_nonce(s, a, after->nonce);
    if (e->wiped || !hash_equal(&before->code_hash, &after->code_hash)) {
        const struct evm_code *code = e->code;
        if (!code) code = evm_code_find(s->codes, &after->code_hash);
        state_set_code(s, a, code ? (struct bytes){code->bytes, code->size} : (struct bytes){0});
    }
}

int effects_apply(const struct effects *e, struct state *s, struct transact_result *ret,
                  struct error *why) {
    state_begin(s);
    for (size_t i = 0; i < e->account_count; i++) {
        apply_account(&e->accounts[i], s);
    }
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct effects_slot *slot = &e->slots[i];
        struct state_account *a = state_account_find(s, &e->accounts[slot->account].address);
        struct state_slot *to = state_slot_find(s, a, &slot->key);
        if (slot->written) state_slot_set(s, to, slot->after);
    }
    *ret = e->result;
    ret->log_first = s->log_count;
    for (size_t i = 0; i < e->result.log_count; i++) {
        const struct state_log *l = &e->logs[i];
        struct bytes data = {e->log_data.p + l->data_at, l->data_size};
        state_log_add(s, &l->address, l->topics, l->topic_count, data);
    }
    state_end(s, false);
    return state_check(s, why);
}
