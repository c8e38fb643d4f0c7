/* SPDX-License-Identifier: MIT */
#include "orderflow/forward_metrics.h"

#include "json/json.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#define BIG_BYTES 50000u /* the first generation's big begins here, the second's above */
#define PEER "peer,method,system_endpoint,is_big"
#define TO "peer_name,transport"

#define FORWARD_METRICS(X)                                                                         \
    X(PEER_ERRORS, METRIC_COUNTER, "orderflow_proxy_share_queue_peer_rpc_errors",                  \
      "Attempts to give an order that failed or were answered with an error.", "peer")             \
    X(PEER_RPC, METRIC_SUMMARY, "orderflow_proxy_share_queue_peer_rpc_duration_milliseconds",      \
      "Milliseconds from sending an order to its answer.", "peer,is_big")                          \
    X(PEER_QUEUE, METRIC_SUMMARY, "orderflow_proxy_share_queue_peer_queue_duration_milliseconds",  \
      "Milliseconds from an order's receipt to its sending.", PEER)                                \
    X(PEER_E2E, METRIC_SUMMARY, "orderflow_proxy_share_queue_peer_e2e_duration_milliseconds",      \
      "Milliseconds from an order's receipt to its answer.", PEER)                                 \
    X(CONNECT_FAILURES, METRIC_COUNTER, "flowproxy_forwarder_http_connect_failures",               \
      "Calls for which no connection was made.", TO ",reason")                                     \
    X(HTTP_FAILURES, METRIC_COUNTER, "flowproxy_forwarder_http_call_failures",                     \
      "Calls without an answer, or with one of another status than success.", TO ",reason")        \
    X(TCP_FAILURES, METRIC_COUNTER, "flowproxy_forwarder_tcp_call_failures",                       \
      "Orders without answer when their session ended; they are sent again.", TO ",reason")        \
    X(TCP_REFUSED, METRIC_COUNTER, "flowproxy_forwarder_tcp_response_failures",                    \
      "Orders that were answered with an error.", TO ",reason")                                    \
    X(IN_FLIGHT, METRIC_GAUGE, "flowproxy_forwarder_inflight_requests",                            \
      "Orders sent and not answered.", TO)                                                         \
    X(UNDECODED, METRIC_COUNTER, "flowproxy_forwarder_json_rpc_decoding_failures",                 \
      "Answers of no success that are no JSON-RPC.", TO)                                           \
    X(DURATION, METRIC_SUMMARY, "flowproxy_forwarder_rpc_call_duration",                           \
      "Seconds from sending an order to its answer.", TO ",order_type,big_request")                \
    X(RPC_FAILURES, METRIC_COUNTER, "flowproxy_forwarder_rpc_call_failures",                       \
      "Answers with a JSON-RPC error, by its code.", TO ",rpc_code")                               \
    X(CONGESTION, METRIC_GAUGE, "flowproxy_socket_congestion_window",                              \
      "Bytes that the kernel lets be on their way.", "peer_name,id,range")                         \
    X(RECEIVE, METRIC_GAUGE, "flowproxy_socket_receive_window",                                    \
      "Bytes that the kernel lets the peer send.", "peer_name,id,range")                           \
    X(RETRANSMITTED, METRIC_GAUGE, "flowproxy_socket_retransmitted_bytes",                         \
      "Bytes sent again on the connection.", "peer_name,id,range")                                 \
    X(RETRANSMITS, METRIC_GAUGE, "flowproxy_socket_retransmitted_packets",                         \
      "Packets sent again on the connection.", "peer_name,id,range")
METRICS_DECLARE(forward_metric, FORWARD_METRICS)

#define MS(ns) ((double)(ns) / NS_PER_MS)

static const char *const transports[FORWARD_TRANSPORTS] = {"http", "tcp"};
static const char *const truth[2] = {"false", "true"};

unsigned forward_type(const struct flow_order *o) {
    enum order_method m = o->order.method;
    return m == ORDER_SEND_RAW_TX   ? FORWARD_TRANSACTION
           : m == ORDER_SEND_BUNDLE ? FORWARD_BUNDLE
                                    : FORWARD_SYSTEM;
}

const char *forward_type_name(unsigned type) {
    static const char *const names[FORWARD_TYPES] = {"bundle", "transaction", "system"};
    return names[type];
}

/* The series, made at its first use. */
static struct metric *made(struct forward_metrics *m, struct metric **slot,
                           enum forward_metric which, const char *const *labels) {
    if (!*slot) *slot = metrics_get(m->registry, &forward_metric_table[which], labels);
    return *slot;
}

void forward_metrics_open(struct forward_metrics *m, struct metrics *registry, const char *name) {
    memset(m, 0, sizeof *m);
    m->registry = registry;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    (void)made(m, &m->rpc_errors, PEER_ERRORS, (const char *[]){m->name});
}

