/* The schedule. SPDX-License-Identifier: MIT */
#include "load/run.h"

#include "load/presign.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PACE_NS (1 * NS_PER_MS)
#define BURST_MAX 1000 /* orders made in one turn, so that answers are read meanwhile */

static uint64_t due(const struct run *r) {
    if (r->w->s->per_block) return r->due_blocks < r->planned ? r->due_blocks : r->planned;
    uint64_t n = (uint64_t)((double)(clock_monotonic_ns(&clock_system) - r->begin_ns) / 1e9 *
                            (double)r->w->s->rate) +
                 1;
    return n < r->planned ? n : r->planned;
}

static void end_sending(struct run *r) {
    if (!r->sending) return;
    r->sending = false;
    r->sent_end_ns = loop_now_ns(r->loop);
    r->result->sending_us = run_us(r);
}

// How late the next order is.
static void note_late(struct run *r) {
    if (r->w->s->per_block) return;
    uint64_t planned_us = r->at * 1000000 / r->w->s->rate, now = run_us(r);
    if (now > planned_us && now - planned_us > r->result->late_us) {
        r->result->late_us = now - planned_us;
    }
}

static void on_pace(struct loop_timer *t) {
    struct run *r = LIST_ENTRY(t, struct run, pace);
    uint64_t until = due(r);
    for (unsigned i = 0; r->sending && r->at < until && i < BURST_MAX; i++) {
        note_late(r);
        run_send_next(r);
    }
    if (r->sending) presign_fill(r->presign, false);
    bool time_up = r->w->s->duration_ns && run_us(r) * NS_PER_US >= r->w->s->duration_ns;
    if (r->at >= r->planned || (r->w->s->per_block && time_up)) end_sending(r);
    if (r->sending) {
        (void)!loop_timer_set(r->loop, t, loop_now_ns(r->loop) + PACE_NS, NULL);
    }
}

static uint64_t open_orders(const struct run *r) {
    uint64_t n = 0;
    for (size_t i = 0; i < r->order_count; i++) {
        const struct order *o = &r->orders[i];
        bool passed = o->bundle && o->target <= r->head;
        n += o->state == ORDER_SENT || (o->state == ORDER_ACCEPTED && !passed);
    }
    return n;
}

static void on_second(struct loop_timer *t) {
    struct run *r = LIST_ENTRY(t, struct run, second);
    const struct load_result *v = r->result;
    char line[160];
    (void)snprintf(
        line, sizeof line, "%6.1f s  sent %llu  taken %llu  refused %llu  landed %llu  block %llu",
        (double)run_us(r) / 1e6, (unsigned long long)v->sent, (unsigned long long)v->accepted,
        (unsigned long long)v->refused, (unsigned long long)v->landed, (unsigned long long)r->head);
    if (r->progress) r->progress(line);
    bool waited = !r->sending && loop_now_ns(r->loop) - r->sent_end_ns > r->w->s->wait_ns;
    if (!r->sending && (waited || (open_orders(r) == 0 && !r->receipts_ask.call))) r->over = true;
    (void)!loop_timer_set(r->loop, t, loop_now_ns(r->loop) + NS_PER_S / 4, NULL);
}

static void on_signal(void *arg, int signo) {
    struct run *r = arg;
    (void)signo;
    if (!r->sending) r->over = true; // asked twice
    end_sending(r);
}

static uint64_t most_variants(const struct world *w) {
    uint64_t most = 1;
    for (size_t i = 0; i < w->group_count; i++) {
        const struct scenario_spam *s = w->groups[i].spam;
        if (s->conflicts > most) most = s->conflicts;
        if (s->replacements > most) most = s->replacements;
    }
    return most;
}

static int plan(struct run *r, struct error *why) {
    const struct load_settings *s = r->w->s;
    if (s->count) {
        r->planned = s->count;
    } else if (s->per_block) {
        r->planned = LOAD_ORDERS_MAX / most_variants(r->w);
    } else {
        r->planned = (uint64_t)((double)s->duration_ns / 1e9 * (double)s->rate);
    }
    r->order_most = r->planned * most_variants(r->w);
    if (r->planned == 0 || r->order_most > LOAD_ORDERS_MAX) {
        return error_set(why, ERR_RANGE, "1 to %u orders can be sent", LOAD_ORDERS_MAX);
    }
    // Zeroed pages cost nothing until they are used.
    r->orders = calloc(r->order_most, sizeof *r->orders);
    return r->orders ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for the orders");
}

