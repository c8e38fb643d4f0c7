/* SPDX-License-Identifier: MIT */
#include "orderflow/archive_sink.h"

#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (64u << 10)
#define ANSWER_NS (15 * NS_PER_S)
#define PAUSE_FIRST_NS (100 * NS_PER_MS)
#define PAUSE_MOST_NS (120 * NS_PER_S)
#define WRONG_TRIES 16u /* of a batch that is called wrong */
#define FIELDS_MAX 5u

#define SINK_METRICS(X)                                                                            \
    X(SINK_RECORDS, METRIC_COUNTER, "orderflow_archive_records_total", "Records for a sink.",      \
      "sink")                                                                                      \
    X(SINK_SENT, METRIC_COUNTER, "orderflow_archive_sent_total", "Records that it took.", "sink")  \
    X(SINK_BATCHES, METRIC_COUNTER, "orderflow_archive_batches_total", "Batches that it took.",    \
      "sink")                                                                                      \
    X(SINK_BYTES, METRIC_COUNTER, "orderflow_archive_sent_bytes_total", "Their bytes.", "sink")    \
    X(SINK_FAILURES, METRIC_COUNTER, "orderflow_archive_failures_total",                           \
      "Batches that were not taken; they are sent again.", "sink")                                 \
    X(SINK_LOST, METRIC_COUNTER, "orderflow_archive_lost_total",                                   \
      "Records that neither memory nor disk had room for, or that were wrong.", "sink")            \
    X(SINK_SECONDS, METRIC_SUMMARY, "orderflow_archive_seconds", "Time to send a batch.", "sink")  \
    X(SINK_WAITING, METRIC_GAUGE, "orderflow_archive_waiting_bytes",                               \
      "Bytes of batches in memory.", "sink")                                                       \
    X(SINK_SPILLED, METRIC_GAUGE, "orderflow_archive_spilled_bytes", "Bytes on disk.", "sink")
METRICS_DECLARE(sink_metric, SINK_METRICS)

#define CLICKHOUSE "flowproxy_indexer_clickhouse_"
#define TABLE_METRICS(X)                                                                           \
    X(TABLE_BYTES, METRIC_COUNTER, CLICKHOUSE "bytes_committed", "Bytes that ClickHouse took.",    \
      NULL)                                                                                        \
    X(TABLE_SECONDS, METRIC_SUMMARY, CLICKHOUSE "batch_commit_time",                               \
      "Seconds of a batch that it took.", NULL)                                                    \
    X(TABLE_KEPT_BYTES, METRIC_COUNTER, CLICKHOUSE "backup_data_bytes_total",                      \
      "Bytes that were kept while it took nothing, on disk or in memory.", NULL)                   \
    X(TABLE_KEPT_ROWS, METRIC_COUNTER, CLICKHOUSE "backup_data_rows_total",                        \
      "Rows that were kept while it took nothing, on disk or in memory.", NULL)                    \
    X(TABLE_LOST_BYTES, METRIC_COUNTER, CLICKHOUSE "backup_data_lost_bytes_total",                 \
      "Bytes of rows that neither had room for, or that were wrong.", NULL)                        \
    X(TABLE_LOST_ROWS, METRIC_COUNTER, CLICKHOUSE "backup_data_lost_rows_total",                   \
      "Rows that neither had room for, or that were wrong.", NULL)                                 \
    X(TABLE_QUEUE, METRIC_GAUGE, CLICKHOUSE "queue_size", "Rows that wait for ClickHouse.",        \
      "order")                                                                                     \
    X(TABLE_BACKUP_BYTES, METRIC_GAUGE, CLICKHOUSE "backup_size_bytes",                            \
      "Bytes that are kept for it now.", "order,backend")                                          \
    X(TABLE_BACKUP_BATCHES, METRIC_GAUGE, CLICKHOUSE "backup_size_batches",                        \
      "Pieces in which they are kept.", "order,backend")                                           \
    X(TABLE_DISK_ERRORS, METRIC_COUNTER, CLICKHOUSE "backup_disk_errors",                          \
      "Pieces that the disk did not take.", "order,error")                                         \
    X(TABLE_FAILURES, METRIC_COUNTER, CLICKHOUSE "commit_failures",                                \
      "Batches that ClickHouse did not take.", "error")
