/* What a consensus client reads: payloads, bodies, blobs, versions. SPDX-License-Identifier: MIT */
#include "chain/engine_versions.h"
#include "chain/head.h"
#include "node/engine_api.h"
#include "node/payload.h"

static const struct bytes none = {NULL, 0};

// getPayload

static int write_payload(struct node_call *c, const struct built *b, unsigned version,
                         struct error *why) {
    struct json_writer *w = c->result;
    struct execution_payload payload;
    const struct tx_sidecar *const *sidecars = NULL;
    size_t sidecar_count = 0;
    unsigned parts;
    int r = engine_payload_of(&payload, &parts, &b->block, &b->sealed.hash, c->a, why);
    if (r == 0 && version >= 3) r = built_sidecars(b, &sidecars, &sidecar_count, c->a, why);
    if (r != 0) return r;
    if (version == 1) {
        engine_payload_encode(w, NULL, &payload, parts);
        return 0;
    }
    json_begin_object(w, NULL);
    engine_payload_encode(w, "executionPayload", &payload, parts);
    json_add_quantity256(w, "blockValue", b->value);
    if (version >= 3) {
        engine_blobs_encode(w, "blobsBundle", sidecars, sidecar_count);
        json_add_bool(w, "shouldOverrideBuilder", false);
    }
    if (version >= 4) {
        engine_requests_encode(w, "executionRequests", b->sealed.requests, b->sealed.request_count);
    }
    json_end(w);
    return 0;
}

int engine_get_payload(struct node_call *c, struct error *why) {
    unsigned version = engine_version_of(c);
    struct engine_payload_id id;
    struct built *b = NULL;
    int r = engine_payload_id_decode(&id, node_param(c, 0), why);
    if (r != 0) return node_bad_params(c, why);
    r = payloads_get(c->node->payloads, &id, &b, why);
    if (r == ERR_NOT_FOUND) {
        return node_fail(c, why, ENGINE_UNKNOWN_PAYLOAD, none, "Unknown payload");
    }
    if (r != 0) return r;
    const struct header *h = &b->block.header;
    enum fork f = engine_fork_at(c->node, h->number, h->timestamp);
    if (engine_range_has(engine_get_payload_range(version), f)) {
        r = write_payload(c, b, version, why);
    } else {
        r = node_fail(c, why, ENGINE_UNSUPPORTED_FORK, none, "Unsupported fork: %s", fork_name(f));
    }
    built_release(b);
    return r;
}

// Bodies

static int too_large(struct node_call *c, size_t count, unsigned most, struct error *why) {
    return node_fail(c, why, ENGINE_TOO_LARGE, none, "Too large request: %zu, at most %u", count,
                     most);
}

int engine_bodies_by_hash(struct node_call *c, struct error *why) {
    const struct hash *hashes;
    size_t count;
    int r = engine_hashes_decode(&hashes, &count, node_param(c, 0), c->a, why);
    if (r != 0) return node_bad_params(c, why);
    if (count > ENGINE_BODIES_MAX) return too_large(c, count, ENGINE_BODIES_MAX, why);
    json_begin_array(c->result, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct head_block *b;
        if (head_block_by_hash(c->node->head, &b, &hashes[i], NULL) == 0) {
            engine_body_encode(c->result, NULL, &b->block);
            head_block_release(b);
        } else {
            json_add_null(c->result, NULL);
        }
    }
    json_end(c->result);
    return 0;
}

int engine_bodies_by_range(struct node_call *c, struct error *why) {
    uint64_t start, count;
    int r = json_quantity(&start, node_param(c, 0), why);
    if (r == 0) r = json_quantity(&count, node_param(c, 1), why);
    if (r == 0 && (start == 0 || count == 0)) {
        r = error_set(why, ERR_RANGE, "start and count begin at 1");
    }
    if (r != 0) return node_bad_params(c, why);
    if (count > ENGINE_BODIES_MAX) return too_large(c, (size_t)count, ENGINE_BODIES_MAX, why);
    const struct head_block *latest = head_latest(c->node->head);
    uint64_t last = latest->block.header.number;
    head_block_release(latest);
    json_begin_array(c->result, NULL);
    for (uint64_t i = start; i <= last && i - start < count; i++) { // nothing beyond the head
        const struct head_block *b;
        if (head_block_by_number(c->node->head, &b, i, NULL) == 0) {
            engine_body_encode(c->result, NULL, &b->block);
            head_block_release(b);
        } else {
            json_add_null(c->result, NULL);
        }
    }
    json_end(c->result);
    return 0;
}

