/* Who is dialed when; which of two sessions of the same nodes is kept.
 *
 * Both nodes dial each other, so that it is enough when one of them can be reached. Of two sessions
 * that came up at the same time both keep the one that the process with the lesser instance number
 * has dialed; a session that its own dialer replaced, or that an earlier process left behind, gives
 * way.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

static void dial(struct peer *p);

static void on_timer(struct loop_timer *t) {
    dial(LIST_ENTRY(t, struct peer, timer));
}

void peer_dial_soon(struct peer *p, uint64_t delay_ns) {
    struct share *s = p->share;
    if (p->removed || s->stopping) return;
    p->timer.fire = on_timer;
    if (loop_timer_set(s->loop, &p->timer, loop_now_ns(s->loop) + delay_ns, NULL) != 0) {
        log_error(s->log, "peer_not_dialed", F_STR("peer", p->name));
    }
}

void peer_dial_stop(struct peer *p) {
    loop_timer_clear(p->share->loop, &p->timer);
    if (p->resolving) resolver_cancel(&p->query);
    p->resolving = false;
}

/* Pauses double, with up to a half more or less, so that nodes do not dial in step. */
void peer_failed(struct peer *p) {
    struct share *s = p->share;
    uint64_t pause = SHARE_DIAL_FIRST_NS << (p->failures < 16 ? p->failures : 16);
    if (pause > SHARE_DIAL_MOST_NS) pause = SHARE_DIAL_MOST_NS;
    p->failures++;
    peer_dial_soon(p, pause / 2 + random_fast_below(&s->random, pause));
}

static void report(struct peer *p, const struct error *why) {
    if ((p->failures & (p->failures - 1)) != 0) return; // ever rarer
    log_info(p->share->log, "peer_not_reached", F_STR("peer", p->name),
             F_U64("failures", p->failures + 1), F_ERR(why));
}

static void connect_to(struct peer *p, const struct socket_address *a) {
    struct error why = {0};
    if (link_connect(p, a, &why) == 0) return;
    report(p, &why);
    peer_failed(p);
}

static void on_resolved(struct resolver_query *q, const struct socket_address *addresses,
                        size_t count, const struct error *why) {
    struct peer *p = LIST_ENTRY(q, struct peer, query);
    p->resolving = false;
    if (count == 0) {
        report(p, why);
        peer_failed(p);
        return;
    }
    // Another address at each new try, where a name has several.
    connect_to(p, &addresses[p->failures % count]);
}

static void begin_http(struct peer *p) {
    struct error why = {0};
    if (peer_http_new(&p->http, p, &why) != 0) {
        report(p, &why);
        peer_failed(p);
        return;
    }
    p->spoken = SHARE_HTTP;
    share_update_wants(p->share);
    metric_set(p->metric[PEER_UP], 1);
    share_pump_later(p);
}

static void dial(struct peer *p) {
    struct share *s = p->share;
    struct socket_address a;
    struct error why = {0};
    char text[RESOLVER_NAME_MAX + 16];
    if (p->removed || s->stopping || p->dialing || p->resolving || p->http) return;
    if (p->active && !p->renew) return;
    if (p->configured == SHARE_HTTP) {
        begin_http(p);
        return;
    }
    bool six = strchr(p->address, ':') != NULL;
    (void)snprintf(text, sizeof text, six ? "[%s]" : "%s", p->address);
    if (socket_address_parse(&a, bytes_from_str(text), p->port, NULL) == 0) {
        connect_to(p, &a);
        return;
    }
    p->query = (struct resolver_query){.done = on_resolved, .loop = s->loop};
    p->resolving = true;
    int r = resolver_ask(s->names, &p->query, p->address, p->port, &why);
    if (r == 0) return;
    p->resolving = false;
    report(p, &why);
    peer_failed(p);
}

/* ---- sessions ---- */

static void end_with(struct peer_link *l, enum wire_bye reason, const char *text) {
    struct error why = {0};
    error_set(&why, ERR_CANCELLED, "%s", text);
    if (l->kind == LINK_STREAM) link_stream_bye(l, reason);
    link_end(l, &why);
}

