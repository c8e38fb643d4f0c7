/* Lists, heaps, maps and queues. SPDX-License-Identifier: MIT */
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/queue.h"
#include "base/random.h"
#include "test/harness/test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct error why;

TEST(list_keeps_order_and_removes_anywhere) {
    struct item {
        int v;
        struct list_node link;
    } items[4] = {{.v = 0}, {.v = 1}, {.v = 2}, {.v = 3}};
    struct list l;
    list_init(&l);
    CHECK(list_is_empty(&l) && !list_first(&l) && !list_last(&l) && !list_pop_front(&l));
    for (int i = 1; i < 4; i++) {
        list_push_back(&l, &items[i].link);
    }
    list_push_front(&l, &items[0].link);
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    static const int expected[] = {0, 1, 3};
    size_t n = 0;
    list_each(node, &l) {
        CHECK_I64(LIST_ENTRY(node, struct item, link)->v, expected[n]);
        n++;
    }
    CHECK_U64(n, 3);
    list_each_safe(node, &l) {
        list_remove(node);
    }
    CHECK(list_is_empty(&l));
}

TEST(heap_gives_the_least_key) {
    struct heap h;
    heap_init(&h);
    struct heap_node nodes[500] = {0};
    struct random_fast r;
    random_fast_seed(&r, 3);
    for (size_t i = 0; i < 500; i++) {
        CHECK_OK(heap_add(&h, &nodes[i], random_fast_below(&r, 100), &why), &why);
    }
    CHECK_ERR(heap_add(&h, &nodes[0], 1, &why), ERR_CONFLICT);
    for (size_t i = 0; i < 500; i++) {
        if (i % 3 == 0) heap_remove(&h, &nodes[i]);
        if (i % 3 == 1) heap_move(&h, &nodes[i], random_fast_below(&r, 100));
    }
    heap_remove(&h, &nodes[0]);
    heap_move(&h, &nodes[0], 1);
    uint64_t last = 0;
    size_t n = 0;
    for (struct heap_node *f; (f = heap_first(&h)); n++) {
        CHECK(f->key >= last);
        last = f->key;
        heap_remove(&h, f);
    }
    CHECK_U64(n, 333);
    CHECK_OK(heap_add(&h, &nodes[0], 1, &why), &why);
    heap_free(&h);
    CHECK_U64(nodes[0].position, 0);
}

#define GROWING 20000u

/* All entries, each once, and nothing else. */
static void check_walk(const struct map *m, const bool *inside) {
    static bool met[GROWING];
    struct bytes key;
    void *value;
    size_t at = 0, n = 0;
    memset(met, 0, sizeof met);
    for (; map_next(m, &at, &key, &value); n++) {
        uint32_t i = *(uint32_t *)value;
        CHECK(key.p == value && inside[i] && !met[i]);
        met[i] = true;
    }
    CHECK_U64(n, m->n);
}

TEST(map_agrees_with_an_array_while_it_grows) {
    static uint32_t keys[GROWING];
    static bool inside[GROWING];
    struct map m;
    struct random_fast r;
    map_init(&m, 0);
    random_fast_seed(&r, 5);
    for (uint32_t i = 0; i < GROWING; i++) {
        keys[i] = i;
    }
    for (unsigned step = 0; step < 80000; step++) {
        size_t i = random_fast_below(&r, GROWING);
        struct bytes key = bytes_make(&keys[i], sizeof keys[i]);
        CHECK(map_get(&m, key) == (inside[i] ? &keys[i] : NULL));
        if (random_fast_below(&r, 4)) {
            void *old = NULL;
            CHECK_OK(map_put(&m, key, &keys[i], &old, &why), &why);
            CHECK(old == (inside[i] ? &keys[i] : NULL));
            inside[i] = true;
        } else {
            CHECK(map_remove(&m, key) == (inside[i] ? &keys[i] : NULL));
            inside[i] = false;
        }
        if (step % 997 == 0) check_walk(&m, inside);
    }
    check_walk(&m, inside);
    map_clear(&m);
    CHECK(m.n == 0 && map_get(&m, bytes_make(&keys[0], sizeof keys[0])) == NULL);
    CHECK_OK(map_put(&m, bytes_make(&keys[0], sizeof keys[0]), &keys[0], NULL, &why), &why);
    map_free(&m);
}

