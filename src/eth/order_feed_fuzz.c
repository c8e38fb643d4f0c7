/* Frames and orders that decode encode to the same bytes again. SPDX-License-Identifier: MIT */
#include "eth/order_feed.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct feed_frame *f, struct bytes whole, struct arena *a) {
    struct feed_order o;
    struct buf out;
    if (feed_order_decode(&o, f->body, a, NULL) != 0) return;
    buf_init(&out, 0);
    feed_put_order(&out, f->sequence, &o);
    // Only booleans have more than one way to be written.
    bool same = bytes_equal(buf_view(&out), whole);
    if (!same && !(o.method == FEED_SEND_BUNDLE && o.bundle.fields & BUNDLE_DELAYED_REFUND))
        abort();
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct feed_frame f;
    struct bytes in = {data, size};
    arena_init(&a, 4u << 20);
    while (feed_frame_parse(&f, in, NULL) == 0) {
        if (f.bytes > in.n) abort();
        if (f.kind == FEED_ORDER) check_order(&f, bytes_slice(in, 0, f.bytes), &a);
        arena_reset(&a);
        in = bytes_slice(in, f.bytes, in.n);
    }
    arena_free(&a);
    return 0;
}
