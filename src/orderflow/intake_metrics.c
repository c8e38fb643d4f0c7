/* SPDX-License-Identifier: MIT */
#include "orderflow/intake_metrics.h"

#define INTAKE_METRICS(X)                                                                          \
    X(INTAKE_STAGE_SECONDS, METRIC_HISTOGRAM, "orderflow_stage_seconds",                           \
      "Time a request or message spends in each stage.", "stage")                                  \
    X(INTAKE_ORDERS, METRIC_COUNTER, "orderflow_orders_total",                                     \
      "Orders by what became of them: accepted, duplicate, stale, refused.", "outcome")            \
    X(INTAKE_HANDOVER, METRIC_COUNTER, "orderflow_proxy_share_queue_internal_errors",              \
      "Orders that the hand-over to the sharing did not take.", NULL)                              \
    X(INTAKE_REQUEST, METRIC_SUMMARY, "flowproxy_ingress_rpc_request_duration",                    \
      "Seconds from a request's last byte to its reply.", "handler,method,priority")               \
    X(INTAKE_REQUEST_MS, METRIC_SUMMARY,                                                           \
      "orderflow_proxy_api_request_processing_duration_milliseconds",                              \
      "Milliseconds from a request's last byte to its reply.", "method,server_name,step")          \
    X(INTAKE_SERVER_MS, METRIC_SUMMARY, "goutils_rpcserver_request_duration_milliseconds",         \
      "Milliseconds from a request's head to its reply.", "method,server_name,is_big")             \
    X(INTAKE_SERVER_STEP, METRIC_SUMMARY, "goutils_rpcserver_request_step_duration_milliseconds",  \
      "Milliseconds of a request's parts: io, parse (with the signature), call, response.",        \
      "method,server_name,step,is_big")                                                            \
    X(INTAKE_SERVER_SIZE, METRIC_SUMMARY, "goutils_rpcserver_request_size_bytes",                  \
      "Bytes of a request.", "method,server_name")                                                 \
    X(INTAKE_SERVER_REQUESTS, METRIC_COUNTER, "goutils_rpcserver_request_count",                   \
      "Requests that were answered.", "method,server_name,is_big")                                 \
    X(INTAKE_SERVER_ERRORS, METRIC_COUNTER, "goutils_rpcserver_error_count",                       \
      "Requests whose order was refused.", "method,server_name")                                   \
    X(INTAKE_SERVER_INCORRECT, METRIC_COUNTER, "goutils_rpcserver_incorrect_request_total",        \
      "Requests that are no JSON-RPC of a known method, too large or wrongly signed.",             \
      "server_name")                                                                               \
    X(INTAKE_SERVER_INTERNAL, METRIC_COUNTER, "goutils_rpcserver_internal_errors_total",           \
      "Requests that failed for no fault of the sender's.", "server_name")                         \
    X(INTAKE_WORKER, METRIC_SUMMARY, "flowproxy_worker_task_duration_seconds",                     \
      "Seconds from a request's last byte to the end of a worker's part, with the wait for one.",  \
      "priority")                                                                                  \
    X(INTAKE_LINE_FULL, METRIC_COUNTER, "flowproxy_system_queue_capacity_hits",                    \
      "Requests and messages for which no place was left before the workers.", "priority")         \
    X(INTAKE_LINE_FILLING, METRIC_COUNTER, "flowproxy_system_queue_capacity_almost_hits",          \
      "Those that came when a quarter of the places or less was left.", "priority")                \
    X(INTAKE_TXS, METRIC_SUMMARY, "flowproxy_ingress_txs_per_bundle", "Transactions of a bundle.", \
      "handler")                                                                                   \
    X(INTAKE_EMPTY, METRIC_COUNTER, "flowproxy_ingress_total_empty_bundles",                       \
      "Bundles without transactions.", "handler")                                                  \
    X(INTAKE_UNKNOWN, METRIC_COUNTER, "flowproxy_ingress_json_rpc_unknown_method",                 \
      "Requests of methods that are not known.", "handler")                                        \
    X(INTAKE_PARSE, METRIC_COUNTER, "flowproxy_ingress_json_rpc_parse_errors",                     \
      "Requests that are no JSON-RPC.", "handler")                                                 \
    X(INTAKE_VALIDATION, METRIC_COUNTER, "flowproxy_ingress_validation_errors",                    \
      "Orders that were refused for what they are.", "handler,error")                              \
    X(INTAKE_ONEWAY, METRIC_SUMMARY, "flowproxy_ingress_rpc_latency_oneway_seconds",               \
      "From a peer's sending to the receipt here, by both clocks.", "source,method")               \
    X(INTAKE_BY_PEER, METRIC_COUNTER, "orderflow_proxy_api_incoming_requests_by_peer",             \
      "Orders of a peer.", "peer")                                                                 \
    X(INTAKE_DUPLICATE_BY_PEER, METRIC_COUNTER, "orderflow_proxy_api_duplicate_requests_by_peer",  \
      "Orders of a peer that were known.", "peer")
