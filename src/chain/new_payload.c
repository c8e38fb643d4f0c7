/* SPDX-License-Identifier: MIT */
#include "chain/new_payload.h"

#include "chain/engine_versions.h"
#include "chain/head.h"
#include "net/jsonrpc.h"

struct parameters {
    struct execution_payload payload;
    unsigned parts;
    struct engine_extra extra;
    const struct hash *hashes; // V3: versioned hashes of the blobs
    size_t hash_count;
};

static int fail(int *ret_code, int code) {
    *ret_code = code;
    return ERR_INVALID;
}

static int unsupported_fork(int *ret_code, enum fork f, struct error *why) {
    error_set(why, ERR_INVALID, "Unsupported fork: %s", fork_name(f));
    return fail(ret_code, ENGINE_UNSUPPORTED_FORK);
}

static void invalid(struct new_payload *ret, enum engine_status status, const char *text) {
    ret->status = (struct engine_payload_status){.status = status, .error = bytes_from_str(text)};
}

// Parameters and their structure, as strictly as the version demands.
static int read(struct parameters *q, unsigned version, const struct json *const params[],
                struct arena *a, struct error *why) {
    int r = engine_payload_decode(&q->payload, &q->parts, params[0], a, why);
    if (r == 0 && version >= 3) {
        q->extra.has_beacon_root = true;
        r = engine_hashes_decode(&q->hashes, &q->hash_count, params[1], a, why);
        if (r != 0) r = error_wrap(why, "expectedBlobVersionedHashes");
        if (r == 0) r = json_hash(&q->extra.beacon_root, params[2], why);
    }
    if (r == 0 && version >= 4) {
        q->extra.has_requests = true;
        r = engine_requests_decode(&q->extra.requests, &q->extra.request_count, params[3], a, why);
    }
    return r;
}

static int check(const struct parameters *q, int *ret_code, const struct chain_config *c,
                 unsigned version, struct error *why) {
    enum fork f = chain_fork_at(c, q->payload.block_number, q->payload.timestamp, true);
    unsigned wanted = version == 1 ? 0 : version >= 3 ? ENGINE_WITHDRAWALS | ENGINE_BLOB_GAS : 0;
    if (version == 2) { // either of two structures, by the fork
        wanted = f >= FORK_SHANGHAI ? ENGINE_WITHDRAWALS : 0;
        if (f >= FORK_CANCUN) return unsupported_fork(ret_code, f, why);
    }
    if (q->parts != wanted) {
        error_set(why, ERR_INVALID,
                  "the payload is not of the structure that engine_newPayloadV%u takes", version);
        return fail(ret_code, JSONRPC_INVALID_PARAMS);
    }
    return engine_range_has(engine_new_payload_range(version), f)
               ? 0
               : unsupported_fork(ret_code, f, why);
}

static bool has_hashes(const struct block *b, const struct hash *hashes, size_t count) {
    size_t n = 0;
    for (size_t i = 0; i < b->tx_count; i++) {
        for (size_t j = 0; j < b->txs[i].blob_count; j++) {
            if (n == count || !hash_equal(&hashes[n], &b->txs[i].blob_hashes[j])) return false;
            n++;
        }
    }
    return n == count;
}

// The block that the payload is; an INVALID status where it is none.
static int make_block(struct new_payload *ret, const struct parameters *q, unsigned version,
                      struct arena *a, struct error *why) {
    struct hash hash;
    int r = engine_payload_block(&ret->block, &q->payload, q->parts, &q->extra, a, why);
    if (r == ERR_NO_MEMORY) return r;
    if (r != 0) {
        const char *text = arena_str(a, bytes_from_str(why->text));
        invalid(ret, ENGINE_INVALID, text ? text : "a transaction is none");
        return 0;
    }
    r = header_hash(&hash, &ret->block.header, why);
    if (r != 0) return r;
    if (!hash_equal(&hash, &ret->hash)) {
        invalid(ret, version == 1 ? ENGINE_INVALID_BLOCK_HASH : ENGINE_INVALID,
                "the block's hash is not the payload's blockHash");
    } else if (version >= 3 && !has_hashes(&ret->block, q->hashes, q->hash_count)) {
        invalid(ret, ENGINE_INVALID, "the transactions' blob hashes are not the expected ones");
    } else {
        ret->is_block = true;
    }
    return 0;
}

int new_payload_read(struct new_payload *ret, int *ret_code, const struct chain_config *c,
                     unsigned version, const struct json *const params[], struct arena *a,
                     struct error *why) {
    struct parameters q = {0};
    *ret = (struct new_payload){0};
    *ret_code = 0;
    int r = read(&q, version, params, a, why);
    if (r == ERR_NO_MEMORY) return r;
    if (r != 0) return fail(ret_code, JSONRPC_INVALID_PARAMS);
    ret->hash = q.payload.block_hash;
    r = check(&q, ret_code, c, version, why);
    return r == 0 ? make_block(ret, &q, version, a, why) : r;
}

void new_payload_status(struct engine_payload_status *ret, const struct head_verdict *v) {
    *ret = (struct engine_payload_status){.status = ENGINE_SYNCING};
    if (v->status == HEAD_UNKNOWN_PARENT) return;
    bool good = v->status == HEAD_VALID || v->status == HEAD_KNOWN;
    ret->status = good ? ENGINE_VALID : ENGINE_INVALID;
    ret->latest_valid = good ? v->hash : v->latest_valid;
    ret->has_latest_valid = !hash_is_zero(&ret->latest_valid);
    if (!good) ret->error = bytes_from_str(v->reason.text);
}
