/* SPDX-License-Identifier: MIT */
#include "net/jsonrpc.h"

#include <stdio.h>

/* ---- requests coming in ---- */

static bool is_version_2(const struct json *v) {
    return json_type_of(v) == JSON_STRING && bytes_equal(json_text(v), BYTES_LIT("2.0"));
}

/* The raw id when it is one that can be given back. */
static bool take_id(struct bytes *ret, const struct json *object) {
    const struct json *id = json_get(object, "id");
    *ret = (struct bytes){NULL, 0};
    if (!id) return true;
    enum json_type type = json_type_of(id);
    if (type != JSON_STRING && type != JSON_NUMBER && type != JSON_NULL) return false;
    if (json_raw(id).n > JSONRPC_ID_BYTES_MAX) return false;
    *ret = json_raw(id);
    return true;
}

static void read_request(struct jsonrpc_request *ret, const struct json *v) {
    *ret = (struct jsonrpc_request){.invalid = "the request is no object"};
    if (!json_as_object(v)) return;
    ret->invalid = "the id is no string, number or null";
    if (!take_id(&ret->id, v)) return;
    ret->invalid = "jsonrpc is not \"2.0\"";
    if (!is_version_2(json_get(v, "jsonrpc"))) return;
    const struct json *method = json_get(v, "method"), *params = json_get(v, "params");
    ret->invalid = "the method is no string";
    if (json_type_of(method) != JSON_STRING) return;
    ret->invalid = "the params are no array or object";
    if (!json_is_null(params) && json_type_of(params) < JSON_ARRAY) return;
    ret->method = json_text(method);
    ret->params = json_is_null(params) ? NULL : params;
    ret->invalid = NULL;
}

int jsonrpc_parse(struct jsonrpc_batch *ret, struct bytes body, struct arena *a,
                  const struct jsonrpc_limits *limits, struct error *why) {
    struct jsonrpc_limits standard = JSONRPC_LIMITS_DEFAULT;
    const struct json *doc;
    if (!limits) limits = &standard;
    int r = json_parse(&doc, body, a, &limits->json, why);
    if (r == ERR_INVALID) return error_set(why, ERR_SYNTAX, "a key comes twice"); // is no JSON here
    if (r < 0) return r;
    struct jsonrpc_batch out = {.is_array = json_type_of(doc) == JSON_ARRAY, .count = 1};
    if (out.is_array) out.count = json_count(doc);
    if (out.count == 0) return error_set(why, ERR_INVALID, "an empty batch");
    if (out.is_array && out.count > limits->batch) {
        return error_set(why, ERR_LIMIT, "a batch has at most %u requests", limits->batch);
    }
    out.item = arena_new_array(a, struct jsonrpc_request, out.count);
    if (!out.item) return error_set(why, ERR_LIMIT, "no memory for the requests");
    size_t i = 0;
    if (!out.is_array) read_request(out.item, doc);
    if (out.is_array) {
        json_each(v, doc) {
            read_request(&out.item[i++], v);
        }
    }
    *ret = out;
    return 0;
}

/* ---- answers ---- */

void jsonrpc_answers_begin(struct jsonrpc_answers *r, struct buf *out, bool is_array) {
    memset(r, 0, sizeof *r);
    r->out = out;
    r->start = out->n;
    r->is_array = is_array;
    json_writer_init(&r->w, out, 0);
}

void jsonrpc_answers_end(struct jsonrpc_answers *r) {
    if (r->count && r->is_array) json_end(&r->w);
}

/* {"jsonrpc":"2.0","id":...; the array opens with its first answer. */
static void begin_answer(struct jsonrpc_answers *r, struct bytes id) {
    r->undo_w = r->w;
    r->undo_n = r->out->n;
    if (r->is_array && r->count == 0) json_begin_array(&r->w, NULL);
    r->count++;
    json_begin_object(&r->w, NULL);
    json_add_str(&r->w, "jsonrpc", "2.0");
    json_add_raw(&r->w, "id", id.p ? id : BYTES_LIT("null"));
}

struct json_writer *jsonrpc_begin_result(struct jsonrpc_answers *r, struct bytes id) {
    begin_answer(r, id);
    json_add_key(&r->w, BYTES_LIT("result"));
    return &r->w;
}

void jsonrpc_end_result(struct jsonrpc_answers *r) {
    json_end(&r->w);
}

void jsonrpc_undo_result(struct jsonrpc_answers *r) {
    if (!r->out->failed) r->out->n = r->undo_n;
    r->w = r->undo_w;
    r->count--;
}

