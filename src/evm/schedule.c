/* SPDX-License-Identifier: MIT */
#include "evm/schedule.h"

#include "evm/opcode.h"

#include <stddef.h>
#include <string.h>

struct op_row {
    uint8_t op;
    uint8_t pops, pushes;
    uint16_t gas;
    uint8_t since; /* enum fork */
    const char *name;
};

// Every opcode, in the fork it appeared in. The runs PUSH1..32, DUP1..16, SWAP1..16 and LOG0..4
// are made in evm_schedule_init.
static const struct op_row ops[] = {
    {OP_STOP, 0, 0, 0, FORK_FRONTIER, "STOP"},
    {OP_ADD, 2, 1, 3, FORK_FRONTIER, "ADD"},
    {OP_MUL, 2, 1, 5, FORK_FRONTIER, "MUL"},
    {OP_SUB, 2, 1, 3, FORK_FRONTIER, "SUB"},
    {OP_DIV, 2, 1, 5, FORK_FRONTIER, "DIV"},
    {OP_SDIV, 2, 1, 5, FORK_FRONTIER, "SDIV"},
    {OP_MOD, 2, 1, 5, FORK_FRONTIER, "MOD"},
    {OP_SMOD, 2, 1, 5, FORK_FRONTIER, "SMOD"},
    {OP_ADDMOD, 3, 1, 8, FORK_FRONTIER, "ADDMOD"},
    {OP_MULMOD, 3, 1, 8, FORK_FRONTIER, "MULMOD"},
    {OP_EXP, 2, 1, 10, FORK_FRONTIER, "EXP"},
    {OP_SIGNEXTEND, 2, 1, 5, FORK_FRONTIER, "SIGNEXTEND"},
    {OP_LT, 2, 1, 3, FORK_FRONTIER, "LT"},
    {OP_GT, 2, 1, 3, FORK_FRONTIER, "GT"},
    {OP_SLT, 2, 1, 3, FORK_FRONTIER, "SLT"},
    {OP_SGT, 2, 1, 3, FORK_FRONTIER, "SGT"},
    {OP_EQ, 2, 1, 3, FORK_FRONTIER, "EQ"},
    {OP_ISZERO, 1, 1, 3, FORK_FRONTIER, "ISZERO"},
    {OP_AND, 2, 1, 3, FORK_FRONTIER, "AND"},
    {OP_OR, 2, 1, 3, FORK_FRONTIER, "OR"},
    {OP_XOR, 2, 1, 3, FORK_FRONTIER, "XOR"},
    {OP_NOT, 1, 1, 3, FORK_FRONTIER, "NOT"},
    {OP_BYTE, 2, 1, 3, FORK_FRONTIER, "BYTE"},
    {OP_SHL, 2, 1, 3, FORK_CONSTANTINOPLE, "SHL"}, // EIP-145
    {OP_SHR, 2, 1, 3, FORK_CONSTANTINOPLE, "SHR"},
    {OP_SAR, 2, 1, 3, FORK_CONSTANTINOPLE, "SAR"},
    {OP_CLZ, 1, 1, 5, FORK_OSAKA, "CLZ"}, // EIP-7939
    {OP_KECCAK256, 2, 1, 30, FORK_FRONTIER, "KECCAK256"},
    {OP_ADDRESS, 0, 1, 2, FORK_FRONTIER, "ADDRESS"},
    {OP_BALANCE, 1, 1, 20, FORK_FRONTIER, "BALANCE"},
    {OP_ORIGIN, 0, 1, 2, FORK_FRONTIER, "ORIGIN"},
    {OP_CALLER, 0, 1, 2, FORK_FRONTIER, "CALLER"},
    {OP_CALLVALUE, 0, 1, 2, FORK_FRONTIER, "CALLVALUE"},
    {OP_CALLDATALOAD, 1, 1, 3, FORK_FRONTIER, "CALLDATALOAD"},
    {OP_CALLDATASIZE, 0, 1, 2, FORK_FRONTIER, "CALLDATASIZE"},
    {OP_CALLDATACOPY, 3, 0, 3, FORK_FRONTIER, "CALLDATACOPY"},
    {OP_CODESIZE, 0, 1, 2, FORK_FRONTIER, "CODESIZE"},
    {OP_CODECOPY, 3, 0, 3, FORK_FRONTIER, "CODECOPY"},
    {OP_GASPRICE, 0, 1, 2, FORK_FRONTIER, "GASPRICE"},
    {OP_EXTCODESIZE, 1, 1, 20, FORK_FRONTIER, "EXTCODESIZE"},
    {OP_EXTCODECOPY, 4, 0, 20, FORK_FRONTIER, "EXTCODECOPY"},
    {OP_RETURNDATASIZE, 0, 1, 2, FORK_BYZANTIUM, "RETURNDATASIZE"}, // EIP-211
    {OP_RETURNDATACOPY, 3, 0, 3, FORK_BYZANTIUM, "RETURNDATACOPY"},
    {OP_EXTCODEHASH, 1, 1, 400, FORK_CONSTANTINOPLE, "EXTCODEHASH"}, // EIP-1052
    {OP_BLOCKHASH, 1, 1, 20, FORK_FRONTIER, "BLOCKHASH"},
    {OP_COINBASE, 0, 1, 2, FORK_FRONTIER, "COINBASE"},
    {OP_TIMESTAMP, 0, 1, 2, FORK_FRONTIER, "TIMESTAMP"},
    {OP_NUMBER, 0, 1, 2, FORK_FRONTIER, "NUMBER"},
    {OP_PREVRANDAO, 0, 1, 2, FORK_FRONTIER, "PREVRANDAO"},
    {OP_GASLIMIT, 0, 1, 2, FORK_FRONTIER, "GASLIMIT"},
    {OP_CHAINID, 0, 1, 2, FORK_ISTANBUL, "CHAINID"},         // EIP-1344
    {OP_SELFBALANCE, 0, 1, 5, FORK_ISTANBUL, "SELFBALANCE"}, // EIP-1884
    {OP_BASEFEE, 0, 1, 2, FORK_LONDON, "BASEFEE"},           // EIP-3198
    {OP_BLOBHASH, 1, 1, 3, FORK_CANCUN, "BLOBHASH"},         // EIP-4844
    {OP_BLOBBASEFEE, 0, 1, 2, FORK_CANCUN, "BLOBBASEFEE"},   // EIP-7516
    {OP_POP, 1, 0, 2, FORK_FRONTIER, "POP"},
    {OP_MLOAD, 1, 1, 3, FORK_FRONTIER, "MLOAD"},
    {OP_MSTORE, 2, 0, 3, FORK_FRONTIER, "MSTORE"},
    {OP_MSTORE8, 2, 0, 3, FORK_FRONTIER, "MSTORE8"},
    {OP_SLOAD, 1, 1, 50, FORK_FRONTIER, "SLOAD"},
    {OP_SSTORE, 2, 0, 0, FORK_FRONTIER, "SSTORE"},
    {OP_JUMP, 1, 0, 8, FORK_FRONTIER, "JUMP"},
    {OP_JUMPI, 2, 0, 10, FORK_FRONTIER, "JUMPI"},
    {OP_PC, 0, 1, 2, FORK_FRONTIER, "PC"},
    {OP_MSIZE, 0, 1, 2, FORK_FRONTIER, "MSIZE"},
    {OP_GAS, 0, 1, 2, FORK_FRONTIER, "GAS"},
    {OP_JUMPDEST, 0, 0, 1, FORK_FRONTIER, "JUMPDEST"},
    {OP_TLOAD, 1, 1, 100, FORK_CANCUN, "TLOAD"}, // EIP-1153
    {OP_TSTORE, 2, 0, 100, FORK_CANCUN, "TSTORE"},
    {OP_MCOPY, 3, 0, 3, FORK_CANCUN, "MCOPY"},   // EIP-5656
    {OP_PUSH0, 0, 1, 2, FORK_SHANGHAI, "PUSH0"}, // EIP-3855
    {OP_CREATE, 3, 1, 32000, FORK_FRONTIER, "CREATE"},
    {OP_CALL, 7, 1, 40, FORK_FRONTIER, "CALL"},
    {OP_CALLCODE, 7, 1, 40, FORK_FRONTIER, "CALLCODE"},
    {OP_RETURN, 2, 0, 0, FORK_FRONTIER, "RETURN"},
    {OP_DELEGATECALL, 6, 1, 40, FORK_HOMESTEAD, "DELEGATECALL"}, // EIP-7
    {OP_CREATE2, 4, 1, 32000, FORK_CONSTANTINOPLE, "CREATE2"},   // EIP-1014
    {OP_STATICCALL, 6, 1, 700, FORK_BYZANTIUM, "STATICCALL"},    // EIP-214
    {OP_REVERT, 2, 0, 0, FORK_BYZANTIUM, "REVERT"},              // EIP-140
    {OP_INVALID, 0, 0, 0, FORK_FRONTIER, "INVALID"},
    {OP_SELFDESTRUCT, 1, 0, 0, FORK_FRONTIER, "SELFDESTRUCT"},
};

