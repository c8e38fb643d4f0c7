/* SPDX-License-Identifier: MIT */
#include "chain/transact.h"

#define AUTHORIZATION_REFUND 12500 // of 25,000 when the authority exists (EIP-7702)
#define SYSTEM_CALL_GAS 30000000

static const struct address system_address = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                               0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};

const char *transact_fault_text(const struct transact_result *r) {
    switch (r->fault) {
    case TRANSACT_VALID:
        return "valid";
    case TRANSACT_RULES:
        return tx_fault_text(r->rules);
    case TRANSACT_NONCE_LOW:
        return "nonce too low";
    case TRANSACT_NONCE_HIGH:
        return "nonce too high";
    case TRANSACT_SENDER_HAS_CODE:
        return "sender not an eoa";
    case TRANSACT_BALANCE:
        return "insufficient funds for gas * price + value";
    }
    return "unknown";
}

static void refuse(struct transact_result *ret, enum transact_fault fault, enum tx_fault rules) {
    ret->fault = fault;
    ret->rules = rules;
}

// Simulations of transactions that offer nothing.
static bool is_free(const struct transact_context *c, const struct tx *t) {
    return c->skip_fees && u256_is_zero(t->max_fee) && u256_is_zero(t->max_priority_fee);
}

// Where any nonce will do, the highest will, too.
static enum tx_fault check_static(const struct transact_context *c, const struct tx *t,
                                  uint64_t chain_id) {
    if (!c->skip_nonce) return tx_check_static(t, c->rules, chain_id);
    struct tx any = *t;
    any.nonce = 0;
    return tx_check_static(&any, c->rules, chain_id);
}

// What is checked before anything changes; a fault is left in *ret.
static void check(struct evm *vm, const struct transact_context *c, const struct tx *t,
                  struct state_account *from, struct transact_result *ret) {
    uint64_t nonce = state_nonce(from);
    if (!c->skip_nonce && t->nonce != nonce) {
        refuse(ret, t->nonce < nonce ? TRANSACT_NONCE_LOW : TRANSACT_NONCE_HIGH, TX_VALID);
        return;
    }
    enum tx_fault fault = check_static(c, t, vm->block.chain_id);
    if (fault != TX_VALID) {
        refuse(ret, TRANSACT_RULES, fault);
        return;
    }
    const struct evm_code *code = state_code(vm->state, from);
    if (code->size != 0 && !c->skip_sender_code &&
        !(vm->schedule.p.delegation && code->delegates)) {
        refuse(ret, TRANSACT_SENDER_HAS_CODE, TX_VALID);
        return;
    }
    struct tx_room room = {.base_fee = is_free(c, t) ? U256_ZERO : vm->block.base_fee,
                           .blob_base_fee = vm->block.blob_base_fee,
                           .gas_left = c->gas_left,
                           .blob_gas_left = c->blob_gas_left};
    fault = tx_check_room(t, &room);
    if (fault != TX_VALID) {
        refuse(ret, TRANSACT_RULES, fault);
    } else if (t->gas > INT64_MAX) {
        refuse(ret, TRANSACT_BALANCE, TX_VALID); // no one owns that much
    }
}

// Takes the upfront cost from the sender: gas at the effective price, blobs, surcharge.
static void pay_upfront(struct evm *vm, const struct transact_context *c, const struct tx *t,
                        struct state_account *from, const struct u256 *surcharge,
                        struct transact_result *ret) {
    struct u256 worst, upfront, blobs;
    bool overflow = !tx_max_cost(&worst, t);
    overflow |= u256_add_carry(&worst, worst, *surcharge);
    struct u256 balance = state_balance(from);
    if (c->skip_balance) {
        if (overflow) worst = U256_MAX;
        if (u256_compare(balance, worst) < 0) balance = worst;
    } else if (overflow || u256_compare(balance, worst) < 0) {
        refuse(ret, TRANSACT_BALANCE, TX_VALID);
        return;
    }
    upfront = u256_mul(vm->tx.gas_price, u256_from_u64(t->gas));
    blobs = u256_mul(vm->block.blob_base_fee, u256_from_u64(tx_blob_gas(t)));
    upfront = u256_add(u256_add(upfront, blobs), *surcharge);
    state_set_balance(vm->state, from, u256_sub(balance, upfront));
}

static void warm_up(struct evm *vm, const struct tx *t, struct state_account *from) {
    struct state *s = vm->state;
    if (!vm->schedule.p.access_lists) return;
    (void)state_warm_account(s, from);
    if (t->has_to) (void)state_warm_account(s, state_account_find(s, &t->to));
    if (vm->schedule.p.warm_coinbase) {
        (void)state_warm_account(s, state_account_find(s, &vm->block.coinbase));
    }
    for (size_t i = 0; i < t->access_count; i++) {
        struct state_account *a = state_account_find(s, &t->access[i].address);
        (void)state_warm_account(s, a);
        for (size_t k = 0; k < t->access[i].key_count; k++) {
            struct u256 key = u256_load_be(t->access[i].keys[k].b);
            (void)state_warm_slot(s, state_slot_find(s, a, &key));
        }
    }
}

