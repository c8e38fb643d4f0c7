/* The archive's thread: events in, rows and batches out. SPDX-License-Identifier: MIT */
#include "orderflow/archive.h"

#include "base/queue.h"
#include "net/resolver.h"
#include "net/url.h"
#include "orderflow/archive_lines.h"
#include "orderflow/archive_rows.h"
#include "orderflow/archive_sink.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_EVENTS 20000u
#define SPILL_BYTES (UINT64_C(10) << 30)
#define SPILL_SEGMENT (8u << 20)
#define MEMORY_BYTES (UINT64_C(64) << 20) /* a sink */
#define RPC_RECORDS 100u
#define RPC_NS (6 * NS_PER_S)
#define RPC_BYTES (8u << 20)
#define ROWS_RECORDS 10000u
#define ROWS_NS NS_PER_S
#define ROWS_BYTES (16u << 20)
#define FILES_BYTES (64u << 20) /* that wait for a disk that is full */
#define TURN_EVENTS 256u        /* before sockets have their turn */

#define ARCHIVE_METRICS(X)                                                                         \
    X(ARCHIVE_EVENTS_TOTAL, METRIC_COUNTER, "orderflow_archive_events_total",                      \
      "Events for the history.", NULL)                                                             \
    X(ARCHIVE_EVENTS_LOST, METRIC_COUNTER, "orderflow_archive_events_lost_total",                  \
      "Events that its queue had no room for.", NULL)                                              \
    X(ARCHIVE_PROCESSED, METRIC_COUNTER, "orderflow_proxy_archive_events_processed_total",         \
      "Orders for the redistribution archive.", NULL)                                              \
    X(ARCHIVE_PROCESSED_ERR, METRIC_COUNTER, "orderflow_proxy_archive_events_processed_err",       \
      "Those of them that could not be written.", NULL)                                            \
    X(ARCHIVE_LINES_LOST, METRIC_COUNTER, "orderflow_archive_lines_lost_total",                    \
      "Lines that could not be written to the files.", NULL)                                       \
    X(ARCHIVE_LINES_TORN, METRIC_COUNTER, "orderflow_archive_lines_torn_total",                    \
      "Lines that a crash had cut short; they were taken off their file.", NULL)                   \
    X(ARCHIVE_SENT_OK, METRIC_COUNTER, "orderflow_proxy_archive_events_sent_ok",                   \
      "Events that the redistribution archive took.", NULL)                                        \
    X(ARCHIVE_RPC_ERRORS, METRIC_COUNTER, "orderflow_proxy_archive_rpc_errors",                    \
      "Requests that it did not take.", NULL)                                                      \
    X(ARCHIVE_RPC_TIME, METRIC_SUMMARY, "orderflow_proxy_archive_rpc_duration_milliseconds",       \
      "Milliseconds of a request that it took.", NULL)                                             \
    X(ARCHIVE_ROWS, METRIC_COUNTER, "flowproxy_indexer_clickhouse_rows_committed",                 \
      "Rows that ClickHouse took.", NULL)                                                          \
    X(ARCHIVE_BATCHES, METRIC_COUNTER, "flowproxy_indexer_clickhouse_batches_committed",           \
      "Batches that ClickHouse took.", NULL)                                                       \
    X(ARCHIVE_REJECT_AT, METRIC_GAUGE,                                                             \
      "flowproxy_indexer_clickhouse_disk_backup_size_reject_flow_threshold_bytes",                 \
      "From here on users are refused.", NULL)                                                     \
    X(ARCHIVE_RESUME_AT, METRIC_GAUGE,                                                             \
      "flowproxy_indexer_clickhouse_disk_backup_size_resume_flow_threshold_bytes",                 \
      "Below this they are taken again.", NULL)                                                    \
    X(ARCHIVE_REJECTS, METRIC_GAUGE,                                                               \
      "flowproxy_indexer_clickhouse_disk_backup_size_is_rejecting_flow",                           \
      "Users are refused because of it.", NULL)
METRICS_DECLARE(archive_metric, ARCHIVE_METRICS)

/* By error. */
static const struct metric_desc write_failures = {
    .name = "flowproxy_indexer_clickhouse_write_failures",
    .type = METRIC_COUNTER,
    .help = "Rows for ClickHouse that could not be made.",
    .labels = "error",
};
static const struct metric_desc not_indexed[2] = {
    {.name = "flowproxy_indexer_bundle_indexing_failures",
     .type = METRIC_COUNTER,
     .help = "Users' bundles that did not get into the history's queue.",
     .labels = "error"},
    {.name = "flowproxy_indexer_bundle_receipt_indexing_failures",
     .type = METRIC_COUNTER,
     .help = "Peers' bundles that did not get into the history's queue.",
     .labels = "error"},
};

