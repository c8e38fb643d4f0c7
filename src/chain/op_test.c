/* A rollup's blocks: deposits first, fees of data and operator, base fee parameters in extra data,
 * the message passer's storage as withdrawals root. SPDX-License-Identifier: MIT */
#include "chain/op_fees.h"

#include "chain/play.h"
#include "test/harness/test.h"

#define GAS_LIMIT 25000000u
#define TXS 3

static struct play play;
static struct head *head;
static struct producer *producer;
static struct arena arena;
static struct tx txs[1 + TXS];
static const struct tx *list[1 + TXS];

// A contract that keeps its first word of input in slot 1: the message passer here.
static const uint8_t keeper[] = {0x5f, 0x35, 0x60, 0x01, 0x55};

static void begin(enum op_fork last) {
    struct error why;
    arena_init(&arena, 0);
    CHECK_OK(play_init(&play, 4, FORK_PRAGUE, &why), &why);
    struct op_config *op = &play.genesis.config.op;
    *op = (struct op_config){
        .enabled = true, .elasticity = 6, .denominator = 50, .denominator_canyon = 250};
    for (unsigned f = 0; f < OP_FORK_COUNT; f++) {
        op->activation[f] = f <= last ? 0 : FORK_NEVER;
    }
    size_t n = play.genesis.account_count;
    struct genesis_account *all = arena_new_array(&arena, struct genesis_account, n + 2);
    struct genesis_slot *slots = arena_new_array(&arena, struct genesis_slot, 4);
    CHECK(all && slots);
    memcpy(all, play.genesis.accounts, n * sizeof *all);
    slots[0] = (struct genesis_slot){{{[31] = 1}}, u256_from_u64(1000000000)};
    slots[1] = (struct genesis_slot){{{[31] = 3}}, {{0, 2000000ull << 32 | 300000, 0, 0}}};
    slots[2] = (struct genesis_slot){{{[31] = 7}}, u256_from_u64(10000000)};
    slots[3] = (struct genesis_slot){{{[31] = 8}}, {{500, 7000000, 0, 0}}};
    all[n] = (struct genesis_account){
        .address = OP_L1_BLOCK, .nonce = 1, .slots = slots, .slot_count = 4};
    struct genesis_slot *sent = arena_new_array(&arena, struct genesis_slot, 1);
    CHECK(sent);
    sent[0] = (struct genesis_slot){{{[31] = 8}}, U256_ONE};
    all[n + 1] = (struct genesis_account){.address = OP_MESSAGE_PASSER,
                                          .nonce = 1,
                                          .code = bytes_make(keeper, sizeof keeper),
                                          .slots = sent,
                                          .slot_count = 1};
    play.genesis.accounts = all;
    play.genesis.account_count = n + 2;
    play.genesis.header.extra_data = last >= OP_JOVIAN
                                         ? BYTES_LIT("\1\0\0\0\xfa\0\0\0\6\0\0\0\0\0\0\0\7")
                                         : BYTES_LIT("\0\0\0\0\xfa\0\0\0\6");
    const struct head_options options = {.genesis = &play.genesis};
    CHECK_OK(head_open(&head, &options, &why), &why);
    CHECK_OK(producer_new(&producer, head, NULL, &why), &why);
}

static void end(void) {
    producer_free(producer);
    head_close(head);
    play_free(&play);
    arena_free(&arena);
}

static struct u256 balance_of(const struct hash *block, const struct address *who) {
    struct head_view *v;
    struct state_base_account a;
    struct error why;
    CHECK_OK(head_view_open(head, &v, block, &why), &why);
    CHECK_OK(head_view_account(v, &a, who, &why), &why);
    head_view_close(v);
    return a.balance;
}

// A deposit that mints and writes to the message passer, and transactions of the first sender.
static void make_txs(void) {
    struct error why;
    uint8_t word[32] = {[31] = 9};
    txs[0] = (struct tx){.type = TX_DEPOSIT,
                         .has_to = true,
                         .protected = true,
                         .gas = 1000000,
                         .to = OP_MESSAGE_PASSER,
                         .data = arena_copy(&arena, bytes_make(word, 32)),
                         .deposit = {.from = play.senders[1], .mint = u256_from_u64(77)}};
    CHECK_OK(tx_seal(&txs[0], &arena, &why), &why);
    for (unsigned i = 1; i <= TXS; i++) {
        txs[i] = (struct tx){.type = TX_FEE_MARKET,
                             .has_to = true,
                             .protected = true,
                             .chain_id = 1,
                             .nonce = i - 1,
                             .gas = 50000,
                             .max_fee = u256_from_u64(1000000),
                             .max_priority_fee = u256_from_u64(5),
                             .to = play_address(0xa0, 50)};
        CHECK_OK(tx_sign(&txs[i], play.signer, &play.keys[0], &arena, &why), &why);
    }
    for (unsigned i = 0; i <= TXS; i++) {
        list[i] = &txs[i];
    }
}

