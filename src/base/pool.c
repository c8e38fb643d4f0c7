/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include "base/clock.h"
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define POOL_THREADS_MAX 256

struct pool {
    struct queue lane[POOL_LANES];
    _Atomic unsigned resting; /* workers that found nothing and that nobody has woken yet */
    sem_t wake;               /* one count for each that was woken, and one a worker at the end */
    _Atomic bool stopping;
    bool behind; /* the workers have this nice value, and not that of who made them */
    int nice;
    sem_t settled; /* one count for each worker that is so now */
    unsigned threads;
    pthread_t thread[];
};

/* Tasks of one worker and one home that are done and not told yet, newest first. */
struct done {
    struct pool_task *newest, *oldest;
    unsigned count;
    unsigned lane;     /* the most urgent of theirs */
    uint64_t since_ns; /* when the oldest was done */
};

static void tell_home(struct done *d) {
    if (d->count == 0) return;
    struct pool_mailbox *m = d->newest->home;
    struct pool_task *head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do {
        d->oldest->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&m->head, &head, d->newest,
                                                    memory_order_release, memory_order_relaxed));
    // Only the first finished task wakes the loop; it takes all.
    uint64_t one = 1;
    if (!head) (void)!write(m->fd, &one, sizeof one);
    *d = (struct done){.newest = NULL};
}

static void add_done(struct done *d, struct pool_task *t) {
    if (d->count > 0 && d->newest->home != t->home) tell_home(d);
    t->next = d->newest;
    d->newest = t;
    if (d->count == 0 || t->lane < d->lane) d->lane = t->lane;
    if (d->count++ > 0) return;
    d->oldest = t;
    d->since_ns = clock_monotonic_ns(&clock_system);
}

/* Whether those that are done should be told before `t` is begun. */
static bool is_time_to_tell(const struct done *d, const struct pool_task *t) {
    return d->count > 0 && (!t->quick || t->lane > d->lane || d->count >= POOL_TOLD_TOGETHER ||
                            clock_monotonic_ns(&clock_system) - d->since_ns >= POOL_TOLD_WITHIN_NS);
}

/* ---- workers rest and are woken: only who rests costs a submit a system call ---- */

/* Takes one of the resting workers off their number. false: none rests. */
static bool claim_resting(struct pool *p) {
    // Not a plain read: it comes after the push before it, as a worker's count comes before its
    // last look at the lanes.
    unsigned n = atomic_fetch_add(&p->resting, 0);
    while (n > 0) {
        if (atomic_compare_exchange_weak(&p->resting, &n, n - 1)) return true;
    }
    return false;
}

static void wake_one(struct pool *p) {
    if (claim_resting(p)) (void)sem_post(&p->wake);
}

static void rest(struct pool *p) {
    while (sem_wait(&p->wake) != 0 && errno == EINTR) {
    }
}

/* The next task; which lane comes first depends on the worker's turn. */
static struct pool_task *take(struct pool *p, unsigned turn) {
    unsigned first = turn % 32 == 31 ? 2 : turn % 8 == 7 ? 1 : 0;
    struct pool_task *t = queue_pop(&p->lane[first]);
    for (unsigned i = 0; !t && i < POOL_LANES; i++) {
        if (i != first) t = queue_pop(&p->lane[i]);
    }
    return t;
}

/* The next task; NULL: the end. What is done is told before the worker sleeps. */
static struct pool_task *wait(struct pool *p, unsigned turn, struct done *d) {
    struct pool_task *t = take(p, turn);
    if (t) return t;
    tell_home(d);
    for (;;) {
        atomic_fetch_add(&p->resting, 1);
        t = take(p, turn);
        bool stopping = atomic_load(&p->stopping);
        // Who was counted out meanwhile has a wake to take.
        if ((!t && !stopping) || !claim_resting(p)) rest(p);
        if (!t) t = take(p, turn);
        if (!t && !stopping) continue;
        if (t && pool_waiting(p) > 0) wake_one(p); // a push behind one that was slow woke nobody
        return t;
    }
}

static void *work(void *arg) {
    struct pool *p = arg;
    struct done done = {.newest = NULL};
    if (p->behind) {
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), p->nice);
        (void)sem_post(&p->settled);
    }
    for (unsigned turn = 0;; turn++) {
        struct pool_task *t = wait(p, turn, &done);
        if (!t) return NULL;
        if (is_time_to_tell(&done, t)) tell_home(&done);
        struct pool_mailbox *home = t->home;
        t->run(t->context);
        if (home) {
            add_done(&done, t);
        } else if (t->done) {
            t->done(t->context);
        }
    }
}

