/* Framing of WebSocket. SPDX-License-Identifier: MIT */
#include "net/websocket.h"

#include "base/utf8.h"

enum state {
    AT_HEADER,
    AT_PAYLOAD,
};

enum opcode {
    CONTINUATION = 0,
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
};

#define FIN 0x80u
#define MASKED 0x80u
#define CONTROL_MAX 125u
#define MESSAGE_KEPT 65536u /* a larger buffer gives its memory back after the message */

void websocket_init(struct websocket *w, bool server, size_t message_bytes_max) {
    memset(w, 0, sizeof *w);
    buf_init(&w->message, 0);
    w->server = server;
    w->message_bytes_max = message_bytes_max;
}

void websocket_free(struct websocket *w) {
    buf_free(&w->message);
}

uint16_t websocket_close_code_of(int code) {
    switch (code) {
    case ERR_INVALID:
        return WEBSOCKET_PROTOCOL_ERROR;
    case ERR_SYNTAX:
        return WEBSOCKET_NOT_UTF8;
    case ERR_LIMIT:
        return WEBSOCKET_TOO_BIG;
    default:
        return WEBSOCKET_INTERNAL;
    }
}

/* ---- masking ---- */

/* The mask as the next byte at position `at` sees it (memory order is little-endian). */
static uint32_t rotate(uint32_t mask, size_t at) {
    unsigned bits = (unsigned)(at & 3) * 8;
    return bits ? mask >> bits | mask << (32 - bits) : mask;
}

void websocket_mask(uint8_t *data, size_t n, uint32_t mask, size_t at) {
    typedef uint64_t wide __attribute__((vector_size(32)));
    mask = rotate(mask, at);
    uint64_t twice = (uint64_t)mask << 32 | mask;
    wide four = {twice, twice, twice, twice};
    for (; n >= sizeof four; data += sizeof four, n -= sizeof four) {
        wide v;
        memcpy(&v, data, sizeof v);
        v ^= four;
        memcpy(data, &v, sizeof v);
    }
    for (; n >= 8; data += 8, n -= 8) {
        store_le64(data, load_le64(data) ^ twice);
    }
    for (size_t i = 0; i < n; i++) {
        data[i] ^= (uint8_t)(twice >> 8 * i);
    }
}

/* ---- reading ---- */

static bool is_control(uint8_t opcode) {
    return opcode >= CLOSE;
}

/* What the first two bytes say must fit before any more is taken. */
static int check_header(const struct websocket *w, struct error *why) {
    uint8_t opcode = w->header[0] & 0x0f, n = w->header[1] & 0x7f;
    if (w->header[0] & 0x70) return error_set(why, ERR_INVALID, "reserved bits of a frame are set");
    if ((opcode > BINARY && opcode < CLOSE) || opcode > PONG) {
        return error_set(why, ERR_INVALID, "unknown frame type %u", opcode);
    }
    if (!!(w->header[1] & MASKED) != w->server) {
        return error_set(why, ERR_INVALID,
                         w->server ? "a client's frame is not masked"
                                   : "a server's frame is masked");
    }
    if (is_control(opcode)) {
        if ((w->header[0] & FIN) && n <= CONTROL_MAX) return 0;
        return error_set(why, ERR_INVALID, "a control frame is too long or in pieces");
    }
    if ((opcode == CONTINUATION) != (w->message_opcode != 0)) {
        return error_set(why, ERR_INVALID, "a fragment out of order");
    }
    return 0;
}

static size_t header_bytes(const struct websocket *w) {
    if (w->header_n < 2) return 2;
    uint8_t n = w->header[1] & 0x7f;
    return 2u + (n == 126 ? 2u : n == 127 ? 8u : 0u) + (w->server ? 4u : 0u);
}

static int end_header(struct websocket *w, struct error *why) {
    uint8_t n = w->header[1] & 0x7f;
    w->left = n;
    if (n == 126) w->left = load_be16(w->header + 2);
    if (n == 127) w->left = load_be64(w->header + 2);
    if ((n == 126 && w->left < 126) || (n == 127 && (w->left < 65536 || w->left >> 63))) {
        return error_set(why, ERR_INVALID, "a frame's length is not in its shortest form");
    }
    w->fin = w->header[0] & FIN;
    w->opcode = w->header[0] & 0x0f;
    w->mask = w->server ? load_le32(w->header + w->header_n - 4) : 0;
    w->header_n = 0;
    w->control_n = 0;
    w->state = AT_PAYLOAD;
    if (is_control(w->opcode)) return 0;
    if (w->opcode != CONTINUATION) w->message_opcode = w->opcode;
    if (w->left > w->message_bytes_max - w->message.n) {
        return error_set(why, ERR_LIMIT, "the message is larger than %zu bytes",
                         w->message_bytes_max);
    }
    return 0;
}

