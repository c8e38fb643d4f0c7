/* What the files of share have in common: peers, and the links (connections) to them.
 *
 *   share.c              life, orders coming in from other threads, answers going back
 *   share_peers.c        the set of peers, and their TLS
 *   share_orders.c       orders on the wire and in the spill
 *   peer_dial.c          who is dialed when, and which session of two nodes is kept
 *   peer_link.c          a connection's life; frames and streams on it:
 *   peer_link_stream.c   our transport
 *   peer_link_frames.c   the second generation's, both ways
 *   peer_http.c          the first generation's, outgoing
 *
 * Everything belongs to the loop's thread but what is said to be atomic.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_SHARE_INTERNAL_H
#define ORDERFLOW_SHARE_INTERNAL_H

#include "base/list.h"
#include "base/queue.h"
#include "base/random.h"
#include "net/client.h"
#include "net/resolver.h"
#include "orderflow/forward_metrics.h"
#include "orderflow/peer_stream.h"
#include "orderflow/share.h"

#define SHARE_QUEUE_ORDERS 16384u
#define SHARE_QUEUE_BYTES (UINT64_C(64) << 20)
#define SHARE_SPILL_BYTES (UINT64_C(1) << 30)
#define SHARE_HANDOVER_MAX 16384u  /* orders between other threads and the loop */
#define SHARE_HANDOVER_SPARE 1024u /* places for those that were asked for before it was full */
#define SHARE_RECENT_MAX 4096u     /* orders that a new peer gets, and their bytes */
#define SHARE_RECENT_BYTES (UINT64_C(16) << 20)
#define SHARE_PINS_MAX 2u
#define SHARE_PEERS_MAX 256u              /* more are skipped */
#define SHARE_LINKS_MAX 1024u             /* connections, both ways */
#define SHARE_LINKS_PEER_MAX 16u          /* accepted from one known peer */
#define SHARE_STRANGERS_MAX 256u          /* accepted from who has proved nothing yet */
#define SHARE_STRANGERS_CLIENT_MAX 64u    /* and of those from one address */
#define SHARE_STRANGERS_BYTES (64u << 20) /* pieces of frames that wait in those */
#define SHARE_CONNECT_NS (3 * NS_PER_S)   /* name, TCP and TLS together */
#define SHARE_HELLO_NS (5 * NS_PER_S)     /* until the peer has introduced itself */
#define SHARE_PROVE_NS (20 * NS_PER_S)    /* for the evidence of both sides: quotes take seconds */
#define SHARE_TICK_NS (500 * NS_PER_MS)
#define SHARE_EXPIRE_NS NS_PER_S
#define SHARE_DIAL_FIRST_NS (20 * NS_PER_MS) /* pause before the first new try, doubling */
#define SHARE_DIAL_MOST_NS (2 * NS_PER_S)
#define SHARE_STABLE_NS (5 * NS_PER_S)  /* a session that lasted so long resets the pause */
#define SHARE_SUSPECT_NS (2 * NS_PER_S) /* a doubted session must answer a ping in */
#define SHARE_OLD_NS                                                                               \
    (60 * NS_PER_S) /* a session whose certificate is no longer listed ends after */
#define SHARE_AGAIN_NS (5 * NS_PER_MS)  /* an order that was not taken is offered again after */
#define SHARE_REST_NS (20 * NS_PER_MS)  /* a peer that took an order not now gets none for */
#define SHARE_READ_BYTES (1u << 20)     /* a link's at one go, before others have their turn */
#define SHARE_UNREAD_BYTES (4u << 20)   /* answers that a peer does not read: it is closed */
#define FRAMES_WINDOW 1024u             /* requests without answer, each way */
#define FRAMES_ANSWER_NS (5 * NS_PER_S) /* the oldest request's answer must come in */
#define FRAMES_INVALID_MAX 16u          /* wrong signatures in a row: closed */

struct peer;
struct peer_link;
struct peer_http;

enum link_kind {
    LINK_OPENING, /* dialed: no protocol agreed on; accepted: no byte seen */
    LINK_STREAM,
    LINK_FRAMES_OUT, /* dialed: we ask */
    LINK_FRAMES_IN,  /* accepted: we answer */
};

struct share_ticket {
    struct share_ticket *next; /* in the stack of answers, or of free tickets */
    struct share_ticket *made_before;
    struct share *share;
    struct peer *peer;          /* stream; held */
    struct peer_link *link;     /* frames; held */
    uint64_t generation, place; /* stream */
    uint32_t id;                /* frames */
    bool answered;
    enum peer_status status;
    bool has_hash;
    struct hash hash;
    char text[120];
};

struct frames_out {
    uint64_t seq[FRAMES_WINDOW]; /* by id: what was sent and not answered; 0: free */
    uint64_t sent_ns[FRAMES_WINDOW];
    uint32_t next, oldest; /* ids: to be given next, first without answer */
};

