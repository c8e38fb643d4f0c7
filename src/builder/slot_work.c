/* SPDX-License-Identifier: MIT */
#include "builder/slot_work.h"

#include <stdlib.h>

int slot_work_new(struct slot_work **ret, const struct slot_work *values, struct error *why) {
    struct slot_work *w = calloc(1, sizeof *w);
    if (!w) return error_set(why, ERR_NO_MEMORY, "no memory for a slot");
    *w = *values;
    atomic_init(&w->holders, 1);
    arena_init(&w->memory, 0);
    size_t bytes = values->attributes.withdrawal_count * sizeof(struct withdrawal);
    struct bytes list = arena_copy(&w->memory, bytes_make(values->attributes.withdrawals, bytes));
    w->attributes.extra_data = arena_copy(&w->memory, values->attributes.extra_data);
    if ((bytes && !list.p) || (values->attributes.extra_data.n && !w->attributes.extra_data.p)) {
        arena_free(&w->memory);
        free(w);
        return error_set(why, ERR_NO_MEMORY, "no memory for a slot");
    }
    w->attributes.withdrawals = (const struct withdrawal *)(const void *)list.p;
    w->listed = block_list_retain(values->listed);
    (void)pthread_mutex_init(&w->lock, NULL);
    *ret = w;
    return 0;
}

struct slot_work *slot_work_retain(struct slot_work *w) {
    atomic_fetch_add_explicit(&w->holders, 1, memory_order_relaxed);
    return w;
}

void slot_work_release(struct slot_work *w) {
    if (!w || atomic_fetch_sub_explicit(&w->holders, 1, memory_order_acq_rel) != 1) return;
    job_free(w->job);
    block_list_release(w->listed);
    arena_free(&w->memory);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

struct slot_auction slot_work_auction(struct slot_work *w) {
    pthread_mutex_lock(&w->lock);
    struct slot_auction a = {w->has_best, w->must_win,  w->halted,
                             w->others,   w->spent_day, w->auction_version};
    pthread_mutex_unlock(&w->lock);
    return a;
}

bool slot_work_note_best(struct slot_work *w, struct u256 value) {
    pthread_mutex_lock(&w->lock);
    bool higher = !w->has_best || u256_compare(value, w->others) > 0;
    if (higher) {
        w->has_best = true;
        w->others = value;
        w->auction_version++;
    }
    pthread_mutex_unlock(&w->lock);
    return higher;
}

void slot_work_must_win(struct slot_work *w) {
    pthread_mutex_lock(&w->lock);
    w->must_win = true;
    w->auction_version++;
    pthread_mutex_unlock(&w->lock);
}

void slot_work_halt(struct slot_work *w, bool halted) {
    pthread_mutex_lock(&w->lock);
    w->halted = halted;
    w->auction_version++;
    pthread_mutex_unlock(&w->lock);
}

bool slot_work_beats(const struct slot_work *w, const struct slot_offer *a,
                     const struct slot_offer *b) {
    int order = u256_compare(a->value, b->value);
    if (order != 0 || !w->virtual_clock) return order > 0;
    if (a->plan_version != b->plan_version) return a->plan_version > b->plan_version;
    return a->builder < b->builder;
}

bool slot_work_offer(struct slot_work *w, const struct slot_offer *o, uint64_t auction_version) {
    pthread_mutex_lock(&w->lock);
    bool better = !w->halted && auction_version <= w->auction_version &&
                  (w->sealed == 0 || slot_work_beats(w, o, &w->best));
    if (better) {
        w->best = *o;
        w->sealed++;
    }
    pthread_mutex_unlock(&w->lock);
    return better;
}

void slot_work_left(struct slot_work *w, const struct slot_offer *o) {
    pthread_mutex_lock(&w->lock);
    if (slot_work_beats(w, o, &w->left)) w->left = *o;
    if (slot_work_beats(w, o, &w->best)) w->best = *o;
    pthread_mutex_unlock(&w->lock);
}

void slot_work_retract(struct slot_work *w, const struct slot_offer *o) {
    pthread_mutex_lock(&w->lock);
    bool same = !slot_work_beats(w, o, &w->best) && !slot_work_beats(w, &w->best, o);
    if (same) w->best = w->left;
    pthread_mutex_unlock(&w->lock);
}
