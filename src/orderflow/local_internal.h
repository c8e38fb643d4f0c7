/* What the two ways to the builder share. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_LOCAL_INTERNAL_H
#define ORDERFLOW_LOCAL_INTERNAL_H

#include "base/list.h"
#include "net/conn.h"
#include "orderflow/forward_metrics.h"
#include "orderflow/local.h"

#include <pthread.h>

#define LOCAL_LANES 3

/* An order that waits, or is kept. */
struct local_item {
    struct list_node link;
    struct flow_order *order;
    uint64_t sequence; /* feed: its number, 0 until it was sent for the first time */
    bool told;         /* settled already: a builder before this one had it */
};

/* The feed's connection. */
struct local_feed {
    struct conn conn;
    bool open, welcomed;
    struct socket_address address;
    struct buf in;
    struct loop_timer retry;
    uint64_t wait_ns;                /* before the next attempt to connect */
    uint64_t session, next_sequence; /* of the first order that has none */
    uint64_t acknowledged, began;    /* began: the last sequence before this session */
    bool resumed;                    /* the session is of before the start, and not welcomed yet */
    struct list before;              /* the builder has them from before the start; kept too */
    struct list kept;                /* sent before, by sequence */
    struct local_item *resend;       /* of kept: the next to send again; NULL: all are sent */
    uint64_t kept_bytes;
};

struct local_rpc {
    struct client *client;
    char path[512]; /* of the builder's URL */
    unsigned calls;
    struct loop_timer retry;
    uint64_t wait_ns;
    bool failing;   /* the last call failed: one at a time until one goes through */
    uint64_t life;  /* of the builder, as it was seen last; 0: it cannot be told */
    uint64_t noted; /* answers */
    bool unwritten; /* some of them are not in the file yet */
    struct loop_task turn_end;
    struct forward_metrics forward;
};

struct local {
    struct local_options options;
    pthread_mutex_t lock; /* guards incoming and posted */
    struct list incoming;
    bool posted;
    struct loop_timer tick;        /* takes what was left behind, forgets what is over */
    struct list lane[LOCAL_LANES]; /* what waits, by priority */
    _Atomic uint64_t waiting, waiting_bytes;
    struct local_stats stats;
    struct given *given; /* NULL: a restart repeats */
    bool given_fails;
    bool is_feed;
    struct local_feed feed;
    struct local_rpc rpc;
};

/* local_take gives the next order that waits and is worth sending; NULL when none is. It counts as
 * waiting no more. local_put_back puts one in front of its lane again. */
struct local_item *local_take(struct local *l);
void local_put_back(struct local *l, struct local_item *item);
/* local_settle ends an item: counts, tells, frees. */
void local_settle(struct local *l, struct local_item *item, int code);
void local_item_free(struct local_item *item);
/* local_is_known: the builder has it from before the start. It is counted and settled as such; the
 * item stays the caller's. */
bool local_is_known(struct local *l, const struct local_item *item);
/* local_worth: 0, or why an order is not sent any more (ERR_STALE, ERR_CONFLICT). */
int local_worth(const struct local *l, const struct flow_order *o);
/* local_arm sets a timer to fire after in_ns. */
void local_arm(struct local *l, struct loop_timer *t, uint64_t in_ns);
uint64_t local_wall_ns(const struct local *l);
/* local_note takes down that an order is the builder's; local_note_end writes what was taken down.
 */
void local_note(struct local *l, uint64_t session, uint64_t sequence, const struct flow_order *o);
void local_note_end(struct local *l);

[[gnu::warn_unused_result]] int local_rpc_open(struct local *l, struct error *why);
/* local_rpc_resume finds out whether the builder is that of before the start. */
void local_rpc_resume(struct local *l);
void local_rpc_pump(struct local *l);
void local_rpc_close(struct local *l);

[[gnu::warn_unused_result]] int local_feed_open(struct local *l, const char *path,
                                                struct error *why);
/* local_feed_resume goes on with the session of before the start, if there was one. */
void local_feed_resume(struct local *l);
void local_feed_pump(struct local *l);
void local_feed_sweep(struct local *l);
void local_feed_close(struct local *l);

#endif
