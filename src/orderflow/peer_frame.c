/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_frame.h"

#include "base/utf8.h"

#include <strings.h>

int peer_frame_parse(struct peer_frame *ret, struct bytes in, size_t most, struct error *why) {
    if (in.n > 0 && in.p[0] != PEER_FRAME_MAGIC) {
        return error_set(why, ERR_SYNTAX, "not a frame: begins with byte %02x", in.p[0]);
    }
    if (in.n > 1 && in.p[1] > PEER_LZ4) {
        return error_set(why, ERR_SYNTAX, "unknown compression %u", in.p[1]);
    }
    if (in.n < PEER_FRAME_HEAD) return error_set(why, ERR_AGAIN, "the frame is not complete");
    size_t n = load_be32(in.p + 6);
    if (n > most) return error_set(why, ERR_LIMIT, "frame of %zu bytes, at most %zu", n, most);
    if (in.n - PEER_FRAME_HEAD < n) return error_set(why, ERR_AGAIN, "the frame is not complete");
    *ret = (struct peer_frame){(enum peer_compression)in.p[1], load_be32(in.p + 2),
                               bytes_slice(in, PEER_FRAME_HEAD, n), PEER_FRAME_HEAD + n};
    return 0;
}

void peer_frame_put(struct buf *out, uint32_t id, struct bytes payload) {
    buf_append_byte(out, PEER_FRAME_MAGIC);
    buf_append_byte(out, PEER_PLAIN);
    buf_append_be32(out, id);
    buf_append_be32(out, (uint32_t)payload.n);
    buf_append(out, payload);
}

bool peer_frame_is_ping(const struct peer_frame *f) {
    return f->compression == PEER_PLAIN && bytes_equal_str(f->payload, "PING");
}

void peer_frame_put_ping(struct buf *out) {
    peer_frame_put(out, 0, BYTES_LIT("PING"));
}

void peer_frame_put_pong(struct buf *out) {
    peer_frame_put(out, 0, BYTES_LIT("PONG"));
}

/* A column of texts, into every second place of `ret`. */
static int read_texts(struct bitcode_reader *r, struct bytes *ret, size_t n, struct error *why) {
    const uint64_t *lengths;
    uint64_t sum;
    int status = bitcode_read_lengths(r, &lengths, &sum, n, why);
    for (size_t i = 0; status == 0 && i < n; i++) {
        if (lengths[i] > r->rest.n) return error_set(why, ERR_SYNTAX, "a text is cut short");
        status = bitcode_read_raw(r, &ret[2 * i], (size_t)lengths[i], why);
        if (status == 0 && utf8_check(ret[2 * i]) != ret[2 * i].n) {
            status = error_set(why, ERR_SYNTAX, "a text is not UTF-8");
        }
    }
    return status;
}

/* Each key once; the same in another spelling is another. */
static int check_keys(const struct bytes *texts, size_t n, struct error *why) {
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!bytes_equal(texts[2 * i], texts[2 * k])) continue;
            return error_set(why, ERR_INVALID, "a header stands twice");
        }
    }
    return 0;
}

static int read_data(struct bitcode_reader *r, struct bytes *ret, struct error *why) {
    uint64_t n;
    int status = bitcode_read_length(r, &n, why);
    if (status == 0 && n > r->rest.n * 8 + 8) {
        return error_set(why, ERR_SYNTAX, "the data is cut short");
    }
    return status == 0 ? bitcode_read_bytes(r, ret, (size_t)n, why) : status;
}

