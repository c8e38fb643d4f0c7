/* Any bytes as code: the optimised stream against the same code decoded one instruction at a time,
 * with nothing folded or put together (what a tracer sees). Outcome, gas, output, storage, logs and
 * refunds must be the same. The first byte chooses fork and gas.
 * SPDX-License-Identifier: MIT */
#include "evm/evm.h"

#include "evm/precompile.h"
#include "evm/trace.h"

#include <stdlib.h>

static int same_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *why) {
    (void)ctx, (void)address, (void)why;
    *ret = *key; // storage that is not all zero
    return 0;
}

static struct evm_code_cache *codes;
static struct precompiles *precompiles;
static struct state state;
static struct evm vm;
static const struct address contract = {{[18] = 0xc0, [19] = 0xde}};

struct outcome {
    struct evm_result r;
    uint64_t output, storage; // sums of what is there
    size_t logs;
    int64_t refund;
};

static uint64_t mix(uint64_t sum, struct bytes in) {
    for (size_t i = 0; i < in.n; i++) {
        sum = (sum ^ in.p[i]) * 0x100000001b3u;
    }
    return sum;
}

static uint64_t sum_slots(void) {
    uint64_t sum = 0;
    for (const struct state_slot *s = state.dirty_slots; s; s = s->next_dirty) {
        uint64_t one = mix(mix(1, bytes_make(&s->key, 32)), bytes_make(&s->value, 32));
        sum += mix(one, BYTES_OF(s->account->address)); // in any order
    }
    return sum;
}

static struct outcome run(const uint8_t *in, size_t n, bool stepwise) {
    struct state_reader reader = {NULL, STATE_NOTHING.account, same_slot, STATE_NOTHING.code};
    struct evm_tracer tracer = {.wants_steps = stepwise};
    struct outcome o = {0};
    struct evm_message m = {.kind = EVM_CALL,
                            .gas = (in[0] & 15) < 8 ? 100000 : 500 * (in[0] & 15),
                            .recipient = contract,
                            .code_address = contract,
                            .input = {in, n < 64 ? n : 64}};
    state_reset(&state, reader);
    evm_use(&vm, &state, (enum fork)((in[0] >> 4) % FORK_COUNT));
    vm.tracer = &tracer;
    vm.block = (struct evm_block){.number = 300, .gas_limit = 30000000, .chain_id = 1};
    state_begin(&state);
    struct state_account *a = state_account_find(&state, &contract);
    state_set_balance(&state, a, u256_from_u64(1000000));
    state_set_code(&state, a, (struct bytes){in + 1, n - 1});
    evm_execute(&vm, &m, &o.r);
    o.output = mix(1, o.r.output);
    o.storage = sum_slots();
    o.logs = state.log_count;
    o.refund = state.refund;
    vm.tracer = NULL;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!codes) {
        struct state_reader reader = {NULL, STATE_NOTHING.account, same_slot, STATE_NOTHING.code};
        codes = evm_code_cache_new();
        if (!codes || precompiles_new(&precompiles, NULL) != 0 ||
            state_init(&state, reader, codes, NULL) != 0 ||
            evm_init(&vm, codes, precompiles, NULL) != 0) {
            abort();
        }
    }
    if (size < 2 || size > 4096) return 0;
    struct outcome a = run(data, size, false), b = run(data, size, true);
    // Which of several faults is met first may differ: a line is checked as a whole.
    bool a_halts = a.r.status != EVM_SUCCESS && a.r.status != EVM_REVERT;
    bool b_halts = b.r.status != EVM_SUCCESS && b.r.status != EVM_REVERT;
    if (a_halts != b_halts || (!a_halts && a.r.status != b.r.status)) abort();
    if (a.r.gas_left != b.r.gas_left || a.output != b.output || a.storage != b.storage) abort();
    if (a.logs != b.logs || a.refund != b.refund) abort();
    state_reset(&state, state.reader);
    evm_code_cache_trim(codes, 1u << 20);
    return 0;
}
