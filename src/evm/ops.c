/* The longer instructions. SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "evm/frame.h"
#include "evm/opcode.h"
#include "evm/precompile.h"
#include "evm/trace.h"
#include "evm/wide.h"

#include <stdlib.h>

#define CHUNK_FIRST (1u << 20)

/* Memory. */

// Moves the frame's memory to the next chunk, made large enough. Nobody above uses that one.
static bool move_memory(struct evm_frame *f, size_t need) {
    struct evm *vm = f->vm;
    size_t next = f->memory_capacity ? f->chunk + 1 : f->chunk;
    if (next >= vm->chunk_room) {
        size_t room = vm->chunk_room ? 2 * vm->chunk_room : 8;
        struct evm_memory_chunk *p = realloc(vm->chunks, room * sizeof *p);
        if (!p) return false;
        memset(p + vm->chunk_room, 0, (room - vm->chunk_room) * sizeof *p);
        vm->chunks = p;
        vm->chunk_room = room;
    }
    struct evm_memory_chunk *c = &vm->chunks[next];
    if (c->size < need) {
        size_t size = 2 * need > CHUNK_FIRST ? 2 * need : CHUNK_FIRST;
        free(c->p);
        *c = (struct evm_memory_chunk){malloc(size), size};
        if (!c->p) {
            c->size = 0;
            return false;
        }
    }
    if (f->memory_size) memcpy(c->p, f->memory, f->memory_size);
    f->chunk = next;
    f->memory = c->p;
    f->memory_capacity = c->size;
    f->memory_zeroed = f->memory_size;
    return true;
}

bool evm_memory_grow(struct evm_frame *f, uint64_t end) {
    if (end <= f->memory_size) return true;
    uint64_t words = (end + 31) / 32;
    uint64_t cost = evm_memory_cost(words);
    f->gas -= (int64_t)(cost - f->memory_gas);
    if (f->gas < 0 || end > f->vm->memory_max) return false;
    f->memory_gas = cost;
    size_t size = words * 32;
    if (size > f->memory_capacity && !move_memory(f, size)) {
        error_set(&f->state->failed, ERR_NO_MEMORY, "no memory for the EVM's memory");
        return false;
    }
    if (size > f->memory_zeroed) {
        // Some way ahead, for memory grows word by word.
        size_t ahead = size + size / 8 + 1024;
        if (ahead > f->memory_capacity) ahead = f->memory_capacity;
        if (ahead > f->vm->memory_max) ahead = size;
        memset(f->memory + f->memory_zeroed, 0, ahead - f->memory_zeroed);
        f->memory_zeroed = ahead;
    }
    f->memory_size = size;
    return true;
}

bool evm_memory_range(struct evm_frame *f, const struct u256 *offset, const struct u256 *size,
                      uint64_t *ret_offset) {
    *ret_offset = 0;
    if (u256_is_zero(*size)) return true;
    if (!u256_fits_u64(*offset) || !u256_fits_u64(*size)) return false;
    if ((offset->w[0] | size->w[0]) >> 40) return false;
    *ret_offset = offset->w[0];
    return evm_memory_grow(f, offset->w[0] + size->w[0]);
}

static bool charge(struct evm_frame *f, uint64_t gas) {
    if (gas > INT64_MAX) return false;
    f->gas -= (int64_t)gas;
    return f->gas >= 0;
}

// Hashes, copies of large memory and reads of the state take long one after another, without any
// jump or call at which the loop would look.
static bool stopped(const struct evm_frame *f) {
    return atomic_load_explicit(f->vm->abort, memory_order_relaxed);
}

static uint64_t words_of(uint64_t bytes) {
    return (bytes + 31) / 32;
}

// evm_memory_range where a charge follows, which fails when the gas is gone already: so that who
// traces learns the whole cost of what could not be paid.
static bool charge_memory(struct evm_frame *f, const struct u256 *offset, const struct u256 *size,
                          uint64_t *ret_offset) {
    return evm_memory_range(f, offset, size, ret_offset) || f->gas < 0;
}

// Charges for a range that is copied or hashed, and makes it accessible.
static bool charge_range(struct evm_frame *f, const struct u256 *offset, const struct u256 *size,
                         uint64_t word_gas, uint64_t *ret_offset) {
    return charge_memory(f, offset, size, ret_offset) && charge(f, word_gas * words_of(size->w[0]));
}

// Copies from `in` at an offset, zeros where it ends.
static void copy_padded(uint8_t *to, size_t size, struct bytes in, const struct u256 *at) {
    struct bytes part = {0};
    if (u256_fits_u64(*at)) part = bytes_slice(in, at->w[0], size);
    if (part.n) memcpy(to, part.p, part.n);
    if (size > part.n) memset(to + part.n, 0, size - part.n);
}