METRICS_DECLARE(intake_metric, INTAKE_METRICS)

#define BIG_BYTES 50000u /* of a big request: above */

static const char *const handlers[INTAKE_HANDLERS] = {"user", "system"};
static const char *const servers[INTAKE_HANDLERS] = {"user_server", "system_server"};

static struct metric *get(struct metrics *m, enum intake_metric metric, const char *a,
                          const char *b, const char *c) {
    return metrics_get(m, &intake_metric_table[metric], (const char *[]){a, b, c});
}

static void open_methods(struct intake_metrics *m, struct metrics *r, int handler) {
    for (int method = 0; method < ORDER_METHOD_COUNT; method++) {
        const char *name = order_method_name((enum order_method)method), *who = handlers[handler];
        m->request_ms[handler][method] = get(r, INTAKE_REQUEST_MS, name, servers[handler], "total");
        for (int p = 0; p <= ORDER_LOW; p++) {
            m->request[handler][method][p] =
                get(r, INTAKE_REQUEST, who, name, order_priority_name((enum order_priority)p));
        }
    }
}

void intake_metrics_open(struct intake_metrics *m, struct metrics *r) {
    static const char *const stages[INTAKE_STAGES] = {"queue", "signature", "decode", "accept",
                                                      "total"};
    static const char *const outcomes[INTAKE_OUTCOMES] = {"accepted", "duplicate", "stale",
                                                          "refused"};
    m->registry = r;
    for (int s = 0; s < INTAKE_STAGES; s++) {
        m->stage[s] = get(r, INTAKE_STAGE_SECONDS, stages[s], NULL, NULL);
    }
    for (int o = 0; o < INTAKE_OUTCOMES; o++) {
        m->outcome[o] = get(r, INTAKE_ORDERS, outcomes[o], NULL, NULL);
    }
    for (int p = 0; p <= ORDER_LOW; p++) {
        const char *name = order_priority_name((enum order_priority)p);
        m->worker[p] = get(r, INTAKE_WORKER, name, NULL, NULL);
        m->line_full[p] = get(r, INTAKE_LINE_FULL, name, NULL, NULL);
        m->line_filling[p] = get(r, INTAKE_LINE_FILLING, name, NULL, NULL);
    }
    m->handover = metrics_get(r, &intake_metric_table[INTAKE_HANDOVER], NULL);
    for (int h = 0; h < INTAKE_HANDLERS; h++) {
        open_methods(m, r, h);
        m->incorrect[h] = get(r, INTAKE_SERVER_INCORRECT, servers[h], NULL, NULL);
        m->internal[h] = get(r, INTAKE_SERVER_INTERNAL, servers[h], NULL, NULL);
        m->txs[h] = get(r, INTAKE_TXS, handlers[h], NULL, NULL);
        m->empty[h] = get(r, INTAKE_EMPTY, handlers[h], NULL, NULL);
        m->unknown_method[h] = get(r, INTAKE_UNKNOWN, handlers[h], NULL, NULL);
        m->parse_errors[h] = get(r, INTAKE_PARSE, handlers[h], NULL, NULL);
        for (int e = 1; e < INTAKE_ERRORS; e++) {
            m->validation[h][e] = get(r, INTAKE_VALIDATION, handlers[h], error_name(-e), NULL);
        }
    }
}

void intake_metrics_order(struct intake_metrics *m, bool user, const struct order *o,
                          enum order_priority priority, uint64_t total_ns) {
    int h = user ? 0 : 1;
    double ms = (double)total_ns * 1e-6;
    metric_observe_ns(m->request[h][o->method][priority], total_ns);
    metric_observe(m->request_ms[h][o->method], ms);
    if (o->method != ORDER_SEND_BUNDLE) return;
    metric_observe(m->txs[h], (double)o->bundle.txs.count);
    if (o->bundle.txs.count == 0) metric_inc(m->empty[h]);
}

