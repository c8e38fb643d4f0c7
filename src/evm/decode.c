/* Decoding: from bytes to the interpreter's stream.
 *
 * Gas and stack checks are summed up over a block: the instructions from a place that can be
 * jumped to (or follows the end of another block) to the next one that may leave the line or that
 * looks at the gas that is left. A JUMPDEST in the middle of a line is no end: who falls through it
 * has paid already, who jumps to it pays for the rest of the line (its entry's check). That a check
 * fails earlier than instruction by instruction makes no difference to the outcome: a halt undoes
 * the whole frame and takes all its gas, and nothing leaves a line in the middle but a halt.
 *
 * Constants wait until something takes them: operations on constants alone are done here, and
 * most others have a form that takes the last operand from the stream.
 *
 * For a tracer every instruction is a line of its own, announced by STEP, and nothing is fused.
 *
 * SPDX-License-Identifier: MIT */
#include "evm/code.h"
#include "evm/frame.h"
#include "evm/opcode.h"

#define WAITING_MAX 16
#define SCRATCH_CODE_MAX 65536u // bytes of code whose room is kept for the next

// What the checks of one stretch between two entries of a line need.
struct stretch {
    uint64_t gas;   // of the line before the entry
    int32_t height; // of the stack at the entry, relative to the line's start
    int32_t need;   // most items below the line's start that the stretch takes
    int32_t top;    // greatest height in the stretch
};

struct jump {
    uint32_t insn;  // of the jump; its target's check stands behind it
    uint32_t entry; // target
};

struct decoder {
    const uint8_t *code;
    size_t size;
    const struct evm_schedule *schedule;
    const int32_t *handlers;
    bool traced;

    struct evm_insn *insns;
    uint32_t insn_count;
    uint32_t barrier; // what stands before this index must not be changed any more
    struct u256 *constants;
    uint32_t constant_count;
    struct evm_entry *entries;
    struct stretch *stretches; // one per entry, and one before the first of a line
    uint32_t entry_count, entry_next;
    struct evm_places *places; // for all of the code
    struct jump *jumps;
    uint32_t jump_count;

    struct u256 waiting[WAITING_MAX];
    unsigned waiting_count;
    bool swapped; // SWAP1 has come after the last waiting constant

    // The running line.
    struct stretch head; // before its first entry
    uint32_t line_first; // index of its first entry
    uint32_t line_check; // where its check goes: index in insns, or UINT32_MAX: program->first
    uint64_t gas;
    int32_t height;
    struct stretch *now;
    struct evm_check first;
};

