/* Our transport on a link: the session of peer_stream.h over a connection.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

static void own_hello(struct wire_hello *ret, const struct peer_link *l) {
    const struct share *s = l->share;
    *ret = (struct wire_hello){.instance = s->instance,
                               .clock_ns = clock_wall_ns(s->clock),
                               .name = bytes_from_str(s->name)};
    if (l->peer) ret->stream = l->peer->stream;
}

void link_stream_begin(struct peer_link *l) {
    struct wire_hello own;
    l->kind = LINK_STREAM;
    peer_stream_init(&l->stream, l->dialed, l->share->options.body_bytes_max,
                     loop_now_ns(l->share->loop));
    link_set_timer(l, SHARE_TICK_NS);
    if (!l->dialed) return;
    own_hello(&own, l);
    peer_stream_hello(&own, conn_queue(l->conn));
    link_flush(l);
}

void link_stream_bye(struct peer_link *l, enum wire_bye reason) {
    if (l->ended || !conn_is_open(l->conn)) return;
    wire_put_bye(conn_queue(l->conn), reason);
    conn_flush(l->conn);
}

static void refuse(struct peer_link *l, enum wire_bye reason, enum err code, const char *text,
                   struct bytes name) {
    struct error why = {0};
    error_set(&why, code, "%s (it calls itself %.*s)", text, (int)name.n,
              name.n ? (const char *)name.p : "");
    metric_inc(l->share->accepted_refused);
    link_stream_bye(l, reason);
    link_end(l, &why);
}

/* Whose certificate it is; over plain TCP, where that is allowed, who it says it is. */
static struct peer *identify(struct peer_link *l, struct bytes name) {
    struct share *s = l->share;
    struct hash fingerprint;
    char text[WIRE_NAME_MAX + 1] = "";
    if (link_certificate(&fingerprint, l)) return share_find(s, &fingerprint, name);
    if (l->conn->tls || !s->options.allow_plain) return NULL;
    if (name.n > 0) memcpy(text, name.p, name.n);
    struct peer *p = share_find_name(s, text);
    return p && p->pin_count == 0 ? p : NULL;
}

static void on_hello(struct peer_link *l, const struct wire_hello *h) {
    struct wire_hello own;
    if (!l->peer) {
        struct peer *p = identify(l, h->name);
        if (!p) {
            share_is_stale(l->share);
            refuse(l, WIRE_BYE_UNKNOWN, ERR_UNTRUSTED, "no peer has this certificate", h->name);
            return;
        }
        if (link_accepted_of(l->share, p) >= SHARE_LINKS_PEER_MAX) {
            refuse(l, WIRE_BYE_DUPLICATE, ERR_LIMIT, "too many sessions of the peer", h->name);
            return;
        }
        l->peer = peer_hold(p);
    }
    if (!peer_adopt(l->peer, l)) return;
    own_hello(&own, l);
    peer_stream_attach(&l->stream, &l->peer->inbox, &l->peer->outbox, &own, conn_queue(l->conn));
    l->stream.pinged_ns = 0; // the first tick measures the round trip
}

/* ---- orders of the peer ---- */

void link_stream_settled(struct peer *p, struct share_ticket *t) {
    struct peer_link *l = p->active;
    peer_inbox_settle(&p->inbox, t->generation, t->place, (uint8_t)t->status);
    if (!l || l->kind != LINK_STREAM || !l->stream.attached) return;
    peer_inbox_answer(&p->inbox, conn_queue(l->conn), false);
    link_hold(l);
    link_flush(l);
    if (!l->ended && l->held_back && p->inbox.end - p->inbox.first < PEER_INBOX_OPEN_MAX / 2) {
        link_go_on(l);
    }
    link_release(l);
}

static void measure(struct peer *p, const struct wire_order *o) {
    // Both times are the peer's word, and may be anything.
    int64_t ns =
        (int64_t)(clock_wall_ns(p->share->clock) - o->sent_ns + (uint64_t)p->clock_ahead_ns);
    metric_inc(p->metric[PEER_RECEIVED]);
    if (ns > 0) metric_observe_ns(p->metric[PEER_LATENCY], (uint64_t)ns);
}

