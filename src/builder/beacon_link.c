/* SPDX-License-Identifier: MIT */
#include "builder/beacon_link.h"

#include "net/sse.h"
#include "json/json.h"

#include <stdlib.h>

#define EVENT_BYTES_MAX (1u << 20)
#define RETRY_NS (NS_PER_S / 2)
#define SILENT_SLOTS 3u

struct beacon_link {
    struct beacon_link_options o;
    struct client *client;
    struct client_call *call;
    struct sse_reader reader;
    struct loop_timer retry;
    unsigned status;
};

/* Events. */

static int decode_withdrawal(struct withdrawal *ret, const struct json *v, struct error *why) {
    int r = json_get_decimal(&ret->index, v, "index", why);
    if (r == 0) r = json_get_decimal(&ret->validator_index, v, "validator_index", why);
    if (r == 0) r = json_get_address(&ret->address, v, "address", why);
    if (r == 0) r = json_get_decimal(&ret->amount_gwei, v, "amount", why);
    return r;
}

static int decode_withdrawals(struct slot_attributes *ret, const struct json *list, struct arena *a,
                              struct error *why) {
    if (json_is_null(list)) return 0;
    int r = json_expect(list, JSON_ARRAY, why);
    if (r != 0) return r;
    struct withdrawal *all = arena_new_array(a, struct withdrawal, json_count(list) + 1);
    if (!all) return error_set(why, ERR_LIMIT, "too many withdrawals");
    json_each(item, list) {
        r = decode_withdrawal(&all[ret->withdrawal_count], item, why);
        if (r != 0) return error_wrap(why, "withdrawals[%zu]", ret->withdrawal_count);
        ret->withdrawal_count++;
    }
    ret->withdrawals = all;
    ret->has_withdrawals = true;
    return 0;
}

static int decode_start(struct slot_attributes *s, const struct json *event, struct error *why) {
    uint64_t ms = s->timestamp < UINT64_MAX / 1000 ? s->timestamp * 1000 : UINT64_MAX;
    int r = 0;
    if (json_get(event, "slot_start_ms")) r = json_get_decimal(&ms, event, "slot_start_ms", why);
    if (r == 0 && ms > UINT64_MAX / NS_PER_MS / 2) {
        r = error_set(why, ERR_RANGE, "the slot's time is out of range");
    }
    if (r == 0) s->start_ns = ms * NS_PER_MS;
    return r;
}

int slot_attributes_decode(struct slot_attributes *ret, struct bytes data, struct arena *a,
                           struct error *why) {
    const struct json *doc;
    struct slot_attributes s = {0};
    int r = json_parse(&doc, data, a, NULL, why);
    if (r != 0) return r;
    const struct json *event = json_get(doc, "data"), *body = json_get(event, "payload_attributes");
    r = json_get_decimal(&s.slot, event, "proposal_slot", why);
    if (r == 0) r = json_get_hash(&s.parent_hash, event, "parent_block_hash", why);
    if (r == 0 && json_get(event, "parent_block_number")) {
        r = json_get_decimal(&s.parent_number, event, "parent_block_number", why);
    }
    if (r == 0) r = json_get_decimal(&s.timestamp, body, "timestamp", why);
    if (r == 0) r = decode_start(&s, event, why);
    if (r == 0 && json_get(event, "virtual_clock")) {
        r = json_get_bool(&s.virtual_clock, event, "virtual_clock", why);
    }
    if (r == 0) r = json_get_hash(&s.prev_randao, body, "prev_randao", why);
    if (r == 0) r = json_get_address(&s.fee_recipient, body, "suggested_fee_recipient", why);
    if (r == 0 && !json_is_null(json_get(body, "parent_beacon_block_root"))) {
        s.has_beacon_root = true;
        r = json_get_hash(&s.parent_beacon_root, body, "parent_beacon_block_root", why);
    }
    if (r == 0) r = decode_withdrawals(&s, json_get(body, "withdrawals"), a, why);
    if (r == 0) *ret = s;
    return r;
}

