/* Metrics of the program: names of the deployed proxies where they count the same thing.
 * SPDX-License-Identifier: MIT */
#include "orderflow/app.h"

#define BIG_BYTES 50000u /* of a big request, by the deployed metrics */

#define APP_METRICS(X)                                                                             \
    X(APP_REQUESTS, METRIC_COUNTER, "orderflow_requests_total", "Requests that came.", "handler")  \
    X(APP_REFUSED, METRIC_COUNTER, "orderflow_requests_refused_total",                             \
      "Requests that were refused, without those over a limit.", "handler")                        \
    X(APP_LIMITED, METRIC_COUNTER, "flowproxy_ingress_requests_rate_limited",                      \
      "Requests over a limit.", "handler")                                                         \
    X(APP_CACHE_HIT, METRIC_COUNTER, "flowproxy_ingress_order_cache_hit",                          \
      "Requests whose reply was known.", "handler")                                                \
    X(APP_BODY, METRIC_SUMMARY, "flowproxy_ingress_request_body_size_bytes",                       \
      "Bytes of a request.", "handler")                                                            \
    X(APP_ENTITIES, METRIC_GAUGE, "flowproxy_ingress_entity_count", "Signers known now.", NULL)    \
    X(APP_ORDER_CACHE, METRIC_GAUGE, "flowproxy_ingress_order_cache_entry_count",                  \
      "Orders remembered.", NULL)                                                                  \
    X(APP_ORDER_RATIO, METRIC_GAUGE, "flowproxy_ingress_order_cache_hit_ratio",                    \
      "Duplicates among orders, percent.", NULL)                                                   \
    X(APP_SIGNER_RATIO, METRIC_GAUGE, "flowproxy_ingress_signer_cache_hit_ratio",                  \
      "Transaction senders that were known, percent.", NULL)                                       \
    X(APP_KEYS, METRIC_GAUGE, "orderflow_replacement_keys", "Replacement keys remembered.", NULL)  \
    X(APP_FORGOTTEN, METRIC_GAUGE, "orderflow_book_forgotten",                                     \
      "Orders and keys forgotten early, for want of room.", NULL)                                  \
    X(APP_JOBS, METRIC_GAUGE, "orderflow_jobs", "Requests and messages at work.", NULL)            \
    X(APP_JOB_BYTES, METRIC_GAUGE, "orderflow_jobs_bytes", "Their bytes.", NULL)                   \
    X(APP_POOL, METRIC_GAUGE, "orderflow_pool_waiting", "Jobs that wait for a worker.", NULL)      \
    X(APP_NEWCOMERS, METRIC_GAUGE, "orderflow_newcomers_waiting",                                  \
      "Requests of senders not known yet that wait for their turn.", NULL)                         \
    X(APP_PEERS, METRIC_GAUGE, "flowproxy_builderhub_peer_count", "Peers in the hub's list.",      \
      NULL)                                                                                        \
    X(APP_LOCAL_WAITING, METRIC_GAUGE, "orderflow_builder_waiting_orders",                         \
      "Orders that wait for the builder.", NULL)                                                   \
    X(APP_LOCAL_BYTES, METRIC_GAUGE, "orderflow_builder_waiting_bytes", "Their bytes.", NULL)      \
    X(APP_LOCAL_FLIGHT, METRIC_GAUGE, "orderflow_builder_in_flight_orders",                        \
      "Orders sent and not answered.", NULL)                                                       \
    X(APP_LOCAL_DELIVERED, METRIC_GAUGE, "orderflow_builder_delivered",                            \
      "Orders the builder took, since the start.", NULL)                                           \
    X(APP_LOCAL_REFUSED, METRIC_GAUGE, "orderflow_builder_refused", "And refused.", NULL)          \
    X(APP_LOCAL_EXPIRED, METRIC_GAUGE, "orderflow_builder_expired",                                \
      "Orders whose last block passed before the builder took them.", NULL)                        \
    X(APP_LOCAL_RETRIED, METRIC_GAUGE, "orderflow_builder_retried", "Orders sent again.", NULL)    \
    X(APP_LOCAL_KNOWN, METRIC_GAUGE, "orderflow_builder_known",                                    \
      "Orders that the builder had from before this process began.", NULL)                         \
    X(APP_LOCAL_UP, METRIC_GAUGE, "orderflow_builder_connected", "The builder takes orders.",      \
      NULL)                                                                                        \
    X(APP_CUSTODY, METRIC_GAUGE, "orderflow_peer_orders_unsettled",                                \
      "Peers' orders not acknowledged yet: the builder has to take them first.", NULL)             \
    X(APP_UNSAFE, METRIC_GAUGE, "orderflow_peer_orders_unsafe",                                    \
      "Peers' orders acknowledged though the builder was late and no journal kept them.", NULL)    \
    X(APP_JOURNAL_BYTES, METRIC_GAUGE, "orderflow_journal_bytes", "Bytes of the journal.", NULL)   \
    X(APP_JOURNAL_REPLAYED, METRIC_GAUGE, "orderflow_journal_replayed",                            \
      "Orders taken up from the journal at the start.", NULL)                                      \
    X(APP_JOURNAL_REFUSED, METRIC_GAUGE, "orderflow_journal_refused",                              \
      "Orders refused because the journal was full or could not be written.", NULL)                \
    X(APP_TIP, METRIC_GAUGE, "orderflow_newest_block", "Newest block that is known; 0: none.",     \
      NULL)                                                                                        \
    X(APP_BUNDLE_TIME, METRIC_SUMMARY, "flowproxy_system_e2e_bundle_processing_time",              \
      "Seconds from a bundle's receipt to the builder's answer, or a peer's.",                     \
      "priority,direction,big_request")                                                            \
    X(APP_TX_TIME, METRIC_SUMMARY, "flowproxy_system_e2e_transaction_processing_time",             \
      "Seconds from a transaction's receipt to the builder's answer, or a peer's.",                \
      "priority,direction,big_request")                                                            \
    X(APP_SYSTEM_TIME, METRIC_SUMMARY, "flowproxy_system_e2e_system_order_processing_time",        \
      "Seconds from the receipt of a peer's order to the builder's answer.",                       \
      "priority,direction,order_type,big_request")                                                 \
    X(APP_HTTP_TIME, METRIC_SUMMARY, "flowproxy_ingress_http_request_duration",                    \
      "Seconds from the head of a request with an order to its answer.",                           \
      "handler,method,path,status")                                                                \
    X(APP_SIGNER_CACHE, METRIC_GAUGE, "flowproxy_ingress_signer_cache_entry_count",                \
      "Transactions whose sender is remembered.", NULL)                                            \
    X(APP_HUB_FAILURES, METRIC_COUNTER, "flowproxy_builderhub_peer_request_failures",              \
      "Times the hub's list was asked for in vain.", "error")                                      \
    X(APP_HUB_ERRORS, METRIC_COUNTER, "orderflow_proxy_confighub_errors",                          \
      "Times the hub's list was asked for in vain.", NULL)                                         \
    X(APP_RATE_LIMITS, METRIC_COUNTER, "orderflow_proxy_api_user_rate_limits",                     \
      "Users' requests over a limit.", NULL)                                                       \
    X(APP_LOCAL_RATE_LIMITS, METRIC_COUNTER, "orderflow_proxy_api_local_rate_limits",              \
      "The same, as dashboards name it.", NULL)
