/* SPDX-License-Identifier: MIT */
#include "builder/commit.h"

#define PAYEES_MAX 64u // of one share bundle

/* What a share bundle owes, until its end. */
struct payee {
    struct address to;
    struct u256 value;
};

struct commit {
    struct block_fill *f;
    const struct job_order *o;
    struct commit_result *ret;
    struct payee payees[PAYEES_MAX];
    size_t payee_count;
    bool ahead; // one was left out whose nonce is not reached
    uint32_t ahead_tx;
    struct transact_result ahead_why;
    struct error *why;
};

static int fail(struct commit *c, enum commit_status status) {
    c->ret->status = status;
    return 0;
}

static void fail_tx(struct commit *c, enum commit_status status, uint32_t tx,
                    const struct transact_result *result) {
    c->ret->status = status;
    c->ret->tx = tx;
    c->ret->why = *result;
}

// Nothing is left: a nonce that comes yet would change that.
static int fail_empty(struct commit *c) {
    if (!c->ahead) return fail(c, COMMIT_EMPTY);
    fail_tx(c, COMMIT_NONCE_HIGH, c->ahead_tx, &c->ahead_why);
    return 0;
}

static struct u256 percent_of(struct u256 value, uint64_t percent) {
    struct u256 share;
    u256_div_mod(&share, NULL, u256_mul(value, u256_from_u64(percent)), u256_from_u64(100));
    return share;
}

/* One transaction of an order under the rules of its item; *ret_stands says whether it is in the
 * block. When the order fails by it, ret->status says why. */
static int commit_tx(struct commit *c, const struct build_item *item, bool *ret_stands,
                     struct u256 *ret_gain) {
    struct block_fill *f = c->f;
    struct fill_mark mark = fill_mark_now(f);
    struct transact_result result = {0};
    enum commit_status status;
    *ret_stands = false;
    int r = fill_run_tx(f, c->o, item->tx, &status, &result, ret_gain, c->why);
    if (r != 0) return r;
    if (status != COMMIT_DONE) {
        bool alone = c->o->order->kind == BUILD_TX;
        bool skip = !alone && (item->may_drop || (item->may_revert && f->options.allow_skip));
        if (!skip) fail_tx(c, status, item->tx, &result);
        if (skip && status == COMMIT_NONCE_HIGH) {
            c->ahead = true;
            c->ahead_tx = item->tx;
            c->ahead_why = result;
        }
        return 0;
    }
    if (result.status != EVM_SUCCESS && !item->may_revert) {
        fill_rewind(f, &mark);
        if (!item->may_drop) fail_tx(c, COMMIT_REVERTED, item->tx, &result);
        return 0;
    }
    if (result.status != EVM_SUCCESS && item->may_drop) {
        fill_rewind(f, &mark); // in both lists: dropping wins
        return 0;
    }
    *ret_stands = true;
    return 0;
}

// The gas that a refund pays for.
static uint64_t affordable(const struct commit *c, struct u256 value) {
    struct u256 gas;
    if (u256_is_zero(c->f->run->env.base_fee)) return UINT64_MAX;
    u256_div_mod(&gas, NULL, value, c->f->run->env.base_fee);
    return u256_fits_u64(gas) ? gas.w[0] : UINT64_MAX;
}

/* Pays a refund whose gas comes out of it; the order fails where that leaves nothing or it is not
 * taken. What its recipient's code would need beyond that is not even tried. */
static int pay(struct commit *c, const struct address *to, struct u256 value) {
    struct block_fill *f = c->f;
    uint64_t gas, most = affordable(c, value);
    bool possible, paid;
    if (!f->options.can_pay) return fail(c, COMMIT_REFUND_FAILED);
    if (most < FILL_PAYOUT_GAS) return fail(c, COMMIT_REFUND_TOO_SMALL);
    int r = fill_payout_gas(f, to, most, &gas, &possible, c->why);
    if (r != 0) return r;
    if (!possible) return fail(c, gas >= most ? COMMIT_REFUND_TOO_SMALL : COMMIT_REFUND_FAILED);
    struct u256 net = u256_sub(value, u256_mul(f->run->env.base_fee, u256_from_u64(gas)));
    r = fill_run_payout(f, c->o, to, net, gas, f->options.reserved_gas, &paid, c->why);
    if (r != 0) return r;
    if (!paid) return fail(c, COMMIT_REFUND_FAILED);
    c->ret->kickbacks = u256_add(c->ret->kickbacks, net);
    return 0;
}

