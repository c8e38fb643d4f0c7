/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_wire.h"

#include "base/utf8.h"

#define HELLO_BYTES 49u /* without head and name */
#define HELLO_MAX (HELLO_BYTES + WIRE_NAME_MAX)

static const uint8_t magic[4] = {'B', 'N', 'O', 'F'};

/* Bytes that follow the head, by type: the least and the most. */
static const struct extent {
    uint32_t least, most;
} extents[] = {
    [WIRE_HELLO] = {HELLO_BYTES, HELLO_MAX},
    [WIRE_RESUME] = {24, 24},
    [WIRE_ORDER] = {WIRE_ORDER_HEAD - WIRE_HEAD, 0},
    [WIRE_ACK] = {8, 8},
    [WIRE_REFUSE] = {9, 9},
    [WIRE_PING] = {8, 8},
    [WIRE_PONG] = {16, 16},
    [WIRE_BYE] = {1, 1},
};

static int parse_hello(struct wire_hello *ret, struct bytes in, struct error *why) {
    if (memcmp(in.p, magic, sizeof magic) != 0)
        return error_set(why, ERR_SYNTAX, "not a session of peers");
    if (load_be16(in.p + 4) != WIRE_VERSION) {
        return error_set(why, ERR_UNSUPPORTED, "the peer speaks version %u", load_be16(in.p + 4));
    }
    memcpy(ret->instance.b, in.p + 8, sizeof ret->instance.b);
    memcpy(ret->stream.b, in.p + 24, sizeof ret->stream.b);
    ret->clock_ns = load_be64(in.p + 40);
    ret->name = bytes_slice(in, HELLO_BYTES, in.n);
    if (ret->name.n != in.p[48] || utf8_check(ret->name) != ret->name.n) {
        return error_set(why, ERR_SYNTAX, "the peer's name is malformed");
    }
    return 0;
}

static int parse_order(struct wire_order *ret, struct bytes in, struct error *why) {
    *ret = (struct wire_order){.seq = load_be64(in.p),
                               .sent_ns = load_be64(in.p + 8),
                               .received_ns = load_be64(in.p + 16),
                               .expires_ns = load_be64(in.p + 24),
                               .last_block = load_be64(in.p + 32),
                               .method = in.p[40],
                               .priority = in.p[41],
                               .body = bytes_slice(in, WIRE_ORDER_HEAD - WIRE_HEAD, in.n)};
    memcpy(ret->signer, in.p + 44, sizeof ret->signer);
    if (ret->seq == 0) return error_set(why, ERR_SYNTAX, "an order without sequence number");
    return 0;
}

static int parse_payload(struct wire_frame *f, struct bytes in, struct error *why) {
    switch (f->type) {
    case WIRE_HELLO:
        return parse_hello(&f->hello, in, why);
    case WIRE_RESUME:
        memcpy(f->resume.stream.b, in.p, sizeof f->resume.stream.b);
        f->resume.seq = load_be64(in.p + 16);
        return 0;
    case WIRE_ORDER:
        return parse_order(&f->order, in, why);
    case WIRE_ACK:
        f->ack.seq = load_be64(in.p);
        return 0;
    case WIRE_REFUSE:
        f->ack.seq = load_be64(in.p);
        f->ack.status = in.p[8];
        return 0;
    case WIRE_PING:
        f->ping.value = load_be64(in.p);
        return 0;
    case WIRE_PONG:
        f->ping.value = load_be64(in.p);
        f->ping.clock_ns = load_be64(in.p + 8);
        return 0;
    case WIRE_BYE:
        f->bye = in.p[0];
        return 0;
    }
    return error_set(why, ERR_INTERNAL, "no such frame");
}

