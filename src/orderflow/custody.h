/* Custody: who keeps a peer's order. A peer keeps an order, and sends it again after a broken
 * session, until this node has acknowledged it. So it is acknowledged only once it is safe here:
 * when the builder has it or it can land no more, or, when the builder takes longer than
 * CUSTODY_PATIENCE_NS, when it is in the journal. A node that is killed at any moment then loses
 * nothing that it acknowledged.
 *
 * Patience ends because a peer's stream is acknowledged in order: one order that the builder does
 * not take would hold up all behind it. Without a journal what is late is acknowledged all the
 * same, and counted: that much a crash could lose.
 *
 * Thread: any; one lock. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_CUSTODY_H
#define ORDERFLOW_CUSTODY_H

#include "orderflow/journal.h"

struct custody;

#define CUSTODY_PATIENCE_NS (500 * NS_PER_MS)

struct custody_options {
    struct log *log;
    const struct clock *clock; /* NULL: clock_system */
    /* The peer may be told: the order is kept here. Any thread. */
    void (*kept)(void *context, void *ticket, const struct flow_order *o);
    /* The journal is about to get it. false: it was replaced, and need not. NULL: always. */
    bool (*journaled)(void *context, const struct flow_order *o);
    void *context;
};

/* custody_new: errors  ERR_NO_MEMORY. custody_free: tickets that still wait are the caller's; NULL
 * is allowed. */
[[gnu::warn_unused_result]] int
custody_new(struct custody **ret, const struct custody_options *options, struct error *why);
void custody_free(struct custody *c);

/* custody_set_journal: NULL: none. */
void custody_set_journal(struct custody *c, struct journal *j);

/* custody_begin holds a ticket until the order is safe; before the order goes to the builder.
 * false: no memory; the ticket stays the caller's. */
[[gnu::warn_unused_result]] bool custody_begin(struct custody *c, struct flow_order *o,
                                               void *ticket);
/* custody_cancel takes the ticket back, because the order could not be handed on.
 * false: its patience had ended, and the peer was told; the ticket is nobody's any more. */
[[gnu::warn_unused_result]] bool custody_cancel(struct custody *c, struct flow_order *o);

/* custody_settled: the builder has the order, refused it, or it is over. */
void custody_settled(struct custody *c, struct flow_order *o);

/* custody_tidy puts what is late into the journal. Now and then, on a worker. */
void custody_tidy(struct custody *c);

struct custody_stats {
    uint64_t waiting; /* now */
    uint64_t late;    /* since the start: kept by the journal */
    uint64_t unsafe;  /* acknowledged without being safe: no journal, or it failed */
};
struct custody_stats custody_stats(struct custody *c);

#endif