/* Transactions and bundles. */

static int commit_refund(struct commit *c, struct u256 paid_by_tx) {
    const struct build_refund *refund = &c->o->order->refund;
    struct u256 value = percent_of(paid_by_tx, refund->percent);
    if (refund->delayed) {
        c->ret->delayed = value;
        c->f->owed = u256_add(c->f->owed, value);
        return 0;
    }
    return pay(c, &refund->recipient, value);
}

static int commit_list(struct commit *c, const struct build_group *g) {
    const struct build_refund *refund = &c->o->order->refund;
    struct u256 paid = U256_ZERO;
    size_t standing = 0;
    for (size_t i = 0; i < g->count; i++) {
        bool stands;
        struct u256 gain;
        int r = commit_tx(c, &g->items[i], &stands, &gain);
        if (r != 0 || c->ret->status != COMMIT_DONE) return r;
        if (!stands) continue;
        standing++;
        if (refund->percent && g->items[i].tx == refund->tx) paid = wei_gain(gain);
    }
    if (standing == 0) return fail_empty(c);
    return refund->percent ? commit_refund(c, paid) : 0;
}

/* Share bundles. */

static bool owe(struct commit *c, const struct address *to, struct u256 value) {
    if (u256_is_zero(value)) return true;
    for (size_t i = 0; i < c->payee_count; i++) {
        struct payee *p = &c->payees[i];
        if (!address_equal(&p->to, to)) continue;
        p->value = u256_add(p->value, value);
        return true;
    }
    if (c->payee_count == PAYEES_MAX) return false;
    c->payees[c->payee_count++] = (struct payee){*to, value};
    return true;
}

static uint32_t first_tx(const struct build_item *item) {
    while (item->group) {
        item = &item->group->items[0];
    }
    return item->tx;
}

// The configuration of a body item: its own, else that of the first descendant that has one.
static const struct build_group *config_of(const struct build_item *item) {
    const struct build_group *g = item->group;
    if (!g || g->refund_config_count) return g;
    for (size_t i = 0; i < g->count; i++) {
        const struct build_group *inner = config_of(&g->items[i]);
        if (inner && inner->refund_config_count) return inner;
    }
    return NULL;
}

// Shares one refund among those whom the body item names; *ret_total grows by what is owed.
static bool owe_refund(struct commit *c, const struct build_item *item, struct u256 value,
                       struct u256 *ret_total) {
    const struct build_group *g = config_of(item);
    if (!g) {
        *ret_total = u256_add(*ret_total, value);
        return owe(c, &c->o->order->txs[first_tx(item)].sender, value);
    }
    for (size_t i = 0; i < g->refund_config_count; i++) {
        const struct share_refund_config *config = &g->refund_configs[i];
        struct u256 part = percent_of(value, config->percent);
        *ret_total = u256_add(*ret_total, part);
        if (!owe(c, &config->address, part)) return false;
    }
    return true;
}

static bool is_refunded(const struct build_group *g, size_t index) {
    for (size_t i = 0; i < g->refund_count; i++) {
        if (g->refunds[i].body_index == index) return true;
    }
    return false;
}

/* What a group came to: whether something of it stands, and the coinbase's gain less what is
 * owed. */
struct group_outcome {
    bool stands;
    struct u256 gain;
};

static int commit_group(struct commit *c, const struct build_group *g, struct group_outcome *ret);

