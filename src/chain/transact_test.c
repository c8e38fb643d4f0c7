/* Transactions by the letter of their EIPs: delegations (7702), the floor of calldata (7623), the
 * cap of gas (7825), calls of the protocol itself. SPDX-License-Identifier: MIT */
#include "chain/transact.h"

#include "crypto/ecdsa.h"
#include "evm/opcode.h"
#include "evm/precompile.h"
#include "test/harness/test.h"

#define GAS 300000
#define ALONE 46000 // 21,000 and one tuple

static struct evm vm;
static struct state state;
static struct evm_code_cache *codes;
static struct precompiles *precompiles;
static struct ecdsa_signer *signer;
static struct ecdsa_secret_key keys[4];
static struct address who[4]; // 0 sends
static struct transact_context context;
static struct error why;

static const struct address contract = {{[0] = 0xc0, [19] = 1}}, other = {{[0] = 0xc0, [19] = 2}};
// Returns the address in whose name it runs.
static const uint8_t tells_self[] = {OP_ADDRESS, OP_PUSH0, OP_MSTORE, 0x60,
                                     32,         OP_PUSH0, OP_RETURN};
#define SELF_GAS 15
static const uint8_t reverts[] = {OP_PUSH0, OP_PUSH0, OP_REVERT};

static struct state_account *at(const struct address *a) {
    return state_account_find(&state, a);
}

static void put(const struct address *a, struct bytes code, uint64_t nonce, uint64_t balance) {
    state_begin(&state);
    state_set_balance(&state, at(a), u256_from_u64(balance));
    state_set_nonce(&state, at(a), nonce);
    if (code.n) state_set_code(&state, at(a), code);
    state_end(&state, false);
    state_commit(&state);
}

static void begin(enum fork fork) {
    codes = evm_code_cache_new();
    CHECK(codes != NULL);
    CHECK_OK(precompiles_new(&precompiles, &why), &why);
    CHECK_OK(state_init(&state, STATE_NOTHING, codes, &why), &why);
    CHECK_OK(evm_init(&vm, codes, precompiles, &why), &why);
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    for (uint8_t i = 0; i < 4; i++) {
        struct ecdsa_public_key key;
        keys[i] = (struct ecdsa_secret_key){{[31] = (uint8_t)(i + 1)}};
        CHECK_OK(ecdsa_public_key_of(signer, &key, &keys[i], &why), &why);
        who[i] = ecdsa_address(&key);
    }
    evm_use(&vm, &state, fork);
    vm.block = (struct evm_block){.chain_id = 1, .gas_limit = 60000000, .coinbase = {{0xcb}}};
    context = (struct transact_context){.rules = fork_rules_of(fork), .gas_left = 60000000};
    put(&who[0], BYTES_LIT(""), 0, UINT64_C(1) << 60);
    put(&contract, bytes_make(tells_self, sizeof tells_self), 1, 0);
    put(&other, bytes_make(reverts, sizeof reverts), 1, 0);
}

static void end(void) {
    ecdsa_signer_free(signer);
    evm_free(&vm);
    state_free(&state);
    precompiles_free(precompiles);
    evm_code_cache_free(codes);
}

static struct tx_authorization sign(unsigned authority, uint64_t nonce, struct address to) {
    struct tx_authorization a = {.chain_id = U256_ONE, .address = to, .nonce = nonce};
    struct hash digest = tx_authorization_hash(&a);
    CHECK_OK(ecdsa_sign(signer, &a.signature, &digest, &keys[authority], &why), &why);
    return a;
}

static struct transact_result send(const struct tx *t) {
    struct transact_result r;
    struct tx whole = *t;
    whole.chain_id = 1;
    whole.protected = true;
    whole.signature.r[31] = whole.signature.s[31] = 1;
    whole.nonce = state_nonce(at(&who[0]));
    CHECK_OK(transact_run(&vm, &context, &whole, &who[0], &r, &why), &why);
    return r;
}

static struct transact_result set_code(const struct address *to,
                                       const struct tx_authorization *tuples, size_t n,
                                       struct bytes data) {
    struct tx t = {.type = TX_SET_CODE,
                   .has_to = true,
                   .to = *to,
                   .gas = GAS,
                   .data = data,
                   .authorizations = tuples,
                   .authorization_count = n};
    struct transact_result r = send(&t);
    CHECK_STR(transact_fault_text(&r), "valid");
    return r;
}

static bool points_to(const struct address *a, const struct address *to) {
    const struct evm_code *code = state_code(&state, at(a));
    return code->size == 23 && code->delegates && address_equal(&code->delegate, to);
}

