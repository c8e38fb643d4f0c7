/* A bundle in the peer protocol: its fields in the order of the original's struct.
 * SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "orderflow/peer_frame.h"

/* One optional field; read only where it is present. */
static int present(struct bitcode_reader *r, struct bundle *b, enum bundle_field field,
                   struct error *why) {
    bool here = false;
    int status = bitcode_read_tag(r, &here, why);
    if (here) b->fields |= field;
    return status;
}

static int read_fixed(struct bitcode_reader *r, struct bundle *b, enum bundle_field field,
                      uint8_t *to, size_t n, struct error *why) {
    struct bytes in;
    int status = present(r, b, field, why);
    if (status != 0 || !(b->fields & field)) return status;
    status = bitcode_read_bytes(r, &in, n, why);
    if (status == 0) memcpy(to, in.p, n);
    return status;
}

static int read_number(struct bitcode_reader *r, struct bundle *b, enum bundle_field field,
                       uint64_t *to, struct error *why) {
    int status = present(r, b, field, why);
    return status == 0 && b->fields & field ? bitcode_read_u64s(r, to, 1, why) : status;
}

static int read_version(struct bitcode_reader *r, struct bundle *b, struct error *why) {
    uint64_t n;
    int status = present(r, b, BUNDLE_VERSION, why);
    if (status != 0 || !(b->fields & BUNDLE_VERSION)) return status;
    status = bitcode_read_length(r, &n, why);
    if (status == 0 && n > r->rest.n) return error_set(why, ERR_SYNTAX, "version is cut short");
    if (status == 0) status = bitcode_read_raw(r, &b->version, (size_t)n, why);
    if (status == 0 && utf8_check(b->version) != b->version.n) {
        return error_set(why, ERR_SYNTAX, "version is not UTF-8");
    }
    return status;
}

static int read_hashes(struct bitcode_reader *r, struct bundle_hashes *ret, struct error *why) {
    uint64_t n;
    struct bytes in;
    int status = bitcode_read_length(r, &n, why);
    if (status != 0) return status;
    if (n > r->rest.n / 4 + 1) return error_set(why, ERR_SYNTAX, "hashes are cut short");
    status = bitcode_read_bytes(r, &in, (size_t)n * sizeof(struct hash), why);
    if (status == 0) {
        *ret = (struct bundle_hashes){(const struct hash *)(const void *)in.p, (size_t)n};
    }
    return status;
}

static int read_refund(struct bitcode_reader *r, struct bundle *b, struct error *why) {
    struct bytes percent;
    bool delayed = false;
    int status = present(r, b, BUNDLE_REFUND_PERCENT, why);
    if (status == 0 && b->fields & BUNDLE_REFUND_PERCENT) {
        status = bitcode_read_raw(r, &percent, 1, why);
        if (status == 0) b->refund_percent = percent.p[0];
    }
    if (status == 0) {
        status = read_fixed(r, b, BUNDLE_REFUND_RECIPIENT, b->refund_recipient.b, 20, why);
    }
    if (status == 0) status = present(r, b, BUNDLE_REFUND_TXS, why);
    if (status == 0 && b->fields & BUNDLE_REFUND_TXS) status = read_hashes(r, &b->refund_txs, why);
    if (status == 0) status = present(r, b, BUNDLE_DELAYED_REFUND, why);
    if (status == 0 && b->fields & BUNDLE_DELAYED_REFUND)
        status = bitcode_read_tag(r, &delayed, why);
    b->delayed_refund = delayed;
    return status;
}

static int read_txs(struct bitcode_reader *r, struct bundle *b, struct error *why) {
    uint64_t n, sum;
    const uint64_t *lengths;
    struct bytes all;
    int status = bitcode_read_length(r, &n, why);
    if (status == 0 && n > r->rest.n * 8 + 8) {
        return error_set(why, ERR_SYNTAX, "transactions are cut short");
    }
    if (status == 0) status = bitcode_read_lengths(r, &lengths, &sum, (size_t)n, why);
    if (status == 0 && sum > r->rest.n * 8 + 8) {
        return error_set(why, ERR_SYNTAX, "transactions are cut short");
    }
    if (status == 0) status = bitcode_read_bytes(r, &all, (size_t)sum, why);
    if (status != 0) return status;
    struct bytes *items = arena_new_array(r->a, struct bytes, (size_t)n);
    if (!items) return error_set(why, ERR_LIMIT, "transactions do not fit their memory limit");
    for (size_t i = 0, at = 0; i < n; at += (size_t)lengths[i++]) {
        items[i] = bytes_slice(all, at, (size_t)lengths[i]);
    }
    b->txs = (struct bundle_txs){items, (size_t)n};
    b->fields |= BUNDLE_TXS;
    return 0;
}