struct gas_row {
    uint8_t since; /* enum fork */
    uint8_t op;
    uint16_t gas;
};

// Later changes of static gas. From Berlin on the access to accounts and slots is charged whole by
// the dynamic part (warm or cold), so the static part is nothing.
static const struct gas_row gas_changes[] = {
    {FORK_TANGERINE, OP_EXTCODESIZE, 700}, // EIP-150
    {FORK_TANGERINE, OP_EXTCODECOPY, 700},
    {FORK_TANGERINE, OP_BALANCE, 400},
    {FORK_TANGERINE, OP_SLOAD, 200},
    {FORK_TANGERINE, OP_CALL, 700},
    {FORK_TANGERINE, OP_CALLCODE, 700},
    {FORK_TANGERINE, OP_DELEGATECALL, 700},
    {FORK_TANGERINE, OP_SELFDESTRUCT, 5000},
    {FORK_ISTANBUL, OP_SLOAD, 800}, // EIP-1884
    {FORK_ISTANBUL, OP_BALANCE, 700},
    {FORK_ISTANBUL, OP_EXTCODEHASH, 700},
    {FORK_BERLIN, OP_EXTCODESIZE, 0}, // EIP-2929
    {FORK_BERLIN, OP_EXTCODECOPY, 0},
    {FORK_BERLIN, OP_EXTCODEHASH, 0},
    {FORK_BERLIN, OP_BALANCE, 0},
    {FORK_BERLIN, OP_SLOAD, 0},
    {FORK_BERLIN, OP_CALL, 0},
    {FORK_BERLIN, OP_CALLCODE, 0},
    {FORK_BERLIN, OP_DELEGATECALL, 0},
    {FORK_BERLIN, OP_STATICCALL, 0},
};

