/* Http2: one HTTP/2 connection, either side, over libnghttp2. An engine without I/O.
 *
 * Bytes from the peer go in through http2_feed, which calls the events; bytes for the peer are
 * taken by http2_output, everything that is ready in one piece. Bodies stream both ways: received
 * bytes count against the peer's window until http2_consume gives them back, and written bytes
 * wait in a bounded queue of the stream until the peer's window lets them go.
 *
 * Floods: resets (CVE-2023-44487), PING, SETTINGS, empty and CONTINUATION frames are counted
 * against budgets that refill with time; who passes one gets GOAWAY (ENHANCE_YOUR_CALM).
 *
 * Source: RFC 9113, RFC 8441. Ownership: streams belong to the session and are valid until their
 * `closed` event returns. Events may call everything but http2_feed, http2_output and http2_free.
 * Thread: one at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_HTTP2_H
#define NET_HTTP2_H

#include "base/buf.h"
#include "net/http.h"

struct http2;
struct http2_stream;

struct http2_settings {
    struct http_limits limits;  /* of each message */
    uint32_t streams;           /* peer's streams open at once */
    uint32_t stream_window;     /* bytes received and not consumed, a stream */
    uint32_t connection_window; /* the same, all streams */
    size_t send_queue_bytes;    /* above this http2_write says ERR_AGAIN */
    size_t message_arena_bytes; /* limit of a stream's arena */
    uint32_t flood_burst;       /* budget of cheap hostile frames (resets, pings, ...) */
    uint32_t flood_per_second;  /* refill of it */
    bool extended_connect;      /* server: offer RFC 8441 */
};
#define HTTP2_SETTINGS_DEFAULT                                                                     \
    ((struct http2_settings){.limits = HTTP_LIMITS_DEFAULT,                                        \
                             .streams = 128,                                                       \
                             .stream_window = 256u << 10,                                          \
                             .connection_window = 1u << 20,                                        \
                             .send_queue_bytes = 256u << 10,                                       \
                             .message_arena_bytes = 1u << 20,                                      \
                             .flood_burst = 1000,                                                  \
                             .flood_per_second = 100,                                              \
                             .extended_connect = true})

/* All may be NULL. `end`: no body (or no more of it) follows. */
struct http2_events {
    /* Server: a request came; client: a response (1xx too, never with end). */
    void (*request)(struct http2 *h, struct http2_stream *s, const struct http_request *r);
    void (*response)(struct http2 *h, struct http2_stream *s, const struct http_response *r);
    /* A piece of the body, valid during the call; give it back with http2_consume. */
    void (*data)(struct http2 *h, struct http2_stream *s, struct bytes data);
    /* The message is complete; trailers is NULL when there were none. */
    void (*end)(struct http2 *h, struct http2_stream *s, const struct http_fields *trailers);
    /* The send queue fell to half after http2_write said ERR_AGAIN. */
    void (*writable)(struct http2 *h, struct http2_stream *s);
    /* Last event of a stream; code 0: the response was complete. After it the pointer is dead. */
    void (*closed)(struct http2 *h, struct http2_stream *s, uint32_t error_code);
    /* The peer will take no new streams on this connection. */
    void (*goaway)(struct http2 *h, uint32_t error_code);
};

/* http2_new makes a session; its preface and SETTINGS are the first output.
 * settings  copied; NULL for HTTP2_SETTINGS_DEFAULT. owner  for http2_owner.
 * errors    ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int http2_new(struct http2 **ret, bool server,
                                          const struct http2_settings *settings,
                                          const struct http2_events *events, void *owner,
                                          struct error *why);
/* http2_free ends the session; `closed` comes for each open stream. NULL is allowed. */
void http2_free(struct http2 *h);
void *http2_owner(const struct http2 *h);

/* http2_feed takes all of `in`. now_ns is monotonic time, for the flood budgets.
 * errors   ERR_INVALID (protocol error), ERR_LIMIT (flood), ERR_NO_MEMORY: write out what
 *          http2_output still gives (GOAWAY), then close. ERR_CLOSED after that. Some protocol
 *          errors show only when their GOAWAY is taken by http2_output: then http2_is_done. */
