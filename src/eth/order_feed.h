/* The order feed: how orders go from the orderflow program to the block builder beside it, over a
 * Unix stream socket. Bytes in, frames out; the socket is each side's own.
 *
 *   orderflow ──hello, orders──▶ builder        The builder listens.
 *   orderflow ◀──welcome, acknowledgements, refusals── builder
 *
 * A session is what one sender gives one life of the builder: a random number that is not 0, and
 * orders of rising sequence. An acknowledgement is cumulative: all orders up to its sequence are in
 * the builder's pool, or were refused by a frame before it. On a new connection the builder's
 * welcome tells the last sequence that it holds of this session, and the sender goes on after it;
 * sequences at or below it are dropped as repeats. A sender that notes each order's sequence before
 * it sends goes on with its session even after it was killed, so each order is given once: the
 * builder reads its connections in the order in which they spoke, the one that ended first.
 * Welcomed with 0 in a session that had orders, the sender knows that the builder restarted: it
 * begins another session, with a new connection, and repeats whatever may still land.
 *
 * Frame, all integers big-endian:
 *
 *   offset size
 *    0      4   size of what follows (9 .. FEED_FRAME_MAX)
 *    4      1   kind (enum feed_kind)
 *    5      8   sequence (hello: session; welcome, acknowledge, refuse: see below)
 *   13          body of the kind:
 *     hello        magic "BNOF", version u16 (1)
 *     welcome      session u64; sequence is the last one held
 *     order        method u8, flags u8, priority u8, received u64 (wall ns),
 *                  [signer 20], [refund identity 20], count u32 and senders 20 each, then by method
 *     acknowledge  nothing; sequence is the last one taken
 *     refuse       code i32 (enum err), text (u32 size, bytes); sequence is the order's
 *
 * What an order is comes from the public methods (eth_sendBundle v1 and v2, mev_sendBundle,
 * eth_sendRawTransaction, eth_cancelBundle, bid_subsidiseBlock); defaults are filled in by the
 * sender, rules are the receiver's. Both sides run in one machine: recovered senders are believed.
 * Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_ORDER_FEED_H
#define ETH_ORDER_FEED_H

#include "base/buf.h"
#include "eth/bundle.h"

#define FEED_VERSION 1
#define FEED_FRAME_MAX (32u << 20) /* bytes after the size */
#define FEED_TXS_MAX 1024u         /* transactions of a bundle, items of a body */
#define FEED_HASHES_MAX 4096u      /* of one list */

enum feed_kind {
    FEED_HELLO = 1,
    FEED_WELCOME,
    FEED_ORDER,
    FEED_ACKNOWLEDGE,
    FEED_REFUSE,
};

enum feed_method {
    FEED_SEND_BUNDLE = 1,
    FEED_SEND_SHARE,
    FEED_SEND_RAW_TX,
    FEED_CANCEL,    /* a replacement key; nothing comes after it */
    FEED_SUBSIDISE, /* a block that must be won */
    FEED_METHOD_END,
};

/* The order in which a receiver under load takes what waits. */
enum feed_priority {
    FEED_PRIORITY_HIGH,
    FEED_PRIORITY_MEDIUM,
    FEED_PRIORITY_LOW,
    FEED_PRIORITY_END,
};

struct feed_order {
    enum feed_method method;
    enum feed_priority priority;
    bool from_peer;           /* another node has it too */
    bool has_signer;          /* false: anonymous */
    bool has_refund_identity; /* false: the signer is who is credited */
    uint64_t received_ns;     /* wall clock, when its last byte came to the first node */
    struct address signer;
    struct address refund_identity;
    const struct address *senders; /* of each transaction of a bundle or raw; NULL: not recovered */
    size_t sender_count;
    struct bundle bundle;      /* FEED_SEND_BUNDLE; refund_tx_texts does not travel */
    struct share_bundle share; /* FEED_SEND_SHARE; revert_mode_text does not travel */
    struct bytes raw;          /* FEED_SEND_RAW_TX, network form */
    struct uuid cancel_uuid;   /* FEED_CANCEL, with the signer above */
    uint64_t subsidy_block;    /* FEED_SUBSIDISE */
};

struct feed_frame {
    enum feed_kind kind;
    uint64_t sequence; /* of order, acknowledge, refuse; the last held of welcome */
    uint64_t session;  /* of hello and welcome */
    struct bytes body; /* of an order, for feed_order_decode */
    int code;          /* of refuse: enum err */
    struct bytes text; /* of refuse */
    size_t bytes;      /* of the whole frame */
};

/* feed_frame_parse reads the frame at the beginning of `in`; its views point there.
 * errors  ERR_AGAIN (more input is needed), ERR_SYNTAX (close the connection), ERR_LIMIT (too
 *         long: close), ERR_UNSUPPORTED (a hello of another version). *ret is untouched then. */
[[gnu::warn_unused_result]] int feed_frame_parse(struct feed_frame *ret, struct bytes in,
                                                 struct error *why);

/* feed_order_decode reads an order's body. ret's views point into it and into the arena.
 * errors  ERR_SYNTAX, ERR_LIMIT (FEED_TXS_MAX, FEED_HASHES_MAX, BUNDLE_DEPTH_MAX, the arena),
 *         ERR_UNSUPPORTED (a method that is not known). *ret is untouched then. */
[[gnu::warn_unused_result]] int feed_order_decode(struct feed_order *ret, struct bytes body,
                                                  struct arena *a, struct error *why);

/* Writers append a whole frame; failures are the buf's (buf_check). feed_put_order writes orders
 * within the limits above, and nothing else. */
void feed_put_hello(struct buf *out, uint64_t session);
void feed_put_welcome(struct buf *out, uint64_t session, uint64_t last_sequence);
void feed_put_order(struct buf *out, uint64_t sequence, const struct feed_order *o);
void feed_put_acknowledge(struct buf *out, uint64_t sequence);
void feed_put_refuse(struct buf *out, uint64_t sequence, int code, const char *text);

#endif
