/* Pool: worker threads for CPU-heavy work, so that no event loop ever waits.
 *
 *     struct pool_task t = {.run = verify, .done = verified, .context = request, .home = &mailbox};
 *     if (!pool_submit(pool, &t)) answer busy;
 *     loop: when pool_mailbox_fd is readable, pool_mailbox_drain(&mailbox)
 *
 * `run` runs on a worker; `done` runs on the thread that drains the task's mailbox (each loop has
 * one). A task without a mailbox ends with `done` on the worker. The caller owns the task until
 * `done` was called. The pool is bounded: pool_submit refuses when capacity tasks wait in a lane.
 *
 * A worker that has several quick tasks before it tells their homes together, POOL_TOLD_TOGETHER at
 * most and POOL_TOLD_WITHIN_NS after the first was done, so that a loop is not woken for each; what
 * is done never waits for a task of a later lane.
 *
 * Lanes say what goes first: 0 before 1 before 2. So that a later lane never stops, each eighth
 * turn of a worker begins with lane 1 and each thirty-second with lane 2.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct pool;
struct pool_task;

struct pool_mailbox {
    int fd;                           /* eventfd, readable when finished tasks wait */
    _Atomic(struct pool_task *) head; /* finished tasks, newest first */
};

#define POOL_LANES 3
#define POOL_TOLD_TOGETHER 16u
#define POOL_TOLD_WITHIN_NS 500000u

struct pool_task {
    void (*run)(void *context);
    void (*done)(void *context); /* may be NULL */
    void *context;
    struct pool_mailbox *home; /* NULL: done runs on the worker */
    struct pool_task *next;    /* internal */
    unsigned lane;             /* 0 (first) .. POOL_LANES-1 */
    bool quick; /* takes well below a millisecond: what was done before it may be told after it */
};

/* pool_processors: those that the process may use, at least 1. */
unsigned pool_processors(void);

/* pool_start: threads 0 is one for each processor the process may use.
 * errors  ERR_NO_MEMORY, ERR_IO. The workers block all signals. */
[[gnu::warn_unused_result]] int pool_start(struct pool **ret, unsigned threads, size_t capacity,
                                           struct error *why);

/* pool_start_behind: as pool_start, and its workers leave the processor to the process's other
 * threads (a loop, whose answers are awaited): they are POOL_NICE nicer, whatever nice value the
 * process has, before it returns. What they hold a lock for, others may wait for: they keep it
 * short. */
#define POOL_NICE 10
[[gnu::warn_unused_result]] int pool_start_behind(struct pool **ret, unsigned threads,
                                                  size_t capacity, struct error *why);

/* pool_stop finishes the waiting tasks, joins the workers and frees. Tasks may then still wait in
 * mailboxes. NULL is allowed. */
void pool_stop(struct pool *p);

/* pool_submit: false when full. thread any. */
[[gnu::warn_unused_result]] bool pool_submit(struct pool *p, struct pool_task *task);

/* Waiting tasks (of one lane), how many a lane takes, and the number of workers. */
size_t pool_waiting(struct pool *p);
size_t pool_lane_waiting(struct pool *p, unsigned lane);
size_t pool_lane_capacity(const struct pool *p);
unsigned pool_threads(const struct pool *p);

[[gnu::warn_unused_result]] int pool_mailbox_open(struct pool_mailbox *m, struct error *why);
void pool_mailbox_close(struct pool_mailbox *m);
/* pool_mailbox_drain calls `done` of all finished tasks in order of finishing; returns how many. */
size_t pool_mailbox_drain(struct pool_mailbox *m);

#endif