static uint32_t code_bytes_at(const uint8_t *p, unsigned n) {
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static struct u256 push_value(const uint8_t *p, unsigned n) {
    if (n <= 4) return u256_from_u64(code_bytes_at(p, n));
    uint8_t word[32] = {0};
    memcpy(word + 32 - n, p, n);
    return u256_load_be(word);
}

/* The stream. */

static void emit(struct decoder *d, enum evm_handler h, uint32_t arg) {
    d->insns[d->insn_count++] = (struct evm_insn){d->handlers[h], arg};
}

static uint32_t constant_index(struct decoder *d, const struct u256 *v) {
    // Masks and the like come again soon: look a little way back.
    uint32_t from = d->constant_count > 16 ? d->constant_count - 16 : 0;
    for (uint32_t i = from; i < d->constant_count; i++) {
        if (u256_equal(d->constants[i], *v)) return i;
    }
    d->constants[d->constant_count] = *v;
    return d->constant_count++;
}

static void flush_waiting(struct decoder *d) {
    for (unsigned i = 0; i < d->waiting_count; i++) {
        const struct u256 *v = &d->waiting[i];
        if (u256_fits_u64(*v) && v->w[0] <= UINT32_MAX) {
            emit(d, EVM_H_PUSH, (uint32_t)v->w[0]);
        } else {
            emit(d, EVM_H_PUSH_CONSTANT, constant_index(d, v));
        }
    }
    d->waiting_count = 0;
    if (d->swapped) emit(d, EVM_H_SWAP, 1);
    d->swapped = false;
}

static void wait_constant(struct decoder *d, struct u256 v) {
    if (d->waiting_count == WAITING_MAX || d->swapped) flush_waiting(d);
    d->waiting[d->waiting_count++] = v;
}

/* Lines and their checks. */

static uint16_t clamp16(int32_t v) {
    return v < 0 ? 0 : v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

static struct evm_check make_check(uint64_t gas, int32_t need, int32_t grow) {
    return (struct evm_check){gas > UINT32_MAX ? UINT32_MAX : (uint32_t)gas, clamp16(need),
                              clamp16(grow)};
}

static void put_check(struct decoder *d, uint32_t at, struct evm_check c) {
    if (at == UINT32_MAX) {
        d->first = c;
    } else {
        memcpy(&d->insns[at], &c, sizeof c);
    }
}

// Begins a line whose check goes to `at`.
static void line_begin(struct decoder *d, uint32_t at) {
    d->line_check = at;
    d->line_first = d->entry_next;
    d->gas = 0;
    d->height = 0;
    d->head = (struct stretch){0};
    d->now = &d->head;
}

// Ends the line: gives every entry in it, and its start, what is needed from there on.
static void line_end(struct decoder *d) {
    int32_t need = INT32_MIN, top = INT32_MIN;
    for (uint32_t i = d->entry_next; i-- > d->line_first;) {
        const struct stretch *s = &d->stretches[i];
        if (s->need > need) need = s->need;
        if (s->top > top) top = s->top;
        d->entries[i].check =
            make_check(d->gas - s->gas, need + s->height, top == INT32_MIN ? 0 : top - s->height);
    }
    if (d->head.need > need) need = d->head.need;
    if (d->head.top > top) top = d->head.top;
    put_check(d, d->line_check, make_check(d->gas, need, top));
}

// Counts an instruction into the line.
static void line_count(struct decoder *d, const struct evm_op *op) {
    int32_t need = op->pops - d->height;
    if (need > d->now->need) d->now->need = need;
    d->height += op->pushes - op->pops;
    if (d->height > d->now->top) d->now->top = d->height;
    d->gas += op->gas;
}

static void line_break(struct decoder *d) {
    uint32_t at = d->insn_count++;
    d->barrier = d->insn_count;
    if (d->traced) {
        put_check(d, at, (struct evm_check){0});
        return;
    }
    line_end(d);
    line_begin(d, at);
}

static void enter_jumpdest(struct decoder *d) {
    flush_waiting(d);
    d->barrier = d->insn_count;
    uint32_t i = d->entry_next++;
    d->entries[i] = (struct evm_entry){.insn = d->insn_count};
    d->stretches[i] = (struct stretch){d->gas, d->height, INT32_MIN / 2, INT32_MIN / 2};
    d->now = &d->stretches[i];
    // The entry itself: nothing needed, nothing grown beyond its own height.
    if (d->now->top < d->height) d->now->top = d->height;
}

/* Operations on constants alone. */

static bool fold_two(struct u256 *ret, uint8_t op, struct u256 a, struct u256 b) {
    switch (op) {
    case OP_ADD:
        *ret = u256_add(a, b);
        return true;
    case OP_SUB:
        *ret = u256_sub(a, b);
        return true;
    case OP_MUL:
        *ret = u256_mul(a, b);
        return true;
    case OP_DIV:
        u256_div_mod(ret, NULL, a, b);
        return true;
    case OP_AND:
        *ret = (struct u256){{a.w[0] & b.w[0], a.w[1] & b.w[1], a.w[2] & b.w[2], a.w[3] & b.w[3]}};
        return true;
    case OP_OR:
        *ret = (struct u256){{a.w[0] | b.w[0], a.w[1] | b.w[1], a.w[2] | b.w[2], a.w[3] | b.w[3]}};
        return true;
    case OP_SHL:
        *ret = u256_shift_left(b, u256_fits_u64(a) ? a.w[0] : 256);
        return true;
    case OP_SHR:
        *ret = u256_shift_right(b, u256_fits_u64(a) ? a.w[0] : 256);
        return true;
    default:
        return false;
    }
}

// Does what it can with the constants that wait; true when nothing is left to emit.
static bool fold(struct decoder *d, uint8_t op) {
    struct u256 *top = d->waiting + d->waiting_count - 1;
    unsigned n = d->waiting_count;
    if (n == 0 || d->swapped) return false;
    if (op == OP_POP) {
        d->waiting_count--;
        return true;
    }
    if (op == OP_NOT) {
        *top = (struct u256){{~top->w[0], ~top->w[1], ~top->w[2], ~top->w[3]}};
        return true;
    }
    if (op == OP_ISZERO) {
        *top = u256_from_u64(u256_is_zero(*top));
        return true;
    }
    if (op >= OP_DUP1 && op <= OP_DUP16) {
        unsigned depth = op - OP_DUP1 + 1u;
        if (depth > n || n == WAITING_MAX) return false;
        top[1] = top[1 - (int)depth];
        d->waiting_count++;
        return true;
    }
    if (op >= OP_SWAP1 && op <= OP_SWAP16) {
        unsigned depth = op - OP_SWAP1 + 1u;
        if (depth >= n) return false;
        struct u256 t = *top;
        *top = top[-(int)depth];
        top[-(int)depth] = t;
        return true;
    }
    if (n < 2 || !fold_two(top - 1, op, top[0], top[-1])) return false;
    d->waiting_count--;
    return true;
}

/* Pairs of instructions that are put together. */

static bool last_is(const struct decoder *d, enum evm_handler h) {
    if (d->insn_count <= d->barrier) return false;
    // All behind the barrier is written: the analyser loses count of insn_count over the calls.
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
    return d->insns[d->insn_count - 1].handler == d->handlers[h];
}

struct forms {
    uint8_t constant; // handler with a constant as the upper operand; 0: none
    uint8_t duplicate;
    uint8_t swapped;       // handler that takes the operands the other way round
    uint8_t constant_swap; // handler with a constant as the lower operand
};

static const struct forms forms[256] = {
#define FORMS(NAME, SWAPPED, SWAPPED_K)                                                            \
    [OP_##NAME] = {EVM_H_##NAME##_K, EVM_H_##NAME##_D, EVM_H_##SWAPPED, EVM_H_##SWAPPED_K}
    FORMS(ADD, ADD, ADD_K),
    FORMS(MUL, MUL, MUL_K),
    FORMS(SUB, SUB_R, ADD_K),
    FORMS(DIV, DIV_R, DIV_KR),
    FORMS(MOD, MOD_R, MOD_KR),
    FORMS(LT, GT, GT_K),
    FORMS(GT, LT, LT_K),
    FORMS(SLT, SGT, SGT_K),
    FORMS(SGT, SLT, SLT_K),
    FORMS(EQ, EQ, EQ_K),
    FORMS(AND, AND, AND_K),
    FORMS(OR, OR, OR_K),
    FORMS(XOR, XOR, XOR_K),
#undef FORMS
    [OP_SIGNEXTEND] = {.duplicate = EVM_H_SIGNEXTEND_D},
};

static bool fits_arg(const struct u256 *v) {
    return u256_fits_u64(*v) && v->w[0] <= UINT32_MAX;
}

// The last waiting constant as an operand of the instruction; false when it has no such form.
static bool emit_with_constant(struct decoder *d, uint8_t op) {
    if (d->waiting_count == 0) return false;
    struct u256 c = d->waiting[d->waiting_count - 1];
    enum evm_handler h = forms[op].constant;
    uint32_t arg = 0;
    if (d->swapped) {
        if (!forms[op].constant_swap) return false;
        h = forms[op].constant_swap;
        if (op == OP_SUB) c = u256_sub(U256_ZERO, c); // x - c = x + (-c)
        d->swapped = false;
    } else if (op == OP_SHL || op == OP_SHR || op == OP_SAR) {
        h = op == OP_SHL ? EVM_H_SHL_K : op == OP_SHR ? EVM_H_SHR_K : EVM_H_SAR_K;
        arg = fits_arg(&c) && c.w[0] < 256 ? (uint32_t)c.w[0] : 256;
    } else if (op == OP_SIGNEXTEND) {
        bool whole = !fits_arg(&c) || c.w[0] > 30; // the value stays as it is
        if (whole) d->waiting_count--;
        if (whole) return true;
        h = EVM_H_SIGNEXTEND_K;
        arg = (uint32_t)c.w[0];
    } else if (op == OP_MLOAD || op == OP_MSTORE || op == OP_CALLDATALOAD) {
        if (!fits_arg(&c)) return false;
        h = op == OP_MLOAD    ? EVM_H_MLOAD_K
            : op == OP_MSTORE ? EVM_H_MSTORE_K
                              : EVM_H_CALLDATALOAD_K;
        arg = (uint32_t)c.w[0];
    } else if (op == OP_SWAP1) {
        d->swapped = true;
        return true;
    } else if (!h) {
        return false;
    }
    d->waiting_count--;
    flush_waiting(d);
    emit(d, h, forms[op].constant ? constant_index(d, &c) : arg);
    return true;
}

// MSTORE with what brought its operands; false when that is nothing known.
static bool emit_mstore(struct decoder *d) {
    struct evm_insn *last = d->insns + d->insn_count - 1;
    if (last_is(d, EVM_H_DUP)) {
        const struct evm_insn *push = last - 1;
        bool constant = d->insn_count - d->barrier >= 2 &&
                        push->handler == d->handlers[EVM_H_PUSH] && push->arg >> 24 == 0 &&
                        last->arg > 1;
        if (constant) { // the offset's depth without the constant
            uint32_t arg = push->arg << 8 | (last->arg - 1);
            d->insn_count--;
            d->insns[d->insn_count - 1] = (struct evm_insn){d->handlers[EVM_H_MSTORE_KD], arg};
        } else {
            last->handler = d->handlers[EVM_H_MSTORE_D];
        }
        return true;
    }
    if (last_is(d, EVM_H_DUP_DUP)) {
        // The second depth counts the first copy, which need not be made.
        uint32_t value = last->arg & 0xff, offset = last->arg >> 8;
        offset = offset == 1 ? value : offset - 1;
        *last = (struct evm_insn){d->handlers[EVM_H_MSTORE_DD], value | offset << 8};
        return true;
    }
    if (last_is(d, EVM_H_SWAP) && last->arg == 1) {
        last->handler = d->handlers[EVM_H_MSTORE_R];
        return true;
    }
    return false;
}

// Puts the instruction together with the one before; false when they do not fit.
static bool emit_with_last(struct decoder *d, uint8_t op) {
    struct evm_insn *last = d->insns + d->insn_count - 1;
    if (op == OP_MSTORE) return emit_mstore(d);
    if (last_is(d, EVM_H_DUP)) {
        if (op == OP_MLOAD || forms[op].duplicate) {
            enum evm_handler h = op == OP_MLOAD ? EVM_H_MLOAD_D : forms[op].duplicate;
            last->handler = d->handlers[h];
            return true;
        }
        if (op >= OP_DUP1 && op <= OP_DUP16) {
            last->handler = d->handlers[EVM_H_DUP_DUP];
            last->arg |= (op - OP_DUP1 + 1u) << 8;
            return true;
        }
        if (op == OP_POP) {
            d->insn_count--;
            return true;
        }
    }
    if (last_is(d, EVM_H_SWAP)) {
        if (op == OP_POP) {
            last->handler = d->handlers[EVM_H_MOVE];
            return true;
        }
        if (last->arg == 1 && forms[op].swapped) {
            *last = (struct evm_insn){d->handlers[forms[op].swapped], op};
            return true;
        }
    }
    if (op == OP_POP && (last_is(d, EVM_H_POP) || last_is(d, EVM_H_POPS))) {
        uint32_t count = last_is(d, EVM_H_POP) ? 1 : last->arg;
        *last = (struct evm_insn){d->handlers[EVM_H_POPS], count + 1};
        return true;
    }
    return false;
}

/* Instructions. */

static void emit_static_jump(struct decoder *d, bool conditional, struct u256 target) {
    uint32_t entry = UINT32_MAX;
    if (u256_fits_u64(target) && target.w[0] < d->size) {
        entry = evm_place_entry(d->places, target.w[0]);
    }
    if (entry == UINT32_MAX) {
        emit(d, conditional ? EVM_H_JUMPI_BAD : EVM_H_JUMP_BAD, 0);
        return;
    }
    enum evm_handler h = conditional ? EVM_H_JUMPI_TO : EVM_H_JUMP_TO;
    if (conditional && last_is(d, EVM_H_ISZERO)) {
        d->insn_count--;
        h = EVM_H_JUMPZ_TO;
    }
    d->jumps[d->jump_count++] = (struct jump){d->insn_count, entry};
    emit(d, h, 0);
    d->insn_count++; // the target's check
}

static void emit_jump(struct decoder *d, bool conditional) {
    if (d->waiting_count && !d->traced && !d->swapped) {
        struct u256 target = d->waiting[--d->waiting_count];
        flush_waiting(d);
        emit_static_jump(d, conditional, target);
    } else {
        flush_waiting(d);
        emit(d, conditional ? EVM_H_JUMPI : EVM_H_JUMP, 0);
    }
    if (conditional) line_break(d);
}

static enum evm_handler handler_of(uint8_t op) {
    static const uint8_t table[256] = {
#define SAME(NAME) [OP_##NAME] = EVM_H_##NAME
        SAME(STOP),         SAME(ADD),
        SAME(MUL),          SAME(SUB),
        SAME(DIV),          SAME(SDIV),
        SAME(MOD),          SAME(SMOD),
        SAME(ADDMOD),       SAME(MULMOD),
        SAME(EXP),          SAME(SIGNEXTEND),
        SAME(LT),           SAME(GT),
        SAME(SLT),          SAME(SGT),
        SAME(EQ),           SAME(ISZERO),
        SAME(AND),          SAME(OR),
        SAME(XOR),          SAME(NOT),
        SAME(BYTE),         SAME(SHL),
        SAME(SHR),          SAME(SAR),
        SAME(CLZ),          SAME(KECCAK256),
        SAME(ADDRESS),      SAME(BALANCE),
        SAME(ORIGIN),       SAME(CALLER),
        SAME(CALLVALUE),    SAME(CALLDATALOAD),
        SAME(CALLDATASIZE), SAME(CALLDATACOPY),
        SAME(CODESIZE),     SAME(CODECOPY),
        SAME(GASPRICE),     SAME(EXTCODESIZE),
        SAME(EXTCODECOPY),  SAME(RETURNDATASIZE),
        SAME(EXTCODEHASH),  SAME(RETURNDATACOPY),
        SAME(BLOCKHASH),    SAME(COINBASE),
        SAME(TIMESTAMP),    SAME(NUMBER),
        SAME(PREVRANDAO),   SAME(GASLIMIT),
        SAME(CHAINID),      SAME(SELFBALANCE),
        SAME(BASEFEE),      SAME(BLOBHASH),
        SAME(BLOBBASEFEE),  SAME(POP),
        SAME(MLOAD),        SAME(MSTORE),
        SAME(MSTORE8),      SAME(SLOAD),
        SAME(SSTORE),       SAME(MSIZE),
        SAME(GAS),          SAME(TLOAD),
        SAME(TSTORE),       SAME(MCOPY),
        SAME(CREATE),       SAME(CALL),
        SAME(CALLCODE),     SAME(RETURN),
        SAME(DELEGATECALL), SAME(CREATE2),
        SAME(STATICCALL),   SAME(REVERT),
        SAME(INVALID),      SAME(SELFDESTRUCT),
#undef SAME
    };
    return (enum evm_handler)table[op];
}

// After these the gas that is left must be exact: they end a line, and a check follows them.
static bool watches_gas(uint8_t op) {
    return op == OP_GAS || op == OP_SSTORE || op == OP_CALL || op == OP_CALLCODE ||
           op == OP_DELEGATECALL || op == OP_STATICCALL || op == OP_CREATE || op == OP_CREATE2;
}

static bool ends_code(uint8_t op) {
    return op == OP_STOP || op == OP_JUMP || op == OP_RETURN || op == OP_REVERT ||
           op == OP_INVALID || op == OP_SELFDESTRUCT;
}

static void emit_plain(struct decoder *d, uint8_t op) {
    if (op >= OP_DUP1 && op <= OP_DUP16) {
        emit(d, EVM_H_DUP, op - OP_DUP1 + 1u);
    } else if (op >= OP_SWAP1 && op <= OP_SWAP16) {
        emit(d, EVM_H_SWAP, op - OP_SWAP1 + 1u);
    } else if (op >= OP_LOG0 && op <= OP_LOG4) {
        emit(d, EVM_H_LOG, op - (uint32_t)OP_LOG0);
    } else {
        emit(d, handler_of(op), op);
    }
}

// Emits one instruction; gives whether it can be followed by the next.
static bool decode_one(struct decoder *d, size_t pc, uint8_t op) {
    const struct evm_op *row = &d->schedule->op[op];
    if (!row->defined) {
        flush_waiting(d);
        emit(d, EVM_H_UNDEFINED, op);
        return false;
    }
    if (op == OP_JUMPDEST && !d->traced) enter_jumpdest(d);
    line_count(d, row);
    if (op >= OP_PUSH0 && op <= OP_PUSH32) {
        wait_constant(d, push_value(d->code + pc + 1, op - OP_PUSH0));
    } else if (op == OP_PC) {
        wait_constant(d, u256_from_u64(pc));
    } else if (op == OP_JUMP || op == OP_JUMPI) {
        emit_jump(d, op == OP_JUMPI);
    } else if (op == OP_JUMPDEST) {
        // Nothing to do: its gas is counted, its entry made.
    } else if (d->traced) {
        emit_plain(d, op);
    } else if (!fold(d, op) && !emit_with_constant(d, op)) {
        flush_waiting(d);
        if (!emit_with_last(d, op)) emit_plain(d, op);
    }
    if (watches_gas(op)) line_break(d);
    if (d->traced) flush_waiting(d);
    return !ends_code(op);
}

static size_t skip(const struct decoder *d, size_t pc) {
    uint8_t op = d->code[pc];
    return pc + 1 + (op >= OP_PUSH1 && op <= OP_PUSH32 ? (size_t)op - OP_PUSH0 : 0);
}

static size_t places_of(size_t code_size) {
    return code_size / 64 + 1;
}

// Marks what can be jumped to.
static void find_entries(struct decoder *d) {
    for (size_t pc = 0; pc < d->size; pc = skip(d, pc)) {
        if (d->code[pc] == OP_JUMPDEST) d->places[pc / 64].here |= UINT64_C(1) << pc % 64;
    }
    for (size_t i = 0; i < places_of(d->size); i++) {
        d->places[i].before = d->entry_count;
        d->entry_count += (uint32_t)__builtin_popcountll(d->places[i].here);
    }
}

// Code that nothing can reach is left out: up to the next JUMPDEST.
static size_t skip_dead(const struct decoder *d, size_t pc) {
    while (pc < d->size && d->code[pc] != OP_JUMPDEST) {
        pc = skip(d, pc);
    }
    return pc;
}

static void decode_lines(struct decoder *d) {
    size_t pc = 0;
    bool open = true; // a line runs
    line_begin(d, UINT32_MAX);
    while (pc < d->size) {
        if (!open) {
            pc = skip_dead(d, pc);
            if (pc >= d->size) return;
            line_begin(d, d->insn_count++); // no one falls in: the place is never looked at
        } else if (d->gas > UINT32_MAX / 2) {
            flush_waiting(d);
            emit(d, EVM_H_CHECK, 0);
            line_break(d);
        }
        uint8_t op = d->code[pc];
        open = decode_one(d, pc, op);
        pc = skip(d, pc);
        if (!open) line_end(d);
    }
    if (!open) return;
    flush_waiting(d);
    emit(d, EVM_H_STOP, 0);
    line_end(d);
}

static void decode_step(struct decoder *d, size_t pc, uint8_t op) {
    const struct evm_op *row = &d->schedule->op[op];
    if (pc < d->size && op == OP_JUMPDEST) {
        d->entries[d->entry_next++] = (struct evm_entry){.insn = d->insn_count};
    }
    emit(d, EVM_H_STEP, (uint32_t)pc);
    int32_t grow = row->pushes - row->pops;
    struct evm_check c = {row->gas, row->pops, grow > 0 ? (uint16_t)grow : 0};
    put_check(d, d->insn_count++, c);
    (void)decode_one(d, pc, op);
}

// The same for a tracer: STEP and its check before every instruction, all other checks empty.
static void decode_traced(struct decoder *d) {
    size_t pc = 0;
    line_begin(d, UINT32_MAX);
    for (; pc < d->size; pc = skip(d, pc)) {
        decode_step(d, pc, d->code[pc]);
    }
    decode_step(d, pc, OP_STOP);
    d->first = (struct evm_check){0};
}

static void set_jumps(struct decoder *d) {
    for (uint32_t i = 0; i < d->jump_count; i++) {
        // Every jump below jump_count is written whole where it is counted, in another function.
        // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript)
        const struct evm_entry *e = &d->entries[d->jumps[i].entry];
        d->insns[d->jumps[i].insn].arg = e->insn;
        put_check(d, d->jumps[i].insn + 1, e->check);
    }
}

static void put_entry_of(uint16_t *to, const struct decoder *d) {
    uint16_t n = 0;
    memset(to, 0, d->size * sizeof *to);
    for (size_t i = 0; i < places_of(d->size); i++) {
        for (uint64_t left = d->places[i].here; left; left &= left - 1) {
            to[64 * i + (size_t)__builtin_ctzll(left)] = ++n;
        }
    }
}

// Copies what was made into one piece of the caller's arena.
static struct evm_program *finish(struct decoder *d, struct arena *a) {
    struct evm_program *p;
    size_t insns = d->insn_count * sizeof *d->insns, entries = d->entry_count * sizeof *d->entries;
    size_t constants = d->constant_count * sizeof *d->constants;
    bool few = d->entry_count < UINT16_MAX; // all but in code of more than 64 KiB
    size_t places = !d->entry_count ? 0
                    : few           ? (d->size + 7) / 8 * 8 * sizeof *p->entry_of
                                    : places_of(d->size) * sizeof *d->places;
    p = arena_alloc_raw(a, sizeof *p + constants + insns + places + entries);
    if (!p) return NULL;
    *p = (struct evm_program){.fork = d->schedule->fork,
                              .traced = d->traced,
                              .jump_end = d->entry_count ? (uint32_t)d->size : 0,
                              .insn_count = d->insn_count,
                              .constant_count = d->constant_count,
                              .entry_count = d->entry_count,
                              .first = d->first};
    uint8_t *block = (uint8_t *)(p + 1);
    p->constants = (struct u256 *)(void *)block;
    p->insns = (struct evm_insn *)(void *)(block + constants);
    void *map = block + constants + insns;
    if (places && few) {
        put_entry_of(map, d);
        p->entry_of = map;
    } else if (places) {
        memcpy(map, d->places, places);
        p->places = map;
    }
    p->entries = (struct evm_entry *)(void *)(block + constants + insns + places);
    memcpy(p->constants, d->constants, constants);
    memcpy(p->insns, d->insns, insns);
    memcpy(p->entries, d->entries, entries);
    return p;
}

// Upper bounds of what decoding makes: per byte of code at most a STEP, its check, an instruction
// and a check; a constant per byte. One piece, so that it is there again for the next code.
static bool make_room(struct decoder *d, struct arena *scratch) {
    size_t n = d->size + 1;
    size_t constants = n * sizeof *d->constants, stretches = n * sizeof *d->stretches;
    size_t insns = n * (d->traced ? 5 : 3) * sizeof *d->insns + 64;
    size_t jumps = n * sizeof *d->jumps, entries = n * sizeof *d->entries;
    size_t places = places_of(n) * sizeof *d->places;
    uint8_t *p = arena_alloc_raw(scratch, constants + insns + places + stretches + jumps + entries);
    if (!p) return false;
    d->constants = (struct u256 *)(void *)p;
    d->insns = (struct evm_insn *)(void *)(p += constants);
    d->places = (struct evm_places *)(void *)(p += insns);
    d->stretches = (struct stretch *)(void *)(p += places);
    d->jumps = (struct jump *)(void *)(p += stretches);
    d->entries = (struct evm_entry *)(void *)(p + jumps);
    memset(d->places, 0, places);
    return true;
}

struct evm_program *evm_decode(struct arena *a, struct arena *scratch, const uint8_t *code,
                               size_t n, const struct evm_schedule *schedule, bool traced) {
    struct decoder d = {.code = code, .size = n, .schedule = schedule, .traced = traced};
    struct evm_program *p = NULL;
    if (n > INT32_MAX) return NULL;
    (void)evm_interpreter_best()(NULL, &d.handlers);
    if (make_room(&d, scratch)) {
        find_entries(&d);
        if (traced) {
            decode_traced(&d);
        } else {
            decode_lines(&d);
        }
        set_jumps(&d);
        p = finish(&d, a);
    }
    if (n > SCRATCH_CODE_MAX) {
        arena_free(scratch);
    } else {
        arena_reset(scratch);
    }
    return p;
}
