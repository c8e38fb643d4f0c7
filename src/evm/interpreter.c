/* The interpreter's loop. Compiled once per instruction set (EVM_INTERPRET names the function).
 *
 * The stream is directly threaded: every instruction holds the place of its handler, and every
 * handler ends with a jump of its own to the next, which gives the processor's predictor one
 * history per handler. Gas and stack are checked where a line begins (decode.c), so most handlers
 * are their work and that jump. sp points one above the top of the stack.
 *
 * SPDX-License-Identifier: MIT */
#include "evm/frame.h"
#include "evm/opcode.h"
#include "evm/wide.h"

#ifndef EVM_INTERPRET
#define EVM_INTERPRET evm_interpret_plain
#endif

#define LIKELY(X) __builtin_expect(!!(X), 1)
#define UNLIKELY(X) __builtin_expect(!!(X), 0)

#define DISPATCH() goto *(handlers_base + ip->handler)
#define NEXT()                                                                                     \
    do {                                                                                           \
        ip++;                                                                                      \
        DISPATCH();                                                                                \
    } while (0)
#define HALT(STATUS)                                                                               \
    do {                                                                                           \
        status = (STATUS);                                                                         \
        goto halt;                                                                                 \
    } while (0)

// The check of a line: its gas, the items it needs, the items it adds.
#define CHECK(AT)                                                                                  \
    do {                                                                                           \
        const struct evm_check *check_ = (const void *)(AT);                                       \
        gas -= check_->gas;                                                                        \
        if (UNLIKELY(gas < 0)) HALT(EVM_OUT_OF_GAS);                                               \
        ptrdiff_t height_ = sp - f->stack;                                                         \
        if (UNLIKELY(height_ < check_->need)) HALT(EVM_STACK_UNDERFLOW);                           \
        if (UNLIKELY(height_ + check_->grow > EVM_STACK_MAX)) HALT(EVM_STACK_OVERFLOW);            \
    } while (0)

#define SAVE()                                                                                     \
    do {                                                                                           \
        f->gas = gas;                                                                              \
        f->sp = sp;                                                                                \
        f->ip = ip;                                                                                \
    } while (0)
#define LOAD()                                                                                     \
    do {                                                                                           \
        gas = f->gas;                                                                              \
        memory = f->memory;                                                                        \
        memory_size = f->memory_size;                                                              \
    } while (0)

// An instruction that stands in a function of its own.
#define HELPER(FUNCTION, SP_CHANGE)                                                                \
    do {                                                                                           \
        SAVE();                                                                                    \
        status = FUNCTION(f, ip->arg);                                                             \
        LOAD();                                                                                    \
        if (UNLIKELY(status != EVM_SUCCESS)) goto halt;                                            \
        sp += (SP_CHANGE);                                                                         \
    } while (0)
// The same where a line ends.
#define HELPER_AND_CHECK(FUNCTION, SP_CHANGE)                                                      \
    do {                                                                                           \
        HELPER(FUNCTION, SP_CHANGE);                                                               \
        CHECK(ip + 1);                                                                             \
        ip += 2;                                                                                   \
        DISPATCH();                                                                                \
    } while (0)

// Makes `memory` hold END bytes from 0. END is below 2^41.
#define MEMORY_NEED(END)                                                                           \
    do {                                                                                           \
        if (UNLIKELY((END) > memory_size)) {                                                       \
            gas = memory_more(f, (END), gas);                                                      \
            if (UNLIKELY(gas < 0)) HALT(EVM_OUT_OF_GAS);                                           \
            memory = f->memory;                                                                    \
            memory_size = f->memory_size;                                                          \
        }                                                                                          \
    } while (0)
#define OFFSET_CHECK(V)                                                                            \
    do {                                                                                           \
        if (UNLIKELY(((V).w[1] | (V).w[2] | (V).w[3]) != 0 || (V).w[0] >> 40)) {                   \
            HALT(EVM_OUT_OF_GAS);                                                                  \
        }                                                                                          \
    } while (0)

#define PUSH(VALUE)                                                                                \
    do {                                                                                           \
        *sp++ = (VALUE);                                                                           \
    } while (0)

