/* SPDX-License-Identifier: MIT */
#include "eth/op.h"

#define MILLION 1000000u
#define DA_FOOTPRINT_SCALAR 400u
#define BEDROCK_SIGNATURE_BYTES 68u // an allowance for what was not signed yet

enum op_fork op_fork_at(const struct op_config *c, uint64_t timestamp) {
    enum op_fork fork = OP_BEDROCK;
    for (unsigned f = OP_REGOLITH; f < OP_FORK_COUNT; f++) {
        if (timestamp >= c->activation[f]) fork = (enum op_fork)f;
    }
    return fork;
}

/* Base fee parameters. */

static struct op_base_fee default_parameters(const struct op_config *c, enum op_fork fork) {
    return (struct op_base_fee){
        .denominator = fork >= OP_CANYON ? c->denominator_canyon : c->denominator,
        .elasticity = c->elasticity,
    };
}

int op_extra_data(uint8_t ret[OP_EXTRA_DATA_MAX], size_t *ret_n, const struct op_config *c,
                  uint64_t timestamp, const struct op_base_fee *p, struct error *why) {
    enum op_fork fork = op_fork_at(c, timestamp);
    struct op_base_fee own = *p;
    *ret_n = 0;
    if (p->has_minimum != (fork >= OP_JOVIAN)) {
        return error_set(why, ERR_INVALID, "the least base fee is %s",
                         p->has_minimum ? "not of this fork" : "missing");
    }
    if (fork < OP_HOLOCENE) return 0;
    if (own.denominator == 0 && own.elasticity == 0) own = default_parameters(c, fork);
    if (own.denominator == 0 || own.elasticity == 0) {
        return error_set(why, ERR_INVALID, "base fee parameters must both be zero, or none");
    }
    ret[0] = fork >= OP_JOVIAN;
    store_be32(ret + 1, own.denominator);
    store_be32(ret + 5, own.elasticity);
    *ret_n = 9;
    if (fork < OP_JOVIAN) return 0;
    store_be64(ret + 9, p->minimum);
    *ret_n = 17;
    return 0;
}

int op_extra_data_read(struct op_base_fee *ret, const struct op_config *c, uint64_t timestamp,
                       struct bytes extra_data, struct error *why) {
    bool jovian = op_fork_at(c, timestamp) >= OP_JOVIAN;
    if (extra_data.n != (jovian ? 17u : 9u) || extra_data.p[0] != jovian) {
        return error_set(why, ERR_INVALID, "extra data is not of the fork's form");
    }
    struct op_base_fee p = {.denominator = load_be32(extra_data.p + 1),
                            .elasticity = load_be32(extra_data.p + 5),
                            .has_minimum = jovian};
    if (jovian) p.minimum = load_be64(extra_data.p + 9);
    if (p.denominator == 0 || p.elasticity == 0) {
        return error_set(why, ERR_INVALID, "extra data has base fee parameters of zero");
    }
    *ret = p;
    return 0;
}

int op_base_fee_after(struct op_base_fee *ret, const struct op_config *c, uint64_t parent_timestamp,
                      struct bytes parent_extra_data, uint64_t timestamp, struct error *why) {
    if (op_fork_at(c, parent_timestamp) >= OP_HOLOCENE) {
        return op_extra_data_read(ret, c, parent_timestamp, parent_extra_data, why);
    }
    *ret = default_parameters(c, op_fork_at(c, timestamp));
    return 0;
}

struct u256 op_base_fee_next(const struct op_base_fee *p, struct u256 parent_base_fee,
                             uint64_t gas_limit, uint64_t gas_used) {
    uint64_t target = gas_limit / p->elasticity;
    struct u256 fee = parent_base_fee, change;
    if (target > 0 && gas_used != target) {
        uint64_t apart = gas_used > target ? gas_used - target : target - gas_used;
        u256_div_mod(&change, NULL, u256_mul(parent_base_fee, u256_from_u64(apart)),
                     u256_from_u64(target));
        u256_div_mod(&change, NULL, change, u256_from_u64(p->denominator));
        if (gas_used > target) {
            fee = u256_add(fee, u256_is_zero(change) ? U256_ONE : change);
        } else {
            fee = u256_sub(fee, change);
        }
    }
    struct u256 least = u256_from_u64(p->has_minimum ? p->minimum : 0);
    return u256_compare(fee, least) < 0 ? least : fee;
}

/* FastLZ, level 1, of which only the size is wanted. */

#define TABLE_BITS 13
#define DISTANCE_MAX 8191u

