/* The event loop: timers by a fake clock, descriptors, messages from other threads, signals.
 * SPDX-License-Identifier: MIT */
#include "net/loop.h"
#include "test/harness/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct timed {
    struct loop_timer timer;
    unsigned fired;
    unsigned order;
};

static unsigned sequence;

static void on_fire(struct loop_timer *t) {
    struct timed *x = (struct timed *)t;
    x->fired++;
    x->order = ++sequence;
}

static struct loop *new_loop(const struct loop_options *options) {
    struct error why = {0};
    struct loop *l = NULL;
    CHECK_OK(loop_new(&l, options, &why), &why);
    return l;
}

static void turn(struct loop *l) {
    struct error why = {0};
    CHECK_OK(loop_turn(l, 0, &why), &why);
}

TEST(timers_fire_in_order_once_and_not_early) {
    struct clock_fake fake;
    clock_fake_init(&fake, NS_PER_S);
    struct loop *l = new_loop(&(struct loop_options){.clock = &fake.clock});
    struct timed t[50] = {0};
    uint64_t start = loop_now_ns(l);
    for (unsigned i = 0; i < 50; i++) {
        t[i].timer.fire = on_fire;
        CHECK(loop_timer_set(l, &t[i].timer, start + (i * 37 % 50 + 1) * NS_PER_MS, NULL) == 0);
    }
    turn(l);
    for (unsigned i = 0; i < 50; i++)
        CHECK_U64(t[i].fired, 0);
    clock_fake_advance(&fake, 25 * NS_PER_MS);
    sequence = 0;
    turn(l);
    for (unsigned i = 0; i < 50; i++) {
        unsigned due = i * 37 % 50 + 1;
        CHECK_U64(t[i].fired, due <= 25);
        if (due <= 25) CHECK_U64(t[i].order, due);
        CHECK(loop_timer_armed(&t[i].timer) == (due > 25));
        loop_timer_clear(l, &t[i].timer);
    }
    clock_fake_advance(&fake, NS_PER_S);
    turn(l);
    for (unsigned i = 0; i < 50; i++)
        CHECK(t[i].fired <= 1);
    loop_free(l);
}

TEST(a_timer_moves_both_ways) {
    struct clock_fake fake;
    clock_fake_init(&fake, NS_PER_S);
    struct loop *l = new_loop(&(struct loop_options){.clock = &fake.clock});
    uint64_t start = loop_now_ns(l);
    struct timed t = {.timer.fire = on_fire}, other = {.timer.fire = on_fire};
    CHECK(loop_timer_set(l, &t.timer, start + 10, NULL) == 0);
    CHECK(loop_timer_set(l, &other.timer, start + 50, NULL) == 0);
    CHECK(loop_timer_set(l, &t.timer, start + 100, NULL) == 0);
    clock_fake_advance(&fake, 60);
    turn(l);
    CHECK_U64(t.fired, 0);
    CHECK_U64(other.fired, 1);
    CHECK(loop_timer_set(l, &t.timer, start + 61, NULL) == 0);
    clock_fake_advance(&fake, 2);
    turn(l);
    CHECK_U64(t.fired, 1);
    loop_free(l);
}

struct piped {
    struct loop_fd watch;
    struct loop *loop;
    struct piped *other;
    unsigned calls;
};

static void on_pipe(struct loop_fd *w, unsigned events) {
    struct piped *p = (struct piped *)w;
    CHECK(events & LOOP_READ);
    p->calls++;
    if (p->other) loop_fd_remove(p->loop, &p->other->watch);
    p->other = NULL;
}

TEST(a_removed_descriptor_is_not_called_in_the_same_turn) {
    struct loop *l = new_loop(NULL);
    int a[2], b[2];
    CHECK(pipe(a) == 0 && pipe(b) == 0);
    struct piped first = {.watch = {a[0], LOOP_READ, on_pipe}, .loop = l};
    struct piped second = {.watch = {b[0], LOOP_READ, on_pipe}, .loop = l};
    first.other = &second;
    second.other = &first;
    CHECK(loop_fd_add(l, &first.watch, NULL) == 0);
    CHECK(loop_fd_add(l, &second.watch, NULL) == 0);
    CHECK(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1);
    turn(l);
    CHECK_U64(first.calls + second.calls, 1);
    if (first.calls)
        loop_fd_remove(l, &first.watch);
    else
        loop_fd_remove(l, &second.watch);
    for (int i = 0; i < 2; i++)
        close(a[i]), close(b[i]);
    loop_free(l);
}

