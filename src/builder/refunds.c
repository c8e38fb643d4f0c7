/* SPDX-License-Identifier: MIT */
#include "builder/refunds.h"

#include "builder/groups.h"

#include <stdlib.h>

struct refunds {
    struct refund_report *ret;
    struct algorithm *algorithm;
    struct block_fill *f;
    const struct plan *plan;
    struct plan without; // the plan less some identities
    struct u256 full;    // what the algorithm makes of all orders
    struct arena *a;
    struct error *why;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for refunds");
}

/* Who paid what. */

static struct refund_party *party_of(struct refunds *r, const struct address *identity) {
    struct refund_report *ret = r->ret;
    for (size_t i = 0; i < ret->party_count; i++) {
        if (address_equal(&ret->parties[i].identity, identity)) return &ret->parties[i];
    }
    struct refund_party *p = &ret->parties[ret->party_count++];
    p->identity = *identity;
    return p;
}

// Room for one more: a count that is a power of two, or none, is a full list.
static bool order_room(struct refunds *r, struct refund_party *p) {
    size_t n = p->order_count;
    if ((n & (n - 1)) != 0) return true;
    struct refund_order *orders = arena_new_array(r->a, struct refund_order, n ? 2 * n : 1);
    if (!orders) return false;
    if (n) memcpy(orders, p->orders, n * sizeof *orders);
    p->orders = orders;
    return true;
}

static int count_step(struct refunds *r, const struct fill_step *step) {
    const struct job_entry *e = (const struct job_entry *)(const void *)step->order;
    bool pays = step->result.status == COMMIT_DONE && !u256_is_zero(step->result.profit);
    if (!pays || build_order_is_public(e->job.order)) return 0;
    struct address identity = build_order_identity(e->job.order);
    struct refund_party *p = party_of(r, &identity);
    if (!order_room(r, p)) return no_memory(r->why);
    p->orders[p->order_count++] = (struct refund_order){
        .entry = e, .paid = step->result.profit, .delayed = step->result.delayed};
    p->paid = u256_add(p->paid, step->result.profit);
    return 0;
}

static int by_address(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct address)); // the identity comes first in a party
}

static int by_paid(const void *a, const void *b) {
    const struct refund_party *x = a, *y = b;
    int order = u256_compare(y->paid, x->paid);
    return order ? order : by_address(a, b);
}

// Building a block takes its time: many who pay next to nothing keep nobody from a refund.
static void choose(struct refund_report *ret) {
    qsort(ret->parties, ret->party_count, sizeof *ret->parties, by_paid);
    for (size_t i = 0; i < ret->party_count && i < REFUND_IDENTITIES_MAX; i++) {
        ret->parties[i].tried = true;
    }
    qsort(ret->parties, ret->party_count, sizeof *ret->parties, by_address);
}

static int measure(struct refunds *r, const struct sequence *landed) {
    int code = sequence_run(r->f, landed, NULL, r->why);
    r->ret->value = fill_profit(r->f);
    for (size_t i = 0; code == 0 && i < r->f->step_count; i++) {
        code = count_step(r, &r->f->steps[i]);
    }
    choose(r->ret);
    return code;
}

/* What the block is worth without some. */

static bool is_of(const struct job_entry *e, const struct address *identity) {
    if (!identity || build_order_is_public(e->job.order)) return false;
    struct address own = build_order_identity(e->job.order);
    return address_equal(&own, identity);
}

static int value_without(struct refunds *r, const struct address *first,
                         const struct address *second, struct u256 *ret) {
    struct plan *w = &r->without;
    w->count = 0;
    for (size_t i = 0; i < r->plan->count; i++) {
        const struct plan_order *o = &r->plan->orders[i];
        if (is_of(o->entry, first) || is_of(o->entry, second)) continue;
        w->orders[w->count++] = *o;
    }
    int code = algorithm_run(r->algorithm, r->f, w, NULL, r->why);
    *ret = fill_profit(r->f);
    return code;
}

static struct u256 less(struct u256 a, struct u256 b) {
    return u256_compare(a, b) > 0 ? u256_sub(a, b) : U256_ZERO;
}

static int deltas(struct refunds *r) {
    int code = value_without(r, NULL, NULL, &r->full);
    // The landed sequence may be the better one, by refinement: then it is what counts.
    if (u256_compare(r->ret->value, r->full) > 0) r->full = r->ret->value;
    for (size_t i = 0; code == 0 && i < r->ret->party_count; i++) {
        struct u256 reduced;
        if (!r->ret->parties[i].tried) continue;
        code = value_without(r, &r->ret->parties[i].identity, NULL, &reduced);
        r->ret->parties[i].delta = less(r->full, reduced);
    }
    return code;
}

static bool touch(struct groups *g, const struct refund_party *x, const struct refund_party *y) {
    for (size_t i = 0; i < x->order_count; i++) {
        for (size_t k = 0; k < y->order_count; k++) {
            if (groups_same(g, x->orders[i].entry, y->orders[k].entry)) return true;
        }
    }
    return false;
}

