/* SPDX-License-Identifier: MIT */
#include "orderflow/tip.h"

#include "base/list.h"
#include "net/url.h"

#include <stdatomic.h>

#include <stdio.h>
#include <stdlib.h>

#define BLOCK_DEFAULT_NS (12 * NS_PER_S)
#define EVERY_DEFAULT_NS (3 * NS_PER_S)
#define RAW_BLOCKS 5    /* a transaction is tried for so many blocks */
#define SLACK_BLOCKS 2  /* missed slots, late blocks */
#define FRESH_BLOCKS 10 /* an answer older than so many blocks says nothing */
#define ANSWER_MAX 4096

struct tip {
    struct tip_options options;
    struct client *client;
    char path[512];
    struct client_call *call;
    struct buf answer;
    unsigned status;
    bool away;
    struct loop_timer timer;
    _Atomic uint64_t number, at_ns; /* monotonic */
};

static void ask_again(struct tip *t) {
    struct error why;
    int r = loop_timer_set(t->options.loop, &t->timer,
                           loop_now_ns(t->options.loop) + t->options.every_ns, &why);
    if (r != 0) log_error(t->options.log, "timer_lost", F_ERR(&why));
}

void tip_set(struct tip *t, uint64_t number) {
    atomic_store(&t->number, number);
    atomic_store(&t->at_ns, clock_monotonic_ns(t->options.clock));
}

uint64_t tip_number(const struct tip *t) {
    uint64_t now = clock_monotonic_ns(t->options.clock), at = atomic_load(&t->at_ns);
    return now < at + FRESH_BLOCKS * t->options.block_ns ? atomic_load(&t->number) : 0;
}

/* The last block of an order; 0: it names none. */
static uint64_t last_block(const struct order *o) {
    switch (o->method) {
    case ORDER_SEND_BUNDLE:
        return o->bundle.fields & BUNDLE_BLOCK_NUMBER ? o->bundle.block_number : 0;
    case ORDER_SEND_SHARE:
        return o->share.max_block > o->share.block ? o->share.max_block : o->share.block;
    case ORDER_SUBSIDISE:
        return o->subsidy;
    default:
        return 0;
    }
}

bool tip_is_for_next(const struct order *o) {
    return o->method == ORDER_SEND_BUNDLE && last_block(o) == 0 && !o->cancels;
}

uint64_t tip_expiry(const struct tip *t, const struct order *o, uint64_t received_ns) {
    uint64_t block = t->options.block_ns, lifetime = t->options.lifetime_ns;
    uint64_t last = last_block(o), head = tip_number(t);
    if (o->method == ORDER_SEND_RAW_TX) {
        lifetime = (RAW_BLOCKS + SLACK_BLOCKS) * block;
    } else if (tip_is_for_next(o)) {
        lifetime = (1 + SLACK_BLOCKS) * block;
    } else if (last > 0 && head > 0) {
        uint64_t ahead = last > head ? last - head : 0;
        if (ahead > TIP_LIFETIME_MAX_NS / block) ahead = TIP_LIFETIME_MAX_NS / block;
        lifetime = (ahead + SLACK_BLOCKS) * block;
    }
    if (lifetime > TIP_LIFETIME_MAX_NS) lifetime = TIP_LIFETIME_MAX_NS;
    uint64_t until = received_ns + lifetime;
    uint64_t latest = o->bundle.max_timestamp;
    if (o->method == ORDER_SEND_BUNDLE && o->bundle.fields & BUNDLE_MAX_TIMESTAMP && latest > 0 &&
        latest < until / NS_PER_S) {
        until = latest * NS_PER_S + block;
        if (until < received_ns + block) until = received_ns + block;
    }
    return until;
}

/* ---- asking ---- */

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct tip *)context)->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    buf_append(&((struct tip *)context)->answer, in);
}

static void failed(struct tip *t, const struct error *why) {
    if (!t->away) log_warn(t->options.log, "execution_client_away", F_ERR(why));
    t->away = true;
    ask_again(t);
}

static void on_end(struct client_call *k, void *context) {
    struct tip *t = context;
    struct arena a;
    const struct json *doc;
    struct error why = {.text = ""};
    uint64_t number = 0;
    (void)k;
    t->call = NULL;
    arena_init(&a, 64u << 10);
    int r = buf_check(&t->answer, &why);
    if (r == 0 && t->status != 200) r = error_set(&why, ERR_IO, "it answered %u", t->status);
    if (r == 0) r = json_parse(&doc, buf_view(&t->answer), &a, NULL, &why);
    if (r == 0) r = json_get_quantity(&number, doc, "result", &why);
    arena_free(&a);
    if (r != 0) {
        failed(t, &why);
        return;
    }
    t->away = false;
    tip_set(t, number);
    ask_again(t);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct tip *t = context;
    (void)k;
    t->call = NULL;
    if (why->code != ERR_CANCELLED) failed(t, why);
}

static const struct client_events events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void ask(struct loop_timer *timer) {
    struct tip *t = LIST_ENTRY(timer, struct tip, timer);
    struct error why;
    struct http_field type = {.name = BYTES_LIT("content-type"),
                              .value = BYTES_LIT("application/json")};
    const struct http_request r = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = bytes_from_str(t->path),
                                   .fields = {.item = &type, .count = 1, .capacity = 1}};
    struct bytes body =
        BYTES_LIT("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}");
    buf_clear(&t->answer);
    t->status = 0;
    int code = client_start(&t->call, t->client, &r, body, false, &events, t, &why);
    if (code != 0) failed(t, &why);
}

static int open_client(struct tip *t, struct error *why) {
    struct url u;
    char origin[sizeof t->path];
    const char *text = t->options.url;
    int r = url_parse(&u, bytes_from_str(text), why);
    if (r != 0) return error_wrap(why, "execution client");
    if (strlen(text) >= sizeof origin || u.scheme == URL_UNIX) {
        return error_set(why, ERR_INVALID, "the execution client's URL is too long, or no HTTP");
    }
    size_t n = (size_t)(u.authority.p + u.authority.n - (const uint8_t *)text);
    (void)snprintf(origin, sizeof origin, "%.*s", (int)n, text);
    (void)snprintf(t->path, sizeof t->path, "%.*s", (int)u.target.n, (const char *)u.target.p);
    const struct client_options o = {.url = origin,
                                     .names = t->options.names,
                                     .protocol = CLIENT_HTTP1,
                                     .connections = 1,
                                     .connect_ns = 2 * NS_PER_S,
                                     .response_ns = 2 * NS_PER_S};
    r = client_new(&t->client, t->options.loop, &o, why);
    if (r == 0) ask(&t->timer);
    return r;
}

int tip_new(struct tip **ret, const struct tip_options *options, struct error *why) {
    struct tip *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for the newest block");
    t->options = *options;
    if (!t->options.clock) t->options.clock = &clock_system;
    if (t->options.block_ns == 0) t->options.block_ns = BLOCK_DEFAULT_NS;
    if (t->options.every_ns == 0) t->options.every_ns = EVERY_DEFAULT_NS;
    if (t->options.lifetime_ns == 0) t->options.lifetime_ns = 10 * t->options.block_ns;
    t->timer.fire = ask;
    buf_init(&t->answer, ANSWER_MAX);
    int r = options->url ? open_client(t, why) : 0;
    if (r != 0) {
        tip_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void tip_free(struct tip *t) {
    if (!t) return;
    if (t->client) client_free(t->client);
    if (t->options.loop) loop_timer_clear(t->options.loop, &t->timer);
    buf_free(&t->answer);
    free(t);
}
