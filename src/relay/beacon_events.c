/* The event streams of beacon nodes. SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "eth/ssz_json.h"
#include "relay/beacon_internal.h"

#define RETRY_NS (NS_PER_S / 2)
#define EVENT_ARENA_MAX (8u << 20)
#define TELL_AGAIN_NS (60 * NS_PER_S) // of another chain

static void listen_again(struct beacon_node *n) {
    struct loop *l = n->beacon->options.loop;
    struct error why;
    n->events = NULL;
    if (n->beacon->stopped) return;
    metric_inc(n->beacon->stream_breaks);
    if (loop_timer_set(l, &n->retry, loop_now_ns(l) + RETRY_NS, &why) != 0) {
        log_error(n->beacon->options.log, "beacon_timer_lost", F_ERR(&why));
    }
}

int beacon_parse_attributes(struct payload_attributes *ret, struct bytes data,
                            const struct network *n, struct arena *a, struct error *why) {
    const struct json *doc;
    struct payload_attributes p = {.slot = 0};
    int r = json_parse(&doc, data, a, NULL, why);
    if (r != 0) return r;
    const struct json *event = json_get(doc, "data"), *body = json_get(event, "payload_attributes");
    r = json_get_decimal(&p.slot, event, "proposal_slot", why);
    if (r == 0) r = json_get_hash(&p.parent_hash, event, "parent_block_hash", why);
    if (r == 0 && json_get(event, "parent_block_root")) {
        r = json_get_hash(&p.parent_root, event, "parent_block_root", why);
    }
    if (r == 0 && json_get(event, "parent_block_number")) {
        r = json_get_decimal(&p.parent_number, event, "parent_block_number", why);
    }
    if (r == 0) r = json_get_decimal(&p.timestamp, body, "timestamp", why);
    if (r == 0) r = json_get_hash(&p.prev_randao, body, "prev_randao", why);
    if (r == 0 && json_get(body, "suggested_fee_recipient")) {
        r = json_get_address(&p.fee_recipient, body, "suggested_fee_recipient", why);
    }
    if (r == 0 && !json_is_null(json_get(body, "parent_beacon_block_root"))) {
        p.has_parent_root = true;
        r = json_get_hash(&p.parent_root, body, "parent_beacon_block_root", why);
    }
    int fork = network_fork_at(n, p.slot);
    const struct ssz_type *type =
        fork < 0 ? NULL : network_types_of(n, (enum consensus_fork)fork)->withdrawals;
    const struct json *list = json_get(body, "withdrawals");
    if (r == 0 && type && !json_is_null(list)) {
        struct ssz_list withdrawals;
        p.has_withdrawals = true;
        r = ssz_json_decode(&withdrawals, type, list, a, why);
        if (r == 0) r = ssz_root(&p.withdrawals_root, type, &withdrawals, a, why);
    }
    if (r == 0) *ret = p;
    return r;
}

static int take_head(struct beacon *b, struct bytes data, struct arena *a, struct error *why) {
    const struct json *doc;
    uint64_t slot;
    int r = json_parse(&doc, data, a, NULL, why);
    // Bare, or as { "version", "data" } in newer clients.
    const struct json *body = r == 0 && json_get(doc, "data") ? json_get(doc, "data") : NULL;
    if (r == 0) r = json_get_decimal(&slot, body ? body : doc, "slot", why);
    if (r != 0) return r;
    metric_set(b->head_slot, (double)slot);
    if (network_epoch_of(&b->network, slot) != b->head_epoch) {
        // Proposers told before an epoch's first block may be others than those told after it.
        b->head_epoch = network_epoch_of(&b->network, slot);
        b->current_loaded = b->next_loaded = 0;
        beacon_tick_soon(b, 0);
    }
    b->events.head(b->events.context, slot);
    return 0;
}

static void take_event(struct beacon_node *n, const struct sse_event *e) {
    struct beacon *b = n->beacon;
    struct arena a;
    struct error why;
    int r = 0;
    arena_init(&a, EVENT_ARENA_MAX);
    if (bytes_equal_str(e->type, "head")) {
        r = take_head(b, e->data, &a, &why);
    } else if (bytes_equal_str(e->type, "payload_attributes")) {
        struct payload_attributes p;
        r = beacon_parse_attributes(&p, e->data, &b->network, &a, &why);
        if (r == 0) metric_inc(b->attributes_seen);
        if (r == 0) b->events.attributes(b->events.context, &p);
    }
    arena_free(&a);
    if (r != 0) {
        log_warn(b->options.log, "beacon_event_refused", F_STR("node", n->url),
                 F_BYTES("event", e->type), F_ERR(&why));
    }
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct beacon_node *n = context;
    (void)k;
    n->status = r->status;
    if (r->status == 200) {
        log_info(n->beacon->options.log, "beacon_stream_open", F_STR("node", n->url),
                 F_BOOL("head_only", n->head_only));
    }
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct beacon_node *n = context;
    struct sse_event e;
    struct error why;
    int r = 0;
    if (n->status != 200) return;
    while ((r = sse_next(&e, &n->reader, &in, &why)) == 1) {
        take_event(n, &e);
    }
    if (r == 0) return;
    log_warn(n->beacon->options.log, "beacon_stream_refused", F_STR("node", n->url), F_ERR(&why));
    call_cancel(k);
    listen_again(n);
}

static void on_end(struct client_call *k, void *context) {
    struct beacon_node *n = context;
    (void)k;
    // A client that does not know a topic refuses all.
    if (n->status >= 400 && n->status < 500) n->head_only = !n->head_only;
    listen_again(n);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct beacon_node *n = context;
    (void)k;
    if (!n->beacon->stopped) {
        log_warn(n->beacon->options.log, "beacon_stream_lost", F_STR("node", n->url), F_ERR(why));
    }
    listen_again(n);
}

static const struct client_events stream_events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void open_stream(struct beacon_node *n) {
    struct arena a;
    struct error why;
    arena_init(&a, 16u << 10);
    struct http_request r = {
        .method = HTTP_GET,
        .path = n->head_only ? BYTES_LIT("/eth/v1/events?topics=head")
                             : BYTES_LIT("/eth/v1/events?topics=head,payload_attributes")};
    n->status = 0;
    sse_reader_free(&n->reader);
    sse_reader_init(&n->reader, BEACON_EVENT_MAX);
    int code =
        http_fields_put(&r.fields, &a, HTTP_FIELD_ACCEPT, BYTES_LIT("text/event-stream"), &why);
    if (code == 0) {
        code = client_start(&n->events, n->client, &r, (struct bytes){NULL, 0}, false,
                            &stream_events, n, &why);
    }
    arena_free(&a);
    if (code == 0) return;
    log_warn(n->beacon->options.log, "beacon_stream_lost", F_STR("node", n->url), F_ERR(&why));
    listen_again(n);
}

// A node that came back may have begun another chain: devnets are made anew.

static int take_genesis(struct beacon_node *n, const struct ask_answer *answer, struct error *why) {
    const struct network *ours = &n->beacon->network;
    const struct json *data;
    struct arena a;
    struct hash root;
    uint64_t time = 0, now = loop_now_ns(n->beacon->options.loop);
    arena_init(&a, BEACON_ANSWER_MAX);
    int r = beacon_data_of(&data, answer, &a, why);
    if (r == 0) r = json_get_decimal(&time, data, "genesis_time", why);
    if (r == 0) r = json_get_hash(&root, data, "genesis_validators_root", why);
    arena_free(&a);
    if (r != 0) return r;
    n->foreign = time != ours->genesis_s || !hash_equal(&root, &ours->genesis_validators_root);
    if (!n->foreign) return 0;
    if (!n->told_ns || now >= n->told_ns + TELL_AGAIN_NS) {
        n->told_ns = now;
        log_error(n->beacon->options.log, "beacon_node_on_another_chain", F_STR("node", n->url),
                  F_U64("its_genesis", time), F_U64("our_genesis", ours->genesis_s),
                  F_HEX("its_validators_root", BYTES_OF(root)),
                  F_HEX("our_validators_root", BYTES_OF(ours->genesis_validators_root)));
    }
    return 0;
}

static void on_genesis(void *context, const struct ask_answer *answer, const struct error *failed) {
    struct beacon_node *n = context;
    struct error why;
    n->checking = NULL;
    if (n->beacon->stopped) return;
    int r = answer ? take_genesis(n, answer, &why) : (int)failed->code;
    if (r == 0 && !n->foreign) {
        open_stream(n);
        return;
    }
    if (r != 0) {
        log_warn(n->beacon->options.log, "beacon_request_failed",
                 F_STR("request", BEACON_GENESIS_PATH), F_STR("node", n->url),
                 F_ERR(answer ? &why : failed));
    }
    listen_again(n);
}

static void on_retry(struct loop_timer *t) {
    beacon_listen(LIST_ENTRY(t, struct beacon_node, retry));
}

void beacon_listen(struct beacon_node *n) {
    const struct ask_request q = {.method = HTTP_GET,
                                  .path = BYTES_LIT(BEACON_GENESIS_PATH),
                                  .timeout_ns = BEACON_TIMEOUT_NS,
                                  .limit_bytes = BEACON_ANSWER_MAX};
    struct error why;
    n->retry.fire = on_retry;
    if (ask_start(&n->checking, n->client, &q, on_genesis, n, &why) == 0) return;
    n->checking = NULL;
    log_warn(n->beacon->options.log, "beacon_stream_lost", F_STR("node", n->url), F_ERR(&why));
    listen_again(n);
}

void beacon_unlisten(struct beacon_node *n) {
    loop_timer_clear(n->beacon->options.loop, &n->retry);
    if (n->checking) ask_cancel(n->checking);
    if (n->events) call_cancel(n->events);
    n->checking = NULL;
    n->events = NULL;
}
