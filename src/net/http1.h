/* Http1: HTTP/1.1 and 1.0 messages to bytes and back. An engine without I/O.
 *
 * Reading is pulled: the caller keeps its input and asks for the next event, so back-pressure is
 * simply not asking. Bytes of a body are views into the caller's input. Partial heads are kept
 * inside, so input may come in any pieces and gives the same events and errors.
 *
 *     struct bytes in = what was received;
 *     while ((r = http1_next(&ev, p, &in, why)) == 0 && ev.type != HTTP1_MORE) { ... }
 *     keep `in` (what is left) only when stopping early: HTTP1_MORE has taken everything.
 *
 * Strict: what two implementations could read differently is refused (RFC 9112, 11.2): bare LF or
 * CR, folded lines, space before the colon, Content-Length together with Transfer-Encoding, any
 * coding but one final "chunked", several hosts, a target that is not of its method's form.
 *
 * Source: RFC 9112. Ownership: the parser's head lives in the arena given with it. Thread: one at
 * a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "base/buf.h"
#include "net/http.h"

enum http1_event_type {
    HTTP1_MORE,     /* all input is taken; more is needed */
    HTTP1_REQUEST,  /* p->request is complete */
    HTTP1_RESPONSE, /* p->response is complete; 1xx other than 101 are followed by another one */
    HTTP1_DATA,     /* ev.data is a piece of the body */
    HTTP1_END,      /* the message is complete, trailers are in p->trailers; again until
                       http1_next_message */
    HTTP1_TUNNEL,   /* what is left of the input is of another protocol; stays so */
};

struct http1_event {
    enum http1_event_type type;
    struct bytes data; /* points into the input */
};

struct http1_parser {
    struct http_limits limits;
    struct arena *arena; /* of the message */
    struct buf line;     /* a head or line that came in pieces */
    size_t scanned;      /* bytes of it that are looked at */
    size_t line_start;   /* of the last line that began in it */
    size_t extensions;   /* bytes of chunk extensions in this body */
    uint64_t left;       /* of the body or the chunk */
    uint64_t taken;      /* of the body */
    unsigned refused;    /* status for the error, when it says more than its code */
    uint8_t state;
    uint8_t interim; /* 1xx responses before this one */
    bool is_response;
    bool failed;
    bool skipped;           /* an empty line came before this request */
    enum http_method asked; /* response: the method it answers */
    union {
        struct http_request request;
        struct http_response response;
    };
    struct http_fields trailers;
};

/* http1_request_init / http1_response_init start a parser for the messages of one connection; the
 * first message begins at once. `asked` is the method that the response answers.
 * limits   copied; NULL for HTTP_LIMITS_DEFAULT. */
void http1_request_init(struct http1_parser *p, struct arena *a, const struct http_limits *limits);
void http1_response_init(struct http1_parser *p, struct arena *a, const struct http_limits *limits,
                         enum http_method asked);
void http1_parser_free(struct http1_parser *p);

/* http1_next_message begins the next message after HTTP1_END; the caller has reset (or exchanged)
 * the arena. `asked` matters for responses. */
void http1_next_message(struct http1_parser *p, struct arena *a, enum http_method asked);

/* http1_next takes bytes off *in and gives one event.
 * errors   ERR_SYNTAX (400), ERR_LIMIT (see http1_status_of_error), ERR_UNSUPPORTED (505, 501),
 *          ERR_INVALID (framing that cannot be trusted), ERR_NO_MEMORY. After an error the
 *          connection ends: the parser gives ERR_CLOSED from then on. */
[[gnu::warn_unused_result]] int http1_next(struct http1_event *ret, struct http1_parser *p,
                                           struct bytes *in, struct error *why);

/* http1_finish tells that the peer closed its side: completes an HTTP_BODY_CLOSE body.
 * Returns 0 between messages or when that completed the message, else ERR_CLOSED (cut off). */
[[gnu::warn_unused_result]] int http1_finish(struct http1_parser *p, struct error *why);

/* http1_is_idle: no byte of a message was taken yet. */
bool http1_is_idle(const struct http1_parser *p);

/* http1_status_of_error gives the status to answer a refused request with: 400, 413, 414, 417, 431,
 * 501, 503 (no memory) or 505. */
unsigned http1_status_of_error(const struct http1_parser *p, int code);

/* http1_write_request / _response append a head. Framing comes from `body` and content_length and
 * connection handling from keep_alive and upgrade: Content-Length, Transfer-Encoding, Connection
 * and Keep-Alive among the fields are left out, except that a response to HEAD or a 304 may tell a
 * length. Host is written from `authority`. HTTP_BODY_STREAM is written chunked.
 * asked    the method of the request, asked_version its version: HTTP/1.0 gets no chunks, the
 *          caller sets HTTP_BODY_CLOSE.
 * errors   ERR_INVALID (a request without path or authority, CR or LF in a text, chunks for
 *          HTTP/1.0), or the buf's. */
[[gnu::warn_unused_result]] int http1_write_request(struct buf *out, const struct http_request *r,
                                                    struct error *why);
[[gnu::warn_unused_result]] int http1_write_response(struct buf *out, const struct http_response *r,
                                                     enum http_method asked, struct error *why);

/* http1_write_continue appends "HTTP/1.1 100 Continue". */
void http1_write_continue(struct buf *out);

/* http1_write_chunk appends one chunk (nothing when empty: an empty chunk would end the body);
 * http1_write_last_chunk ends the body, with trailers or NULL. */
void http1_write_chunk(struct buf *out, struct bytes data);
[[gnu::warn_unused_result]] int
http1_write_last_chunk(struct buf *out, const struct http_fields *trailers, struct error *why);

#endif
