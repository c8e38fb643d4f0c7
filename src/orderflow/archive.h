/* Archive: what happened to every order, for the redistribution archive (JSON-RPC,
 * flashbots_newOrderEvents) and for the history (ClickHouse over HTTP, or files).
 *
 * archive_record never blocks and is for any thread: events go to a bounded queue, batches go out
 * from the archive's own thread; what a sink does not take is spilled to disk within a limit, every
 * loss counted. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ARCHIVE_H
#define ORDERFLOW_ARCHIVE_H

#include "base/log.h"
#include "base/metrics.h"
#include "orderflow/order.h"

struct archive;

enum archive_event_kind {
    ARCHIVE_RECEIVED,  /* from a user: goes to the redistribution archive and table bundles */
    ARCHIVE_FROM_PEER, /* table bundle_receipts */
    ARCHIVE_SHARED,    /* a peer acknowledged it: `peer` */
    ARCHIVE_CANCELLED, /* the order is a cancellation: what it cancels has its replacement key */
    ARCHIVE_EVENT_KINDS,
};

struct archive_event {
    enum archive_event_kind kind;
    struct flow_order *order; /* archive_record takes its own hold */
    const char *peer;         /* copied; NULL: none */
    uint64_t at_ns;           /* wall clock */
};

/* Texts are borrowed for as long as the archive lives. */
struct archive_options {
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock;            /* NULL: clock_system */
    const struct flow_identity *identity; /* signs what goes to the redistribution archive */
    const char *builder_name;             /* of rows */
    const char *rpc_url;                  /* redistribution archive; NULL: none */
    const char *clickhouse_url;           /* NULL: none */
    const char *clickhouse_user, *clickhouse_database;
    struct bytes clickhouse_password;           /* empty: none */
    const char *bundles_table, *receipts_table; /* NULL: bundles, bundle_receipts */
    const char *events_table;                   /* everything that happened; NULL: none */
    const char *files_folder; /* history as files, when there is no ClickHouse; NULL: none */
    const char *spill_folder; /* NULL: none */
    uint64_t spill_bytes_max; /* 0: 10 GiB */
    uint64_t reject_bytes;    /* archive_is_full from here on ... 0: never */
    uint64_t resume_bytes;    /* ... until below this */
    unsigned queue_events;    /* 0: 20,000 */
    uint64_t (*head_block)(void *context); /* number of the newest block, 0 unknown; any thread */
    void *context;
};

[[gnu::warn_unused_result]] int
archive_new(struct archive **ret, const struct archive_options *options, struct error *why);
/* archive_end sends or spills what is queued, at most deadline_ns, and ends. NULL is fine. (Not
 * _free: libarchive has that name, and the linker would give ours to base/walk.c.) */
void archive_end(struct archive *a, uint64_t deadline_ns);

/* archive_record: false when the event was lost (counted). */
bool archive_record(struct archive *a, const struct archive_event *e);

/* archive_was_cut: the process that wrote to these folders before was killed, or the machine lost
 * power: what it recorded last may be missing, and its journal's orders should be recorded again.
 */
bool archive_was_cut(const struct archive *a);

/* archive_is_full: spilled bytes passed the threshold; users are refused (ORDER_FAULT_BACKUP). */
bool archive_is_full(struct archive *a);

#endif
