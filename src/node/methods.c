/* The table of methods, and answering one message with it. SPDX-License-Identifier: MIT */
#include "node/listeners.h"

#include <stdio.h>

struct method_row {
    const struct node_method *method;
    void *context;
};

int node_add_methods(struct node *n, const struct node_method *table, size_t count, void *context,
                     struct error *why) {
    for (size_t i = 0; i < count; i++) {
        struct bytes name = bytes_from_str(table[i].name);
        struct method_row *row = arena_new(&n->memory, struct method_row);
        if (!row) return error_set(why, ERR_NO_MEMORY, "no memory for methods");
        if (map_get(&n->methods, name)) {
            return error_set(why, ERR_CONFLICT, "method %s is there twice", table[i].name);
        }
        *row = (struct method_row){&table[i], context};
        int r = map_put(&n->methods, name, row, NULL, why);
        if (r != 0) return r;
    }
    return 0;
}

int(node_fail)(struct node_call *c, struct error *why, int code, struct bytes data,
               const char *format, ...) {
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    c->error_code = code;
    c->error_data = data;
    return error_set(why, ERR_INVALID, "%s", text);
}

int(node_bad_params)(struct node_call *c, struct error *why) {
    struct error own = *why;
    if (own.code == ERR_NO_MEMORY || own.code == ERR_INTERNAL) return own.code;
    return node_fail(c, why, JSONRPC_INVALID_PARAMS, (struct bytes){NULL, 0}, "%s", own.text);
}

int node_param_count(struct node_call *c, uint64_t *ret, uint64_t most, struct error *why) {
    const struct json *v = node_param(c, 0);
    *ret = 1;
    int r = 0;
    if (v) {
        r = json_type_of(v) == JSON_NUMBER ? json_u64(ret, v, why) : json_quantity(ret, v, why);
    }
    if (r == 0 && *ret > most) {
        r = error_set(why, ERR_RANGE, "at most %llu", (unsigned long long)most);
    }
    return r == 0 ? 0 : node_bad_params(c, why);
}

// The namespace of a method is what stands before the first underscore.
static bool is_offered(const struct node *n, const struct node_method *m,
                       const struct node_message *msg) {
    if (!(m->flags & msg->where)) return false;
    if (msg->local || msg->where == NODE_ENGINE) return true;
    const char *end = strchr(m->name, '_');
    size_t length = end ? (size_t)(end - m->name) : strlen(m->name);
    for (size_t i = 0; i < n->values->apis.count; i++) {
        const char *name = n->values->apis.items[i];
        if (strlen(name) == length && memcmp(name, m->name, length) == 0) return true;
    }
    return false;
}

static const struct method_row *find(const struct node *n, struct bytes name,
                                     const struct node_message *msg) {
    const struct method_row *row = map_get(&n->methods, name);
    return row && is_offered(n, row->method, msg) ? row : NULL;
}

unsigned node_flags_of(const struct node *n, const struct node_message *m,
                       const struct jsonrpc_batch *batch) {
    unsigned all = NODE_QUICK, any = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct method_row *row =
            batch->item[i].invalid ? NULL : find(n, batch->item[i].method, m);
        if (!row) continue; // refusals are quick
        all &= row->method->flags;
        any |= row->method->flags & NODE_ORDERED;
    }
    return all | any;
}

/* What two calls of a message want done once its answer is on its way. */
struct both {
    void (*first)(void *arg);
    void *first_arg;
    void (*second)(void *arg);
    void *second_arg;
};

static void do_both(void *arg) {
    const struct both *b = arg;
    b->first(b->first_arg);
    b->second(b->second_arg);
}

// Without memory for both it is done at once, and a notification may come before the answer.
static void do_later(const struct node_call *c, void (**ret_then)(void *), void **ret_arg) {
    if (!ret_then) {
        c->then(c->then_arg);
        return;
    }
    if (!*ret_then) {
        *ret_then = c->then;
        *ret_arg = c->then_arg;
        return;
    }
    struct both *b = arena_new(c->a, struct both);
    if (!b) {
        c->then(c->then_arg);
        return;
    }
    *b = (struct both){*ret_then, *ret_arg, c->then, c->then_arg};
    *ret_then = do_both;
    *ret_arg = b;
}

