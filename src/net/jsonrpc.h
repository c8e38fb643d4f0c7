/* Jsonrpc: JSON-RPC 2.0 messages, both sides, over any transport.
 *
 * A server that answers at once gives its table of methods to jsonrpc_serve. One that answers
 * later parses with jsonrpc_parse, finds the method itself, keeps the requests (they live in the
 * arena), and writes each answer with jsonrpc_begin_result .. jsonrpc_end_result or
 * jsonrpc_add_failure; answers of a batch may come in any order. A client writes requests with
 * jsonrpc_begin_request .. jsonrpc_end_request and reads with jsonrpc_parse_responses.
 *
 * Ids are kept as the bytes that came: 1, 1.0 and "1" stay what they are.
 *
 * Source: jsonrpc.org/specification. Thread: any; no shared state.
 * Differs: `params: null` counts as no params, as every Ethereum server reads it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_JSONRPC_H
#define NET_JSONRPC_H

#include "json/json.h"
#include "json/write.h"

#define JSONRPC_PARSE_ERROR (-32700)
#define JSONRPC_INVALID_REQUEST (-32600)
#define JSONRPC_METHOD_NOT_FOUND (-32601)
#define JSONRPC_INVALID_PARAMS (-32602)
#define JSONRPC_INTERNAL_ERROR (-32603)

#define JSONRPC_ID_BYTES_MAX 256u

struct jsonrpc_limits {
    struct json_limits json;
    unsigned batch;      /* requests in one batch; 0: batches are refused */
    size_t answer_bytes; /* of all answers to one message (jsonrpc_serve); 0: no limit */
};
#define JSONRPC_LIMITS_DEFAULT                                                                     \
    ((struct jsonrpc_limits){.json = JSON_LIMITS_DEFAULT, .batch = 1000, .answer_bytes = 64u << 20})

struct jsonrpc_request {
    struct bytes method;
    const struct json *params; /* array or object; NULL: none */
    struct bytes id;           /* raw JSON; p NULL: a notification, which gets no answer */
    const char *invalid;       /* not NULL: no request; answer JSONRPC_INVALID_REQUEST with this */
};

struct jsonrpc_batch {
    struct jsonrpc_request *item;
    size_t count;
    bool is_array; /* answers go into an array; one message without array else */
};

/* jsonrpc_parse reads one message. What `ret` points to lies in `body` and `a`.
 * limits   NULL for JSONRPC_LIMITS_DEFAULT.
 * errors   ERR_SYNTAX (no JSON: answer JSONRPC_PARSE_ERROR), ERR_INVALID (an empty batch, or no
 *          object: JSONRPC_INVALID_REQUEST), ERR_LIMIT; jsonrpc_add_refusal answers all three. */
[[gnu::warn_unused_result]] int jsonrpc_parse(struct jsonrpc_batch *ret, struct bytes body,
                                              struct arena *a, const struct jsonrpc_limits *limits,
                                              struct error *why);

/* ---- answers ---- */

struct jsonrpc_answers {
    struct json_writer w;
    struct buf *out;
    size_t start;
    struct json_writer undo_w; /* of the result that is being written */
    size_t undo_n;
    bool is_array;
    unsigned count;
};

/* jsonrpc_answers_begin starts to write the answers to one message onto `out`;
 * jsonrpc_answers_end completes them. Nothing at all is written when all were notifications. */
void jsonrpc_answers_begin(struct jsonrpc_answers *r, struct buf *out, bool is_array);
void jsonrpc_answers_end(struct jsonrpc_answers *r);

/* jsonrpc_begin_result gives the writer for exactly one value with key NULL. Then
 * jsonrpc_end_result; or jsonrpc_undo_result, which forgets what was written. */
struct json_writer *jsonrpc_begin_result(struct jsonrpc_answers *r, struct bytes id);
void jsonrpc_end_result(struct jsonrpc_answers *r);
void jsonrpc_undo_result(struct jsonrpc_answers *r);

/* jsonrpc_add_error answers with an error object. id: p NULL is written as null. data: JSON, or
 * empty. */
void jsonrpc_add_error(struct jsonrpc_answers *r, struct bytes id, int code, const char *message,
                       struct bytes data);
/* jsonrpc_add_failure answers with the code of base/error.h's table and the error's text; failures
 * of our own side (memory, I/O, invariants) tell nothing of themselves. */
void jsonrpc_add_failure(struct jsonrpc_answers *r, struct bytes id, const struct error *why);
/* jsonrpc_add_refusal answers a message that jsonrpc_parse refused. */
void jsonrpc_add_refusal(struct jsonrpc_answers *r, const struct error *why);

/* jsonrpc_code_of: the JSON-RPC code of a failed call: ERR_SYNTAX is a fault in the params here. */
int jsonrpc_code_of(int code);

/* ---- a table of methods that answer at once ---- */

struct jsonrpc_method {
    struct bytes name; /* BYTES_LIT("eth_chainId") */
    /* Writes one value with key NULL to `result`, or fails; what it wrote is dropped then. */
    int (*call)(void *context, const struct jsonrpc_request *r, struct json_writer *result,
                struct arena *a, struct error *why);
};

/* jsonrpc_find gives the method's row; NULL when there is none. */
const struct jsonrpc_method *jsonrpc_find(const struct jsonrpc_method *methods, size_t count,
                                          struct bytes name);

/* jsonrpc_serve answers one message: parses, calls, writes onto `out`; an empty `out` means that
 * there is nothing to send (HTTP 204). Errors of messages are answers, not errors.
 * errors   the buf's: ERR_NO_MEMORY, ERR_LIMIT. */
[[gnu::warn_unused_result]] int jsonrpc_serve(struct buf *out, const struct jsonrpc_method *methods,
                                              size_t count, void *context, struct bytes body,
                                              struct arena *a, const struct jsonrpc_limits *limits,
                                              struct error *why);

/* ---- the client's side ---- */

/* jsonrpc_begin_request writes a request up to its params, which the caller adds as one array or
 * object with key NULL; jsonrpc_end_request closes it. Inside json_begin_array they make a batch.
 * jsonrpc_begin_notification: the same without an id. */
void jsonrpc_begin_request(struct json_writer *w, uint64_t id, const char *method);
void jsonrpc_begin_notification(struct json_writer *w, const char *method);
void jsonrpc_end_request(struct json_writer *w);

struct jsonrpc_response {
    struct bytes id;           /* raw JSON */
    const struct json *result; /* NULL: it failed */
    int64_t code;              /* of the error */
    struct bytes message;
    const struct json *data; /* of the error; NULL: none */
};

struct jsonrpc_responses {
    struct jsonrpc_response *item;
    size_t count;
};

/* jsonrpc_parse_responses reads an answer or an array of them. What `ret` points to lies in `body`
 * and `a`.  errors   ERR_SYNTAX, ERR_INVALID (not JSON-RPC 2.0), ERR_LIMIT. */
[[gnu::warn_unused_result]] int jsonrpc_parse_responses(struct jsonrpc_responses *ret,
                                                        struct bytes body, struct arena *a,
                                                        const struct jsonrpc_limits *limits,
                                                        struct error *why);

/* jsonrpc_response_to finds the answer to the request with that id; NULL when there is none. */
const struct jsonrpc_response *jsonrpc_response_to(const struct jsonrpc_responses *r, uint64_t id);

/* jsonrpc_failure_of turns an error answer into one of ours, whose text holds the peer's code and
 * message with control characters blanked; 0 for a result. */
int jsonrpc_failure_of(const struct jsonrpc_response *r, struct error *why);

#endif