#define ENTER(ENTRY)                                                                               \
    do {                                                                                           \
        const struct evm_entry *entry_ = (ENTRY);                                                  \
        CHECK(&entry_->check);                                                                     \
        ip = f->program->insns + entry_->insn;                                                     \
    } while (0)

#define STOPPED() atomic_load_explicit(abort, memory_order_relaxed)

// NULL when the value is no place to jump to.
static inline const struct evm_entry *find_entry(const struct evm_program *p,
                                                 const struct u256 *to) {
    if ((to->w[1] | to->w[2] | to->w[3]) != 0 || to->w[0] >= p->jump_end) return NULL;
    if (UNLIKELY(!p->entry_of)) {
        uint32_t k = evm_place_entry(p->places, to->w[0]);
        return k != UINT32_MAX ? &p->entries[k] : NULL;
    }
    uint32_t i = p->entry_of[to->w[0]];
    return i ? &p->entries[i - 1] : NULL;
}

static inline struct u256 load_padded(struct bytes in, const struct u256 *at) {
    if (!u256_fits_u64(*at) || at->w[0] >= in.n) return U256_ZERO;
    size_t have = in.n - at->w[0];
    if (have >= 32) return u256_load_be(in.p + at->w[0]);
    uint8_t word[32] = {0};
    memcpy(word, in.p + at->w[0], have);
    return u256_load_be(word);
}

// Makes memory hold `end` bytes, more than it does: gives the gas that is left, below zero when
// there is not enough. Mostly it grows by some words into what is zero already.
[[gnu::noinline]] static int64_t memory_more(struct evm_frame *f, uint64_t end, int64_t gas) {
    uint64_t words = (end + 31) / 32;
    if (UNLIKELY(words * 32 > f->memory_zeroed)) {
        f->gas = gas;
        return evm_memory_grow(f, end) || f->gas < 0 ? f->gas : -1;
    }
    uint64_t cost = evm_memory_cost(words);
    gas -= (int64_t)(cost - f->memory_gas);
    f->memory_gas = cost;
    f->memory_size = words * 32;
    return gas;
}

// A call, so that its many words do not push the loop's registers to memory.
[[gnu::noinline]] static void multiply(struct u256 *ret, const struct u256 *a,
                                       const struct u256 *b) {
    *ret = wide_mul(*a, *b);
}

enum evm_status EVM_INTERPRET(struct evm_frame *f, const int32_t **ret_handlers) {
    static const int32_t handlers[EVM_HANDLER_COUNT] = {
#define H(NAME) [EVM_H_##NAME] = (int32_t)((const char *)&&NAME - (const char *)&&base),
        EVM_HANDLERS(H)
#undef H
    };
    if (!f) {
        *ret_handlers = handlers;
        return EVM_SUCCESS;
    }
    const struct evm_insn *ip = f->program->insns;
    struct u256 *sp = f->stack;
    int64_t gas = f->gas;
    uint8_t *memory = f->memory;
    size_t memory_size = f->memory_size;
    const struct u256 *constants = f->program->constants;
    const atomic_bool *abort = f->vm->abort;
    const char *handlers_base = &&base;
    __asm__("" : "+r"(handlers_base)); // keep it in a register: every dispatch adds to it
    enum evm_status status;
base:
    CHECK(&f->program->first);
    DISPATCH();

STOP:
    f->output = (struct bytes){0};
    HALT(EVM_SUCCESS);

#define BINARY(NAME, EXPRESSION)                                                                   \
    NAME : {                                                                                       \
        const struct u256 a = sp[-1], b = sp[-2];                                                  \
        sp--;                                                                                      \
        sp[-1] = (EXPRESSION);                                                                     \
        NEXT();                                                                                    \
    }
// The same with the upper operand from the stream, and copied from deeper in the stack.
#define BINARY_KD(NAME, EXPRESSION)                                                                \
    BINARY(NAME, EXPRESSION)                                                                       \
    NAME##_K : {                                                                                   \
        const struct u256 a = constants[ip->arg], b = sp[-1];                                      \
        sp[-1] = (EXPRESSION);                                                                     \
        NEXT();                                                                                    \
    }                                                                                              \
    NAME##_D : {                                                                                   \
        const struct u256 a = sp[-(ptrdiff_t)ip->arg], b = sp[-1];                                 \
        sp[-1] = (EXPRESSION);                                                                     \
        NEXT();                                                                                    \
    }
