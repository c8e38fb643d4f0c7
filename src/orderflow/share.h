/* Share: gives orders to every peer and takes theirs, over three transports, chosen for each peer.
 *
 *   SHARE_HTTP    signed JSON-RPC over HTTPS: peers of the first generation
 *   SHARE_FRAMES  framed TCP over TLS, bitcode, a signature a message: peers of FlowProxy 2.1
 *   SHARE_STREAM  ours: one kept session of two nodes over mutual TLS, both ways, batched,
 *                 acknowledged, resent after a reconnect without duplicates (peer_wire.h); with
 *                 evidence of both sides before the first frame
 *
 * A share belongs to one loop; its callbacks come on that loop's thread. share_order and
 * share_answer may be called by any thread. Each peer has its own bounded queue: a slow peer never
 * slows another, and what does not fit is spilled to disk, oldest expired first, every loss
 * counted. Peers are dialed for ever, with growing pauses. Orders of peers are never sent on. What
 * each transport guarantees: docs/orderflow-peers.md. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_SHARE_H
#define ORDERFLOW_SHARE_H

#include "attested/attested.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/server.h"
#include "orderflow/order.h"
#include "orderflow/peer_frame.h"

struct share;
struct share_ticket;

#define SHARE_PORT 5544u

enum share_transport {
    SHARE_AUTO, /* what the peer answers to our names of protocols: ours, HTTP, else frames */
    SHARE_HTTP,
    SHARE_FRAMES,
    SHARE_STREAM,
};
const char *share_transport_name(enum share_transport t);
/* share_transport_parse gives the transport of a name ("auto", "http", "frames", "stream"). */
[[gnu::warn_unused_result]] int share_transport_parse(enum share_transport *ret, struct bytes name,
                                                      struct error *why);

/* What a peer must prove beside its certificate before it gets an order. */
enum share_evidence {
    SHARE_PINNED,   /* nothing: the hub's word for its certificate stands alone */
    SHARE_MIXED,    /* evidence on our streams; other transports by the hub's word */
    SHARE_REQUIRED, /* evidence: only our streams are spoken */
};
const char *share_evidence_name(enum share_evidence e);

/* One peer as the hub tells of it. Texts are copied by share_set_peers. */
struct share_peer {
    const char *name;    /* shorter than FLOW_PEER_NAME_MAX */
    const char *host;    /* dns_name, else ip; sent as SNI; NULL: the address's host */
    const char *address; /* "host[:port]" to connect to; SHARE_PORT when none is given */
    /* The first certificate of each is trusted, no other; both empty: plain TCP, where
     * share_options.allow_plain. */
    struct bytes cert_pem, cert_pem_more;
    enum share_transport transport;
};

/* An order that a peer sent, not yet judged. Valid during the call. Who must prove what: over
 * frames and HTTP the signature (not yet checked: it is dear and belongs on a worker) must be of a
 * known peer; over our streams the certificate was checked and `peer` says whose it is. */
struct share_received {
    enum order_method method;
    enum flow_form form; /* FLOW_BITCODE: data as in a peer message */
    struct bytes data;
    struct bytes signature; /* header value over data; empty: peer is proved by certificate */
    const char *peer;       /* name, NULL when only the signature can tell */
    int priority;           /* what the peer says: enum order_priority, -1: nothing */
    uint64_t sent_ns;       /* wall clock, 0: not said */
    /* Streams only; else zero. */
    struct address signer; /* who sent it to the network, as the peer verified it */
    uint64_t received_ns;  /* the peer's wall clock when it came there */
    uint64_t expires_ns;
};

struct share_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock;            /* NULL: clock_system */
    const struct flow_identity *identity; /* signs for transports 1 and 2 */
    const char *name;                     /* of this node, as the hub lists it */
    enum share_evidence evidence;
    struct attested *attested; /* session form; NULL only with SHARE_PINNED. Lives until share_free
                                  is over; events go to the share. */
    struct tls_identity certificate; /* client certificate towards peers; empty: none. Copied. */
    const char *spill_folder;        /* NULL: nothing is spilled to disk */
    uint64_t spill_bytes_max;        /* a peer; 0: 1 GiB */
    unsigned queue_orders;           /* a peer, in memory; 0: 16,384 */
    uint64_t queue_bytes;            /* a peer, in memory; 0: 64 MiB */
    unsigned connections;            /* a peer, transport 1; 0: 4 */
    size_t body_bytes_max;           /* of a peer's order; 0: 16 MiB */
    bool allow_plain; /* peers without certificate are spoken to over plain TCP (development) */
    /* A peer's order. The receiver copies what it needs and calls share_answer once, later or at
     * once, from any thread. PEER_ERROR_INTERNAL at once, inside the call, means "not now": a
     * stream is then held back and its order offered again. */
    void (*received)(void *context, const struct share_received *r, struct share_ticket *t);
    /* A peer acknowledged an order. NULL: nothing. */
    void (*shared)(void *context, const char *peer, struct flow_order *o);
    /* A peer's session came up or went down (log, readiness). NULL: nothing. */
    void (*peer_changed)(void *context, const char *peer, bool up);
    /* A peer did not prove itself by what the hub told: look there. At most once a second. NULL:
     * nothing. */
    void (*stale)(void *context);
    void *context;
};