// Blobs

static void write_blob(struct json_writer *w, const struct pool_tx *t, size_t index, bool cells) {
    const struct tx_sidecar *s = &t->sidecar;
    json_begin_object(w, NULL);
    json_add_data(w, "blob", bytes_make(s->blobs[index], BLOB_BYTES));
    if (!cells) {
        json_add_data(w, "proof", BYTES_OF(s->proofs[index]));
    } else {
        json_begin_array(w, "proofs");
        for (size_t i = 0; i < CELLS_PER_BLOB; i++) {
            json_add_data(w, NULL, BYTES_OF(s->proofs[index * CELLS_PER_BLOB + i]));
        }
        json_end(w);
    }
    json_end(w);
}

// V1: blob and proof, null where it is not there; not from Osaka on. V2: with cell proofs, all or
// null. V3: as V2, and null for those that are not there. Blobs with a proof of the other version
// count as not there, so that before Osaka V2 and V3 find none.
int engine_get_blobs(struct node_call *c, struct error *why) {
    unsigned version = engine_version_of(c);
    const struct hash *hashes;
    size_t count, missing = 0;
    int r = engine_hashes_decode(&hashes, &count, node_param(c, 0), c->a, why);
    if (r != 0) return node_bad_params(c, why);
    if (count > ENGINE_BLOBS_MAX) return too_large(c, count, ENGINE_BLOBS_MAX, why);
    const struct head_block *latest = head_latest(c->node->head);
    const struct header *h = &latest->block.header;
    enum fork f = engine_fork_at(c->node, h->number, h->timestamp);
    head_block_release(latest);
    if (version == 1 && f >= FORK_OSAKA) {
        return node_fail(c, why, ENGINE_UNSUPPORTED_FORK, none, "Unsupported fork: %s",
                         fork_name(f));
    }
    struct pool_tx **found = arena_alloc_array(c->a, count + 1, sizeof(struct pool_tx *));
    size_t *index = arena_new_array(c->a, size_t, count + 1);
    if (!found || !index) return error_set(why, ERR_NO_MEMORY, "no memory for blobs");
    for (size_t i = 0; i < count; i++) {
        found[i] = txpool_blob(c->node->txpool, &hashes[i], &index[i]);
        if (found[i] && found[i]->sidecar.version != (version == 1 ? 0 : 1)) {
            pool_tx_release(found[i]);
            found[i] = NULL;
        }
        missing += !found[i];
    }
    if (version == 2 && missing) {
        json_add_null(c->result, NULL);
    } else {
        json_begin_array(c->result, NULL);
        for (size_t i = 0; i < count; i++) {
            if (found[i]) write_blob(c->result, found[i], index[i], version > 1);
            if (!found[i]) json_add_null(c->result, NULL);
        }
        json_end(c->result);
    }
    for (size_t i = 0; i < count; i++) {
        pool_tx_release(found[i]);
    }
    return 0;
}

// Who is there

int engine_client_version(struct node_call *c, struct error *why) {
    int r = json_expect(node_param(c, 0), JSON_OBJECT, why);
    if (r != 0) return node_bad_params(c, why);
    static const uint8_t commit[4]; // a release is known by its version
    json_begin_array(c->result, NULL);
    json_begin_object(c->result, NULL);
    json_add_str(c->result, "code", "BN");
    json_add_str(c->result, "name", NODE_CLIENT_NAME);
    json_add_str(c->result, "version", BUILDERNET_VERSION);
    json_add_data(c->result, "commit", bytes_make(commit, sizeof commit));
    json_end(c->result);
    json_end(c->result);
    return 0;
}

int engine_transition(struct node_call *c, struct error *why) {
    struct u256 theirs;
    const struct hash zero = {{0}};
    int r = json_get_quantity256(&theirs, node_param(c, 0), "terminalTotalDifficulty", why);
    if (r != 0) return node_bad_params(c, why);
    json_begin_object(c->result, NULL);
    json_add_quantity256(c->result, "terminalTotalDifficulty",
                         c->node->config->terminal_total_difficulty);
    json_add_data(c->result, "terminalBlockHash", BYTES_OF(zero));
    json_add_quantity(c->result, "terminalBlockNumber", 0);
    json_end(c->result);
    return 0;
}
