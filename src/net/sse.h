/* Sse: server-sent events (text/event-stream), reading and writing. An engine without I/O.
 *
 * Source: html.spec.whatwg.org, "Server-sent events". Thread: one at a time.
 * Differs: text that is not UTF-8 is given as it came; a line or an event above the limit is an
 * error instead of memory.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SSE_H
#define NET_SSE_H

#include "base/buf.h"

struct sse_event {
    struct bytes type; /* empty: "message" */
    struct bytes data; /* lines joined by \n */
    struct bytes id;   /* last id seen so far, for Last-Event-ID when connecting again */
};

struct sse_reader {
    struct buf line, type, data, id;
    size_t event_bytes_max;
    uint64_t retry_ms; /* what the server asked for; 0: nothing */
    bool skip_lf;      /* the last line ended with CR */
    bool started;      /* the byte order mark is behind us */
    bool has_data, delivered, failed;
};

void sse_reader_init(struct sse_reader *r, size_t event_bytes_max);
void sse_reader_free(struct sse_reader *r);

/* sse_next takes bytes off *in. 1: *ret is an event, valid until the next call; 0: all input is
 * taken.  errors  ERR_LIMIT, ERR_NO_MEMORY; ERR_CLOSED after one. An event that is cut off by the
 * end of the stream is dropped, as the standard says. */
[[gnu::warn_unused_result]] int sse_next(struct sse_event *ret, struct sse_reader *r,
                                         struct bytes *in, struct error *why);

/* sse_write appends one event; data is split into lines. type, id: p NULL leaves them out.
 * errors  ERR_INVALID (a line end in type or id, or NUL in id), the buf's. */
[[gnu::warn_unused_result]] int sse_write(struct buf *out, struct bytes type, struct bytes id,
                                          struct bytes data, struct error *why);
/* sse_write_comment appends ": text", which keeps a silent connection alive. */
void sse_write_comment(struct buf *out, const char *text);

#endif