/* Both nodes come to the same answer. */
static bool wins(const struct peer_link *l) {
    const struct wire_id *own = &l->share->instance, *other = &l->stream.peer_instance;
    return l->dialed == (memcmp(own->b, other->b, sizeof own->b) < 0);
}

static bool same_process(const struct peer_link *a, const struct peer_link *b) {
    return a->kind == LINK_STREAM && b->kind == LINK_STREAM &&
           wire_id_equal(&a->stream.peer_instance, &b->stream.peer_instance);
}

bool peer_adopt(struct peer *p, struct peer_link *l) {
    struct peer_link *old = p->active;
    if (old && old != l) {
        bool simultaneous = same_process(old, l) && old->dialed != l->dialed;
        if (simultaneous && !wins(l)) {
            // It may be dead and only look alive: it must show that it is.
            if (!old->suspect_ns) {
                old->suspect_ns = loop_now_ns(p->share->loop);
                wire_put_ping(conn_queue(old->conn), 0);
                link_flush(old);
            }
            end_with(l, WIRE_BYE_DUPLICATE, "another session with the peer is kept");
            return false;
        }
        p->active = l; // no gap is told of
        end_with(old, WIRE_BYE_DUPLICATE, "replaced by a newer session");
    }
    if (p->dialing == l) p->dialing = NULL;
    p->renew = false;
    peer_http_free(p->http); // it speaks more than HTTP now
    p->http = NULL;
    p->active = l;
    p->spoken = l->kind == LINK_STREAM ? SHARE_STREAM : SHARE_FRAMES;
    share_update_wants(p->share);
    metric_set(p->metric[PEER_UP], 1);
    metric_set(p->metric[PEER_ATTESTED], link_attested(l));
    if (p->told_up) return true;
    p->told_up = true;
    log_info(p->share->log, "peer_up", F_STR("peer", p->name),
             F_STR("transport", share_transport_name(p->spoken)), F_BOOL("dialed", l->dialed),
             F_BOOL("attested", link_attested(l)));
    if (p->share->options.peer_changed) {
        p->share->options.peer_changed(p->share->options.context, p->name, true);
    }
    return true;
}

static void tell_down(struct peer *p) {
    struct share *s = p->share;
    p->told_up = false;
    metric_set(p->metric[PEER_UP], 0);
    metric_set(p->metric[PEER_ATTESTED], 0);
    log_info(s->log, "peer_down", F_STR("peer", p->name));
    if (s->options.peer_changed) s->options.peer_changed(s->options.context, p->name, false);
}

void peer_link_lost(struct peer *p, struct peer_link *l, int code) {
    struct share *s = p->share;
    bool was_active = p->active == l;
    if (p->dialing == l) p->dialing = NULL;
    if (was_active) {
        const char *reason = code == 0 ? "ended" : error_name(code);
        forward_failed(&p->forward, FORWARD_TCP, FORWARD_NO_ANSWER, reason, p->outbox.unanswered);
        forward_in_flight(&p->forward, FORWARD_TCP, 0);
        p->active = NULL;
        p->renew = false;
        if (loop_now_ns(s->loop) - l->begun_ns >= SHARE_STABLE_NS) p->failures = 0;
    }
    // One that was replaced ends before its successor is answered.
    bool successor = p->dialing && p->dialing->kind == LINK_STREAM;
    if (p->told_up && !p->active && !successor) tell_down(p);
    if (!p->removed && (!p->active || p->renew) && !p->http && (was_active || l->dialed)) {
        peer_failed(p);
    }
}

void peer_pump(struct peer *p) {
    if (p->removed) return;
    if (p->http) {
        peer_http_pump(p->http);
    } else if (p->active && p->active->kind == LINK_STREAM) {
        link_stream_pump(p->active);
    } else if (p->active && p->active->kind == LINK_FRAMES_OUT) {
        link_frames_pump(p->active);
    }
}
