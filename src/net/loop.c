/* SPDX-License-Identifier: MIT */
#include "net/loop.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH 128
#define SIGNALS_MAX 8
#define SLICE_NS 100000u /* the kernel's least */
#define POST_CAPACITY_DEFAULT 4096

struct message {
    void (*fn)(void *arg);
    void *arg;
};

struct signal_row {
    int signo;
    void (*fn)(void *arg, int signo);
    void *arg;
};

struct loop {
    int epoll_fd;
    const struct clock *clock;
    uint64_t now_ns;

    struct epoll_event batch[BATCH];
    int batch_at, batch_count; /* events of this turn that are not yet handed out */

    struct loop_timer **heap; /* binary heap by heap_ns */
    size_t heap_count, heap_capacity;

    struct loop_task *tasks, **tasks_end;

    struct loop_fd wake; /* eventfd */
    atomic_bool wake_pending;
    atomic_bool stop;
    pthread_mutex_t post_lock; /* guards the ring */
    struct message *ring;
    unsigned ring_capacity, ring_at, ring_count;

    struct loop_fd signal_watch;
    sigset_t signal_set;
    struct signal_row signals[SIGNALS_MAX];
    unsigned signal_count;

    uint8_t *scratch;
    struct buf spare[LOOP_BUFS_KEPT]; /* memory of queues that are empty now */
    unsigned spare_count;
};

/* ---- messages ---- */

static void messages_run(struct loop *l) {
    // Only what waited at the start: a message that posts another cannot starve the loop.
    pthread_mutex_lock(&l->post_lock);
    unsigned waiting = l->ring_count;
    pthread_mutex_unlock(&l->post_lock);
    while (waiting-- > 0) {
        pthread_mutex_lock(&l->post_lock);
        struct message m = l->ring[l->ring_at];
        l->ring_at = (l->ring_at + 1) % l->ring_capacity;
        l->ring_count--;
        unsigned left = l->ring_count;
        pthread_mutex_unlock(&l->post_lock);
        m.fn(m.arg);
        if (waiting == 0 && left > 0) loop_wake(l);
    }
}

static void wake_ready(struct loop_fd *w, unsigned events) {
    (void)events;
    struct loop *l = (struct loop *)((char *)w - offsetof(struct loop, wake));
    uint64_t count;
    ssize_t n = read(w->fd, &count, sizeof count);
    (void)n; // an empty counter only means that another turn took it
    atomic_store(&l->wake_pending, false);
    messages_run(l);
}

void loop_wake(struct loop *l) {
    if (atomic_exchange(&l->wake_pending, true)) return;
    uint64_t one = 1;
    ssize_t n = write(l->wake.fd, &one, sizeof one);
    (void)n; // fails only when the counter is full, and then the loop is awake
}

int loop_post(struct loop *l, void (*fn)(void *arg), void *arg) {
    pthread_mutex_lock(&l->post_lock);
    bool full = l->ring_count == l->ring_capacity;
    if (!full) {
        l->ring[(l->ring_at + l->ring_count) % l->ring_capacity] = (struct message){fn, arg};
        l->ring_count++;
    }
    pthread_mutex_unlock(&l->post_lock);
    if (full) return ERR_BUSY;
    loop_wake(l);
    return 0;
}

void loop_stop(struct loop *l) {
    atomic_store(&l->stop, true);
    loop_wake(l);
}

/* ---- life ---- */

static int loop_setup(struct loop *l, const struct loop_options *options, struct error *why) {
    l->clock = options && options->clock ? options->clock : &clock_system;
    l->ring_capacity =
        options && options->post_capacity ? options->post_capacity : POST_CAPACITY_DEFAULT;
    l->tasks_end = &l->tasks;
    sigemptyset(&l->signal_set);
    l->ring = calloc(l->ring_capacity, sizeof *l->ring);
    l->scratch = malloc(LOOP_SCRATCH_BYTES);
    if (!l->ring || !l->scratch) return error_set(why, ERR_NO_MEMORY, "no memory for a loop");
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) return error_set_os(why, ERR_IO, errno, "epoll_create1");
    l->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake.fd < 0) return error_set_os(why, ERR_IO, errno, "eventfd");
    l->wake.interest = LOOP_READ;
    l->wake.ready = wake_ready;
    l->now_ns = clock_monotonic_ns(l->clock);
    return loop_fd_add(l, &l->wake, why);
}

