/* The parameter of each method, by itself, as users and peers send it: what is accepted becomes an
 * order whose forms can all be built, and whose peer form read back is the same order.
 *
 * Input: a byte that says method (low three bits), generation and door, then JSON.
 * SPDX-License-Identifier: MIT */
#include "orderflow/order.h"
#include "orderflow/peer_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A peer reads the bundle that this node sends: by its id it is the same. */
static void read_back(const struct flow_order *o, struct bytes data) {
    struct arena a;
    struct hash id;
    struct order again = {.method = ORDER_SEND_BUNDLE};
    arena_init(&a, 64u << 20);
    if (peer_bundle_decode(&again.bundle, data, &a, NULL) != 0 ||
        flow_order_id_of(&id, &again, NULL) != 0 || !hash_equal(&id, &o->id)) {
        abort();
    }
    struct hash answer = order_flow_hash(&again.bundle);
    if (!hash_equal(&answer, &o->answer)) abort();
    arena_free(&a);
}

static void build(const struct order *order, struct arena *a) {
    struct flow_order *o;
    struct buf direct;
    const struct flow_body *body;
    const struct flow_order_facts facts = {.priority = ORDER_LOW};
    struct order plain = *order;
    plain.bundle.fields &= ~(unsigned)BUNDLE_HASH;
    buf_init(&direct, 0);
    if (order_forward(&direct, &plain, ORDER_FIRST, NULL) != 0) abort();
    if (flow_order_new(&o, order, &facts, a, NULL) != 0) {
        buf_free(&direct);
        return;
    }
    if (flow_order_body(&body, o, FLOW_JSON_FIRST, NULL, NULL) != 0 ||
        !bytes_equal(body->data, buf_view(&direct))) {
        abort();
    }
    buf_free(&direct);
    for (int form = 0; form < FLOW_FORM_COUNT; form++) {
        if (flow_order_body(&body, o, (enum flow_form)form, NULL, NULL) != 0) abort();
    }
    if (o->order.method == ORDER_SEND_BUNDLE) read_back(o, body->data);
    flow_order_release(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct arena a, scratch;
    const struct json *param;
    struct order order;
    enum order_method method = (enum order_method)((data[0] & 7u) % ORDER_METHOD_COUNT);
    const struct order_context c = {.generation = data[0] & 8 ? ORDER_FIRST : ORDER_SECOND,
                                    .system = data[0] & 16,
                                    .trusted = data[0] & 32,
                                    .signer = {{1, 2, 3}},
                                    .now_us = 1730000000000000};
    const struct json_limits limits = {1u << 20, 64, 1u << 16, false};
    arena_init(&a, 64u << 20);
    arena_init(&scratch, 16u << 20);
    if (json_parse(&param, bytes_make(data + 1, size - 1), &scratch, &limits, NULL) == 0 &&
        order_from_param(&order, bytes_from_str(order_method_name(method)), param, &c, &a, NULL) ==
            0) {
        build(&order, &a);
    }
    arena_free(&a);
    arena_free(&scratch);
    return 0;
}
