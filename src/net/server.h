/* Server: HTTP/1.1, HTTP/2 and WebSocket upgrades on the same listeners, plain, TLS or Unix.
 *
 * One handler interface for all protocols: a handler gets an `exchange` and answers it, at once or
 * later. A server belongs to one loop; to use several threads make one server a loop with the
 * same routes and `reuse_port` listeners. Everything here is called on the loop's thread.
 *
 * Lifetimes: an exchange lives until it is answered to the end or the client is gone, and its
 * struct as long as somebody holds it (exchange_hold). What exchange_* functions return is valid
 * until then. Answering an exchange whose client is gone does nothing. Continue (100) is sent by
 * the server when the body is wanted.
 *
 * To answer from another thread: exchange_hold, work there with copies, loop_post back, answer,
 * exchange_release.
 *
 * Source: RFC 9110, 9112, 9113, 6455. SPDX-License-Identifier: MIT */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/arena.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/conn.h"
#include "net/http.h"

struct server;
struct exchange;

typedef void exchange_handle(struct exchange *x, void *context);

/* ---- routes ---- */

#define ROUTE_STREAM 1u /* call the handler when the header is there; the body comes by events */
#define ROUTE_PREFIX 2u /* the path and everything below it ("/" takes all) */
#define ROUTE_QUIET 4u  /* no access log line */

/* Paths are compared byte by byte after percent-decoding. A segment "{name}" takes any one
 * non-empty segment; exact segments win over it, and exact paths over prefixes. */
struct route {
    const char *methods; /* "GET" or "GET,POST"; "*": all. GET answers HEAD too. */
    const char *path;
    exchange_handle *handle;
    void *context;
    uint64_t body_bytes_max; /* 0: the server's limit */
    unsigned flags;
};

/* ---- server ---- */

struct server_limits {
    unsigned connections;            /* 0: 10,000; above: the longest idle or unfinished closes */
    unsigned connections_per_client; /* per address (IPv6: /64); 0: no limit */
    unsigned requests_per_second;    /* likewise, with a burst of twice that; 0: no limit */
    uint64_t body_bytes;             /* 0: 1 MiB */
    uint64_t held_bytes;             /* see server_room; 0: no limit */
    unsigned header_bytes;           /* 0: 32 KiB; more is 431 */
    unsigned streams;                /* HTTP/2 streams at once; 0: 128 */
    uint64_t header_ns;              /* first byte to end of header, TLS handshake; 0: 10 s */
    uint64_t body_ns;                /* longest wait for body bytes; 0: 30 s */
    uint64_t whole_body_ns;          /* from the header's end to the body's; 0: no limit */
    uint64_t write_ns;               /* longest wait for the client to take bytes; 0: 30 s */
    uint64_t idle_ns;                /* between requests; 0: 120 s */
};

/* One finished request, for the access log and tests. */
struct server_record {
    struct bytes method, path, route; /* route: the pattern, empty when none matched */
    int status;                       /* 0: no answer was begun */
    unsigned version;                 /* 10, 11, 20 */
    uint64_t in_bytes, out_bytes;     /* of bodies */
    uint64_t duration_ns;
    const struct socket_address *client;
    bool complete; /* the whole answer was handed to the connection */
};

struct server_options {
    const struct route *routes; /* outlive the server */
    size_t route_count;
    struct server_limits limits;
    struct log *log;         /* access log and refusals; NULL: none */
    struct metrics *metrics; /* NULL: none */
    const char *name;        /* label "server" of the metrics; NULL: "http" */
    void (*record)(void *context, const struct server_record *r); /* NULL: none */
    void *record_context;
    const struct socket_block *trusted; /* proxies whose X-Forwarded-For is believed */
    size_t trusted_count;
    exchange_handle *fallback; /* no route matched; NULL: 404 */
    void *fallback_context;
    /* Answers what the server itself refuses (a body that is too large, a rate, a malformed
     * path), once, with exchange_respond or exchange_respond_text; NULL: the text. */
    void (*refuse)(struct exchange *x, int status, const char *text);
    bool access_log; /* a line for every request (event "http_request") */
};

