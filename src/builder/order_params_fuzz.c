/* Order requests in JSON, as they come to the JSON-RPC port: whatever is taken becomes an order
 * that keeps to its limits, and travels through the feed unchanged. SPDX-License-Identifier: MIT */
#include "builder/build_order.h"
#include "builder/order_params.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct build_order *o) {
    char name[BUILD_ORDER_NAME_MAX];
    build_order_name(name, o);
    if (o->tx_count == 0 || o->tx_count > BUILD_TXS_MAX || o->nonce_count > o->tx_count) abort();
    if (o->refund.percent > 99 || o->refund.tx >= o->tx_count) abort();
    if (o->last_block && o->last_block < o->first_block) abort();
}

// The same order by way of the feed has the same identity.
static void check_feed(const struct feed_order *f, const struct build_order *o,
                       const struct build_context *c) {
    struct feed_frame frame;
    struct feed_order back;
    struct build_request again;
    struct buf out;
    struct arena a;
    buf_init(&out, 0);
    arena_init(&a, 0);
    feed_put_order(&out, 1, f);
    if (feed_frame_parse(&frame, buf_view(&out), NULL) != 0) abort();
    if (feed_order_decode(&back, frame.body, &a, NULL) != 0) abort();
    if (build_request_of(&again, &back, c, NULL) != 0) abort();
    if (!hash_equal(&again.order->id, &o->id)) abort();
    build_order_release(again.order);
    arena_free(&a);
    buf_free(&out);
}

static int take(void *arg, const struct feed_order *f, struct error *why) {
    const struct build_context c = {1, BUILD_FROM_FILE, NULL};
    struct build_request r;
    (void)arg;
    (void)why;
    if (build_request_of(&r, f, &c, NULL) != 0) return 0;
    if (r.kind != BUILD_REQUEST_ORDER) return 0;
    check_order(r.order);
    check_feed(f, r.order, &c);
    build_order_release(r.order);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (order_params_each(bytes_make(data, size), take, NULL, NULL) > 0) abort();
    return 0;
}
