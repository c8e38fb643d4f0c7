/* Attributes, identifiers, status and lists of the Engine API. SPDX-License-Identifier: MIT */
#include "chain/engine.h"

#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "eth/rlp.h"
#include "eth/rpc_json.h"

// Lists

int engine_requests_decode(const struct bytes **ret, size_t *ret_count, const struct json *in,
                           struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "executionRequests");
    size_t n = 0;
    struct bytes *items = arena_new_array(a, struct bytes, json_count(in) + 1);
    if (!items) return error_set(why, ERR_LIMIT, "too many execution requests");
    json_each(item, in) {
        r = json_data(&items[n], item, a, why);
        if (r == 0 && items[n].n < 2) r = error_set(why, ERR_INVALID, "it has no data");
        if (r == 0 && n && items[n].p[0] <= items[n - 1].p[0]) {
            r = error_set(why, ERR_INVALID, "its type does not rise");
        }
        if (r != 0) return error_wrap(why, "executionRequests[%zu]", n);
        n++;
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

void engine_requests_encode(struct json_writer *w, const char *key, const struct bytes *requests,
                            size_t count) {
    json_begin_array(w, key);
    for (size_t i = 0; i < count; i++) {
        json_add_data(w, NULL, requests[i]);
    }
    json_end(w);
}

int engine_hashes_decode(const struct hash **ret, size_t *ret_count, const struct json *in,
                         struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return r;
    size_t n = 0;
    struct hash *items = arena_new_array(a, struct hash, json_count(in) + 1);
    if (!items) return error_set(why, ERR_LIMIT, "too many hashes");
    json_each(item, in) {
        r = json_hash(&items[n++], item, why);
        if (r != 0) return r;
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

/* The three kinds of requests and their SSZ lists. */
static const struct {
    uint8_t type;
    size_t size, memory; // of one, on the wire and in C
    size_t offset;       // of its list in struct execution_requests
} kinds[] = {
    {0, 192, sizeof(struct deposit_request), offsetof(struct execution_requests, deposits)},
    {1, 76, sizeof(struct withdrawal_request), offsetof(struct execution_requests, withdrawals)},
    {2, 116, sizeof(struct consolidation_request),
     offsetof(struct execution_requests, consolidations)},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

// The list's description is that of the field in ssz_execution_requests.
static const struct ssz_type *list_type(size_t kind) {
    return ssz_execution_requests.fields[kind].type;
}

int engine_requests_of(struct execution_requests *ret, const struct bytes *requests, size_t count,
                       struct arena *a, struct error *why) {
    *ret = (struct execution_requests){0};
    for (size_t i = 0; i < count; i++) {
        size_t kind = 0;
        while (kind < KINDS && (!requests[i].n || kinds[kind].type != requests[i].p[0])) {
            kind++;
        }
        if (kind == KINDS) return error_set(why, ERR_INVALID, "a request of an unknown type");
        int r = ssz_decode((char *)ret + kinds[kind].offset, list_type(kind),
                           bytes_slice(requests[i], 1, requests[i].n), a, why);
        if (r != 0) return error_wrap(why, "requests of type %u", kinds[kind].type);
    }
    return 0;
}

int engine_requests_flatten(const struct bytes **ret, size_t *ret_count,
                            const struct execution_requests *r, struct arena *a,
                            struct error *why) {
    struct bytes *items = arena_new_array(a, struct bytes, KINDS);
    size_t n = 0;
    if (!items) return error_set(why, ERR_NO_MEMORY, "no memory for requests");
    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct ssz_list *list =
            (const struct ssz_list *)(const void *)((const char *)r + kinds[kind].offset);
        struct buf out;
        if (list->count == 0) continue;
        buf_init(&out, 0);
        buf_append_byte(&out, kinds[kind].type);
        ssz_encode(&out, list_type(kind), list);
        items[n] = arena_copy(a, buf_view(&out));
        int failed = buf_check(&out, why);
        buf_free(&out);
        if (failed != 0) return failed;
        if (!items[n++].p) return error_set(why, ERR_NO_MEMORY, "no memory for requests");
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

void engine_blobs_encode(struct json_writer *w, const char *key,
                         const struct tx_sidecar *const *sidecars, size_t count) {
    json_begin_object(w, key);
    json_begin_array(w, "commitments");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sidecars[i]->blob_count; j++) {
            json_add_data(w, NULL, BYTES_OF(sidecars[i]->commitments[j]));
        }
    }
    json_end(w);
    json_begin_array(w, "proofs");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sidecars[i]->proof_count; j++) {
            json_add_data(w, NULL, BYTES_OF(sidecars[i]->proofs[j]));
        }
    }
    json_end(w);
    json_begin_array(w, "blobs");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sidecars[i]->blob_count; j++) {
            json_add_data(w, NULL, bytes_make(sidecars[i]->blobs[j], BLOB_BYTES));
        }
    }
    json_end(w);
    json_end(w);
}

