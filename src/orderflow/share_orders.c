/* Orders as the outboxes need them: written into the spill and made again, described on the wire.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

#include "json/json.h"

#define ARENA_BYTES (128u << 20) /* of a restored order */
#define FIXED_BYTES 56u

/* A record, big-endian: method 1, priority 1, zero 2, bytes 4, received 8, expires 8, sent 8,
 * signer 20, zero 4, then the order as FLOW_BITCODE. */

static void release(void *order) {
    flow_order_release(order);
}

static int write(struct buf *out, void *order, struct error *why) {
    struct flow_order *o = order;
    const struct flow_body *body;
    int r = flow_order_body(&body, o, FLOW_BITCODE, NULL, why);
    if (r != 0) return r;
    buf_append_byte(out, (uint8_t)o->order.method);
    buf_append_byte(out, (uint8_t)o->priority);
    buf_append_be16(out, 0);
    buf_append_be32(out, (uint32_t)o->bytes);
    buf_append_be64(out, o->received_ns);
    buf_append_be64(out, o->expires_ns);
    buf_append_be64(out, o->sent_ns);
    buf_append(out, BYTES_OF(o->signer));
    buf_append_be32(out, 0);
    buf_append(out, body->data);
    return buf_check(out, why);
}

static int decode(struct order *ret, enum order_method method, struct bytes data,
                  const struct address *signer, struct arena *a, struct error *why) {
    const struct order_context context = {
        .generation = ORDER_FIRST, .system = true, .signer = *signer};
    const struct json *param;
    int r;
    data = arena_copy(a, data);
    if (!data.p && data.n > 0) return error_set(why, ERR_LIMIT, "an order is too large");
    switch (method) {
    case ORDER_SEND_BUNDLE:
        ret->method = method;
        r = peer_bundle_decode(&ret->bundle, data, a, why);
        if (r == 0) ret->replaces = order_replacement_of(&ret->replacement, &ret->bundle);
        ret->cancels = ret->replaces && ret->bundle.txs.count == 0;
        return r;
    case ORDER_SEND_RAW_TX:
        ret->method = method;
        ret->raw = data;
        return 0;
    case ORDER_SEND_SHARE:
    case ORDER_CANCEL_BUNDLE:
        r = json_parse(&param, data, a, NULL, why);
        if (r != 0) return r;
        return order_from_param(ret, bytes_from_str(order_method_name(method)), param, &context, a,
                                why);
    default:
        return error_set(why, ERR_UNSUPPORTED, "an order of an unknown method");
    }
}

int share_restore(struct outbox_order *ret, struct bytes in, struct error *why) {
    struct order order = {0};
    struct arena a;
    struct flow_order *o;
    if (in.n < FIXED_BYTES || in.p[0] >= ORDER_METHOD_COUNT || in.p[1] > ORDER_LOW) {
        return error_set(why, ERR_SYNTAX, "a spilled order is damaged");
    }
    struct flow_order_facts facts = {.source = FLOW_FROM_USER,
                                     .priority = (enum order_priority)in.p[1],
                                     .bytes = load_be32(in.p + 4),
                                     .received_ns = load_be64(in.p + 8),
                                     .expires_ns = load_be64(in.p + 16),
                                     .sent_ns = load_be64(in.p + 24)};
    memcpy(facts.signer.b, in.p + 32, sizeof facts.signer.b);
    arena_init(&a, ARENA_BYTES);
    int r = decode(&order, (enum order_method)in.p[0], bytes_slice(in, FIXED_BYTES, in.n),
                   &facts.signer, &a, why);
    if (r != 0) {
        arena_free(&a);
        return r;
    }
    r = flow_order_new(&o, &order, &facts, &a, why);
    if (r == 0) *ret = share_order_of(o);
    return r;
}

struct outbox_order share_order_of(struct flow_order *o) {
    return (struct outbox_order){.order = o,
                                 .expires_ns = o->expires_ns,
                                 .bytes = (uint32_t)o->bytes,
                                 .low = o->priority == ORDER_LOW};
}

bool share_describe(void *peer, struct wire_order *ret, void *order) {
    const struct peer *p = peer;
    struct flow_order *o = order;
    const struct flow_body *body;
    if (flow_order_body(&body, o, FLOW_BITCODE, NULL, NULL) != 0) return false;
    *ret = (struct wire_order){.sent_ns = clock_wall_ns(p->share->clock),
                               .received_ns = o->received_ns,
                               .expires_ns = o->expires_ns,
                               .last_block = o->target_block,
                               .method = (uint8_t)o->order.method,
                               .priority = (uint8_t)o->priority,
                               .body = body->data};
    memcpy(ret->signer, o->signer.b, sizeof ret->signer);
    return true;
}

const struct outbox_actions share_order_actions = {release, write, share_restore};
