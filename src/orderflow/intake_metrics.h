/* What the intake counts, under the deployed proxies' names and our own. Handles are made once;
 * labels are bounded: methods, priorities, codes of errors, names of peers.
 * Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy. Thread: any.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_INTAKE_METRICS_H
#define ORDERFLOW_INTAKE_METRICS_H

#include "base/metrics.h"
#include "orderflow/order_envelope.h"
#include "orderflow/priority.h"

/* Times of the stages, for histograms. */
enum intake_stage {
    INTAKE_STAGE_QUEUE,     /* from the last byte to a worker */
    INTAKE_STAGE_SIGNATURE, /* hash and recovery */
    INTAKE_STAGE_DECODE,    /* JSON, transactions, senders */
    INTAKE_STAGE_ACCEPT,    /* duplicates, journal, handing on */
    INTAKE_STAGE_TOTAL,     /* from the last byte to the reply */
    INTAKE_STAGES,
};

enum intake_outcome {
    INTAKE_ACCEPTED,
    INTAKE_DUPLICATE,
    INTAKE_STALE,
    INTAKE_REFUSED,
    INTAKE_OUTCOMES,
};

#define INTAKE_HANDLERS 2 /* user, system */
#define INTAKE_ERRORS (-ERR_LOWEST + 1)

typedef _Atomic(struct metric *) intake_series;

/* Parts of a request as the first generation's server times them: reading it, its signature and
 * JSON, the order, writing the answer. */
enum intake_step {
    INTAKE_STEP_IO,
    INTAKE_STEP_PARSE,
    INTAKE_STEP_CALL,
    INTAKE_STEP_RESPONSE,
    INTAKE_STEPS
};

/* One JSON-RPC request over HTTP that was answered. */
struct intake_request {
    bool user;
    bool unread; /* only its total time is known, and its size is not */
    int method;  /* ORDER_METHOD_COUNT: not known; then only the first step is */
    enum order_fault fault;
    size_t bytes;
    uint64_t io_ns, parse_ns, call_ns, response_ns, total_ns;
    uint64_t validation_ns; /* 0: it did not come to that */
};

struct intake_metrics {
    struct metrics *registry;
    struct metric *stage[INTAKE_STAGES];
    struct metric *outcome[INTAKE_OUTCOMES];
    struct metric *handover;
    struct metric *request[INTAKE_HANDLERS][ORDER_METHOD_COUNT][ORDER_LOW + 1]; /* seconds */
    struct metric *request_ms[INTAKE_HANDLERS][ORDER_METHOD_COUNT];
    struct metric *worker[ORDER_LOW + 1]; /* seconds, by lane */
    struct metric *line_full[ORDER_LOW + 1], *line_filling[ORDER_LOW + 1];
    struct metric *incorrect[INTAKE_HANDLERS], *internal[INTAKE_HANDLERS];
    /* Made when first used, by whichever worker; the last method: not known. */
    intake_series requests[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1][2];  /* big */
    intake_series server_ms[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1][2]; /* big */
    intake_series steps[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1][INTAKE_STEPS][2];
    intake_series sizes[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1];
    intake_series server_errors[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1];
    intake_series validation_ms[INTAKE_HANDLERS][ORDER_METHOD_COUNT + 1];
    struct metric *txs[INTAKE_HANDLERS], *empty[INTAKE_HANDLERS];
    struct metric *unknown_method[INTAKE_HANDLERS], *parse_errors[INTAKE_HANDLERS];
    struct metric *validation[INTAKE_HANDLERS][INTAKE_ERRORS];
};

void intake_metrics_open(struct intake_metrics *m, struct metrics *registry);

/* One order that was judged: by whom it came, how long it took, from the last byte on. */
void intake_metrics_order(struct intake_metrics *m, bool user, const struct order *o,
                          enum order_priority priority, uint64_t total_ns);
/* One request that was refused. code  of its error. */
void intake_metrics_refusal(struct intake_metrics *m, bool user, enum order_fault fault, int code);
void intake_metrics_request(struct intake_metrics *m, const struct intake_request *r);
/* One message of a peer. sent_ns  0: the peer did not say. */
void intake_metrics_peer(struct intake_metrics *m, const char *peer, enum order_method method,
                         bool duplicate, uint64_t sent_ns, uint64_t received_ns);

#endif
