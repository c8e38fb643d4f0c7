/* SPDX-License-Identifier: MIT */
#include "eth/tx_check.h"

#include "test/harness/test.h"

static const struct hash versioned[7] = {{{1}}, {{1}}, {{1}}, {{1}}, {{1}}, {{1}}, {{1}}};
static const struct hash unversioned = {{2}};
static const struct tx_authorization auth;

static struct tx plain(enum tx_type type) {
    struct tx t = {.type = type,
                   .protected = true,
                   .chain_id = 1,
                   .has_to = true,
                   .gas = 100000,
                   .max_fee = u256_from_u64(10),
                   .max_priority_fee = u256_from_u64(1),
                   .signature = {.r = {[31] = 1}, .s = {[31] = 1}}};
    if (type == TX_BLOB) t.blob_hashes = versioned, t.blob_count = 1;
    if (type == TX_SET_CODE) t.authorizations = &auth, t.authorization_count = 1;
    return t;
}

static enum tx_fault judge(const struct tx *t, enum fork f) {
    return tx_check_static(t, fork_rules_of(f), 1);
}

TEST(types_arrive_fork_by_fork) {
    static const enum fork first[] = {FORK_FRONTIER, FORK_BERLIN, FORK_LONDON, FORK_CANCUN,
                                      FORK_PRAGUE};
    for (int type = TX_LEGACY; type <= TX_SET_CODE; type++) {
        struct tx t = plain((enum tx_type)type);
        if (type == TX_LEGACY) t.protected = false;
        for (int f = 0; f < FORK_COUNT; f++) {
            CHECK_U64(judge(&t, (enum fork)f), f < (int)first[type] ? TX_FAULT_TYPE : TX_VALID);
        }
    }
    struct tx deposit = plain(TX_DEPOSIT);
    CHECK_U64(judge(&deposit, FORK_OSAKA), TX_FAULT_TYPE);
}

TEST(each_static_fault_has_its_case) {
    struct tx t = plain(TX_LEGACY);
    CHECK_U64(judge(&t, FORK_TANGERINE), TX_FAULT_REPLAY_PROTECTION);
    t.chain_id = 2;
    CHECK_U64(judge(&t, FORK_SPURIOUS), TX_FAULT_CHAIN_ID);
    t = plain(TX_FEE_MARKET);
    t.signature.r[31] = 0;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_SIGNATURE);
    t = plain(TX_FEE_MARKET);
    memset(t.signature.s, 0xff, 32);
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_SIGNATURE);
    t.signature.s[0] = 0x80;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_SIGNATURE_HIGH_S);
    t.type = TX_LEGACY, t.protected = false;
    CHECK_U64(judge(&t, FORK_FRONTIER), TX_VALID);
    t = plain(TX_FEE_MARKET);
    t.nonce = UINT64_MAX;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_NONCE_MAX);
    t = plain(TX_FEE_MARKET);
    t.gas = (1u << 24) + 1;
    CHECK_U64(judge(&t, FORK_PRAGUE), TX_VALID);
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_GAS_CAP);
    t = plain(TX_FEE_MARKET);
    t.max_priority_fee = u256_from_u64(11);
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_PRIORITY_ABOVE_MAX);
    t = plain(TX_BLOB);
    t.has_to = false;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_BLOB_TO);
    t = plain(TX_BLOB);
    t.blob_count = 0;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_BLOB_NONE);
    t.blob_count = 7;
    CHECK_U64(judge(&t, FORK_PRAGUE), TX_VALID);
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_BLOB_COUNT);
    t.blob_hashes = &unversioned, t.blob_count = 1;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_BLOB_VERSION);
    t = plain(TX_SET_CODE);
    t.has_to = false;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_SET_CODE_TO);
    t = plain(TX_SET_CODE);
    t.authorization_count = 0;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_SET_CODE_NONE);
    t = plain(TX_FEE_MARKET);
    t.value = U256_MAX; // cannot be paid, which is the state's matter
    CHECK_U64(judge(&t, FORK_OSAKA), TX_VALID);
    t.max_fee = U256_MAX;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_COST_OVERFLOW);
    t = plain(TX_FEE_MARKET);
    t.gas = 20999;
    CHECK_U64(judge(&t, FORK_OSAKA), TX_FAULT_INTRINSIC_GAS);
    static const uint8_t data[49153] = {0};
    t = plain(TX_FEE_MARKET);
    t.has_to = false, t.gas = 10000000, t.data = bytes_make(data, 49153);
    CHECK_U64(judge(&t, FORK_PARIS), TX_VALID);
    CHECK_U64(judge(&t, FORK_SHANGHAI), TX_FAULT_INITCODE);
    t.data.n--;
    CHECK_U64(judge(&t, FORK_SHANGHAI), TX_VALID);
    t = plain(TX_FEE_MARKET);
    t.data = bytes_make(data, 1000), t.gas = 21000 + 4 * 1000;
    CHECK_U64(judge(&t, FORK_CANCUN), TX_VALID);
    CHECK_U64(judge(&t, FORK_PRAGUE), TX_FAULT_FLOOR_GAS);
    t.gas = 21000 + 10 * 1000;
    CHECK_U64(judge(&t, FORK_PRAGUE), TX_VALID);
}

