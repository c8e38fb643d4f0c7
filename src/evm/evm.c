/* Messages: calls and creations with their checkpoints. SPDX-License-Identifier: MIT */
#include "evm/evm.h"

#include "base/cpu.h"
#include "crypto/keccak.h"
#include "eth/tx.h"
#include "evm/frame.h"
#include "evm/precompile.h"
#include "evm/trace.h"

#include <stdlib.h>

#define CODE_DEPOSIT_GAS 200 // a byte

int evm_init(struct evm *vm, struct evm_code_cache *codes, const struct precompiles *precompiles,
             struct error *why) {
    *vm = (struct evm){.codes = codes, .precompiles = precompiles, .memory_max = 1ull << 32};
    // Only what is used becomes real memory.
    size_t room = (EVM_DEPTH_MAX + 1) * (size_t)EVM_STACK_MAX;
    vm->stack = malloc(room * sizeof *vm->stack);
    if (!vm->stack) return error_set(why, ERR_NO_MEMORY, "no memory for the EVM's stacks");
    vm->abort = &vm->never;
    arena_init(&vm->scratch, 0);
    arena_init(&vm->decoding, 0);
    buf_init(&vm->return_data, 0);
    evm_schedule_init(&vm->schedule, FORK_FRONTIER);
    return 0;
}

void evm_free(struct evm *vm) {
    for (size_t i = 0; i < vm->chunk_room; i++) {
        free(vm->chunks[i].p);
    }
    free(vm->chunks);
    free(vm->stack);
    buf_free(&vm->return_data);
    arena_free(&vm->scratch);
    arena_free(&vm->decoding);
    *vm = (struct evm){0};
}

void evm_use(struct evm *vm, struct state *state, enum fork fork) {
    vm->state = state;
    if (vm->schedule.fork != fork) evm_schedule_init(&vm->schedule, fork);
}

struct address evm_create2_address(const struct address *sender, const struct u256 *salt,
                                   const struct hash *initcode_hash) {
    uint8_t in[85] = {0xff};
    memcpy(in + 1, sender->b, 20);
    u256_store_be(in + 21, *salt);
    memcpy(in + 53, initcode_hash->b, 32);
    struct hash h = keccak256((struct bytes){in, sizeof in});
    struct address a;
    memcpy(a.b, h.b + 12, 20);
    return a;
}

const char *evm_status_name(enum evm_status status) {
    static const char *const names[] = {
        [EVM_SUCCESS] = "success",
        [EVM_REVERT] = "execution reverted",
        [EVM_OUT_OF_GAS] = "out of gas",
        [EVM_STACK_UNDERFLOW] = "stack underflow",
        [EVM_STACK_OVERFLOW] = "stack limit reached",
        [EVM_BAD_JUMP] = "invalid jump destination",
        [EVM_UNDEFINED_OPCODE] = "invalid opcode",
        [EVM_INVALID_OPCODE] = "invalid opcode: INVALID",
        [EVM_STATIC_VIOLATION] = "write protection",
        [EVM_RETURN_DATA_BOUNDS] = "return data out of bounds",
        [EVM_CREATE_COLLISION] = "contract address collision",
        [EVM_CODE_TOO_LARGE] = "max code size exceeded",
        [EVM_CODE_PREFIX] = "invalid code: must not begin with 0xef",
        [EVM_PRECOMPILE_FAILURE] = "precompiled contract failed",
        [EVM_DEPTH_EXCEEDED] = "max call depth exceeded",
        [EVM_BALANCE_TOO_LOW] = "insufficient balance for transfer",
        [EVM_NONCE_OVERFLOW] = "nonce uint64 overflow",
        [EVM_ABORTED] = "execution aborted",
        [EVM_FAILED] = "state unavailable",
    };
    return names[status];
}

static void refuse(struct evm_result *ret, enum evm_status status, int64_t gas_left) {
    *ret = (struct evm_result){.status = status, .gas_left = gas_left};
}

// Value goes over; a call with none still touches who receives it.
static void transfer(struct evm *vm, struct state_account *from, struct state_account *to,
                     const struct u256 *value) {
    struct state *s = vm->state;
    if (!u256_is_zero(*value)) {
        state_set_balance(s, from, u256_sub(state_balance(from), *value));
        state_add_balance(s, to, *value);
    } else if (hash_equal(&to->now.code_hash, &STATE_EMPTY_CODE_HASH) &&
               (!vm->schedule.p.clear_empty || state_is_empty(to))) {
        state_touch(s, to);
    }
}

