/* SPDX-License-Identifier: MIT */
#include "chain/op_fees.h"

#define OP_ADDRESS(LAST)                                                                           \
    {                                                                                              \
        { [0] = 0x42, [19] = (LAST) }                                                              \
    }

const struct address OP_L1_BLOCK = OP_ADDRESS(0x15);
const struct address OP_SEQUENCER_VAULT = OP_ADDRESS(0x11);
const struct address OP_BASE_FEE_VAULT = OP_ADDRESS(0x19);
const struct address OP_L1_FEE_VAULT = OP_ADDRESS(0x1a);
const struct address OP_OPERATOR_VAULT = OP_ADDRESS(0x1b);
const struct address OP_MESSAGE_PASSER = OP_ADDRESS(0x16);

/* Slots of L1Block. */
enum {
    SLOT_BASE_FEE = 1,
    SLOT_SCALARS = 3,
    SLOT_OVERHEAD = 5,
    SLOT_SCALAR = 6,
    SLOT_BLOB_BASE_FEE = 7,
    SLOT_OPERATOR = 8
};

static struct u256 read_slot(struct state *s, struct state_account *a, uint64_t number) {
    const struct u256 key = u256_from_u64(number);
    return state_slot_find(s, a, &key)->value;
}

int op_l1_read(struct op_l1 *ret, struct state *s, struct error *why) {
    struct state_account *a = state_account_find(s, &OP_L1_BLOCK);
    uint8_t scalars[32], operator[32];
    u256_store_be(scalars, read_slot(s, a, SLOT_SCALARS));
    u256_store_be(operator, read_slot(s, a, SLOT_OPERATOR));
    *ret = (struct op_l1){
        .base_fee = read_slot(s, a, SLOT_BASE_FEE),
        .blob_base_fee = read_slot(s, a, SLOT_BLOB_BASE_FEE),
        .base_fee_scalar = load_be32(scalars + 16),
        .blob_base_fee_scalar = load_be32(scalars + 20),
        .overhead = read_slot(s, a, SLOT_OVERHEAD),
        .scalar = read_slot(s, a, SLOT_SCALAR),
        .operator_fee_scalar = load_be32(operator+ 20),
        .operator_fee_constant = load_be64(operator+ 24),
        .da_footprint_scalar = load_be16(operator+ 18),
    };
    return state_check(s, why);
}

static int cost(void *ctx, struct evm *vm, const struct tx *t, struct u256 *ret,
                struct error *why) {
    const struct op_config *c = ctx;
    struct op_l1 l1;
    int r = op_l1_read(&l1, vm->state, why);
    if (r != 0) return r;
    enum op_fork fork = op_fork_at(c, vm->block.timestamp);
    struct op_weight w = op_weigh(t->raw);
    *ret = u256_add(op_l1_fee(fork, &l1, &w), op_operator_fee(fork, &l1, t->gas));
    return 0;
}

static void pay(struct state *s, const struct address *to, struct u256 amount) {
    if (!u256_is_zero(amount)) state_add_balance(s, state_account_find(s, to), amount);
}

static int settle(void *ctx, struct evm *vm, const struct tx *t, const struct address *sender,
                  uint64_t gas_used, struct u256 paid, struct error *why) {
    const struct op_config *c = ctx;
    struct state *s = vm->state;
    struct op_l1 l1;
    int r = op_l1_read(&l1, s, why);
    if (r != 0) return r;
    enum op_fork fork = op_fork_at(c, vm->block.timestamp);
    // The transaction cannot have changed the numbers: only the deposits' own account may.
    struct u256 most = op_operator_fee(fork, &l1, t->gas);
    struct u256 operator= op_operator_fee(fork, &l1, gas_used);
    pay(s, &OP_L1_FEE_VAULT, u256_sub(paid, most));
    pay(s, &OP_OPERATOR_VAULT, operator);
    pay(s, sender, u256_sub(most, operator));
    pay(s, &OP_BASE_FEE_VAULT, u256_mul(vm->block.base_fee, u256_from_u64(gas_used)));
    return state_check(s, why);
}

struct transact_surcharge op_surcharge(const struct op_config *config) {
    return (struct transact_surcharge){(void *)(uintptr_t)config, cost, settle};
}
