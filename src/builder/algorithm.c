/* SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"
#include "builder/groups.h"

#include <math.h>
#include <stdlib.h>

#define TEMPERATURE_FIRST 0.002 // of the profit: how much worse a step may be at the beginning
#define TEMPERATURE_FALL 0.995  // with each try

struct algorithm {
    struct algorithm_settings settings;
    struct greedy *greedy;
    struct merge *merge;
    struct random_fast random;
    uint8_t *seen; // by index of entry: it was in the last plan
    size_t seen_room, seen_count;
    struct fill_step *steps; // of the candidate that is extended
    size_t step_room;
    uint64_t refined_version; // of the plan that the walk below belongs to
    bool refining;
    double temperature;
    struct sequence now, best, tried; // the walk: where it is, the best, the next
    struct groups *groups;            // of the plan that is refined
    struct group **contested;         // groups of more than one order
    size_t contested_count, contested_room;
    size_t contested_orders; // in all of them
    struct u256 now_profit, best_profit;
};

static const struct {
    const char *name, *deployed;
} names[ALGORITHM_KIND_COUNT] = {
    [ALGORITHM_MAX_PROFIT] = {"max-profit", "mp-ordering"},
    [ALGORITHM_GAS_PRICE] = {"mev-gas-price", "mgp-ordering"},
    [ALGORITHM_TYPE_MAX_PROFIT] = {"type-max-profit", "tmp-ordering"},
    [ALGORITHM_LENGTH_MAX_PROFIT] = {"length-three-max-profit", "ltmp-ordering"},
    [ALGORITHM_LENGTH_GAS_PRICE] = {"length-three-mev-gas-price", "ltmgp-ordering"},
    [ALGORITHM_MERGE] = {"parallel", "parallel-builder"},
};

const char *algorithm_name(enum algorithm_kind k) {
    return k < ALGORITHM_KIND_COUNT ? names[k].name : "unknown";
}

int algorithm_find(struct bytes name) {
    for (int i = 0; i < ALGORITHM_KIND_COUNT; i++) {
        if (bytes_equal_str(name, names[i].name) || bytes_equal_str(name, names[i].deployed)) {
            return i;
        }
    }
    return -1;
}

int algorithm_new(struct algorithm **ret, const struct algorithm_settings *settings,
                  struct error *why) {
    struct algorithm *a = calloc(1, sizeof *a);
    if (!a) return error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
    a->settings = *settings;
    int r = settings->kind == ALGORITHM_MERGE ? merge_new(&a->merge, settings, why)
                                              : greedy_new(&a->greedy, why);
    if (r == 0) r = groups_new(&a->groups, why);
    if (r != 0) {
        algorithm_free(a);
        return r;
    }
    algorithm_reset(a);
    *ret = a;
    return 0;
}

void algorithm_free(struct algorithm *a) {
    if (!a) return;
    greedy_free(a->greedy);
    merge_free(a->merge);
    groups_free(a->groups);
    free(a->contested);
    free(a->seen);
    free(a->steps);
    sequence_free(&a->now);
    sequence_free(&a->best);
    sequence_free(&a->tried);
    free(a);
}

void algorithm_reset(struct algorithm *a) {
    if (a->merge) merge_reset(a->merge);
    random_fast_seed(&a->random, a->settings.seed);
    a->refining = false;
    a->seen_count = 0;
}

// What a plan holds is remembered, so that the next one can be compared.
static int remember_plan(struct algorithm *a, const struct plan *plan, struct error *why) {
    size_t most = 0;
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->orders[i].entry->index >= most) most = plan->orders[i].entry->index + 1u;
    }
    if (most > a->seen_room) {
        uint8_t *p = realloc(a->seen, 2 * most);
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
        a->seen = p;
        a->seen_room = 2 * most;
    }
    if (a->seen_room) memset(a->seen, 0, a->seen_room);
    for (size_t i = 0; i < plan->count; i++) {
        a->seen[plan->orders[i].entry->index] = 1;
    }
    a->seen_count = plan->count;
    return 0;
}

int algorithm_run(struct algorithm *a, struct block_fill *f, const struct plan *plan,
                  const atomic_bool *stop, struct error *why) {
    a->refining = false;
    int r = remember_plan(a, plan, why);
    if (r != 0) return r;
    if (a->merge) return merge_run(a->merge, f, plan, stop, why);
    return greedy_run(a->greedy, a->settings.kind, a->settings.retries, f, plan, stop, why);
}

/* Extension. */