/* False: it is offered again later, and nothing more is read until then. */
static bool hand_on(struct peer_link *l, const struct stream_event *e) {
    struct share *s = l->share;
    struct peer *p = l->peer;
    const struct wire_order *o = &e->order.wire;
    if (o->method >= ORDER_METHOD_COUNT || o->method == ORDER_SUBSIDISE) {
        peer_inbox_settle(&p->inbox, p->inbox.generation, e->order.place,
                          PEER_ERROR_UNKNOWN_ARGUMENT);
        return true;
    }
    struct share_received r = {.method = (enum order_method)o->method,
                               .form = FLOW_BITCODE,
                               .data = o->body,
                               .peer = p->name,
                               .priority = o->priority <= ORDER_LOW ? o->priority : -1,
                               .sent_ns = o->sent_ns,
                               .received_ns = o->received_ns,
                               .expires_ns = o->expires_ns};
    memcpy(r.signer.b, o->signer, sizeof r.signer.b);
    struct share_ticket *t = share_ticket_new(s);
    if (!t) return false;
    t->peer = peer_hold(p);
    t->generation = p->inbox.generation;
    t->place = e->order.place;
    if (!share_receive(s, &r, t)) {
        measure(p, o);
        return true;
    }
    bool again = t->status == PEER_ERROR_INTERNAL;
    if (!again) {
        measure(p, o);
        peer_inbox_settle(&p->inbox, t->generation, t->place, (uint8_t)t->status);
    }
    share_ticket_free(t);
    return !again;
}

/* ---- acknowledgements ---- */

static void tell_shared(void *context, void *order, uint64_t sent_ns) {
    struct peer *p = context;
    forward_answered(&p->forward, FORWARD_TCP, order, sent_ns, p->acked_ns, true);
    const struct share_options *o = &p->share->options;
    if (o->shared) o->shared(o->context, p->name, order);
}

static int on_ack(struct peer *p, uint64_t seq, struct error *why) {
    uint64_t sent_ns, now = clock_wall_ns(p->share->clock);
    p->acked_ns = now;
    int r = peer_outbox_ack(&p->outbox, seq, &sent_ns, tell_shared, p, why);
    if (r != 0 || sent_ns == 0 || now < sent_ns) return r;
    p->latency_ns = now - sent_ns;
    metric_observe_ns(p->metric[PEER_ACK_SECONDS], p->latency_ns);
    return 0;
}

static void on_refuse(struct peer_link *l, uint64_t seq, uint8_t status) {
    struct peer *p = l->peer;
    uint64_t sent_ns, wall = clock_wall_ns(p->share->clock);
    void *order = peer_outbox_sent(&p->outbox, seq, &sent_ns);
    if (!order) return; // a session begins with what the one before may have told already
    forward_failed(&p->forward, FORWARD_TCP, FORWARD_REFUSED, peer_status_name(status), 1);
    forward_answered(&p->forward, FORWARD_TCP, order, sent_ns, wall, true);
    if (status == PEER_ERROR_INTERNAL) {
        peer_outbox_again(&p->outbox, seq, wall);
        link_rest(l);
        return;
    }
    log_debug(p->share->log, "order_refused_by_peer", F_STR("peer", p->name),
              F_U64("status", status));
    peer_outbox_settle(&p->outbox, seq, false);
}

/* ---- the session ---- */

static void on_bye(struct peer_link *l, uint8_t reason) {
    static const char *const texts[] = {"", "the peer ends", "the peer keeps another session",
                                        "the peer does not list this node",
                                        "the peer says that this node breaks the protocol"};
    struct error why = {0};
    if (reason == WIRE_BYE_UNKNOWN) share_is_stale(l->share);
    error_set(&why, ERR_CLOSED, "%s",
              reason < sizeof texts / sizeof *texts ? texts[reason] : "the peer ends");
    link_end(l, &why);
}

