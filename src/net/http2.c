/* The session: bytes in, frames counted against the flood budget, events out.
 * SPDX-License-Identifier: MIT */
#include "net/http2_internal.h"

#include <stdlib.h>

#define NS_PER_TOKEN_BASE 1000000000u

/* ---- floods ---- */

/* The budget is kept as time: a token is what the refill makes in 1 s / flood_per_second. */
static uint64_t token_ns(const struct http2 *h) {
    return NS_PER_TOKEN_BASE / (h->settings.flood_per_second ? h->settings.flood_per_second : 1);
}

static void refill(struct http2 *h, uint64_t now_ns) {
    uint64_t full = token_ns(h) * h->settings.flood_burst;
    uint64_t since = now_ns > h->budget_at_ns ? now_ns - h->budget_at_ns : 0;
    h->budget_ns = since >= full - h->budget_ns ? full : h->budget_ns + since;
    if (now_ns > h->budget_at_ns) h->budget_at_ns = now_ns;
}

/* A cheap frame that makes work: who sends too many is cut off. For callbacks of nghttp2. */
static int charge(struct http2 *h) {
    uint64_t cost = token_ns(h);
    if (h->budget_ns < cost) {
        h->failed = ERR_LIMIT;
        h->reason = "too many cheap frames";
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    h->budget_ns -= cost;
    return 0;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user) {
    struct http2 *h = user;
    bool ack = hd->flags & NGHTTP2_FLAG_ACK;
    (void)session;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        return 0; // bounded by the streams open at once
    case NGHTTP2_DATA:
        return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM) ? charge(h) : 0;
    case NGHTTP2_SETTINGS:
        return ack ? 0 : charge(h);
    case NGHTTP2_PING:
        if (!ack) return charge(h);
        if (h->pongs >= h->pings) return charge(h);
        h->pongs++;
        return 0;
    case NGHTTP2_WINDOW_UPDATE:
        if (h->window_credit == 0) return charge(h);
        h->window_credit--;
        return 0;
    default:
        return charge(h);
    }
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *user) {
    struct http2 *h = user;
    (void)session, (void)frame;
    h->reason = nghttp2_strerror(code);
    return charge(h); // the stream is reset by us, but at the peer's instigation
}

/* ---- heads and bodies coming in ---- */

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id) {
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct http2 *h = user;
    int32_t id = frame->hd.stream_id;
    struct http2_stream *s = stream_of(session, id);
    if (!s && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        s = http2_stream_new(h, id);
        if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        (void)nghttp2_session_set_stream_user_data(session, id, s);
    }
    if (s) http2_head_begin(s, h->server);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user) {
    struct http2 *h = user;
    struct http2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s || s->reset) return 0;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    http2_head_field(h, s, bytes_make(n.base, n.len), bytes_make(v.base, v.len),
                     flags & NGHTTP2_NV_FLAG_NO_INDEX);
    return 0;
}

/* nghttp2 would leave out a field with an invalid name or value; such a message is malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags, void *user) {
    (void)session, (void)frame, (void)name, (void)value, (void)flags, (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void end_of_message(struct http2 *h, struct http2_stream *s) {
    if (s->remote_ended) return;
    s->remote_ended = true;
    if (!s->announced || s->reset || !h->events.end) return;
    h->events.end(h, s, s->trailers.count ? &s->trailers : NULL);
}

static int end_of_head(struct http2 *h, struct http2_stream *s, bool end_stream) {
    bool trailers = s->head_done;
    if (s->reset) return 0;
    uint32_t code = http2_head_end(h, s, end_stream);
    if (code == 0 && s->refused) {
        s->head_done = true;
        s->remote_ended = end_stream;
        if (http2_answer_refused(h, s, s->refused) < 0) http2_reset(h, s, HTTP2_REFUSED_STREAM);
        return charge(h);
    }
    if (code) {
        http2_reset(h, s, code);
        return charge(h);
    }
    if (!trailers && h->server) {
        /* Streams share the connection in turns, whatever priorities the peer would like. */
        nghttp2_extpri turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
        (void)nghttp2_session_change_extpri_stream_priority(h->session, s->id, &turns, 1);
        s->head_done = s->announced = true;
        if (h->events.request) h->events.request(h, s, &s->request);
    } else if (!trailers) {
        s->head_done = s->response.status >= 200;
        if (h->events.response) h->events.response(h, s, &s->response);
    }
    if (end_stream) end_of_message(h, s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *user) {
    struct http2 *h = user;
    struct http2_stream *s = stream_of(session, id);
    (void)flags;
    if (!s || s->reset || !s->announced) {
        return nghttp2_session_consume(session, id, n) == NGHTTP2_ERR_NOMEM
                   ? NGHTTP2_ERR_CALLBACK_FAILURE
                   : 0;
    }
    bool tunnel = s->tunnel || (h->server && s->asked == HTTP_CONNECT);
    s->received += n;
    s->unconsumed += n;
    if (!tunnel && s->received > h->settings.limits.body_bytes) {
        http2_reset(h, s, HTTP2_CANCEL);
    } else if (h->events.data) {
        h->events.data(h, s, bytes_make(data, n));
    } else {
        http2_consume(h, s, n);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct http2 *h = user;
    bool end_stream = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http2_stream *s = NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        s = stream_of(session, frame->hd.stream_id);
        return s ? end_of_head(h, s, end_stream) : 0;
    case NGHTTP2_DATA:
        s = stream_of(session, frame->hd.stream_id);
        if (s && end_stream) end_of_message(h, s);
        return 0;
    case NGHTTP2_GOAWAY:
        h->closing = true;
        if (h->events.goaway) h->events.goaway(h, frame->goaway.error_code);
        return 0;
    default:
        return 0;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    struct http2_stream *s = stream_of(session, id);
    if (s) http2_stream_end(user, s, code);
    return 0;
}

/* ---- going out ---- */

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct http2 *h = user;
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (frame->hd.type == NGHTTP2_DATA) h->window_credit += 2; // for the stream and the connection
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != HTTP2_NO_ERROR &&
        !h->failed) {
        h->failed = ERR_INVALID;
    }
    if (!carries || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    struct http2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s) return 0;
    s->local_ended = true;
    if (h->server && !s->remote_ended && !s->tunnel) http2_stream_early(h, s);
    return 0;
}