enum { SINK_RPC, SINK_TABLE, SINKS = SINK_TABLE + ARCHIVE_TABLES };

struct event_node {
    struct archive_event event;
    char peer[FLOW_PEER_NAME_MAX];
};

struct archive {
    struct archive_options options;
    const struct clock *clock;
    struct loop *loop;
    struct resolver *names;
    struct queue queue; /* of event nodes */
    atomic_bool awake, stopping, full;
    struct loop_fd wake;
    struct loop_timer tick;
    struct loop_task task; /* goes on with the queue */
    pthread_t thread;
    bool runs;
    uint64_t stop_ns; /* monotonic: by then it ends, whatever waits */
    struct archive_sink *sinks[SINKS];
    struct archive_sink_stats told[SINKS];
    struct buf lines; /* of the file */
    bool lines_failed;
    char *mark; /* a file that is there while this runs; NULL: no folder */
    bool was_cut;
    struct metric *metric[archive_metric_count];
    struct metric *not_indexed[2]; /* of users, of peers: the queue is full */
};

/* ---- events ---- */

static void wake(struct archive *a) {
    if (atomic_exchange_explicit(&a->awake, true, memory_order_acq_rel)) return;
    (void)!eventfd_write(a->wake.fd, 1);
}

static void count_lost(const struct archive *a, const struct archive_event *e) {
    metric_inc(a->metric[ARCHIVE_EVENTS_LOST]);
    if (e->order->order.method != ORDER_SEND_BUNDLE) return;
    if (e->kind == ARCHIVE_RECEIVED) metric_inc(a->not_indexed[0]);
    if (e->kind == ARCHIVE_FROM_PEER) metric_inc(a->not_indexed[1]);
}

bool archive_record(struct archive *a, const struct archive_event *e) {
    struct event_node *n = malloc(sizeof *n);
    metric_inc(a->metric[ARCHIVE_EVENTS_TOTAL]);
    if (n) {
        n->event = *e;
        (void)snprintf(n->peer, sizeof n->peer, "%s", e->peer ? e->peer : "");
        n->event.peer = e->peer ? n->peer : NULL;
        flow_order_hold(e->order);
    }
    if (!n || atomic_load(&a->stopping) || !queue_push(&a->queue, n)) {
        count_lost(a, e);
        if (n) flow_order_release(e->order);
        free(n);
        return false;
    }
    wake(a);
    return true;
}

bool archive_was_cut(const struct archive *a) {
    return a->was_cut;
}

bool archive_is_full(struct archive *a) {
    return atomic_load_explicit(&a->full, memory_order_relaxed);
}

/* One record of an event: 1, 0 when the sink has none of such, or an error. */
static int put_record(struct archive *a, int sink, struct buf *out, const struct archive_event *e) {
    if (sink != SINK_RPC) {
        return archive_put_row(out, (enum archive_table)(sink - SINK_TABLE), e,
                               a->options.builder_name, NULL);
    }
    if (e->kind != ARCHIVE_RECEIVED) return 0;
    uint64_t head = a->options.head_block ? a->options.head_block(a->options.context) : 0;
    if (out->n > 0) buf_append_byte(out, ',');
    int r = archive_put_event(out, e->order, head, NULL);
    return r == 0 ? 1 : r;
}

static void to_sinks(struct archive *a, const struct archive_event *e) {
    for (int i = 0; i < SINKS; i++) {
        struct buf *out = a->sinks[i] ? archive_sink_batch(a->sinks[i]) : NULL;
        if (!out) continue;
        int r = put_record(a, i, out, e);
        if (i == SINK_RPC && r != 0) metric_inc(a->metric[ARCHIVE_PROCESSED]);
        if (i == SINK_RPC && r < 0) metric_inc(a->metric[ARCHIVE_PROCESSED_ERR]);
        if (r < 0 && i != SINK_RPC) {
            metric_inc(
                metrics_get(a->options.metrics, &write_failures, (const char *[]){error_name(r)}));
        }
        archive_sink_added(a->sinks[i], r > 0);
    }
}

/* ---- files ---- */

/* One file an hour, only appended to, by this thread alone; each turn is written at its end. */
static void write_lines(struct archive *a) {
    struct error why = {0};
    char day[CLOCK_TEXT_MAX], path[4096];
    if (a->lines.n == 0) return;
    clock_format(day, clock_wall_ns(a->clock), 0);
    day[13] = '\0'; // "2026-01-02T03"
    (void)snprintf(path, sizeof path, "%s/" ARCHIVE_LINES_PREFIX "%s" ARCHIVE_LINES_SUFFIX,
                   a->options.files_folder, day);
    size_t written;
    int r = archive_lines_append(&written, path, buf_view(&a->lines), &why);
    buf_drop_front(&a->lines, written);
    if (r != 0 && !a->lines_failed) {
        log_error(a->options.log, "history_file_not_written", F_ERR(&why));
    }
    a->lines_failed = r != 0;
}