/* None when the wall clock was set back between. */
static uint64_t since(uint64_t then_ns, uint64_t now_ns) {
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static void observe_first(struct forward_metrics *m, const struct flow_order *o, uint64_t sent_ns,
                          uint64_t now_ns) {
    bool big = o->bytes >= BIG_BYTES, peers = o->source == FLOW_FROM_PEER;
    enum order_method method = o->order.method;
    const char *const labels[] = {m->name, order_method_name(method), truth[peers], truth[big]};
    const char *const short_labels[] = {m->name, truth[big]};
    metric_observe(made(m, &m->rpc_ms[big], PEER_RPC, short_labels), MS(now_ns - sent_ns));
    // Of orders of the journal the time that the process was away is no queue's.
    if (o->source == FLOW_FROM_JOURNAL) return;
    metric_observe(made(m, &m->queue_ms[method][peers][big], PEER_QUEUE, labels),
                   MS(since(o->received_ns, sent_ns)));
    metric_observe(made(m, &m->e2e_ms[method][peers][big], PEER_E2E, labels),
                   MS(since(o->received_ns, now_ns)));
}

void forward_answered(struct forward_metrics *m, enum forward_transport t,
                      const struct flow_order *o, uint64_t sent_ns, uint64_t now_ns, bool success) {
    if (!m->registry || now_ns < sent_ns) return; // the clock was set back
    unsigned type = forward_type(o);
    bool big = o->bytes > BIG_BYTES;
    const char *const labels[] = {m->name, transports[t], forward_type_name(type), truth[big]};
    if (success) {
        metric_observe_ns(made(m, &m->duration[t][type][big], DURATION, labels), now_ns - sent_ns);
    }
    observe_first(m, o, sent_ns, now_ns);
}

void forward_failed(struct forward_metrics *m, enum forward_transport t, enum forward_failure f,
                    const char *reason, uint64_t n) {
    enum forward_metric which = t == FORWARD_HTTP
                                    ? f == FORWARD_NOT_CONNECTED ? CONNECT_FAILURES : HTTP_FAILURES
                                : f == FORWARD_REFUSED ? TCP_REFUSED
                                                       : TCP_FAILURES;
    const char *const labels[] = {m->name, transports[t], reason};
    if (n == 0) return;
    metric_add(m->rpc_errors, n);
    metric_add(metrics_get(m->registry, &forward_metric_table[which], labels), n);
}

void forward_refusal(struct forward_metrics *m, struct bytes text, bool whole) {
    struct arena arena;
    const struct json *doc;
    char code[12] = "other";
    int64_t number;
    arena_init(&arena, 64u << 10);
    if (json_parse(&doc, text, &arena, NULL, NULL) == 0) {
        const struct json *error = json_get(doc, "error");
        // The codes that JSON-RPC sets aside: others are the peer's to choose, and a label's to
        // bound.
        if (json_get_i64(&number, error, "code", NULL) == 0 && number >= -32768 &&
            number <= -32000) {
            (void)snprintf(code, sizeof code, "%d", (int)number);
        }
        const char *const labels[] = {m->name, transports[FORWARD_HTTP], code};
        if (error && !json_is_null(error)) {
            metric_inc(metrics_get(m->registry, &forward_metric_table[RPC_FAILURES], labels));
        }
    } else if (whole) {
        metric_inc(
            made(m, &m->undecoded, UNDECODED, (const char *[]){m->name, transports[FORWARD_HTTP]}));
    }
    arena_free(&arena);
}

void forward_in_flight(struct forward_metrics *m, enum forward_transport t, uint64_t count) {
    metric_set(made(m, &m->in_flight[t], IN_FLIGHT, (const char *[]){m->name, transports[t]}),
               (double)count);
}

/* The receive window stands behind what headers older than 6.2 know of the structure. */
#define RECEIVE_WINDOW_AT (offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(uint32_t))

void forward_socket(struct forward_metrics *m, int fd) {
    union {
        struct tcp_info info;
        uint8_t bytes[512];
    } u = {.bytes = {0}};
    socklen_t n = sizeof u;
    uint32_t window;
    // One session carries messages of all sizes.
    const char *const labels[] = {m->name, "0", "0..18446744073709551615"};
    if (!m->registry || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &u, &n) != 0) return;
    // What an older kernel does not tell is left out, not zero.
    if (n < RECEIVE_WINDOW_AT) return;
    metric_set(made(m, &m->socket[0], CONGESTION, labels),
               (double)u.info.tcpi_snd_cwnd * u.info.tcpi_snd_mss);
    metric_set(made(m, &m->socket[2], RETRANSMITTED, labels), (double)u.info.tcpi_bytes_retrans);
    metric_set(made(m, &m->socket[3], RETRANSMITS, labels), (double)u.info.tcpi_total_retrans);
    if (n < RECEIVE_WINDOW_AT + sizeof window) return;
    memcpy(&window, u.bytes + RECEIVE_WINDOW_AT, sizeof window);
    metric_set(made(m, &m->socket[1], RECEIVE, labels), (double)window);
}
