/* SPDX-License-Identifier: MIT */
#include "evm/oracle.h"

#include "crypto/keccak.h"
#include "evm/opcode.h"
#include "evm/oracle_math.h"
#include "evm/precompile.h"

#include <stdlib.h>

#define MEMORY_MAX ((uint64_t)1 << 30) // more than any gas buys here
#define STIPEND 2300

/* One frame. The first thing that goes wrong ends it. */
struct run {
    struct evm_frame *f;
    struct evm *vm;
    struct state *state;
    const struct evm_params *p;
    struct u256 stack[EVM_STACK_MAX];
    size_t height;
    struct buf memory;
    size_t pc;
    bool ended;
    enum evm_status status;
};

static void end(struct run *r, enum evm_status status) {
    if (r->ended) return;
    r->ended = true;
    r->status = status;
}

static void charge(struct run *r, uint64_t gas) {
    if (r->ended) return;
    if (gas > (uint64_t)r->f->gas) {
        end(r, EVM_OUT_OF_GAS);
    } else {
        r->f->gas -= (int64_t)gas;
    }
}

static struct u256 pop(struct run *r) {
    return r->stack[--r->height]; // the height was checked for the whole instruction
}

static void push(struct run *r, struct u256 v) {
    r->stack[r->height++] = v;
}

static void push_number(struct run *r, uint64_t v) {
    push(r, u256_from_u64(v));
}

/* Memory. */

static uint64_t memory_price(uint64_t words) {
    return 3 * words + words * words / 512;
}

// Charges for memory up to the end of a range, and makes it; gives where the range begins.
static uint64_t touch(struct run *r, struct u256 at, struct u256 size) {
    if (r->ended || u256_is_zero(size)) return 0;
    if (!u256_fits_u64(at) || !u256_fits_u64(size) || at.w[0] > MEMORY_MAX ||
        size.w[0] > MEMORY_MAX) {
        end(r, EVM_OUT_OF_GAS);
        return 0;
    }
    uint64_t words = (at.w[0] + size.w[0] + 31) / 32, have = r->memory.n / 32;
    if (words <= have) return at.w[0];
    charge(r, memory_price(words) - memory_price(have));
    if (!r->ended) buf_append_fill(&r->memory, 0, 32 * (words - have));
    return at.w[0];
}

static void charge_words(struct run *r, struct u256 size, uint64_t price) {
    if (r->ended) return;
    charge(r, (size.w[0] + 31) / 32 * price); // the size was found affordable as memory
}

static struct bytes memory_part(const struct run *r, uint64_t at, struct u256 size) {
    return r->ended || u256_is_zero(size) ? (struct bytes){0}
                                          : bytes_make(r->memory.p + at, size.w[0]);
}

// One byte of something that is followed by zeros without end.
static uint8_t byte_at(struct bytes in, struct u256 at, uint64_t offset) {
    struct u256 place;
    if (u256_add_carry(&place, at, u256_from_u64(offset))) return 0;
    return u256_fits_u64(place) && place.w[0] < in.n ? in.p[place.w[0]] : 0;
}

static void copy_in(struct run *r, struct bytes in) {
    struct u256 to = pop(r), from = pop(r), size = pop(r);
    uint64_t at = touch(r, to, size);
    charge_words(r, size, 3);
    for (uint64_t i = 0; !r->ended && i < size.w[0]; i++) {
        r->memory.p[at + i] = byte_at(in, from, i);
    }
}

static void copy_return_data(struct run *r) {
    struct u256 to = pop(r), from = pop(r), size = pop(r), last;
    struct bytes in = buf_view(&r->vm->return_data);
    if (u256_add_carry(&last, from, size) || u256_compare(last, u256_from_u64(in.n)) > 0) {
        end(r, EVM_RETURN_DATA_BOUNDS);
        return;
    }
    uint64_t at = touch(r, to, size);
    charge_words(r, size, 3);
    for (uint64_t i = 0; !r->ended && i < size.w[0]; i++) {
        r->memory.p[at + i] = in.p[from.w[0] + i];
    }
}

