/* SPDX-License-Identifier: MIT */
#include "net/http1.h"

#include "net/http1_head.h"
#include "net/http_table.h"

enum state {
    AT_HEAD,
    AT_LENGTH,
    AT_CLOSE,
    AT_CHUNK_SIZE,
    AT_CHUNK_DATA,
    AT_CHUNK_END,
    AT_TRAILERS,
    AT_END,
    AT_TUNNEL,
};

#define INTERIM_MAX 16 /* 1xx responses before the final one */

static void begin_head(struct http1_parser *p) {
    p->state = AT_HEAD;
    p->scanned = p->line_start = 0;
    p->left = p->taken = 0;
    p->extensions = 0;
    p->refused = 0;
    p->skipped = false;
    p->line.n = 0;
    if (p->is_response) {
        memset(&p->response, 0, sizeof p->response);
    } else {
        memset(&p->request, 0, sizeof p->request);
    }
    memset(&p->trailers, 0, sizeof p->trailers);
}

static void init(struct http1_parser *p, struct arena *a, const struct http_limits *limits) {
    p->limits = limits ? *limits : HTTP_LIMITS_DEFAULT;
    if (p->limits.fields > HTTP_FIELDS_MAX) p->limits.fields = HTTP_FIELDS_MAX;
    if (p->limits.trailers > HTTP_FIELDS_MAX) p->limits.trailers = HTTP_FIELDS_MAX;
    p->arena = a;
    buf_init(&p->line, 0);
    begin_head(p);
}

void http1_request_init(struct http1_parser *p, struct arena *a, const struct http_limits *limits) {
    memset(p, 0, sizeof *p);
    init(p, a, limits);
}

void http1_response_init(struct http1_parser *p, struct arena *a, const struct http_limits *limits,
                         enum http_method asked) {
    memset(p, 0, sizeof *p);
    p->is_response = true;
    p->asked = asked;
    init(p, a, limits);
}

void http1_parser_free(struct http1_parser *p) {
    buf_free(&p->line);
}

void http1_next_message(struct http1_parser *p, struct arena *a, enum http_method asked) {
    p->arena = a;
    p->asked = asked;
    p->interim = 0;
    begin_head(p);
}

bool http1_is_idle(const struct http1_parser *p) {
    return p->state == AT_HEAD && p->line.n == 0 && p->interim == 0 && !p->failed;
}

unsigned http1_status_of_error(const struct http1_parser *p, int code) {
    if (p->refused) return p->refused;
    return code == ERR_NO_MEMORY ? 503 : 400;
}

static int refuse(struct http1_parser *p, unsigned status, struct error *why, enum err code,
                  const char *text) {
    p->refused = status;
    return error_set(why, code, "%s", text);
}

/* What take_section looks for: the end of one line, or the empty line after several. */
enum section {
    ONE_LINE,
    MANY_LINES,
    HEAD_OF_REQUEST, /* the same, and too long a first line is too long a target */
};

/* Looks through b from where the last look ended. Offences are found in the order of bytes, so
 * that input in pieces fails as the whole does. 0: *end is behind the section. */
static int scan(struct http1_parser *p, size_t *end, struct bytes b, size_t limit,
                enum section section, struct error *why) {
    for (;;) {
        const uint8_t *nl =
            b.n > p->scanned ? memchr(b.p + p->scanned, '\n', b.n - p->scanned) : NULL;
        size_t at = nl ? (size_t)(nl - b.p) : b.n;
        if (nl ? at >= limit : at > limit) {
            bool in_target = section == HEAD_OF_REQUEST && p->line_start == 0;
            unsigned status = section == ONE_LINE ? 400 : in_target ? 414 : 431;
            return refuse(p, status, why, ERR_LIMIT, "the message's head is too large");
        }
        p->scanned = nl ? at + 1 : at;
        if (!nl) return ERR_AGAIN;
        if (at == 0 || b.p[at - 1] != '\r') {
            return error_set(why, ERR_SYNTAX, "a line ends without CR");
        }
        bool empty = at - 1 == p->line_start;
        if (section == ONE_LINE || empty) {
            *end = at + 1;
            return 0;
        }
        p->line_start = at + 1;
    }
}

/* Takes a section off the input: *ret lies in the input when it came whole, else in p->line.
 * ERR_AGAIN: all input is taken. */
