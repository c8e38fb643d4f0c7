/* Containers whose memory runs out: an error, nothing lost, and what was inside stays inside.
 * SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/base64.h"
#include "base/confine.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "test/harness/alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory");
}

static int fill_arena(void *arg, struct error *why) {
    struct arena a;
    (void)arg;
    arena_init(&a, 0);
    int r = 0;
    for (size_t n = 1; r == 0 && n < 300000; n *= 3) {
        uint8_t *p = arena_alloc(&a, n);
        const char *s = arena_printf(&a, "%zu of %s", n, "an arena");
        char *copy = s ? arena_str(&a, bytes_from_str(s)) : NULL;
        if (!p || !copy) r = no_memory(why);
        if (copy) CHECK_STR(copy, s);
    }
    arena_free(&a);
    return r;
}

static int fill_buf(void *arg, struct error *why) {
    struct buf b;
    (void)arg;
    buf_init(&b, 0);
    for (int i = 0; i < 1000; i++) {
        buf_append_str(&b, "text ");
        buf_append_be32(&b, 7);
        buf_printf(&b, "%d", i);
        buf_append_html(&b, BYTES_LIT("<&>"));
    }
    int r = buf_check(&b, why);
    buf_free(&b);
    return r;
}

static int fill_map(void *arg, struct error *why) {
    struct map m;
    char keys[200][8];
    unsigned put = 0;
    (void)arg;
    map_init(&m, 0);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 200; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%u", i);
        r = map_put(&m, bytes_from_str(keys[i]), keys[i], NULL, why);
        if (r == 0) put++;
    }
    for (unsigned i = 0; i < put; i++) // a failed growth has lost nothing
        CHECK(map_get(&m, bytes_from_str(keys[i])) == keys[i]);
    map_free(&m);
    return r;
}

static int fill_heap(void *arg, struct error *why) {
    struct heap h;
    struct heap_node nodes[100];
    (void)arg;
    memset(nodes, 0, sizeof nodes);
    heap_init(&h);
    int r = 0;
    size_t put = 0;
    while (r == 0 && put < 100) {
        r = heap_add(&h, &nodes[put], (uint64_t)(put * 7919 % 101), why);
        if (r == 0) put++;
    }
    uint64_t last = 0;
    for (struct heap_node *n; (n = heap_first(&h)) != NULL; put--) {
        CHECK(n->key >= last);
        last = n->key;
        heap_remove(&h, n);
    }
    CHECK_U64(put, 0);
    heap_free(&h);
    return r;
}

static int make_queue(void *arg, struct error *why) {
    struct queue q;
    (void)arg;
    int r = queue_init(&q, 64, why);
    if (r == 0) CHECK(queue_push(&q, &q) && queue_pop(&q) == &q);
    if (r == 0) queue_free(&q);
    return r;
}

#define TEST_METRICS(X)                                                                            \
    X(T_COUNT, METRIC_COUNTER, "t_total", "Count.", "code")                                        \
    X(T_SECONDS, METRIC_HISTOGRAM, "t_seconds", "Time.", NULL)                                     \
    X(T_QUANTILES, METRIC_SUMMARY, "t_quantiles_seconds", "Time.", NULL)
METRICS_DECLARE(t_metric, TEST_METRICS)

static int count(void *arg, struct error *why) {
    struct metrics *m;
    struct buf out;
    (void)arg;
    int r = metrics_new(&m, NULL, why);
    if (r != 0) return r;
    for (int i = 0; i < 5; i++) {
        char code[8];
        (void)snprintf(code, sizeof code, "%d", i);
        metric_inc(metrics_get(m, &t_metric_table[T_COUNT], (const char *[]){code}));
        metric_observe(metrics_get(m, &t_metric_table[T_SECONDS], NULL), 0.5);
        metric_observe(metrics_get(m, &t_metric_table[T_QUANTILES], NULL), 0.5);
    }
    metrics_add_process(m);
    buf_init(&out, 0);
    metrics_write(m, &out);
    r = buf_check(&out, why);
    buf_free(&out);
    metrics_free(m);
    return r;
}

static int write_log(void *arg, struct error *why) {
    struct log *l;
    struct log_options o = {.fd = *(int *)arg, .program = "test", .repeat_limit_per_event = 2};
    int r = log_open(&l, &o, why);
    if (r != 0) return r;
    for (int i = 0; i < 5; i++)
        log_info(l, "event", F_STR("text", "x"), F_U64("number", i));
    log_close(l);
    return 0;
}

static int decode(void *arg, struct error *why) {
    struct arena a;
    struct bytes out;
    (void)arg;
    arena_init(&a, 0);
    int r = base64_decode(&out, BYTES_LIT("aGVsbG8="), BASE64_ANY_PAD, &a, why);
    arena_free(&a);
    return r;
}

static int read_file(void *arg, struct error *why) {
    struct buf b;
    buf_init(&b, 1u << 20);
    int r = file_read(&b, arg, why);
    buf_free(&b);
    return r;
}

static int confine(void *arg, struct error *why) {
    struct confine c;
    (void)arg;
    confine_init(&c);
    confine_allow_system(&c);
    (void)confine_allow_folder_of(&c, "/tmp/x", SANDBOX_READ);
    return confine_enter(&c, false, NULL, why);
}

TEST(containers_survive_every_failed_allocation) {
    CHECK(alloc_fail_each(fill_arena, NULL) > 3);
    CHECK(alloc_fail_each(fill_buf, NULL) > 3);
    CHECK(alloc_fail_each(fill_map, NULL) > 3);
    CHECK(alloc_fail_each(fill_heap, NULL) > 3);
    CHECK(alloc_fail_each(make_queue, NULL) == 1);
}

TEST(metrics_and_logs_survive_every_failed_allocation) {
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(alloc_fail_each(count, NULL) > 10);
    CHECK(alloc_fail_each(write_log, &fd) > 0);
    CHECK(close(fd) == 0);
}

TEST(readers_survive_every_failed_allocation) {
    static char path[] = "/etc/passwd";
    CHECK(alloc_fail_each(decode, NULL) > 0);
    CHECK(alloc_fail_each(read_file, path) > 0);
    CHECK(alloc_fail_each(confine, NULL) > 0);
}

TEST_MAIN()
