/* Records' insides: the schema and the queue of writes.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_RECORDS_INTERNAL_H
#define RELAY_RECORDS_INTERNAL_H

#include "base/pool.h"
#include "relay/records.h"

#include <pthread.h>

#define RECORDS_SCHEMA_VERSION 1

/* One write: `apply` runs on the writer's thread, maybe more than once (a transaction that failed
 * is tried again write by write); `end` on the loop, where it calls done and frees. */
struct write {
    struct write *next;
    int (*apply)(struct write *w, struct db *d, struct error *why);
    void (*end)(struct write *w);
    records_done *done;
    void *context;
    struct records *records;
    int status;
    struct error why;
};

struct records {
    struct records_options options;
    struct db *writer, *reader;
    struct pool *read_pool; /* one thread, which alone uses `reader` */
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct write *first, **last;
    size_t waiting;
    bool stopping;
    struct write *finished; /* for records_close, when the loop runs no more */
    struct error lost;      /* loop: of the newest write; code 0: it was kept */
    uint64_t lost_ns;
    struct metric *batch_size, *commit_seconds, *failures;
};

/* records_migrate makes or checks the schema. */
[[gnu::warn_unused_result]] int records_migrate(struct db *d, struct error *why);

/* records_add queues a write; it is the queue's then. */
[[gnu::warn_unused_result]] int records_add(struct records *r, struct write *w, struct error *why);

/* records_finish calls done. */
void records_finish(struct write *w);

#endif
