/* The OP Stack's chains: forks of their own, base fee parameters in headers, and the fees that a
 * transaction pays for its data on the first layer and to the operator.
 *
 * What is here is arithmetic on values; who reads the L1Block contract and pays the vaults is
 * chain/op_fees.h. Source: ethereum-optimism/specs, exec-engine.md of each fork,
 * ecotone/l1-attributes.md; ethereum-optimism/op-geth, core/types/rollup_cost.go for the lengths.
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_OP_H
#define ETH_OP_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/u256.h"

#include <stdbool.h>
#include <stdint.h>

/* In order of activation, each on top of the fork of Ethereum that it takes over. */
enum op_fork {
    OP_BEDROCK,
    OP_REGOLITH,
    OP_CANYON,  /* Shanghai */
    OP_ECOTONE, /* Cancun without blobs; data fee by scalars */
    OP_FJORD,   /* data fee by compressed size */
    OP_GRANITE,
    OP_HOLOCENE, /* base fee parameters in extra data */
    OP_ISTHMUS,  /* Prague; operator fee; withdrawals root of the message passer */
    OP_JOVIAN,   /* least base fee; data footprint as blob gas */
    OP_FORK_COUNT,
};

struct op_config {
    bool enabled;                       /* the chain is one of the OP Stack */
    uint64_t activation[OP_FORK_COUNT]; /* timestamps; UINT64_MAX: never */
    uint32_t elasticity, denominator, denominator_canyon;
};

#define OP_ELASTICITY 6u
#define OP_DENOMINATOR 50u
#define OP_DENOMINATOR_CANYON 250u

/* op_fork_at gives the fork at a timestamp. */
enum op_fork op_fork_at(const struct op_config *c, uint64_t timestamp);

/* Base fee parameters. */
struct op_base_fee {
    uint32_t denominator, elasticity; /* both 0 in attributes: the chain's */
    bool has_minimum;                 /* Jovian */
    uint64_t minimum;                 /* wei */
};

#define OP_EXTRA_DATA_MAX 17

/* op_extra_data writes the extra data of a block whose attributes have these parameters; the size
 * is 0 before Holocene, 9, or from Jovian on 17.
 * errors  ERR_INVALID (one of both is 0, or the minimum is missing or not of the fork). */
[[gnu::warn_unused_result]] int op_extra_data(uint8_t ret[OP_EXTRA_DATA_MAX], size_t *ret_n,
                                              const struct op_config *c, uint64_t timestamp,
                                              const struct op_base_fee *p, struct error *why);

/* op_extra_data_read reads what stands in a header of Holocene or later. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int op_extra_data_read(struct op_base_fee *ret,
                                                   const struct op_config *c, uint64_t timestamp,
                                                   struct bytes extra_data, struct error *why);

/* op_base_fee_after gives the parameters that count after a parent: those in its extra data, or
 * before Holocene the chain's at the block's own timestamp. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int
op_base_fee_after(struct op_base_fee *ret, const struct op_config *c, uint64_t parent_timestamp,
                  struct bytes parent_extra_data, uint64_t timestamp, struct error *why);

/* op_base_fee_next gives the base fee after a parent with these parameters.
 * gas_used  from Jovian on the larger of gas and blob gas used. */
struct u256 op_base_fee_next(const struct op_base_fee *p, struct u256 parent_base_fee,
                             uint64_t gas_limit, uint64_t gas_used);

/* Fees. */

/* The numbers of the first layer, as the L1Block contract has them. */
struct op_l1 {
    struct u256 base_fee, blob_base_fee;
    uint32_t base_fee_scalar, blob_base_fee_scalar;
    struct u256 overhead, scalar; /* before Ecotone */
    uint32_t operator_fee_scalar;
    uint64_t operator_fee_constant;
    uint16_t da_footprint_scalar; /* 0: the default */
};

/* What a transaction's envelope weighs; once for each transaction. */
struct op_weight {
    uint64_t zeros, others; /* bytes */
    uint64_t compressed;    /* bytes of FastLZ's first level */
};
struct op_weight op_weigh(struct bytes envelope);

/* op_fastlz_size gives the compressed size. cost  about a byte a nanosecond. */
uint64_t op_fastlz_size(struct bytes in);

/* op_l1_fee gives wei for the data. Where Ecotone's numbers are all zero, as in its first block,
 * the rule of before counts. op_l1_gas gives the gas that receipts show for it. */
struct u256 op_l1_fee(enum op_fork fork, const struct op_l1 *l1, const struct op_weight *w);
uint64_t op_l1_gas(enum op_fork fork, const struct op_l1 *l1, const struct op_weight *w);

/* op_operator_fee gives wei for an amount of gas; 0 before Isthmus. */
struct u256 op_operator_fee(enum op_fork fork, const struct op_l1 *l1, uint64_t gas);

/* op_da_footprint gives what a transaction adds to a block's data footprint (Jovian). */
uint64_t op_da_footprint(const struct op_l1 *l1, const struct op_weight *w);

#endif
