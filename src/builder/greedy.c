/* The greedy algorithms: a heap of the orders whose nonces are reached, best first by what they
 * were worth alone. One that is worth clearly less in place goes back with that value.
 *
 * What each order came to is the fill's memory: when the next plan agrees with this one up to some
 * order, all before it costs only the bookkeeping here.
 *
 * SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"

#include <stdlib.h>

#define IN_PLACE_PERCENT 95u // of the value alone: less goes back into the heap
#define NONE UINT32_MAX
#define TX_GAS_LEAST 21000u

struct rank {
    uint32_t first; // higher comes first, before the value
    unsigned retries;
    struct u256 value;  // profit or price
    struct u256 expect; // profit that it had when it got this value
};

struct greedy {
    struct rank *ranks; // by index in the plan
    uint32_t *heap;
    size_t heap_count;
    uint32_t *next; // by index in the plan: the next that waits for the same sender
    size_t room;
    uint64_t *nonces;  // by sender: as of the decisions so far
    uint32_t *waiting; // by sender: first order that waits, NONE
    size_t sender_room;
    const struct plan *plan;
    bool by_price;
};

int greedy_new(struct greedy **ret, struct error *why) {
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
}

void greedy_free(struct greedy *g) {
    if (!g) return;
    free(g->ranks);
    free(g->heap);
    free(g->next);
    free(g->nonces);
    free(g->waiting);
    free(g);
}

static bool resize(void **p, size_t count, size_t size) {
    void *q = realloc(*p, count * size);
    if (q) *p = q;
    return q != NULL;
}

static int reserve(struct greedy *g, const struct plan *plan, struct error *why) {
    void *ranks = g->ranks, *heap = g->heap, *next = g->next;
    void *nonces = g->nonces, *waiting = g->waiting;
    bool ok = true;
    if (plan->count > g->room) {
        ok = resize(&ranks, plan->count, sizeof *g->ranks) &&
             resize(&heap, plan->count, sizeof *g->heap) &&
             resize(&next, plan->count, sizeof *g->next);
        g->ranks = ranks;
        g->heap = heap;
        g->next = next;
        if (ok) g->room = plan->count;
    }
    if (ok && plan->sender_count > g->sender_room) {
        ok = resize(&nonces, plan->sender_count, sizeof *g->nonces) &&
             resize(&waiting, plan->sender_count, sizeof *g->waiting);
        g->nonces = nonces;
        g->waiting = waiting;
        if (ok) g->sender_room = plan->sender_count;
    }
    return ok ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for an algorithm");
}

/* The heap. */

static bool comes_before(const struct greedy *g, uint32_t a, uint32_t b) {
    const struct rank *x = &g->ranks[a], *y = &g->ranks[b];
    if (x->first != y->first) return x->first > y->first;
    int order = u256_compare(x->value, y->value);
    if (order != 0) return order > 0;
    const struct build_order *p = g->plan->orders[a].entry->job.order;
    const struct build_order *q = g->plan->orders[b].entry->job.order;
    return memcmp(p->id.b, q->id.b, sizeof p->id.b) < 0;
}

static void push(struct greedy *g, uint32_t i) {
    size_t at = g->heap_count++;
    while (at > 0 && comes_before(g, i, g->heap[(at - 1) / 2])) {
        g->heap[at] = g->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    g->heap[at] = i;
}

static uint32_t pop(struct greedy *g) {
    uint32_t best = g->heap[0], last = g->heap[--g->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= g->heap_count) break;
        if (child + 1 < g->heap_count && comes_before(g, g->heap[child + 1], g->heap[child])) {
            child++;
        }
        if (!comes_before(g, g->heap[child], last)) break;
        g->heap[at] = g->heap[child];
        at = child;
    }
    if (g->heap_count) g->heap[at] = last;
    return best;
}

/* Nonces. */

// Into the heap, into the line of the first sender that is not there yet, or out for good.
static void place(struct greedy *g, uint32_t i) {
    const struct job_order *o = &g->plan->orders[i].entry->job;
    uint64_t now[BUILD_TXS_MAX];
    size_t at = 0;
    for (size_t k = 0; k < o->order->nonce_count; k++) {
        now[k] = g->nonces[o->senders[k]];
    }
    enum build_reach reach = build_order_reach(o->order, now, &at);
    if (reach == BUILD_REACHED) push(g, i);
    if (reach != BUILD_AHEAD) return;
    g->next[i] = g->waiting[o->senders[at]];
    g->waiting[o->senders[at]] = i;
}