static uint64_t own_time_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A map that grows under a lock would hold up all who wait for it. */
TEST(no_put_into_a_map_pays_for_all_the_others) {
    static uint32_t keys[400000];
    uint64_t longest = 0, all = 0;
    struct map m;
    map_init(&m, 0);
    for (uint32_t i = 0; i < 400000; i++) {
        keys[i] = i;
        uint64_t begun = own_time_ns();
        CHECK_OK(map_put(&m, bytes_make(&keys[i], sizeof keys[i]), &keys[i], NULL, &why), &why);
        uint64_t took = own_time_ns() - begun;
        all += took;
        if (took > longest) longest = took;
    }
    CHECK(longest < all / 15);
    map_free(&m);
}

TEST(map_agrees_with_an_array) {
    static uint32_t keys[2000];
    static bool inside[2000];
    struct map m;
    map_init(&m, 0);
    struct random_fast r;
    random_fast_seed(&r, 4);
    size_t count = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        keys[i] = i;
    }
    for (unsigned step = 0; step < 50000; step++) {
        size_t i = random_fast_below(&r, 2000);
        struct bytes key = bytes_make(&keys[i], sizeof keys[i]);
        if (random_fast_below(&r, 2)) {
            void *old = NULL;
            CHECK_OK(map_put(&m, key, &keys[i], &old, &why), &why);
            CHECK((old != NULL) == inside[i]);
            count += !inside[i];
            inside[i] = true;
        } else {
            CHECK((map_remove(&m, key) != NULL) == inside[i]);
            count -= inside[i];
            inside[i] = false;
        }
    }
    CHECK_U64(m.n, count);
    for (size_t i = 0; i < 2000; i++) {
        void *v = map_get(&m, bytes_make(&keys[i], sizeof keys[i]));
        CHECK(v == (inside[i] ? &keys[i] : NULL));
    }
    size_t at = 0, walked = 0;
    struct bytes key;
    void *v;
    while (map_next(&m, &at, &key, &v)) {
        CHECK(key.p == v);
        walked++;
    }
    CHECK_U64(walked, count);
    map_clear(&m);
    CHECK(map_get(&m, BYTES_LIT("x")) == NULL);
    map_free(&m);
    map_init(&m, 1);
    CHECK_OK(map_put(&m, BYTES_LIT("a"), &m, NULL, &why), &why);
    CHECK_ERR(map_put(&m, BYTES_LIT("b"), &m, NULL, &why), ERR_LIMIT);
    CHECK_OK(map_put(&m, BYTES_LIT("a"), &why, NULL, &why), &why);
    map_free(&m);
}

#define EACH 20000
static struct queue shared;
static int tokens[EACH];
static _Atomic int taken[EACH];