METRICS_DECLARE(table_metric, TABLE_METRICS)

enum { BACKEND_DISK, BACKEND_MEMORY, BACKENDS };

struct batch {
    struct list_node node;
    unsigned records, tries;
    bool on_disk; /* taken from the spill, where it stays until it is marked */
    uint64_t sent_ns;
    struct buf data;
};

struct archive_sink {
    struct archive_sink_options options;
    struct client *client;
    struct tls *tls;
    char *path; /* with the query */
    struct batch *open;
    size_t open_before; /* bytes of the open batch before the record that is being added */
    struct list waiting;
    uint64_t waiting_bytes, waiting_records;
    struct {
        uint64_t bytes, batches;
    } held[BACKENDS]; /* of waiting, and the one that is being sent when the disk has it too */
    uint64_t ripe;    /* records of the spill whose time to go has come */
    struct batch *sending;
    unsigned status, pauses;
    bool disk_failed;
    struct buf answer;
    struct loop_timer close_timer, pause_timer;
    struct archive_sink_stats stats;
    struct metric *metric[sink_metric_count];
    struct metric *table[TABLE_QUEUE + 1]; /* NULL: the sink is no table */
    struct metric *kept_bytes[BACKENDS], *kept_batches[BACKENDS];
};

static void send_next(struct archive_sink *s);

/* ---- batches ---- */

static void batch_free(struct batch *b) {
    buf_free(&b->data);
    free(b);
}

static void hold(struct archive_sink *s, const struct batch *b) {
    int i = b->on_disk ? BACKEND_DISK : BACKEND_MEMORY;
    s->held[i].bytes += b->data.n;
    s->held[i].batches++;
}

static void let_go(struct archive_sink *s, const struct batch *b) {
    int i = b->on_disk ? BACKEND_DISK : BACKEND_MEMORY;
    s->held[i].bytes -= b->data.n;
    s->held[i].batches--;
}

static void wait_in(struct archive_sink *s, struct batch *b, bool first) {
    s->waiting_bytes += b->data.n;
    s->waiting_records += b->records;
    if (first)
        list_push_front(&s->waiting, &b->node);
    else
        list_push_back(&s->waiting, &b->node);
}

static void lose(struct archive_sink *s, uint64_t records, uint64_t bytes) {
    if (records == 0) return;
    s->stats.lost += records;
    metric_add(s->table[TABLE_LOST_ROWS], records);
    metric_add(s->table[TABLE_LOST_BYTES], bytes);
    metric_add(s->metric[SINK_LOST], records);
    log_warn(s->options.log, "history_lost", F_STR("sink", s->options.name),
             F_U64("records", records));
}

static void show(struct archive_sink *s) {
    metric_set(s->metric[SINK_WAITING], (double)s->waiting_bytes);
    metric_set(s->metric[SINK_SPILLED], (double)spill_bytes(s->options.spill));
    if (!s->options.clickhouse_order) return;
    uint64_t rows = spill_weight(s->options.spill) + s->waiting_records;
    rows += (s->open ? s->open->records : 0) + (s->sending ? s->sending->records : 0);
    metric_set(s->table[TABLE_QUEUE], (double)rows);
    for (int i = 0; i < BACKENDS; i++) {
        bool disk = i == BACKEND_DISK;
        uint64_t bytes = disk ? spill_left(s->options.spill) : 0;
        uint64_t pieces = disk ? spill_records(s->options.spill) : 0;
        metric_set(s->kept_bytes[i], (double)(s->held[i].bytes + bytes));
        metric_set(s->kept_batches[i], (double)(s->held[i].batches + pieces));
    }
}

/* Kept is what waits while ClickHouse takes nothing, not what passes through the disk on its way.
 */
static void count_kept(struct archive_sink *s, uint64_t rows, uint64_t bytes) {
    metric_add(s->table[TABLE_KEPT_ROWS], rows);
    metric_add(s->table[TABLE_KEPT_BYTES], bytes);
}

/* A record of the spill: u32 records, little-endian, then those. */
uint64_t archive_sink_weigh(struct bytes record) {
    return record.n > 4 ? load_le32(record.p) : 0;
}

