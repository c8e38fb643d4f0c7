/* The second generation's transport on a link: dialed, we ask; accepted, we answer. Frames and
 * messages are in peer_frame.h.
 *
 * Differs from the original: what was not answered when a connection breaks is sent again, until it
 * expires (the receiver tells duplicates by their hash); header keys are written in both spellings
 * that are in use and read in any.
 * Source: BuilderNet/FlowProxy. SPDX-License-Identifier: MIT */
#include "net/coding.h"
#include "orderflow/share_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADERS_MAX 9u
#define ARENA_BYTES (64u << 20)

void link_frames_begin(struct peer_link *l) {
    struct error why = {0};
    if (!l->dialed) {
        struct hash fingerprint;
        l->kind = LINK_FRAMES_IN;
        // A listed certificate stands for the peer; without one each signature must.
        struct peer *p = link_certificate(&fingerprint, l)
                             ? share_find(l->share, &fingerprint, (struct bytes){NULL, 0})
                             : NULL;
        if (p && link_accepted_of(l->share, p) >= SHARE_LINKS_PEER_MAX) {
            metric_inc(l->share->accepted_refused);
            error_set(&why, ERR_LIMIT, "too many sessions of the peer %s", p->name);
            link_end(l, &why);
        } else if (p) {
            l->peer = peer_hold(p);
        }
        return;
    }
    l->answers = calloc(1, sizeof *l->answers);
    if (!l->answers) {
        error_set(&why, ERR_NO_MEMORY, "no memory for a session");
        link_end(l, &why);
        return;
    }
    l->kind = LINK_FRAMES_OUT;
    l->answers->next = l->answers->oldest = 1;
    link_set_timer(l, SHARE_TICK_NS);
    if (!peer_adopt(l->peer, l)) return;
    if (peer_outbox_rewind(&l->peer->outbox, 0, &why) != 0) {
        link_end(l, &why);
        return;
    }
    share_pump_later(l->peer);
}

/* ---- asking ---- */

static unsigned slot_of(uint32_t id) {
    return id % FRAMES_WINDOW;
}

/* What a cancellation is there: a bundle without transactions that replaces, above all others. */
static bool put_cancel(struct buf *data, struct buf *mark, const struct share *s,
                       const struct flow_order *o) {
    const struct flow_identity *id = s->options.identity;
    struct bundle b = {.fields = BUNDLE_VERSION | BUNDLE_REPLACEMENT_UUID |
                                 BUNDLE_REPLACEMENT_NONCE | BUNDLE_SIGNING_ADDRESS,
                       .version = BYTES_LIT("v2"),
                       .replacement_uuid = o->order.replacement.uuid,
                       .replacement_nonce = ORDER_NONCE_FINAL,
                       .signing_address = o->order.replacement.signer};
    b.bundle_hash = order_flow_hash(&b);
    b.fields |= BUNDLE_HASH;
    peer_bundle_encode(data, &b);
    return !data->failed &&
           (!id || request_signature_make(mark, id->signer, &id->key, buf_view(data), NULL) == 0);
}

static bool put_message(struct buf *out, uint32_t id, const struct share *s,
                        enum order_method method_id, enum order_priority priority_id,
                        struct bytes data, struct bytes mark) {
    char sent[24];
    int n = snprintf(sent, sizeof sent, "%llu",
                     (unsigned long long)(clock_wall_ns(s->clock) / NS_PER_US));
    struct bytes method = bytes_from_str(order_method_name(method_id));
    struct bytes priority = bytes_from_str(order_priority_name(priority_id));
    struct bytes sent_at = bytes_make(sent, (size_t)n);
    const struct peer_header headers[HEADERS_MAX] = {
        {BYTES_LIT("method"), method},
        {BYTES_LIT("content-type"), BYTES_LIT("application/json")},
        {BYTES_LIT("X-BuilderNet-Priority"), priority},
        {BYTES_LIT("x-buildernet-priority"), priority},
        {BYTES_LIT("X-BuilderNet-SentAtUs"), sent_at},
        {BYTES_LIT("x-buildernet-sentatus"), sent_at},
        {BYTES_LIT("X-BuilderNet-Signature"), mark},
        {BYTES_LIT("x-buildernet-signature"), mark},
        {BYTES_LIT("x-flashbots-signature"), mark},
    };
    const struct peer_message m = {headers, mark.n ? HEADERS_MAX : 6, data};
    struct buf payload;
    buf_init(&payload, 0);
    peer_message_encode(&payload, &m);
    bool fine = payload.failed == 0 && payload.n <= UINT32_MAX;
    if (fine) peer_frame_put(out, id, buf_view(&payload));
    buf_free(&payload);
    return fine;
}

