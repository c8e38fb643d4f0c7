/* What the files of the HTTP/2 engine share. SPDX-License-Identifier: MIT */
#ifndef NET_HTTP2_INTERNAL_H
#define NET_HTTP2_INTERNAL_H

#include "base/list.h"
#include "net/http2.h"

#include <nghttp2/nghttp2.h>

#define LENGTH_UNKNOWN UINT64_MAX

struct http2 {
    nghttp2_session *session;
    struct http2_settings settings;
    struct http2_events events;
    void *owner;
    bool server;
    bool closing; /* http2_goaway was called, or the peer's came */
    bool noticed; /* server: the first of two GOAWAY was submitted */
    int failed;   /* ERR_*: nothing is read any more */
    const char *reason;
    struct list streams;
    struct list writable; /* their owners are to be told */
    struct list free;     /* ended streams, kept for reuse */
    size_t stream_count, free_count;
    struct buf *out; /* during http2_output */
    size_t out_end;
    uint64_t budget_ns; /* flood budget: what is left, in ns of refill time */
    uint64_t budget_at_ns;
    uint64_t window_credit; /* WINDOW_UPDATE frames that our DATA frames account for */
    uint64_t pings, pongs;
};

struct http2_stream {
    struct list_node link;
    struct list_node writable;
    void *owner;
    int32_t id;
    enum http_method asked; /* method of the request, either side */
    struct arena arena;
    union {
        struct http_request request;   /* server */
        struct http_response response; /* client */
    };
    struct http_fields trailers;     /* received */
    struct http_fields trailers_out; /* to be sent after the body */
    struct buf queue;                /* body to be sent, from queue_head on */
    size_t queue_head;
    uint64_t expected;   /* bytes of the body to be written; LENGTH_UNKNOWN */
    uint64_t written;    /* of them */
    uint64_t received;   /* bytes of the peer's body */
    size_t unconsumed;   /* of them not given back to the windows */
    size_t section_size; /* of the field section that is arriving */
    unsigned refused;    /* status that says why its head cannot be taken; 0: good */
    uint8_t interim;     /* 1xx responses so far */
    bool head_done;      /* the (final) head has come */
    bool announced;      /* the owner knows the stream: `closed` will come */
    bool remote_ended, local_ended;
    bool answered; /* server: the final head is submitted */
    bool written_end;
    bool deferred; /* the sender waits for http2_write */
    bool waiting;  /* http2_write said ERR_AGAIN */
    bool tunnel;
    bool early;        /* server: answered before the request was whole, and the owner is gone */
    uint64_t early_ns; /* when */
    bool reset;        /* http2_reset was called: no more events but `closed` */
};

/* ---- streams (http2_stream.c) ---- */

/* http2_stream_new takes a stream into the session; NULL without memory. */
struct http2_stream *http2_stream_new(struct http2 *h, int32_t id);
/* http2_stream_end tells the owner, gives the window back, and frees or keeps the memory. */
void http2_stream_end(struct http2 *h, struct http2_stream *s, uint32_t error_code);
/* http2_stream_early: the answer is complete before the request. The owner is told that it is over;
 * what still comes is dropped. */
void http2_stream_early(struct http2 *h, struct http2_stream *s);
void http2_stream_free(struct http2_stream *s);
/* http2_answer_refused sends a response without a body in place of the owner. */
int http2_answer_refused(struct http2 *h, struct http2_stream *s, unsigned status);
/* The body's way out, for nghttp2. */
int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                    size_t length, nghttp2_data_source *source, void *user);

/* ---- heads (http2_head.c) ---- */

/* http2_head_begin: a field section of the stream begins. http2_head_field takes a field of it.
 * http2_head_end completes it: 0 and what came is in request, response or trailers; else an
 * HTTP/2 error code to reset the stream with, or s->refused is set. */
void http2_head_begin(struct http2_stream *s, bool server);
void http2_head_field(struct http2 *h, struct http2_stream *s, struct bytes name,
                      struct bytes value, bool never_indexed);
uint32_t http2_head_end(struct http2 *h, struct http2_stream *s, bool end_stream);

/* A head to be sent. */
struct http2_nv {
    nghttp2_nv item[HTTP_FIELDS_MAX + 8];
    size_t n;
    char number[24]; /* content-length */
    char status[4];
};
[[gnu::warn_unused_result]] int http2_nv_request(struct http2_nv *ret, const struct http_request *r,
                                                 struct error *why);
[[gnu::warn_unused_result]] int http2_nv_response(struct http2_nv *ret,
                                                  const struct http_response *r,
                                                  enum http_method asked, struct error *why);
[[gnu::warn_unused_result]] int http2_nv_trailers(struct http2_nv *ret, const struct http_fields *f,
                                                  struct error *why);

#endif