void jsonrpc_add_error(struct jsonrpc_answers *r, struct bytes id, int code, const char *message,
                       struct bytes data) {
    begin_answer(r, id);
    json_begin_object(&r->w, "error");
    json_add_i64(&r->w, "code", code);
    json_add_str(&r->w, "message", message);
    if (data.n) json_add_raw(&r->w, "data", data);
    json_end(&r->w);
    json_end(&r->w);
}

int jsonrpc_code_of(int code) {
    return code == ERR_SYNTAX ? JSONRPC_INVALID_PARAMS : error_class_of(code)->json_rpc_code;
}

void jsonrpc_add_failure(struct jsonrpc_answers *r, struct bytes id, const struct error *why) {
    bool ours = why->code == ERR_IO || why->code == ERR_NO_MEMORY || why->code == ERR_INTERNAL;
    const char *text = ours || !why->text[0] ? error_name(why->code) : why->text;
    jsonrpc_add_error(r, id, jsonrpc_code_of(why->code), text, (struct bytes){NULL, 0});
}

void jsonrpc_add_refusal(struct jsonrpc_answers *r, const struct error *why) {
    int code = why->code == ERR_SYNTAX    ? JSONRPC_PARSE_ERROR
               : why->code == ERR_INVALID ? JSONRPC_INVALID_REQUEST
                                          : error_class_of(why->code)->json_rpc_code;
    bool array = r->is_array;
    r->is_array = false; // a message that cannot be read gets one answer
    jsonrpc_add_error(r, (struct bytes){NULL, 0}, code, why->text, (struct bytes){NULL, 0});
    r->count = 0;
    r->is_array = array;
}

/* ---- a table of methods ---- */

const struct jsonrpc_method *jsonrpc_find(const struct jsonrpc_method *methods, size_t count,
                                          struct bytes name) {
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(methods[i].name, name)) return &methods[i];
    }
    return NULL;
}

static void call_method(struct jsonrpc_answers *answers, const struct jsonrpc_method *method,
                        void *context, const struct jsonrpc_request *r, struct arena *a) {
    struct error why = {.code = ERR_INTERNAL};
    struct json_writer *w = jsonrpc_begin_result(answers, r->id);
    int code = method->call(context, r, w, a, &why);
    if (code == 0 && r->id.p) {
        jsonrpc_end_result(answers);
        return;
    }
    jsonrpc_undo_result(answers);
    if (code == 0 || !r->id.p) return;
    why.code = (enum err)code;
    jsonrpc_add_failure(answers, r->id, &why);
}

static void serve_one(struct jsonrpc_answers *answers, const struct jsonrpc_method *methods,
                      size_t count, void *context, const struct jsonrpc_request *r,
                      struct arena *a) {
    struct bytes none = {NULL, 0};
    if (r->invalid) {
        jsonrpc_add_error(answers, r->id, JSONRPC_INVALID_REQUEST, r->invalid, none);
        return;
    }
    const struct jsonrpc_method *method = jsonrpc_find(methods, count, r->method);
    if (method) {
        call_method(answers, method, context, r, a);
    } else if (r->id.p) {
        char message[160];
        (void)snprintf(message, sizeof message, "the method %.*s does not exist",
                       (int)(r->method.n < 100 ? r->method.n : 100), (const char *)r->method.p);
        jsonrpc_add_error(answers, r->id, JSONRPC_METHOD_NOT_FOUND, message, none);
    }
}

int jsonrpc_serve(struct buf *out, const struct jsonrpc_method *methods, size_t count,
                  void *context, struct bytes body, struct arena *a,
                  const struct jsonrpc_limits *limits, struct error *why) {
    struct jsonrpc_limits standard = JSONRPC_LIMITS_DEFAULT;
    struct jsonrpc_batch batch;
    struct jsonrpc_answers answers;
    struct error refused;
    if (!limits) limits = &standard;
    if (jsonrpc_parse(&batch, body, a, limits, &refused) < 0) {
        jsonrpc_answers_begin(&answers, out, false);
        jsonrpc_add_refusal(&answers, &refused);
        return buf_check(out, why);
    }
    jsonrpc_answers_begin(&answers, out, batch.is_array);
    for (size_t i = 0; i < batch.count; i++) {
        if (limits->answer_bytes && out->n - answers.start > limits->answer_bytes) {
            struct error full = {.code = ERR_LIMIT, .text = "the answers are too large"};
            if (batch.item[i].id.p) jsonrpc_add_failure(&answers, batch.item[i].id, &full);
        } else {
            serve_one(&answers, methods, count, context, &batch.item[i], a);
        }
    }
    jsonrpc_answers_end(&answers);
    return buf_check(out, why);
}

