/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_outbox.h"

#include <stdlib.h>

#define ITEMS_FIRST 64u
#define LOW_SEARCH 256u /* oldest orders among which one of low priority is looked for */

static struct outbox_item *item_at(const struct peer_outbox *o, uint64_t seq) {
    return &o->items[seq & (o->capacity - 1)];
}

void peer_outbox_init(struct peer_outbox *o, size_t items_max, uint64_t bytes_max,
                      struct spill *spill, const struct outbox_actions *actions) {
    memset(o, 0, sizeof *o);
    o->items_max = ITEMS_FIRST;
    while (o->items_max < items_max) {
        o->items_max *= 2;
    }
    o->bytes_max = bytes_max;
    o->first = o->next = o->end = o->top = 1;
    o->soonest_ns = UINT64_MAX;
    o->spill = spill;
    o->actions = actions;
    buf_init(&o->scratch, SPILL_RECORD_MAX);
}

/* The item holds its order no longer. */
static void finish(struct peer_outbox *o, struct outbox_item *i) {
    if (i->state == OUTBOX_WAITS) o->waiting -= i->bytes;
    if (i->state == OUTBOX_SENT) o->unanswered--;
    o->bytes -= i->bytes;
    o->actions->release(i->order);
    i->order = NULL;
    i->state = OUTBOX_DONE;
}

static void trim(struct peer_outbox *o) {
    while (o->first < o->end && item_at(o, o->first)->state == OUTBOX_DONE) {
        o->first++;
    }
    if (o->next < o->first) o->next = o->first;
}

void peer_outbox_free(struct peer_outbox *o) {
    for (uint64_t seq = o->first; seq < o->end; seq++) {
        struct outbox_item *i = item_at(o, seq);
        if (i->state != OUTBOX_DONE) finish(o, i);
    }
    free(o->items);
    buf_free(&o->scratch);
    spill_close(o->spill);
    memset(o, 0, sizeof *o);
}

/* ---- room ---- */

static bool is_expired(uint64_t expires_ns, uint64_t now_ns) {
    return expires_ns != 0 && expires_ns <= now_ns;
}

static uint64_t earlier(uint64_t soonest_ns, uint64_t expires_ns) {
    return expires_ns != 0 && expires_ns < soonest_ns ? expires_ns : soonest_ns;
}

/* Looks through the ring only when something in it can have expired: a full ring behind a peer that
 * is away is asked for room with every order. */
static void drop_expired(struct peer_outbox *o, uint64_t now_ns) {
    if (o->soonest_ns > now_ns) return;
    o->soonest_ns = UINT64_MAX;
    for (uint64_t seq = o->first; seq < o->end; seq++) {
        struct outbox_item *i = item_at(o, seq);
        if (i->state == OUTBOX_DONE) continue;
        if (!is_expired(i->expires_ns, now_ns)) {
            o->soonest_ns = earlier(o->soonest_ns, i->expires_ns);
            continue;
        }
        finish(o, i);
        o->stats.expired++;
    }
    trim(o);
}

static bool grow(struct peer_outbox *o) {
    size_t capacity = o->capacity ? o->capacity * 2 : ITEMS_FIRST;
    if (capacity > o->items_max) return false;
    struct outbox_item *items = calloc(capacity, sizeof *items);
    if (!items) return false;
    for (uint64_t seq = o->first; seq < o->end; seq++) {
        items[seq & (capacity - 1)] = *item_at(o, seq);
    }
    free(o->items);
    o->items = items;
    o->capacity = capacity;
    return true;
}

static bool has_room(struct peer_outbox *o, uint32_t bytes) {
    bool empty = o->bytes == 0; // one order always fits
    if (!empty && o->bytes + bytes > o->bytes_max) return false;
    return o->end - o->first < o->capacity || grow(o);
}

static void put(struct peer_outbox *o, const struct outbox_order *order, bool again) {
    *item_at(o, o->end++) = (struct outbox_item){.order = order->order,
                                                 .expires_ns = order->expires_ns,
                                                 .bytes = order->bytes,
                                                 .low = order->low,
                                                 .again = again};
    o->bytes += order->bytes;
    o->waiting += order->bytes;
    o->soonest_ns = earlier(o->soonest_ns, order->expires_ns);
}