static void answer_one(struct node *n, const struct node_message *m,
                       const struct jsonrpc_request *q, struct jsonrpc_answers *answers,
                       struct arena *a, void (**ret_then)(void *), void **ret_arg) {
    struct bytes none = {NULL, 0};
    if (q->invalid) {
        jsonrpc_add_error(answers, none, JSONRPC_INVALID_REQUEST, q->invalid, none);
        return;
    }
    bool wanted = q->id.p != NULL;
    const struct method_row *row = find(n, q->method, m);
    if (!row) {
        char text[160];
        (void)snprintf(text, sizeof text, "the method %.*s does not exist/is not available",
                       q->method.n > 96 ? 96 : (int)q->method.n, (const char *)q->method.p);
        if (wanted) jsonrpc_add_error(answers, q->id, JSONRPC_METHOD_NOT_FOUND, text, none);
        return;
    }
    struct error why = {0};
    struct buf dropped;
    struct json_writer unwanted;
    buf_init(&dropped, 0);
    json_writer_init(&unwanted, &dropped, 0);
    struct node_call call = {.node = n,
                             .context = row->context,
                             .method = q->method,
                             .params = q->params,
                             .a = a,
                             .peer = m->peer};
    call.result = wanted ? jsonrpc_begin_result(answers, q->id) : &unwanted;
    int r = row->method->call(&call, &why);
    if (wanted && r == 0) jsonrpc_end_result(answers);
    if (wanted && r != 0) {
        jsonrpc_undo_result(answers);
        if (call.error_code) {
            jsonrpc_add_error(answers, q->id, call.error_code, why.text, call.error_data);
        } else {
            log_error(n->log, "call_failed", F_BYTES("method", q->method), F_ERR(&why));
            jsonrpc_add_failure(answers, q->id, &why);
        }
    }
    if (r == 0 && call.then) do_later(&call, ret_then, ret_arg);
    buf_free(&dropped);
}

void node_answer_batch(struct node *n, const struct node_message *m,
                       const struct jsonrpc_batch *batch, struct arena *a, struct buf *out,
                       void (**ret_then)(void *), void **ret_arg) {
    struct jsonrpc_answers answers;
    struct bytes none = {NULL, 0};
    if (ret_then) *ret_then = NULL;
    jsonrpc_answers_begin(&answers, out, batch->is_array);
    for (size_t i = 0; i < batch->count; i++) {
        if (out->n > n->values->answer_bytes || out->failed) {
            if (!batch->item[i].id.p) continue;
            jsonrpc_add_error(&answers, batch->item[i].id, -32003, "response too large", none);
            continue;
        }
        answer_one(n, m, &batch->item[i], &answers, a, ret_then, ret_arg);
    }
    jsonrpc_answers_end(&answers);
}

int node_parse(struct node *n, struct jsonrpc_batch *ret, const struct node_message *m,
               struct arena *a, struct buf *out, struct error *why) {
    struct jsonrpc_limits limits = JSONRPC_LIMITS_DEFAULT;
    limits.batch = (unsigned)n->values->batch;
    limits.json.bytes = m->body.n + 1;
    int r = jsonrpc_parse(ret, m->body, a, &limits, why);
    if (r != 0) {
        struct jsonrpc_answers answers;
        jsonrpc_answers_begin(&answers, out, false);
        jsonrpc_add_refusal(&answers, why);
        jsonrpc_answers_end(&answers);
    }
    return r;
}

void node_answer(struct node *n, const struct node_message *m, struct arena *a, struct buf *out,
                 void (**ret_then)(void *), void **ret_arg) {
    struct jsonrpc_batch batch;
    struct error why = {0};
    if (ret_then) *ret_then = NULL;
    if (node_parse(n, &batch, m, a, out, &why) != 0) return;
    node_answer_batch(n, m, &batch, a, out, ret_then, ret_arg);
}
