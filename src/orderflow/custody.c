/* SPDX-License-Identifier: MIT */
#include "orderflow/custody.h"

#include "base/list.h"

#include <pthread.h>
#include <stdlib.h>

struct custody_item {
    struct list_node link; /* oldest first */
    struct flow_order *order;
    void *ticket;
    uint64_t since_ns;
};

struct custody {
    struct custody_options options;
    struct journal *journal;
    pthread_mutex_t lock; /* guards all below, and orders' custody */
    struct list items;
    struct custody_stats stats;
};

int custody_new(struct custody **ret, const struct custody_options *options, struct error *why) {
    struct custody *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for peers' orders");
    c->options = *options;
    if (!c->options.clock) c->options.clock = &clock_system;
    (void)pthread_mutex_init(&c->lock, NULL);
    list_init(&c->items);
    *ret = c;
    return 0;
}

static void item_free(struct custody_item *item) {
    flow_order_release(item->order);
    free(item);
}

/* With the lock. The order forgets it: the order may live longer. */
static void take(struct custody *c, struct custody_item *item) {
    item->order->custody = NULL;
    list_remove(&item->link);
    c->stats.waiting--;
}

void custody_free(struct custody *c) {
    if (!c) return;
    for (struct list_node *n = list_first(&c->items); n; n = list_first(&c->items)) {
        struct custody_item *item = LIST_ENTRY(n, struct custody_item, link);
        take(c, item);
        item_free(item);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void custody_set_journal(struct custody *c, struct journal *j) {
    c->journal = j;
}

bool custody_begin(struct custody *c, struct flow_order *o, void *ticket) {
    struct custody_item *item = calloc(1, sizeof *item);
    if (!item) return false;
    *item = (struct custody_item){.order = flow_order_hold(o),
                                  .ticket = ticket,
                                  .since_ns = clock_monotonic_ns(c->options.clock)};
    pthread_mutex_lock(&c->lock);
    o->custody = item;
    list_push_back(&c->items, &item->link);
    c->stats.waiting++;
    pthread_mutex_unlock(&c->lock);
    return true;
}

static struct custody_item *take_of(struct custody *c, struct flow_order *o) {
    pthread_mutex_lock(&c->lock);
    struct custody_item *item = o->custody;
    if (item) take(c, item);
    pthread_mutex_unlock(&c->lock);
    return item;
}

bool custody_cancel(struct custody *c, struct flow_order *o) {
    struct custody_item *item = take_of(c, o);
    if (item) item_free(item);
    return item != NULL;
}

static void tell(struct custody *c, struct custody_item *item) {
    c->options.kept(c->options.context, item->ticket, item->order);
    item_free(item);
}

void custody_settled(struct custody *c, struct flow_order *o) {
    if (o->source != FLOW_FROM_PEER) return;
    struct custody_item *item = take_of(c, o);
    if (item) tell(c, item);
}

static struct custody_item *take_late(struct custody *c, uint64_t now_ns) {
    pthread_mutex_lock(&c->lock);
    struct list_node *n = list_first(&c->items);
    struct custody_item *item = n ? LIST_ENTRY(n, struct custody_item, link) : NULL;
    if (item && now_ns - item->since_ns < CUSTODY_PATIENCE_NS) item = NULL;
    if (item) take(c, item);
    pthread_mutex_unlock(&c->lock);
    return item;
}

static int keep(struct custody *c, struct flow_order *o, struct error *why) {
    const struct custody_options *options = &c->options;
    if (!c->journal) return ERR_UNSUPPORTED;
    if (options->journaled && !options->journaled(options->context, o)) return 0;
    return journal_append(c->journal, o, why);
}

void custody_tidy(struct custody *c) {
    uint64_t now = clock_monotonic_ns(c->options.clock);
    for (struct custody_item *item; (item = take_late(c, now)) != NULL;) {
        struct error why = {.text = ""};
        int r = keep(c, item->order, &why);
        if (r != 0 && c->journal) log_error(c->options.log, "order_not_kept", F_ERR(&why));
        pthread_mutex_lock(&c->lock);
        (*(r == 0 ? &c->stats.late : &c->stats.unsafe))++;
        pthread_mutex_unlock(&c->lock);
        tell(c, item);
    }
}

struct custody_stats custody_stats(struct custody *c) {
    pthread_mutex_lock(&c->lock);
    struct custody_stats s = c->stats;
    pthread_mutex_unlock(&c->lock);
    return s;
}