// EIP-7702: one tuple; what does not hold skips it.
static void authorize(struct evm *vm, const struct tx_authorization *auth) {
    struct state *s = vm->state;
    if (!u256_is_zero(auth->chain_id) &&
        !u256_equal(auth->chain_id, u256_from_u64(vm->block.chain_id))) {
        return;
    }
    struct address authority;
    if (auth->nonce == UINT64_MAX || tx_authority(&authority, auth, NULL) != 0) return;
    struct state_account *a = state_account_find(s, &authority);
    (void)state_warm_account(s, a);
    const struct evm_code *code = state_code(s, a);
    if (code->size != 0 && !code->delegates) return;
    if (state_nonce(a) != auth->nonce) return;
    if (state_exists(a)) s->refund += AUTHORIZATION_REFUND;
    uint8_t designator[23] = {0xef, 0x01, 0x00};
    memcpy(designator + 3, auth->address.b, 20);
    size_t size = address_is_zero(&auth->address) ? 0 : sizeof designator;
    state_set_code(s, a, (struct bytes){designator, size});
    state_set_nonce(s, a, auth->nonce + 1);
}

static void execute(struct evm *vm, const struct tx *t, const struct address *sender, int64_t gas,
                    struct evm_result *ret) {
    struct state *s = vm->state;
    struct evm_message m = {
        .kind = t->has_to ? EVM_CALL : EVM_CREATE,
        .gas = gas,
        .recipient = t->to,
        .code_address = t->to,
        .sender = *sender,
        .value = t->value,
        .input = t->data,
    };
    if (t->has_to && vm->schedule.p.delegation) {
        const struct evm_code *code = state_code(s, state_account_find(s, &t->to));
        if (code->delegates) (void)state_warm_account(s, state_account_find(s, &code->delegate));
    }
    evm_execute(vm, &m, ret);
}

static int finish_status(struct evm *vm, enum evm_status status, struct error *why) {
    int r = state_check(vm->state, why);
    if (r != 0) return r;
    if (status == EVM_ABORTED) return error_set(why, ERR_CANCELLED, "execution was stopped");
    return 0;
}

// What is charged of the gas that was used: less refunds, at least the floor.
static void count_gas(struct evm *vm, const struct tx *t, const struct fork_rules *rules,
                      int64_t gas_left, struct transact_result *ret) {
    uint64_t used = t->gas - (uint64_t)gas_left;
    uint64_t refund = vm->state->refund > 0 ? (uint64_t)vm->state->refund : 0;
    uint64_t most = used / vm->schedule.p.refund_quotient;
    if (refund > most) refund = most;
    uint64_t floor = tx_floor_gas(t, rules);
    if (floor > t->gas) floor = t->gas; // of a deposit that is not run
    ret->gas_refunded = refund;
    ret->gas_peak = used < floor ? floor : used;
    ret->gas_used = used - refund < floor ? floor : used - refund;
}

// Pays back what is left and pays the coinbase.
static int settle(struct evm *vm, const struct transact_context *c, const struct tx *t,
                  struct state_account *from, const struct u256 *surcharge,
                  struct transact_result *ret, struct error *why) {
    struct state *s = vm->state;
    struct u256 back = u256_mul(vm->tx.gas_price, u256_from_u64(t->gas - ret->gas_used));
    state_add_balance(s, from, back);
    struct u256 tip = is_free(c, t) ? U256_ZERO : u256_sub(vm->tx.gas_price, vm->block.base_fee);
    ret->fee_to_coinbase = u256_mul(tip, u256_from_u64(ret->gas_used));
    state_add_balance(s, state_account_find(s, &vm->block.coinbase), ret->fee_to_coinbase);
    if (!c->surcharge) return 0;
    return c->surcharge->settle(c->surcharge->ctx, vm, t, &from->address, ret->gas_used, *surcharge,
                                why);
}

static int end(struct evm *vm, struct transact_result *ret, struct error *why) {
    struct state *s = vm->state;
    state_end(s, vm->schedule.p.clear_empty);
    ret->log_count = s->log_count - ret->log_first;
    return state_check(s, why);
}

// That nothing but the fork's rules on what may begin keeps a deposit from being run.
static bool may_begin(const struct transact_context *c, const struct tx *t,
                      struct state_account *from) {
    const struct fork_rules *rules = c->rules;
    if (t->gas > INT64_MAX || t->gas < tx_intrinsic_gas(t, rules)) return false;
    if (t->gas < tx_floor_gas(t, rules)) return false;
    if (!t->has_to && rules->initcode_max && t->data.n > rules->initcode_max) return false;
    return u256_compare(state_balance(from), t->value) >= 0;
}