/* Arithmetic and hashing. */

#define HASH_PIECE ((size_t)512 * KECCAK_RATE) // about 0.15 ms

// False when it was stopped.
static bool hash_long(struct hash *ret, const struct evm_frame *f, struct bytes in) {
    struct keccak k;
    keccak_init(&k);
    while (in.n > 0) {
        struct bytes piece = bytes_slice(in, 0, HASH_PIECE);
        keccak_update(&k, piece);
        in = bytes_slice(in, piece.n, in.n);
        if (stopped(f)) return false;
    }
    *ret = keccak_final(&k);
    return true;
}

enum evm_status evm_op_exp(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t bytes = (u256_bit_length(sp[-2]) + 7) / 8;
    if (!charge(f, bytes * f->vm->schedule.p.exp_byte)) return EVM_OUT_OF_GAS;
    sp[-2] = wide_exp(sp[-1], sp[-2]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_keccak256(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t at;
    if (stopped(f)) return EVM_ABORTED;
    if (!charge_range(f, &sp[-1], &sp[-2], 6, &at)) return EVM_OUT_OF_GAS;
    struct bytes in = {f->memory + at, sp[-2].w[0]};
    struct hash h;
    if (in.n <= HASH_PIECE) {
        h = keccak256(in);
    } else if (!hash_long(&h, f, in)) {
        return EVM_ABORTED;
    }
    sp[-2] = u256_load_be(h.b);
    return EVM_SUCCESS;
}

/* Accounts. */

// The access that EIP-2929 prices; before it the static gas has paid.
static bool charge_account(struct evm_frame *f, struct state_account *a) {
    const struct evm_params *p = &f->vm->schedule.p;
    if (!p->access_lists) return true;
    bool warm =
        evm_is_precompile(f->vm->schedule.fork, &a->address) || state_warm_account(f->state, a);
    return charge(f, warm ? p->account_warm : p->account_cold);
}

static struct state_account *account_at(struct evm_frame *f, const struct u256 *v) {
    struct address address = u256_to_address(v);
    return state_account_find(f->state, &address);
}

enum evm_status evm_op_balance(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    if (stopped(f)) return EVM_ABORTED;
    struct state_account *a = account_at(f, &f->sp[-1]);
    if (!charge_account(f, a)) return EVM_OUT_OF_GAS;
    f->sp[-1] = state_balance(a);
    return EVM_SUCCESS;
}

enum evm_status evm_op_extcodesize(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    if (stopped(f)) return EVM_ABORTED;
    struct state_account *a = account_at(f, &f->sp[-1]);
    if (!charge_account(f, a)) return EVM_OUT_OF_GAS;
    f->sp[-1] = u256_from_u64(state_code(f->state, a)->size);
    return EVM_SUCCESS;
}

enum evm_status evm_op_extcodehash(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    if (stopped(f)) return EVM_ABORTED;
    struct state_account *a = account_at(f, &f->sp[-1]);
    if (!charge_account(f, a)) return EVM_OUT_OF_GAS;
    f->sp[-1] = state_is_empty(a) ? U256_ZERO : u256_load_be(state_code_hash(a)->b);
    return EVM_SUCCESS;
}

enum evm_status evm_op_extcodecopy(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t at;
    if (stopped(f)) return EVM_ABORTED;
    if (!charge_range(f, &sp[-2], &sp[-4], 3, &at)) return EVM_OUT_OF_GAS;
    struct state_account *a = account_at(f, &sp[-1]);
    if (!charge_account(f, a)) return EVM_OUT_OF_GAS;
    const struct evm_code *code = state_code(f->state, a);
    copy_padded(f->memory + at, sp[-4].w[0], (struct bytes){code->bytes, code->size}, &sp[-3]);
    return EVM_SUCCESS;
}

/* Copies. */

enum evm_status evm_op_calldatacopy(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t at;
    if (stopped(f)) return EVM_ABORTED;
    if (!charge_range(f, &sp[-1], &sp[-3], 3, &at)) return EVM_OUT_OF_GAS;
    copy_padded(f->memory + at, sp[-3].w[0], f->input, &sp[-2]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_codecopy(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t at;
    if (stopped(f)) return EVM_ABORTED;
    if (!charge_range(f, &sp[-1], &sp[-3], 3, &at)) return EVM_OUT_OF_GAS;
    copy_padded(f->memory + at, sp[-3].w[0], (struct bytes){f->code, f->code_size}, &sp[-2]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_returndatacopy(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    if (stopped(f)) return EVM_ABORTED;
    struct u256 *sp = f->sp, end;
    uint64_t at;
    if (u256_add_carry(&end, sp[-2], sp[-3]) ||
        u256_compare(end, u256_from_u64(f->vm->return_data.n)) > 0) {
        return EVM_RETURN_DATA_BOUNDS;
    }
    if (!charge_range(f, &sp[-1], &sp[-3], 3, &at)) return EVM_OUT_OF_GAS;
    if (sp[-3].w[0]) memcpy(f->memory + at, f->vm->return_data.p + sp[-2].w[0], sp[-3].w[0]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_mcopy(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    uint64_t to, from;
    const struct u256 *last = u256_compare(sp[-1], sp[-2]) > 0 ? &sp[-1] : &sp[-2];
    uint64_t unused;
    if (stopped(f)) return EVM_ABORTED;
    if (!charge_range(f, last, &sp[-3], 3, &unused)) return EVM_OUT_OF_GAS;
    if (!evm_memory_range(f, &sp[-1], &sp[-3], &to)) return EVM_OUT_OF_GAS;
    if (!evm_memory_range(f, &sp[-2], &sp[-3], &from)) return EVM_OUT_OF_GAS;
    if (sp[-3].w[0]) memmove(f->memory + to, f->memory + from, sp[-3].w[0]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_blockhash(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct u256 *sp = f->sp;
    const struct evm_block *b = &f->vm->block;
    uint64_t number = sp[-1].w[0];
    bool known = u256_fits_u64(sp[-1]) && number < b->number && b->number - number <= 256;
    sp[-1] = U256_ZERO;
    if (!known || !b->block_hash) return EVM_SUCCESS;
    struct hash h = {{0}};
    struct error why = {0};
    int r = b->block_hash(b->block_hash_ctx, &h, number, &why);
    if (r != 0) {
        if (f->state->failed.code == 0) f->state->failed = why;
        f->state->failed.code = (enum err)r;
        return EVM_FAILED;
    }
    sp[-1] = u256_load_be(h.b);
    return EVM_SUCCESS;
}

/* Storage. */

static uint64_t sstore_net(struct evm_frame *f, const struct state_slot *slot,
                           const struct u256 *value) {
    const struct evm_params *p = &f->vm->schedule.p;
    int64_t clear = p->sstore_clear_refund;
    const struct u256 *now = &slot->value, *original = &slot->original;
    if (u256_equal(*now, *value)) return p->sstore_dirty;
    if (u256_equal(*original, *now)) {
        if (u256_is_zero(*original)) return p->sstore_set;
        if (u256_is_zero(*value)) f->state->refund += clear;
        return p->sstore_reset;
    }
    if (!u256_is_zero(*original)) {
        if (u256_is_zero(*now)) f->state->refund -= clear;
        if (u256_is_zero(*value)) f->state->refund += clear;
    }
    if (u256_equal(*original, *value)) {
        uint64_t paid = u256_is_zero(*original) ? p->sstore_set : p->sstore_reset;
        f->state->refund += (int64_t)(paid - p->sstore_dirty);
    }
    return p->sstore_dirty;
}

static uint64_t sstore_plain(struct evm_frame *f, const struct state_slot *slot,
                             const struct u256 *value) {
    const struct evm_params *p = &f->vm->schedule.p;
    if (u256_is_zero(slot->value)) return u256_is_zero(*value) ? p->sstore_reset : p->sstore_set;
    if (u256_is_zero(*value)) f->state->refund += p->sstore_clear_refund;
    return p->sstore_reset;
}

enum evm_status evm_op_sstore(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    const struct evm_params *p = &f->vm->schedule.p;
    if (stopped(f)) return EVM_ABORTED;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    if (p->sstore_sentry && f->gas <= p->sstore_sentry) return EVM_OUT_OF_GAS;
    struct state_slot *slot = state_slot_find(f->state, f->self, &f->sp[-1]);
    const struct u256 value = f->sp[-2];
    uint64_t gas = 0;
    if (p->access_lists && !state_warm_slot(f->state, slot)) gas = p->slot_cold;
    gas += p->sstore_rule == EVM_SSTORE_NET ? sstore_net(f, slot, &value)
                                            : sstore_plain(f, slot, &value);
    if (!charge(f, gas)) return EVM_OUT_OF_GAS;
    if (!u256_equal(slot->value, value)) state_slot_set(f->state, slot, value);
    return EVM_SUCCESS;
}

enum evm_status evm_op_tload(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    f->sp[-1] = state_transient_get(f->state, f->self, &f->sp[-1]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_tstore(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    state_transient_set(f->state, f->self, &f->sp[-1], f->sp[-2]);
    return EVM_SUCCESS;
}

enum evm_status evm_op_log(struct evm_frame *f, uint32_t arg) {
    struct u256 *sp = f->sp;
    uint64_t at;
    if (stopped(f)) return EVM_ABORTED;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    if (!charge_memory(f, &sp[-1], &sp[-2], &at)) return EVM_OUT_OF_GAS;
    if (!charge(f, 8 * sp[-2].w[0])) return EVM_OUT_OF_GAS;
    struct hash topics[4];
    for (uint32_t i = 0; i < arg; i++) {
        u256_store_be(topics[i].b, sp[-3 - (ptrdiff_t)i]);
    }
    state_log_add(f->state, &f->self_address, topics, arg,
                  (struct bytes){f->memory + at, sp[-2].w[0]});
    return EVM_SUCCESS;
}

/* Ends. */

enum evm_status evm_op_return(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    uint64_t at;
    if (!evm_memory_range(f, &f->sp[-1], &f->sp[-2], &at)) return EVM_OUT_OF_GAS;
    f->output = (struct bytes){f->memory + at, f->sp[-2].w[0]};
    return EVM_SUCCESS;
}

enum evm_status evm_op_selfdestruct(struct evm_frame *f, uint32_t arg) {
    (void)arg;
    struct evm *vm = f->vm;
    const struct evm_params *p = &vm->schedule.p;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    struct state_account *heir = account_at(f, &f->sp[-1]);
    struct u256 balance = state_balance(f->self);
    uint64_t gas = 0;
    if (p->access_lists && !evm_is_precompile(vm->schedule.fork, &heir->address) &&
        !state_warm_account(f->state, heir)) {
        gas += p->account_cold;
    }
    bool brings_to_life =
        p->clear_empty ? !u256_is_zero(balance) && state_is_empty(heir) : !state_exists(heir);
    if (brings_to_life) gas += p->selfdestruct_new;
    if (!charge(f, gas)) return EVM_OUT_OF_GAS;
    bool ends = !p->destruct_same_tx || f->self->created_epoch == f->state->epoch;
    if (f->self->destructed_epoch != f->state->epoch && ends) {
        f->state->refund += p->selfdestruct_refund;
    }
    if (vm->tracer) evm_trace_destruct(vm, &f->self_address, &heir->address, &balance);
    if (heir != f->self) {
        state_add_balance(f->state, heir, balance);
        state_set_balance(f->state, f->self, U256_ZERO);
    } else if (ends) {
        state_set_balance(f->state, f->self, U256_ZERO); // burnt
    }
    if (ends) state_destruct(f->state, f->self);
    return EVM_SUCCESS;
}

/* Calls. */

// What a call may take along of what is left; -1 when that is more than there is.
static int64_t gas_for_call(const struct evm_frame *f, const struct u256 *wanted) {
    int64_t left = f->gas;
    bool fits = u256_fits_u64(*wanted) && wanted->w[0] <= INT64_MAX;
    if (f->vm->schedule.p.keep_64th) {
        int64_t most = left - left / 64;
        return fits && (int64_t)wanted->w[0] < most ? (int64_t)wanted->w[0] : most;
    }
    return fits && (int64_t)wanted->w[0] <= left ? (int64_t)wanted->w[0] : -1;
}

// Takes over what a call gave back: gas, return data, and what goes to memory.
static enum evm_status after_call(struct evm_frame *f, const struct evm_result *r, uint64_t out_at,
                                  uint64_t out_size) {
    struct buf *data = &f->vm->return_data;
    f->gas += r->gas_left;
    if (r->status == EVM_ABORTED || r->status == EVM_FAILED) return r->status;
    if (r->output.p != data->p || r->output.n != data->n) {
        buf_clear(data);
        buf_append(data, r->output);
        if (data->failed) {
            error_set(&f->state->failed, ERR_NO_MEMORY, "no memory for return data");
            return EVM_FAILED;
        }
    }
    if (out_size > data->n) out_size = data->n;
    if (out_size) memcpy(f->memory + out_at, data->p, out_size);
    return EVM_SUCCESS;
}

static bool charge_call(struct evm_frame *f, enum evm_kind kind, struct state_account *code,
                        bool has_value) {
    const struct evm_params *p = &f->vm->schedule.p;
    if (!charge_account(f, code)) return false;
    uint64_t gas = 0;
    if (has_value) gas += p->call_value;
    if (kind == EVM_CALL) {
        bool dead = p->clear_empty ? has_value && state_is_empty(code) : !state_exists(code);
        if (dead) gas += p->call_new_account;
    }
    if (!charge(f, gas)) return false;
    if (!p->delegation || evm_is_precompile(f->vm->schedule.fork, &code->address)) return true;
    const struct evm_code *c = state_code(f->state, code);
    if (!c->delegates) return true;
    return charge_account(f, state_account_find(f->state, &c->delegate));
}

static enum evm_kind call_kind(uint32_t op) {
    return op == OP_CALL           ? EVM_CALL
           : op == OP_CALLCODE     ? EVM_CALLCODE
           : op == OP_DELEGATECALL ? EVM_DELEGATECALL
                                   : EVM_STATICCALL;
}

#define CALL_STIPEND 2300

enum evm_status evm_op_call(struct evm_frame *f, uint32_t op) {
    struct u256 *sp = f->sp;
    enum evm_kind kind = call_kind(op);
    bool takes_value = kind == EVM_CALL || kind == EVM_CALLCODE;
    const struct u256 *area = takes_value ? &sp[-4] : &sp[-3]; // in at, in size, out at, out size
    struct u256 value = takes_value ? sp[-3] : U256_ZERO;
    bool has_value = !u256_is_zero(value);
    uint64_t in_at, out_at;
    if (kind == EVM_CALL && has_value && f->is_static) return EVM_STATIC_VIOLATION;
    if (!evm_memory_range(f, &area[0], &area[-1], &in_at)) return EVM_OUT_OF_GAS;
    if (!evm_memory_range(f, &area[-2], &area[-3], &out_at)) return EVM_OUT_OF_GAS;
    struct state_account *code = account_at(f, &sp[-2]);
    if (!charge_call(f, kind, code, has_value)) return EVM_OUT_OF_GAS;
    int64_t gas = gas_for_call(f, &sp[-1]);
    if (gas < 0) return EVM_OUT_OF_GAS;
    f->gas -= gas;
    if (has_value) gas += CALL_STIPEND;
    bool own = kind == EVM_CALLCODE || kind == EVM_DELEGATECALL;
    struct evm_message m = {
        .kind = kind,
        .is_static = f->is_static || kind == EVM_STATICCALL,
        .depth = f->depth + 1,
        .gas = gas,
        .recipient = own ? f->self_address : code->address,
        .code_address = code->address,
        .sender = kind == EVM_DELEGATECALL ? f->sender : f->self_address,
        .value = kind == EVM_DELEGATECALL ? f->value : value,
        .input = {f->memory + in_at, area[-1].w[0]},
    };
    struct evm_result r;
    evm_run(f->vm, f, &m, &r);
    enum evm_status status = after_call(f, &r, out_at, area[-3].w[0]);
    *(takes_value ? &sp[-7] : &sp[-6]) = u256_from_u64(r.status == EVM_SUCCESS);
    return status;
}

enum evm_status evm_op_create(struct evm_frame *f, uint32_t op) {
    struct u256 *sp = f->sp;
    const struct evm_params *p = &f->vm->schedule.p;
    const struct u256 *size = &sp[-3];
    uint64_t at;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    if (!charge_memory(f, &sp[-2], size, &at)) return EVM_OUT_OF_GAS;
    if (size->w[0] > p->initcode_size_max) return EVM_OUT_OF_GAS;
    uint64_t word_gas = p->initcode_word + (op == OP_CREATE2 ? 6u : 0u);
    if (!charge(f, word_gas * words_of(size->w[0]))) return EVM_OUT_OF_GAS;
    int64_t gas = p->keep_64th ? f->gas - f->gas / 64 : f->gas;
    f->gas -= gas;
    struct evm_message m = {
        .kind = op == OP_CREATE2 ? EVM_CREATE2 : EVM_CREATE,
        .depth = f->depth + 1,
        .gas = gas,
        .sender = f->self_address,
        .value = sp[-1],
        .input = {f->memory + at, size->w[0]},
        .salt = op == OP_CREATE2 ? sp[-4] : U256_ZERO,
    };
    struct evm_result r;
    evm_run(f->vm, f, &m, &r);
    if (r.status != EVM_REVERT) r.output = (struct bytes){0};
    enum evm_status status = after_call(f, &r, 0, 0);
    *(op == OP_CREATE2 ? &sp[-4] : &sp[-3]) =
        r.status == EVM_SUCCESS ? u256_from_address(&r.created) : U256_ZERO;
    return status;
}

enum evm_status evm_op_step(struct evm_frame *f, uint32_t pc) {
    if (f->vm->tracer) evm_trace_step(f, pc);
    return EVM_SUCCESS;
}
