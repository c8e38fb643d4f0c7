/* A session with a peer that sends anything, in pieces of any size: whatever comes, what is handed
 * on rises, and what is acknowledged was handed on. SPDX-License-Identifier: MIT */
#include "orderflow/peer_stream.h"

#include <stdlib.h>

#define ORDERS 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

static void order_release(void *order) {
    (void)order;
}
static int order_write(struct buf *out, void *order, struct error *why) {
    buf_append_be64(out, (uint64_t)(uintptr_t)order);
    return buf_check(out, why);
}
static int order_restore(struct outbox_order *ret, struct bytes in, struct error *why) {
    (void)ret, (void)in;
    return error_set(why, ERR_UNSUPPORTED, "nothing is spilled");
}
static const struct outbox_actions actions = {order_release, order_write, order_restore};

static bool describe(void *context, struct wire_order *ret, void *order) {
    (void)context, (void)order;
    ret->body = BYTES_LIT("an order of ours");
    return true;
}

struct world {
    struct peer_inbox inbox;
    struct peer_outbox outbox;
    struct peer_stream session;
    struct buf out;
    uint64_t last, now_ns;
};

static void on_order(struct world *w, const struct stream_event *e) {
    require(e->order.wire.seq > w->last);
    if (e->order.wire.body.n % 5 == 0 && e->order.wire.priority == 1) {
        peer_stream_keep(&w->session, e->order.place); // offered again, as the next
        return;
    }
    w->last = e->order.wire.seq;
    peer_inbox_settle(&w->inbox, w->inbox.generation, e->order.place, e->order.wire.method % 3);
}

/* False: the session is over. */
static bool on_event(struct world *w, const struct stream_event *e) {
    const struct wire_hello own = {.name = BYTES_LIT("us")};
    switch (e->type) {
    case STREAM_HELLO:
        peer_stream_attach(&w->session, &w->inbox, &w->outbox, &own, &w->out);
        return true;
    case STREAM_RESUMED:
        (void)peer_stream_pump(&w->session, &w->out, SIZE_MAX, w->now_ns, describe, NULL);
        return true;
    case STREAM_ORDER:
        on_order(w, e);
        return true;
    case STREAM_ACK:
        return peer_outbox_ack(&w->outbox, e->ack.seq, NULL, NULL, NULL, NULL) == 0;
    case STREAM_REFUSE:
        peer_outbox_again(&w->outbox, e->ack.seq, w->now_ns);
        return true;
    case STREAM_BYE:
        return false;
    default:
        return true;
    }
}

static void feed(struct world *w, const uint8_t *data, size_t size) {
    struct stream_event e;
    while (size > 1) {
        size_t n = 1 + (size_t)data[0] * 4;
        if (n > size - 1) n = size - 1;
        struct bytes in = {data + 1, n};
        for (unsigned turns = 0; turns < 100000; turns++) {
            if (peer_stream_next(&e, &w->session, &in, w->now_ns, w->now_ns, &w->out, NULL) != 0) {
                return;
            }
            if (e.type == STREAM_MORE) break;
            if (!on_event(w, &e)) return;
            // An order that is kept comes again for ever: once is enough here.
            if (e.type == STREAM_ORDER && w->session.used == 0) return;
        }
        if (w->session.attached) peer_inbox_answer(&w->inbox, &w->out, false);
        require(w->inbox.acked <= w->inbox.handed);
        data += n + 1;
        size -= n + 1;
        w->now_ns += 1000000000;
        if (!peer_stream_tick(&w->session, w->now_ns, &w->out)) return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world w = {.now_ns = 1000000000};
    peer_inbox_init(&w.inbox);
    peer_outbox_init(&w.outbox, 64, 1u << 20, NULL, &actions);
    peer_stream_init(&w.session, false, 4096, w.now_ns);
    buf_init(&w.out, 0);
    for (uintptr_t k = 1; k <= ORDERS; k++) {
        const struct outbox_order o = {(void *)k, 0, 16, false};
        peer_outbox_push(&w.outbox, &o, w.now_ns);
    }
    feed(&w, data, size);
    require(w.outbox.stats.taken == ORDERS);
    peer_stream_free(&w.session);
    peer_inbox_free(&w.inbox);
    peer_outbox_free(&w.outbox);
    buf_free(&w.out);
    return 0;
}