int loop_new(struct loop **ret, const struct loop_options *options, struct error *why) {
    struct loop *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for a loop");
    l->epoll_fd = l->wake.fd = l->signal_watch.fd = -1;
    pthread_mutex_init(&l->post_lock, NULL);
    int r = loop_setup(l, options, why);
    if (r < 0) {
        loop_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void loop_free(struct loop *l) {
    if (!l) return;
    if (l->wake.fd >= 0) close(l->wake.fd);
    if (l->signal_watch.fd >= 0) close(l->signal_watch.fd);
    if (l->epoll_fd >= 0) close(l->epoll_fd);
    pthread_mutex_destroy(&l->post_lock);
    free(l->heap);
    free(l->ring);
    free(l->scratch);
    while (l->spare_count)
        buf_free(&l->spare[--l->spare_count]);
    free(l);
}

uint64_t loop_now_ns(const struct loop *l) {
    return l->now_ns;
}

const struct clock *loop_clock(const struct loop *l) {
    return l->clock;
}

uint8_t *loop_scratch(struct loop *l) {
    return l->scratch;
}

void loop_buf_take(struct loop *l, struct buf *ret) {
    if (l->spare_count) *ret = l->spare[--l->spare_count];
}

void loop_buf_give(struct loop *l, struct buf *b) {
    bool kept = l->spare_count < LOOP_BUFS_KEPT && b->capacity && b->capacity <= LOOP_BUF_BYTES;
    if (!kept) {
        buf_free(b);
        return;
    }
    buf_clear(b);
    l->spare[l->spare_count++] = *b;
    *b = (struct buf){0};
}

/* ---- descriptors ---- */

static uint32_t epoll_bits(unsigned interest) {
    return (interest & LOOP_READ ? (uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP : 0u) |
           (interest & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

int loop_fd_add(struct loop *l, struct loop_fd *w, struct error *why) {
    struct epoll_event e = {.events = epoll_bits(w->interest), .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &e) < 0) {
        return error_set_os(why, errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO, errno, "epoll_ctl");
    }
    return 0;
}

void loop_fd_set(struct loop *l, struct loop_fd *w, unsigned interest) {
    if (interest == w->interest) return;
    w->interest = interest;
    struct epoll_event e = {.events = epoll_bits(interest), .data.ptr = w};
    // Modifying a watch that exists needs no memory and cannot fail.
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &e);
}

void loop_fd_remove(struct loop *l, struct loop_fd *w) {
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->batch_at; i < l->batch_count; i++) {
        if (l->batch[i].data.ptr == w) l->batch[i].data.ptr = NULL;
    }
}

static unsigned loop_events(uint32_t bits) {
    unsigned events = 0;
    if (bits & ((uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP)) events |= LOOP_READ;
    if (bits & (uint32_t)EPOLLOUT) events |= LOOP_WRITE;
    if (bits & ((uint32_t)EPOLLHUP | (uint32_t)EPOLLERR)) events |= LOOP_HANGUP;
    return events;
}

/* ---- timers: a binary heap; a timer that moves later is left in place and moved when it is
 *      looked at ---- */

static void heap_put(struct loop *l, size_t at, struct loop_timer *t) {
    l->heap[at] = t;
    t->slot = at + 1;
}

static void heap_up(struct loop *l, size_t at) {
    struct loop_timer *t = l->heap[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (l->heap[parent]->heap_ns <= t->heap_ns) break;
        heap_put(l, at, l->heap[parent]);
        at = parent;
    }
    heap_put(l, at, t);
}

static void heap_down(struct loop *l, size_t at) {
    struct loop_timer *t = l->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->heap_count) break;
        if (child + 1 < l->heap_count && l->heap[child + 1]->heap_ns < l->heap[child]->heap_ns) {
            child++;
        }
        if (t->heap_ns <= l->heap[child]->heap_ns) break;
        heap_put(l, at, l->heap[child]);
        at = child;
    }
    heap_put(l, at, t);
}

int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ns, struct error *why) {
    t->due_ns = due_ns;
    if (t->slot) {
        if (due_ns >= t->heap_ns) return 0;
        t->heap_ns = due_ns;
        heap_up(l, t->slot - 1);
        return 0;
    }
    if (l->heap_count == l->heap_capacity) {
        size_t capacity = l->heap_capacity ? l->heap_capacity * 2 : 64;
        void *heap = reallocarray(l->heap, capacity, sizeof(struct loop_timer *));
        if (!heap) return error_set(why, ERR_NO_MEMORY, "no memory for a timer");
        l->heap = heap;
        l->heap_capacity = capacity;
    }
    t->heap_ns = due_ns;
    heap_put(l, l->heap_count++, t);
    heap_up(l, t->slot - 1);
    return 0;
}

void loop_timer_clear(struct loop *l, struct loop_timer *t) {
    if (!t->slot) return;
    size_t at = t->slot - 1;
    t->slot = 0;
    struct loop_timer *last = l->heap[--l->heap_count];
    if (last == t) return;
    heap_put(l, at, last);
    heap_up(l, at);
    heap_down(l, last->slot - 1);
}

