/* Peer stream: one session of our own transport as a state machine: bytes in, events and bytes
 * out. Frames are in peer_wire.h; what outlives a session is in the peer's inbox and outbox.
 *
 *     peer_stream_init(&s, dialed, ...);  a dialing side's HELLO goes out
 *     feed: while ((r = peer_stream_next(&event, &s, &in, now, &out, why)) == 0 && event.type)
 *     STREAM_HELLO: find the peer, peer_stream_attach    (HELLO if it was dialed to us, RESUME)
 *     STREAM_RESUMED: peer_stream_pump, and again whenever there are orders and room
 *
 * Pure; one thread at a time. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEER_STREAM_H
#define ORDERFLOW_PEER_STREAM_H

#include "orderflow/peer_inbox.h"
#include "orderflow/peer_outbox.h"

#define STREAM_PING_NS (UINT64_C(2) * 1000000000)  /* between two pings */
#define STREAM_DEAD_NS (UINT64_C(10) * 1000000000) /* without a byte from the peer: gone */

enum stream_event_type {
    STREAM_MORE, /* all input is taken */
    STREAM_HELLO,
    STREAM_RESUMED, /* orders may be sent */
    STREAM_ORDER,
    STREAM_ACK,
    STREAM_REFUSE,
    STREAM_PONG,
    STREAM_BYE,
};

struct stream_event {
    enum stream_event_type type;
    union {
        struct wire_hello hello;
        struct {
            struct wire_order wire; /* until the next call */
            uint64_t place;         /* in the inbox */
        } order;
        struct {
            uint64_t seq;
            uint8_t status;
        } ack;
        struct {
            uint64_t round_trip_ns;
            int64_t clock_ahead_ns; /* the peer's clock before ours, to half the round trip */
        } pong;
        uint8_t bye;
    };
};

struct peer_stream {
    bool dialed, heard_hello, attached, resumed, ended;
    struct peer_inbox *inbox;   /* the peer's; NULL before peer_stream_attach */
    struct peer_outbox *outbox; /* the same */
    struct wire_id own_stream;
    struct wire_id peer_instance;
    struct wire_id peer_stream;
    size_t body_max;
    uint64_t last_seq;  /* of this session's orders */
    uint64_t heard_ns;  /* monotonic, last byte of the peer */
    uint64_t pinged_ns; /* monotonic, last ping */
    uint64_t duplicates;
    struct buf in; /* input that was not taken yet */
    size_t in_at;
    size_t used; /* bytes of the last frame, taken off by the next call */
    bool used_buffer;
};

/* peer_stream_init: body_max  bytes an order may have, 0: WIRE_BODY_MAX. peer_stream_free. */
void peer_stream_init(struct peer_stream *s, bool dialed, size_t body_max, uint64_t now_ns);
void peer_stream_free(struct peer_stream *s);

/* peer_stream_hello writes the own HELLO: a dialing side at once, the other inside _attach. */
void peer_stream_hello(const struct wire_hello *own, struct buf *out);

/* peer_stream_attach: the peer is known, after STREAM_HELLO. */
void peer_stream_attach(struct peer_stream *s, struct peer_inbox *inbox, struct peer_outbox *outbox,
                        const struct wire_hello *own, struct buf *out);

/* peer_stream_next takes the next frame off *in. Pings are answered and duplicates dropped inside.
 * errors  ERR_BUSY: too many orders are open; the frame stays, peer_stream_save the rest and come
 *         again. Others end the session: ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED, ERR_INVALID (the
 *         peer breaks the rules), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int peer_stream_next(struct stream_event *ret, struct peer_stream *s,
                                                 struct bytes *in, uint64_t now_ns,
                                                 uint64_t wall_ns, struct buf *out,
                                                 struct error *why);

/* peer_stream_keep: the order of the last event could not be handed on: it will be given again.
 * peer_stream_save keeps the rest of the input for later. errors  ERR_NO_MEMORY. */
void peer_stream_keep(struct peer_stream *s, uint64_t place);
[[gnu::warn_unused_result]] int peer_stream_save(struct peer_stream *s, struct bytes in,
                                                 struct error *why);
static inline bool peer_stream_has_input(const struct peer_stream *s) {
    return s->in_at + (s->used_buffer ? s->used : 0) < s->in.n;
}

/* peer_stream_pump appends orders until `out` has at least `most` bytes or none is left.
 * describe  fills all but the number; false: the order cannot be written, and is dropped.
 * Returns how many. */
size_t peer_stream_pump(struct peer_stream *s, struct buf *out, size_t most, uint64_t wall_ns,
                        bool (*describe)(void *context, struct wire_order *ret, void *order),
                        void *context);

/* peer_stream_tick pings when it is time; false: the peer is silent for too long. */
[[gnu::warn_unused_result]] bool peer_stream_tick(struct peer_stream *s, uint64_t now_ns,
                                                  struct buf *out);

#endif
