/* SPDX-License-Identifier: MIT */
#include "evm/evm.h"

#include "base/clock.h"
#include "evm/opcode.h"
#include "evm/precompile.h"
#include "evm/trace.h"
#include "evm/wide.h"
#include "test/harness/test.h"

#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

/* A world with one contract at 0x..c0de, called with 10 million gas. */

static struct evm_code_cache *codes;
static struct precompiles *precompiles;
static struct state state;
static struct evm vm;
static const struct address contract = {{[18] = 0xc0, [19] = 0xde}};
#define GAS 10000000

static void begin(void) {
    struct error why;
    codes = evm_code_cache_new();
    CHECK(codes);
    CHECK_OK(precompiles_new(&precompiles, &why), &why);
    CHECK_OK(state_init(&state, STATE_NOTHING, codes, &why), &why);
    CHECK_OK(evm_init(&vm, codes, precompiles, &why), &why);
}

static void end(void) {
    evm_free(&vm);
    state_free(&state);
    precompiles_free(precompiles);
    evm_code_cache_free(codes);
}

static struct evm_result run_with(struct bytes code, enum fork fork, int64_t gas) {
    struct evm_result r;
    struct evm_message m = {
        .kind = EVM_CALL, .gas = gas, .recipient = contract, .code_address = contract};
    evm_use(&vm, &state, fork);
    state_begin(&state);
    state_set_code(&state, state_account_find(&state, &contract), code);
    evm_execute(&vm, &m, &r);
    return r;
}

static struct evm_result run(struct bytes code) {
    return run_with(code, FORK_OSAKA, GAS);
}

#define CODE(...)                                                                                  \
    (struct bytes) {                                                                               \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                     \
    }

TEST(evm_adds_and_returns) {
    begin();
    struct evm_result r =
        run(CODE(0x60, 2, 0x60, 3, OP_ADD, OP_PUSH0, OP_MSTORE, 0x60, 32, OP_PUSH0, OP_RETURN));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(r.output.n, 32);
    CHECK_U64(r.output.p[31], 5);
    CHECK_I64(r.gas_left, GAS - (3 + 3 + 3 + 2 + 3 + 3 + 3 + 2));
    end();
}

TEST(evm_gas_is_exact_where_it_is_looked_at) {
    begin();
    // GAS in the middle of a line sees what the line before it has cost, and nothing more.
    struct evm_result r =
        run(CODE(0x60, 1, OP_POP, OP_GAS, OP_PUSH0, OP_MSTORE, 0x60, 32, OP_PUSH0, OP_RETURN));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(u256_load_be(r.output.p).w[0], GAS - 3 - 2 - 2);
    end();
}

TEST(evm_stack_bounds) {
    begin();
    CHECK_I64(run(CODE(OP_ADD)).status, EVM_STACK_UNDERFLOW);
    CHECK_I64(run(CODE(OP_PUSH0, OP_SWAP16)).status, EVM_STACK_UNDERFLOW);
    uint8_t code[1026];
    memset(code, OP_PUSH0, sizeof code);
    CHECK_I64(run((struct bytes){code, 1024}).status, EVM_SUCCESS);
    CHECK_I64(run((struct bytes){code, 1025}).status, EVM_STACK_OVERFLOW);
    CHECK_I64(run_with((struct bytes){code, 1025}, FORK_OSAKA, 2047).status, EVM_OUT_OF_GAS);
    end();
}