static void timers_run(struct loop *l) {
    // Timers that are set for "now" while others fire wait for the next turn.
    uint64_t now = l->now_ns;
    for (size_t budget = l->heap_count; budget > 0 && l->heap_count > 0; budget--) {
        struct loop_timer *t = l->heap[0];
        if (t->heap_ns > now) return;
        if (t->due_ns > now) {
            t->heap_ns = t->due_ns;
            heap_down(l, 0);
            budget++; // not fired, only moved
            continue;
        }
        loop_timer_clear(l, t);
        t->fire(t);
    }
}

/* ---- tasks ---- */

void loop_defer(struct loop *l, struct loop_task *t) {
    if (t->queued) return;
    t->queued = true;
    t->next = NULL;
    *l->tasks_end = t;
    l->tasks_end = &t->next;
}

void loop_undefer(struct loop *l, struct loop_task *t) {
    if (!t->queued) return;
    for (struct loop_task **p = &l->tasks; *p; p = &(*p)->next) {
        if (*p != t) continue;
        *p = t->next;
        if (l->tasks_end == &t->next) l->tasks_end = p;
        break;
    }
    t->queued = false;
}

static void tasks_run(struct loop *l) {
    while (l->tasks) {
        struct loop_task *t = l->tasks;
        l->tasks = t->next;
        if (!l->tasks) l->tasks_end = &l->tasks;
        t->queued = false;
        t->run(t);
    }
}

/* ---- signals ---- */

static void signal_ready(struct loop_fd *w, unsigned events) {
    (void)events;
    struct loop *l = (struct loop *)((char *)w - offsetof(struct loop, signal_watch));
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        for (unsigned i = 0; i < l->signal_count; i++) {
            if (l->signals[i].signo == (int)info.ssi_signo) {
                l->signals[i].fn(l->signals[i].arg, l->signals[i].signo);
            }
        }
    }
}

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg,
                struct error *why) {
    if (l->signal_count == SIGNALS_MAX) return error_set(why, ERR_LIMIT, "too many signals");
    sigaddset(&l->signal_set, signo);
    int fd = signalfd(l->signal_watch.fd, &l->signal_set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "signalfd");
    pthread_sigmask(SIG_BLOCK, &l->signal_set, NULL);
    if (l->signal_watch.fd < 0) {
        l->signal_watch = (struct loop_fd){fd, LOOP_READ, signal_ready};
        int r = loop_fd_add(l, &l->signal_watch, why);
        if (r < 0) return r;
    }
    l->signals[l->signal_count++] = (struct signal_row){signo, fn, arg};
    return 0;
}

/* ---- turning ---- */

static int wait_ms(const struct loop *l, uint64_t max_wait_ns) {
    uint64_t wait = max_wait_ns;
    if (l->tasks) return 0;
    if (l->heap_count) {
        uint64_t first = l->heap[0]->heap_ns;
        uint64_t until = first > l->now_ns ? first - l->now_ns : 0;
        if (until < wait) wait = until;
    }
    if (wait == UINT64_MAX) return -1;
    uint64_t ms = wait / NS_PER_MS + (wait % NS_PER_MS != 0); // early would turn in vain
    return ms > 60000 ? 60000 : (int)ms;
}

int loop_turn(struct loop *l, uint64_t max_wait_ns, struct error *why) {
    l->now_ns = clock_monotonic_ns(l->clock);
    int count = epoll_wait(l->epoll_fd, l->batch, BATCH, wait_ms(l, max_wait_ns));
    if (count < 0 && errno != EINTR) return error_set_os(why, ERR_IO, errno, "epoll_wait");
    l->now_ns = clock_monotonic_ns(l->clock);
    l->batch_count = count < 0 ? 0 : count;
    for (l->batch_at = 0; l->batch_at < l->batch_count;) {
        struct epoll_event e = l->batch[l->batch_at++];
        struct loop_fd *w = e.data.ptr;
        if (w) w->ready(w, loop_events(e.events));
    }
    l->batch_count = 0;
    timers_run(l);
    tasks_run(l);
    return 0;
}

void loop_short_slices(void) {
    struct { // sched_attr, as sched_setattr(2) has it first
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } a = {.size = sizeof a};
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != 0) return;
    a.flags |= SCHED_FLAG_RESET_ON_FORK;
    a.runtime = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

int loop_run(struct loop *l, struct error *why) {
    while (!atomic_load(&l->stop)) {
        int r = loop_turn(l, UINT64_MAX, why);
        if (r < 0) return r;
    }
    atomic_store(&l->stop, false);
    return 0;
}