static void copy_memory(struct run *r) {
    struct u256 to = pop(r), from = pop(r), size = pop(r);
    bool to_is_later = u256_compare(to, from) > 0;
    (void)touch(r, to_is_later ? to : from, size);
    charge_words(r, size, 3);
    if (r->ended || u256_is_zero(size)) return;
    uint8_t *copy = malloc(size.w[0]);
    if (!copy) abort();
    memcpy(copy, r->memory.p + from.w[0], size.w[0]);
    memcpy(r->memory.p + to.w[0], copy, size.w[0]);
    free(copy);
}

/* State. */

static struct state_account *account(struct run *r, struct u256 v) {
    uint8_t be[32];
    struct address a;
    u256_store_be(be, v);
    memcpy(a.b, be + 12, 20);
    return state_account_find(r->state, &a);
}

static bool is_warm(struct run *r, struct state_account *a) {
    if (precompile_find(r->vm->schedule.fork, &a->address)) return true;
    return state_warm_account(r->state, a);
}

static void charge_account(struct run *r, struct state_account *a) {
    if (!r->p->access_lists || r->ended) return;
    charge(r, is_warm(r, a) ? r->p->account_warm : r->p->account_cold);
}

static struct u256 address_word(const struct address *a) {
    uint8_t be[32] = {0};
    memcpy(be + 12, a->b, 20);
    return u256_load_be(be);
}

static void load_slot(struct run *r) {
    struct u256 key = pop(r);
    struct state_slot *slot = state_slot_find(r->state, r->f->self, &key);
    if (r->p->access_lists) {
        charge(r, state_warm_slot(r->state, slot) ? r->p->slot_warm : r->p->slot_cold);
    }
    push(r, slot->value);
}

// EIP-2200 in the words of its own case list; refunds as it goes.
static uint64_t price_of_store(struct run *r, struct u256 original, struct u256 now,
                               struct u256 value) {
    const struct evm_params *p = r->p;
    int64_t *refund = &r->state->refund, clear = p->sstore_clear_refund;
    bool fresh = u256_is_zero(original);
    if (p->sstore_rule == EVM_SSTORE_PLAIN) {
        if (u256_is_zero(now) && !u256_is_zero(value)) return p->sstore_set;
        if (!u256_is_zero(now) && u256_is_zero(value)) *refund += clear;
        return p->sstore_reset;
    }
    if (u256_equal(now, value)) return p->sstore_dirty;
    if (u256_equal(now, original)) {
        if (fresh) return p->sstore_set;
        if (u256_is_zero(value)) *refund += clear;
        return p->sstore_reset;
    }
    if (!fresh && u256_is_zero(now)) *refund -= clear;
    if (!fresh && u256_is_zero(value)) *refund += clear;
    if (u256_equal(value, original)) {
        *refund += (int64_t)(fresh ? p->sstore_set : p->sstore_reset) - (int64_t)p->sstore_dirty;
    }
    return p->sstore_dirty;
}

static void store_slot(struct run *r) {
    struct u256 key = pop(r), value = pop(r);
    if (r->f->is_static) {
        end(r, EVM_STATIC_VIOLATION);
        return;
    }
    if (r->p->sstore_sentry > 0 && r->f->gas <= (int64_t)r->p->sstore_sentry) {
        end(r, EVM_OUT_OF_GAS);
        return;
    }
    struct state_slot *slot = state_slot_find(r->state, r->f->self, &key);
    if (r->p->access_lists && !state_warm_slot(r->state, slot)) charge(r, r->p->slot_cold);
    charge(r, price_of_store(r, slot->original, slot->value, value));
    if (!r->ended) state_slot_set(r->state, slot, value);
}

