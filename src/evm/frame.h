/* Inside the interpreter: the frame of a running message, the handlers by name, and the parts of
 * instructions that are too long to stand in the loop. Not for users of the library.
 * SPDX-License-Identifier: MIT */
#ifndef EVM_FRAME_H
#define EVM_FRAME_H

#include "evm/evm.h"

/* One running message. The interpreter keeps gas, sp, memory and memory_size in registers and
 * writes them back before it calls a helper (and reads them again after). */
struct evm_frame {
    struct evm *vm;
    struct state *state;
    const struct evm_program *program;
    struct state_account *self; /* the recipient */
    struct u256 *stack;         /* bottom */
    struct u256 *sp;            /* one above the top */
    uint8_t *memory;
    size_t memory_size;     /* bytes, a multiple of 32 */
    uint64_t memory_gas;    /* that they have cost */
    size_t memory_zeroed;   /* bytes of it that are zero beyond memory_size, or in use */
    size_t memory_capacity; /* bytes at `memory` that are ours */
    size_t chunk;           /* index in vm->chunks of what memory points into */
    int64_t gas;
    const struct evm_insn *ip; /* of the running instruction, for helpers that trace */
    const uint8_t *code;
    uint32_t code_size;
    struct bytes input;
    struct bytes output;
    struct u256 value;
    struct address self_address, sender;
    uint32_t depth;
    bool is_static;
};

/* Every handler of the interpreter: one per opcode and those that the decoder puts together. */
// clang-format off
#define EVM_HANDLERS(H)                                                                            \
    H(STOP) H(ADD) H(MUL) H(SUB) H(DIV) H(SDIV) H(MOD) H(SMOD) H(ADDMOD) H(MULMOD) H(EXP)          \
    H(SIGNEXTEND) H(LT) H(GT) H(SLT) H(SGT) H(EQ) H(ISZERO) H(AND) H(OR) H(XOR) H(NOT) H(BYTE)     \
    H(SHL) H(SHR) H(SAR) H(CLZ) H(KECCAK256) H(ADDRESS) H(BALANCE) H(ORIGIN) H(CALLER)             \
    H(CALLVALUE) H(CALLDATALOAD) H(CALLDATASIZE) H(CALLDATACOPY) H(CODESIZE) H(CODECOPY)           \
    H(GASPRICE) H(EXTCODESIZE) H(EXTCODECOPY) H(RETURNDATASIZE) H(RETURNDATACOPY) H(EXTCODEHASH)   \
    H(BLOCKHASH) H(COINBASE) H(TIMESTAMP) H(NUMBER) H(PREVRANDAO) H(GASLIMIT) H(CHAINID)           \
    H(SELFBALANCE) H(BASEFEE) H(BLOBHASH) H(BLOBBASEFEE) H(POP) H(MLOAD) H(MSTORE) H(MSTORE8)      \
    H(SLOAD) H(SSTORE) H(JUMP) H(JUMPI) H(MSIZE) H(GAS) H(TLOAD) H(TSTORE) H(MCOPY) H(PUSH)        \
    H(PUSH_CONSTANT) H(DUP) H(SWAP) H(LOG) H(CREATE) H(CALL) H(CALLCODE) H(RETURN)                 \
    H(DELEGATECALL) H(CREATE2) H(STATICCALL) H(REVERT) H(INVALID) H(UNDEFINED) H(SELFDESTRUCT)     \
    H(STEP) H(CHECK) H(JUMP_TO) H(JUMPI_TO) H(JUMPZ_TO) H(JUMP_BAD) H(JUMPI_BAD)                   \
    H(SUB_R) H(DIV_R) H(MOD_R) H(DIV_KR) H(MOD_KR) H(SHL_K) H(SHR_K) H(SAR_K) H(MLOAD_K)           \
    H(MSTORE_K) H(CALLDATALOAD_K) H(MLOAD_D) H(MOVE) H(POPS) H(DUP_DUP)                            \
    H(MSTORE_R) H(MSTORE_D) H(MSTORE_KD) H(MSTORE_DD) H(SIGNEXTEND_K) H(SIGNEXTEND_D)                                              \
    EVM_BINARIES(EVM_BOTH_FORMS, H)

/* Operations on two operands that have forms with the upper one from the stream (_K: a constant)
 * or copied from deeper in the stack (_D: after a DUP). _R: operands the other way round. */
#define EVM_BINARIES(X, H)                                                                         \
    X(H, ADD) X(H, MUL) X(H, SUB) X(H, DIV) X(H, MOD) X(H, LT) X(H, GT) X(H, SLT) X(H, SGT)        \
    X(H, EQ) X(H, AND) X(H, OR) X(H, XOR)
#define EVM_BOTH_FORMS(H, NAME) H(NAME##_K) H(NAME##_D)

enum evm_handler {
#define H(NAME) EVM_H_##NAME,
    EVM_HANDLERS(H)
#undef H
    EVM_HANDLER_COUNT
};
// clang-format on

/* The interpreter exists once per instruction set; the best one that this processor runs is
 * chosen. run(NULL) gives the handlers' places, indexed by enum evm_handler. */
typedef enum evm_status evm_interpret(struct evm_frame *f, const int32_t **ret_handlers);
evm_interpret evm_interpret_plain;
evm_interpret evm_interpret_v3;
evm_interpret *evm_interpreter_best(void);

/* evm_run runs a message below a frame (NULL: it is a transaction's own). */
void evm_run(struct evm *vm, struct evm_frame *parent, const struct evm_message *m,
             struct evm_result *ret);

static inline uint64_t evm_memory_cost(uint64_t words) {
    return 3 * words + words * words / 512;
}

/* Memory. evm_memory_grow charges for and makes room up to `end` bytes (end < 2^40); false when
 * that is out of gas. evm_memory_range does so for an offset and size of the stack; *ret is where
 * the range begins (anything when size is 0). */
bool evm_memory_grow(struct evm_frame *f, uint64_t end);
bool evm_memory_range(struct evm_frame *f, const struct u256 *offset, const struct u256 *size,
                      uint64_t *ret_offset);

/* Helpers of single instructions: they work on f->sp as it stood before the instruction, charge
 * f->gas, and leave the result where the instruction's result goes; the interpreter moves sp.
 * Gives EVM_SUCCESS or why the frame halts. */
typedef enum evm_status evm_op_helper(struct evm_frame *f, uint32_t arg);
evm_op_helper evm_op_exp, evm_op_keccak256, evm_op_balance, evm_op_calldatacopy, evm_op_codecopy,
    evm_op_extcodesize, evm_op_extcodecopy, evm_op_returndatacopy, evm_op_extcodehash,
    evm_op_blockhash, evm_op_sstore, evm_op_tload, evm_op_tstore, evm_op_mcopy, evm_op_log,
    evm_op_create, evm_op_call, evm_op_return, evm_op_selfdestruct, evm_op_step;

#endif
