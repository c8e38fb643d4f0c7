/* `logs --order`: what the network traced of an order (GET /api/order/HASH), as log lines: programs
 * do not log orders one by one. SPDX-License-Identifier: MIT */
#include "devnet/asker.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

struct lines {
    struct asker *asker;
    const char *order;
    order_line_fn *take;
    void *context;
    int code;
    struct error *why;
};

[[gnu::format(printf, 5, 6)]] static void tell(struct lines *l, const char *node, const char *part,
                                               uint64_t at_ns, const char *format, ...) {
    char role[64], time[CLOCK_TEXT_MAX], text[512];
    va_list args;
    if (l->code < 0 || at_ns == 0) return;
    (void)snprintf(role, sizeof role, "%s%s%s", node, *node ? "." : "", part);
    (void)clock_format(time, at_ns, 6);
    int n = snprintf(text, sizeof text, "time=%s level=info program=%s event=", time, part);
    va_start(args, format);
    int more = vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    size_t all = (size_t)n + (size_t)more;
    l->code = l->take(l->context, role, bytes_make(text, all < sizeof text ? all : sizeof text - 1),
                      at_ns, l->why);
}

static uint64_t time_at(const struct json *v, const char *key) {
    struct bytes text;
    uint64_t ns = 0;
    if (json_get_string(&text, v, key, NULL) < 0 || clock_parse(&ns, text, NULL) < 0) return 0;
    return ns;
}

// Texts of the trace are the programs' own words and names: nothing in them needs quotes.
static void tell_trace(struct lines *l, const char *node, const struct json *t) {
    const char *peer = asker_text(l->asker, t, "peer");
    json_members(stage, at, json_get(t, "stages")) {
        uint64_t ns = 0;
        struct bytes name = json_text(stage);
        if (json_u64(&ns, at, NULL) < 0) continue;
        tell(l, node, "orderflow", ns, "order_%.*s order=%s method=%s from=%s%s%s", (int)name.n,
             (const char *)name.p, l->order, asker_text(l->asker, t, "method"),
             asker_text(l->asker, t, "from"), *peer ? " peer=" : "", peer);
    }
    json_each(p, json_get(t, "peers")) {
        tell(l, node, "orderflow", asker_u64(p, "acknowledgedNs"),
             "order_acknowledged order=%s peer=%s", l->order, asker_text(l->asker, p, "name"));
    }
}

static void tell_slot(struct lines *l, const char *node, const struct json *s) {
    unsigned long long slot = asker_u64(s, "slot"), block = asker_u64(s, "block");
    tell(l, node, "builder", time_at(s, "simulatedAt"),
         "order_simulated order=%s slot=%llu block=%llu state=%s", l->order, slot, block,
         asker_text(l->asker, s, "state"));
    tell(l, node, "builder", time_at(s, "firstBidAt"),
         "order_in_bid order=%s slot=%llu block=%llu bids=%llu last_bid=%s landed=%s", l->order,
         slot, block, (unsigned long long)asker_u64(s, "bids"), asker_text(l->asker, s, "lastBid"),
         asker_bool(s, "landed") ? "true" : "false");
}

static void tell_builder(struct lines *l, const char *node, const struct json *o) {
    tell(l, node, "builder", time_at(o, "receivedAt"), "order_taken order=%s kind=%s source=%s",
         l->order, asker_text(l->asker, o, "kind"), asker_text(l->asker, o, "source"));
    json_each(s, json_get(o, "slots")) tell_slot(l, node, s);
    tell(l, node, "builder", time_at(o, "removedAt"), "order_removed order=%s reason=%s", l->order,
         asker_text(l->asker, o, "removed"));
}

int order_lines(struct asker *k, const char *hash, struct order_names *ret, order_line_fn *take,
                void *context, struct error *why) {
    char path[96];
    struct client_answer answer;
    const struct json *doc = NULL;
    struct hash check;
    if (hex_decode_hash(&check, bytes_from_str(hash), NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "--order: a hash has 0x and 64 digits");
    }
    (void)snprintf(path, sizeof path, "/api/order/%s", hash);
    int r = asker_get(k, path, &answer, why);
    if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_IO, "the network answers %u", answer.status);
    }
    if (r == 0) r = json_parse(&doc, answer.body, &k->arena, NULL, why);
    if (r < 0) return r;
    *ret = (struct order_names){asker_text(k, doc, "order"), asker_text(k, doc, "tx")};
    struct lines l = {k, ret->order, take, context, 0, why};
    json_each(n, json_get(doc, "nodes")) {
        json_each(t, json_get(n, "trace")) tell_trace(&l, asker_text(k, n, "node"), t);
    }
    json_each(n, json_get(doc, "builders")) {
        json_each(o, json_get(n, "orders")) tell_builder(&l, asker_text(k, n, "node"), o);
    }
    return l.code;
}
