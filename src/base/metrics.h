/* Metrics: a registry of counters, gauges, histograms and summaries, printed for Prometheus.
 *
 * A program lists its metrics in one table and asks for a handle for each combination of labels it
 * uses, once; counting through the handle is lock-free.
 *
 *     #define HUB_METRICS(X)                                                                   \
 *         X(HUB_REQUESTS, METRIC_COUNTER, "hub_requests_total", "Requests answered.", "code")  \
 *         X(HUB_PEERS, METRIC_GAUGE, "hub_peers", "Peers connected now.", NULL)
 *     METRICS_DECLARE(hub_metric, HUB_METRICS)     an enum and the table hub_metric_table
 *     struct metric *ok = metrics_get(m, &hub_metric_table[HUB_REQUESTS], (const char *[]){"200"});
 *     metric_inc(ok);
 *
 * Labels are bounded: past `series_max` combinations of one metric all others share one series
 * whose label values are "other". Handles live as long as the registry. A NULL handle counts
 * nothing. Quantiles of summaries cover the last five to ten minutes and are exact to 1.6 %.
 *
 * Source: Prometheus text exposition format 0.0.4. Thread: any for handles, metrics_get and
 * metrics_write; init and free alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>

#define METRIC_LABELS_MAX 6
#define METRIC_SERIES_MAX 200 /* when a table row names no other number */
#define METRIC_BUCKETS_MAX 40
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };

struct metric_desc {
    const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*; base units; counters end in _total */
    enum metric_type type;
    const char *help;
    const char *labels;    /* names joined by commas, NULL: none */
    const double *buckets; /* histograms: upper bounds, rising; NULL: seconds 100 us .. 10 s */
    unsigned bucket_count;
    unsigned series_max; /* 0: METRIC_SERIES_MAX */
};

#define METRICS_ENUM_(id, type, name, help, labels) id,
#define METRICS_ROW_(id, type_, name_, help_, labels_)                                             \
    [id] = {.name = (name_), .type = (type_), .help = (help_), .labels = (labels_)},
#define METRICS_DECLARE(table, LIST)                                                               \
    enum table { LIST(METRICS_ENUM_) table##_count };                                              \
    static const struct metric_desc table##_table[] = {LIST(METRICS_ROW_)};

struct metrics;
struct metric;

/* metrics_new: clock NULL is the system's. errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int metrics_new(struct metrics **ret, const struct clock *clock,
                                            struct error *why);
void metrics_free(struct metrics *m);

/* metrics_get finds or makes a series.
 * d       outlives the registry; two descriptions of one name must be the same object.
 * values  one string for each label, copied (cut at 128 bytes); NULL when there are no labels.
 * Returns NULL only without memory or when m is NULL, which all metric_ functions take.
 * cost    a lock and a search: keep the handle. */
struct metric *metrics_get(struct metrics *m, const struct metric_desc *d,
                           const char *const *values);

/* metrics_gauge_call makes a gauge whose value is asked for at each exposition, from the writing
 * thread. errors   ERR_NO_MEMORY, ERR_CONFLICT. */
int metrics_gauge_call(struct metrics *m, const struct metric_desc *d,
                       double (*value)(void *context), void *context, struct error *why);

/* metrics_add_process adds process_cpu_seconds_total, process_resident_memory_bytes,
 * process_open_fds, process_start_time_seconds and build_info. */
void metrics_add_process(struct metrics *m);

/* metrics_write appends the exposition of all series; failures are kept in the buf. */
void metrics_write(struct metrics *m, struct buf *out);

/* Counters only rise; gauges hold any number. All are wait-free or lock-free. */
void metric_add(struct metric *c, uint64_t n);
static inline void metric_inc(struct metric *c) {
    metric_add(c, 1);
}
void metric_set(struct metric *gauge, double value);
void metric_shift(struct metric *gauge, double by);
/* metric_observe counts a value in a histogram or summary; NaN is ignored. */
void metric_observe(struct metric *m, double value);
/* metric_observe_ns observes a duration in seconds. */
static inline void metric_observe_ns(struct metric *m, uint64_t ns) {
    metric_observe(m, (double)ns * 1e-9);
}

/* metric_value reads a counter, a gauge, or the count of observations. For tests and limits. */
double metric_value(const struct metric *m);
/* metric_quantile of a summary, q in 0..1; NaN without observations. */
double metric_quantile(struct metric *m, double q);

#endif