void http2_sweep(struct http2 *h, uint64_t now_ns) {
    struct http2_stream *s, *next;
    for (struct list_node *n = h->streams.head.next; n != &h->streams.head; n = &next->link) {
        s = LIST_ENTRY(n, struct http2_stream, link);
        next = LIST_ENTRY(n->next, struct http2_stream, link);
        if (s->early && now_ns >= s->early_ns + HTTP2_EARLY_NS) http2_reset(h, s, HTTP2_NO_ERROR);
    }
}

/* A request that could not be sent any more has no stream in nghttp2 that would close. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *user) {
    struct http2 *h = user;
    (void)code;
    if (frame->hd.type != NGHTTP2_HEADERS || h->server ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST ||
        nghttp2_session_find_stream(session, frame->hd.stream_id)) {
        return 0;
    }
    list_each_safe(node, &h->streams) {
        struct http2_stream *s = LIST_ENTRY(node, struct http2_stream, link);
        if (s->id != frame->hd.stream_id) continue;
        http2_stream_end(h, s, s->reset ? HTTP2_CANCEL : HTTP2_REFUSED_STREAM);
        break;
    }
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t length, int flags,
                       void *user) {
    struct http2 *h = user;
    (void)session, (void)flags;
    if (h->out->n >= h->out_end) return NGHTTP2_ERR_WOULDBLOCK;
    buf_append(h->out, bytes_make(data, length));
    return h->out->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)length;
}

/* Tells the owners whose queues have drained; true when there was one. */
static bool tell_writable(struct http2 *h) {
    bool told = false;
    for (struct list_node *node; (node = list_pop_front(&h->writable)) != NULL; told = true) {
        struct http2_stream *s = LIST_ENTRY(node, struct http2_stream, writable);
        if (h->events.writable) h->events.writable(h, s);
    }
    return told;
}

int http2_output(struct http2 *h, struct buf *out, size_t max_bytes, struct error *why) {
    int r;
    h->out = out;
    h->out_end = max_bytes > SIZE_MAX - out->n ? SIZE_MAX : out->n + max_bytes;
    do {
        r = nghttp2_session_send(h->session);
    } while (r == 0 && tell_writable(h) && out->n < h->out_end);
    h->out = NULL;
    if (r == 0) return 0;
    if (!h->failed) h->failed = ERR_NO_MEMORY;
    return error_set(why, ERR_NO_MEMORY, "no memory for output");
}

bool http2_wants_output(const struct http2 *h) {
    return nghttp2_session_want_write(h->session) != 0;
}

bool http2_is_done(const struct http2 *h) {
    if (http2_wants_output(h)) return false;
    return h->failed || !nghttp2_session_want_read(h->session);
}

/* ---- the session ---- */

static int make_callbacks(nghttp2_session_callbacks **ret) {
    nghttp2_session_callbacks *c;
    if (nghttp2_session_callbacks_new(&c) != 0) return ERR_NO_MEMORY;
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_frame_not_sent);
    nghttp2_session_callbacks_set_send_callback(c, on_send);
    nghttp2_session_callbacks_set_send_data_callback(c, http2_send_data);
    *ret = c;
    return 0;
}

static int make_options(nghttp2_option **ret) {
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0) return ERR_NO_MEMORY;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX); // our budget decides
    *ret = o;
    return 0;
}

static int make_session(struct http2 *h) {
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    int r = make_callbacks(&callbacks);
    if (r == 0) r = make_options(&options);
    if (r == 0) {
        r = h->server ? nghttp2_session_server_new2(&h->session, callbacks, h, options)
                      : nghttp2_session_client_new2(&h->session, callbacks, h, options);
    }
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return r;
}