void intake_metrics_refusal(struct intake_metrics *m, bool user, enum order_fault fault, int code) {
    int h = user ? 0 : 1;
    metric_inc(m->outcome[INTAKE_REFUSED]);
    if (fault == ORDER_FAULT_METHOD) metric_inc(m->unknown_method[h]);
    if (fault == ORDER_FAULT_SYNTAX || fault == ORDER_FAULT_VERSION || fault == ORDER_FAULT_ID) {
        metric_inc(m->parse_errors[h]);
    }
    if (fault == ORDER_FAULT_PARAMS && code < 0 && code >= ERR_LOWEST) {
        metric_inc(m->validation[h][-code]);
    }
}

/* The series, made at its first use: two workers get the same one. */
static struct metric *made(struct intake_metrics *m, intake_series *slot, enum intake_metric which,
                           const char *const *labels) {
    struct metric *s = atomic_load_explicit(slot, memory_order_acquire);
    if (s) return s;
    s = metrics_get(m->registry, &intake_metric_table[which], labels);
    atomic_store_explicit(slot, s, memory_order_release);
    return s;
}

static void observe_step(struct intake_metrics *m, const struct intake_request *r,
                         enum intake_step step, uint64_t ns) {
    static const char *const names[INTAKE_STEPS] = {"io", "parse", "call", "response"};
    static const char *const truth[2] = {"false", "true"};
    bool big = r->bytes > BIG_BYTES;
    int h = r->user ? 0 : 1;
    const char *name = r->method < ORDER_METHOD_COUNT
                           ? order_method_name((enum order_method)r->method)
                           : "unknown";
    const char *const labels[] = {name, servers[h], names[step], truth[big]};
    metric_observe(made(m, &m->steps[h][r->method][step][big], INTAKE_SERVER_STEP, labels),
                   (double)ns / NS_PER_MS);
}

static void count_fault(struct intake_metrics *m, int h, int method, const char *const *labels,
                        enum order_fault fault) {
    switch (fault) {
    case ORDER_ACCEPTED:
        return;
    case ORDER_FAULT_INTERNAL:
        metric_inc(m->internal[h]);
        return;
    case ORDER_FAULT_SIZE:
    case ORDER_FAULT_CODING:
    case ORDER_FAULT_SIGNATURE:
    case ORDER_FAULT_SYNTAX:
    case ORDER_FAULT_VERSION:
    case ORDER_FAULT_ID:
    case ORDER_FAULT_METHOD:
        metric_inc(m->incorrect[h]);
        return;
    default:
        metric_inc(made(m, &m->server_errors[h][method], INTAKE_SERVER_ERRORS, labels));
    }
}

void intake_metrics_request(struct intake_metrics *m, const struct intake_request *r) {
    int h = r->user ? 0 : 1, method = r->method;
    bool big = r->bytes > BIG_BYTES, known = method < ORDER_METHOD_COUNT;
    const char *name = known ? order_method_name((enum order_method)method) : "unknown";
    const char *const labels[] = {name, servers[h], big ? "true" : "false"};
    if (!m->registry) return;
    metric_inc(made(m, &m->requests[h][method][big], INTAKE_SERVER_REQUESTS, labels));
    metric_observe(made(m, &m->server_ms[h][method][big], INTAKE_SERVER_MS, labels),
                   (double)r->total_ns / NS_PER_MS);
    count_fault(m, h, method, labels, r->fault);
    if (r->unread) return;
    metric_observe(made(m, &m->sizes[h][method], INTAKE_SERVER_SIZE, labels), (double)r->bytes);
    observe_step(m, r, INTAKE_STEP_IO, r->io_ns);
    if (!known) return;
    observe_step(m, r, INTAKE_STEP_PARSE, r->parse_ns);
    observe_step(m, r, INTAKE_STEP_CALL, r->call_ns);
    if (r->fault == ORDER_ACCEPTED) observe_step(m, r, INTAKE_STEP_RESPONSE, r->response_ns);
    if (r->validation_ns == 0) return;
    const char *const step[] = {name, servers[h], "validation"};
    metric_observe(made(m, &m->validation_ms[h][method], INTAKE_REQUEST_MS, step),
                   (double)r->validation_ns / NS_PER_MS);
}

void intake_metrics_peer(struct intake_metrics *m, const char *peer, enum order_method method,
                         bool duplicate, uint64_t sent_ns, uint64_t received_ns) {
    metric_inc(get(m->registry, INTAKE_BY_PEER, peer, NULL, NULL));
    if (duplicate) metric_inc(get(m->registry, INTAKE_DUPLICATE_BY_PEER, peer, NULL, NULL));
    if (sent_ns == 0 || received_ns < sent_ns) return;
    metric_observe_ns(get(m->registry, INTAKE_ONEWAY, peer, order_method_name(method), NULL),
                      received_ns - sent_ns);
}