static void log_event(struct run *r, unsigned topic_count) {
    struct u256 from = pop(r), size = pop(r);
    struct hash topics[4];
    for (unsigned i = 0; i < topic_count; i++) {
        u256_store_be(topics[i].b, pop(r));
    }
    if (r->f->is_static) end(r, EVM_STATIC_VIOLATION);
    uint64_t at = touch(r, from, size);
    charge(r, r->ended ? 0 : 8 * size.w[0]);
    if (r->ended) return;
    state_log_add(r->state, &r->f->self_address, topics, topic_count, memory_part(r, at, size));
}

static void block_hash(struct run *r) {
    struct u256 number = pop(r);
    const struct evm_block *b = &r->vm->block;
    struct hash h = {{0}};
    struct u256 now = u256_from_u64(b->number);
    bool old = u256_compare(u256_add(number, u256_from_u64(256)), now) < 0;
    if (u256_compare(number, now) < 0 && !old && b->block_hash &&
        b->block_hash(b->block_hash_ctx, &h, number.w[0], NULL) != 0) {
        end(r, EVM_FAILED);
    }
    push(r, u256_load_be(h.b));
}

static void self_destruct(struct run *r) {
    struct state_account *self = r->f->self, *heir = account(r, pop(r));
    struct u256 balance = state_balance(self);
    if (r->f->is_static) {
        end(r, EVM_STATIC_VIOLATION);
        return;
    }
    if (r->p->access_lists && !is_warm(r, heir)) charge(r, r->p->account_cold);
    bool born =
        r->p->clear_empty ? state_is_empty(heir) && !u256_is_zero(balance) : !state_exists(heir);
    if (born) charge(r, r->p->selfdestruct_new);
    if (r->ended) return;
    bool dies = !r->p->destruct_same_tx || self->created_epoch == r->state->epoch;
    bool first = self->destructed_epoch != r->state->epoch;
    if (dies && first) r->state->refund += r->p->selfdestruct_refund;
    if (heir != self || dies) state_set_balance(r->state, self, U256_ZERO);
    if (heir != self) state_add_balance(r->state, heir, balance);
    if (dies) state_destruct(r->state, self);
    end(r, EVM_SUCCESS);
}

/* Calls. */

static void take_result(struct run *r, const struct evm_result *result, struct bytes data) {
    r->f->gas += result->gas_left;
    struct buf copy; // data may stand in the buffer that it goes to
    buf_init(&copy, 0);
    buf_append(&copy, data);
    buf_clear(&r->vm->return_data);
    buf_append(&r->vm->return_data, buf_view(&copy));
    buf_free(&copy);
    if (result->status == EVM_ABORTED || result->status == EVM_FAILED) end(r, result->status);
}

// The gas that goes along, taken from the frame; the stipend is not counted.
static int64_t take_call_gas(struct run *r, struct u256 wanted) {
    int64_t left = r->f->gas, most = r->p->keep_64th ? left - left / 64 : left;
    bool too_much = u256_compare(wanted, u256_from_u64((uint64_t)most)) > 0;
    if (too_much && !r->p->keep_64th) {
        end(r, EVM_OUT_OF_GAS);
        return 0;
    }
    int64_t gas = too_much ? most : (int64_t)wanted.w[0];
    r->f->gas -= gas;
    return gas;
}

