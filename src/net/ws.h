/* Ws: WebSocket endpoints on a loop: the server's side from an exchange, the client's from a
 * client. Messages in, messages out, with back-pressure, pings and an orderly close.
 *
 * Framing and its rules are in net/websocket.h; this is the thin layer of connection and time.
 * HTTP/1.1 upgrades only. Thread: the loop's. Source: RFC 6455. SPDX-License-Identifier: MIT */
#ifndef NET_WS_H
#define NET_WS_H

#include "net/client.h"
#include "net/server.h"

struct ws;

struct ws_events {
    /* The handshake is done (client; a server's is done when ws_accept returns). May be NULL. */
    void (*open)(struct ws *w, void *context);
    /* One whole message, valid during the call. */
    void (*message)(struct ws *w, void *context, bool text, struct bytes data);
    /* More may be sent after ws_send said ERR_AGAIN. May be NULL. */
    void (*drained)(struct ws *w, void *context);
    /* The end, always the last event; the pointer is dead after it. close_code: the peer's, 1006
     * when the connection broke (why tells). */
    void (*closed)(struct ws *w, void *context, unsigned close_code, const struct error *why);
};

struct ws_options {
    size_t message_bytes_max; /* 0: 1 MiB */
    uint64_t ping_ns;         /* silence after which a ping goes out; 0: 30 s */
    uint64_t pong_ns;         /* how long any sign of life may take after it; 0: 10 s */
    const char *protocol;     /* subprotocol: the server's choice, the client's offer; NULL: none */
};

/* ws_accept answers the exchange's handshake. A request that is none gets 400 or 426.
 * errors   ERR_INVALID, ERR_UNSUPPORTED (answered already), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int ws_accept(struct ws **ret, struct exchange *x,
                                          const struct ws_options *options,
                                          const struct ws_events *events, void *context,
                                          struct error *why);

/* ws_connect asks `path` of the client's origin; `open` or `closed` follows. fields: more fields
 * of the request, NULL for none. errors  as client_start. */
[[gnu::warn_unused_result]] int ws_connect(struct ws **ret, struct client *c, struct bytes path,
                                           const struct http_fields *fields,
                                           const struct ws_options *options,
                                           const struct ws_events *events, void *context,
                                           struct error *why);

/* ws_send queues a message (copied): 0, ERR_AGAIN (taken; wait for `drained`), ERR_CLOSED. */
int ws_send(struct ws *w, bool text, struct bytes data);

/* ws_pause stops messages (the peer is slowed down); ws_resume. */
void ws_pause(struct ws *w);
void ws_resume(struct ws *w);

/* ws_close begins the closing handshake; `closed` follows, at the latest after pong_ns. */
void ws_close(struct ws *w, unsigned code, struct bytes reason);
/* ws_drop ends at once, without an event. */
void ws_drop(struct ws *w);

/* ws_lent tells how many bytes of the peer's messages the owner keeps, for the bound of the server
 * (server_room). */
void ws_lent(struct ws *w, size_t bytes);

/* ws_session: the TLS session, NULL for plain. ws_pending: bytes queued. */
SSL *ws_session(const struct ws *w);
size_t ws_pending(const struct ws *w);

#endif
