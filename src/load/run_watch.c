/* Watching the chain: new blocks, what of ours is in them, what it used; and nonces that are in
 * doubt. SPDX-License-Identifier: MIT */
#include "load/order.h"

#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define LANDED_MAX 65536

// Questions

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    buf_append(&((struct ask *)context)->body, in);
}

static void on_end(struct client_call *k, void *context) {
    struct ask *q = context;
    struct arena a;
    const struct json *doc;
    (void)k;
    q->call = NULL;
    arena_init(&a, 512u << 20);
    bool ok = json_parse(&doc, buf_view(&q->body), &a, NULL, NULL) == 0;
    const struct json *result = ok ? json_get(doc, "result") : NULL;
    q->done(q->run, json_is_null(result) ? NULL : result);
    arena_free(&a);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct ask *q = context;
    (void)k;
    (void)why;
    q->call = NULL;
    q->done(q->run, NULL);
}

[[gnu::format(printf, 3, 4)]] static void ask(struct ask *q, const char *method, const char *params,
                                              ...) {
    static const struct client_events events = {
        .body = on_body, .end = on_end, .failed = on_failed};
    struct run *r = q->run;
    struct buf body;
    char text[256];
    va_list args;
    if (q->call) return;
    va_start(args, params);
    (void)vsnprintf(text, sizeof text, params, args);
    va_end(args);
    struct arena a;
    arena_init(&a, 16u << 10);
    buf_init(&body, 4096);
    buf_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
               text);
    struct http_request request = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = r->chain_path,
                                   .body = HTTP_BODY_LENGTH};
    buf_clear(&q->body);
    int code = http_fields_add(&request.fields, &a, BYTES_LIT("content-type"),
                               BYTES_LIT("application/json"), NULL);
    if (code == 0) {
        code = client_start(&q->call, r->chain, &request, buf_view(&body), false, &events, q, NULL);
    }
    if (code < 0) q->call = NULL;
    buf_free(&body);
    arena_free(&a);
}

// Blocks

static void take_receipts(struct run *r, const struct json *list) {
    json_each(item, list) {
        struct hash h;
        uint64_t status = 0, gas = 0;
        if (json_get_hash(&h, item, "transactionHash", NULL) < 0) continue;
        struct order *o = map_get(&r->by_hash, BYTES_OF(h));
        if (!o) continue;
        if (json_get_quantity(&gas, item, "gasUsed", NULL) == 0) r->result->gas_used += gas;
        if (json_get_quantity(&status, item, "status", NULL) == 0 && status == 0) {
            r->result->reverted++;
            // A bundle that does not allow it must not land reverted.
            if (o->bundle && !o->group->spam->reverting) r->result->forbidden++;
        }
    }
}

static void land(struct run *r, struct order *o, uint64_t us) {
    if (o->state == ORDER_LANDED) return;
    if (o->state == ORDER_REFUSED) r->result->refused--; // it was taken after all
    o->state = ORDER_LANDED;
    r->result->landed++;
    histogram_add(&r->result->inclusion, us > o->sent_us ? us - o->sent_us : 0);
    if (o->bundle) o->account->nonce += o->group->count;
}

// Bundles for this block or an earlier one: their fate is known.
static void close_bundles(struct run *r, uint64_t number) {
    for (size_t i = r->order_count; i-- > 0;) {
        struct order *o = &r->orders[i];
        if (!o->bundle) continue;
        if (o->target + 4 < number) break; // orders are in the order of their targets
        // The account may be the next one's already, which is not even sent. Bundles that are not
        // answered yet are closed by their answers.
        if (o->target > number || o->account->holder != o->set) continue;
        if (o->account->at_work == 0) o->account->holder = 0;
    }
}