static int open_targets(struct run *r, struct error *why) {
    const struct load_settings *s = r->w->s;
    unsigned connections = (unsigned)s->connections;
    int code = run_open_client(r, &r->chain, &r->chain_path, s->url, 4, why);
    r->signs = s->orders_urls.count > 0;
    if (code == 0 && !r->signs) {
        r->target_count = 1;
        code = run_open_client(r, &r->targets[0], &r->target_paths[0], s->url, connections, why);
    }
    for (size_t i = 0; code == 0 && i < s->orders_urls.count; i++) {
        if (i == RUN_URLS_MAX) return error_set(why, ERR_LIMIT, "at most %d URLs", RUN_URLS_MAX);
        code = run_open_client(r, &r->targets[i], &r->target_paths[i], s->orders_urls.items[i],
                               connections, why);
        if (code == 0) r->target_count++;
    }
    return code;
}

static int start(struct run *r, struct error *why) {
    int code = loop_new(&r->loop, NULL, why);
    if (code == 0) code = plan(r, why);
    if (code == 0) code = open_targets(r, why);
    r->begin_ns = clock_monotonic_ns(&clock_system);
    r->result->began_wall_ms = clock_wall_ns(&clock_system) / NS_PER_MS;
    if (code == 0) code = run_watch_open(r, why);
    if (code == 0) code = loop_signal(r->loop, SIGINT, on_signal, r, why);
    if (code == 0) code = loop_signal(r->loop, SIGTERM, on_signal, r, why);
    if (code == 0) code = presign_open(&r->presign, r, why);
    if (code == 0) presign_fill(r->presign, true); // a few first, which tell their size
    if (code == 0) presign_fill(r->presign, true);
    r->begin_ns = clock_monotonic_ns(&clock_system);
    r->sending = true;
    r->pace.fire = on_pace;
    r->second.fire = on_second;
    if (code == 0) code = loop_timer_set(r->loop, &r->pace, loop_now_ns(r->loop), why);
    if (code == 0) code = loop_timer_set(r->loop, &r->second, loop_now_ns(r->loop), why);
    return code;
}

static void count_up(struct run *r) {
    struct load_result *v = r->result;
    v->planned = r->w->s->per_block && !r->w->s->count ? r->at : r->planned;
    v->sets = r->at - v->starved;
    v->total_us = run_us(r);
    uint64_t set = 0;
    unsigned landed = 0;
    for (size_t i = 0; i < r->order_count; i++) {
        struct order *o = &r->orders[i];
        if (o->state == ORDER_ACCEPTED) {
            o->state = ORDER_MISSED;
            v->missed++;
        }
        if (o->set != set) landed = 0;
        set = o->set;
        landed += o->state == ORDER_LANDED;
        if (o->state == ORDER_LANDED && landed > 1 && o->bundle) v->forbidden++;
    }
}

int run_load(struct load_result *ret, struct world *w, void (*progress)(const char *line),
             struct error *why) {
    struct run r = {.w = w, .result = ret, .progress = progress};
    map_init(&r.by_hash, 0);
    arena_init(&r.scratch, 64u << 20);
    int code = start(&r, why);
    while (code == 0 && !r.over) {
        code = loop_turn(r.loop, NS_PER_S, why);
    }
    if (code == 0) count_up(&r);
    if (r.loop) {
        loop_timer_clear(r.loop, &r.pace);
        loop_timer_clear(r.loop, &r.second);
        run_watch_close(&r);
        client_free(r.chain);
        for (size_t i = 0; i < r.target_count; i++) {
            client_free(r.targets[i]);
        }
        loop_free(r.loop);
    }
    presign_close(r.presign);
    map_free(&r.by_hash);
    arena_free(&r.scratch);
    free(r.orders);
    return code;
}