static bool spill_one(struct peer_outbox *o, void *order, uint64_t expires_ns, uint64_t now_ns) {
    if (!o->spill) return false;
    buf_clear(&o->scratch);
    uint64_t lost = spill_dropped(o->spill);
    if (o->actions->write(&o->scratch, order, NULL) != 0) return false;
    int r = spill_append(o->spill, buf_view(&o->scratch), expires_ns, now_ns, NULL);
    o->stats.dropped += spill_dropped(o->spill) - lost;
    return r == 0;
}

/* Takes the oldest out of the way, one of low priority rather than another. */
static void drop_oldest(struct peer_outbox *o) {
    uint64_t victim = o->first;
    for (uint64_t seq = o->first; seq < o->end && seq < o->first + LOW_SEARCH; seq++) {
        const struct outbox_item *i = item_at(o, seq);
        if (i->state != OUTBOX_DONE && i->low) {
            victim = seq;
            break;
        }
    }
    struct outbox_item *i = item_at(o, victim);
    if (i->state != OUTBOX_DONE) {
        finish(o, i);
        o->stats.dropped++;
    }
    trim(o);
}

static void make_room(struct peer_outbox *o, uint32_t bytes, uint64_t now_ns) {
    drop_expired(o, now_ns);
    while (!has_room(o, bytes) && o->first < o->end) {
        drop_oldest(o);
        // A ring that is full of numbers frees places only from its oldest end.
        if (o->end - o->first == o->items_max) {
            struct outbox_item *i = item_at(o, o->first);
            if (i->state != OUTBOX_DONE) {
                finish(o, i);
                o->stats.dropped++;
            }
            trim(o);
        }
    }
}

static void refill(struct peer_outbox *o, uint64_t now_ns) {
    struct bytes record;
    struct outbox_order order;
    uint64_t expires_ns;
    if (spill_records(o->spill) == 0) return;
    while (o->end - o->first <= o->items_max / 2 && o->bytes <= o->bytes_max / 2) {
        uint64_t lost = spill_dropped(o->spill);
        int r = spill_first(o->spill, &record, &expires_ns, NULL);
        o->stats.dropped += spill_dropped(o->spill) - lost;
        if (r != 0) return;
        if (is_expired(expires_ns, now_ns)) {
            o->stats.expired++;
        } else if (o->actions->restore(&order, record, NULL) != 0) {
            o->stats.dropped++;
        } else if (has_room(o, order.bytes)) {
            put(o, &order, false);
        } else {
            o->actions->release(order.order);
            return;
        }
        spill_pop(o->spill);
    }
}

static void add(struct peer_outbox *o, const struct outbox_order *order, bool again,
                uint64_t now_ns) {
    if (spill_records(o->spill) == 0 && has_room(o, order->bytes)) {
        put(o, order, again);
        return;
    }
    // What is spilled is older: it comes first, and this one goes behind it.
    if (spill_one(o, order->order, order->expires_ns, now_ns)) {
        o->actions->release(order->order);
        return;
    }
    make_room(o, order->bytes, now_ns);
    if (has_room(o, order->bytes)) {
        put(o, order, again);
    } else {
        o->actions->release(order->order);
        o->stats.dropped++;
    }
}

void peer_outbox_push(struct peer_outbox *o, const struct outbox_order *order, uint64_t now_ns) {
    o->stats.taken++;
    if (is_expired(order->expires_ns, now_ns)) {
        o->actions->release(order->order);
        o->stats.expired++;
        return;
    }
    add(o, order, false, now_ns);
}

/* ---- sending ---- */