// The orders that the last plan did not have; false when there are too many or others are gone.
static bool find_new(const struct algorithm *a, const struct plan *plan,
                     const struct plan_order *ret[ALGORITHM_EXTEND_MAX], size_t *ret_count) {
    size_t known = 0, n = 0;
    for (size_t i = 0; i < plan->count; i++) {
        uint32_t index = plan->orders[i].entry->index;
        if (index < a->seen_room && a->seen[index]) {
            known++;
        } else if (n == ALGORITHM_EXTEND_MAX) {
            return false;
        } else {
            ret[n++] = &plan->orders[i];
        }
    }
    *ret_count = n;
    return a->seen_count && known == a->seen_count && n > 0;
}

// The step before which new orders of that gas have room.
static size_t cut_of(const struct block_fill *f, uint64_t gas) {
    const struct block_run *run = f->run;
    size_t i = f->step_count;
    uint64_t limit = run->env.gas_limit, kept = f->options.reserved_gas;
    uint64_t end = limit > kept ? limit - kept : 0;
    while (i > 0 && f->steps[i - 1].before.run.gas_used + gas > end) {
        i--;
    }
    return i;
}

static int keep_steps(struct algorithm *a, const struct block_fill *f, struct error *why) {
    if (f->step_count > a->step_room) {
        struct fill_step *p = realloc(a->steps, f->step_count * sizeof *p);
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
        a->steps = p;
        a->step_room = f->step_count;
    }
    if (f->step_count) memcpy(a->steps, f->steps, f->step_count * sizeof *a->steps);
    return 0;
}

int algorithm_extend(struct algorithm *a, struct block_fill *f, const struct plan *plan,
                     bool *ret_done, struct error *why) {
    const struct plan_order *fresh[ALGORITHM_EXTEND_MAX];
    const struct commit_result *result;
    size_t count = 0, steps = f->step_count;
    uint64_t gas = 0;
    *ret_done = find_new(a, plan, fresh, &count);
    if (!*ret_done) return 0;
    int r = keep_steps(a, f, why);
    for (size_t i = 0; i < count; i++) { // what they may take, not what they used
        const struct build_order *o = fresh[i]->entry->job.order;
        for (size_t k = 0; k < o->tx_count; k++) {
            gas += o->txs[k].tx.gas;
        }
    }
    size_t cut = cut_of(f, gas);
    fill_restart(f);
    for (size_t i = 0; r == 0 && i <= steps; i++) {
        for (size_t k = 0; r == 0 && i == cut && k < count; k++) {
            r = fill_step(f, &fresh[k]->entry->job, &U256_ZERO, &result, why);
        }
        if (r != 0 || i == steps) break;
        r = fill_step(f, a->steps[i].order, &a->steps[i].least_profit, &result, why);
    }
    if (r == 0) fill_end(f);
    a->refining = false;
    return r;
}

/* Refinement: simulated annealing over sequences. */

static int group_plan(struct algorithm *a, const struct block_fill *f, const struct plan *plan,
                      struct error *why) {
    size_t count = 0;
    groups_reset(a->groups, &f->run->env.coinbase);
    for (size_t i = 0; i < plan->count; i++) {
        int r = groups_add(a->groups, plan->orders[i].entry, why);
        if (r != 0) return r;
    }
    for (const struct group *g = groups_first(a->groups); g; g = g->next) {
        count++;
    }
    if (count > a->contested_room) {
        struct group **p = realloc(a->contested, count * sizeof(struct group *));
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for groups");
        a->contested = p;
        a->contested_room = count;
    }
    a->contested_count = a->contested_orders = 0;
    for (struct group *g = groups_first(a->groups); g; g = g->next) {
        if (g->count < 2) continue;
        a->contested[a->contested_count++] = g;
        a->contested_orders += g->count;
    }
    return 0;
}

static bool is_in(const struct sequence *s, size_t count, const struct job_entry *e) {
    for (size_t i = 0; i < count; i++) {
        if (s->at[i] == e) return true;
    }
    return false;
}

/* The walk begins at the candidate. What nothing depends on comes first, so that a change further
 * back costs only what may be changed by it; what does not stand in the block comes last. */
