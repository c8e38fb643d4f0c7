/* Peer outbox: the orders for one peer, from share_order to the peer's acknowledgement.
 *
 * A ring of orders in memory, numbered from 1; behind it a spill on disk that takes what does not
 * fit and gives it back when there is room, so that the order of arrival is kept. An order leaves
 * when it is settled (acknowledged, refused for good) or expired. A lost session rewinds: what was
 * sent and not settled is sent again under the same number.
 *
 * When neither memory nor spill has room, expired orders go first, then the oldest of low
 * priority among the oldest, then the oldest; each is counted.
 * The orders are opaque: a table of functions holds, writes and restores them.
 * Pure but for the spill; one thread at a time. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEER_OUTBOX_H
#define ORDERFLOW_PEER_OUTBOX_H

#include "base/buf.h"
#include "orderflow/spill.h"

/* What the outbox needs to know of an order. */
struct outbox_order {
    void *order;
    uint64_t expires_ns; /* wall clock; 0: never */
    uint32_t bytes;
    bool low; /* of low priority */
};

struct outbox_actions {
    void (*release)(void *order);
    /* Writes an order for the spill, and makes it again: the restored one is the outbox's. */
    int (*write)(struct buf *out, void *order, struct error *why);
    int (*restore)(struct outbox_order *ret, struct bytes in, struct error *why);
};

enum outbox_state { OUTBOX_WAITS, OUTBOX_SENT, OUTBOX_DONE };

struct outbox_item {
    void *order;
    uint64_t expires_ns, sent_ns;
    uint32_t bytes;
    uint8_t state;
    bool low, again; /* again: it was sent before */
};

struct outbox_stats {
    uint64_t taken, sent, resent, acknowledged, refused;
    uint64_t expired; /* before they were acknowledged */
    uint64_t dropped; /* no room, or not to be written or restored */
};

struct peer_outbox {
    struct outbox_item *items; /* ring */
    size_t capacity;           /* power of two, grows to items_max */
    size_t items_max;
    uint64_t bytes_max;
    uint64_t first, next, end; /* numbers: oldest, to be sent next, to be given next */
    uint64_t top;              /* above everything that was ever sent */
    uint64_t bytes;            /* of items that are not done */
    uint64_t waiting;          /* bytes that wait to be sent */
    uint64_t unanswered;       /* items that were sent and are not settled */
    uint64_t soonest_ns;       /* nothing in the ring expires before */
    const struct outbox_actions *actions;
    struct spill *spill; /* owned; NULL: none */
    struct buf scratch;
    struct outbox_stats stats;
};

/* peer_outbox_init: items_max is rounded up to a power of two. The spill is taken over. */
void peer_outbox_init(struct peer_outbox *o, size_t items_max, uint64_t bytes_max,
                      struct spill *spill, const struct outbox_actions *actions);
void peer_outbox_free(struct peer_outbox *o);

/* peer_outbox_push takes an order over, whatever becomes of it. */
void peer_outbox_push(struct peer_outbox *o, const struct outbox_order *order, uint64_t now_ns);

/* peer_outbox_next gives the next order to be sent and counts it as sent; NULL: none. The order
 * stays the outbox's until it is settled. */
void *peer_outbox_next(struct peer_outbox *o, uint64_t now_ns, uint64_t *ret_seq);

/* peer_outbox_ack settles all orders up to seq. *ret_sent_ns (may be NULL): when that one was sent,
 * 0 when it was settled before. each (may be NULL) is called with every order settled by it and
 * when it was sent.
 * errors  ERR_INVALID: it was never sent. */
[[gnu::warn_unused_result]] int
peer_outbox_ack(struct peer_outbox *o, uint64_t seq, uint64_t *ret_sent_ns,
                void (*each)(void *context, void *order, uint64_t sent_ns), void *context,
                struct error *why);

/* peer_outbox_settle settles one order: acknowledged or refused for good. */
void peer_outbox_settle(struct peer_outbox *o, uint64_t seq, bool acknowledged);

/* peer_outbox_again: one order was not taken for now; it is queued again, under a new number. */
void peer_outbox_again(struct peer_outbox *o, uint64_t seq, uint64_t now_ns);

/* peer_outbox_order gives an order that is not settled, NULL for others. */
void *peer_outbox_order(const struct peer_outbox *o, uint64_t seq);
/* peer_outbox_sent gives one that was sent and is not settled, and when; NULL for others. */
void *peer_outbox_sent(const struct peer_outbox *o, uint64_t seq, uint64_t *ret_sent_ns);

/* peer_outbox_rewind: a session begins. What stands after seq waits to be sent again, up to it all
 * was taken and is yet to be settled. errors  ERR_INVALID: seq was never sent. */
[[gnu::warn_unused_result]] int peer_outbox_rewind(struct peer_outbox *o, uint64_t seq,
                                                   struct error *why);

/* peer_outbox_expire drops what has expired and takes back from the spill what fits. */
void peer_outbox_expire(struct peer_outbox *o, uint64_t now_ns);

/* Orders in memory that are not settled, all that wait to be sent (spilled ones too). */
uint64_t peer_outbox_count(const struct peer_outbox *o);
static inline bool peer_outbox_waits(const struct peer_outbox *o) {
    return o->waiting > 0 || spill_records(o->spill) > 0;
}
static inline bool peer_outbox_is_empty(const struct peer_outbox *o) {
    return o->first == o->end && spill_records(o->spill) == 0;
}

#endif
