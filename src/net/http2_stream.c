/* Streams of HTTP/2: heads and bodies on their way out, windows, and the end of a stream.
 * SPDX-License-Identifier: MIT */
#include "net/http2_internal.h"

#include <stdlib.h>

#define FREE_KEPT 32          /* ended streams kept for reuse by a session */
#define QUEUE_KEPT 65536u     /* larger queues give their memory back */
#define QUEUE_MOVE_MIN 16384u /* sent bytes are dropped when they are as many as the rest */

/* ---- life ---- */

struct http2_stream *http2_stream_new(struct http2 *h, int32_t id) {
    struct list_node *kept = list_pop_front(&h->free);
    struct http2_stream *s;
    if (kept) {
        h->free_count--;
        s = LIST_ENTRY(kept, struct http2_stream, link);
        struct arena arena = s->arena;
        struct buf queue = s->queue;
        memset(s, 0, sizeof *s);
        s->arena = arena;
        s->queue = queue;
    } else {
        s = calloc(1, sizeof *s);
        if (!s) return NULL;
        arena_init(&s->arena, h->settings.message_arena_bytes);
        buf_init(&s->queue, 0);
    }
    s->id = id;
    s->expected = LENGTH_UNKNOWN;
    list_push_back(&h->streams, &s->link);
    h->stream_count++;
    return s;
}

void http2_stream_free(struct http2_stream *s) {
    arena_free(&s->arena);
    buf_free(&s->queue);
    free(s);
}

/* Without error means to the owner: what was promised is complete. */
static uint32_t closing_code(const struct http2 *h, const struct http2_stream *s, uint32_t code) {
    bool complete = h->server ? s->local_ended : s->remote_ended;
    return code == HTTP2_NO_ERROR && !complete ? HTTP2_CANCEL : code;
}

void http2_stream_end(struct http2 *h, struct http2_stream *s, uint32_t error_code) {
    s->reset = true;
    if (s->announced && h->events.closed) {
        h->events.closed(h, s, closing_code(h, s, error_code));
    }
    if (s->unconsumed) nghttp2_session_consume_connection(h->session, s->unconsumed);
    list_remove(&s->writable);
    list_remove(&s->link);
    h->stream_count--;
    if (h->free_count >= FREE_KEPT) {
        http2_stream_free(s);
        return;
    }
    arena_reset(&s->arena);
    if (s->queue.capacity > QUEUE_KEPT) buf_free(&s->queue);
    buf_clear(&s->queue);
    list_push_front(&h->free, &s->link);
    h->free_count++;
}

void http2_stream_early(struct http2 *h, struct http2_stream *s) {
    s->early = true;
    s->early_ns = h->budget_at_ns;
    http2_consume(h, s, s->unconsumed);
    if (s->announced && h->events.closed) h->events.closed(h, s, HTTP2_NO_ERROR);
    s->announced = false;
    s->owner = NULL;
}

/* ---- the body's way out ---- */

static size_t queued(const struct http2_stream *s) {
    return s->queue.n - s->queue_head;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *data, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *user) {
    struct http2_stream *s = source->ptr;
    size_t n = queued(s) < length ? queued(s) : length;
    (void)data, (void)user;
    if (n == 0 && !s->written_end) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->written_end && n == queued(s)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailers_out.count) {
            struct http2_nv nv;
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (http2_nv_trailers(&nv, &s->trailers_out, NULL) < 0 ||
                nghttp2_submit_trailer(session, id, nv.item, nv.n) < 0) {
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            }
        }
    }
    return (ssize_t)n;
}

static nghttp2_data_provider provider_of(struct http2_stream *s) {
    return (nghttp2_data_provider){.source.ptr = s, .read_callback = on_read};
}

int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                    size_t length, nghttp2_data_source *source, void *user) {
    struct http2 *h = user;
    struct http2_stream *s = source->ptr;
    (void)session, (void)frame;
    if (h->out->n >= h->out_end) return NGHTTP2_ERR_WOULDBLOCK;
    uint8_t *p = buf_reserve(h->out, 9 + length);
    if (!p) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(p, frame_head, 9);
    if (length) memcpy(p + 9, s->queue.p + s->queue_head, length);
    buf_commit(h->out, 9 + length);
    s->queue_head += length;
    if (queued(s) == 0) {
        s->queue.n = s->queue_head = 0;
    } else if (s->queue_head >= QUEUE_MOVE_MIN && s->queue_head >= queued(s)) {
        buf_drop_front(&s->queue, s->queue_head);
        s->queue_head = 0;
    }
    if (s->waiting && queued(s) <= h->settings.send_queue_bytes / 2) {
        s->waiting = false;
        list_push_back(&h->writable, &s->writable);
    }
    return 0;
}

static void wake(struct http2 *h, struct http2_stream *s) {
    if (!s->deferred) return;
    s->deferred = false;
    (void)nghttp2_session_resume_data(h->session, s->id);
}

int http2_write(struct http2 *h, struct http2_stream *s, struct bytes data, bool end) {
    if (s->reset) return ERR_CLOSED;
    if (!s->answered || s->written_end) return ERR_INVALID;
    if (s->expected != LENGTH_UNKNOWN) {
        uint64_t left = s->expected - s->written;
        if (data.n > left || (end && data.n < left)) return ERR_INVALID;
    }
    buf_append(&s->queue, data);
    if (buf_check(&s->queue, NULL) < 0) return ERR_NO_MEMORY;
    s->written += data.n;
    s->written_end = end;
    if (data.n || end) wake(h, s);
    if (queued(s) <= h->settings.send_queue_bytes) return 0;
    s->waiting = true;
    list_remove(&s->writable);
    return ERR_AGAIN;
}