static void call(struct run *r, uint8_t op) {
    struct u256 wanted = pop(r), to = pop(r);
    bool own = op == OP_CALLCODE || op == OP_DELEGATECALL;
    struct u256 value = op == OP_CALL || op == OP_CALLCODE ? pop(r) : U256_ZERO;
    struct u256 in_at = pop(r), in_size = pop(r), out_at = pop(r), out_size = pop(r);
    bool pays = !u256_is_zero(value);
    if (op == OP_CALL && pays && r->f->is_static) {
        end(r, EVM_STATIC_VIOLATION);
        return;
    }
    uint64_t in = touch(r, in_at, in_size), out = touch(r, out_at, out_size);
    if (r->ended) return;
    struct state_account *target = account(r, to);
    charge_account(r, target);
    if (pays) charge(r, r->p->call_value);
    if (op == OP_CALL) {
        bool born = r->p->clear_empty ? pays && state_is_empty(target) : !state_exists(target);
        if (born) charge(r, r->p->call_new_account);
    }
    if (r->ended) return;
    const struct evm_code *code = state_code(r->state, target);
    bool precompiled = precompile_find(r->vm->schedule.fork, &target->address) != NULL;
    if (r->p->delegation && code->delegates && !precompiled) {
        charge_account(r, state_account_find(r->state, &code->delegate));
    }
    if (r->ended) return;
    int64_t gas = take_call_gas(r, wanted);
    if (r->ended) return;
    struct evm_message m = {
        .kind = op == OP_CALL           ? EVM_CALL
                : op == OP_CALLCODE     ? EVM_CALLCODE
                : op == OP_DELEGATECALL ? EVM_DELEGATECALL
                                        : EVM_STATICCALL,
        .is_static = r->f->is_static || op == OP_STATICCALL,
        .depth = r->f->depth + 1,
        .gas = pays ? gas + STIPEND : gas,
        .recipient = own ? r->f->self_address : target->address,
        .code_address = target->address,
        .sender = op == OP_DELEGATECALL ? r->f->sender : r->f->self_address,
        .value = op == OP_DELEGATECALL ? r->f->value : value,
        .input = memory_part(r, in, in_size),
    };
    struct evm_result result;
    evm_run(r->vm, r->f, &m, &result);
    take_result(r, &result, result.output);
    struct bytes data = buf_view(&r->vm->return_data);
    for (uint64_t i = 0; u256_compare(u256_from_u64(i), out_size) < 0 && i < data.n; i++) {
        r->memory.p[out + i] = data.p[i];
    }
    push_number(r, result.status == EVM_SUCCESS);
}

static void create(struct run *r, uint8_t op) {
    struct u256 value = pop(r), from = pop(r), size = pop(r);
    struct u256 salt = op == OP_CREATE2 ? pop(r) : U256_ZERO;
    if (r->f->is_static) end(r, EVM_STATIC_VIOLATION);
    uint64_t at = touch(r, from, size);
    if (u256_compare(size, u256_from_u64(r->p->initcode_size_max)) > 0) end(r, EVM_OUT_OF_GAS);
    charge_words(r, size, r->p->initcode_word);
    if (op == OP_CREATE2) charge_words(r, size, 6);
    if (r->ended) return;
    int64_t gas = r->p->keep_64th ? r->f->gas - r->f->gas / 64 : r->f->gas;
    r->f->gas -= gas;
    struct evm_message m = {
        .kind = op == OP_CREATE2 ? EVM_CREATE2 : EVM_CREATE,
        .depth = r->f->depth + 1,
        .gas = gas,
        .sender = r->f->self_address,
        .value = value,
        .input = memory_part(r, at, size),
        .salt = salt,
    };
    struct evm_result result;
    evm_run(r->vm, r->f, &m, &result);
    bool reverted = result.status == EVM_REVERT;
    take_result(r, &result, reverted ? result.output : (struct bytes){0});
    push(r, result.status == EVM_SUCCESS ? address_word(&result.created) : U256_ZERO);
}

/* Flow. */

// Whether a byte is an instruction, and not data behind a PUSH.
static bool is_jump_destination(const struct run *r, struct u256 to) {
    if (!u256_fits_u64(to) || to.w[0] >= r->f->code_size) return false;
    size_t pc = 0;
    while (pc < to.w[0]) {
        uint8_t op = r->f->code[pc];
        pc += op >= OP_PUSH1 && op <= OP_PUSH32 ? 2u + op - OP_PUSH1 : 1u;
    }
    return pc == to.w[0] && r->f->code[pc] == OP_JUMPDEST;
}

static void jump(struct run *r, struct u256 to) {
    if (!is_jump_destination(r, to)) {
        end(r, EVM_BAD_JUMP);
    } else {
        r->pc = to.w[0];
    }
}