static struct produced make_block(bool minimum) {
    struct error why;
    struct produced made;
    const struct head_block *parent = head_latest(head);
    const struct produce_attributes attributes = {
        .timestamp = parent->block.header.timestamp + 2,
        .fee_recipient = OP_SEQUENCER_VAULT,
        .gas_limit = GAS_LIMIT, // no step of a 1024th
        .base_fee = {.denominator = 100, .elasticity = 4, .has_minimum = minimum, .minimum = 9},
    };
    CHECK_OK(producer_begin(producer, &parent->hash, &attributes, &why), &why);
    head_block_release(parent);
    for (unsigned i = 0; i <= TXS; i++) {
        struct transact_result r;
        const struct address *sender = i ? &play.senders[0] : &play.senders[1];
        CHECK_OK(block_run_tx(producer_run(producer), &txs[i], sender, &r, &why), &why);
        CHECK_STR(transact_fault_text(&r), "valid");
    }
    CHECK_OK(producer_seal(producer, &made, list, 1 + TXS, &arena, &why), &why);
    return made;
}

static void check_fees(enum op_fork fork) {
    struct head_verdict v;
    struct error why;
    begin(fork);
    make_txs();
    struct produced made = make_block(fork >= OP_JOVIAN);
    CHECK_OK(head_import(head, &v, made.rlp, &why), &why);
    if (v.status != HEAD_VALID) FAIL("%s", v.reason.text);
    const struct header *h = &made.header;
    CHECK_U64(h->gas_limit, GAS_LIMIT);
    CHECK_U64(h->extra_data.n, fork >= OP_JOVIAN ? 17 : 9);
    CHECK_U64(load_be32(h->extra_data.p + 1), 100);
    const struct head_block *first = head_genesis(head);
    const struct hash *sent_before = &first->block.header.withdrawals_root;
    CHECK(!hash_equal(sent_before, &TRIE_EMPTY_ROOT));
    CHECK(!hash_equal(&h->withdrawals_root, sent_before)); // the deposit has sent something
    head_block_release(first);
    struct op_l1 l1 = {.base_fee = u256_from_u64(1000000000),
                       .blob_base_fee = u256_from_u64(10000000),
                       .base_fee_scalar = 2000000,
                       .blob_base_fee_scalar = 300000,
                       .operator_fee_scalar = 7000000,
                       .operator_fee_constant = 500};
    struct u256 data = U256_ZERO, operator= U256_ZERO, gas = U256_ZERO;
    uint64_t footprint = 0;
    for (unsigned i = 1; i <= TXS; i++) {
        struct op_weight w = op_weigh(txs[i].raw);
        data = u256_add(data, op_l1_fee(fork, &l1, &w));
        operator= u256_add(operator, op_operator_fee(fork, &l1, 21000));
        gas = u256_add(gas, u256_from_u64(21000));
        footprint += op_da_footprint(&l1, &w);
    }
    struct hash genesis = h->parent_hash;
    struct u256 base = u256_mul(h->base_fee, gas), tip = u256_mul(u256_from_u64(5), gas);
    CHECK(u256_equal(balance_of(&made.hash, &OP_L1_FEE_VAULT), data));
    CHECK(u256_equal(balance_of(&made.hash, &OP_OPERATOR_VAULT), operator));
    CHECK(u256_equal(balance_of(&made.hash, &OP_BASE_FEE_VAULT), base));
    CHECK(u256_equal(balance_of(&made.hash, &OP_SEQUENCER_VAULT), tip));
    struct u256 spent =
        u256_sub(balance_of(&genesis, &play.senders[0]), balance_of(&made.hash, &play.senders[0]));
    CHECK(u256_equal(spent, u256_add(u256_add(data, operator), u256_add(base, tip))));
    struct u256 minted =
        u256_sub(balance_of(&made.hash, &play.senders[1]), balance_of(&genesis, &play.senders[1]));
    CHECK_U64(minted.w[0], 77);
    CHECK_U64(h->blob_gas_used, fork >= OP_JOVIAN ? footprint : 0);

    // What is wrong in the rollup's own fields is found.
    struct block block;
    CHECK_OK(block_decode(&block, made.rlp, &arena, &why), &why);
    block.header.withdrawals_root.b[0] ^= 1;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_STR(v.reason.text, "withdrawals root differs from the header's");
    block.header.withdrawals_root.b[0] ^= 1;
    block.header.extra_data.n--;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_STR(v.reason.text, "extra data is not of the fork's form");
    end();
}

