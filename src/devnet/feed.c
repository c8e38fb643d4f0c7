/* `devnet feed`: a line for each slot. SPDX-License-Identifier: MIT */
#include "devnet/asker.h"
#include "net/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_BYTES_MAX (4u << 20)

static void print_head(void) {
    (void)printf("%6s %6s  %-10s %5s %5s %14s %4s %7s %9s %7s %7s %7s\n", "SLOT", "BLOCK", "WINNER",
                 "BIDS", "BLDRS", "VALUE ETH", "TXS", "ORDERS", "GAS", "ROOT", "SEAL", "SEEN");
}

// Wei as ether with nine digits behind the point, exactly.
static void ether(char ret[48], const char *wei) {
    size_t n = strlen(wei);
    char digits[128];
    if (n == 0 || n > 80) {
        (void)snprintf(ret, 48, "-");
        return;
    }
    // At least 19 digits: one before the point, 18 behind.
    size_t zeros = n < 19 ? 19 - n : 0;
    memset(digits, '0', zeros);
    memcpy(digits + zeros, wei, n + 1);
    size_t whole = zeros + n - 18;
    (void)snprintf(ret, 48, "%.*s.%.9s", (int)whole, digits, digits + whole);
}

static void milliseconds(char ret[24], const struct json *r, const char *key) {
    (void)snprintf(ret, 24, "-");
    if (json_get(r, key)) (void)snprintf(ret, 24, "%.2fms", asker_number(r, key));
}

static void print_slot(struct asker *k, const struct json *r) {
    char value[48], bids[24] = "-", builders[24] = "-", orders[48] = "-", root[24], seal[24];
    uint64_t slot = asker_u64(r, "slot");
    if (asker_bool(r, "missed")) {
        const char *reason = asker_text(k, r, "reason");
        (void)printf("%6llu %6s  missed: %s\n", (unsigned long long)slot, "-",
                     *reason ? reason : "no block was seen");
        return;
    }
    if (json_get(r, "received")) { // what landed of what the winner had for this block
        (void)snprintf(orders, sizeof orders, "%llu/%llu",
                       (unsigned long long)asker_u64(r, "landed"),
                       (unsigned long long)asker_u64(r, "received"));
    }
    milliseconds(root, r, "root_ms");
    milliseconds(seal, r, "seal_ms");
    ether(value, asker_text(k, r, "value_wei"));
    if (json_get(r, "bids")) {
        (void)snprintf(bids, sizeof bids, "%llu", (unsigned long long)asker_u64(r, "bids"));
        (void)snprintf(builders, sizeof builders, "%llu",
                       (unsigned long long)asker_u64(r, "builders"));
    }
    long long seen = (long long)asker_u64(r, "seen_ms") - (long long)asker_u64(r, "begins_ms");
    (void)printf("%6llu %6llu  %-10s %5s %5s %14s %4llu %7s %9llu %7s %7s %5lldms\n",
                 (unsigned long long)slot, (unsigned long long)asker_u64(r, "number"),
                 asker_bool(r, "by_relay") ? asker_text(k, r, "winner") : "(proposer)", bids,
                 builders, value, (unsigned long long)asker_u64(r, "txs"), orders,
                 (unsigned long long)asker_u64(r, "gas_used"), root, seal, seen);
}

struct following {
    struct asker *asker;
    struct sse_reader reader;
    struct error why;
    int code;
    bool over;
};

static void take(struct following *f, const struct sse_event *e) {
    const struct json *doc;
    if (f->asker->s->json) {
        (void)printf("%.*s\n", (int)e->data.n, (const char *)e->data.p);
    } else if (bytes_equal_str(e->type, "slot") &&
               json_parse(&doc, e->data, &f->asker->arena, NULL, NULL) == 0) {
        print_slot(f->asker, doc);
    }
    (void)fflush(stdout);
    asker_forget(f->asker);
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct following *f = context;
    struct sse_event e;
    int r;
    (void)k;
    while ((r = sse_next(&e, &f->reader, &in, &f->why)) == 1) {
        take(f, &e);
    }
    if (r < 0) f->code = r, f->over = true;
}

static void on_end(struct client_call *k, void *context) {
    (void)k;
    ((struct following *)context)->over = true;
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct following *f = context;
    (void)k;
    (void)why; // the network ended
    f->over = true;
}

static int follow(struct asker *k, struct error *why) {
    static const struct client_events events = {
        .body = on_body, .end = on_end, .failed = on_failed};
    struct following f = {.asker = k};
    struct loop *l;
    struct client *c = NULL;
    char url[64];
    (void)snprintf(url, sizeof url, "%s", k->control);
    const struct client_options o = {.url = url, .body_ns = 60 * NS_PER_S};
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT("/api/events")};
    sse_reader_init(&f.reader, EVENT_BYTES_MAX);
    int code = loop_new(&l, NULL, why);
    if (code < 0) return code;
    code = client_new(&c, l, &o, why);
    if (code == 0) {
        code = client_start(NULL, c, &r, (struct bytes){NULL, 0}, false, &events, &f, why);
    }
    while (code == 0 && !f.over) {
        code = loop_turn(l, NS_PER_S, why);
    }
    f.over = true;
    client_free(c);
    loop_free(l);
    sse_reader_free(&f.reader);
    if (code == 0 && f.code < 0) {
        *why = f.why;
        code = f.code;
    }
    return code;
}

int feed_print(struct asker *k, struct error *why) {
    const struct json *state;
    if (!k->s->json) print_head();
    if (k->s->follow) return follow(k, why);
    int r = asker_state(k, &state, NULL, why);
    if (r < 0) return r;
    json_each(item, json_get(state, "slots")) {
        if (k->s->json) {
            struct bytes raw = json_raw(item);
            (void)printf("%.*s\n", (int)raw.n, (const char *)raw.p);
        } else {
            print_slot(k, item);
        }
    }
    return 0;
}