/* ---- the client's side ---- */

static void begin_call(struct json_writer *w, const char *method) {
    json_add_str(w, "method", method);
    json_add_key(w, BYTES_LIT("params"));
}

void jsonrpc_begin_request(struct json_writer *w, uint64_t id, const char *method) {
    json_begin_object(w, NULL);
    json_add_str(w, "jsonrpc", "2.0");
    json_add_u64(w, "id", id);
    begin_call(w, method);
}

void jsonrpc_begin_notification(struct json_writer *w, const char *method) {
    json_begin_object(w, NULL);
    json_add_str(w, "jsonrpc", "2.0");
    begin_call(w, method);
}

void jsonrpc_end_request(struct json_writer *w) {
    json_end(w);
}

/* Exactly one of result and error; `"error": null` beside a result is let through. */
static int read_response(struct jsonrpc_response *ret, const struct json *v, struct error *why) {
    *ret = (struct jsonrpc_response){.code = 0};
    if (!json_as_object(v) || !is_version_2(json_get(v, "jsonrpc"))) {
        return json_error(why, ERR_INVALID, v, "this is no JSON-RPC 2.0 response");
    }
    if (!take_id(&ret->id, v) || !ret->id.p) {
        return json_error(why, ERR_INVALID, v, "a response without a right id");
    }
    const struct json *result = json_get(v, "result"), *error = json_get(v, "error");
    if (!json_is_null(error)) {
        if (!json_is_null(result)) {
            return json_error(why, ERR_INVALID, v, "a response with result and error");
        }
        int r = json_get_i64(&ret->code, error, "code", why);
        if (r == 0) r = json_get_string(&ret->message, error, "message", why);
        ret->data = json_get(error, "data");
        return r < 0 ? ERR_INVALID : 0;
    }
    if (!result) return json_error(why, ERR_INVALID, v, "a response without result or error");
    ret->result = result;
    return 0;
}

int jsonrpc_parse_responses(struct jsonrpc_responses *ret, struct bytes body, struct arena *a,
                            const struct jsonrpc_limits *limits, struct error *why) {
    struct jsonrpc_limits standard = JSONRPC_LIMITS_DEFAULT;
    const struct json *doc;
    if (!limits) limits = &standard;
    int r = json_parse(&doc, body, a, &limits->json, why);
    if (r < 0) return r;
    bool is_array = json_type_of(doc) == JSON_ARRAY;
    size_t count = is_array ? json_count(doc) : 1;
    if (is_array && count > limits->batch) {
        return error_set(why, ERR_LIMIT, "more than %u responses", limits->batch);
    }
    struct jsonrpc_response *item = arena_new_array(a, struct jsonrpc_response, count);
    if (!item) return error_set(why, ERR_LIMIT, "no memory for the responses");
    if (!is_array) {
        r = read_response(item, doc, why);
    } else {
        size_t i = 0;
        json_each(v, doc) {
            if (r == 0) r = read_response(&item[i++], v, why);
        }
    }
    if (r < 0) return r;
    *ret = (struct jsonrpc_responses){item, count};
    return 0;
}

const struct jsonrpc_response *jsonrpc_response_to(const struct jsonrpc_responses *r, uint64_t id) {
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)id);
    for (size_t i = 0; i < r->count; i++) {
        if (bytes_equal(r->item[i].id, bytes_make(digits, (size_t)n))) return &r->item[i];
    }
    return NULL;
}

int jsonrpc_failure_of(const struct jsonrpc_response *r, struct error *why) {
    if (r->result) return 0;
    char text[160];
    size_t n = r->message.n < sizeof text - 1 ? r->message.n : sizeof text - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = r->message.p[i];
        text[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    text[n] = '\0';
    enum err code = ERR_INVALID;
    if (r->code == JSONRPC_METHOD_NOT_FOUND) code = ERR_UNSUPPORTED;
    if (r->code == JSONRPC_INTERNAL_ERROR) code = ERR_INTERNAL;
    for (int c = ERR_UNTRUSTED; c >= ERR_CANCELLED; c--) {
        /* Our own codes come back as what they were. */
        if (error_class_of(c)->json_rpc_code == r->code) {
            code = (enum err)c;
            break;
        }
    }
    return error_set(why, code, "%lld: %s", (long long)r->code, text);
}