METRICS_DECLARE(app_metric, APP_METRICS)

void door_metrics_open(struct door *d) {
    struct metrics *m = d->app->metrics;
    const char *const name[] = {d->kind == INTAKE_USER ? "user" : "system"};
    d->requests = metrics_get(m, &app_metric_table[APP_REQUESTS], name);
    d->refused = metrics_get(m, &app_metric_table[APP_REFUSED], name);
    d->rate_limited = metrics_get(m, &app_metric_table[APP_LIMITED], name);
    d->duplicates = metrics_get(m, &app_metric_table[APP_CACHE_HIT], name);
    d->body_bytes = metrics_get(m, &app_metric_table[APP_BODY], name);
    if (d->kind == INTAKE_USER) {
        d->rate_limited_first[0] = metrics_get(m, &app_metric_table[APP_RATE_LIMITS], NULL);
        d->rate_limited_first[1] = metrics_get(m, &app_metric_table[APP_LOCAL_RATE_LIMITS], NULL);
    }
}

void door_metrics_answered(struct door *d, int status, uint64_t took_ns) {
    static const int statuses[APP_STATUSES] = {200, 400, 401, 404, 413, 429, 500, 503};
    unsigned i = 0;
    while (i < APP_STATUSES && statuses[i] != status) {
        i++;
    }
    if (i == APP_STATUSES) return; // none that the doors give
    if (!d->http[i]) {
        const char *const labels[] = {d->kind == INTAKE_USER ? "user" : "system", "POST", "/",
                                      http_status_text((unsigned)status)};
        d->http[i] = metrics_get(d->app->metrics, &app_metric_table[APP_HTTP_TIME], labels);
    }
    metric_observe_ns(d->http[i], took_ns);
}

