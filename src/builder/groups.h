/* Conflict groups: orders that touch the same state, by what their transactions were seen to read
 * and write. Orders of different groups do not change each other's outcome (but for what they
 * leave of the block's room).
 *
 * Two orders conflict when one reads what the other writes. What only receives value, as the
 * coinbase does, is not read. The coinbase is left out: nearly all pay it, and who reads it is
 * judged in place.
 * Incremental: orders are added as they come; taking one out means a new start.
 * One thread at a time. Source: flashbots/rbuilder, building/builders.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_GROUPS_H
#define BUILDER_GROUPS_H

#include "builder/job.h"

struct groups;

[[gnu::warn_unused_result]] int groups_new(struct groups **ret, struct error *why);
void groups_free(struct groups *g);
void groups_reset(struct groups *g, const struct address *coinbase);

/* groups_add puts an order in, joining the groups it conflicts with. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int groups_add(struct groups *g, const struct job_entry *e,
                                           struct error *why);
bool groups_has(const struct groups *g, const struct job_entry *e);
/* groups_size gives how many orders the group of an order has. */
size_t groups_size(struct groups *g, const struct job_entry *e);
/* groups_same: both are in, and in one group. */
bool groups_same(struct groups *g, const struct job_entry *a, const struct job_entry *b);
size_t groups_order_count(const struct groups *g);

/* A group. `changed` is set when its members have changed; the user clears it. */
struct group {
    const struct job_entry **orders; /* in order of arrival */
    size_t count, room;
    bool changed;
    struct u256 profit; /* of the best sequence, the user's */
    const struct job_entry **best;
    size_t best_count;
    struct group *next; /* of groups_first */
};

/* groups_first gives the first group, its `next` the following ones. */
struct group *groups_first(const struct groups *g);

#endif
