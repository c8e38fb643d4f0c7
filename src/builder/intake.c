/* SPDX-License-Identifier: MIT */
#include "builder/app.h"

#include "base/hex.h"
#include "builder/order_params.h"
#include "net/jsonrpc.h"

#define DOCUMENT_BYTES_MAX (64u << 20) /* that a request of 32 MiB may be made into */

/* News of the pool for the job at hand. */

void intake_added(void *app, const struct build_order *o) {
    struct app *a = app;
    struct slot_work *w = a->work;
    struct error why;
    order_log_received(a->order_log, o, clock_wall_ns(&clock_system));
    if (a->state) state_link_prefetch(a->state, a->head, o);
    if (!w) return;
    uint64_t block = w->parent_number + 1;
    if (o->first_block && block < o->first_block) return;
    if (o->last_block && block > o->last_block) return;
    int r = job_add(w->job, o, clock_monotonic_ns(&clock_system), NULL, &why);
    if (r == 0) crew_wake(a->builders);
    if (r != 0 && r != ERR_CONFLICT) log_warn(a->log, "order_not_added", F_ERR(&why));
}

enum pool_worth intake_worth(void *app, const struct build_order *o, struct u256 *ret_price) {
    const struct app *a = app;
    switch (a->work ? job_standing(a->work->job, o, ret_price) : -1) {
    case ENTRY_READY:
        return POOL_WORTH_PAYS;
    case ENTRY_FAILED:
        return POOL_WORTH_NONE;
    case ENTRY_WAITING:
        return POOL_WORTH_WAITS;
    default:
        return POOL_WORTH_UNKNOWN;
    }
}

void intake_removed(void *app, const struct build_order *o, enum pool_removal reason) {
    struct app *a = app;
    order_log_removed(a->order_log, o, reason, clock_wall_ns(&clock_system));
    if (a->work && job_cancel(a->work->job, o)) crew_wake(a->builders);
}

/* Orders. */

int intake_order(struct app *a, const struct feed_order *f, enum build_source source,
                 struct hash *ret_hash, struct error *why) {
    const struct build_context c = {a->genesis.config.chain_id, source, a->senders};
    struct build_request request;
    uint64_t now = loop_now_ns(a->loop);
    int r = build_request_of(&request, f, &c, why);
    if (r != 0) return r;
    switch (request.kind) {
    case BUILD_REQUEST_ORDER:
        r = order_pool_add(a->pool, request.order, now, why);
        if (r != 0 && why) {
            order_log_refused(a->order_log, request.order, why, clock_wall_ns(&clock_system));
        }
        if (ret_hash) *ret_hash = request.order->bundle_hash;
        build_order_release(request.order);
        break;
    case BUILD_REQUEST_CANCEL:
        (void)order_pool_cancel(a->pool, &request.cancel, now);
        break;
    case BUILD_REQUEST_SUBSIDY:
        build_slots_must_win(a, request.subsidy_block);
        break;
    }
    return r;
}

void intake_transaction(void *app, struct bytes raw, uint64_t took_ns) {
    struct app *a = app;
    telemetry_fetched(&a->telemetry, took_ns);
    struct feed_order f = {
        .method = FEED_SEND_RAW_TX, .raw = raw, .received_ns = clock_wall_ns(&clock_system)};
    struct error why;
    int r = intake_order(a, &f, BUILD_FROM_MEMPOOL, NULL, &why);
    if (r != 0 && r != ERR_CONFLICT) log_debug(a->log, "transaction_refused", F_ERR(&why));
}

/* JSON-RPC. */

static void answer_refusal(struct app *a, struct jsonrpc_answers *out, struct bytes id,
                           enum feed_method method, const struct error *why) {
    log_info(a->log, "order_refused", F_U64("method", method), F_ERR(why));
    if (method == FEED_SEND_RAW_TX) {
        jsonrpc_add_error(out, id, JSONRPC_INVALID_PARAMS, "failed to verify transaction",
                          (struct bytes){0});
        return;
    }
    if (a->values.rpc_typed) {
        jsonrpc_add_error(out, id, JSONRPC_INVALID_PARAMS, why->text, (struct bytes){0});
        return;
    }
    // As deployed: senders are not told.
    json_add_null(jsonrpc_begin_result(out, id), NULL);
    jsonrpc_end_result(out);
}