// What works on operands where they lie: FUNCTION(result, upper, lower).
#define CALLED(NAME, FUNCTION)                                                                     \
    NAME : {                                                                                       \
        sp--;                                                                                      \
        FUNCTION(&sp[-1], &sp[0], &sp[-1]);                                                        \
        NEXT();                                                                                    \
    }
#define CALLED_KD(NAME, FUNCTION)                                                                  \
    CALLED(NAME, FUNCTION)                                                                         \
    NAME##_K : {                                                                                   \
        FUNCTION(&sp[-1], &constants[ip->arg], &sp[-1]);                                           \
        NEXT();                                                                                    \
    }                                                                                              \
    NAME##_D : {                                                                                   \
        FUNCTION(&sp[-1], &sp[-(ptrdiff_t)ip->arg], &sp[-1]);                                      \
        NEXT();                                                                                    \
    }
// A comparison: FUNCTION(upper, lower).
#define COMPARED_KD(NAME, FUNCTION)                                                                \
    NAME:                                                                                          \
    sp--;                                                                                          \
    sp[-1] = u256_from_u64(FUNCTION(&sp[0], &sp[-1]));                                             \
    NEXT();                                                                                        \
    NAME##_K : sp[-1] = u256_from_u64(FUNCTION(&constants[ip->arg], &sp[-1]));                     \
    NEXT();                                                                                        \
    NAME##_D : sp[-1] = u256_from_u64(FUNCTION(&sp[-(ptrdiff_t)ip->arg], &sp[-1]));                \
    NEXT();
#define GREATER(A, B) wide_less((B), (A))
#define GREATER_SIGNED(A, B) wide_less_signed((B), (A))
    CALLED_KD(ADD, wide_add)
    CALLED_KD(MUL, multiply)
    CALLED_KD(SUB, wide_sub)
    CALLED_KD(DIV, wide_div)
    CALLED(SDIV, wide_sdiv)
    CALLED_KD(MOD, wide_mod)
    CALLED(SMOD, wide_smod)
    COMPARED_KD(LT, wide_less)
    COMPARED_KD(GT, GREATER)
    COMPARED_KD(SLT, wide_less_signed)
    COMPARED_KD(SGT, GREATER_SIGNED)
    BINARY_KD(EQ, u256_from_u64(u256_equal(a, b)))
    BINARY_KD(AND, wide_and(a, b))
    BINARY_KD(OR, wide_or(a, b))
    BINARY_KD(XOR, wide_xor(a, b))
SUB_R:
    sp--;
    wide_sub(&sp[-1], &sp[-1], &sp[0]);
    NEXT();
DIV_R:
    sp--;
    wide_div(&sp[-1], &sp[-1], &sp[0]);
    NEXT();
MOD_R:
    sp--;
    wide_mod(&sp[-1], &sp[-1], &sp[0]);
    NEXT();
    BINARY(BYTE, u256_from_u64(wide_byte(a, b)))
    BINARY(SHL, wide_shl(b, wide_shift_count(a)))
    BINARY(SHR, wide_shr(b, wide_shift_count(a)))
    BINARY(SAR, wide_sar(b, wide_shift_count(a)))

DIV_KR:
    wide_div(&sp[-1], &sp[-1], &constants[ip->arg]);
    NEXT();
MOD_KR:
    wide_mod(&sp[-1], &sp[-1], &constants[ip->arg]);
    NEXT();
SHL_K:
    sp[-1] = wide_shl(sp[-1], ip->arg);
    NEXT();
SHR_K:
    sp[-1] = wide_shr(sp[-1], ip->arg);
    NEXT();
SAR_K:
    sp[-1] = wide_sar(sp[-1], ip->arg);
    NEXT();
SIGNEXTEND:
    wide_sign_extend(&sp[-1], &sp[-2]);
    sp--;
    NEXT();
SIGNEXTEND_D:
    wide_sign_extend(&sp[-(ptrdiff_t)ip->arg], &sp[-1]);
    NEXT();