struct frames_in {
    unsigned open;    /* requests without answer */
    unsigned invalid; /* wrong signatures in a row */
    bool proved;      /* an order was taken: a peer signed it */
};

struct peer_link {
    struct list_node node; /* of the share */
    struct share *share;
    struct peer *peer; /* NULL: not known yet, or known by signatures only */
    enum link_kind kind;
    bool dialed, ended;
    bool held_back;        /* reading pauses until orders are taken again */
    bool stands;           /* dialed: TCP and TLS do */
    bool resting;          /* the peer took an order not now: none is sent before the timer */
    struct server *server; /* accepted: whose connection it is */
    struct conn *conn;
    struct conn own; /* dialed */
    struct loop_timer timer;
    unsigned holds;
    uint8_t client[16];  /* accepted: whose address (socket_address_client) */
    uint64_t begun_ns;   /* monotonic */
    uint64_t suspect_ns; /* stream: doubted since; 0: not */
    uint64_t old_ns;     /* its certificate is no longer the listed one, since; 0: it is */
    uint64_t aged_ns;    /* its evidence is to be renewed, since; 0: not */
    void *proof;         /* session of attested.h; NULL: without evidence */
    struct buf in;       /* frames: a piece of one */
    size_t pumped;       /* bytes of orders that were queued last, at once; answers are apart */
    struct peer_stream stream;
    struct frames_in requests;
    struct frames_out *answers; /* LINK_FRAMES_OUT */
};

struct peer {
    struct list_node node;      /* of the share */
    struct list_node pump_node; /* of share.to_pump */
    struct share *share;
    unsigned holds;
    bool removed, kept; /* kept: in the list that is being set */
    char name[FLOW_PEER_NAME_MAX];
    char *host, *address; /* SNI; where to connect, without port */
    unsigned port;
    struct hash pins[SHARE_PINS_MAX];
    size_t pin_count;
    enum share_transport configured, spoken;
    struct tls *tls;
    struct wire_id stream; /* of the orders for it */
    struct peer_inbox inbox;
    struct peer_outbox outbox;
    struct peer_link *active; /* the session in use: stream or frames */
    struct peer_link *dialing;
    struct peer_http *http;
    struct resolver_query query;
    bool resolving;
    bool told_up;            /* and not yet that it is down */
    bool renew;              /* the session is to be replaced by one with fresh evidence */
    struct loop_timer timer; /* to dial */
    unsigned failures;
    uint64_t latency_ns;
    uint64_t acked_ns; /* wall clock of the acknowledgement that is being looked at */
    int64_t clock_ahead_ns;
    struct outbox_stats told; /* counted in the metrics so far */
    struct metric *metric[17];
    struct forward_metrics forward;
};

struct share {
    struct share_options options;
    struct loop *loop;
    struct log *log;
    const struct clock *clock;
    struct wire_id instance;
    char name[FLOW_PEER_NAME_MAX];
    struct buf cert_pem, key_pem; /* own certificate */
    struct hash own_key;          /* its public key's; with has_own_key */
    bool has_own_key;
    struct resolver *names;
    struct list peers, links, to_pump;
    unsigned peer_count, link_count;
    bool stopping;
    atomic_bool closed; /* share_order takes nothing any more */
    atomic_bool wants_first, wants_bitcode;
    struct flow_order *recent[SHARE_RECENT_MAX]; /* ring: what a new peer gets */
    uint64_t recent_first, recent_end, recent_bytes;
    unsigned long thread;                   /* the loop's */
    struct queue handover;                  /* of flow orders */
    _Atomic(struct share_ticket *) answers; /* a stack */
    atomic_bool awake;                      /* the loop knows of handover and answers */
    atomic_ulong inside;                    /* the thread that is in `received`; 0: none */
    struct share_ticket *free_tickets;
    struct share_ticket *last_ticket; /* of all: some may never be answered */
    struct loop_fd wake;
    struct loop_timer tick, drain_timer;
    struct loop_task pump_task;
    uint64_t stale_ns, drain_began_ns, drain_deadline_ns;
    void (*drained)(void *context);
    void *drained_context;
    struct random_fast random;
    struct metric *skipped, *handover_full, *accepted_refused;
};

/* ---- share.c ---- */

struct share_ticket *share_ticket_new(struct share *s);
void share_ticket_free(struct share_ticket *t);
/* share_receive hands an order on. Returns true when it was answered within the call. */
bool share_receive(struct share *s, const struct share_received *r, struct share_ticket *t);
void share_pump_later(struct peer *p);
/* share_greet gives a new peer the recent orders that may still land. */
void share_greet(struct peer *p);
/* share_is_stale asks for a new list of peers. */
void share_is_stale(struct share *s);

/* ---- share_peers.c ---- */