static void lose_line(struct archive *a) {
    metric_inc(a->metric[ARCHIVE_LINES_LOST]);
}

static void to_file(struct archive *a, const struct archive_event *e) {
    if (!a->options.files_folder) return;
    size_t before = a->lines.n;
    if (before < FILES_BYTES) archive_put_line(&a->lines, e, a->options.builder_name);
    if (a->lines.failed || before >= FILES_BYTES) {
        a->lines.failed = 0;
        a->lines.n = before;
        lose_line(a);
    }
}

/* At the end: what the disk has no room for is lost. */
static void end_lines(struct archive *a) {
    write_lines(a);
    for (size_t i = 0; i < a->lines.n; i++) {
        if (a->lines.p[i] == '\n') lose_line(a);
    }
}

/* Lines that a crash of an earlier process has cut short. */
static void mend_lines(struct archive *a) {
    unsigned torn = archive_lines_mend(a->options.files_folder);
    metric_add(a->metric[ARCHIVE_LINES_TORN], torn);
    if (torn > 0) log_warn(a->options.log, "history_lines_torn", F_U64("lines", torn));
}

/* ---- the thread ---- */

static void take(struct archive *a, struct event_node *n) {
    to_sinks(a, &n->event);
    to_file(a, &n->event);
    flow_order_release(n->event.order);
    free(n);
}

/* What this turn brought is written before the next. */
static void keep(struct archive *a) {
    for (int i = 0; i < SINKS; i++) {
        if (a->sinks[i]) archive_sink_keep(a->sinks[i]);
    }
    write_lines(a);
}

static void take_some(struct archive *a) {
    struct event_node *n = NULL;
    for (unsigned i = 0; i < TURN_EVENTS; i++) {
        if ((n = queue_pop(&a->queue)) == NULL) break;
        take(a, n);
    }
    keep(a);
    if (n) loop_defer(a->loop, &a->task);
}

static void on_task(struct loop_task *t) {
    wake(LIST_ENTRY(t, struct archive, task));
}

static void on_wake(struct loop_fd *w, unsigned events) {
    struct archive *a = LIST_ENTRY(w, struct archive, wake);
    eventfd_t count;
    (void)events;
    (void)!eventfd_read(w->fd, &count);
    (void)atomic_exchange_explicit(&a->awake, false, memory_order_acq_rel);
    take_some(a);
}

static void count_sink(struct archive *a, int i) {
    struct archive_sink_stats now = archive_sink_stats(a->sinks[i]), *told = &a->told[i];
    bool rpc = i == SINK_RPC;
    metric_add(a->metric[rpc ? ARCHIVE_SENT_OK : ARCHIVE_ROWS], now.sent - told->sent);
    if (rpc) metric_add(a->metric[ARCHIVE_RPC_ERRORS], now.failures - told->failures);
    if (!rpc) metric_add(a->metric[ARCHIVE_BATCHES], now.batches - told->batches);
    *told = now;
}

static void on_tick(struct loop_timer *t) {
    struct archive *a = LIST_ENTRY(t, struct archive, tick);
    uint64_t spilled = 0, now = loop_now_ns(a->loop);
    bool idle = queue_count(&a->queue) == 0, stopping = atomic_load(&a->stopping);
    for (int i = 0; i < SINKS; i++) {
        if (!a->sinks[i]) continue;
        if (stopping) archive_sink_flush(a->sinks[i]);
        count_sink(a, i);
        spilled += a->told[i].spilled_bytes;
        idle &= archive_sink_idle(a->sinks[i]);
    }
    if (a->lines_failed) write_lines(a);
    bool full = atomic_load_explicit(&a->full, memory_order_relaxed);
    uint64_t limit = full ? a->options.resume_bytes : a->options.reject_bytes;
    full = a->options.reject_bytes > 0 && spilled > limit;
    atomic_store_explicit(&a->full, full, memory_order_relaxed);
    metric_set(a->metric[ARCHIVE_REJECTS], full);
    if (stopping && (idle || now >= a->stop_ns)) {
        loop_stop(a->loop);
        return;
    }
    uint64_t next = now + (stopping ? 10 * NS_PER_MS : 200 * NS_PER_MS);
    (void)!loop_timer_set(a->loop, t, next, NULL);
}