static int take_section(struct bytes *ret, struct http1_parser *p, struct bytes *in, size_t limit,
                        enum section section, struct error *why) {
    size_t end = 0, before = p->line.n;
    struct bytes all = *in;
    if (before > 0) {
        buf_append(&p->line, bytes_slice(*in, 0, limit + 1 - before));
        if (buf_check(&p->line, why) < 0) return ERR_NO_MEMORY;
        all = buf_view(&p->line);
    }
    int r = scan(p, &end, all, limit, section, why);
    if (r == ERR_AGAIN) {
        if (before == 0) buf_append(&p->line, *in);
        if (buf_check(&p->line, why) < 0) return ERR_NO_MEMORY;
        *in = bytes_slice(*in, in->n, 0);
        return ERR_AGAIN;
    }
    if (r < 0) return r;
    *ret = bytes_slice(all, 0, end);
    *in = bytes_slice(*in, end - before, in->n);
    p->line.n = 0;
    p->scanned = p->line_start = 0;
    return 0;
}

static void begin_body(struct http1_parser *p, enum http_body body, uint64_t length) {
    p->left = length;
    switch (body) {
    case HTTP_BODY_NONE:
        p->state = AT_END;
        break;
    case HTTP_BODY_LENGTH:
        p->state = length ? AT_LENGTH : AT_END;
        break;
    case HTTP_BODY_STREAM:
        p->state = AT_CHUNK_SIZE;
        break;
    case HTTP_BODY_CLOSE:
        p->state = AT_CLOSE;
        break;
    case HTTP_BODY_TUNNEL:
        p->state = AT_TUNNEL;
        break;
    }
}

/* The first byte tells at once that the peer speaks something else (TLS, for one). */
static int check_first_byte(const struct http1_parser *p, uint8_t c, struct error *why) {
    bool good = p->is_response ? c == 'H' : (c == '\r' && !p->skipped) || http_token_lower[c];
    if (good) return 0;
    return error_set(why, ERR_SYNTAX, "this is not HTTP/1");
}

/* One empty line before a request is skipped (RFC 9112, 2.2), and forgotten at once: after it the
 * connection is as idle as before. */
static int skip_empty_line(struct http1_parser *p, struct bytes *in, struct error *why) {
    bool half = p->line.n == 1 && p->line.p[0] == '\r';
    if (p->is_response || p->skipped || (!half && (p->line.n || in->p[0] != '\r'))) return 0;
    if (!half) *in = bytes_slice(*in, 1, in->n);
    if (in->n == 0) {
        buf_append_byte(&p->line, '\r');
        return buf_check(&p->line, why) < 0 ? ERR_NO_MEMORY : ERR_AGAIN;
    }
    if (in->p[0] != '\n') return error_set(why, ERR_SYNTAX, "a line begins with CR");
    *in = bytes_slice(*in, 1, in->n);
    p->line.n = 0;
    p->skipped = true;
    if (in->n == 0) return ERR_AGAIN;
    return check_first_byte(p, in->p[0], why);
}