struct peer *peer_hold(struct peer *p);
void peer_release(struct peer *p);
/* share_find gives the peer that a certificate stands for; name (may be empty) tells apart those
 * that share one. */
struct peer *share_find(struct share *s, const struct hash *fingerprint, struct bytes name);
struct peer *share_find_name(struct share *s, const char *name);
void share_count(struct peer *p);
void share_update_wants(struct share *s);
/* share_note_key after cert_pem changed: whom a list means with this key is the node itself. */
void share_note_key(struct share *s);
bool peer_has_pin(const struct peer *p, const struct hash *fingerprint);

/* ---- share_orders.c ---- */

extern const struct outbox_actions share_order_actions;
struct outbox_order share_order_of(struct flow_order *o);
bool share_describe(void *peer, struct wire_order *ret, void *order);
/* share_restore makes an order of a record; the same bytes that the spill's writer makes. */
[[gnu::warn_unused_result]] int share_restore(struct outbox_order *ret, struct bytes in,
                                              struct error *why);

/* ---- peer_dial.c ---- */

void peer_dial_soon(struct peer *p, uint64_t delay_ns);
void peer_dial_stop(struct peer *p);
void peer_failed(struct peer *p);
/* peer_adopt makes a link the peer's session, if it is the one to be kept; false: it was ended. */
bool peer_adopt(struct peer *p, struct peer_link *l);
/* peer_link_lost: an ended link was the peer's. code  why; 0: this node ends it. */
void peer_link_lost(struct peer *p, struct peer_link *l, int code);
void peer_pump(struct peer *p);

/* ---- peer_link.c ---- */

struct peer_link *link_new(struct share *s, bool dialed);
void link_hold(struct peer_link *l);
void link_release(struct peer_link *l);
/* link_end closes and forgets a link; reason NULL: nothing is logged. */
void link_end(struct peer_link *l, const struct error *reason);
/* link_flush after something was appended to conn_queue; may end the link. */
void link_flush(struct peer_link *l);
[[gnu::warn_unused_result]] int link_connect(struct peer *p, const struct socket_address *a,
                                             struct error *why);
/* link_set_timer: the link's one timer; what it does depends on the link's kind. */
void link_set_timer(struct peer_link *l, uint64_t in_ns);
void link_hold_back(struct peer_link *l);
void link_go_on(struct peer_link *l);
/* link_rest: the peer does not take orders for now; they are sent after SHARE_REST_NS. */
void link_rest(struct peer_link *l);
/* link_accepted_of: how many a peer has dialed. */
unsigned link_accepted_of(const struct share *s, const struct peer *p);
/* link_bound_bytes ends strangers' links, those with the most bytes first, while pieces of frames
 * take too much; l: the one that grew, which may be among them. */
void link_bound_bytes(struct peer_link *l);
/* link_attested: the peer's evidence was accepted, and still is. */
bool link_attested(const struct peer_link *l);
/* link_settled, link_aged: events of attested.h; context: the share. */
void link_settled(void *share, struct conn *c, const struct error *why);
void link_aged(void *share, struct conn *c);
/* link_certificate: the fingerprint of what the peer showed; false: nothing. */
bool link_certificate(struct hash *ret, const struct peer_link *l);

/* ---- the protocols on a link ---- */

void link_stream_begin(struct peer_link *l);
void link_stream_feed(struct peer_link *l, struct bytes in);
void link_stream_pump(struct peer_link *l);
void link_stream_tick(struct peer_link *l);
void link_stream_bye(struct peer_link *l, enum wire_bye reason);
void link_stream_settled(struct peer *p, struct share_ticket *t);

void link_frames_begin(struct peer_link *l);
void link_frames_feed(struct peer_link *l, struct bytes in);
void link_frames_pump(struct peer_link *l);
void link_frames_tick(struct peer_link *l);
void link_frames_answered(struct peer_link *l, struct share_ticket *t);

/* ---- peer_http.c ---- */

[[gnu::warn_unused_result]] int peer_http_new(struct peer_http **ret, struct peer *p,
                                              struct error *why);
void peer_http_free(struct peer_http *h);
void peer_http_pump(struct peer_http *h);

enum peer_metric {
    PEER_UP,
    PEER_SENT,
    PEER_RESENT,
    PEER_ACKNOWLEDGED,
    PEER_REFUSED,
    PEER_EXPIRED,
    PEER_DROPPED,
    PEER_QUEUED,
    PEER_QUEUED_BYTES,
    PEER_SPILLED_BYTES,
    PEER_ACK_SECONDS,
    PEER_ROUND_TRIP,
    PEER_RECEIVED,
    PEER_DUPLICATES,
    PEER_LATENCY,
    PEER_STALLING, /* the first generation's name of what was dropped */
    PEER_ATTESTED,
};

#endif
