/* SPDX-License-Identifier: MIT */
#include "chain/header_check.h"

#include "chain/dao.h"
#include "eth/fees.h"

#define DIFFICULTY_MIN 131072
#define BOMB_PERIOD 100000

enum fork chain_fork_of(const struct chain_config *c, const struct header *h) {
    return chain_fork_at(c, h->number, h->timestamp, u256_is_zero(h->difficulty));
}

/* Difficulty. */

// By how many blocks the bomb was put off.
static uint64_t bomb_delay(enum fork fork) {
    static const struct {
        enum fork since;
        uint64_t blocks;
    } delays[] = {{FORK_LONDON, 9700000}, // EIP-3554
                  {FORK_BERLIN, 9000000}, // EIP-2384
                  {FORK_CONSTANTINOPLE, 5000000},
                  {FORK_BYZANTIUM, 3000000}};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        if (fork >= delays[i].since) return delays[i].blocks;
    }
    return 0;
}

// How many 2048ths of the parent's difficulty are added; may be negative.
static int64_t adjustment(enum fork fork, uint64_t elapsed, bool parent_has_ommers) {
    if (fork < FORK_HOMESTEAD) return elapsed < 13 ? 1 : -1;
    uint64_t late = fork >= FORK_BYZANTIUM ? elapsed / 9 : elapsed / 10;
    int64_t base = fork >= FORK_BYZANTIUM && parent_has_ommers ? 2 : 1;
    return late > 100 ? -99 : base - (int64_t)late < -99 ? -99 : base - (int64_t)late;
}

struct u256 header_difficulty(enum fork fork, uint64_t timestamp, const struct header *parent) {
    uint64_t elapsed = timestamp > parent->timestamp ? timestamp - parent->timestamp : 0;
    bool ommers = !hash_equal(&parent->ommers_hash, &BLOCK_EMPTY_OMMERS);
    int64_t times = adjustment(fork, elapsed, ommers);
    struct u256 unit = u256_shift_right(parent->difficulty, 11),
                least = u256_from_u64(DIFFICULTY_MIN);
    struct u256 change = u256_mul(unit, u256_from_u64((uint64_t)(times < 0 ? -times : times)));
    struct u256 d;
    if (times >= 0) {
        d = u256_add(parent->difficulty, change);
    } else if (u256_sub_borrow(&d, parent->difficulty, change)) {
        d = U256_ZERO;
    }
    if (u256_compare(d, least) < 0) d = least;
    uint64_t number = parent->number + 1, delay = bomb_delay(fork);
    uint64_t period = (number > delay ? number - delay : 0) / BOMB_PERIOD;
    if (period > 1) d = u256_add(d, u256_shift_left(U256_ONE, period - 2));
    return d;
}

/* Fields. */

static int broken(struct error *why, const char *rule) {
    return error_set(why, ERR_INVALID, "%s", rule);
}

enum header_form header_form_of(enum fork fork) {
    if (fork >= FORK_PRAGUE) return HEADER_PRAGUE;
    if (fork >= FORK_CANCUN) return HEADER_CANCUN;
    if (fork >= FORK_SHANGHAI) return HEADER_SHANGHAI;
    return fork >= FORK_LONDON ? HEADER_LONDON : HEADER_FRONTIER;
}

static int check_seal(const struct chain_config *c, enum fork fork, const struct header *h,
                      const struct header *parent, const struct u256 *total, struct error *why) {
    bool merged = u256_is_zero(h->difficulty);
    if (c->has_terminal_total_difficulty) {
        bool reached = u256_compare(*total, c->terminal_total_difficulty) >= 0;
        if (merged && !reached) return broken(why, "proof of stake before its time");
        if (!merged && reached) return broken(why, "proof of work after the merge");
    }
    if (fork >= FORK_PARIS) {
        static const uint8_t no_nonce[8];
        if (!merged) return broken(why, "difficulty is not 0");
        if (memcmp(h->nonce, no_nonce, 8) != 0) return broken(why, "nonce is not 0");
        if (!hash_equal(&h->ommers_hash, &BLOCK_EMPTY_OMMERS)) return broken(why, "has ommers");
        return 0;
    }
    struct u256 d = header_difficulty(fork, h->timestamp, parent);
    return u256_equal(d, h->difficulty) ? 0 : broken(why, "wrong difficulty");
}

// The first London block doubles the limit, for half of it is the target.
static bool is_first_london(const struct chain_config *c, enum fork fork,
                            const struct header *parent) {
    return fork >= FORK_LONDON && chain_fork_of(c, parent) < FORK_LONDON;
}

