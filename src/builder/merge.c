/* The merging algorithm: the best sequence of each conflict group on its own, then all groups
 * together, those that pay most for their gas first.
 *
 * Small groups are solved exactly; large ones by several orderings, which refinement goes on from.
 * Only groups that have changed are solved again.
 *
 * SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"
#include "builder/groups.h"

#include <stdlib.h>

#define RANDOM_SEQUENCES 50u  // of a group that is too large to be tried out
#define RANDOM_ORDERS_MAX 12u // groups larger than this are left to greedy orderings

struct merge {
    struct algorithm_settings settings;
    struct groups *groups;
    struct address coinbase;
    bool begun;
    struct sequence tried, best, whole;
    struct group **sorted;
    size_t sorted_room;
};

int merge_new(struct merge **ret, const struct algorithm_settings *settings, struct error *why) {
    struct merge *m = calloc(1, sizeof *m);
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
    m->settings = *settings;
    int r = groups_new(&m->groups, why);
    if (r != 0) {
        free(m);
        return r;
    }
    *ret = m;
    return 0;
}

void merge_free(struct merge *m) {
    if (!m) return;
    groups_free(m->groups);
    sequence_free(&m->tried);
    sequence_free(&m->best);
    sequence_free(&m->whole);
    free(m->sorted);
    free(m);
}

void merge_reset(struct merge *m) {
    m->begun = false;
}

/* Takes the plan's orders into the groups; from the beginning when one is not there any more. */
static int take_plan(struct merge *m, const struct block_fill *f, const struct plan *plan,
                     struct error *why) {
    const struct address *coinbase = &f->run->env.coinbase;
    size_t known = 0;
    for (size_t i = 0; m->begun && i < plan->count; i++) {
        known += groups_has(m->groups, plan->orders[i].entry);
    }
    if (!m->begun || known != groups_order_count(m->groups)) {
        groups_reset(m->groups, coinbase);
        m->begun = true;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct job_entry *e = plan->orders[i].entry;
        if (groups_has(m->groups, e)) continue;
        int r = groups_add(m->groups, e, why);
        if (r != 0) {
            m->begun = false;
            return r;
        }
    }
    return 0;
}

/* One group. */

static int by_profit(const void *a, const void *b) {
    const struct job_entry *x = *(const struct job_entry *const *)a;
    const struct job_entry *y = *(const struct job_entry *const *)b;
    int order = u256_compare(y->sim.profit, x->sim.profit);
    return order ? order : memcmp(x->job.order->id.b, y->job.order->id.b, 32);
}

static int by_price(const void *a, const void *b) {
    const struct job_entry *x = *(const struct job_entry *const *)a;
    const struct job_entry *y = *(const struct job_entry *const *)b;
    int order = u256_compare(y->price, x->price);
    return order ? order : memcmp(x->job.order->id.b, y->job.order->id.b, 32);
}

static int by_length(const void *a, const void *b) {
    const struct job_entry *x = *(const struct job_entry *const *)a;
    const struct job_entry *y = *(const struct job_entry *const *)b;
    size_t p = x->job.order->tx_count, q = y->job.order->tx_count;
    return p != q ? (p < q ? 1 : -1) : by_profit(a, b);
}

static int by_loss(const void *a, const void *b) {
    return by_profit(b, a);
}

// Runs m->tried on its own and keeps it where it is the best so far.
static int try_sequence(struct merge *m, struct group *g, struct block_fill *f,
                        const atomic_bool *stop, struct error *why) {
    int r = sequence_run(f, &m->tried, stop, why);
    if (r != 0) return r;
    struct u256 profit = fill_profit(f);
    if (m->best.count && u256_compare(profit, g->profit) <= 0) return 0;
    g->profit = profit;
    return sequence_of_fill(&m->best, f, why);
}

static int try_sorted(struct merge *m, struct group *g, struct block_fill *f,
                      int (*compare)(const void *, const void *), const atomic_bool *stop,
                      struct error *why) {
    m->tried.count = 0;
    for (size_t i = 0; i < g->count; i++) {
        int r = sequence_add(&m->tried, g->orders[i], why);
        if (r != 0) return r;
    }
    qsort(m->tried.at, m->tried.count, sizeof *m->tried.at, compare);
    int code = sequence_order_nonces(&m->tried, why);
    return code != 0 ? code : try_sequence(m, g, f, stop, why);
}

