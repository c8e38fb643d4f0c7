/* SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"

#include <stdlib.h>

void sequence_free(struct sequence *s) {
    free(s->at);
    *s = (struct sequence){0};
}

static int reserve(struct sequence *s, size_t count, struct error *why) {
    if (count <= s->room) return 0;
    size_t room = s->room ? 2 * s->room : 64;
    if (room < count) room = count;
    const struct job_entry **p = realloc(s->at, room * sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a sequence");
    s->at = p;
    s->room = room;
    return 0;
}

int sequence_add(struct sequence *s, const struct job_entry *e, struct error *why) {
    int r = reserve(s, s->count + 1, why);
    if (r == 0) s->at[s->count++] = e;
    return r;
}

int sequence_copy(struct sequence *to, const struct sequence *from, struct error *why) {
    int r = reserve(to, from->count, why);
    if (r != 0) return r;
    if (from->count) memcpy(to->at, from->at, from->count * sizeof *from->at);
    to->count = from->count;
    return 0;
}

/* An order's place in a sequence, by the first nonce that it needs. */
struct nonce_place {
    uint32_t sender;
    uint64_t nonce;
    size_t at;
    const struct job_entry *entry;
};

static int by_place(const void *a, const void *b) {
    const struct nonce_place *x = a, *y = b;
    if (x->sender != y->sender) return x->sender < y->sender ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_nonce(const void *a, const void *b) {
    const struct nonce_place *x = a, *y = b;
    if (x->sender != y->sender) return x->sender < y->sender ? -1 : 1;
    if (x->nonce != y->nonce) return x->nonce < y->nonce ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

int sequence_order_nonces(struct sequence *s, struct error *why) {
    struct nonce_place *places = malloc(2 * (s->count + 1) * sizeof *places);
    if (!places) return error_set(why, ERR_NO_MEMORY, "no memory for a sequence");
    struct nonce_place *orders = places + s->count;
    for (size_t i = 0; i < s->count; i++) {
        const struct job_order *o = &s->at[i]->job;
        places[i] = (struct nonce_place){o->senders[0], o->order->nonces[0].nonce, i, s->at[i]};
    }
    memcpy(orders, places, s->count * sizeof *places);
    qsort(places, s->count, sizeof *places, by_place);
    qsort(orders, s->count, sizeof *orders, by_nonce);
    for (size_t i = 0; i < s->count; i++) { // the k-th place of a sender gets its k-th nonce
        s->at[places[i].at] = orders[i].entry;
    }
    free(places);
    return 0;
}

// Tries again those that wait for a nonce, as long as one of them gets in.
static int retry(struct block_fill *f, const struct job_entry **waiting, size_t *count,
                 struct error *why) {
    for (size_t i = 0; i < *count;) {
        const struct commit_result *result;
        int r = fill_step(f, &waiting[i]->job, &U256_ZERO, &result, why);
        if (r != 0) return r;
        if (result->status == COMMIT_NONCE_HIGH) {
            i++;
            continue;
        }
        memmove(&waiting[i], &waiting[i + 1], (*count - i - 1) * sizeof *waiting);
        (*count)--;
        if (result->status == COMMIT_DONE) i = 0;
    }
    return 0;
}

#define WAITING_MAX 64u

int sequence_run(struct block_fill *f, const struct sequence *s, const atomic_bool *stop,
                 struct error *why) {
    const struct job_entry *waiting[WAITING_MAX];
    size_t count = 0;
    int r = 0;
    fill_restart(f);
    for (size_t i = 0; r == 0 && i < s->count; i++) {
        const struct commit_result *result;
        if (algorithm_stopped(stop)) {
            fill_end(f);
            return error_set(why, ERR_CANCELLED, "building was stopped");
        }
        r = fill_step(f, &s->at[i]->job, &U256_ZERO, &result, why);
        if (r != 0) break;
        if (result->status == COMMIT_NONCE_HIGH && count < WAITING_MAX) waiting[count++] = s->at[i];
        if (result->status == COMMIT_DONE && count) r = retry(f, waiting, &count, why);
    }
    if (r == 0) fill_end(f);
    return r;
}

int sequence_of_fill(struct sequence *ret, const struct block_fill *f, struct error *why) {
    int r = 0;
    ret->count = 0;
    for (size_t i = 0; r == 0 && i < f->step_count; i++) {
        if (f->steps[i].result.status != COMMIT_DONE) continue;
        // A job_order is the beginning of its entry.
        r = sequence_add(ret, (const struct job_entry *)(const void *)f->steps[i].order, why);
    }
    return r;
}

static bool share_a_tx(const struct build_order *a, const struct build_order *b) {
    for (size_t i = 0; i < a->tx_count; i++) {
        for (size_t k = 0; k < b->tx_count; k++) {
            if (hash_equal(&a->txs[i].tx.hash, &b->txs[k].tx.hash)) return true;
        }
    }
    return false;
}

bool refunds_in_order(const struct sequence *s) {
    for (size_t i = 0; i < s->count; i++) {
        const struct job_entry *later = s->at[i];
        if (u256_is_zero(later->sim.kickbacks)) continue;
        for (size_t k = 0; k < i; k++) {
            const struct job_entry *first = s->at[k];
            if (u256_is_zero(first->sim.kickbacks)) continue;
            if (u256_compare(first->sim.kickbacks, later->sim.kickbacks) >= 0) continue;
            if (share_a_tx(first->job.order, later->job.order)) return false;
        }
    }
    return true;
}