unsigned pool_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

static int start(struct pool **ret, unsigned threads, size_t capacity, bool behind,
                 struct error *why) {
    if (threads == 0) threads = pool_processors();
    if (threads > POOL_THREADS_MAX) threads = POOL_THREADS_MAX;
    // The queue's ends have cache lines of their own, so the pool must be aligned like it.
    size_t bytes = sizeof(struct pool) + threads * sizeof(pthread_t);
    struct pool *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a pool");
    p->threads = 0;
    atomic_init(&p->stopping, false);
    for (unsigned i = 0; i < POOL_LANES; i++) {
        int r = queue_init(&p->lane[i], capacity, why);
        if (r == 0) continue;
        while (i-- > 0) {
            queue_free(&p->lane[i]);
        }
        free(p);
        return r;
    }
    p->behind = behind;
    p->nice = getpriority(PRIO_PROCESS, 0) + POOL_NICE;
    atomic_init(&p->resting, 0);
    (void)sem_init(&p->wake, 0, 0);
    (void)sem_init(&p->settled, 0, 0);
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = 0;
    while (p->threads < threads && !failed) {
        failed = pthread_create(&p->thread[p->threads], NULL, work, p);
        if (!failed) p->threads++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    // The caller may give up the system call next.
    for (unsigned i = 0; behind && i < p->threads; i++) {
        while (sem_wait(&p->settled) != 0 && errno == EINTR) {
        }
    }
    if (failed) {
        pool_stop(p);
        return error_set_os(why, ERR_IO, failed, "no thread for the pool");
    }
    *ret = p;
    return 0;
}

int pool_start(struct pool **ret, unsigned threads, size_t capacity, struct error *why) {
    return start(ret, threads, capacity, false, why);
}

int pool_start_behind(struct pool **ret, unsigned threads, size_t capacity, struct error *why) {
    return start(ret, threads, capacity, true, why);
}

void pool_stop(struct pool *p) {
    if (!p) return;
    atomic_store(&p->stopping, true);
    for (unsigned i = 0; i < p->threads; i++) {
        (void)sem_post(&p->wake);
    }
    for (unsigned i = 0; i < p->threads; i++) {
        (void)pthread_join(p->thread[i], NULL);
    }
    (void)sem_destroy(&p->wake);
    (void)sem_destroy(&p->settled);
    for (unsigned i = 0; i < POOL_LANES; i++) {
        queue_free(&p->lane[i]);
    }
    free(p);
}

bool pool_submit(struct pool *p, struct pool_task *task) {
    if (!queue_push(&p->lane[task->lane], task)) return false;
    wake_one(p);
    return true;
}

size_t pool_waiting(struct pool *p) {
    size_t n = 0;
    for (unsigned i = 0; i < POOL_LANES; i++) {
        n += queue_count(&p->lane[i]);
    }
    return n;
}

size_t pool_lane_waiting(struct pool *p, unsigned lane) {
    return queue_count(&p->lane[lane]);
}

size_t pool_lane_capacity(const struct pool *p) {
    return p->lane[0].mask + 1;
}

unsigned pool_threads(const struct pool *p) {
    return p->threads;
}

int pool_mailbox_open(struct pool_mailbox *m, struct error *why) {
    atomic_init(&m->head, NULL);
    m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->fd < 0) return error_set_os(why, ERR_IO, errno, "eventfd");
    return 0;
}

void pool_mailbox_close(struct pool_mailbox *m) {
    if (m->fd >= 0) (void)close(m->fd);
    m->fd = -1;
}

size_t pool_mailbox_drain(struct pool_mailbox *m) {
    // Clear the event before taking the tasks: a task that comes later signals anew.
    uint64_t count;
    (void)!read(m->fd, &count, sizeof count);
    struct pool_task *t = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
    struct pool_task *in_order = NULL;
    while (t) {
        struct pool_task *next = t->next;
        t->next = in_order;
        in_order = t;
        t = next;
    }
    size_t n = 0;
    while (in_order) {
        struct pool_task *next = in_order->next;
        if (in_order->done) in_order->done(in_order->context);
        in_order = next;
        n++;
    }
    return n;
}