static void take_block(struct run *r, const struct json *b) {
    struct load_block v = {.seen_us = r->announced_us};
    uint64_t us = r->announced_us;
    if (json_get_quantity(&v.number, b, "number", NULL) < 0) return;
    (void)!json_get_quantity(&v.gas_used, b, "gasUsed", NULL);
    (void)!json_get_quantity(&v.gas_limit, b, "gasLimit", NULL);
    json_each(item, json_get(b, "transactions")) {
        struct hash h;
        v.txs++;
        if (json_hash(&h, item, NULL) < 0) continue;
        struct order *o = map_get(&r->by_hash, BYTES_OF(h));
        if (!o) continue;
        v.ours++;
        land(r, o, us);
    }
    r->head = v.number;
    close_bundles(r, v.number);
    if (r->result->block_count < LOAD_BLOCKS_MAX) r->result->blocks[r->result->block_count++] = v;
    if (v.ours) {
        ask(&r->receipts_ask, "eth_getBlockReceipts", "[\"0x%llx\"]", (unsigned long long)v.number);
    }
    r->due_blocks += r->w->s->per_block;
}

static void on_receipts(struct run *r, const struct json *result) {
    if (result) take_receipts(r, result);
}

static void read_next(struct run *r) {
    // Receipts first: one block after the other, so that none is left out.
    if (r->block_ask.call || r->receipts_ask.call || r->head >= r->announced) return;
    r->reading = r->head + 1;
    ask(&r->block_ask, "eth_getBlockByNumber", "[\"0x%llx\",false]",
        (unsigned long long)r->reading);
}

static void on_block(struct run *r, const struct json *result) {
    if (result) take_block(r, result);
    read_next(r);
}

static void on_head(struct run *r, const struct json *result) {
    uint64_t number;
    if (result && json_quantity(&number, result, NULL) == 0 && number > r->announced) {
        r->announced = number;
        r->announced_us = run_us(r);
    }
    read_next(r);
}

// Nonces in doubt

static void on_nonce(struct run *r, const struct json *result) {
    uint64_t nonce;
    if (result && json_quantity(&nonce, result, NULL) == 0) {
        r->nonce_account->nonce = nonce;
        r->nonce_account->stale = false;
    }
}

static void ask_nonce(struct run *r) {
    if (r->nonce_ask.call) return;
    for (size_t i = 0; i < r->w->pool_count; i++) {
        for (size_t k = 0; k < r->w->pools[i].count; k++) {
            struct account *c = &r->w->pools[i].accounts[k];
            char digits[41] = "";
            if (!c->stale || c->at_work) continue;
            hex_encode(digits, bytes_make(c->address.b, 20));
            r->nonce_account = c;
            ask(&r->nonce_ask, "eth_getTransactionCount", "[\"0x%s\",\"pending\"]", digits);
            return;
        }
    }
}

static void on_poll(struct loop_timer *t) {
    struct run *r = LIST_ENTRY(t, struct run, poll);
    ask(&r->head_ask, "eth_blockNumber", "[]");
    read_next(r);
    ask_nonce(r);
    (void)!loop_timer_set(r->loop, t, loop_now_ns(r->loop) + r->w->s->poll_ns, NULL);
}

int run_watch_open(struct run *r, struct error *why) {
    struct ask *const asks[] = {&r->head_ask, &r->block_ask, &r->receipts_ask, &r->nonce_ask};
    void (*const done[])(struct run *, const struct json *) = {on_head, on_block, on_receipts,
                                                               on_nonce};
    for (size_t i = 0; i < 4; i++) {
        asks[i]->run = r;
        asks[i]->done = done[i];
        buf_init(&asks[i]->body, ANSWER_BYTES_MAX);
    }
    int code = rpc_quantity(&r->announced, r->w->rpc, "eth_blockNumber", "[]", why);
    r->head = r->announced;
    r->poll.fire = on_poll;
    return code == 0 ? loop_timer_set(r->loop, &r->poll, loop_now_ns(r->loop), why) : code;
}

void run_watch_close(struct run *r) {
    struct ask *const asks[] = {&r->head_ask, &r->block_ask, &r->receipts_ask, &r->nonce_ask};
    loop_timer_clear(r->loop, &r->poll);
    for (size_t i = 0; i < 4; i++) {
        if (asks[i]->call) call_cancel(asks[i]->call);
        asks[i]->call = NULL;
        buf_free(&asks[i]->body);
    }
}