TEST(evm_jumps) {
    begin();
    CHECK_I64(run(CODE(0x60, 4, OP_JUMP, OP_INVALID, OP_JUMPDEST)).status, EVM_SUCCESS);
    CHECK_I64(run(CODE(0x60, 3, OP_JUMP, OP_INVALID)).status, EVM_BAD_JUMP);
    // A JUMPDEST inside of push data is none.
    CHECK_I64(run(CODE(0x60, 4, OP_JUMP, 0x60, OP_JUMPDEST)).status, EVM_BAD_JUMP);
    // The target is computed: CALLDATASIZE (0) + 6.
    CHECK_I64(run(CODE(OP_CALLDATASIZE, 0x60, 6, OP_ADD, OP_JUMP, OP_INVALID, OP_JUMPDEST)).status,
              EVM_SUCCESS);
    CHECK_I64(run(CODE(OP_CALLDATASIZE, 0x60, 0xff, OP_JUMPI)).status, EVM_SUCCESS);
    CHECK_I64(run(CODE(0x60, 1, 0x60, 0xff, OP_JUMPI)).status, EVM_BAD_JUMP);
    // Falling through a JUMPDEST pays for it once.
    struct evm_result r = run(CODE(OP_JUMPDEST, OP_JUMPDEST, OP_JUMPDEST));
    CHECK_I64(r.gas_left, GAS - 3);
    // A loop of 100 rounds: what is jumped to pays for the rest of its line.
    r = run(CODE(0x60, 100, OP_JUMPDEST, 0x60, 1, OP_SWAP1, OP_SUB, OP_DUP1, 0x60, 2, OP_JUMPI));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_I64(r.gas_left, GAS - 3 - 100 * (1 + 3 + 3 + 3 + 3 + 3 + 10));
    end();
}

TEST(evm_opcodes_appear_with_their_fork) {
    begin();
    static const struct {
        uint8_t op, pushes;
        enum fork since;
    } rows[] = {{OP_SHL, 2, FORK_CONSTANTINOPLE}, {OP_CHAINID, 0, FORK_ISTANBUL},
                {OP_BASEFEE, 0, FORK_LONDON},     {OP_PUSH0, 0, FORK_SHANGHAI},
                {OP_MCOPY, 3, FORK_CANCUN},       {OP_CLZ, 1, FORK_OSAKA},
                {OP_REVERT, 2, FORK_BYZANTIUM},   {OP_RETURNDATASIZE, 0, FORK_BYZANTIUM}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t code[8];
        size_t n = 0;
        for (unsigned k = 0; k < rows[i].pushes; k++) {
            code[n++] = 0x60;
            code[n++] = 0;
        }
        code[n++] = rows[i].op;
        for (enum fork f = FORK_FRONTIER; f < FORK_COUNT; f++) {
            enum evm_status status = run_with((struct bytes){code, n}, f, GAS).status;
            CHECK_I64(status == EVM_UNDEFINED_OPCODE, f < rows[i].since);
        }
    }
    end();
}

TEST(evm_memory_is_paid_for_and_zero) {
    begin();
    struct evm_result r =
        run(CODE(0x61, 0x10, 0x00, OP_MLOAD, OP_PUSH0, OP_MSTORE, 0x60, 32, OP_PUSH0, OP_RETURN));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(u256_is_zero(u256_load_be(r.output.p)), 1);
    uint64_t words = 0x1020 / 32;
    CHECK_I64(r.gas_left, GAS - 3 - 3 - 2 - 3 - 3 - 2 - (int64_t)(3 * words + words * words / 512));
    CHECK_I64(run(CODE(OP_PUSH0, OP_NOT, OP_MLOAD)).status, EVM_OUT_OF_GAS);
    CHECK_I64(run(CODE(0x64, 1, 0, 0, 0, 0, OP_MLOAD)).status, EVM_OUT_OF_GAS);
    end();
}

// SIGNEXTEND by a number of the code and by one of the stack.
TEST(evm_extends_signs) {
    begin();
    for (unsigned k = 0; k < 36; k++) {
        uint8_t code[64] = {0x7f};
        for (unsigned i = 0; i < 32; i++) {
            code[1 + i] = (uint8_t)(0x7a + 11 * i + 3 * k);
        }
        struct u256 expected = u256_load_be(code + 1), by = u256_from_u64(k);
        wide_sign_extend(&by, &expected);
        const uint8_t constant[] = {0x60, (uint8_t)k, OP_SIGNEXTEND},
                      tail[] = {OP_PUSH0, OP_MSTORE, 0x60, 32, OP_PUSH0, OP_RETURN};
        memcpy(code + 33, constant, sizeof constant);
        memcpy(code + 36, tail, sizeof tail);
        struct evm_result r = run(bytes_make(code, 36 + sizeof tail));
        CHECK_I64(r.status, EVM_SUCCESS);
        struct u256 got = u256_load_be(r.output.p);
        CHECK(u256_equal(got, expected));
        // [k, value]: copied from below
        uint8_t copied[64] = {0x60, (uint8_t)k};
        memcpy(copied + 2, code, 33);
        copied[35] = 0x81;
        copied[36] = OP_SIGNEXTEND;
        memcpy(copied + 37, tail, sizeof tail);
        r = run(bytes_make(copied, 37 + sizeof tail));
        CHECK_I64(r.status, EVM_SUCCESS);
        got = u256_load_be(r.output.p);
        CHECK(u256_equal(got, expected));
        // MSIZE is zero: a number that the decoder does not know
        const uint8_t dynamic[] = {0x60, (uint8_t)k, OP_MSIZE, OP_ADD, OP_SIGNEXTEND};
        memcpy(code + 33, dynamic, sizeof dynamic);
        memcpy(code + 38, tail, sizeof tail);
        r = run(bytes_make(code, 38 + sizeof tail));
        CHECK_I64(r.status, EVM_SUCCESS);
        got = u256_load_be(r.output.p);
        CHECK(u256_equal(got, expected));
    }
    end();
}

