/* SPDX-License-Identifier: MIT */
#include "devnet/record.h"

void record_append(struct buf *out, const struct record *r) {
    uint8_t head[RECORD_HEAD_BYTES];
    struct bytes content = bytes_slice(r->content, 0, RECORD_BYTES_MAX);
    store_le64(head, r->at_ns);
    store_le32(head + 8, r->connection);
    head[12] = (uint8_t)r->kind;
    store_le32(head + 13, (uint32_t)content.n);
    buf_append(out, bytes_make(head, sizeof head));
    buf_append(out, content);
}

int record_begin(struct bytes *in, struct error *why) {
    struct bytes magic = BYTES_LIT(RECORD_MAGIC);
    if (!bytes_starts_with(*in, magic)) return error_set(why, ERR_SYNTAX, "not a recording");
    *in = bytes_slice(*in, magic.n, in->n);
    return 0;
}

int record_next(struct record *ret, struct bytes *in, struct error *why) {
    if (in->n < RECORD_HEAD_BYTES) return 0;
    uint32_t n = load_le32(in->p + 13);
    if (in->p[12] > RECORD_END || n > RECORD_BYTES_MAX) {
        return error_set(why, ERR_SYNTAX, "the recording is damaged");
    }
    if (in->n - RECORD_HEAD_BYTES < n) return 0;
    *ret = (struct record){.at_ns = load_le64(in->p),
                           .connection = load_le32(in->p + 8),
                           .kind = (enum record_kind)in->p[12],
                           .content = {in->p + RECORD_HEAD_BYTES, n}};
    *in = bytes_slice(*in, RECORD_HEAD_BYTES + n, in->n);
    return 1;
}