static bool can_pay(struct state_account *from, const struct u256 *value) {
    if (u256_is_zero(*value)) return true;
    struct u256 balance = state_balance(from);
    return u256_compare(balance, *value) >= 0;
}

// Simulations move contracts of the machine: what stands at an address then.
static const struct precompile *moved_precompile(const struct evm *vm, const struct address *at) {
    bool left = false;
    for (size_t i = 0; i < vm->move_count; i++) {
        const struct evm_move *m = &vm->moves[i];
        if (m->has_to && address_equal(&m->to, at)) {
            return precompile_find(vm->schedule.fork, &m->from);
        }
        left |= address_equal(&m->from, at);
    }
    return left ? NULL : precompile_find(vm->schedule.fork, at);
}

static void run_precompile(struct evm *vm, const struct precompile *p, const struct evm_message *m,
                           struct evm_result *ret) {
    uint64_t gas = p->gas(m->input);
    if (gas > (uint64_t)m->gas) {
        refuse(ret, EVM_OUT_OF_GAS, 0);
        return;
    }
    // The input may lie in the memory of the caller, never in the return data.
    buf_clear(&vm->return_data);
    int r = p->run(vm->precompiles, m->input, vm->abort, &vm->return_data);
    if (stop_asked(vm->abort)) {
        buf_clear(&vm->return_data);
        refuse(ret, EVM_ABORTED, 0);
    } else if (r == ERR_NO_MEMORY || vm->return_data.failed) {
        error_set(&vm->state->failed, ERR_NO_MEMORY, "no memory for a precompiled contract");
        refuse(ret, EVM_FAILED, 0);
    } else if (r != 0) {
        buf_clear(&vm->return_data);
        refuse(ret, EVM_PRECOMPILE_FAILURE, 0);
    } else {
        refuse(ret, EVM_SUCCESS, m->gas - (int64_t)gas);
        ret->output = buf_view(&vm->return_data);
    }
}

static void run_program(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
                        const struct evm_program *program, struct bytes code,
                        struct evm_result *ret) {
    struct evm_frame f = {
        .vm = vm,
        .state = vm->state,
        .program = program,
        .self = state_account_find(vm->state, &m->recipient),
        .memory = vm->no_memory,
        .gas = m->gas,
        .code = code.p,
        .code_size = (uint32_t)code.n,
        .input = m->kind == EVM_CREATE || m->kind == EVM_CREATE2 ? (struct bytes){0} : m->input,
        .value = m->value,
        .self_address = m->recipient,
        .sender = m->sender,
        .depth = m->depth,
        .is_static = m->is_static,
    };
    if (parent) {
        parent->memory_zeroed = parent->memory_size; // what is beyond is ours now
        f.stack = parent->sp;
        f.chunk = parent->chunk;
        if (parent->memory_capacity) {
            f.memory = parent->memory + parent->memory_size;
            f.memory_capacity = parent->memory_capacity - parent->memory_size;
            if (f.memory_capacity == 0) f.chunk++;
        }
    } else {
        f.stack = vm->stack;
        if (vm->chunk_room && vm->chunks[0].p) {
            f.memory = vm->chunks[0].p;
            f.memory_capacity = vm->chunks[0].size;
        }
    }
    f.sp = f.stack;
    buf_clear(&vm->return_data);
    enum evm_status status = vm->interpret(&f, NULL);
    vm->gas_at_end = f.gas;
    if (vm->state->failed.code != 0) status = EVM_FAILED;
    refuse(ret, status, status == EVM_SUCCESS || status == EVM_REVERT ? f.gas : 0);
    if (status == EVM_SUCCESS || status == EVM_REVERT) ret->output = f.output;
}

static bool traces_steps(const struct evm *vm) {
    return vm->tracer && vm->tracer->wants_steps;
}

static void run_code(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
                     struct evm_code *code, struct evm_result *ret) {
    const struct evm_program *p = evm_code_program(code, &vm->schedule, traces_steps(vm));
    if (!p) {
        error_set(&vm->state->failed, ERR_NO_MEMORY, "no memory for decoded code");
        refuse(ret, EVM_FAILED, 0);
        return;
    }
    run_program(vm, parent, m, p, (struct bytes){code->bytes, code->size}, ret);
}