// MSTORE in each of its forms, near the edge of memory and beyond.
TEST(evm_stores_operands_that_were_copied) {
    static const struct {
        uint8_t code[24];
        uint8_t n;
        uint64_t at, value;
    } cases[] = {
        // The stack is 7, 64 (top) at first.
        {{0x81, 0x81, OP_MSTORE}, 3, 64, 7},                   // DUP2 DUP2
        {{0x80, 0x80, OP_MSTORE}, 3, 64, 64},                  // DUP1 DUP1
        {{0x81, 0x80, OP_MSTORE}, 3, 7, 7},                    // DUP2 DUP1
        {{0x60, 9, 0x81, OP_MSTORE}, 4, 64, 9},                // PUSH DUP2
        {{0x60, 9, 0x82, OP_MSTORE}, 4, 7, 9},                 // PUSH DUP3
        {{0x60, 9, 0x80, OP_MSTORE}, 4, 9, 9},                 // PUSH DUP1
        {{0x63, 1, 0, 0, 0, 0x81, OP_MSTORE}, 7, 64, 1 << 24}, // too large for the short form
        {{0x80, OP_MSTORE}, 2, 64, 64},                        // DUP1
        {{0x81, OP_MSTORE, 0x80}, 3, 7, 64},                   // DUP2, and the stack is 7
        {{0x90, OP_MSTORE, 0x5f, 0x5f}, 4, 7, 64},             // SWAP1
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t code[64] = {0x60, 7, 0x60, 64};
        size_t n = 4;
        memcpy(code + n, cases[i].code, cases[i].n);
        n += cases[i].n;
        // Gives the word that was written.
        const uint8_t end[] = {0x60, 32, 0x60, (uint8_t)cases[i].at, OP_RETURN};
        memcpy(code + n, end, sizeof end);
        struct evm_result r = run(bytes_make(code, n + sizeof end));
        CHECK_I64(r.status, EVM_SUCCESS);
        CHECK_U64(r.output.n, 32);
        CHECK_U64(load_be64(r.output.p + 24), cases[i].value);
    }
    // An offset that no gas pays for.
    struct evm_result r = run(CODE(0x64, 1, 0, 0, 0, 0, 0x60, 1, 0x81, OP_MSTORE));
    CHECK_I64(r.status, EVM_OUT_OF_GAS);
    r = run(CODE(OP_PUSH0, OP_NOT, 0x80, 0x80, OP_MSTORE));
    CHECK_I64(r.status, EVM_OUT_OF_GAS);
    end();
}

