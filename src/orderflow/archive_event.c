/* The redistribution archive's events, byte for byte as the first generation writes them.
 * SPDX-License-Identifier: MIT */
#include "orderflow/archive_rows.h"
#include "json/write.h"

#define RAW_BLOCKS 5u /* a raw transaction is tried for */

static void put_raw_as_share(struct buf *out, const struct flow_order *o, uint64_t head_block) {
    const struct share_item item = {.has_tx = true, .tx = o->order.raw, .can_revert = true};
    const struct share_bundle b = {.version = BYTES_LIT("v0.1"),
                                   .block = head_block,
                                   .has_max_block = true,
                                   .max_block = head_block + RAW_BLOCKS,
                                   .body = &item,
                                   .body_count = 1,
                                   .has_metadata = true,
                                   .has_signer = true,
                                   .signer = o->signer};
    struct json_writer w;
    json_writer_init(&w, out, 0);
    share_bundle_encode(&w, NULL, &b);
}

int archive_put_event(struct buf *out, const struct flow_order *o, uint64_t head_block,
                      struct error *why) {
    bool raw = o->order.method == ORDER_SEND_RAW_TX;
    enum order_method method = raw ? ORDER_SEND_SHARE : o->order.method;
    if (method == ORDER_SUBSIDISE) return error_set(why, ERR_UNSUPPORTED, "is not archived");
    buf_printf(out, "{\"%s\":{\"params\":", order_method_name(method));
    if (raw) {
        put_raw_as_share(out, o, head_block);
    } else {
        struct order plain = o->order;
        plain.bundle.fields &= ~(unsigned)BUNDLE_HASH; // not of that interface
        order_put_param(out, &plain);
    }
    buf_printf(out, ",\"metadata\":{\"receivedAt\":%llu}}}",
               (unsigned long long)(o->received_ns / NS_PER_MS));
    return buf_check(out, why);
}

void archive_put_request(struct buf *out, struct bytes events) {
    buf_append_str(out, "{\"method\":\"flashbots_newOrderEvents\",\"params\":[{\"orderEvents\":[");
    buf_append(out, events);
    buf_append_str(out, "]}],\"id\":0,\"jsonrpc\":\"2.0\"}");
}