/* Returns 0, ERR_BUSY to hold the link back, or the error that ends it. */
static int on_event(struct peer_link *l, const struct stream_event *e, struct error *why) {
    switch (e->type) {
    case STREAM_MORE:
        return 0;
    case STREAM_HELLO:
        on_hello(l, &e->hello);
        return 0;
    case STREAM_RESUMED:
        share_pump_later(l->peer);
        return 0;
    case STREAM_ORDER:
        if (hand_on(l, e)) return 0;
        if (!l->ended) peer_stream_keep(&l->stream, e->order.place);
        return ERR_BUSY;
    case STREAM_ACK:
        return on_ack(l->peer, e->ack.seq, why);
    case STREAM_REFUSE:
        on_refuse(l, e->ack.seq, e->ack.status);
        return 0;
    case STREAM_PONG:
        l->peer->clock_ahead_ns = e->pong.clock_ahead_ns;
        metric_set(l->peer->metric[PEER_ROUND_TRIP], (double)e->pong.round_trip_ns * 1e-9);
        return 0;
    case STREAM_BYE:
        on_bye(l, e->bye);
        return 0;
    }
    return 0;
}

static void after_input(struct peer_link *l, bool busy, struct bytes rest) {
    struct error why = {0};
    struct peer *p = l->peer;
    if (p && l->stream.duplicates > 0) {
        metric_add(p->metric[PEER_DUPLICATES], l->stream.duplicates);
        l->stream.duplicates = 0;
    }
    if (busy && peer_stream_save(&l->stream, rest, &why) != 0) {
        link_end(l, &why);
        return;
    }
    if (busy) link_hold_back(l);
    if (l->stream.attached) peer_inbox_answer(&p->inbox, conn_queue(l->conn), false);
    link_flush(l);
    // Acknowledgements have made room for what is spilled.
    if (!l->ended && p && peer_outbox_waits(&p->outbox)) share_pump_later(p);
}

void link_stream_feed(struct peer_link *l, struct bytes in) {
    struct share *s = l->share;
    struct stream_event e;
    struct error why = {0};
    uint64_t now = loop_now_ns(s->loop), wall = clock_wall_ns(s->clock);
    link_hold(l);
    int r;
    do {
        r = peer_stream_next(&e, &l->stream, &in, now, wall, conn_queue(l->conn), &why);
        if (r == 0) r = on_event(l, &e, &why);
    } while (r == 0 && e.type != STREAM_MORE && !l->ended);
    if (l->ended) {
        link_release(l);
        return;
    }
    if (r == 0 || r == ERR_BUSY) {
        after_input(l, r == ERR_BUSY, in);
    } else {
        link_stream_bye(l, WIRE_BYE_PROTOCOL);
        link_end(l, &why);
    }
    link_release(l);
}

void link_stream_pump(struct peer_link *l) {
    struct conn *c = l->conn;
    if (l->ended || l->resting || !l->stream.resumed || conn_pending(c) > CONN_HIGH_BYTES) return;
    size_t before = conn_pending(c), most = c->out_at + CONN_HIGH_BYTES + 1;
    uint64_t wall = clock_wall_ns(l->share->clock);
    if (peer_stream_pump(&l->stream, conn_queue(c), most, wall, share_describe, l->peer) == 0) {
        return;
    }
    l->pumped = conn_pending(c) - before;
    link_flush(l);
}

void link_stream_tick(struct peer_link *l) {
    struct error why = {0};
    uint64_t now = loop_now_ns(l->share->loop);
    bool alive = peer_stream_tick(&l->stream, now, conn_queue(l->conn));
    if (!l->stream.attached && now - l->begun_ns >= SHARE_HELLO_NS) alive = false;
    if (l->suspect_ns && now - l->suspect_ns >= SHARE_SUSPECT_NS) {
        alive &= l->stream.heard_ns > l->suspect_ns;
        l->suspect_ns = 0;
    }
    if (alive) {
        link_flush(l);
        return;
    }
    error_set(&why, ERR_TIMEOUT, "the peer is silent");
    link_end(l, &why);
}
