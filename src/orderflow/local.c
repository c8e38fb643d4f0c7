/* SPDX-License-Identifier: MIT */
#include "orderflow/local_internal.h"

#include <stdlib.h>

#define ORDERS_DEFAULT 65536u
#define BYTES_DEFAULT (512u << 20)
#define TICK_NS NS_PER_S

uint64_t local_wall_ns(const struct local *l) {
    return clock_wall_ns(l->options.clock);
}

int local_worth(const struct local *l, const struct flow_order *o) {
    if (o->expires_ns <= local_wall_ns(l)) return ERR_STALE;
    bool in_force = !l->options.in_force || l->options.in_force(l->options.context, o);
    return in_force ? 0 : ERR_CONFLICT;
}

void local_item_free(struct local_item *item) {
    flow_order_release(item->order);
    free(item);
}

void local_settle(struct local *l, struct local_item *item, int code) {
    if (item->told) {
        local_item_free(item);
        return;
    }
    uint64_t *count = code == 0              ? &l->stats.delivered
                      : code == ERR_STALE    ? &l->stats.expired
                      : code == ERR_CONFLICT ? &l->stats.superseded
                                             : &l->stats.refused;
    ++*count;
    if (l->options.settled) l->options.settled(l->options.context, item->order, code);
    local_item_free(item);
}

static void count_waiting(struct local *l, const struct local_item *item, bool more) {
    uint64_t bytes = item->order->bytes;
    if (item->told) return; // of the past: it takes no room from what is new
    if (more) {
        atomic_fetch_add(&l->waiting, 1);
        atomic_fetch_add(&l->waiting_bytes, bytes);
    } else {
        atomic_fetch_sub(&l->waiting, 1);
        atomic_fetch_sub(&l->waiting_bytes, bytes);
    }
}

struct local_item *local_take(struct local *l) {
    for (size_t i = 0; i < LOCAL_LANES; i++) {
        for (struct list_node *n = list_pop_front(&l->lane[i]); n;
             n = list_pop_front(&l->lane[i])) {
            struct local_item *item = LIST_ENTRY(n, struct local_item, link);
            count_waiting(l, item, false);
            int code = local_worth(l, item->order);
            if (code == 0) return item;
            local_settle(l, item, code);
        }
    }
    return NULL;
}

void local_put_back(struct local *l, struct local_item *item) {
    count_waiting(l, item, true);
    list_push_front(&l->lane[item->order->priority], &item->link);
}

static void pump(struct local *l) {
    if (l->is_feed)
        local_feed_pump(l);
    else
        local_rpc_pump(l);
}

/* On the loop: what other threads handed over. */
static void arrived(void *context) {
    struct local *l = context;
    struct list fresh;
    list_init(&fresh);
    pthread_mutex_lock(&l->lock);
    l->posted = false;
    for (struct list_node *n = list_pop_front(&l->incoming); n; n = list_pop_front(&l->incoming)) {
        list_push_back(&fresh, n);
    }
    pthread_mutex_unlock(&l->lock);
    for (struct list_node *n = list_pop_front(&fresh); n; n = list_pop_front(&fresh)) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        list_push_back(&l->lane[item->order->priority], &item->link);
    }
    pump(l);
}

void local_arm(struct local *l, struct loop_timer *t, uint64_t in_ns) {
    struct error why;
    int r = loop_timer_set(l->options.loop, t, loop_now_ns(l->options.loop) + in_ns, &why);
    if (r != 0) log_error(l->options.log, "timer_lost", F_ERR(&why));
}

static void tick(struct loop_timer *t) {
    struct local *l = LIST_ENTRY(t, struct local, tick);
    if (l->given) given_forget(l->given, local_wall_ns(l));
    if (l->is_feed) local_feed_sweep(l);
    arrived(l);
    local_arm(l, t, TICK_NS);
}

void local_note(struct local *l, uint64_t session, uint64_t sequence, const struct flow_order *o) {
    if (l->given) given_note(l->given, session, sequence, o);
}

