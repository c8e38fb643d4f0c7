/* SPDX-License-Identifier: MIT */
#include "evm/tracers.h"

#include "evm/opcode.h"
#include "evm/precompile.h"
#include "evm/tracer_access.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>

// PUSH1 1; SLOAD; POP; four words of nothing; CALL 0xaa with 5 bytes of input; POP
static const uint8_t code[] = {0x60,     1,        OP_SLOAD, OP_POP, OP_PUSH0, OP_PUSH0, 0x60,  5,
                               OP_PUSH0, OP_PUSH0, 0x60,     0xaa,   OP_GAS,   OP_CALL,  OP_POP};

static char *trace_with(const char *name, const struct tracer_options *options, int64_t gas,
                        struct bytes program) {
    struct error why;
    struct evm vm;
    struct state state;
    struct precompiles *precompiles;
    struct tracer *tracer;
    struct buf out;
    struct evm_result r;
    const struct address contract = {{[19] = 0xcc}};
    struct evm_message m = {
        .kind = EVM_CALL, .gas = gas, .recipient = contract, .code_address = contract};
    struct evm_code_cache *codes = evm_code_cache_new();
    buf_init(&out, 0);
    CHECK_OK(precompiles_new(&precompiles, &why), &why);
    CHECK_OK(state_init(&state, STATE_NOTHING, codes, &why), &why);
    CHECK_OK(evm_init(&vm, codes, precompiles, &why), &why);
    evm_use(&vm, &state, FORK_CANCUN);
    state_begin(&state);
    state_set_code(&state, state_account_find(&state, &contract), program);
    state_end(&state, false);
    state_begin(&state); // what comes before is another transaction
    CHECK_OK(tracer_new_with(&tracer, name, options, &out, &why), &why);
    vm.tracer = tracer_interface(tracer);
    evm_execute(&vm, &m, &r);
    CHECK_OK(tracer_end(tracer, &state, &why), &why);
    buf_append_byte(&out, 0);
    tracer_free(tracer);
    evm_free(&vm);
    state_free(&state);
    precompiles_free(precompiles);
    evm_code_cache_free(codes);
    return (char *)out.p; // freed by the case
}

static char *trace(const char *name, int64_t gas) {
    return trace_with(name, NULL, gas, (struct bytes){code, sizeof code});
}