static double entities(void *a) {
    return (double)gate_entities(((struct app *)a)->gate);
}
static double orders(void *a) {
    return (double)book_stats(((struct app *)a)->book).ids;
}
static double keys(void *a) {
    return (double)book_stats(((struct app *)a)->book).keys;
}
static double forgotten(void *a) {
    return (double)book_stats(((struct app *)a)->book).forgotten;
}
static double order_ratio(void *a) {
    struct book_stats s = book_stats(((struct app *)a)->book);
    return s.seen > 0 ? 100 * (double)s.duplicate / (double)s.seen : 0;
}
static double signer_ratio(void *a) {
    struct sender_cache_stats s = sender_cache_stats(((struct app *)a)->senders);
    return s.hits + s.misses > 0 ? 100 * (double)s.hits / (double)(s.hits + s.misses) : 0;
}
static double signers(void *a) {
    return (double)sender_cache_stats(((struct app *)a)->senders).entries;
}
static double jobs(void *a) {
    return (double)intake_jobs(((struct app *)a)->intake);
}
static double job_bytes(void *a) {
    return (double)intake_bytes(((struct app *)a)->intake);
}
static double waiting(void *a) {
    return (double)pool_waiting(((struct app *)a)->pool);
}
static double newcomers(void *a) {
    return (double)fair_waiting(((struct app *)a)->fair[ORDER_LOW]);
}
static double unsettled(void *a) {
    return (double)custody_stats(((struct app *)a)->custody).waiting;
}
static double unsafe(void *a) {
    return (double)custody_stats(((struct app *)a)->custody).unsafe;
}
static double peer_count(void *a) {
    return (double)peers_count(((struct app *)a)->peers);
}
static double newest(void *a) {
    return (double)tip_number(((struct app *)a)->tip);
}

#define LOCAL(name, member)                                                                        \
    static double name(void *context) {                                                            \
        const struct app *a = context;                                                             \
        return a->local ? (double)local_stats(a->local).member : 0;                                \
    }
LOCAL(local_waiting, waiting)
LOCAL(local_bytes, waiting_bytes)
LOCAL(local_flight, in_flight)
LOCAL(local_delivered, delivered)
LOCAL(local_refused, refused)
LOCAL(local_expired, expired)
LOCAL(local_retried, retried)
LOCAL(local_known, known)
LOCAL(local_up, connected)

static double journal_size(void *context) {
    const struct app *a = context;
    return a->journal ? (double)journal_stats(a->journal).bytes : 0;
}
static double journal_refused(void *context) {
    const struct app *a = context;
    return a->journal ? (double)journal_stats(a->journal).refused : 0;
}
static double journal_taken(void *context) {
    const struct app *a = context;
    return a->journal ? (double)journal_stats(a->journal).replayed : 0;
}

static void open_times(struct app *a) {
    for (unsigned i = 0; i < 2u * (ORDER_LOW + 1) * 4; i++) {
        unsigned tx = i & 1, peer = i >> 1 & 1, big = i >> 2 & 1, priority = i >> 3;
        const char *const labels[] = {order_priority_name((enum order_priority)priority),
                                      peer ? "system_to_local" : "user_to_local",
                                      big ? "true" : "false"};
        a->delivered[tx][priority][peer][big] =
            metrics_get(a->metrics, &app_metric_table[tx ? APP_TX_TIME : APP_BUNDLE_TIME], labels);
    }
}