int engine_blobs_bundle(struct blobs_bundle *ret, const struct tx_sidecar *const *sidecars,
                        size_t count, struct arena *a, struct error *why) {
    size_t blobs = 0, proofs = 0;
    for (size_t i = 0; i < count; i++) {
        blobs += sidecars[i]->blob_count;
        proofs += sidecars[i]->proof_count;
    }
    struct bytes48 *commitment = arena_new_array(a, struct bytes48, blobs + 1);
    struct bytes48 *proof = arena_new_array(a, struct bytes48, proofs + 1);
    struct blob *blob = arena_alloc_raw(a, (blobs + 1) * sizeof *blob);
    if (!commitment || !proof || !blob) {
        return error_set(why, ERR_NO_MEMORY, "no memory for blobs");
    }
    *ret = (struct blobs_bundle){0};
    ret->commitments.items = commitment;
    ret->proofs.items = proof;
    ret->blobs.items = blob;
    for (size_t i = 0; i < count; i++) {
        const struct tx_sidecar *s = sidecars[i];
        memcpy(commitment + ret->commitments.count, s->commitments,
               s->blob_count * sizeof *commitment);
        memcpy(proof + ret->proofs.count, s->proofs, s->proof_count * sizeof *proof);
        for (size_t j = 0; j < s->blob_count; j++) {
            memcpy(blob[ret->blobs.count + j].b, s->blobs[j], BLOB_BYTES);
        }
        ret->commitments.count += s->blob_count;
        ret->proofs.count += s->proof_count;
        ret->blobs.count += s->blob_count;
    }
    return 0;
}

