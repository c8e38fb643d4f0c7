/* Websocket: RFC 6455 framing for both roles, and the handshake's fields. No I/O.
 *
 * Reading is pulled like net/http1.h: websocket_next takes bytes off the input and gives one whole
 * message, control frame or nothing. Messages are gathered in the reader's buffer (one unfragmented
 * frame that lies whole in the input is unmasked there and not copied), text is checked as UTF-8.
 * Writing appends frames to a buf; a client masks with bytes from the kernel. Extensions are never
 * agreed to: permessage-deflate is refused by not answering it, as RFC 7692 allows.
 *
 * Source: RFC 6455. Thread: one at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "base/buf.h"
#include "base/random.h"
#include "net/http.h"

enum websocket_event_type {
    WEBSOCKET_MORE, /* all input is taken */
    WEBSOCKET_TEXT,
    WEBSOCKET_BINARY,
    WEBSOCKET_PING, /* answer with websocket_write_pong(data) */
    WEBSOCKET_PONG,
    WEBSOCKET_CLOSE, /* answer with websocket_write_close(code), then close; nothing follows */
};

struct websocket_event {
    enum websocket_event_type type;
    struct bytes data;   /* until the next call; reason of a close */
    uint16_t close_code; /* WEBSOCKET_CLOSE: 1005 when it has none */
};

#define WEBSOCKET_NORMAL 1000
#define WEBSOCKET_GOING_AWAY 1001
#define WEBSOCKET_PROTOCOL_ERROR 1002
#define WEBSOCKET_NOT_UTF8 1007
#define WEBSOCKET_POLICY 1008
#define WEBSOCKET_TOO_BIG 1009
#define WEBSOCKET_INTERNAL 1011
#define WEBSOCKET_NO_CODE 1005 /* never on the wire */

struct websocket {
    struct buf message;       /* of fragments */
    size_t message_bytes_max; /* limit of one message */
    size_t text_checked;      /* bytes of the message that are known to be UTF-8 */
    uint64_t left;            /* payload bytes of the frame to come */
    uint32_t mask;
    uint8_t header[14];
    uint8_t header_n;
    uint8_t control[125];
    uint8_t control_n;
    uint8_t state, opcode, message_opcode;
    bool server, fin, delivered, closed, failed;
    uint8_t mask_pool[256]; /* client: unused random bytes */
    uint16_t mask_left;
};

/* websocket_init begins after the handshake. server: frames from the peer must be masked. */
void websocket_init(struct websocket *w, bool server, size_t message_bytes_max);
void websocket_free(struct websocket *w);

/* websocket_next takes bytes off *in, whose content it may unmask in place.
 * errors   ERR_INVALID (protocol), ERR_SYNTAX (text is not UTF-8), ERR_LIMIT (message too large),
 *          ERR_NO_MEMORY; answer with websocket_close_code_of(error) and close. ERR_CLOSED after a
 *          close frame or an error. */
[[gnu::warn_unused_result]] int websocket_next(struct websocket_event *ret, struct websocket *w,
                                               uint8_t **in, size_t *in_n, struct error *why);
uint16_t websocket_close_code_of(int code);

/* Writers append one unfragmented frame. Failures are kept in the buf. */
void websocket_write(struct websocket *w, struct buf *out, bool text, struct bytes data);
/* websocket_write_part writes a fragment: `first` and `last` of its message. */
void websocket_write_part(struct websocket *w, struct buf *out, bool text, bool first, bool last,
                          struct bytes data);
void websocket_write_ping(struct websocket *w, struct buf *out, struct bytes data);
void websocket_write_pong(struct websocket *w, struct buf *out, struct bytes data);
/* code WEBSOCKET_NO_CODE writes an empty close; the reason is cut at 123 bytes. */
void websocket_write_close(struct websocket *w, struct buf *out, uint16_t code,
                           struct bytes reason);

/* websocket_mask xors data with the mask, whose byte `at` mod 4 comes first (bytes in memory
 * order); public for tests and benches. */
void websocket_mask(uint8_t *data, size_t n, uint32_t mask, size_t at);

#define WEBSOCKET_KEY_BYTES 24    /* base64 of 16 bytes */
#define WEBSOCKET_ACCEPT_BYTES 28 /* base64 of a SHA-1 */

/* websocket_new_key makes a client's Sec-WebSocket-Key; websocket_accept_key its answer. */
void websocket_new_key(char ret[WEBSOCKET_KEY_BYTES]);
void websocket_accept_key(char ret[WEBSOCKET_ACCEPT_BYTES], struct bytes key);

/* websocket_check_request (server): the request is a right handshake (HTTP/1.1 GET with Upgrade,
 * Connection, a 16-byte key and version 13; or extended CONNECT with :protocol websocket).
 * websocket_answer fills the response to it (status 101, or 200 in HTTP/2). protocol: the chosen
 * subprotocol or NULL.
 * errors   ERR_INVALID (400), ERR_UNSUPPORTED (426: another version). */
[[gnu::warn_unused_result]] int websocket_check_request(const struct http_request *r,
                                                        struct error *why);
[[gnu::warn_unused_result]] int websocket_answer(struct http_response *ret, struct arena *a,
                                                 const struct http_request *r, const char *protocol,
                                                 struct error *why);
/* websocket_offer (client) makes an HTTP/1.1 request's handshake fields, websocket_check_response
 * checks the answer. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int websocket_offer(struct http_request *r, struct arena *a,
                                                const char key[WEBSOCKET_KEY_BYTES],
                                                struct error *why);
[[gnu::warn_unused_result]] int websocket_check_response(const struct http_response *r,
                                                         const char key[WEBSOCKET_KEY_BYTES],
                                                         struct error *why);

#endif