// A group within: it may fail in silence where its item says so.
static int commit_inner(struct commit *c, const struct build_item *item,
                        struct group_outcome *ret) {
    struct fill_mark mark = fill_mark_now(c->f);
    struct payee owed[PAYEES_MAX];
    size_t owed_count = c->payee_count;
    memcpy(owed, c->payees, sizeof owed);
    int r = commit_group(c, item->group, ret);
    if (r != 0 || c->ret->status == COMMIT_DONE) return r;
    if (!item->may_drop && !item->may_revert) return 0;
    fill_rewind(c->f, &mark);
    memcpy(c->payees, owed, sizeof owed);
    c->payee_count = owed_count;
    c->ret->status = COMMIT_DONE;
    *ret = (struct group_outcome){0};
    return 0;
}

static int commit_group(struct commit *c, const struct build_group *g, struct group_outcome *ret) {
    struct u256 refundable = U256_ZERO, total = U256_ZERO;
    *ret = (struct group_outcome){0};
    for (size_t i = 0; i < g->count; i++) {
        const struct build_item *item = &g->items[i];
        struct group_outcome one = {0};
        int r =
            item->group ? commit_inner(c, item, &one) : commit_tx(c, item, &one.stands, &one.gain);
        if (r != 0 || c->ret->status != COMMIT_DONE) return r;
        if (!one.stands) continue;
        ret->stands = true;
        ret->gain = u256_add(ret->gain, one.gain);
        if (is_refunded(g, i)) continue;
        struct u256 counted = item->group ? wei_gain(one.gain) : one.gain;
        refundable = u256_add(refundable, counted);
    }
    if (!ret->stands) return fail_empty(c);
    for (size_t i = 0; i < g->refund_count && !wei_is_loss(refundable); i++) {
        struct u256 value = percent_of(refundable, g->refunds[i].percent);
        if (!owe_refund(c, &g->items[g->refunds[i].body_index], value, &total)) {
            return fail(c, COMMIT_REFUND_FAILED);
        }
    }
    ret->gain = u256_sub(ret->gain, total);
    return 0;
}

static int commit_share(struct commit *c, const struct build_group *g) {
    struct group_outcome outcome;
    int r = commit_group(c, g, &outcome);
    for (size_t i = 0; r == 0 && c->ret->status == COMMIT_DONE && i < c->payee_count; i++) {
        r = pay(c, &c->payees[i].to, c->payees[i].value);
    }
    return r;
}

static bool in_time(const struct build_order *o, const struct block_env *env,
                    struct commit_result *ret) {
    bool block = (o->first_block == 0 || env->number >= o->first_block) &&
                 (o->last_block == 0 || env->number <= o->last_block);
    bool time = env->timestamp >= o->min_timestamp && env->timestamp <= o->max_timestamp;
    if (!block) ret->status = COMMIT_BLOCK_RANGE;
    if (block && !time) ret->status = COMMIT_TIME_RANGE;
    return block && time;
}

int commit_order(struct block_fill *f, const struct job_order *o, struct commit_result *ret,
                 struct error *why) {
    struct commit c; // its list of payees is not cleared: most orders have none
    c.f = f;
    c.o = o;
    c.ret = ret;
    c.payee_count = 0;
    c.ahead = false;
    c.why = why;
    struct block_mark before = block_run_mark(f->run);
    struct u256 balance = f->coinbase->now.balance;
    *ret = (struct commit_result){0};
    if (!in_time(o->order, &f->run->env, ret)) return 0;
    const struct build_group *g = &o->order->root;
    bool share = o->order->kind == BUILD_SHARE;
    int r = share ? commit_share(&c, g) : commit_list(&c, g);
    if (r != 0 || ret->status != COMMIT_DONE) return r;
    struct u256 gain = u256_sub(u256_sub(f->coinbase->now.balance, balance), ret->delayed);
    ret->profit = wei_gain(gain);
    ret->gas_used = f->run->gas_used - before.gas_used;
    ret->blob_gas_used = f->run->blob_gas_used - before.blob_gas_used;
    if (share && wei_is_loss(gain)) ret->status = COMMIT_PROFIT_NEGATIVE;
    return 0;
}