static int submit_settings(struct http2 *h) {
    const struct http2_settings *o = &h->settings;
    /* The peer counts 32 bytes more for each field (RFC 9113, 6.5.2). */
    uint64_t list = (uint64_t)o->limits.head_bytes + 32u * o->limits.fields;
    nghttp2_settings_entry entry[6] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, list > UINT32_MAX ? UINT32_MAX : (uint32_t)list},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->server ? o->streams : 0},
    };
    size_t n = 3;
    if (!h->server) {
        entry[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    } else {
        entry[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
        if (o->extended_connect) {
            entry[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
        }
    }
    int r = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entry, n);
    if (r == 0) {
        r = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                  (int32_t)o->connection_window);
    }
    return r;
}

int http2_new(struct http2 **ret, bool server, const struct http2_settings *settings,
              const struct http2_events *events, void *owner, struct error *why) {
    struct http2 *h = calloc(1, sizeof *h);
    if (!h) return error_set(why, ERR_NO_MEMORY, "no memory for an HTTP/2 session");
    h->settings = settings ? *settings : HTTP2_SETTINGS_DEFAULT;
    if (h->settings.limits.fields > HTTP_FIELDS_MAX) h->settings.limits.fields = HTTP_FIELDS_MAX;
    if (h->settings.limits.trailers > HTTP_FIELDS_MAX) {
        h->settings.limits.trailers = HTTP_FIELDS_MAX;
    }
    if (h->settings.stream_window > INT32_MAX) h->settings.stream_window = INT32_MAX;
    if (h->settings.connection_window > INT32_MAX) h->settings.connection_window = INT32_MAX;
    h->events = *events;
    h->owner = owner;
    h->server = server;
    h->budget_ns = token_ns(h) * h->settings.flood_burst;
    h->window_credit = 16; // a peer may open its windows before it sees data
    list_init(&h->streams);
    list_init(&h->writable);
    list_init(&h->free);
    if (make_session(h) != 0 || submit_settings(h) != 0) {
        http2_free(h);
        return error_set(why, ERR_NO_MEMORY, "no memory for an HTTP/2 session");
    }
    *ret = h;
    return 0;
}

void http2_free(struct http2 *h) {
    if (!h) return;
    if (!h->failed) h->failed = ERR_CLOSED;
    for (struct list_node *node; (node = list_first(&h->streams)) != NULL;) {
        http2_stream_end(h, LIST_ENTRY(node, struct http2_stream, link), HTTP2_CANCEL);
    }
    for (struct list_node *node; (node = list_pop_front(&h->free)) != NULL;) {
        http2_stream_free(LIST_ENTRY(node, struct http2_stream, link));
    }
    nghttp2_session_del(h->session);
    free(h);
}

static int fail(struct http2 *h, ssize_t code, struct error *why) {
    uint32_t tell = HTTP2_PROTOCOL_ERROR;
    if (!h->failed) {
        h->reason = nghttp2_strerror((int)code);
        h->failed = ERR_INVALID;
        if (code == NGHTTP2_ERR_NOMEM || code == NGHTTP2_ERR_CALLBACK_FAILURE) {
            h->failed = ERR_NO_MEMORY;
        } else if (code == NGHTTP2_ERR_FLOODED || code == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
            h->failed = ERR_LIMIT;
        }
    }
    if (h->failed == ERR_LIMIT) tell = HTTP2_ENHANCE_YOUR_CALM;
    if (h->failed == ERR_NO_MEMORY) tell = HTTP2_INTERNAL_ERROR;
    (void)nghttp2_session_terminate_session(h->session, tell);
    return error_set(why, (enum err)h->failed, "HTTP/2: %s", h->reason);
}

int http2_feed(struct http2 *h, struct bytes in, uint64_t now_ns, struct error *why) {
    if (h->failed) return error_set(why, ERR_CLOSED, "the connection failed before");
    refill(h, now_ns);
    ssize_t n = nghttp2_session_mem_recv(h->session, in.p, in.n);
    return n < 0 ? fail(h, n, why) : 0;
}

void http2_goaway(struct http2 *h) {
    if (h->failed) return;
    bool notice = h->server && !h->noticed;
    h->closing = h->noticed = true;
    if (notice) {
        (void)nghttp2_submit_shutdown_notice(h->session);
        return;
    }
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session), HTTP2_NO_ERROR,
                                NULL, 0);
}

int http2_failure(const struct http2 *h) {
    return h->failed;
}

void http2_ping(struct http2 *h) {
    if (nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) == 0) h->pings++;
}

uint64_t http2_pongs(const struct http2 *h) {
    return h->pongs;
}

void *http2_owner(const struct http2 *h) {
    return h->owner;
}

struct arena *http2_stream_arena(struct http2_stream *s) {
    return &s->arena;
}

void *http2_stream_owner(const struct http2_stream *s) {
    return s->owner;
}

void http2_stream_set_owner(struct http2_stream *s, void *owner) {
    s->owner = owner;
}

uint32_t http2_stream_id(const struct http2_stream *s) {
    return (uint32_t)s->id;
}

size_t http2_stream_count(const struct http2 *h) {
    return h->stream_count;
}
