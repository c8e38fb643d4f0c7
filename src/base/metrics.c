/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Summaries count in buckets of a logarithmic scale: 32 for each power of two from 2^-40 to 2^40,
 * so that a bucket's middle is within 1.6 % of every value in it. Two halves of five minutes take
 * turns; a quantile reads both. */
#define SCALE_STEPS 32
#define SCALE_LOW (-40)
#define SCALE_HIGH 40
#define SCALE_BUCKETS ((SCALE_HIGH - SCALE_LOW) * SCALE_STEPS + 2) /* with below and above */
#define HALF_WINDOW_NS (300 * NS_PER_S)
#define VALUE_MAX 128

static const double default_buckets[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                         0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};

struct metric {
    const struct metric_desc *desc;
    struct metric *next; /* of the same family */
    struct metrics *registry;
    char *labels;           /* `a="x",b="y"`, escaped; "" without labels */
    double (*call)(void *); /* gauges that are asked */
    void *context;
    _Atomic uint64_t count; /* counter, or observations */
    _Atomic uint64_t bits;  /* gauge value or sum of observations, as the bits of a double */
    _Atomic uint64_t half_start_ns;
    _Atomic unsigned half;      /* which half takes observations */
    _Atomic uint64_t *buckets;  /* histogram: bucket_count + 1 */
    _Atomic uint32_t *scale[2]; /* summary */
};

struct family {
    const struct metric_desc *desc;
    struct metric *first;
    struct metric **last;
    unsigned series;
    struct metric *other;
    struct family *next;
};

struct metrics {
    const struct clock *clock;
    pthread_mutex_t lock; /* guards the lists; series themselves are atomic */
    struct family *first;
    struct family **last;
    uint64_t start_ns;
};