static uint32_t triple(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static uint32_t slot_of(uint32_t three) {
    return (uint32_t)(2654435769u * three) >> (32 - TABLE_BITS);
}

static uint64_t literals(uint64_t n) {
    return 33 * (n / 32) + (n % 32 ? n % 32 + 1 : 0);
}

static uint64_t match(uint64_t comparisons) {
    uint64_t n = comparisons - 1;
    return 3 * (n / 262) + (n % 262 >= 6 ? 3 : 2);
}

uint64_t op_fastlz_size(struct bytes in) {
    uint32_t table[1u << TABLE_BITS] = {0};
    if (in.n < 13 || in.n > UINT32_MAX) return literals(in.n);
    const uint8_t *p = in.p;
    uint32_t limit = (uint32_t)in.n - 13, end = (uint32_t)in.n - 4, at = 2, from = 0;
    uint64_t size = 0;
    while (at < limit) {
        uint32_t three = triple(p + at), *place = &table[slot_of(three)], candidate = *place;
        *place = at;
        if (at - candidate > DISTANCE_MAX || triple(p + candidate) != three) {
            at++;
            continue;
        }
        // A match that is found on the last step is not taken.
        if (at + 1 >= limit) break;
        if (at > from) size += literals(at - from);
        uint32_t comparisons = 0;
        for (uint32_t i = at + 3; i < end; i++) {
            comparisons++;
            if (p[candidate + 3 + (i - at - 3)] != p[i]) break;
        }
        size += match(comparisons);
        at += comparisons;
        for (int i = 0; i < 2; i++, at++) {
            table[slot_of(triple(p + at))] = at;
        }
        from = at;
    }
    return size + literals(in.n - from);
}

struct op_weight op_weigh(struct bytes envelope) {
    struct op_weight w = {.compressed = op_fastlz_size(envelope)};
    for (size_t i = 0; i < envelope.n; i++) {
        w.zeros += envelope.p[i] == 0;
    }
    w.others = envelope.n - w.zeros;
    return w;
}

/* Fees. */

static struct u256 divide(struct u256 a, uint64_t by) {
    struct u256 q;
    u256_div_mod(&q, NULL, a, u256_from_u64(by));
    return q;
}

static bool by_scalars(enum op_fork fork, const struct op_l1 *l1) {
    bool set = l1->base_fee_scalar || l1->blob_base_fee_scalar || !u256_is_zero(l1->blob_base_fee);
    return fork >= OP_ECOTONE && set;
}

// Of Bedrock, in gas; the overhead apart.
static uint64_t data_gas(enum op_fork fork, const struct op_weight *w) {
    return 4 * w->zeros + 16 * w->others + (fork < OP_REGOLITH ? 16 * BEDROCK_SIGNATURE_BYTES : 0);
}

// Fjord's estimate of the size, in millionths of a byte.
static uint64_t estimate(const struct op_weight *w) {
    uint64_t size = 836500 * w->compressed;
    return size > 42585600 + 100 * (uint64_t)MILLION ? size - 42585600 : 100 * (uint64_t)MILLION;
}

struct u256 op_l1_fee(enum op_fork fork, const struct op_l1 *l1, const struct op_weight *w) {
    if (!by_scalars(fork, l1)) {
        struct u256 gas = u256_add(u256_from_u64(data_gas(fork, w)), l1->overhead);
        return divide(u256_mul(u256_mul(gas, l1->base_fee), l1->scalar), MILLION);
    }
    struct u256 base = u256_mul(l1->base_fee, u256_from_u64(16 * (uint64_t)l1->base_fee_scalar));
    struct u256 blob = u256_mul(l1->blob_base_fee, u256_from_u64(l1->blob_base_fee_scalar));
    struct u256 price = u256_add(base, blob);
    if (fork < OP_FJORD) {
        uint64_t gas = data_gas(fork, w);
        return divide(u256_mul(u256_from_u64(gas), price), 16 * (uint64_t)MILLION);
    }
    return divide(u256_mul(u256_from_u64(estimate(w)), price), (uint64_t)MILLION * MILLION);
}

uint64_t op_l1_gas(enum op_fork fork, const struct op_l1 *l1, const struct op_weight *w) {
    if (!by_scalars(fork, l1)) return data_gas(fork, w) + l1->overhead.w[0];
    return fork < OP_FJORD ? data_gas(fork, w) : estimate(w) * 16 / MILLION;
}

struct u256 op_operator_fee(enum op_fork fork, const struct op_l1 *l1, uint64_t gas) {
    if (fork < OP_ISTHMUS) return U256_ZERO;
    struct u256 scaled = u256_mul(u256_from_u64(gas), u256_from_u64(l1->operator_fee_scalar));
    scaled = fork >= OP_JOVIAN ? u256_mul(scaled, u256_from_u64(100)) : divide(scaled, MILLION);
    return u256_add(scaled, u256_from_u64(l1->operator_fee_constant));
}

uint64_t op_da_footprint(const struct op_l1 *l1, const struct op_weight *w) {
    uint64_t scalar = l1->da_footprint_scalar ? l1->da_footprint_scalar : DA_FOOTPRINT_SCALAR;
    return estimate(w) / MILLION * scalar;
}
