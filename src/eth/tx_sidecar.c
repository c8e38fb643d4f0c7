/* SPDX-License-Identifier: MIT */
#include "eth/tx_sidecar.h"

#include "crypto/kzg.h"
#include "eth/rlp.h"

static const uint8_t *const *read_blobs(struct rlp_reader *r, size_t *ret_count, struct arena *a) {
    struct rlp_reader list = rlp_list(r, "blobs");
    const uint8_t **blobs =
        rlp_array(&list, ret_count, SIDECAR_BLOBS_MAX, BLOB_BYTES, sizeof *blobs, a, "blobs");
    for (size_t i = 0; i < *ret_count; i++) {
        struct bytes blob = rlp_string(&list, "blob");
        if (blob.n != BLOB_BYTES) rlp_fail(&list, ERR_SYNTAX, "blob: has the wrong length");
        blobs[i] = blob.p;
    }
    return (const uint8_t *const *)blobs;
}

static const struct bytes48 *read_points(struct rlp_reader *r, size_t *ret_count, size_t max,
                                         struct arena *a, const char *what) {
    struct rlp_reader list = rlp_list(r, what);
    struct bytes48 *points = rlp_array(&list, ret_count, max, 49, sizeof *points, a, what);
    for (size_t i = 0; i < *ret_count; i++) {
        rlp_fixed(&list, points[i].b, 48, what);
    }
    return points;
}

/* The part of the network form behind the fields. */
static void read_sidecar(struct rlp_reader *r, struct tx_sidecar *s, struct arena *a) {
    if (!rlp_peek_is_list(r)) {
        if (rlp_u64(r, "sidecar version") != 1) {
            rlp_fail(r, ERR_UNSUPPORTED, "sidecar version: only 1 is known");
        }
        s->version = 1;
    }
    size_t commitments;
    s->blobs = read_blobs(r, &s->blob_count, a);
    s->commitments = read_points(r, &commitments, SIDECAR_BLOBS_MAX, a, "commitments");
    s->proofs =
        read_points(r, &s->proof_count, (size_t)SIDECAR_BLOBS_MAX * CELLS_PER_BLOB, a, "proofs");
    size_t per_blob = s->version == 1 ? CELLS_PER_BLOB : 1;
    if (commitments != s->blob_count || s->proof_count != per_blob * s->blob_count) {
        rlp_fail(r, ERR_SYNTAX, "blob sidecar: %zu blobs, %zu commitments, %zu proofs",
                 s->blob_count, commitments, s->proof_count);
    }
}

int tx_decode_network(struct tx *ret, struct tx_sidecar *ret_sidecar, struct bytes in,
                      struct arena *a, struct error *why) {
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, bytes_slice(in, 1, SIZE_MAX), NULL);
    struct rlp_reader r = rlp_list(&outer, "transaction");
    // Fields begin with the chain id, a string: a list in its place is the wrapped form's.
    if (in.n == 0 || in.p[0] != TX_BLOB || !rlp_peek_is_list(&r)) {
        int status = tx_decode(ret, in, a, why);
        if (status == 0) *ret_sidecar = (struct tx_sidecar){.present = false};
        return status;
    }
    source.start = in.p;
    source.why = why;
    struct bytes fields = rlp_raw(&r, "transaction");
    struct tx_sidecar sidecar = {.present = true};
    read_sidecar(&r, &sidecar, a);
    rlp_end(&r, "blob sidecar");
    int status = rlp_finish(&outer, "blob transaction");
    if (status != 0) return status;
    uint8_t *envelope = arena_alloc_raw(a, 1 + fields.n);
    if (!envelope) {
        return error_set(why, ERR_LIMIT, "transaction does not fit its memory limit");
    }
    envelope[0] = TX_BLOB;
    memcpy(envelope + 1, fields.p, fields.n);
    status = tx_decode(ret, (struct bytes){envelope, 1 + fields.n}, a, why);
    if (status != 0 && why) why->at += (uint32_t)(fields.p - in.p - 1);
    if (status == 0) *ret_sidecar = sidecar;
    return status;
}

static void put_points(struct buf *out, const struct bytes48 *points, size_t count) {
    rlp_put_list_header(out, 49 * count);
    for (size_t i = 0; i < count; i++) {
        rlp_put_string(out, BYTES_OF(points[i]));
    }
}

void tx_encode_network(struct buf *out, const struct tx *t, const struct tx_sidecar *sidecar) {
    if (t->type != TX_BLOB || !sidecar->present) {
        tx_encode(out, t);
        return;
    }
    struct buf envelope;
    buf_init(&envelope, 0);
    tx_encode(&envelope, t);
    struct bytes fields = bytes_slice(buf_view(&envelope), 1, SIZE_MAX);
    size_t blobs = sidecar->blob_count * (BLOB_BYTES + rlp_size_header(BLOB_BYTES));
    size_t points =
        rlp_size_list(49 * sidecar->blob_count) + rlp_size_list(49 * sidecar->proof_count);
    buf_append_byte(out, TX_BLOB);
    rlp_put_list_header(out, fields.n + (sidecar->version ? 1 : 0) + rlp_size_list(blobs) + points);
    buf_append(out, fields);
    if (sidecar->version) rlp_put_u64(out, sidecar->version);
    rlp_put_list_header(out, blobs);
    for (size_t i = 0; i < sidecar->blob_count; i++) {
        rlp_put_string(out, (struct bytes){sidecar->blobs[i], BLOB_BYTES});
    }
    put_points(out, sidecar->commitments, sidecar->blob_count);
    put_points(out, sidecar->proofs, sidecar->proof_count);
    if (envelope.failed && !out->failed) out->failed = envelope.failed;
    buf_free(&envelope);
}

int tx_sidecar_check(const struct tx *t, const struct tx_sidecar *sidecar, struct error *why) {
    if (t->blob_count != sidecar->blob_count) {
        return error_set(why, ERR_INVALID, "sidecar has %zu blobs, the transaction %zu",
                         sidecar->blob_count, t->blob_count);
    }
    for (size_t i = 0; i < t->blob_count; i++) {
        struct hash h = kzg_versioned_hash(&sidecar->commitments[i]);
        if (!hash_equal(&h, &t->blob_hashes[i])) {
            return error_set(why, ERR_INVALID, "blob %zu: its hash is not of its commitment", i);
        }
    }
    return 0;
}