static int begin_walk(struct algorithm *a, struct block_fill *f, const struct plan *plan,
                      struct error *why) {
    int r = group_plan(a, f, plan, why);
    if (r == 0) r = sequence_of_fill(&a->tried, f, why);
    size_t standing = a->tried.count;
    a->now.count = 0;
    for (int contested = 0; contested < 2; contested++) {
        for (size_t i = 0; r == 0 && i < standing; i++) {
            bool shared = groups_size(a->groups, a->tried.at[i]) > 1;
            if (shared == contested) r = sequence_add(&a->now, a->tried.at[i], why);
        }
    }
    for (size_t i = 0; r == 0 && i < plan->count; i++) {
        if (is_in(&a->now, standing, plan->orders[i].entry)) continue;
        r = sequence_add(&a->now, plan->orders[i].entry, why);
    }
    struct u256 profit = fill_profit(f);
    if (r == 0) r = sequence_run(f, &a->now, NULL, why);
    if (r == 0 && u256_compare(fill_profit(f), profit) < 0) { // who reads the coinbase may care
        memcpy(a->now.at, a->tried.at, standing * sizeof *a->now.at);
        r = sequence_run(f, &a->now, NULL, why);
    }
    if (r == 0) r = sequence_copy(&a->best, &a->now, why);
    a->now_profit = a->best_profit = fill_profit(f);
    a->temperature = TEMPERATURE_FIRST;
    a->refining = r == 0;
    a->refined_version = plan->version;
    return r;
}

static void move_order(struct sequence *s, size_t from, size_t to) {
    const struct job_entry *e = s->at[from];
    if (from < to) {
        memmove(&s->at[from], &s->at[from + 1], (to - from) * sizeof *s->at);
    } else {
        memmove(&s->at[to + 1], &s->at[to], (from - to) * sizeof *s->at);
    }
    s->at[to] = e;
}

static size_t place_of(const struct sequence *s, const struct job_entry *e) {
    size_t i = 0;
    while (i + 1 < s->count && s->at[i] != e) {
        i++;
    }
    return i;
}

// Two orders of one group, the larger groups more often.
static void pick_contested(struct algorithm *a, size_t *ret_from, size_t *ret_to) {
    size_t n = random_fast_below(&a->random, a->contested_orders), i = 0;
    while (n >= a->contested[i]->count) {
        n -= a->contested[i++]->count;
    }
    const struct group *g = a->contested[i];
    size_t other = random_fast_below(&a->random, g->count - 1);
    if (other >= n) other++;
    *ret_from = place_of(&a->tried, g->orders[n]);
    *ret_to = place_of(&a->tried, g->orders[other]);
}

// One change: an order to another's place, or two that change places; mostly of one group.
static void change(struct algorithm *a) {
    struct sequence *s = &a->tried;
    size_t from, to;
    if (a->contested_count && random_fast_below(&a->random, 3) != 0) {
        pick_contested(a, &from, &to);
    } else {
        from = random_fast_below(&a->random, s->count);
        to = random_fast_below(&a->random, s->count);
    }
    if (from == to) to = (to + 1) % s->count;
    if (random_fast_below(&a->random, 3) == 0) {
        const struct job_entry *swap = s->at[from];
        s->at[from] = s->at[to];
        s->at[to] = swap;
        return;
    }
    move_order(s, from, to);
}

static double as_double(struct u256 v) {
    return ((double)v.w[3] * 0x1p192) + ((double)v.w[2] * 0x1p128) + ((double)v.w[1] * 0x1p64) +
           (double)v.w[0];
}

static bool accept(struct algorithm *a, struct u256 profit) {
    if (u256_compare(profit, a->now_profit) >= 0) return true;
    double now = as_double(a->now_profit);
    double worse = (now - as_double(profit)) / (now > 0 ? now : 1);
    return random_fast_unit(&a->random) < exp(-worse / a->temperature);
}

static int walk_once(struct algorithm *a, struct block_fill *f, const atomic_bool *stop,
                     struct error *why) {
    int r = sequence_copy(&a->tried, &a->now, why);
    if (r != 0) return r;
    change(a);
    if (a->settings.safe_sorting && !refunds_in_order(&a->tried)) return 0;
    r = sequence_run(f, &a->tried, stop, why);
    if (r != 0) return r;
    struct u256 profit = fill_profit(f);
    a->temperature *= TEMPERATURE_FALL;
    if (!accept(a, profit)) return 0;
    a->now_profit = profit;
    r = sequence_copy(&a->now, &a->tried, why);
    if (r == 0 && u256_compare(profit, a->best_profit) > 0) {
        a->best_profit = profit;
        r = sequence_copy(&a->best, &a->now, why);
    }
    return r;
}

int algorithm_refine(struct algorithm *a, struct block_fill *f, const struct plan *plan,
                     unsigned tries, const atomic_bool *stop, struct error *why) {
    int r = 0;
    if (!a->refining || a->refined_version != plan->version) r = begin_walk(a, f, plan, why);
    if (a->now.count < 2) return r;
    for (unsigned i = 0; r == 0 && i < tries; i++) {
        r = walk_once(a, f, stop, why);
    }
    // Cancelled in the middle: the best is not lost, it costs a run.
    if (r == 0 || r == ERR_CANCELLED) {
        int back = sequence_run(f, &a->best, NULL, why);
        if (back != 0) r = back;
    }
    return r;
}
