/* Loop: the event loop that everything in `net` runs on. One loop a thread, sharing nothing.
 *
 * A turn: wait for descriptors, timers and messages; call what is due; then run the tasks that
 * were deferred meanwhile. Descriptors are watched level-triggered: a callback that leaves bytes
 * behind is called again, so that none can be forgotten. (Edge-triggered, every readable event
 * costs one more read that only says "empty"; measured, it is the dearer form here.)
 *
 * Watchers, timers and tasks are structs that the caller embeds in its own; the loop keeps
 * pointers to them and never frees them. Every function belongs to the loop's thread, except
 * loop_post, loop_stop and loop_wake, which any thread may call.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_options {
    const struct clock *clock; /* NULL: clock_system. A fake clock moves timers by hand. */
    unsigned post_capacity;    /* messages waiting at most; 0: 4096 */
};

/* loop_new: errors ERR_IO (no descriptors left), ERR_NO_MEMORY.
 * loop_free: everything that was added must have been removed; waiting messages are dropped. */
[[gnu::warn_unused_result]] int loop_new(struct loop **ret, const struct loop_options *options,
                                         struct error *why);
void loop_free(struct loop *l);

/* loop_run turns until loop_stop. errors  ERR_IO when the kernel refuses to wait. */
[[gnu::warn_unused_result]] int loop_run(struct loop *l, struct error *why);
/* loop_turn does one turn and waits at most max_wait_ns for it (0: not at all). */
[[gnu::warn_unused_result]] int loop_turn(struct loop *l, uint64_t max_wait_ns, struct error *why);
/* loop_stop ends loop_run after the current turn; a stop before loop_run ends it at once. */
void loop_stop(struct loop *l);
/* loop_wake ends the current wait. */
void loop_wake(struct loop *l);

/* loop_now_ns: monotonic time, read once a turn. */
uint64_t loop_now_ns(const struct loop *l);
const struct clock *loop_clock(const struct loop *l);

/* ---- descriptors ---- */

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_HANGUP 4u /* given only: both directions are closed, or an error is pending */

struct loop_fd {
    int fd; /* borrowed */
    unsigned interest;
    void (*ready)(struct loop_fd *w, unsigned events);
};

/* loop_fd_add starts to watch; interest may be 0 (only hang-ups are reported then).
 * errors   ERR_IO (descriptor not watchable, no kernel memory). */
[[gnu::warn_unused_result]] int loop_fd_add(struct loop *l, struct loop_fd *w, struct error *why);
/* loop_fd_set changes the interest; no system call when it is the same. */
void loop_fd_set(struct loop *l, struct loop_fd *w, unsigned interest);
/* loop_fd_remove ends the watch; no call comes any more, even for events already fetched. */
void loop_fd_remove(struct loop *l, struct loop_fd *w);

/* ---- timers ---- */

struct loop_timer {
    void (*fire)(struct loop_timer *t);
    uint64_t due_ns;  /* when it shall fire */
    uint64_t heap_ns; /* when the loop will look at it, at most due_ns */
    size_t slot;      /* place in the heap + 1; 0 when not armed */
};

/* loop_timer_set arms or moves a timer to an absolute monotonic time. Moving an armed timer to a
 * later time costs one store: a timeout may be renewed with every byte.
 * errors   ERR_NO_MEMORY, only when it was not armed. */
[[gnu::warn_unused_result]] int loop_timer_set(struct loop *l, struct loop_timer *t,
                                               uint64_t due_ns, struct error *why);
/* loop_timer_clear disarms; a timer that is not armed is left alone. */
void loop_timer_clear(struct loop *l, struct loop_timer *t);
static inline bool loop_timer_armed(const struct loop_timer *t) {
    return t->slot != 0;
}

/* ---- tasks and messages ---- */

struct loop_task {
    void (*run)(struct loop_task *t);
    struct loop_task *next;
    bool queued;
};

/* loop_defer runs a task at the end of this turn; one that is queued already stays where it is. */
void loop_defer(struct loop *l, struct loop_task *t);
/* loop_undefer takes a queued task back. */
void loop_undefer(struct loop *l, struct loop_task *t);

/* loop_post runs fn(arg) on the loop's thread, in order of posting. thread  any.
 * errors   ERR_BUSY when post_capacity messages wait: the caller keeps its work or sheds it. */
[[gnu::warn_unused_result]] int loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/* loop_short_slices asks the scheduler to let the calling thread run soon after it wakes, for a
 * short time, beside threads that compute: from Linux 6.12 on; before, and where it is not allowed,
 * nothing changes. Threads made later are as others. Call it before system calls are given up. */
void loop_short_slices(void);

/* ---- signals ---- */

/* loop_signal calls fn when the process gets signo. The signal is blocked in the calling thread:
 * call it before other threads are made, on one loop of the process only.
 * errors   ERR_IO, ERR_LIMIT (eight signals). */
[[gnu::warn_unused_result]] int loop_signal(struct loop *l, int signo,
                                            void (*fn)(void *arg, int signo), void *arg,
                                            struct error *why);

/* loop_scratch: memory of the loop for the current callback only (reads land here before they
 * are parsed), LOOP_SCRATCH_BYTES long. */
#define LOOP_SCRATCH_BYTES (64u << 10)
uint8_t *loop_scratch(struct loop *l);

/* loop_buf_take gives an empty buf the memory of one that was given back, if there is any;
 * loop_buf_give takes memory back for the next who needs it, or frees it. For output queues, which
 * are empty most of the time and needed again with each message: LOOP_BUFS_KEPT of them wait, of
 * at most LOOP_BUF_BYTES each. */
#define LOOP_BUFS_KEPT 64
#define LOOP_BUF_BYTES (16u << 10)
void loop_buf_take(struct loop *l, struct buf *ret);
void loop_buf_give(struct loop *l, struct buf *b);

#endif
