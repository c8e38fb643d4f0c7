/* What the parts of the intake share. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_INTAKE_INTERNAL_H
#define ORDERFLOW_INTAKE_INTERNAL_H

#include "base/list.h"
#include "orderflow/intake.h"
#include "orderflow/intake_metrics.h"

#include <pthread.h>

#define JOB_KEEP_BYTES (64u << 10) /* a job that grew larger gives its memory back */

struct intake {
    struct intake_options options;
    pthread_mutex_t lock;  /* guards unused, at_hand */
    pthread_cond_t passed; /* one of those at hand is done */
    struct intake_job *unused;
    struct list at_hand; /* orders that are being taken up, one for each worker at most */
    _Atomic size_t jobs;
    _Atomic uint64_t bytes;
    struct intake_metrics metrics;
    struct list replayed; /* of the journal, not yet handed on; the loop's */
    size_t replayed_count;
};

/* intake_accept takes a judged order (job->order, in job->arena) up: makes it one object, tells
 * duplicates, hands it on.
 * errors  ERR_BUSY, ERR_NO_MEMORY, ERR_LIMIT, ERR_IO (the journal). */
[[gnu::warn_unused_result]] int intake_accept(struct intake_job *job, enum flow_source source,
                                              uint64_t expires_ns, bool defaulted,
                                              struct error *why);

/* intake_decode reads an order in form FLOW_BITCODE into job->order; data is copied. */
[[gnu::warn_unused_result]] int intake_decode(struct intake_job *job, struct bytes data,
                                              bool trusted);

/* intake_record tells the history of an order: kind, and that it cancels. */
void intake_record(struct intake *i, struct flow_order *o, enum archive_event_kind kind);

/* The worker's way of a peer's message. */
void intake_run_peer(struct intake_job *job);

/* intake_put_result and intake_put_refusal write the reply of a request. */
void intake_put_result(struct intake_job *job, struct bytes id);
void intake_put_refusal(struct intake_job *job, struct bytes id, struct bytes method);

[[gnu::warn_unused_result]] int intake_replay_later(struct intake *i, struct flow_order *o,
                                                    bool of_peer, struct error *why);
void intake_replay_free(struct intake *i);

static inline uint64_t intake_wall_ns(const struct intake *i) {
    return clock_wall_ns(i->options.clock);
}
static inline uint64_t intake_now_ns(const struct intake *i) {
    return clock_monotonic_ns(i->options.clock);
}

#endif