static void take_event(struct beacon_link *b, const struct sse_event *e) {
    struct slot_attributes s;
    struct arena a;
    struct error why;
    if (!bytes_equal_str(e->type, "payload_attributes")) return;
    arena_init(&a, 8u << 20);
    int r = slot_attributes_decode(&s, e->data, &a, &why);
    if (r == 0) {
        b->o.attributes(b->o.context, &s);
    } else {
        log_warn(b->o.log, "beacon_event_refused", F_STR("beacon", b->o.url), F_ERR(&why));
    }
    arena_free(&a);
}

/* The stream. */

static void again(struct beacon_link *b, uint64_t in_ns) {
    struct error why;
    if (loop_timer_set(b->o.loop, &b->retry, loop_now_ns(b->o.loop) + in_ns, &why) != 0) {
        log_error(b->o.log, "timer_lost", F_ERR(&why));
    }
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct beacon_link *b = context;
    (void)k;
    b->status = r->status;
    if (r->status == 200) log_info(b->o.log, "beacon_stream_open", F_STR("beacon", b->o.url));
    again(b, SILENT_SLOTS * b->o.slot_ns + 30 * NS_PER_S);
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct beacon_link *b = context;
    struct sse_event e;
    struct error why;
    int r = 0;
    if (b->status != 200) return;
    while ((r = sse_next(&e, &b->reader, &in, &why)) == 1) {
        take_event(b, &e);
    }
    again(b, SILENT_SLOTS * b->o.slot_ns + 30 * NS_PER_S);
    if (r == 0) return;
    log_warn(b->o.log, "beacon_stream_refused", F_STR("beacon", b->o.url), F_ERR(&why));
    call_cancel(k);
    b->call = NULL;
    again(b, RETRY_NS);
}

static void on_end(struct client_call *k, void *context) {
    struct beacon_link *b = context;
    (void)k;
    b->call = NULL;
    log_warn(b->o.log, "beacon_stream_ended", F_STR("beacon", b->o.url),
             F_U64("status", b->status));
    again(b, RETRY_NS);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct beacon_link *b = context;
    (void)k;
    b->call = NULL;
    log_warn(b->o.log, "beacon_stream_lost", F_STR("beacon", b->o.url), F_ERR(why));
    again(b, RETRY_NS);
}

static const struct client_events events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void listen_now(struct beacon_link *b) {
    struct arena a;
    struct error why;
    struct http_request r = {.method = HTTP_GET,
                             .path = BYTES_LIT("/eth/v1/events?topics=payload_attributes")};
    if (b->call) call_cancel(b->call); // silent for too long
    b->call = NULL;
    b->status = 0;
    sse_reader_free(&b->reader);
    sse_reader_init(&b->reader, EVENT_BYTES_MAX);
    arena_init(&a, 16u << 10);
    int code =
        http_fields_put(&r.fields, &a, HTTP_FIELD_ACCEPT, BYTES_LIT("text/event-stream"), &why);
    if (code == 0) {
        code = client_start(&b->call, b->client, &r, (struct bytes){0}, false, &events, b, &why);
    }
    arena_free(&a);
    if (code == 0) return;
    b->call = NULL;
    log_warn(b->o.log, "beacon_stream_lost", F_STR("beacon", b->o.url), F_ERR(&why));
    again(b, RETRY_NS);
}

static void on_retry(struct loop_timer *t) {
    listen_now((struct beacon_link *)(void *)((char *)t - offsetof(struct beacon_link, retry)));
}

int beacon_link_new(struct beacon_link **ret, const struct beacon_link_options *options,
                    struct error *why) {
    struct beacon_link *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a consensus client");
    const struct client_options client = {.url = options->url,
                                          .tls = options->tls,
                                          .names = options->names,
                                          .protocol = CLIENT_HTTP1,
                                          .connections = 2,
                                          .body_ns = 3600 * NS_PER_S};
    b->o = *options;
    b->retry.fire = on_retry;
    sse_reader_init(&b->reader, EVENT_BYTES_MAX);
    int r = client_new(&b->client, options->loop, &client, why);
    if (r != 0) {
        free(b);
        return error_wrap(why, "beacon %s", options->url);
    }
    listen_now(b);
    *ret = b;
    return 0;
}

void beacon_link_free(struct beacon_link *b) {
    if (!b) return;
    loop_timer_clear(b->o.loop, &b->retry);
    if (b->call) call_cancel(b->call);
    client_free(b->client);
    sse_reader_free(&b->reader);
    free(b);
}