// Memory that grows by words at any distance from its end, whose last byte is written before it
// grows again, against an array.
TEST(evm_memory_keeps_what_was_written_while_it_grows) {
    enum { STEPS = 120, ROOM = 1 << 14 };
    static uint8_t model[ROOM], code[STEPS * 16 + 8];
    begin();
    for (unsigned back = 0; back < 32; back++) {
        size_t n = 0, size = 0;
        memset(model, 0, sizeof model);
        for (unsigned i = 0; i < STEPS; i++) {
            uint16_t at = (uint16_t)(size + 32 * (i % 3) + 32 - back);
            code[n++] = 0x61;
            store_be16(code + n, (uint16_t)(at ^ 0x5a5a));
            code[n + 2] = 0x61;
            store_be16(code + n + 3, at);
            code[n + 5] = OP_MSTORE;
            n += 6;
            store_be16(model + at + 30, (uint16_t)(at ^ 0x5a5a));
            size = (at + 32u + 31u) / 32u * 32u;
            const uint8_t last[] = {
                0x60, 7, 0x61, (uint8_t)((size - 1) >> 8), (uint8_t)(size - 1), OP_MSTORE8};
            memcpy(code + n, last, sizeof last);
            n += sizeof last;
            model[size - 1] = 7;
        }
        const uint8_t end[] = {OP_MSIZE, OP_PUSH0, OP_RETURN};
        memcpy(code + n, end, sizeof end);
        struct evm_result r = run(bytes_make(code, n + sizeof end));
        CHECK_I64(r.status, EVM_SUCCESS);
        CHECK_BYTES(r.output, bytes_make(model, size));
    }
    end();
}

TEST(evm_revert_undoes_and_gives_back) {
    begin();
    struct state_account *a = state_account_find(&state, &contract);
    struct evm_result r = run(CODE(0x60, 7, 0x60, 1, OP_SSTORE, OP_PUSH0, OP_PUSH0, OP_REVERT));
    CHECK_I64(r.status, EVM_REVERT);
    CHECK(r.gas_left > 0);
    CHECK(u256_is_zero(state_slot_find(&state, a, &U256_ONE)->value));
    r = run(CODE(0x60, 7, 0x60, 1, OP_SSTORE));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(state_slot_find(&state, a, &U256_ONE)->value.w[0], 7);
    end();
}

TEST(evm_stops_when_told) {
    begin();
    atomic_bool stop = true;
    vm.abort = &stop;
    CHECK_I64(run(CODE(OP_STOP)).status, EVM_ABORTED);
    stop = false;
    CHECK_I64(run(CODE(OP_JUMPDEST, OP_PUSH0, OP_JUMP)).status, EVM_OUT_OF_GAS);
    end();
}

// Calls itself with all gas; before EIP-150 only the depth limits that. On a stack of its own, for
// the sanitizers' frames are ten times as large.
static void *nest(void *arg) {
    struct bytes code = CODE(0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, OP_ADDRESS, 0x62, 0x01,
                             0x00, 0x00, OP_GAS, OP_SUB, OP_CALL, 0x60, 0, OP_SSTORE);
    *(struct evm_result *)arg = run_with(code, FORK_HOMESTEAD, 1000000000);
    return NULL;
}