SIGNEXTEND_K:
    wide_sign_extend_from(ip->arg, &sp[-1]);
    NEXT();
ADDMOD:
    sp[-3] = u256_add_mod(sp[-1], sp[-2], sp[-3]);
    sp -= 2;
    NEXT();
MULMOD:
    wide_mulmod(&f->vm->modulus, &sp[-3], &sp[-1], &sp[-2]);
    sp -= 2;
    NEXT();
EXP:
    HELPER(evm_op_exp, -1);
    NEXT();
ISZERO:
    sp[-1] = u256_from_u64(u256_is_zero(sp[-1]));
    NEXT();
NOT:
    sp[-1] = wide_not(sp[-1]);
    NEXT();
CLZ:
    sp[-1] = u256_from_u64(256 - u256_bit_length(sp[-1]));
    NEXT();
KECCAK256:
    HELPER(evm_op_keccak256, -1);
    NEXT();

ADDRESS:
    PUSH(u256_from_address(&f->self_address));
    NEXT();
BALANCE:
    HELPER(evm_op_balance, 0);
    NEXT();
ORIGIN:
    PUSH(u256_from_address(&f->vm->tx.origin));
    NEXT();
CALLER:
    PUSH(u256_from_address(&f->sender));
    NEXT();
CALLVALUE:
    PUSH(f->value);
    NEXT();
CALLDATALOAD:
    sp[-1] = load_padded(f->input, &sp[-1]);
    NEXT();
CALLDATALOAD_K : {
    const struct u256 at = u256_from_u64(ip->arg);
    PUSH(load_padded(f->input, &at));
    NEXT();
}
CALLDATASIZE:
    PUSH(u256_from_u64(f->input.n));
    NEXT();
CALLDATACOPY:
    HELPER(evm_op_calldatacopy, -3);
    NEXT();
CODESIZE:
    PUSH(u256_from_u64(f->code_size));
    NEXT();
CODECOPY:
    HELPER(evm_op_codecopy, -3);
    NEXT();
GASPRICE:
    PUSH(f->vm->tx.gas_price);
    NEXT();
EXTCODESIZE:
    HELPER(evm_op_extcodesize, 0);
    NEXT();
EXTCODECOPY:
    HELPER(evm_op_extcodecopy, -4);
    NEXT();
RETURNDATASIZE:
    PUSH(u256_from_u64(f->vm->return_data.n));
    NEXT();
RETURNDATACOPY:
    HELPER(evm_op_returndatacopy, -3);
    NEXT();
EXTCODEHASH:
    HELPER(evm_op_extcodehash, 0);
    NEXT();
BLOCKHASH:
    HELPER(evm_op_blockhash, 0);
    NEXT();
COINBASE:
    PUSH(u256_from_address(&f->vm->block.coinbase));
    NEXT();
TIMESTAMP:
    PUSH(u256_from_u64(f->vm->block.timestamp));
    NEXT();
NUMBER:
    PUSH(u256_from_u64(f->vm->block.number));
    NEXT();
PREVRANDAO:
    PUSH(f->vm->block.prevrandao);
    NEXT();
GASLIMIT:
    PUSH(u256_from_u64(f->vm->block.gas_limit));
    NEXT();
CHAINID:
    PUSH(u256_from_u64(f->vm->block.chain_id));
    NEXT();
SELFBALANCE:
    PUSH(state_balance(f->self));
    NEXT();
BASEFEE:
    PUSH(f->vm->block.base_fee);
    NEXT();
BLOBHASH : {
    const struct evm_tx *tx = &f->vm->tx;
    bool in = u256_fits_u64(sp[-1]) && sp[-1].w[0] < tx->blob_hash_count;
    sp[-1] = in ? u256_load_be(tx->blob_hashes[sp[-1].w[0]].b) : U256_ZERO;
    NEXT();
}
BLOBBASEFEE:
    PUSH(f->vm->block.blob_base_fee);
    NEXT();

POP:
    sp--;
    NEXT();
POPS:
    sp -= ip->arg;
    NEXT();
