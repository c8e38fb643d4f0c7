/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_stream.h"

void peer_stream_init(struct peer_stream *s, bool dialed, size_t body_max, uint64_t now_ns) {
    memset(s, 0, sizeof *s);
    s->dialed = dialed;
    s->body_max = body_max ? body_max : WIRE_BODY_MAX;
    s->heard_ns = s->pinged_ns = now_ns;
    buf_init(&s->in, 0);
}

void peer_stream_free(struct peer_stream *s) {
    buf_free(&s->in);
    memset(s, 0, sizeof *s);
}

void peer_stream_hello(const struct wire_hello *own, struct buf *out) {
    wire_put_hello(out, own);
}

void peer_stream_attach(struct peer_stream *s, struct peer_inbox *inbox, struct peer_outbox *outbox,
                        const struct wire_hello *own, struct buf *out) {
    s->inbox = inbox;
    s->outbox = outbox;
    s->own_stream = own->stream;
    s->attached = true;
    if (!s->dialed) wire_put_hello(out, own);
    uint64_t taken = peer_inbox_begin(inbox, &s->peer_stream);
    s->last_seq = taken;
    wire_put_resume(out, &s->peer_stream, taken);
    peer_inbox_answer(inbox, out, true);
}

/* ---- input ---- */

static void take_off(struct peer_stream *s, struct bytes *in) {
    if (s->used_buffer) {
        s->in_at += s->used;
    } else {
        *in = bytes_slice(*in, s->used, in->n);
    }
    s->used = 0;
    s->used_buffer = false;
    if (s->in_at == s->in.n) {
        s->in_at = 0;
        buf_clear(&s->in);
    }
}

int peer_stream_save(struct peer_stream *s, struct bytes in, struct error *why) {
    take_off(s, &in);
    if (s->in_at > 0) {
        buf_drop_front(&s->in, s->in_at);
        s->in_at = 0;
    }
    buf_append(&s->in, in);
    return buf_check(&s->in, why);
}

void peer_stream_keep(struct peer_stream *s, uint64_t place) {
    peer_inbox_take_back(s->inbox, place);
    s->last_seq = s->inbox->handed;
    s->used = 0;
    s->used_buffer = false;
}

/* Bytes that the frame at the buffer's beginning lacks, as far as that is known. */
static size_t lacks(const struct peer_stream *s) {
    size_t have = s->in.n - s->in_at;
    if (have < WIRE_HEAD) return WIRE_HEAD - have;
    size_t whole = WIRE_HEAD + (size_t)load_be32(s->in.p + s->in_at + 4);
    return whole > have ? whole - have : 1;
}

/* Parses the next frame: from the buffer, which is filled up frame by frame, else from *in. */
static int parse(struct peer_stream *s, struct wire_frame *ret, struct bytes *in,
                 struct error *why) {
    while (s->in_at < s->in.n) {
        struct bytes have = bytes_slice(buf_view(&s->in), s->in_at, s->in.n);
        int r = wire_parse(ret, have, s->body_max, why);
        if (r != ERR_AGAIN || in->n == 0) {
            s->used_buffer = r == 0;
            s->used = r == 0 ? ret->bytes : 0;
            return r;
        }
        struct bytes piece = bytes_slice(*in, 0, lacks(s));
        *in = bytes_slice(*in, piece.n, in->n);
        buf_append(&s->in, piece);
        r = buf_check(&s->in, why);
        if (r != 0) return r;
    }
    int r = wire_parse(ret, *in, s->body_max, why);
    if (r == 0) s->used = ret->bytes;
    if (r != ERR_AGAIN) return r;
    buf_append(&s->in, *in);
    *in = bytes_slice(*in, in->n, 0);
    int full = buf_check(&s->in, why);
    return full != 0 ? full : ERR_AGAIN;
}

/* ---- frames ---- */

static int broken(struct error *why, const char *text) {
    return error_set(why, ERR_INVALID, "%s", text);
}

static int on_hello(struct stream_event *ret, struct peer_stream *s, const struct wire_frame *f,
                    struct error *why) {
    if (s->heard_hello) return broken(why, "the peer introduced itself twice");
    s->heard_hello = true;
    s->peer_instance = f->hello.instance;
    s->peer_stream = f->hello.stream;
    ret->type = STREAM_HELLO;
    ret->hello = f->hello;
    return 0;
}

static int on_resume(struct stream_event *ret, struct peer_stream *s, const struct wire_frame *f,
                     struct error *why) {
    if (s->resumed) return broken(why, "the peer resumed twice");
    bool known = wire_id_equal(&f->resume.stream, &s->own_stream);
    int r = peer_outbox_rewind(s->outbox, known ? f->resume.seq : 0, why);
    s->resumed = r == 0;
    ret->type = STREAM_RESUMED;
    return r;
}