TEST(a_watch_that_cannot_be_is_an_error) {
    struct loop *l = new_loop(NULL);
    struct loop_fd bad = {-1, LOOP_READ, on_pipe};
    CHECK_ERR(loop_fd_add(l, &bad, NULL), ERR_IO);
    loop_free(l);
}

struct tasked {
    struct loop_task task;
    struct loop *loop;
    unsigned runs;
    bool again;
};

static void on_task(struct loop_task *t) {
    struct tasked *x = (struct tasked *)t;
    x->runs++;
    if (x->again) {
        x->again = false;
        loop_defer(x->loop, t);
    }
}

TEST(tasks_run_once_a_deferral_and_can_be_taken_back) {
    struct loop *l = new_loop(NULL);
    struct tasked a = {.task.run = on_task, .loop = l, .again = true};
    struct tasked b = {.task.run = on_task, .loop = l}, c = b;
    loop_defer(l, &a.task);
    loop_defer(l, &a.task);
    loop_defer(l, &b.task);
    loop_defer(l, &c.task);
    loop_undefer(l, &c.task);
    loop_undefer(l, &b.task);
    loop_defer(l, &b.task);
    turn(l);
    CHECK_U64(a.runs, 2);
    CHECK_U64(b.runs, 1);
    CHECK_U64(c.runs, 0);
    loop_free(l);
}

static unsigned posted;

static void on_post(void *arg) {
    if (++posted == 2000 && arg) loop_stop(arg);
}

static void *poster(void *arg) {
    for (unsigned i = 0; i < 1000; i++) {
        while (loop_post(arg, on_post, arg) == ERR_BUSY)
            usleep(10);
    }
    return NULL;
}

TEST(messages_of_threads_arrive_all) {
    struct error why = {0};
    struct loop *l = new_loop(&(struct loop_options){.post_capacity = 16});
    pthread_t thread[2];
    posted = 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, poster, l) == 0);
    CHECK_OK(loop_run(l, &why), &why);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CHECK_U64(posted, 2000);
    loop_free(l);
}

TEST(a_full_queue_is_told) {
    struct loop *l = new_loop(&(struct loop_options){.post_capacity = 2});
    posted = 0;
    CHECK_ERR(loop_post(l, on_post, NULL), 0);
    CHECK_ERR(loop_post(l, on_post, NULL), 0);
    CHECK_ERR(loop_post(l, on_post, NULL), ERR_BUSY);
    turn(l);
    CHECK_U64(posted, 2);
    loop_free(l);
}

static int signalled;

static void on_signal(void *arg, int signo) {
    (void)arg;
    signalled = signo;
}

TEST(memory_of_empty_queues_is_used_again_within_limits) {
    struct loop *l;
    struct error why;
    struct buf b = {0};
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    loop_buf_take(l, &b);
    CHECK(b.p == NULL);
    buf_append_str(&b, "one");
    const uint8_t *p = b.p;
    loop_buf_give(l, &b);
    CHECK(b.p == NULL && b.n == 0);
    loop_buf_take(l, &b);
    CHECK(b.p == p && b.n == 0);
    CHECK(buf_reserve(&b, LOOP_BUF_BYTES + 1) != NULL); // too large to keep
    loop_buf_give(l, &b);
    loop_buf_take(l, &b);
    CHECK(b.p == NULL);
    for (unsigned i = 0; i <= LOOP_BUFS_KEPT; i++) {
        struct buf one = {0};
        buf_append_str(&one, "more than are kept");
        loop_buf_give(l, &one);
    }
    for (unsigned i = 0; i <= LOOP_BUFS_KEPT; i++) {
        loop_buf_take(l, &b);
        CHECK((b.p != NULL) == (i < LOOP_BUFS_KEPT));
        buf_free(&b);
    }
    loop_free(l);
}

TEST(signals_come_through_the_loop) {
    struct error why = {0};
    struct loop *l = new_loop(NULL);
    CHECK_OK(loop_signal(l, SIGUSR1, on_signal, NULL, &why), &why);
    CHECK_OK(loop_signal(l, SIGUSR2, on_signal, NULL, &why), &why);
    CHECK(kill(getpid(), SIGUSR2) == 0);
    turn(l);
    CHECK_U64(signalled, SIGUSR2);
    loop_free(l);
}

TEST_MAIN()