static void answer_order(struct app *a, struct jsonrpc_answers *out, struct bytes id,
                         enum feed_method method, const struct hash *hash) {
    struct json_writer *w = jsonrpc_begin_result(out, id);
    bool bundle = method == FEED_SEND_BUNDLE || method == FEED_SEND_SHARE;
    if (method == FEED_SEND_RAW_TX) {
        json_add_data(w, NULL, BYTES_OF(*hash));
    } else if (bundle && a->values.rpc_typed) {
        json_begin_object(w, NULL);
        json_add_data(w, "bundleHash", BYTES_OF(*hash));
        json_end(w);
    } else {
        json_add_null(w, NULL);
    }
    jsonrpc_end_result(out);
}

static void serve_one(struct app *a, const struct jsonrpc_request *q, struct jsonrpc_answers *out,
                      struct arena *arena) {
    struct feed_order f;
    struct hash hash = {{0}};
    struct error why;
    if (q->invalid) {
        jsonrpc_add_error(out, q->id, JSONRPC_INVALID_REQUEST, q->invalid, (struct bytes){0});
        return;
    }
    enum feed_method method = order_params_method(q->method);
    if (!method) {
        jsonrpc_add_error(out, q->id, JSONRPC_METHOD_NOT_FOUND, "Method not found",
                          (struct bytes){0});
        return;
    }
    int r = order_params_decode(&f, q->method, q->params, arena, &why);
    if (r == 0) {
        f.received_ns = clock_wall_ns(&clock_system);
        r = intake_order(a, &f, BUILD_FROM_RPC, &hash, &why);
        if (r == ERR_CONFLICT) r = 0; // a repeat is no mistake
    }
    if (!q->id.p) return;
    if (r == 0) {
        answer_order(a, out, q->id, method, &hash);
    } else {
        answer_refusal(a, out, q->id, method, &why);
    }
}

void intake_rpc(struct exchange *x, void *app) {
    struct app *a = app;
    struct arena document, scratch; // of the body, and of one request of it at a time
    struct jsonrpc_batch batch;
    struct jsonrpc_answers answers;
    struct buf out;
    struct error why;
    buf_init(&out, 64u << 20);
    arena_init(&document, DOCUMENT_BYTES_MAX);
    arena_init(&scratch, DOCUMENT_BYTES_MAX);
    int r = jsonrpc_parse(&batch, exchange_body(x), &document, NULL, &why);
    jsonrpc_answers_begin(&answers, &out, r == 0 && batch.is_array);
    if (r != 0) jsonrpc_add_refusal(&answers, &why);
    for (size_t i = 0; r == 0 && i < batch.count; i++) {
        serve_one(a, &batch.item[i], &answers, &scratch);
        arena_reset(&scratch);
    }
    jsonrpc_answers_end(&answers);
    exchange_respond_text(x, out.n ? 200 : 204, "application/json", buf_view(&out));
    arena_free(&scratch);
    arena_free(&document);
    buf_free(&out);
}

/* What became of an order. */

void intake_order_asked(struct exchange *x, void *app) {
    struct app *a = app;
    struct bytes path = exchange_path(x);
    struct json_writer w;
    struct hash name;
    struct error why;
    struct buf out;
    size_t prefix = sizeof ORDERS_PATH - 1;
    if (hex_decode_hash(&name, bytes_slice(path, prefix, SIZE_MAX), &why) != 0) {
        exchange_respond_text(x, 400, "text/plain", BYTES_LIT("not a hash\n"));
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    size_t found = a->order_log ? order_log_write(a->order_log, &name, &w) : 0;
    if (found) {
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
    } else {
        exchange_respond_text(x, 404, "text/plain", BYTES_LIT("no such order is remembered\n"));
    }
    buf_free(&out);
}