TEST(op_deposits_are_of_rollups_only) {
    struct error why;
    struct transact_result r;
    begin(OP_ISTHMUS);
    end();
    arena_init(&arena, 0);
    CHECK_OK(play_init(&play, 4, FORK_PRAGUE, &why), &why);
    const struct head_options options = {.genesis = &play.genesis};
    CHECK_OK(head_open(&head, &options, &why), &why);
    CHECK_OK(producer_new(&producer, head, NULL, &why), &why);
    make_txs();
    const struct head_block *parent = head_latest(head);
    const struct produce_attributes attributes = {.timestamp = parent->block.header.timestamp + 12};
    CHECK_OK(producer_begin(producer, &parent->hash, &attributes, &why), &why);
    head_block_release(parent);
    CHECK_OK(block_run_tx(producer_run(producer), &txs[0], &play.senders[1], &r, &why), &why);
    CHECK_I64(r.fault, TRANSACT_RULES);
    CHECK_I64(r.rules, TX_FAULT_TYPE);
    end();
}

// What cannot begin is no less in the block: with its mint, its nonce, and all its gas.
TEST(op_deposits_that_cannot_begin_use_all_their_gas) {
    static uint8_t ones[49153];
    static const struct {
        uint64_t gas, value, data_size;
        bool creates, runs;
        uint64_t gas_used;
    } cases[] = {
        {100000, 7, 0, false, true, 21000},
        {100000, 8, 0, false, false, 100000},  // more than the mint brought
        {20999, 0, 0, false, false, 20999},    // intrinsic gas
        {50000, 0, 1000, false, false, 50000}, // floor: 61000
        {61000, 0, 1000, false, true, 61000},
        {9000000, 0, 49153, true, false, 9000000}, // too much of initcode
    };
    struct error why;
    memset(ones, 1, sizeof ones);
    begin(OP_ISTHMUS);
    const struct head_block *parent = head_latest(head);
    const struct produce_attributes attributes = {
        .timestamp = parent->block.header.timestamp + 2,
        .fee_recipient = OP_SEQUENCER_VAULT,
        .gas_limit = GAS_LIMIT,
        .base_fee = {.denominator = 100, .elasticity = 4},
    };
    CHECK_OK(producer_begin(producer, &parent->hash, &attributes, &why), &why);
    head_block_release(parent);
    struct block_run *run = producer_run(producer);
    struct state *s = run->vm->state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct address from = play_address(0xd0, i);
        struct transact_result r;
        struct tx t = {.type = TX_DEPOSIT,
                       .has_to = !cases[i].creates,
                       .protected = true,
                       .gas = cases[i].gas,
                       .value = u256_from_u64(cases[i].value),
                       .to = play_address(0xa0, 60),
                       .data = bytes_make(ones, cases[i].data_size),
                       .deposit = {.from = from, .mint = u256_from_u64(7)}};
        CHECK_OK(tx_seal(&t, &arena, &why), &why);
        CHECK_OK(block_run_tx(run, &t, &from, &r, &why), &why);
        CHECK_STR(transact_fault_text(&r), "valid");
        CHECK((r.status == EVM_SUCCESS) == cases[i].runs);
        CHECK_U64(r.gas_used, cases[i].gas_used);
        CHECK_U64(run->entries[i].deposit_nonce, 0);
        struct state_account *a = state_account_find(s, &from);
        CHECK_U64(state_nonce(a), 1);
        CHECK_U64(state_balance(a).w[0], cases[i].runs ? 7 - cases[i].value : 7);
    }
    // Only room for its gas it needs.
    struct transact_result r;
    struct tx t = {.type = TX_DEPOSIT, .has_to = true, .protected = true, .gas = GAS_LIMIT};
    CHECK_OK(tx_seal(&t, &arena, &why), &why);
    CHECK_OK(block_run_tx(run, &t, &t.deposit.from, &r, &why), &why);
    CHECK_I64(r.rules, TX_FAULT_GAS_LEFT);
    end();
}

TEST(op_blocks_of_isthmus) {
    check_fees(OP_ISTHMUS);
}

TEST(op_blocks_of_jovian) {
    check_fees(OP_JOVIAN);
}

TEST_MAIN()
