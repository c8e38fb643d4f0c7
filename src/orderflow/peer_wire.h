/* Peer wire: the frames of our own transport between two nodes, as bytes.
 *
 * Every frame: integers big-endian.
 *
 *   offset size
 *        0    1  type, enum wire_type
 *        1    3  zero
 *        4    4  bytes that follow
 *
 *   HELLO    8  4  "BNOF"                 ORDER    8   8  sequence number, from 1
 *           12  2  version, 1                     16   8  sent: when the node took it, unix ns
 *           14  2  zero                           24   8  received by the first node, unix ns
 *           16 16  instance of the process        32   8  expires, unix ns; 0: not known
 *           32 16  stream: its orders to the peer 40   8  last block; 0: the next
 *           48  8  its clock, unix ns             48   1  method, enum order_method
 *           56  1  n                              49   1  priority, enum order_priority
 *           57  n  name, as the hub lists it      50   2  zero
 *                                                 52  20  signer of the request
 *   RESUME   8 16  a stream of the peer           72   .  the order: bitcode of a bundle, raw bytes
 *           24  8  orders up to here were taken           of a transaction, a JSON parameter
 *
 *   ACK      8  8  orders up to here are taken care of
 *   REFUSE   8  8  one order, also counted as taken care of; 16  1  status, enum peer_status
 *   PING     8  8  any value                  PONG     8  8  that value; 16  8  clock, unix ns
 *   BYE      8  1  reason, enum wire_bye      all of it: nothing follows
 *
 * HELLO is the first frame of both sides: the side that connected sends it at once, the other in
 * answer. Each then says with RESUME where the peer's stream shall go on; orders follow a RESUME.
 * Sequence numbers rise, gaps are orders that were dropped. What follows an order is told by
 * docs/orderflow-peers.md. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEER_WIRE_H
#define ORDERFLOW_PEER_WIRE_H

#include "base/buf.h"

#define WIRE_ALPN "buildernet-orderflow/1"
/* The same after both sides' evidence (attested/attested.h, session form). */
#define WIRE_ALPN_ATTESTED "buildernet-orderflow/1+attested"
#define WIRE_VERSION 1u
#define WIRE_HEAD 8u
#define WIRE_ORDER_HEAD 72u        /* with the frame's head */
#define WIRE_NAME_MAX 63u          /* bytes of a name */
#define WIRE_BODY_MAX (16u << 20)  /* bytes of an order */
#define WIRE_BODY_SMALL (4u << 10) /* frames of any other type are shorter */

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_RESUME,
    WIRE_ORDER,
    WIRE_ACK,
    WIRE_REFUSE,
    WIRE_PING,
    WIRE_PONG,
    WIRE_BYE,
};

enum wire_bye {
    WIRE_BYE_END = 1,   /* the node ends, or no longer lists the peer */
    WIRE_BYE_DUPLICATE, /* another session of the same two nodes is kept */
    WIRE_BYE_UNKNOWN,   /* the peer is not one of the listed */
    WIRE_BYE_PROTOCOL,  /* what it sent breaks the rules */
};

struct wire_id {
    uint8_t b[16];
};

struct wire_hello {
    struct wire_id instance, stream;
    uint64_t clock_ns;
    struct bytes name;
};

struct wire_order {
    uint64_t seq, sent_ns, received_ns, expires_ns, last_block;
    uint8_t method, priority;
    uint8_t signer[20];
    struct bytes body;
};

/* One frame, decoded; texts and bodies point into the input. */
struct wire_frame {
    enum wire_type type;
    size_t bytes; /* of the whole frame */
    union {
        struct wire_hello hello;
        struct {
            struct wire_id stream;
            uint64_t seq;
        } resume;
        struct wire_order order;
        struct {
            uint64_t seq;
            uint8_t status; /* REFUSE */
        } ack;
        struct {
            uint64_t value, clock_ns; /* PONG: both */
        } ping;
        uint8_t bye;
    };
};

/* wire_parse reads the frame at the beginning of `in`.
 * body_max  bytes an order's body may have; 0: WIRE_BODY_MAX.
 * errors    ERR_AGAIN (more input is needed), ERR_SYNTAX (no frame, or a wrong one), ERR_LIMIT,
 *           ERR_UNSUPPORTED (another version). */
[[gnu::warn_unused_result]] int wire_parse(struct wire_frame *ret, struct bytes in, size_t body_max,
                                           struct error *why);

/* Writers append one frame; failures are kept in the buf. */
void wire_put_hello(struct buf *out, const struct wire_hello *h);
void wire_put_resume(struct buf *out, const struct wire_id *stream, uint64_t seq);
void wire_put_order(struct buf *out, const struct wire_order *o);
void wire_put_ack(struct buf *out, uint64_t seq);
void wire_put_refuse(struct buf *out, uint64_t seq, uint8_t status);
void wire_put_ping(struct buf *out, uint64_t value);
void wire_put_pong(struct buf *out, uint64_t value, uint64_t clock_ns);
void wire_put_bye(struct buf *out, enum wire_bye reason);

static inline bool wire_id_equal(const struct wire_id *a, const struct wire_id *b) {
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

#endif
