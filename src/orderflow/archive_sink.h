/* Archive sink: one place that batches go to over HTTP: gathered, sent one after the other, kept
 * until the place has taken them: on disk, or in memory when there is no spill or it is full.
 *
 * A batch closes when it has `batch_records`, `batch_bytes` or is `batch_ns` old. What was taken
 * leaves; what fails is sent again, after pauses that double to two minutes; what the place calls
 * wrong (4xx) again and again is given up. With a spill (through, archive_sink_weigh) what was kept
 * survives the process at any moment; a batch that was on its way then is sent again.
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ARCHIVE_SINK_H
#define ORDERFLOW_ARCHIVE_SINK_H

#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/client.h"
#include "orderflow/spill.h"

struct archive_sink;

struct archive_sink_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock;
    struct resolver *names;
    const char *name;   /* label, and prefix of the spill's files */
    const char *url;    /* http(s)://host[:port][/path] or unix:/path */
    struct bytes query; /* appended to the path, encoded; may be empty */
    const char *content_type;
    const char *user;      /* of ClickHouse; NULL: none. Borrowed. */
    struct bytes password; /* the same; empty: none */
    struct spill *spill;   /* owned; NULL: memory only */
    uint64_t memory_bytes; /* of waiting batches; what is beyond is lost */
    const char *separator; /* between records; NULL: none */
    size_t batch_records, batch_bytes;
    uint64_t batch_ns;
    struct metric *took_ms;       /* milliseconds of a request; NULL: none */
    const char *clickhouse_order; /* label of the deployed names of ClickHouse's; NULL: none */
    /* Makes the body of a batch; NULL: the records as they are. signature: a header's value. */
    int (*wrap)(void *context, struct buf *body, struct buf *signature, struct bytes records,
                struct error *why);
    /* What a 200 says; false: it is no success. NULL: all are. */
    bool (*accepts)(struct bytes answer);
    void *context;
};

struct archive_sink_stats {
    uint64_t records, sent, batches, failures, lost; /* since the start */
    uint64_t waiting, waiting_bytes, spilled_bytes;  /* now */
};

/* archive_sink_new: errors  ERR_SYNTAX (url), ERR_NO_MEMORY; the spill is closed then.
 * archive_sink_free keeps what waits, and ends. NULL is fine. */
[[gnu::warn_unused_result]] int archive_sink_new(struct archive_sink **ret,
                                                 const struct archive_sink_options *options,
                                                 struct error *why);
void archive_sink_free(struct archive_sink *s);

/* archive_sink_batch gives the open batch to append records to; archive_sink_added says how many
 * were (0: what was appended is taken back). */
struct buf *archive_sink_batch(struct archive_sink *s);
void archive_sink_added(struct archive_sink *s, unsigned records);

/* archive_sink_keep writes the open batch to the spill: after each turn in which something was
 * added. archive_sink_weigh: the records in one of the spill's. */
void archive_sink_keep(struct archive_sink *s);
uint64_t archive_sink_weigh(struct bytes record);

/* archive_sink_flush closes the open batch now. */
void archive_sink_flush(struct archive_sink *s);
/* archive_sink_idle: everything was taken. */
bool archive_sink_idle(const struct archive_sink *s);
/* archive_sink_hurry sends again now, without waiting for the pause's end. */
void archive_sink_hurry(struct archive_sink *s);
struct archive_sink_stats archive_sink_stats(const struct archive_sink *s);

#endif