// At those that wait for a nonce of a sender.
static void look_again(struct greedy *g, uint32_t sender) {
    uint32_t w = g->waiting[sender];
    g->waiting[sender] = NONE;
    while (w != NONE) {
        uint32_t following = g->next[w];
        place(g, w);
        w = following;
    }
}

// A step that got in moved nonces on: those that waited are looked at again.
static void move_nonces(struct greedy *g, const struct block_fill *f, size_t step) {
    size_t from, to;
    fill_step_txs(f, step, &from, &to);
    for (size_t i = from; i < to; i++) {
        const struct job_tx *t = f->txs[i].job;
        if (!t || t->sender >= g->plan->sender_count) continue;
        g->nonces[t->sender] = t->t->tx.nonce + 1;
        for (size_t k = 0; k < t->t->authority_count; k++) {
            uint32_t s = t->authorities[k];
            if (s >= g->plan->sender_count) continue;
            if (g->nonces[s] == t->t->authorities[k].nonce) g->nonces[s]++;
        }
    }
    for (size_t i = from; i < to; i++) {
        const struct job_tx *t = f->txs[i].job;
        if (!t || t->sender >= g->plan->sender_count) continue;
        look_again(g, t->sender);
        for (size_t k = 0; k < t->t->authority_count; k++) {
            if (t->authorities[k] < g->plan->sender_count) look_again(g, t->authorities[k]);
        }
    }
}

/* The run. */

static void begin(struct greedy *g, enum algorithm_kind kind, const struct plan *plan) {
    g->plan = plan;
    g->heap_count = 0;
    g->by_price = kind == ALGORITHM_GAS_PRICE || kind == ALGORITHM_LENGTH_GAS_PRICE;
    bool by_length = kind == ALGORITHM_LENGTH_MAX_PROFIT || kind == ALGORITHM_LENGTH_GAS_PRICE;
    for (size_t i = 0; i < plan->sender_count; i++) {
        g->nonces[i] = plan->nonces[i];
        g->waiting[i] = NONE;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_order *p = &plan->orders[i];
        const struct build_order *o = p->entry->job.order;
        uint32_t first = 0;
        if (kind == ALGORITHM_TYPE_MAX_PROFIT) first = o->kind != BUILD_TX;
        if (by_length) first = o->tx_count >= 3;
        g->ranks[i] = (struct rank){first, 0, g->by_price ? p->price : p->profit, p->profit};
        place(g, i);
    }
}

static struct u256 least_of(struct u256 expect) {
    struct u256 least;
    u256_div_mod(&least, NULL, u256_mul(expect, u256_from_u64(IN_PLACE_PERCENT)),
                 u256_from_u64(100));
    return least;
}

// Back into the heap with what it is worth in place.
static void lower(struct greedy *g, uint32_t i, const struct commit_result *result) {
    struct rank *rank = &g->ranks[i];
    rank->retries++;
    rank->expect = rank->value = result->profit;
    if (g->by_price && result->gas_used) {
        u256_div_mod(&rank->value, NULL, result->profit, u256_from_u64(result->gas_used));
    }
    push(g, i);
}

int greedy_run(struct greedy *g, enum algorithm_kind kind, unsigned retries, struct block_fill *f,
               const struct plan *plan, const atomic_bool *stop, struct error *why) {
    uint64_t limit = f->run->env.gas_limit, kept = f->options.reserved_gas;
    uint64_t gas_max = limit > kept ? limit - kept : 0, gas = 0;
    int r = reserve(g, plan, why);
    if (r != 0) return r;
    begin(g, kind, plan);
    fill_restart(f);
    for (size_t step = 0; g->heap_count && gas + TX_GAS_LEAST <= gas_max; step++) {
        const struct commit_result *result;
        uint32_t i = pop(g);
        struct u256 least = least_of(g->ranks[i].expect);
        if (algorithm_stopped(stop)) {
            fill_end(f);
            return error_set(why, ERR_CANCELLED, "building was stopped");
        }
        r = fill_step(f, &plan->orders[i].entry->job, &least, &result, why);
        if (r != 0) return r;
        if (result->status == COMMIT_DONE) {
            gas += result->gas_used;
            move_nonces(g, f, step);
        } else if (result->status == COMMIT_PROFIT_TOO_LOW && g->ranks[i].retries < retries) {
            lower(g, i, result);
        }
    }
    fill_end(f);
    return 0;
}
