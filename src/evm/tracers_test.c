/* SPDX-License-Identifier: MIT */
#include "evm/tracers.h"

#include "evm/opcode.h"
#include "evm/precompile.h"
#include "test/harness/test.h"

#include <stdlib.h>

static int no_account(void *ctx, struct state_base_account *ret, const struct address *address,
                      struct error *why) {
    (void)ctx, (void)address, (void)why;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    return 0;
}
static int no_slot(void *ctx, struct u256 *ret, const struct address *address,
                   const struct u256 *key, struct error *why) {
    (void)ctx, (void)address, (void)key, (void)why;
    *ret = U256_ZERO;
    return 0;
}
static int no_code(void *ctx, struct bytes *ret, const struct hash *hash, struct error *why) {
    (void)ctx, (void)hash;
    *ret = (struct bytes){0};
    return error_set(why, ERR_NOT_FOUND, "no code");
}

// PUSH1 1; SLOAD; POP; four words of nothing; CALL 0xaa with 5 bytes of input; POP
static const uint8_t code[] = {0x60,     1,        OP_SLOAD, OP_POP, OP_PUSH0, OP_PUSH0, 0x60,  5,
                               OP_PUSH0, OP_PUSH0, 0x60,     0xaa,   OP_GAS,   OP_CALL,  OP_POP};

static char *trace(const char *name, int64_t gas) {
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
    CHECK_OK(
        state_init(&state, (struct state_reader){NULL, no_account, no_slot, no_code}, codes, &why),
        &why);
    CHECK_OK(evm_init(&vm, codes, precompiles, &why), &why);
    evm_use(&vm, &state, FORK_CANCUN);
    state_begin(&state);
    state_set_code(&state, state_account_find(&state, &contract),
                   (struct bytes){code, sizeof code});
    CHECK_OK(tracer_new(&tracer, name, &out, &why), &why);
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

TEST(tracers_structlog_tells_costs) {
    char *text = trace("structlog", 100000);
    CHECK(strstr(text, "{\"pc\":2,\"op\":84,\"gas\":\"0x1869d\",\"memSize\":0,\"stack\":[\"0x1\"],"
                       "\"depth\":1,\"refund\":0,\"opName\":\"SLOAD\",\"gasCost\":\"0x834\"}"));
    size_t lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    CHECK_U64(lines, 13); // twelve instructions and the STOP behind the code
    free(text);
}

TEST(tracers_structlog_names_a_halt) {
    char *text = trace("structlog", 1000);
    CHECK(strstr(text, "\"opName\":\"SLOAD\",\"gasCost\":\"0x0\",\"error\":\"out of gas\"}"));
    free(text);
}

TEST(tracers_call_tree) {
    char *text = trace("call", 100000);
    CHECK(strstr(text, "\"calls\":[{"));
    CHECK(strstr(text, "\"to\":\"0x00000000000000000000000000000000000000aa\""));
    CHECK(strstr(text, "\"input\":\"0x0000000000\""));
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

TEST(tracers_are_known_by_name) {
    struct tracer *t;
    struct error why;
    CHECK_ERR(tracer_new(&t, "no such", NULL, &why), ERR_NOT_FOUND);
}

TEST_MAIN()