int peer_bundle_decode(struct bundle *ret, struct bytes in, struct arena *a, struct error *why) {
    struct bitcode_reader r = {in, a};
    struct bundle b = {.fields = 0};
    int s = read_version(&r, &b, why);
    if (s == 0) s = read_number(&r, &b, BUNDLE_BLOCK_NUMBER, &b.block_number, why);
    if (s == 0) s = read_hashes(&r, &b.reverting, why);
    if (s == 0) s = read_hashes(&r, &b.dropping, why);
    if (s == 0) s = read_fixed(&r, &b, BUNDLE_REPLACEMENT_UUID, b.replacement_uuid.b, 16, why);
    if (s == 0) s = read_fixed(&r, &b, BUNDLE_UUID, b.uuid.b, 16, why);
    if (s == 0) s = read_fixed(&r, &b, BUNDLE_SIGNING_ADDRESS, b.signing_address.b, 20, why);
    if (s == 0) s = read_fixed(&r, &b, BUNDLE_REFUND_IDENTITY, b.refund_identity.b, 20, why);
    if (s == 0) s = read_number(&r, &b, BUNDLE_MIN_TIMESTAMP, &b.min_timestamp, why);
    if (s == 0) s = read_number(&r, &b, BUNDLE_MAX_TIMESTAMP, &b.max_timestamp, why);
    if (s == 0) s = read_number(&r, &b, BUNDLE_REPLACEMENT_NONCE, &b.replacement_nonce, why);
    if (s == 0) s = read_refund(&r, &b, why);
    if (s == 0) s = read_fixed(&r, &b, BUNDLE_HASH, b.bundle_hash.b, 32, why);
    if (s == 0) s = read_txs(&r, &b, why);
    if (s == 0) s = bitcode_read_end(&r, why);
    if (s == 0) *ret = b;
    return s;
}

static bool put_tag(struct buf *out, const struct bundle *b, enum bundle_field field) {
    bool here = b->fields & field;
    bitcode_put_tag(out, here);
    return here;
}

static void put_fixed(struct buf *out, const struct bundle *b, enum bundle_field field,
                      const uint8_t *from, size_t n) {
    if (put_tag(out, b, field)) bitcode_put_bytes(out, bytes_make(from, n));
}

static void put_number(struct buf *out, const struct bundle *b, enum bundle_field field,
                       uint64_t v) {
    if (put_tag(out, b, field)) bitcode_put_u64s(out, &v, 1);
}

static void put_hashes(struct buf *out, const struct bundle_hashes *h) {
    bitcode_put_length(out, h->count);
    bitcode_put_bytes(out, bytes_make(h->items, h->count * sizeof(struct hash)));
}

static void put_txs(struct buf *out, const struct bundle_txs *txs) {
    struct buf lengths;
    buf_init(&lengths, 0);
    for (size_t i = 0; i < txs->count; i++) {
        uint64_t n = txs->items[i].n;
        buf_append(&lengths, bytes_make(&n, sizeof n));
    }
    if (lengths.failed) {
        out->failed = ERR_NO_MEMORY;
    } else {
        bitcode_put_length(out, txs->count);
        bitcode_put_lengths(out, (const uint64_t *)(const void *)lengths.p, txs->count);
        bitcode_put_pieces(out, txs->items, txs->count);
    }
    buf_free(&lengths);
}

void peer_bundle_encode(struct buf *out, const struct bundle *b) {
    if (put_tag(out, b, BUNDLE_VERSION)) {
        bitcode_put_length(out, b->version.n);
        buf_append(out, b->version);
    }
    put_number(out, b, BUNDLE_BLOCK_NUMBER, b->block_number);
    put_hashes(out, &b->reverting);
    put_hashes(out, &b->dropping);
    put_fixed(out, b, BUNDLE_REPLACEMENT_UUID, b->replacement_uuid.b, 16);
    put_fixed(out, b, BUNDLE_UUID, b->uuid.b, 16);
    put_fixed(out, b, BUNDLE_SIGNING_ADDRESS, b->signing_address.b, 20);
    put_fixed(out, b, BUNDLE_REFUND_IDENTITY, b->refund_identity.b, 20);
    put_number(out, b, BUNDLE_MIN_TIMESTAMP, b->min_timestamp);
    put_number(out, b, BUNDLE_MAX_TIMESTAMP, b->max_timestamp);
    put_number(out, b, BUNDLE_REPLACEMENT_NONCE, b->replacement_nonce);
    if (put_tag(out, b, BUNDLE_REFUND_PERCENT)) buf_append_byte(out, (uint8_t)b->refund_percent);
    put_fixed(out, b, BUNDLE_REFUND_RECIPIENT, b->refund_recipient.b, 20);
    if (put_tag(out, b, BUNDLE_REFUND_TXS)) put_hashes(out, &b->refund_txs);
    if (put_tag(out, b, BUNDLE_DELAYED_REFUND)) bitcode_put_tag(out, b->delayed_refund);
    put_fixed(out, b, BUNDLE_HASH, b->bundle_hash.b, 32);
    put_txs(out, &b->txs);
}
