/* The envelope of a request: JSON-RPC as each generation reads it, and the refusals both give.
 * Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ORDER_ENVELOPE_H
#define ORDERFLOW_ORDER_ENVELOPE_H

#include "orderflow/order_request.h"

/* Why a request goes no further, in the order in which it is checked. */
enum order_fault {
    ORDER_ACCEPTED,
    ORDER_FAULT_BACKUP,    /* the history's disk is full; second generation */
    ORDER_FAULT_SIZE,      /* the body is too long */
    ORDER_FAULT_CODING,    /* it is compressed in a way that is not undone */
    ORDER_FAULT_SIGNATURE, /* no signature, or a wrong one */
    ORDER_FAULT_RATE,      /* too many requests of one signer */
    ORDER_FAULT_SYNTAX,    /* no JSON, or no JSON-RPC request */
    ORDER_FAULT_VERSION,   /* jsonrpc is not "2.0" */
    ORDER_FAULT_ID,        /* of a wrong type */
    ORDER_FAULT_METHOD,    /* unknown */
    ORDER_FAULT_COUNT,     /* of parameters */
    ORDER_FAULT_STRANGER,  /* the peers' listener, and no peer */
    ORDER_FAULT_PARAMS,    /* the order itself is refused */
    ORDER_FAULT_BUSY,      /* more waits than the node takes; come again */
    ORDER_FAULT_INTERNAL,
};

struct order_envelope {
    struct bytes id;          /* raw JSON; "null" where it is not known */
    struct bytes method;      /* as it was written */
    const struct json *param; /* the only parameter; NULL: none was given */
};

/* order_envelope_parse reads a message and finds its parameter; ret->id is set also on errors that
 * come after the id was read.
 * fault   ORDER_ACCEPTED or why not.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_LIMIT, ERR_NOT_FOUND; the text as the first generation says
 *         it. */
[[gnu::warn_unused_result]] int order_envelope_parse(struct order_envelope *ret,
                                                     enum order_fault *fault, struct bytes body,
                                                     enum order_generation generation,
                                                     struct arena *a, struct error *why);

struct order_refusal {
    int code; /* JSON-RPC */
    int http_status;
    bool null_id; /* the answer's id is null */
    const char *message;
};

/* order_refusal_of gives the answer to a refused request. `message` points into `why`, into the
 * arena or to a constant. method  for ORDER_FAULT_METHOD in the second generation. */
struct order_refusal order_refusal_of(enum order_fault fault, enum order_generation generation,
                                      struct bytes method, const struct error *why,
                                      struct arena *a);

#endif
