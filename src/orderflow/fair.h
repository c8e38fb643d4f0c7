/* Fair: who waits for a worker and is not known yet waits by client, so that one that sends much
 * delays itself and hardly others. Deficit round robin over the clients that have something
 * waiting; what an item counts is its cost (bytes), so large requests are not favoured.
 *
 * Clients fall on FAIR_LINES lines by a keyed hash of their address (of IPv6 the network, 64 bits):
 * nothing is allocated, and nobody can aim at another's line. Only a few items are with the workers
 * at a time, the rest waits here: what the workers have taken goes in order. So that the next to
 * come finds few of one client's before it, a line beside others has fewer of them still; one that
 * has been alone for FAIR_ALONE items has more, for each time that a worker and the loop change
 * places costs. Who is alone is asked over all that wait anywhere: several of these may have one
 * crowd.
 *
 *     if (!fair_add(f, &v->turn, ip, bytes)) answer busy;
 *     while ((item = fair_next(f)) != NULL) give it to a worker, fair_done(f, item) when it is back
 *
 * Thread: one. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_FAIR_H
#define ORDERFLOW_FAIR_H

#include "base/error.h"
#include "base/list.h"
#include "base/siphash.h"

#include <stdint.h>

#define FAIR_LINES 1024u
#define FAIR_QUANTUM 4096u        /* cost of a client's turn */
#define FAIR_COST_MAX (64u << 10) /* what more costs counts as much */
#define FAIR_ALONE 1024u

struct fair;

/* Which clients come lately; outlives the fairs that share it. */
struct fair_crowd {
    struct siphash_key key;
    uint16_t last;  /* line of who came last */
    uint16_t alone; /* how often in a row, up to FAIR_ALONE */
};

/* fair_crowd_init draws its key. fair_met: a client comes whose items do not wait here (fair_add
 * tells of those that do). */
void fair_crowd_init(struct fair_crowd *c);
void fair_met(struct fair_crowd *c, const uint8_t ip[16]);

struct fair_item {
    struct list_node link;
    uint32_t cost;
    uint16_t line;
};

struct fair_options {
    size_t at_work_max;       /* with the workers at once */
    size_t line_at_work_max;  /* of one line, beside others */
    size_t alone_at_work_max; /* of a line that is alone */
    size_t waiting_max;       /* of all clients */
    size_t line_max;          /* of one line */
};

/* fair_new: errors  ERR_NO_MEMORY. fair_free: items that wait are the caller's still; NULL is
 * allowed. */
[[gnu::warn_unused_result]] int fair_new(struct fair **ret, struct fair_crowd *crowd,
                                         const struct fair_options *options, struct error *why);
void fair_free(struct fair *f);

/* fair_add puts an item behind its client's. false: the line, or all of it, is full. */
[[gnu::warn_unused_result]] bool fair_add(struct fair *f, struct fair_item *item,
                                          const uint8_t ip[16], size_t cost);

/* fair_next takes the item whose turn it is; NULL: none waits, or enough are at work. */
struct fair_item *fair_next(struct fair *f);
/* fair_done: one of those is done. */
void fair_done(struct fair *f, const struct fair_item *item);

/* fair_give_up takes any item that waits, at the end; NULL: none does. */
struct fair_item *fair_give_up(struct fair *f);

size_t fair_waiting(const struct fair *f);
/* fair_waiting_max: how many may. */
size_t fair_waiting_max(const struct fair *f);

#endif