int http2_write_trailers(struct http2 *h, struct http2_stream *s,
                         const struct http_fields *trailers, struct error *why) {
    if (s->reset) return error_set(why, ERR_CLOSED, "the stream is gone");
    if (!s->answered || s->written_end ||
        (s->expected != LENGTH_UNKNOWN && s->written != s->expected)) {
        return error_set(why, ERR_INVALID, "trailers come at the end of the body");
    }
    struct http2_nv nv;
    int r = http2_nv_trailers(&nv, trailers, why);
    if (r < 0) return r;
    r = http_fields_copy(&s->trailers_out, &s->arena, trailers, why);
    if (r < 0) return r;
    s->written_end = true;
    wake(h, s);
    return 0;
}

size_t http2_queued(const struct http2_stream *s) {
    return queued(s);
}

void http2_consume(struct http2 *h, struct http2_stream *s, size_t n) {
    if (n > s->unconsumed) n = s->unconsumed;
    if (n == 0) return;
    s->unconsumed -= n;
    (void)nghttp2_session_consume(h->session, s->id, n);
}

void http2_reset(struct http2 *h, struct http2_stream *s, uint32_t error_code) {
    if (s->reset) return;
    s->reset = true;
    list_remove(&s->writable);
    http2_consume(h, s, s->unconsumed);
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, error_code);
}

/* ---- heads ---- */

/* How many bytes http2_write must get after this head. */
static uint64_t expected_of(enum http_body body, uint64_t content_length) {
    switch (body) {
    case HTTP_BODY_NONE:
        return 0;
    case HTTP_BODY_LENGTH:
        return content_length;
    default:
        return LENGTH_UNKNOWN;
    }
}

static int submitted(int r, struct error *why) {
    if (r >= 0) return 0;
    if (r == NGHTTP2_ERR_NOMEM) return error_set(why, ERR_NO_MEMORY, "no memory for a head");
    return error_set(why, ERR_CLOSED, "%s", nghttp2_strerror(r));
}

int http2_respond(struct http2 *h, struct http2_stream *s, const struct http_response *r, bool end,
                  struct error *why) {
    if (s->reset) return error_set(why, ERR_CLOSED, "the stream is gone");
    bool interim = r->status < 200;
    bool tunnel = s->asked == HTTP_CONNECT && r->status / 100 == 2;
    uint64_t expected = LENGTH_UNKNOWN;
    if (!tunnel) {
        bool body = http_response_has_body(s->asked, r->status);
        expected = body ? expected_of(r->body, r->content_length) : 0;
    }
    if (!h->server || s->answered || (interim && end) ||
        (end && expected != 0 && expected != LENGTH_UNKNOWN)) {
        return error_set(why, ERR_INVALID, "this response does not fit here");
    }
    struct http2_nv nv;
    int e = http2_nv_response(&nv, r, s->asked, why);
    if (e < 0) return e;
    if (interim) {
        e = nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, s->id, NULL, nv.item, nv.n, NULL);
        return submitted(e, why);
    }
    nghttp2_data_provider provider = provider_of(s);
    e = submitted(nghttp2_submit_response(h->session, s->id, nv.item, nv.n, end ? NULL : &provider),
                  why);
    if (e < 0) return e;
    s->answered = true;
    s->written_end = end;
    s->expected = expected;
    s->tunnel = tunnel;
    return 0;
}

int http2_answer_refused(struct http2 *h, struct http2_stream *s, unsigned status) {
    struct http_response r = {.status = status, .body = HTTP_BODY_NONE};
    int e = http2_respond(h, s, &r, true, NULL);
    return e;
}

bool http2_can_request(const struct http2 *h) {
    return !h->server && !h->failed && !h->closing &&
           nghttp2_session_check_request_allowed(h->session) &&
           h->stream_count < nghttp2_session_get_remote_settings(
                                 h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

int http2_request(struct http2_stream **ret, struct http2 *h, const struct http_request *r,
                  bool end, void *owner, struct error *why) {
    if (h->server || h->failed || h->closing ||
        !nghttp2_session_check_request_allowed(h->session)) {
        return error_set(why, ERR_CLOSED, "the connection takes no more requests");
    }
    if (!http2_can_request(h)) return error_set(why, ERR_BUSY, "the peer takes no more streams");
    bool connect = r->method == HTTP_CONNECT;
    uint64_t expected = connect ? LENGTH_UNKNOWN : expected_of(r->body, r->content_length);
    if (end && (connect || (expected != 0 && expected != LENGTH_UNKNOWN))) {
        return error_set(why, ERR_INVALID, "a request with a body ends after it");
    }
    if (r->protocol.n && !nghttp2_session_get_remote_settings(
                             h->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)) {
        return error_set(why, ERR_UNSUPPORTED, "the peer does not offer extended CONNECT");
    }
    struct http2_nv nv;
    int e = http2_nv_request(&nv, r, why);
    if (e < 0) return e;
    struct http2_stream *s = http2_stream_new(h, 0);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a stream");
    nghttp2_data_provider provider = provider_of(s);
    int32_t id = nghttp2_submit_request(h->session, NULL, nv.item, nv.n, end ? NULL : &provider, s);
    e = submitted(id, why);
    if (e < 0) {
        http2_stream_end(h, s, HTTP2_INTERNAL_ERROR);
        return e;
    }
    s->id = id;
    s->asked = r->method;
    s->owner = owner;
    s->announced = s->answered = true;
    s->expected = expected;
    s->written_end = end;
    *ret = s;
    return 0;
}