static int to_disk(struct archive_sink *s, const struct batch *b, struct error *why) {
    uint8_t head[4];
    struct buf record;
    uint64_t lost = spill_dropped(s->options.spill);
    uint64_t lost_bytes = spill_dropped_bytes(s->options.spill);
    buf_init(&record, 0);
    store_le32(head, b->records);
    buf_append(&record, bytes_make(head, sizeof head));
    buf_append(&record, buf_view(&b->data));
    int r = buf_check(&record, why);
    if (r == 0) r = spill_append(s->options.spill, buf_view(&record), 0, 0, why);
    lose(s, spill_dropped(s->options.spill) - lost, // what the spill gave up for it
         spill_dropped_bytes(s->options.spill) - lost_bytes);
    if (r == 0 && s->pauses > 0) count_kept(s, b->records, b->data.n);
    if (r != 0 && s->options.clickhouse_order) {
        const char *const labels[] = {s->options.clickhouse_order, error_name(r)};
        metric_inc(metrics_get(s->options.metrics, &table_metric_table[TABLE_DISK_ERRORS], labels));
    }
    buf_free(&record);
    return r;
}

/* In memory, when there is no disk or none that takes it. */
static void to_memory(struct archive_sink *s, struct batch *b) {
    if (s->waiting_bytes + b->data.n > s->options.memory_bytes) {
        lose(s, b->records, b->data.n);
        batch_free(b);
        return;
    }
    if (s->pauses > 0) count_kept(s, b->records, b->data.n);
    hold(s, b);
    wait_in(s, b, false);
}

/* One batch of what is on disk, in order; NULL: nothing. */
static struct batch *from_disk(struct archive_sink *s) {
    const struct archive_sink_options *o = &s->options;
    struct bytes record;
    uint64_t expires_ns;
    struct batch *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->on_disk = true;
    buf_init(&b->data, 0);
    uint64_t lost = spill_dropped(o->spill); // files that cannot be read
    uint64_t lost_bytes = spill_dropped_bytes(o->spill);
    while (spill_first(o->spill, &record, &expires_ns, NULL) == 0) {
        uint64_t n = archive_sink_weigh(record);
        size_t before = b->data.n;
        bool fits = b->records + n <= o->batch_records && before + record.n <= o->batch_bytes;
        if (b->records > 0 && !fits) break;
        if (n > 0 && before > 0 && o->separator) buf_append_str(&b->data, o->separator);
        if (n > 0) buf_append(&b->data, bytes_slice(record, 4, record.n));
        if (b->data.failed) {
            b->data.failed = 0;
            b->data.n = before;
            break;
        }
        b->records += (unsigned)n;
        spill_pop(o->spill);
    }
    lose(s, spill_dropped(o->spill) - lost, spill_dropped_bytes(o->spill) - lost_bytes);
    s->ripe -= s->ripe < b->records ? s->ripe : b->records;
    hold(s, b);
    if (b->records > 0) return b;
    let_go(s, b);
    batch_free(b);
    return NULL;
}

static bool is_ripe(const struct archive_sink *s) {
    const struct archive_sink_options *o = &s->options;
    return s->ripe > 0 || spill_weight(o->spill) >= o->batch_records ||
           spill_left(o->spill) >= o->batch_bytes;
}

void archive_sink_keep(struct archive_sink *s) {
    struct batch *b = s->open;
    struct error why = {0};
    if (!s->options.spill || !b || b->records == 0) return;
    int r = to_disk(s, b, &why);
    if (r != 0 && !s->disk_failed) {
        log_error(s->options.log, "history_not_spilled", F_STR("sink", s->options.name),
                  F_ERR(&why));
    }
    s->disk_failed = r != 0;
    s->open = NULL;
    if (r == 0)
        batch_free(b);
    else
        to_memory(s, b);
    show(s);
    send_next(s);
}

void archive_sink_flush(struct archive_sink *s) {
    struct batch *b = s->open;
    loop_timer_clear(s->options.loop, &s->close_timer);
    archive_sink_keep(s);
    s->ripe = spill_weight(s->options.spill);
    if (!s->options.spill && b && b->records > 0) {
        s->open = NULL;
        to_memory(s, b);
        show(s);
    }
    send_next(s);
}

