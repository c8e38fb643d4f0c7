/* Blocks of random transactions, effects, faults. SPDX-License-Identifier: MIT */
#include "chain/block_run.h"
#include "chain/header_check.h"
#include "chain/memory_state.h"
#include "chain/play.h"
#include "chain/requests.h"
#include "chain/ways.h"
#include "evm/precompile.h"
#include "test/harness/test.h"

#define SENDERS 6
#define CONTRACTS 5 // the code calls more than there are
#define TXS 4

static struct random_fast dice;
static uint64_t next(uint64_t n) {
    return random_fast_below(&dice, n);
}

static struct evm_code_cache *codes;
static struct precompiles *precompiles;
static struct memory_state base;
static struct evm vm;
static struct state state;
static struct block_run run;
static struct arena arena;
static struct tx txs[TXS];
static struct address senders[TXS];
static struct chain_config config;

static void make_world(enum fork fork) {
    struct error why;
    memory_state_clear(&base);
    chain_config_all_at(&config, fork, 1);
    for (unsigned i = 0; i < CONTRACTS; i++) {
        uint8_t code[PLAY_CODE_MAX];
        struct address a = play_address(0xc0, i);
        size_t n = play_code(&dice, code);
        CHECK_OK(memory_state_set_account(&base, &a, u256_from_u64(next(50)), 1,
                                          (struct bytes){code, n}, &why),
                 &why);
        for (unsigned k = 0; k < 4; k++) {
            CHECK_OK(
                memory_state_set_slot(&base, &a, u256_from_u64(k), u256_from_u64(next(3)), &why),
                &why);
        }
    }
    uint64_t nonces[SENDERS] = {0};
    for (unsigned i = 0; i < SENDERS; i++) {
        struct address a = play_address(0xee, i);
        CHECK_OK(memory_state_set_account(&base, &a, u256_from_u64(UINT64_MAX), 0,
                                          (struct bytes){0}, &why),
                 &why);
    }
    for (unsigned i = 0; i < TXS; i++) {
        unsigned from = (unsigned)next(SENDERS);
        txs[i] = (struct tx){.type = TX_LEGACY,
                             .has_to = true,
                             .nonce = nonces[from]++,
                             .gas = 400000,
                             .max_fee = u256_from_u64(10 + next(3)),
                             .to = next(5) ? play_address(0xc0, next(CONTRACTS))
                                           : play_address(next(2) ? 0xee : 0xa0, next(SENDERS)),
                             .value = u256_from_u64(next(3))};
        txs[i].max_priority_fee = txs[i].max_fee;
        txs[i].signature.r[31] = txs[i].signature.s[31] = 1;
        senders[i] = play_address(0xee, from);
    }
}

static void begin_block(enum fork fork) {
    struct error why;
    struct block_env env = {.config = &config,
                            .fork = fork,
                            .coinbase = play_address(0xa0, 3),
                            .number = 1,
                            .timestamp = 1,
                            .gas_limit = 30000000,
                            .base_fee = u256_from_u64(7)};
    state_reset(&state, memory_state_reader(&base));
    CHECK_OK(block_run_begin(&run, &state, &env, &why), &why);
}

static struct hash root_after(void) {
    struct memory_state copy;
    struct error why;
    struct hash root;
    memory_state_init(&copy);
    CHECK_OK(memory_state_copy(&copy, &base, &why), &why);
    CHECK_OK(memory_state_apply(&copy, &state, &why), &why);
    CHECK_OK(memory_state_root(&root, &copy, &why), &why);
    memory_state_free(&copy);
    return root;
}

static void setup(void) {
    struct error why;
    random_fast_seed(&dice, 1);
    codes = evm_code_cache_new();
    memory_state_init(&base);
    arena_init(&arena, 0);
    CHECK_OK(precompiles_new(&precompiles, &why), &why);
    CHECK_OK(state_init(&state, memory_state_reader(&base), codes, &why), &why);
    CHECK_OK(evm_init(&vm, codes, precompiles, &why), &why);
    block_run_init(&run, &vm);
}

static void teardown(void) {
    block_run_free(&run);
    evm_free(&vm);
    state_free(&state);
    precompiles_free(precompiles);
    evm_code_cache_free(codes);
    memory_state_free(&base);
    arena_free(&arena);
}

static uint64_t next_seed(void *arg) {
    return random_fast_u64(arg);
}

TEST(chain_four_ways_agree) {
    struct ways *w = ways_new(2);
    CHECK(w);
    random_fast_seed(&dice, 1);
    for (int round = 0; round < 60; round++) {
        enum fork fork = round % 3 ? FORK_CANCUN : FORK_SHANGHAI; // SELFDESTRUCT before and after
        CHECK(ways_world(w, fork, next_seed, &dice) == 0);
        const char *difference = ways_difference(w, next(WAYS_TXS));
        if (difference) FAIL("round %d differs: %s", round, difference);
    }
    ways_free(w);
}