static void *run(void *context) {
    struct archive *a = context;
    struct error why = {0};
    if (loop_run(a->loop, &why) != 0) log_error(a->options.log, "history_stopped", F_ERR(&why));
    return NULL;
}

/* ---- sinks ---- */

static int wrap_rpc(void *context, struct buf *body, struct buf *signature, struct bytes records,
                    struct error *why) {
    const struct archive *a = context;
    const struct flow_identity *id = a->options.identity;
    archive_put_request(body, records);
    int r = buf_check(body, why);
    if (r != 0 || !id) return r;
    return request_signature_make(signature, id->signer, &id->key, buf_view(body), why);
}

/* A JSON-RPC error in an answer of status 200 is none. */
static bool accepts_rpc(struct bytes answer) {
    struct arena arena;
    const struct json *doc;
    arena_init(&arena, 1u << 20);
    bool fine =
        json_parse(&doc, answer, &arena, NULL, NULL) == 0 && json_is_null(json_get(doc, "error"));
    arena_free(&arena);
    return fine;
}

static int open_sink(struct archive *a, int index, struct archive_sink_options *o,
                     struct error *why) {
    const struct spill_options spill = {
        .folder = a->options.spill_folder,
        .prefix = o->name,
        .bytes_max = a->options.spill_bytes_max ? a->options.spill_bytes_max : SPILL_BYTES,
        .segment_bytes = SPILL_SEGMENT,
        .through = true,
        .weigh = archive_sink_weigh};
    o->loop = a->loop;
    o->log = a->options.log;
    o->metrics = a->options.metrics;
    o->clock = a->clock;
    o->names = a->names;
    o->memory_bytes = MEMORY_BYTES;
    o->context = a;
    int r = spill.folder ? spill_open(&o->spill, &spill, why) : 0;
    return r == 0 ? archive_sink_new(&a->sinks[index], o, why) : r;
}

static int open_table(struct archive *a, enum archive_table t, const char *name, const char *table,
                      struct error *why) {
    struct buf query, statement;
    const struct archive_options *options = &a->options;
    buf_init(&query, 0);
    buf_init(&statement, 0);
    buf_printf(&statement, "INSERT INTO %s (%s) FORMAT RowBinary", table, archive_columns(t));
    if (options->clickhouse_database && *options->clickhouse_database) {
        buf_append_str(&query, "database=");
        url_append_encoded(&query, bytes_from_str(options->clickhouse_database));
        buf_append_byte(&query, '&');
    }
    buf_append_str(&query, "query=");
    url_append_encoded(&query, buf_view(&statement));
    // As the original calls what a table's rows are of; the third table is this program's own.
    static const char *const orders[ARCHIVE_TABLES] = {"bundle", "bundle_receipt", "event"};
    struct archive_sink_options o = {.name = name,
                                     .clickhouse_order = orders[t],
                                     .url = options->clickhouse_url,
                                     .query = buf_view(&query),
                                     .content_type = "application/octet-stream",
                                     .user = options->clickhouse_user,
                                     .password = options->clickhouse_password,
                                     .batch_records = ROWS_RECORDS,
                                     .batch_bytes = ROWS_BYTES,
                                     .batch_ns = ROWS_NS};
    int r = buf_check(&query, why);
    if (r == 0) r = buf_check(&statement, why);
    if (r == 0) r = open_sink(a, SINK_TABLE + (int)t, &o, why);
    buf_free(&query);
    buf_free(&statement);
    return r;
}

static bool is_set(const char *text) {
    return text && *text;
}

static int open_sinks(struct archive *a, struct error *why) {
    const struct archive_options *v = &a->options;
    struct archive_sink_options rpc = {.name = "archive",
                                       .url = v->rpc_url,
                                       .content_type = "application/json",
                                       .batch_records = RPC_RECORDS,
                                       .batch_bytes = RPC_BYTES,
                                       .batch_ns = RPC_NS,
                                       .separator = ",",
                                       .wrap = wrap_rpc,
                                       .accepts = accepts_rpc,
                                       .took_ms = a->metric[ARCHIVE_RPC_TIME]};
    int r = is_set(v->rpc_url) ? open_sink(a, SINK_RPC, &rpc, why) : 0;
    if (r != 0 || !is_set(v->clickhouse_url)) return r;
    r = open_table(a, ARCHIVE_BUNDLES, "bundles",
                   is_set(v->bundles_table) ? v->bundles_table : "bundles", why);
    if (r == 0) {
        r = open_table(a, ARCHIVE_RECEIPTS, "receipts",
                       is_set(v->receipts_table) ? v->receipts_table : "bundle_receipts", why);
    }
    if (r == 0 && is_set(v->events_table)) {
        r = open_table(a, ARCHIVE_EVENTS, "events", v->events_table, why);
    }
    return r;
}

