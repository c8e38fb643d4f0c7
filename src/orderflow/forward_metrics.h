/* What forwarding an order, to a peer or to the builder, is counted as under the deployed proxies'
 * names. Durations are made when first observed, for most combinations of labels never occur.
 * Source: flashbots/buildernet-orderflow-proxy (proxy/metrics.go) and BuilderNet/FlowProxy
 * (src/metrics.rs). Thread: one, the loop's. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_FORWARD_METRICS_H
#define ORDERFLOW_FORWARD_METRICS_H

#include "base/metrics.h"
#include "orderflow/order.h"

#define FORWARD_BUILDER "local-builder" /* the builder's name among the peers' */

enum forward_transport { FORWARD_HTTP, FORWARD_TCP, FORWARD_TRANSPORTS };

/* What came of an attempt, besides an answer that says the order was taken. */
enum forward_failure {
    FORWARD_NOT_CONNECTED, /* HTTP: no connection was made */
    FORWARD_NO_ANSWER,     /* sent, and the connection failed before the answer */
    FORWARD_REFUSED,       /* answered: not taken */
};

enum { FORWARD_BUNDLE, FORWARD_TRANSACTION, FORWARD_SYSTEM, FORWARD_TYPES };

struct forward_metrics {
    struct metrics *registry;
    char name[FLOW_PEER_NAME_MAX];
    struct metric *rpc_errors;
    struct metric *rpc_ms[2]; /* big */
    struct metric *queue_ms[ORDER_METHOD_COUNT][2][2], *e2e_ms[ORDER_METHOD_COUNT][2][2];
    struct metric *duration[FORWARD_TRANSPORTS][FORWARD_TYPES][2];
    struct metric *in_flight[FORWARD_TRANSPORTS], *undecoded;
    struct metric *socket[4];
};

/* forward_metrics_open: registry NULL counts nothing. name is copied. */
void forward_metrics_open(struct forward_metrics *m, struct metrics *registry, const char *name);

/* forward_answered: an order that was sent at sent_ns was answered (wall clock).
 * success  of HTTP: its status says so; the second generation counts no other's time. */
void forward_answered(struct forward_metrics *m, enum forward_transport t,
                      const struct flow_order *o, uint64_t sent_ns, uint64_t now_ns, bool success);
/* forward_failed counts n attempts. reason  of few kinds: it is a label. */
void forward_failed(struct forward_metrics *m, enum forward_transport t, enum forward_failure f,
                    const char *reason, uint64_t n);
/* forward_refusal looks into the text of an HTTP answer that is no success.
 * whole  the text is all of it. */
void forward_refusal(struct forward_metrics *m, struct bytes text, bool whole);
void forward_in_flight(struct forward_metrics *m, enum forward_transport t, uint64_t count);
/* forward_socket reads the kernel's figures of a connection to the peer. */
void forward_socket(struct forward_metrics *m, int fd);

/* forward_type: bundle, transaction, or what only one generation has. */
unsigned forward_type(const struct flow_order *o);
const char *forward_type_name(unsigned type);

#endif