MLOAD_K : {
    uint64_t at = ip->arg;
    MEMORY_NEED(at + 32);
    PUSH(u256_load_be(memory + at));
    NEXT();
}
MLOAD_D : {
    const struct u256 offset = sp[-(ptrdiff_t)ip->arg];
    OFFSET_CHECK(offset);
    uint64_t at = offset.w[0];
    MEMORY_NEED(at + 32);
    PUSH(u256_load_be(memory + at));
    NEXT();
}
MSTORE_K : {
    uint64_t at = ip->arg;
    MEMORY_NEED(at + 32);
    sp--;
    u256_store_be(memory + at, *sp);
    NEXT();
}
MLOAD : {
    OFFSET_CHECK(sp[-1]);
    uint64_t at = sp[-1].w[0];
    MEMORY_NEED(at + 32);
    sp[-1] = u256_load_be(memory + at);
    NEXT();
}
MSTORE : {
    OFFSET_CHECK(sp[-1]);
    uint64_t at = sp[-1].w[0];
    MEMORY_NEED(at + 32);
    u256_store_be(memory + at, sp[-2]);
    sp -= 2;
    NEXT();
}
MSTORE_R : { // after SWAP1
    OFFSET_CHECK(sp[-2]);
    uint64_t at = sp[-2].w[0];
    MEMORY_NEED(at + 32);
    u256_store_be(memory + at, sp[-1]);
    sp -= 2;
    NEXT();
}
MSTORE_D : { // after DUP
    const struct u256 *offset = sp - (ptrdiff_t)ip->arg;
    OFFSET_CHECK(*offset);
    uint64_t at = offset->w[0];
    MEMORY_NEED(at + 32);
    sp--;
    u256_store_be(memory + at, *sp);
    NEXT();
}
MSTORE_KD : { // after PUSH and DUP: a small number, and where the offset stands
    const struct u256 *offset = sp - (ptrdiff_t)(ip->arg & 0xff);
    OFFSET_CHECK(*offset);
    uint64_t at = offset->w[0];
    MEMORY_NEED(at + 32);
    u256_store_be(memory + at, u256_from_u64(ip->arg >> 8));
    NEXT();
}
MSTORE_DD : { // after two DUPs: where value and offset stand
    const struct u256 *offset = sp - (ptrdiff_t)(ip->arg >> 8);
    OFFSET_CHECK(*offset);
    uint64_t at = offset->w[0];
    MEMORY_NEED(at + 32);
    u256_store_be(memory + at, sp[-(ptrdiff_t)(ip->arg & 0xff)]);
    NEXT();
}
MSTORE8 : {
    OFFSET_CHECK(sp[-1]);
    uint64_t at = sp[-1].w[0];
    MEMORY_NEED(at + 1);
    memory[at] = (uint8_t)sp[-2].w[0];
    sp -= 2;
    NEXT();
}
SLOAD : {
    struct state_slot *slot = state_slot_find(f->state, f->self, &sp[-1]);
    const struct evm_params *p = &f->vm->schedule.p;
    if (p->access_lists) {
        gas -= state_warm_slot(f->state, slot) ? p->slot_warm : p->slot_cold;
        if (UNLIKELY(gas < 0)) HALT(EVM_OUT_OF_GAS);
    }
    sp[-1] = slot->value;
    NEXT();
}
SSTORE:
    HELPER_AND_CHECK(evm_op_sstore, -2);
JUMP : {
    if (UNLIKELY(STOPPED())) HALT(EVM_ABORTED);
    const struct evm_entry *to = find_entry(f->program, &sp[-1]);
    if (UNLIKELY(!to)) HALT(EVM_BAD_JUMP);
    sp--;
    ENTER(to);
    DISPATCH();
}
JUMPI : {
    const struct u256 condition = sp[-2];
    if (u256_is_zero(condition)) {
        sp -= 2;
        CHECK(ip + 1);
        ip += 2;
        DISPATCH();
    }
    if (UNLIKELY(STOPPED())) HALT(EVM_ABORTED);
    const struct evm_entry *to = find_entry(f->program, &sp[-1]);
    if (UNLIKELY(!to)) HALT(EVM_BAD_JUMP);
    sp -= 2;
    ENTER(to);
    DISPATCH();
}
JUMP_TO:
    if (UNLIKELY(STOPPED())) HALT(EVM_ABORTED);
    CHECK(ip + 1);
    ip = f->program->insns + ip->arg;
    DISPATCH();