static void run_call(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
                     struct evm_result *ret) {
    struct state *s = vm->state;
    struct state_mark mark = state_mark_now(s);
    struct state_account *to = state_account_find(s, &m->recipient);
    if (m->kind == EVM_CALL || m->kind == EVM_CALLCODE) {
        struct state_account *from = state_account_find(s, &m->sender);
        if (!can_pay(from, &m->value)) {
            refuse(ret, EVM_BALANCE_TOO_LOW, m->gas);
            return;
        }
        if (m->kind == EVM_CALL) transfer(vm, from, to, &m->value);
    } else if (m->kind == EVM_STATICCALL) {
        transfer(vm, to, to, &U256_ZERO);
    }
    const struct precompile *p = vm->move_count ? moved_precompile(vm, &m->code_address)
                                 : evm_is_precompile(vm->schedule.fork, &m->code_address)
                                     ? precompile_find(vm->schedule.fork, &m->code_address)
                                     : NULL;
    if (p) {
        run_precompile(vm, p, m, ret);
    } else {
        struct evm_code *code = state_code(s, state_account_find(s, &m->code_address));
        if (code->delegates && vm->schedule.p.delegation) {
            // One hop: what stands at the other address is run as it is, a contract of the
            // machine's own counts as nothing.
            code = state_code(s, state_account_find(s, &code->delegate));
        }
        if (code->size == 0) {
            refuse(ret, EVM_SUCCESS, m->gas);
        } else {
            run_code(vm, parent, m, code, ret);
        }
    }
    if (ret->status != EVM_SUCCESS) state_revert(s, mark);
}

/* Creations. */

// What initcode returned becomes the code; gives why it cannot.
static enum evm_status deposit(struct evm *vm, struct state_account *a, struct evm_result *r) {
    const struct evm_params *p = &vm->schedule.p;
    struct bytes code = r->output;
    if (code.n > p->code_size_max) return EVM_CODE_TOO_LARGE;
    if (p->code_no_ef && code.n > 0 && code.p[0] == 0xef) return EVM_CODE_PREFIX;
    uint64_t gas = CODE_DEPOSIT_GAS * (uint64_t)code.n;
    if (gas > (uint64_t)r->gas_left) {
        return p->code_deposit_halts ? EVM_OUT_OF_GAS : EVM_SUCCESS; // Frontier: no code, no charge
    }
    r->gas_left -= (int64_t)gas;
    if (code.n) state_set_code(vm->state, a, code);
    return EVM_SUCCESS;
}

static void run_initcode(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
                         struct evm_result *ret) {
    struct arena_mark scratch = arena_mark(&vm->scratch);
    uint8_t *copy = arena_alloc_raw(&vm->scratch, m->input.n + EVM_CODE_PADDING);
    const struct evm_program *p = NULL;
    if (copy) {
        if (m->input.n) memcpy(copy, m->input.p, m->input.n);
        memset(copy + m->input.n, 0, EVM_CODE_PADDING);
        p = evm_decode(&vm->scratch, &vm->decoding, copy, m->input.n, &vm->schedule,
                       traces_steps(vm));
    }
    if (p) {
        run_program(vm, parent, m, p, (struct bytes){copy, m->input.n}, ret);
    } else {
        error_set(&vm->state->failed, ERR_NO_MEMORY, "no memory for decoded code");
        refuse(ret, EVM_FAILED, 0);
    }
    if (scratch.used_bytes == 0) {
        arena_reset(&vm->scratch); // keeps memory for the next one
    } else {
        arena_rewind(&vm->scratch, scratch);
    }
}

static bool collides(struct state_account *a) {
    a->reads |= STATE_READ_EMPTINESS | STATE_READ_NONCE | STATE_READ_CODE;
    return a->now.nonce != 0 || !hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH) ||
           a->has_storage; // EIP-684, EIP-7610
}