TEST(a_delegation_is_followed_once) {
    begin(FORK_PRAGUE);
    struct tx_authorization one = sign(1, 0, contract);
    struct transact_result r = set_code(&who[1], &one, 1, BYTES_LIT(""));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(r.gas_used, ALONE + SELF_GAS);
    CHECK_U64(r.gas_refunded, 0); // the authority did not exist
    CHECK(r.output.n == 32 && memcmp(r.output.p + 12, who[1].b, 20) == 0);
    CHECK(points_to(&who[1], &contract));
    CHECK_U64(state_nonce(at(&who[1])), 1);
    // One that exists gives 12,500 back, of which a fifth of all that was used counts.
    struct tx_authorization two = sign(1, 1, contract);
    r = set_code(&who[1], &two, 1, BYTES_LIT(""));
    CHECK_U64(r.gas_refunded, (ALONE + SELF_GAS) / 5);
    CHECK_U64(r.gas_used, ALONE + SELF_GAS - r.gas_refunded);
    // What a delegation leads to is run as it is: another designator is no code.
    struct tx_authorization chain[] = {sign(2, 0, who[1])};
    r = set_code(&who[2], chain, 1, BYTES_LIT(""));
    CHECK_I64(r.status, EVM_UNDEFINED_OPCODE);
    CHECK_U64(r.gas_used, GAS);
    CHECK(points_to(&who[2], &who[1])); // and stays
    struct tx_authorization self = sign(3, 0, who[3]);
    CHECK_I64(set_code(&who[3], &self, 1, BYTES_LIT("")).status, EVM_UNDEFINED_OPCODE);
    CHECK(points_to(&who[3], &who[3]));
    end();
}

TEST(a_delegation_to_a_precompiled_contract_runs_nothing) {
    begin(FORK_PRAGUE);
    const struct address identity = {{[19] = 4}};
    struct tx_authorization a = sign(1, 0, identity);
    struct transact_result r = set_code(&who[1], &a, 1, BYTES_LIT("\1\2\3\4"));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(r.output.n, 0);
    CHECK_U64(r.gas_used, ALONE + 4 * 16);
    end();
}

TEST(a_tuple_that_does_not_hold_is_passed_over) {
    begin(FORK_PRAGUE);
    put(&who[2], BYTES_LIT("\x60\0"), 0, 0); // has code of its own
    put(&who[3], BYTES_LIT(""), UINT64_MAX - 1, 0);
    struct tx_authorization bad[8];
    for (size_t i = 0; i < 8; i++) {
        bad[i] = sign(1, 0, contract);
    }
    bad[0].chain_id = u256_from_u64(2); // another chain
    bad[1].chain_id = (struct u256){{1, 1, 0, 0}};
    bad[2] = sign(1, 1, contract); // another nonce
    bad[3] = sign(1, UINT64_MAX, contract);
    bad[4].signature.y_parity = 2;
    memset(bad[5].signature.r, 0, 32);
    memset(bad[6].signature.s, 0xff, 32); // above n/2
    bad[7] = sign(2, 0, contract);
    struct transact_result r = set_code(&contract, bad, 8, BYTES_LIT(""));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK_U64(r.gas_used, (21000 + 8 * 25000 + SELF_GAS));
    CHECK_U64(state_code(&state, at(&who[1]))->size, 0);
    CHECK_U64(state_nonce(at(&who[1])), 0);
    CHECK_U64(state_code(&state, at(&who[2]))->size, 2);
    // The last nonce that there is.
    struct tx_authorization last[] = {sign(3, UINT64_MAX - 1, contract),
                                      sign(3, UINT64_MAX, other)};
    (void)set_code(&contract, last, 2, BYTES_LIT(""));
    CHECK(points_to(&who[3], &contract));
    CHECK_U64(state_nonce(at(&who[3])), UINT64_MAX);
    end();
}

TEST(tuples_take_effect_one_after_the_other) {
    begin(FORK_PRAGUE);
    struct tx_authorization any = sign(2, 0, contract);
    any.chain_id = U256_ZERO;
    struct hash digest = tx_authorization_hash(&any);
    CHECK_OK(ecdsa_sign(signer, &any.signature, &digest, &keys[2], &why), &why);
    struct tx_authorization all[] = {
        sign(1, 0, contract), sign(1, 0, who[3]), // the second has the nonce of before
        sign(1, 1, other),    any,
        sign(0, 0, contract), // the sender's nonce has been counted already
        sign(0, 1, other)};
    struct transact_result r = set_code(&who[1], all, 6, BYTES_LIT(""));
    CHECK_I64(r.status, EVM_REVERT); // what `other` does
    CHECK(points_to(&who[1], &other));
    CHECK_U64(state_nonce(at(&who[1])), 2);
    CHECK(points_to(&who[2], &contract)); // chain 0 is any chain
    CHECK(points_to(&who[0], &other));
    CHECK_U64(state_nonce(at(&who[0])), 2);
    // A delegated sender may send, and the zero address takes a delegation away.
    struct tx_authorization none = sign(0, 3, (struct address){{0}});
    r = set_code(&contract, &none, 1, BYTES_LIT(""));
    CHECK_I64(r.status, EVM_SUCCESS);
    CHECK(hash_equal(state_code_hash(at(&who[0])), &STATE_EMPTY_CODE_HASH));
    CHECK_U64(state_nonce(at(&who[0])), 4);
    struct tx t = {.type = TX_SET_CODE, .has_to = true, .to = contract, .gas = GAS};
    CHECK_I64(send(&t).rules, TX_FAULT_SET_CODE_NONE);
    t.authorizations = &none;
    t.authorization_count = 1;
    t.has_to = false;
    CHECK_I64(send(&t).rules, TX_FAULT_SET_CODE_TO);
    end();
}