static void *produce(void *arg) {
    for (size_t i = (size_t)(uintptr_t)arg; i < EACH; i += 2) {
        while (!queue_push(&shared, &tokens[i])) {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void *consume(void *arg) {
    _Atomic int *left = arg;
    while (atomic_load(left) > 0) {
        int *t = queue_pop(&shared);
        if (!t) {
            (void)sched_yield();
            continue;
        }
        atomic_fetch_add(&taken[t - tokens], 1);
        atomic_fetch_sub(left, 1);
    }
    return NULL;
}

TEST(queue_gives_every_item_once) {
    _Atomic int left = EACH;
    pthread_t t[4];
    CHECK_OK(queue_init(&shared, 60, &why), &why);
    for (size_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&t[i], NULL, i < 2 ? produce : consume,
                             i < 2 ? (void *)(uintptr_t)i : (void *)&left) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(t[i], NULL);
    }
    for (size_t i = 0; i < EACH; i++) {
        CHECK_I64(taken[i], 1);
    }
    CHECK(queue_pop(&shared) == NULL);
    for (size_t i = 0; i < 64; i++) {
        CHECK(queue_push(&shared, &left));
    }
    CHECK(!queue_push(&shared, &left));
    CHECK_U64(queue_count(&shared), 64);
    queue_free(&shared);
}

struct sum {
    struct pool_task task;
    _Atomic int *total;
    int ran, finished;
};

static void add_up(void *context) {
    struct sum *s = context;
    s->ran++;
    atomic_fetch_add(s->total, 1);
}

static void finished(void *context) {
    ((struct sum *)context)->finished++;
}

TEST(pool_runs_every_task_and_reports_home) {
    struct pool *p;
    struct pool_mailbox home;
    static struct sum sums[3000];
    _Atomic int total = 0;
    CHECK_OK(pool_mailbox_open(&home, &why), &why);
    CHECK_OK(pool_start(&p, 3, 64, &why), &why);
    CHECK_U64(pool_threads(p), 3);
    size_t done = 0;
    for (size_t i = 0; i < 3000; i++) {
        sums[i] = (struct sum){.task = {add_up, finished, &sums[i], i % 10 ? &home : NULL, NULL},
                               .total = &total};
        sums[i].task.quick = i % 3 > 0; // told together with others
        while (!pool_submit(p, &sums[i].task)) {
            done += pool_mailbox_drain(&home);
        }
    }
    while (done < 2700) {
        struct pollfd f = {.fd = home.fd, .events = POLLIN};
        CHECK(poll(&f, 1, 5000) == 1);
        done += pool_mailbox_drain(&home);
    }
    pool_stop(p);
    CHECK_I64(total, 3000);
    for (size_t i = 0; i < 3000; i++) {
        CHECK(sums[i].ran == 1 && sums[i].finished == 1);
    }
    CHECK_U64(pool_mailbox_drain(&home), 0);
    pool_mailbox_close(&home);
    CHECK_OK(pool_start(&p, 0, 1, &why), &why);
    CHECK_U64(pool_waiting(p), 0);
    pool_stop(p);
    pool_stop(NULL);
}

static void tell_nice(void *context) {
    *(int *)context = getpriority(PRIO_PROCESS, 0); // of the thread
}

TEST(pool_behind_is_nicer_than_the_process) {
    struct pool *p;
    int nice = -100, own = getpriority(PRIO_PROCESS, 0);
    struct pool_task task = {.run = tell_nice, .context = &nice};
    CHECK_OK(pool_start_behind(&p, 2, 4, &why), &why);
    CHECK(pool_submit(p, &task));
    pool_stop(p);
    CHECK_I64(nice, own + POOL_NICE > 19 ? 19 : own + POOL_NICE);
    CHECK_I64(getpriority(PRIO_PROCESS, 0), own);
}

struct turn {
    struct pool_task task;
    sem_t *gate; /* waited for, when there is one */
    _Atomic int *clock;
    int at;
};

static void take_turn(void *context) {
    struct turn *t = context;
    if (t->gate) (void)sem_wait(t->gate);
    t->at = atomic_fetch_add(t->clock, 1);
}

TEST(pool_tells_what_is_done_before_a_later_lane) {
    struct pool *p;
    struct pool_mailbox home;
    sem_t first, last;
    _Atomic int clock = 0;
    struct turn turns[3];
    CHECK_OK(pool_mailbox_open(&home, &why), &why);
    CHECK_OK(pool_start(&p, 1, 64, &why), &why);
    (void)sem_init(&first, 0, 0);
    (void)sem_init(&last, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        turns[i] = (struct turn){
            .task = {take_turn, NULL, &turns[i], i == 1 ? &home : NULL, .lane = i, .quick = true},
            .gate = i == 0   ? &first
                    : i == 2 ? &last
                             : NULL,
            .clock = &clock};
        CHECK(pool_submit(p, &turns[i].task));
    }
    (void)sem_post(&first); // now the second is done, and the third waits for us
    struct pollfd f = {.fd = home.fd, .events = POLLIN};
    CHECK(poll(&f, 1, 5000) == 1);
    CHECK_U64(pool_mailbox_drain(&home), 1);
    (void)sem_post(&last);
    pool_stop(p);
    pool_mailbox_close(&home);
    (void)sem_destroy(&first);
    (void)sem_destroy(&last);
}

static void take_time(void *context) {
    (void)context;
    (void)usleep(2 * POOL_TOLD_WITHIN_NS / 1000);
}

TEST(pool_tells_what_is_done_within_its_time) {
    struct pool *p;
    struct pool_mailbox home;
    sem_t first, last;
    _Atomic int clock = 0;
    CHECK_OK(pool_mailbox_open(&home, &why), &why);
    CHECK_OK(pool_start(&p, 1, 64, &why), &why);
    (void)sem_init(&first, 0, 0);
    (void)sem_init(&last, 0, 0);
    struct turn held = {.gate = &first, .clock = &clock}, end = {.gate = &last, .clock = &clock};
    struct turn told = {.clock = &clock};
    struct pool_task slow = {.run = take_time, .quick = true};
    held.task = (struct pool_task){.run = take_turn, .context = &held, .quick = true};
    told.task =
        (struct pool_task){.run = take_turn, .context = &told, .home = &home, .quick = true};
    end.task = (struct pool_task){.run = take_turn, .context = &end, .quick = true};
    CHECK(pool_submit(p, &held.task) && pool_submit(p, &told.task));
    CHECK(pool_submit(p, &slow) && pool_submit(p, &end.task));
    (void)sem_post(&first); // all four wait now; the last one for us
    struct pollfd f = {.fd = home.fd, .events = POLLIN};
    CHECK(poll(&f, 1, 5000) == 1);
    CHECK_U64(pool_mailbox_drain(&home), 1);
    (void)sem_post(&last);
    pool_stop(p);
    pool_mailbox_close(&home);
    (void)sem_destroy(&first);
    (void)sem_destroy(&last);
}

TEST(pool_takes_earlier_lanes_first_and_starves_none) {
    struct pool *p;
    sem_t gate;
    _Atomic int clock = 0;
    static struct turn turns[1 + 3 * 40];
    CHECK_OK(pool_start(&p, 1, 64, &why), &why);
    (void)sem_init(&gate, 0, 0);
    turns[0] = (struct turn){.task = {take_turn, NULL, &turns[0]}, .gate = &gate, .clock = &clock};
    CHECK(pool_submit(p, &turns[0].task));
    while (pool_waiting(p) > 0) {
    }
    for (unsigned lane = POOL_LANES; lane-- > 0;) { // the last lane is the first to come
        for (size_t i = 0; i < 40; i++) {
            struct turn *t = &turns[1 + lane * 40 + i];
            *t = (struct turn){.task = {take_turn, NULL, t, .lane = lane}, .clock = &clock};
            CHECK(pool_submit(p, &t->task));
        }
    }
    CHECK_U64(pool_lane_waiting(p, 1), 40);
    (void)sem_post(&gate);
    pool_stop(p);
    int late[POOL_LANES] = {0};
    for (int i = 1; i <= 120; i++) {
        if (turns[i].at > 45) late[(i - 1) / 40]++;
    }
    CHECK_I64(late[0], 0); // all of the first lane are done by then
    CHECK(late[1] < 40);   // and some of the others
    CHECK(late[2] < 40 && late[2] > 30);
    (void)sem_destroy(&gate);
}

TEST_MAIN()