static void leave(struct run *r, enum evm_status status) {
    struct u256 from = pop(r), size = pop(r);
    uint64_t at = touch(r, from, size);
    if (r->ended) return;
    buf_clear(&r->vm->return_data);
    buf_append(&r->vm->return_data, memory_part(r, at, size));
    r->f->output = buf_view(&r->vm->return_data);
    end(r, status);
}

static void push_bytes(struct run *r, unsigned count) {
    struct bytes code = {r->f->code, r->f->code_size};
    struct u256 v = U256_ZERO;
    for (unsigned i = 0; i < count; i++) {
        v = u256_add(oracle_mul(v, u256_from_u64(256)),
                     u256_from_u64(byte_at(code, u256_from_u64(r->pc), i)));
    }
    r->pc += count;
    push(r, v);
}

/* Instructions, in the order of their numbers. */

// clang-format off
static bool arithmetic(struct run *r, uint8_t op) {
    if ((op < OP_ADD || op > OP_SIGNEXTEND) && (op < OP_LT || op > OP_CLZ)) return false;
    struct u256 a = pop(r);
    if (op == OP_ISZERO) return push_number(r, u256_is_zero(a)), true;
    if (op == OP_NOT) return push(r, u256_sub(U256_MAX, a)), true;
    if (op == OP_CLZ) return push_number(r, oracle_leading_zeros(a)), true;
    struct u256 b = pop(r), c = op == OP_ADDMOD || op == OP_MULMOD ? pop(r) : U256_ZERO, v;
    long count = oracle_shift_count(a);
    switch (op) {
    case OP_ADD: v = u256_add(a, b); break;
    case OP_MUL: v = oracle_mul(a, b); break;
    case OP_SUB: v = u256_sub(a, b); break;
    case OP_DIV: v = oracle_div(a, b); break;
    case OP_SDIV: v = oracle_sdiv(a, b); break;
    case OP_MOD: v = oracle_mod(a, b); break;
    case OP_SMOD: v = oracle_smod(a, b); break;
    case OP_ADDMOD: v = oracle_addmod(a, b, c); break;
    case OP_MULMOD: v = oracle_mulmod(a, b, c); break;
    case OP_EXP:
        charge(r, (256 - oracle_leading_zeros(b) + 7) / 8 * (uint64_t)r->p->exp_byte);
        v = oracle_exp(a, b);
        break;
    case OP_SIGNEXTEND: v = oracle_sign_extend(a, b); break;
    case OP_LT: v = u256_from_u64(u256_compare(a, b) < 0); break;
    case OP_GT: v = u256_from_u64(u256_compare(a, b) > 0); break;
    case OP_SLT: v = u256_from_u64(oracle_signed_less(a, b)); break;
    case OP_SGT: v = u256_from_u64(oracle_signed_less(b, a)); break;
    case OP_EQ: v = u256_from_u64(u256_compare(a, b) == 0); break;
    case OP_AND:
        v = (struct u256){{a.w[0] & b.w[0], a.w[1] & b.w[1], a.w[2] & b.w[2], a.w[3] & b.w[3]}};
        break;
    case OP_OR:
        v = (struct u256){{a.w[0] | b.w[0], a.w[1] | b.w[1], a.w[2] | b.w[2], a.w[3] | b.w[3]}};
        break;
    case OP_XOR:
        v = (struct u256){{a.w[0] ^ b.w[0], a.w[1] ^ b.w[1], a.w[2] ^ b.w[2], a.w[3] ^ b.w[3]}};
        break;
    case OP_BYTE: {
        uint8_t be[32];
        u256_store_be(be, b);
        v = u256_from_u64(byte_at(bytes_make(be, 32), a, 0));
        break;
    }
    case OP_SHL: v = oracle_shift(b, -count, false); break;
    case OP_SHR: v = oracle_shift(b, count, false); break;
    default: v = oracle_shift(b, count, oracle_negative(b)); break; // SAR
    }
    push(r, v);
    return true;
}