static bool put_request(struct buf *out, uint32_t id, struct peer *p, struct flow_order *o) {
    const struct share *s = p->share;
    const struct flow_body *body;
    if (o->order.method == ORDER_CANCEL_BUNDLE) {
        struct buf data, mark;
        buf_init(&data, 0);
        buf_init(&mark, REQUEST_SIGNATURE_HEADER_BYTES);
        bool fine =
            put_cancel(&data, &mark, s, o) && put_message(out, id, s, ORDER_SEND_BUNDLE, ORDER_HIGH,
                                                          buf_view(&data), buf_view(&mark));
        buf_free(&data);
        buf_free(&mark);
        return fine;
    }
    if (flow_order_body(&body, o, FLOW_BITCODE, s->options.identity, NULL) != 0) return false;
    return put_message(out, id, s, o->order.method, o->priority, body->data,
                       bytes_from_str(body->signature));
}

/* What the second generation has no method for is not sent to it. */
static bool is_spoken(const struct flow_order *o) {
    return o->order.method != ORDER_SEND_SHARE && o->order.method != ORDER_SUBSIDISE;
}

void link_frames_pump(struct peer_link *l) {
    struct peer *p = l->peer;
    struct frames_out *f = l->answers;
    uint64_t wall = clock_wall_ns(l->share->clock), seq;
    size_t before = conn_pending(l->conn);
    bool any = false;
    while (!l->ended && !l->resting && conn_pending(l->conn) <= CONN_HIGH_BYTES &&
           f->next - f->oldest < FRAMES_WINDOW) {
        struct flow_order *o = peer_outbox_next(&p->outbox, wall, &seq);
        if (!o) break;
        if (!is_spoken(o) || !put_request(conn_queue(l->conn), f->next, p, o)) {
            peer_outbox_settle(&p->outbox, seq, false);
            continue;
        }
        f->seq[slot_of(f->next)] = seq;
        f->sent_ns[slot_of(f->next)] = clock_monotonic_ns(l->share->clock);
        if (++f->next == 0) f->next = f->oldest = 1; // after 2^32: none is open for so long
        any = true;
    }
    if (!any) return;
    l->pumped = conn_pending(l->conn) - before;
    link_flush(l);
}

/* sent_ns: monotonic. */
static void settle_answer(struct peer_link *l, const struct peer_answer *a, uint64_t seq,
                          uint64_t sent_ns) {
    struct peer *p = l->peer;
    const struct share_options *o = &l->share->options;
    uint64_t wall = clock_wall_ns(l->share->clock);
    uint64_t took_ns = clock_monotonic_ns(l->share->clock) - sent_ns;
    void *order = peer_outbox_order(&p->outbox, seq);
    if (!order) return;
    forward_answered(&p->forward, FORWARD_TCP, order, wall - took_ns, wall, true);
    if (a->status != PEER_SUCCESS) {
        const char *reason = peer_status_name(a->status);
        forward_failed(&p->forward, FORWARD_TCP, FORWARD_REFUSED, reason, 1);
    }
    if (a->status == PEER_ERROR_INTERNAL) {
        peer_outbox_again(&p->outbox, seq, wall);
        link_rest(l);
        return;
    }
    if (a->status == PEER_ERROR_INVALID_SIGNATURE) {
        // The peer does not list this node yet: everything is sent again, after a pause.
        struct error reason = {0};
        error_set(&reason, ERR_UNTRUSTED, "the peer does not know this node's signature");
        link_end(l, &reason);
        return;
    }
    if (a->status == PEER_SUCCESS && o->shared) o->shared(o->context, p->name, order);
    if (a->status != PEER_SUCCESS) {
        log_debug(l->share->log, "order_refused_by_peer", F_STR("peer", p->name),
                  F_U64("status", a->status), F_BYTES("text", a->text));
    }
    peer_outbox_settle(&p->outbox, seq, a->status == PEER_SUCCESS);
    p->latency_ns = took_ns;
    metric_observe_ns(p->metric[PEER_ACK_SECONDS], p->latency_ns);
}

