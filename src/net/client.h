/* Client: an asynchronous HTTP client for one origin, on a loop. HTTP/1.1 with kept connections,
 * HTTP/2 multiplexed (by ALPN, or by prior knowledge), plain, TLS or Unix socket.
 *
 * A call is one request and its response, streamed both ways. Calls wait in order when all
 * connections are busy. A kept connection that turns out to be dead is replaced, and the call is
 * sent again once, when nothing of a response has come and sending twice is harmless: an
 * idempotent method, or `retry_any`, with a body that was given whole.
 *
 * Not a browser: no redirects, cookies, caches, proxies. Everything on the loop's thread; calls
 * are owned by the client and die when `end` or `failed` returns.
 *
 * Source: RFC 9110, 9112, 9113. SPDX-License-Identifier: MIT */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "base/arena.h"
#include "net/conn.h"
#include "net/http.h"

struct client;
struct client_call;
struct resolver;

enum client_protocol {
    CLIENT_AUTO,  /* TLS: what ALPN says; plain: HTTP/1.1 */
    CLIENT_HTTP1, /* only HTTP/1.1 */
    CLIENT_HTTP2, /* only HTTP/2, plain by prior knowledge */
};

struct client_options {
    const char *url;      /* "http://host[:port]", "https://…", "unix:/path"; no path after it */
    struct tls *tls;      /* for https (held); its ALPN names decide the protocol */
    const char *tls_host; /* name to send and check; NULL: the url's host */
    struct resolver *names; /* NULL: only numeric hosts */
    enum client_protocol protocol;
    unsigned connections;      /* 0: 32 */
    unsigned waiting;          /* calls that may wait; 0: 1024 */
    uint64_t connect_ns;       /* name, TCP and TLS together; 0: 10 s */
    uint64_t response_ns;      /* from the request's end to the response's head; 0: 60 s */
    uint64_t body_ns;          /* longest silence inside a body; 0: 60 s */
    uint64_t keep_ns;          /* an idle connection is closed after; 0: 30 s */
    unsigned header_bytes_max; /* of a response; 0: 64 KiB */
    bool retry_any;            /* calls of any method may be sent twice */
    /* Called for each new connection after the TLS handshake, before HTTP, when not NULL. The hook
     * takes it over with conn_rebind and gives it back with client_adopt or client_drop. */
    void (*admit)(struct client *c, struct conn *conn, void *context);
    void *(*session_user)(void *context); /* user pointer of each new session's TLS hooks */
    void (*session_done)(void *context, void *user);
    void (*session_setup)(void *context, SSL *session); /* before the handshake (a nonce as SNI) */
    void *context;                                      /* of these hooks */
};

/* client_new: connects nothing yet. errors  ERR_SYNTAX (url), ERR_INVALID (https without tls, a
 * name without resolver), ERR_NO_MEMORY. client_free fails all calls (ERR_CANCELLED). */
[[gnu::warn_unused_result]] int client_new(struct client **ret, struct loop *l,
                                           const struct client_options *options, struct error *why);
void client_free(struct client *c);

/* client_close_idle closes kept connections that nothing uses, and makes the busy ones close when
 * they are done (new certificate, new policy). */
void client_close_idle(struct client *c);

struct loop *client_loop(const struct client *c);
unsigned client_connections(const struct client *c);
unsigned client_calls(const struct client *c); /* waiting and at work */
/* client_authority: "host[:port]" for the Host field. */
struct bytes client_authority(const struct client *c);

/* client_adopt, client_drop: the connection's own client is meant, whichever of several with the
 * same hooks `c` is. */
void client_adopt(struct client *c, struct conn *conn);
void client_drop(struct client *c, struct conn *conn, const struct error *why);

struct client_events {
    /* The head of the final response. end: no body follows (`end` is called next). */
    void (*response)(struct client_call *k, void *context, const struct http_response *r);
    /* A piece of the body, valid during the call. */
    void (*body)(struct client_call *k, void *context, struct bytes in);
    void (*end)(struct client_call *k, void *context);
    /* Instead of `end`: no complete response. */
    void (*failed)(struct client_call *k, void *context, const struct error *why);
    /* More may be written after call_write said ERR_AGAIN. NULL allowed. */
    void (*drained)(struct client_call *k, void *context);
    /* 101 came: the connection is the caller's, who ends it with client_drop; rest: bytes that
     * came after the head. The call is over. NULL: an upgrade fails the call. */
    void (*upgraded)(struct client_call *k, void *context, const struct http_response *r,
                     struct conn *conn, struct bytes rest);
};

/* client_start makes a call. Nothing of it is called back before this returns.
 * r       method, path, fields; copied. An empty authority is replaced by the client's. Framing:
 *         with `more`, body and content_length say how the streamed body is delimited; without,
 *         `body` is all of it (copied) and they are set from it.
 * errors  ERR_BUSY (too many wait), ERR_NO_MEMORY, ERR_INVALID. */
[[gnu::warn_unused_result]] int client_start(struct client_call **ret, struct client *c,
                                             const struct http_request *r, struct bytes body,
                                             bool more, const struct client_events *events,
                                             void *context, struct error *why);

/* call_write streams the body: 0, ERR_AGAIN (taken; wait for `drained`), ERR_CLOSED. call_finish
 * ends it. */
int call_write(struct client_call *k, struct bytes in);
void call_finish(struct client_call *k);

/* call_pause stops the response's body (the server is slowed down); call_resume. */
void call_pause(struct client_call *k);
void call_resume(struct client_call *k);

/* call_cancel ends a call at once, without an event. */
void call_cancel(struct client_call *k);

/* call_was_sent: a connection carried it, or its beginning; in `failed` too. */
bool call_was_sent(const struct client_call *k);

/* call_session: the TLS session that carries the call; NULL for plain or while it waits. */
SSL *call_session(const struct client_call *k);

/* ---- for command-line tools: one request, blocking, on a loop of its own ---- */

struct client_answer {
    unsigned status;
    struct http_fields fields; /* in the arena */
    struct bytes body;         /* in the arena */
};

/* client_ask makes one call and waits. Names are resolved here. Everything returned lies in `a`.
 * limit_bytes   of the answer's body.  timeout_ns  for all of it.
 * errors   as client_new, ERR_TIMEOUT, ERR_IO, ERR_UNTRUSTED, ERR_LIMIT. */
[[gnu::warn_unused_result]] int client_ask(struct client_answer *ret, struct arena *a,
                                           const struct client_options *options,
                                           const struct http_request *r, struct bytes body,
                                           size_t limit_bytes, uint64_t timeout_ns,
                                           struct error *why);

/* client_ask_file is client_ask with a body that is read from fd to its end and sent as it is read,
 * its length untold. An answer that comes before the end counts: the rest is not sent.
 * errors   as client_ask; ERR_IO when fd cannot be read. */
[[gnu::warn_unused_result]] int client_ask_file(struct client_answer *ret, struct arena *a,
                                                const struct client_options *options,
                                                const struct http_request *r, int fd,
                                                size_t limit_bytes, uint64_t timeout_ns,
                                                struct error *why);

#endif