static int try_random(struct merge *m, struct group *g, struct block_fill *f,
                      const atomic_bool *stop, struct error *why) {
    struct random_fast random;
    int r = 0;
    random_fast_seed(&random, m->settings.seed + g->orders[0]->index);
    for (unsigned n = 0; r == 0 && n < RANDOM_SEQUENCES; n++) {
        for (size_t i = m->tried.count; i > 1; i--) {
            size_t k = random_fast_below(&random, i);
            const struct job_entry *swap = m->tried.at[i - 1];
            m->tried.at[i - 1] = m->tried.at[k];
            m->tried.at[k] = swap;
        }
        r = try_sequence(m, g, f, stop, why);
    }
    return r;
}

static int solve(struct merge *m, struct group *g, struct block_fill *f, const atomic_bool *stop,
                 struct error *why) {
    size_t exact = m->settings.exact_max ? m->settings.exact_max : ALGORITHM_EXACT_MAX;
    int r;
    m->best.count = 0;
    g->profit = U256_ZERO;
    if (g->count == 1) {
        g->profit = g->orders[0]->sim.profit;
        r = sequence_add(&m->best, g->orders[0], why);
    } else if (g->count <= exact && !m->settings.safe_sorting) {
        r = exact_run(&m->best, &g->profit, f, g->orders, g->count, stop, why);
    } else {
        r = try_sorted(m, g, f, by_profit, stop, why);
        if (r == 0) r = try_sorted(m, g, f, by_price, stop, why);
        bool free_order = !m->settings.safe_sorting && g->count <= RANDOM_ORDERS_MAX;
        if (r == 0 && free_order) r = try_sorted(m, g, f, by_length, stop, why);
        if (r == 0 && free_order) r = try_sorted(m, g, f, by_loss, stop, why);
        if (r == 0 && free_order) r = try_random(m, g, f, stop, why);
    }
    if (r != 0) return r;
    const struct job_entry **best = realloc(g->best, (m->best.count + 1) * sizeof *best);
    if (!best) return error_set(why, ERR_NO_MEMORY, "no memory for a group");
    if (m->best.count) memcpy(best, m->best.at, m->best.count * sizeof *best);
    g->best = best;
    g->best_count = m->best.count;
    g->changed = false;
    return 0;
}

/* All groups. */

static uint64_t gas_of(const struct group *g) {
    uint64_t gas = 0;
    for (size_t i = 0; i < g->best_count; i++) {
        gas += g->best[i]->sim.gas_used;
    }
    return gas ? gas : 1;
}

// Profit a gas, higher first; the products fit: profits are below 2^128.
static int by_worth(const void *a, const void *b) {
    const struct group *x = *(const struct group *const *)a;
    const struct group *y = *(const struct group *const *)b;
    struct u256 p = u256_mul(x->profit, u256_from_u64(gas_of(y)));
    struct u256 q = u256_mul(y->profit, u256_from_u64(gas_of(x)));
    int order = u256_compare(q, p);
    if (order) return order;
    return x->orders[0]->index < y->orders[0]->index ? -1 : 1;
}

// Orders that their group does better without may still pay where the groups left room.
static int add_rest(struct merge *m, struct error *why) {
    size_t first = m->whole.count;
    for (const struct group *g = groups_first(m->groups); g; g = g->next) {
        for (size_t i = 0; i < g->count; i++) {
            bool in = false;
            for (size_t k = 0; k < g->best_count && !in; k++) {
                in = g->best[k] == g->orders[i];
            }
            int r = in ? 0 : sequence_add(&m->whole, g->orders[i], why);
            if (r != 0) return r;
        }
    }
    if (m->whole.count > first) {
        qsort(m->whole.at + first, m->whole.count - first, sizeof *m->whole.at, by_price);
    }
    return 0;
}

static int assemble(struct merge *m, struct error *why) {
    size_t count = 0;
    for (const struct group *g = groups_first(m->groups); g; g = g->next) {
        count++;
    }
    if (count > m->sorted_room) {
        struct group **p = realloc(m->sorted, count * sizeof(struct group *));
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for groups");
        m->sorted = p;
        m->sorted_room = count;
    }
    count = 0;
    for (struct group *g = groups_first(m->groups); g; g = g->next) {
        m->sorted[count++] = g;
    }
    if (count) qsort(m->sorted, count, sizeof(struct group *), by_worth);
    m->whole.count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < m->sorted[i]->best_count; k++) {
            int r = sequence_add(&m->whole, m->sorted[i]->best[k], why);
            if (r != 0) return r;
        }
    }
    return add_rest(m, why);
}

int merge_run(struct merge *m, struct block_fill *f, const struct plan *plan,
              const atomic_bool *stop, struct error *why) {
    int r = take_plan(m, f, plan, why);
    for (struct group *g = groups_first(m->groups); r == 0 && g; g = g->next) {
        if (g->changed) r = solve(m, g, f, stop, why);
    }
    if (r == 0) r = assemble(m, why);
    return r == 0 ? sequence_run(f, &m->whole, stop, why) : r;
}