struct server_listener {
    struct socket_address address;
    struct tls *tls;   /* NULL: plain. Held by the server. */
    bool http2;        /* plain: prior knowledge. TLS: by ALPN, whatever this says. */
    bool http2_detect; /* plain: clients that begin with HTTP/2's preface speak it, others not */
    bool reuse_port;
    bool proxy_protocol; /* each connection begins with a PROXY header (net/proxy_header.h), which
                            names its client; without one it is closed. For listeners that only a
                            balancer can reach. */
    unsigned unix_mode;
    /* Called for each new connection after the TLS handshake, before HTTP, when not NULL: the
     * hook may speak first (attestation after the handshake). It takes the connection over with
     * conn_rebind and gives it back with server_adopt, or closes it through server_drop. */
    void (*admit)(struct server *s, struct conn *c, void *context);
    void *admit_context;
    /* Called for each session before its handshake: the user pointer of the TLS hooks. */
    void *(*session_user)(void *context);
    void (*session_done)(void *context, void *user); /* when the connection is gone */
};

/* server_new: errors ERR_SYNTAX (a route's pattern), ERR_CONFLICT (two routes for one path and
 * method), ERR_NO_MEMORY. server_free closes everything at once. */
[[gnu::warn_unused_result]] int server_new(struct server **ret, struct loop *l,
                                           const struct server_options *options, struct error *why);
void server_free(struct server *s);

/* server_listen opens a listener. ret_address (may be NULL) is the address that was bound.
 * errors   as socket_listen. */
[[gnu::warn_unused_result]] int server_listen(struct server *s, struct socket_address *ret_address,
                                              const struct server_listener *listener,
                                              struct error *why);

/* server_listen_fd is server_listen for a descriptor that listens already (taken over). */
[[gnu::warn_unused_result]] int server_listen_fd(struct server *s, int fd,
                                                 const struct server_listener *listener,
                                                 struct error *why);

/* server_drain stops to accept, lets running exchanges finish (Connection: close, GOAWAY), closes
 * idle connections once their last answers are written, and after deadline_ns everything. `done` is
 * called once, from the loop. */
void server_drain(struct server *s, uint64_t deadline_ns, void (*done)(void *context),
                  void *context);
bool server_is_draining(const struct server *s);

/* server_close_all closes every connection now and goes on listening (a new policy). */
void server_close_all(struct server *s);

/* server_retire ends one connection when its running exchanges are answered and the answers are
 * written (its peer must come anew); a connection that was upgraded is left to its owner. */
void server_retire(struct server *s, struct conn *c);

/* server_connections, server_exchanges: how many there are now. */
unsigned server_connections(const struct server *s);
unsigned server_exchanges(const struct server *s);

/* server_room says whether n more bytes may be kept for clients: over all connections together,
 * what came of requests and what is not yet read of answers stay within held_bytes. When they would
 * not, those who hold the most the longest (bytes times time, two ticks at least) are closed
 * first. True counts the bytes as kept until they are seen to be gone. The server asks by itself
 * for bodies that it gathers (503) and WebSockets for messages; answers are the handler's matter,
 * who knows how to say no: exchange_room. Counted in http_refused_total as "held" (said no) and
 * "hoarder" (closed).
 * asking  is not closed; NULL: may be any, so pointers to connections may be dead afterwards. */
[[gnu::warn_unused_result]] bool server_room(struct server *s, const struct conn *asking, size_t n);

/* server_adopt gives a connection back after `admit`; server_drop closes it instead. server_keep
 * leaves it to its owner for good, as an upgrade does: none of HTTP's time limits hold any more. */
void server_keep(struct server *s, struct conn *c);
void server_adopt(struct server *s, struct conn *c);
void server_drop(struct server *s, struct conn *c);

/* ---- the request ---- */

/* exchange_request: method, authority, target, version, fields as they came (net/http.h). */
const struct http_request *exchange_request(const struct exchange *x);
/* exchange_header gives the first value of a header (any case of the name), p NULL when absent. */
struct bytes exchange_header(const struct exchange *x, const char *name);
struct bytes exchange_path(const struct exchange *x);  /* percent-decoded, without query */
struct bytes exchange_query(const struct exchange *x); /* as sent, without "?"; may be empty */
bool exchange_is_tls(const struct exchange *x);

/* exchange_param gives what "{name}" of the route took, p NULL when there is none. */
struct bytes exchange_param(const struct exchange *x, const char *name);
/* exchange_query_get gives a query parameter, decoded, in the exchange's arena; p NULL: absent. */
struct bytes exchange_query_get(struct exchange *x, const char *name);

/* exchange_client: who asks: the peer, or what a trusted proxy says. exchange_peer: the peer. */
const struct socket_address *exchange_client(const struct exchange *x);
const struct socket_address *exchange_peer(const struct exchange *x);
/* exchange_session: the TLS session (peer certificate, exporter), NULL for plain. */
SSL *exchange_session(const struct exchange *x);