static bool environment(struct run *r, uint8_t op) {
    const struct evm_frame *f = r->f;
    const struct evm_block *b = &r->vm->block;
    struct state_account *a;
    switch (op) {
    case OP_ADDRESS: push(r, address_word(&f->self_address)); return true;
    case OP_BALANCE:
        charge_account(r, a = account(r, pop(r)));
        push(r, state_balance(a));
        return true;
    case OP_ORIGIN: push(r, address_word(&r->vm->tx.origin)); return true;
    case OP_CALLER: push(r, address_word(&f->sender)); return true;
    case OP_CALLVALUE: push(r, f->value); return true;
    case OP_CALLDATALOAD: {
        uint8_t word[32];
        struct u256 at = pop(r);
        for (unsigned i = 0; i < 32; i++) {
            word[i] = byte_at(f->input, at, i);
        }
        push(r, u256_load_be(word));
        return true;
    }
    case OP_CALLDATASIZE: push_number(r, f->input.n); return true;
    case OP_CALLDATACOPY: copy_in(r, f->input); return true;
    case OP_CODESIZE: push_number(r, f->code_size); return true;
    case OP_CODECOPY: copy_in(r, bytes_make(f->code, f->code_size)); return true;
    case OP_GASPRICE: push(r, r->vm->tx.gas_price); return true;
    case OP_EXTCODESIZE:
        charge_account(r, a = account(r, pop(r)));
        push_number(r, state_code(r->state, a)->size);
        return true;
    case OP_EXTCODECOPY: {
        a = account(r, pop(r));
        charge_account(r, a);
        const struct evm_code *code = state_code(r->state, a);
        copy_in(r, bytes_make(code->bytes, code->size));
        return true;
    }
    case OP_RETURNDATASIZE: push_number(r, r->vm->return_data.n); return true;
    case OP_RETURNDATACOPY: copy_return_data(r); return true;
    case OP_EXTCODEHASH:
        charge_account(r, a = account(r, pop(r)));
        push(r, state_is_empty(a) ? U256_ZERO : u256_load_be(state_code_hash(a)->b));
        return true;
    case OP_BLOCKHASH: block_hash(r); return true;
    case OP_COINBASE: push(r, address_word(&b->coinbase)); return true;
    case OP_TIMESTAMP: push_number(r, b->timestamp); return true;
    case OP_NUMBER: push_number(r, b->number); return true;
    case OP_PREVRANDAO: push(r, b->prevrandao); return true;
    case OP_GASLIMIT: push_number(r, b->gas_limit); return true;
    case OP_CHAINID: push_number(r, b->chain_id); return true;
    case OP_SELFBALANCE: push(r, state_balance(f->self)); return true;
    case OP_BASEFEE: push(r, b->base_fee); return true;
    case OP_BLOBHASH: {
        struct u256 i = pop(r);
        bool in = u256_compare(i, u256_from_u64(r->vm->tx.blob_hash_count)) < 0;
        push(r, in ? u256_load_be(r->vm->tx.blob_hashes[i.w[0]].b) : U256_ZERO);
        return true;
    }
    case OP_BLOBBASEFEE: push(r, b->blob_base_fee); return true;
    default:
        return false;
    }
}