TEST(evm_nests_to_the_depth_limit) {
    struct evm_result r;
    pthread_attr_t attributes;
    pthread_t thread;
    begin();
    CHECK_I64(pthread_attr_init(&attributes), 0);
    CHECK_I64(pthread_attr_setstacksize(&attributes, 256u << 20), 0);
    CHECK_I64(pthread_create(&thread, &attributes, nest, &r), 0);
    CHECK_I64(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
    CHECK_I64(r.status, EVM_SUCCESS);
    end();
}

// What is taken out of the cache lives as long as a state may point to it.
TEST(code_that_is_taken_out_stays_for_its_users) {
    struct evm_code_cache *c = evm_code_cache_new();
    struct evm_code_user first = {0}, second = {0};
    struct evm_schedule schedule;
    uint8_t bytes[64] = {0x60, 1, 0x60, 2, 0x01};
    CHECK(c);
    evm_schedule_init(&schedule, FORK_OSAKA);
    evm_code_user_join(c, &first);
    evm_code_user_join(c, &second);
    for (uint8_t round = 0; round < 50; round++) {
        struct hash hash = {{round}};
        bytes[10] = round;
        struct evm_code *code = evm_code_add(c, &hash, bytes_make(bytes, sizeof bytes));
        CHECK(code && evm_code_program(code, &schedule, false));
        evm_code_cache_trim(c, 0);
        CHECK(!evm_code_find(c, &hash));
        CHECK_U64(evm_code_cache_bytes(c), 0);
        evm_code_user_pass(c, &first); // the second one has not let go
        evm_code_cache_trim(c, 0);
        CHECK_U64(code->bytes[10], round);
        CHECK(evm_code_program(code, &schedule, true)); // and can still be run
        CHECK_U64(evm_code_cache_bytes(c), 0);
        if (round % 2) evm_code_user_pass(c, &second);
    }
    evm_code_user_leave(c, &second);
    evm_code_cache_trim(c, 0);
    evm_code_user_leave(c, &first);
    evm_code_cache_free(c);
}

static void stop_at_first(void *ctx, struct evm *machine, const struct evm_step *step) {
    (void)ctx, (void)step;
    atomic_store(machine->abort, true);
}

TEST(evm_stops_while_code_runs) {
    static const struct {
        uint8_t op[6];
        size_t size;
    } cases[] = {
        {{0x60, 5, OP_JUMP, 0, 0, OP_JUMPDEST}, 6}, // a jump
        {{OP_PUSH0, OP_PUSH0, OP_KECCAK256}, 3},    // what takes long where nothing jumps
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_CREATE}, 4},
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_MCOPY}, 4},
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_CALLDATACOPY}, 4},
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_CODECOPY}, 4},
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_RETURNDATACOPY}, 4},
        {{OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_EXTCODECOPY}, 5},
        {{OP_PUSH0, OP_EXTCODEHASH}, 2}, // what is read from disk
        {{OP_PUSH0, OP_EXTCODESIZE}, 2},
        {{OP_PUSH0, OP_BALANCE}, 2},
        {{OP_PUSH0, OP_PUSH0, OP_SSTORE}, 3},
        {{OP_PUSH0, OP_PUSH0, OP_LOG0}, 3},
    };
    atomic_bool stop = false;
    struct evm_tracer tracer = {.wants_steps = true, .step = stop_at_first};
    begin();
    vm.abort = &stop;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_store(&stop, false);
        vm.tracer = NULL;
        CHECK_I64(run(bytes_make(cases[i].op, cases[i].size)).status, EVM_SUCCESS);
        vm.tracer = &tracer;
        CHECK_I64(run(bytes_make(cases[i].op, cases[i].size)).status, EVM_ABORTED);
    }
    end();
}