struct param_row {
    uint8_t since; /* enum fork */
    uint16_t at;   /* offset of the member */
    uint32_t value;
};

#define SET(FORK, MEMBER, VALUE)                                                                   \
    { (FORK), (uint16_t)offsetof(struct evm_params, MEMBER), (VALUE) }

static const struct param_row param_changes[] = {
    SET(FORK_FRONTIER, exp_byte, 10),
    SET(FORK_FRONTIER, sstore_rule, EVM_SSTORE_PLAIN),
    SET(FORK_FRONTIER, sstore_set, 20000),
    SET(FORK_FRONTIER, sstore_reset, 5000),
    SET(FORK_FRONTIER, sstore_clear_refund, 15000),
    SET(FORK_FRONTIER, call_value, 9000),
    SET(FORK_FRONTIER, call_new_account, 25000),
    SET(FORK_FRONTIER, selfdestruct_refund, 24000),
    SET(FORK_FRONTIER, code_size_max, UINT32_MAX),
    SET(FORK_FRONTIER, initcode_size_max, UINT32_MAX),
    SET(FORK_FRONTIER, refund_quotient, 2),
    SET(FORK_HOMESTEAD, code_deposit_halts, 1),
    SET(FORK_TANGERINE, keep_64th, 1), // EIP-150
    SET(FORK_TANGERINE, selfdestruct_new, 25000),
    SET(FORK_SPURIOUS, exp_byte, 50),   // EIP-160
    SET(FORK_SPURIOUS, clear_empty, 1), // EIP-161
    SET(FORK_SPURIOUS, new_contract_nonce, 1),
    SET(FORK_SPURIOUS, code_size_max, 24576),              // EIP-170
    SET(FORK_BYZANTIUM, status_receipts, 1),               // EIP-658
    SET(FORK_CONSTANTINOPLE, sstore_rule, EVM_SSTORE_NET), // EIP-1283
    SET(FORK_CONSTANTINOPLE, sstore_dirty, 200),
    SET(FORK_PETERSBURG, sstore_rule, EVM_SSTORE_PLAIN), // EIP-1716
    SET(FORK_ISTANBUL, sstore_rule, EVM_SSTORE_NET),     // EIP-2200
    SET(FORK_ISTANBUL, sstore_sentry, 2300),
    SET(FORK_ISTANBUL, sstore_dirty, 800),
    SET(FORK_BERLIN, access_lists, 1), // EIP-2929
    SET(FORK_BERLIN, account_cold, 2600),
    SET(FORK_BERLIN, account_warm, 100),
    SET(FORK_BERLIN, slot_cold, 2100),
    SET(FORK_BERLIN, slot_warm, 100),
    SET(FORK_BERLIN, sstore_reset, 2900),
    SET(FORK_BERLIN, sstore_dirty, 100),
    SET(FORK_LONDON, sstore_clear_refund, 4800), // EIP-3529
    SET(FORK_LONDON, selfdestruct_refund, 0),
    SET(FORK_LONDON, refund_quotient, 5),
    SET(FORK_LONDON, code_no_ef, 1),              // EIP-3541
    SET(FORK_PARIS, prevrandao, 1),               // EIP-4399
    SET(FORK_SHANGHAI, warm_coinbase, 1),         // EIP-3651
    SET(FORK_SHANGHAI, initcode_size_max, 49152), // EIP-3860
    SET(FORK_SHANGHAI, initcode_word, 2),
    SET(FORK_CANCUN, destruct_same_tx, 1), // EIP-6780
    SET(FORK_PRAGUE, delegation, 1),       // EIP-7702
};