// The address, and the sender's nonce where the sender is a contract.
static bool prepare_create(struct evm *vm, struct evm_message *m, struct evm_result *ret) {
    struct state *s = vm->state;
    struct state_account *from = state_account_find(s, &m->sender);
    if (!can_pay(from, &m->value)) {
        refuse(ret, EVM_BALANCE_TOO_LOW, m->gas);
        return false;
    }
    uint64_t nonce = state_nonce(from);
    if (m->depth == 0) {
        nonce--; // the transaction has counted it
    } else {
        if (nonce == UINT64_MAX) {
            refuse(ret, EVM_NONCE_OVERFLOW, m->gas);
            return false;
        }
        state_set_nonce(s, from, nonce + 1);
    }
    if (m->kind == EVM_CREATE2) {
        struct hash h = keccak256(m->input);
        m->recipient = evm_create2_address(&m->sender, &m->salt, &h);
    } else {
        m->recipient = tx_create_address(&m->sender, nonce);
    }
    m->code_address = m->recipient;
    return true;
}

static void run_create(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
                       struct evm_result *ret) {
    struct state *s = vm->state;
    struct state_account *a = state_account_find(s, &m->recipient);
    if (vm->schedule.p.access_lists) (void)state_warm_account(s, a);
    if (collides(a)) {
        refuse(ret, EVM_CREATE_COLLISION, 0);
        return;
    }
    struct state_mark mark = state_mark_now(s);
    state_create(s, a, vm->schedule.p.new_contract_nonce);
    transfer(vm, state_account_find(s, &m->sender), a, &m->value);
    run_initcode(vm, parent, m, ret);
    if (ret->status == EVM_SUCCESS) {
        ret->status = deposit(vm, a, ret);
        if (ret->status != EVM_SUCCESS) refuse(ret, ret->status, 0);
        ret->created = m->recipient;
    }
    if (ret->status != EVM_SUCCESS) state_revert(s, mark);
}

void evm_run(struct evm *vm, struct evm_frame *parent, const struct evm_message *message,
             struct evm_result *ret) {
    struct evm_message m = *message;
    bool creates = m.kind == EVM_CREATE || m.kind == EVM_CREATE2;
    buf_clear(&vm->return_data);
    if (atomic_load_explicit(vm->abort, memory_order_relaxed)) {
        refuse(ret, EVM_ABORTED, 0);
        return;
    }
    bool begins = m.depth <= EVM_DEPTH_MAX;
    if (!begins) {
        refuse(ret, EVM_DEPTH_EXCEEDED, m.gas);
    } else if (creates) {
        begins = prepare_create(vm, &m, ret);
    }
    // Who traces is told of a call that cannot begin, too.
    if (vm->tracer && vm->tracer->enter) {
        vm->tracer->enter(vm->tracer->ctx, vm, &m, parent ? parent->gas : 0);
    }
    if (begins && creates) {
        run_create(vm, parent, &m, ret);
    } else if (begins) {
        run_call(vm, parent, &m, ret);
    }
    if (vm->tracer && vm->tracer->leave) vm->tracer->leave(vm->tracer->ctx, vm, &m, ret);
}

void evm_execute(struct evm *vm, const struct evm_message *message, struct evm_result *ret) {
    if (!vm->interpret) vm->interpret = evm_interpreter_best();
    evm_code_user_begin(vm->codes, &vm->state->code_user);
    evm_run(vm, NULL, message, ret);
    evm_code_user_end(vm->codes, &vm->state->code_user);
}

/* Tracing. */

void evm_trace_step(struct evm_frame *f, uint32_t pc) {
    struct evm *vm = f->vm;
    if (!vm->tracer->step) return;
    uint8_t op = pc < f->code_size ? f->code[pc] : 0;
    struct evm_step step = {
        .pc = pc,
        .op = op,
        .name = vm->schedule.op[op].name,
        .gas = f->gas,
        .depth = f->depth + 1,
        .refund = f->state->refund,
        .stack = f->stack,
        .stack_count = (size_t)(f->sp - f->stack),
        .memory = {f->memory, f->memory_size},
        .return_data = buf_view(&vm->return_data),
        .self = &f->self_address,
    };
    vm->tracer->step(vm->tracer->ctx, vm, &step);
}

void evm_trace_destruct(struct evm *vm, const struct address *who, const struct address *heir,
                        const struct u256 *balance) {
    if (vm->tracer->destruct) vm->tracer->destruct(vm->tracer->ctx, vm, who, heir, balance);
}

#if defined(__x86_64__)
evm_interpret *evm_interpreter_best(void) {
    return cpu_has(CPU_AVX2 | CPU_BMI2) ? evm_interpret_v3 : evm_interpret_plain;
}
#else
evm_interpret *evm_interpreter_best(void) {
    return evm_interpret_plain;
}
#endif