static int on_answer(struct peer_link *l, const struct peer_frame *frame, struct bytes payload,
                     struct arena *a, struct error *why) {
    struct frames_out *f = l->answers;
    struct peer_answer answer;
    unsigned slot = slot_of(frame->id);
    bool asked = frame->id - f->oldest < f->next - f->oldest && f->seq[slot] != 0;
    if (!asked) return error_set(why, ERR_INVALID, "an answer that was not asked for");
    int r = peer_answer_decode(&answer, payload, a, why);
    if (r != 0) return r;
    uint64_t seq = f->seq[slot];
    f->seq[slot] = 0;
    settle_answer(l, &answer, seq, f->sent_ns[slot]);
    if (l->ended) return 0;
    while (f->oldest != f->next && f->seq[slot_of(f->oldest)] == 0) {
        f->oldest++;
    }
    return 0;
}

void link_frames_tick(struct peer_link *l) {
    const struct frames_out *f = l->answers;
    struct error why = {0};
    if (f->oldest == f->next) return;
    uint64_t since = clock_monotonic_ns(l->share->clock) - f->sent_ns[slot_of(f->oldest)];
    if (since < FRAMES_ANSWER_NS) return;
    error_set(&why, ERR_TIMEOUT, "the peer does not answer");
    link_end(l, &why);
}

/* ---- answering ---- */

static void answer(struct peer_link *l, uint32_t id, const struct peer_answer *a) {
    struct buf payload;
    buf_init(&payload, 0);
    peer_answer_encode(&payload, a);
    peer_frame_put(conn_queue(l->conn), id, buf_view(&payload));
    buf_free(&payload);
}

static void refuse(struct peer_link *l, uint32_t id, enum peer_status status, const char *text) {
    const struct peer_answer a = {
        .status = status, .kind = PEER_ANSWER_TEXT, .text = bytes_from_str(text)};
    answer(l, id, &a);
}

static void give_answer(struct peer_link *l, const struct share_ticket *t) {
    struct peer_answer a = {.status = t->status};
    if (t->has_hash) {
        a.kind = PEER_ANSWER_HASH;
        a.hash = t->hash;
    } else if (t->text[0]) {
        a.kind = PEER_ANSWER_TEXT;
        a.text = bytes_from_str(t->text);
    }
    answer(l, t->id, &a);
    l->requests.open--;
    l->requests.invalid = t->status == PEER_ERROR_INVALID_SIGNATURE ? l->requests.invalid + 1 : 0;
}

/* Whoever proves nothing again and again is not listened to for ever. */
static void end_stranger(struct peer_link *l) {
    struct error why = {0};
    if (l->ended || l->requests.invalid < FRAMES_INVALID_MAX) return;
    metric_inc(l->share->accepted_refused);
    share_is_stale(l->share);
    conn_flush(l->conn);
    error_set(&why, ERR_UNTRUSTED, "%u wrong signatures in a row", FRAMES_INVALID_MAX);
    link_end(l, &why);
}

void link_frames_answered(struct peer_link *l, struct share_ticket *t) {
    if (l->ended) return;
    l->requests.proved |= t->status == PEER_SUCCESS;
    give_answer(l, t);
    end_stranger(l);
    link_flush(l);
    if (!l->ended && l->held_back && l->requests.open < FRAMES_WINDOW / 2) link_go_on(l);
}

/* The methods of the second generation, and of ours beside them. */
static bool find_method(enum order_method *ret, struct bytes name) {
    int m = order_method_find(name, ORDER_FIRST);
    if (m < 0 || m == ORDER_SUBSIDISE) return false;
    *ret = (enum order_method)m;
    return true;
}

static uint64_t number_of(struct bytes text) {
    uint64_t v = 0;
    for (size_t i = 0; i < text.n && i < 19; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return 0;
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    }
    return v;
}

static void hand_on(struct peer_link *l, uint32_t id, const struct peer_message *m,
                    enum order_method method, struct bytes signature) {
    struct share *s = l->share;
    struct share_ticket *t = share_ticket_new(s);
    uint64_t sent_us = number_of(peer_message_header(m, "X-BuilderNet-SentAtUs"));
    struct bytes priority = peer_message_header(m, "X-BuilderNet-Priority");
    struct share_received r = {.method = method,
                               .form = FLOW_BITCODE,
                               .data = m->data,
                               .signature = signature,
                               .peer = l->peer ? l->peer->name : NULL,
                               .priority = priority.p ? order_priority_parse(priority) : -1,
                               .sent_ns =
                                   sent_us < UINT64_MAX / NS_PER_US ? sent_us * NS_PER_US : 0};
    if (!t) {
        refuse(l, id, PEER_ERROR_INTERNAL, "no memory");
        return;
    }
    t->link = l;
    t->id = id;
    link_hold(l);
    l->requests.open++;
    if (l->peer) metric_inc(l->peer->metric[PEER_RECEIVED]);
    if (!share_receive(s, &r, t)) return;
    if (!l->ended) give_answer(l, t);
    share_ticket_free(t);
}