static int on_order(struct stream_event *ret, struct peer_stream *s, const struct wire_frame *f,
                    struct error *why) {
    uint64_t place;
    if (f->order.seq <= s->last_seq) return broken(why, "the peer's orders are out of order");
    switch (peer_inbox_offer(s->inbox, f->order.seq, &place)) {
    case INBOX_FULL:
        s->used = 0;
        s->used_buffer = false;
        return error_set(why, ERR_BUSY, "too many orders of the peer are open");
    case INBOX_DUPLICATE:
        s->duplicates++;
        return 0;
    case INBOX_NEW:
        break;
    }
    s->last_seq = f->order.seq;
    ret->type = STREAM_ORDER;
    ret->order.wire = f->order;
    ret->order.place = place;
    return 0;
}

static void on_pong(struct stream_event *ret, const struct peer_stream *s,
                    const struct wire_frame *f, uint64_t now_ns, uint64_t wall_ns) {
    // Of an earlier ping, of one that only asks for a sign of life (0), or of none of ours.
    if (f->ping.value == 0 || f->ping.value != s->pinged_ns) return;
    uint64_t round_trip = now_ns - s->pinged_ns;
    ret->type = STREAM_PONG;
    ret->pong.round_trip_ns = round_trip;
    ret->pong.clock_ahead_ns = (int64_t)(f->ping.clock_ns + round_trip / 2 - wall_ns);
}

static int on_frame(struct stream_event *ret, struct peer_stream *s, const struct wire_frame *f,
                    uint64_t now_ns, uint64_t wall_ns, struct buf *out, struct error *why) {
    if (f->type != WIRE_HELLO && f->type != WIRE_BYE && !s->attached) {
        return broken(why, "the peer did not introduce itself");
    }
    switch (f->type) {
    case WIRE_HELLO:
        return on_hello(ret, s, f, why);
    case WIRE_RESUME:
        return on_resume(ret, s, f, why);
    case WIRE_ORDER:
        return on_order(ret, s, f, why);
    case WIRE_ACK:
    case WIRE_REFUSE:
        if (!s->resumed) return broken(why, "an acknowledgement before the stream was resumed");
        ret->type = f->type == WIRE_ACK ? STREAM_ACK : STREAM_REFUSE;
        ret->ack.seq = f->ack.seq;
        ret->ack.status = f->ack.status;
        return 0;
    case WIRE_PING:
        wire_put_pong(out, f->ping.value, wall_ns);
        return 0;
    case WIRE_PONG:
        on_pong(ret, s, f, now_ns, wall_ns);
        return 0;
    case WIRE_BYE:
        s->ended = true;
        ret->type = STREAM_BYE;
        ret->bye = f->bye;
        return 0;
    }
    return error_set(why, ERR_INTERNAL, "no such frame");
}

int peer_stream_next(struct stream_event *ret, struct peer_stream *s, struct bytes *in,
                     uint64_t now_ns, uint64_t wall_ns, struct buf *out, struct error *why) {
    struct wire_frame f;
    ret->type = STREAM_MORE;
    if (in->n > 0) s->heard_ns = now_ns; // an order may be under way for longer than the limit
    while (ret->type == STREAM_MORE) {
        take_off(s, in);
        if (in->n == 0 && s->in.n == 0) return 0;
        if (s->ended) return broken(why, "something follows the peer's end");
        int r = parse(s, &f, in, why);
        if (r == ERR_AGAIN) return 0;
        if (r == 0) r = on_frame(ret, s, &f, now_ns, wall_ns, out, why);
        if (r != 0) return r;
    }
    return 0;
}

/* ---- output ---- */

size_t peer_stream_pump(struct peer_stream *s, struct buf *out, size_t most, uint64_t wall_ns,
                        bool (*describe)(void *context, struct wire_order *ret, void *order),
                        void *context) {
    size_t count = 0;
    uint64_t seq;
    while (s->resumed && !s->ended && out->n < most && !out->failed) {
        void *order = peer_outbox_next(s->outbox, wall_ns, &seq);
        if (!order) break;
        struct wire_order wire = {0};
        if (!describe(context, &wire, order) || wire.body.n > WIRE_BODY_MAX) {
            peer_outbox_settle(s->outbox, seq, false);
            continue;
        }
        wire.seq = seq;
        wire_put_order(out, &wire);
        count++;
    }
    return count;
}

bool peer_stream_tick(struct peer_stream *s, uint64_t now_ns, struct buf *out) {
    if (now_ns - s->heard_ns >= STREAM_DEAD_NS) return false;
    if (s->attached && now_ns - s->pinged_ns >= STREAM_PING_NS) {
        s->pinged_ns = now_ns;
        wire_put_ping(out, now_ns);
    }
    return true;
}