static void *stop_soon(void *arg) {
    (void)usleep(20000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

// All rounds of BLAKE2F would last half a minute.
TEST(evm_stops_while_a_precompiled_contract_runs) {
    uint8_t input[213] = {0};
    struct evm_result r;
    const struct address blake2f = {{[19] = 9}};
    struct evm_message m = {.kind = EVM_CALL,
                            .gas = INT64_MAX,
                            .recipient = blake2f,
                            .code_address = blake2f,
                            .input = bytes_make(input, sizeof input)};
    atomic_bool stop = false;
    pthread_t thread;
    memset(input, 0xff, 4);
    begin();
    vm.abort = &stop;
    evm_use(&vm, &state, FORK_OSAKA);
    state_begin(&state);
    uint64_t start = clock_monotonic_ns(&clock_system);
    CHECK_I64(pthread_create(&thread, NULL, stop_soon, &stop), 0);
    evm_execute(&vm, &m, &r);
    CHECK(clock_monotonic_ns(&clock_system) - start < 5 * NS_PER_S);
    CHECK_I64(pthread_join(thread, NULL), 0);
    CHECK_I64(r.status, EVM_ABORTED);
    CHECK_U64(r.output.n, 0);
    end();
}

// What hashes megabytes or raises to long powers looks at the flag in between.
TEST(precompiled_contracts_stop_in_the_middle) {
    enum { LONG = 1 << 20 };
    static const uint8_t which[] = {2, 3, 5};
    static const enum fork forks[] = {FORK_OSAKA, FORK_OSAKA, FORK_PRAGUE};
    static uint8_t input[LONG];
    atomic_bool stop = false;
    struct buf out;
    buf_init(&out, 0);
    memset(input, 0, 96);
    memset(input + 96, 0xa5, LONG - 96);
    input[31] = input[95] = 8; // MODEXP: base and modulus of 8 bytes
    store_be32(input + 60, LONG - 96 - 16);
    for (size_t i = 0; i < sizeof which; i++) {
        struct address a = {{[19] = which[i]}};
        const struct precompile *p = precompile_find(forks[i], &a);
        CHECK(p != NULL);
        atomic_store(&stop, false);
        buf_clear(&out);
        CHECK_I64(p->run(NULL, bytes_make(input, LONG), &stop, &out), 0);
        CHECK(out.n == 32 || out.n == 8);
        atomic_store(&stop, true);
        buf_clear(&out);
        CHECK_I64(p->run(NULL, bytes_make(input, LONG), &stop, &out), ERR_CANCELLED);
        CHECK_U64(out.n, 0);
    }
    buf_free(&out);
}

// A tracer's programs stand behind those of everyone else, and none holds more than it is.
TEST(programs_are_found_at_once_and_counted_whole) {
    struct evm_code_cache *c = evm_code_cache_new();
    struct evm_schedule schedule;
    uint8_t bytes[8] = {0x63, 0, 0, 0, 0, 0x50};
    CHECK(c);
    evm_schedule_init(&schedule, FORK_OSAKA);
    for (uint32_t i = 0; i < 1000; i++) {
        struct hash hash = {{0}};
        store_be32(bytes + 1, i);
        store_be32(hash.b + 4, i);
        struct evm_code *code = evm_code_add(c, &hash, bytes_make(bytes, sizeof bytes));
        const struct evm_program *p = evm_code_program(code, &schedule, false);
        CHECK(p && evm_code_program(code, &schedule, true));
        CHECK(atomic_load(&code->programs) == p);
        CHECK(evm_code_program(code, &schedule, false) == p);
    }
    size_t counted = evm_code_cache_bytes(c);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    evm_code_cache_free(c);
    size_t held = before - (mallinfo2().uordblks + mallinfo2().hblkhd);
    CHECK(held < counted + counted / 2);
}

/* Programs of many contracts, each up to 18 times as large as its code, in one block: from one
 * transaction to the next no more of them than are kept, and those that run are left alone. */
TEST(a_block_of_large_contracts_holds_few_programs) {
    enum { CODES = 64, SIZE = 24576, KEPT = 4 << 20 };
    static uint8_t bytes[SIZE];
    struct evm_code_user other = {0};
    struct evm_result r;
    size_t most = 0, held = 0;
    begin();
    evm_code_cache_keep_programs(codes, KEPT);
    evm_code_user_join(codes, &other);
    evm_use(&vm, &state, FORK_OSAKA);
    memset(bytes, 0x5a, sizeof bytes); // GAS: an instruction and a check a byte
    size_t first = evm_code_cache_bytes(codes);
    for (unsigned round = 0; round < 2 * CODES; round++) {
        unsigned i = round % CODES;
        struct address a = {{[0] = 0x77, [19] = (uint8_t)i}};
        struct evm_message m = {.kind = EVM_CALL, .gas = 100000, .recipient = a, .code_address = a};
        bytes[0] = 0x60; // PUSH1
        bytes[1] = (uint8_t)i;
        bytes[2] = OP_STOP;
        bytes[3] = OP_JUMPDEST;
        if (round == CODES) evm_code_user_begin(codes, &other); // as one that runs what was there
        if (round == CODES + 32) evm_code_user_end(codes, &other);
        state_begin(&state);
        if (round < CODES) {
            state_set_code(&state, state_account_find(&state, &a), bytes_make(bytes, SIZE));
        }
        evm_execute(&vm, &m, &r);
        CHECK_I64(r.status, EVM_SUCCESS);
        CHECK_I64(r.gas_left, 99997);
        state_end(&state, true);
        size_t now = evm_code_cache_bytes(codes) - first;
        if (now > most) most = now;
        if (round == 0) held = now;
    }
    CHECK(held > 17 * SIZE && held < 21 * SIZE); // code and program
    CHECK(most < KEPT + CODES * (SIZE + 1000));
    CHECK(CODES * held > 4 * most);
    evm_code_user_leave(codes, &other);
    end();
}

static int empty_accounts(void *ctx, struct state_base_account *ret, const struct address *address,
                          struct error *why) {
    (void)ctx, (void)address, (void)why;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH, .exists = true};
    return 0;
}

// Mainnet block 2,675,119: a touch of RIPEMD160's empty account outlives the frames that failed.
TEST(a_touch_of_precompile_3_outlives_every_revert) {
    struct state_reader reader = STATE_NOTHING;
    reader.account = empty_accounts;
    begin();
    for (uint8_t number = 2; number <= 4; number++) {
        for (unsigned frames = 1; frames <= 3; frames++) {
            for (unsigned again = 0; again < 2; again++) {
                const struct address address = {{[19] = number}};
                struct state_mark mark[3];
                state_reset(&state, reader);
                state_begin(&state);
                struct state_account *a = state_account_find(&state, &address);
                for (unsigned i = 0; i < frames; i++) {
                    mark[i] = state_mark_now(&state);
                }
                state_touch(&state, a);
                for (unsigned i = frames; i-- > 0;) {
                    state_revert(&state, mark[i]);
                }
                if (again) state_touch(&state, a);
                state_end(&state, true);
                CHECK(a->now.exists == (number != 3 && !again));
                // A whole transaction that is taken back leaves nothing for the next.
                state_revert(&state, mark[0]);
                CHECK(a->now.exists);
                state_begin(&state);
                state_end(&state, true);
                CHECK(a->now.exists);
            }
        }
    }
    end();
}

// Long initcode (before EIP-3860) can have more places to jump to than the table of a code numbers.
TEST(jumps_find_their_place_in_code_of_any_length) {
    static uint8_t bytes[200000];
    static const uint32_t targets[] = {8, 70, 65534, 65535, 65600, 131072, 199998, 199999, 7};
    const uint8_t head[] = {0x62, 0, 0, 0, 0x80, OP_POP, OP_JUMP}; // PUSH3; DUP1; POP: no constant
    for (unsigned with = 0; with < 2; with++) {
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
            memset(bytes, with ? OP_JUMPDEST : OP_STOP, sizeof bytes);
            memcpy(bytes, head, sizeof head);
            uint32_t to = targets[i];
            bytes[1] = (uint8_t)(to >> 16);
            bytes[2] = (uint8_t)(to >> 8);
            bytes[3] = (uint8_t)to;
            if (to != 7) bytes[to] = OP_JUMPDEST;
            bytes[7] = OP_STOP;
            begin();
            struct evm_result r = run(bytes_make(bytes, sizeof bytes));
            CHECK_I64(r.status, to == 7 ? EVM_BAD_JUMP : EVM_SUCCESS);
            uint32_t after = with ? sizeof bytes - to : 1;
            if (to != 7) CHECK_I64(r.gas_left, GAS - (3 + 3 + 2 + 8 + (int64_t)after));
            end();
        }
    }
}