/* share_new is called on the loop's thread. errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int share_new(struct share **ret, const struct share_options *options,
                                          struct error *why);
/* share_set_name: the own name turned out later, before the first peers. */
void share_set_name(struct share *s, const char *name);
/* share_free ends all sessions at once; before the peers' server is freed. share_drain stops to
 * take orders, sends what is queued and waits for acknowledgements, at most deadline_ns (a second
 * for peers that are away), then calls done on the loop. */
void share_free(struct share *s);
void share_drain(struct share *s, uint64_t deadline_ns, void (*done)(void *context), void *context);

/* share_set_peers replaces the peers (never oneself); sessions of peers that did not change go on,
 * also when only the certificate did. A peer that cannot be used (bad certificate, no address, no
 * name, under another name this node's own key) is skipped, logged and counted. loop's thread.
 * ret_used (may be NULL): how many are used. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int share_set_peers(struct share *s, const struct share_peer *peers,
                                                size_t count, size_t *ret_used, struct error *why);

/* share_count_skipped counts entries of the hub's list that were no peers at all. loop's thread. */
void share_count_skipped(struct share *s, size_t count);

/* share_set_certificate changes the own client certificate; running sessions go on. */
[[gnu::warn_unused_result]] int share_set_certificate(struct share *s, struct tls_identity identity,
                                                      struct error *why);

/* share_order queues an order for every peer; takes its own hold. Never blocks. Any thread. A
 * peer that is listed later gets what is recent and may still land.
 * errors  ERR_BUSY (the hand-over queue to the loop is full), ERR_CLOSED (draining). */
[[gnu::warn_unused_result]] int share_order(struct share *s, struct flow_order *o,
                                            struct error *why);

/* share_is_full: the hand-over to the loop has hardly any places left; who takes no new order then
 * meets no ERR_BUSY of share_order. Any thread. */
bool share_is_full(struct share *s);

/* share_wants: a peer gets this form, signed. A worker that builds it beforehand
 * (flow_order_body) saves the loop the signature. Any thread. */
bool share_wants(const struct share *s, enum flow_form form);

/* share_answer ends a ticket: status and, with PEER_SUCCESS, the hash, else a text. A status that
 * says "again later" is PEER_ERROR_INTERNAL: streams then send the order again. Any thread. */
void share_answer(struct share_ticket *t, enum peer_status status, const struct hash *hash,
                  const char *text);

/* The peers' listener: a net server with share_admit as its admit hook (context: the share), which
 * looks at the agreed protocol or the first bytes of a connection; streams and frames are kept,
 * HTTP is given back to the server. share_listener_tls fills what its TLS needs: role, protocols,
 * hooks, a client certificate that may be shown. Whom a certificate stands for is judged against
 * the newest peers; one that stands for nobody proves nothing. A stream without evidence is taken
 * with SHARE_PINNED only; orders that come by other transports prove themselves by signatures. */
void share_admit(struct server *s, struct conn *c, void *share);
void share_listener_tls(struct tls_options *o, enum share_evidence evidence);

struct share_peer_stats {
    char name[FLOW_PEER_NAME_MAX];
    enum share_transport transport; /* in use, SHARE_AUTO before the first session */
    bool up;
    bool attested; /* the session's peer has given evidence that was accepted */
    uint64_t sent, acknowledged, resent, failed, dropped;  /* orders; dropped: expired or no room */
    uint64_t queued, queued_bytes, spilled, spilled_bytes; /* now */
    uint64_t latency_ns;                                   /* of the last acknowledgement */
};
/* share_stats fills at most `most` rows and returns how many peers there are. loop's thread. */
size_t share_stats(struct share *s, struct share_peer_stats *ret, size_t most);

#endif
