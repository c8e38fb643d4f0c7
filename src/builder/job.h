/* A job: the orders that may go into one block, their transactions shared between them, and what
 * each is worth at the top of the block.
 *
 *     job_add, job_cancel (whoever has orders) ─▶ job_simulate (workers) ─▶ job_plan (algorithms)
 *
 * An order is simulated on the parent's state, after the orders that bring its senders' nonces; as
 * long as a nonce is out of reach it waits. Results and the reason of every failure stay with the
 * entry. Entries never move and are never freed before the job, so that algorithms may keep
 * pointers to them. When the job is full, cancelled orders that no plan ever showed and on which no
 * other stands are forgotten, so that a flood does not close it to new ones.
 *
 * Threads: every function from any thread; job_simulate works on a fill of the caller's thread.
 * Source: flashbots/rbuilder, building/sim.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_JOB_H
#define BUILDER_JOB_H

#include "builder/fill.h"

#include <pthread.h>

#define JOB_PARENTS_MAX 1024u      /* orders that go before one for its nonces */
#define JOB_ENTRIES_MAX (1u << 17) /* orders of one job, with cancelled ones that plans showed */

/* Ready orders that algorithms look at: those that pay most a gas. */
#define PLAN_ORDERS_MAX 6000u

enum entry_state {
    ENTRY_QUEUED,  /* to be simulated */
    ENTRY_WAITING, /* for a nonce that no order brings */
    ENTRY_READY,   /* simulated with success */
    ENTRY_FAILED,
};

struct job_entry {
    struct job_order job; /* first: a job_order of an entry is the entry */
    uint32_t index;       /* in order of arrival */
    enum entry_state state;
    bool cancelled;
    bool pinned;              /* a plan showed it, or an order stands on it: it stays */
    bool at_work;             /* a worker has it in its hands */
    struct commit_result sim; /* READY, FAILED */
    struct u256 price;        /* READY: profit a gas */
    const struct job_entry *const *parents; /* all that go before, in order */
    size_t parent_count;
    uint64_t added_ns, simulated_ns; /* monotonic */
    struct job_entry *next;          /* in the queue, or among those that wait for a nonce */
};

struct job;

/* job_new makes an empty job. effects_bytes_max  memory for outcomes, over all workers.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int job_new(struct job **ret, size_t effects_bytes_max,
                                        struct error *why);
void job_free(struct job *j); /* NULL is allowed */

/* job_check_blobs has the proofs of blobs checked before an order is simulated. kzg  borrowed as
 * long as the job; call it before the first order. */
struct kzg;
void job_check_blobs(struct job *j, const struct kzg *kzg);

/* job_limit allows fewer orders than JOB_ENTRIES_MAX. Before the first one. */
void job_limit(struct job *j, size_t entries_max);

/* job_effects gives memory for one fill's outcomes, good as long as the job; NULL: none left. */
struct arena *job_effects(struct job *j);

/* job_add puts an order in and queues it; the job holds it. now_ns  monotonic.
 * ret     the entry; may be NULL. errors  ERR_CONFLICT (it is in already), ERR_LIMIT,
 *         ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int job_add(struct job *j, const struct build_order *o, uint64_t now_ns,
                                        const struct job_entry **ret, struct error *why);

/* job_cancel takes an order out of all plans from now on; false when it is not in, or out. */
bool job_cancel(struct job *j, const struct build_order *o);

/* job_simulate takes the next order of the queue and simulates it at the top of the fill's block;
 * *ret_entry is NULL when the queue is empty; else it stays as it is until job_let_go, which may be
 * left out where nothing has to be forgotten. now_ns  monotonic.
 * errors  those of the reader: the entry is back in the queue. */
[[gnu::warn_unused_result]] int job_simulate(struct job *j, struct block_fill *f, uint64_t now_ns,
                                             const struct job_entry **ret_entry, struct error *why);
void job_let_go(struct job *j, const struct job_entry *e);
bool job_has_queued(const struct job *j);

/* A ready order as algorithms see it. */
struct plan_order {
    const struct job_entry *entry;
    struct u256 profit, price;
};

/* The ready orders at one moment. Reused from plan to plan. */
struct plan {
    struct plan_order *orders; /* in order of arrival */
    size_t count, room;
    uint64_t *nonces; /* by index of sender: before the block */
    size_t sender_count, sender_room;
    uint64_t version;
};
void plan_free(struct plan *p);

/* job_version counts up whenever a plan would differ; cheap. job_plan fills a plan.
 * errors  ERR_NO_MEMORY. */
uint64_t job_version(const struct job *j);
[[gnu::warn_unused_result]] int job_plan(struct job *j, struct plan *ret, struct error *why);

/* job_counts and job_each are for tables and logs; `each` is called under the job's lock. */
struct job_counts {
    size_t queued, waiting, ready, failed, cancelled;
};
struct job_counts job_counts_now(struct job *j);
void job_each(struct job *j, void (*each)(void *arg, const struct job_entry *e), void *arg);

/* job_standing tells how an order stands. ret_price  of a READY one; else untouched.
 * Returns its state, or -1: it is not in, or cancelled. */
int job_standing(struct job *j, const struct build_order *o, struct u256 *ret_price);

/* job_find gives the entry of an order, NULL when there is none. */
const struct job_entry *job_find(struct job *j, const struct build_order *o);

#endif