/* The state's tables hold what transactions choose. */

#define MANY 4096u
#define PLACES 8192u

// The most numbers that are the same after the mask.
static unsigned most_together(const uint32_t *hashes) {
    static unsigned counts[PLACES];
    unsigned most = 0;
    memset(counts, 0, sizeof counts);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned n = ++counts[hashes[i] & (PLACES - 1)];
        if (n > most) most = n;
    }
    return most;
}

TEST(keys_cannot_be_chosen_to_meet_in_the_tables) {
    static uint32_t hashes[MANY], others[MANY], addresses[MANY];
    unsigned same = 0;
    struct state other;
    struct error why;
    begin();
    CHECK_OK(state_init(&other, state.reader, codes, &why), &why);
    // Families that all go to one place where words are just multiplied and added up.
    static const uint64_t factors[] = {0, 1, 0xc2b2ae3d27d4eb4f, 0x9e3779b97f4a7c15};
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        for (uint64_t i = 0; i < MANY; i++) {
            const struct u256 key = {{i * factors[f], i, 0, f == 1 ? i << 40 : 0}};
            struct address a = {{0}};
            store_le64(a.b + 4, i);
            store_le64(a.b + 12, i * factors[f]);
            hashes[i] = state_hash_key(&state.seed, &key);
            others[i] = state_hash_key(&other.seed, &key);
            addresses[i] = state_hash_address(&state.seed, &a);
            same += (hashes[i] & (PLACES - 1)) == (others[i] & (PLACES - 1));
        }
        CHECK(most_together(hashes) <= 16);
        CHECK(most_together(addresses) <= 16);
    }
    CHECK(same < MANY / 16); // every state has places of its own
    state_free(&other);
    end();
}

TEST_MAIN()