/* 1: the header is complete; 0: the input is all taken. */
static int take_header(struct websocket *w, uint8_t **in, size_t *in_n, struct error *why) {
    for (;;) {
        size_t need = header_bytes(w), n = need - w->header_n;
        if (n > *in_n) n = *in_n;
        if (n) memcpy(w->header + w->header_n, *in, n);
        w->header_n = (uint8_t)(w->header_n + n);
        *in += n;
        *in_n -= n;
        if (w->header_n < need) return 0;
        if (need == 2) {
            int r = check_header(w, why);
            if (r < 0) return r;
            if (header_bytes(w) > 2) continue;
        }
        int r = end_header(w, why);
        return r < 0 ? r : 1;
    }
}

/* Bytes at the end of text so far that may be the beginning of a character. */
static bool may_begin_character(struct bytes in) {
    if (!in.p || in.n == 0) return true;
    uint8_t c = in.p[0];
    size_t length = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (in.n >= length) return false;
    if (in.n > 1) {
        uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (in.p[1] < low || in.p[1] > high) return false;
    }
    return in.n < 3 || (in.p[2] & 0xc0) == 0x80;
}

static int check_text(struct websocket *w, struct bytes message, bool complete, struct error *why) {
    if (w->message_opcode != TEXT) return 0;
    w->text_checked += utf8_check(bytes_slice(message, w->text_checked, message.n));
    struct bytes rest = bytes_slice(message, w->text_checked, message.n);
    if (complete ? rest.n == 0 : may_begin_character(rest)) return 0;
    return error_set_at(why, ERR_SYNTAX, w->text_checked, "the text is not UTF-8");
}

static void deliver(struct websocket_event *ret, struct websocket *w, struct bytes data) {
    ret->type = w->message_opcode == TEXT ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    ret->data = data;
    w->message_opcode = 0;
    w->delivered = true;
    w->state = AT_HEADER;
}

/* Takes what there is of a data frame; 1: the message is complete. */
static int take_data(struct websocket_event *ret, struct websocket *w, uint8_t **in, size_t *in_n,
                     struct error *why) {
    size_t n = w->left < *in_n ? (size_t)w->left : *in_n;
    uint8_t *p = *in;
    if (w->server && n) websocket_mask(p, n, w->mask, 0);
    w->mask = rotate(w->mask, n);
    w->left -= n;
    *in += n;
    *in_n -= n;
    bool complete = w->left == 0 && w->fin;
    struct bytes message = {p, n};
    if (!complete || w->message.n) {
        buf_append(&w->message, message);
        if (buf_check(&w->message, why) < 0) return ERR_NO_MEMORY;
        message = buf_view(&w->message);
    }
    int r = check_text(w, message, complete, why);
    if (r < 0) return r;
    if (w->left == 0) w->state = AT_HEADER;
    if (complete) deliver(ret, w, message);
    return complete;
}

static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int end_close(struct websocket_event *ret, struct websocket *w, struct error *why) {
    ret->type = WEBSOCKET_CLOSE;
    ret->close_code = WEBSOCKET_NO_CODE;
    w->closed = true;
    if (w->control_n == 0) return 1;
    if (w->control_n == 1) return error_set(why, ERR_INVALID, "half a close code");
    ret->close_code = load_be16(w->control);
    ret->data = bytes_make(w->control + 2, w->control_n - 2u);
    if (!is_close_code(ret->close_code)) {
        return error_set(why, ERR_INVALID, "close code %u", ret->close_code);
    }
    if (utf8_check(ret->data) != ret->data.n) {
        return error_set(why, ERR_SYNTAX, "the reason of a close is not UTF-8");
    }
    return 1;
}

static int take_control(struct websocket_event *ret, struct websocket *w, uint8_t **in,
                        size_t *in_n, struct error *why) {
    size_t n = w->left < *in_n ? (size_t)w->left : *in_n;
    if (n) memcpy(w->control + w->control_n, *in, n);
    w->control_n = (uint8_t)(w->control_n + n);
    w->left -= n;
    *in += n;
    *in_n -= n;
    if (w->left) return 0;
    if (w->server) websocket_mask(w->control, w->control_n, w->mask, 0);
    w->state = AT_HEADER;
    if (w->opcode == CLOSE) return end_close(ret, w, why);
    ret->type = w->opcode == PING ? WEBSOCKET_PING : WEBSOCKET_PONG;
    ret->data = bytes_make(w->control, w->control_n);
    return 1;
}