void app_metrics_delivered(struct app *a, const struct flow_order *o) {
    unsigned tx = o->order.method == ORDER_SEND_RAW_TX, peer = o->source == FLOW_FROM_PEER;
    uint64_t now = clock_wall_ns(&clock_system);
    if (o->source == FLOW_FROM_JOURNAL || now < o->received_ns) return;
    bool big = o->bytes > BIG_BYTES;
    metric_observe_ns(a->delivered[tx][o->priority][peer][big], now - o->received_ns);
    if (!peer) return;
    unsigned type = forward_type(o);
    struct metric **slot = &a->peers_order[o->priority][type][big];
    if (!*slot) {
        const char *const labels[] = {order_priority_name(o->priority), "system_to_local",
                                      forward_type_name(type), big ? "true" : "false"};
        *slot = metrics_get(a->metrics, &app_metric_table[APP_SYSTEM_TIME], labels);
    }
    metric_observe_ns(*slot, now - o->received_ns);
}

void app_metrics_shared(struct app *a, const struct flow_order *o, uint64_t at_ns) {
    unsigned tx = o->order.method == ORDER_SEND_RAW_TX;
    bool big = o->bytes > BIG_BYTES;
    struct metric **slot = &a->shared[tx][o->priority][big];
    if (o->source == FLOW_FROM_JOURNAL || at_ns < o->received_ns) return;
    if (!*slot) {
        const char *const labels[] = {order_priority_name(o->priority), "user_to_system",
                                      big ? "true" : "false"};
        *slot =
            metrics_get(a->metrics, &app_metric_table[tx ? APP_TX_TIME : APP_BUNDLE_TIME], labels);
    }
    metric_observe_ns(*slot, at_ns - o->received_ns);
}

void app_metrics_hub_failed(struct app *a, const struct error *why) {
    const char *const labels[] = {error_name((int)why->code)};
    metric_inc(a->hub_errors);
    metric_inc(metrics_get(a->metrics, &app_metric_table[APP_HUB_FAILURES], labels));
}

int app_metrics_open(struct app *a, struct error *why) {
    static const struct {
        enum app_metric metric;
        double (*value)(void *context);
    } calls[] = {
        {APP_ENTITIES, entities},
        {APP_ORDER_CACHE, orders},
        {APP_ORDER_RATIO, order_ratio},
        {APP_SIGNER_RATIO, signer_ratio},
        {APP_SIGNER_CACHE, signers},
        {APP_KEYS, keys},
        {APP_FORGOTTEN, forgotten},
        {APP_JOB_BYTES, job_bytes},
        {APP_JOBS, jobs},
        {APP_POOL, waiting},
        {APP_NEWCOMERS, newcomers},
        {APP_CUSTODY, unsettled},
        {APP_UNSAFE, unsafe},
        {APP_PEERS, peer_count},
        {APP_LOCAL_WAITING, local_waiting},
        {APP_LOCAL_BYTES, local_bytes},
        {APP_LOCAL_FLIGHT, local_flight},
        {APP_LOCAL_DELIVERED, local_delivered},
        {APP_LOCAL_REFUSED, local_refused},
        {APP_LOCAL_EXPIRED, local_expired},
        {APP_LOCAL_RETRIED, local_retried},
        {APP_LOCAL_KNOWN, local_known},
        {APP_LOCAL_UP, local_up},
        {APP_JOURNAL_BYTES, journal_size},
        {APP_JOURNAL_REPLAYED, journal_taken},
        {APP_JOURNAL_REFUSED, journal_refused},
        {APP_TIP, newest},
    };
    int r = 0;
    metrics_add_process(a->metrics);
    open_times(a);
    a->hub_errors = metrics_get(a->metrics, &app_metric_table[APP_HUB_ERRORS], NULL);
    for (size_t i = 0; r == 0 && i < sizeof calls / sizeof *calls; i++) {
        r = metrics_gauge_call(a->metrics, &app_metric_table[calls[i].metric], calls[i].value, a,
                               why);
    }
    return r;
}
