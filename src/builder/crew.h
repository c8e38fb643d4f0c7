/* The builders: threads that simulate orders and build, each with an algorithm, as long as a slot's
 * work lasts. The best candidate so far is always sealed or being sealed.
 *
 *     crew_begin (work) ─▶ simulators: job queue ─▶ plan
 *                                builders: algorithm ─▶ seal ─▶ on_built
 *                                          refinement while nothing is new
 *     crew_end
 *
 * Threads: the functions belong to the loop's thread; on_built is called on a builder's thread.
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_CREW_H
#define BUILDER_CREW_H

#include "base/log.h"
#include "builder/algorithm.h"
#include "builder/seal.h"

#define BUILDERS_MAX 16u

struct crew;

struct builder_settings {
    const char *name; /* "mp-ordering" */
    struct algorithm_settings algorithm;
    bool allow_skip; /* discard_txs */
};

/* What a builder's pass came to, for metrics and the slot's log line. */
struct build_report {
    const char *builder;
    uint64_t fill_ns;
    size_t orders, txs;
    uint64_t gas;
    struct u256 profit;
    bool refined;
    const char *reason; /* why nothing was sealed; NULL: it was */
};

/* What one simulation cost, and the thread's time without work before it. */
struct simulated {
    unsigned worker;
    uint64_t took_ns, waited_ns;
};

struct crew_options {
    struct head *head;
    const struct build_keys *keys;
    const struct builder_settings *list;
    size_t count;
    unsigned simulators; /* threads; at least 1 */
    struct seal_options seal;
    bool refine;
    bool can_pay; /* refunds are possible */
    struct log *log;
    /* on_built takes the block over. */
    void (*on_built)(void *context, struct built_block *b);
    void (*on_report)(void *context, const struct build_report *r);
    void (*on_simulated)(void *context, const struct slot_work *w, const struct job_entry *e,
                         const struct simulated *s);
    void *context;
};

/* crew_new starts the threads, which wait. crew_free ends them.
 * errors  ERR_NO_MEMORY, ERR_IO (no thread). */
[[gnu::warn_unused_result]] int crew_new(struct crew **ret, const struct crew_options *options,
                                         struct error *why);
void crew_free(struct crew *b);

/* crew_begin sets all threads on a work (held until its end); what was before ends.
 * crew_end: they wait again. */
void crew_begin(struct crew *b, struct slot_work *work);
void crew_end(struct crew *b);

/* crew_wake: there is something new (an order, a cancellation, the auction). */
void crew_wake(struct crew *b);

#endif