TEST(room_of_a_block) {
    const struct tx_room room = {u256_from_u64(10), u256_from_u64(5), 100000, 2 * GAS_PER_BLOB};
    struct tx t = plain(TX_BLOB);
    t.max_blob_fee = u256_from_u64(5);
    t.blob_count = 2;
    CHECK_U64(tx_check_room(&t, &room), TX_VALID);
    t.blob_count = 3;
    CHECK_U64(tx_check_room(&t, &room), TX_FAULT_BLOB_GAS_LEFT);
    t.max_blob_fee = u256_from_u64(4);
    CHECK_U64(tx_check_room(&t, &room), TX_FAULT_BLOB_FEE_BELOW_BASE);
    t = plain(TX_FEE_MARKET);
    t.gas++;
    CHECK_U64(tx_check_room(&t, &room), TX_FAULT_GAS_LEFT);
    t.max_fee = u256_from_u64(9);
    CHECK_U64(tx_check_room(&t, &room), TX_FAULT_FEE_BELOW_BASE);
}

TEST(prices_and_costs) {
    struct tx t = plain(TX_BLOB);
    t.max_blob_fee = u256_from_u64(2);
    t.value = u256_from_u64(3);
    struct u256 cost;
    CHECK(tx_max_cost(&cost, &t));
    CHECK_U64(cost.w[0], 100000 * 10 + 131072 * 2 + 3);
    CHECK_U64(tx_effective_price(&t, u256_from_u64(4)).w[0], 5);
    CHECK_U64(tx_effective_price(&t, u256_from_u64(10)).w[0], 10);
    t.max_priority_fee = t.max_fee = U256_MAX;
    CHECK(u256_equal(tx_effective_price(&t, u256_from_u64(4)), U256_MAX));
    CHECK(!tx_max_cost(&cost, &t));
}

TEST(intrinsic_gas_counts_everything) {
    static const uint8_t data[] = {0, 0, 1, 2, 3};
    const struct tx_access access[2] = {{.key_count = 3}, {.key_count = 0}};
    struct tx t = plain(TX_SET_CODE);
    t.data = bytes_make(data, 5);
    t.access = access, t.access_count = 2;
    uint64_t lists = 2 * 2400 + 3 * 1900 + 25000;
    CHECK_U64(tx_intrinsic_gas(&t, fork_rules_of(FORK_OSAKA)), 21000 + 2 * 4 + 3 * 16 + lists);
    CHECK_U64(tx_intrinsic_gas(&t, fork_rules_of(FORK_HOMESTEAD)), 21000 + 2 * 4 + 3 * 68 + lists);
    t.has_to = false;
    CHECK_U64(tx_intrinsic_gas(&t, fork_rules_of(FORK_OSAKA)), 21000 + 56 + lists + 32000 + 2);
    CHECK_U64(tx_floor_gas(&t, fork_rules_of(FORK_OSAKA)), 21000 + 10 * (2 + 12));
    CHECK_U64(tx_floor_gas(&t, fork_rules_of(FORK_CANCUN)), 0);
}

TEST(faults_have_names) {
    for (int f = 0; f < TX_FAULT_COUNT; f++) {
        CHECK(tx_fault_name((enum tx_fault)f) && tx_fault_text((enum tx_fault)f));
    }
}

TEST_MAIN()
