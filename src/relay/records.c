/* The queue of writes and the thread that commits them. SPDX-License-Identifier: MIT */
#include "relay/records_internal.h"

#include <stdlib.h>
#include <unistd.h>

#define LOST_COUNTS_NS (60 * NS_PER_S)
#define WAITING_MAX 8192u
#define BATCH_MAX 512u
#define TRIES 5
#define TRY_AGAIN_US 20000
#define READS_MAX 1024u

#define RECORDS_METRICS(X)                                                                         \
    X(RECORDS_BATCH, METRIC_SUMMARY, "relay_records_batch_writes", "Writes committed at once.",    \
      NULL)                                                                                        \
    X(RECORDS_COMMIT, METRIC_SUMMARY, "relay_records_commit_seconds",                              \
      "Time that a transaction took, its commit included.", NULL)                                  \
    X(RECORDS_FAILED, METRIC_COUNTER, "relay_records_failed_total", "Writes that were lost.", NULL)
METRICS_DECLARE(records_metric, RECORDS_METRICS)

static int apply_all(struct records *r, struct write *batch, struct error *why) {
    int status = db_script(r->writer, "BEGIN", why);
    for (struct write *w = batch; w && status == 0; w = w->next) {
        status = w->apply(w, r->writer, why);
    }
    if (status == 0) status = db_script(r->writer, "COMMIT", why);
    if (status != 0) db_rollback(r->writer);
    return status;
}

static bool worth_another_try(int status) {
    return status == ERR_BUSY || status == ERR_CLOSED;
}

// One write, alone: its failure is its own then.
static void apply_one(struct records *r, struct write *w) {
    struct write *next = w->next;
    w->next = NULL;
    for (int i = 0; i < TRIES; i++) {
        w->status = apply_all(r, w, &w->why);
        if (!worth_another_try(w->status)) break;
        (void)usleep(TRY_AGAIN_US);
    }
    w->next = next;
}

static void commit_batch(struct records *r, struct write *batch, size_t count) {
    struct error why;
    uint64_t began = clock_monotonic_ns(&clock_system);
    if (apply_all(r, batch, &why) != 0) {
        for (struct write *w = batch; w; w = w->next) {
            apply_one(r, w);
        }
    }
    metric_observe(r->batch_size, (double)count);
    metric_observe_ns(r->commit_seconds, clock_monotonic_ns(&clock_system) - began);
}

static void deliver(void *arg) {
    for (struct write *w = arg; w;) {
        struct write *next = w->next;
        records_finish(w);
        w = next;
    }
}

int records_health(const struct records *r, struct error *why) {
    uint64_t now = loop_now_ns(r->options.loop);
    if (r->lost.code == 0 || now > r->lost_ns + LOST_COUNTS_NS) return 0;
    if (why) *why = r->lost;
    return error_wrap(why, "a record was lost");
}

void records_finish(struct write *w) {
    struct records *r = w->records;
    if (w->status != 0 && (!w->done || w->status != ERR_CONFLICT)) {
        metric_inc(r->failures);
        log_error(r->options.log, "record_lost", F_ERR(&w->why));
        r->lost = w->why;
        r->lost_ns = loop_now_ns(r->options.loop);
    } else {
        r->lost.code = 0;
    }
    if (w->done) w->done(w->context, w->status, &w->why);
    w->end(w);
}

// The loop takes the batch; while its mailbox is full, or it runs no more, we wait or keep it.
static void hand_over(struct records *r, struct write *batch) {
    while (loop_post(r->options.loop, deliver, batch) != 0) {
        pthread_mutex_lock(&r->lock);
        bool stopping = r->stopping;
        if (stopping) {
            struct write **end = &r->finished;
            while (*end) {
                end = &(*end)->next;
            }
            *end = batch;
        }
        pthread_mutex_unlock(&r->lock);
        if (stopping) return;
        (void)usleep(1000);
    }
}

// Takes up to BATCH_MAX waiting writes; NULL at the end.
static struct write *take_batch(struct records *r, size_t *ret_count) {
    pthread_mutex_lock(&r->lock);
    while (!r->first && !r->stopping) {
        pthread_cond_wait(&r->wake, &r->lock);
    }
    struct write *batch = r->first, *last = NULL;
    size_t n = 0;
    for (struct write *w = batch; w && n < BATCH_MAX; w = w->next, n++) {
        last = w;
    }
    if (last) {
        r->first = last->next;
        last->next = NULL;
    }
    if (!r->first) r->last = &r->first;
    r->waiting -= n;
    pthread_mutex_unlock(&r->lock);
    *ret_count = n;
    return batch;
}

static void *write_all(void *arg) {
    struct records *r = arg;
    struct write *batch;
    size_t count;
    while ((batch = take_batch(r, &count))) {
        commit_batch(r, batch, count);
        hand_over(r, batch);
    }
    return NULL;
}

int records_add(struct records *r, struct write *w, struct error *why) {
    w->records = r;
    w->next = NULL;
    pthread_mutex_lock(&r->lock);
    bool full = r->waiting >= r->options.waiting_max || r->stopping;
    if (!full) {
        *r->last = w;
        r->last = &w->next;
        r->waiting++;
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    return full ? error_set(why, ERR_BUSY, "too many writes wait for the database") : 0;
}

size_t records_waiting(const struct records *r) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&r->lock;
    pthread_mutex_lock(lock);
    size_t n = r->waiting;
    pthread_mutex_unlock(lock);
    return n;
}

static bool is_postgres(const char *url) {
    return strncmp(url, "postgres", 8) == 0 || strstr(url, "dbname=") || strstr(url, "host=");
}

static int open_db(struct db **ret, const char *url, struct error *why) {
    return is_postgres(url) ? db_open_postgres(ret, url, why) : db_open_sqlite(ret, url, why);
}

static int open_parts(struct records *r, struct error *why) {
    int status = open_db(&r->writer, r->options.url, why);
    if (status == 0) status = records_migrate(r->writer, why);
    if (status == 0) status = open_db(&r->reader, r->options.url, why);
    if (status == 0) status = pool_start(&r->read_pool, 1, READS_MAX, why);
    if (status != 0) return status;
    r->batch_size = metrics_get(r->options.metrics, &records_metric_table[RECORDS_BATCH], NULL);
    r->commit_seconds =
        metrics_get(r->options.metrics, &records_metric_table[RECORDS_COMMIT], NULL);
    r->failures = metrics_get(r->options.metrics, &records_metric_table[RECORDS_FAILED], NULL);
    if (pthread_create(&r->thread, NULL, write_all, r) != 0) {
        return error_set(why, ERR_NO_MEMORY, "no thread for the database");
    }
    r->thread_runs = true;
    return 0;
}

int records_open(struct records **ret, const struct records_options *o, struct error *why) {
    *ret = NULL;
    struct records *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for records");
    r->options = *o;
    if (r->options.waiting_max == 0) r->options.waiting_max = WAITING_MAX;
    r->last = &r->first;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->wake, NULL);
    int status = open_parts(r, why);
    if (status != 0) {
        records_close(r);
        return status;
    }
    *ret = r;
    return 0;
}

void records_close(struct records *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->thread_runs) {
        struct error ignored;
        (void)pthread_join(r->thread, NULL);
        (void)!loop_turn(r->options.loop, 0, &ignored); // what was handed over and waits there
    }
    deliver(r->finished);
    pool_stop(r->read_pool);
    db_close(r->writer);
    db_close(r->reader);
    (void)pthread_cond_destroy(&r->wake);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}