static void on_close(struct loop_timer *t) {
    archive_sink_flush(LIST_ENTRY(t, struct archive_sink, close_timer));
}

struct buf *archive_sink_batch(struct archive_sink *s) {
    if (!s->open) {
        s->open = calloc(1, sizeof *s->open);
        if (!s->open) return NULL;
        buf_init(&s->open->data, 0);
    }
    s->open_before = s->open->data.n;
    return &s->open->data;
}

void archive_sink_added(struct archive_sink *s, unsigned records) {
    struct batch *b = s->open;
    if (records == 0 || b->data.failed) {
        b->data.n = s->open_before;
        if (b->data.failed) lose(s, 1, 0);
        b->data.failed = 0;
        return;
    }
    s->stats.records += records;
    metric_add(s->metric[SINK_RECORDS], records);
    b->records += records;
    if (b->records >= s->options.batch_records || b->data.n >= s->options.batch_bytes) {
        archive_sink_flush(s);
        return;
    }
    if (!loop_timer_armed(&s->close_timer)) {
        uint64_t at = loop_now_ns(s->options.loop) + s->options.batch_ns;
        if (loop_timer_set(s->options.loop, &s->close_timer, at, NULL) != 0) archive_sink_flush(s);
    }
}

/* ---- sending ---- */

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct archive_sink *s = context;
    (void)k;
    s->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    buf_append(&((struct archive_sink *)context)->answer, in); // cut at its limit
}

static void pause_sending(struct archive_sink *s) {
    uint64_t pause = s->pauses < 11 ? PAUSE_FIRST_NS << s->pauses : PAUSE_MOST_NS;
    if (pause > PAUSE_MOST_NS) pause = PAUSE_MOST_NS;
    s->pauses++;
    (void)!loop_timer_set(s->options.loop, &s->pause_timer, loop_now_ns(s->options.loop) + pause,
                          NULL);
}

/* What becomes of a batch is known. */
static void settle(struct archive_sink *s, struct batch *b) {
    let_go(s, b);
    if (b->on_disk) spill_mark(s->options.spill);
    batch_free(b);
}

static void failed(struct archive_sink *s, const struct error *why) {
    struct batch *b = s->sending;
    bool wrong = s->status >= 400 && s->status < 500 && s->status != 408 && s->status != 429;
    s->sending = NULL;
    s->stats.failures++;
    metric_inc(s->metric[SINK_FAILURES]);
    if (s->options.clickhouse_order) {
        const char *text = http_status_text(s->status);
        const char *const labels[] = {*text ? text : error_name((int)why->code)};
        metric_inc(metrics_get(s->options.metrics, &table_metric_table[TABLE_FAILURES], labels));
    }
    if (s->pauses == 0) {
        count_kept(s, b->records + spill_weight(s->options.spill) + s->waiting_records,
                   b->data.n + spill_left(s->options.spill) + s->waiting_bytes);
    }
    if (s->pauses == 0 || wrong) {
        log_warn(s->options.log, "history_not_taken", F_STR("sink", s->options.name),
                 F_U64("status", s->status), F_ERR(why));
    }
    if (wrong && ++b->tries >= WRONG_TRIES) {
        lose(s, b->records, b->data.n);
        settle(s, b);
    } else { // the first to be sent again
        wait_in(s, b, true);
    }
    show(s);
    pause_sending(s);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct archive_sink *s = context;
    (void)k;
    s->status = 0;
    failed(s, why);
}