TEST(chain_effects_do_not_hold_on_another_state) {
    setup();
    make_world(FORK_CANCUN);
    begin_block(FORK_CANCUN);
    struct transact_result r;
    struct effects e;
    struct error why;
    bool held;
    struct block_mark mark = block_run_mark(&run);
    CHECK_OK(block_run_tx(&run, &txs[0], &senders[0], &r, &why), &why);
    CHECK_OK(effects_record(&e, &state, &r, &arena, &why), &why);
    CHECK_OK(block_run_apply(&run, &txs[0], &e, &r, &held, &why), &why);
    CHECK(!held); // the nonce has moved on
    block_run_rewind(&run, mark);
    CHECK_OK(block_run_apply(&run, &txs[0], &e, &r, &held, &why), &why);
    CHECK(held);
    teardown();
}

TEST(chain_refuses_what_is_not_valid) {
    setup();
    make_world(FORK_CANCUN);
    begin_block(FORK_CANCUN);
    struct transact_result r;
    struct error why;
    struct tx t = txs[0];
    struct hash before = root_after();
    t.nonce = 7;
    CHECK_OK(block_run_tx(&run, &t, &senders[0], &r, &why), &why);
    CHECK_I64(r.fault, TRANSACT_NONCE_HIGH);
    t = txs[0];
    t.value = U256_MAX;
    CHECK_OK(block_run_tx(&run, &t, &senders[0], &r, &why), &why);
    CHECK_I64(r.fault, TRANSACT_BALANCE);
    t = txs[0];
    t.gas = 20000;
    CHECK_OK(block_run_tx(&run, &t, &senders[0], &r, &why), &why);
    CHECK_I64(r.rules, TX_FAULT_INTRINSIC_GAS);
    t.gas = 40000000;
    CHECK_OK(block_run_tx(&run, &t, &senders[0], &r, &why), &why);
    CHECK_I64(r.rules, TX_FAULT_GAS_LEFT);
    struct address a_contract = play_address(0xc0, 0);
    t = txs[0];
    t.nonce = 1;
    CHECK_OK(block_run_tx(&run, &t, &a_contract, &r, &why), &why);
    CHECK_I64(r.fault, TRANSACT_SENDER_HAS_CODE);
    struct hash after = root_after();
    CHECK_BYTES(BYTES_OF(after), BYTES_OF(before));
    atomic_bool stop = true;
    vm.abort = &stop;
    CHECK_ERR(block_run_tx(&run, &txs[0], &senders[0], &r, &why), ERR_CANCELLED);
    teardown();
}

TEST(chain_deposit_logs) {
    uint8_t data[576] = {0}, request[REQUEST_DEPOSIT_SIZE];
    static const uint16_t offsets[5] = {160, 256, 320, 384, 512}, sizes[5] = {48, 32, 8, 96, 8};
    for (unsigned i = 0; i < 5; i++) {
        store_be16(data + 32 * i + 30, offsets[i]);
        data[offsets[i] + 31] = (uint8_t)sizes[i];
        memset(data + offsets[i] + 32, (int)i + 1, sizes[i]);
    }
    struct error why;
    CHECK_OK(request_from_deposit_log(request, (struct bytes){data, sizeof data}, &why), &why);
    CHECK_U64(request[0], 1);
    CHECK_U64(request[48], 2);
    CHECK_U64(request[191], 5);
    CHECK_ERR(request_from_deposit_log(request, (struct bytes){data, 575}, &why), ERR_INVALID);
    data[31] = 161;
    CHECK_ERR(request_from_deposit_log(request, (struct bytes){data, sizeof data}, &why),
              ERR_INVALID);
}

TEST(chain_difficulty) {
    struct header parent = {.difficulty = u256_from_u64(1 << 20),
                            .timestamp = 100,
                            .number = 10,
                            .ommers_hash = BLOCK_EMPTY_OMMERS};
    CHECK_U64(header_difficulty(FORK_FRONTIER, 112, &parent).w[0], (1 << 20) + 512);
    CHECK_U64(header_difficulty(FORK_FRONTIER, 113, &parent).w[0], (1 << 20) - 512);
    CHECK_U64(header_difficulty(FORK_HOMESTEAD, 109, &parent).w[0], (1 << 20) + 512);
    CHECK_U64(header_difficulty(FORK_HOMESTEAD, 5100, &parent).w[0], (1 << 20) - 99 * 512);
    CHECK_U64(header_difficulty(FORK_BYZANTIUM, 118, &parent).w[0], (1 << 20) - 512);
}

TEST_MAIN()