void local_note_end(struct local *l) {
    struct error why;
    if (!l->given) return;
    bool fails = given_write(l->given, &why) != 0;
    if (fails && !l->given_fails) log_error(l->options.log, "given_not_noted", F_ERR(&why));
    l->given_fails = fails;
}

void local_set_given(struct local *l, struct given *g) {
    l->given = g;
    if (l->is_feed)
        local_feed_resume(l);
    else
        local_rpc_resume(l);
}

bool local_is_known(struct local *l, const struct local_item *item) {
    if (!l->given || !given_has(l->given, &item->order->id)) return false;
    l->stats.known++;
    if (l->options.settled) l->options.settled(l->options.context, item->order, ERR_CONFLICT);
    return true;
}

bool local_is_full(const struct local *l) {
    return atomic_load_explicit(&l->waiting, memory_order_relaxed) >= l->options.orders_max ||
           atomic_load_explicit(&l->waiting_bytes, memory_order_relaxed) >= l->options.bytes_max;
}

int local_order(struct local *l, struct flow_order *o, struct error *why) {
    if (local_is_full(l)) return error_set(why, ERR_BUSY, "too many orders wait for the builder");
    struct local_item *item = calloc(1, sizeof *item);
    if (!item) return error_set(why, ERR_NO_MEMORY, "no memory for an order on its way");
    item->order = flow_order_hold(o);
    count_waiting(l, item, true);
    pthread_mutex_lock(&l->lock);
    list_push_back(&l->incoming, &item->link);
    bool post = !l->posted;
    // A loop that is too busy to be told takes it with the next one.
    if (post) l->posted = loop_post(l->options.loop, arrived, l) == 0;
    pthread_mutex_unlock(&l->lock);
    return 0;
}

int local_new(struct local **ret, const struct local_options *options, struct error *why) {
    struct local *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for the way to the builder");
    l->options = *options;
    if (!l->options.clock) l->options.clock = &clock_system;
    if (l->options.orders_max == 0) l->options.orders_max = ORDERS_DEFAULT;
    if (l->options.bytes_max == 0) l->options.bytes_max = BYTES_DEFAULT;
    (void)pthread_mutex_init(&l->lock, NULL);
    list_init(&l->incoming);
    for (size_t i = 0; i < LOCAL_LANES; i++) {
        list_init(&l->lane[i]);
    }
    l->is_feed = strncmp(options->url, "feed:", 5) == 0;
    int r = l->is_feed ? local_feed_open(l, options->url + 5, why) : local_rpc_open(l, why);
    l->tick.fire = tick;
    local_arm(l, &l->tick, TICK_NS);
    if (r != 0) {
        local_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static void free_list(struct list *list) {
    for (struct list_node *n = list_pop_front(list); n; n = list_pop_front(list)) {
        local_item_free(LIST_ENTRY(n, struct local_item, link));
    }
}

void local_free(struct local *l) {
    if (!l) return;
    loop_timer_clear(l->options.loop, &l->tick);
    if (l->is_feed)
        local_feed_close(l);
    else
        local_rpc_close(l);
    free_list(&l->incoming);
    for (size_t i = 0; i < LOCAL_LANES; i++) {
        free_list(&l->lane[i]);
    }
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

bool local_is_feed(const struct local *l) {
    return l->is_feed;
}

struct local_stats local_stats(const struct local *l) {
    struct local_stats s = l->stats;
    s.waiting = atomic_load(&l->waiting);
    s.waiting_bytes = atomic_load(&l->waiting_bytes);
    if (!l->is_feed) s.in_flight = l->rpc.calls;
    s.failing = l->is_feed ? !s.connected : l->rpc.failing && s.waiting + s.in_flight > 0;
    return s;
}

bool local_idle(const struct local *l) {
    struct local_stats s = local_stats(l);
    return s.waiting == 0 && s.in_flight == 0;
}