/* ---- life ---- */

static int open_loop(struct archive *a, struct error *why) {
    unsigned most = a->options.queue_events ? a->options.queue_events : QUEUE_EVENTS;
    int r = queue_init(&a->queue, most, why);
    if (r == 0) r = loop_new(&a->loop, NULL, why);
    if (r == 0) r = resolver_new(&a->names, 60 * NS_PER_S, why);
    if (r != 0) return r;
    a->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (a->wake.fd < 0) return error_set_os(why, ERR_IO, errno, "no descriptor");
    a->wake.interest = LOOP_READ;
    a->wake.ready = on_wake;
    r = loop_fd_add(a->loop, &a->wake, why);
    if (r == 0) r = loop_timer_set(a->loop, &a->tick, 0, why);
    return r;
}

static int start_thread(struct archive *a, struct error *why) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals are the main thread's
    int r = pthread_create(&a->thread, NULL, run, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    a->runs = r == 0;
    return r == 0 ? 0 : error_set_os(why, ERR_IO, r, "cannot start the history's thread");
}

static int set_mark(struct archive *a, struct error *why) {
    const struct archive_options *o = &a->options;
    const char *folder = o->spill_folder ? o->spill_folder : o->files_folder;
    if (!folder) return 0;
    if (asprintf(&a->mark, "%s/history-open", folder) < 0) {
        a->mark = NULL;
        return error_set(why, ERR_NO_MEMORY, "no memory for the history");
    }
    a->was_cut = access(a->mark, F_OK) == 0;
    if (a->was_cut) log_warn(o->log, "history_was_cut", F_STR("folder", folder));
    int fd = open(a->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "cannot write in the folder %s", folder);
    (void)close(fd);
    return 0;
}

int archive_new(struct archive **ret, const struct archive_options *options, struct error *why) {
    struct archive *a = calloc(1, sizeof *a);
    if (!a) return error_set(why, ERR_NO_MEMORY, "no memory for the history");
    a->options = *options;
    if (!options->builder_name) a->options.builder_name = "";
    if (!is_set(options->files_folder)) a->options.files_folder = NULL;
    if (!is_set(options->spill_folder)) a->options.spill_folder = NULL;
    a->clock = options->clock ? options->clock : &clock_system;
    a->wake.fd = -1;
    a->tick.fire = on_tick;
    a->task.run = on_task;
    buf_init(&a->lines, 0);
    for (size_t i = 0; i < archive_metric_count; i++) {
        a->metric[i] = metrics_get(options->metrics, &archive_metric_table[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        a->not_indexed[i] =
            metrics_get(options->metrics, &not_indexed[i], (const char *[]){error_name(ERR_BUSY)});
    }
    metric_set(a->metric[ARCHIVE_REJECT_AT], (double)options->reject_bytes);
    metric_set(a->metric[ARCHIVE_RESUME_AT], (double)options->resume_bytes);
    if (a->options.files_folder) mend_lines(a);
    int r = set_mark(a, why);
    if (r == 0) r = open_loop(a, why);
    if (r == 0) r = open_sinks(a, why);
    if (r == 0) r = start_thread(a, why);
    if (r != 0) {
        archive_end(a, 0);
        return r;
    }
    *ret = a;
    return 0;
}

void archive_end(struct archive *a, uint64_t deadline_ns) {
    if (!a) return;
    if (a->runs) {
        a->stop_ns = clock_monotonic_ns(&clock_system) + deadline_ns;
        atomic_store(&a->stopping, true);
        pthread_join(a->thread, NULL);
    }
    for (struct event_node *n; a->queue.cells && (n = queue_pop(&a->queue)) != NULL;) {
        take(a, n); // into batches, which are spilled
    }
    if (a->loop) {
        loop_timer_clear(a->loop, &a->tick);
        loop_undefer(a->loop, &a->task);
    }
    if (a->options.files_folder) end_lines(a);
    for (int i = 0; i < SINKS; i++) {
        archive_sink_free(a->sinks[i]);
    }
    if (a->wake.fd >= 0) {
        loop_fd_remove(a->loop, &a->wake);
        close(a->wake.fd);
    }
    if (a->queue.cells) queue_free(&a->queue);
    if (a->names) resolver_free(a->names);
    if (a->loop) loop_free(a->loop);
    buf_free(&a->lines);
    if (a->mark) (void)unlink(a->mark);
    free(a->mark);
    free(a);
}
