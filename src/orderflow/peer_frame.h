/* The second generation's peer protocol: frames, messages and answers, as bytes.
 *
 *   frame    02 || compression || id u32 || size u32 (big-endian) || payload
 *   message  bitcode of { headers: map text -> text, data: bytes }
 *   answer   bitcode of { status, nothing | text | hash }
 *   bundle   bitcode of a bundle's fields: the data of an eth_sendBundle
 *
 * No sockets here; compressed payloads are the connection's to inflate.
 * Source: BuilderNet/FlowProxy. What is decoded points into input and arena. Pure; any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEER_FRAME_H
#define ORDERFLOW_PEER_FRAME_H

#include "eth/bundle.h"
#include "orderflow/bitcode.h"

#define PEER_FRAME_HEAD 10u
#define PEER_FRAME_MAGIC 2u

enum peer_compression {
    PEER_PLAIN,
    PEER_GZIP,
    PEER_ZSTD,
    PEER_SNAPPY,
    PEER_LZ4,
};

struct peer_frame {
    enum peer_compression compression;
    uint32_t id;
    struct bytes payload;
    size_t bytes; /* of the whole frame */
};

/* peer_frame_parse reads the frame at the beginning of `in`.
 * most    bytes a payload may have.
 * errors  ERR_AGAIN (more input is needed), ERR_SYNTAX (no frame: close), ERR_LIMIT. */
[[gnu::warn_unused_result]] int peer_frame_parse(struct peer_frame *ret, struct bytes in,
                                                 size_t most, struct error *why);
void peer_frame_put(struct buf *out, uint32_t id, struct bytes payload);
/* peer_frame_is_ping: the payload asks for the payload "PONG". */
bool peer_frame_is_ping(const struct peer_frame *f);
void peer_frame_put_ping(struct buf *out);
void peer_frame_put_pong(struct buf *out);

struct peer_header {
    struct bytes key, value;
};

struct peer_message {
    const struct peer_header *headers; /* in the order of the wire */
    size_t header_count;
    struct bytes data;
};

/* The original writes five; whoever sends is not known yet, and each is looked for by its key. */
#define PEER_HEADERS_MAX 64u

/* peer_message_decode reads a payload. errors  ERR_SYNTAX, ERR_LIMIT (arena, more headers than
 * PEER_HEADERS_MAX), ERR_INVALID (a key twice). */
[[gnu::warn_unused_result]] int peer_message_decode(struct peer_message *ret, struct bytes in,
                                                    struct arena *a, struct error *why);
/* peer_message_encode appends a payload, headers in the given order. */
void peer_message_encode(struct buf *out, const struct peer_message *m);
/* peer_message_header gives a header's value by its key in any case; p NULL when there is none. */
struct bytes peer_message_header(const struct peer_message *m, const char *key);

enum peer_status {
    PEER_SUCCESS,
    PEER_ERROR_INTERNAL,
    PEER_ERROR_DECODING,
    PEER_ERROR_MISSING_ARGUMENTS,
    PEER_ERROR_INVALID_SIGNATURE,
    PEER_ERROR_UNKNOWN_ARGUMENT,
};

/* peer_status_name: for metrics; "other" for what is none. */
const char *peer_status_name(unsigned status);

enum peer_answer_kind {
    PEER_ANSWER_NOTHING,
    PEER_ANSWER_TEXT,
    PEER_ANSWER_HASH,
};

struct peer_answer {
    enum peer_status status;
    enum peer_answer_kind kind;
    struct bytes text;
    struct hash hash;
};

[[gnu::warn_unused_result]] int peer_answer_decode(struct peer_answer *ret, struct bytes in,
                                                   struct arena *a, struct error *why);
void peer_answer_encode(struct buf *out, const struct peer_answer *r);

/* peer_bundle_decode reads the data of an eth_sendBundle; peer_bundle_encode appends it.
 * errors  ERR_SYNTAX, ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int peer_bundle_decode(struct bundle *ret, struct bytes in,
                                                   struct arena *a, struct error *why);
void peer_bundle_encode(struct buf *out, const struct bundle *b);

#endif