int peer_message_decode(struct peer_message *ret, struct bytes in, struct arena *a,
                        struct error *why) {
    struct bitcode_reader r = {in, a};
    struct peer_message m = {NULL, 0, {NULL, 0}};
    uint64_t n;
    int status = bitcode_read_length(&r, &n, why);
    if (status != 0) return status;
    if (n > PEER_HEADERS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %u headers", PEER_HEADERS_MAX);
    }
    struct bytes *texts = arena_new_array(a, struct bytes, 2 * (size_t)n);
    if (!texts) return error_set(why, ERR_LIMIT, "headers do not fit their memory limit");
    status = read_texts(&r, texts, (size_t)n, why);
    if (status == 0) status = check_keys(texts, (size_t)n, why);
    if (status == 0) status = read_texts(&r, texts + 1, (size_t)n, why);
    if (status == 0) status = read_data(&r, &m.data, why);
    if (status == 0) status = bitcode_read_end(&r, why);
    if (status != 0) return status;
    _Static_assert(sizeof(struct peer_header) == 2 * sizeof(struct bytes), "pairs of texts");
    m.headers = (const struct peer_header *)(const void *)texts;
    m.header_count = (size_t)n;
    *ret = m;
    return 0;
}

static void put_texts(struct buf *out, const struct bytes *texts, size_t n) {
    struct buf lengths;
    buf_init(&lengths, 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t length = texts[2 * i].n;
        buf_append(&lengths, bytes_make(&length, sizeof length));
    }
    if (lengths.failed) {
        out->failed = lengths.failed;
    } else {
        bitcode_put_lengths(out, (const uint64_t *)(const void *)lengths.p, n);
    }
    for (size_t i = 0; i < n; i++) {
        buf_append(out, texts[2 * i]);
    }
    buf_free(&lengths);
}

void peer_message_encode(struct buf *out, const struct peer_message *m) {
    const struct bytes *texts = (const struct bytes *)(const void *)m->headers;
    bitcode_put_length(out, m->header_count);
    put_texts(out, texts, m->header_count);
    put_texts(out, texts + (m->header_count > 0), m->header_count);
    bitcode_put_length(out, m->data.n);
    bitcode_put_bytes(out, m->data);
}

struct bytes peer_message_header(const struct peer_message *m, const char *key) {
    size_t n = strlen(key);
    for (size_t i = 0; i < m->header_count; i++) {
        struct bytes k = m->headers[i].key;
        if (k.n == n && strncasecmp((const char *)k.p, key, n) == 0) return m->headers[i].value;
    }
    return (struct bytes){NULL, 0};
}

int peer_answer_decode(struct peer_answer *ret, struct bytes in, struct arena *a,
                       struct error *why) {
    struct bitcode_reader r = {in, a};
    struct peer_answer answer = {PEER_SUCCESS, PEER_ANSWER_NOTHING, {NULL, 0}, {{0}}};
    struct bytes tags, hash;
    int status = bitcode_read_raw(&r, &tags, 2, why);
    if (status != 0) return status;
    if (tags.p[0] > PEER_ERROR_UNKNOWN_ARGUMENT || tags.p[1] > PEER_ANSWER_HASH) {
        return error_set(why, ERR_SYNTAX, "unknown status or kind of answer");
    }
    answer.status = (enum peer_status)tags.p[0];
    answer.kind = (enum peer_answer_kind)tags.p[1];
    if (answer.kind == PEER_ANSWER_TEXT) status = read_texts(&r, &answer.text, 1, why);
    if (answer.kind == PEER_ANSWER_HASH) {
        status = bitcode_read_bytes(&r, &hash, sizeof answer.hash.b, why);
        if (status == 0) memcpy(answer.hash.b, hash.p, sizeof answer.hash.b);
    }
    if (status == 0) status = bitcode_read_end(&r, why);
    if (status == 0) *ret = answer;
    return status;
}

void peer_answer_encode(struct buf *out, const struct peer_answer *r) {
    buf_append_byte(out, (uint8_t)r->status);
    buf_append_byte(out, (uint8_t)r->kind);
    if (r->kind == PEER_ANSWER_TEXT) put_texts(out, &r->text, 1);
    if (r->kind == PEER_ANSWER_HASH) bitcode_put_bytes(out, BYTES_OF(r->hash));
}

const char *peer_status_name(unsigned status) {
    static const char *const names[] = {"success",           "internal",
                                        "decoding",          "missing arguments",
                                        "invalid signature", "unknown argument"};
    return status < sizeof names / sizeof *names ? names[status] : "other";
}