void *peer_outbox_next(struct peer_outbox *o, uint64_t now_ns, uint64_t *ret_seq) {
    if (o->next == o->end) refill(o, now_ns);
    for (; o->next < o->end; o->next++) {
        struct outbox_item *i = item_at(o, o->next);
        if (i->state != OUTBOX_WAITS) continue;
        if (is_expired(i->expires_ns, now_ns)) {
            finish(o, i);
            o->stats.expired++;
            continue;
        }
        i->state = OUTBOX_SENT;
        i->sent_ns = now_ns;
        o->waiting -= i->bytes;
        o->unanswered++;
        o->stats.sent++;
        if (i->again) o->stats.resent++;
        i->again = true;
        *ret_seq = o->next++;
        if (o->top < o->next) o->top = o->next;
        return i->order;
    }
    trim(o);
    return NULL;
}

int peer_outbox_ack(struct peer_outbox *o, uint64_t seq, uint64_t *ret_sent_ns,
                    void (*each)(void *context, void *order, uint64_t sent_ns), void *context,
                    struct error *why) {
    if (ret_sent_ns) *ret_sent_ns = 0;
    if (seq >= o->top) return error_set(why, ERR_INVALID, "an order was acknowledged, not sent");
    for (uint64_t at = o->first; at <= seq; at++) {
        struct outbox_item *i = item_at(o, at);
        if (i->state == OUTBOX_DONE) continue;
        if (at == seq && ret_sent_ns) *ret_sent_ns = i->sent_ns;
        if (each) each(context, i->order, i->sent_ns);
        finish(o, i);
        o->stats.acknowledged++;
    }
    trim(o);
    return 0;
}

void peer_outbox_settle(struct peer_outbox *o, uint64_t seq, bool acknowledged) {
    if (!peer_outbox_order(o, seq)) return;
    finish(o, item_at(o, seq));
    if (acknowledged) {
        o->stats.acknowledged++;
    } else {
        o->stats.refused++;
    }
    trim(o);
}

void peer_outbox_again(struct peer_outbox *o, uint64_t seq, uint64_t now_ns) {
    if (!peer_outbox_order(o, seq)) return;
    struct outbox_item *i = item_at(o, seq);
    struct outbox_order order = {i->order, i->expires_ns, i->bytes, i->low};
    if (i->state == OUTBOX_WAITS) o->waiting -= i->bytes;
    if (i->state == OUTBOX_SENT) o->unanswered--;
    o->bytes -= i->bytes;
    i->state = OUTBOX_DONE;
    i->order = NULL;
    trim(o);
    add(o, &order, true, now_ns);
}

void *peer_outbox_order(const struct peer_outbox *o, uint64_t seq) {
    if (seq < o->first || seq >= o->end) return NULL;
    const struct outbox_item *i = item_at(o, seq);
    return i->state == OUTBOX_DONE ? NULL : i->order;
}

void *peer_outbox_sent(const struct peer_outbox *o, uint64_t seq, uint64_t *ret_sent_ns) {
    void *order = peer_outbox_order(o, seq);
    if (!order || item_at(o, seq)->state != OUTBOX_SENT) return NULL;
    *ret_sent_ns = item_at(o, seq)->sent_ns;
    return order;
}

int peer_outbox_rewind(struct peer_outbox *o, uint64_t seq, struct error *why) {
    if (seq >= o->top) return error_set(why, ERR_INVALID, "an order was taken, not sent");
    for (uint64_t at = o->first; at < o->top; at++) {
        struct outbox_item *i = item_at(o, at);
        if (at <= seq && i->state == OUTBOX_WAITS) {
            i->state = OUTBOX_SENT;
            o->unanswered++;
            o->waiting -= i->bytes;
        } else if (at > seq && i->state == OUTBOX_SENT) {
            i->state = OUTBOX_WAITS;
            o->unanswered--;
            o->waiting += i->bytes;
        }
    }
    o->next = seq >= o->first ? seq + 1 : o->first;
    return 0;
}

void peer_outbox_expire(struct peer_outbox *o, uint64_t now_ns) {
    drop_expired(o, now_ns);
    if (!o->spill) return;
    uint64_t lost = spill_dropped(o->spill);
    spill_expire(o->spill, now_ns);
    o->stats.expired += spill_dropped(o->spill) - lost;
    refill(o, now_ns);
}

uint64_t peer_outbox_count(const struct peer_outbox *o) {
    return o->end - o->first;
}