TEST(calldata_costs_its_floor_whatever_is_refunded) {
    static const uint8_t clears[] = {OP_PUSH0, OP_PUSH0, OP_SSTORE};
    static uint8_t data[1000];
    begin(FORK_PRAGUE);
    put(&other, bytes_make(clears, sizeof clears), 1, 0);
    memset(data, 1, sizeof data);
    for (unsigned round = 0; round < 2; round++) {
        struct u256 zero = U256_ZERO;
        state_begin(&state);
        struct state_slot *slot = state_slot_find(&state, at(&other), &zero);
        state_slot_set(&state, slot, U256_ONE);
        state_end(&state, true);
        struct tx t = {.type = TX_FEE_MARKET,
                       .has_to = true,
                       .to = other,
                       .data = bytes_make(data, round ? 100 : sizeof data)};
        uint64_t floor = 21000 + 40 * t.data.n, used = 21000 + 16 * t.data.n + 2 + 2 + 5000;
        t.gas = floor - 1;
        if (floor > used) CHECK_I64(send(&t).fault, TRANSACT_RULES);
        t.gas = floor > used ? floor : used;
        struct transact_result r = send(&t);
        CHECK_STR(transact_fault_text(&r), "valid");
        CHECK_I64(r.status, EVM_SUCCESS);
        CHECK_U64(r.gas_refunded, 4800);
        CHECK_U64(r.gas_peak, floor > used ? floor : used);
        CHECK_U64(r.gas_used, used - 4800 > floor ? used - 4800 : floor);
    }
    end();
}

TEST(a_transaction_has_at_most_2_to_the_24_gas_from_osaka_on) {
    static const enum fork forks[] = {FORK_PRAGUE, FORK_OSAKA};
    for (unsigned i = 0; i < 2; i++) {
        begin(forks[i]);
        struct tx t = {.type = TX_FEE_MARKET, .has_to = true, .to = contract, .gas = 1 << 24};
        CHECK_I64(send(&t).fault, TRANSACT_VALID);
        t.gas++;
        struct transact_result r = send(&t);
        CHECK(i == 0 ? r.fault == TRANSACT_VALID
                     : r.fault == TRANSACT_RULES && r.rules == TX_FAULT_GAS_CAP);
        end();
    }
}

TEST(calls_of_the_protocol_may_fail_and_leave_nothing) {
    static const uint8_t stores_and_fails[] = {0x60, 1, OP_PUSH0, OP_SSTORE, OP_INVALID};
    const struct address nowhere = {{[0] = 0xdd}};
    struct evm_result r;
    bool missing;
    begin(FORK_OSAKA);
    CHECK_OK(transact_system_call(&vm, &nowhere, BYTES_LIT(""), &r, &missing, &why), &why);
    CHECK(missing && r.status == EVM_SUCCESS && r.output.n == 0);
    put(&other, bytes_make(stores_and_fails, sizeof stores_and_fails), 1, 0);
    CHECK_OK(transact_system_call(&vm, &other, BYTES_LIT("x"), &r, &missing, &why), &why);
    CHECK(!missing);
    CHECK_I64(r.status, EVM_INVALID_OPCODE);
    struct u256 zero = U256_ZERO;
    CHECK(u256_is_zero(state_slot_find(&state, at(&other), &zero)->value));
    // Who calls is the system, which gets no account of it.
    static const uint8_t tells_caller[] = {OP_CALLER, OP_PUSH0, OP_MSTORE, 0x60,
                                           32,        OP_PUSH0, OP_RETURN};
    put(&other, bytes_make(tells_caller, sizeof tells_caller), 1, 0);
    CHECK_OK(transact_system_call(&vm, &other, BYTES_LIT(""), &r, &missing, &why), &why);
    CHECK(r.output.n == 32 && r.output.p[12] == 0xff && r.output.p[31] == 0xfe);
    CHECK_I64(r.gas_left, 30000000 - SELF_GAS);
    struct address caller;
    memcpy(caller.b, r.output.p + 12, 20);
    state_begin(&state);
    CHECK(!state_exists(at(&caller)));
    end();
}

TEST_MAIN()