static void on_request(struct peer_link *l, const struct peer_frame *frame, struct bytes payload,
                       struct arena *a) {
    struct peer_message m;
    struct error why = {0};
    char text[160];
    enum order_method method;
    if (peer_message_decode(&m, payload, a, &why) != 0) {
        refuse(l, frame->id, PEER_ERROR_DECODING, why.text);
        return;
    }
    struct bytes name = peer_message_header(&m, "method");
    struct bytes signature = peer_message_header(&m, "X-BuilderNet-Signature");
    if (!signature.p) signature = peer_message_header(&m, "X-Flashbots-Signature");
    if (!name.p) {
        refuse(l, frame->id, PEER_ERROR_MISSING_ARGUMENTS,
               "method not provided in tcp payload header");
    } else if (!signature.p && !l->peer) {
        refuse(l, frame->id, PEER_ERROR_MISSING_ARGUMENTS, "no signature headers found");
    } else if (!find_method(&method, name)) {
        (void)snprintf(text, sizeof text, "method not found: %.*s",
                       (int)(name.n < 100 ? name.n : 100), (const char *)name.p);
        refuse(l, frame->id, PEER_ERROR_UNKNOWN_ARGUMENT, text);
    } else {
        hand_on(l, frame->id, &m, method, signature);
    }
}

/* ---- frames ---- */

static int inflate_payload(struct bytes *ret, struct buf *room, const struct peer_frame *f,
                           size_t most, struct error *why) {
    *ret = f->payload;
    if (f->compression == PEER_PLAIN) return 0;
    if (f->compression != PEER_GZIP) {
        return error_set(why, ERR_UNSUPPORTED, "compression %u is not offered", f->compression);
    }
    int r = coding_decode(room, f->payload, CODING_GZIP, most, why);
    if (r == 0) *ret = buf_view(room);
    return r;
}

static int on_frame(struct peer_link *l, const struct peer_frame *f, struct error *why) {
    struct arena a;
    struct buf room;
    struct bytes payload;
    if (peer_frame_is_ping(f)) {
        peer_frame_put_pong(conn_queue(l->conn));
        return 0;
    }
    buf_init(&room, 0);
    arena_init(&a, ARENA_BYTES);
    int r = inflate_payload(&payload, &room, f, l->share->options.body_bytes_max, why);
    if (l->kind == LINK_FRAMES_OUT) {
        if (r == 0) r = on_answer(l, f, payload, &a, why);
    } else if (r != 0) {
        refuse(l, f->id, PEER_ERROR_DECODING, why->text);
        r = 0;
    } else {
        on_request(l, f, payload, &a);
    }
    arena_free(&a);
    buf_free(&room);
    return r;
}

static bool is_full(const struct peer_link *l) {
    return l->kind == LINK_FRAMES_IN && l->requests.open >= FRAMES_WINDOW;
}

/* Takes all whole frames off *in. Returns 0, ERR_AGAIN (a piece is left), ERR_BUSY, or the end. */
static int take_frames(struct peer_link *l, struct bytes *in, struct error *why) {
    struct peer_frame f;
    while (!l->ended && in->n > 0) {
        if (is_full(l)) return ERR_BUSY;
        int r = peer_frame_parse(&f, *in, l->share->options.body_bytes_max, why);
        if (r == 0) r = on_frame(l, &f, why);
        if (r != 0) return r;
        *in = bytes_slice(*in, f.bytes, in->n);
    }
    return 0;
}

void link_frames_feed(struct peer_link *l, struct bytes in) {
    struct error why = {0};
    link_hold(l);
    bool buffered = l->in.n > 0;
    if (buffered) {
        buf_append(&l->in, in);
        in = buf_view(&l->in);
    }
    int r = l->in.failed ? ERR_NO_MEMORY : take_frames(l, &in, &why);
    bool goes_on = r == 0 || r == ERR_AGAIN || r == ERR_BUSY;
    if (!l->ended && goes_on) {
        if (buffered) {
            buf_drop_front(&l->in, l->in.n - in.n);
        } else {
            buf_append(&l->in, in);
        }
        if (l->in.n == 0) buf_free(&l->in);
        link_bound_bytes(l);
        if (!l->ended && r == ERR_BUSY) link_hold_back(l);
        end_stranger(l);
        link_flush(l);
        if (!l->ended && l->peer && l->kind == LINK_FRAMES_OUT) share_pump_later(l->peer);
    } else if (!l->ended) {
        link_end(l, &why);
    }
    link_release(l);
}
