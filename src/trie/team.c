/* SPDX-License-Identifier: MIT */
#include "trie/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SPINS 2000 /* looks before a member sleeps, or the caller yields: some microseconds */
#define CLOSED 0x80000000u /* in `inside`: nobody may come in */

struct member {
    struct trie_team *team;
    pthread_t thread;
    unsigned number;
};

struct trie_team {
    unsigned threads;
    struct member member[TRIE_TEAM_MAX];
    pthread_mutex_t lock; // guards sleeping: `round` is raised under it
    pthread_cond_t wake;

    // The work of this round. Written by the caller while `inside` is CLOSED and nobody is in.
    void (*body)(void *arg, unsigned member, size_t from, size_t to);
    void *arg;
    size_t count, grain;

    _Atomic size_t next;     // first index that nobody took
    _Atomic unsigned round;  // raised once a run
    _Atomic unsigned inside; // members at work; CLOSED beside it between the rounds
    _Atomic bool stop;
};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_ranges(struct trie_team *t, unsigned number) {
    for (;;) {
        size_t from = atomic_fetch_add_explicit(&t->next, t->grain, memory_order_relaxed);
        if (from >= t->count) return;
        size_t to = t->count - from > t->grain ? from + t->grain : t->count;
        t->body(t->arg, number, from, to);
    }
}

static void wait_for_round(struct trie_team *t, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&t->round, memory_order_acquire) != seen) return;
        pause_cpu();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load_explicit(&t->round, memory_order_acquire) == seen) {
        pthread_cond_wait(&t->wake, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

// A member that wakes when all is done stays outside: nobody waits for it.
static bool come_in(struct trie_team *t) {
    unsigned n = atomic_load_explicit(&t->inside, memory_order_relaxed);
    do {
        if (n & CLOSED) return false;
    } while (!atomic_compare_exchange_weak_explicit(&t->inside, &n, n + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

static void *member_run(void *arg) {
    struct member *m = arg;
    struct trie_team *t = m->team;
    unsigned seen = 0;
    for (;;) {
        wait_for_round(t, seen);
        seen = atomic_load_explicit(&t->round, memory_order_acquire);
        if (atomic_load_explicit(&t->stop, memory_order_relaxed)) return NULL;
        if (!come_in(t)) continue;
        take_ranges(t, m->number);
        atomic_fetch_sub_explicit(&t->inside, 1, memory_order_release);
    }
}

static void wait_for_members(struct trie_team *t) {
    (void)atomic_fetch_or_explicit(&t->inside, CLOSED, memory_order_relaxed);
    for (int i = 0; atomic_load_explicit(&t->inside, memory_order_acquire) != CLOSED; i++) {
        if (i < SPINS) {
            pause_cpu();
        } else {
            (void)sched_yield(); // it lost its processor
        }
    }
}

static void raise_round(struct trie_team *t) {
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add_explicit(&t->round, 1, memory_order_release);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

int trie_team_create(struct trie_team **ret, unsigned threads, struct error *why) {
    if (threads < 1 || threads > TRIE_TEAM_MAX) {
        return error_set(why, ERR_RANGE, "a team of %u threads, 1 to %d are allowed", threads,
                         TRIE_TEAM_MAX);
    }
    struct trie_team *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a team");
    t->threads = 1;
    atomic_init(&t->inside, CLOSED);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    for (unsigned i = 1; i < threads; i++) {
        t->member[i] = (struct member){.team = t, .number = i};
        int os = pthread_create(&t->member[i].thread, NULL, member_run, &t->member[i]);
        if (os != 0) {
            trie_team_free(t);
            return error_set_os(why, ERR_IO, os, "no thread for a team");
        }
        t->threads++;
    }
    *ret = t;
    return 0;
}

void trie_team_free(struct trie_team *team) {
    if (!team) return;
    atomic_store(&team->stop, true);
    raise_round(team);
    for (unsigned i = 1; i < team->threads; i++) {
        pthread_join(team->member[i].thread, NULL);
    }
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->lock);
    free(team);
}

unsigned trie_team_threads(const struct trie_team *team) {
    return team ? team->threads : 1;
}

void trie_team_run(struct trie_team *team, size_t count, size_t grain,
                   void (*body)(void *arg, unsigned member, size_t from, size_t to), void *arg) {
    if (!team || team->threads == 1 || count <= grain) {
        for (size_t from = 0; from < count; from += grain) {
            body(arg, 0, from, count - from > grain ? from + grain : count);
        }
        return;
    }
    team->body = body;
    team->arg = arg;
    team->count = count;
    team->grain = grain;
    atomic_store_explicit(&team->next, 0, memory_order_relaxed);
    atomic_store_explicit(&team->inside, 0, memory_order_release);
    raise_round(team);
    take_ranges(team, 0);
    wait_for_members(team);
}
