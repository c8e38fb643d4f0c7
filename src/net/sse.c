/* SPDX-License-Identifier: MIT */
#include "net/sse.h"

#define RETRY_MAX_MS 86400000u /* a server cannot keep us away for longer than a day */

void sse_reader_init(struct sse_reader *r, size_t event_bytes_max) {
    memset(r, 0, sizeof *r);
    buf_init(&r->line, 0);
    buf_init(&r->type, 0);
    buf_init(&r->data, 0);
    buf_init(&r->id, 0);
    r->event_bytes_max = event_bytes_max;
}

void sse_reader_free(struct sse_reader *r) {
    buf_free(&r->line);
    buf_free(&r->type);
    buf_free(&r->data);
    buf_free(&r->id);
}

static void set(struct buf *b, struct bytes value) {
    buf_clear(b);
    buf_append(b, value);
}

static void set_retry(struct sse_reader *r, struct bytes value) {
    uint64_t v = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9') return;
        v = v * 10 + (unsigned)(value.p[i] - '0');
        if (v > RETRY_MAX_MS) v = RETRY_MAX_MS;
    }
    if (value.n) r->retry_ms = v;
}

static void take_field(struct sse_reader *r, struct bytes line) {
    const uint8_t *colon = memchr(line.p, ':', line.n);
    size_t n = colon ? (size_t)(colon - line.p) : line.n;
    struct bytes name = bytes_slice(line, 0, n), value = bytes_slice(line, n + 1, line.n);
    if (value.n && value.p[0] == ' ') value = bytes_slice(value, 1, value.n);
    if (bytes_equal(name, BYTES_LIT("data"))) {
        if (r->has_data) buf_append_byte(&r->data, '\n');
        buf_append(&r->data, value);
        r->has_data = true;
    } else if (bytes_equal(name, BYTES_LIT("event"))) {
        set(&r->type, value);
    } else if (bytes_equal(name, BYTES_LIT("id"))) {
        if (!value.n || !memchr(value.p, 0, value.n)) set(&r->id, value);
    } else if (bytes_equal(name, BYTES_LIT("retry"))) {
        set_retry(r, value);
    }
}

/* A whole line; true when it completes an event. */
static bool take_line(struct sse_event *ret, struct sse_reader *r, struct bytes line) {
    if (line.n) {
        take_field(r, line);
        return false;
    }
    if (!r->has_data) {
        buf_clear(&r->type);
        return false;
    }
    *ret = (struct sse_event){buf_view(&r->type), buf_view(&r->data), buf_view(&r->id)};
    r->delivered = true;
    return true;
}

static void begin_event(struct sse_reader *r) {
    buf_clear(&r->type);
    buf_clear(&r->data);
    r->has_data = r->delivered = false;
}

static size_t line_span(struct bytes in) {
    const uint8_t *lf = memchr(in.p, '\n', in.n);
    size_t n = lf ? (size_t)(lf - in.p) : in.n;
    const uint8_t *cr = n ? memchr(in.p, '\r', n) : NULL;
    return cr ? (size_t)(cr - in.p) : n;
}

static int check_size(struct sse_reader *r, size_t more, struct error *why) {
    int e = buf_check(&r->line, why);
    if (e == 0) e = buf_check(&r->type, why);
    if (e == 0) e = buf_check(&r->data, why);
    if (e == 0) e = buf_check(&r->id, why);
    if (e == 0 && r->line.n + r->data.n + r->type.n + more > r->event_bytes_max) {
        e = error_set(why, ERR_LIMIT, "an event is larger than %zu bytes", r->event_bytes_max);
    }
    if (e < 0) r->failed = true;
    return e;
}

/* The line that was gathered, without the byte order mark that may begin the stream. */
static struct bytes whole_line(struct sse_reader *r, struct bytes line) {
    if (!r->started && bytes_starts_with(line, BYTES_LIT("\xef\xbb\xbf"))) {
        line = bytes_slice(line, 3, line.n);
    }
    r->started = true;
    return line;
}

int sse_next(struct sse_event *ret, struct sse_reader *r, struct bytes *in, struct error *why) {
    if (r->failed) return error_set(why, ERR_CLOSED, "the event stream failed before");
    if (r->delivered) begin_event(r);
    while (in->n) {
        if (r->skip_lf && in->p[0] == '\n') *in = bytes_slice(*in, 1, in->n);
        r->skip_lf = false;
        if (in->n == 0) break;
        struct bytes line = bytes_slice(*in, 0, line_span(*in));
        int e = check_size(r, line.n, why);
        if (e < 0) return e;
        bool ended = line.n < in->n;
        if (!ended || r->line.n) {
            buf_append(&r->line, line);
            if ((e = check_size(r, 0, why)) < 0) return e;
        }
        *in = bytes_slice(*in, line.n, in->n);
        if (!ended) break;
        r->skip_lf = in->p[0] == '\r';
        *in = bytes_slice(*in, 1, in->n);
        bool event = take_line(ret, r, whole_line(r, r->line.n ? buf_view(&r->line) : line));
        buf_clear(&r->line);
        if ((e = check_size(r, 0, why)) < 0) return e;
        if (event) return 1;
    }
    return 0;
}

static bool has_line_end(struct bytes in) {
    return in.n && line_span(in) < in.n;
}

int sse_write(struct buf *out, struct bytes type, struct bytes id, struct bytes data,
              struct error *why) {
    if (has_line_end(type) || has_line_end(id) || (id.n && memchr(id.p, 0, id.n))) {
        return error_set(why, ERR_INVALID, "an event's type or id holds a line end");
    }
    if (type.p) {
        buf_append_str(out, "event: ");
        buf_append(out, type);
        buf_append_byte(out, '\n');
    }
    if (id.p) {
        buf_append_str(out, "id: ");
        buf_append(out, id);
        buf_append_byte(out, '\n');
    }
    for (bool more = true; more;) {
        size_t n = data.n ? line_span(data) : 0;
        buf_append_str(out, "data: ");
        buf_append(out, bytes_slice(data, 0, n));
        buf_append_byte(out, '\n');
        more = n < data.n;
        bool pair = n + 1 < data.n && data.p[n] == '\r' && data.p[n + 1] == '\n';
        data = bytes_slice(data, n + 1 + pair, data.n);
    }
    buf_append_byte(out, '\n');
    return buf_check(out, why);
}

void sse_write_comment(struct buf *out, const char *text) {
    buf_append_str(out, ": ");
    buf_append_str(out, text);
    buf_append_str(out, "\n\n");
}
