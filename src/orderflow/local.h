/* Local: gives orders to the block builder beside this node, so that none is lost while it is slow
 * or away.
 *
 *   JSON-RPC   as deployed: POST of each order over kept HTTP connections, several at once, the
 *              highest priority first; tried again, with growing waits, until it was answered or
 *              its last block has passed; with local_set_given what was answered is not sent again
 *              after a restart, as long as the builder is seen to be the same (listener.h)
 *   feed       a Unix socket and eth/order_feed.h: in order, acknowledged; after a reconnect what
 *              was not acknowledged comes again, and to a builder that restarted all that may land;
 *              with local_set_given the session outlives this process
 *
 * An order that was replaced meanwhile is left out. Everything belongs to the loop's thread except
 * local_order. Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_LOCAL_H
#define ORDERFLOW_LOCAL_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/client.h"
#include "orderflow/given.h"

struct local;

struct local_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock;            /* NULL: clock_system */
    struct resolver *names;               /* for a URL with a host name */
    const char *url;                      /* of the builder's JSON-RPC, or "feed:/path" */
    enum order_generation generation;     /* JSON-RPC: the form of requests */
    const struct flow_identity *identity; /* signs them in the first generation */
    unsigned connections;                 /* JSON-RPC; 0: 64 */
    uint64_t response_ns;                 /* JSON-RPC; 0: 2 s */
    size_t orders_max;                    /* waiting; 0: 65,536 */
    uint64_t bytes_max;                   /* waiting; 0: 512 MiB */
    /* Whether an order is still the last of its replacement key. NULL: always. */
    bool (*in_force)(void *context, const struct flow_order *o);
    /* An order reached the builder (code 0) or is not sent (ERR_STALE: expired; ERR_CONFLICT:
     * replaced, or the builder has it from before the start; others: the builder refused it).
     * Loop's thread. NULL: nothing. */
    void (*settled)(void *context, struct flow_order *o, int code);
    void *context;
};

struct local_stats {
    uint64_t waiting, waiting_bytes, in_flight, kept; /* now; kept: for a builder's restart */
    uint64_t delivered, refused, expired, superseded, retried; /* since the start */
    uint64_t known; /* the builder had them from before the start */
    bool connected; /* the last attempt succeeded */
    bool failing;   /* it failed, and orders wait */
};

/* local_new: errors  ERR_SYNTAX (url), ERR_INVALID, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int local_new(struct local **ret, const struct local_options *options,
                                          struct error *why);
void local_free(struct local *l);

/* local_set_given tells what the builder was given before the start, and is kept up to date from
 * now on. Before the loop's first turn; outlives l. */
void local_set_given(struct local *l, struct given *g);

/* local_order hands an order over; takes its own hold. Any thread.
 * errors  ERR_BUSY (too many wait), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int local_order(struct local *l, struct flow_order *o,
                                            struct error *why);

/* local_is_full: local_order would refuse. Any thread. */
bool local_is_full(const struct local *l);

/* local_is_feed: the builder is reached over the feed (and not JSON-RPC). */
bool local_is_feed(const struct local *l);

struct local_stats local_stats(const struct local *l);

/* local_idle: nothing waits and nothing is on its way (the end of a drain). */
bool local_idle(const struct local *l);

#endif