static bool storage_and_flow(struct run *r, uint8_t op) {
    struct u256 a, b;
    uint64_t at;
    switch (op) {
    case OP_POP: (void)pop(r); return true;
    case OP_MLOAD:
        at = touch(r, pop(r), u256_from_u64(32));
        push(r, r->ended ? U256_ZERO : u256_load_be(r->memory.p + at));
        return true;
    case OP_MSTORE:
        at = touch(r, pop(r), u256_from_u64(32));
        a = pop(r);
        if (!r->ended) u256_store_be(r->memory.p + at, a);
        return true;
    case OP_MSTORE8:
        at = touch(r, pop(r), U256_ONE);
        a = pop(r);
        if (!r->ended) r->memory.p[at] = (uint8_t)a.w[0];
        return true;
    case OP_SLOAD: load_slot(r); return true;
    case OP_SSTORE: store_slot(r); return true;
    case OP_JUMP: jump(r, pop(r)); return true;
    case OP_JUMPI: a = pop(r); b = pop(r); if (!u256_is_zero(b)) jump(r, a); return true;
    case OP_PC: push_number(r, r->pc - 1); return true;
    case OP_MSIZE: push_number(r, r->memory.n); return true;
    case OP_GAS: push_number(r, (uint64_t)r->f->gas); return true;
    case OP_JUMPDEST:
        return true;
    case OP_TLOAD: a = pop(r); push(r, state_transient_get(r->state, r->f->self, &a)); return true;
    case OP_TSTORE:
        a = pop(r);
        b = pop(r);
        if (r->f->is_static) {
            end(r, EVM_STATIC_VIOLATION);
        } else {
            state_transient_set(r->state, r->f->self, &a, b);
        }
        return true;
    case OP_MCOPY: copy_memory(r); return true;
    default:
        return false;
    }
}
// clang-format on

static void step(struct run *r) {
    uint8_t op = r->pc < r->f->code_size ? r->f->code[r->pc] : OP_STOP;
    const struct evm_op *what = &r->vm->schedule.op[op];
    r->pc++;
    if (!what->defined) {
        end(r, EVM_UNDEFINED_OPCODE);
        return;
    }
    if (r->height < what->pops) end(r, EVM_STACK_UNDERFLOW);
    if (r->height - what->pops + what->pushes > EVM_STACK_MAX) end(r, EVM_STACK_OVERFLOW);
    charge(r, what->gas);
    if (r->ended) return;
    if (arithmetic(r, op) || environment(r, op) || storage_and_flow(r, op)) return;
    if (op == OP_STOP) end(r, EVM_SUCCESS);
    if (op == OP_INVALID) end(r, EVM_INVALID_OPCODE);
    if (op == OP_KECCAK256) {
        struct u256 from = pop(r), size = pop(r);
        uint64_t at = touch(r, from, size);
        charge_words(r, size, 6);
        struct hash h = keccak256(memory_part(r, at, size));
        push(r, u256_load_be(h.b));
    }
    if (op >= OP_PUSH0 && op <= OP_PUSH32) push_bytes(r, op - OP_PUSH0);
    if (op >= OP_DUP1 && op <= OP_DUP16) push(r, r->stack[r->height - 1 - (op - OP_DUP1)]);
    if (op >= OP_SWAP1 && op <= OP_SWAP16) {
        struct u256 *other = &r->stack[r->height - 2 - (op - OP_SWAP1)], v = *other;
        *other = r->stack[r->height - 1];
        r->stack[r->height - 1] = v;
    }
    if (op >= OP_LOG0 && op <= OP_LOG4) log_event(r, op - OP_LOG0);
    if (op == OP_CREATE || op == OP_CREATE2) create(r, op);
    if (op == OP_CALL || op == OP_CALLCODE || op == OP_DELEGATECALL || op == OP_STATICCALL) {
        call(r, op);
    }
    if (op == OP_RETURN) leave(r, EVM_SUCCESS);
    if (op == OP_REVERT) leave(r, EVM_REVERT);
    if (op == OP_SELFDESTRUCT) self_destruct(r);
}

enum evm_status oracle_interpret(struct evm_frame *f, const int32_t **ret_handlers) {
    (void)ret_handlers; // decoded programs are the fast one's matter
    struct run *r = calloc(1, sizeof *r);
    if (!r) abort();
    r->f = f;
    r->vm = f->vm;
    r->state = f->state;
    r->p = &f->vm->schedule.p;
    buf_init(&r->memory, 0);
    f->output = (struct bytes){0};
    while (!r->ended) {
        step(r);
    }
    enum evm_status status = r->status;
    buf_free(&r->memory);
    free(r);
    return status;
}