static const char *const push_names[32] = {
    "PUSH1",  "PUSH2",  "PUSH3",  "PUSH4",  "PUSH5",  "PUSH6",  "PUSH7",  "PUSH8",
    "PUSH9",  "PUSH10", "PUSH11", "PUSH12", "PUSH13", "PUSH14", "PUSH15", "PUSH16",
    "PUSH17", "PUSH18", "PUSH19", "PUSH20", "PUSH21", "PUSH22", "PUSH23", "PUSH24",
    "PUSH25", "PUSH26", "PUSH27", "PUSH28", "PUSH29", "PUSH30", "PUSH31", "PUSH32"};
static const char *const dup_names[16] = {"DUP1",  "DUP2",  "DUP3",  "DUP4",  "DUP5",  "DUP6",
                                          "DUP7",  "DUP8",  "DUP9",  "DUP10", "DUP11", "DUP12",
                                          "DUP13", "DUP14", "DUP15", "DUP16"};
static const char *const swap_names[16] = {
    "SWAP1", "SWAP2",  "SWAP3",  "SWAP4",  "SWAP5",  "SWAP6",  "SWAP7",  "SWAP8",
    "SWAP9", "SWAP10", "SWAP11", "SWAP12", "SWAP13", "SWAP14", "SWAP15", "SWAP16"};
static const char *const log_names[5] = {"LOG0", "LOG1", "LOG2", "LOG3", "LOG4"};

#define COUNT(A) (sizeof(A) / sizeof(A)[0])

static void add_runs(struct evm_schedule *s) {
    for (unsigned i = 0; i < 32; i++) {
        s->op[OP_PUSH1 + i] = (struct evm_op){push_names[i], 3, 0, 1, true};
    }
    for (unsigned i = 0; i < 16; i++) {
        s->op[OP_DUP1 + i] =
            (struct evm_op){dup_names[i], 3, (uint8_t)(i + 1), (uint8_t)(i + 2), true};
        s->op[OP_SWAP1 + i] =
            (struct evm_op){swap_names[i], 3, (uint8_t)(i + 2), (uint8_t)(i + 2), true};
    }
    for (unsigned i = 0; i < 5; i++) {
        s->op[OP_LOG0 + i] =
            (struct evm_op){log_names[i], (uint16_t)(375 + 375 * i), (uint8_t)(i + 2), 0, true};
    }
}

void evm_schedule_init(struct evm_schedule *ret, enum fork fork) {
    memset(ret, 0, sizeof *ret);
    ret->fork = fork;
    for (size_t i = 0; i < COUNT(ops); i++) {
        if (ops[i].since > fork) continue;
        ret->op[ops[i].op] =
            (struct evm_op){ops[i].name, ops[i].gas, ops[i].pops, ops[i].pushes, true};
    }
    add_runs(ret);
    for (size_t i = 0; i < COUNT(gas_changes); i++) {
        if (gas_changes[i].since <= fork) ret->op[gas_changes[i].op].gas = gas_changes[i].gas;
    }
    for (size_t i = 0; i < COUNT(param_changes); i++) {
        if (param_changes[i].since > fork) continue;
        memcpy((char *)&ret->p + param_changes[i].at, &param_changes[i].value, sizeof(uint32_t));
    }
}