[[gnu::warn_unused_result]] int http2_feed(struct http2 *h, struct bytes in, uint64_t now_ns,
                                           struct error *why);

/* http2_sweep resets streams (NO_ERROR) that were answered HTTP2_EARLY_NS ago and whose request
 * still goes on. Not at once: clients exist that lose the answer when the reset stands right behind
 * it. Call it about once a second; then http2_output. */
#define HTTP2_EARLY_NS 1000000000u
void http2_sweep(struct http2 *h, uint64_t now_ns);

/* http2_output appends what is ready for the peer, at most about max_bytes (frames are not cut).
 * Call it after http2_feed and after a turn of writes. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int http2_output(struct http2 *h, struct buf *out, size_t max_bytes,
                                             struct error *why);

/* http2_wants_output: http2_output would give bytes. http2_is_done: after GOAWAY and the last
 * stream there is nothing left: close the connection. */
bool http2_wants_output(const struct http2 *h);
bool http2_is_done(const struct http2 *h);
/* http2_failure: why nothing is read any more (ERR_INVALID, ERR_LIMIT, ...); 0: all is well. */
int http2_failure(const struct http2 *h);

/* http2_goaway begins a graceful end: a server tells the peer, lets requests in flight arrive, and
 * refuses later ones after the second call (a round trip later; RFC 9113, 6.8); open streams go
 * on. */
void http2_goaway(struct http2 *h);

/* http2_request (client) opens a stream. r is copied. `end`: no body follows.
 * errors   ERR_BUSY (peer's limit of streams), ERR_CLOSED (GOAWAY), ERR_INVALID (no scheme, ...),
 *          ERR_UNSUPPORTED (`protocol`, and the peer offers no extended CONNECT), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int http2_request(struct http2_stream **ret, struct http2 *h,
                                              const struct http_request *r, bool end, void *owner,
                                              struct error *why);
/* http2_can_request: http2_request would not say ERR_BUSY or ERR_CLOSED. */
bool http2_can_request(const struct http2 *h);

/* http2_respond (server) sends a response head; 1xx may come before the final one, not `end`.
 * errors   ERR_CLOSED (the stream is gone), ERR_INVALID, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int http2_respond(struct http2 *h, struct http2_stream *s,
                                              const struct http_response *r, bool end,
                                              struct error *why);

/* http2_write queues body bytes (copied); `end` completes the body, perhaps with empty data.
 * Returns 0; ERR_AGAIN: queued, and above send_queue_bytes: wait for `writable`; ERR_CLOSED,
 * ERR_INVALID (before the head, after the end, not content_length bytes), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int http2_write(struct http2 *h, struct http2_stream *s,
                                            struct bytes data, bool end);
/* http2_write_trailers completes the body with trailers (copied). */
[[gnu::warn_unused_result]] int http2_write_trailers(struct http2 *h, struct http2_stream *s,
                                                     const struct http_fields *trailers,
                                                     struct error *why);
/* http2_queued: bytes of the body not yet given out. */
size_t http2_queued(const struct http2_stream *s);

/* http2_consume gives n received body bytes back to the peer's windows. */
void http2_consume(struct http2 *h, struct http2_stream *s, size_t n);

/* http2_reset ends a stream at once with an HTTP/2 error code; `closed` follows. */
#define HTTP2_NO_ERROR 0x0
#define HTTP2_PROTOCOL_ERROR 0x1
#define HTTP2_INTERNAL_ERROR 0x2
#define HTTP2_REFUSED_STREAM 0x7
#define HTTP2_CANCEL 0x8
#define HTTP2_ENHANCE_YOUR_CALM 0xb
void http2_reset(struct http2 *h, struct http2_stream *s, uint32_t error_code);

/* http2_ping sends a PING (keep-alive); http2_pongs counts answers. */
void http2_ping(struct http2 *h);
uint64_t http2_pongs(const struct http2 *h);

/* Of a stream: the arena that holds its head (for response fields too), and the owner. */
struct arena *http2_stream_arena(struct http2_stream *s);
void *http2_stream_owner(const struct http2_stream *s);
void http2_stream_set_owner(struct http2_stream *s, void *owner);
uint32_t http2_stream_id(const struct http2_stream *s);
size_t http2_stream_count(const struct http2 *h);

#endif