int header_base_fee_at(const struct chain_config *c, const struct header *parent,
                       uint64_t timestamp, struct u256 *ret, struct error *why) {
    if (chain_fork_of(c, parent) < FORK_LONDON) {
        *ret = u256_from_u64(BASE_FEE_INITIAL);
    } else if (c->op.enabled) {
        struct op_base_fee p;
        uint64_t used = parent->gas_used;
        int r =
            op_base_fee_after(&p, &c->op, parent->timestamp, parent->extra_data, timestamp, why);
        if (r != 0) return r;
        if (p.has_minimum && parent->blob_gas_used > used) used = parent->blob_gas_used;
        *ret = op_base_fee_next(&p, parent->base_fee, parent->gas_limit, used);
    } else {
        *ret = base_fee_next(parent->gas_limit, parent->gas_used, parent->base_fee,
                             BASE_FEE_ELASTICITY, BASE_FEE_DENOMINATOR);
    }
    return 0;
}

struct u256 header_base_fee(const struct chain_config *c, const struct header *parent) {
    struct u256 fee;
    int r = header_base_fee_at(c, parent, parent->timestamp + 1, &fee, NULL);
    return r == 0 ? fee : parent->base_fee;
}

uint64_t header_gas_limit(const struct chain_config *c, enum fork fork, const struct header *parent,
                          uint64_t wanted) {
    bool first = is_first_london(c, fork, parent);
    return gas_limit_next(first ? parent->gas_limit * BASE_FEE_ELASTICITY : parent->gas_limit,
                          wanted);
}

uint64_t header_excess_blob_gas(const struct chain_config *c, enum fork fork, uint64_t timestamp,
                                const struct header *parent) {
    const struct blob_params *p = chain_blobs_at(c, timestamp);
    if (!p || c->op.enabled) return 0;
    return excess_blob_gas_next(parent->excess_blob_gas, parent->blob_gas_used, parent->base_fee, p,
                                fork >= FORK_OSAKA);
}

static int check_gas(const struct chain_config *c, enum fork fork, const struct header *h,
                     const struct header *parent, struct error *why) {
    bool first = is_first_london(c, fork, parent);
    uint64_t limit = first ? parent->gas_limit * BASE_FEE_ELASTICITY : parent->gas_limit;
    if (h->gas_limit > INT64_MAX) return broken(why, "gas limit is above 2^63-1");
    if (!c->op.enabled && !gas_limit_may_follow(limit, h->gas_limit))
        return broken(why, "gas limit moved too far");
    if (h->gas_used > h->gas_limit) return broken(why, "more gas used than the limit");
    if (fork < FORK_LONDON) return 0;
    struct u256 fee;
    int r = header_base_fee_at(c, parent, h->timestamp, &fee, why);
    if (r != 0) return r;
    return u256_equal(fee, h->base_fee) ? 0 : broken(why, "wrong base fee");
}

static int check_blobs(const struct chain_config *c, enum fork fork, const struct header *h,
                       const struct header *parent, struct error *why) {
    if (fork < FORK_CANCUN) return 0;
    if (c->op.enabled) { // no blobs; from Jovian on the place is the data footprint's
        bool jovian = op_fork_at(&c->op, h->timestamp) >= OP_JOVIAN;
        if (h->excess_blob_gas != 0) return broken(why, "wrong excess blob gas");
        uint64_t most = jovian ? h->gas_limit : 0;
        return h->blob_gas_used <= most ? 0 : broken(why, "more blob gas than the limit");
    }
    const struct blob_params *p = chain_blobs_at(c, h->timestamp);
    if (!p) return broken(why, "no blob parameters for its time");
    if (h->blob_gas_used % GAS_PER_BLOB != 0) return broken(why, "blob gas is no multiple");
    if (h->blob_gas_used > (uint64_t)p->max * GAS_PER_BLOB) {
        return broken(why, "more blob gas than the limit");
    }
    uint64_t excess = header_excess_blob_gas(c, fork, h->timestamp, parent);
    return excess == h->excess_blob_gas ? 0 : broken(why, "wrong excess blob gas");
}

int header_check(const struct chain_config *c, const struct header *h, const struct header *parent,
                 const struct u256 *parent_total_difficulty, struct error *why) {
    enum fork fork = chain_fork_of(c, h);
    if (h->form != header_form_of(fork)) return broken(why, "fields are not those of its fork");
    if (h->number != parent->number + 1) return broken(why, "number does not follow its parent's");
    if (h->timestamp <= parent->timestamp) return broken(why, "not later than its parent");
    if (h->extra_data.n > EXTRA_DATA_MAX) return broken(why, "extra data is too long");
    if (c->op.enabled && op_fork_at(&c->op, h->timestamp) >= OP_HOLOCENE) {
        struct op_base_fee p;
        int broken_data = op_extra_data_read(&p, &c->op, h->timestamp, h->extra_data, why);
        if (broken_data != 0) return broken_data;
    }
    if (c->dao_block != FORK_NEVER && h->number >= c->dao_block &&
        h->number - c->dao_block < DAO_EXTRA_BLOCKS && !bytes_equal_str(h->extra_data, DAO_EXTRA)) {
        return broken(why, "extra data is not that of the DAO fork");
    }
    int r = check_seal(c, fork, h, parent, parent_total_difficulty, why);
    if (r == 0) r = check_gas(c, fork, h, parent, why);
    return r == 0 ? check_blobs(c, fork, h, parent, why) : r;
}