int wire_parse(struct wire_frame *ret, struct bytes in, size_t body_max, struct error *why) {
    struct wire_frame f = {0};
    if (in.n == 0) return error_set(why, ERR_AGAIN, "no bytes");
    if (in.p[0] < WIRE_HELLO || in.p[0] > WIRE_BYE) {
        return error_set(why, ERR_SYNTAX, "no frame begins with byte %02x", in.p[0]);
    }
    f.type = (enum wire_type)in.p[0];
    if (in.n < WIRE_HEAD) return error_set(why, ERR_AGAIN, "the frame is not complete");
    if (in.p[1] || in.p[2] || in.p[3]) return error_set(why, ERR_SYNTAX, "a frame's head");
    size_t n = load_be32(in.p + 4), most = extents[f.type].most;
    if (f.type == WIRE_ORDER) most = extents[f.type].least + (body_max ? body_max : WIRE_BODY_MAX);
    if (n < extents[f.type].least) return error_set(why, ERR_SYNTAX, "a frame is too short");
    if (n > most) return error_set(why, ERR_LIMIT, "frame of %zu bytes, at most %zu", n, most);
    if (in.n - WIRE_HEAD < n) return error_set(why, ERR_AGAIN, "the frame is not complete");
    f.bytes = WIRE_HEAD + n;
    int r = parse_payload(&f, bytes_make(in.p + WIRE_HEAD, n), why);
    if (r == 0) *ret = f;
    return r;
}

static uint8_t *put_head(struct buf *out, enum wire_type type, size_t n) {
    uint8_t *p = buf_reserve(out, WIRE_HEAD + n);
    if (!p) return NULL;
    memset(p, 0, WIRE_HEAD);
    p[0] = (uint8_t)type;
    store_be32(p + 4, (uint32_t)n);
    buf_commit(out, WIRE_HEAD + n);
    return p + WIRE_HEAD;
}

void wire_put_hello(struct buf *out, const struct wire_hello *h) {
    size_t name_n = h->name.n < WIRE_NAME_MAX ? h->name.n : WIRE_NAME_MAX;
    uint8_t *p = put_head(out, WIRE_HELLO, HELLO_BYTES + name_n);
    if (!p) return;
    memcpy(p, magic, sizeof magic);
    store_be16(p + 4, WIRE_VERSION);
    store_be16(p + 6, 0);
    memcpy(p + 8, h->instance.b, sizeof h->instance.b);
    memcpy(p + 24, h->stream.b, sizeof h->stream.b);
    store_be64(p + 40, h->clock_ns);
    p[48] = (uint8_t)name_n;
    if (name_n) memcpy(p + HELLO_BYTES, h->name.p, name_n);
}

void wire_put_resume(struct buf *out, const struct wire_id *stream, uint64_t seq) {
    uint8_t *p = put_head(out, WIRE_RESUME, 24);
    if (!p) return;
    memcpy(p, stream->b, sizeof stream->b);
    store_be64(p + 16, seq);
}

void wire_put_order(struct buf *out, const struct wire_order *o) {
    uint8_t *p = put_head(out, WIRE_ORDER, WIRE_ORDER_HEAD - WIRE_HEAD + o->body.n);
    if (!p) return;
    store_be64(p, o->seq);
    store_be64(p + 8, o->sent_ns);
    store_be64(p + 16, o->received_ns);
    store_be64(p + 24, o->expires_ns);
    store_be64(p + 32, o->last_block);
    p[40] = o->method;
    p[41] = o->priority;
    store_be16(p + 42, 0);
    memcpy(p + 44, o->signer, sizeof o->signer);
    if (o->body.n) memcpy(p + WIRE_ORDER_HEAD - WIRE_HEAD, o->body.p, o->body.n);
}

void wire_put_ack(struct buf *out, uint64_t seq) {
    uint8_t *p = put_head(out, WIRE_ACK, 8);
    if (p) store_be64(p, seq);
}

void wire_put_refuse(struct buf *out, uint64_t seq, uint8_t status) {
    uint8_t *p = put_head(out, WIRE_REFUSE, 9);
    if (!p) return;
    store_be64(p, seq);
    p[8] = status;
}

void wire_put_ping(struct buf *out, uint64_t value) {
    uint8_t *p = put_head(out, WIRE_PING, 8);
    if (p) store_be64(p, value);
}

void wire_put_pong(struct buf *out, uint64_t value, uint64_t clock_ns) {
    uint8_t *p = put_head(out, WIRE_PONG, 16);
    if (!p) return;
    store_be64(p, value);
    store_be64(p + 8, clock_ns);
}

void wire_put_bye(struct buf *out, enum wire_bye reason) {
    uint8_t *p = put_head(out, WIRE_BYE, 1);
    if (p) p[0] = (uint8_t)reason;
}