static size_t occurrences(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

TEST(tracers_structlog_tells_costs) {
    char *text = trace("structlog", 100000);
    CHECK(strstr(text, "{\"pc\":2,\"op\":84,\"gas\":\"0x1869d\",\"memSize\":0,\"stack\":[\"0x1\"],"
                       "\"depth\":1,\"refund\":0,\"opName\":\"SLOAD\",\"gasCost\":\"0x834\"}"));
    size_t lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    CHECK_U64(lines, 14); // twelve instructions, the STOP behind the code, the sum
    CHECK(strstr(text, "\n{\"output\":\"0x\",\"gasUsed\":\"0x1276\"}\n"));
    free(text);
}

// The cost of an instruction that halts is what it asked for, not what there was.
TEST(tracers_tell_what_a_halt_would_have_cost) {
#define MEMORY_64K 0x62, 1, 0, 0
    static const struct {
        uint8_t code[16];
        size_t size;
        int64_t gas;
        const char *name;
        uint64_t cost;
    } cases[] = {
        {{0x60, 1, OP_SLOAD}, 3, 1000, "SLOAD", 2100},
        {{0x60, 0xaa, OP_BALANCE}, 3, 1000, "BALANCE", 2600},
        {{OP_PUSH0, OP_PUSH0, OP_ADD}, 3, 6, "ADD", 3},
        {{0x60, 1, 0x61, 1, 0, OP_EXP}, 6, 60, "EXP", 60},
        {{0x60, 1, 0x60, 1, OP_SSTORE}, 5, 10000, "SSTORE", 22100},
        {{OP_PUSH0, MEMORY_64K, OP_MSTORE}, 6, 1000, "MSTORE", 14350},
        // 2048 words of memory, and 6 for each that is hashed
        {{MEMORY_64K, OP_PUSH0, OP_KECCAK256}, 6, 1000, "KECCAK256", 26654},
        // memory and 3 for each word that is copied
        {{MEMORY_64K, OP_PUSH0, OP_PUSH0, OP_CALLDATACOPY}, 7, 1000, "CALLDATACOPY", 20483},
        // memory and 8 for each byte that is logged
        {{MEMORY_64K, OP_PUSH0, 0xa0}, 6, 1000, "LOG0", 538999},
        {{OP_ADD}, 1, 1000, "ADD", 3},
        {{OP_PUSH0, OP_JUMP}, 2, 1000, "JUMP", 8},
        {{0xfe}, 1, 1000, "INVALID", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes program = {cases[i].code, cases[i].size};
        char line[160], object[160], sum[160];
        (void)snprintf(line, sizeof line, "\"opName\":\"%s\",\"gasCost\":\"0x%llx\",\"error\":\"",
                       cases[i].name, (unsigned long long)cases[i].cost);
        (void)snprintf(object, sizeof object, "\"gasCost\":%llu,\"error\":\"",
                       (unsigned long long)cases[i].cost);
        (void)snprintf(sum, sizeof sum, "\n{\"output\":\"0x\",\"gasUsed\":\"0x%llx\",\"error\":\"",
                       (unsigned long long)cases[i].gas);
        char *text = trace_with("structlog", NULL, cases[i].gas, program);
        if (!strstr(text, line) || !strstr(text, sum)) FAIL("%s: %s", cases[i].name, text);
        free(text);
        text = trace_with("opcodes", NULL, cases[i].gas, program);
        if (!strstr(text, object)) FAIL("%s: %s", cases[i].name, text);
        free(text);
    }
}

TEST(tracers_call_tree) {
    char *text = trace("call", 100000);
    CHECK(strstr(text, "\"calls\":[{"));
    CHECK(strstr(text, "\"to\":\"0x00000000000000000000000000000000000000aa\""));
    CHECK(strstr(text, "\"input\":\"0x0000000000\""));
    free(text);
}

// DELEGATECALL 0xaa, CALLCODE 0xbb; CREATE with a wei that is not there
static const uint8_t lending[] = {
    OP_PUSH0,    OP_PUSH0, OP_PUSH0, OP_PUSH0, 0x60,     0xaa,     OP_GAS, OP_DELEGATECALL,
    OP_PUSH0,    OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_PUSH0, 0x60,     0xbb,   OP_GAS,
    OP_CALLCODE, OP_PUSH0, OP_PUSH0, 0x60,     1,        OP_CREATE};

TEST(tracers_call_tree_tells_who_called_and_what_could_not_begin) {
    char *text = trace_with("call", NULL, 100000, (struct bytes){lending, sizeof lending});
    const char *from = "{\"from\":\"0x00000000000000000000000000000000000000cc\"";
    CHECK_U64(occurrences(text, from), 3); // all but the outermost
    CHECK_U64(occurrences(text, "\"type\":\"DELEGATECALL\""), 1);
    CHECK_U64(occurrences(text, "\"error\":\"insufficient balance for transfer\",\"value\":"
                                "\"0x1\",\"type\":\"CREATE\""),
              1);
    free(text);
}

TEST(tracers_call_tree_gives_reasons) {
    // Panic(0x12), and Error("no") with its text where the offset says
    static const uint8_t panic[] = {0x63,      0x4e,     0x48,      0x7b,     0x71,     0x60, 0xe0,
                                    0x1b,      OP_PUSH0, OP_MSTORE, 0x60,     0x12,     0x60, 4,
                                    OP_MSTORE, 0x60,     36,        OP_PUSH0, OP_REVERT};
    static const uint8_t error[] = {
        0x63, 0x08, 0xc3, 0x79,      0xa0, 0x60, 0xe0,      0x1b, OP_PUSH0,  OP_MSTORE, 0x60,
        0x40, 0x60, 4,    OP_MSTORE, 0x60, 2,    0x60,      68,   OP_MSTORE, 0x61,      'n',
        'o',  0x60, 0xf0, 0x1b,      0x60, 100,  OP_MSTORE, 0x60, 132,       OP_PUSH0,  OP_REVERT};
    char *text = trace_with("call", NULL, 100000, (struct bytes){panic, sizeof panic});
    CHECK(strstr(text, "\"revertReason\":\"division or modulo by zero\""));
    free(text);
    text = trace_with("call", NULL, 100000, (struct bytes){error, sizeof error});
    CHECK(strstr(text, "\"revertReason\":\"no\""));
    free(text);
}

TEST(tracers_selectors_and_lists) {
    char *text = trace("4byte", 100000);
    CHECK_STR(text, "{\"0x00000000-1\":1}\n");
    free(text);
    text = trace("accesslist", 100000);
    CHECK(strstr(text, "00000000000000000000000000000000000000aa"));
    CHECK(strstr(text, "\"storageKeys\":[\"0x0000000000000000000000000000000000000000000000000000"
                       "000000000001\"]"));
    free(text);
    text = trace("prestate", 100000);
    CHECK(strncmp(text, "{", 1) == 0);
    free(text);
}

// What code names, not what the machine touches: coinbase, created accounts, transient storage.
TEST(tracers_access_list_is_what_code_names) {
    static const uint8_t touching[] = {OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_CREATE,
                                       OP_PUSH0, OP_PUSH0, OP_TSTORE};
    static const uint8_t naming[] = {0x60, 0xaa, OP_BALANCE, OP_CALLER,  OP_BALANCE,
                                     0x60, 1,    OP_BALANCE, OP_ADDRESS, OP_BALANCE};
    char *text = trace_with("accesslist", NULL, 100000, (struct bytes){touching, sizeof touching});
    CHECK_STR(text, "[]\n");
    free(text);
    text = trace_with("accesslist", NULL, 100000, (struct bytes){naming, sizeof naming});
    CHECK_STR(text, "[{\"address\":\"0x00000000000000000000000000000000000000aa\","
                    "\"storageKeys\":[]}]\n");
    free(text);
}

// As long as it may be, with everything named twice; what is one too many fails the list.
TEST(access_lists_hold_each_thing_once_up_to_their_limits) {
    enum { KEYS = ACCESS_SLOTS_MAX / ACCESS_ADDRESSES_MAX };
    static struct tx_access in[ACCESS_ADDRESSES_MAX];
    static struct hash keys[KEYS];
    const struct address from = {{1}}, to = {{2}};
    const struct tx_access *list, *again;
    struct access_list l;
    struct error why = {0};
    struct arena a;
    size_t n, n_again;
    arena_init(&a, 0);
    for (size_t k = 0; k < KEYS; k++) {
        store_be32(keys[k].b + 28, (uint32_t)k);
    }
    for (size_t i = 0; i < ACCESS_ADDRESSES_MAX; i++) {
        store_be32(in[i].address.b, 1000 + (uint32_t)i);
        in[i].keys = keys;
        in[i].key_count = KEYS;
    }
    access_list_begin(&l, &a, FORK_CANCUN, &from, &to);
    CHECK_OK(access_list_add(&l, in, ACCESS_ADDRESSES_MAX, &why), &why);
    CHECK_OK(access_list_add(&l, in, ACCESS_ADDRESSES_MAX, &why), &why);
    CHECK_OK(access_list_end(&l, &list, &n, &why), &why);
    CHECK(access_list_equal(list, n, in, ACCESS_ADDRESSES_MAX));
    access_list_begin(&l, &a, FORK_CANCUN, &from, &to);
    CHECK_OK(access_list_add(&l, list, n, &why), &why);
    CHECK_OK(access_list_end(&l, &again, &n_again, &why), &why);
    CHECK(access_list_equal(list, n, again, n_again));
    CHECK(!access_list_equal(list, n, again, n_again - 1));
    keys[KEYS - 1].b[0] = 1; // one key more
    CHECK(!access_list_equal(list, n, in, ACCESS_ADDRESSES_MAX));
    CHECK_ERR(access_list_add(&l, in, 1, &why), ERR_LIMIT);
    access_list_begin(&l, &a, FORK_CANCUN, &from, &to);
    CHECK_OK(access_list_add(&l, list, n, &why), &why);
    store_be32(in[0].address.b, 1);
    in[0].key_count = 0;
    CHECK_ERR(access_list_add(&l, in, 1, &why), ERR_LIMIT);
    arena_free(&a);
}

// LOG0 of nothing; CALL 0xaa; LOG0; REVERT, when `fails`
static const uint8_t logging[] = {OP_PUSH0, OP_PUSH0, 0xa0, OP_PUSH0, OP_PUSH0, OP_PUSH0,
                                  OP_PUSH0, OP_PUSH0, 0x60, 0xaa,     0x5a,     OP_CALL,
                                  OP_PUSH0, OP_PUSH0, 0xa0, OP_PUSH0, OP_PUSH0, 0xfd};

TEST(tracers_call_tree_has_logs_with_their_places) {
    const struct tracer_options options = {.with_log = true};
    char *text = trace_with("call", &options, 100000, (struct bytes){logging, 15});
    CHECK_U64(occurrences(text, "\"topics\":[]"), 2);
    CHECK(strstr(text, "\"position\":\"0x0\"") && strstr(text, "\"position\":\"0x1\""));
    free(text);
    // What was reverted has logged nothing.
    text = trace_with("call", &options, 100000, (struct bytes){logging, sizeof logging});
    CHECK_U64(occurrences(text, "topics"), 0);
    CHECK(strstr(text, "\"error\":\"execution reverted\""));
    free(text);
    const struct tracer_options top = {.only_top_call = true, .with_log = true};
    text = trace_with("call", &top, 100000, (struct bytes){logging, 15});
    CHECK_U64(occurrences(text, "\"calls\""), 0);
    CHECK_U64(occurrences(text, "\"topics\":[]"), 2);
    free(text);
}

// PUSH1 5; PUSH1 1; SSTORE; PUSH1 1; SLOAD; PUSH0; MSTORE
static const uint8_t storing[] = {0x60, 5, 0x60,     1,        OP_SSTORE,
                                  0x60, 1, OP_SLOAD, OP_PUSH0, OP_MSTORE};

TEST(tracers_opcodes_show_storage_and_memory) {
    const struct tracer_options options = {.memory = true};
    const struct bytes program = {storing, sizeof storing};
    char *text = trace_with("opcodes", &options, 100000, program);
    CHECK_U64(occurrences(text, "\"pc\":"), 8);
    CHECK_U64(occurrences(text, "\"storage\":{"), 2); // at SSTORE and at SLOAD, with the new value
    CHECK_U64(occurrences(text, "0000000000000005\""), 3); // and once in memory, at STOP
    CHECK(strstr(text,
                 "\"op\":\"SSTORE\",\"gas\":99994,\"depth\":1,\"refund\":0,\"stack\":[\"0x5\","
                 "\"0x1\"]"));
    free(text);
    const struct tracer_options few = {.no_stack = true, .no_storage = true, .limit = 2};
    text = trace_with("opcodes", &few, 100000, program);
    CHECK_U64(occurrences(text, "\"pc\":"), 2);
    CHECK_U64(occurrences(text, "stack") + occurrences(text, "storage"), 0);
    free(text);
    text = trace_with("opcodes", NULL, 10, program);
    CHECK(strstr(text, "\"error\":\"out of gas\"}"));
    free(text);
}

TEST(tracers_prestate_tells_differences) {
    const struct tracer_options diff = {.diff = true};
    char *text = trace_with("prestate", &diff, 100000, (struct bytes){storing, sizeof storing});
    char *post = strstr(text, "\"post\"");
    CHECK(post != NULL);
    CHECK(strstr(post, "0000000000000001\":\"0x0000000000000000000000000000000000000000000000000000"
                       "000000000005\""));
    *post = 0; // what was there before: no slot, since it was zero
    CHECK(strstr(text, "\"pre\":{") && !strstr(text, "storage"));
    free(text);
    text = trace_with("prestate", &(struct tracer_options){.no_code = true}, 100000,
                      (struct bytes){storing, sizeof storing});
    CHECK(strstr(text, "storage") && !strstr(text, "\"code\""));
    free(text);
    text = trace_with("noop", NULL, 100000, (struct bytes){storing, sizeof storing});
    CHECK_STR(text, "{}\n");
    free(text);
}

// Slots of several accounts in turn: each account has its own, in the order they were looked at.
TEST(tracers_prestate_puts_slots_to_their_accounts) {
    struct error why;
    struct state state;
    struct tracer *tracer;
    struct buf out;
    struct evm_code_cache *codes = evm_code_cache_new();
    const struct tracer_options options = {.include_empty = true};
    CHECK_OK(state_init(&state, STATE_NOTHING, codes, &why), &why);
    state_begin(&state);
    for (uint64_t round = 0; round < 2; round++) {
        for (uint8_t i = 0; i < 4; i++) { // the third one has none
            const struct address address = {{[19] = i}};
            const struct u256 key = u256_from_u64(16 * (1 + (uint64_t)i) + round);
            struct state_account *a = state_account_find(&state, &address);
            if (i != 2) (void)state_slot_find(&state, a, &key);
            state_transient_set(&state, a, &key, U256_ONE);
        }
    }
    buf_init(&out, 0);
    CHECK_OK(tracer_new_with(&tracer, "prestate", &options, &out, &why), &why);
    CHECK_OK(tracer_end(tracer, &state, &why), &why);
#define ZEROS "00000000000000000000000000000000000000"
#define ACCOUNT(N) "\"0x" ZEROS N "\":{\"balance\":\"0x0\""
#define SLOT(N)                                                                                    \
    "\"0x" ZEROS "000000000000000000000000" N "\":\"0x" ZEROS "00000000000000000000000000\""
#define SLOTS(A, B) ",\"storage\":{" SLOT(A) "," SLOT(B) "}}"
    buf_append_byte(&out, 0);
    CHECK_STR((const char *)out.p,
              "{" ACCOUNT("00") SLOTS("10", "11") "," ACCOUNT("01")
                  SLOTS("20", "21") "," ACCOUNT("02") "}," ACCOUNT("03") SLOTS("40", "41") "}\n");
    tracer_free(tracer);
    buf_free(&out);
    state_free(&state);
    evm_code_cache_free(codes);
}

TEST(tracers_are_known_by_name) {
    struct tracer *t;
    struct error why;
    CHECK_ERR(tracer_new(&t, "no such", NULL, &why), ERR_NOT_FOUND);
}

TEST_MAIN()