static int next_head(struct http1_event *ret, struct http1_parser *p, struct bytes *in,
                     struct error *why) {
    int r = p->line.n == 0 ? check_first_byte(p, in->p[0], why) : 0;
    if (r == 0) r = skip_empty_line(p, in, why);
    if (r < 0) return r;
    struct bytes head = {NULL, 0};
    enum section section = p->is_response ? MANY_LINES : HEAD_OF_REQUEST;
    r = take_section(&head, p, in, p->limits.head_bytes, section, why);
    if (r < 0) return r;
    uint8_t *copy = arena_alloc_raw(p->arena, head.n);
    if (!copy) return refuse(p, 431, why, ERR_LIMIT, "the message's head is too large");
    if (head.n) memcpy(copy, head.p, head.n);
    if (!p->is_response) {
        r = http1_parse_request(&p->request, copy, head.n, p->arena, &p->limits, &p->refused, why);
        if (r < 0) return r;
        ret->type = HTTP1_REQUEST;
        begin_body(p, p->request.body, p->request.content_length);
        return 0;
    }
    memset(&p->response, 0, sizeof p->response);
    r = http1_parse_response(&p->response, copy, head.n, p->arena, &p->limits, p->asked, why);
    if (r < 0) return r;
    ret->type = HTTP1_RESPONSE;
    if (p->response.status < 200 && p->response.status != 101) {
        if (++p->interim > INTERIM_MAX) {
            return error_set(why, ERR_LIMIT, "too many interim responses");
        }
        return 0;
    }
    begin_body(p, p->response.body, p->response.content_length);
    return 0;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk-size [ ";" extensions ] CRLF. The extensions are dropped, their sum is bounded. */
static int next_chunk_size(struct http1_parser *p, struct bytes *in, struct error *why) {
    struct bytes line;
    int r = take_section(&line, p, in, p->limits.chunk_line, ONE_LINE, why);
    if (r < 0) return r;
    line.n -= 2;
    uint64_t size = 0;
    size_t i = 0;
    for (int d; i < line.n && (d = hex_digit(line.p[i])) >= 0; i++) {
        if (size >> 60) return error_set(why, ERR_SYNTAX, "a chunk's size is too large");
        size = size << 4 | (unsigned)d;
    }
    if (i == 0 || i > 16 || (i < line.n && line.p[i] != ';') ||
        http_value_span(line.p, line.n) != line.n) {
        return error_set(why, ERR_SYNTAX, "invalid chunk size");
    }
    p->extensions += line.n - i;
    if (p->extensions > p->limits.head_bytes) {
        return error_set(why, ERR_LIMIT, "too many chunk extensions");
    }
    if (size > p->limits.body_bytes - p->taken) {
        return refuse(p, 413, why, ERR_LIMIT, "the body is too large");
    }
    p->taken += size;
    p->left = size;
    p->state = size ? AT_CHUNK_DATA : AT_TRAILERS;
    return 0;
}

static int next_chunk_end(struct http1_parser *p, struct bytes *in, struct error *why) {
    struct bytes line;
    int r = take_section(&line, p, in, 2, ONE_LINE, why);
    if (r == ERR_AGAIN) {
        if (p->line.p[0] == '\r') return r;
    } else if (r == 0) {
        p->state = AT_CHUNK_SIZE;
        return 0;
    }
    return error_set(why, ERR_SYNTAX, "a chunk is longer than its size");
}

static int next_trailers(struct http1_parser *p, struct bytes *in, struct error *why) {
    struct bytes section;
    int r = take_section(&section, p, in, p->limits.trailer_bytes, MANY_LINES, why);
    if (r < 0) return r;
    if (section.n > 2) {
        uint8_t *copy = arena_alloc_raw(p->arena, section.n);
        if (!copy) return refuse(p, 431, why, ERR_LIMIT, "the trailers are too large");
        memcpy(copy, section.p, section.n);
        r = http1_parse_trailers(&p->trailers, copy, section.n, p->arena, p->limits.trailers, why);
        if (r == ERR_LIMIT) p->refused = 431;
        if (r < 0) return r;
    }
    p->state = AT_END;
    return 0;
}

static int next_data(struct http1_event *ret, struct http1_parser *p, struct bytes *in,
                     enum state after, struct error *why) {
    if (p->state == AT_CLOSE) {
        uint64_t room = p->limits.body_bytes - p->taken;
        if (room == 0) return refuse(p, 413, why, ERR_LIMIT, "the body is too large");
        p->left = in->n < room ? in->n : room;
        p->taken += p->left;
    }
    ret->type = HTTP1_DATA;
    ret->data = bytes_slice(*in, 0, p->left < in->n ? (size_t)p->left : in->n);
    *in = bytes_slice(*in, ret->data.n, in->n);
    p->left -= ret->data.n;
    if (p->left == 0) p->state = (uint8_t)after;
    return 0;
}

/* One step; true in *done when *ret holds an event. */
static int step(struct http1_event *ret, bool *done, struct http1_parser *p, struct bytes *in,
                struct error *why) {
    *done = true;
    switch ((enum state)p->state) {
    case AT_HEAD:
        return next_head(ret, p, in, why);
    case AT_LENGTH:
        return next_data(ret, p, in, AT_END, why);
    case AT_CLOSE:
        return next_data(ret, p, in, AT_CLOSE, why);
    case AT_CHUNK_DATA:
        return next_data(ret, p, in, AT_CHUNK_END, why);
    case AT_CHUNK_SIZE:
        *done = false;
        return next_chunk_size(p, in, why);
    case AT_CHUNK_END:
        *done = false;
        return next_chunk_end(p, in, why);
    case AT_TRAILERS:
        *done = false;
        return next_trailers(p, in, why);
    case AT_END:
    case AT_TUNNEL:
        break;
    }
    return 0;
}

int http1_next(struct http1_event *ret, struct http1_parser *p, struct bytes *in,
               struct error *why) {
    *ret = (struct http1_event){HTTP1_MORE, {NULL, 0}};
    if (p->failed) return error_set(why, ERR_CLOSED, "the connection failed before");
    for (bool done = false; !done;) {
        if (p->state == AT_END || p->state == AT_TUNNEL) {
            ret->type = p->state == AT_END ? HTTP1_END : HTTP1_TUNNEL;
            return 0;
        }
        if (in->n == 0) return 0;
        int r = step(ret, &done, p, in, why);
        if (r == ERR_AGAIN) return 0;
        if (r < 0) {
            p->failed = true;
            return r;
        }
    }
    return 0;
}

int http1_finish(struct http1_parser *p, struct error *why) {
    if (!p->failed) {
        if (p->state == AT_CLOSE) p->state = AT_END;
        if (p->state == AT_END || p->state == AT_TUNNEL || http1_is_idle(p)) return 0;
    }
    return error_set(why, ERR_CLOSED, "the connection ended inside a message");
}