/* exchange_arena: memory of the exchange for what is small: 1 MiB, and four times the limit of
 * headers. What grows with the body belongs into an arena of the handler's own. */
struct arena *exchange_arena(struct exchange *x);
struct loop *exchange_loop(const struct exchange *x);
struct server *exchange_server(const struct exchange *x);

/* ---- the request's body ---- */

/* exchange_body: the whole body; for routes without ROUTE_STREAM. */
struct bytes exchange_body(const struct exchange *x);

/* For ROUTE_STREAM. on_body gets bytes as they come (valid during the call), `end` with the last
 * (which may be empty). The handler must set it before it returns; otherwise the body is
 * dropped. exchange_pause stops the flow (the client's window closes), exchange_resume opens it. */
struct exchange_events {
    void (*body)(struct exchange *x, void *context, struct bytes in, bool end);
    /* The client takes bytes again after exchange_write said ERR_AGAIN. */
    void (*drained)(struct exchange *x, void *context);
    /* The client is gone before the answer's end, or the server refused the rest of its body
     * (malformed, too large); nothing else is called any more. */
    void (*gone)(struct exchange *x, void *context);
};
void exchange_set_events(struct exchange *x, const struct exchange_events *events, void *context);
void exchange_pause(struct exchange *x);
void exchange_resume(struct exchange *x);
/* exchange_has_body: a body follows; *ret_length its announced length, -1 when not announced. */
bool exchange_has_body(const struct exchange *x, int64_t *ret_length);

/* ---- the answer ---- */

/* exchange_add_header adds a header to the answer, before it begins; copied. Content-Length,
 * Connection, Transfer-Encoding and Date are the server's and are left out.
 * errors   ERR_SYNTAX (a name or value that could split the message), ERR_LIMIT. */
int exchange_add_header(struct exchange *x, const char *name, struct bytes value);

/* exchange_take_fields gives the answer all its fields at once; their list lives in the exchange's
 * arena, names and values until the answer begins. */
void exchange_take_fields(struct exchange *x, const struct http_fields *fields);

/* exchange_respond answers with a whole body (copied). */
void exchange_respond(struct exchange *x, int status, struct bytes body);
/* exchange_respond_text sets Content-Type (a literal) and answers. exchange_respond_error maps a
 * code to its status and answers with its text. */
void exchange_respond_text(struct exchange *x, int status, const char *content_type,
                           struct bytes body);
void exchange_respond_error(struct exchange *x, const struct error *why);

/* exchange_room is server_room for an answer. The client itself may be gone afterwards, which is
 * true. */
[[gnu::warn_unused_result]] bool exchange_room(struct exchange *x, size_t n);

/* exchange_begin starts a streamed answer; length -1: not known. exchange_write adds bytes:
 * 0, or ERR_AGAIN: taken, and the client is slow: wait for `drained`; ERR_CLOSED: it is gone.
 * exchange_end finishes; a body shorter than announced closes the connection. */
void exchange_begin(struct exchange *x, int status, int64_t length);
/* exchange_brief: exchange_write says ERR_AGAIN as soon as the socket takes no more, so that a long
 * text which many read is queued for each by one piece and not by many. For who writes pieces of
 * 16 KiB or more (less waits for its neighbours to be sent together). HTTP/2 streams have a short
 * queue of their own. */
void exchange_brief(struct exchange *x);
int exchange_write(struct exchange *x, struct bytes in);
void exchange_end(struct exchange *x);
bool exchange_is_begun(const struct exchange *x);
/* exchange_left: bytes of the announced length that are not yet written. */
uint64_t exchange_left(const struct exchange *x);

/* exchange_abort breaks the answer off visibly (reset of the stream or the connection). */
void exchange_abort(struct exchange *x);

/* A hold keeps the struct; what the request's functions returned is valid until the exchange is
 * answered to the end or gone, and then they may not be called any more. exchange_is_open tells one
 * who comes back later that it is neither. */
void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x);
bool exchange_is_open(const struct exchange *x);

/* exchange_upgrade (HTTP/1.1 only) answers 101 with the headers that were added and hands the bare
 * connection to another owner, who ends it with server_drop, also in its `closed` event. It still
 * counts as a connection of the server: drain and server_free close it through `closed`.
 * rest     gets the bytes that came after the request (appended).
 * errors   ERR_UNSUPPORTED (HTTP/2, HTTP/1.0), ERR_CLOSED, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int exchange_upgrade(struct exchange *x, struct conn **ret,
                                                 const struct conn_events *events, void *owner,
                                                 const char *protocol, struct buf *rest,
                                                 struct error *why);

#endif