static double load_double(const _Atomic uint64_t *p) {
    uint64_t bits = atomic_load_explicit(p, memory_order_relaxed);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void store_double(_Atomic uint64_t *p, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    atomic_store_explicit(p, bits, memory_order_relaxed);
}

static void add_double(_Atomic uint64_t *p, double by) {
    uint64_t old = atomic_load_explicit(p, memory_order_relaxed);
    uint64_t bits;
    do {
        double v;
        memcpy(&v, &old, sizeof v);
        v += by;
        memcpy(&bits, &v, sizeof bits);
    } while (!atomic_compare_exchange_weak_explicit(p, &old, bits, memory_order_relaxed,
                                                    memory_order_relaxed));
}

int metrics_new(struct metrics **ret, const struct clock *clock, struct error *why) {
    struct metrics *m = calloc(1, sizeof *m);
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for metrics");
    m->clock = clock ? clock : &clock_system;
    m->last = &m->first;
    m->start_ns = clock_wall_ns(m->clock);
    (void)pthread_mutex_init(&m->lock, NULL);
    *ret = m;
    return 0;
}

static void metric_free(struct metric *s) {
    free(s->labels);
    free((void *)s->buckets);
    free((void *)s->scale[0]);
    free((void *)s->scale[1]);
    free(s);
}

void metrics_free(struct metrics *m) {
    if (!m) return;
    for (struct family *f = m->first, *next; f; f = next) {
        next = f->next;
        for (struct metric *s = f->first, *after; s; s = after) {
            after = s->next;
            metric_free(s);
        }
        free(f);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static const double *bounds_of(const struct metric_desc *d, unsigned *ret_count) {
    if (d->buckets) {
        *ret_count = d->bucket_count < METRIC_BUCKETS_MAX ? d->bucket_count : METRIC_BUCKETS_MAX;
        return d->buckets;
    }
    *ret_count = sizeof default_buckets / sizeof default_buckets[0];
    return default_buckets;
}

// Label values escape backslash, quote and newline; what is not UTF-8 text becomes '?'.
static void append_value(struct buf *b, const char *v) {
    buf_append_byte(b, '"');
    for (size_t i = 0; i < VALUE_MAX && v[i]; i++) {
        char c = v[i];
        if (c == '\\' || c == '"') {
            buf_append(b, bytes_make((char[]){'\\', c}, 2));
        } else if (c == '\n') {
            buf_append_str(b, "\\n");
        } else {
            buf_append_byte(b, (uint8_t)c < 0x20 || (uint8_t)c >= 0x7f ? '?' : (uint8_t)c);
        }
    }
    buf_append_byte(b, '"');
}

// The label text of a series; NULL without memory. values NULL: all are "other".
static char *label_text(const struct metric_desc *d, const char *const *values, bool other) {
    struct buf b;
    buf_init(&b, 0);
    const char *name = d->labels ? d->labels : "";
    for (unsigned i = 0; *name && i < METRIC_LABELS_MAX; i++) {
        size_t n = strcspn(name, ",");
        if (i) buf_append_byte(&b, ',');
        buf_append(&b, bytes_make(name, n));
        buf_append_byte(&b, '=');
        append_value(&b, other || !values || !values[i] ? (other ? "other" : "") : values[i]);
        name += n;
        if (*name) name++;
    }
    buf_append_byte(&b, 0);
    if (b.failed) {
        buf_free(&b);
        return NULL;
    }
    return (char *)b.p;
}

static struct family *family_of(struct metrics *m, const struct metric_desc *d) {
    for (struct family *f = m->first; f; f = f->next) {
        if (f->desc == d || strcmp(f->desc->name, d->name) == 0) return f;
    }
    struct family *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->desc = d;
    f->last = &f->first;
    *m->last = f;
    m->last = &f->next;
    return f;
}

static struct metric *series_new(struct metrics *m, struct family *f, char *labels) {
    struct metric *s = calloc(1, sizeof *s);
    if (!s) {
        free(labels);
        return NULL;
    }
    s->desc = f->desc;
    s->registry = m;
    s->labels = labels;
    bool ok = true;
    if (f->desc->type == METRIC_HISTOGRAM) {
        unsigned n;
        (void)bounds_of(f->desc, &n);
        s->buckets = calloc(n + 1, sizeof *s->buckets);
        ok = s->buckets != NULL;
    } else if (f->desc->type == METRIC_SUMMARY) {
        for (unsigned i = 0; i < 2; i++) {
            s->scale[i] = calloc(SCALE_BUCKETS, sizeof *s->scale[i]);
            ok = ok && s->scale[i];
        }
        s->half_start_ns = clock_monotonic_ns(m->clock);
    }
    if (!ok) {
        metric_free(s);
        return NULL;
    }
    *f->last = s;
    f->last = &s->next;
    f->series++;
    return s;
}

static struct metric *series_find(struct metrics *m, struct family *f, const char *const *values) {
    char *labels = label_text(f->desc, values, false);
    if (!labels) return NULL;
    for (struct metric *s = f->first; s; s = s->next) {
        if (strcmp(s->labels, labels) == 0) {
            free(labels);
            return s;
        }
    }
    unsigned most = f->desc->series_max ? f->desc->series_max : METRIC_SERIES_MAX;
    if (f->series < most) return series_new(m, f, labels);
    free(labels);
    if (!f->other) {
        labels = label_text(f->desc, NULL, true);
        if (labels) f->other = series_new(m, f, labels);
    }
    return f->other;
}

struct metric *metrics_get(struct metrics *m, const struct metric_desc *d,
                           const char *const *values) {
    if (!m) return NULL;
    (void)pthread_mutex_lock(&m->lock);
    struct family *f = family_of(m, d);
    struct metric *s = f ? series_find(m, f, values) : NULL;
    (void)pthread_mutex_unlock(&m->lock);
    return s;
}

int metrics_gauge_call(struct metrics *m, const struct metric_desc *d, double (*value)(void *),
                       void *context, struct error *why) {
    struct metric *s = metrics_get(m, d, NULL);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for metric %s", d->name);
    if (s->call) return error_set(why, ERR_CONFLICT, "metric %s exists already", d->name);
    (void)pthread_mutex_lock(&m->lock);
    s->call = value;
    s->context = context;
    (void)pthread_mutex_unlock(&m->lock);
    return 0;
}

void metric_add(struct metric *c, uint64_t n) {
    if (c) atomic_fetch_add_explicit(&c->count, n, memory_order_relaxed);
}

void metric_set(struct metric *gauge, double value) {
    if (gauge) store_double(&gauge->bits, value);
}

void metric_shift(struct metric *gauge, double by) {
    if (gauge) add_double(&gauge->bits, by);
}

static unsigned scale_index(double value) {
    int exponent;
    if (!(value > 0)) return 0;
    double fraction = frexp(value, &exponent); // 0.5 <= fraction < 1
    if (exponent <= SCALE_LOW) return 0;
    if (exponent > SCALE_HIGH) return SCALE_BUCKETS - 1;
    unsigned step = (unsigned)((fraction - 0.5) * (2 * SCALE_STEPS));
    return (unsigned)(exponent - 1 - SCALE_LOW) * SCALE_STEPS + step + 1;
}

// The middle of a bucket.
static double scale_value(unsigned index) {
    if (index == 0) return 0;
    if (index == SCALE_BUCKETS - 1) return ldexp(1, SCALE_HIGH);
    unsigned step = (index - 1) % SCALE_STEPS;
    int exponent = (int)((index - 1) / SCALE_STEPS) + 1 + SCALE_LOW;
    return ldexp(0.5 + (step + 0.5) / (2 * SCALE_STEPS), exponent);
}

// Clears the older half and lets it take the next observations, when its time has come. Whoever
// wins the exchange of the start time does it; observations in flight may land in either half.
static void scale_rotate(struct metric *m) {
    uint64_t now = clock_monotonic_ns(m->registry->clock);
    uint64_t start = atomic_load_explicit(&m->half_start_ns, memory_order_relaxed);
    if (now - start < HALF_WINDOW_NS || now < start) return;
    if (!atomic_compare_exchange_strong(&m->half_start_ns, &start, now)) return;
    unsigned next = 1 - atomic_load(&m->half);
    for (unsigned i = 0; i < SCALE_BUCKETS; i++) {
        atomic_store_explicit(&m->scale[next][i], 0, memory_order_relaxed);
        if (now - start >= 2 * HALF_WINDOW_NS) {
            atomic_store_explicit(&m->scale[1 - next][i], 0, memory_order_relaxed);
        }
    }
    atomic_store(&m->half, next);
}

void metric_observe(struct metric *m, double value) {
    if (!m || isnan(value)) return;
    atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
    add_double(&m->bits, value);
    if (m->buckets) {
        unsigned n;
        const double *bounds = bounds_of(m->desc, &n);
        unsigned low = 0;
        while (n > 0) {
            unsigned half = n / 2;
            bool right = bounds[low + half] < value;
            low = right ? low + half + 1 : low;
            n = right ? n - half - 1 : half;
        }
        atomic_fetch_add_explicit(&m->buckets[low], 1, memory_order_relaxed);
    } else if (m->scale[0]) {
        scale_rotate(m);
        unsigned half = atomic_load_explicit(&m->half, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->scale[half][scale_index(value)], 1, memory_order_relaxed);
    }
}

double metric_value(const struct metric *m) {
    if (!m) return 0;
    if (m->call) return m->call(m->context);
    if (m->desc->type == METRIC_GAUGE) return load_double(&m->bits);
    return (double)atomic_load_explicit(&m->count, memory_order_relaxed);
}

double metric_quantile(struct metric *m, double q) {
    if (!m || !m->scale[0]) return NAN;
    scale_rotate(m);
    uint64_t total = 0;
    for (unsigned i = 0; i < SCALE_BUCKETS; i++) {
        total += (uint64_t)m->scale[0][i] + m->scale[1][i];
    }
    if (total == 0) return NAN;
    uint64_t rank = (uint64_t)ceil(q * (double)total);
    if (rank == 0) rank = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < SCALE_BUCKETS; i++) {
        seen += (uint64_t)m->scale[0][i] + m->scale[1][i];
        if (seen >= rank) return scale_value(i);
    }
    return scale_value(SCALE_BUCKETS - 1);
}

static void append_number(struct buf *out, double v) {
    if (isnan(v)) {
        buf_append_str(out, "NaN");
    } else if (isinf(v)) {
        buf_append_str(out, v > 0 ? "+Inf" : "-Inf");
    } else if (v >= -1e15 && v <= 1e15 && v == (double)(int64_t)v) {
        buf_printf(out, "%lld", (long long)v);
    } else {
        // The shortest text that reads back as the same number.
        char text[40];
        for (int digits = 6; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtod(text, NULL) == v) break;
        }
        buf_append_str(out, text);
    }
}

static void append_series(struct buf *out, const struct metric *s, const char *suffix,
                          const char *label, const char *label_value, double v) {
    buf_append_str(out, s->desc->name);
    buf_append_str(out, suffix);
    bool own = s->labels[0] != 0;
    if (own || label) {
        buf_append_byte(out, '{');
        buf_append_str(out, s->labels);
        if (label) buf_printf(out, "%s%s=\"%s\"", own ? "," : "", label, label_value);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ' ');
    append_number(out, v);
    buf_append_byte(out, '\n');
}

static void append_histogram(struct buf *out, const struct metric *s) {
    unsigned n;
    const double *bounds = bounds_of(s->desc, &n);
    uint64_t total = 0;
    // The count comes from the buckets read here, so that +Inf and _count always agree.
    for (unsigned i = 0; i <= n; i++) {
        total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        char bound[40] = "+Inf";
        if (i < n) (void)snprintf(bound, sizeof bound, "%.15g", bounds[i]);
        append_series(out, s, "_bucket", "le", bound, (double)total);
    }
    append_series(out, s, "_sum", NULL, NULL, load_double(&s->bits));
    append_series(out, s, "_count", NULL, NULL, (double)total);
}

static void append_summary(struct buf *out, struct metric *s) {
    static const struct {
        double q;
        const char *text;
    } quantiles[] = {{0.5, "0.5"}, {0.9, "0.9"}, {0.99, "0.99"}, {0.999, "0.999"}};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        append_series(out, s, "", "quantile", quantiles[i].text,
                      metric_quantile(s, quantiles[i].q));
    }
    append_series(out, s, "_sum", NULL, NULL, load_double(&s->bits));
    append_series(out, s, "_count", NULL, NULL, metric_value(s));
}

