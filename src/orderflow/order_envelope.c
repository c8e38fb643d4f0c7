/* SPDX-License-Identifier: MIT */
#include "orderflow/order_envelope.h"

#include "orderflow/order_request.h"

#define METHOD_SHOWN_MAX 100

static const struct json_limits envelope_limits = {ORDER_BODY_MAX_FIRST, 64, 1u << 20, false};

static int fail(enum order_fault *ret, enum order_fault fault, struct error *why, enum err code,
                const char *text) {
    *ret = fault;
    return error_set(why, code, "%s", text);
}

static int read_params(struct order_envelope *ret, enum order_fault *fault, const struct json *doc,
                       enum order_generation generation, struct error *why) {
    const struct json *params = json_get(doc, "params");
    bool first = generation == ORDER_FIRST;
    if (json_type_of(params) != JSON_ARRAY && !(first && json_is_null(params))) {
        return fail(fault, first ? ORDER_FAULT_SYNTAX : ORDER_FAULT_COUNT, why, ERR_INVALID,
                    "params is not an array");
    }
    if (json_count(params) > 1) {
        return fail(fault, ORDER_FAULT_COUNT, why, ERR_INVALID, "too much arguments");
    }
    if (!first && json_count(params) == 0) {
        return fail(fault, ORDER_FAULT_COUNT, why, ERR_INVALID, "params has no element");
    }
    ret->param = json_first(params);
    return 0;
}

int order_envelope_parse(struct order_envelope *ret, enum order_fault *fault, struct bytes body,
                         enum order_generation generation, struct arena *a, struct error *why) {
    const struct json *doc;
    *ret = (struct order_envelope){BYTES_LIT("null"), {NULL, 0}, NULL};
    *fault = ORDER_ACCEPTED;
    int r = json_parse(&doc, body, a, &envelope_limits, why);
    if (r != 0) {
        *fault = ORDER_FAULT_SYNTAX;
        return r;
    }
    if (json_type_of(doc) != JSON_OBJECT) {
        return fail(fault, ORDER_FAULT_SYNTAX, why, ERR_INVALID, "the request is not an object");
    }
    const struct json *id = json_get(doc, "id"), *version = json_get(doc, "jsonrpc");
    if (json_type_of(version) != JSON_STRING || !bytes_equal_str(json_text(version), "2.0")) {
        return fail(fault, ORDER_FAULT_VERSION, why, ERR_INVALID, "invalid jsonrpc version");
    }
    bool missing = !id && generation == ORDER_SECOND;
    enum json_type type = json_type_of(id);
    if (missing || (type != JSON_NULL && type != JSON_STRING && type != JSON_NUMBER)) {
        return fail(fault, ORDER_FAULT_ID, why, ERR_INVALID, "invalid id type");
    }
    if (id) ret->id = json_raw(id);
    const struct json *method = json_get(doc, "method");
    if (method && method->type != JSON_STRING) {
        return fail(fault, ORDER_FAULT_SYNTAX, why, ERR_INVALID, "method is not a string");
    }
    ret->method = method ? json_text(method) : (struct bytes){NULL, 0};
    if (order_method_find(ret->method, generation) < 0) {
        return fail(fault, ORDER_FAULT_METHOD, why, ERR_NOT_FOUND, "method not found");
    }
    return read_params(ret, fault, doc, generation, why);
}

/* What each generation answers; NULL: the error's own text. */
static const struct refusal_row {
    struct order_refusal first, second;
} rows[] = {
    [ORDER_FAULT_BACKUP] = {{-32603, 200, true, "Disk full"}, {-32603, 500, true, "Disk full"}},
    [ORDER_FAULT_SIZE] = {{-32600, 200, true, NULL}, {-32600, 413, true, "Invalid Request"}},
    [ORDER_FAULT_CODING] = {{-32600, 415, true, NULL}, {-32600, 415, true, "Invalid Request"}},
    [ORDER_FAULT_SIGNATURE] = {{-32600, 200, true, NULL}, {-32603, 400, true, "Invalid signature"}},
    [ORDER_FAULT_RATE] = {{-32000, 200, false, "requests to user API are rate limited"},
                          {-32603, 429, true, "Rate limited"}},
    [ORDER_FAULT_SYNTAX] = {{-32700, 200, true, NULL}, {-32700, 400, true, "Parse error"}},
    [ORDER_FAULT_VERSION] = {{-32700, 200, true, NULL}, {-32600, 400, true, "Invalid Request"}},
    [ORDER_FAULT_ID] = {{-32700, 200, true, NULL}, {-32700, 400, true, "Parse error"}},
    [ORDER_FAULT_METHOD] = {{-32601, 200, false, "method not found"}, {-32601, 404, false, NULL}},
    [ORDER_FAULT_COUNT] = {{-32000, 200, false, NULL}, {-32602, 400, false, "Invalid params"}},
    [ORDER_FAULT_PARAMS] = {{-32000, 200, false, NULL}, {-32602, 400, false, "Invalid params"}},
    [ORDER_FAULT_STRANGER] = {{-32000, 200, false,
                               "unknown peers can't send to the system address"},
                              {-32603, 400, true, "Invalid signature"}},
    [ORDER_FAULT_BUSY] = {{-32005, 503, false, "Busy"}, {-32005, 503, false, "Busy"}},
    [ORDER_FAULT_INTERNAL] = {{-32000, 200, false, "internal error"},
                              {-32603, 500, false, "Internal error"}},
};

struct order_refusal order_refusal_of(enum order_fault fault, enum order_generation generation,
                                      struct bytes method, const struct error *why,
                                      struct arena *a) {
    const struct refusal_row *row = &rows[fault];
    struct order_refusal r = generation == ORDER_FIRST ? row->first : row->second;
    if (r.message) return r;
    r.message = why->text;
    if (generation == ORDER_SECOND) {
        size_t n = method.n < METHOD_SHOWN_MAX ? method.n : METHOD_SHOWN_MAX;
        r.message =
            arena_printf(a, "Method not found: %.*s", (int)n, n ? (const char *)method.p : "");
        if (!r.message) r.message = "Method not found";
    }
    return r;
}