JUMPI_TO : {
    sp--;
    if (u256_is_zero(*sp)) {
        CHECK(ip + 2);
        ip += 3;
        DISPATCH();
    }
    if (UNLIKELY(STOPPED())) HALT(EVM_ABORTED);
    CHECK(ip + 1);
    ip = f->program->insns + ip->arg;
    DISPATCH();
}
JUMPZ_TO : {
    sp--;
    if (!u256_is_zero(*sp)) {
        CHECK(ip + 2);
        ip += 3;
        DISPATCH();
    }
    if (UNLIKELY(STOPPED())) HALT(EVM_ABORTED);
    CHECK(ip + 1);
    ip = f->program->insns + ip->arg;
    DISPATCH();
}
JUMP_BAD:
    HALT(EVM_BAD_JUMP);
JUMPI_BAD:
    sp--;
    if (!u256_is_zero(*sp)) HALT(EVM_BAD_JUMP);
    CHECK(ip + 1);
    ip += 2;
    DISPATCH();
MSIZE:
    PUSH(u256_from_u64(memory_size));
    NEXT();
GAS:
    PUSH(u256_from_u64((uint64_t)gas));
    CHECK(ip + 1);
    ip += 2;
    DISPATCH();
TLOAD:
    HELPER(evm_op_tload, 0);
    NEXT();
TSTORE:
    HELPER(evm_op_tstore, -2);
    NEXT();
MCOPY:
    HELPER(evm_op_mcopy, -3);
    NEXT();
PUSH:
    PUSH(u256_from_u64(ip->arg));
    NEXT();
PUSH_CONSTANT:
    PUSH(constants[ip->arg]);
    NEXT();
DUP : {
    const struct u256 v = sp[-(ptrdiff_t)ip->arg];
    PUSH(v);
    NEXT();
}
SWAP : {
    struct u256 *other = sp - 1 - (ptrdiff_t)ip->arg;
    const struct u256 v = *other;
    *other = sp[-1];
    sp[-1] = v;
    NEXT();
}
MOVE: // SWAP and POP
    sp--;
    sp[-(ptrdiff_t)ip->arg] = *sp;
    NEXT();
DUP_DUP : {
    const struct u256 v = sp[-(ptrdiff_t)(ip->arg & 0xff)];
    sp[0] = v;
    const struct u256 second = sp[1 - (ptrdiff_t)(ip->arg >> 8)];
    sp[1] = second;
    sp += 2;
    NEXT();
}
LOG:
    HELPER(evm_op_log, -2 - (ptrdiff_t)ip->arg);
    NEXT();
CREATE:
    HELPER_AND_CHECK(evm_op_create, -2);
CREATE2:
    HELPER_AND_CHECK(evm_op_create, -3);
CALL:
    HELPER_AND_CHECK(evm_op_call, -6);
CALLCODE:
    HELPER_AND_CHECK(evm_op_call, -6);
DELEGATECALL:
    HELPER_AND_CHECK(evm_op_call, -5);
STATICCALL:
    HELPER_AND_CHECK(evm_op_call, -5);
RETURN:
    HELPER(evm_op_return, -2);
    HALT(EVM_SUCCESS);
REVERT:
    HELPER(evm_op_return, -2);
    HALT(EVM_REVERT);
INVALID:
    HALT(EVM_INVALID_OPCODE);
UNDEFINED:
    HALT(EVM_UNDEFINED_OPCODE);
SELFDESTRUCT:
    HELPER(evm_op_selfdestruct, -1);
    f->output = (struct bytes){0};
    HALT(EVM_SUCCESS);
STEP:
    SAVE();
    status = evm_op_step(f, ip->arg);
    if (UNLIKELY(status != EVM_SUCCESS)) goto halt;
    CHECK(ip + 1);
    ip += 2;
    DISPATCH();
CHECK:
    CHECK(ip + 1);
    ip += 2;
    DISPATCH();

halt:
    f->gas = gas;
    return status;
}