static void forget_message(struct websocket *w) {
    w->delivered = false;
    w->text_checked = 0;
    if (w->message.capacity > MESSAGE_KEPT) buf_free(&w->message);
    buf_clear(&w->message);
}

int websocket_next(struct websocket_event *ret, struct websocket *w, uint8_t **in, size_t *in_n,
                   struct error *why) {
    *ret = (struct websocket_event){.type = WEBSOCKET_MORE};
    if (w->closed || w->failed) return error_set(why, ERR_CLOSED, "the websocket has ended");
    if (w->delivered) forget_message(w);
    for (int r = 0; r == 0;) {
        if (w->state == AT_HEADER) {
            r = take_header(w, in, in_n, why);
            if (r == 0) return 0;
        }
        if (r >= 0) {
            r = is_control(w->opcode) ? take_control(ret, w, in, in_n, why)
                                      : take_data(ret, w, in, in_n, why);
        }
        if (r < 0) {
            w->failed = true;
            *ret = (struct websocket_event){.type = WEBSOCKET_MORE};
            return r;
        }
        if (r == 0 && w->state == AT_PAYLOAD) return 0;
    }
    return 0;
}

/* ---- writing ---- */

static uint32_t new_mask(struct websocket *w) {
    if (w->mask_left < 4) {
        random_bytes(w->mask_pool, sizeof w->mask_pool);
        w->mask_left = sizeof w->mask_pool;
    }
    w->mask_left = (uint16_t)(w->mask_left - 4);
    uint32_t mask = load_le32(w->mask_pool + w->mask_left);
    store_le32(w->mask_pool + w->mask_left, 0); // a mask must not be found out from memory later
    return mask;
}

static void write_frame(struct websocket *w, struct buf *out, unsigned first, struct bytes data) {
    uint8_t *p = buf_reserve(out, 14 + data.n);
    if (!p) return;
    uint8_t *start = p;
    unsigned masked = w->server ? 0 : MASKED;
    *p++ = (uint8_t)first;
    if (data.n < 126) {
        *p++ = (uint8_t)(masked | data.n);
    } else if (data.n < 65536) {
        *p++ = (uint8_t)(masked | 126);
        store_be16(p, (uint16_t)data.n);
        p += 2;
    } else {
        *p++ = (uint8_t)(masked | 127);
        store_be64(p, data.n);
        p += 8;
    }
    uint32_t mask = 0;
    if (masked) {
        mask = new_mask(w);
        store_le32(p, mask);
        p += 4;
    }
    if (data.n) memcpy(p, data.p, data.n);
    if (masked) websocket_mask(p, data.n, mask, 0);
    buf_commit(out, (size_t)(p - start) + data.n);
}

void websocket_write(struct websocket *w, struct buf *out, bool text, struct bytes data) {
    write_frame(w, out, FIN | (text ? TEXT : BINARY), data);
}

void websocket_write_part(struct websocket *w, struct buf *out, bool text, bool first, bool last,
                          struct bytes data) {
    unsigned opcode = first ? (text ? TEXT : BINARY) : CONTINUATION;
    write_frame(w, out, (last ? FIN : 0) | opcode, data);
}

void websocket_write_ping(struct websocket *w, struct buf *out, struct bytes data) {
    write_frame(w, out, FIN | PING, bytes_slice(data, 0, CONTROL_MAX));
}

void websocket_write_pong(struct websocket *w, struct buf *out, struct bytes data) {
    write_frame(w, out, FIN | PONG, bytes_slice(data, 0, CONTROL_MAX));
}

void websocket_write_close(struct websocket *w, struct buf *out, uint16_t code,
                           struct bytes reason) {
    uint8_t payload[CONTROL_MAX] = {0};
    if (code == WEBSOCKET_NO_CODE) {
        write_frame(w, out, FIN | CLOSE, bytes_make(payload, 0));
        return;
    }
    size_t n = utf8_check(bytes_slice(reason, 0, CONTROL_MAX - 2));
    store_be16(payload, code);
    if (n) memcpy(payload + 2, reason.p, n);
    write_frame(w, out, FIN | CLOSE, bytes_make(payload, 2 + n));
}