static void on_end(struct client_call *k, void *context) {
    struct archive_sink *s = context;
    struct batch *b = s->sending;
    struct error why = {0};
    struct bytes answer = buf_view(&s->answer);
    (void)k;
    bool taken = s->status == 200 && (!s->options.accepts || s->options.accepts(answer));
    if (!taken) {
        error_set(&why, ERR_INVALID, "%.*s", (int)(answer.n < 160 ? answer.n : 160),
                  answer.n ? (const char *)answer.p : "");
        failed(s, &why);
        return;
    }
    if (s->pauses > 0) log_info(s->options.log, "history_taken", F_STR("sink", s->options.name));
    s->sending = NULL;
    s->pauses = 0;
    s->stats.batches++;
    s->stats.sent += b->records;
    metric_inc(s->metric[SINK_BATCHES]);
    metric_add(s->metric[SINK_SENT], b->records);
    metric_add(s->metric[SINK_BYTES], b->data.n);
    uint64_t took = clock_monotonic_ns(s->options.clock) - b->sent_ns;
    metric_observe_ns(s->metric[SINK_SECONDS], took);
    metric_add(s->table[TABLE_BYTES], b->data.n);
    metric_observe_ns(s->table[TABLE_SECONDS], took);
    if (s->options.took_ms) metric_observe(s->options.took_ms, (double)took / NS_PER_MS);
    settle(s, b);
    show(s);
    send_next(s);
}

static const struct client_events events = {on_response, on_body, on_end, on_failed, NULL, NULL};

static void add_field(struct http_request *q, const char *name, struct bytes value) {
    q->fields.item[q->fields.count++] =
        (struct http_field){.name = bytes_from_str(name), .value = value};
}

static int start(struct archive_sink *s, struct batch *b, struct error *why) {
    const struct archive_sink_options *o = &s->options;
    struct http_field fields[FIELDS_MAX];
    struct http_request q = {.method = HTTP_POST,
                             .method_text = BYTES_LIT("POST"),
                             .path = bytes_from_str(s->path),
                             .fields = {.item = fields, .capacity = FIELDS_MAX}};
    struct buf body, signature;
    buf_init(&body, 0);
    buf_init(&signature, 0);
    int r = o->wrap ? o->wrap(o->context, &body, &signature, buf_view(&b->data), why) : 0;
    add_field(&q, "content-type", bytes_from_str(o->content_type));
    if (signature.n) add_field(&q, "x-flashbots-signature", buf_view(&signature));
    if (o->user && *o->user) add_field(&q, "x-clickhouse-user", bytes_from_str(o->user));
    if (o->password.n) {
        add_field(&q, "x-clickhouse-key", o->password);
        fields[q.fields.count - 1].secret = true;
    }
    s->status = 0;
    buf_clear(&s->answer);
    b->sent_ns = clock_monotonic_ns(o->clock);
    struct bytes whole = o->wrap ? buf_view(&body) : buf_view(&b->data);
    if (r == 0) r = client_start(NULL, s->client, &q, whole, false, &events, s, why);
    buf_free(&body);
    buf_free(&signature);
    return r;
}

static void send_next(struct archive_sink *s) {
    struct error why = {0};
    if (s->sending || loop_timer_armed(&s->pause_timer)) return;
    struct list_node *n = list_pop_front(&s->waiting);
    struct batch *b = n ? LIST_ENTRY(n, struct batch, node) : is_ripe(s) ? from_disk(s) : NULL;
    if (!b) return;
    if (n) {
        s->waiting_bytes -= b->data.n;
        s->waiting_records -= b->records;
    }
    s->sending = b;
    show(s);
    if (start(s, b, &why) == 0) return;
    s->status = 0;
    failed(s, &why);
}

static void on_pause(struct loop_timer *t) {
    send_next(LIST_ENTRY(t, struct archive_sink, pause_timer));
}

void archive_sink_hurry(struct archive_sink *s) {
    loop_timer_clear(s->options.loop, &s->pause_timer);
    send_next(s);
}

bool archive_sink_idle(const struct archive_sink *s) {
    return !s->sending && list_is_empty(&s->waiting) && spill_records(s->options.spill) == 0 &&
           (!s->open || s->open->records == 0);
}

struct archive_sink_stats archive_sink_stats(const struct archive_sink *s) {
    struct archive_sink_stats r = s->stats;
    r.waiting_bytes = s->waiting_bytes;
    r.spilled_bytes = spill_records(s->options.spill) ? spill_bytes(s->options.spill) : 0;
    r.waiting = r.records - r.sent - r.lost;
    return r;
}

/* ---- life ---- */

