/* What head and pool tell, in order, to filters and subscriptions. The threads that tell must not
 * wait: an event is queued, and a worker hands it on. SPDX-License-Identifier: MIT */
#include "node/rpc_internal.h"

#include <time.h>

#include <stdlib.h>

#define EVENTS_MAX 65536u // waiting; more transactions are not told, heads always are

struct queued {
    struct rpc_event event;
    struct queued *next;
};

struct rpc_events {
    struct rpc *rpc;
    struct head_subscriber head;
    int pool_id; /* of the subscription; 0: none */
    pthread_mutex_t lock;
    pthread_cond_t idle, moved; /* no worker drains; the head has moved */
    uint64_t moves;
    struct queued *first, **last;
    unsigned count;
    bool scheduled;             /* a worker will drain */
    pthread_mutex_t drain_lock; /* who hands on: one at a time, in order */
    struct pool_task task;
};

static void event_free(struct queued *q) {
    for (size_t i = 0; i < q->event.added_count; i++) {
        head_block_release(q->event.added[i]);
    }
    for (size_t i = 0; i < q->event.removed_count; i++) {
        head_block_release(q->event.removed[i]);
    }
    pool_tx_release(q->event.tx);
    free(q->event.added);
    free(q->event.removed);
    free(q);
}

static struct queued *pop(struct rpc_events *e) {
    pthread_mutex_lock(&e->lock);
    struct queued *q = e->first;
    if (q) {
        e->first = q->next;
        if (!e->first) e->last = &e->first;
        e->count--;
    }
    pthread_mutex_unlock(&e->lock);
    return q;
}

void rpc_events_drain(struct rpc *r) {
    struct rpc_events *e = r->events;
    pthread_mutex_lock(&e->drain_lock);
    for (struct queued *q; (q = pop(e)) != NULL;) {
        rpc_filters_take(r, &q->event);
        rpc_subscriptions_take(r, &q->event);
        event_free(q);
    }
    pthread_mutex_unlock(&e->drain_lock);
}

static void run(void *context) {
    struct rpc_events *e = context;
    rpc_events_drain(e->rpc);
}

/* The task is free again: what came meanwhile gets its next turn. */
static void ran(void *context) {
    struct rpc_events *e = context;
    pthread_mutex_lock(&e->lock);
    e->scheduled = e->first && pool_submit(e->rpc->node->workers, &e->task);
    if (!e->scheduled) pthread_cond_broadcast(&e->idle);
    pthread_mutex_unlock(&e->lock);
}

static void push(struct rpc_events *e, struct queued *q) {
    pthread_mutex_lock(&e->lock);
    bool full = e->count >= EVENTS_MAX && q->event.tx;
    if (!full) {
        q->next = NULL;
        *e->last = q;
        e->last = &q->next;
        e->count++;
        if (!e->scheduled) {
            // When the workers are overrun, the next event or the next poll hands this one on.
            e->scheduled = pool_submit(e->rpc->node->workers, &e->task);
        }
    }
    pthread_mutex_unlock(&e->lock);
    if (full) event_free(q);
}

static const struct head_block **retain_all(const struct head_block *const *blocks, size_t count) {
    const struct head_block **copy = malloc((count + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = head_block_retain(blocks[i]);
    }
    return copy;
}

uint64_t rpc_events_moves(struct rpc *r) {
    struct rpc_events *e = r->events;
    pthread_mutex_lock(&e->lock);
    uint64_t moves = e->moves;
    pthread_mutex_unlock(&e->lock);
    return moves;
}

void rpc_events_wait(struct rpc *r, uint64_t moves, uint64_t end_ns) {
    struct rpc_events *e = r->events;
    struct timespec until = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                             .tv_nsec = (long)(end_ns % NS_PER_S)};
    pthread_mutex_lock(&e->lock);
    while (e->moves == moves) {
        if (pthread_cond_timedwait(&e->moved, &e->lock, &until) != 0) break;
    }
    pthread_mutex_unlock(&e->lock);
}

static void head_changed(void *arg, const struct head_event *event) {
    struct rpc_events *e = arg;
    pthread_mutex_lock(&e->lock);
    e->moves++;
    pthread_cond_broadcast(&e->moved);
    pthread_mutex_unlock(&e->lock);
    struct queued *q = calloc(1, sizeof *q);
    if (q) {
        q->event.added = retain_all(event->added, event->added_count);
        q->event.removed = retain_all(event->removed, event->removed_count);
        q->event.added_count = q->event.added ? event->added_count : 0;
        q->event.removed_count = q->event.removed ? event->removed_count : 0;
        push(e, q);
    } else {
        log_error(e->rpc->node->log, "rpc_event_lost");
    }
}

static void tx_pending(void *context, struct pool_tx *t) {
    struct rpc_events *e = context;
    struct queued *q = calloc(1, sizeof *q);
    if (!q) return;
    q->event.tx = pool_tx_hold(t);
    push(e, q);
}

int rpc_events_open(struct rpc *r, struct error *why) {
    struct rpc_events *e = calloc(1, sizeof *e);
    if (!e) return error_set(why, ERR_NO_MEMORY, "no memory for events");
    e->rpc = r;
    e->last = &e->first;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->drain_lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&e->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    e->task = (struct pool_task){.run = run, .done = ran, .context = e};
    r->events = e;
    int id = txpool_subscribe(r->node->txpool, tx_pending, e, why);
    if (id < 0) return id;
    e->pool_id = id;
    e->head = (struct head_subscriber){.changed = head_changed, .arg = e};
    head_subscribe(r->node->head, &e->head);
    return 0;
}

void rpc_events_close(struct rpc *r) {
    struct rpc_events *e = r->events;
    if (!e) return;
    if (e->pool_id > 0) {
        head_unsubscribe(r->node->head, &e->head);
        txpool_unsubscribe(r->node->txpool, e->pool_id);
    }
    pthread_mutex_lock(&e->lock);
    while (e->scheduled) {
        pthread_cond_wait(&e->idle, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    pthread_mutex_lock(&e->drain_lock); // whoever still hands on is done
    pthread_mutex_unlock(&e->drain_lock);
    for (struct queued *q; (q = pop(e)) != NULL;) {
        event_free(q);
    }
    pthread_cond_destroy(&e->idle);
    pthread_cond_destroy(&e->moved);
    pthread_mutex_destroy(&e->drain_lock);
    pthread_mutex_destroy(&e->lock);
    free(e);
    r->events = NULL;
}