static void append_help(struct buf *out, const char *help) {
    for (; *help; help++) {
        if (*help == '\\' || *help == '\n') {
            buf_append_str(out, *help == '\n' ? "\\n" : "\\\\");
        } else {
            buf_append_byte(out, (uint8_t)*help);
        }
    }
}

void metrics_write(struct metrics *m, struct buf *out) {
    static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
    (void)pthread_mutex_lock(&m->lock);
    for (struct family *f = m->first; f; f = f->next) {
        buf_printf(out, "# HELP %s ", f->desc->name);
        append_help(out, f->desc->help);
        buf_printf(out, "\n# TYPE %s %s\n", f->desc->name, types[f->desc->type]);
        for (struct metric *s = f->first; s; s = s->next) {
            if (f->desc->type == METRIC_HISTOGRAM) {
                append_histogram(out, s);
            } else if (f->desc->type == METRIC_SUMMARY) {
                append_summary(out, s);
            } else {
                append_series(out, s, "", NULL, NULL, metric_value(s));
            }
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
}

static double process_cpu(void *context) {
    (void)context;
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double process_resident(void *context) {
    (void)context;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return NAN;
    char line[128] = "", *end; // "TOTAL RESIDENT ...", in pages
    char *got = fgets(line, sizeof line, f);
    (void)fclose(f);
    char *second = got ? strchr(line, ' ') : NULL;
    if (!second) return NAN;
    double resident = (double)strtoul(second, &end, 10) * (double)sysconf(_SC_PAGESIZE);
    return end != second ? resident : NAN;
}

static double process_fds(void *context) {
    (void)context;
    DIR *d = opendir("/proc/self/fd");
    if (!d) return NAN;
    double n = -3; // "." and ".." and the descriptor of this folder
    while (readdir(d)) {
        n++;
    }
    (void)closedir(d);
    return n;
}

static double process_start(void *context) {
    return (double)((const struct metrics *)context)->start_ns * 1e-9;
}

void metrics_add_process(struct metrics *m) {
    static const struct metric_desc cpu = {"process_cpu_seconds_total",
                                           METRIC_COUNTER,
                                           "User and system time of the process.",
                                           NULL,
                                           NULL,
                                           0,
                                           0};
    static const struct metric_desc resident = {
        "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.", NULL, NULL, 0, 0};
    static const struct metric_desc fds = {
        "process_open_fds", METRIC_GAUGE, "Open file descriptors.", NULL, NULL, 0, 0};
    static const struct metric_desc start = {
        "process_start_time_seconds", METRIC_GAUGE, "Start, seconds since 1970.", NULL, NULL, 0, 0};
    static const struct metric_desc build = {
        "build_info", METRIC_GAUGE, "1, labelled by version.", "version", NULL, 0, 0};
    (void)metrics_gauge_call(m, &cpu, process_cpu, NULL, NULL);
    (void)metrics_gauge_call(m, &resident, process_resident, NULL, NULL);
    (void)metrics_gauge_call(m, &fds, process_fds, NULL, NULL);
    (void)metrics_gauge_call(m, &start, process_start, m, NULL);
    metric_set(metrics_get(m, &build, (const char *[METRIC_LABELS_MAX]){BUILDERNET_VERSION}), 1);
}