// Reads an array of elements of one size, at most `most` of them.
static int decode_fixed_list(const void **ret, size_t *ret_count, size_t size, size_t most,
                             const struct json *in, const char *key, struct arena *a,
                             struct error *why) {
    const struct json *list = json_get(in, key);
    int r = json_expect(list, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "%s", key);
    if (json_count(list) > most) return error_set(why, ERR_LIMIT, "%s: too many", key);
    uint8_t *items = arena_alloc_raw(a, (json_count(list) + 1) * size);
    size_t n = 0;
    if (!items) return error_set(why, ERR_LIMIT, "%s: no memory", key);
    json_each(item, list) {
        r = json_fixed(items + n * size, size, item, why);
        if (r != 0) return error_wrap(why, "%s[%zu]", key, n);
        n++;
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

int engine_blobs_decode(struct blobs_bundle *ret, const struct json *in, struct arena *a,
                        struct error *why) {
    const void *commitments, *proofs, *blobs;
    struct blobs_bundle b = {0};
    const size_t most = SIDECAR_BLOBS_MAX;
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) {
        r = decode_fixed_list(&commitments, &b.commitments.count, sizeof(struct bytes48), most, in,
                              "commitments", a, why);
    }
    if (r == 0) {
        r = decode_fixed_list(&proofs, &b.proofs.count, sizeof(struct bytes48),
                              most * CELLS_PER_BLOB, in, "proofs", a, why);
    }
    if (r == 0) {
        r = decode_fixed_list(&blobs, &b.blobs.count, sizeof(struct blob), most, in, "blobs", a,
                              why);
    }
    if (r != 0) return r;
    b.commitments.items = commitments;
    b.proofs.items = proofs;
    b.blobs.items = blobs;
    *ret = b;
    return 0;
}

// Attributes

static bool has(const struct json *in, const char *key) {
    return !json_is_null(json_get(in, key));
}

static int decode_attribute_withdrawals(struct engine_attributes *v, const struct json *in,
                                        struct arena *a, struct error *why) {
    const struct json *list = json_get(in, "withdrawals");
    if (json_is_null(list)) return 0;
    int r = json_expect(list, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "withdrawals");
    struct withdrawal *items = arena_new_array(a, struct withdrawal, json_count(list) + 1);
    if (!items) return error_set(why, ERR_LIMIT, "too many withdrawals");
    json_each(item, list) {
        r = withdrawal_json_decode(&items[v->withdrawal_count++], item, why);
        if (r != 0) return error_wrap(why, "withdrawals");
    }
    v->withdrawals = items;
    v->has_withdrawals = true;
    return 0;
}

static int decode_rollup(struct engine_attributes *v, const struct json *in, struct arena *a,
                         struct error *why) {
    const struct json *list = json_get(in, "transactions");
    int r = 0;
    if (!json_is_null(list)) {
        v->has_rollup = true;
        r = json_expect(list, JSON_ARRAY, why);
        if (r != 0) return error_wrap(why, "transactions");
        struct bytes *items = arena_new_array(a, struct bytes, json_count(list) + 1);
        if (!items) return error_set(why, ERR_LIMIT, "too many transactions");
        json_each(item, list) {
            r = json_data(&items[v->transaction_count++], item, a, why);
            if (r != 0) return error_wrap(why, "transactions");
        }
        v->transactions = items;
    }
    if (has(in, "noTxPool")) {
        v->has_rollup = true;
        r = json_get_bool(&v->no_tx_pool, in, "noTxPool", why);
    }
    if (r == 0 && has(in, "gasLimit")) {
        v->has_rollup = v->has_gas_limit = true;
        r = json_get_quantity(&v->gas_limit, in, "gasLimit", why);
    }
    if (r == 0 && has(in, "eip1559Params")) {
        v->has_rollup = v->has_eip1559_params = true;
        r = json_get_fixed(v->eip1559_params, sizeof v->eip1559_params, in, "eip1559Params", why);
    }
    if (r == 0 && has(in, "minBaseFee")) {
        const struct json *fee = json_get(in, "minBaseFee");
        v->has_rollup = v->has_min_base_fee = true;
        r = json_type_of(fee) == JSON_NUMBER ? json_u64(&v->min_base_fee, fee, why)
                                             : json_quantity(&v->min_base_fee, fee, why);
    }
    return r;
}

int engine_attributes_decode(struct engine_attributes *ret, const struct json *in, struct arena *a,
                             struct error *why) {
    struct engine_attributes v = {0};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_quantity(&v.timestamp, in, "timestamp", why);
    if (r == 0) r = json_get_hash(&v.prev_randao, in, "prevRandao", why);
    if (r == 0) r = json_get_address(&v.fee_recipient, in, "suggestedFeeRecipient", why);
    if (r == 0) r = decode_attribute_withdrawals(&v, in, a, why);
    if (r == 0 && has(in, "parentBeaconBlockRoot")) {
        v.has_beacon_root = true;
        r = json_get_hash(&v.beacon_root, in, "parentBeaconBlockRoot", why);
    }
    if (r == 0) r = decode_rollup(&v, in, a, why);
    if (r == 0) *ret = v;
    return r;
}

void engine_attributes_encode(struct json_writer *w, const char *key,
                              const struct engine_attributes *v) {
    json_begin_object(w, key);
    json_add_quantity(w, "timestamp", v->timestamp);
    json_add_data(w, "prevRandao", BYTES_OF(v->prev_randao));
    json_add_data(w, "suggestedFeeRecipient", BYTES_OF(v->fee_recipient));
    if (v->has_withdrawals) {
        json_begin_array(w, "withdrawals");
        for (size_t i = 0; i < v->withdrawal_count; i++) {
            withdrawal_json_encode(w, NULL, &v->withdrawals[i]);
        }
        json_end(w);
    }
    if (v->has_beacon_root) json_add_data(w, "parentBeaconBlockRoot", BYTES_OF(v->beacon_root));
    if (v->has_rollup) {
        json_begin_array(w, "transactions");
        for (size_t i = 0; i < v->transaction_count; i++) {
            json_add_data(w, NULL, v->transactions[i]);
        }
        json_end(w);
        json_add_bool(w, "noTxPool", v->no_tx_pool);
        if (v->has_gas_limit) json_add_quantity(w, "gasLimit", v->gas_limit);
        if (v->has_eip1559_params) {
            json_add_data(w, "eip1559Params",
                          bytes_make(v->eip1559_params, sizeof v->eip1559_params));
        }
        if (v->has_min_base_fee) json_add_quantity(w, "minBaseFee", v->min_base_fee);
    }
    json_end(w);
}

// Payload identifiers

static void id_rollup(struct buf *out, const struct engine_attributes *v) {
    if (v->no_tx_pool || v->transaction_count) {
        buf_append_byte(out, v->no_tx_pool ? 1 : 0);
        buf_append_be64(out, v->transaction_count);
        for (size_t i = 0; i < v->transaction_count; i++) {
            struct hash h = keccak256(v->transactions[i]);
            buf_append(out, BYTES_OF(h));
        }
    }
    if (v->has_gas_limit) buf_append_be64(out, v->gas_limit);
    if (v->has_eip1559_params) {
        buf_append(out, bytes_make(v->eip1559_params, sizeof v->eip1559_params));
    }
    if (v->has_min_base_fee) buf_append_be64(out, v->min_base_fee);
}

int engine_payload_id_of(struct engine_payload_id *ret, const struct hash *parent,
                         const struct engine_attributes *v, uint8_t version, struct error *why) {
    struct buf out, list;
    buf_init(&out, 0);
    buf_init(&list, 0);
    buf_append(&out, bytes_make(parent, sizeof *parent));
    buf_append_be64(&out, v->timestamp);
    buf_append(&out, BYTES_OF(v->prev_randao));
    buf_append(&out, BYTES_OF(v->fee_recipient));
    if (v->has_withdrawals) {
        for (size_t i = 0; i < v->withdrawal_count; i++) {
            withdrawal_encode(&list, &v->withdrawals[i]);
        }
        rlp_put_list_header(&out, list.n);
        buf_append(&out, buf_view(&list));
    }
    if (v->has_beacon_root) buf_append(&out, BYTES_OF(v->beacon_root));
    id_rollup(&out, v);
    int r = buf_check(&list, why);
    if (r == 0) r = buf_check(&out, why);
    if (r == 0) {
        struct hash sum = sha256(buf_view(&out));
        memcpy(ret->b, sum.b, sizeof ret->b);
        ret->b[0] = version;
    }
    buf_free(&list);
    buf_free(&out);
    return r;
}

int engine_payload_id_decode(struct engine_payload_id *ret, const struct json *in,
                             struct error *why) {
    return json_fixed(ret->b, sizeof ret->b, in, why);
}

// Status and fork choice

static const char *const status_names[ENGINE_STATUS_COUNT] = {
    [ENGINE_VALID] = "VALID",
    [ENGINE_INVALID] = "INVALID",
    [ENGINE_SYNCING] = "SYNCING",
    [ENGINE_ACCEPTED] = "ACCEPTED",
    [ENGINE_INVALID_BLOCK_HASH] = "INVALID_BLOCK_HASH",
};

const char *engine_status_name(enum engine_status s) {
    return status_names[s];
}

void engine_payload_status_encode(struct json_writer *w, const char *key,
                                  const struct engine_payload_status *s) {
    json_begin_object(w, key);
    json_add_str(w, "status", engine_status_name(s->status));
    if (s->has_latest_valid) {
        json_add_data(w, "latestValidHash", BYTES_OF(s->latest_valid));
    } else {
        json_add_null(w, "latestValidHash");
    }
    if (s->error.p) {
        json_add_text(w, "validationError", s->error);
    } else {
        json_add_null(w, "validationError");
    }
    json_end(w);
}

int engine_payload_status_decode(struct engine_payload_status *ret, const struct json *in,
                                 struct error *why) {
    struct engine_payload_status s = {0};
    struct bytes name;
    int r = json_get_string(&name, in, "status", why);
    if (r != 0) return r;
    unsigned i = 0;
    while (i < ENGINE_STATUS_COUNT && !bytes_equal_str(name, status_names[i])) {
        i++;
    }
    if (i == ENGINE_STATUS_COUNT) return error_set(why, ERR_INVALID, "an unknown payload status");
    s.status = (enum engine_status)i;
    if (has(in, "latestValidHash")) {
        s.has_latest_valid = true;
        r = json_get_hash(&s.latest_valid, in, "latestValidHash", why);
    }
    if (r == 0 && has(in, "validationError")) {
        r = json_get_string(&s.error, in, "validationError", why);
    }
    if (r == 0) *ret = s;
    return r;
}

int engine_forkchoice_decode(struct engine_forkchoice *ret, const struct json *in,
                             struct error *why) {
    struct engine_forkchoice f;
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_hash(&f.head, in, "headBlockHash", why);
    if (r == 0) r = json_get_hash(&f.safe, in, "safeBlockHash", why);
    if (r == 0) r = json_get_hash(&f.finalized, in, "finalizedBlockHash", why);
    if (r == 0) *ret = f;
    return r;
}

void engine_forkchoice_encode(struct json_writer *w, const char *key,
                              const struct engine_forkchoice *f) {
    json_begin_object(w, key);
    json_add_data(w, "headBlockHash", BYTES_OF(f->head));
    json_add_data(w, "safeBlockHash", BYTES_OF(f->safe));
    json_add_data(w, "finalizedBlockHash", BYTES_OF(f->finalized));
    json_end(w);
}