/* A deposit of the OP Stack: it stands in the block wherever there is room, and pays no fees. When
 * it fails its mint and its nonce stay; one that would be no valid transaction fails without being
 * run, and counts with all its gas (deposits.md, "Execution"). */
static int run_deposit(struct evm *vm, const struct transact_context *c, const struct tx *t,
                       struct transact_result *ret, struct error *why) {
    struct state *s = vm->state;
    struct state_account *from = state_account_find(s, &t->deposit.from);
    if (t->gas > c->gas_left) {
        refuse(ret, TRANSACT_RULES, TX_FAULT_GAS_LEFT);
        return 0;
    }
    if (!u256_is_zero(t->deposit.mint)) state_add_balance(s, from, t->deposit.mint);
    ret->deposit_nonce = state_nonce(from);
    state_set_nonce(s, from, ret->deposit_nonce + 1);
    struct evm_result r = {.status = EVM_OUT_OF_GAS};
    if (may_begin(c, t, from)) {
        warm_up(vm, t, from);
        execute(vm, t, &t->deposit.from, (int64_t)(t->gas - tx_intrinsic_gas(t, c->rules)), &r);
    }
    int code = finish_status(vm, r.status, why);
    if (code != 0) return code;
    ret->status = r.status;
    ret->output = r.output;
    ret->created = r.created;
    count_gas(vm, t, c->rules, r.gas_left, ret);
    return end(vm, ret, why);
}

static int run_paid(struct evm *vm, const struct transact_context *c, const struct tx *t,
                    const struct address *sender, struct transact_result *ret, struct error *why) {
    struct state *s = vm->state;
    struct state_account *from = state_account_find(s, sender);
    struct u256 surcharge = U256_ZERO;
    check(vm, c, t, from, ret);
    if (ret->fault != TRANSACT_VALID) return state_check(s, why);
    if (c->surcharge) {
        int r = c->surcharge->cost(c->surcharge->ctx, vm, t, &surcharge, why);
        if (r != 0) return r;
    }
    pay_upfront(vm, c, t, from, &surcharge, ret);
    if (ret->fault != TRANSACT_VALID) return state_check(s, why);
    state_set_nonce(s, from, state_nonce(from) + 1);
    warm_up(vm, t, from);
    for (size_t i = 0; i < t->authorization_count; i++) {
        authorize(vm, &t->authorizations[i]);
    }
    struct evm_result r;
    execute(vm, t, sender, (int64_t)(t->gas - tx_intrinsic_gas(t, c->rules)), &r);
    int code = finish_status(vm, r.status, why);
    if (code != 0) return code;
    ret->status = r.status;
    ret->output = r.output;
    ret->created = r.created;
    ret->blob_gas_used = tx_blob_gas(t);
    count_gas(vm, t, c->rules, r.gas_left, ret);
    code = settle(vm, c, t, from, &surcharge, ret, why);
    return code != 0 ? code : end(vm, ret, why);
}

int transact_run(struct evm *vm, const struct transact_context *c, const struct tx *t,
                 const struct address *sender, struct transact_result *ret, struct error *why) {
    struct state *s = vm->state;
    state_begin(s);
    *ret = (struct transact_result){.log_first = s->log_count};
    bool deposit = t->type == TX_DEPOSIT;
    vm->tx = (struct evm_tx){
        .origin = deposit ? t->deposit.from : *sender,
        .gas_price =
            deposit || is_free(c, t) ? U256_ZERO : tx_effective_price(t, vm->block.base_fee),
        .blob_hashes = t->blob_hashes,
        .blob_hash_count = t->blob_count,
    };
    return deposit ? run_deposit(vm, c, t, ret, why) : run_paid(vm, c, t, sender, ret, why);
}

int transact_system_call(struct evm *vm, const struct address *to, struct bytes input,
                         struct evm_result *ret, bool *ret_missing, struct error *why) {
    struct state *s = vm->state;
    state_begin(s);
    const struct evm_code *code = state_code(s, state_account_find(s, to));
    if (ret_missing) *ret_missing = code->size == 0;
    *ret = (struct evm_result){.status = EVM_SUCCESS};
    if (code->size == 0) return state_check(s, why);
    vm->tx = (struct evm_tx){.origin = system_address};
    struct evm_message m = {
        .kind = EVM_CALL,
        .gas = SYSTEM_CALL_GAS,
        .recipient = *to,
        .code_address = *to,
        .sender = system_address,
        .input = input,
    };
    if (vm->schedule.p.access_lists) (void)state_warm_account(s, state_account_find(s, to));
    evm_execute(vm, &m, ret);
    int r = finish_status(vm, ret->status, why);
    if (r != 0) return r;
    state_end(s, vm->schedule.p.clear_empty);
    return state_check(s, why);
}