static int set_path(struct archive_sink *s, const struct url *u, struct error *why) {
    struct buf path;
    buf_init(&path, URL_BYTES_MAX * 2);
    buf_append(&path, u->scheme == URL_UNIX || u->target.n == 0 ? BYTES_LIT("/") : u->target);
    if (s->options.query.n) {
        buf_append_byte(&path, u->query.n ? '&' : '?');
        buf_append(&path, s->options.query);
    }
    buf_append_byte(&path, '\0');
    int r = buf_check(&path, why);
    if (r == 0) {
        s->path = (char *)path.p; // the buf's memory, freed with the sink
    } else {
        buf_free(&path);
    }
    return r;
}

static int connect_to(struct archive_sink *s, struct error *why) {
    struct url u;
    char origin[512];
    const char *text = s->options.url;
    const struct tls_options t = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM};
    int r = url_parse(&u, bytes_from_str(text), why);
    if (r != 0) return error_wrap(why, "%s", s->options.name);
    size_t n = u.scheme == URL_UNIX
                   ? strlen(text)
                   : (size_t)(u.authority.p + u.authority.n - (const uint8_t *)text);
    (void)snprintf(origin, sizeof origin, "%.*s", (int)n, text);
    r = set_path(s, &u, why);
    if (r == 0 && u.tls) r = tls_new(&s->tls, &t, why);
    const struct client_options o = {.url = origin,
                                     .tls = s->tls,
                                     .names = s->options.names,
                                     .connections = 1,
                                     .response_ns = ANSWER_NS,
                                     .body_ns = ANSWER_NS};
    return r == 0 ? client_new(&s->client, s->options.loop, &o, why) : r;
}

static void open_table_metrics(struct archive_sink *s) {
    static const char *const backends[BACKENDS] = {"disk", "memory"};
    const char *order = s->options.clickhouse_order;
    struct metrics *m = s->options.metrics;
    for (int i = 0; i <= TABLE_QUEUE; i++) {
        s->table[i] = metrics_get(m, &table_metric_table[i], &order);
    }
    for (int i = 0; i < BACKENDS; i++) {
        const char *const labels[] = {order, backends[i]};
        s->kept_bytes[i] = metrics_get(m, &table_metric_table[TABLE_BACKUP_BYTES], labels);
        s->kept_batches[i] = metrics_get(m, &table_metric_table[TABLE_BACKUP_BATCHES], labels);
    }
}

int archive_sink_new(struct archive_sink **ret, const struct archive_sink_options *options,
                     struct error *why) {
    struct archive_sink *s = calloc(1, sizeof *s);
    if (!s) {
        spill_close(options->spill);
        return error_set(why, ERR_NO_MEMORY, "no memory for the history");
    }
    s->options = *options;
    list_init(&s->waiting);
    buf_init(&s->answer, ANSWER_MAX);
    s->close_timer.fire = on_close;
    s->pause_timer.fire = on_pause;
    for (size_t i = 0; i < sink_metric_count; i++) {
        s->metric[i] = metrics_get(options->metrics, &sink_metric_table[i], &options->name);
    }
    if (options->clickhouse_order) open_table_metrics(s);
    int r = connect_to(s, why);
    if (r != 0) {
        archive_sink_free(s);
        return r;
    }
    s->ripe = spill_weight(options->spill); // what an earlier process has left
    send_next(s);
    *ret = s;
    return 0;
}

void archive_sink_free(struct archive_sink *s) {
    if (!s) return;
    loop_timer_clear(s->options.loop, &s->close_timer);
    loop_timer_clear(s->options.loop, &s->pause_timer);
    if (s->client) client_free(s->client); // fails the call: its batch waits again
    loop_timer_clear(s->options.loop, &s->pause_timer);
    if (s->open) list_push_back(&s->waiting, &s->open->node);
    for (struct list_node *n; (n = list_pop_front(&s->waiting)) != NULL;) {
        struct batch *b = LIST_ENTRY(n, struct batch, node);
        bool kept = b->on_disk || b->records == 0;
        if (!kept) kept = s->options.spill && to_disk(s, b, NULL) == 0;
        if (!kept) lose(s, b->records, b->data.n);
        batch_free(b);
    }
    spill_close(s->options.spill);
    tls_free(s->tls);
    buf_free(&s->answer);
    free(s->path);
    free(s);
}