// By what they paid, so that those who paid most are tried together first.
static int by_paid_there(const void *a, const void *b) {
    const struct refund_party *const *x = a, *const *y = b;
    return by_paid(*x, *y);
}

static int try_joint(struct refunds *r, const struct refund_party *x,
                     const struct refund_party *y) {
    struct refund_report *ret = r->ret;
    struct u256 reduced;
    ret->pairs_tried++;
    int code = value_without(r, &x->identity, &y->identity, &reduced);
    struct u256 delta = less(r->full, reduced);
    if (code != 0 || u256_is_zero(delta)) return code;
    size_t i = (size_t)(x - ret->parties), k = (size_t)(y - ret->parties);
    ret->joints[ret->joint_count++] =
        i < k ? (struct refund_joint){i, k, delta} : (struct refund_joint){k, i, delta};
    return 0;
}

// Each try is a block that is built: it is tries that are bounded, whatever comes of them.
static int joints(struct refunds *r, struct groups *g) {
    struct refund_report *ret = r->ret;
    const struct refund_party **order =
        arena_new_array(r->a, const struct refund_party *, ret->party_count + 1);
    size_t n = 0;
    if (!order) return no_memory(r->why);
    for (size_t i = 0; i < ret->party_count; i++) {
        if (ret->parties[i].tried) order[n++] = &ret->parties[i];
    }
    qsort((void *)order, n, sizeof *order, by_paid_there);
    for (size_t k = 1; k < n; k++) {
        for (size_t i = 0; i < k && ret->pairs_tried < REFUND_PAIRS_MAX; i++) {
            if (!touch(g, order[i], order[k])) continue;
            int code = try_joint(r, order[i], order[k]);
            if (code != 0) return code;
        }
    }
    return 0;
}

static int group_orders(struct refunds *r, struct groups **ret) {
    int code = groups_new(ret, r->why);
    if (code != 0) return code;
    groups_reset(*ret, &r->f->run->env.coinbase);
    for (size_t i = 0; code == 0 && i < r->ret->party_count; i++) {
        const struct refund_party *p = &r->ret->parties[i];
        for (size_t k = 0; code == 0 && k < p->order_count; k++) {
            code = groups_add(*ret, p->orders[k].entry, r->why);
        }
    }
    return code;
}

/* The rule. */

static int share_out(struct refunds *r, struct u256 kept) {
    struct refund_report *ret = r->ret;
    size_t n = ret->party_count;
    struct refund_identity *ids = arena_new_array(r->a, struct refund_identity, n + 1);
    struct refund_pair *pairs = arena_new_array(r->a, struct refund_pair, ret->joint_count + 1);
    if (!ids || !pairs) return no_memory(r->why);
    for (size_t i = 0; i < n; i++) {
        struct refund_party *p = &ret->parties[i];
        struct u256 *paid = arena_new_array(r->a, struct u256, p->order_count);
        if (!paid) return no_memory(r->why);
        for (size_t k = 0; k < p->order_count; k++) {
            paid[k] = p->orders[k].paid;
        }
        ids[i] = (struct refund_identity){
            .block_value_delta = p->delta, .orders = paid, .order_count = p->order_count};
    }
    for (size_t i = 0; i < ret->joint_count; i++) {
        pairs[i] =
            (struct refund_pair){ret->joints[i].first, ret->joints[i].second, ret->joints[i].delta};
    }
    ret->profit = kept;
    int code = refund_compute(ids, n, pairs, ret->joint_count, kept, r->a, r->why);
    for (size_t i = 0; code == 0 && i < n; i++) {
        struct refund_party *p = &ret->parties[i];
        p->refund = ids[i].refund;
        for (size_t k = 0; k < p->order_count; k++) {
            p->orders[k].refund = ids[i].order_refunds[k];
        }
    }
    return code;
}

int refunds_compute(struct refund_report *ret, struct algorithm *alg, struct block_fill *f,
                    const struct sequence *landed, const struct plan *plan, struct u256 kept,
                    struct arena *a, struct error *why) {
    struct refunds r = {ret, alg, f, plan, *plan, U256_ZERO, a, why};
    struct groups *g = NULL;
    *ret = (struct refund_report){0};
    ret->parties = arena_new_array(a, struct refund_party, landed->count + 1);
    ret->joints = arena_new_array(a, struct refund_joint, REFUND_PAIRS_MAX);
    r.without.orders = arena_new_array(a, struct plan_order, plan->count + 1);
    if (!ret->parties || !ret->joints || !r.without.orders) return no_memory(why);
    int code = measure(&r, landed);
    if (code == 0 && u256_compare(kept, ret->value) > 0) kept = ret->value;
    if (code == 0) code = deltas(&r);
    if (code == 0) code = group_orders(&r, &g);
    if (code == 0) code = joints(&r, g);
    groups_free(g);
    return code == 0 ? share_out(&r, kept) : code;
}
