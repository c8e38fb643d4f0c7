/* Every sequence of every selection: a walk over the tree of prefixes, each of which is executed
 * once. SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"

#define EXACT_MOST 8u

struct walk {
    struct block_fill *f;
    const struct job_entry *const *orders;
    size_t count;
    const struct job_entry *path[EXACT_MOST], *best[EXACT_MOST];
    size_t best_count;
    struct u256 best_profit;
    bool any;
    const atomic_bool *stop;
    struct error *why;
};

// The fill goes to the end of the path; *ret_in: its last order got in.
static int go(struct walk *w, size_t depth, bool *ret_in) {
    const struct commit_result *result = NULL;
    fill_restart(w->f);
    for (size_t i = 0; i < depth; i++) {
        int r = fill_step(w->f, &w->path[i]->job, &U256_ZERO, &result, w->why);
        if (r != 0) return r;
    }
    fill_end(w->f);
    *ret_in = !result || result->status == COMMIT_DONE;
    return 0;
}

static int visit(struct walk *w, size_t depth, unsigned used) {
    bool in;
    if (algorithm_stopped(w->stop)) return error_set(w->why, ERR_CANCELLED, "stopped");
    int r = go(w, depth, &in);
    // What does not get in here changes nothing: the same selection without it comes as well.
    if (r != 0 || !in) return r;
    struct u256 profit = fill_profit(w->f);
    if (!w->any || u256_compare(profit, w->best_profit) > 0) {
        w->any = true;
        w->best_profit = profit;
        w->best_count = depth;
        memcpy(w->best, w->path, sizeof w->path);
    }
    for (size_t i = 0; r == 0 && i < w->count; i++) {
        if (used & 1u << i) continue;
        w->path[depth] = w->orders[i];
        r = visit(w, depth + 1, used | 1u << i);
    }
    return r;
}

int exact_run(struct sequence *ret, struct u256 *ret_profit, struct block_fill *f,
              const struct job_entry *const *orders, size_t count, const atomic_bool *stop,
              struct error *why) {
    struct walk w = {.f = f, .orders = orders, .count = count, .stop = stop, .why = why};
    if (count > EXACT_MOST) return error_set(why, ERR_LIMIT, "more than %u orders", EXACT_MOST);
    int r = visit(&w, 0, 0);
    ret->count = 0;
    for (size_t i = 0; r == 0 && i < w.best_count; i++) {
        r = sequence_add(ret, w.best[i], why);
    }
    if (r == 0) *ret_profit = w.best_profit;
    return r;
}
