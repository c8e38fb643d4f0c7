/* Metrics and secrets. SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include "base/random.h"
#include "base/secret.h"
#include "test/harness/test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOME(X)                                                                                    \
    X(REQUESTS, METRIC_COUNTER, "requests_total", "Requests.\nAll \\ of them.", "path,code")       \
    X(PEERS, METRIC_GAUGE, "peers", "Peers.", NULL)                                                \
    X(LATENCY, METRIC_SUMMARY, "latency_seconds", "Latency.", NULL)                                \
    X(ASKED, METRIC_GAUGE, "asked", "Asked.", NULL)
METRICS_DECLARE(some, SOME)

static struct error why;
static struct clock_fake fake;

static struct metrics *fresh(void) {
    struct metrics *m;
    clock_fake_init(&fake, NS_PER_S);
    CHECK_OK(metrics_new(&m, &fake.clock, &why), &why);
    return m;
}

static double answer(void *context) {
    return *(double *)context;
}

TEST(exposition_is_the_text_format) {
    static const double bounds[] = {0.1, 1};
    static const struct metric_desc histogram = {
        "size", METRIC_HISTOGRAM, "Sizes.", NULL, bounds, 2, 0};
    struct metrics *m = fresh();
    struct metric *r = metrics_get(m, &some_table[REQUESTS], (const char *[]){"/a\"\\\n", "200"});
    CHECK(r == metrics_get(m, &some_table[REQUESTS], (const char *[]){"/a\"\\\n", "200"}));
    metric_add(r, 3);
    metric_set(metrics_get(m, &some_table[PEERS], NULL), 1.5);
    metric_shift(metrics_get(m, &some_table[PEERS], NULL), -2);
    struct metric *h = metrics_get(m, &histogram, NULL);
    metric_observe(h, 0.1);
    metric_observe(h, 0.5);
    metric_observe(h, 7);
    metric_observe(h, (double)NAN);
    double asked = 42;
    CHECK_OK(metrics_gauge_call(m, &some_table[ASKED], answer, &asked, &why), &why);
    CHECK_ERR(metrics_gauge_call(m, &some_table[ASKED], answer, &asked, &why), ERR_CONFLICT);
    struct buf out;
    buf_init(&out, 0);
    metrics_write(m, &out);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("# HELP requests_total Requests.\\nAll \\\\ of them.\n"
                                          "# TYPE requests_total counter\n"
                                          "requests_total{path=\"/a\\\"\\\\\\n\",code=\"200\"} 3\n"
                                          "# HELP peers Peers.\n# TYPE peers gauge\npeers -0.5\n"
                                          "# HELP size Sizes.\n# TYPE size histogram\n"
                                          "size_bucket{le=\"0.1\"} 1\nsize_bucket{le=\"1\"} 2\n"
                                          "size_bucket{le=\"+Inf\"} 3\nsize_sum 7.6\nsize_count 3\n"
                                          "# HELP asked Asked.\n# TYPE asked gauge\nasked 42\n"));
    buf_clear(&out);
    metrics_add_process(m);
    metrics_write(m, &out);
    CHECK(memmem(out.p, out.n, "process_open_fds ", 17) != NULL);
    CHECK(memmem(out.p, out.n, "build_info{version=\"", 20) != NULL);
    buf_free(&out);
    metrics_free(m);
}

TEST(labels_are_bounded) {
    struct metrics *m = fresh();
    struct metric *last = NULL;
    for (unsigned i = 0; i < 1000; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "/%u", i);
        last = metrics_get(m, &some_table[REQUESTS], (const char *[]){path, "200"});
        metric_inc(last);
    }
    CHECK(metric_value(last) == 1000 - METRIC_SERIES_MAX);
    struct buf out;
    buf_init(&out, 0);
    metrics_write(m, &out);
    CHECK(memmem(out.p, out.n, "requests_total{path=\"other\",code=\"other\"} 800\n", 46) != NULL);
    buf_free(&out);
    metrics_free(m);
}

TEST(quantiles_are_close_and_forget) {
    struct metrics *m = fresh();
    struct metric *s = metrics_get(m, &some_table[LATENCY], NULL);
    CHECK(isnan(metric_quantile(s, 0.5)));
    for (unsigned i = 1; i <= 10000; i++) {
        metric_observe_ns(s, i * NS_PER_MS);
    }
    static const double q[] = {0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < 5; i++) {
        CHECK(fabs(metric_quantile(s, q[i]) / (q[i] * 10) - 1) < 0.017);
    }
    metric_observe(s, -1);
    metric_observe(s, 1e300);
    CHECK(metric_quantile(s, 0) == 0);
    CHECK(metric_quantile(s, 1) > 1e12);
    clock_fake_advance(&fake, 301 * NS_PER_S);
    CHECK(fabs(metric_quantile(s, 0.5) / 5 - 1) < 0.017);
    clock_fake_advance(&fake, 601 * NS_PER_S);
    CHECK(isnan(metric_quantile(s, 0.5)));
    CHECK(metric_value(s) == 10002);
    metrics_free(m);
}

static void *count_up(void *arg) {
    struct metric **all = arg;
    for (unsigned i = 0; i < 20000; i++) {
        metric_inc(all[0]);
        metric_shift(all[1], 1);
        metric_observe(all[2], 0.001);
    }
    return NULL;
}

TEST(threads_lose_nothing) {
    struct metrics *m = fresh();
    struct metric *all[3] = {metrics_get(m, &some_table[REQUESTS], (const char *[]){"/", "200"}),
                             metrics_get(m, &some_table[PEERS], NULL),
                             metrics_get(m, &some_table[LATENCY], NULL)};
    pthread_t t[3];
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_create(&t[i], NULL, count_up, all) == 0);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_join(t[i], NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(metric_value(all[i]) == 60000);
    }
    metrics_free(m);
    metric_inc(NULL);
    metric_observe(NULL, 1);
    CHECK(metrics_get(NULL, &some_table[PEERS], NULL) == NULL);
}

TEST(secrets_are_read_compared_and_freed) {
    struct secret s;
    CHECK_OK(secret_copy(&s, BYTES_LIT("key"), &why), &why);
    CHECK(secret_equal(&s, BYTES_LIT("key")) && !secret_equal(&s, BYTES_LIT("kex")));
    secret_free(&s);
    CHECK(s.p == NULL && s.n == 0);
    CHECK_OK(secret_random(&s, 5000, &why), &why);
    secret_free(&s);
    CHECK_OK(secret_init(&s, 0, &why), &why);
    secret_free(&s);
    CHECK_ERR(secret_init(&s, SECRET_BYTES_MAX + 1, &why), ERR_LIMIT);
    char path[] = "/tmp/secret_test_XXXXXX";
    int fd = mkstemp(path);
    CHECK(write(fd, "word\n", 5) == 5);
    CHECK_OK(secret_read_file(&s, path, &why), &why);
    CHECK_BYTES(secret_view(&s), BYTES_LIT("word"));
    secret_free(&s);
    CHECK(fchmod(fd, 0604) == 0);
    CHECK_ERR(secret_read_file(&s, path, &why), ERR_UNTRUSTED);
    (void)close(fd);
    (void)unlink(path);
    CHECK_ERR(secret_read_file(&s, path, &why), ERR_NOT_FOUND);
    CHECK_ERR(secret_read_file(&s, "/dev/null", &why), ERR_IO);
}

TEST_MAIN()
